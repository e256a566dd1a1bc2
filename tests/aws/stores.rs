//! What lies in S3: the specs that kops has stored, read as the cluster's role; and kfleet's own store, from two machines.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::bed::{Bed, Eyes, in_order};
use crate::support::{Server, server_or_skip};

const CLUSTER: &str = "staging-globex.k8s.foo.bar";

fn only_two_fields_are_otherwise(plan: &Value) {
    let documents = plan["clusters"][CLUSTER]["documents"].as_object().unwrap();
    let fields = |name: &str| {
        documents[name]["changed"]
            .as_array()
            .unwrap()
            .iter()
            .map(|f| f["field"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        documents.keys().collect::<Vec<_>>(),
        [
            "Cluster/staging-globex.k8s.foo.bar",
            "InstanceGroup/admin-nodes"
        ]
    );
    assert_eq!(
        fields("Cluster/staging-globex.k8s.foo.bar"),
        ["spec.kubeAPIServer.maxRequestsInflight"]
    );
    assert_eq!(
        fields("InstanceGroup/admin-nodes"),
        ["sysctlParameters[net.core.somaxconn]"]
    );
    assert_eq!(plan["clusters"][CLUSTER]["groups"], json!({}));
}

fn no_answer_is_no_empty_store(server: &Server, bed: &Bed) {
    server.order(
        "faults",
        &crate::support::fault(
            &bed.staging,
            ".*kops-state-.*",
            json!({"status": 403, "code": "AccessDenied", "times": 1_000}),
        ),
    );
    let blocked = bed.plan(2)["clusters"][CLUSTER].clone();
    assert_eq!(blocked["documents"], json!({}));
    assert!(
        blocked["blocked"].to_string().contains("AccessDenied"),
        "{blocked}"
    );
    server.forget_faults(&bed.staging);
}

/// What is read from S3 is counted beside what is asked of the cloud.
fn calls_to_s3_are_counted(bed: &Bed, least: usize) {
    let asked = bed.run("plan --stats").ends(0);
    let counted = asked.err.lines().find_map(|line| {
        let count = line.trim().strip_suffix(" s3:GetObject")?;
        count.trim().parse::<usize>().ok()
    });
    assert!(counted.is_some_and(|n| n >= least), "{}", asked.err);
    assert!(asked.err.contains(" s3:ListObjectsV2"), "{}", asked.err);
}

/// The bucket is another account's than the caller's: the cluster's own, as the role says.
#[test]
fn what_kops_stored_in_s3_is_read_as_the_role_of_the_cluster() {
    let Some(server) = server_or_skip("what_kops_stored_in_s3_is_read_as_the_role_of_the_cluster")
    else {
        return;
    };
    let bed = Bed::new(server, &[CLUSTER], Eyes::Closed);
    bed.seed("1");
    let bucket = format!("/kops-state-{}", bed.staging);
    server.put(&bed.staging, &bucket, "");
    let files = crate::stored::stored(
        &bed.read(&format!("seeded/{CLUSTER}/manifests.yaml")),
        CLUSTER,
    );
    assert_eq!(files.len(), 11, "a Cluster and its InstanceGroups");
    for (path, text) in &files {
        server.put(&bed.staging, &format!("{bucket}/{CLUSTER}/{path}"), text);
    }
    // What a plan has no business with is not read.
    server.put(
        &bed.staging,
        &format!("{bucket}/{CLUSTER}/secrets/admin"),
        "[",
    );
    bed.add(
        &format!("clusters/{CLUSTER}.yaml"),
        &format!("kops: {{state_store: \"s3:/{bucket}\"}}\n"),
    );

    server.forget_log(&bed.staging);
    server.forget_log(&bed.home);
    bed.plan_is_empty();
    calls_to_s3_are_counted(&bed, files.len());
    let reads = |account: &str| {
        server
            .log(account)
            .iter()
            .filter(|c| c.action().contains("kops-state-"))
            .map(|c| c.action().to_owned())
            .collect::<Vec<_>>()
    };
    let read = reads(&bed.staging);
    assert!(
        read.iter().filter(|r| r.contains(CLUSTER)).count() >= files.len(),
        "{read:?}"
    );
    assert!(
        !read.iter().any(|r| r.contains("secrets/admin")),
        "{read:?}"
    );
    assert_eq!(
        reads(&bed.home),
        Vec::<String>::new(),
        "the caller itself has no business there"
    );

    // One field of each kind of document is otherwise.
    let otherwise = |path: &str, from: &str, to: &str| {
        let (path, text) = files.iter().find(|(p, _)| p == path).unwrap();
        assert!(text.contains(from), "{path} has no {from}:\n{text}");
        server.put(
            &bed.staging,
            &format!("{bucket}/{CLUSTER}/{path}"),
            &text.replacen(from, to, 1),
        );
    };
    otherwise(
        "config",
        "maxRequestsInflight: 800",
        "maxRequestsInflight: 100",
    );
    otherwise(
        "instancegroup/admin-nodes",
        "net.core.somaxconn=32768",
        "net.core.somaxconn=128",
    );
    only_two_fields_are_otherwise(&bed.plan(2));

    no_answer_is_no_empty_store(server, &bed);
}

fn another_carried_it_on(records: &[Value]) {
    in_order(
        records,
        &[
            "intent terminate",
            "lock-taken",
            "resumed",
            "intent terminate",
            "cluster-verified",
            "finished",
        ],
    );
    let by: Vec<&str> = records
        .iter()
        .filter_map(|r| r["event"]["resumed"]["by"].as_str())
        .collect();
    assert!(by.iter().any(|by| by.starts_with("ben")), "{by:?}");
}

fn the_store_alone_was_written(server: &Server, bed: &Bed) {
    let versions = server
        .log(&bed.staging)
        .iter()
        .filter(|c| c.action() == "CreateLaunchTemplateVersion" && c.landed())
        .count();
    assert_eq!(versions, 1);
    let objects: Vec<Value> = server.log(&bed.home).into_iter().map(|c| c.0).collect();
    assert!(
        objects.iter().all(|o| !o["action"]
            .as_str()
            .unwrap_or_default()
            .starts_with("DELETE")
            || o.to_string().contains("/fleet/")),
        "{objects:?}"
    );
}

/// The machine that began it is lost with everything on it: another one, which knows only git and the bucket, carries it to the end.
#[test]
fn another_machine_finishes_a_rollout_in_s3() {
    let Some(server) = server_or_skip("another_machine_finishes_a_rollout_in_s3") else {
        return;
    };
    let mut bed = Bed::new(server, &[CLUSTER], Eyes::Open);
    bed.set("AWS_REGION", "us-east-1");
    let bucket = format!("kfleet-{}", bed.home);
    server.put(&bed.home, &format!("/{bucket}"), "");
    bed.change(
        "fleet.yaml",
        "version: 1\n",
        &format!("version: 1\nstore: s3://{bucket}/fleet\n"),
    );
    bed.seed("1");
    bed.add(
        &format!("vars/{CLUSTER}.yaml"),
        "admin_nodes: {max: 5, machine_type: m6i.xlarge}\n",
    );
    server.forget_log(&bed.staging);

    let mut rollout = bed.begin("rollout start");
    let account = bed.staging.clone();
    let ended = || {
        server
            .log(&account)
            .iter()
            .filter(|c| c.action() == "TerminateInstanceInAutoScalingGroup" && c.landed())
            .count()
    };
    let patience = Instant::now() + Duration::from_secs(60);
    while ended() == 0 {
        assert!(
            rollout.try_wait().unwrap().is_none() && Instant::now() < patience,
            "nothing was replaced: {}",
            bed.run("rollout status").out
        );
    }
    rollout.kill().unwrap();
    rollout.wait().unwrap();
    assert_eq!(
        ended(),
        1,
        "one of two instances is replaced, or about to be"
    );
    assert!(
        !bed.path(".kfleet").exists(),
        "nothing of the store is on the machine"
    );

    bed.move_to_another_machine();
    bed.set("KFLEET_USER", "ben");
    let said = bed.run("rollout status").ends(3);
    assert!(
        said.out.contains("staging-globex.k8s.foo.bar"),
        "{}",
        said.out
    );
    // Nobody knows yet that the other one is dead: its locks count for a while, by the clock of S3.
    let said = bed.run("rollout resume --quiet").ends(1);
    assert!(
        said.err.contains("is being driven by another process"),
        "{}",
        said.err
    );
    server.order("tick", &json!({"account": bed.home, "seconds": 155}));
    bed.run("rollout resume --quiet").ends(0);

    another_carried_it_on(&bed.records());
    bed.plan_is_empty();
    // Each effect once, whoever brought it about.
    assert_eq!(ended(), 2);
    the_store_alone_was_written(server, &bed);
}
