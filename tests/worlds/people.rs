//! A person who finds a rollout stuck, sees what others did, and puts it right by hand.

use std::collections::BTreeSet;

use kfleet::cloud::local::{Scenario, World};
use kfleet::cloud::{Cloud as _, Place};
use kfleet::model::{CloudEffect, LiveGroup, NodeMark, Nodes, RefreshStatus};
use kfleet::rollout::{
    Direction, GroupProgress, GroupTask, Progress, Rollout, Task, VersionSource,
};

use super::support::block;

/// Takes every fault away, and brings each group back to what the rollout expects of it.
pub(crate) fn put_right(world: &World, rollout: &Rollout, progress: &Progress) {
    world.set_faults(Vec::new());
    let mut items = Vec::new();
    for run in rollout.clusters() {
        let place = Place {
            cluster: run.cluster.clone(),
            account: run.account.clone(),
            region: run.region.clone(),
        };
        let live = world.glance(&place);
        let found = |task: &GroupTask| {
            let done = progress.clusters.get(&run.cluster)?.groups.get(&task.asg)?;
            Some((done, &**live.groups.get(&task.asg)?))
        };
        for task in &run.groups {
            let Some((done, group)) = found(task) else {
                continue;
            };
            items.extend(sizes(task, done, group, &progress.direction));
            by_hand(world, &place, task, done, group, &progress.direction);
        }
        // Also those of groups that do not change.
        for (name, group) in &live.groups {
            items.extend(nodes(name.as_str(), group, &live.nodes));
        }
    }
    let text = items
        .iter()
        .map(|act| format!("  - {{act: \"{act}\"}}\n"))
        .collect::<String>();
    let scenario = if items.is_empty() {
        Scenario::default()
    } else {
        Scenario::parse("person", &format!("version: 1\nscenario:\n{text}")).unwrap()
    };
    world.set_scenario(scenario).unwrap();
}

/// Its sizes as the way it goes expects them.
fn sizes(
    task: &GroupTask,
    done: &GroupProgress,
    group: &LiveGroup,
    direction: &Direction,
) -> Vec<String> {
    let Task::Update { from, to, .. } = &task.task else {
        return Vec::new();
    };
    let back = matches!(direction, Direction::Back(_));
    // On the way back it goes from `to` to `from`.
    let wanted = if done.updated == back { from } else { to };
    let (least, most) = (
        wanted.auto_scaling_group.min_size,
        wanted.auto_scaling_group.max_size,
    );
    let is = (group.group.min_size, group.group.max_size);
    // A surge may stand above a maximum that is lowered last.
    if is == (least, most) || group.desired > most {
        return Vec::new();
    }
    let asg = &task.asg;
    vec![
        format!("set:{asg}:MaxSize={}", most.max(is.1)),
        format!("set:{asg}:MinSize={least}"),
        format!("set:{asg}:MaxSize={most}"),
    ]
}

fn nodes(asg: &str, group: &LiveGroup, nodes: &Nodes) -> Vec<String> {
    let Nodes::Known(seen) = nodes else {
        return Vec::new();
    };
    let mine = || {
        seen.nodes
            .values()
            .filter(|n| group.instances.contains_key(&n.instance))
    };
    let others = mine().any(|n| n.cordoned && !n.ours.contains(&NodeMark::Cordoned));
    let down = mine().any(|n| !n.ready);
    let mut acts = Vec::new();
    acts.extend(others.then(|| format!("uncordon:{asg}:99")));
    acts.extend(down.then(|| format!("node-up:{asg}:99")));
    acts
}

/// What is not an act: its pin, processes that others suspended, instances on standby, a refresh that is not ours.
fn by_hand(
    world: &World,
    place: &Place,
    task: &GroupTask,
    done: &GroupProgress,
    group: &LiveGroup,
    direction: &Direction,
) {
    let apply = |effect: CloudEffect| drop(block(world.apply(place, &effect)));
    let asg = task.asg.clone();
    let active = group
        .refresh
        .as_ref()
        .is_some_and(|r| r.status.is_active() && r.status != RefreshStatus::Cancelling);
    if active && done.refresh.is_none() {
        apply(CloudEffect::CancelRefresh { group: asg.clone() });
    }
    if let (Some(pinned), false) = (pinned(task, done, direction), active)
        && pinned != group.version.number()
    {
        apply(CloudEffect::PinVersion {
            group: asg.clone(),
            from: group.version.number(),
            to: pinned,
        });
    }
    let others: BTreeSet<String> = group
        .suspended
        .difference(&done.outstanding.suspended)
        .cloned()
        .collect();
    if !others.is_empty() {
        apply(CloudEffect::Resume {
            group: asg.clone(),
            processes: others,
        });
    }
    for (id, instance) in &group.instances {
        if instance.lifecycle == kfleet::model::Lifecycle::Standby {
            apply(CloudEffect::Terminate {
                group: asg.clone(),
                instance: id.clone(),
                decrement: false,
            });
        }
    }
}

/// The version that the rollout has pinned, or found.
fn pinned(task: &GroupTask, done: &GroupProgress, direction: &Direction) -> Option<u64> {
    let Task::Update {
        from_version,
        version,
        ..
    } = &task.task
    else {
        return None;
    };
    let new = match version {
        VersionSource::Existing(n) => Some(*n),
        VersionSource::New(_) => done.version,
    };
    // Its version comes with the refresh.
    if done.refresh.is_some() {
        return None;
    }
    match (direction, done.pinned) {
        (Direction::Forward, true) | (Direction::Back(_), false) => {
            if done.touched {
                new
            } else {
                Some(*from_version)
            }
        }
        (Direction::Forward, false) | (Direction::Back(_), true) => Some(*from_version),
        (Direction::Aborting, _) => None,
    }
}
