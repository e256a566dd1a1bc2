//! What the SDK calls an error → [`CloudError`]: whether asking again helps, in AWS's words with its request id. No value of ours is in it.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_types::request_id::RequestId;

use crate::cloud::{CloudError, Place};

/// Longest message passed on: a denied EC2 call comes with a kilobyte of cipher.
const LONGEST: usize = 400;

/// What asking again would come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It helps, later; nothing was done.
    Later,
    /// The same answer.
    Refused,
    /// The same answer, until somebody logs in again.
    Credentials,
    /// Nobody knows what was done.
    Unknown,
}

/// Codes by which AWS says: later. Sources: the SDK's own list of throttling codes; the Auto Scaling API reference for the last two, which the SDK
/// does not try again.
const LATER: [&str; 17] = [
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "RequestThrottledException",
    "TooManyRequestsException",
    "ProvisionedThroughputExceededException",
    "TransactionInProgressException",
    "RequestLimitExceeded",
    "BandwidthLimitExceeded",
    "LimitExceededException",
    "RequestThrottled",
    "SlowDown",
    "PriorRequestNotComplete",
    "EC2ThrottledException",
    "RateExceeded",
    "ResourceContention",
    "ScalingActivityInProgress",
];

/// Codes by which AWS says that it does not know who asks. Sources: common errors of the EC2, STS and S3 API references.
const CREDENTIALS: [&str; 14] = [
    "AuthFailure",
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidToken",
    "MissingAuthenticationToken",
    "RequestExpired",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
    "TokenRefreshRequired",
    "UnrecognizedClientException",
    "UnauthorizedException",
];

/// Codes of a fault of AWS's own, whatever the HTTP status.
const FAULTS: [&str; 6] = ["InternalError", "InternalFailure", "InternalServerError", "RequestTimeout", "ServiceUnavailable", "Unavailable"];

/// What the SDK's error means for whoever asked about `subject` (a group, or a cluster).
pub(super) fn cloud_error<E>(place: &Place, subject: impl std::fmt::Display, error: &SdkError<E, HttpResponse>) -> CloudError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let (kind, message) = judge(error);
    match kind {
        Kind::Later => CloudError::Throttled { account: place.account.clone(), region: place.region.clone(), message },
        Kind::Refused => CloudError::Refused { subject: subject.to_string(), message },
        Kind::Credentials => CloudError::Credentials { account: place.account.clone(), message },
        Kind::Unknown => CloudError::Unknown { subject: subject.to_string(), message },
    }
}

/// What asking again would come to, and why: AWS's code, message and request id.
pub(super) fn judge<E>(error: &SdkError<E, HttpResponse>) -> (Kind, String)
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let status = error.raw_response().map(|r| r.status().as_u16());
    let request = error.meta().request_id().or_else(|| error.request_id()).map(|id| format!(" (request {id})")).unwrap_or_default();
    match error {
        SdkError::ServiceError(_) => {
            let (code, message) = (error.code(), error.message().unwrap_or_default());
            (answered(code, status, message), format!("{}{request}", told(code, status, message)))
        }
        SdkError::ConstructionFailure(_) => (Kind::Refused, format!("not sent: {}", causes(error))),
        SdkError::TimeoutError(_) => (Kind::Unknown, "no answer in time".to_owned()),
        SdkError::DispatchFailure(_) => (dispatched(error), causes(error)),
        // An answer that broke off; `SdkError` may get more variants, and of those nothing is known.
        _ => (Kind::Unknown, format!("{}{request}", causes(error))),
    }
}

/// Of an answer that AWS gave.
fn answered(code: Option<&str>, status: Option<u16>, message: &str) -> Kind {
    match (code, status) {
        (Some(code), _) if LATER.contains(&code) => Kind::Later,
        // The same code says that somebody is known and not let in: `Not authorized for images`.
        (Some("AuthFailure"), _) if message.starts_with("Not authorized") => Kind::Refused,
        (Some(code), _) if CREDENTIALS.contains(&code) => Kind::Credentials,
        (Some(code), _) if FAULTS.contains(&code) => Kind::Unknown,
        (_, Some(429)) => Kind::Later,
        // What says 4xx was understood by somebody, if only by a proxy.
        (_, Some(400..=407 | 409..=499)) => Kind::Refused,
        (Some(_) | None, Some(_) | None) => Kind::Unknown,
    }
}

/// Code and message, shortened; and never a value that came from us.
fn told(code: Option<&str>, status: Option<u16>, message: &str) -> String {
    let status = status.map(|s| format!("HTTP {s}")).unwrap_or_default();
    let code = code.unwrap_or(if status.is_empty() { "an answer that makes no sense" } else { &status });
    let message = without_values(message);
    let short: String = message.chars().take(LONGEST).collect();
    let more = if short.len() < message.len() { " …" } else { "" };
    if short.is_empty() { code.to_owned() } else { format!("{code}: {short}{more}") }
}

/// AWS repeats what it was given: `1 validation error detected: Value 'secret' at 'userData' failed …`.
fn without_values(message: &str) -> String {
    let mut out = String::new();
    let mut rest = message;
    while let Some((before, after)) = rest.split_once("Value '") {
        out.push_str(before);
        out.push_str("a value");
        rest = after.split_once("' at ").map_or("", |(_, rest)| rest);
        out.push_str(if rest.is_empty() { "" } else { " at " });
    }
    out + rest
}

/// Of a request that was not answered.
fn dispatched<E: Error + 'static>(error: &SdkError<E, HttpResponse>) -> Kind {
    let credentials = chain(error).into_iter().find_map(|e| e.downcast_ref::<CredentialsError>());
    match credentials {
        Some(CredentialsError::ProviderTimedOut(_)) => Kind::Unknown,
        Some(_) => Kind::Credentials,
        None if matches!(error, SdkError::DispatchFailure(f) if f.as_connector_error().is_some_and(|e| e.is_user())) => Kind::Refused,
        None => Kind::Unknown,
    }
}

/// The error, what caused it, and so on.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> Vec<&'a (dyn Error + 'static)> {
    let mut all = vec![error];
    let mut last = error;
    while let Some(cause) = last.source() {
        all.push(cause);
        last = cause;
    }
    all
}

/// Everything the SDK knows of the reason, each thing once.
fn causes<E: Error + 'static>(error: &SdkError<E, HttpResponse>) -> String {
    let mut said: Vec<String> = Vec::new();
    for cause in chain(error) {
        let text = cause.to_string();
        if !said.iter().any(|s| s.contains(&text)) {
            said.push(text);
        }
    }
    let text = without_values(&said.join(": "));
    text.chars().take(LONGEST).collect()
}
