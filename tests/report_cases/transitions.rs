//! Records that cannot follow the ones before them: every line of the table of legal transitions, broken once.

use std::collections::BTreeMap;

use kfleet::model::*;
use kfleet::rollout::*;

use crate::journals::{finished, journal, rollout};
use crate::sample::*;

/// Why the last of these records cannot follow the others.
fn refused(events: Vec<Event>) -> String {
    let count = events.len();
    let events = events.into_iter().map(|event| ("08:00:00", event));
    let illegal = Progress::of(&journal(events.collect())).unwrap_err();
    // The first record is the rollout itself.
    assert_eq!(illegal.seq, u64::try_from(count + 1).unwrap());
    illegal.why.to_string()
}

fn of_cluster(events: impl IntoIterator<Item = ClusterEvent>) -> String {
    let name = cluster("staging-a");
    let events = events.into_iter();
    refused(events.map(|e| Event::Cluster(name.clone(), e)).collect())
}

fn of_rollout(events: impl IntoIterator<Item = RolloutEvent>) -> String {
    refused(events.into_iter().map(Event::Rollout).collect())
}

#[test]
fn a_rollout_starts_once_and_ends_the_way_it_goes() {
    let started = RolloutEvent::Started {
        rollout: Box::new(rollout()),
    };
    assert_eq!(of_rollout([started]), "a rollout starts once");
    let abort = || RolloutEvent::AbortStarted {
        by: "anna".into(),
        reason: "enough".into(),
    };
    let back = || RolloutEvent::RollbackStarted {
        clusters: [cluster("staging-a")].into(),
        kept: [].into(),
        hooks: [].into(),
    };
    for events in [
        vec![RolloutEvent::RolledBack],
        vec![RolloutEvent::Aborted],
        vec![abort(), RolloutEvent::Finished],
        vec![back(), RolloutEvent::Finished],
        vec![back(), RolloutEvent::Aborted],
    ] {
        assert_eq!(of_rollout(events), "the rollout goes another way");
    }
    let mut after_the_end: Vec<Event> = finished().into_iter().map(|(_, e)| e).collect();
    after_the_end.push(Event::Rollout(RolloutEvent::Held));
    assert_eq!(refused(after_the_end), "the rollout had ended");
}

#[test]
fn a_stage_and_a_wave_begin_once_and_pass_once() {
    let twice = |event: StageEvent| {
        let event = Event::Stage(stage("staging"), event);
        refused(vec![event.clone(), event])
    };
    for event in [StageEvent::Started, StageEvent::Passed] {
        assert_eq!(twice(event), "stage staging begins or passes twice");
    }
    for event in [
        StageEvent::WaveStarted { wave: 0 },
        StageEvent::WavePassed { wave: 0 },
    ] {
        let why = "wave 0 of stage staging begins or passes twice";
        assert_eq!(twice(event), why);
    }
}

#[test]
fn a_cluster_goes_from_state_to_state() {
    let verified = || ClusterEvent::Verified {
        since: at("08:00:00"),
        evidence: Vec::new(),
    };
    let broken = || ClusterEvent::SoakBroken {
        why: "a node is not Ready".into(),
    };
    for events in [
        vec![ClusterEvent::Rolled],
        vec![broken()],
        vec![ClusterEvent::Restored],
        vec![ClusterEvent::Started, ClusterEvent::Started],
        vec![ClusterEvent::Started, verified()],
        vec![ClusterEvent::Started, ClusterEvent::Restored],
        vec![verified(), verified()],
        vec![verified(), broken(), broken()],
    ] {
        let why = format!(
            "{} is not in a state that this can follow",
            cluster("staging-a")
        );
        assert_eq!(of_cluster(events), why);
    }
    let stranger = Event::Cluster("x.k8s.foo.bar".parse().unwrap(), ClusterEvent::Started);
    let why = "x.k8s.foo.bar is no cluster of this rollout";
    assert_eq!(refused(vec![stranger]), why);
}

#[test]
fn a_group_begins_once_on_each_way() {
    let begins = |asg: &AsgName| {
        let event = GroupEvent::Started {
            instances: 1,
            zones: BTreeMap::new(),
        };
        Event::Group(cluster("staging-a"), asg.clone(), event)
    };
    let known = asg("nodes", "staging-a");
    let why = refused(vec![begins(&known), begins(&known)]);
    assert_eq!(why, format!("{known} begins twice"));
    let stranger = asg("strangers", "staging-a");
    let why = refused(vec![begins(&stranger)]);
    assert_eq!(why, format!("{stranger} is no group of this rollout"));
}

#[test]
fn a_step_is_numbered_and_has_one_outcome() {
    let intent = |step| {
        let group = asg("nodes", "staging-a");
        let effect = Effect::Cloud(CloudEffect::PruneVersions {
            template: group.clone(),
            versions: [1].into(),
        });
        let effect = Box::new(effect);
        let cluster = cluster("staging-a");
        Event::Step(
            step,
            StepEvent::Intent {
                cluster,
                group,
                effect,
            },
        )
    };
    let ends = |result| Event::Step(1, StepEvent::Outcome { result });
    let done = || ends(StepResult::Applied(Applied::Done));
    assert_eq!(refused(vec![intent(2)]), "step 2 should be step 1");
    let none = "step 1 was not begun, or had ended";
    assert_eq!(refused(vec![done()]), none);
    assert_eq!(refused(vec![intent(1), done(), done()]), none);
    let given_up = ends(StepResult::GivenUp("no answer".into()));
    let why = refused(vec![intent(1), given_up]);
    assert!(why.starts_with("step 1 cannot be given up"), "{why}");
}
