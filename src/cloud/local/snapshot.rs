//! Live state → a simulated account in which it is so: what a rehearsal begins with. Kept in memory; writes no file.

use std::collections::BTreeMap;

use super::chance::{between, salt};
use super::cluster::{GroupsState, SimulatedCluster};
use super::kept::Cached;
use super::kubernetes::node_name;
use super::options::Options;
use super::state::{Machine, RecordedActivity, SimNode, SimulatedGroup, SimulatedPod, Work};
use super::state_store::SimulatedStateStore;
use super::templates::SimulatedTemplate;
use super::world::World;
use crate::cloud::Place;
use crate::model::{
    ActivityStatus, AsgName, Health, Instance, InstanceId, Lifecycle, Live, LiveCluster, LiveGroup,
    Node, NodeName, Nodes, Span, Timestamp,
};

impl World {
    /// The account in which everything is as `live` says, at the time at which it was read. Where the nodes of a cluster
    /// are not known, each instance in service gets one that is Ready, with pods of chance.
    pub fn from_live(live: &Live, places: &[Place], options: Options) -> World {
        let found = places
            .iter()
            .filter_map(|place| Some((place, live.clusters.get(&place.cluster)?)));
        World::of(
            found.map(|(place, found)| cluster(place, found, live.read_at, options.seed)),
            live.read_at,
            options,
        )
    }
}

fn cluster(place: &Place, found: &LiveCluster, now: Timestamp, seed: u64) -> SimulatedCluster {
    let known = known_nodes(&found.nodes);
    let mut state = GroupsState::default();
    for (name, live) in &found.groups {
        let salt = salt(
            seed,
            &[
                place.account.as_str(),
                place.region.as_str(),
                name.as_str(),
                "found",
            ],
        );
        let mut group = group(name, live, salt);
        group.people(live, known.as_ref(), now);
        group.settle(now);
        state.groups.insert(name.clone(), Cached::new(group));
        state.templates.insert(
            name.clone(),
            Cached::new(SimulatedTemplate {
                versions: live.versions.clone(),
            }),
        );
    }
    state.kops = SimulatedStateStore::of(found);
    SimulatedCluster::with(place.clone(), now, state)
}

/// Nodes by their instance; none where they were not looked at.
fn known_nodes(nodes: &Nodes) -> Option<Known<'_>> {
    match nodes {
        Nodes::Known(nodes) => Some(
            nodes
                .nodes
                .iter()
                .map(|(name, node)| (&node.instance, (name, &**node)))
                .collect(),
        ),
        Nodes::NotAsked | Nodes::Unknown(_) => None,
    }
}

fn group(name: &AsgName, live: &LiveGroup, salt: u64) -> SimulatedGroup {
    let mut fields = (*live.group).clone().canonical();
    fields.suspended_processes.clone_from(&live.suspended);
    // What was going on when it was read is decided anew: it is not known how it will end.
    let over = live
        .activities
        .iter()
        .filter(|a| a.status != ActivityStatus::InProgress);
    SimulatedGroup {
        hooks: live.hooks.clone(),
        desired: live.desired,
        salt,
        activities: over
            .map(|a| RecordedActivity {
                about: Work::Launch(u64::MAX),
                activity: a.clone(),
            })
            .collect(),
        ..SimulatedGroup::bare(name.clone(), fields, live.version.number())
    }
}

type Known<'a> = BTreeMap<&'a InstanceId, (&'a NodeName, &'a Node)>;

impl SimulatedGroup {
    /// Its instances and their nodes, with the pods that are on them.
    fn people(&mut self, live: &LiveGroup, known: Option<&Known<'_>>, now: Timestamp) {
        for (id, instance) in &live.instances {
            let number = self.launches;
            self.launches = self.launches.saturating_add(1);
            let node = match known {
                Some(known) => known.get(id).map(|(name, node)| {
                    self.housed(
                        (*name).clone(),
                        node.ready,
                        node.cordoned,
                        node.evictable_pods,
                        now,
                    )
                }),
                None if instance.lifecycle == Lifecycle::InService => {
                    node_name(id).map(|name| self.housed(name, true, false, 0, now))
                }
                None => None,
            };
            let machine = self.found(number, instance, node, now);
            self.machines.insert(id.clone(), machine);
        }
        self.workload.nodes = live.desired;
        if known.is_some() {
            self.workload.made = live.desired;
        } else {
            self.grow_workload(now);
            self.place_waiting();
        }
    }

    fn housed(
        &mut self,
        name: NodeName,
        ready: bool,
        cordoned: bool,
        pods: u32,
        now: Timestamp,
    ) -> SimNode {
        let numbers = self.workload.pods..self.workload.pods.saturating_add(pods);
        self.workload.pods = numbers.end;
        let pods = numbers
            .map(|number| SimulatedPod {
                number,
                generation: 0,
                made_at: now,
            })
            .collect();
        SimNode {
            ready,
            cordoned,
            pods,
            ..SimNode::new(name)
        }
    }

    /// An instance that was there, and what becomes of it.
    fn found(
        &self,
        number: u64,
        instance: &Instance,
        node: Option<SimNode>,
        now: Timestamp,
    ) -> Machine {
        let later = |purpose, low, high| {
            Some(now + Span::from_secs(between(self.salt, purpose, number, low, high).into()))
        };
        let starting = instance.lifecycle == Lifecycle::Pending;
        let unready =
            node.as_ref().is_none_or(|n| !n.ready) && instance.lifecycle == Lifecycle::InService;
        let in_service_at = if starting {
            later("boot", 60, 120)
        } else {
            None
        };
        Machine {
            number,
            lifecycle: instance.lifecycle,
            zone: instance.zone.clone(),
            instance_type: instance.instance_type.clone(),
            market: instance.market,
            // One without a version runs none that there is.
            version: instance.version.unwrap_or(0),
            launched_at: instance.launched_at,
            in_service_at,
            // One that has just come is on its way to Ready; one that should long have been is not.
            ready_at: match in_service_at {
                Some(at) => {
                    Some(at + Span::from_secs(between(self.salt, "ready", number, 10, 40).into()))
                }
                None if unready && now.since(instance.launched_at) < YOUNG => {
                    later("ready", 10, 40)
                }
                None => None,
            },
            reclaimed_at: None,
            sick_pods: false,
            sick_etcd: false,
            serving_since: (instance.lifecycle == Lifecycle::InService)
                .then_some(instance.launched_at),
            protected: instance.protected,
            lingers: false,
            unhealthy: (instance.health == Health::Unhealthy).then_some(now + UNHEALTHY),
            gone_at: if instance.lifecycle == Lifecycle::Terminating {
                later("end", 25, 35)
            } else {
                None
            },
            node,
        }
    }
}

/// After this long AWS has ended an instance that it found unhealthy.
const UNHEALTHY: Span = Span::from_secs(60);

/// An instance without a Ready node that is younger than this is taken for one that is starting.
const YOUNG: Span = Span::from_secs(600);
