//! Whether a rollout can still be taken back by hand. Compares with what came after it; does nothing.

use std::collections::BTreeSet;

use crate::model::{AsgName, ClusterName};
use crate::rollout::decide::to_take_back;
use crate::rollout::progress::{Direction, Progress, deleted_groups, no_way_back, touched};
use crate::rollout::schedule::{ClusterRun, GroupTask, Rollout, Task};

/// Why a rollout cannot be taken back.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RollbackError {
    /// It is going back, or being stopped, already.
    #[error("rollout {id} is {way} already")]
    OnItsWay {
        /// The rollout.
        id: String,
        /// What it does.
        way: &'static str,
    },
    /// Nothing that it did is still there.
    #[error("rollout {id} changed nothing that is still there")]
    Nothing {
        /// The rollout.
        id: String,
    },
    /// A later one built on it.
    #[error("rollout {later} came after rollout {id} and changed {cluster} too")]
    Later {
        /// The rollout.
        id: String,
        /// The later one.
        later: String,
        /// A cluster that both touched.
        cluster: ClusterName,
    },
    /// What it made would be drained and deleted, and the operator has not allowed that.
    #[error("rollout {id} made {group} of {cluster}, which a rollback drains and deletes")]
    Made {
        /// The rollout.
        id: String,
        cluster: ClusterName,
        group: AsgName,
    },
    /// A name that was given is not that of a group that it made.
    #[error("rollout {id} made no group {name}")]
    NotMade {
        /// The rollout.
        id: String,
        /// As it was given.
        name: String,
    },
    /// It brought a control plane to a newer minor version of Kubernetes.
    #[error(
        "rollout {id} brought the control plane of {cluster} to a newer minor version of Kubernetes, from which none leads back"
    )]
    KubernetesStays {
        /// The rollout.
        id: String,
        cluster: ClusterName,
    },
    /// What it deleted is gone for good.
    #[error("rollout {id} deleted {group} of {cluster}, which no rollback can bring back")]
    Deleted {
        /// The rollout.
        id: String,
        cluster: ClusterName,
        group: AsgName,
    },
}

/// Whether a rollout can be taken back, all of it. `others`: every other rollout there is. `allow_retire`: the names of the groups
/// that it made and that may be drained and deleted again, each by its AutoScalingGroup or its InstanceGroup.
///
/// # Errors
/// When it cannot, and why.
pub fn check_rollback<'r>(
    rollout: &Rollout,
    progress: &Progress,
    others: impl IntoIterator<Item = &'r (Rollout, Progress)>,
    allow_retire: &BTreeSet<String>,
) -> Result<BTreeSet<ClusterName>, RollbackError> {
    let id = rollout.id.clone();
    match (&progress.direction, progress.ending) {
        (Direction::Back(_), None) => {
            return Err(RollbackError::OnItsWay {
                id,
                way: "going back",
            });
        }
        (Direction::Aborting, None) => {
            return Err(RollbackError::OnItsWay {
                id,
                way: "being stopped",
            });
        }
        (Direction::Back(_) | Direction::Aborting, Some(_)) | (Direction::Forward, _) => {}
    }
    let mine: BTreeSet<ClusterName> = touched(rollout, progress);
    let has_hooks = !to_take_back(rollout, progress, &mine, None).is_empty();
    if mine.is_empty() && !has_hooks {
        return Err(RollbackError::Nothing { id });
    }
    let later = |other: &&(Rollout, Progress)| {
        (other.0.started_at, &other.0.id) > (rollout.started_at, &rollout.id)
    };
    for (other, theirs) in others.into_iter().filter(later) {
        if let Some(cluster) = touched(other, theirs).intersection(&mine).next() {
            return Err(RollbackError::Later {
                id,
                later: other.id.clone(),
                cluster: cluster.clone(),
            });
        }
    }
    if let Some(cluster) = no_way_back(rollout, progress, &mine) {
        return Err(RollbackError::KubernetesStays { id, cluster });
    }
    made_groups(rollout, progress, &mine, allow_retire)?;
    let deleted = deleted_groups(progress, &mine).next();
    match deleted.map(|(cluster, group)| (cluster.clone(), group.clone())) {
        Some((cluster, group)) => Err(RollbackError::Deleted { id, cluster, group }),
        None => Ok(mine),
    }
}

/// Whether every group that the rollout made, and that would be deleted again, is named.
fn made_groups(
    rollout: &Rollout,
    progress: &Progress,
    mine: &BTreeSet<ClusterName>,
    allow_retire: &BTreeSet<String>,
) -> Result<(), RollbackError> {
    let id = rollout.id.clone();
    let made = rollout
        .clusters()
        .filter(|run| mine.contains(&run.cluster))
        .flat_map(|run| run.groups.iter().map(move |task| (run, task)));
    let is_there = |run: &ClusterRun, task: &GroupTask| {
        let found = progress.clusters.get(&run.cluster);
        let group = found.and_then(|c| c.groups.get(&task.asg));
        matches!(task.task, Task::Create { .. }) && group.is_some_and(|g| g.touched)
    };
    let made: Vec<_> = made.filter(|(run, task)| is_there(run, task)).collect();
    let means =
        |name: &String, task: &GroupTask| *name == task.asg.as_str() || *name == task.name.as_str();
    // A name that was misspelt allows nothing, and is not passed over.
    for name in allow_retire {
        if !made.iter().any(|(_, task)| means(name, task)) {
            let name = name.clone();
            return Err(RollbackError::NotMade { id, name });
        }
    }
    let unnamed =
        |(_, task): &&(&ClusterRun, &GroupTask)| !allow_retire.iter().any(|name| means(name, task));
    if let Some((run, task)) = made.iter().find(unnamed) {
        return Err(RollbackError::Made {
            id,
            cluster: run.cluster.clone(),
            group: task.asg.clone(),
        });
    }
    Ok(())
}
