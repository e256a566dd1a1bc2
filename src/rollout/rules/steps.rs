//! The rules for what is done to nodes, and for giving back: each eviction, deletion, uncordon and the like has a reason in the books, and
//! nothing is restored that is not ours. Judges; decides nothing.

use std::collections::BTreeSet;
use std::ops::Deref;

use super::pinned::pinned;
use crate::fleet::OnTimeout;
use crate::model::{
    AsgName, CloudEffect, ClusterName, Effect, Health, Instance, InstanceId, Lifecycle,
    LiveCluster, LiveGroup, Node, NodeEffect, NodeMark, NodeName, Nodes, PodRef, Timestamp,
};
use crate::rollout::breach::{Breach, GroupBreach, InstanceBreach, NodeBreach, PodBreach, Removal};
use crate::rollout::progress::{Cordoned, DeadNode, Direction, GroupProgress, Intent, Progress};
use crate::rollout::schedule::{GroupTask, Rollout, Task, VersionSource};

struct Judged<'a> {
    rollout: &'a Rollout,
    progress: &'a Progress,
    cluster: &'a ClusterName,
    live: &'a LiveCluster,
    now: Timestamp,
}

/// A node and everything that the books say about it.
struct Found<'a> {
    node: &'a Node,
    task: &'a GroupTask,
    group: &'a GroupProgress,
    live: &'a LiveGroup,
    instance: &'a Instance,
}

/// What an effect would break of these rules.
pub(super) fn broken(
    rollout: &Rollout,
    progress: &Progress,
    cluster: &ClusterName,
    effect: &Effect,
    live: &impl Deref<Target = LiveCluster>,
    now: Timestamp,
) -> Vec<Breach> {
    let judged = Judged {
        rollout,
        progress,
        cluster,
        live,
        now,
    };
    match effect {
        Effect::Cloud(effect) => judged.cloud(effect).into_iter().collect(),
        Effect::Node(effect) => judged.node(effect),
        // Judged with kops' own rules.
        Effect::Kops(_) => Vec::new(),
    }
}

impl<'a> Judged<'a> {
    fn task(&self, asg: &AsgName) -> Option<&'a GroupTask> {
        let run = self.rollout.cluster(self.cluster)?;
        run.groups.iter().find(|g| g.asg == *asg)
    }

    fn group(&self, asg: &AsgName) -> Option<&'a GroupProgress> {
        self.progress.clusters.get(self.cluster)?.groups.get(asg)
    }

    /// Steps of this cluster without an answer: what they did may be out there without being booked.
    fn open(&self) -> impl Iterator<Item = &'a Intent> {
        let mine = |i: &&Intent| i.cluster == *self.cluster;
        self.progress.open.values().filter(mine)
    }

    fn cloud(&self, effect: &CloudEffect) -> Option<Breach> {
        let task = self.task(effect.group())?;
        let (group, live) = (self.group(&task.asg)?, self.live.groups.get(&task.asg));
        match effect {
            CloudEffect::SetDesired { from, to, .. } if to < from => lowers(task, live?, *to),
            CloudEffect::PinVersion { to, .. } => self.pins(task, group, *to),
            CloudEffect::Resume { processes, .. } => {
                let ours = |p: &&String| {
                    group.outstanding.suspended.contains(*p) || self.suspends(task, p)
                };
                let others: Vec<String> = processes.iter().filter(|p| !ours(p)).cloned().collect();
                (!others.is_empty()).then(|| {
                    GroupBreach::ResumesOthers {
                        group: task.asg.clone(),
                        processes: others,
                    }
                    .into()
                })
            }
            CloudEffect::Protect {
                instances,
                protect: false,
                ..
            } => {
                let ours = |id: &&InstanceId| {
                    group.outstanding.protected.contains(*id) || self.protects(id)
                };
                let other = instances.iter().find(|id| !ours(id));
                other.map(|id| {
                    InstanceBreach::UnprotectsOthers {
                        instance: id.clone(),
                    }
                    .into()
                })
            }
            CloudEffect::Terminate {
                instance,
                decrement,
                ..
            } => self.ends(task, group, live?, instance, *decrement),
            CloudEffect::SetDesired { .. }
            | CloudEffect::CreateTemplateVersion { .. }
            | CloudEffect::CreateGroup { .. }
            | CloudEffect::UpdateGroup { .. }
            | CloudEffect::Suspend { .. }
            | CloudEffect::Detach { .. }
            | CloudEffect::DeleteGroup { .. }
            | CloudEffect::PruneVersions { .. }
            | CloudEffect::Protect { protect: true, .. }
            | CloudEffect::StartRefresh { .. }
            | CloudEffect::CancelRefresh { .. }
            | CloudEffect::RollbackRefresh { .. } => None,
        }
    }

    fn suspends(&self, task: &GroupTask, process: &str) -> bool {
        self.open().any(|i| {
            matches!(&i.effect, Effect::Cloud(CloudEffect::Suspend { group, processes })
                if *group == task.asg && processes.contains(process))
        })
    }

    fn protects(&self, id: &InstanceId) -> bool {
        self.open().any(|i| {
            matches!(&i.effect, Effect::Cloud(CloudEffect::Protect { instances, protect: true, .. }) if instances.contains(id))
        })
    }

    /// A group is pointed at the version of its task, and on every other way at the one that it came from.
    fn pins(&self, task: &GroupTask, group: &GroupProgress, to: u64) -> Option<Breach> {
        let Task::Update {
            from_version,
            version,
            ..
        } = &task.task
        else {
            return None;
        };
        let wanted = match (&self.progress.direction, version) {
            (Direction::Forward, VersionSource::Existing(n)) => Some(*n),
            (Direction::Forward, VersionSource::New(_)) => group.version,
            (Direction::Back(_) | Direction::Aborting, _) => Some(*from_version),
        };
        (wanted != Some(to)).then(|| {
            GroupBreach::WrongPin {
                group: task.asg.clone(),
                to,
            }
            .into()
        })
    }

    /// An instance at work ends only where it can be seen what runs on it; and in an abort only what is half-way.
    fn ends(
        &self,
        task: &GroupTask,
        group: &GroupProgress,
        live: &LiveGroup,
        instance: &InstanceId,
        decrement: bool,
    ) -> Option<Breach> {
        let found = live.instances.get(instance)?;
        let runs = matches!(
            found.lifecycle,
            Lifecycle::InService | Lifecycle::Detached | Lifecycle::Standby
        );
        let blind = !matches!(self.live.nodes, Nodes::Known(_));
        if runs && blind && task.role.rules().is_drained {
            return Some(
                InstanceBreach::EndsUnseen {
                    instance: instance.clone(),
                    group: task.asg.clone(),
                }
                .into(),
            );
        }
        let half_way = group.outstanding.detached.contains(instance)
            || group.outstanding.drains.contains_key(instance)
            || (decrement && group.outstanding.surge > 0);
        let aborts = self.progress.direction == Direction::Aborting;
        (runs && aborts && !half_way).then(|| {
            InstanceBreach::AbortEnds {
                instance: instance.clone(),
                group: task.asg.clone(),
            }
            .into()
        })
    }

    fn node(&self, effect: &NodeEffect) -> Vec<Breach> {
        match effect {
            NodeEffect::Evict { node, instance, .. } => {
                self.drains(node, instance, Removal::Evicted)
            }
            NodeEffect::Delete {
                node,
                instance,
                pods,
            } => {
                let mut broken = self.drains(node, instance, Removal::Deleted);
                broken.extend(self.deletes(node, pods));
                broken
            }
            NodeEffect::Uncordon { node, .. } => {
                let other = |f: &Found<'_>| !self.is_cordoned_by_us(node, f);
                self.each(
                    [node],
                    |node| NodeBreach::UncordonsOthers { node }.into(),
                    other,
                )
            }
            NodeEffect::Untaint { nodes } => {
                let other = |f: &Found<'_>| {
                    !f.node.ours.contains(&NodeMark::Tainted)
                        && !f
                            .group
                            .outstanding
                            .tainted
                            .values()
                            .any(|id| *id == f.node.instance)
                };
                self.each(
                    nodes.keys(),
                    |node| NodeBreach::UntaintsOthers { node }.into(),
                    other,
                )
            }
            NodeEffect::ReleaseToAutoscaler { nodes } => {
                let other = |f: &Found<'_>| {
                    !f.node.ours.contains(&NodeMark::KeptFromAutoscaler)
                        && !f
                            .group
                            .outstanding
                            .kept
                            .values()
                            .any(|id| *id == f.node.instance)
                };
                self.each(
                    nodes.keys(),
                    |node| NodeBreach::ReleasesOthers { node }.into(),
                    other,
                )
            }
            NodeEffect::OutOfService { node, instance } => self.is_off(node, instance),
            NodeEffect::BackInService { node, instance } => {
                // Where others had set the taint first it stays theirs: ours was asked for, and taking it back takes nothing.
                let asked = self.books_of(node, instance).any(|dead| dead.marked);
                let ours = self.node_named(node).is_none_or(|found| {
                    found.instance != *instance || found.ours.contains(&NodeMark::OutOfService)
                });
                let broken = (!ours && !asked)
                    .then(|| NodeBreach::BackInServiceOthers { node: node.clone() }.into());
                broken.into_iter().collect()
            }
            NodeEffect::KeepFromAutoscaler { nodes } => self.planned(nodes.keys()),
            // Judged with capacity.
            NodeEffect::Cordon { .. } | NodeEffect::Taint { .. } => Vec::new(),
        }
    }

    /// Kubernetes lets go of volumes of such a node at once: its instance has to be proven to have ended, by AWS and by us.
    fn is_off(&self, name: &NodeName, instance: &InstanceId) -> Vec<Breach> {
        let mut broken = Vec::new();
        let mut groups = self.live.groups.values();
        if groups.any(|g| g.instances.contains_key(instance)) {
            broken.push(
                NodeBreach::OutOfServiceInAws {
                    node: name.clone(),
                    instance: instance.clone(),
                }
                .into(),
            );
        }
        if self.books_of(name, instance).next().is_none() {
            broken.push(NodeBreach::OutOfServiceNotEnded { node: name.clone() }.into());
        }
        if self
            .node_named(name)
            .is_some_and(|n| n.silent_since.is_none())
        {
            broken.push(NodeBreach::OutOfServiceAnswers { node: name.clone() }.into());
        }
        broken
    }

    /// What the books say of a dead node.
    fn books_of<'s>(
        &'s self,
        name: &'s NodeName,
        instance: &'s InstanceId,
    ) -> impl Iterator<Item = &'a DeadNode> + use<'s, 'a> {
        let cluster = self.progress.clusters.get(self.cluster);
        let groups = cluster.into_iter().flat_map(|c| c.groups.values());
        let dead = groups.filter_map(move |g| g.outstanding.dead.get(name));
        dead.filter(move |dead| dead.instance == *instance)
    }

    fn node_named(&self, name: &NodeName) -> Option<&'a Node> {
        match &self.live.nodes {
            Nodes::Known(seen) => seen.nodes.get(name).map(|node| &**node),
            Nodes::NotAsked | Nodes::Unknown(_) => None,
        }
    }

    fn each<'n>(
        &self,
        nodes: impl IntoIterator<Item = &'n NodeName>,
        breach: impl Fn(NodeName) -> Breach,
        is_wrong: impl Fn(&Found<'_>) -> bool,
    ) -> Vec<Breach> {
        let found = nodes.into_iter().filter_map(|n| Some((n, self.found(n)?)));
        found
            .filter(|(_, found)| is_wrong(found))
            .map(|(name, _)| breach(name.clone()))
            .collect()
    }

    /// Only nodes of groups that are changed.
    fn planned<'n>(&self, nodes: impl Iterator<Item = &'n NodeName>) -> Vec<Breach> {
        let Nodes::Known(seen) = &self.live.nodes else {
            return vec![NodeBreach::MarkUnseen.into()];
        };
        nodes
            .filter(|n| seen.nodes.contains_key(*n) && self.found(n).is_none())
            .map(|n| NodeBreach::NodeNotPlanned { node: n.clone() }.into())
            .collect()
    }

    fn found(&self, name: &NodeName) -> Option<Found<'a>> {
        let Nodes::Known(seen) = &self.live.nodes else {
            return None;
        };
        let node = &**seen.nodes.get(name)?;
        let mut groups = self.live.groups.iter();
        let (asg, live) = groups.find(|(_, g)| g.instances.contains_key(&node.instance))?;
        Some(Found {
            node,
            task: self.task(asg)?,
            group: self.group(asg)?,
            live,
            instance: live.instances.get(&node.instance)?,
        })
    }

    fn is_cordoned_by_us(&self, name: &NodeName, found: &Found<'_>) -> bool {
        let marks = [NodeMark::Cordoned, NodeMark::OutOfLoadBalancers];
        let booked = found
            .group
            .outstanding
            .drains
            .get(&found.node.instance)
            .is_some_and(|d| d.cordoned == Cordoned::ByUs);
        let asked = self.open().any(
            |i| matches!(&i.effect, Effect::Node(NodeEffect::Cordon { node, .. }) if node == name),
        );
        booked || asked || marks.iter().any(|m| found.node.ours.contains(m))
    }

    /// Pods go only from a node that is being drained, by name, and takes no new ones; and only from one that has to go.
    fn drains(&self, name: &NodeName, instance: &InstanceId, removal: Removal) -> Vec<Breach> {
        if !matches!(self.live.nodes, Nodes::Known(_)) {
            let node = name.clone();
            return vec![PodBreach::PodsUnseen { node, removal }.into()];
        }
        let Some(found) = self.found(name) else {
            return Vec::new();
        };
        let (mut broken, node) = (Vec::new(), || name.clone());
        if found.node.instance != *instance {
            broken.push(
                PodBreach::PodsOfOtherInstance {
                    node: node(),
                    removal,
                }
                .into(),
            );
        }
        let booked = found.group.outstanding.drains.get(&found.node.instance);
        if booked.is_none_or(|d| d.node.as_ref() != Some(name)) {
            broken.push(
                PodBreach::PodsWithoutDrain {
                    node: node(),
                    removal,
                }
                .into(),
            );
        }
        if !found.node.cordoned {
            broken.push(
                PodBreach::PodsNotCordoned {
                    node: node(),
                    removal,
                }
                .into(),
            );
        }
        if self.stays(&found) {
            broken.push(
                PodBreach::PodsOfPinned {
                    node: node(),
                    removal,
                }
                .into(),
            );
        }
        broken
    }

    /// Whether an instance runs what the rollout has pinned, and nothing is one too many.
    fn stays(&self, found: &Found<'_>) -> bool {
        let Some(pinned) = pinned(&self.progress.direction, found.task, found.group) else {
            return false;
        };
        let too_many = found.group.outstanding.surge > 0
            || found.group.capacity.lending
            || found.group.outstanding.detached.contains(&found.node.instance)
            || found.live.desired > found.live.group.max_size
            || found.task.shrink
            // One whose node is not Ready does no work, and one that AWS calls unhealthy is ended by it: a single one of those is repaired.
            || !found.node.ready
            || found.instance.health != Health::Healthy;
        found.instance.version == Some(pinned) && !too_many
    }

    /// Budgets are set aside only where the policy says so, when the drain has had its time, for pods that budgets hold, one of each owner.
    fn deletes(&self, name: &NodeName, pods: &BTreeSet<PodRef>) -> Vec<Breach> {
        let Some(found) = self.found(name) else {
            return Vec::new();
        };
        let (policy, mut broken) = (found.task.rolling.drain, Vec::new());
        if policy.on_timeout != OnTimeout::Force {
            broken.push(PodBreach::ForceNotAllowed { node: name.clone() }.into());
        }
        let drain = found.group.outstanding.drains.get(&found.node.instance);
        if drain.is_some_and(|d| self.now.since(d.since) <= policy.timeout) {
            broken.push(
                PodBreach::ForceEarly {
                    node: name.clone(),
                    timeout: policy.timeout,
                }
                .into(),
            );
        }
        let mut owners = BTreeSet::new();
        for pod in pods {
            let held = found.node.blocked.iter().find(|b| b.uid == pod.uid);
            match held {
                None => broken.push(
                    PodBreach::PodNotHeld {
                        pod: pod.pod.clone(),
                    }
                    .into(),
                ),
                Some(block) if self.now.since(block.started_at) < policy.min_pod_age => {
                    broken.push(
                        PodBreach::PodYoung {
                            pod: pod.pod.clone(),
                        }
                        .into(),
                    );
                }
                Some(block) => {
                    let owner = block.owner.as_ref().unwrap_or(&block.pod);
                    if !owners.insert(owner) {
                        broken.push(
                            PodBreach::PodsOfOneOwner {
                                owner: owner.clone(),
                            }
                            .into(),
                        );
                    }
                }
            }
        }
        broken
    }
}

/// Less desired capacity only ends launches: AWS would end a running instance undrained.
fn lowers(task: &GroupTask, live: &LiveGroup, to: u32) -> Option<Breach> {
    let runs = |i: &&Instance| i.lifecycle.rules().is_capacity;
    let running = live.instances.values().filter(runs).count();
    let most = usize::try_from(to).unwrap_or(usize::MAX);
    (running > most).then(|| {
        GroupBreach::DesiredBelowRunning {
            group: task.asg.clone(),
            to,
            running,
        }
        .into()
    })
}
