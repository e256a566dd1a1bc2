//! Replacing the instances of one group: surge or detach, canary, drain, terminate, give back. One round at a time, from live state; never acts.
//!
//! Capacity first: a new instance is in service, with a Ready node, before an old one is drained. The surge is raised
//! once, held while instances are exchanged under it, and released by the last terminations, which lower desired
//! capacity with them. Where a group stands at its maximum, an instance is detached instead: the group then launches
//! its replacement while the old one still works. Control-plane groups do neither: one instance, one at a time.

use std::collections::{BTreeMap, BTreeSet};

use super::super::capacity::CapacityAnswer;
use super::super::late::late;
use super::super::{bounds, canary, capacity, fallback, refresh, sizes, way_back};
use super::drain::CanaryBounds;
use super::replacement::Replacement;
use crate::model::{AsgName, CloudEffect, InstanceId, Lifecycle, LiveGroup, NodeEffect, NodeName};
use crate::rollout::event::{Event, GroupEvent};
use crate::rollout::reason::{self, Advice, DrainReason, GroupReason, Reason};
use crate::rollout::round::{
    Budget, DecisionBuilder, GroupContext, Mode, Readiness, missing, present,
};
use crate::rollout::schedule::{Task, VersionSource};

/// The next round of replacing whatever does not run `to`.
pub(crate) fn replace(
    view: &GroupContext<'_>,
    live: &LiveGroup,
    outdated: BTreeSet<InstanceId>,
    budget: &mut Budget,
    out: &mut DecisionBuilder<'_>,
) {
    let work = Replacement::new(view, live, outdated, budget);
    work.keeps(out);
    let dead = work.dead_nodes(out);
    if work.given_back(out) || (dead && work.to_replace.is_empty()) || work.finished(out) {
        return;
    }
    if work.nodes_unobservable(out)
        || work.too_late(out)
        || work.suspends(out)
        || work.empties_warm_pool(budget, out)
    {
        return;
    }
    if view.mode != Mode::Cleanup && bounds::used_up(view, out) {
        return;
    }
    let proven = work.canary(out);
    work.taints(proven, out);
    work.protects(out);
    // What other groups of the cluster hold may be held for as long as they wait for what this one holds.
    let may_come = budget.surge_of(&view.task.asg);
    work.surge(proven, budget, out);
    let canary = CanaryBounds { proven, may_come };
    work.drains(canary, budget, out);
    work.explain(out);
}

/// Only what is open is released: drains of instances that may stay, surge, detached instances, suspended processes.
pub(crate) fn clean_up(
    view: &GroupContext<'_>,
    budget: &mut Budget,
    out: &mut DecisionBuilder<'_>,
) {
    match view.live {
        Some(live) if refresh::cancelled(view, live, out) => {}
        Some(live) if unpinned(view, live, out) => {}
        Some(live) => replace(view, live, BTreeSet::new(), budget, out),
        None => out.done(view),
    }
}

/// A group that was pinned and launched nothing since goes back to the version that all its instances run: an autoscaler would launch what
/// was not proven. Whether there is such a pin.
fn unpinned(view: &GroupContext<'_>, live: &LiveGroup, out: &mut DecisionBuilder<'_>) -> bool {
    let Task::Update {
        from_version,
        version,
        ..
    } = &view.task.task
    else {
        return false;
    };
    let pinned = version_of(view, version);
    let Some(pinned) = pinned.filter(|n| *n != 0 && n != from_version) else {
        return false;
    };
    let launched = missing(live) > 0
        || present(live).any(|(_, i)| i.version == Some(pinned) || i.version.is_none());
    if live.version.number() != pinned || launched {
        return false;
    }
    if way_back::stays_ahead(view, *from_version, out) {
        return false;
    }
    let effect = CloudEffect::PinVersion {
        group: view.task.asg.clone(),
        from: pinned,
        to: *from_version,
    };
    out.step(view, effect);
    true
}

/// The version that the group goes to, once it is known.
fn version_of(view: &GroupContext<'_>, version: &VersionSource) -> Option<u64> {
    match version {
        VersionSource::Existing(n) => Some(*n),
        VersionSource::New(_) => view.group.version,
    }
}

/// Every instance of a group that is being retired is drained and ends.
pub(crate) fn empty(
    view: &GroupContext<'_>,
    live: &LiveGroup,
    budget: &mut Budget,
    out: &mut DecisionBuilder<'_>,
) {
    let all = present(live).map(|(id, _)| id.clone()).collect();
    let work = Replacement {
        retiring: true,
        ..Replacement::new(view, live, all, budget)
    };
    if work.nodes_unobservable(out) || bounds::used_up(view, out) {
        return;
    }
    work.dead_nodes(out);
    work.taints(true, out);
    // There is nothing to prove.
    let canary = CanaryBounds {
        proven: true,
        may_come: 0,
    };
    work.drains(canary, budget, out);
    work.explain(out);
}

impl<'a> Replacement<'a> {
    /// Nothing left to exchange: processes resume, a canary still has to be proven, then the group is done.
    pub(crate) fn finished(&self, out: &mut DecisionBuilder<'_>) -> bool {
        let group = self.view.group;
        if !self.to_replace.is_empty()
            || self.out > 0
            || self.loan.target.is_some()
            || !group.outstanding.drains.is_empty()
        {
            return false;
        }
        if !group.outstanding.suspended.is_empty() {
            out.step(
                self.view,
                CloudEffect::Resume {
                    group: self.view.task.asg.clone(),
                    processes: group.outstanding.suspended.clone(),
                },
            );
            return true;
        }
        if self.view.mode == Mode::Cleanup {
            out.done(self.view);
            return true;
        }
        if self.too_late(out) {
            return true;
        }
        if group.instances > 0 && missing(self.live) > 0 {
            let (refused, until) = self.refused();
            let why = GroupReason::NotLaunched {
                there: present(self.live).count(),
                desired: self.live.desired,
                refused,
            };
            out.wait(self.view, why, until);
            return true;
        }
        let new = present(self.live).filter(|(_, i)| i.launched_at >= self.since());
        let coming = new
            .filter(|(id, i)| self.view.readiness(id, i).is_coming())
            .count();
        if coming > 0 {
            let why = GroupReason::Coming { instances: coming };
            out.wait(self.view, why, self.refused().1);
        } else if self.canary(out) && sizes::are_settled(self.view, self.live, out) {
            out.done(self.view);
        }
        true
    }

    /// Without eyes on the nodes nothing is drained.
    pub(crate) fn nodes_unobservable(&self, out: &mut DecisionBuilder<'_>) -> bool {
        if !self.view.task.role.rules().is_drained {
            return false;
        }
        if !self.view.nodes.asked() {
            out.stuck(self.view, Reason::NoKubernetes, Advice::ConfigureKubernetes);
            return true;
        }
        if let Some(why) = self.view.nodes.unknown() {
            out.wait(self.view, reason::unseen(why), None);
            return true;
        }
        false
    }

    /// A replacement that does not become Ready, or cannot be launched, in its time.
    pub(crate) fn too_late(&self, out: &mut DecisionBuilder<'_>) -> bool {
        if self.view.mode == Mode::Cleanup {
            return false;
        }
        if let Some(why) = late(self.view, self.live, &self.to_replace, self.since()) {
            out.failed(self.view, why);
            return true;
        }
        if !capacity::is_short(self.view, self.live) {
            return false;
        }
        match capacity::answer(self.view, self.live, self.since()) {
            CapacityAnswer::GoOn | CapacityAnswer::Hold(_) => false,
            CapacityAnswer::Borrow(twin, why) => {
                self.borrows(twin, why, out);
                true
            }
            CapacityAnswer::Fail(why) => {
                out.failed(self.view, why);
                true
            }
            CapacityAnswer::Ask(why) => {
                out.stuck(self.view, why, Advice::FindCapacity);
                true
            }
        }
    }

    /// The on-demand fallback lends.
    fn borrows(&self, twin: AsgName, why: GroupReason, out: &mut DecisionBuilder<'_>) {
        let (cluster, group) = (self.view.cluster.clone(), self.view.task.asg.clone());
        out.records.push(Event::Group(
            cluster,
            group,
            GroupEvent::Borrowed {
                twin,
                why: why.into(),
            },
        ));
    }

    /// AWS moves instances between zones on its own, undrained; not while we are at it. (An AZRebalance that others suspended is not ours to resume.)
    pub(crate) fn suspends(&self, out: &mut DecisionBuilder<'_>) -> bool {
        const PROCESS: &str = "AZRebalance";
        let zones = self.live.group.vpc_zone_identifier.len();
        let done = self.view.group.outstanding.suspended.contains(PROCESS)
            || self.live.suspended.contains(PROCESS);
        if zones < 2 || done || self.view.mode == Mode::Cleanup || self.retiring {
            return false;
        }
        out.step(
            self.view,
            CloudEffect::Suspend {
                group: self.view.task.asg.clone(),
                processes: BTreeSet::from([PROCESS.to_owned()]),
            },
        );
        true
    }

    /// Old instances of the warm pool end before anything else: nothing runs on them, and a surge would be served by one of them. (AWS
    /// fills the pool again, from the version that the group refers to by now.) Whether there were any.
    pub(crate) fn empties_warm_pool(
        &self,
        budget: &mut Budget,
        out: &mut DecisionBuilder<'_>,
    ) -> bool {
        let old = self.outdated_in_pool();
        if old.is_empty() || self.view.mode == Mode::Cleanup {
            return false;
        }
        let now = usize::try_from(budget.ends).unwrap_or(usize::MAX);
        for id in old.iter().take(now) {
            budget.ends = budget.ends.saturating_sub(1);
            out.step(
                self.view,
                CloudEffect::Terminate {
                    group: self.view.task.asg.clone(),
                    instance: (*id).clone(),
                    decrement: false,
                },
            );
        }
        if old.len() > now {
            let why = DrainReason::RateHoldsWarmPool {
                instances: old.len() - now,
            };
            out.wait(self.view, why, budget.rate_back);
        }
        true
    }

    fn outdated_in_pool(&self) -> Vec<&InstanceId> {
        let all = present(self.live);
        all.filter(|(id, i)| i.lifecycle.rules().goes_first && self.outdated.contains(*id))
            .map(|(id, _)| id)
            .collect()
    }

    /// Whether the canary is proven; moves it on if it can.
    pub(crate) fn canary(&self, out: &mut DecisionBuilder<'_>) -> bool {
        let (group, wanted) = (self.view.group, self.canary_size());
        if group.canary.is_proven() || wanted == 0 || self.view.mode == Mode::Cleanup {
            return true;
        }
        let new: Vec<&InstanceId> = self
            .ready()
            .filter(|id| !self.outdated.contains(*id))
            .collect();
        match group.canary.baking_since() {
            None if new.len() < wanted => {}
            None => canary::up(self.view, self.live, &self.outdated, out),
            Some(since) => match canary::at_work(self.view, new.into_iter()) {
                baking if baking < wanted => canary::lost(self.view, baking, wanted, out),
                _ => canary::bakes(self.view, self.since(), since, out),
            },
        }
        false
    }

    /// Old nodes take nothing new where there is another place, so that a pod does not move from one of them to the next.
    /// Only once the canary is proven: until then the old ones are the better place. Source: kops, rolling update.
    pub(crate) fn taints(&self, proven: bool, out: &mut DecisionBuilder<'_>) {
        if !proven || self.view.mode == Mode::Cleanup {
            return;
        }
        let old = self
            .outdated
            .iter()
            .filter_map(|id| self.view.drained_node(id));
        let bare = old.filter(|(name, node)| {
            !node.tainted
                && node.leaves_by.is_none()
                && !self.view.group.outstanding.tainted.contains_key(*name)
        });
        let nodes: BTreeMap<NodeName, InstanceId> = bare
            .map(|(name, node)| (name.clone(), node.instance.clone()))
            .collect();
        if !nodes.is_empty() {
            let old_nodes = self.view.task.rolling.old_nodes;
            out.node_step(self.view, NodeEffect::Taint { nodes, old_nodes });
        }
    }

    pub(crate) fn surge(&self, proven: bool, budget: &mut Budget, out: &mut DecisionBuilder<'_>) {
        let group = self.view.group;
        let wanted = match self.loan.target {
            Some(target) => target.saturating_sub(self.out),
            None => self.surge_limit(proven).saturating_sub(self.used()),
        };
        let wanted = wanted.min(budget.surge_of(&self.view.task.asg));
        // Asking for more while what was asked for is refused would only pile up.
        if wanted == 0
            || (missing(self.live) > 0
                && capacity::refusal(self.view, self.live, self.since()).is_some())
        {
            return;
        }
        let headroom = self.live.group.max_size.saturating_sub(self.live.desired);
        let asg = self.view.task.asg.clone();
        if headroom > 0 {
            let more = wanted.min(headroom);
            if self.keeps_zones() {
                return self.launch(more, budget, out);
            }
            budget.take_surge(&asg, more);
            return out.step(
                self.view,
                CloudEffect::SetDesired {
                    group: asg,
                    from: self.live.desired,
                    to: self.live.desired + more,
                    launch: None,
                },
            );
        }
        let candidates = self.ordered();
        let next = candidates.iter().find(|(id, i)| {
            i.lifecycle == Lifecycle::InService
                && self.outdated.contains(*id)
                && !group.outstanding.drains.contains_key(*id)
        });
        if let Some((id, _)) = next {
            budget.take_surge(&asg, 1);
            out.step(
                self.view,
                CloudEffect::Detach {
                    group: asg,
                    instance: (*id).clone(),
                },
            );
        }
    }

    pub(crate) fn explain(&self, out: &mut DecisionBuilder<'_>) {
        let (refused, until) = self.refused();
        let mut coming: BTreeMap<String, usize> = BTreeMap::new();
        for (id, i) in present(self.live).filter(|(id, _)| !self.to_replace.contains(*id)) {
            if let Readiness::NotYet(what) = self.view.readiness(id, i) {
                *coming.entry(what.to_owned()).or_default() += 1;
            }
        }
        if self.loan.keep > 0 {
            let why = GroupReason::StandsIn {
                instances: self.loan.keep,
                group: self.view.task.lends.clone(),
                refused,
            };
            return out.wait(self.view, why, until);
        }
        if let Some(twin) = fallback::comes_later(self.view) {
            // It is the cluster's other groups that are waited for: where they stand still, so does the cluster.
            let twin = twin.clone();
            let why = GroupReason::TwinLater { twin, refused };
            return out.wait(self.view, why, None);
        }
        let why = GroupReason::Replaces {
            left: self.to_replace.len(),
            coming,
            refused,
        };
        out.wait(self.view, why, until);
    }
}
