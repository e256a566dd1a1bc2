//! One cluster of the simulated account: its groups and templates, and which of them an effect is about. No files, no clock.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::chance::salt;
use super::faults::Faults;
use super::groups::{Group, Outcome, done, moved, refused};
use super::kept::Kept;
use super::simulate::Surroundings;
use super::templates::{Template, unknown_version};
use crate::cloud::{CloudError, Place};
use crate::model::{Applied, AsgName, CloudEffect, Definition, LiveCluster, Node, NodeEffect, NodeName, Timestamp};

/// A cluster's groups and templates.
#[derive(Clone, Debug)]
pub(super) struct Cluster {
    /// Which cluster it is, and where.
    pub(super) place: Place,
    /// Up to when its time has been played.
    pub(super) at: Timestamp,
    pub(super) state: State,
}

/// What a cluster's file holds beside its place and time.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct State {
    pub(super) groups: BTreeMap<AsgName, Kept<Group>>,
    pub(super) templates: BTreeMap<AsgName, Kept<Template>>,
    /// Groups ever made here, so that one made again under its old name meets another fate.
    pub(super) made: BTreeMap<AsgName, u64>,
}

impl Cluster {
    pub(super) fn new(place: Place, at: Timestamp) -> Self {
        Cluster { place, at, state: State::default() }
    }

    /// Plays its time up to `until`. Whether anything happened.
    pub(super) fn advance(&mut self, until: Timestamp, around: Surroundings<'_>) -> bool {
        let mut happened = false;
        for group in self.state.groups.values_mut() {
            if group.is_due(self.at, until, around) {
                let template = self.state.templates.get(&group.template).map(|t| &**t);
                group.change().advance(self.at, until, template, around);
                happened = true;
            }
        }
        self.at = self.at.max(until);
        happened
    }

    /// Carries out an effect now. `seed` is the world's. On any other answer than [`Outcome::Changed`] what is left is not to be used.
    pub(super) fn apply(&mut self, effect: &CloudEffect, seed: u64) -> Result<Outcome, CloudError> {
        match effect {
            CloudEffect::CreateTemplateVersion { template, data, user_data, token } => {
                let kept = self.state.templates.entry(template.clone()).or_insert_with(|| Kept::new(Template::default()));
                kept.change().create_version(template, data, user_data, token)
            }
            CloudEffect::CreateGroup { definition, version, desired } => self.create(definition, *version, *desired, seed),
            CloudEffect::DeleteGroup { group } => {
                let name = &group.auto_scaling_group_name;
                let Some(found) = self.state.groups.get(name) else { return Ok(Outcome::Unchanged(Applied::Already)) };
                if let Some(moved) = found.check_delete(group)? {
                    return Ok(moved);
                }
                let template = found.template.clone();
                self.state.groups.remove(name);
                self.state.templates.remove(&template);
                Ok(done())
            }
            CloudEffect::Terminate { group, .. } if !self.state.groups.contains_key(group) => Ok(Outcome::Unchanged(Applied::Already)),
            CloudEffect::UpdateGroup { .. }
            | CloudEffect::PinVersion { .. }
            | CloudEffect::SetDesired { .. }
            | CloudEffect::Suspend { .. }
            | CloudEffect::Resume { .. }
            | CloudEffect::Detach { .. }
            | CloudEffect::Terminate { .. } => self.change(effect),
        }
    }

    /// Carries out an effect on a group that has to exist.
    fn change(&mut self, effect: &CloudEffect) -> Result<Outcome, CloudError> {
        let now = self.at;
        let Some(group) = self.state.groups.get_mut(effect.group()).map(Kept::change) else {
            return Ok(moved(format!("there is no group {}", effect.group())));
        };
        match effect {
            CloudEffect::UpdateGroup { from, to } => group.update(from, to, now),
            CloudEffect::PinVersion { from, to, .. } => {
                let exists = self.state.templates.get(&group.template).is_some_and(|t| t.versions.contains_key(to));
                group.pin(*from, *to, exists)
            }
            CloudEffect::SetDesired { from, to, .. } => group.set_desired(*from, *to, now),
            CloudEffect::Suspend { processes, .. } => group.suspend(processes),
            CloudEffect::Resume { processes, .. } => group.resume(processes, now),
            CloudEffect::Detach { instance, .. } => group.detach(instance, now),
            CloudEffect::Terminate { instance, decrement, .. } => group.terminate(instance, *decrement, now),
            // Those that need no group: `apply` has dealt with them.
            CloudEffect::CreateTemplateVersion { .. } | CloudEffect::CreateGroup { .. } | CloudEffect::DeleteGroup { .. } => {
                Ok(Outcome::Unchanged(Applied::Already))
            }
        }
    }

    fn create(&mut self, definition: &Definition, version: u64, desired: u32, seed: u64) -> Result<Outcome, CloudError> {
        let name = &definition.auto_scaling_group.auto_scaling_group_name;
        if let Some(group) = self.state.groups.get(name) {
            if group.is_like(definition, version) {
                return Ok(Outcome::Unchanged(Applied::Already));
            }
            return Err(already_exists(name));
        }
        let template = &definition.launch_template.launch_template_name;
        self.state.templates.get(template).ok_or_else(|| unknown_version(template, version))?.version(template, version)?;
        let made = self.state.made.get(name).copied().unwrap_or(0);
        let Place { cluster: _, account, region } = &self.place;
        let salt = salt(seed, &[account.as_str(), region.as_str(), name.as_str(), &made.to_string()]);
        let mut group = Group::new(definition, version, desired, salt)?;
        group.settle(self.at);
        self.state.groups.insert(name.clone(), Kept::new(group));
        self.state.made.insert(name.clone(), made.saturating_add(1));
        Ok(done())
    }

    /// Carries out an effect on a node now; none when no node here has the name.
    pub(super) fn act(&mut self, effect: &NodeEffect, faults: &Faults) -> Option<Outcome> {
        let (NodeEffect::Cordon { node } | NodeEffect::Uncordon { node } | NodeEffect::Evict { node }) = effect;
        let now = self.at;
        let found = self.state.groups.values_mut().find_map(|g| g.instance_of(node).map(|instance| (g, instance)));
        found.map(|(group, instance)| group.change().act(&instance, effect, now, faults))
    }

    /// Adds the groups that carry the tag of `cluster` to a reading.
    pub(super) fn read(&self, cluster: &str, into: &mut LiveCluster) {
        for (name, group) in &self.state.groups {
            if group.tag("KubernetesCluster") == Some(cluster) {
                into.groups.insert(name.clone(), group.live(self.state.templates.get(&group.template).map(|t| &**t)));
            }
        }
    }

    /// Its nodes.
    pub(super) fn nodes(&self, faults: &Faults) -> BTreeMap<NodeName, Node> {
        self.state.groups.values().flat_map(|g| g.nodes(self.at, faults)).collect()
    }
}

/// AWS's refusal of a name that is taken.
pub(super) fn already_exists(name: &AsgName) -> CloudError {
    refused(name, "AlreadyExists: there is another AutoScalingGroup of this name in the account and region".into())
}
