//! Faults and acts that are about something that is not there: they would show that all is well. Looks at names only.

use std::collections::BTreeSet;

use super::failure::Failure;
use super::pipeline::PreparedFleet;
use crate::cloud::local::{Aim, Fault, Scenario};
use crate::fleet::closest;
use crate::plan::Plan;

/// Refuses faults and scenarios about groups and clusters that neither git nor the plan knows.
pub(super) fn known(
    prepared: &PreparedFleet,
    plan: &Plan,
    faults: &[Fault],
    scenario: &Scenario,
) -> Result<(), Failure> {
    let wanted = prepared.clusters.values().flat_map(|c| &c.desired.groups);
    let mut groups: BTreeSet<&str> = wanted
        .flat_map(|(asg, g)| [asg.as_str(), g.definition.instance_group.as_str()])
        .collect();
    // What git no longer wants is in the plan: an AutoScalingGroup begins with the name of its InstanceGroup.
    let planned = plan.clusters.values().flat_map(|c| c.groups.keys());
    groups.extend(
        planned
            .flat_map(|asg| [Some(asg.as_str()), asg.as_str().split('.').next()])
            .flatten(),
    );
    for aim in faults.iter().filter_map(Fault::aim).chain(scenario.aims()) {
        let (what, name, there) = match aim {
            Aim::Group(name) => ("group", name, groups.clone()),
            Aim::Cluster(name) => (
                "cluster",
                name.as_str(),
                prepared.clusters.keys().map(|c| c.as_str()).collect(),
            ),
        };
        if !there.contains(name) {
            let near =
                closest(name, there.iter().copied()).map(|near| format!("did you mean `{near}`?"));
            let hint = near.unwrap_or_else(|| format!("`kfleet plan` names every {what}"));
            return Err(Failure::new(format!(
                "a fault or an act is about {what} {name}, which is not there"
            ))
            .hint(hint));
        }
    }
    Ok(())
}
