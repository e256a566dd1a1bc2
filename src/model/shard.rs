//! [`Shard`]: one part of a fleet that several runs roll out together. Knows no clusters.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// More parts than this are a slip of the finger.
const MOST: u32 = 1_000;

/// A part of a fleet: the third of eight is `3/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Shard {
    index: u32,
    of: u32,
}

/// What is no part of a fleet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a shard: it is written I/N, from 1/N to N/N, and N is at most {MOST}")]
pub struct ShardError(String);

impl Shard {
    /// Which of them, from 1.
    pub fn index(self) -> u32 {
        self.index
    }

    /// Into how many parts the fleet is split.
    pub fn of(self) -> u32 {
        self.of
    }

    /// The place of its part in a list of all of them.
    pub fn place(self) -> usize {
        usize::try_from(self.index).unwrap_or(1).saturating_sub(1)
    }

    /// All parts of such a fleet, this one among them.
    pub fn all(self) -> impl Iterator<Item = Shard> {
        (1..=self.of).map(move |index| Shard { index, of: self.of })
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}/{}", self.index, self.of))
    }
}

impl FromStr for Shard {
    type Err = ShardError;

    fn from_str(text: &str) -> Result<Shard, ShardError> {
        let read = || {
            let (index, of) = text.split_once('/')?;
            let shard = Shard {
                index: index.parse().ok()?,
                of: of.parse().ok()?,
            };
            let is_one = (1..=shard.of).contains(&shard.index) && shard.of <= MOST;
            is_one.then_some(shard)
        };
        read().ok_or_else(|| ShardError(text.to_owned()))
    }
}

impl TryFrom<String> for Shard {
    type Error = ShardError;

    fn try_from(text: String) -> Result<Shard, ShardError> {
        text.parse()
    }
}

impl From<Shard> for String {
    fn from(shard: Shard) -> String {
        shard.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::Shard;

    #[test]
    fn a_shard_is_one_of_so_many() {
        let of = |text: &str| text.parse::<Shard>().map(|s| (s.index(), s.of()));
        assert_eq!(of("1/1").ok(), Some((1, 1)));
        assert_eq!(of("8/8").ok(), Some((8, 8)));
        for wrong in [
            "0/8", "9/8", "1", "1/0", "/", "a/b", "1/2/3", "-1/2", "1/1001",
        ] {
            assert!(of(wrong).is_err(), "{wrong}");
        }
    }
}
