//! Ctrl-C, and what a pipeline or a terminal that is closed sends: the first asks to stop at the next safe point, the second ends the process now.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::cli::output::Output;

/// A process that was told to end now and has not done so after this time is blocked: it ends as by kill -9.
const GRACE: Duration = Duration::from_secs(5);

/// How often the process was asked to end.
pub(super) struct Signals {
    asked: watch::Receiver<u32>,
}

impl Signals {
    /// Listens from now on, on a thread of its own: signals are heard also while the rollout waits for its store.
    pub(super) fn listen(output: Output) -> Signals {
        let (count, asked) = watch::channel(0);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            if let Ok(runtime) = runtime {
                runtime.block_on(hear(&count, &output));
            }
        });
        Signals { asked }
    }

    /// Whether it was asked to stop at the next safe point.
    pub(super) fn first(&self) -> bool {
        *self.asked.borrow() > 0
    }

    /// Comes when it was asked a second time.
    pub(super) async fn second(&self) {
        let mut asked = self.asked.clone();
        if asked.wait_for(|n| *n > 1).await.is_err() {
            // Nothing listens: it never comes.
            std::future::pending::<()>().await;
        }
    }
}

async fn hear(count: &watch::Sender<u32>, output: &Output) {
    // Without a handler a signal ends the process, as it always did.
    let streams = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
        signal(SignalKind::hangup()),
    );
    let (Ok(mut interrupt), Ok(mut terminate), Ok(mut hangup)) = streams else {
        return;
    };
    loop {
        let heard = tokio::select! {
            heard = interrupt.recv() => heard,
            heard = terminate.recv() => heard,
            heard = hangup.recv() => heard,
        };
        if heard.is_none() {
            return;
        }
        count.send_modify(|n| *n += 1);
        let asked = *count.borrow();
        say(asked, output);
        if asked > 1 {
            tokio::time::sleep(GRACE).await;
            std::process::abort();
        }
    }
}

fn say(asked: u32, output: &Output) {
    if asked == 1 {
        output.cloud_story(
            "stopping at the next safe point; a second Ctrl-C or SIGTERM ends it at once",
        );
    } else {
        output.cloud_story("ending now");
    }
}
