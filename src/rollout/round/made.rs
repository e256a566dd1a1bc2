//! The rollout with what is known of versions that kops made: their user data is in no plan. Decides nothing.

use std::borrow::Cow;

use crate::model::{AsgName, LiveCluster, UserData};
use crate::rollout::progress::Progress;
use crate::rollout::schedule::{ClusterRun, Rollout, Task, VersionSource};

/// The rollout, in which every group that kops has brought to its documents boots with what kops made. A version is never changed after it was made, so
/// what it holds now is what was read back.
pub(crate) fn with_made<'a, 'l>(
    rollout: &'a Rollout,
    progress: &Progress,
    live: impl Fn(&ClusterRun) -> Option<&'l LiveCluster>,
) -> Cow<'a, Rollout> {
    let mut known = Cow::Borrowed(rollout);
    for (s, stage) in rollout.stages.iter().enumerate() {
        for (w, wave) in stage.waves.iter().enumerate() {
            for (c, run) in wave.clusters.iter().enumerate() {
                let Some(live) = run.kops.as_ref().and_then(|_| live(run)) else {
                    continue;
                };
                for (g, task) in run.groups.iter().enumerate() {
                    let Some(task) = made(run, &task.asg, &task.task, progress, live) else {
                        continue;
                    };
                    let stages = &mut known.to_mut().stages;
                    let waves = stages.get_mut(s).map(|s| &mut s.waves);
                    let clusters = waves.and_then(|w_| w_.get_mut(w)).map(|w| &mut w.clusters);
                    let groups = clusters.and_then(|c_| c_.get_mut(c)).map(|c| &mut c.groups);
                    if let Some(found) = groups.and_then(|g_| g_.get_mut(g)) {
                        found.task = task;
                    }
                }
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
