//! The rollout with what is known of versions that kops made: their user data is in no plan. Decides nothing.

use std::borrow::Cow;

use crate::model::{AsgName, ClusterName, LiveCluster, UserData};
use crate::rollout::progress::Progress;
use crate::rollout::schedule::{ClusterRun, Rollout, Task, VersionSource};

/// The rollout, in which every group that kops has brought to its documents boots with what kops made. A version is never changed after it was made, so
/// what it holds now is what was read back.
pub(crate) fn with_made<'a, 'l>(
    rollout: &'a Rollout,
    progress: &Progress,
    live: impl Iterator<Item = (&'l ClusterName, &'l LiveCluster)>,
) -> Cow<'a, Rollout> {
    let mut known = Cow::Borrowed(rollout);
    for (cluster, live) in live {
        let Some(run) = rollout.cluster(cluster).filter(|run| run.kops.is_some()) else {
            continue;
        };
        let made: Vec<(usize, Task)> = run
            .groups
            .iter()
            .enumerate()
            .filter_map(|(at, task)| Some((at, made(run, &task.asg, &task.task, progress, live)?)))
            .collect();
        if made.is_empty() {
            continue;
        }
        let Some(run) = known.to_mut().cluster_mut(cluster) else {
            continue;
        };
        for (at, task) in made {
            if let Some(found) = run.groups.get_mut(at) {
                found.task = task;
            }
        }
    }
    known
}

fn made(
    run: &ClusterRun,
    asg: &AsgName,
    task: &Task,
    progress: &Progress,
    live: &LiveCluster,
) -> Option<Task> {
    let books = progress.clusters.get(&run.cluster)?.groups.get(asg)?;
    let version = live.groups.get(asg)?.versions.get(&books.version?)?;
    let user_data = version.data.user_data.clone();
    match task {
        Task::Create {
            to,
            user_data: by_kops @ UserData::ByKops { .. },
        } => {
            let mut to = to.clone();
            to.launch_template.launch_template_data.user_data = user_data;
            Some(Task::Create {
                to,
                user_data: by_kops.clone(),
            })
        }
        Task::Update {
            from,
            to,
            from_version,
            version: version @ VersionSource::New(UserData::ByKops { .. }),
            replace,
        } => {
            let mut to = to.clone();
            to.launch_template.launch_template_data.user_data = user_data;
            Some(Task::Update {
                from: from.clone(),
                to,
                from_version: *from_version,
                version: version.clone(),
                replace: *replace,
            })
        }
        Task::Create { .. } | Task::Update { .. } | Task::Retire { .. } => None,
    }
}
