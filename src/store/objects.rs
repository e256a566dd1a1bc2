//! What a store is made of: small objects under keys, written by condition. Knows nothing of what they hold.

use std::collections::BTreeMap;

use crate::model::object::{Condition, Object, Put};

/// Why an object could not be read or written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ObjectError {
    /// Refused for good.
    #[error("cannot {doing} {place}: {message}")]
    Refused {
        /// `read`, `write`, …
        doing: &'static str,
        /// The file, or the URL of the object.
        place: String,
        /// In whose words.
        message: String,
    },
    /// The credentials are missing or over.
    #[error("cannot {doing} {place}: no valid credentials: {message}")]
    Credentials {
        /// `read`, `write`, …
        doing: &'static str,
        /// The URL of the object.
        place: String,
        /// In whose words.
        message: String,
    },
    /// No answer: whether it happened is not known.
    #[error("cannot {doing} {place}: no answer: {message}")]
    NoAnswer {
        /// `read`, `write`, …
        doing: &'static str,
        /// The URL of the object.
        place: String,
        /// What was seen.
        message: String,
    },
}

/// A place for objects. Keys are names joined by `/`; a key that ends with `/` is a folder.
pub trait Objects: std::fmt::Debug + Send + Sync {
    /// Where it is, for people: a folder, or a URL.
    fn place(&self) -> String;

    /// Calls sent so far, by `service:Api`; none where there is no service to call.
    fn calls(&self) -> BTreeMap<String, u64> {
        BTreeMap::new()
    }

    /// The object under that key, if there is one.
    ///
    /// # Errors
    /// When that cannot be known.
    fn get(&self, key: &str) -> Result<Option<Object>, ObjectError>;

    /// Writes an object, whole or not at all, if the condition holds.
    ///
    /// # Errors
    /// When it could not be written, or whether it was is not known.
    fn put(&self, key: &str, bytes: &[u8], condition: &Condition) -> Result<Put, ObjectError>;

    /// Removes an object; one that is gone already is no error.
    ///
    /// # Errors
    /// When it could not be removed, or whether it was is not known.
    fn delete(&self, key: &str) -> Result<(), ObjectError>;

    /// What lies right under a folder, sorted, relative to it: objects, and folders with their `/`. None where there is no such folder.
    ///
    /// # Errors
    /// When that cannot be known.
    fn list(&self, folder: &str) -> Result<Vec<String>, ObjectError>;

    /// As [`Objects::list`], of those names only that come after this one in the order of bytes. For a keeper that can begin there.
    ///
    /// # Errors
    /// When that cannot be known.
    fn list_after(&self, folder: &str, name: &str) -> Result<Vec<String>, ObjectError> {
        let mut names = self.list(folder)?;
        names.retain(|found| found.as_str() > name);
        Ok(names)
    }

    /// Several objects, in the order of their keys. For a keeper that can ask for many at once.
    ///
    /// # Errors
    /// When one of them cannot be read.
    fn get_all(&self, keys: &[String]) -> Result<Vec<Option<Object>>, ObjectError> {
        keys.iter().map(|key| self.get(key)).collect()
    }
}

/// How often a put without an answer is tried before it counts as failed; the connection has patience of its own.
const TRIES: u32 = 3;

/// Writes an object that must not be there yet, and whose bytes no other process writes. Whether it is ours that is there now: a lost
/// answer is looked up.
pub(super) fn create(objects: &dyn Objects, key: &str, bytes: &[u8]) -> Result<bool, ObjectError> {
    let is_ours = |found: Option<Object>| found.map(|o| o.bytes == bytes);
    let mut tries = 1;
    loop {
        match objects.put(key, bytes, &Condition::Absent) {
            Ok(Put::Written(_)) => return Ok(true),
            Ok(Put::Refused) => return Ok(is_ours(objects.get(key)?).unwrap_or(false)),
            Err(error @ ObjectError::NoAnswer { .. }) => {
                if let Some(ours) = is_ours(objects.get(key)?) {
                    return Ok(ours);
                }
                if tries == TRIES {
                    return Err(error);
                }
                tries += 1;
            }
            Err(error @ (ObjectError::Refused { .. } | ObjectError::Credentials { .. })) => {
                return Err(error);
            }
        }
    }
}

/// Writes an object whatever is there; an answer that got lost is asked for again.
pub(super) fn replace(objects: &dyn Objects, key: &str, bytes: &[u8]) -> Result<(), ObjectError> {
    let mut tries = 1;
    loop {
        match objects.put(key, bytes, &Condition::None) {
            Err(ObjectError::NoAnswer { .. }) if tries < TRIES => tries += 1,
            answer => return answer.map(drop),
        }
    }
}
