//! A look at one cluster in this round. While anything of it could not be read, nothing is decided about it.

use std::collections::BTreeSet;

use crate::model::AsgName;
use crate::rollout::progress::Progress;
use crate::rollout::reason::{Reason, unread};
use crate::rollout::round::{ClusterContext, DecisionBuilder, NodeView, RoundContext};
use crate::rollout::schedule::{ClusterRun, GroupTask, Task};

/// The groups that a cluster has as far as the rollout knows: one that a look does not show is looked for once more before it counts as gone. A list is
/// read in pages, and shifts while it is read.
pub fn expected_groups(progress: &Progress, run: &ClusterRun) -> BTreeSet<AsgName> {
    let found = progress.clusters.get(&run.cluster);
    let group = |task: &GroupTask| found.and_then(|c| c.groups.get(&task.asg));
    let is_there = |task: &GroupTask| match &task.task {
        Task::Create { .. } => group(task).is_some_and(|g| g.updated && !g.deleted),
        Task::Update { .. } => true,
        Task::Retire { .. } => group(task).is_none_or(|g| !g.deleted),
    };
    let absent = run.groups.iter().filter(|task| !is_there(task));
    let absent: BTreeSet<&AsgName> = absent.map(|task| &task.asg).collect();
    let tasks = run.groups.iter().map(|task| &task.asg);
    let all = run.roles.keys().chain(tasks);
    all.filter(|name| !absent.contains(name)).cloned().collect()
}

/// The cluster and everything that is known of it; none, and a reason to wait, while its live state has a gap.
pub(crate) fn look<'a>(
    round: &RoundContext<'a>,
    run: &'a ClusterRun,
    out: &mut DecisionBuilder<'_>,
) -> Option<ClusterContext<'a>> {
    let progress = round.progress.clusters.get(&run.cluster)?;
    let Some(live) = round.live.clusters.get(&run.cluster) else {
        out.wait_cluster(&run.cluster, Reason::ClusterUnread, None);
        return None;
    };
    if let Some(gap) = live.gaps.first() {
        out.wait_cluster(&run.cluster, unread(gap), None);
        return None;
    }
    Some(ClusterContext {
        run,
        progress,
        live,
        nodes: NodeView::new(&live.nodes),
        is_closing: false,
    })
}
