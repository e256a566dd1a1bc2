//! [`Cached`]: a value that is cheap to copy while it does not change, and that knows its copies. Knows neither files nor what it holds.
//!
//! An effect changes one group of a cluster: without this, each of a rollout's thousands of effects would copy and write all the other groups too.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A value shared with its copies until one of them changes, with what was made of it since.
#[derive(Debug)]
pub(super) struct Cached<T, V = ()> {
    value: Arc<T>,
    views: Arc<V>,
    /// No other value of this process has it.
    mark: u64,
}

/// What was handed out last.
static LAST_MARK: AtomicU64 = AtomicU64::new(0);

fn next_mark() -> u64 {
    LAST_MARK.fetch_add(1, Ordering::Relaxed)
}

impl<T, V> Clone for Cached<T, V> {
    fn clone(&self) -> Self {
        Cached {
            value: Arc::clone(&self.value),
            views: Arc::clone(&self.views),
            mark: self.mark,
        }
    }
}

impl<T: Clone, V: Default> Cached<T, V> {
    pub(super) fn new(value: T) -> Self {
        Cached {
            value: Arc::new(value),
            views: Arc::default(),
            mark: next_mark(),
        }
    }

    /// The value, to change it.
    pub(super) fn change(&mut self) -> &mut T {
        self.views = Arc::default();
        self.mark = next_mark();
        Arc::make_mut(&mut self.value)
    }
}

impl<T, V> Cached<T, V> {
    /// What was made of it since it changed last.
    pub(super) fn views(&self) -> &V {
        &self.views
    }

    /// The same for its copies, until one of them changes.
    pub(super) fn mark(&self) -> u64 {
        self.mark
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
        assert_eq!(one.mark(), copy.mark());
        one.change().push(2);
        assert_ne!(one.mark(), copy.mark());
        assert_eq!((one.len(), copy.len()), (2, 1));
    }
}
