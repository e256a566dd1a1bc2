//! What the intents and outcomes of steps change: in the rollout, and in the books of a group.

use std::collections::BTreeSet;

use super::canary::Canary;
use super::illegal::Illegal;
use super::obstacles::{CapacityState, ZoneRefused};
use super::outstanding::{Awaited, Cordoned, DeadNode, Drain, Outstanding};
use super::state::{
    Direction, GroupProgress, GroupState, Intent, Progress, RefreshSeen, SETTLED, Spent,
    StepRefusal, WayBack,
};
use crate::model::{
    Applied, AsgName, Boots, CloudEffect, ClusterName, Effect, InstanceId, KopsEffect,
    LaunchRefusal, NodeEffect, NodeName, Span, Timestamp, ZonalLaunch,
};
use crate::rollout::event::{GroupEvent, StepId, StepResult};

impl Progress {
    pub(super) fn intent(
        &mut self,
        step: StepId,
        cluster: &ClusterName,
        group: &AsgName,
        effect: &Effect,
        at: Timestamp,
    ) -> Result<(), Illegal> {
        let forward = self.direction == Direction::Forward;
        let of_cluster = self.cluster(cluster)?;
        of_cluster.publish_asked |=
            forward && matches!(effect, Effect::Kops(KopsEffect::Publish { .. }));
        let books = self.group(cluster, group)?;
        books.kops_asked |= forward && matches!(effect, Effect::Kops(KopsEffect::Update { .. }));
        if effect.is_zonal_launch() {
            books.placement.calls = books.placement.calls.saturating_add(1);
        }
        self.next_step += 1;
        let intent = Intent::new(cluster, group, effect, at);
        self.open.insert(step, intent);
        Ok(())
    }

    pub(super) fn outcome(
        &mut self,
        step: StepId,
        result: &StepResult,
        at: Timestamp,
    ) -> Result<(), Illegal> {
        let Some(mut intent) = self.open.remove(&step) else {
            return Err(Illegal::NoStep(step));
        };
        match result {
            StepResult::Unknown(_) => {
                (intent.tries, intent.doubtful, intent.asked_at) = (intent.tries + 1, true, at);
                intent.refusal = None;
                self.open.insert(step, intent);
            }
            // A no is no answer to whether an earlier attempt got through: it closes nothing.
            StepResult::Denied(why) => {
                let times = intent.refusal.map_or(1, |r| r.times.saturating_add(1));
                let why = why.clone();
                (intent.refusal, intent.asked_at) = (Some(StepRefusal { why, times }), at);
                self.open.insert(step, intent);
            }
            StepResult::GivenUp(_) => {}
            // What only tidies up is no reason to turn round.
            StepResult::Refused(_) if is_pruning(&intent.effect) => {
                self.group(&intent.cluster, &intent.group)?.pruned = true
            }
            StepResult::Refused(why) => {
                self.group(&intent.cluster, &intent.group)?
                    .conflicts
                    .refused = Some(why.clone())
            }
            StepResult::Applied(Applied::Moved(found)) => self.moved(&intent, found)?,
            // That there is no room now says nothing of an attempt before, which may have taken it: only instances can tell.
            StepResult::Applied(Applied::NotYet(_)) if intent.effect.is_zonal_launch() => {
                (intent.tries, intent.doubtful, intent.asked_at) = (intent.tries + 1, true, at);
                intent.refusal = None;
                self.open.insert(step, intent);
            }
            // Others move it, and may move it back: the next look decides.
            StepResult::Applied(Applied::NotYet(_)) => {}
            StepResult::Applied(
                applied @ (Applied::Done
                | Applied::Already
                | Applied::Version(_)
                | Applied::Launched { .. }),
            ) => self.happened(&intent, applied, at)?,
        }
        Ok(())
    }

    /// Others got there first. Desired capacity belongs to the autoscaler, and an instance may go at any time: there we look again.
    pub(super) fn moved(&mut self, intent: &Intent, found: &str) -> Result<(), Illegal> {
        let ours = is_ours_alone(&intent.effect);
        let group = self.group(&intent.cluster, &intent.group)?;
        if ours {
            group.conflicts.drift = Some(found.to_owned());
        } else {
            group.conflicts.in_a_row += 1;
        }
        Ok(())
    }

    pub(super) fn happened(
        &mut self,
        intent: &Intent,
        applied: &Applied,
        at: Timestamp,
    ) -> Result<(), Illegal> {
        if matches!(intent.effect, Effect::Cloud(CloudEffect::Terminate { .. })) {
            self.cluster(&intent.cluster)?.disruptions.push(at);
        }
        if let Effect::Kops(KopsEffect::Publish { .. }) = &intent.effect {
            self.cluster(&intent.cluster)?.published = true;
        }
        // What was so before the first attempt was done by others, and is not ours to restore.
        let ours = *applied != Applied::Already || intent.doubtful;
        let came_to_nothing = launched_nothing(applied);
        // What is refused every few minutes moves nothing.
        let group = match came_to_nothing {
            true => self.group(&intent.cluster, &intent.group)?,
            false => self.touch(&intent.cluster, &intent.group, at)?,
        };
        group.conflicts.in_a_row = 0;
        match &intent.effect {
            Effect::Node(effect) => group.node_effect(effect, ours, at),
            Effect::Kops(effect) => group.kops_effect(effect, applied),
            Effect::Cloud(effect) => group.cloud_effect(effect, applied, ours, at),
        }
        Ok(())
    }
}

fn launched_nothing(applied: &Applied) -> bool {
    matches!(
        applied,
        Applied::Launched { instances, refused: Some(_) } if instances.is_empty()
    )
}

/// Whether nothing but this rollout changes what the effect changes.
fn is_ours_alone(effect: &Effect) -> bool {
    match effect {
        Effect::Cloud(
            CloudEffect::SetDesired { .. }
            | CloudEffect::Detach { .. }
            | CloudEffect::Terminate { .. }
            | CloudEffect::Protect { .. },
        )
        | Effect::Node(_) => false,
        Effect::Cloud(
            CloudEffect::CreateTemplateVersion { .. }
            | CloudEffect::CreateGroup { .. }
            | CloudEffect::UpdateGroup { .. }
            | CloudEffect::PinVersion { .. }
            | CloudEffect::Suspend { .. }
            | CloudEffect::Resume { .. }
            | CloudEffect::DeleteGroup { .. }
            | CloudEffect::PruneVersions { .. }
            | CloudEffect::StartRefresh { .. }
            | CloudEffect::CancelRefresh { .. }
            | CloudEffect::RollbackRefresh { .. },
        )
        | Effect::Kops(_) => true,
    }
}

impl GroupProgress {
    /// A fact about this group.
    pub(super) fn event(&mut self, event: &GroupEvent, at: Timestamp) {
        match event {
            GroupEvent::Started { instances, zones } => {
                self.begin(*instances, at);
                self.placement.before.clone_from(zones);
                self.placement.since = Some(at);
            }
            GroupEvent::CanaryUp { instances } => self.canary.comes_up(at, instances.clone()),
            GroupEvent::CanaryLost { .. } => self.canary.loses(),
            GroupEvent::CanaryProven { .. } => self.canary = Canary::Proven,
            GroupEvent::DrainStarted {
                instance,
                node,
                pods,
                grace,
                claims,
            } => self.drain(instance, node.clone(), (*pods, *grace), claims, at),
            GroupEvent::VolumesAwaited { instance, over, .. } => {
                self.await_volumes(instance, *over, at)
            }
            GroupEvent::BalancersAwaited { instance, over, .. } => {
                self.await_balancers(instance, *over, at)
            }
            GroupEvent::SetAside { instance, .. } => self.defer(instance),
            GroupEvent::DrainAbandoned { instance } => self.abandon(instance),
            GroupEvent::SurgeTaken { left } => self.outstanding.surge = *left,
            GroupEvent::Refreshed { percentage } => self.refreshed(*percentage),
            GroupEvent::NoCapacity { since, why } => {
                self.capacity.missing = Some((*since, why.clone()))
            }
            GroupEvent::CapacityBack => {
                self.capacity.comes_back();
                self.placement.refused.clear();
            }
            GroupEvent::Borrowed { .. } => self.capacity.borrowed = Some(at),
            GroupEvent::Lending { .. } => self.lend(at),
            GroupEvent::DeadNode { instance, node, .. } => {
                let dead = DeadNode {
                    instance: instance.clone(),
                    since: at,
                    ended: false,
                    marked: false,
                };
                self.outstanding.dead.insert(node.clone(), dead);
            }
            GroupEvent::DeadNodeEnded { node } => drop(self.outstanding.dead.remove(node)),
            GroupEvent::WayBackGone { version } => self.way_back = WayBack::Gone(*version),
            GroupEvent::Done => self.finish(),
        }
    }

    /// Nothing is achieved yet: a step of the other way may have got its answer only after the turn.
    pub(super) fn begin(&mut self, instances: u32, at: Timestamp) {
        (self.state, self.touched) = (GroupState::Rolling(at), true);
        (self.instances, self.ended) = (instances, 0);
        (self.updated, self.pinned, self.pinned_at) = (false, false, None);
        self.kops_done = false;
        (self.given_max, self.spent) = (None, Spent::default());
        self.placement.refused.clear();
    }

    pub(super) fn drain(
        &mut self,
        instance: &InstanceId,
        node: Option<NodeName>,
        (pods, grace): (u32, Span),
        claims: &BTreeSet<String>,
        at: Timestamp,
    ) {
        let drain = Drain {
            node,
            since: at,
            cordoned: Cordoned::No,
            asked_at: None,
            pods,
            grace,
            claims: claims.clone(),
            volumes: None,
            balancers: None,
        };
        self.outstanding.drains.insert(instance.clone(), drain);
    }

    /// Its pods are gone, volumes of theirs are not.
    pub(super) fn await_volumes(&mut self, instance: &InstanceId, over: bool, at: Timestamp) {
        if let Some(drain) = self.outstanding.drains.get_mut(instance) {
            let since = drain.volumes.map_or(at, |v| v.since);
            drain.volumes = Some(Awaited { since, over });
        }
    }

    /// Its pods are gone, and balancers may send to it still.
    pub(super) fn await_balancers(&mut self, instance: &InstanceId, over: bool, at: Timestamp) {
        if let Some(drain) = self.outstanding.drains.get_mut(instance) {
            let since = drain.balancers.map_or(at, |b| b.since);
            drain.balancers = Some(Awaited { since, over });
        }
    }

    /// Its drain did not end in time: it comes last.
    pub(super) fn defer(&mut self, instance: &InstanceId) {
        self.outstanding.drains.remove(instance);
        self.set_aside.insert(instance.clone());
    }

    pub(super) fn abandon(&mut self, instance: &InstanceId) {
        self.outstanding.drains.remove(instance);
        self.outstanding.detached.remove(instance);
    }

    pub(super) fn refreshed(&mut self, percentage: u32) {
        if let Some(seen) = &mut self.refresh {
            seen.percentage = Some(percentage);
        }
    }

    /// Whatever the books still say is out there is not: an autoscaler took it back, or it is gone.
    pub(super) fn finish(&mut self) {
        self.state = GroupState::Done;
        self.outstanding = Outstanding::default();
        self.set_aside.clear();
        self.placement.refused.clear();
        self.capacity = CapacityState::default();
    }

    /// Its own change is done: what it adds from now on stands in for another group.
    pub(super) fn lend(&mut self, at: Timestamp) {
        (self.state, self.touched, self.capacity.lending) = (GroupState::Rolling(at), true, true);
        self.canary = Canary::Proven;
    }

    pub(super) fn cloud_effect(
        &mut self,
        effect: &CloudEffect,
        applied: &Applied,
        ours: bool,
        at: Timestamp,
    ) {
        if moves_desired(effect) {
            self.sized_to = self.raised_to(effect, applied, at);
            self.sized_at = Some(at);
        }
        match effect {
            CloudEffect::CreateTemplateVersion { .. } => {
                if let Applied::Version(n) = applied {
                    self.version = Some(*n);
                }
            }
            CloudEffect::CreateGroup { .. } => {
                (self.updated, self.pinned, self.pinned_at) = (true, true, Some(at));
            }
            CloudEffect::UpdateGroup { to, version, .. } => {
                self.got_fields(to.auto_scaling_group.max_size, version.is_some(), at);
            }
            CloudEffect::PinVersion { .. } => (self.pinned, self.pinned_at) = (true, Some(at)),
            CloudEffect::SetDesired {
                launch: Some(launch),
                from,
                to,
                ..
            } => self.launched(launch, to.saturating_sub(*from), applied, at),
            CloudEffect::SetDesired { from, to, .. } if ours => {
                self.spent.launches += to.saturating_sub(*from);
                self.added(to.saturating_sub(*from));
                self.removed(from.saturating_sub(*to));
            }
            CloudEffect::Suspend { processes, .. } if ours => {
                self.outstanding.suspended.extend(processes.iter().cloned())
            }
            CloudEffect::Protect {
                instances, protect, ..
            } => self.outstanding.protect(instances, *protect, ours),
            CloudEffect::SetDesired { .. } | CloudEffect::Suspend { .. } => {}
            CloudEffect::Resume { processes, .. } => self
                .outstanding
                .suspended
                .retain(|p| !processes.contains(p)),
            CloudEffect::Detach { instance, .. } => {
                self.spent.launches += 1;
                self.outstanding.detached.insert(instance.clone());
            }
            CloudEffect::Terminate {
                instance,
                decrement,
                ..
            } => {
                self.instance_ended(instance, ours, at);
                // One that ended by itself took no desired capacity with it.
                self.removed(u32::from(*decrement && ours));
            }
            CloudEffect::DeleteGroup { .. } => self.deleted = true,
            CloudEffect::PruneVersions { .. } => self.pruned = true,
            CloudEffect::StartRefresh { version, .. } => {
                self.refresh = Some(RefreshSeen {
                    version: *version,
                    percentage: None,
                })
            }
            CloudEffect::CancelRefresh { .. } | CloudEffect::RollbackRefresh { .. } => {}
        }
    }

    /// What kops has done for it. On the way back the version that it goes back to is known.
    fn kops_effect(&mut self, effect: &KopsEffect, applied: &Applied) {
        let KopsEffect::Update { boots, .. } = effect else {
            return;
        };
        self.kops_done = true;
        if let (Boots::Anew { from, .. }, Applied::Version(made)) = (boots, applied) {
            // A group that was not there has come with it.
            (self.version, self.updated) = (Some(*made), self.updated || *from == 0);
        }
    }

    fn got_fields(&mut self, max_size: u32, pins: bool, at: Timestamp) {
        (self.updated, self.given_max) = (true, Some(max_size));
        self.max_set = Some((max_size, at));
        if pins {
            (self.pinned, self.pinned_at) = (true, Some(at));
        }
    }

    /// The desired capacity that a call which adds to it has left behind; none for one that takes from it. Launches of one round count on
    /// those before them, which may have been refused.
    fn raised_to(&self, effect: &CloudEffect, applied: &Applied, at: Timestamp) -> Option<u32> {
        let CloudEffect::SetDesired {
            from, to, launch, ..
        } = effect
        else {
            return None;
        };
        match (launch, applied) {
            (Some(_), Applied::Launched { instances, .. }) => {
                let before = self.sized_at.is_some_and(|last| at < last + SETTLED);
                let known = self.sized_to.filter(|_| before).unwrap_or(*from);
                let brought = u32::try_from(instances.len()).unwrap_or(u32::MAX);
                Some(known.min(*from).saturating_add(brought))
            }
            (Some(_) | None, _) => (to > from).then_some(*to),
        }
    }

    /// What a launch in a zone that was named has brought, of `asked`.
    fn launched(&mut self, launch: &ZonalLaunch, asked: u32, applied: &Applied, at: Timestamp) {
        let (brought, refused) = match applied {
            Applied::Launched { instances, refused } => (
                u32::try_from(instances.len()).unwrap_or(u32::MAX),
                refused.as_ref(),
            ),
            // Found by a look alone.
            Applied::Done | Applied::Already => (asked, None),
            Applied::Version(_) | Applied::Moved(_) | Applied::NotYet(_) => (0, None),
        };
        if let Applied::Launched { instances, .. } = applied {
            self.placement.launched.extend(instances.iter().cloned());
        }
        self.spent.launches = self.spent.launches.saturating_add(brought);
        self.added(brought);
        match refused {
            // What was refused elsewhere before is asked for again, and its patience begins anew.
            None => self.placement.refused.clear(),
            Some(LaunchRefusal::NotOffered(words)) => {
                self.placement.not_offered = Some(words.clone());
            }
            Some(LaunchRefusal::NoCapacity(words)) => {
                self.zone_refused(&launch.zone, words, at);
            }
        }
    }

    fn zone_refused(&mut self, zone: &str, words: &str, at: Timestamp) {
        let known = self.placement.refused.get(zone);
        let refused = ZoneRefused {
            since: known.map_or(at, |known| known.since),
            last: at,
            words: words.to_owned(),
        };
        self.placement.refused.insert(zone.to_owned(), refused);
    }

    /// Nothing that was kept for an instance, or for its node, is left.
    fn instance_ended(&mut self, instance: &InstanceId, ours: bool, at: Timestamp) {
        self.ended_at.retain(|_, since| at < *since + SETTLED);
        self.ended_at.insert(instance.clone(), at);
        self.outstanding.forget(instance);
        self.set_aside.remove(instance);
        self.ended += 1;
        // One that was on its way already is nothing that was spent.
        self.spent.terminations += u32::from(ours);
    }

    /// More desired capacity: what was taken comes back first, the rest is surge.
    pub(super) fn added(&mut self, more: u32) {
        let back = more.min(self.taken);
        self.taken -= back;
        self.outstanding.surge = self.outstanding.surge.saturating_add(more - back);
    }

    /// Less desired capacity: surge goes first, the rest is taken.
    pub(super) fn removed(&mut self, less: u32) {
        let surge = less.min(self.outstanding.surge);
        self.outstanding.surge -= surge;
        self.taken = self.taken.saturating_add(less - surge);
    }

    pub(super) fn node_effect(&mut self, effect: &NodeEffect, ours: bool, at: Timestamp) {
        let out = &mut self.outstanding;
        let cordoned = Cordoned::by(ours);
        match effect {
            NodeEffect::Cordon { node, .. } => {
                out.drains_of(node).for_each(|d| d.cordoned = cordoned)
            }
            // With a drain its marks go, the one against the autoscaler among them.
            NodeEffect::Uncordon { node, .. } => {
                out.kept.remove(node);
                out.drains_of(node).for_each(|d| d.cordoned = Cordoned::No)
            }
            NodeEffect::Evict { node, .. } | NodeEffect::Delete { node, .. } => {
                out.drains_of(node).for_each(|d| d.asked_at = Some(at))
            }
            // Of nodes that had the taint before, each says itself that it is not ours.
            NodeEffect::Taint { nodes, .. } => out.tainted.extend(nodes.clone()),
            NodeEffect::Untaint { nodes } => out.tainted.retain(|n, _| !nodes.contains_key(n)),
            NodeEffect::OutOfService { node, .. } => {
                if let Some(dead) = out.dead.get_mut(node) {
                    dead.marked = true;
                }
            }
            NodeEffect::BackInService { node, .. } => drop(out.dead.remove(node)),
            NodeEffect::KeepFromAutoscaler { nodes } => out.kept.extend(nodes.clone()),
            NodeEffect::ReleaseToAutoscaler { nodes } => {
                out.kept.retain(|n, _| !nodes.contains_key(n))
            }
        }
    }
}

fn moves_desired(effect: &CloudEffect) -> bool {
    matches!(
        effect,
        CloudEffect::SetDesired { .. }
            | CloudEffect::Terminate {
                decrement: true,
                ..
            }
    )
}

fn is_pruning(effect: &Effect) -> bool {
    matches!(effect, Effect::Cloud(CloudEffect::PruneVersions { .. }))
}
