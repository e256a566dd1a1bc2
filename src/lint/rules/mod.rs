//! The rules, one file a theme. A rule's story and source are what `kfleet lint --explain` prints.

mod autoscaler;
mod capacity;
mod control_plane;
mod documents;
mod fleet;
mod groups;
mod security;

use std::sync::LazyLock;

use super::Rule;

static RULES: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    let themes = [
        &autoscaler::RULES[..],
        &groups::RULES[..],
        &capacity::RULES[..],
        &control_plane::RULES[..],
        &security::RULES[..],
        &documents::RULES[..],
        &fleet::RULES[..],
    ];
    let mut all: Vec<Rule> = themes.into_iter().flatten().copied().collect();
    all.sort_by_key(|r| r.id);
    all
});

/// Every rule, sorted by id.
pub fn rules() -> &'static [Rule] {
    &RULES
}
