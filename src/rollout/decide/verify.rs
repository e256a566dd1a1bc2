//! What a cluster is, held against what the rollout made of it: an empty list is a re-plan without changes. Never acts.

use crate::model::{AsgName, LiveCluster};
use crate::plan::{group_differences, group_digest};
use crate::rollout::round::outdated;
use crate::rollout::schedule::{ClusterRun, GroupTask, Task};

/// Everything that a new plan would show, in words, sorted by group.
pub(crate) fn differences(run: &ClusterRun, live: &LiveCluster) -> Vec<String> {
    let mut found: Vec<String> = run
        .groups
        .iter()
        .filter_map(|task| of_task(task, live))
        .collect();
    let tasks = |name: &AsgName| run.groups.iter().any(|g| g.asg == *name);
    for (name, before) in run.unchanged.iter().filter(|(name, _)| !tasks(name)) {
        match live.groups.get(name) {
            None => found.push(format!("{name} is gone")),
            Some(group) if group_digest(name, group) != *before => found.push(format!(
                "{name} is not what it was when the plan was made (its fields, or the version it refers to)"
            )),
            Some(_) => {}
        }
    }
    for name in live.groups.keys() {
        let known = run.roles.contains_key(name) || tasks(name);
        if !known {
            found.push(format!("{name} is new, and not of this rollout"));
        }
    }
    found
}

fn of_task(task: &GroupTask, live: &LiveCluster) -> Option<String> {
    let name = &task.asg;
    let group = live.groups.get(name);
    let (to, replace) = match &task.task {
        Task::Create { to, .. } => (to, true),
        Task::Update { to, replace, .. } => (to, *replace),
        Task::Retire { .. } => {
            return group.is_some().then(|| format!("{name} is still there"));
        }
    };
    let Some(group) = group else {
        return Some(format!("{name} is gone"));
    };
    let fields = group_differences(name, group, to);
    if !fields.is_empty() {
        return Some(format!("{name} differs in {}", fields.join(", ")));
    }
    let old = outdated(group, to, task.rolling.standby).len();
    (replace && old > 0).then(|| format!("{old} instances of {name} run something else"))
}
