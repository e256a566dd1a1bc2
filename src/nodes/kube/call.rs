//! One call of the Kubernetes API: never without an end, repeated where that helps, its failure in our words. No secret ever gets into them.

use std::time::Duration;

use kube::Error;
use kube::client::AuthError;

use crate::model::{Unseen, UnseenKind};

/// A call that takes longer has not answered.
const PATIENCE: Duration = Duration::from_secs(30);

/// Before the second and the third try.
const PAUSES: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(2)];

/// Said of credentials that the client cannot use: its own words may hold them.
const UNUSABLE: &str = "the credentials of the context cannot be used";

/// Why a call came to nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    /// No answer.
    #[error("{0}")]
    Silent(String),
    /// 401, or a credential plugin that gives nothing.
    #[error("{0}")]
    Unauthorized(String),
    /// 5xx, to the end of the tries.
    #[error("it is busy or broken: {0}")]
    Busy(String),
    /// 429, to the end of the tries: priority and fairness lets nothing through.
    #[error("it is busy or broken: {0}")]
    Crowded(String),
    /// 404.
    #[error("there is no such thing")]
    Gone,
    /// 410: what is asked for is older than what is remembered.
    #[error("{0}")]
    Expired(String),
    /// 409.
    #[error("another client changed it: {0}")]
    Conflict(String),
    /// 403: a right that is missing, an admission that says no, or an API server that has only just started and knows no roles yet.
    #[error("{0}")]
    Forbidden(String),
    /// Every other refusal.
    #[error("{0}")]
    Refused(String),
    /// The kubeconfig cannot be used.
    #[error("{0}")]
    Context(String),
    /// Rights that are needed to look at all, and missing.
    #[error("it may not {0}")]
    Rights(String),
    /// It is the API of another cluster.
    #[error("it is the API of another cluster: {0}")]
    Stranger(String),
}

impl Fault {
    /// Why nothing could be seen.
    pub(super) fn unseen(&self) -> Unseen {
        let kind = match self {
            Fault::Silent(_)
            | Fault::Busy(_)
            | Fault::Crowded(_)
            | Fault::Gone
            | Fault::Expired(_)
            | Fault::Conflict(_)
            | Fault::Refused(_) => UnseenKind::Silent,
            Fault::Unauthorized(_) => UnseenKind::Credentials,
            Fault::Context(_) => UnseenKind::Context,
            Fault::Forbidden(_) | Fault::Rights(_) => UnseenKind::Rights,
            Fault::Stranger(_) => UnseenKind::OtherCluster,
        };
        Unseen {
            kind,
            why: self.to_string(),
        }
    }
}

/// Asks until there is an answer that another try would not change.
pub(super) async fn call<T, F: Future<Output = Result<T, Error>>>(
    ask: impl Fn() -> F,
) -> Result<T, Fault> {
    for pause in PAUSES {
        match once(ask()).await {
            // An API server that starts says 403 to everything for some hundred milliseconds.
            Err(Fault::Silent(_) | Fault::Busy(_) | Fault::Crowded(_) | Fault::Forbidden(_)) => {
                tokio::time::sleep(pause).await
            }
            answer => return answer,
        }
    }
    once(ask()).await
}

/// Asks once.
async fn once<T>(ask: impl Future<Output = Result<T, Error>>) -> Result<T, Fault> {
    timely(async { ask.await.map_err(|e| fault(&e)) }).await
}

/// What takes too long has not answered.
pub(super) async fn timely<T>(ask: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    match tokio::time::timeout(PATIENCE, ask).await {
        Ok(answer) => answer,
        Err(_) => Err(Fault::Silent(format!(
            "no answer within {} s",
            PATIENCE.as_secs()
        ))),
    }
}

/// A failure in our words.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the kinds are kube's: what it adds is one more way to get no answer"
)]
pub(super) fn fault(error: &Error) -> Fault {
    match error {
        Error::Api(status) => {
            let said = format!("{} {}: {}", status.code, status.reason, status.message);
            match status.code {
                401 => Fault::Unauthorized(said),
                403 => Fault::Forbidden(said),
                404 => Fault::Gone,
                409 => Fault::Conflict(said),
                410 => Fault::Expired(said),
                429 => Fault::Crowded(said),
                500..=599 => Fault::Busy(said),
                _ => Fault::Refused(said),
            }
        }
        Error::Auth(_) => Fault::Unauthorized(UNUSABLE.into()),
        // Whatever the connection says: it holds addresses and reasons, no credentials.
        Error::Service(error) => match error.downcast_ref::<AuthError>() {
            Some(_) => Fault::Unauthorized(UNUSABLE.into()),
            None => Fault::Silent(chain(error.as_ref())),
        },
        Error::HyperError(error) => Fault::Silent(chain(error)),
        other => Fault::Silent(chain(other)),
    }
}

/// An error with its reasons.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let reason = error.to_string();
        if !text.contains(&reason) {
            text.push_str(": ");
            text.push_str(&reason);
        }
        source = error.source();
    }
    text
}
