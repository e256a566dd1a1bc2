//! User data is part of what is compared: between what is wanted, what is pinned and what runs, by digest.

use std::process::Command;

use serde_json::Value;

use crate::bed::{Bed, Eyes, REGION};
use crate::support::server_or_skip;

const CLUSTER: &str = "staging-globex.k8s.foo.bar";
const GROUP: &str = "admin-nodes.staging-globex.k8s.foo.bar";

/// A launch template version of somebody else's: as version 1, with these fields beside.
fn made_by_hand(bed: &Bed, fields: &[(&str, &str)]) {
    let parameters = [
        &[("LaunchTemplateName", GROUP), ("SourceVersion", "1")],
        fields,
    ]
    .concat();
    let answer = bed.server.by_hand(
        &bed.staging,
        REGION,
        "CreateLaunchTemplateVersion",
        &parameters,
    );
    assert!(
        answer.contains("<versionNumber>2</versionNumber>"),
        "{answer}"
    );
}

fn pinned(bed: &Bed) -> String {
    let answer = bed.server.by_hand(
        &bed.staging,
        REGION,
        "DescribeAutoScalingGroups",
        &[("AutoScalingGroupNames.member.1", GROUP)],
    );
    let of_group = answer.split("<LaunchTemplate>").nth(1).unwrap();
    of_group
        .split("<Version>")
        .nth(1)
        .unwrap()
        .split('<')
        .next()
        .unwrap()
        .to_owned()
}

/// Base64, as EC2 takes user data.
fn encoded(text: &str) -> String {
    let output = Command::new("base64")
        .arg("-w0")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn();
    let mut child = output.unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), text.as_bytes()).unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout)
        .unwrap()
        .trim()
        .to_owned()
}

fn update(plan: &Value) -> Value {
    plan["clusters"][CLUSTER]["groups"][GROUP]["update"].clone()
}

#[test]
fn nodes_that_boot_with_other_user_data_are_replaced() {
    let Some(server) = server_or_skip("nodes_that_boot_with_other_user_data_are_replaced") else {
        return;
    };
    let bed = Bed::new(server, &[CLUSTER], Eyes::Open);
    bed.seed("1");
    bed.rolls_out("start");
    bed.plan_is_empty();
    made_by_hand(
        &bed,
        &[(
            "LaunchTemplateData.UserData",
            &encoded("#!/bin/sh\necho other\n"),
        )],
    );
    let pin = [
        ("AutoScalingGroupName", GROUP),
        ("LaunchTemplate.LaunchTemplateName", GROUP),
        ("LaunchTemplate.Version", "2"),
    ];
    bed.server
        .by_hand(&bed.staging, REGION, "UpdateAutoScalingGroup", &pin);
    assert_eq!(pinned(&bed), "2");
    let plan = bed.plan(2);
    let replace = update(&plan)["replace"].clone();
    let reasons: Vec<Value> = replace
        .as_object()
        .unwrap_or_else(|| panic!("{plan}"))
        .values()
        .cloned()
        .collect();
    assert_eq!(reasons.len(), 2, "{replace}");
    for reason in reasons {
        assert_eq!(reason, serde_json::json!(["UserData.Sha256"]));
    }
    bed.rolls_out("start");
    bed.plan_is_empty();
}

#[test]
fn an_old_version_is_reused_only_when_equal() {
    let test = "an_old_version_is_reused_only_when_equal";
    let Some(server) = server_or_skip(test) else {
        return;
    };
    for (user_data, takes_up) in [(Some("#!/bin/sh\necho older\n"), false), (None, true)] {
        let bed = Bed::new(server, &[CLUSTER], Eyes::Open);
        bed.seed("1");
        bed.rolls_out("start");
        bed.plan_is_empty();
        let text = encoded(user_data.unwrap_or_default());
        let with = user_data.map(|_| ("LaunchTemplateData.UserData", text.as_str()));
        let fields: Vec<_> = [("LaunchTemplateData.InstanceType", "m6i.xlarge")]
            .into_iter()
            .chain(with)
            .collect();
        made_by_hand(&bed, &fields);
        bed.add(
            &format!("vars/{CLUSTER}.yaml"),
            "admin_nodes: {max: 5, machine_type: m6i.xlarge}\n",
        );
        let plan = bed.plan(2);
        let expected = if takes_up {
            serde_json::json!(2)
        } else {
            Value::Null
        };
        assert_eq!(update(&plan)["existing_version"], expected, "{user_data:?}");
        bed.rolls_out("start");
        bed.plan_is_empty();
        assert_eq!(
            pinned(&bed),
            if takes_up { "2" } else { "3" },
            "{user_data:?}"
        );
    }
}
