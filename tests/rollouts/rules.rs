//! Every rule is broken once on purpose, and says so: a rollout in the middle of its work, one thing about it changed, and a step.

use kfleet::kops::Role;
use kfleet::model::{
    AutoScalingGroup, Definition, LeavesBy, NodeEffect, Nodes, OldNodes, Traffic, Unseen,
    VersionRef,
};
use kfleet::rollout::{Direction, Task};

use super::middle::{Middle, middle};
use super::*;

pub(super) type Planted = (&'static str, fn(&mut Middle) -> Effect);

/// What the rule says, and how it is broken.
pub(super) const STEPS: &[Planted] = &[
    ("keeps fewer instances at work in", |m| {
        let (_, id) = m.node("nodes", 1);
        let zone = m.live.groups[&m.asg("nodes")].instances[&id].zone.clone();
        m.group("nodes").placement.before = [(zone, 1)].into();
        m.cordon("nodes", 1)
    }),
    ("before its wave has begun", |m| {
        m.progress.waves_started.clear();
        m.evict()
    }),
    ("before stage staging is approved", |m| {
        m.rollout.stages[0].approval = true;
        m.evict()
    }),
    ("before wave 1 of stage staging has passed", |m| {
        let mut first = m.rollout.stages[0].waves[0].clone();
        first.clusters[0].cluster = name("other.k8s.test");
        m.rollout.stages[0].waves.insert(0, first);
        m.progress.waves_started.insert((name("staging"), 1));
        m.evict()
    }),
    (
        "of a wave are rolled at the same time, its parallel is 0",
        |m| {
            m.rollout.stages[0].waves[0].parallel = 0;
            m.evict()
        },
    ),
    ("before the documents of its cluster are stored", |m| {
        m.by_kops();
        m.update("control-plane-a")
    }),
    ("a kubelet may not be newer than its API servers", |m| {
        m.by_kops();
        m.published();
        m.update("nodes")
    }),
    ("evicted without a drain of it", |m| {
        m.group("nodes").outstanding.drains.clear();
        m.evict()
    }),
    ("evicted, which is not cordoned", |m| {
        m.on_node("nodes", 0, |n| n.cordoned = false);
        m.evict()
    }),
    ("evicted, which runs the pinned version", |m| {
        m.runs_the_new_version("nodes");
        m.evict()
    }),
    ("evicted, which is another instance by now", |m| {
        let (node, _) = m.node("nodes", 0);
        Effect::Node(NodeEffect::Evict {
            node,
            instance: name("i-00000000000000001"),
            policy: Default::default(),
        })
    }),
    ("are evicted while the nodes cannot be seen", |m| {
        let effect = m.evict();
        m.live.nodes = Nodes::Unknown(Unseen::silent("test"));
        effect
    }),
    ("deleted, its on_timeout is not force", |m| {
        m.hold(&[("a", 90_000)]);
        m.task("nodes").rolling.drain.on_timeout = OnTimeout::Skip;
        m.delete(&["a"])
    }),
    ("deleted before its drain has lasted", |m| {
        m.hold(&[("a", 90_000)]);
        let now = m.now;
        let drain = m
            .group("nodes")
            .outstanding
            .drains
            .values_mut()
            .next()
            .unwrap();
        drain.since = now;
        m.delete(&["a"])
    }),
    ("web/b is deleted, and no disruption budget holds it", |m| {
        m.hold(&[("a", 90_000)]);
        m.delete(&["b"])
    }),
    ("web/a is deleted, and is younger than min_pod_age", |m| {
        m.hold(&[("a", 1)]);
        m.delete(&["a"])
    }),
    (
        "two pods of ReplicaSet web/api are deleted at the same time",
        |m| {
            m.hold(&[("a", 90_000), ("b", 90_000)]);
            m.delete(&["a", "b"])
        },
    ),
    ("is uncordoned, this rollout did not cordon it", |m| {
        let (node, instance) = m.node("nodes", 1);
        Effect::Node(NodeEffect::Uncordon { node, instance })
    }),
    ("loses a taint that this rollout did not add", |m| {
        m.one(|nodes| NodeEffect::Untaint { nodes })
    }),
    ("is tainted out of service while AWS still has", |m| {
        let (node, instance) = m.dead(0);
        Effect::Node(NodeEffect::OutOfService { node, instance })
    }),
    (
        "is tainted out of service, this rollout did not end it",
        |m| {
            let (node, instance) = m.dead(0);
            m.group("nodes").outstanding.dead.clear();
            Effect::Node(NodeEffect::OutOfService { node, instance })
        },
    ),
    ("is tainted out of service while its kubelet answers", |m| {
        let (node, instance) = m.dead(0);
        m.on_node("nodes", 0, |n| n.silent_since = None);
        Effect::Node(NodeEffect::OutOfService { node, instance })
    }),
    (
        "loses an out-of-service taint that this rollout did not add",
        |m| {
            let (node, instance) = m.dead(0);
            Effect::Node(NodeEffect::BackInService { node, instance })
        },
    ),
    (
        "loses an annotation for the autoscaler that this rollout did not add",
        |m| m.one(|nodes| NodeEffect::ReleaseToAutoscaler { nodes }),
    ),
    ("is changed and is not of a group of the plan", |m| {
        let asg = m.asg("nodes");
        m.rollout.stages[0].waves[0].clusters[0]
            .groups
            .retain(|g| g.asg != asg);
        m.one(|nodes| NodeEffect::KeepFromAutoscaler { nodes })
    }),
    ("is changed and is not of a group of the plan", |m| {
        let asg = m.asg("nodes");
        m.rollout.stages[0].waves[0].clusters[0]
            .groups
            .retain(|g| g.asg != asg);
        m.one(|nodes| NodeEffect::Taint {
            nodes,
            old_nodes: OldNodes::Prefer,
        })
    }),
    ("is resumed, this rollout did not suspend it", |m| {
        Effect::Cloud(CloudEffect::Resume {
            group: m.asg("nodes"),
            processes: ["Launch".to_owned()].into(),
        })
    }),
    (
        "loses a scale-in protection that this rollout did not add",
        |m| {
            let (_, id) = m.node("nodes", 1);
            Effect::Cloud(CloudEffect::Protect {
                group: m.asg("nodes"),
                instances: [id].into(),
                protect: false,
            })
        },
    ),
    ("is pinned to version 7, which the plan does not say", |m| {
        Effect::Cloud(CloudEffect::PinVersion {
            group: m.asg("nodes"),
            from: 1,
            to: 7,
        })
    }),
    ("AWS would end some of them undrained", |m| {
        m.live("nodes", |g| g.desired = 4);
        m.group("nodes").outstanding.surge = 1;
        m.live("nodes", |g| {
            let more = g.instances.values().next().unwrap().clone();
            g.instances.insert(name("i-00000000000000002"), more);
        });
        m.desired(4, 3)
    }),
    ("ends while its pods cannot be seen", |m| {
        let effect = m.terminate("nodes", 0, false);
        m.live.nodes = Nodes::Unknown(Unseen::silent("test"));
        effect
    }),
    ("an abort ends", |m| {
        m.progress.direction = Direction::Aborting;
        m.group("nodes").outstanding.drains.clear();
        m.terminate("nodes", 0, false)
    }),
    ("an abort changes", |m| {
        m.progress.direction = Direction::Aborting;
        m.desired(3, 4)
    }),
    ("an abort taints or annotates nodes", |m| {
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
    ("gets maximum 1 while its desired capacity is 3", |m| {
        let Task::Update { from, to, .. } = m.task("nodes").task.clone() else {
            panic!("no update")
        };
        let mut low = Definition::clone(&to);
        low.auto_scaling_group.max_size = 1;
        Effect::Cloud(CloudEffect::UpdateGroup {
            from: Box::new(Definition::clone(&from)),
            to: Box::new(low),
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
    (
        "of the control plane of staging.k8s.test are drained at the same time",
        |m| {
            m.drain("control-plane-a");
            m.drain("control-plane-b");
            m.terminate("control-plane-a", 0, false)
        },
    ),
    (
        "lacks a component, or a critical pod on it is not Ready",
        |m| {
            m.on_node("control-plane-b", 0, |n| n.components.clear());
            m.cordon("control-plane-a", 0)
        },
    ),
    (
        "is drained while etcd main has 1 of 2 other members healthy",
        |m| {
            m.on_node("control-plane-b", 0, |n| {
                n.etcd.insert("main".into(), false);
            });
            m.cordon("control-plane-a", 0)
        },
    ),
    ("of the control plane ends while etcd events", |m| {
        m.drain("control-plane-a");
        m.on_node("control-plane-c", 0, |n| {
            n.etcd.insert("events".into(), false);
        });
        m.terminate("control-plane-a", 0, false)
    }),
    ("instances at work, 0 may be missing", |m| {
        m.cordon("nodes", 1)
    }),
    (
        "ends while volumes of its pods are attached to it: pv-1",
        |m| {
            let (_, id) = m.node("nodes", 0);
            let claim = || "web/data".to_owned();
            m.on_node("nodes", 0, |n| {
                (n.evictable_pods, n.leaving_pods) = (0, 0);
                n.volumes.attached = [(claim(), "pv-1".to_owned())].into();
            });
            let drain = m.group("nodes").outstanding.drains.get_mut(&id).unwrap();
            drain.claims = [claim()].into();
            m.terminate("nodes", 0, false)
        },
    ),
    ("ends while load balancers may send to it: k8s-web", |m| {
        m.on_node("nodes", 0, |n| {
            (n.evictable_pods, n.leaving_pods) = (0, 0);
            n.traffic = Traffic::From(["k8s-web".to_owned()].into());
        });
        m.terminate("nodes", 0, false)
    }),
    ("ends while load balancers may send to it: ", |m| {
        m.on_node("nodes", 0, |n| {
            (n.evictable_pods, n.leaving_pods) = (0, 0);
            n.traffic = Traffic::Unknown("no answer".into());
        });
        m.terminate("nodes", 0, false)
    }),
    ("ends before it is drained", |m| {
        m.terminate("nodes", 1, false)
    }),
    ("ends more than", |m| {
        let now = m.now;
        let cluster = m.progress.clusters.get_mut(&m.cluster).unwrap();
        cluster.disruptions = vec![now; 500];
        m.terminate("nodes", 0, false)
    }),
    ("gets desired capacity 7, outside its sizes 3 to 6", |m| {
        m.desired(3, 7)
    }),
    ("surges by 3, its max_surge is 1", |m| m.desired(3, 6)),
    (
        "staging.k8s.test surges by 1, its cluster_surge is 0",
        |m| {
            let cluster = &mut m.rollout.stages[0].waves[0].clusters[0];
            cluster.rolling.cluster_surge = 0;
            m.desired(3, 4)
        },
    ),
    (
        "is drained while an autoscaler or another controller ends it",
        |m| {
            m.on_node("nodes", 1, |n| n.leaves_by = Some(LeavesBy::Autoscaler));
            m.cordon("nodes", 1)
        },
    ),
    ("surges and is of a control plane", |m| {
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
    ("is cordoned while the nodes cannot be seen", |m| {
        let effect = m.cordon("nodes", 1);
        m.live.nodes = Nodes::Unknown(Unseen::silent("test"));
        effect
    }),
    ("is tainted while the nodes cannot be seen", |m| {
        let effect = m.one(|nodes| NodeEffect::Taint {
            nodes,
            old_nodes: OldNodes::Prefer,
        });
        m.live.nodes = Nodes::Unknown(Unseen::silent("test"));
        effect
    }),
    ("nodes are annotated while they cannot be seen", |m| {
        let effect = m.one(|nodes| NodeEffect::KeepFromAutoscaler { nodes });
        m.live.nodes = Nodes::Unknown(Unseen::silent("test"));
        effect
    }),
    ("is drained while control-plane-b", |m| {
        m.on_node("control-plane-b", 0, |n| n.ready = false);
        m.cordon("control-plane-a", 0)
    }),
    ("ends fallback instances for control-plane-b", |m| {
        let borrower = m.asg("control-plane-b");
        m.on_node("control-plane-b", 0, |n| n.ready = false);
        m.task("nodes").lends = Some(borrower);
        m.group("nodes").capacity.lending = true;
        m.cordon("nodes", 1)
    }),
    (
        "is changed before other.k8s.test is verified and has soaked",
        |m| {
            let mut first = m.rollout.stages[0].clone();
            first.name = name("first");
            first.waves[0].clusters[0].cluster = name("other.k8s.test");
            m.rollout.stages.insert(0, first);
            m.progress.stages_passed.insert(name("first"));
            m.evict()
        },
    ),
    (
        "nowhere.k8s.test is changed and is not a cluster of the rollout",
        |m| {
            m.cluster = name("nowhere.k8s.test");
            m.evict()
        },
    ),
    ("is changed and is not a group of the plan", |m| {
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

#[test]
fn a_taint_that_others_gave_first_is_taken_back_from_nobody() {
    let mut middle = middle();
    let (node, instance) = middle.dead(0);
    // Ours was asked for, and found theirs: the node does not say that it is ours.
    let dead = middle
        .group("nodes")
        .outstanding
        .dead
        .get_mut(&node)
        .unwrap();
    dead.marked = true;
    let back = Effect::Node(NodeEffect::BackInService { node, instance });
    assert_eq!(middle.broken(&back), Vec::<String>::new());
}
