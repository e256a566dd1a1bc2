//! One call of the Kubernetes API: never without an end, repeated where that helps, its failure in our words. No secret ever gets into them.

use std::time::Duration;

use k8s_openapi::serde::de::DeserializeOwned;
use kube::Error;
use kube::api::{Api, ListParams};
use kube::client::AuthError;

/// A call that takes longer has not answered.
const PATIENCE: Duration = Duration::from_secs(30);

/// Before the second and the third try.
const PAUSES: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(2)];

/// Items a page. Source: what kubectl asks for.
const PAGE: u32 = 500;

/// Why a call came to nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// No answer.
    #[error("{0}")]
    Silent(String),
    /// 401, or a credential plugin that gives nothing.
    #[error("the credentials are refused: {0}")]
    Unauthorized(String),
    /// 429, or 5xx, to the end of the tries.
    #[error("it is busy or broken: {0}")]
    Busy(String),
    /// 404.
    #[error("there is no such thing")]
    Gone,
    /// 409.
    #[error("somebody else changed it: {0}")]
    Conflict(String),
    /// Every other refusal.
    #[error("{0}")]
    Refused(String),
    /// It is the API of another cluster.
    #[error("it is the API of another cluster: {0}")]
    Stranger(String),
}

/// Asks until there is an answer that another try would not change.
pub(super) async fn call<T, F: Future<Output = Result<T, Error>>>(
    ask: impl Fn() -> F,
) -> Result<T, Fault> {
    for pause in PAUSES {
        match once(ask()).await {
            Err(Fault::Silent(_) | Fault::Busy(_)) => tokio::time::sleep(pause).await,
            answer => return answer,
        }
    }
    once(ask()).await
}

/// Asks once.
pub(super) async fn once<T>(ask: impl Future<Output = Result<T, Error>>) -> Result<T, Fault> {
    match tokio::time::timeout(PATIENCE, ask).await {
        Ok(answer) => answer.map_err(|e| fault(&e)),
        Err(_) => Err(Fault::Silent(format!(
            "no answer within {} s",
            PATIENCE.as_secs()
        ))),
    }
}

/// All pages of a list. A list that became too old on the way (410) is begun anew, once.
pub(super) async fn list<K: Clone + DeserializeOwned + std::fmt::Debug>(
    api: &Api<K>,
    select: &ListParams,
) -> Result<Vec<K>, Fault> {
    match pages(api, select).await {
        Err(Fault::Refused(why)) if why.starts_with("410") => pages(api, select).await,
        answer => answer,
    }
}

async fn pages<K: Clone + DeserializeOwned + std::fmt::Debug>(
    api: &Api<K>,
    select: &ListParams,
) -> Result<Vec<K>, Fault> {
    let mut items = Vec::new();
    let mut select = select.clone().limit(PAGE);
    loop {
        let page = call(|| api.list(&select)).await?;
        items.extend(page.items);
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => select = select.continue_token(&token),
            None => return Ok(items),
        }
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
                404 => Fault::Gone,
                409 => Fault::Conflict(said),
                429 | 500..=599 => Fault::Busy(said),
                _ => Fault::Refused(said),
            }
        }
        Error::Auth(error) => Fault::Unauthorized(plugin(error)),
        // Whatever the connection says: it holds addresses and reasons, no credentials.
        Error::Service(error) => match error.downcast_ref::<AuthError>() {
            Some(error) => Fault::Unauthorized(plugin(error)),
            None => Fault::Silent(chain(error.as_ref())),
        },
        Error::HyperError(error) => Fault::Silent(chain(error)),
        other => Fault::Silent(chain(other)),
    }
}

/// What a credential plugin came to. The whole command and its output may hold secrets: only the end of what it says to people is told.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the kinds are kube's: what it adds is one more way to have no credentials"
)]
fn plugin(error: &AuthError) -> String {
    match error {
        AuthError::AuthExecRun { out, .. } => {
            let said = String::from_utf8_lossy(&out.stderr);
            let said = said
                .lines()
                .rev()
                .find(|l| !l.trim().is_empty())
                .map(|l| format!(": {}", l.trim().chars().take(200).collect::<String>()));
            format!(
                "the credential plugin ended with {}{}",
                out.status,
                said.unwrap_or_default()
            )
        }
        AuthError::AuthExecStart(error) => format!("the credential plugin cannot be run: {error}"),
        _ => "the credentials of the context cannot be used".into(),
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
