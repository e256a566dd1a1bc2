//! The way back of a group, derived from what was done: the same kinds of task, the other way round. Rendering and kops are not asked again.

use super::retire::retiring;
use crate::fleet::Strategy;
use crate::kops::Role;
use crate::rollout::progress::GroupProgress;
use crate::rollout::schedule::{GroupTask, Task, VersionSource};

/// The task that takes a touched group back to what it was.
pub(crate) fn undo(task: &GroupTask, done: &GroupProgress) -> GroupTask {
    let back = match &task.task {
        Task::Create { to, .. } => Task::Retire { from: to.clone() },
        Task::Update {
            from,
            to,
            from_version,
            version,
            replace,
        } => {
            let reached = match version {
                VersionSource::Existing(n) => *n,
                VersionSource::New(_) => done.version.unwrap_or(*from_version),
            };
            Task::Update {
                from: to.clone(),
                to: from.clone(),
                from_version: reached,
                version: VersionSource::Existing(*from_version),
                // What came anew meanwhile runs the new version, whether the rollout or others launched it.
                replace: *replace
                    || (task.rolling.strategy == Strategy::OnNextLaunch
                        && task.role != Role::ControlPlane),
            }
        }
        // What was drained fills up again once the group has its sizes back.
        Task::Retire { from } => {
            let shrunk = retiring(from).into();
            Task::Update {
                from: shrunk,
                to: from.clone(),
                from_version: 0,
                version: VersionSource::Existing(0),
                replace: false,
            }
        }
    };
    GroupTask {
        task: back,
        shrink: false,
        ..task.clone()
    }
}
