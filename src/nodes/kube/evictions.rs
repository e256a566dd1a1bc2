//! Evictions: each pod asked for by itself, what is refused kept with the API's own words, and asked for again after a pause that grows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use k8s_openapi::api::policy::v1::Eviction as ApiEviction;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{
    DeleteOptions, ObjectMeta, Preconditions, Status,
};
use kube::api::PostParams;
use kube::client::Body;
use kube::core::Request;

use super::call::{Fault, fault, timely};
use super::connect::Connection;
use super::pods::Pod;
use crate::model::{
    Applied, ClusterName, Eviction, PodRefusal, Refusal, RefusalKind, Span, Timestamp,
};

/// What the API refused, by the uid of the pod: that of one cluster.
#[derive(Clone, Debug, Default)]
pub(super) struct Answers(Arc<Mutex<BTreeMap<String, PodRefusal>>>);

impl Answers {
    fn with<T>(&self, f: impl FnOnce(&mut BTreeMap<String, PodRefusal>) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The last refusal of a pod.
    pub(super) fn of(&self, uid: &str) -> Option<PodRefusal> {
        self.with(|all| all.get(uid).cloned())
    }

    /// A pod that is not there any more, or on its way out, is not refused any more.
    pub(super) fn keep(&self, uids: &BTreeSet<&str>) {
        self.with(|all| all.retain(|uid, _| uids.contains(uid.as_str())));
    }

    fn is_due(&self, uid: &str, now: Timestamp) -> bool {
        self.with(|all| all.get(uid).is_none_or(|refusal| refusal.ask_at <= now))
    }

    fn forget(&self, uid: &str) {
        self.with(|all| all.remove(uid));
    }

    /// Pods of these owners went: a budget over them gives way, so that the pause of those that it holds begins anew.
    fn give_way(&self, owners: &BTreeSet<String>, now: Timestamp) {
        self.with(|all| {
            for refusal in all.values_mut() {
                let moves = refusal.owner.as_ref().is_some_and(|o| owners.contains(o));
                if moves && refusal.answer.kind() == RefusalKind::Budget {
                    refusal.ask_at = refusal.ask_at.min(now + refusal.answer.pause(1, None));
                }
            }
        });
    }

    fn note(&self, pod: &Pod, answer: Refusal, retry_after: Option<Span>, now: Timestamp) {
        let uid = pod.uid().to_owned();
        self.with(|all| {
            let before = all
                .get(&uid)
                .filter(|before| before.answer.kind() == answer.kind());
            let (since, times) = before.map_or((now, 1), |b| (b.since, b.times.saturating_add(1)));
            let refusal = PodRefusal {
                pod: pod.name().to_string(),
                uid: uid.clone(),
                owner: pod.owner().map(str::to_owned),
                ask_at: now + answer.pause(times, retry_after),
                answer,
                since,
                times,
            };
            all.insert(uid, refusal);
        });
    }
}

/// The answers of every cluster.
#[derive(Debug, Default)]
pub(super) struct AllAnswers(Mutex<BTreeMap<ClusterName, Answers>>);

impl AllAnswers {
    pub(super) fn of(&self, cluster: &ClusterName) -> Answers {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry(cluster.clone()).or_default().clone()
    }
}

/// What came of one eviction.
pub(super) enum Answer {
    /// It goes, or is gone.
    Goes,
    /// Refused, in the API's words; and for how long not to ask, where it says so.
    Refused(Refusal, Option<Span>),
}

/// Asks for every eviction that is due, a few at a time. A pod that is refused does not keep others from going. `left`: the pods that have to go.
pub(super) async fn evict(
    connection: &Connection,
    left: Vec<Pod>,
    policy: &Eviction,
    answers: &Answers,
    now: Timestamp,
) -> Result<Applied, Fault> {
    if left.is_empty() {
        return Ok(Applied::Already);
    }
    let mut waiting = left.into_iter().filter(|pod| {
        !pod.is_leaving()
            && !pod.own_holds().any(|hold| policy.holds(&hold))
            && answers.is_due(pod.uid(), now)
    });
    let mut running = tokio::task::JoinSet::new();
    let (mut broken, mut went) = (Ok(()), BTreeSet::new());
    loop {
        while running.len() < usize::try_from(policy.parallel.max(1)).unwrap_or(1) && broken.is_ok()
        {
            let Some(pod) = waiting.next() else { break };
            let connection = connection.clone();
            running.spawn(async move {
                let answer = evict_one(&connection, &pod, false).await;
                (pod, answer)
            });
        }
        match running.join_next().await {
            None => break,
            Some(Ok((pod, Ok(Answer::Goes)))) => {
                answers.forget(pod.uid());
                went.extend(pod.owner().map(str::to_owned));
            }
            Some(Ok((pod, Ok(Answer::Refused(refusal, pause))))) => {
                answers.note(&pod, refusal, pause, now)
            }
            Some(Ok((_, Err(fault)))) => broken = broken.and(Err(fault)),
            Some(Err(_)) => {
                broken = broken.and(Err(Fault::Silent("an eviction was broken off".into())))
            }
        }
    }
    answers.give_way(&went, now);
    broken.map(|()| Applied::Done)
}

/// `Api::evict` of kube 5.0.0 writes `delete_options` where the API reads `deleteOptions`: this goes by the API's own type.
/// `dry`: the API only says what it would answer.
pub(super) async fn evict_one(
    connection: &Connection,
    pod: &Pod,
    dry: bool,
) -> Result<Answer, Fault> {
    let (namespace, name) = pod.name().split_once('/').unwrap_or_default();
    let path = format!("/api/v1/namespaces/{namespace}/pods/{name}/eviction");
    let eviction = ApiEviction {
        delete_options: Some(DeleteOptions {
            preconditions: Some(Preconditions {
                uid: Some(pod.uid().to_owned()),
                resource_version: None,
            }),
            ..DeleteOptions::default()
        }),
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some(namespace.to_owned()),
            ..ObjectMeta::default()
        },
    };
    let body = serde_json::to_vec(&eviction).map_err(|e| Fault::Refused(e.to_string()))?;
    let parameters = PostParams {
        dry_run: dry,
        ..PostParams::default()
    };
    let request = Request::new(path)
        .create(&parameters, body)
        .map_err(|e| Fault::Refused(e.to_string()))?;
    timely(async {
        let response = connection
            .client
            .send(request.map(Body::from))
            .await
            .map_err(|e| fault(&e))?;
        let code = response.status().as_u16();
        let pause = response
            .headers()
            .get("retry-after")
            .and_then(|value| value.to_str().ok()?.trim().parse().ok())
            .map(Span::from_secs);
        let body = response
            .into_body()
            .collect_bytes()
            .await
            .map_err(|e| fault(&e))?;
        read(code, pause, &body)
    })
    .await
}

/// What an answer means.
fn read(code: u16, pause: Option<Span>, body: &[u8]) -> Result<Answer, Fault> {
    if code < 300 {
        return Ok(Answer::Goes);
    }
    let status: Status = serde_json::from_slice(body).unwrap_or_default();
    let (reason, details) = (status.reason.unwrap_or_default(), status.details);
    // Gone; made anew under the same name. A webhook that denies with the same code gives no reason.
    if matches!(
        (code, reason.as_str()),
        (404, "NotFound") | (409, "Conflict")
    ) {
        return Ok(Answer::Goes);
    }
    // Priority and fairness answers in plain text.
    let mut message = status
        .message
        .filter(|m| !m.is_empty())
        .unwrap_or_else(|| plain(body));
    if code == 401 {
        return Err(Fault::Unauthorized(format!("{code} {reason}: {message}")));
    }
    let cause = details
        .as_ref()
        .and_then(|d| d.causes.as_ref()?.first().cloned());
    if let Some(more) = cause.as_ref().and_then(|c| c.message.as_deref())
        && !message.contains(more)
    {
        message = format!("{message} {more}");
    }
    let told = details
        .and_then(|d| d.retry_after_seconds)
        .map(|s| Span::from_secs(s.into()));
    let refusal = Refusal {
        code,
        reason,
        cause: cause.and_then(|c| c.reason),
        message,
    };
    Ok(Answer::Refused(refusal, pause.max(told)))
}

/// The beginning of an answer that is no `Status`.
fn plain(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let line = text.lines().find(|l| !l.trim().is_empty());
    line.unwrap_or("(no words)")
        .trim()
        .chars()
        .filter(|c| !c.is_control())
        .take(300)
        .collect()
}
