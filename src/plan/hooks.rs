//! Which hooks a plan runs, and where: those of what it changes, and those whose files changed since they ran there last. Runs nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::{ClusterPlan, HookTask, PLAN_VERSION, Plan};
use crate::fleet::{HookWhen, Stage};
use crate::model::{ClusterName, Digest, digest_of};

impl Plan {
    /// This plan with the hooks that are due in it, of all that could run for its clusters. The plan is another one then.
    #[must_use]
    pub fn with_hooks(mut self, all: Vec<HookTask>) -> Plan {
        self.hooks = due(all, &self.clusters, &self.policy.stages);
        self.id = self.digest();
        self
    }

    /// The hash of everything that the plan says.
    pub(super) fn digest(&self) -> Digest {
        let Plan {
            version: _,
            id: _,
            release,
            policy,
            clusters,
            hooks,
        } = self;
        if hooks.is_empty() {
            digest_of(&(PLAN_VERSION, release, policy, clusters))
        } else {
            digest_of(&(PLAN_VERSION, release, policy, clusters, hooks))
        }
    }

    /// The clusters that it changes, by their groups or by a hook.
    pub fn changing(&self) -> BTreeSet<&ClusterName> {
        changing(&self.hooks, &self.clusters)
    }
}

/// Clusters whose groups change, and those with a hook that is a change of its own.
fn changing<'a>(
    hooks: &'a [HookTask],
    clusters: &'a BTreeMap<ClusterName, ClusterPlan>,
) -> BTreeSet<&'a ClusterName> {
    let by_groups = clusters.iter().filter(|(_, c)| !c.groups.is_empty());
    let by_hooks = hooks.iter().filter(|h| h.is_own_change());
    by_groups
        .map(|(name, _)| name)
        .chain(by_hooks.filter_map(|h| h.place.cluster.as_ref()))
        .collect()
}

/// Of all hooks those that run.
fn due(
    all: Vec<HookTask>,
    clusters: &BTreeMap<ClusterName, ClusterPlan>,
    stages: &[Stage],
) -> Vec<HookTask> {
    let changing: BTreeSet<ClusterName> = changing(&all, clusters).into_iter().cloned().collect();
    let changes_wave = |stage: &Stage, wave: usize| {
        let wave = stage.waves.get(wave);
        wave.is_some_and(|w| w.clusters.iter().any(|c| changing.contains(c)))
    };
    let changes_stage =
        |stage: &Stage| (0..stage.waves.len()).any(|wave| changes_wave(stage, wave));
    let is_due = |task: &HookTask| {
        let place = &task.place;
        let stage = stages.iter().find(|s| s.name == place.stage);
        let around = stage.is_some_and(|stage| match (&place.cluster, place.wave) {
            (Some(cluster), _) => changing.contains(cluster),
            (None, Some(wave)) => changes_wave(stage, wave),
            (None, None) => changes_stage(stage),
        });
        match task.spec.when {
            HookWhen::Always => around,
            HookWhen::Changed => task.is_changed(),
        }
    };
    all.into_iter().filter(is_due).collect()
}

/// Fills `{name}` in; `value` knows the names. What stands in braces and is no name stays: it belongs to the command.
///
/// # Errors
/// The first name that is not known.
pub fn fill_hook(text: &str, value: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        let name = after.split_once('}').filter(|(name, _)| is_name(name));
        match name {
            Some((name, behind)) => {
                filled.push_str(&value(name).ok_or_else(|| name.to_owned())?);
                rest = behind;
            }
            None => {
                filled.push('{');
                rest = after;
            }
        }
    }
    filled.push_str(rest);
    Ok(filled)
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_braces_are_filled_in() {
        let value = |name: &str| (name == "cluster").then(|| "a.test".to_owned());
        for (text, expected) in [
            ("values.{cluster}.yaml", Ok("values.a.test.yaml")),
            ("{cluster}{cluster}", Ok("a.testa.test")),
            ("awk '{print $1}'", Ok("awk '{print $1}'")),
            ("{\"a\": {}}", Ok("{\"a\": {}}")),
            ("open {", Ok("open {")),
            ("{customer}", Err("customer")),
        ] {
            let expected = expected.map(str::to_owned).map_err(str::to_owned);
            assert_eq!(fill_hook(text, &value), expected, "{text}");
        }
    }
}
