//! A fleet prepared for a plan or a rollout: what stays of a cluster is what it should be, and how its files in `rendered/` stand to that.

use std::path::Path;

use super::failure::Failure;
use super::lint;
use super::lint_rules::LintRules;
use super::pipeline::{self, PreparedFleet, Trees};
use super::render;
use crate::fleet;

/// Everything prepared, with what lint found where that blocks a rollout, and without the texts: `rendered/` is held against them as they come.
pub(super) fn prepare_to_roll(directory: &Path) -> Result<PreparedFleet, Failure> {
    let fleet = fleet::load(directory)?;
    let rules = match fleet.settings.lint.block {
        Some(_) => Some(LintRules::of(&fleet)?),
        None => None,
    };
    let trees = rules.as_ref().map_or(Trees::Dropped, Trees::LookedAt);
    let folder = directory.join("rendered");
    let mut prepared = pipeline::all(fleet, trees, |cluster, mut prepared| {
        // What cannot be read is told by whoever asks how the rendering stands.
        prepared.outdated = render::outdated(&folder, &cluster.name, &prepared).ok();
        if prepared.outdated.is_some() {
            prepared.rendered.text = String::new();
        }
        Ok(prepared)
    })?;
    if let Some(rules) = rules {
        prepared.blocking = rules.blocking(&lint::facts(&prepared), lint::today()?);
        for cluster in prepared.clusters.values_mut() {
            cluster.facts = None;
        }
    }
    Ok(prepared)
}
