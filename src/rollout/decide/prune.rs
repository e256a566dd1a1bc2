//! Old launch template versions that are no longer needed, once a group is done and its cluster's gates passed. Never acts.

use std::collections::BTreeSet;

use super::again::open_steps;
use crate::model::{CloudEffect, LiveGroup};
use crate::rollout::round::{DecisionBuilder, GroupContext};
use crate::rollout::schedule::{Task, VersionSource};

/// What one call deletes at most. Source: EC2 API, DeleteLaunchTemplateVersions.
const MOST: u64 = 200;

/// Whether the group of `view` has nothing left to prune; prunes if it has. Only a group that was given a new version is tidied.
pub(crate) fn pruned(view: &GroupContext<'_>, out: &mut DecisionBuilder<'_>) -> bool {
    let Task::Update {
        version: VersionSource::New(_),
        from_version,
        ..
    } = &view.task.task
    else {
        return true;
    };
    let (Some(live), Some(version), false) = (view.live, view.group.version, view.group.pruned)
    else {
        return true;
    };
    let keep = view.task.rolling.keep_versions;
    let versions = superfluous(live, keep, &[version, *from_version]);
    if versions.is_empty() {
        return true;
    }
    if !open_steps(view, out) {
        out.step(
            view,
            CloudEffect::PruneVersions {
                template: view.task.asg.clone(),
                versions,
            },
        );
    }
    false
}

/// Versions older than the newest `keep`, without those in use and those `needed` to go on or back. Which of them still
/// exist, and which one is the template's default, only the cloud knows: it leaves that one.
fn superfluous(live: &LiveGroup, keep: u64, needed: &[u64]) -> BTreeSet<u64> {
    let last = live.latest_version.saturating_sub(keep);
    let used: BTreeSet<u64> = live
        .instances
        .values()
        .filter_map(|i| i.version)
        .chain(live.versions.keys().copied())
        .collect();
    let first = last.saturating_sub(MOST).saturating_add(1);
    (first.max(1)..=last)
        .filter(|n| !used.contains(n) && !needed.contains(n) && *n != live.version.number())
        .collect()
}
