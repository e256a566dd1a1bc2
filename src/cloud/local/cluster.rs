//! One cluster of the simulated account: its groups and templates, and which of them an effect is about. No files, no clock.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::answers::{EffectOutcome, already_exists, done, moved, spot_template, unknown_version};
use super::chance::salt;
use super::faults::Faults;
use super::kept::Cached;
use super::simulate::Surroundings;
use super::state::SimulatedGroup;
use super::state_store::SimulatedStateStore;
use super::templates::SimulatedTemplate;
use super::views::Views;
use crate::cloud::{CloudError, Place};
use crate::model::{
    Applied, AsgName, CloudEffect, Definition, Effect, InstanceId, LiveCluster, NodeEffect,
    NodeName, Seen, Timestamp,
};

/// A cluster's groups and templates.
#[derive(Clone, Debug)]
pub(super) struct SimulatedCluster {
    /// Which cluster it is, and where.
    pub(super) place: Place,
    /// Up to when its time has been played.
    pub(super) at: Timestamp,
    pub(super) state: GroupsState,
    due: Due,
}

/// When the next thing happens in a cluster: kept, so that time costs nothing where nothing happens.
#[derive(Clone, Copy, Debug)]
enum Due {
    /// It has to be looked up.
    Unknown,
    /// From this moment on.
    At(Timestamp),
    /// Nothing will.
    Never,
}

/// What a cluster's file holds beside its place and time.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GroupsState {
    pub(super) groups: BTreeMap<AsgName, Cached<SimulatedGroup, Views>>,
    pub(super) templates: BTreeMap<AsgName, Cached<SimulatedTemplate>>,
    /// Groups ever made here, so that one made again under its old name meets another fate.
    pub(super) made: BTreeMap<AsgName, u64>,
    /// What kops keeps of it.
    #[serde(default, skip_serializing_if = "SimulatedStateStore::is_empty")]
    pub(super) kops: SimulatedStateStore,
}

impl SimulatedCluster {
    pub(super) fn new(place: Place, at: Timestamp) -> Self {
        SimulatedCluster::with(place, at, GroupsState::default())
    }

    pub(super) fn with(place: Place, at: Timestamp, state: GroupsState) -> Self {
        SimulatedCluster {
            place,
            at,
            state,
            due: Due::Unknown,
        }
    }

    /// Plays its time up to `until`. Whether anything happened.
    pub(super) fn advance(&mut self, until: Timestamp, around: Surroundings<'_>) -> bool {
        if let Due::Unknown = self.due {
            self.due = self.next_due(around);
        }
        let happened = matches!(self.due, Due::At(at) if at <= until);
        if happened {
            self.play(until, around);
        }
        self.at = self.at.max(until);
        if happened {
            self.due = self.next_due(around);
        }
        happened
    }

    fn play(&mut self, until: Timestamp, around: Surroundings<'_>) {
        for group in self.state.groups.values_mut() {
            if group.due(self.at, around).is_some_and(|at| at <= until) {
                let template = self.state.templates.get(&group.template).map(|t| &**t);
                group.change().advance(self.at, until, template, around);
            }
        }
    }

    fn next_due(&self, around: Surroundings<'_>) -> Due {
        self.state
            .groups
            .values()
            .filter_map(|g| g.due(self.at, around))
            .min()
            .map_or(Due::Never, Due::At)
    }

    /// Draws all chance from another seed.
    pub(super) fn reseed(&mut self, seed: u64) {
        for group in self.state.groups.values_mut().map(Cached::change) {
            group.salt = salt(seed, &[&group.salt.to_string()]);
        }
        self.changed();
    }

    /// Something was done to it: what comes next has to be looked up again.
    pub(super) fn changed(&mut self) {
        self.due = Due::Unknown;
    }

    /// Carries out an effect now. `seed` is the world's. On any other answer than [`Outcome::Changed`] what is left is not to be used.
    pub(super) fn apply(
        &mut self,
        effect: &CloudEffect,
        seed: u64,
        around: Surroundings<'_>,
    ) -> Result<EffectOutcome, CloudError> {
        self.changed();
        match effect {
            CloudEffect::CreateTemplateVersion {
                template,
                data,
                user_data,
                carry,
                token,
            } => {
                let kept = self
                    .state
                    .templates
                    .entry(template.clone())
                    .or_insert_with(|| Cached::new(SimulatedTemplate::default()));
                kept.change()
                    .create_version(template, data, user_data, *carry, token)
            }
            CloudEffect::CreateGroup {
                definition,
                version,
                desired,
            } => self.create(definition, *version, *desired, seed),
            CloudEffect::DeleteGroup { group } => {
                let name = &group.auto_scaling_group_name;
                let Some(found) = self.state.groups.get(name) else {
                    return Ok(EffectOutcome::Unchanged(Applied::Already));
                };
                if let Some(moved) = found.check_delete(group)? {
                    return Ok(moved);
                }
                let template = found.template.clone();
                self.state.groups.remove(name);
                self.state.templates.remove(&template);
                Ok(done())
            }
            CloudEffect::PruneVersions { template, versions } => Ok(self.prune(template, versions)),
            CloudEffect::Terminate { group, .. } if !self.state.groups.contains_key(group) => {
                Ok(EffectOutcome::Unchanged(Applied::Already))
            }
            CloudEffect::UpdateGroup { .. }
            | CloudEffect::PinVersion { .. }
            | CloudEffect::SetDesired { .. }
            | CloudEffect::Suspend { .. }
            | CloudEffect::Resume { .. }
            | CloudEffect::Detach { .. }
            | CloudEffect::Terminate { .. }
            | CloudEffect::Protect { .. }
            | CloudEffect::StartRefresh { .. }
            | CloudEffect::CancelRefresh { .. }
            | CloudEffect::RollbackRefresh { .. } => self.change(effect, around),
        }
    }

    /// Carries out an effect on a group that has to exist.
    fn change(
        &mut self,
        effect: &CloudEffect,
        around: Surroundings<'_>,
    ) -> Result<EffectOutcome, CloudError> {
        let now = self.at;
        let Some(group) = self
            .state
            .groups
            .get_mut(effect.group())
            .map(Cached::change)
        else {
            return Ok(moved(format!("there is no group {}", effect.group())));
        };
        match effect {
            CloudEffect::UpdateGroup { from, to, version } => {
                let template = self.state.templates.get(&group.template);
                let exists = |n: u64| template.is_some_and(|t| t.versions.contains_key(&n));
                let repin = version.map(|change| (change, exists(change.to)));
                let changed = group.update(from, to, repin, now)?;
                let policy = to.auto_scaling_group.mixed_instances_policy.is_some();
                if policy && template.is_some_and(|t| t.asks_for_spot(group.version)) {
                    return Err(spot_template(group.name()));
                }
                Ok(changed)
            }
            CloudEffect::PinVersion { from, to, .. } => {
                let template = self.state.templates.get(&group.template);
                let exists = template.is_some_and(|t| t.versions.contains_key(to));
                let spot = template.is_some_and(|t| t.asks_for_spot(*to));
                if spot && group.version != *to && group.fields.mixed_instances_policy.is_some() {
                    return Err(spot_template(group.name()));
                }
                group.pin(*from, *to, exists)
            }
            CloudEffect::SetDesired {
                launch: Some(launch),
                from,
                to,
                ..
            } => {
                let template = self.state.templates.get(&group.template).map(|t| &**t);
                group.launch(to.saturating_sub(*from), launch, now, template, around)
            }
            CloudEffect::SetDesired { from, to, .. } => group.set_desired(*from, *to, now),
            CloudEffect::Suspend { processes, .. } => group.suspend(processes),
            CloudEffect::Resume { processes, .. } => group.resume(processes, now),
            CloudEffect::Detach { instance, .. } => group.detach(instance, now),
            CloudEffect::Terminate {
                instance,
                decrement,
                ..
            } => group.terminate(instance, *decrement, now),
            CloudEffect::Protect {
                instances, protect, ..
            } => Ok(group.protect(instances, *protect)),
            CloudEffect::StartRefresh {
                from,
                version,
                preferences,
                ..
            } => {
                let template = self.state.templates.get(&group.template).map(|t| &**t);
                group.start_refresh(*from, *version, preferences, template, now)
            }
            CloudEffect::CancelRefresh { .. } => Ok(group.cancel_refresh(now)),
            CloudEffect::RollbackRefresh { .. } => Ok(group.rollback_refresh(now)),
            // Those that need no group: `apply` has dealt with them.
            CloudEffect::CreateTemplateVersion { .. }
            | CloudEffect::CreateGroup { .. }
            | CloudEffect::DeleteGroup { .. }
            | CloudEffect::PruneVersions { .. } => Ok(EffectOutcome::Unchanged(Applied::Already)),
        }
    }

    /// Deletes versions; those in use stay, whatever is asked for.
    fn prune(&mut self, template: &AsgName, versions: &BTreeSet<u64>) -> EffectOutcome {
        let users = self
            .state
            .groups
            .values()
            .filter(|g| g.template == *template);
        let used: BTreeSet<u64> = users.flat_map(|g| g.used_versions()).collect();
        let Some(found) = self.state.templates.get_mut(template) else {
            return EffectOutcome::Unchanged(Applied::Already);
        };
        // The newest is the default one, as kops leaves it.
        let newest = found.latest();
        let gone = |n: &u64| versions.contains(n) && !used.contains(n) && *n != newest;
        if !found.versions.keys().any(gone) {
            return EffectOutcome::Unchanged(Applied::Already);
        }
        found.change().versions.retain(|n, _| !gone(n));
        done()
    }

    pub(super) fn create(
        &mut self,
        definition: &Definition,
        version: u64,
        desired: u32,
        seed: u64,
    ) -> Result<EffectOutcome, CloudError> {
        let name = &definition.auto_scaling_group.auto_scaling_group_name;
        if let Some(group) = self.state.groups.get(name) {
            if group.is_like(definition, version) {
                return Ok(EffectOutcome::Unchanged(Applied::Already));
            }
            return Err(already_exists(name));
        }
        let template = &definition.launch_template.launch_template_name;
        self.state
            .templates
            .get(template)
            .ok_or_else(|| unknown_version(template, version))?
            .version(template, version)?;
        let spot = self
            .state
            .templates
            .get(template)
            .is_some_and(|t| t.asks_for_spot(version));
        if spot
            && definition
                .auto_scaling_group
                .mixed_instances_policy
                .is_some()
        {
            return Err(spot_template(name));
        }
        let made = self.state.made.get(name).copied().unwrap_or(0);
        let Place {
            cluster: _,
            account,
            region,
        } = &self.place;
        let salt = salt(
            seed,
            &[
                account.as_str(),
                region.as_str(),
                name.as_str(),
                &made.to_string(),
            ],
        );
        let mut group = SimulatedGroup::new(definition, version, desired, salt)?;
        group.settle(self.at);
        self.state.groups.insert(name.clone(), Cached::new(group));
        self.state.made.insert(name.clone(), made.saturating_add(1));
        Ok(done())
    }

    /// Carries out an effect on a node now; none when no node here has the name.
    pub(super) fn act(&mut self, effect: &NodeEffect, faults: &Faults) -> Option<EffectOutcome> {
        self.changed();
        let now = self.at;
        let mut outcome = None;
        for node in effect.nodes() {
            let found = self
                .state
                .groups
                .values_mut()
                .find_map(|g| g.instance_of(node).map(|instance| (g, instance)));
            let Some((group, instance)) = found else {
                continue;
            };
            if effect.instance_of(node) != Some(&instance) {
                outcome.get_or_insert_with(|| other_instance(node, &instance));
                continue;
            }
            match group.change().act(&instance, effect, now, faults) {
                changed @ EffectOutcome::Changed(_) => outcome = Some(changed),
                // One of several that is another instance has nothing of ours; what the others say counts.
                unchanged @ EffectOutcome::Unchanged(_)
                    if matches!(outcome, Some(EffectOutcome::Unchanged(Applied::Moved(_)))) =>
                {
                    outcome = Some(unchanged)
                }
                unchanged @ EffectOutcome::Unchanged(_) => drop(outcome.get_or_insert(unchanged)),
            }
        }
        outcome
    }

    /// Everything that the group of an effect answers to.
    pub(super) fn names_touched(
        &self,
        effect: &Effect,
        before: Option<&SimulatedCluster>,
    ) -> Vec<String> {
        let group = match effect {
            // A group that is deleted is to be found only in what was there before.
            Effect::Cloud(effect) => [Some(self), before]
                .into_iter()
                .flatten()
                .find_map(|cluster| cluster.state.groups.get(effect.group())),
            Effect::Kops(effect) => self.state.groups.get(effect.group()),
            Effect::Node(effect) => effect.nodes().into_iter().find_map(|node| {
                self.state
                    .groups
                    .values()
                    .find(|g| g.instance_of(node).is_some())
            }),
        };
        group
            .map(|g| g.names().into_iter().map(str::to_owned).collect())
            .unwrap_or_default()
    }

    /// Adds the groups that carry the tag of `cluster` to a reading.
    pub(super) fn read(&self, cluster: &str, into: &mut LiveCluster) {
        for (name, group) in &self.state.groups {
            if group.tag("KubernetesCluster") == Some(cluster) {
                into.groups.insert(
                    name.clone(),
                    group.shown(self.state.templates.get(&group.template)),
                );
            }
        }
    }

    /// What its Kubernetes API shows.
    pub(super) fn seen(&self, faults: &Faults, into: &mut Seen) {
        for group in self.state.groups.values() {
            group.show_nodes(self.at, faults, into);
        }
        into.unready.sort();
    }
}

fn other_instance(node: &NodeName, instance: &InstanceId) -> EffectOutcome {
    let what = format!("node {node} is {instance}, not the instance that is meant");
    EffectOutcome::Unchanged(Applied::Moved(what))
}
