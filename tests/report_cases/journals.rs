//! Rollouts that have come this far or that, made of events.

use std::collections::{BTreeMap, BTreeSet};

use kfleet::fleet::Rolling;
use kfleet::kops::Role;
use kfleet::model::*;
use kfleet::rollout::*;

use crate::sample::*;

pub(crate) fn task(group: &str, name: &str) -> GroupTask {
    let (from, to) = (
        definition(group, name).into(),
        definition(group, name).into(),
    );
    let task = Task::Update {
        from,
        to,
        from_version: 3,
        version: VersionSource::New(UserData::CarriedFrom(3)),
        replace: true,
    };
    GroupTask {
        name: GroupName::new(group).unwrap(),
        asg: asg(group, name),
        role: Role::Node,
        rolling: Rolling::default(),
        task,
        shrink: false,
        twin: None,
        lends: None,
    }
}

pub(crate) fn run(name: &str, groups: &[&str]) -> ClusterRun {
    ClusterRun {
        kops: None,
        cluster: cluster(name),
        account: AccountId::new("111122223333").unwrap(),
        region: Region::new("eu-west-3").unwrap(),
        digest: digest_of(&name),
        since: None,
        roles: BTreeMap::new(),
        etcd: BTreeMap::new(),
        unchanged: BTreeMap::new(),
        pending: BTreeMap::new(),
        user_data: BTreeMap::new(),
        rolling: Rolling::default(),
        groups: groups.iter().map(|g| task(g, name)).collect(),
        documents: BTreeMap::new(),
        hooks: Vec::new(),
        previous: None,
    }
}

pub(crate) fn rollout() -> Rollout {
    let wave = |soak: i64, clusters: Vec<ClusterRun>| WaveRun {
        parallel: 2,
        soak: Span::from_secs(soak),
        clusters,
        hooks: Vec::new(),
    };
    let stage_run = |name: &str, approval: bool, waves: Vec<WaveRun>| StageRun {
        name: stage(name),
        approval,
        soak: Span::from_secs(1_800),
        freeze: Vec::new(),
        on_failure: kfleet::fleet::OnFailure::Rollback,
        waves,
        hooks: Vec::new(),
    };
    Rollout {
        version: JOURNAL_VERSION,
        id: "20260105-080000-f00d".into(),
        plan: digest_of(&"plan"),
        release: digest_of(&"release"),
        started_at: at("08:00:00"),
        started_by: "alice".into(),
        break_glass: None,
        revision: None,
        stages: vec![
            stage_run(
                "staging",
                false,
                vec![wave(
                    0,
                    vec![run("staging-a", &["nodes"]), run("staging-b", &[])],
                )],
            ),
            stage_run(
                "prod",
                true,
                vec![
                    wave(3_600, vec![run("prod-a", &["cp", "nodes", "spot"])]),
                    wave(0, vec![run("prod-b", &["nodes"])]),
                ],
            ),
        ],
        gates: Vec::new(),
        rollback: kfleet::fleet::Rollback::default(),
        watched: Vec::new(),
        part: None,
        places: Places::default(),
    }
}

/// A journal: events, each with the time of day.
pub(crate) fn journal(events: Vec<(&str, Event)>) -> Vec<Record> {
    let first = (
        "08:00:00",
        Event::Rollout(RolloutEvent::Started {
            rollout: Box::new(rollout()),
        }),
    );
    let all = std::iter::once(first).chain(events);
    (1..)
        .zip(all)
        .map(|(seq, (time, event))| Record {
            seq,
            at: at(time),
            event,
        })
        .collect()
}

pub(crate) fn progress(events: Vec<(&str, Event)>) -> Progress {
    Progress::of(&journal(events)).unwrap().1
}

pub(crate) fn staging_done() -> Vec<(&'static str, Event)> {
    let (stage, a, b, group) = (
        stage("staging"),
        cluster("staging-a"),
        cluster("staging-b"),
        asg("nodes", "staging-a"),
    );
    vec![
        ("08:00:01", Event::Stage(stage.clone(), StageEvent::Started)),
        (
            "08:00:01",
            Event::Stage(stage.clone(), StageEvent::WaveStarted { wave: 0 }),
        ),
        (
            "08:00:01",
            Event::Cluster(
                b,
                ClusterEvent::Verified {
                    since: at("07:00:00"),
                    evidence: vec!["nothing changes here".into()],
                },
            ),
        ),
        ("08:00:02", Event::Cluster(a.clone(), ClusterEvent::Started)),
        (
            "08:00:03",
            Event::Group(
                a.clone(),
                group.clone(),
                GroupEvent::Started {
                    instances: 3,
                    zones: BTreeMap::new(),
                },
            ),
        ),
        ("08:10:00", Event::Group(a.clone(), group, GroupEvent::Done)),
        ("08:10:00", Event::Cluster(a.clone(), ClusterEvent::Rolled)),
        (
            "08:11:00",
            Event::Cluster(
                a,
                ClusterEvent::Verified {
                    since: at("08:11:00"),
                    evidence: vec!["instances: 3 of 3 in service".into()],
                },
            ),
        ),
        (
            "08:11:00",
            Event::Stage(stage.clone(), StageEvent::WavePassed { wave: 0 }),
        ),
        ("08:41:00", Event::Stage(stage, StageEvent::Passed)),
    ]
}

pub(crate) fn terminate(step: u64, group: &str, instance: &str) -> [(&'static str, Event); 2] {
    let effect = CloudEffect::Terminate {
        group: asg(group, "prod-a"),
        instance: id(instance),
        decrement: false,
    };
    let intent = Event::Step(
        step,
        StepEvent::Intent {
            cluster: cluster("prod-a"),
            group: asg(group, "prod-a"),
            effect: Box::new(Effect::Cloud(effect)),
        },
    );
    [
        ("09:14:00", intent),
        (
            "09:15:00",
            Event::Step(
                step,
                StepEvent::Outcome {
                    result: StepResult::Applied(Applied::Done),
                },
            ),
        ),
    ]
}

pub(crate) fn surge(step: u64) -> [(&'static str, Event); 2] {
    let effect = CloudEffect::SetDesired {
        group: asg("nodes", "prod-a"),
        from: 4,
        to: 5,
        launch: None,
    };
    let intent = Event::Step(
        step,
        StepEvent::Intent {
            cluster: cluster("prod-a"),
            group: asg("nodes", "prod-a"),
            effect: Box::new(Effect::Cloud(effect)),
        },
    );
    [
        ("09:10:00", intent),
        (
            "09:10:01",
            Event::Step(
                step,
                StepEvent::Outcome {
                    result: StepResult::Applied(Applied::Done),
                },
            ),
        ),
    ]
}

pub(crate) fn protect(step: u64) -> [(&'static str, Event); 2] {
    let effect = CloudEffect::Protect {
        group: asg("nodes", "prod-a"),
        instances: [id("i-11")].into(),
        protect: true,
    };
    let intent = Event::Step(
        step,
        StepEvent::Intent {
            cluster: cluster("prod-a"),
            group: asg("nodes", "prod-a"),
            effect: Box::new(Effect::Cloud(effect)),
        },
    );
    [
        ("09:12:00", intent),
        (
            "09:12:01",
            Event::Step(
                step,
                StepEvent::Outcome {
                    result: StepResult::Applied(Applied::Done),
                },
            ),
        ),
    ]
}

/// In the middle of prod: the control plane is done, nodes replaced one of four and drain the next, spot has only begun.
pub(crate) fn prod_at_work() -> Vec<(&'static str, Event)> {
    let (stage, c) = (stage("prod"), cluster("prod-a"));
    let of = |group: &str| asg(group, "prod-a");
    let mut events = staging_done();
    events.extend([
        ("09:00:00", Event::Stage(stage.clone(), StageEvent::Approved { by: "bob".into(), expires: at("21:00:00") })),
        ("09:00:00", Event::Stage(stage.clone(), StageEvent::Started)),
        ("09:00:00", Event::Stage(stage, StageEvent::WaveStarted { wave: 0 })),
        ("09:00:00", Event::Cluster(c.clone(), ClusterEvent::Started)),
        (
            "09:00:00",
            Event::Cluster(c.clone(), ClusterEvent::Preflight { uid: "4f1c".into(), unready: 0, unready_of: BTreeMap::new(), failing: BTreeMap::new(), findings: vec!["disruption budget web/api allows no disruption now: it holds 2 pods (of StatefulSet web/api)".into()] }),
        ),
        ("09:00:00", Event::Group(c.clone(), of("cp"), GroupEvent::Started { instances: 1, zones: BTreeMap::new() })),
        ("09:05:00", Event::Group(c.clone(), of("cp"), GroupEvent::Done)),
        ("09:05:00", Event::Group(c.clone(), of("nodes"), GroupEvent::Started { instances: 4, zones: BTreeMap::new() })),
        ("09:05:00", Event::Group(c.clone(), of("spot"), GroupEvent::Started { instances: 12, zones: BTreeMap::new() })),
    ]);
    events.extend(surge(1));
    events.extend(protect(2));
    events.extend(terminate(3, "nodes", "i-01"));
    let node = NodeName::new("ip-10-0-0-2").unwrap();
    events.push((
        "09:15:00",
        Event::Group(
            c.clone(),
            of("nodes"),
            GroupEvent::DrainStarted {
                instance: id("i-02"),
                node: Some(node),
                pods: 0,
                grace: Span::ZERO,
                claims: Default::default(),
            },
        ),
    ));
    events.extend(awaited(&c, &of("nodes"), &id("i-02")));
    events.push((
        "09:15:00",
        Event::Group(
            c,
            of("nodes"),
            GroupEvent::SetAside {
                instance: id("i-03"),
                why: "held: web/api-1 by web/api".into(),
            },
        ),
    ));
    events
}

/// What is waited for once the pods of a node are gone.
fn awaited(c: &ClusterName, group: &AsgName, instance: &InstanceId) -> Vec<(&'static str, Event)> {
    let mut events = Vec::new();
    for (time, over) in [("09:15:00", false), ("09:21:00", true)] {
        events.push((
            time,
            Event::Group(
                c.clone(),
                group.clone(),
                GroupEvent::VolumesAwaited {
                    instance: instance.clone(),
                    volumes: ["pvc-1f0e".to_owned(), "pvc-8c2d".to_owned()].into(),
                    over,
                },
            ),
        ));
    }
    for (time, unread, over) in [
        ("09:15:00", None, false),
        ("09:16:00", Some("AccessDenied"), false),
        ("09:21:00", None, true),
    ] {
        let balancers = ["k8s-web-api".to_owned()];
        events.push((
            time,
            Event::Group(
                c.clone(),
                group.clone(),
                GroupEvent::BalancersAwaited {
                    instance: instance.clone(),
                    balancers: balancers.into_iter().filter(|_| unread.is_none()).collect(),
                    unread: unread.map(str::to_owned),
                    over,
                },
            ),
        ));
    }
    events
}

pub(crate) fn waiting(group: Option<&str>, why: &str, until: Option<&str>) -> Waiting {
    Waiting {
        cluster: Some(cluster("prod-a")),
        group: group.map(|g| asg(g, "prod-a")),
        why: why.into(),
        until: until.map(at),
    }
}

pub(crate) fn stuck() -> Vec<(&'static str, Event)> {
    let mut events = prod_at_work();
    let (why, advice) = (
        "i-03 did not drain in 15m: held: web/api-1 by web/api".into(),
        "free the pods, then `kfleet rollout resume`".into(),
    );
    events.push((
        "09:40:00",
        Event::Cluster(
            cluster("prod-a"),
            ClusterEvent::Stuck {
                group: Some(asg("nodes", "prod-a")),
                why,
                advice,
            },
        ),
    ));
    events
}

pub(crate) fn rolled_back() -> Vec<(&'static str, Event)> {
    let (c, group) = (cluster("prod-a"), asg("nodes", "prod-a"));
    let mut events = prod_at_work();
    events.extend([
        (
            "09:40:00",
            Event::Cluster(
                c.clone(),
                ClusterEvent::Failed {
                    group: Some(group.clone()),
                    why: "the canary is not Ready after 15m".into(),
                },
            ),
        ),
        (
            "09:40:00",
            Event::Rollout(RolloutEvent::RollbackStarted {
                clusters: BTreeSet::from([c.clone()]),
                kept: BTreeSet::new(),
                hooks: [].into(),
            }),
        ),
        (
            "09:41:00",
            Event::Group(
                c.clone(),
                group.clone(),
                GroupEvent::Started {
                    instances: 1,
                    zones: BTreeMap::new(),
                },
            ),
        ),
    ]);
    events.extend(terminate(4, "nodes", "i-09").map(|(_, event)| ("09:50:00", event)));
    let effect = CloudEffect::SetDesired {
        group: group.clone(),
        from: 5,
        to: 4,
        launch: None,
    };
    let intent = Event::Step(
        5,
        StepEvent::Intent {
            cluster: c.clone(),
            group: group.clone(),
            effect: Box::new(Effect::Cloud(effect)),
        },
    );
    events.extend([
        ("09:51:00", intent),
        (
            "09:51:00",
            Event::Step(
                5,
                StepEvent::Outcome {
                    result: StepResult::Applied(Applied::Done),
                },
            ),
        ),
        ("09:51:00", Event::Group(c.clone(), group, GroupEvent::Done)),
        (
            "09:51:00",
            Event::Group(c.clone(), asg("spot", "prod-a"), GroupEvent::Done),
        ),
        (
            "09:51:00",
            Event::Group(c.clone(), asg("cp", "prod-a"), GroupEvent::Done),
        ),
        ("09:52:00", Event::Cluster(c, ClusterEvent::Restored)),
        ("09:52:00", Event::Rollout(RolloutEvent::RolledBack)),
    ]);
    events
}

pub(crate) fn finished() -> Vec<(&'static str, Event)> {
    let mut events = prod_at_work();
    let rolled = Event::Cluster(cluster("prod-a"), ClusterEvent::Rolled);
    events.push(("09:59:00", rolled));
    for c in ["prod-a", "prod-b"] {
        events.push((
            "10:00:00",
            Event::Cluster(
                cluster(c),
                ClusterEvent::Verified {
                    since: at("10:00:00"),
                    evidence: Vec::new(),
                },
            ),
        ));
    }
    events.push(("11:00:00", Event::Rollout(RolloutEvent::Finished)));
    events
}
