//! Objects in S3 under a prefix, written by condition. Knows nothing of what they hold.

use crate::cloud::CloudError;

/// A bucket, and a prefix in it that every key is under.
#[derive(Debug)]
pub struct Bucket {
    bucket: String,
    prefix: String,
}

/// What an object holds now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Its content.
    pub bytes: Vec<u8>,
    /// What a conditional put names it by.
    pub etag: String,
}

/// What must be so for a put to take effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Nothing.
    None,
    /// There is no such object.
    Absent,
    /// The object is still this one.
    Is(String),
}

/// How a put ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Put {
    /// Written; the new etag.
    Written(String),
    /// The condition did not hold: nothing was written.
    Refused,
}

impl Bucket {
    /// Gets ready to ask. `url` is `s3://bucket/prefix`.
    ///
    /// # Errors
    /// When it is no such URL, or the settings of the environment make no sense.
    pub async fn connect(url: &str) -> Result<Bucket, CloudError> {
        let rest = url.strip_prefix("s3://").unwrap_or(url);
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        Ok(Bucket { bucket: bucket.to_owned(), prefix: prefix.trim_end_matches('/').to_owned() })
    }

    /// The object under that key, if there is one.
    ///
    /// # Errors
    /// When S3 gives no answer, or refuses.
    pub async fn get(&self, key: &str) -> Result<Option<Object>, CloudError> {
        Err(self.missing(key))
    }

    /// Writes an object if the condition holds.
    ///
    /// # Errors
    /// When S3 gives no answer, or refuses for another reason than the condition.
    pub async fn put(&self, key: &str, _bytes: Vec<u8>, _condition: &Condition) -> Result<Put, CloudError> {
        Err(self.missing(key))
    }

    /// Removes an object; one that is gone already is no error.
    ///
    /// # Errors
    /// When S3 gives no answer, or refuses.
    pub async fn delete(&self, key: &str) -> Result<(), CloudError> {
        Err(self.missing(key))
    }

    /// The keys that begin so, sorted, relative to the prefix.
    ///
    /// # Errors
    /// When S3 gives no answer, or refuses.
    pub async fn list(&self, begin: &str) -> Result<Vec<String>, CloudError> {
        Err(self.missing(begin))
    }

    fn missing(&self, key: &str) -> CloudError {
        CloudError::Refused { subject: format!("s3://{}/{}/{key}", self.bucket, self.prefix), message: "not there yet".into() }
    }
}
