//! [`Kept`]: a value that is cheap to copy and to write again while it does not change. Knows neither files nor what it holds.
//!
//! An effect changes one group of a cluster, while the cluster's file is written as a whole: without this, each of a
//! rollout's thousands of effects would copy and serialise all the other groups too.

use std::sync::{Arc, OnceLock};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};

/// A value shared with its copies until one of them changes, with its JSON once that was asked for.
#[derive(Clone, Debug)]
pub(super) struct Kept<T> {
    value: Arc<T>,
    json: Arc<OnceLock<String>>,
}

impl<T: Clone + Serialize> Kept<T> {
    pub(super) fn new(value: T) -> Self {
        Kept { value: Arc::new(value), json: Arc::default() }
    }

    /// The value, to change it.
    pub(super) fn change(&mut self) -> &mut T {
        self.json = Arc::default();
        Arc::make_mut(&mut self.value)
    }

    /// Its JSON.
    pub(super) fn json(&self) -> Result<&str, serde_json::Error> {
        if let Some(json) = self.json.get() {
            return Ok(json);
        }
        let json = serde_json::to_string(&*self.value)?;
        Ok(self.json.get_or_init(|| json))
    }
}

impl<T> std::ops::Deref for Kept<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<'de, T: DeserializeOwned + Clone + Serialize> Deserialize<'de> for Kept<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        T::deserialize(from).map(Kept::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_follows_changes_and_copies_do_not() {
        let mut one = Kept::new(vec![1]);
        assert_eq!(one.json().ok(), Some("[1]"));
        let copy = one.clone();
        one.change().push(2);
        assert_eq!((one.json().ok(), copy.json().ok()), (Some("[1,2]"), Some("[1]")));
    }
}
