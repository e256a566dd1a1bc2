//! [`Shared`]: a value of a reading that its copies share until one of them is changed. Knows nothing of what it holds.
//!
//! A rollout looks at its clusters every few seconds, and from one look to the next almost nothing of them changes.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A value that is cheap to copy. It is used and written as the value itself; changing it leaves the other copies as they are.
#[derive(Debug, PartialEq, Eq)]
pub struct Shared<T>(Arc<T>);

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Shared(Arc::clone(&self.0))
    }
}

impl<T> From<T> for Shared<T> {
    fn from(value: T) -> Self {
        Shared(Arc::new(value))
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Clone> DerefMut for Shared<T> {
    fn deref_mut(&mut self) -> &mut T {
        Arc::make_mut(&mut self.0)
    }
}

impl<T: Serialize> Serialize for Shared<T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(to)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Shared<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        T::deserialize(from).map(Shared::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_not_seen_by_the_copies() {
        let mut one = Shared::from(vec![1]);
        let copy = one.clone();
        one.push(2);
        assert_eq!((one.len(), copy.len()), (2, 1));
    }

    #[test]
    fn it_is_written_and_read_as_the_value_itself() {
        let json = serde_json::to_string(&Shared::from(vec![1])).unwrap();
        assert_eq!(json, "[1]");
        assert_eq!(
            serde_json::from_str::<Shared<Vec<i32>>>(&json).unwrap(),
            Shared::from(vec![1])
        );
    }
}
