//! Objects in S3 under a prefix, written by condition. Knows nothing of what they hold.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::Client;
use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_types::SdkConfig;
use aws_types::region::Region;
use aws_types::request_id::RequestId;
use aws_types::service_config::ServiceConfigKey;

use super::connect::{http_client, settings};
use super::counted::Calls;
use super::options::Reach;
use crate::cloud::CloudError;
use crate::model::Timestamp;
use crate::model::object::{Condition, Object, Put};

/// A silent peer would hang the SDK for ever. Each attempt, and all of them together: well within the lease of a lock.
const ATTEMPT: Duration = Duration::from_secs(6);
const OPERATION: Duration = Duration::from_secs(20);
const ATTEMPTS: u32 = 4;
/// A bucket answers where it lives when it is asked anywhere.
const ANYWHERE: &str = "us-east-1";
/// Source: the list of error codes of S3, and of the SDK for credentials that end.
const CREDENTIALS: [&str; 9] = [
    "AccessKeyIdNotFound",
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidAccessKeyId",
    "InvalidToken",
    "RequestExpired",
    "SignatureDoesNotMatch",
    "TokenRefreshRequired",
    "UnrecognizedClientException",
];
/// Asking again can help. Source: the list of error codes of S3; the conflict is another conditional write at the same moment.
const PASSING: [&str; 8] = [
    "ConditionalRequestConflict",
    "InternalError",
    "OperationAborted",
    "RequestLimitExceeded",
    "RequestTimeout",
    "ServiceUnavailable",
    "SlowDown",
    "Throttling",
];

/// A bucket, and a prefix in it that every key is under.
#[derive(Clone, Debug)]
pub struct Bucket {
    client: Client,
    bucket: String,
    /// Empty, or ending with `/`.
    prefix: String,
}

/// Why S3 did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BucketError {
    /// The URL names no bucket.
    #[error("`{0}` is no bucket: it should be s3://bucket/prefix")]
    NoBucket(String),
    /// Refused for good.
    #[error("refused for {subject}: {message}")]
    Refused {
        /// The object.
        subject: String,
        /// S3's words, with the request id.
        message: String,
    },
    /// The credentials are missing or over.
    #[error("no valid credentials for {subject}: {message}")]
    Credentials {
        /// The object.
        subject: String,
        /// S3's words, or the SDK's.
        message: String,
    },
    /// No answer, or one that makes no sense: whether it happened is not known.
    #[error("no answer for {subject}: {message}")]
    NoAnswer {
        /// The object.
        subject: String,
        /// What was seen.
        message: String,
    },
}

impl From<BucketError> for CloudError {
    fn from(error: BucketError) -> CloudError {
        match error {
            BucketError::NoBucket(url) => CloudError::Refused {
                subject: url,
                message: "it names no bucket".into(),
            },
            BucketError::Refused { subject, message } => CloudError::Refused { subject, message },
            BucketError::Credentials { subject, message } => CloudError::Refused {
                subject,
                message: format!("no valid credentials: {message}"),
            },
            BucketError::NoAnswer { subject, message } => CloudError::Unknown { subject, message },
        }
    }
}

impl Bucket {
    /// Gets ready to ask, as the caller: finds credentials, and where the bucket lives. `url` is `s3://bucket/prefix`.
    /// What it sends is counted among `calls`.
    ///
    /// # Errors
    /// When it is no such URL, or the certificates cannot be read.
    pub async fn connect(url: &str, reach: &Reach, calls: &Calls) -> Result<Bucket, BucketError> {
        let refused = |e: CloudError| BucketError::Refused {
            subject: url.to_owned(),
            message: e.to_string(),
        };
        let http = http_client(reach.ca_bundle.as_deref()).map_err(refused)?;
        Bucket::within(url, settings(reach, http, None).await, calls).await
    }

    /// As [`Bucket::connect`], with these settings and credentials.
    pub(super) async fn within(
        url: &str,
        config: SdkConfig,
        calls: &Calls,
    ) -> Result<Bucket, BucketError> {
        let none = || BucketError::NoBucket(url.to_owned());
        let rest = url.strip_prefix("s3://").ok_or_else(none)?;
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return Err(none());
        }
        let config = with_limits(config, calls);
        let prefix = prefix.trim_matches('/');
        let prefix = as_folder(prefix);
        Ok(Bucket {
            client: client(&config, bucket).await,
            bucket: bucket.to_owned(),
            prefix,
        })
    }

    /// The object under that key, if there is one.
    ///
    /// # Errors
    /// When S3 gives no answer, or refuses.
    pub async fn get(&self, key: &str) -> Result<Option<Object>, BucketError> {
        let answer = self
            .client
            .get_object()
            .bucket(&self.bucket)
            .key(self.key(key))
            .send()
            .await;
        let found = match answer {
            Ok(found) => found,
            Err(e) if e.code() == Some("NoSuchKey") => return Ok(None),
            Err(e) => return Err(self.error(key, &e)),
        };
        let lacking = |what: &str| BucketError::NoAnswer {
            subject: self.url(key),
            message: format!("an object without {what}"),
        };
        let etag = found.e_tag.clone().ok_or_else(|| lacking("an etag"))?;
        let written = found
            .last_modified
            .and_then(|t| t.to_millis().ok())
            .ok_or_else(|| lacking("a time"))?;
        let bytes = found
            .body
            .collect()
            .await
            .map_err(|e| BucketError::NoAnswer {
                subject: self.url(key),
                message: e.to_string(),
            })?;
        Ok(Some(Object {
            bytes: bytes.to_vec(),
            etag,
            written: Timestamp::from_millis(written),
        }))
    }

    fn no_etag(&self, key: &str) -> BucketError {
        BucketError::NoAnswer {
            subject: self.url(key),
            message: "written, but without an etag".into(),
        }
    }

    /// Writes an object if the condition holds.
    ///
    /// # Errors
    /// When S3 gives no answer, or refuses for another reason than the condition.
    pub async fn put(
        &self,
        key: &str,
        bytes: Vec<u8>,
        condition: &Condition,
    ) -> Result<Put, BucketError> {
        let request = self
            .client
            .put_object()
            .bucket(&self.bucket)
            .key(self.key(key))
            .body(ByteStream::from(bytes));
        let request = match condition {
            Condition::None => request,
            Condition::Absent => request.if_none_match("*"),
            Condition::Is(etag) => request.if_match(etag),
        };
        match request.send().await {
            Ok(answer) => {
                let etag = answer.e_tag.ok_or_else(|| self.no_etag(key))?;
                Ok(Put::Written(etag))
            }
            Err(e) if e.code() == Some("PreconditionFailed") => Ok(Put::Refused),
            // The object that should still be this one is gone.
            Err(e) if matches!(condition, Condition::Is(_)) && e.code() == Some("NoSuchKey") => {
                Ok(Put::Refused)
            }
            Err(e) => Err(self.error(key, &e)),
        }
    }

    /// Removes an object; one that is gone already is no error.
    ///
    /// # Errors
    /// When S3 gives no answer, or refuses.
    pub async fn delete(&self, key: &str) -> Result<(), BucketError> {
        match self
            .client
            .delete_object()
            .bucket(&self.bucket)
            .key(self.key(key))
            .send()
            .await
        {
            Ok(_) => Ok(()),
            Err(e) if e.code() == Some("NoSuchKey") => Ok(()),
            Err(e) => Err(self.error(key, &e)),
        }
    }

    /// The keys that begin so, sorted, relative to the prefix.
    ///
    /// # Errors
    /// When S3 gives no answer, or refuses.
    pub async fn list(&self, begin: &str) -> Result<Vec<String>, BucketError> {
        self.listed(begin, None, None).await
    }

    /// What lies right under a folder (none, or ending with `/`), sorted, relative to it: objects, and folders with their `/`.
    ///
    /// # Errors
    /// When S3 gives no answer, or refuses.
    pub async fn children(&self, folder: &str) -> Result<Vec<String>, BucketError> {
        self.children_after(folder, None).await
    }

    /// As [`Bucket::children`], of those names only that come after this one in the order of bytes, in which S3 lists.
    ///
    /// # Errors
    /// When S3 gives no answer, or refuses.
    pub async fn children_after(
        &self,
        folder: &str,
        after: Option<&str>,
    ) -> Result<Vec<String>, BucketError> {
        let after = after.map(|name| format!("{folder}{name}"));
        let keys = self.listed(folder, Some("/"), after.as_deref()).await?;
        Ok(keys
            .iter()
            .filter_map(|k| k.strip_prefix(folder))
            .filter(|k| !k.is_empty())
            .map(str::to_owned)
            .collect())
    }

    async fn listed(
        &self,
        begin: &str,
        delimiter: Option<&str>,
        after: Option<&str>,
    ) -> Result<Vec<String>, BucketError> {
        let request = self
            .client
            .list_objects_v2()
            .bucket(&self.bucket)
            .prefix(self.key(begin))
            .set_start_after(after.map(|key| self.key(key)))
            .set_delimiter(delimiter.map(str::to_owned));
        let mut pages = request.into_paginator().send();
        let mut keys = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|e| self.error(begin, &e))?;
            keys.extend(
                page.contents
                    .unwrap_or_default()
                    .into_iter()
                    .filter_map(|o| o.key),
            );
            keys.extend(
                page.common_prefixes
                    .unwrap_or_default()
                    .into_iter()
                    .filter_map(|p| p.prefix),
            );
        }
        let keys = self.below_prefix(&keys);
        Ok(keys)
    }

    /// Keys as they are named below the prefix of the store, in order.
    fn below_prefix(&self, keys: &[String]) -> Vec<String> {
        let mut keys: Vec<String> = keys
            .iter()
            .filter_map(|k| k.strip_prefix(&self.prefix))
            .map(str::to_owned)
            .collect();
        keys.sort();
        keys
    }

    fn key(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    fn url(&self, key: &str) -> String {
        format!("s3://{}/{}{key}", self.bucket, self.prefix)
    }

    fn error<E>(&self, key: &str, error: &SdkError<E, HttpResponse>) -> BucketError
    where
        E: std::error::Error + ProvideErrorMetadata + RequestId + Send + Sync + 'static,
    {
        let subject = self.url(key);
        let id = error
            .request_id()
            .map(|id| format!(" (request {id})"))
            .unwrap_or_default();
        let words = match (error.code(), error.message()) {
            (Some(code), Some(message)) => format!("{code}: {message}{id}"),
            (Some(code), None) => format!("{code}{id}"),
            (None, _) => format!("{}{id}", DisplayErrorContext(error)),
        };
        let status = error.raw_response().map(|r| r.status().as_u16());
        let credentials =
            is_about_credentials(error) || error.code().is_some_and(|c| CREDENTIALS.contains(&c));
        let passing = error.code().is_some_and(|c| PASSING.contains(&c))
            || status.is_none_or(|s| !(300..500).contains(&s));
        if credentials {
            return BucketError::Credentials {
                subject,
                message: words,
            };
        }
        if passing {
            BucketError::NoAnswer {
                subject,
                message: words,
            }
        } else {
            BucketError::Refused {
                subject,
                message: words,
            }
        }
    }
}

/// The account's configuration with the patience of the store, its calls counted.
fn with_limits(config: SdkConfig, calls: &Calls) -> SdkConfig {
    let timeouts = TimeoutConfig::builder()
        .operation_timeout(OPERATION)
        .operation_attempt_timeout(ATTEMPT)
        .build();
    let retries = RetryConfig::standard().with_max_attempts(ATTEMPTS);
    let http = config.http_client().map(|http| calls.counting(http));
    let mut config = config
        .into_builder()
        .timeout_config(timeouts)
        .retry_config(retries);
    config.set_http_client(http);
    config.build()
}

/// A prefix that ends in a slash; none stays none.
fn as_folder(prefix: &str) -> String {
    if prefix.is_empty() {
        String::new()
    } else {
        format!("{prefix}/")
    }
}

/// Where another endpoint than S3's own is set, buckets have no names in DNS. S3's own says in which region the bucket lives.
async fn client(config: &SdkConfig, bucket: &str) -> Client {
    let own = aws_sdk_s3::config::Builder::from(config);
    if elsewhere(config) {
        return Client::from_conf(own.force_path_style(true).build());
    }
    let asked = match config.region() {
        Some(_) => own.clone().build(),
        None => own.clone().region(Region::new(ANYWHERE)).build(),
    };
    let region = match Client::from_conf(asked)
        .head_bucket()
        .bucket(bucket)
        .send()
        .await
    {
        Ok(head) => head.bucket_region,
        Err(e) => e
            .raw_response()
            .and_then(|r| r.headers().get("x-amz-bucket-region"))
            .map(str::to_owned),
    };
    Client::from_conf(match region {
        Some(region) => own.region(Region::new(region)).build(),
        None => own.build(),
    })
}

/// Whether the environment or the profile names an endpoint for S3, or for everything.
fn elsewhere(config: &SdkConfig) -> bool {
    let key = ServiceConfigKey::builder()
        .service_id("S3")
        .env("AWS_ENDPOINT_URL")
        .profile("endpoint_url")
        .build();
    let of_service = config
        .service_config()
        .zip(key.ok())
        .and_then(|(settings, key)| settings.load_config(key));
    config.endpoint_url().is_some() || of_service.is_some()
}

/// Whether there was nothing to sign with.
fn is_about_credentials(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.is::<CredentialsError>() {
            return true;
        }
        next = error.source();
    }
    false
}
