//! [`TagText`]: the key or the value of a tag, once for all tags that say the same. Knows no tag.
//!
//! A group has a dozen tags, twice: on itself and in its launch template. Of ten thousand groups nearly all say the same.

use std::borrow::{Borrow, Cow};
use std::collections::BTreeSet;
use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A text that is cheap to copy, and there once however often it is read.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TagText(Arc<str>);

/// The texts that there are, and how many there may be before those that nobody has any more are let go.
struct Texts {
    known: BTreeSet<Arc<str>>,
    room: usize,
}

/// How many texts are never too many.
const ROOM: usize = 1 << 14;

static TEXTS: Mutex<Texts> = Mutex::new(Texts {
    known: BTreeSet::new(),
    room: ROOM,
});

impl Texts {
    fn one(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.known.get(text) {
            return Arc::clone(known);
        }
        if self.known.len() >= self.room {
            self.known.retain(|text| Arc::strong_count(text) > 1);
            self.room = ROOM.max(self.known.len().saturating_mul(2));
        }
        let text: Arc<str> = text.into();
        self.known.insert(Arc::clone(&text));
        text
    }
}

impl TagText {
    /// The text itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl PartialEq<str> for TagText {
    fn eq(&self, other: &str) -> bool {
        &*self.0 == other
    }
}

impl PartialEq<&str> for TagText {
    fn eq(&self, other: &&str) -> bool {
        &*self.0 == *other
    }
}

impl From<&str> for TagText {
    fn from(text: &str) -> TagText {
        // What it holds is sound even after a panic: a text is in it or not.
        let mut texts = TEXTS.lock().unwrap_or_else(PoisonError::into_inner);
        TagText(texts.one(text))
    }
}

impl From<String> for TagText {
    fn from(text: String) -> TagText {
        TagText::from(text.as_str())
    }
}

impl Deref for TagText {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for TagText {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TagText {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

impl fmt::Debug for TagText {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

impl Serialize for TagText {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for TagText {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<TagText, D::Error> {
        Cow::<'de, str>::deserialize(from).map(|text| TagText::from(text.as_ref()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_are_one() {
        let (one, other) = (TagText::from("a"), TagText::from("a".to_owned()));
        assert!(Arc::ptr_eq(&one.0, &other.0));
        let read: TagText = serde_json::from_str("\"\\u0061\"").unwrap();
        assert!(Arc::ptr_eq(&one.0, &read.0));
        assert_eq!(serde_json::to_string(&read).unwrap(), "\"a\"");
    }

    #[test]
    fn what_nobody_has_any_more_makes_room() {
        let mut texts = Texts {
            known: BTreeSet::new(),
            room: 2,
        };
        let kept = texts.one("kept");
        drop(texts.one("dropped"));
        drop(texts.one("third"));
        assert_eq!(texts.known.len(), 2);
        assert!(Arc::ptr_eq(&texts.one("kept"), &kept));
    }
}
