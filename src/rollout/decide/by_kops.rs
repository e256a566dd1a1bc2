//! What kops does at a group's turn: stores the documents of its cluster, brings the group to them. Which version comes of it is read back. Never acts.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{
    Boots, CloudEffect, Definition, GroupName, KopsEffect, LaunchTemplateData, UserData,
};
use crate::rollout::progress::GroupState;
use crate::rollout::reason::GroupReason;
use crate::rollout::round::{DecisionBuilder, GroupContext, Mode};
use crate::rollout::schedule::{GroupTask, KopsRun, Task, VersionSource};

/// Whether the documents of the cluster have to be stored before anything of the group is changed. They are stored once each way, at the turn of
/// whichever group comes first.
pub(crate) fn is_publishing(view: &GroupContext<'_>, out: &mut DecisionBuilder<'_>) -> bool {
    let Some(kops) = run(view) else {
        return false;
    };
    let (wanted, from, to) = match view.mode {
        Mode::Forward => (true, &kops.from, &kops.to),
        Mode::Undo => (view.progress.publish_asked, &kops.to, &kops.from),
        Mode::Cleanup => return false,
    };
    if !wanted || view.progress.published || to.is_empty() {
        return false;
    }
    if out.is_publishing(view.cluster) {
        out.wait(view, GroupReason::DocumentsNotStored, None);
        return true;
    }
    let effect = KopsEffect::Publish {
        group: view.task.asg.clone(),
        from: from.clone(),
        to: to.clone(),
    };
    out.kops_step(view, effect);
    true
}

fn run<'a>(view: &GroupContext<'a>) -> Option<&'a KopsRun> {
    view.rollout.cluster(view.cluster)?.kops.as_deref()
}

/// Whether kops makes the version of this task.
pub(crate) fn is_made(task: &GroupTask) -> bool {
    match &task.task {
        Task::Create { user_data, .. } => matches!(user_data, UserData::ByKops { .. }),
        Task::Update { version, .. } => {
            matches!(version, VersionSource::New(UserData::ByKops { .. }))
        }
        Task::Retire { .. } => false,
    }
}

/// A group whose version kops makes: has it made. Whether that is what comes now.
pub(crate) fn is_making(
    view: &GroupContext<'_>,
    (version, from, to): (&VersionSource, u64, &Definition),
    out: &mut DecisionBuilder<'_>,
) -> bool {
    let VersionSource::New(UserData::ByKops { foreseen }) = version else {
        return false;
    };
    if view.mode != Mode::Forward {
        return false;
    }
    let boots = Boots::Anew {
        data: plain(to),
        from,
        foreseen: *foreseen,
    };
    ask(view, BTreeSet::from([view.task.name.clone()]), boots, out);
    true
}

/// A group that kops makes. Those of a control plane that are all new are made together: alone, none of them has a quorum of etcd to be Ready with.
pub(crate) fn make(view: &GroupContext<'_>, to: &Definition, out: &mut DecisionBuilder<'_>) {
    let run = view.rollout.cluster(view.cluster);
    let planes = run
        .into_iter()
        .flat_map(|run| &run.groups)
        .filter(|g| g.role.rules().proves_control_plane && matches!(g.task, Task::Create { .. }));
    let mut groups: BTreeSet<GroupName> = BTreeSet::from([view.task.name.clone()]);
    if view.task.role.rules().proves_control_plane {
        groups.extend(planes.map(|g| g.name.clone()));
    }
    let boots = Boots::Anew {
        data: plain(to),
        from: 0,
        foreseen: true,
    };
    ask(view, groups, boots, out);
}

/// Whether kops has to bring the group back before it can boot what it ran: the state store names one nodeup configuration of each group.
pub(crate) fn is_taking_back(
    view: &GroupContext<'_>,
    to: &Definition,
    out: &mut DecisionBuilder<'_>,
) -> bool {
    if view.mode != Mode::Undo || !view.group.kops_asked || view.group.kops_done {
        return false;
    }
    // kops would resume what the rollout has suspended, unasked and at any moment.
    if !view.group.outstanding.suspended.is_empty() {
        let effect = CloudEffect::Resume {
            group: view.task.asg.clone(),
            processes: view.group.outstanding.suspended.clone(),
        };
        out.step(view, effect);
        return true;
    }
    let user_data = &to.launch_template.launch_template_data.user_data;
    let hash = user_data
        .as_ref()
        .and_then(|data| data.nodeup_config_hash.clone());
    let groups = BTreeSet::from([view.task.name.clone()]);
    ask(view, groups, Boots::Again(hash), out);
    true
}

fn ask(
    view: &GroupContext<'_>,
    groups: BTreeSet<GroupName>,
    boots: Boots,
    out: &mut DecisionBuilder<'_>,
) {
    let stored = run(view).map_or_else(BTreeMap::new, |kops| match boots {
        Boots::Anew { .. } => kops.to.clone(),
        Boots::Again(_) => kops.from.clone(),
    });
    let effect = KopsEffect::Update {
        group: view.task.asg.clone(),
        beside: beside(view, &groups, &out.asked_of_kops(view.cluster)),
        groups,
        stored,
        boots,
    };
    out.kops_step(view, effect);
}

/// The other groups that are as stored: those that kops does not change, and those that it has changed already, or changes just before (`asked`).
fn beside(
    view: &GroupContext<'_>,
    groups: &BTreeSet<GroupName>,
    asked: &BTreeSet<GroupName>,
) -> BTreeSet<GroupName> {
    let Some(cluster) = view.rollout.cluster(view.cluster) else {
        return BTreeSet::new();
    };
    let mut all = run(view).map_or_else(BTreeSet::new, |kops| kops.groups.clone());
    for task in &cluster.groups {
        let Some(books) = view.progress.groups.get(&task.asg) else {
            continue;
        };
        let is_as_stored = match (&task.task, view.mode) {
            (Task::Retire { .. }, _) | (Task::Create { .. }, Mode::Undo | Mode::Cleanup) => false,
            (Task::Create { .. } | Task::Update { .. }, Mode::Forward) => {
                books.kops_done || !is_made(task)
            }
            // What kops has done on the way forward was not taken back before the group's turn comes.
            (Task::Update { .. }, Mode::Undo | Mode::Cleanup) => {
                !books.kops_asked || books.kops_done && books.state != GroupState::Waiting
            }
        };
        if !is_as_stored && !asked.contains(&task.name) {
            all.remove(&task.name);
        }
    }
    all.retain(|group| !groups.contains(group));
    all
}

fn plain(definition: &Definition) -> Box<LaunchTemplateData> {
    let mut data = definition.launch_template.launch_template_data.clone();
    data.user_data = None;
    Box::new(data)
}
