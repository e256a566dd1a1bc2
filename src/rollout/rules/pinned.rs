//! Which version a rollout has pinned, for the rules that need to know. Judges nothing.

use crate::fleet::Strategy;
use crate::rollout::progress::{Direction, GroupProgress};
use crate::rollout::schedule::{GroupTask, Task, VersionSource};

/// The version that was pinned on the way that the rollout goes now. None where nothing was, or AWS does it.
pub(super) fn pinned(
    direction: &Direction,
    task: &GroupTask,
    group: &GroupProgress,
) -> Option<u64> {
    let Task::Update {
        version,
        from_version,
        ..
    } = &task.task
    else {
        return None;
    };
    let refreshed = task.rolling.strategy == Strategy::InstanceRefresh;
    if !group.pinned || refreshed {
        return None;
    }
    let pinned = match (direction, version) {
        (Direction::Forward, VersionSource::Existing(n)) => Some(*n),
        (Direction::Forward, VersionSource::New(_)) => group.version,
        (Direction::Back(_), _) => Some(*from_version),
        (Direction::Aborting, _) => None,
    };
    pinned.filter(|n| *n != 0)
}
