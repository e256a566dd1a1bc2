//! Launches in a zone that is named, answered at once with the instances or with the reason. What time brings them is in `simulate`.
//!
//! Source: Auto Scaling API, LaunchInstances; user guide, "Launch instances synchronously": launch templates only, mixed instances policies
//! only where all is on-demand or all is Spot, a zone wherever there are several, the same answer to the same token.

use std::collections::BTreeSet;

use super::answers::{EffectOutcome, refused};
use super::simulate::{Surroundings, no_capacity};
use super::state::{Machine, SimulatedGroup, Work};
use super::templates::SimulatedTemplate;
use crate::cloud::CloudError;
use crate::model::{
    ActivityStatus, Applied, InstanceId, LaunchRefusal, TemplateVersion, Timestamp, ZonalLaunch,
};

impl SimulatedGroup {
    /// Adds `count` instances in the zone, or as many as there is capacity for.
    pub(super) fn launch(
        &mut self,
        count: u32,
        launch: &ZonalLaunch,
        now: Timestamp,
        template: Option<&SimulatedTemplate>,
        around: Surroundings<'_>,
    ) -> Result<EffectOutcome, CloudError> {
        if let Some(instances) = self.tokens.get(&launch.token) {
            let others = |id: &InstanceId| {
                let machine = self.machines.get(id);
                machine.is_some_and(|m| m.zone != launch.zone)
            };
            if instances.iter().any(others) {
                return Err(refused(
                    self.name(),
                    "IdempotentParameterMismatch: an earlier launch with this client token was another one".into(),
                ));
            }
            return Ok(EffectOutcome::Unchanged(Applied::Launched {
                instances: instances.clone(),
                refused: None,
            }));
        }
        let most = self.fields.max_size;
        let wanted = self.desired.saturating_add(count);
        if wanted > most {
            return Ok(EffectOutcome::Unchanged(Applied::NotYet(format!(
                "{} would have desired capacity {wanted}, above its maximum of {most}",
                self.name()
            ))));
        }
        let version = template.and_then(|t| t.versions.get(&self.launch_version()));
        let version = match (self.not_offered(launch), version) {
            (Some(words), _) => return Ok(none(LaunchRefusal::NotOffered(words))),
            (None, None) => {
                let words = format!(
                    "You must use a valid launch template version: {} has none of number {}",
                    self.template, self.version
                );
                return Ok(none(LaunchRefusal::NotOffered(words)));
            }
            (None, Some(version)) => version.clone(),
        };
        let (instances, lacks) = self.launch_now(count, &launch.zone, now, &version, around);
        if instances.is_empty() {
            return Ok(lacks.map_or_else(
                || EffectOutcome::Unchanged(Applied::Already),
                |words| none(LaunchRefusal::NoCapacity(words)),
            ));
        }
        let brought = u32::try_from(instances.len()).unwrap_or(u32::MAX);
        self.desired = self.desired.saturating_add(brought);
        self.tokens.insert(launch.token.clone(), instances.clone());
        Ok(EffectOutcome::Changed(Applied::Launched {
            instances,
            refused: lacks.map(LaunchRefusal::NoCapacity),
        }))
    }

    /// Why this group cannot be launched into at all, or not there.
    fn not_offered(&self, launch: &ZonalLaunch) -> Option<String> {
        let distribution = self
            .fields
            .mixed_instances_policy
            .as_ref()
            .map(|p| &p.instances_distribution);
        if distribution.is_some_and(|d| d.market().is_none()) {
            return Some(
                "ValidationError: LaunchInstances does not support mixed instances policies with both On-Demand and Spot Instances".into(),
            );
        }
        if !self.zones().contains(&launch.zone) {
            return Some(format!(
                "ValidationError: Availability Zone {} is not one of the group's",
                launch.zone
            ));
        }
        self.suspends("Launch")
            .then(|| "ValidationError: the Launch process of the group is suspended".into())
    }

    /// The instances that there is capacity for, and AWS's words where there is no capacity for more.
    fn launch_now(
        &mut self,
        count: u32,
        zone: &str,
        now: Timestamp,
        version: &TemplateVersion,
        around: Surroundings<'_>,
    ) -> (BTreeSet<InstanceId>, Option<String>) {
        let mut launched = BTreeSet::new();
        for _ in 0..count {
            let number = self.launches;
            let mut machine = self.machine_in(number, version, zone.to_owned(), now);
            if let Some(words) = self.out_of_types(&mut machine, around) {
                return (launched, Some(words));
            }
            self.launches = self.launches.saturating_add(1);
            let Some(id) = self.instance_id(number) else {
                return (launched, None);
            };
            self.foresee(&mut machine, version, around);
            self.note_launch(number, &id, now);
            self.machines.insert(id.clone(), machine);
            launched.insert(id);
        }
        (launched, None)
    }

    fn note_launch(&mut self, number: u64, id: &InstanceId, now: Timestamp) {
        self.note(
            Work::Launch(number),
            now,
            ActivityStatus::InProgress,
            format!("Launching a new EC2 instance: {id}"),
        );
    }

    /// Goes on to the other types of the group, in this zone alone. AWS's words where none of them is to be had.
    fn out_of_types(&self, machine: &mut Machine, around: Surroundings<'_>) -> Option<String> {
        let first = machine.instance_type.clone();
        let mut words = None;
        for instance_type in std::iter::once(first.clone()).chain(self.other_types(&first)) {
            machine.instance_type = instance_type;
            if !around
                .faults
                .no_capacity(&self.names(), &machine.instance_type, &machine.zone)
            {
                return None;
            }
            words = Some(no_capacity(machine));
        }
        words
    }
}

fn none(refused: LaunchRefusal) -> EffectOutcome {
    EffectOutcome::Unchanged(Applied::Launched {
        instances: BTreeSet::new(),
        refused: Some(refused),
    })
}
