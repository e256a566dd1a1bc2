//! The faults that a plan may meet, by name: one of each kind, aimed at a group that the plan rolls. Runs nothing.

use super::Failure;
use crate::cloud::local::{Fault, Scenario};
use crate::kops::Role;
use crate::rollout::{ClusterRun, GroupTask, Rollout, Task};

/// A fault with its name.
pub(super) struct NamedFaults {
    pub(super) name: String,
    pub(super) faults: Vec<Fault>,
    pub(super) scenario: Scenario,
}

/// A fault as it was ordered.
pub(super) fn ordered(text: &str) -> Result<NamedFaults, Failure> {
    let fault = text.parse().map_err(|e| Failure::new(format!("{e}")))?;
    Ok(NamedFaults {
        name: text.to_owned(),
        faults: vec![fault],
        scenario: Scenario::default(),
    })
}

/// What happens at a moment, as a line of a scenario.
fn timed(name: String, item: &str) -> Result<NamedFaults, Failure> {
    let text = format!("version: 1\nscenario:\n  - {item}\n");
    let scenario = Scenario::parse(&name, &text).map_err(|e| Failure::new(e.to_string()))?;
    Ok(NamedFaults {
        name,
        faults: Vec::new(),
        scenario,
    })
}

/// Faults for the first group of nodes that is rolled, and for its cluster.
pub(super) fn of_plan(rollout: &Rollout) -> Result<Vec<NamedFaults>, Failure> {
    let mut named = Vec::new();
    for fault in ["throttle:3", "lost-answer:3", "no-answer:3"] {
        named.push(ordered(fault)?);
    }
    named.push(timed(
        "expired-credentials after 10m".into(),
        "{fault: expired-credentials, after: 10m}",
    )?);
    named.push(timed(
        "kill in the third terminate".into(),
        "{act: kill, when: terminate, nth: 3}",
    )?);
    let rolled: Vec<(&ClusterRun, &GroupTask)> = rollout
        .clusters()
        .flat_map(|c| c.groups.iter().map(move |g| (c, g)))
        .collect();
    let replaces = |g: &GroupTask| {
        g.role == Role::Node && matches!(g.task, Task::Update { replace: true, .. })
    };
    let Some((run, task)) = rolled.iter().find(|(_, g)| replaces(g)).or(rolled.first()) else {
        return Ok(named);
    };
    let (group, cluster) = (&task.asg, &run.cluster);
    if let Task::Create { to, .. } | Task::Update { to, .. } = &task.task {
        let image = &to.launch_template.launch_template_data.image_id;
        for fault in [format!("sick-image:{image}"), format!("dead-image:{image}")] {
            named.push(ordered(&fault)?);
        }
    }
    for fault in [
        format!("no-capacity:{group}"),
        format!("stuck-drain:{group}"),
        format!("slow-boot:{group}:1200"),
        format!("no-kubernetes:{cluster}"),
    ] {
        named.push(ordered(&fault)?);
    }
    for (what, act) in [
        ("a spot instance is reclaimed", "reclaim"),
        ("a person ends an instance", "terminate"),
        ("a person detaches an instance", "detach"),
        ("a node dies", "node-down"),
    ] {
        named.push(timed(
            format!("{what}, {group}"),
            &format!("{{act: \"{act}:{group}:1\", when: pin-version {group}, after: 3m}}"),
        )?);
    }
    for (what, act) in [
        ("an autoscaler adds 2", "+2"),
        ("an autoscaler removes 1", "-1"),
    ] {
        named.push(timed(
            format!("{what}, {group}"),
            &format!("{{act: \"scale:{group}:{act}\", when: pin-version {group}, after: 3m}}"),
        )?);
    }
    named.push(timed(
        format!("a person repins {group}"),
        &format!("{{act: \"repin:{group}\", when: create-template-version {group}}}"),
    )?);
    Ok(named)
}
