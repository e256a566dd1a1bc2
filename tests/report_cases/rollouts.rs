//! Rollouts and their events as text.

use kfleet::model::*;
use kfleet::report::{
    Looking, Style, event_json, event_line, history_text, looking_line, progress_lines,
    rollout_summary, status_text, still_waiting_line, waiting_lines,
};
use kfleet::rollout::*;

use crate::journals::*;
use crate::sample::*;

const PLAIN: Style = Style {
    colour: false,
    full: false,
};

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
fn a_pipeline_is_told_of_waits_a_few_at_a_time() {
    let mut waits: Vec<Waiting> = (0..6)
        .map(|n| waiting(None, &format!("thing {n}"), None))
        .collect();
    waits[0] = waiting(Some("nodes"), "ip-10-0-0-2 drains", Some("09:30:00"));
    waits[1].cluster = None;
    assert_eq!(
        waiting_lines(&waits, at("09:20:00")).join("\n"),
        "\
2026-01-05 09:20:00Z  prod-a.k8s.foo.bar nodes: waits: ip-10-0-0-2 drains (at most 10m more)
2026-01-05 09:20:00Z  rollout: waits: thing 1
2026-01-05 09:20:00Z  prod-a.k8s.foo.bar: waits: thing 2
2026-01-05 09:20:00Z  prod-a.k8s.foo.bar: waits: thing 3
2026-01-05 09:20:00Z  prod-a.k8s.foo.bar: waits: thing 4
2026-01-05 09:20:00Z  … and 1 more wait"
    );
    assert_eq!(
        still_waiting_line(&waits, at("09:20:00"), at("09:50:00")),
        "2026-01-05 09:50:00Z  rollout: still waits for what was said at 2026-01-05 09:20:00Z (6 waits, 30m long)"
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
        Some("  prod-a… nodes: 1/4 replaced, eta 45m")
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
fn a_long_look_says_how_far_it_is() {
    let seconds = Span::from_secs;
    assert_eq!(
        looking_line(500, Looking::Groups, None, seconds(12)),
        "reading the groups of 500 clusters, 12s so far"
    );
    assert_eq!(
        looking_line(500, Looking::Groups, Some((250, seconds(12))), seconds(12)),
        "reading the groups of 500 clusters: 250 of 500 done, 12s so far, about 12s left"
    );
    assert_eq!(
        looking_line(500, Looking::Nodes, Some((0, seconds(1))), seconds(13)),
        "reading the nodes of 500 clusters: 0 of 500 done, 13s so far"
    );
    assert_eq!(
        looking_line(500, Looking::Nodes, Some((100, seconds(20))), seconds(32)),
        "reading the nodes of 500 clusters: 100 of 500 done, 32s so far, about 1m20s left"
    );
}

#[test]
fn live_lines_keep_their_end_at_80_columns() {
    let why = "ip-10-0-0-2 drains, 4 pods left, web/api-1 held by web/api";
    let waits = [
        waiting(Some("nodes"), why, Some("09:30:00")),
        waiting(
            None,
            &format!("gate `errors` waits: {} > 0.01", "0".repeat(80)),
            None,
        ),
    ];
    let seen = |width: usize| {
        let lines = progress_lines(
            &rollout(),
            &progress(prod_at_work()),
            &waits,
            at("09:20:00"),
            width,
        );
        assert!(
            lines.iter().all(|l| l.chars().count() <= width),
            "{lines:?}"
        );
        lines
    };
    let lines = seen(80);
    assert_eq!(
        lines[1],
        "  prod-a… nodes: 1/4 replaced…left, web/api-1 held by web/api (at most 10m more)"
    );
    assert!(
        lines[3].starts_with("  prod-a…: …000") && lines[3].ends_with("000 > 0.01"),
        "{lines:?}"
    );
    assert_eq!(
        seen(132)[1],
        "  prod-a… nodes: 1/4 replaced, eta 45m; ip-10-0-0-2 drains, 4 pods left, web/api-1 held by web/api (at most 10m more)"
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
        Event::Stage(
            stage("prod"),
            StageEvent::Approved {
                by: "bob".into(),
                expires: at("08:46:00"),
            },
        ),
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

/// Steps that went wrong, each in its way, and one that did not.
fn gone_wrong() -> [Event; 5] {
    let outcome = |step, result| Event::Step(step, StepEvent::Outcome { result });
    [
        outcome(7, StepResult::Refused("AccessDenied".into())),
        outcome(8, StepResult::Unknown("timed out".into())),
        outcome(
            9,
            StepResult::Applied(Applied::Moved("desired is 9".into())),
        ),
        outcome(
            11,
            StepResult::GivenUp("i-02 is still there 2m later".into()),
        ),
        outcome(10, StepResult::Applied(Applied::Already)),
    ]
}

#[test]
fn steps_have_a_line_only_when_they_go_wrong() {
    let (c, group) = (cluster("prod-a"), asg("nodes", "prod-a"));
    let mut records = journal(rolled_back());
    let mut add = |event| {
        records.push(Record {
            seq: 99,
            at: at("12:00:00"),
            event,
        })
    };
    add(Event::Group(
        c.clone(),
        group.clone(),
        GroupEvent::CanaryUp {
            instances: [id("i-11")].into(),
        },
    ));
    add(Event::Group(
        c.clone(),
        group.clone(),
        GroupEvent::CanaryProven {
            evidence: vec!["instances: 4 of 4".into(), "smoke: ok".into()],
        },
    ));
    add(Event::Group(
        c.clone(),
        group.clone(),
        GroupEvent::DrainAbandoned {
            instance: id("i-02"),
        },
    ));
    for verdict in [
        Verdict::Pass("exit 0".into()),
        Verdict::Wait("exit 75".into()),
        Verdict::Fail("exit 1:\nboom\x1b[2J".into()),
    ] {
        add(Event::Cluster(
            c.clone(),
            ClusterEvent::Answered {
                scope: Scope::Canary(group.clone()),
                gate: "smoke".into(),
                verdict,
            },
        ));
    }
    add(Event::Cluster(
        c.clone(),
        ClusterEvent::SoakBroken {
            why: "a node is not Ready".into(),
        },
    ));
    add(Event::Cluster(
        c,
        ClusterEvent::Stuck {
            group: Some(group),
            why: "the group is gone".into(),
            advice: "find out who deleted it".into(),
        },
    ));
    gone_wrong().into_iter().for_each(&mut add);
    add(Event::Rollout(RolloutEvent::AbortStarted {
        by: "bob".into(),
        reason: "wrong image".into(),
    }));
    add(Event::Rollout(RolloutEvent::Resumed { by: "carol".into() }));
    add(Event::Rollout(RolloutEvent::Paused {
        why: "credentials expire".into(),
    }));
    add(Event::Rollout(RolloutEvent::Finished));
    add(Event::Rollout(RolloutEvent::Aborted));
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
        event: Event::Rollout(RolloutEvent::Paused {
            why: "for\nbob".into(),
        }),
    };
    assert_eq!(
        event_json(&record),
        r#"{"v":2,"seq":7,"at":"2026-01-05T12:00:00.000Z","code":"paused","message":"rollout: paused: for\\nbob","event":{"paused":{"why":"for\nbob"}}}"#
    );
}
