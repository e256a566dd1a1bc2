//! Every record that breaks a rule is found: a rollout in the middle of its work, one thing about it changed, and a record that follows.

use std::collections::BTreeSet;

use kfleet::model::{ClusterName, HookPlace, LiveCluster, Nodes};
use kfleet::report::breach_text;
use kfleet::rollout::{
    Breach, Canary, ClusterState, Direction, HookEvent, HookProgress, HookRun, HookState, HookWay,
    Intent, KopsRun, Task, broken_by_record,
};

use super::middle::{Middle, middle};
use super::rules::STEPS;
use super::*;

/// A hook around a stage, which the rollout has not.
fn a_hook(m: &Middle) -> HookPlace {
    HookPlace {
        hook: "charts".parse().unwrap(),
        stage: m.rollout.stages[0].name.clone(),
        wave: None,
        cluster: None,
    }
}

type PlantedRecord = (&'static str, fn(&mut Middle) -> Event);

const RECORDS: &[PlantedRecord] = &[
    ("runs before or after its moment", |m| {
        let attempt = 1;
        let started = HookEvent::Started {
            way: HookWay::Run,
            attempt,
        };
        Event::Hook(a_hook(m), started)
    }),
    ("still runs when what it belongs to is done", |m| {
        let hook = HookProgress {
            run: HookRun {
                attempts: 1,
                failures: 0,
                state: HookState::Running(m.now),
            },
            undo: HookRun::default(),
            taken_back: false,
            repeatable: false,
            goes_on: false,
        };
        let place = a_hook(m);
        m.progress.hooks.insert(place, hook);
        Event::Rollout(RolloutEvent::Finished)
    }),
    ("begins without a valid approval", |m| {
        m.rollout.stages[0].approval = true;
        let (stage, now) = (m.rollout.stages[0].name.clone(), m.now);
        m.progress
            .approvals
            .insert(stage.clone(), ("anna".into(), now));
        Event::Stage(stage, StageEvent::Started)
    }),
    ("which kops makes, is verified", |m| {
        let stage = &mut m.rollout.stages[0];
        let mut made = stage.waves[0].clusters[0].clone();
        made.cluster = name("made.k8s.test");
        let key = format!("Cluster/{}", made.cluster);
        let document = serde_json::json!({});
        made.kops = Some(Box::new(KopsRun {
            from: [(key.clone(), None)].into(),
            to: [(key, Some(document))].into(),
            groups: BTreeSet::new(),
            deleted: BTreeSet::new(),
            no_way_back: false,
        }));
        stage.waves[0].clusters.push(made);
        Event::Cluster(m.cluster.clone(), ClusterEvent::Started)
    }),
    (
        "stage staging begins while stage staging is frozen until",
        |m| {
            frozen(m);
            let stage = m.rollout.stages[0].name.clone();
            Event::Stage(stage, StageEvent::Started)
        },
    ),
    (
        "wave 1 of stage staging begins while stage staging is frozen until",
        |m| {
            frozen(m);
            let stage = m.rollout.stages[0].name.clone();
            Event::Stage(stage, StageEvent::WaveStarted { wave: 0 })
        },
    ),
    (
        "staging.k8s.test begins while stage staging is frozen",
        |m| {
            frozen(m);
            Event::Cluster(m.cluster.clone(), ClusterEvent::Started)
        },
    ),
    ("begins before stage staging has passed", |m| {
        let mut second = m.rollout.stages[0].clone();
        second.name = name("last");
        m.rollout.stages.push(second);
        Event::Stage(name("last"), StageEvent::Started)
    }),
    (
        "wave 2 of stage staging begins before wave 1 has passed",
        |m| {
            let stage = m.rollout.stages[0].name.clone();
            Event::Stage(stage, StageEvent::WaveStarted { wave: 1 })
        },
    ),
    ("begins before its stage", |m| {
        m.progress.stages_started.clear();
        let stage = m.rollout.stages[0].name.clone();
        Event::Stage(stage, StageEvent::WaveStarted { wave: 0 })
    }),
    ("the rollout has no stage nowhere", |_| {
        Event::Stage(name("nowhere"), StageEvent::WaveStarted { wave: 0 })
    }),
    ("step 7 of nodes.staging.k8s.test has no outcome", |m| {
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
        Event::Cluster(m.cluster.clone(), ClusterEvent::Restored)
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
        let wanted = to.launch_template.launch_template_data.clone();
        m.live("nodes", |g| {
            let mut made = kfleet::model::TemplateVersion::clone(&g.versions[&1]);
            made.data = wanted.clone();
            g.versions.insert(2, made.into());
        });
        verified(m, &["good"])
    }),
    ("is verified without a gate that passed", |m| {
        verified(m, &[])
    }),
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
    ("has 3 of 5 instances in service", |m| {
        m.live("nodes", |g| g.desired = 5);
        verified(m, &["good"])
    }),
    ("is restored, and i-", |m| {
        m.on_node("control-plane-a", 0, |n| n.components.clear());
        Event::Cluster(m.cluster.clone(), ClusterEvent::Restored)
    }),
    ("version 1, which a rollback needs, is gone", |m| {
        let (asg, (node, instance)) = (m.asg("nodes"), m.node("nodes", 1));
        m.live.gone = [(asg.clone(), [1].into())].into();
        Event::Group(
            m.cluster.clone(),
            asg,
            GroupEvent::DrainStarted {
                instance,
                node: Some(node),
                pods: 1,
                grace: Span::ZERO,
                claims: Default::default(),
            },
        )
    }),
    ("is proven before it has baked", |m| {
        m.group("nodes").canary = Canary::Baking {
            since: m.now,
            instances: Default::default(),
            lost: 0,
        };
        proven(m)
    }),
    ("is proven and was never up", |m| proven(m)),
    ("has not been verified for", |m| {
        let stage = m.rollout.stages[0].name.clone();
        Event::Stage(stage, StageEvent::WavePassed { wave: 0 })
    }),
    ("has not been verified for", |m| {
        let now = m.now;
        let cluster = m.progress.clusters.get_mut(&m.cluster).unwrap();
        cluster.state = ClusterState::Verified(now);
        let stage = m.rollout.stages[0].name.clone();
        Event::Stage(stage, StageEvent::Passed)
    }),
    (
        "the rollout is finished before stage staging has passed",
        |_| Event::Rollout(RolloutEvent::Finished),
    ),
    ("the rollout is rolled back without a rollback", |_| {
        Event::Rollout(RolloutEvent::RolledBack)
    }),
    (
        "staging.k8s.test is rolled back after its group nodes.staging.k8s.test was deleted",
        |m| {
            m.group("nodes").deleted = true;
            Event::Rollout(RolloutEvent::RollbackStarted {
                clusters: [m.cluster.clone()].into(),
                kept: BTreeSet::new(),
                hooks: [].into(),
            })
        },
    ),
    (
        "the rollout is rolled back before staging.k8s.test is restored",
        |m| {
            m.progress.direction = Direction::Back([m.cluster.clone()].into());
            Event::Rollout(RolloutEvent::RolledBack)
        },
    ),
    (
        "the rollout is aborted before nodes.staging.k8s.test is restored",
        |_| Event::Rollout(RolloutEvent::Aborted),
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
    Event::Cluster(
        m.cluster.clone(),
        ClusterEvent::Verified {
            since: m.now,
            evidence: evidence.iter().map(|e| (*e).into()).collect(),
        },
    )
}

fn proven(m: &Middle) -> Event {
    Event::Group(
        m.cluster.clone(),
        m.asg("nodes"),
        GroupEvent::CanaryProven {
            evidence: Vec::new(),
        },
    )
}

/// What the rules say of a record that follows.
fn breaches_of(middle: &Middle, event: Event, live: Option<&LiveCluster>) -> Vec<Breach> {
    let record = Record {
        seq: 1,
        at: middle.now,
        event,
    };
    let look = |_: &ClusterName| live.cloned();
    broken_by_record(&middle.rollout, &middle.progress, &record, look)
}

#[test]
fn a_record_that_breaks_a_rule_is_found() {
    let mut missed = Vec::new();
    for (rule, plant) in RECORDS {
        let mut middle = middle();
        let event = plant(&mut middle);
        let broken = breaches_of(&middle, event, Some(&middle.live));
        let broken: Vec<String> = broken.iter().map(breach_text).collect();
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

/// Rules that are broken in other tests: of shards, of room, of what was not read, and of a rehearsal's own journal.
const ELSEWHERE: [&str; 5] = [
    "before-other-shards",
    "cluster-not-read",
    "illegal-record",
    "room-clusters",
    "room-surge",
];

#[test]
fn every_rule_is_broken_once() {
    let mut broken: BTreeSet<String> = ELSEWHERE.map(str::to_owned).into();
    let code = |b: &Breach| {
        let json = serde_json::to_value(b).unwrap();
        json["code"].as_str().unwrap().to_owned()
    };
    for (_, plant) in STEPS {
        let mut middle = middle();
        let effect = plant(&mut middle);
        broken.extend(middle.breaches(&effect).iter().map(code));
    }
    for (_, plant) in RECORDS {
        let mut middle = middle();
        let event = plant(&mut middle);
        broken.extend(
            breaches_of(&middle, event, Some(&middle.live))
                .iter()
                .map(code),
        );
    }
    let table = include_str!("../../docs/codes.md");
    let sections = table
        .split("\n## ")
        .filter(|s| s.starts_with("Broken rules"));
    let rows = sections.flat_map(|s| s.lines().filter_map(|l| l.strip_prefix("| `")));
    let all: BTreeSet<String> = rows
        .filter_map(|row| Some(row.split_once('`')?.0.to_owned()))
        .collect();
    let missed: Vec<&String> = all.difference(&broken).collect();
    assert!(!all.is_empty() && missed.is_empty(), "{missed:#?}");
}

#[test]
fn what_nobody_has_looked_at_is_not_verified() {
    let middle = middle();
    let broken = breaches_of(&middle, verified(&middle, &["good"]), None);
    assert_eq!(
        broken.iter().map(breach_text).collect::<Vec<_>>(),
        ["staging.k8s.test is verified, and its live state was not read"]
    );
}
