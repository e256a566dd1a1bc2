//! Every rule is broken once on purpose, and says so: a rollout in the middle of its work, one thing about it changed, and a step or a record.

use kfleet::kops::Role;
use kfleet::model::{AutoScalingGroup, ClusterName, NodeEffect, Nodes, Unseen, VersionRef};
use kfleet::rollout::{ClusterState, Direction, Intent, Task, broken_by_record};

use super::middle::{Middle, middle};
use super::*;

type Planted = (&'static str, fn(&mut Middle) -> Effect);

/// What the rule says, and how it is broken.
const STEPS: &[Planted] = &[
    ("would have fewer instances at work in", |m| {
        let (_, id) = m.node("nodes", 1);
        let zone = m.live.groups[&m.asg("nodes")].instances[&id].zone.clone();
        m.group("nodes").placement.before = [(zone, 1)].into();
        m.cordon("nodes", 1)
    }),
    ("before its wave has begun", |m| {
        m.progress.waves_started.clear();
        m.evict()
    }),
    ("nobody has approved stage staging", |m| {
        m.rollout.stages[0].approval = true;
        m.evict()
    }),
    ("before wave 0 of stage staging has passed", |m| {
        let mut first = m.rollout.stages[0].waves[0].clone();
        first.clusters[0].cluster = name("other.k8s.test");
        m.rollout.stages[0].waves.insert(0, first);
        m.progress.waves_started.insert((name("staging"), 1));
        m.evict()
    }),
    ("clusters of a wave are rolled at once, of at most 0", |m| {
        m.rollout.stages[0].waves[0].parallel = 0;
        m.evict()
    }),
    ("evicted, and nobody drains it", |m| {
        m.group("nodes").drains.clear();
        m.evict()
    }),
    ("evicted, and it takes new ones", |m| {
        m.on_node("nodes", 0, |n| n.cordoned = false);
        m.evict()
    }),
    ("evicted, and it runs the version that was pinned", |m| {
        m.runs_the_new_version("nodes");
        m.evict()
    }),
    ("evicted, which is another instance", |m| {
        let (node, _) = m.node("nodes", 0);
        Effect::Node(NodeEffect::Evict {
            node,
            instance: name("i-00000000000000001"),
            policy: Default::default(),
        })
    }),
    ("are evicted blindly", |m| {
        let effect = m.evict();
        m.live.nodes = Nodes::Unknown(Unseen::silent("test"));
        effect
    }),
    ("deleted, and the policy does not say so", |m| {
        m.hold(&[("a", 90_000)]);
        m.task("nodes").rolling.drain.on_timeout = OnTimeout::Skip;
        m.delete(&["a"])
    }),
    ("deleted before its drain has had", |m| {
        m.hold(&[("a", 90_000)]);
        let now = m.now;
        let drain = m.group("nodes").drains.values_mut().next().unwrap();
        drain.since = now;
        m.delete(&["a"])
    }),
    ("web/b is deleted, and no budget holds it", |m| {
        m.hold(&[("a", 90_000)]);
        m.delete(&["b"])
    }),
    ("web/a is deleted, and is young", |m| {
        m.hold(&[("a", 1)]);
        m.delete(&["a"])
    }),
    ("two pods of ReplicaSet web/api are deleted at once", |m| {
        m.hold(&[("a", 90_000), ("b", 90_000)]);
        m.delete(&["a", "b"])
    }),
    ("is uncordoned, and we did not cordon it", |m| {
        let (node, instance) = m.node("nodes", 1);
        Effect::Node(NodeEffect::Uncordon { node, instance })
    }),
    ("loses a taint that is not ours", |m| {
        m.one(|nodes| NodeEffect::Untaint { nodes })
    }),
    ("is said to be out of service, and AWS has", |m| {
        let (node, instance) = m.dead(0);
        Effect::Node(NodeEffect::OutOfService { node, instance })
    }),
    (
        "is said to be out of service, and was not ended by us",
        |m| {
            let (node, instance) = m.dead(0);
            m.group("nodes").dead.clear();
            Effect::Node(NodeEffect::OutOfService { node, instance })
        },
    ),
    (
        "is said to be out of service, and its kubelet answers",
        |m| {
            let (node, instance) = m.dead(0);
            m.on_node("nodes", 0, |n| n.silent_since = None);
            Effect::Node(NodeEffect::OutOfService { node, instance })
        },
    ),
    ("which is not ours", |m| {
        let (node, instance) = m.dead(0);
        Effect::Node(NodeEffect::BackInService { node, instance })
    }),
    ("is released, and we did not keep it", |m| {
        m.one(|nodes| NodeEffect::ReleaseToAutoscaler { nodes })
    }),
    ("is of no group of the plan", |m| {
        let asg = m.asg("nodes");
        m.rollout.stages[0].waves[0].clusters[0]
            .groups
            .retain(|g| g.asg != asg);
        m.one(|nodes| NodeEffect::KeepFromAutoscaler { nodes })
    }),
    ("is of no group of the plan", |m| {
        let asg = m.asg("nodes");
        m.rollout.stages[0].waves[0].clusters[0]
            .groups
            .retain(|g| g.asg != asg);
        m.one(|nodes| NodeEffect::Taint { nodes })
    }),
    ("is resumed, and somebody else suspended it", |m| {
        Effect::Cloud(CloudEffect::Resume {
            group: m.asg("nodes"),
            processes: ["Launch".to_owned()].into(),
        })
    }),
    ("loses a protection that is not ours", |m| {
        let (_, id) = m.node("nodes", 1);
        Effect::Cloud(CloudEffect::Protect {
            group: m.asg("nodes"),
            instances: [id].into(),
            protect: false,
        })
    }),
    (
        "is pinned to version 7, which is not the one that is meant",
        |m| {
            Effect::Cloud(CloudEffect::PinVersion {
                group: m.asg("nodes"),
                from: 1,
                to: 7,
            })
        },
    ),
    ("AWS would end some, undrained", |m| {
        m.live("nodes", |g| g.desired = 4);
        m.group("nodes").surge = 1;
        m.live("nodes", |g| {
            let more = g.instances.values().next().unwrap().clone();
            g.instances.insert(name("i-00000000000000002"), more);
        });
        m.desired(4, 3)
    }),
    ("ends, and what runs on it cannot be seen", |m| {
        let effect = m.terminate("nodes", 0, false);
        m.live.nodes = Nodes::Unknown(Unseen::silent("test"));
        effect
    }),
    ("an abort ends", |m| {
        m.progress.direction = Direction::Aborting;
        m.group("nodes").drains.clear();
        m.terminate("nodes", 0, false)
    }),
    ("an abort does more", |m| {
        m.progress.direction = Direction::Aborting;
        m.desired(3, 4)
    }),
    ("an abort marks nodes", |m| {
        m.progress.direction = Direction::Aborting;
        m.one(|nodes| NodeEffect::KeepFromAutoscaler { nodes })
    }),
    ("is disrupted while it launches from version 9", |m| {
        m.live("nodes", |g| g.version = VersionRef::Number(9));
        m.cordon("nodes", 1)
    }),
    ("runs the pinned version 2 and is replaced", |m| {
        m.runs_the_new_version("nodes");
        m.terminate("nodes", 0, false)
    }),
    ("launches and", |m| {
        m.group("nodes").spent.launches = 999;
        m.desired(3, 4)
    }),
    ("gets a maximum of 1 while 3 instances are wanted", |m| {
        let Task::Update { from, to, .. } = m.task("nodes").task.clone() else {
            panic!("no update")
        };
        let mut low = to.clone();
        low.auto_scaling_group.max_size = 1;
        Effect::Cloud(CloudEffect::UpdateGroup {
            from,
            to: low,
            version: None,
        })
    }),
    ("is deleted before its cluster is proven", |m| {
        let Task::Update { from, .. } = m.task("nodes").task.clone() else {
            panic!("no update")
        };
        m.task("nodes").task = Task::Retire { from: from.clone() };
        Effect::Cloud(CloudEffect::DeleteGroup {
            group: Box::new(from.auto_scaling_group.clone()),
        })
    }),
    ("of the control plane of staging.k8s.test go at once", |m| {
        m.drain("control-plane-a");
        m.drain("control-plane-b");
        m.terminate("control-plane-a", 0, false)
    }),
    ("is drained while", |m| {
        m.on_node("control-plane-b", 0, |n| n.components.clear());
        m.cordon("control-plane-a", 0)
    }),
    (
        "is drained while etcd main (1 of 2 other members healthy)",
        |m| {
            m.on_node("control-plane-b", 0, |n| {
                n.etcd.insert("main".into(), false);
            });
            m.cordon("control-plane-a", 0)
        },
    ),
    ("of the control plane ends without etcd events", |m| {
        m.drain("control-plane-a");
        m.on_node("control-plane-c", 0, |n| {
            n.etcd.insert("events".into(), false);
        });
        m.terminate("control-plane-a", 0, false)
    }),
    ("at work, 0 may be missing", |m| m.cordon("nodes", 1)),
    ("ends without being drained", |m| {
        m.terminate("nodes", 1, false)
    }),
    ("instances within", |m| {
        let now = m.now;
        let cluster = m.progress.clusters.get_mut(&m.cluster).unwrap();
        cluster.disruptions = vec![now; 500];
        m.terminate("nodes", 0, false)
    }),
    ("would get desired capacity 7, outside 3..6", |m| {
        m.desired(3, 7)
    }),
    ("surges by 3 of at most 1", |m| m.desired(3, 6)),
    ("a control plane, is surged", |m| {
        assert_eq!(m.task("control-plane-a").role, Role::ControlPlane);
        m.live("control-plane-a", |g| {
            let mut fields = AutoScalingGroup::clone(&g.group);
            fields.max_size = 2;
            g.group = fields.into();
        });
        Effect::Cloud(CloudEffect::SetDesired {
            group: m.asg("control-plane-a"),
            from: 1,
            to: 2,
            launch: None,
        })
    }),
    ("is cordoned blindly", |m| {
        let effect = m.cordon("nodes", 1);
        m.live.nodes = Nodes::Unknown(Unseen::silent("test"));
        effect
    }),
    ("is tainted blindly", |m| {
        let effect = m.one(|nodes| NodeEffect::Taint { nodes });
        m.live.nodes = Nodes::Unknown(Unseen::silent("test"));
        effect
    }),
    ("nodes are marked blindly", |m| {
        let effect = m.one(|nodes| NodeEffect::KeepFromAutoscaler { nodes });
        m.live.nodes = Nodes::Unknown(Unseen::silent("test"));
        effect
    }),
    ("is drained while control-plane-b", |m| {
        m.on_node("control-plane-b", 0, |n| n.ready = false);
        m.cordon("control-plane-a", 0)
    }),
    ("gives up what stands in for control-plane-b", |m| {
        let borrower = m.asg("control-plane-b");
        m.on_node("control-plane-b", 0, |n| n.ready = false);
        m.task("nodes").lends = Some(borrower);
        m.group("nodes").lending = true;
        m.cordon("nodes", 1)
    }),
    (
        "is touched before other.k8s.test is verified and has soaked",
        |m| {
            let mut first = m.rollout.stages[0].clone();
            first.name = name("first");
            first.waves[0].clusters[0].cluster = name("other.k8s.test");
            m.rollout.stages.insert(0, first);
            m.progress.stages_passed.insert(name("first"));
            m.evict()
        },
    ),
    ("nowhere.k8s.test is no cluster of the rollout", |m| {
        m.cluster = name("nowhere.k8s.test");
        m.evict()
    }),
    ("is no group of the plan", |m| {
        let effect = m.desired(3, 4);
        m.rollout.stages[0].waves[0].clusters[0].groups.clear();
        effect
    }),
];

#[test]
fn a_step_that_breaks_a_rule_is_found() {
    let sound = middle();
    assert_eq!(sound.broken(&sound.evict()), Vec::<String>::new());
    let release = sound.terminate("nodes", 0, false);
    let mut drained = middle();
    drained.on_node("nodes", 0, |n| (n.evictable_pods, n.leaving_pods) = (0, 0));
    assert_eq!(drained.broken(&release), Vec::<String>::new());
    let mut missed = Vec::new();
    for (rule, plant) in STEPS {
        let mut middle = middle();
        let effect = plant(&mut middle);
        let broken = middle.broken(&effect);
        if !broken.iter().any(|b| b.contains(rule)) {
            missed.push(format!("`{rule}` is not among {broken:?}: {effect:?}"));
        }
    }
    assert!(
        missed.is_empty(),
        "{} of {}: {missed:#?}",
        missed.len(),
        STEPS.len()
    );
}

type PlantedRecord = (&'static str, fn(&mut Middle) -> Event);

const RECORDS: &[PlantedRecord] = &[
    ("begins without an approval that counts", |m| {
        m.rollout.stages[0].approval = true;
        let (stage, now) = (m.rollout.stages[0].name.clone(), m.now);
        m.progress
            .approvals
            .insert(stage.clone(), ("anna".into(), now));
        Event::StageStarted { stage }
    }),
    ("it begins while stage staging is frozen until", |m| {
        frozen(m);
        let stage = m.rollout.stages[0].name.clone();
        Event::StageStarted { stage }
    }),
    ("begins while stage staging is frozen until", |m| {
        frozen(m);
        let stage = m.rollout.stages[0].name.clone();
        Event::WaveStarted { stage, wave: 0 }
    }),
    (
        "staging.k8s.test begins while stage staging is frozen",
        |m| {
            frozen(m);
            Event::ClusterStarted {
                cluster: m.cluster.clone(),
            }
        },
    ),
    ("begins before stage staging has passed", |m| {
        let mut second = m.rollout.stages[0].clone();
        second.name = name("last");
        m.rollout.stages.push(second);
        Event::StageStarted {
            stage: name("last"),
        }
    }),
    (
        "wave 1 of stage staging begins before wave 0 has passed",
        |m| {
            let stage = m.rollout.stages[0].name.clone();
            Event::WaveStarted { stage, wave: 1 }
        },
    ),
    ("begins before its stage", |m| {
        m.progress.stages_started.clear();
        let stage = m.rollout.stages[0].name.clone();
        Event::WaveStarted { stage, wave: 0 }
    }),
    ("there is no stage nowhere", |_| Event::WaveStarted {
        stage: name("nowhere"),
        wave: 0,
    }),
    ("step 7 in nodes.staging.k8s.test has no answer", |m| {
        let effect = m.evict();
        let intent = Intent {
            cluster: m.cluster.clone(),
            group: m.asg("nodes"),
            effect,
            tries: 1,
            asked_at: m.now,
            doubtful: false,
            stale: false,
            refusal: None,
        };
        m.progress.open.insert(7, intent);
        Event::ClusterRestored {
            cluster: m.cluster.clone(),
        }
    }),
    ("nodes.staging.k8s.test is still there", |m| {
        let Task::Update { from, .. } = m.task("nodes").task.clone() else {
            panic!("no update")
        };
        m.task("nodes").task = Task::Retire { from };
        verified(m, &["good"])
    }),
    ("of nodes.staging.k8s.test run something else", |m| {
        let Task::Update { to, .. } = m.task("nodes").task.clone() else {
            panic!("no update")
        };
        let wanted = to.launch_template.launch_template_data;
        m.live("nodes", |g| {
            let mut made = kfleet::model::TemplateVersion::clone(&g.versions[&1]);
            made.data = wanted.clone();
            g.versions.insert(2, made.into());
        });
        verified(m, &["good"])
    }),
    ("is verified without a gate", |m| verified(m, &[])),
    ("is verified, and its nodes cannot be seen", |m| {
        m.live.nodes = Nodes::NotAsked;
        verified(m, &["good"])
    }),
    ("is verified, and nodes.staging.k8s.test differs in", |m| {
        verified(m, &["good"])
    }),
    ("is verified, and nodes.staging.k8s.test is gone", |m| {
        let asg = m.asg("nodes");
        m.live.groups.remove(&asg);
        verified(m, &["good"])
    }),
    ("has 3 of 5 in service", |m| {
        m.live("nodes", |g| g.desired = 5);
        verified(m, &["good"])
    }),
    ("is restored, and i-", |m| {
        m.on_node("control-plane-a", 0, |n| n.components.clear());
        Event::ClusterRestored {
            cluster: m.cluster.clone(),
        }
    }),
    ("version 1, its way back, is gone", |m| {
        let (asg, (node, instance)) = (m.asg("nodes"), m.node("nodes", 1));
        m.live.gone = [(asg.clone(), [1].into())].into();
        Event::DrainStarted {
            cluster: m.cluster.clone(),
            group: asg,
            instance,
            node: Some(node),
            pods: 1,
            grace: Span::ZERO,
        }
    }),
    ("is proven before it has baked", |m| {
        m.group("nodes").canary_up = Some(m.now);
        proven(m)
    }),
    ("is proven, and was never up", |m| proven(m)),
    ("has not been verified for", |m| {
        let stage = m.rollout.stages[0].name.clone();
        Event::WavePassed { stage, wave: 0 }
    }),
    ("has not been verified for", |m| {
        let now = m.now;
        let cluster = m.progress.clusters.get_mut(&m.cluster).unwrap();
        cluster.state = ClusterState::Verified(now);
        let stage = m.rollout.stages[0].name.clone();
        Event::StagePassed { stage }
    }),
    ("it is finished, and stage staging has not passed", |_| {
        Event::Finished
    }),
    ("it is rolled back, and does not go back", |_| {
        Event::RolledBack
    }),
    (
        "it is rolled back, and staging.k8s.test is not restored",
        |m| {
            m.progress.direction = Direction::Back([m.cluster.clone()].into());
            Event::RolledBack
        },
    ),
    (
        "it is aborted, and nodes.staging.k8s.test has something open",
        |_| Event::Aborted,
    ),
];

fn frozen(m: &mut Middle) {
    m.rollout.stages[0].freeze = vec![Freeze {
        from: (Weekday::Mon, 0),
        to: (Weekday::Sun, 1_439),
        timezone: "UTC".into(),
    }];
}

fn verified(m: &Middle, evidence: &[&str]) -> Event {
    Event::ClusterVerified {
        cluster: m.cluster.clone(),
        since: m.now,
        evidence: evidence.iter().map(|e| (*e).into()).collect(),
    }
}

fn proven(m: &Middle) -> Event {
    Event::CanaryProven {
        cluster: m.cluster.clone(),
        group: m.asg("nodes"),
        evidence: Vec::new(),
    }
}

#[test]
fn a_record_that_breaks_a_rule_is_found() {
    let mut missed = Vec::new();
    for (rule, plant) in RECORDS {
        let mut middle = middle();
        let event = plant(&mut middle);
        let record = Record {
            seq: 1,
            at: middle.now,
            event,
        };
        let live = middle.live.clone();
        let look = |_: &ClusterName| Some(live.clone());
        let broken = broken_by_record(&middle.rollout, &middle.progress, &record, look);
        if !broken.iter().any(|b| b.contains(rule)) {
            missed.push(format!("`{rule}` is not among {broken:?}"));
        }
    }
    assert!(
        missed.is_empty(),
        "{} of {}: {missed:#?}",
        missed.len(),
        RECORDS.len()
    );
}

#[test]
fn a_taint_that_others_gave_first_is_taken_back_from_nobody() {
    let mut middle = middle();
    let (node, instance) = middle.dead(0);
    // Ours was asked for, and found theirs: the node does not say that it is ours.
    let dead = middle.group("nodes").dead.get_mut(&node).unwrap();
    dead.marked = true;
    let back = Effect::Node(NodeEffect::BackInService { node, instance });
    assert_eq!(middle.broken(&back), Vec::<String>::new());
}

#[test]
fn what_nobody_has_looked_at_is_not_verified() {
    let middle = middle();
    let record = Record {
        seq: 1,
        at: middle.now,
        event: verified(&middle, &["good"]),
    };
    let broken = broken_by_record(&middle.rollout, &middle.progress, &record, |_| None);
    assert!(
        broken
            .iter()
            .any(|b| b.ends_with("is verified, and nobody has looked")),
        "{broken:#?}"
    );
}
