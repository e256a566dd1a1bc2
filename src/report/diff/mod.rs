//! The effect of a change of git on every cluster → text, markdown, JSON. Changes that are the same are told once, with the clusters they are in.

mod fold;
mod item;
mod json;
mod markdown;
mod summary;
mod text;

pub use json::diff_json;
pub use markdown::diff_markdown;
pub use text::diff_text;

use super::wording::count;

/// Which clusters were not even rendered.
pub fn unreached_line(unreached: usize, all: usize) -> String {
    format!(
        "{unreached} of {} not rendered: nothing that they are made from has changed",
        count(all, "cluster")
    )
}

/// What was compared, as people call it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compared {
    /// The old version, e.g. `main (1a2b3c4d5e6f)`.
    pub since: String,
    /// The new version, e.g. `the working tree`.
    pub until: String,
}
