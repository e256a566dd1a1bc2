//! Rollouts and their events as text.

use std::collections::{BTreeMap, BTreeSet};

use kfleet::fleet::Rolling;
use kfleet::kops::Role;
use kfleet::model::*;
use kfleet::report::{
    Style, event_json, event_line, history_text, progress_lines, rollout_summary, status_text,
};
use kfleet::rollout::*;

use crate::sample::*;

const PLAIN: Style = Style {
    colour: false,
    full: false,
};

fn task(group: &str, name: &str) -> GroupTask {
    let (from, to) = (
        Box::new(definition(group, name)),
        Box::new(definition(group, name)),
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
        twin: None,
        lends: None,
    }
}

fn run(name: &str, groups: &[&str]) -> ClusterRun {
    ClusterRun {
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
        previous: None,
    }
}

fn rollout() -> Rollout {
    let wave = |soak: i64, clusters: Vec<ClusterRun>| WaveRun {
        parallel: 2,
        soak: Span::from_secs(soak),
        clusters,
    };
    let stage_run = |name: &str, approval: bool, waves: Vec<WaveRun>| StageRun {
        name: stage(name),
        approval,
        soak: Span::from_secs(1_800),
        freeze: Vec::new(),
        on_failure: kfleet::fleet::OnFailure::Rollback,
        waves,
    };
    Rollout {
        version: JOURNAL_VERSION,
        id: "20260105-080000-f00d".into(),
        plan: digest_of(&"plan"),
        release: digest_of(&"release"),
        started_at: at("08:00:00"),
        started_by: "alice".into(),
        break_glass: None,
        rollback: kfleet::fleet::Rollback::default(),
        watched: Vec::new(),
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
    }
}

/// A journal: events, each with the time of day.
fn journal(events: Vec<(&str, Event)>) -> Vec<Record> {
    let first = (
        "08:00:00",
        Event::Started {
            rollout: Box::new(rollout()),
        },
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

fn progress(events: Vec<(&str, Event)>) -> Progress {
    Progress::of(&journal(events)).unwrap().1
}

fn staging_done() -> Vec<(&'static str, Event)> {
    let (stage, a, b, group) = (
        stage("staging"),
        cluster("staging-a"),
        cluster("staging-b"),
        asg("nodes", "staging-a"),
    );
    vec![
        (
            "08:00:01",
            Event::StageStarted {
                stage: stage.clone(),
            },
        ),
        (
            "08:00:01",
            Event::WaveStarted {
                stage: stage.clone(),
                wave: 0,
            },
        ),
        (
            "08:00:01",
            Event::ClusterVerified {
                cluster: b,
                since: at("07:00:00"),
                evidence: vec!["nothing changes here".into()],
            },
        ),
        ("08:00:02", Event::ClusterStarted { cluster: a.clone() }),
        (
            "08:00:03",
            Event::GroupStarted {
                cluster: a.clone(),
                group: group.clone(),
                instances: 3,
            },
        ),
        (
            "08:10:00",
            Event::GroupDone {
                cluster: a.clone(),
                group,
            },
        ),
        ("08:10:00", Event::ClusterRolled { cluster: a.clone() }),
        (
            "08:11:00",
            Event::ClusterVerified {
                cluster: a,
                since: at("08:11:00"),
                evidence: vec!["instances: 3 of 3 in service".into()],
            },
        ),
        (
            "08:11:00",
            Event::WavePassed {
                stage: stage.clone(),
                wave: 0,
            },
        ),
        ("08:41:00", Event::StagePassed { stage }),
    ]
}

fn terminate(step: u64, group: &str, instance: &str) -> [(&'static str, Event); 2] {
    let effect = CloudEffect::Terminate {
        group: asg(group, "prod-a"),
        instance: id(instance),
        decrement: false,
    };
    let intent = Event::Intent {
        step,
        cluster: cluster("prod-a"),
        group: asg(group, "prod-a"),
        effect: Box::new(Effect::Cloud(effect)),
    };
    [
        ("09:14:00", intent),
        (
            "09:15:00",
            Event::Outcome {
                step,
                result: StepResult::Applied(Applied::Done),
            },
        ),
    ]
}

fn surge(step: u64) -> [(&'static str, Event); 2] {
    let effect = CloudEffect::SetDesired {
        group: asg("nodes", "prod-a"),
        from: 4,
        to: 5,
    };
    let intent = Event::Intent {
        step,
        cluster: cluster("prod-a"),
        group: asg("nodes", "prod-a"),
        effect: Box::new(Effect::Cloud(effect)),
    };
    [
        ("09:10:00", intent),
        (
            "09:10:01",
            Event::Outcome {
                step,
                result: StepResult::Applied(Applied::Done),
            },
        ),
    ]
}

fn protect(step: u64) -> [(&'static str, Event); 2] {
    let effect = CloudEffect::Protect {
        group: asg("nodes", "prod-a"),
        instances: [id("i-11")].into(),
        protect: true,
    };
    let intent = Event::Intent {
        step,
        cluster: cluster("prod-a"),
        group: asg("nodes", "prod-a"),
        effect: Box::new(Effect::Cloud(effect)),
    };
    [
        ("09:12:00", intent),
        (
            "09:12:01",
            Event::Outcome {
                step,
                result: StepResult::Applied(Applied::Done),
            },
        ),
    ]
}

/// In the middle of prod: the control plane is done, nodes replaced one of four and drain the next, spot has only begun.
fn prod_at_work() -> Vec<(&'static str, Event)> {
    let (stage, c) = (stage("prod"), cluster("prod-a"));
    let of = |group: &str| asg(group, "prod-a");
    let mut events = staging_done();
    events.extend([
        ("09:00:00", Event::Approved { stage: stage.clone(), by: "bob".into(), expires: at("21:00:00") }),
        ("09:00:00", Event::StageStarted { stage: stage.clone() }),
        ("09:00:00", Event::WaveStarted { stage, wave: 0 }),
        ("09:00:00", Event::ClusterStarted { cluster: c.clone() }),
        (
            "09:00:00",
            Event::Preflight {
                cluster: c.clone(),
                uid: "4f1c".into(),
                unready: 0,
                unready_of: std::collections::BTreeMap::new(),
                failing: std::collections::BTreeMap::new(),
                findings: vec!["disruption budget web/api allows no disruption now: it holds 2 pods (of StatefulSet web/api)".into()],
            },
        ),
        ("09:00:00", Event::GroupStarted { cluster: c.clone(), group: of("cp"), instances: 1 }),
        ("09:05:00", Event::GroupDone { cluster: c.clone(), group: of("cp") }),
        ("09:05:00", Event::GroupStarted { cluster: c.clone(), group: of("nodes"), instances: 4 }),
        ("09:05:00", Event::GroupStarted { cluster: c.clone(), group: of("spot"), instances: 12 }),
    ]);
    events.extend(surge(1));
    events.extend(protect(2));
    events.extend(terminate(3, "nodes", "i-01"));
    let node = NodeName::new("ip-10-0-0-2").unwrap();
    events.push((
        "09:15:00",
        Event::DrainStarted {
            cluster: c.clone(),
            group: of("nodes"),
            instance: id("i-02"),
            node: Some(node),
            grace: kfleet::model::Span::ZERO,
        },
    ));
    events.push((
        "09:15:00",
        Event::SetAside {
            cluster: c,
            group: of("nodes"),
            instance: id("i-03"),
            why: "held: web/api-1 by web/api".into(),
        },
    ));
    events
}

fn waiting(group: Option<&str>, why: &str, until: Option<&str>) -> Waiting {
    Waiting {
        cluster: Some(cluster("prod-a")),
        group: group.map(|g| asg(g, "prod-a")),
        why: why.into(),
        until: until.map(at),
    }
}

#[test]
fn the_live_view_has_a_line_for_each_group_at_work() {
    let waits = [
        waiting(
            Some("nodes"),
            "ip-10-0-0-2 drains, 4 pods left, web/api-1 held by web/api",
            Some("09:30:00"),
        ),
        waiting(Some("nodes"), "3 left to replace, 1 new Pending", None),
        waiting(None, "gate `errors` waits: 0.02 > 0.01", None),
    ];
    let lines = progress_lines(
        &rollout(),
        &progress(prod_at_work()),
        &waits,
        at("09:20:00"),
        200,
    );
    assert_eq!(
        lines,
        [
            "stage prod, wave 1 of 2, 1 of 3 clusters verified, 1h20m elapsed",
            "  prod-a.k8s.foo.bar nodes: 1/4 replaced, surge 1, draining 1, set aside 1, eta 45m; \
             ip-10-0-0-2 drains, 4 pods left, web/api-1 held by web/api (at most 10m more); 3 left to replace, 1 new Pending",
            "  prod-a.k8s.foo.bar spot: 0/12 replaced, eta -",
            "  prod-a.k8s.foo.bar: gate `errors` waits: 0.02 > 0.01",
        ]
    );
}

#[test]
fn the_live_view_keeps_to_its_size() {
    let waits: Vec<Waiting> = (0..40)
        .map(|n| waiting(None, &format!("thing {n:02}"), None))
        .collect();
    let lines = progress_lines(
        &rollout(),
        &progress(prod_at_work()),
        &waits,
        at("09:20:00"),
        40,
    );
    assert_eq!(lines.len(), 20);
    assert!(lines.iter().all(|l| l.chars().count() <= 40), "{lines:?}");
    assert_eq!(
        lines.last().map(String::as_str),
        Some("  … and 24 more lines")
    );
    assert_eq!(
        lines.get(1).map(String::as_str),
        Some("  prod-a.k8s.foo.bar nodes: 1/4 replace…")
    );
    let lines = progress_lines(
        &rollout(),
        &progress(prod_at_work()),
        waits.get(..17).unwrap(),
        at("09:20:00"),
        80,
    );
    assert_eq!(
        (lines.len(), lines.last().map(String::as_str)),
        (20, Some("  prod-a.k8s.foo.bar: thing 16"))
    );
}

#[test]
fn the_live_view_says_what_time_or_person_it_waits_for() {
    let header = |events: Vec<(&'static str, Event)>, now: &str| {
        progress_lines(&rollout(), &progress(events), &[], at(now), 200).join("|")
    };
    let mut soaking = staging_done();
    soaking.pop();
    assert_eq!(
        header(soaking, "08:21:00"),
        "stage staging soaks until 2026-01-05 08:41:00Z (20m left), 1 of 3 clusters verified, 21m elapsed"
    );
    assert_eq!(
        header(staging_done(), "08:50:00"),
        "waits for approval of stage prod, 1 of 3 clusters verified, 50m elapsed"
    );
    assert_eq!(
        header(stuck(), "10:00:00").split(',').next(),
        Some("STUCK until a person acts")
    );
}

fn stuck() -> Vec<(&'static str, Event)> {
    let mut events = prod_at_work();
    let (why, advice) = (
        "i-03 did not drain in 15m: held: web/api-1 by web/api".into(),
        "free the pods, then `kfleet rollout resume`".into(),
    );
    events.push((
        "09:40:00",
        Event::Stuck {
            cluster: cluster("prod-a"),
            group: Some(asg("nodes", "prod-a")),
            why,
            advice,
        },
    ));
    events
}

fn rolled_back() -> Vec<(&'static str, Event)> {
    let (c, group) = (cluster("prod-a"), asg("nodes", "prod-a"));
    let mut events = prod_at_work();
    events.extend([
        (
            "09:40:00",
            Event::Failed {
                cluster: c.clone(),
                group: Some(group.clone()),
                why: "the canary is not Ready after 15m".into(),
            },
        ),
        (
            "09:40:00",
            Event::RollbackStarted {
                clusters: BTreeSet::from([c.clone()]),
                kept: BTreeSet::new(),
            },
        ),
        (
            "09:41:00",
            Event::GroupStarted {
                cluster: c.clone(),
                group: group.clone(),
                instances: 1,
            },
        ),
    ]);
    events.extend(terminate(4, "nodes", "i-09").map(|(_, event)| ("09:50:00", event)));
    let effect = CloudEffect::SetDesired {
        group: group.clone(),
        from: 5,
        to: 4,
    };
    let intent = Event::Intent {
        step: 5,
        cluster: c.clone(),
        group: group.clone(),
        effect: Box::new(Effect::Cloud(effect)),
    };
    events.extend([
        ("09:51:00", intent),
        (
            "09:51:00",
            Event::Outcome {
                step: 5,
                result: StepResult::Applied(Applied::Done),
            },
        ),
        (
            "09:51:00",
            Event::GroupDone {
                cluster: c.clone(),
                group,
            },
        ),
        (
            "09:51:00",
            Event::GroupDone {
                cluster: c.clone(),
                group: asg("spot", "prod-a"),
            },
        ),
        (
            "09:51:00",
            Event::GroupDone {
                cluster: c.clone(),
                group: asg("cp", "prod-a"),
            },
        ),
        ("09:52:00", Event::ClusterRestored { cluster: c }),
        ("09:52:00", Event::RolledBack),
    ]);
    events
}

fn finished() -> Vec<(&'static str, Event)> {
    let mut events = prod_at_work();
    for c in ["prod-a", "prod-b"] {
        events.push((
            "10:00:00",
            Event::ClusterVerified {
                cluster: cluster(c),
                since: at("10:00:00"),
                evidence: Vec::new(),
            },
        ));
    }
    events.push(("11:00:00", Event::Finished));
    events
}

#[test]
fn status_says_where_it_stands_and_what_to_type() {
    let check_status = |file: &str, events, now: &str| {
        check(
            file,
            &status_text(&rollout(), &progress(events), at(now), PLAIN),
        )
    };
    check_status("status_approval.txt", staging_done(), "08:50:00");
    check_status("status_work.txt", prod_at_work(), "09:20:00");
    check_status("status_stuck.txt", stuck(), "10:00:00");
    check_status("status_rolled_back.txt", rolled_back(), "10:00:00");
    let mut on_the_way_back = rolled_back();
    on_the_way_back.truncate(on_the_way_back.len() - 9);
    check_status("status_rolling_back.txt", on_the_way_back, "10:00:00");
}

#[test]
fn an_approval_that_expired_is_asked_for_again() {
    let mut events = staging_done();
    events.push((
        "08:45:00",
        Event::Approved {
            stage: stage("prod"),
            by: "bob".into(),
            expires: at("08:46:00"),
        },
    ));
    let text = status_text(&rollout(), &progress(events), at("09:00:00"), PLAIN);
    let plan = digest_of(&"plan");
    let expected = format!(
        "approval needed now for stage prod (the one by bob expired 2026-01-05 08:46:00Z): kfleet rollout approve prod --plan {}",
        plan.short()
    );
    assert_eq!(text.trim_end().lines().last(), Some(expected.as_str()));
}

#[test]
fn a_summary_ends_with_the_next_step() {
    let all: Vec<String> = [staging_done(), stuck(), rolled_back(), finished()]
        .into_iter()
        .map(|events| rollout_summary(&rollout(), &progress(events)))
        .collect();
    check("summaries.txt", &all.join("\n"));
}

#[test]
fn history_has_a_line_for_each_rollout_newest_first() {
    let older = (rollout(), progress(finished()));
    let mut newer = (rollout(), progress(stuck()));
    newer.0.started_at = at("09:00:00");
    newer.0.id = "20260105-090000-beef".into();
    newer.0.break_glass = Some("site down".into());
    check("history.txt", &history_text(&[older, newer]));
    assert_eq!(history_text(&[]), "no rollouts yet\n");
}

#[test]
fn noteworthy_events_have_a_line_and_steps_only_when_they_go_wrong() {
    let (c, group) = (cluster("prod-a"), asg("nodes", "prod-a"));
    let mut records = journal(rolled_back());
    let mut add = |event| {
        records.push(Record {
            seq: 99,
            at: at("12:00:00"),
            event,
        })
    };
    add(Event::CanaryUp {
        cluster: c.clone(),
        group: group.clone(),
        instances: [id("i-11")].into(),
    });
    add(Event::CanaryProven {
        cluster: c.clone(),
        group: group.clone(),
        evidence: vec!["instances: 4 of 4".into(), "smoke: ok".into()],
    });
    add(Event::DrainAbandoned {
        cluster: c.clone(),
        group: group.clone(),
        instance: id("i-02"),
    });
    for verdict in [
        Verdict::Pass("exit 0".into()),
        Verdict::Wait("exit 75".into()),
        Verdict::Fail("exit 1:\nboom\x1b[2J".into()),
    ] {
        add(Event::Answered {
            cluster: c.clone(),
            scope: Scope::Canary(group.clone()),
            gate: "smoke".into(),
            verdict,
        });
    }
    add(Event::SoakBroken {
        cluster: c.clone(),
        why: "a node is not Ready".into(),
    });
    add(Event::Stuck {
        cluster: c,
        group: Some(group),
        why: "the group is gone".into(),
        advice: "find out who deleted it".into(),
    });
    add(Event::Outcome {
        step: 7,
        result: StepResult::Refused("AccessDenied".into()),
    });
    add(Event::Outcome {
        step: 8,
        result: StepResult::Unknown("timed out".into()),
    });
    add(Event::Outcome {
        step: 9,
        result: StepResult::Applied(Applied::Moved("desired is 9".into())),
    });
    add(Event::Outcome {
        step: 11,
        result: StepResult::GivenUp("i-02 is still there 2m later".into()),
    });
    add(Event::Outcome {
        step: 10,
        result: StepResult::Applied(Applied::Already),
    });
    add(Event::AbortStarted {
        by: "bob".into(),
        reason: "wrong image".into(),
    });
    add(Event::Resumed { by: "carol".into() });
    add(Event::Paused {
        why: "credentials expire".into(),
    });
    add(Event::Finished);
    add(Event::Aborted);
    let lines: String = records
        .iter()
        .filter_map(event_line)
        .map(|l| format!("{l}\n"))
        .collect();
    check("events.txt", &lines);
}

#[test]
fn an_event_is_one_line_of_json() {
    let record = Record {
        seq: 7,
        at: at("12:00:00"),
        event: Event::Paused {
            why: "for\nbob".into(),
        },
    };
    assert_eq!(
        event_json(&record),
        r#"{"v":1,"seq":7,"at":"2026-01-05T12:00:00.000Z","event":{"paused":{"why":"for\nbob"}}}"#
    );
}
