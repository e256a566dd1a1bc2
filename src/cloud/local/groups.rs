//! AutoScalingGroups: their state and what AWS lets be done to them. Launching and ending instances is in `capacity`, time in `simulate`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use super::answers::{EffectOutcome, PROCESSES, done, moved, refused, unknown_version};
use super::state::{SimulatedGroup, Workload};
use super::templates::SimulatedTemplate;
use crate::cloud::CloudError;
use crate::model::{
    Applied, AsgName, AutoScalingGroup, Definition, InstanceId, Lifecycle, LiveGroup, Timestamp,
    VersionChange, VersionRef,
};

impl SimulatedGroup {
    /// A group that has just been made; its instances are still to be launched.
    pub(super) fn new(
        definition: &Definition,
        version: u64,
        desired: u32,
        salt: u64,
    ) -> Result<Self, CloudError> {
        let fields = definition.auto_scaling_group.clone().canonical();
        check_sizes(&fields, desired)?;
        check_processes(&fields.auto_scaling_group_name, &fields.suspended_processes)?;
        let template = definition.launch_template.launch_template_name.clone();
        Ok(SimulatedGroup {
            hooks: definition.lifecycle_hooks.clone(),
            desired,
            salt,
            workload: Workload {
                nodes: desired,
                ..Workload::default()
            },
            ..SimulatedGroup::bare(template, fields, version)
        })
    }

    /// That of its AutoScalingGroup.
    pub(super) fn name(&self) -> &AsgName {
        &self.fields.auto_scaling_group_name
    }

    /// The value of a tag.
    pub(super) fn tag(&self, key: &str) -> Option<&str> {
        self.fields
            .tags
            .iter()
            .find(|t| t.key == key)
            .map(|t| t.value.as_str())
    }

    /// Everything it answers to in a fault: its own name and that of its InstanceGroup.
    pub(super) fn names(&self) -> Vec<&str> {
        std::iter::once(self.name().as_str())
            .chain(self.tag("kops.k8s.io/instancegroup"))
            .collect()
    }

    pub(super) fn suspends(&self, process: &str) -> bool {
        self.fields.suspended_processes.contains(process)
    }

    /// Whether creating it again would make the same group.
    pub(super) fn is_like(&self, definition: &Definition, version: u64) -> bool {
        *self.fields == self.expectation(&definition.auto_scaling_group, &BTreeSet::new())
            && self.hooks.fit(&definition.lifecycle_hooks)
            && self.version == version
    }

    /// `expected` in canonical form, with the processes that others suspended left as they are here: a rollout
    /// suspends some for a while and that is no difference. Those of `gone` are not of others.
    fn expectation(
        &self,
        expected: &AutoScalingGroup,
        gone: &BTreeSet<String>,
    ) -> AutoScalingGroup {
        let mut expected = expected.clone().canonical();
        let others = self.fields.suspended_processes.difference(gone).cloned();
        expected.suspended_processes.extend(others);
        expected
    }

    /// Changes its own fields from one definition to another. A minimum above desired capacity raises it; a maximum below it has to wait.
    pub(super) fn update(
        &mut self,
        from: &Definition,
        to: &Definition,
        version: Option<(VersionChange, bool)>,
        now: Timestamp,
    ) -> Result<EffectOutcome, CloudError> {
        let repin = match version {
            None => None,
            Some((change, _)) if self.version == change.to => None,
            Some((change, _)) if self.version != change.from => {
                return Ok(self.elsewhere(change.from));
            }
            Some((change, false)) => return Err(unknown_version(&self.template, change.to)),
            Some((change, true)) => Some(change.to),
        };
        let dropped = from
            .auto_scaling_group
            .suspended_processes
            .difference(&to.auto_scaling_group.suspended_processes)
            .cloned()
            .collect();
        let wanted = self.expectation(&to.auto_scaling_group, &dropped);
        let is_wanted = *self.fields == wanted && self.hooks.fit(&to.lifecycle_hooks);
        if is_wanted && repin.is_none() {
            return Ok(EffectOutcome::Unchanged(Applied::Already));
        }
        let expected = self.expectation(&from.auto_scaling_group, &BTreeSet::new());
        if !is_wanted && (*self.fields != expected || !self.hooks.fit(&from.lifecycle_hooks)) {
            let mut found = differences(&self.fields, &expected);
            if !self.hooks.fit(&from.lifecycle_hooks) {
                found.push("lifecycle hooks differ".to_owned());
            }
            return Ok(moved(format!(
                "{} is not as expected: {}",
                self.name(),
                found.join(", ")
            )));
        }
        let (least, most) = (wanted.min_size, wanted.max_size);
        if least > most {
            return Err(refused(
                self.name(),
                format!("ValidationError: min size {least} is above max size {most}"),
            ));
        }
        // AWS would lower desired capacity with the maximum, and end instances that are not drained.
        if most < self.desired && most < self.fields.max_size {
            return Ok(EffectOutcome::Unchanged(Applied::NotYet(above(
                self.name(),
                self.desired,
                most,
            ))));
        }
        check_processes(self.name(), &wanted.suspended_processes)?;
        self.fields = wanted.into();
        self.version = repin.unwrap_or(self.version);
        self.hooks = to.lifecycle_hooks.or(&self.hooks);
        self.desired = self.desired.clamp(least, most);
        self.workload.nodes = self.workload.nodes.clamp(least, most);
        self.settle(now);
        Ok(done())
    }

    /// What is found where the group should be at version `from`.
    fn elsewhere(&self, from: u64) -> EffectOutcome {
        moved(format!(
            "{} is at launch template version {}, not {from}",
            self.name(),
            self.version
        ))
    }

    pub(super) fn pin(
        &mut self,
        from: u64,
        to: u64,
        exists: bool,
    ) -> Result<EffectOutcome, CloudError> {
        if self.version == to {
            return Ok(EffectOutcome::Unchanged(Applied::Already));
        }
        if self.version != from {
            return Ok(self.elsewhere(from));
        }
        if let Some(refusal) = self.refreshing() {
            return Err(refusal);
        }
        if !exists {
            return Err(unknown_version(&self.template, to));
        }
        self.version = to;
        Ok(done())
    }

    pub(super) fn set_desired(
        &mut self,
        from: u32,
        to: u32,
        now: Timestamp,
    ) -> Result<EffectOutcome, CloudError> {
        if self.desired == to {
            return Ok(EffectOutcome::Unchanged(Applied::Already));
        }
        if self.desired != from {
            return Ok(moved(format!(
                "{} has desired capacity {}, not {from}",
                self.name(),
                self.desired
            )));
        }
        check_sizes(&self.fields, to)?;
        self.desired = to;
        self.settle(now);
        Ok(done())
    }

    pub(super) fn suspend(
        &mut self,
        processes: &BTreeSet<String>,
    ) -> Result<EffectOutcome, CloudError> {
        check_processes(self.name(), processes)?;
        if processes.is_subset(&self.fields.suspended_processes) {
            return Ok(EffectOutcome::Unchanged(Applied::Already));
        }
        self.fields
            .suspended_processes
            .extend(processes.iter().cloned());
        Ok(done())
    }

    pub(super) fn resume(
        &mut self,
        processes: &BTreeSet<String>,
        now: Timestamp,
    ) -> Result<EffectOutcome, CloudError> {
        check_processes(self.name(), processes)?;
        if processes.is_disjoint(&self.fields.suspended_processes) {
            return Ok(EffectOutcome::Unchanged(Applied::Already));
        }
        self.fields
            .suspended_processes
            .retain(|p| !processes.contains(p));
        self.settle(now);
        Ok(done())
    }

    /// Takes an instance out; the group launches its replacement.
    pub(super) fn detach(
        &mut self,
        instance: &InstanceId,
        now: Timestamp,
    ) -> Result<EffectOutcome, CloudError> {
        let name = self.name().clone();
        let Some(machine) = self.machines.get_mut(instance) else {
            return Ok(moved(format!("{name} has no instance {instance}")));
        };
        match machine.lifecycle {
            Lifecycle::Detached => return Ok(EffectOutcome::Unchanged(Applied::Already)),
            Lifecycle::Terminating => {
                return Ok(moved(format!(
                    "instance {instance} of {name} is terminating"
                )));
            }
            Lifecycle::Pending | Lifecycle::Warmed => {
                return Err(refused(
                    &name,
                    format!(
                        "ValidationError: instance {instance} is not in service yet, so it cannot be detached"
                    ),
                ));
            }
            Lifecycle::InService | Lifecycle::Standby => machine.lifecycle = Lifecycle::Detached,
        }
        self.settle(now);
        Ok(done())
    }

    /// Ends an instance. The desired capacity is not lowered with one that is no longer the group's.
    pub(super) fn terminate(
        &mut self,
        instance: &InstanceId,
        decrement: bool,
        now: Timestamp,
    ) -> Result<EffectOutcome, CloudError> {
        let lifecycle = self
            .machines
            .get(instance)
            .map_or(Lifecycle::Terminating, |m| m.lifecycle);
        match lifecycle {
            Lifecycle::Terminating => return Ok(EffectOutcome::Unchanged(Applied::Already)),
            // Those count towards no desired capacity.
            Lifecycle::Detached | Lifecycle::Standby | Lifecycle::Warmed => {}
            Lifecycle::Pending | Lifecycle::InService => {
                let (name, desired) = (self.name(), self.desired);
                if decrement && desired <= self.fields.min_size {
                    return Ok(moved(format!(
                        "{name} has desired capacity {desired}, its minimum: ending {instance} without replacement would go below"
                    )));
                }
                self.desired -= u32::from(decrement);
            }
        }
        self.end(instance, now);
        self.settle(now);
        Ok(done())
    }

    /// Whether it may be deleted as `expected`: sizes and suspended processes do not count, they are moved on the way to the end.
    pub(super) fn check_delete(
        &self,
        expected: &AutoScalingGroup,
    ) -> Result<Option<EffectOutcome>, CloudError> {
        let mut expected = expected.clone().canonical();
        (expected.min_size, expected.max_size) = (self.fields.min_size, self.fields.max_size);
        expected
            .suspended_processes
            .clone_from(&self.fields.suspended_processes);
        if *self.fields != expected {
            let found = differences(&self.fields, &expected).join(", ");
            return Ok(Some(moved(format!(
                "{} is not as expected: {found}",
                self.name()
            ))));
        }
        let left = self.machines.len() + self.launching.len() + self.warming.len();
        if left > 0 {
            return Err(refused(
                self.name(),
                format!("ResourceInUse: the group still has {left} instances or launches"),
            ));
        }
        Ok(None)
    }

    /// As a reading shows it.
    pub(super) fn live(&self, template: Option<&SimulatedTemplate>) -> LiveGroup {
        let used = self.used_versions();
        let versions = template.map(|t| {
            t.versions
                .iter()
                .filter(|(n, _)| used.contains(n) || **n == t.latest())
                .map(|(n, v)| (*n, v.clone()))
                .collect()
        });
        self.live_refresh(LiveGroup {
            group: self.fields.clone(),
            hooks: self.hooks.clone(),
            desired: self.desired,
            version: VersionRef::Number(self.version),
            versions: versions.unwrap_or_default(),
            latest_version: template.map_or(0, SimulatedTemplate::latest),
            instances: self
                .machines
                .iter()
                .map(|(id, m)| (id.clone(), m.live()))
                .collect(),
            activities: self.activities.iter().map(|r| r.activity.clone()).collect(),
            suspended: self.fields.suspended_processes.clone(),
            refresh: None,
            by_hand: BTreeMap::new(),
        })
    }

    /// Launch template versions that it and its instances refer to.
    pub(super) fn used_versions(&self) -> BTreeSet<u64> {
        self.machines
            .values()
            .map(|m| m.version)
            .chain([self.version, self.launch_version()])
            .collect()
    }
}

/// What is found where a maximum would be put below what is wanted now.
fn above(name: &AsgName, desired: u32, most: u32) -> String {
    format!("{name} has desired capacity {desired}, above a maximum of {most}")
}

fn check_sizes(fields: &AutoScalingGroup, desired: u32) -> Result<(), CloudError> {
    let (least, most) = (fields.min_size, fields.max_size);
    if least <= desired && desired <= most {
        return Ok(());
    }
    let message = format!(
        "ValidationError: desired capacity {desired} must be between min size {least} and max size {most}"
    );
    Err(refused(&fields.auto_scaling_group_name, message))
}

fn check_processes(name: &AsgName, processes: &BTreeSet<String>) -> Result<(), CloudError> {
    match processes.iter().find(|p| !PROCESSES.contains(&p.as_str())) {
        None => Ok(()),
        Some(unknown) => Err(refused(
            name,
            format!(
                "ValidationError: `{unknown}` is no scaling process; there are {}",
                PROCESSES.join(", ")
            ),
        )),
    }
}

/// The fields in which a group differs from what was expected, with values where they are short.
fn differences(found: &AutoScalingGroup, expected: &AutoScalingGroup) -> Vec<String> {
    let fields = |group| match serde_json::to_value(group) {
        Ok(Json::Object(fields)) => fields,
        Ok(_) | Err(_) => serde_json::Map::new(),
    };
    let (found, expected) = (fields(found), fields(expected));
    let keys: BTreeSet<&String> = found.keys().chain(expected.keys()).collect();
    let differing = keys
        .into_iter()
        .filter(|key| found.get(*key) != expected.get(*key));
    differing
        .map(|key| match (found.get(key), expected.get(key)) {
            (Some(Json::Number(is)), Some(Json::Number(not))) => {
                format!("{key} is {is}, not {not}")
            }
            (Some(Json::Bool(is)), Some(Json::Bool(not))) => format!("{key} is {is}, not {not}"),
            (Some(Json::String(is)), Some(Json::String(not))) => {
                format!("{key} is {is}, not {not}")
            }
            (None | Some(_), None | Some(_)) => format!("{key} differs"),
        })
        .collect()
}
