//! A world that looks over the shoulder of whoever acts on it: every effect is held against the rules of a rollout, and
//! faults that the simulated account does not know can be ordered.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use kfleet::cloud::local::World;
use kfleet::cloud::{Cloud, CloudError, Place};
use kfleet::fleet::Amount;
use kfleet::kops::Role;
use kfleet::model::{
    AccountId, Applied, AsgName, CloudEffect, ClusterName, Effect, Instance, InstanceId, Lifecycle, Live, LiveCluster, LiveGroup, Node, NodeEffect,
    Nodes, Timestamp,
};
use kfleet::nodes::{NodeApi, NodeError};
use kfleet::rollout::{Direction, Event, Progress, Record, Rollout, StageRun, Task, next};

/// When the process dies, counted in effects from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    Before(u64),
    After(u64),
}

/// What a dead process leaves on the stack.
pub struct Died;

pub struct Spy {
    world: World,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    run: Option<(Rollout, Progress)>,
    wrong: BTreeSet<String>,
    death: Option<Death>,
    effects: u64,
    /// Clusters whose nodes do not answer, and whose nodes are not Ready, at a time.
    blind: Vec<(ClusterName, Timestamp, Timestamp)>,
    unready: Vec<(ClusterName, Timestamp, Timestamp)>,
    /// What we added to the desired capacity of a group and have not given back.
    ours: Option<BTreeMap<AsgName, i64>>,
    ended: Vec<(ClusterName, Timestamp)>,
    /// Mutating calls answered with Done, to find effects that happened twice.
    done: Vec<(Timestamp, Effect)>,
}

impl Spy {
    pub fn new(world: World) -> Spy {
        Spy { world, state: Mutex::default() }
    }

    pub fn dying(world: World, death: Death) -> Spy {
        let spy = Spy::new(world);
        spy.state.lock().unwrap().death = Some(death);
        spy
    }

    /// Takes over the books of a spy whose process died.
    #[must_use]
    pub fn after(self, ours: BTreeMap<AsgName, i64>) -> Spy {
        self.state.lock().unwrap().ours = Some(ours);
        self
    }

    pub fn world(&self) -> &World {
        &self.world
    }

    pub fn blind(&self, cluster: &ClusterName, from: Timestamp, to: Timestamp) {
        self.state.lock().unwrap().blind.push((cluster.clone(), from, to));
    }

    pub fn unready(&self, cluster: &ClusterName, from: Timestamp, to: Timestamp) {
        self.state.lock().unwrap().unready.push((cluster.clone(), from, to));
    }

    pub fn begin(&self, rollout: &Rollout, progress: &Progress) {
        let mut state = self.state.lock().unwrap();
        // The books of an earlier process that ended in good order.
        let groups = progress.clusters.values().flat_map(|c| &c.groups);
        let ours = groups.map(|(name, g)| (name.clone(), i64::from(g.surge) - i64::from(g.taken))).collect();
        state.ours.get_or_insert(ours);
        state.run = Some((rollout.clone(), progress.clone()));
    }

    pub fn hear(&self, record: &Record) {
        let mut state = self.state.lock().unwrap();
        let State { run: Some((rollout, progress)), wrong, ours: Some(ours), .. } = &mut *state else { return };
        if let Err(e) = progress.add(record) {
            wrong.insert(e.to_string());
        }
        if let Event::SurgeTaken { group, left, .. } = &record.event {
            ours.insert(group.clone(), i64::from(*left));
        }
        wrong.extend(crowds(rollout, progress).into_iter().map(|w| format!("{}: {w}", record.at)));
    }

    pub fn wrong(&self) -> Vec<String> {
        self.state.lock().unwrap().wrong.iter().cloned().collect()
    }

    pub fn effects(&self) -> u64 {
        self.state.lock().unwrap().effects
    }

    pub fn done(&self) -> Vec<(Timestamp, Effect)> {
        self.state.lock().unwrap().done.clone()
    }

    /// Desired capacity of ours that is still out there, by group.
    pub fn ours(&self) -> BTreeMap<AsgName, i64> {
        self.state.lock().unwrap().ours.clone().unwrap_or_default()
    }

    async fn sight(&self, cluster: &ClusterName) -> LiveCluster {
        let place = {
            let state = self.state.lock().unwrap();
            let run = state.run.as_ref().and_then(|(r, _)| r.cluster(cluster)).unwrap();
            Place { cluster: cluster.clone(), account: run.account.clone(), region: run.region.clone() }
        };
        let mut live = loop {
            if let Ok(mut live) = self.world.read(std::slice::from_ref(&place)).await {
                break live.clusters.remove_entry(cluster).unwrap().1;
            }
        };
        live.nodes = self.nodes(cluster).await;
        live
    }

    fn die(&self, before: bool) {
        let state = self.state.lock().unwrap();
        let dies = match state.death {
            Some(Death::Before(n)) => before && n == state.effects,
            Some(Death::After(n)) => !before && n == state.effects,
            None => false,
        };
        drop(state);
        if dies {
            std::panic::resume_unwind(Box::new(Died));
        }
    }

    /// Holds an effect against the rules, from the live state just before it.
    fn judge(&self, cluster: &ClusterName, effect: &Effect, live: &LiveCluster) {
        let mut state = self.state.lock().unwrap();
        let State { run: Some((rollout, progress)), ours: Some(ours), .. } = &*state else { return };
        let eye = Eye { rollout, progress, cluster, live, ours };
        let mut wrong = eye.order();
        match effect {
            Effect::Cloud(effect) => wrong.extend(eye.cloud(effect)),
            Effect::Node(NodeEffect::Cordon { node }) => wrong.extend(eye.cordon(node)),
            Effect::Node(
                NodeEffect::Uncordon { .. }
                | NodeEffect::Evict { .. }
                | NodeEffect::Delete { .. }
                | NodeEffect::Taint { .. }
                | NodeEffect::Untaint { .. },
            ) => {}
        }
        let now = self.world.now();
        state.wrong.extend(wrong.into_iter().map(|w| format!("{now} {cluster}: {w}: {effect:?}")));
    }

    /// Books what an effect really did.
    fn book(&self, cluster: &ClusterName, effect: &Effect, before: &LiveCluster, after: &LiveCluster) {
        let mut state = self.state.lock().unwrap();
        let now = self.world.now();
        state.done.push((now, effect.clone()));
        let Effect::Cloud(effect) = effect else { return };
        let desired = |live: &LiveCluster| live.groups.get(effect.group()).map_or(0, |g| i64::from(g.desired));
        let moved = desired(after) - desired(before);
        if matches!(effect, CloudEffect::SetDesired { .. } | CloudEffect::Terminate { .. }) {
            *state.ours.get_or_insert_default().entry(effect.group().clone()).or_default() += moved;
        }
        if let CloudEffect::Terminate { .. } = effect {
            state.ended.push((cluster.clone(), now));
        }
        let wrong = state.budgets(cluster, effect.group(), after, now);
        state.wrong.extend(wrong.into_iter().map(|w| format!("{now} {cluster}: {w}: {effect:?}")));
    }
}

impl State {
    fn budgets(&self, cluster: &ClusterName, group: &AsgName, live: &LiveCluster, now: Timestamp) -> Vec<String> {
        let mut wrong = Vec::new();
        let Some((rollout, _)) = &self.run else { return wrong };
        let run = rollout.cluster(cluster).unwrap();
        let window = run.rolling.rate.per;
        let recent = self.ended.iter().filter(|(c, at)| c == cluster && *at + window > now).count();
        if recent > run.rolling.rate.instances as usize {
            wrong.push(format!("{recent} instances ended within {window}"));
        }
        let detached = |g: &LiveGroup| g.instances.values().filter(|i| i.lifecycle == Lifecycle::Detached).count() as i64;
        let mut all = 0;
        for task in &run.groups {
            let (Some(found), Task::Update { .. }) = (live.groups.get(&task.asg), &task.task) else { continue };
            let ours = self.ours.as_ref().and_then(|o| o.get(&task.asg)).copied().unwrap_or(0);
            // An autoscaler that went down to the minimum has taken our surge with it.
            let surge = ours.min(i64::from(found.desired) - i64::from(found.group.min_size)).max(0) + detached(found);
            all += surge;
            let base = u32::try_from(i64::from(found.desired) - ours).unwrap_or(0);
            let most = i64::from(task.rolling.max_surge.surge_of(base));
            // The base may shrink under a surge that is out already; a percentage shrinks with it.
            if task.asg == *group && surge > most && matches!(task.rolling.max_surge, Amount::Count(_)) {
                wrong.push(format!("surge {surge} of at most {most}"));
            }
            if task.role == Role::ControlPlane && surge > 0 {
                wrong.push("a control plane is surged".into());
            }
            if found.desired < found.group.min_size || found.desired > found.group.max_size {
                wrong.push(format!("desired {} is not within {}..{}", found.desired, found.group.min_size, found.group.max_size));
            }
        }
        if all > i64::from(run.rolling.cluster_surge) {
            wrong.push(format!("cluster surge {all} of at most {}", run.rolling.cluster_surge));
        }
        wrong
    }
}

/// Groups in which more is drained at once than surge and unavailability together allow.
fn crowds(rollout: &Rollout, progress: &Progress) -> Vec<String> {
    let mut wrong = Vec::new();
    for (run, task) in rollout.clusters().flat_map(|c| c.groups.iter().map(move |g| (c, g))) {
        let Some(group) = progress.clusters.get(&run.cluster).and_then(|c| c.groups.get(&task.asg)) else { continue };
        let (Amount::Count(surge), Amount::Count(missing)) = (task.rolling.max_surge, task.rolling.max_unavailable) else { continue };
        let most = if task.role == Role::ControlPlane { 1 } else { (surge + missing).max(1) as usize };
        if group.drains.len() > most {
            wrong.push(format!("{} drains {} at once, {most} may", task.asg, group.drains.len()));
        }
    }
    wrong
}

/// What one effect is held against.
struct Eye<'a> {
    rollout: &'a Rollout,
    progress: &'a Progress,
    cluster: &'a ClusterName,
    live: &'a LiveCluster,
    ours: &'a BTreeMap<AsgName, i64>,
}

impl Eye<'_> {
    /// Stages before the cluster's have passed.
    fn order(&self) -> Vec<String> {
        let holds = |s: &&StageRun| s.waves.iter().flat_map(|w| &w.clusters).any(|c| c.cluster == *self.cluster);
        let before = self.rollout.stages.iter().take_while(|s| !holds(s));
        let lacking = before.filter(|s| s.changes() && !self.progress.stages_passed.contains(&s.name));
        lacking.map(|s| format!("touched before stage {} has passed", s.name)).collect()
    }

    fn cloud(&self, effect: &CloudEffect) -> Option<String> {
        let run = self.rollout.cluster(self.cluster)?;
        let Some(task) = run.groups.iter().find(|g| g.asg == *effect.group()) else { return Some("a group outside the plan".into()) };
        let CloudEffect::Terminate { instance, .. } = effect else { return None };
        let group = self.live.groups.get(&task.asg)?;
        let node = self.node(instance)?;
        let ends = group.instances.get(instance).is_none_or(|i| i.lifecycle == Lifecycle::Terminating);
        (!ends && (!node.cordoned || node.evictable_pods > 0)).then(|| format!("{instance} ends without being drained"))
    }

    fn node(&self, instance: &InstanceId) -> Option<&Node> {
        let Nodes::Known(seen) = &self.live.nodes else { return None };
        seen.nodes.values().find(|n| n.instance == *instance)
    }

    fn works(&self, id: &InstanceId, instance: &Instance) -> bool {
        let there = matches!(instance.lifecycle, Lifecycle::InService | Lifecycle::Detached);
        let drained = self.progress.clusters.get(self.cluster).is_some_and(|c| c.groups.values().any(|g| g.drains.contains_key(id)));
        there && self.node(id).is_some_and(|n| n.ready && !(n.cordoned && drained))
    }

    /// Capacity before an instance goes: enough others work.
    fn cordon(&self, node: &kfleet::model::NodeName) -> Option<String> {
        let Nodes::Known(seen) = &self.live.nodes else { return Some("cordoned blindly".into()) };
        let found = seen.nodes.get(node)?;
        let run = self.rollout.cluster(self.cluster)?;
        let (name, group) = self.live.groups.iter().find(|(_, g)| g.instances.contains_key(&found.instance))?;
        let Some(task) = run.groups.iter().find(|g| g.asg == *name) else { return Some("a node outside the plan".into()) };
        let instance = group.instances.get(&found.instance)?;
        if task.role == Role::ControlPlane
            && let Some(sick) = self.sick_control_plane(&found.instance)
        {
            return Some(format!("a control-plane node is drained while {sick} does not work"));
        }
        let retires = match (&task.task, &self.progress.direction) {
            (Task::Retire { .. }, _) | (Task::Create { .. }, Direction::Back(_)) => true,
            (Task::Create { .. } | Task::Update { .. }, _) => false,
        };
        if retires || !self.works(&found.instance, instance) {
            return None;
        }
        let left = group.instances.iter().filter(|(id, i)| **id != found.instance && self.works(id, i)).count() as i64;
        let ours = self.ours.get(name).copied().unwrap_or(0).min(i64::from(group.desired) - i64::from(group.group.min_size)).max(0);
        let base = i64::from(group.desired) - ours;
        let size = u32::try_from(base).unwrap_or(0);
        let surges = task.role != Role::ControlPlane && task.rolling.max_surge.surge_of(size).min(run.rolling.cluster_surge) > 0;
        let missing = i64::from(task.rolling.max_unavailable.unavailable_of(size)).max(i64::from(!surges));
        let missing = if task.role == Role::ControlPlane { 1 } else { missing };
        (left < base - missing).then(|| format!("only {left} of {base} work on, {missing} may be missing"))
    }

    fn sick_control_plane(&self, except: &InstanceId) -> Option<String> {
        let run = self.rollout.cluster(self.cluster)?;
        let planes =
            run.roles.iter().filter(|(_, role)| **role == Role::ControlPlane).filter_map(|(name, _)| Some((name, self.live.groups.get(name)?)));
        planes
            .filter(|(_, group)| !group.instances.contains_key(except))
            .find(|(_, g)| g.instances.iter().filter(|(id, i)| self.works(id, i)).count() < g.desired as usize)
            .map(|(name, _)| name.to_string())
    }
}

impl Cloud for Spy {
    fn now(&self) -> Timestamp {
        self.world.now()
    }

    async fn wait(&self, until: Timestamp) -> Result<(), CloudError> {
        self.world.wait(until).await
    }

    async fn account(&self, place: &Place) -> Result<AccountId, CloudError> {
        self.world.account(place).await
    }

    async fn read(&self, places: &[Place]) -> Result<Live, CloudError> {
        let live = self.world.read(places).await?;
        // What comes next is the same however often it is asked, and never panics.
        if let Some((rollout, progress)) = &self.state.lock().unwrap().run {
            let now = self.world.now();
            assert_eq!(next(rollout, progress, &live, now), next(rollout, progress, &live, now));
        }
        Ok(live)
    }

    async fn apply(&self, place: &Place, effect: &CloudEffect) -> Result<Applied, CloudError> {
        self.state.lock().unwrap().effects += 1;
        self.die(true);
        let whole = Effect::Cloud(effect.clone());
        let before = self.sight(&place.cluster).await;
        self.judge(&place.cluster, &whole, &before);
        let logged = self.world.log().len();
        let applied = self.world.apply(place, effect).await;
        if self.world.log().len() > logged {
            let after = self.sight(&place.cluster).await;
            self.book(&place.cluster, &whole, &before, &after);
        }
        self.die(false);
        applied
    }
}

impl NodeApi for Spy {
    async fn nodes(&self, cluster: &ClusterName) -> Nodes {
        let now = self.world.now();
        let during = |all: &[(ClusterName, Timestamp, Timestamp)]| all.iter().any(|(c, from, to)| c == cluster && *from <= now && now < *to);
        let (blind, unready) = {
            let state = self.state.lock().unwrap();
            (during(&state.blind), during(&state.unready))
        };
        match self.world.nodes(cluster).await {
            _ if blind => Nodes::Unknown("connection refused (test)".into()),
            Nodes::Known(mut seen) if unready => {
                seen.nodes.values_mut().for_each(|node| node.ready = false);
                Nodes::Known(seen)
            }
            nodes => nodes,
        }
    }

    async fn act(&self, cluster: &ClusterName, effect: &NodeEffect) -> Result<Applied, NodeError> {
        self.state.lock().unwrap().effects += 1;
        self.die(true);
        let whole = Effect::Node(effect.clone());
        let before = self.sight(cluster).await;
        self.judge(cluster, &whole, &before);
        let logged = self.world.log().len();
        let applied = self.world.act(cluster, effect).await;
        if self.world.log().len() > logged {
            self.state.lock().unwrap().done.push((self.world.now(), whole));
        }
        self.die(false);
        applied
    }
}
