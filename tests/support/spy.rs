//! A world that looks over the shoulder of whoever acts on it: every effect is held against the rules of a rollout before it, against
//! books of its own after it, and faults that the simulated account does not know can be ordered.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use kfleet::cloud::local::World;
use kfleet::cloud::{Cloud, CloudError, Place};
use kfleet::fleet::Amount;
use kfleet::kops::Role;
use kfleet::model::{
    AccountId, Applied, AsgName, CloudEffect, ClusterName, Effect, InstanceId, Lifecycle, Live,
    LiveCluster, LiveGroup, NodeEffect, Nodes, RegionRoom, RoomQuestion, Senders, Span, Timestamp,
    Versions,
};
use kfleet::nodes::{NodeApi, NodeError};
use kfleet::report::breach_text;
use kfleet::rollout::{
    Event, GroupEvent, Progress, Record, Rollout, Task, broken_by_record, broken_rules, decide,
};

use super::crowds::crowds;
use super::deeds::Deeds;

/// When the process dies, counted in effects from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    Before(u64),
    After(u64),
}

/// What a dead process leaves on the stack.
pub struct Died;

pub struct Spy {
    pub(super) world: World,
    pub(super) state: Mutex<State>,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) run: Option<(Rollout, Progress)>,
    wrong: BTreeSet<String>,
    death: Option<Death>,
    pub(super) effects: u64,
    /// Clusters whose nodes do not answer, and whose nodes are not Ready, at a time.
    blind: Vec<(ClusterName, Timestamp, Timestamp)>,
    unready: Vec<(ClusterName, Timestamp, Timestamp)>,
    /// Clusters with a pod that is not Ready at a time.
    limping: Vec<(ClusterName, Timestamp, Timestamp)>,
    /// The account is not told once this wave, counted from 0 over all stages, is about to begin: the credentials ended after the last look.
    nameless: Option<usize>,
    /// How far the cloud's clock is ahead of whoever reads it.
    ahead: Option<Span>,
    /// kops ends well and does nothing.
    pub(super) idle_kops: bool,
    /// When all faults end.
    calm: Option<Timestamp>,
    /// What we added to the desired capacity of a group and have not given back.
    ours: Option<BTreeMap<AsgName, i64>>,
    ended: Vec<(ClusterName, Timestamp)>,
    /// What was read of each cluster last.
    last: BTreeMap<ClusterName, LiveCluster>,
    deeds: Deeds,
}

impl Spy {
    pub fn new(world: World) -> Spy {
        Spy {
            world,
            state: Mutex::default(),
        }
    }

    pub fn dying(world: World, death: Death) -> Spy {
        let spy = Spy::new(world);
        spy.state.lock().unwrap().death = Some(death);
        spy
    }

    /// When the process dies next; none: it does not.
    pub fn dies(&self, death: Option<Death>) {
        self.state.lock().unwrap().death = death;
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
        self.state
            .lock()
            .unwrap()
            .blind
            .push((cluster.clone(), from, to));
    }

    pub fn unready(&self, cluster: &ClusterName, from: Timestamp, to: Timestamp) {
        self.state
            .lock()
            .unwrap()
            .unready
            .push((cluster.clone(), from, to));
    }

    pub fn limping(&self, cluster: &ClusterName, from: Timestamp, to: Timestamp) {
        self.state
            .lock()
            .unwrap()
            .limping
            .push((cluster.clone(), from, to));
    }

    /// The credentials end just before this wave, counted from 0 over all stages.
    pub fn nameless(&self, wave: usize) {
        self.state.lock().unwrap().nameless = Some(wave);
    }

    /// The cloud's own clock, which says when instances were launched, is so far ahead.
    pub fn ahead(&self, span: Span) {
        self.state.lock().unwrap().ahead = Some(span);
    }

    /// From then on the world is sound.
    pub fn calm(&self, at: Timestamp) {
        self.state.lock().unwrap().calm = Some(at);
    }

    pub fn begin(&self, rollout: &Rollout, progress: &Progress) {
        let mut state = self.state.lock().unwrap();
        // The books of an earlier process that ended in good order.
        let groups = progress.clusters.values().flat_map(|c| &c.groups);
        let ours = groups
            .map(|(name, g)| {
                (
                    name.clone(),
                    i64::from(g.outstanding.surge) - i64::from(g.taken),
                )
            })
            .collect();
        state.ours.get_or_insert(ours);
        // Each rollout counts its steps anew.
        if state
            .run
            .as_ref()
            .is_none_or(|(run, _)| run.id != rollout.id)
        {
            state.deeds.forget_steps();
        }
        state.run = Some((rollout.clone(), progress.clone()));
    }

    pub fn hear(&self, record: &Record) {
        let mut state = self.state.lock().unwrap();
        let State {
            run: Some((rollout, progress)),
            wrong,
            ours: Some(ours),
            deeds,
            last,
            ..
        } = &mut *state
        else {
            return;
        };
        wrong.extend(deeds.hear(progress, record));
        let look = |cluster: &ClusterName| last.get(cluster).cloned();
        let broken = broken_by_record(rollout, progress, record, look);
        let said = broken.iter().map(breach_text);
        wrong.extend(said.map(|w| format!("{}: {w}", record.at)));
        if let Err(e) = progress.add(record) {
            wrong.insert(e.to_string());
        }
        if let Event::Group(_, group, GroupEvent::SurgeTaken { left }) = &record.event {
            ours.insert(group.clone(), i64::from(*left));
        }
        wrong.extend(
            crowds(rollout, progress)
                .into_iter()
                .map(|w| format!("{}: {w}", record.at)),
        );
    }

    pub fn wrong(&self) -> Vec<String> {
        self.state.lock().unwrap().wrong.iter().cloned().collect()
    }

    pub fn effects(&self) -> u64 {
        self.state.lock().unwrap().effects
    }

    pub fn done(&self) -> Vec<(Timestamp, Effect)> {
        self.state.lock().unwrap().deeds.done.clone()
    }

    /// Desired capacity of ours that is still out there, by group.
    pub fn ours(&self) -> BTreeMap<AsgName, i64> {
        self.state.lock().unwrap().ours.clone().unwrap_or_default()
    }

    pub(super) async fn sight(&self, cluster: &ClusterName) -> LiveCluster {
        let place = {
            let state = self.state.lock().unwrap();
            let run = state
                .run
                .as_ref()
                .and_then(|(r, _)| r.cluster(cluster))
                .unwrap();
            Place {
                cluster: cluster.clone(),
                account: run.account.clone(),
                region: run.region.clone(),
            }
        };
        // Not a call of the rollout's: no fault counts on it, and none stands in its way.
        let mut live = self.world.glance(&place);
        live.nodes = self.seen(cluster).await;
        live
    }

    pub(super) fn die(&self, before: bool) {
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
    pub(super) fn judge(&self, cluster: &ClusterName, effect: &Effect, live: &LiveCluster) {
        let mut state = self.state.lock().unwrap();
        let Some((rollout, progress)) = &state.run else {
            return;
        };
        let now = self.world.now();
        let wrong = broken_rules(rollout, progress, cluster, effect, &live, now);
        state.wrong.extend(
            wrong
                .into_iter()
                .map(|b| format!("{now} {cluster}: {}: {effect:?}", breach_text(&b))),
        );
    }

    /// Books what an effect really did.
    fn book(
        &self,
        cluster: &ClusterName,
        effect: &Effect,
        before: &LiveCluster,
        after: &LiveCluster,
    ) {
        let mut state = self.state.lock().unwrap();
        let now = self.world.now();
        state.deeds.done.push((now, effect.clone()));
        let Effect::Cloud(effect) = effect else {
            return;
        };
        let desired = |live: &LiveCluster| {
            live.groups
                .get(effect.group())
                .map_or(0, |g| i64::from(g.desired))
        };
        let moved = desired(after) - desired(before);
        if matches!(
            effect,
            CloudEffect::SetDesired { .. } | CloudEffect::Terminate { .. }
        ) {
            *state
                .ours
                .get_or_insert_default()
                .entry(effect.group().clone())
                .or_default() += moved;
        }
        if let CloudEffect::Terminate { .. } = effect {
            state.ended.push((cluster.clone(), now));
        }
        let wrong = state.budgets(cluster, effect.group(), after, now);
        state.wrong.extend(
            wrong
                .into_iter()
                .map(|w| format!("{now} {cluster}: {w}: {effect:?}")),
        );
    }
}

impl State {
    fn budgets(
        &self,
        cluster: &ClusterName,
        group: &AsgName,
        live: &LiveCluster,
        now: Timestamp,
    ) -> Vec<String> {
        let mut wrong = Vec::new();
        let Some((rollout, _)) = &self.run else {
            return wrong;
        };
        let run = rollout.cluster(cluster).unwrap();
        let window = run.rolling.rate.per;
        let recent = self
            .ended
            .iter()
            .filter(|(c, at)| c == cluster && *at + window > now)
            .count();
        if recent > run.rolling.rate.instances as usize {
            wrong.push(format!("{recent} instances ended within {window}"));
        }
        let detached = |g: &LiveGroup| {
            g.instances
                .values()
                .filter(|i| i.lifecycle == Lifecycle::Detached)
                .count() as i64
        };
        let mut all = 0;
        for task in &run.groups {
            let (Some(found), Task::Update { .. }) = (live.groups.get(&task.asg), &task.task)
            else {
                continue;
            };
            let ours = self
                .ours
                .as_ref()
                .and_then(|o| o.get(&task.asg))
                .copied()
                .unwrap_or(0);
            // An autoscaler that went down to the minimum has taken our surge with it.
            let surge = ours
                .min(i64::from(found.desired) - i64::from(found.group.min_size))
                .max(0)
                + detached(found);
            all += surge;
            let base = u32::try_from(i64::from(found.desired) - ours).unwrap_or(0);
            let most = i64::from(task.rolling.max_surge.surge_of(base));
            // The base may shrink under a surge that is out already; a percentage shrinks with it.
            if task.asg == *group
                && task.lends.is_none()
                && surge > most
                && matches!(task.rolling.max_surge, Amount::Count(_))
            {
                wrong.push(format!("surge {surge} of at most {most}"));
            }
            if task.role == Role::ControlPlane && surge > 0 {
                wrong.push("a control plane is surged".into());
            }
            if found.desired < found.group.min_size || found.desired > found.group.max_size {
                wrong.push(format!(
                    "desired {} is not within {}..{}",
                    found.desired, found.group.min_size, found.group.max_size
                ));
            }
        }
        if all > i64::from(run.rolling.cluster_surge) {
            wrong.push(format!(
                "cluster surge {all} of at most {}",
                run.rolling.cluster_surge
            ));
        }
        wrong
    }
}

impl Cloud for Spy {
    fn now(&self) -> Timestamp {
        self.world.now()
    }

    fn time_is_virtual(&self) -> bool {
        true
    }

    async fn wait(&self, until: Timestamp) -> Result<(), CloudError> {
        if self
            .state
            .lock()
            .unwrap()
            .calm
            .take_if(|at| *at <= self.world.now())
            .is_some()
        {
            self.world.set_faults(Vec::new());
        }
        self.world.wait(until).await
    }

    async fn account(&self, place: &Place) -> Result<AccountId, CloudError> {
        let ends_now = {
            let state = self.state.lock().unwrap();
            let begun = state.run.as_ref();
            let begun = begun.map_or(0, |(_, p)| p.waves_started.len());
            state.nameless == Some(begun)
        };
        if ends_now {
            return Err(CloudError::Credentials {
                account: place.account.clone(),
                message: "ExpiredToken (test)".into(),
            });
        }
        self.world.account(place).await
    }

    async fn read(&self, places: &[Place]) -> Result<Live, CloudError> {
        let mut live = self.world.read(places).await?;
        let ahead = self.state.lock().unwrap().ahead;
        for group in live
            .clusters
            .values_mut()
            .flat_map(|c| c.groups.values_mut())
            .filter(|_| ahead.is_some())
        {
            let mut moved = LiveGroup::clone(group);
            moved
                .instances
                .values_mut()
                .for_each(|i| i.launched_at = i.launched_at + ahead.unwrap());
            *group = moved.into();
        }
        for (name, cluster) in &live.clusters {
            let mut state = self.state.lock().unwrap();
            let last = state.last.entry(name.clone()).or_default();
            let (nodes, gone) = (
                std::mem::take(&mut last.nodes),
                std::mem::take(&mut last.gone),
            );
            *last = LiveCluster {
                nodes,
                gone,
                ..cluster.clone()
            };
        }
        // What comes next is the same however often it is asked, and never panics.
        if let Some((rollout, progress)) = &self.state.lock().unwrap().run {
            let now = self.world.now();
            assert_eq!(
                decide(rollout, progress, &live, now),
                decide(rollout, progress, &live, now)
            );
        }
        Ok(live)
    }

    async fn gone(&self, place: &Place, asked: &Versions) -> Result<Versions, CloudError> {
        let gone = self.world.gone(place, asked).await?;
        let mut state = self.state.lock().unwrap();
        state.last.entry(place.cluster.clone()).or_default().gone = gone.clone();
        Ok(gone)
    }

    async fn room(&self, asked: &RoomQuestion) -> Result<RegionRoom, CloudError> {
        self.world.room(asked).await
    }

    async fn senders(
        &self,
        place: &Place,
        asked: &BTreeSet<InstanceId>,
        own: &BTreeSet<String>,
    ) -> Result<Senders, CloudError> {
        // Nothing is asked where nothing is asked about, and nothing about nodes that nobody empties.
        assert!(!asked.is_empty());
        let live = self.world.glance(place);
        if let Nodes::Known(seen) = &live.nodes {
            let mut known = seen.nodes.values().filter(|n| asked.contains(&n.instance));
            assert!(known.all(|n| n.is_emptied_by_us()), "{asked:?}");
        }
        self.world.senders(place, asked, own).await
    }

    async fn apply(&self, place: &Place, effect: &CloudEffect) -> Result<Applied, CloudError> {
        self.state.lock().unwrap().effects += 1;
        self.die(true);
        let whole = Effect::Cloud(effect.clone());
        let before = self.sight(&place.cluster).await;
        self.judge(&place.cluster, &whole, &before);
        let done = self.world.done();
        let applied = self.world.apply(place, effect).await;
        if self.world.done() > done {
            let after = self.sight(&place.cluster).await;
            self.book(&place.cluster, &whole, &before, &after);
        }
        self.die(false);
        applied
    }
}

impl NodeApi for Spy {
    async fn nodes(&self, cluster: &ClusterName) -> Nodes {
        let nodes = self.seen(cluster).await;
        let mut state = self.state.lock().unwrap();
        let last = state.last.entry(cluster.clone()).or_default();
        last.nodes = nodes.clone();
        nodes
    }

    async fn act(&self, cluster: &ClusterName, effect: &NodeEffect) -> Result<Applied, NodeError> {
        self.done_to_node(cluster, effect).await
    }
}

impl Spy {
    async fn seen(&self, cluster: &ClusterName) -> Nodes {
        let now = self.world.now();
        let during = |all: &[(ClusterName, Timestamp, Timestamp)]| {
            all.iter()
                .any(|(c, from, to)| c == cluster && *from <= now && now < *to)
        };
        let since = {
            let state = self.state.lock().unwrap();
            let mut began = state.unready.iter().filter(|(c, _, _)| c == cluster);
            began
                .find(|(_, from, to)| *from <= now && now < *to)
                .map(|(_, from, _)| *from)
        };
        let (blind, unready, limping) = {
            let state = self.state.lock().unwrap();
            let limping: Vec<Timestamp> = state
                .limping
                .iter()
                .filter(|(c, from, to)| c == cluster && *from <= now && now < *to)
                .map(|(_, from, _)| *from)
                .collect();
            (during(&state.blind), during(&state.unready), limping)
        };
        match self.world.nodes(cluster).await {
            Nodes::Known(mut seen) if !blind && !unready => {
                seen.unready.extend(
                    (0..)
                        .zip(limping)
                        .map(|(n, since)| super::limping_pod(n, since)),
                );
                Nodes::Known(seen)
            }
            _ if blind => {
                Nodes::Unknown(kfleet::model::Unseen::silent("connection refused (test)"))
            }
            Nodes::Known(mut seen) if unready => {
                seen.nodes.values_mut().for_each(|node| {
                    (node.ready, node.unready_since) = (false, node.unready_since.or(since));
                });
                Nodes::Known(seen)
            }
            nodes => nodes,
        }
    }

    async fn done_to_node(
        &self,
        cluster: &ClusterName,
        effect: &NodeEffect,
    ) -> Result<Applied, NodeError> {
        self.state.lock().unwrap().effects += 1;
        self.die(true);
        let whole = Effect::Node(effect.clone());
        let before = self.sight(cluster).await;
        self.judge(cluster, &whole, &before);
        let done = self.world.done();
        let applied = self.world.act(cluster, effect).await;
        if self.world.done() > done {
            self.state
                .lock()
                .unwrap()
                .deeds
                .done
                .push((self.world.now(), whole));
        }
        self.die(false);
        applied
    }
}
