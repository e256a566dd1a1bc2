//! An API that misbehaves in the middle of a rollout: it is done all the same, or it stops clean and `resume` finishes. No effect
//! is asked for twice: what landed stands in the server's log once.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::bed::{Bed, Eyes};
use crate::support::{fault, server_or_skip};

const CLUSTER: &str = "staging-globex.k8s.foo.bar";

/// A rollout of sizes, a new launch template version and replaced instances under these faults. Whether it got through in one go.
fn survives(test: &str, faults: impl Fn(&str) -> Vec<Value>) -> Option<bool> {
    let server = server_or_skip(test)?;
    let bed = Bed::new(server, &[CLUSTER], Eyes::Open);
    bed.seed("1");
    // One group of two: another type (a new launch template version, both instances replaced) and another maximum.
    bed.add(
        &format!("vars/{CLUSTER}.yaml"),
        "admin_nodes: {max: 5, machine_type: m6i.xlarge}\n",
    );
    server.forget_log(&bed.staging);
    server.order("faults", &json!(faults(&bed.staging)));
    let said = bed.run("rollout start --quiet");
    let log = server.log(&bed.staging);
    assert!(
        log.iter().any(|c| c.fault().is_some()),
        "the fault was never met: {:?}",
        log.iter()
            .map(|c| c.action().to_owned())
            .collect::<Vec<_>>()
    );
    assert!(!said.err.contains("panicked"), "{}", said.err);
    server.forget_faults(&bed.staging);
    let at_once = said.code == Some(0);
    if !at_once {
        assert!(
            matches!(said.code, Some(1 | 3)),
            "neither done, nor an error, nor a pause:\n{}\n{}",
            said.out,
            said.err
        );
        go_on(&bed, &said.err);
    }
    bed.plan_is_empty();
    no_effect_twice(&bed);
    Some(at_once)
}

/// The journal says that it stopped and why, and `resume` finishes; or nothing was begun, nothing written, and there is no journal.
fn go_on(bed: &Bed, error: &str) {
    let records = bed.run("rollout show --format jsonl").out;
    match records.lines().rfind(|l| l.starts_with('{')) {
        Some(last) => {
            assert!(
                last.contains("\"paused\""),
                "{error}\nthe journal ends with {last}"
            );
            bed.run("rollout resume --quiet").ends(0);
        }
        None => {
            let log = bed.server.log(&bed.staging);
            let written: Vec<_> = log.iter().filter(|c| c.mutates()).collect();
            assert!(written.is_empty(), "{error}\n{written:?}");
            bed.run("rollout start --quiet").ends(0);
        }
    }
}

/// Of all calls that took effect, no two asked for the same.
fn no_effect_twice(bed: &Bed) {
    let mut landed: BTreeMap<String, usize> = BTreeMap::new();
    for call in bed
        .server
        .log(&bed.staging)
        .iter()
        .filter(|c| c.mutates() && c.landed())
    {
        // A token makes the second one the first: what counts is that the answer is the same version.
        if call.parameter("ClientToken").is_none() {
            *landed.entry(call.effect()).or_insert(0) += 1;
        }
    }
    let twice: Vec<_> = landed.into_iter().filter(|(_, times)| *times > 1).collect();
    assert!(twice.is_empty(), "{twice:#?}");
    let versions = bed.server.by_hand(
        &bed.staging,
        crate::bed::REGION,
        "DescribeLaunchTemplateVersions",
        &[
            ("LaunchTemplateVersion.1", "$Latest"),
            ("MaxResults", "200"),
        ],
    );
    let numbers: Vec<&str> = versions
        .split("<versionNumber>")
        .skip(1)
        .map(|rest| rest.split('<').next().unwrap())
        .collect();
    assert_eq!(
        numbers.iter().filter(|n| **n != "1").collect::<Vec<_>>(),
        [&"2"],
        "one new version of one template"
    );
}

const WRITES: &str =
    "(Create|Update|Delete|Set|Suspend|Resume|Attach|Detach|Terminate|Put|Enable|Disable).*";

#[test]
fn bursts_of_throttling_are_waited_out() {
    let faults = |account: &str| {
        let throttled =
            json!({"after": 3, "times": 6, "code": "Throttling", "message": "Rate exceeded"});
        let limited =
            json!({"after": 2, "times": 4, "status": 503, "code": "RequestLimitExceeded"});
        vec![
            fault(
                account,
                "DescribeAutoScaling.*|UpdateAutoScalingGroup",
                throttled,
            ),
            fault(account, ".*LaunchTemplate.*|DescribeInstances", limited),
        ]
    };
    if let Some(at_once) = survives("bursts_of_throttling_are_waited_out", faults) {
        assert!(at_once, "a burst of throttling ends");
    }
}

#[test]
fn errors_of_the_service_are_tried_again() {
    let faults = |account: &str| {
        let internal = json!({"after": 1, "times": 3, "status": 500, "code": "InternalFailure"});
        let between = json!({"after": 4, "times": 2, "status": 502, "html": "<html><h1>502 Bad Gateway</h1></html>"});
        vec![
            fault(account, WRITES, internal),
            fault(account, "Describe.*", between),
        ]
    };
    survives("errors_of_the_service_are_tried_again", faults);
}

#[test]
fn broken_connections_and_late_answers_do_no_harm() {
    let faults = |account: &str| {
        let broken = json!({"after": 2, "times": 3, "drop": true});
        let slow = json!({"after": 1, "times": 3, "delay_ms": 1500});
        vec![
            fault(account, WRITES, broken),
            fault(account, "Describe.*", slow),
        ]
    };
    survives("broken_connections_and_late_answers_do_no_harm", faults);
}

#[test]
fn half_an_answer_is_no_answer() {
    let faults = |account: &str| {
        let read = json!({"after": 3, "times": 2, "truncate": true});
        let written = json!({"after": 2, "times": 2, "truncate": true});
        vec![
            fault(account, "Describe.*", read),
            fault(account, WRITES, written),
        ]
    };
    survives("half_an_answer_is_no_answer", faults);
}

/// The change lands and the answer does not: each write of a rollout in turn.
#[test]
fn an_answer_that_is_lost_after_the_effect_is_no_second_effect() {
    let faults = |account: &str| {
        let lost =
            |after: u32| json!({"after": after, "times": 1, "apply_first": true, "drop": true});
        let failed = |after: u32| json!({"after": after, "times": 1, "apply_first": true, "status": 500, "code": "InternalFailure"});
        vec![
            fault(account, "CreateLaunchTemplateVersion", lost(0)),
            fault(account, "CreateLaunchTemplateVersion", failed(1)),
            fault(account, "UpdateAutoScalingGroup", lost(0)),
            fault(account, "UpdateAutoScalingGroup", failed(2)),
            fault(account, "CreateOrUpdateTags|DeleteTags", lost(0)),
            fault(account, "SuspendProcesses|ResumeProcesses", failed(1)),
            fault(account, "SetDesiredCapacity", lost(0)),
            fault(account, "TerminateInstanceInAutoScalingGroup", lost(1)),
            fault(account, "DetachInstances", failed(0)),
        ]
    };
    survives(
        "an_answer_that_is_lost_after_the_effect_is_no_second_effect",
        faults,
    );
}

#[test]
fn credentials_that_expire_in_the_middle_end_in_a_clean_stop() {
    let faults = |account: &str| {
        let expired = json!({"after": 40, "times": 1_000_000, "status": 403, "code": "ExpiredToken", "message": "The security token included in the request is expired"});
        vec![fault(account, ".*", expired)]
    };
    if let Some(at_once) = survives(
        "credentials_that_expire_in_the_middle_end_in_a_clean_stop",
        faults,
    ) {
        assert!(!at_once, "nothing more can be done without credentials");
    }
}
