//! What each record changes: the one place where facts become a state. Reads nothing else, decides nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::super::{Event, Scope, StepId, StepResult, Verdict};
use super::{
    Answer, Before, ClusterProgress, ClusterState, Cordoned, Direction, Drain, Ending,
    GroupProgress, GroupState, Intent, Progress, RefreshSeen, Stuck,
};
use crate::model::{
    Applied, AsgName, CloudEffect, ClusterName, Effect, InstanceId, NodeEffect, NodeName, Timestamp,
};

impl Progress {
    pub(super) fn apply(&mut self, event: &Event, at: Timestamp) -> Result<(), String> {
        match event {
            Event::Started { .. } if self.seq == 0 => {}
            Event::Started { .. } => return Err("a rollout starts once".into()),
            Event::Approved { stage, by, expires } => {
                self.approvals.insert(stage.clone(), (by.clone(), *expires));
            }
            Event::StageStarted { stage } => {
                once(&mut self.stages_started, stage.clone(), "stage started")?
            }
            Event::StagePassed { stage } => {
                once(&mut self.stages_passed, stage.clone(), "stage passed")?
            }
            Event::WaveStarted { stage, wave } => once(
                &mut self.waves_started,
                (stage.clone(), *wave),
                "wave started",
            )?,
            Event::WavePassed { stage, wave } => once(
                &mut self.waves_passed,
                (stage.clone(), *wave),
                "wave passed",
            )?,
            Event::Intent {
                step,
                cluster,
                group,
                effect,
            } => self.intent(*step, cluster, group, effect, at)?,
            Event::Outcome { step, result } => self.outcome(*step, result, at)?,
            Event::Failed {
                cluster,
                group,
                why,
            } => self.failure = Some((cluster.clone(), group.clone(), why.clone())),
            Event::Held => self.held = true,
            Event::RollbackAsked { by, reason } => {
                (self.ending, self.stuck, self.held) = (None, None, false);
                self.rollback_asked = Some((by.clone(), reason.clone()));
            }
            Event::RollbackStarted { clusters } => self.turn_back(clusters, at),
            Event::AbortStarted { .. } => self.turn_to_stop(at),
            Event::Stuck {
                cluster,
                group,
                why,
                advice,
            } => {
                self.stuck = Some(Stuck {
                    cluster: cluster.clone(),
                    group: group.clone(),
                    why: why.clone(),
                    advice: advice.clone(),
                });
            }
            Event::Resumed { .. } => self.resumed(at),
            Event::LockTaken { .. } | Event::Paused { .. } => {}
            Event::Finished => self.ending = Some(Ending::Finished),
            Event::RolledBack => self.ending = Some(Ending::RolledBack),
            Event::Aborted => self.ending = Some(Ending::Aborted),
            Event::ClusterStarted { cluster } => self.enter(cluster, ClusterState::Rolling, at)?,
            Event::Preflight {
                cluster,
                uid,
                unready,
                findings: _,
            } => {
                self.cluster(cluster)?.before = Some(Before {
                    uid: uid.clone(),
                    unready: *unready,
                });
            }
            Event::ClusterRolled { cluster } => {
                self.forget_answers(cluster, &Scope::Cluster)?;
                self.enter(cluster, ClusterState::Checking(at), at)?;
            }
            Event::ClusterVerified { cluster, since, .. } => {
                self.enter(cluster, ClusterState::Verified(*since), at)?
            }
            Event::SoakBroken { cluster, .. } => {
                self.enter(cluster, ClusterState::Checking(at), at)?;
                let cluster = self.cluster(cluster)?;
                cluster.breaks += 1;
                cluster.answers.clear();
            }
            Event::ClusterRestored { cluster } => {
                self.enter(cluster, ClusterState::Restored, at)?
            }
            Event::Answered {
                cluster,
                scope,
                gate,
                verdict,
            } => {
                let answers = &mut self.cluster(cluster)?.answers;
                let key = (scope.clone(), gate.clone());
                let before = answers.get(&key).map_or(0, |a| a.passes);
                let passes = match verdict {
                    Verdict::Pass(_) => before.saturating_add(1),
                    Verdict::Wait(_) => before,
                    Verdict::Fail(_) => 0,
                };
                answers.insert(
                    key,
                    Answer {
                        at,
                        verdict: verdict.clone(),
                        passes,
                    },
                );
            }
            Event::GroupStarted { .. }
            | Event::CanaryUp { .. }
            | Event::CanaryLost { .. }
            | Event::CanaryProven { .. }
            | Event::DrainStarted { .. }
            | Event::SetAside { .. }
            | Event::DrainAbandoned { .. }
            | Event::SurgeTaken { .. }
            | Event::Refreshed { .. }
            | Event::NoCapacity { .. }
            | Event::CapacityBack { .. }
            | Event::Borrowed { .. }
            | Event::Lending { .. }
            | Event::GroupDone { .. } => self.group_event(event, at)?,
        }
        Ok(())
    }

    fn group_event(&mut self, event: &Event, at: Timestamp) -> Result<(), String> {
        match event {
            Event::GroupStarted {
                cluster,
                group,
                instances,
            } => self.touch(cluster, group, at)?.begin(*instances, at),
            Event::CanaryUp {
                cluster,
                group,
                instances,
            } => {
                self.forget_answers(cluster, &Scope::Canary(group.clone()))?;
                let group = self.touch(cluster, group, at)?;
                (group.canary_up, group.canary) = (Some(at), instances.clone());
            }
            Event::CanaryLost { cluster, group, .. } => {
                let group = self.touch(cluster, group, at)?;
                group.canary_up = None;
                group.canary_lost += 1;
            }
            Event::CanaryProven { cluster, group, .. } => {
                self.touch(cluster, group, at)?.canary_proven = true
            }
            Event::DrainStarted {
                cluster,
                group,
                instance,
                node,
            } => {
                let drain = Drain {
                    node: node.clone(),
                    since: at,
                    cordoned: Cordoned::No,
                    asked_at: None,
                };
                self.touch(cluster, group, at)?
                    .drains
                    .insert(instance.clone(), drain);
            }
            Event::SetAside {
                cluster,
                group,
                instance,
                ..
            } => {
                let group = self.touch(cluster, group, at)?;
                group.drains.remove(instance);
                group.set_aside.insert(instance.clone());
            }
            Event::DrainAbandoned {
                cluster,
                group,
                instance,
            } => {
                let group = self.touch(cluster, group, at)?;
                group.drains.remove(instance);
                group.detached.remove(instance);
            }
            Event::SurgeTaken {
                cluster,
                group,
                left,
            } => self.touch(cluster, group, at)?.surge = *left,
            Event::Refreshed {
                cluster,
                group,
                percentage,
            } => {
                if let Some(seen) = &mut self.touch(cluster, group, at)?.refresh {
                    seen.percentage = Some(*percentage);
                }
            }
            Event::NoCapacity {
                cluster,
                group,
                since,
                why,
            } => {
                self.touch(cluster, group, at)?.no_capacity = Some((*since, why.clone()));
            }
            Event::CapacityBack { cluster, group } => {
                let group = self.touch(cluster, group, at)?;
                (group.no_capacity, group.borrowed) = (None, None);
            }
            Event::Borrowed { cluster, group, .. } => {
                self.touch(cluster, group, at)?.borrowed = Some(at)
            }
            Event::Lending { cluster, group, .. } => self.touch(cluster, group, at)?.lend(at),
            Event::GroupDone { cluster, group } => self.touch(cluster, group, at)?.finish(),
            Event::Started { .. }
            | Event::Approved { .. }
            | Event::StageStarted { .. }
            | Event::StagePassed { .. }
            | Event::WaveStarted { .. }
            | Event::WavePassed { .. }
            | Event::ClusterStarted { .. }
            | Event::Preflight { .. }
            | Event::ClusterRolled { .. }
            | Event::ClusterVerified { .. }
            | Event::SoakBroken { .. }
            | Event::Answered { .. }
            | Event::Intent { .. }
            | Event::Outcome { .. }
            | Event::Failed { .. }
            | Event::Held
            | Event::RollbackAsked { .. }
            | Event::RollbackStarted { .. }
            | Event::ClusterRestored { .. }
            | Event::Stuck { .. }
            | Event::AbortStarted { .. }
            | Event::LockTaken { .. }
            | Event::Resumed { .. }
            | Event::Paused { .. }
            | Event::Finished
            | Event::RolledBack
            | Event::Aborted => {}
        }
        Ok(())
    }

    /// What was said about an earlier canary, or an earlier state of the cluster, proves nothing.
    fn forget_answers(&mut self, cluster: &ClusterName, about: &Scope) -> Result<(), String> {
        self.cluster(cluster)?
            .answers
            .retain(|(scope, _), _| scope != about);
        Ok(())
    }

    /// These clusters go back; every other one stays what it is. None of these counts as verified any more.
    fn turn_back(&mut self, clusters: &BTreeSet<ClusterName>, at: Timestamp) {
        (self.direction, self.stuck, self.rollback_asked) =
            (Direction::Back(clusters.clone()), None, None);
        for cluster in self
            .clusters
            .iter_mut()
            .filter(|(name, _)| clusters.contains(name))
            .map(|(_, c)| c)
        {
            (cluster.state, cluster.moved_at) = (ClusterState::Rolling, at);
            cluster.groups.values_mut().for_each(|g| g.turn(true));
        }
    }

    fn turn_to_stop(&mut self, at: Timestamp) {
        (self.direction, self.stuck, self.held) = (Direction::Aborting, None, false);
        for cluster in self.clusters.values_mut() {
            cluster.moved_at = at;
            cluster.groups.values_mut().for_each(|g| g.turn(false));
        }
    }

    /// Somebody looked at it: whatever was held against a group is forgotten, and every patience begins anew.
    fn resumed(&mut self, at: Timestamp) {
        self.stuck = None;
        let retried = std::mem::take(&mut self.held);
        if retried {
            self.failure = None;
        }
        self.open
            .values_mut()
            .for_each(|i| (i.tries, i.doubtful, i.asked_at) = (0, true, at));
        for cluster in self.clusters.values_mut() {
            (cluster.moved_at, cluster.resumed_at) = (at, at);
            if retried {
                // What failed is asked anew, and proven anew.
                (cluster.breaks, cluster.answers) = (0, BTreeMap::new());
                cluster
                    .groups
                    .values_mut()
                    .filter(|g| !g.canary_proven)
                    .for_each(|g| (g.canary_up, g.canary_lost) = (None, 0));
            }
            for group in cluster.groups.values_mut() {
                (group.moved, group.refused, group.raced) = (None, None, 0);
                group.set_aside.clear();
            }
        }
    }

    fn intent(
        &mut self,
        step: StepId,
        cluster: &ClusterName,
        group: &AsgName,
        effect: &Effect,
        at: Timestamp,
    ) -> Result<(), String> {
        if step != self.next_step {
            return Err(format!("step {step} should be step {}", self.next_step));
        }
        self.group(cluster, group)?;
        self.next_step += 1;
        let (cluster, group, effect) = (cluster.clone(), group.clone(), effect.clone());
        self.open.insert(
            step,
            Intent {
                cluster,
                group,
                effect,
                tries: 0,
                asked_at: at,
                doubtful: false,
            },
        );
        Ok(())
    }

    fn outcome(&mut self, step: StepId, result: &StepResult, at: Timestamp) -> Result<(), String> {
        let Some(mut intent) = self.open.remove(&step) else {
            return Err(format!("step {step} was not begun, or had ended"));
        };
        match result {
            StepResult::Unknown(_) => {
                (intent.tries, intent.doubtful, intent.asked_at) = (intent.tries + 1, true, at);
                self.open.insert(step, intent);
            }
            StepResult::GivenUp(_)
                if matches!(intent.effect, Effect::Cloud(CloudEffect::Terminate { .. })) => {}
            StepResult::GivenUp(_) => {
                return Err(format!(
                    "step {step} cannot be given up: only the end of an instance can"
                ));
            }
            // What only tidies up is no reason to turn round.
            StepResult::Refused(_) if is_pruning(&intent.effect) => {
                self.group(&intent.cluster, &intent.group)?.pruned = true
            }
            StepResult::Refused(why) => {
                self.group(&intent.cluster, &intent.group)?.refused = Some(why.clone())
            }
            StepResult::Applied(Applied::Moved(found)) => self.moved(&intent, found)?,
            StepResult::Applied(
                applied @ (Applied::Done | Applied::Already | Applied::Version(_)),
            ) => self.happened(&intent, applied, at)?,
        }
        Ok(())
    }

    /// Somebody else got there first. Desired capacity belongs to the autoscaler, and an instance may go at any time: there we look again.
    fn moved(&mut self, intent: &Intent, found: &str) -> Result<(), String> {
        let ours = match &intent.effect {
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
            ) => true,
        };
        let group = self.group(&intent.cluster, &intent.group)?;
        if ours {
            group.moved = Some(found.to_owned());
        } else {
            group.raced += 1;
        }
        Ok(())
    }

    fn happened(
        &mut self,
        intent: &Intent,
        applied: &Applied,
        at: Timestamp,
    ) -> Result<(), String> {
        if matches!(intent.effect, Effect::Cloud(CloudEffect::Terminate { .. })) {
            self.cluster(&intent.cluster)?.disruptions.push(at);
        }
        // What was so before the first attempt is somebody else's doing, and not ours to give back.
        let ours = *applied != Applied::Already || intent.doubtful;
        let group = self.touch(&intent.cluster, &intent.group, at)?;
        group.raced = 0;
        match &intent.effect {
            Effect::Node(effect) => group.node_effect(effect, ours, at),
            Effect::Cloud(effect) => group.cloud_effect(effect, applied, ours),
        }
        Ok(())
    }

    fn enter(
        &mut self,
        name: &ClusterName,
        state: ClusterState,
        at: Timestamp,
    ) -> Result<(), String> {
        let cluster = self.cluster(name)?;
        (cluster.state, cluster.moved_at) = (state, at);
        Ok(())
    }

    /// A group in which something goes on.
    fn touch(
        &mut self,
        cluster: &ClusterName,
        group: &AsgName,
        at: Timestamp,
    ) -> Result<&mut GroupProgress, String> {
        self.cluster(cluster)?.moved_at = at;
        self.group(cluster, group)
    }

    fn cluster(&mut self, name: &ClusterName) -> Result<&mut ClusterProgress, String> {
        self.clusters
            .get_mut(name)
            .ok_or_else(|| format!("{name} is no cluster of this rollout"))
    }

    fn group(
        &mut self,
        cluster: &ClusterName,
        group: &AsgName,
    ) -> Result<&mut GroupProgress, String> {
        self.cluster(cluster)?
            .groups
            .get_mut(group)
            .ok_or_else(|| format!("{group} is no group of this rollout"))
    }
}

impl GroupProgress {
    /// Nothing is achieved yet: a step of the other way may have got its answer only after the turn.
    fn begin(&mut self, instances: u32, at: Timestamp) {
        (self.state, self.touched) = (GroupState::Rolling(at), true);
        (self.instances, self.ended) = (instances, 0);
        (self.updated, self.pinned) = (false, false);
    }

    /// Whatever the books still say is out there is not: an autoscaler took it back, or it is gone.
    fn finish(&mut self) {
        self.state = GroupState::Done;
        self.surge = 0;
        self.detached.clear();
        self.drains.clear();
        self.tainted.clear();
        self.protected.clear();
        self.set_aside.clear();
        self.suspended.clear();
        (self.no_capacity, self.borrowed, self.lending) = (None, None, false);
    }

    /// Its own change is done: what it adds from now on stands in for another group.
    fn lend(&mut self, at: Timestamp) {
        (self.state, self.touched, self.lending) = (GroupState::Rolling(at), true, true);
        (self.canary_up, self.canary_proven) = (None, true);
    }

    fn cloud_effect(&mut self, effect: &CloudEffect, applied: &Applied, ours: bool) {
        match effect {
            CloudEffect::CreateTemplateVersion { .. } => {
                if let Applied::Version(n) = applied {
                    self.version = Some(*n);
                }
            }
            CloudEffect::CreateGroup { .. } => (self.updated, self.pinned) = (true, true),
            CloudEffect::UpdateGroup { .. } => self.updated = true,
            CloudEffect::PinVersion { .. } => self.pinned = true,
            CloudEffect::SetDesired { from, to, .. } if ours => {
                self.added(to.saturating_sub(*from));
                self.removed(from.saturating_sub(*to));
            }
            CloudEffect::Suspend { processes, .. } if ours => {
                self.suspended.extend(processes.iter().cloned())
            }
            CloudEffect::Protect {
                instances,
                protect: true,
                ..
            } if ours => self.protected.extend(instances.iter().cloned()),
            CloudEffect::Protect {
                instances,
                protect: false,
                ..
            } => self.protected.retain(|id| !instances.contains(id)),
            CloudEffect::SetDesired { .. }
            | CloudEffect::Suspend { .. }
            | CloudEffect::Protect { .. } => {}
            CloudEffect::Resume { processes, .. } => {
                self.suspended.retain(|p| !processes.contains(p))
            }
            CloudEffect::Detach { instance, .. } => {
                self.detached.insert(instance.clone());
            }
            CloudEffect::Terminate {
                instance,
                decrement,
                ..
            } => {
                if let Some(node) = self.drains.remove(instance).and_then(|drain| drain.node) {
                    self.tainted.remove(&node);
                }
                self.detached.remove(instance);
                self.protected.remove(instance);
                self.set_aside.remove(instance);
                self.ended += 1;
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

    /// More desired capacity: what was taken comes back first, the rest is surge.
    fn added(&mut self, more: u32) {
        let back = more.min(self.taken);
        self.taken -= back;
        self.surge = self.surge.saturating_add(more - back);
    }

    /// Less desired capacity: surge goes first, the rest is taken.
    fn removed(&mut self, less: u32) {
        let surge = less.min(self.surge);
        self.surge -= surge;
        self.taken = self.taken.saturating_add(less - surge);
    }

    fn node_effect(&mut self, effect: &NodeEffect, ours: bool, at: Timestamp) {
        let change = |drains: &mut BTreeMap<InstanceId, Drain>,
                      node: &NodeName,
                      change: &dyn Fn(&mut Drain)| {
            drains
                .values_mut()
                .filter(|d| d.node.as_ref() == Some(node))
                .for_each(change);
        };
        let cordoned = if ours {
            Cordoned::ByUs
        } else {
            Cordoned::ByOthers
        };
        match effect {
            NodeEffect::Cordon { node } => {
                change(&mut self.drains, node, &|d| d.cordoned = cordoned)
            }
            NodeEffect::Uncordon { node } => {
                change(&mut self.drains, node, &|d| d.cordoned = Cordoned::No)
            }
            NodeEffect::Evict { node, .. } | NodeEffect::Delete { node, .. } => {
                change(&mut self.drains, node, &|d| d.asked_at = Some(at))
            }
            // Of nodes that had the taint before, each says itself that it is not ours.
            NodeEffect::Taint { nodes } => self.tainted.extend(nodes.iter().cloned()),
            NodeEffect::Untaint { nodes } => self.tainted.retain(|n| !nodes.contains(n)),
        }
    }
}

fn is_pruning(effect: &Effect) -> bool {
    matches!(effect, Effect::Cloud(CloudEffect::PruneVersions { .. }))
}

fn once<T: Ord>(set: &mut BTreeSet<T>, item: T, what: &str) -> Result<(), String> {
    if set.insert(item) {
        Ok(())
    } else {
        Err(format!("{what} twice"))
    }
}
