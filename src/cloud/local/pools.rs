//! Where a launch goes when AWS is out of instances of a type in a zone: the next zone, then the next type of the group's list. Launches nothing.

use std::collections::BTreeMap;

use super::capacity::{Machine, zone_of};
use super::faults::Faults;
use super::groups::Group;
use crate::model::LaunchTemplateData;

impl Group {
    /// The machine in the first pool that has capacity, its own first; none when AWS is out of all of them.
    /// Source: AWS Auto Scaling guide, "Instance distribution": a launch that fails in one zone is tried in the others.
    pub(super) fn with_capacity(&self, machine: Machine, data: &LaunchTemplateData, faults: &Faults) -> Option<Machine> {
        let policy = self.fields.mixed_instances_policy.as_ref();
        let mut types: Vec<String> = vec![machine.instance_type.clone()];
        types.extend(policy.iter().flat_map(|p| &p.overrides).filter_map(|o| o.instance_type.clone()));
        if types.len() == 1 {
            types.push(data.instance_type.clone());
        }
        let mut zones: BTreeMap<String, usize> = self.fields.vpc_zone_identifier.iter().map(|subnet| (zone_of(subnet), 0)).collect();
        for member in self.machines.values().filter(|m| m.is_member()) {
            zones.entry(member.zone.clone()).and_modify(|n| *n += 1);
        }
        let mut zones: Vec<(usize, String)> = zones.into_iter().map(|(zone, members)| (members, zone)).collect();
        zones.sort();
        let zones: Vec<String> = std::iter::once(machine.zone.clone()).chain(zones.into_iter().map(|(_, zone)| zone)).collect();
        let pool = types.iter().flat_map(|t| zones.iter().map(move |z| (t, z))).find(|(t, z)| !faults.is_out_of(t, z))?;
        Some(Machine { instance_type: pool.0.clone(), zone: pool.1.clone(), ..machine })
    }
}
