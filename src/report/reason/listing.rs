//! Several things in one sentence.

/// Names in one sentence.
pub(super) const NAMES: usize = 10;

pub(super) fn joined(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join("; ")
}

/// `; and 3 more`, nothing for none.
pub(super) fn and_more(more: usize, what: &str) -> String {
    match more {
        0 => String::new(),
        n => format!("; and {n} more{what}"),
    }
}
