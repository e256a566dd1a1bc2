//! Webhooks, told in the background: a queue and a worker for each, so that one that hangs holds up no other, and none of them a rollout. What is told is
//! made elsewhere. An address is a secret: it is in no error.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::fleet::NotifyRule;

/// Messages that wait for one webhook; what is more is left for the next process.
const MOST: usize = 64;
/// The pause after a first failure doubles up to the second.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// The pause when the process is about to end.
const LAST_PAUSE: Duration = Duration::from_millis(500);

/// Bytes of an answer that are read when a webhook is tried.
#[cfg(feature = "http")]
const MOST_SAID: usize = 4096;
/// Characters of it that are shown.
#[cfg(feature = "http")]
const MOST_SHOWN: usize = 200;

/// Looks an environment variable up.
type Environment = fn(&str) -> Option<String>;

/// A message for one webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotifyMessage {
    /// The rollout it is about.
    pub rollout: String,
    /// The number of its record.
    pub record: u64,
    /// As it is sent.
    pub body: String,
}

/// A message that was taken by a webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotifyDelivered {
    pub rule: String,
    pub rollout: String,
    pub record: u64,
}

/// Why a webhook was not told. Without its address, which is a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotifyFault {
    /// Nothing is known of where it is.
    #[error("the environment variable {variable} is not set")]
    NotSet {
        /// Its name, as the rule has it.
        variable: String,
    },
    /// What the variable holds leads nowhere.
    #[error("the environment variable {variable} does not hold an http or https address")]
    NoAddress {
        /// Its name, as the rule has it.
        variable: String,
    },
    /// This program cannot speak HTTP.
    #[error("this kfleet was built without the feature `http`")]
    NoHttp,
    /// It took longer than its rule allows.
    #[error("it does not answer in time")]
    Late,
    /// No connection comes about.
    #[error("it cannot be reached")]
    Unreachable,
    /// There was a connection, and no answer.
    #[error("it breaks off")]
    BreaksOff,
    /// It said no.
    #[error("it answers {0}")]
    Answers(u16),
}

impl NotifyFault {
    /// Whether the same may be taken in a while.
    fn may_pass(&self) -> bool {
        match self {
            NotifyFault::Late | NotifyFault::Unreachable | NotifyFault::BreaksOff => true,
            NotifyFault::Answers(status) => matches!(status, 408 | 425 | 429 | 500..=599),
            NotifyFault::NotSet { .. } | NotifyFault::NoAddress { .. } | NotifyFault::NoHttp => {
                false
            }
        }
    }
}

/// What one webhook was not told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotifyLeft {
    pub rule: String,
    /// How many messages.
    pub messages: usize,
    /// What went wrong last.
    pub why: NotifyFault,
}

/// What a webhook said to a message that was only a try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The beginning of what came with it, on one line; none: nothing came, or it repeats what the address is made of.
    pub said: Option<String>,
}

impl WebhookAnswer {
    /// Whether the message was taken.
    pub fn is_taken(&self) -> bool {
        (200..=299).contains(&self.status)
    }
}

impl std::fmt::Display for WebhookAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let WebhookAnswer { status, said } = self;
        write!(f, "it answers {status}")?;
        said.iter().try_for_each(|said| write!(f, ": {said}"))
    }
}

/// Sends one message to a webhook, once, and says what it answered.
///
/// # Errors
/// When no answer came about.
pub async fn try_webhook(
    rule: &NotifyRule,
    body: &str,
    environment: Environment,
) -> Result<WebhookAnswer, NotifyFault> {
    Webhook::of(rule, environment)?.ask(body).await
}

/// The webhooks of a fleet. Dropping it stops telling.
#[derive(Debug)]
pub struct Notifier {
    channels: Vec<Channel>,
    delivered: Arc<Mutex<Vec<NotifyDelivered>>>,
    closing: watch::Sender<bool>,
    workers: JoinSet<()>,
}

/// The way to one webhook.
#[derive(Debug)]
struct Channel {
    rule: NotifyRule,
    queue: Option<mpsc::Sender<NotifyMessage>>,
    state: Arc<Mutex<ChannelState>>,
}

/// What is on its way.
#[derive(Debug, Default)]
struct ChannelState {
    /// Messages that were not taken, whatever the reason.
    open: usize,
    /// What went wrong last.
    fault: Option<NotifyFault>,
}

impl Notifier {
    /// Begins to tell the webhooks of these rules. To be called where tokio runs.
    pub fn open(rules: &[NotifyRule], environment: Environment) -> Notifier {
        let mut notifier = Notifier {
            channels: Vec::new(),
            delivered: Arc::default(),
            closing: watch::Sender::new(false),
            workers: JoinSet::new(),
        };
        for rule in rules {
            let state = Arc::<Mutex<ChannelState>>::default();
            let queue = match Webhook::of(rule, environment) {
                Ok(webhook) => Some(notifier.begin(webhook, &state)),
                Err(fault) => {
                    locked(&state).fault = Some(fault);
                    None
                }
            };
            notifier.channels.push(Channel {
                rule: rule.clone(),
                queue,
                state,
            });
        }
        notifier
    }

    fn begin(
        &mut self,
        webhook: Webhook,
        state: &Arc<Mutex<ChannelState>>,
    ) -> mpsc::Sender<NotifyMessage> {
        let (queue, messages) = mpsc::channel(MOST);
        let worker = NotifyWorker {
            webhook,
            state: Arc::clone(state),
            delivered: Arc::clone(&self.delivered),
            closing: self.closing.subscribe(),
        };
        self.workers.spawn(worker.work(messages));
        queue
    }

    /// Rules whose webhook cannot be told anything, and why.
    pub fn unready(&self) -> impl Iterator<Item = (&NotifyRule, NotifyFault)> {
        let channels = self
            .channels
            .iter()
            .filter(|channel| channel.queue.is_none());
        channels.filter_map(|channel| {
            let fault = locked(&channel.state).fault.clone()?;
            Some((&channel.rule, fault))
        })
    }

    /// Puts a message into the queue of a rule; never waits.
    pub fn tell(&self, rule: &NotifyRule, message: NotifyMessage) {
        let Some(channel) = self.channels.iter().find(|c| c.rule.name == rule.name) else {
            return;
        };
        locked(&channel.state).open += 1;
        if let Some(queue) = &channel.queue {
            // What finds no place is still open, and left for the next process.
            let _full = queue.try_send(message);
        }
    }

    /// What was taken since this was last asked.
    pub fn delivered(&self) -> Vec<NotifyDelivered> {
        std::mem::take(&mut *locked(&self.delivered))
    }

    /// Waits until everything was taken, not for longer than that; what was not.
    pub async fn close(&mut self, patience: Duration) -> Vec<NotifyLeft> {
        for channel in &mut self.channels {
            channel.queue = None;
        }
        self.closing.send_replace(true);
        let all = async { while self.workers.join_next().await.is_some() {} };
        let _late = tokio::time::timeout(patience, all).await;
        self.workers.abort_all();
        let left = |channel: &Channel| {
            let state = locked(&channel.state);
            (state.open > 0).then(|| NotifyLeft {
                rule: channel.rule.name.clone(),
                messages: state.open,
                why: state.fault.clone().unwrap_or(NotifyFault::Late),
            })
        };
        self.channels.iter().filter_map(left).collect()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Who tells one webhook.
struct NotifyWorker {
    webhook: Webhook,
    state: Arc<Mutex<ChannelState>>,
    delivered: Arc<Mutex<Vec<NotifyDelivered>>>,
    closing: watch::Receiver<bool>,
}

impl NotifyWorker {
    /// One after the other, so that they arrive in their order.
    async fn work(mut self, mut messages: mpsc::Receiver<NotifyMessage>) {
        while let Some(message) = messages.recv().await {
            self.deliver(message).await;
        }
    }

    async fn deliver(&mut self, message: NotifyMessage) {
        let mut pause = PAUSES.0;
        loop {
            match self.webhook.post(&message.body).await {
                Ok(()) => {
                    locked(&self.state).open -= 1;
                    locked(&self.delivered).push(NotifyDelivered {
                        rule: self.webhook.name.clone(),
                        rollout: message.rollout,
                        record: message.record,
                    });
                    return;
                }
                Err(fault) => {
                    let again = fault.may_pass();
                    locked(&self.state).fault = Some(fault);
                    if !again {
                        return;
                    }
                }
            }
            self.rest(pause).await;
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    /// A pause; a short one when the process is about to end.
    async fn rest(&mut self, pause: Duration) {
        let is_closing = *self.closing.borrow_and_update();
        if is_closing {
            tokio::time::sleep(LAST_PAUSE).await;
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = self.closing.changed() => {}
        }
    }
}

/// Where messages of a rule go.
struct Webhook {
    name: String,
    #[cfg(feature = "http")]
    client: reqwest::Client,
    #[cfg(feature = "http")]
    url: reqwest::Url,
}

#[cfg(feature = "http")]
impl Webhook {
    fn of(rule: &NotifyRule, environment: Environment) -> Result<Webhook, NotifyFault> {
        let variable = || rule.url.env.clone();
        let held = environment(&rule.url.env).filter(|value| !value.trim().is_empty());
        let held = held.ok_or_else(|| NotifyFault::NotSet {
            variable: variable(),
        })?;
        let url = held.trim().parse::<reqwest::Url>().ok();
        let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let url = url.ok_or_else(|| NotifyFault::NoAddress {
            variable: variable(),
        })?;
        let timeout = Duration::from_millis(rule.timeout.millis().max(1).unsigned_abs());
        // A redirect would carry what is told to a server that nobody named.
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(timeout)
            .build();
        Ok(Webhook {
            name: rule.name.clone(),
            client: client.map_err(|_| NotifyFault::NoHttp)?,
            url,
        })
    }

    async fn post(&self, body: &str) -> Result<(), NotifyFault> {
        match self.send(body).await?.status().as_u16() {
            200..=299 => Ok(()),
            status => Err(NotifyFault::Answers(status)),
        }
    }

    async fn ask(&self, body: &str) -> Result<WebhookAnswer, NotifyFault> {
        let mut response = self.send(body).await?;
        let status = response.status().as_u16();
        let mut held = Vec::new();
        while held.len() < MOST_SAID
            && let Ok(Some(chunk)) = response.chunk().await
        {
            held.extend_from_slice(&chunk);
        }
        Ok(WebhookAnswer {
            status,
            said: without_address(&String::from_utf8_lossy(&held), &self.url),
        })
    }

    async fn send(&self, body: &str) -> Result<reqwest::Response, NotifyFault> {
        let request = self
            .client
            .post(self.url.clone())
            .header(reqwest::header::CONTENT_TYPE, "application/json")
            .body(body.to_owned());
        // The error's own text holds the address: only its kind is said.
        request.send().await.map_err(|e| {
            if e.is_timeout() {
                NotifyFault::Late
            } else if e.is_connect() {
                NotifyFault::Unreachable
            } else {
                NotifyFault::BreaksOff
            }
        })
    }
}

/// The beginning of an answer, unless it repeats a part of the address.
#[cfg(feature = "http")]
fn without_address(text: &str, url: &reqwest::Url) -> Option<String> {
    /// Shorter parts, such as `v1`, are in many texts and are no secret.
    const TELLING: usize = 4;
    let segments = url.path_segments().into_iter().flatten();
    let parts = segments.chain(url.host_str()).chain(url.query());
    let parts = parts.chain([url.username(), url.password().unwrap_or_default()]);
    let mut telling = parts.filter(|part| part.len() >= TELLING);
    let line = text.lines().map(str::trim).find(|line| !line.is_empty())?;
    let is_secret = telling.any(|part| text.contains(part));
    let shown = line.chars().filter(|c| !c.is_control()).take(MOST_SHOWN);
    (!is_secret).then(|| shown.collect())
}

#[cfg(not(feature = "http"))]
impl Webhook {
    async fn ask(&self, _body: &str) -> Result<WebhookAnswer, NotifyFault> {
        std::future::ready(Err(NotifyFault::NoHttp)).await
    }

    fn of(rule: &NotifyRule, environment: Environment) -> Result<Webhook, NotifyFault> {
        let variable = rule.url.env.clone();
        match environment(&rule.url.env) {
            None => Err(NotifyFault::NotSet { variable }),
            Some(_) => Err(NotifyFault::NoHttp),
        }
    }

    async fn post(&self, _body: &str) -> Result<(), NotifyFault> {
        std::future::ready(Err(NotifyFault::NoHttp)).await
    }
}
