//! The main story: built by kops, taken over, changed in git, rolled out, and each time nothing is left to do.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use crate::bed::{Bed, Eyes, changed_fields};
use crate::support::server_or_skip;

const OLD_IMAGE: &str = "ubuntu-noble-24.04-amd64-server-20260801";
const NEW_IMAGE: &str = "ubuntu-noble-24.04-amd64-server-20260901";

/// What kops built differs in one thing only: its groups follow `$Latest`. Planning changes nothing; taking over replaces nothing.
#[test]
fn a_fleet_of_kops_is_adopted_without_a_replacement() {
    let Some(server) = server_or_skip("a_fleet_of_kops_is_adopted_without_a_replacement") else {
        return;
    };
    let bed = Bed::new(server, &[], Eyes::Closed);
    bed.seed("$Latest");
    let changed = changed_fields(&bed.plan(2));
    assert_eq!(changed.len(), 56);
    for (group, fields) in changed {
        assert_eq!(fields, ["launchTemplate.Version"], "{group}");
    }
    for account in [&bed.staging, &bed.prod] {
        let mutating: Vec<_> = server
            .log(account)
            .into_iter()
            .filter(|c| c.mutates())
            .collect();
        assert!(mutating.is_empty(), "a plan changes nothing: {mutating:?}");
    }
    bed.rolls_out("start");
    bed.plan_is_empty();
    for account in [&bed.staging, &bed.prod] {
        let actions: std::collections::BTreeSet<String> = server
            .log(account)
            .iter()
            .filter(|c| c.mutates())
            .map(|c| c.action().to_owned())
            .collect();
        assert_eq!(
            actions,
            ["UpdateAutoScalingGroup".to_owned()].into(),
            "nothing but pins"
        );
    }
}

/// A new image and other sizes in git: every instance of the groups concerned is replaced, and nothing else is touched.
#[test]
fn a_change_in_git_is_rolled_out_instance_by_instance() {
    let Some(server) = server_or_skip("a_change_in_git_is_rolled_out_instance_by_instance") else {
        return;
    };
    let bed = Bed::new(server, &["staging-globex.k8s.foo.bar"], Eyes::Open);
    bed.seed("$Latest");
    bed.rolls_out("start");
    bed.plan_is_empty();
    let image = |name: &str| format!("099720109477/ubuntu/images/hvm-ssd-gp3/{name}");
    let images = serde_json::json!({"account": bed.staging, "region": crate::bed::REGION, "images": [image(NEW_IMAGE)]});
    server.order("network", &images);
    server.forget_log(&bed.staging);
    bed.change("vars/defaults.yaml", OLD_IMAGE, NEW_IMAGE);
    bed.rolls_out("start");
    bed.plan_is_empty();
    let log = server.log(&bed.staging);
    let ended = log
        .iter()
        .filter(|c| c.action() == "TerminateInstanceInAutoScalingGroup" && c.landed())
        .count();
    assert_eq!(ended, 12, "each instance of the cluster ended once");
    let versions = log
        .iter()
        .filter(|c| c.action() == "CreateLaunchTemplateVersion" && c.landed())
        .count();
    assert_eq!(versions, 10, "one version for each group");
    let of_refreshes = log
        .iter()
        .filter(|c| c.action() == "DescribeInstanceRefreshes")
        .count();
    assert!(
        of_refreshes <= 10,
        "{of_refreshes} calls: no group but those that AWS refreshes is asked again and again"
    );
    let protections = log
        .iter()
        .filter(|c| c.action() == "SetInstanceProtection" && c.landed())
        .count();
    assert!(
        protections >= 2,
        "what a surge brings is protected, and given free again"
    );
    // What was lent is given back.
    let state = server.by_hand(
        &bed.staging,
        crate::bed::REGION,
        "DescribeAutoScalingGroups",
        &[("MaxRecords", "100")],
    );
    assert!(
        !state.contains("<ProcessName>"),
        "a process is left suspended"
    );
    assert!(
        !state.contains("<ProtectedFromScaleIn>true"),
        "an instance is left protected"
    );
    assert!(
        !state.contains("<LifecycleState>Terminating"),
        "an instance is still ending"
    );
}
