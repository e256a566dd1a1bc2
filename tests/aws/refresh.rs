//! Strategy `instance-refresh`, through the binary: AWS replaces the instances, kfleet starts it, watches it, and takes it back.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::process::Child;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::bed::{Bed, Eyes, REGION, happened, in_order};
use crate::support::{Server, server_or_skip};

const CLUSTER: &str = "staging-globex.k8s.foo.bar";
const GROUP: &str = "admin-nodes.staging-globex.k8s.foo.bar";

/// A group of two whose instances AWS is to replace: its type is another one in git.
fn bed(server: &'static Server, gates: &str) -> Bed {
    let bed = Bed::new(server, &[CLUSTER], Eyes::Open);
    bed.seed("1");
    bed.change(
        "fleet.yaml",
        "rolling:\n",
        "rolling:\n  groups: {admin-nodes: {strategy: instance-refresh}}\n",
    );
    bed.add("fleet.yaml", gates);
    bed.add(
        &format!("vars/{CLUSTER}.yaml"),
        "admin_nodes: {max: 5, machine_type: m6i.xlarge}\n",
    );
    bed
}

/// Waits until that has happened. Time in the account stands where ours does until then: what was launched there is not younger than now.
#[track_caller]
pub(crate) fn until(bed: &Bed, rollout: &mut Child, what: &str) {
    let patience = Instant::now() + Duration::from_secs(60);
    loop {
        let said = bed.run("rollout show --format jsonl").out;
        let all: Vec<String> = said
            .lines()
            .filter_map(|l| serde_json::from_str(l).ok())
            .map(|r| happened(&r))
            .collect();
        if all.iter().any(|h| h == what) {
            return;
        }
        assert!(
            Instant::now() < patience && rollout.try_wait().unwrap().is_none(),
            "it came to\n{}",
            all.join("\n")
        );
    }
}

pub(crate) fn pass(bed: &Bed, seconds: u32) {
    bed.server
        .order("tick", &json!({"account": bed.staging, "seconds": seconds}));
}

/// Lets time pass in the account until the rollout is over: how it ended.
fn to_the_end(bed: &Bed, rollout: &mut Child) -> Option<i32> {
    let patience = Instant::now() + Duration::from_secs(90);
    loop {
        if let Some(status) = rollout.try_wait().unwrap() {
            return status.code();
        }
        assert!(
            Instant::now() < patience,
            "it does not end: {}",
            bed.run("rollout status").out
        );
        pass(bed, 60);
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn asked(bed: &Bed, action: &str, parameters: &[(&str, &str)]) -> String {
    bed.server.by_hand(
        &bed.staging,
        REGION,
        action,
        &[&[("AutoScalingGroupName", GROUP)], parameters].concat(),
    )
}

fn status(bed: &Bed) -> String {
    let answer = asked(bed, "DescribeInstanceRefreshes", &[]);
    answer
        .split("<Status>")
        .nth(1)
        .and_then(|rest| rest.split('<').next())
        .unwrap_or_else(|| panic!("{answer}"))
        .to_owned()
}

/// Launch template versions that the instances of the group run.
fn versions(bed: &Bed) -> Vec<String> {
    let answer = bed.server.by_hand(
        &bed.staging,
        REGION,
        "DescribeAutoScalingGroups",
        &[("AutoScalingGroupNames.member.1", GROUP)],
    );
    let instances = answer
        .split("<Instances>")
        .nth(1)
        .and_then(|rest| rest.split("</Instances>").next())
        .unwrap_or_default();
    instances
        .split("<Version>")
        .skip(1)
        .map(|rest| rest.split('<').next().unwrap().to_owned())
        .collect()
}

#[test]
fn a_refresh_stops_behind_the_canary_and_goes_on_to_the_end() {
    let Some(server) = server_or_skip("a_refresh_stops_behind_the_canary_and_goes_on_to_the_end")
    else {
        return;
    };
    let bed = bed(server, "");
    server.forget_log(&bed.staging);
    let mut rollout = bed.begin("rollout start");
    until(&bed, &mut rollout, "canary-proven");
    // Ten minutes later AWS still waits behind the first of two.
    pass(&bed, 600);
    let mut half = versions(&bed);
    half.sort();
    assert_eq!(
        (half, status(&bed).as_str()),
        (vec!["1".to_owned(), "2".to_owned()], "InProgress")
    );
    assert!(
        asked(&bed, "DescribeInstanceRefreshes", &[])
            .contains("Waiting for the checkpoint delay after 50%")
    );
    assert_eq!(to_the_end(&bed, &mut rollout), Some(0));
    in_order(
        &bed.records(),
        &[
            "intent create-template-version",
            "intent start-refresh",
            "canary-up",
            "canary-proven",
            "group-done",
            "cluster-verified",
        ],
    );
    assert_eq!(
        (versions(&bed), status(&bed).as_str()),
        (vec!["2".to_owned(), "2".to_owned()], "Successful")
    );
    bed.plan_is_empty();
    let log = server.log(&bed.staging);
    let landed = |action: &str| {
        log.iter()
            .filter(|c| c.action() == action && c.landed())
            .count()
    };
    assert_eq!(
        (
            landed("StartInstanceRefresh"),
            landed("TerminateInstanceInAutoScalingGroup")
        ),
        (1, 0),
        "AWS replaces, and it is told once"
    );
    let start = log
        .iter()
        .find(|c| c.action() == "StartInstanceRefresh")
        .unwrap();
    assert_eq!(
        start.parameter("Preferences.CheckpointPercentages.member.1"),
        Some("50")
    );
    assert_eq!(
        start
            .parameter("DesiredConfiguration.LaunchTemplate.Version")
            .or(start.parameter("DesiredConfiguration.MixedInstancesPolicy.LaunchTemplate.LaunchTemplateSpecification.Version")),
        Some("2")
    );
}

#[test]
fn a_gate_that_fails_has_aws_roll_the_refresh_back() {
    let Some(server) = server_or_skip("a_gate_that_fails_has_aws_roll_the_refresh_back") else {
        return;
    };
    let bed = bed(
        server,
        &format!(
            "  - {{name: smoke, kind: command, run: [sh, -c, 'test \"$KFLEET_GROUP\" != {GROUP}'], at: canary}}\n"
        ),
    );
    let mut rollout = bed.begin("rollout start");
    until(&bed, &mut rollout, "canary-up");
    assert_eq!(
        to_the_end(&bed, &mut rollout),
        Some(4),
        "{}",
        bed.run("rollout status").out
    );
    in_order(
        &bed.records(),
        &[
            "intent start-refresh",
            "canary-up",
            "failed",
            "rollback-started",
            "intent rollback-refresh",
        ],
    );
    assert_eq!(
        (versions(&bed), status(&bed).as_str()),
        (vec!["1".to_owned(), "1".to_owned()], "RollbackSuccessful")
    );
    // Nothing of it is left: what git wants is still to be done, and only that.
    let fields = crate::bed::changed_fields(&bed.plan(2));
    assert_eq!(fields.keys().collect::<Vec<_>>(), [GROUP]);
}

#[test]
fn an_abort_behind_the_canary_cancels_the_refresh() {
    let Some(server) = server_or_skip("an_abort_behind_the_canary_cancels_the_refresh") else {
        return;
    };
    let bed = bed(server, "");
    let mut rollout = bed.begin("rollout start");
    until(&bed, &mut rollout, "canary-up");
    bed.run("rollout abort --reason enough").ends(0);
    assert_eq!(to_the_end(&bed, &mut rollout), Some(1));
    in_order(
        &bed.records(),
        &[
            "intent start-refresh",
            "abort-started",
            "intent cancel-refresh",
            "aborted",
        ],
    );
    assert_eq!(status(&bed), "Cancelled");
}
