//! One group's next move: create, update or retire. Replacing its instances is in `replace`. Looks at live state, never acts.

use std::collections::{BTreeMap, BTreeSet};

use super::gate::{Asked, NodeView, Readiness};
use super::next::{Budget, Out};
use super::{
    ClusterProgress, Event, GroupProgress, GroupState, GroupTask, Rollout, Scope, Task,
    VersionSource, capacity, refresh, replace,
};
use crate::fleet::Strategy;
use crate::kops::Role;
use crate::model::{
    AsgName, CloudEffect, ClusterName, Definition, InstanceId, Lifecycle, LiveCluster, LiveGroup,
    Timestamp, UserData,
};

/// A step that was tried this often without an answer needs a person.
pub(super) const MAX_TRIES: u32 = 20;

/// Everything one group's move depends on.
pub(super) struct View<'a> {
    pub(super) rollout: &'a Rollout,
    pub(super) cluster: &'a ClusterName,
    pub(super) task: &'a GroupTask,
    pub(super) group: &'a GroupProgress,
    pub(super) progress: &'a ClusterProgress,
    pub(super) roles: &'a BTreeMap<AsgName, Role>,
    pub(super) live_cluster: &'a LiveCluster,
    pub(super) live: Option<&'a LiveGroup>,
    pub(super) nodes: &'a NodeView<'a>,
    pub(super) now: Timestamp,
    pub(super) mode: Mode,
}

/// Which way the group goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// To the release: with canary, bake and gates.
    Forward,
    /// Back to what was proven before: without them.
    Undo,
    /// To a stop: only what is open is given back.
    Heal,
}

/// Adds this group's next move to `out`.
pub(super) fn turn(view: &View<'_>, budget: &mut Budget, out: &mut Out<'_>) {
    if troubled(view, out) || out.open_steps(view, MAX_TRIES) || capacity::noted(view, out) {
        return;
    }
    match (view.group.state, view.mode) {
        (GroupState::Done, _) => {}
        (GroupState::Waiting | GroupState::Rolling(_), Mode::Heal) => {
            replace::heal(view, budget, out)
        }
        (GroupState::Waiting, Mode::Forward | Mode::Undo) => start(view, out),
        (GroupState::Rolling(since), Mode::Forward | Mode::Undo) => match &view.task.task {
            Task::Create { to, user_data } => create(view, to, user_data, since, out),
            Task::Update {
                from,
                to,
                from_version,
                version,
                replace,
            } => {
                update(
                    view,
                    &Move {
                        from,
                        to,
                        from_version: *from_version,
                        version,
                        replace: *replace,
                    },
                    budget,
                    out,
                );
            }
            Task::Retire { from } => retire(view, from, view.mode == Mode::Undo, budget, out),
        },
    }
}

/// What a person has to look at, or turns the rollout round.
fn troubled(view: &View<'_>, out: &mut Out<'_>) -> bool {
    let group = view.group;
    if let Some(found) = &group.moved {
        let why = format!("somebody else changed it: {found}");
        out.stuck(view, why, "look at the group, bring it back to what the plan expects or abort, then `kfleet rollout resume`");
    } else if let Some(why) = &group.refused {
        out.failed(view, why.clone());
    } else if group.raced >= MAX_TRIES {
        let why = format!(
            "somebody else moved its desired capacity or instances {} times just before a step",
            group.raced
        );
        out.stuck(
            view,
            why,
            "find out what else changes the group and stop it, then `kfleet rollout resume`",
        );
    } else {
        return false;
    }
    true
}

/// The parts of an update.
struct Move<'a> {
    from: &'a Definition,
    to: &'a Definition,
    from_version: u64,
    version: &'a VersionSource,
    replace: bool,
}

fn start(view: &View<'_>, out: &mut Out<'_>) {
    let instances = match &view.task.task {
        Task::Create { .. } => 0,
        Task::Update {
            to, replace: true, ..
        } => view
            .live
            .map_or(0, |live| replace::outdated(live, to).len()),
        Task::Update { replace: false, .. } => 0,
        Task::Retire { .. } => view.live.map_or(0, |live| present(live).count()),
    };
    out.records.push(Event::GroupStarted {
        cluster: view.cluster.clone(),
        group: view.task.asg.clone(),
        instances: u32::try_from(instances).unwrap_or(u32::MAX),
    });
}

fn create(
    view: &View<'_>,
    to: &Definition,
    user_data: &UserData,
    since: Timestamp,
    out: &mut Out<'_>,
) {
    let Some(version) = view.group.version else {
        return out.step(view, new_version(view, to, user_data));
    };
    if !view.group.updated {
        let desired = to.auto_scaling_group.min_size;
        return out.step(
            view,
            CloudEffect::CreateGroup {
                definition: Box::new(to.clone()),
                version,
                desired,
            },
        );
    }
    let Some(live) = view.live else {
        return out.wait(
            view,
            "the group was created and is not to be seen yet".into(),
            None,
        );
    };
    if let Some(why) = late(view, live, &BTreeSet::new(), since) {
        return out.failed(view, why);
    }
    let ready = ready_instances(view, live).count();
    let wanted = usize::try_from(live.desired).unwrap_or(usize::MAX);
    if ready < wanted {
        let refused = capacity::refusal(live, since)
            .map(|r| format!(": {}", r.text()))
            .unwrap_or_default();
        let held = capacity::held_until(view, live, since);
        if held.is_none() && view.waited(since) > view.task.rolling.ready_timeout {
            return out
                .failed(view, format!("{ready} of {wanted} instances are Ready {} after the group was created{refused}", view.now.since(since)));
        }
        return out.wait(
            view,
            format!("{ready} of {wanted} instances Ready{refused}"),
            held,
        );
    }
    out.done(view);
}

fn update(view: &View<'_>, change: &Move<'_>, budget: &mut Budget, out: &mut Out<'_>) {
    let Some(live) = view.live else {
        return out.stuck(
            view,
            "the group is gone".into(),
            "find out who deleted it; revert the change in git and roll out again to bring it back",
        );
    };
    if view.group.lending && view.mode == Mode::Forward {
        return replace::replace(view, live, BTreeSet::new(), budget, out);
    }
    let uses_refresh = refresh::is_used(view) && change.replace;
    if uses_refresh
        && view.mode == Mode::Undo
        && refresh::taken_back(view, live, change.from_version, out)
    {
        return;
    }
    let version = match (change.version, view.group.version) {
        (VersionSource::Existing(n), _) => *n,
        (VersionSource::New(_), Some(n)) => n,
        (VersionSource::New(user_data), None) => {
            return out.step(view, new_version(view, change.to, user_data));
        }
    };
    // The way back of a retired group: what was taken from it comes back while its minimum cannot add to that.
    let back = live
        .desired
        .saturating_add(view.group.taken)
        .min(live.group.max_size);
    if version == 0 && back > live.desired {
        return out.step(
            view,
            CloudEffect::SetDesired {
                group: view.task.asg.clone(),
                from: live.desired,
                to: back,
            },
        );
    }
    if !view.group.updated && differs(change.from, change.to) {
        return out.step(
            view,
            CloudEffect::UpdateGroup {
                from: Box::new(change.from.clone()),
                to: Box::new(change.to.clone()),
            },
        );
    }
    let outdated = if change.replace {
        outdated(view, live, change)
    } else {
        BTreeSet::new()
    };
    // A refresh brings the version with it; where it has nothing to replace, the group is pinned like any other.
    if uses_refresh
        && version != 0
        && !view.group.owes()
        && (view.group.refresh.is_some() || !outdated.is_empty())
    {
        return refresh::turn(view, live, change.from_version, version, &outdated, out);
    }
    // Version 0 stands for "leave it": the way back of a retired group, which never moved to another one.
    if !view.group.pinned && version != 0 {
        return out.step(
            view,
            CloudEffect::PinVersion {
                group: view.task.asg.clone(),
                from: change.from_version,
                to: version,
            },
        );
    }
    if !change.replace && !view.group.owes() {
        return out.done(view);
    }
    replace::replace(view, live, outdated, budget, out);
}

/// Instances that have to be replaced. Where nothing is replaced on the way forward, only those go back that came anew meanwhile.
fn outdated(view: &View<'_>, live: &LiveGroup, change: &Move<'_>) -> BTreeSet<InstanceId> {
    let mut outdated = replace::outdated(live, change.to);
    if view.mode == Mode::Undo
        && view.task.rolling.strategy == Strategy::OnNextLaunch
        && view.task.role != Role::ControlPlane
    {
        outdated.retain(|id| {
            live.instances
                .get(id)
                .is_some_and(|i| i.version == Some(change.from_version))
        });
    }
    outdated
}

/// A group on its way out keeps its maximum and loses its minimum, so that its instances can end without being replaced; and
/// its warm pool, which would fill up again whatever ends.
pub(super) fn retiring(from: &Definition) -> Definition {
    let mut to = from.clone();
    to.auto_scaling_group.min_size = 0;
    to.auto_scaling_group.warm_pool = None;
    to
}

/// What cannot be taken back comes last: forward, a group is deleted only after the gates of its cluster passed. Whether it is gone.
pub(super) fn delete(view: &View<'_>, budget: &mut Budget, out: &mut Out<'_>) -> bool {
    let Task::Retire { from } = &view.task.task else {
        return true;
    };
    if view.live.is_none() && view.group.moved.is_none() && view.group.refused.is_none() {
        return true;
    }
    if !troubled(view, out) && !out.open_steps(view, MAX_TRIES) {
        retire(view, from, true, budget, out);
    }
    false
}

fn retire(
    view: &View<'_>,
    from: &Definition,
    to_the_end: bool,
    budget: &mut Budget,
    out: &mut Out<'_>,
) {
    let Some(live) = view.live else {
        return out.done(view);
    };
    let to = retiring(from);
    if !view.group.updated && differs(from, &to) {
        return out.step(
            view,
            CloudEffect::UpdateGroup {
                from: Box::new(from.clone()),
                to: Box::new(to),
            },
        );
    }
    if live
        .instances
        .values()
        .any(|i| i.lifecycle != Lifecycle::Terminating)
    {
        return replace::empty(view, live, budget, out);
    }
    if live.desired > 0 {
        return out.step(
            view,
            CloudEffect::SetDesired {
                group: view.task.asg.clone(),
                from: live.desired,
                to: 0,
            },
        );
    }
    if !live.instances.is_empty() {
        return out.wait(view, "the last instances are ending".into(), None);
    }
    if !to_the_end {
        return out.done(view);
    }
    out.step(
        view,
        CloudEffect::DeleteGroup {
            group: Box::new(to.auto_scaling_group),
        },
    );
}

fn new_version(view: &View<'_>, to: &Definition, user_data: &UserData) -> CloudEffect {
    CloudEffect::CreateTemplateVersion {
        template: view.task.asg.clone(),
        data: Box::new(to.launch_template.launch_template_data.clone()),
        user_data: user_data.clone(),
        token: format!("{}/{}", view.rollout.id, view.task.asg),
    }
}

/// Whether the group's own fields differ, its template's data aside.
fn differs(from: &Definition, to: &Definition) -> bool {
    from.auto_scaling_group != to.auto_scaling_group || from.lifecycle_hooks != to.lifecycle_hooks
}

/// Instances that are not on their way out.
pub(super) fn present(
    live: &LiveGroup,
) -> impl Iterator<Item = (&InstanceId, &crate::model::Instance)> {
    live.instances
        .iter()
        .filter(|(_, i)| i.lifecycle != Lifecycle::Terminating)
}

/// Instances of the group that can take work.
pub(super) fn ready_instances<'a>(
    view: &'a View<'_>,
    live: &'a LiveGroup,
) -> impl Iterator<Item = &'a InstanceId> {
    live.instances
        .iter()
        .filter(|(id, i)| view.nodes.readiness(id, i) == Readiness::Ready)
        .map(|(id, _)| id)
}

/// An instance launched since `since` (and not among `old`) that is past its time to become Ready: why that is a failure.
pub(super) fn late(
    view: &View<'_>,
    live: &LiveGroup,
    old: &BTreeSet<InstanceId>,
    since: Timestamp,
) -> Option<String> {
    let patience = view.task.rolling.ready_timeout;
    present(live)
        .filter(|(id, i)| i.launched_at >= since && !old.contains(*id))
        .find_map(|(id, i)| match view.nodes.readiness(id, i) {
            Readiness::NotYet(what) if view.waited(i.launched_at) > patience => Some(format!(
                "{id} ({}, {}) {what} {} after launch",
                i.instance_type,
                i.zone,
                view.now.since(i.launched_at)
            )),
            Readiness::NotYet(_) | Readiness::Ready | Readiness::Unknown(_) => None,
        })
}

impl<'a> View<'a> {
    /// How long something has been waited for since then, by whoever runs the rollout now.
    pub(super) fn waited(&self, since: Timestamp) -> crate::model::Span {
        self.now.since(since.max(self.progress.resumed_at))
    }

    /// The gates, asked about some groups of this cluster.
    pub(super) fn asked(
        &self,
        scope: Scope,
        groups: Vec<&'a AsgName>,
        since: Timestamp,
        deadline_from: Timestamp,
    ) -> Asked<'a> {
        Asked {
            gates: &self.rollout.gates,
            cluster: self.cluster,
            progress: self.progress,
            live: self.live_cluster,
            now: self.now,
            scope,
            name: Some(&self.task.name),
            roles: self.roles,
            groups,
            since,
            deadline_from,
            patience: self.task.rolling.ready_timeout,
        }
    }
}
