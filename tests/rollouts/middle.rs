//! A rollout in the middle of its work, to be broken on purpose.

use kfleet::model::{
    AsgName, ClusterName, Hold, InstanceId, LiveCluster, LiveGroup, Node, NodeEffect, NodeMark,
    NodeName, Nodes, PodBlock, PodRef, Seen, VersionRef,
};
use kfleet::report::breach_text;
use kfleet::rollout::{
    Breach, ClusterState, Cordoned, DeadNode, Drain, GroupProgress, GroupState, GroupTask,
    Progress, Rollout, broken_rules,
};

use super::*;

/// A rollout in the middle of its work: pinned, one old instance of `nodes` drained.
pub(crate) struct Middle {
    pub(crate) rollout: Rollout,
    pub(crate) progress: Progress,
    pub(crate) live: LiveCluster,
    pub(crate) cluster: ClusterName,
    pub(crate) now: Timestamp,
}

pub(crate) fn middle() -> Middle {
    let dir = folder();
    let mut scene = Scene::small(dir.path(), &[("nodes", 3, 6, false)]);
    scene.zones = vec!["a", "b", "c"];
    let scene = scene.made();
    let world = scene.world();
    let rollout = scene.rollout(&world, "r2", &[]);
    let cluster: ClusterName = name("staging.k8s.test");
    let now = world.now();
    let mut live = scene.live(&world).clusters.remove(&cluster).unwrap();
    for group in live.groups.values_mut() {
        let mut pinned = LiveGroup::clone(group);
        pinned.version = VersionRef::Number(2);
        *group = pinned.into();
    }
    let mut progress = Progress::new(&rollout);
    let stage = rollout.stages[0].name.clone();
    progress.stages_started.insert(stage.clone());
    progress.waves_started.insert((stage, 0));
    let state = progress.clusters.get_mut(&cluster).unwrap();
    state.state = ClusterState::Rolling;
    for group in state.groups.values_mut() {
        (group.state, group.touched) = (GroupState::Rolling(now), true);
        (group.pinned, group.version, group.instances) = (true, Some(2), 3);
    }
    let mut middle = Middle {
        rollout,
        progress,
        live,
        cluster,
        now,
    };
    middle.drain("nodes");
    middle
}

impl Middle {
    /// kops is the engine, and has something to store.
    pub(crate) fn by_kops(&mut self) {
        let run = &mut self.rollout.stages[0].waves[0].clusters[0];
        let document = || [("Cluster/staging.k8s.test".to_owned(), None)].into();
        run.kops = Some(Box::new(kfleet::rollout::KopsRun {
            from: document(),
            to: document(),
            groups: std::collections::BTreeSet::new(),
            deleted: std::collections::BTreeSet::new(),
            no_way_back: false,
        }));
        for group in &mut run.groups {
            if let kfleet::rollout::Task::Update { version, .. } = &mut group.task {
                let user_data = kfleet::model::UserData::ByKops { foreseen: true };
                *version = kfleet::rollout::VersionSource::New(user_data);
            }
        }
    }

    pub(crate) fn published(&mut self) {
        let cluster = self.cluster.clone();
        self.progress.clusters.get_mut(&cluster).unwrap().published = true;
    }

    pub(crate) fn update(&self, group: &str) -> Effect {
        Effect::Kops(kfleet::model::KopsEffect::Update {
            group: self.asg(group),
            groups: [name(group)].into(),
            beside: Default::default(),
            stored: Default::default(),
            boots: kfleet::model::Boots::Again(None),
        })
    }

    pub(crate) fn asg(&self, group: &str) -> AsgName {
        let mut names = self.live.groups.keys();
        names
            .find(|n| n.as_str().starts_with(&format!("{group}.")))
            .unwrap()
            .clone()
    }

    pub(crate) fn group(&mut self, group: &str) -> &mut GroupProgress {
        let asg = self.asg(group);
        let cluster = self.progress.clusters.get_mut(&self.cluster).unwrap();
        cluster.groups.get_mut(&asg).unwrap()
    }

    pub(crate) fn task(&mut self, group: &str) -> &mut GroupTask {
        let asg = self.asg(group);
        let run = &mut self.rollout.stages[0].waves[0].clusters[0];
        run.groups.iter_mut().find(|g| g.asg == asg).unwrap()
    }

    pub(crate) fn live(&mut self, group: &str, change: impl Fn(&mut LiveGroup)) {
        let asg = self.asg(group);
        let found = self.live.groups.get_mut(&asg).unwrap();
        let mut changed = LiveGroup::clone(found);
        change(&mut changed);
        *found = changed.into();
    }

    pub(crate) fn seen(&mut self) -> &mut Seen {
        match &mut self.live.nodes {
            Nodes::Known(seen) => seen,
            Nodes::NotAsked | Nodes::Unknown(_) => panic!("not seen"),
        }
    }

    /// The nth instance of a group, and its node.
    pub(crate) fn node(&self, group: &str, nth: usize) -> (NodeName, InstanceId) {
        let asg = self.asg(group);
        let id = self.live.groups[&asg].instances.keys().nth(nth).unwrap();
        let Nodes::Known(seen) = &self.live.nodes else {
            panic!("not seen")
        };
        let mut nodes = seen.nodes.iter();
        let (name, _) = nodes.find(|(_, n)| n.instance == *id).unwrap();
        (name.clone(), id.clone())
    }

    pub(crate) fn on_node(&mut self, group: &str, nth: usize, change: impl Fn(&mut Node)) {
        let (name, _) = self.node(group, nth);
        let found = self.seen().nodes.get_mut(&name).unwrap();
        let mut changed = Node::clone(found);
        change(&mut changed);
        *found = changed.into();
    }

    pub(crate) fn drain(&mut self, group: &str) {
        let (node, id) = self.node(group, 0);
        self.on_node(group, 0, |n| {
            (n.cordoned, n.ours) = (true, [NodeMark::Cordoned].into());
        });
        let since = self.now + Span::from_secs(-60);
        self.group(group).outstanding.drains.insert(
            id,
            Drain {
                node: Some(node),
                since,
                cordoned: Cordoned::ByUs,
                asked_at: None,
                pods: 3,
                grace: Span::ZERO,
                claims: Default::default(),
                volumes: None,
                balancers: None,
            },
        );
    }

    /// A node whose kubelet does not answer, and which the books have given up.
    pub(crate) fn dead(&mut self, nth: usize) -> (NodeName, InstanceId) {
        let (node, instance) = self.node("nodes", nth);
        let now = self.now;
        self.on_node("nodes", nth, |n| n.silent_since = Some(now));
        let dead = DeadNode {
            instance: instance.clone(),
            since: now,
            ended: true,
            marked: false,
        };
        self.group("nodes")
            .outstanding
            .dead
            .insert(node.clone(), dead);
        (node, instance)
    }

    pub(crate) fn runs_the_new_version(&mut self, group: &str) {
        self.live(group, |g| {
            g.instances.values_mut().for_each(|i| i.version = Some(2))
        });
    }

    pub(crate) fn breaches(&self, effect: &Effect) -> Vec<Breach> {
        let live = Box::new(self.live.clone());
        broken_rules(
            &self.rollout,
            &self.progress,
            &self.cluster,
            effect,
            &live,
            self.now,
        )
    }

    /// What the rules say of an effect, in the words of the report.
    pub(crate) fn broken(&self, effect: &Effect) -> Vec<String> {
        self.breaches(effect).iter().map(breach_text).collect()
    }

    pub(crate) fn evict(&self) -> Effect {
        let (node, instance) = self.node("nodes", 0);
        Effect::Node(NodeEffect::Evict {
            node,
            instance,
            policy: Default::default(),
        })
    }

    pub(crate) fn cordon(&self, group: &str, nth: usize) -> Effect {
        let (node, instance) = self.node(group, nth);
        Effect::Node(NodeEffect::Cordon { node, instance })
    }

    pub(crate) fn delete(&self, pods: &[&str]) -> Effect {
        let (node, instance) = self.node("nodes", 0);
        let pod = |uid: &&str| PodRef {
            pod: format!("web/{uid}"),
            uid: (*uid).to_owned(),
        };
        Effect::Node(NodeEffect::Delete {
            node,
            instance,
            pods: pods.iter().map(pod).collect(),
        })
    }

    pub(crate) fn terminate(&self, group: &str, nth: usize, decrement: bool) -> Effect {
        let (_, instance) = self.node(group, nth);
        Effect::Cloud(CloudEffect::Terminate {
            group: self.asg(group),
            instance,
            decrement,
        })
    }

    pub(crate) fn desired(&self, from: u32, to: u32) -> Effect {
        let group = self.asg("nodes");
        Effect::Cloud(CloudEffect::SetDesired {
            group,
            from,
            to,
            launch: None,
        })
    }

    pub(crate) fn one(
        &self,
        make: impl Fn(std::collections::BTreeMap<NodeName, InstanceId>) -> NodeEffect,
    ) -> Effect {
        Effect::Node(make([self.node("nodes", 1)].into()))
    }

    pub(crate) fn hold(&mut self, pods: &[(&str, i64)]) {
        let now = self.now;
        let pods: Vec<PodBlock> = pods
            .iter()
            .map(|(uid, age)| PodBlock {
                pod: format!("web/{uid}"),
                uid: (*uid).to_owned(),
                hold: Hold::Budget("web/api".into()),
                owner: Some("ReplicaSet web/api".into()),
                started_at: now + Span::from_secs(-age),
                sibling_started_at: None,
                siblings_leaving: 0,
            })
            .collect();
        self.on_node("nodes", 0, |n| n.blocked = pods.clone());
        let now = self.now;
        let drain = self
            .group("nodes")
            .outstanding
            .drains
            .values_mut()
            .next()
            .unwrap();
        drain.since = now + Span::from_secs(-90_000);
        self.task("nodes").rolling.drain.on_timeout = OnTimeout::Force;
    }
}
