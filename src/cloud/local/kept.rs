//! [`Cached`]: a value that is cheap to copy and to write again while it does not change. Knows neither files nor what it holds.
//!
//! An effect changes one group of a cluster, while the cluster's file is written as a whole: without this, each of a
//! rollout's thousands of effects would copy and serialise all the other groups too.

use std::sync::{Arc, OnceLock};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};

/// A value shared with its copies until one of them changes, with its JSON once that was asked for, and what else is made of it.
#[derive(Debug)]
pub(super) struct Cached<T, V = ()> {
    value: Arc<T>,
    made: Arc<Made<V>>,
}

/// What was made of a value since it changed last.
#[derive(Debug, Default)]
struct Made<V> {
    json: OnceLock<String>,
    views: V,
}

impl<T, V> Clone for Cached<T, V> {
    fn clone(&self) -> Self {
        Cached {
            value: Arc::clone(&self.value),
            made: Arc::clone(&self.made),
        }
    }
}

impl<T: Clone + Serialize, V: Default> Cached<T, V> {
    pub(super) fn new(value: T) -> Self {
        Cached {
            value: Arc::new(value),
            made: Arc::default(),
        }
    }

    /// The value, to change it.
    pub(super) fn change(&mut self) -> &mut T {
        self.made = Arc::default();
        Arc::make_mut(&mut self.value)
    }

    /// As it stands in the file.
    pub(super) fn json(&self) -> Result<&str, serde_json::Error> {
        if let Some(json) = self.made.json.get() {
            return Ok(json);
        }
        let json = serde_json::to_string(&*self.value)?;
        Ok(self.made.json.get_or_init(|| json))
    }
}

impl<T, V> Cached<T, V> {
    /// What was made of it since it changed last.
    pub(super) fn views(&self) -> &V {
        &self.made.views
    }

    /// Whether the other one is a copy of it, and neither has changed since.
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.value, &other.value)
    }
}

impl<T, V> std::ops::Deref for Cached<T, V> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<'de, T: DeserializeOwned + Clone + Serialize, V: Default> Deserialize<'de> for Cached<T, V> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        T::deserialize(from).map(Cached::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_follows_changes_and_copies_do_not() {
        let mut one: Cached<Vec<i32>> = Cached::new(vec![1]);
        assert_eq!(one.json().ok(), Some("[1]"));
        let copy = one.clone();
        assert!(one.is(&copy));
        one.change().push(2);
        assert!(!one.is(&copy));
        assert_eq!(
            (one.json().ok(), copy.json().ok()),
            (Some("[1,2]"), Some("[1]"))
        );
    }
}
