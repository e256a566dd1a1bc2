//! [`Cached`]: a value that is cheap to copy while it does not change, and that knows its copies. Knows neither files nor what it holds.
//!
//! An effect changes one group of a cluster: without this, each of a rollout's thousands of effects would copy and write all the other groups too.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A value shared with its copies until one of them changes, with what was made of it since.
#[derive(Debug)]
pub(super) struct Cached<T, V = ()> {
    value: Arc<T>,
    views: Arc<V>,
}

impl<T, V> Clone for Cached<T, V> {
    fn clone(&self) -> Self {
        Cached {
            value: Arc::clone(&self.value),
            views: Arc::clone(&self.views),
        }
    }
}

impl<T: Clone, V: Default> Cached<T, V> {
    pub(super) fn new(value: T) -> Self {
        Cached {
            value: Arc::new(value),
            views: Arc::default(),
        }
    }

    /// The value, to change it.
    pub(super) fn change(&mut self) -> &mut T {
        self.views = Arc::default();
        Arc::make_mut(&mut self.value)
    }
}

impl<T, V> Cached<T, V> {
    /// What was made of it since it changed last.
    pub(super) fn views(&self) -> &V {
        &self.views
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

impl<'de, T: DeserializeOwned + Clone, V: Default> Deserialize<'de> for Cached<T, V> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        T::deserialize(from).map(Cached::new)
    }
}

impl<T: Serialize, V> Serialize for Cached<T, V> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_makes_it_another_than_its_copies() {
        let mut one: Cached<Vec<i32>> = Cached::new(vec![1]);
        let copy = one.clone();
        assert!(one.is(&copy));
        one.change().push(2);
        assert!(!one.is(&copy));
        assert_eq!((one.len(), copy.len()), (2, 1));
    }
}
