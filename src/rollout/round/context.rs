//! Everything that one round of decisions depends on: for the rollout, for a cluster, for a group. Decides nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::nodes::{NodeView, Readiness};
use crate::kops::Role;
use crate::model::{
    AsgName, ClusterName, Instance, InstanceId, Live, LiveCluster, LiveGroup, Node, NodeName,
    Timestamp,
};
use crate::rollout::board::Board;
use crate::rollout::progress::{ClusterProgress, GroupProgress, Progress};
use crate::rollout::schedule::{ClusterRun, GroupTask, Rollout, Task};

/// What every decision of a round depends on.
pub(crate) struct RoundContext<'a> {
    pub(crate) rollout: &'a Rollout,
    pub(crate) progress: &'a Progress,
    pub(crate) live: &'a Live,
    /// What rollouts beside it say of themselves.
    pub(crate) board: &'a Board,
    pub(crate) now: Timestamp,
}

/// A cluster and everything that is known of it.
pub(crate) struct ClusterContext<'a> {
    pub(crate) run: &'a ClusterRun,
    pub(crate) progress: &'a ClusterProgress,
    pub(crate) live: &'a LiveCluster,
    pub(crate) nodes: NodeView<'a>,
    /// Nothing new begins: what has begun comes to its end.
    pub(crate) is_closing: bool,
}

/// Everything one group's move depends on.
pub(crate) struct GroupContext<'a> {
    pub(crate) rollout: &'a Rollout,
    pub(crate) cluster: &'a ClusterName,
    pub(crate) task: &'a GroupTask,
    pub(crate) group: &'a GroupProgress,
    pub(crate) progress: &'a ClusterProgress,
    pub(crate) roles: &'a BTreeMap<AsgName, Role>,
    pub(crate) live_cluster: &'a LiveCluster,
    pub(crate) live: Option<&'a LiveGroup>,
    pub(crate) nodes: &'a NodeView<'a>,
    pub(crate) now: Timestamp,
    pub(crate) mode: Mode,
}

/// Which way the group goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// To the release: with canary, bake and gates.
    Forward,
    /// Back to what was proven before: without them.
    Undo,
    /// To a stop: only what is half-done is undone.
    Cleanup,
}

impl<'a> GroupContext<'a> {
    /// How long something has been waited for since then, by the process that runs the rollout now.
    pub(crate) fn waited(&self, since: Timestamp) -> crate::model::Span {
        self.now.since(since.max(self.progress.resumed_at))
    }

    /// Whether an instance of this group can take work.
    pub(crate) fn readiness(&self, id: &InstanceId, instance: &Instance) -> Readiness {
        self.nodes.readiness(self.task.role, id, instance)
    }

    /// The node of an instance, where it has one that is drained.
    pub(crate) fn drained_node(&self, id: &InstanceId) -> Option<(&'a NodeName, &'a Node)> {
        let is_drained = self.task.role.rules().is_drained;
        self.nodes.of(id).filter(|_| is_drained)
    }
}

/// Instances of the group that can take work.
pub(crate) fn ready_instances<'a>(
    view: &'a GroupContext<'_>,
    live: &'a LiveGroup,
) -> impl Iterator<Item = &'a InstanceId> {
    live.instances
        .iter()
        .filter(|(id, i)| view.readiness(id, i) == Readiness::Ready)
        .map(|(id, _)| id)
}

pub(crate) fn group_context<'a>(
    round: &RoundContext<'a>,
    sight: &'a ClusterContext<'a>,
    task: &'a GroupTask,
    group: &'a GroupProgress,
    mode: Mode,
) -> GroupContext<'a> {
    GroupContext {
        rollout: round.rollout,
        cluster: &sight.run.cluster,
        task,
        group,
        progress: sight.progress,
        roles: &sight.run.roles,
        live_cluster: sight.live,
        live: sight.live.groups.get(&task.asg).map(|g| &**g),
        nodes: &sight.nodes,
        now: round.now,
        mode,
    }
}

/// The groups that are there when all is done.
pub(crate) fn staying(run: &ClusterRun) -> impl Iterator<Item = &AsgName> {
    let retired: BTreeSet<&AsgName> = run
        .groups
        .iter()
        .filter(|g| matches!(g.task, Task::Retire { .. }))
        .map(|g| &g.asg)
        .collect();
    run.roles.keys().filter(move |name| !retired.contains(name))
}
