//! The rules, one file a theme. A rule's story and source are what `kfleet lint --explain` prints.

mod autoscaler;
mod capacity;
mod control_plane;
mod documents;
mod fleet;
mod groups;
mod security;
mod types;

use std::sync::LazyLock;

use super::id::RuleId;
use super::rule::Rule;

static RULES: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    let themes = [
        &autoscaler::RULES[..],
        &groups::RULES[..],
        &types::RULES[..],
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

/// There is no rule of that id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no lint rule `{0}`")]
pub struct UnknownRule(pub String);

/// The rule of this id, in any letter case.
///
/// # Errors
/// When no rule has this id.
pub fn rule_id(text: &str) -> Result<RuleId, UnknownRule> {
    rules()
        .iter()
        .map(|r| r.id)
        .find(|id| id.as_str().eq_ignore_ascii_case(text))
        .ok_or_else(|| UnknownRule(text.to_owned()))
}
