//! What a cluster is, held against what the rollout made of it: an empty list is a re-plan without changes. Never acts.

use crate::model::{AsgName, LiveCluster};
use crate::plan::{group_differences, group_digest};
use crate::rollout::reason::Difference;
use crate::rollout::round::outdated;
use crate::rollout::schedule::{ClusterRun, GroupTask, Task};

/// Everything that a new plan would show, in words, sorted by group.
pub(crate) fn differences(run: &ClusterRun, live: &LiveCluster) -> Vec<Difference> {
    let mut found: Vec<Difference> = run
        .groups
        .iter()
        .filter_map(|task| of_task(task, live))
        .collect();
    let tasks = |name: &AsgName| run.groups.iter().any(|g| g.asg == *name);
    for (name, before) in run.unchanged.iter().filter(|(name, _)| !tasks(name)) {
        match live.groups.get(name) {
            None => found.push(Difference::GroupGone {
                group: name.clone(),
            }),
            Some(group) if group_digest(name, group) != *before => {
                found.push(Difference::GroupChanged {
                    group: name.clone(),
                })
            }
            Some(_) => {}
        }
    }
    for name in live.groups.keys() {
        let known = run.roles.contains_key(name) || tasks(name);
        if !known {
            found.push(Difference::GroupNew {
                group: name.clone(),
            });
        }
    }
    found
}

fn of_task(task: &GroupTask, live: &LiveCluster) -> Option<Difference> {
    let name = &task.asg;
    let group = live.groups.get(name);
    let (to, replace) = match &task.task {
        Task::Create { to, .. } => (to, true),
        Task::Update { to, replace, .. } => (to, *replace),
        Task::Retire { .. } => {
            return group.is_some().then(|| Difference::GroupStays {
                group: name.clone(),
            });
        }
    };
    let Some(group) = group else {
        return Some(Difference::GroupGone {
            group: name.clone(),
        });
    };
    let fields = group_differences(name, group, to);
    if !fields.is_empty() {
        return Some(Difference::Fields {
            group: name.clone(),
            fields,
        });
    }
    let instances = outdated(group, to, task.rolling.standby).len();
    (replace && instances > 0).then(|| Difference::Outdated {
        group: name.clone(),
        instances,
    })
}
