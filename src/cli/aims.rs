//! Faults and acts that are about something that is not there: they would show that all is well. Looks at names only.

use std::collections::BTreeSet;

use super::failure::Failure;
use crate::cloud::local::{Aim, Fault, Named, NamedGroup, Pool, Scenario, repinned};
use crate::fleet::closest;
use crate::model::AsgName;
use crate::plan::{GroupChange, Plan};
use crate::rollout::{Rollout, Task};

/// As many names are listed where none is close to what was written.
const LISTED: usize = 8;

/// What a rollout names beside what the account has.
pub(super) fn of_rollout(rollout: &Rollout) -> Named {
    let mut named = Named::default();
    for run in rollout.clusters() {
        named.clusters.insert(run.cluster.to_string());
        for task in &run.groups {
            match &task.task {
                Task::Create { to, .. } => named.define(to),
                Task::Update { from, to, .. } => {
                    [from, to].into_iter().for_each(|d| named.define(d))
                }
                Task::Retire { from } => named.define(from),
            }
        }
    }
    named
}

/// What a plan names beside what the account has.
pub(super) fn of_plan(plan: &Plan) -> Named {
    let mut named = Named::default();
    for (name, cluster) in &plan.clusters {
        named.clusters.insert(name.to_string());
        for change in cluster.groups.values() {
            match change {
                GroupChange::Create { to } => named.define(&to.definition),
                GroupChange::Update { to, from, .. } => {
                    named.define(&to.definition);
                    named.define(&from.definition);
                }
                GroupChange::Retire { from, .. } => named.define(&from.definition),
            }
        }
    }
    named
}

/// Refuses faults and scenarios about what is not named.
pub(super) fn known(named: &Named, faults: &[Fault], scenario: &Scenario) -> Result<(), Failure> {
    let aims = faults.iter().filter_map(Fault::aim);
    aims.chain(scenario.aims())
        .try_for_each(|aim| there(named, aim))
}

fn there(named: &Named, aim: Aim<'_>) -> Result<(), Failure> {
    match aim {
        Aim::Cluster(cluster) => one_of("cluster", cluster.as_str(), &named.clusters),
        Aim::Group(name) => one_of("group", name, &groups(named, |_| true)),
        Aim::ControlPlane(name) => {
            one_of("group", name, &groups(named, |_| true))?;
            one_of(
                "control-plane group",
                name,
                &groups(named, |g| g.control_plane),
            )
        }
        Aim::Image(image) => one_of("image", repinned(image), &images(named, |_| true)),
        Aim::ControlPlaneImage(image) => {
            let image = repinned(image);
            one_of("image", image, &images(named, |_| true))?;
            one_of(
                "image of a control plane",
                image,
                &images(named, |g| g.control_plane),
            )
        }
        Aim::Profile(profile) => {
            let groups = named.groups.values();
            let profiles = groups.flat_map(|g| g.profiles.clone()).collect();
            one_of("instance profile", profile, &profiles)
        }
        Aim::Pool(pool) => pool_of(named, pool),
    }
}

/// Types and zones are those of the group that is named, or of any.
fn pool_of(named: &Named, pool: &Pool) -> Result<(), Failure> {
    let mut of = String::new();
    if let Some(group) = &pool.group {
        one_of("group", group, &groups(named, |_| true))?;
        of = format!(" of group {group}");
    }
    let meant: Vec<&NamedGroup> = named
        .groups
        .iter()
        .filter(|(asg, _)| pool.group.as_ref().is_none_or(|g| answers(asg).contains(g)))
        .map(|(_, group)| group)
        .collect();
    if let Some(name) = &pool.instance_type {
        let types = meant.iter().flat_map(|g| g.types.clone()).collect();
        one_of(&format!("instance type{of}"), name, &types)?;
    }
    if let Some(name) = &pool.zone {
        let zones = meant.iter().flat_map(|g| g.zones.clone()).collect();
        one_of(&format!("zone{of}"), name, &zones)?;
    }
    Ok(())
}

/// An AutoScalingGroup begins with the name of its InstanceGroup.
fn answers(asg: &AsgName) -> BTreeSet<String> {
    let own = asg.as_str().split('.').next();
    own.into_iter()
        .chain([asg.as_str()])
        .map(str::to_owned)
        .collect()
}

fn groups(named: &Named, which: fn(&NamedGroup) -> bool) -> BTreeSet<String> {
    let chosen = named.groups.iter().filter(|(_, group)| which(group));
    chosen.flat_map(|(asg, _)| answers(asg)).collect()
}

fn images(named: &Named, which: fn(&NamedGroup) -> bool) -> BTreeSet<String> {
    let chosen = named.groups.values().filter(|group| which(group));
    chosen.flat_map(|group| group.images.clone()).collect()
}

fn one_of(what: &str, name: &str, there: &BTreeSet<String>) -> Result<(), Failure> {
    if there.contains(name) {
        return Ok(());
    }
    let near = closest(name, there.iter().map(String::as_str));
    let hint = match near {
        Some(near) => format!("did you mean `{near}`?"),
        None if there.is_empty() => format!("there is no {what}"),
        None => {
            let listed: Vec<&str> = there.iter().take(LISTED).map(String::as_str).collect();
            let more = there.len().saturating_sub(listed.len());
            let rest = if more == 0 {
                String::new()
            } else {
                format!(" and {more} more")
            };
            format!("there is {}{rest}", listed.join(", "))
        }
    };
    Err(Failure::new(format!(
        "a fault or an act is about {what} {name}, which is not there"
    ))
    .hint(hint))
}
