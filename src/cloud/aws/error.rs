//! What the SDK calls an error → [`CloudError`]: whether asking again helps, in AWS's words with its request id. No value of ours is in it.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::{ConnectorError, SdkError};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_types::request_id::RequestId;

use crate::cloud::{CloudError, Place};
use crate::model::Reading;

/// Longest message passed on: a denied EC2 call comes with a kilobyte of cipher.
const LONGEST: usize = 400;

/// What asking again would come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It helps, later; nothing was done.
    Later,
    /// The same answer.
    Refused,
    /// The same answer, until a person logs in again.
    Credentials,
    /// It is not known what was done.
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
const FAULTS: [&str; 6] = [
    "InternalError",
    "InternalFailure",
    "InternalServerError",
    "RequestTimeout",
    "ServiceUnavailable",
    "Unavailable",
];

/// What the SDK's error means for the caller that asked about `subject` (a group, or a cluster).
pub(super) fn cloud_error<E>(
    place: &Place,
    subject: impl std::fmt::Display,
    error: &SdkError<E, HttpResponse>,
) -> CloudError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let (kind, message) = judge(error);
    match kind {
        Kind::Later => CloudError::Throttled {
            account: place.account.clone(),
            region: place.region.clone(),
            message,
        },
        Kind::Refused => CloudError::Refused {
            subject: subject.to_string(),
            message,
        },
        Kind::Credentials => CloudError::Credentials {
            account: place.account.clone(),
            message,
        },
        Kind::Unknown => CloudError::Unknown {
            subject: subject.to_string(),
            message,
        },
    }
}

/// What could not be read is unknown; without credentials nothing is.
pub(super) fn reading<T>(read: Result<T, CloudError>) -> Result<Reading<T>, CloudError> {
    match read {
        Ok(value) => Ok(Reading::Known(value)),
        Err(error @ CloudError::Credentials { .. }) => Err(error),
        Err(
            error @ (CloudError::Throttled { .. }
            | CloudError::Refused { .. }
            | CloudError::Unknown { .. }
            | CloudError::State { .. }),
        ) => Ok(Reading::Unknown(error.to_string())),
    }
}

/// What asking again would come to, and why: AWS's code, message and request id.
pub(super) fn judge<E>(error: &SdkError<E, HttpResponse>) -> (Kind, String)
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let status = error.raw_response().map(|r| r.status().as_u16());
    let request = error
        .meta()
        .request_id()
        .or_else(|| error.request_id())
        .map(|id| format!(" (request {id})"))
        .unwrap_or_default();
    match error {
        SdkError::ServiceError(_) => {
            let (code, message) = (error.code(), error.message().unwrap_or_default());
            (
                answered(code, status, message),
                format!("{}{request}", told(code, status, message)),
            )
        }
        SdkError::ConstructionFailure(_) => (Kind::Refused, format!("not sent: {}", causes(error))),
        SdkError::TimeoutError(_) => (Kind::Unknown, "no answer in time".to_owned()),
        SdkError::DispatchFailure(_) => (dispatched(error), causes(error)),
        // An answer that broke off; `SdkError` may get more variants, and of those nothing is known.
        SdkError::ResponseError(_) | _ => (Kind::Unknown, format!("{}{request}", causes(error))),
    }
}

/// Of an answer that AWS gave.
fn answered(code: Option<&str>, status: Option<u16>, message: &str) -> Kind {
    match (code, status) {
        (Some(code), _) if LATER.contains(&code) => Kind::Later,
        // The same code says that the caller is known and not let in: `Not authorized for images`.
        (Some("AuthFailure"), _) if message.starts_with("Not authorized") => Kind::Refused,
        (Some(code), _) if CREDENTIALS.contains(&code) => Kind::Credentials,
        (Some(code), _) if FAULTS.contains(&code) => Kind::Unknown,
        (_, Some(429)) => Kind::Later,
        // What says 4xx was understood by a server, if only by a proxy.
        (_, Some(400..=407 | 409..=499)) => Kind::Refused,
        (Some(_) | None, Some(_) | None) => Kind::Unknown,
    }
}

/// Code and message, shortened; and never a value that came from us.
fn told(code: Option<&str>, status: Option<u16>, message: &str) -> String {
    let status = status.map(|s| format!("HTTP {s}")).unwrap_or_default();
    let code = code.unwrap_or(if status.is_empty() {
        "an answer that makes no sense"
    } else {
        &status
    });
    let message = without_values(message);
    let short: String = message.chars().take(LONGEST).collect();
    let more = if short.len() < message.len() {
        " …"
    } else {
        ""
    };
    if short.is_empty() {
        code.to_owned()
    } else {
        format!("{code}: {short}{more}")
    }
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
    let chain = chain(error);
    let credentials = chain
        .iter()
        .find_map(|e| e.downcast_ref::<CredentialsError>());
    // The provider of the credentials was not reached: what becomes of them is not known.
    let away = chain
        .iter()
        .filter_map(|e| e.downcast_ref::<ConnectorError>())
        .any(|e| e.is_io() || e.is_timeout());
    match credentials {
        Some(CredentialsError::ProviderTimedOut(_)) => Kind::Unknown,
        Some(CredentialsError::ProviderError(_)) if away => Kind::Unknown,
        Some(_) => Kind::Credentials,
        None if matches!(error, SdkError::DispatchFailure(f) if f.as_connector_error().is_some_and(|e| e.is_user())) => {
            Kind::Refused
        }
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
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    text.chars().take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AccountId, ClusterName, Region};
    use aws_credential_types::provider::error::CredentialsError;
    use aws_smithy_runtime_api::http::StatusCode;
    use aws_smithy_types::body::SdkBody;
    use aws_smithy_types::error::ErrorMetadata;

    /// An error of a service, as the SDK models those it has no name for.
    #[derive(Debug, thiserror::Error)]
    #[error("unhandled")]
    struct Unhandled(ErrorMetadata);

    impl ProvideErrorMetadata for Unhandled {
        fn meta(&self) -> &ErrorMetadata {
            &self.0
        }
    }

    fn response(status: u16) -> HttpResponse {
        let mut response =
            HttpResponse::new(StatusCode::try_from(status).unwrap(), SdkBody::empty());
        response.headers_mut().insert("x-amzn-requestid", "req-7");
        response
    }

    fn answered(status: u16, code: &str, message: &str) -> SdkError<Unhandled, HttpResponse> {
        let mut meta = ErrorMetadata::builder();
        if !code.is_empty() {
            meta = meta.code(code).message(message);
        }
        SdkError::service_error(Unhandled(meta.build()), response(status))
    }

    fn said(error: &SdkError<Unhandled, HttpResponse>) -> String {
        let place = Place {
            cluster: ClusterName::new("c.example.com").unwrap(),
            account: AccountId::new("111122223333").unwrap(),
            region: Region::new("eu-west-3").unwrap(),
        };
        cloud_error(&place, "g", error).to_string()
    }

    #[test]
    fn an_answer_says_what_asking_again_would_come_to() {
        let later = "throttled in account 111122223333, eu-west-3: ";
        let login = "no valid credentials for account 111122223333: ";
        let (no, unknown) = ("refused for g: ", "no answer for g: ");
        for (status, code, message, kind) in [
            (503, "RequestLimitExceeded", "", later),
            (400, "Throttling", "Rate exceeded", later),
            (400, "ScalingActivityInProgress", "", later),
            (429, "", "", later),
            (403, "ExpiredToken", "", login),
            (
                401,
                "AuthFailure",
                "AWS was not able to validate the provided access credentials",
                login,
            ),
            (403, "AuthFailure", "Not authorized for images: [ami-1]", no),
            (403, "InvalidClientTokenId", "", login),
            (403, "UnauthorizedOperation", "", no),
            (
                400,
                "ValidationError",
                "AutoScalingGroup name not found",
                no,
            ),
            (400, "InternalFailure", "", unknown),
            (503, "ServiceUnavailable", "", unknown),
            (408, "", "", unknown),
            (407, "", "", no),
            (502, "", "", unknown),
            (200, "", "", unknown),
        ] {
            let text = said(&answered(status, code, message));
            let told = if code.is_empty() {
                format!("HTTP {status}")
            } else {
                code.to_owned()
            };
            assert!(
                text.starts_with(&format!("{kind}{told}")),
                "{status} {code}: {text}"
            );
            assert!(text.ends_with("(request req-7)"), "{text}");
        }
    }

    #[test]
    fn no_answer_is_no_knowledge() {
        let io = SdkError::dispatch_failure(ConnectorError::io("connection reset by peer".into()));
        assert_eq!(
            said(&io),
            "no answer for g: dispatch failure: io error: connection reset by peer"
        );
        assert_eq!(
            said(&SdkError::timeout_error("after 60 s")),
            "no answer for g: no answer in time"
        );
        let guard = SdkError::dispatch_failure(ConnectorError::user(
            "ec2:CreateTags changes something".into(),
        ));
        assert!(
            said(&guard).starts_with("refused for g: "),
            "{}",
            said(&guard)
        );
        let broken = SdkError::response_error("error parsing XML", response(200));
        assert!(
            said(&broken).starts_with("no answer for g: "),
            "{}",
            said(&broken)
        );
        assert!(
            said(&broken).ends_with("(request req-7)"),
            "{}",
            said(&broken)
        );
    }

    #[test]
    fn who_is_not_logged_in_has_to_log_in() {
        let of = |error| {
            said(&SdkError::dispatch_failure(ConnectorError::other(
                Box::new(error),
                None,
            )))
        };
        assert!(
            of(CredentialsError::not_loaded("nowhere"))
                .starts_with("no valid credentials for account 111122223333: ")
        );
        assert!(
            of(CredentialsError::provider_error(
                "AccessDenied for AssumeRole"
            ))
            .contains("AccessDenied for AssumeRole")
        );
        let away = ConnectorError::io("connection refused".into());
        assert!(of(CredentialsError::provider_error(away)).starts_with("no answer for g: "));
        assert!(
            of(CredentialsError::provider_timed_out(
                std::time::Duration::from_secs(30)
            ))
            .starts_with("no answer for g: ")
        );
    }

    #[test]
    fn what_we_sent_is_not_repeated() {
        let text = said(&answered(
            400,
            "ValidationError",
            "1 error: Value 's3cret' at 'userData' failed; Value 'pass'word' at 'tags' too",
        ));
        assert_eq!(
            text,
            "refused for g: ValidationError: 1 error: a value at 'userData' failed; a value at 'tags' too (request req-7)"
        );
        assert_eq!(without_values("Value 's3cret"), "a value");
        let long = said(&answered(403, "UnauthorizedOperation", &"x".repeat(5_000)));
        assert!(long.len() < 500 && long.contains(" …"), "{long}");
    }
}
