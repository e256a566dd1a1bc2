//! The main job: a fleet is built, changed stage by stage, and then there is nothing to do.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::bed::{Bed, assert_same, desired_moved, event};

#[test]
fn built_once_there_is_nothing_to_do() {
    let bed = Bed::new();
    let said = bed.run("rollout start --auto-approve").ends(0);
    assert!(
        said.err
            .starts_with("[local] 5 clusters rendered, 56 groups compiled\n"),
        "{}",
        said.err
    );
    assert!(
        said.err
            .ends_with("rollout: finished: every cluster runs the release, verified and soaked\n"),
        "{}",
        said.err
    );
    assert!(
        said.out.ends_with(
            "[local]   5 of 5 clusters verified, 56 groups done, 0 instances replaced or ended\n"
        ),
        "{}",
        said.out
    );
    // Nobody may take it for the real thing.
    assert!(
        said.out
            .lines()
            .chain(said.err.lines())
            .all(|l| l.starts_with("[local]"))
    );
    bed.assert_at_rest();

    let before = bed.tree();
    let said = bed.run("rollout start --auto-approve").ends(0);
    assert_eq!(
        said.out,
        "[local] no changes\n[local] looked at 5 clusters and 56 groups\n[local] commit not known: not in a git repository; no rendered/ folder\n"
    );
    assert_eq!(
        said.err,
        "[local] 5 clusters rendered, 56 groups compiled\n"
    );
    let said = bed.run("plan").ends(0);
    assert_eq!(
        said.out,
        "[local] no changes\n[local] looked at 5 clusters and 56 groups\n[local] commit not known: not in a git repository; no rendered/ folder\n"
    );
    assert_eq!(said.err, "");
    assert_same(&before, &bed.tree());
}

#[test]
fn one_number_of_one_group_changes_in_place() {
    let bed = Bed::built();
    bed.change(
        "vars/prod-acme.k8s.foo.bar.yaml",
        "8x_32Gb: {min: 2, max: 80}",
        "8x_32Gb: {min: 2, max: 90}",
    );
    let said = bed.run("plan").ends(2);
    assert_eq!(
        without_ids(&said.out),
        "\
[local] prod-acme.k8s.foo.bar (stage prod, account 111122223333, eu-west-3)
[local]   ~ spot-8x-32gb: update in place, no instance is replaced
[local]       MaxSize: 80 → 90
[local]
[local] summary
[local]   stage    clusters  + groups  ~ groups  - groups  instances replaced  ended  documents  blocked
[local]   staging    0 of 2         -         -         -                   -      -          -        -
[local]   prod       1 of 3         -         1         -                   -      -          -        -
[local]   total      1 of 5         -         1         -                   -      -          -        -
[local] plan ID of release ID
[local] commit not known: not in a git repository; no rendered/ folder
[local] stage prod: open now, frozen from 2026-01-09 15:00:00Z (in 4d4h); windows: Fri 16:00 to Mon 08:00 Europe/Paris
"
    );
    bed.run("rollout start --auto-approve").ends(0);
    assert_eq!(
        changed_groups(&bed.records()),
        BTreeSet::from(["spot-8x-32gb.prod-acme.k8s.foo.bar".to_owned()])
    );
    assert!(
        bed.records().iter().all(|r| event(r).0 != "drain-started"),
        "an instance was touched"
    );
    bed.run("plan").ends(0);
}

/// Ids of plans and releases follow from everything in the fleet.
fn without_ids(text: &str) -> String {
    let line = |line: &str| match line.strip_prefix("[local] plan ") {
        Some(_) => "[local] plan ID of release ID".to_owned(),
        None => line.to_owned(),
    };
    text.lines().map(|l| line(l) + "\n").collect()
}

fn changed_groups(records: &[Value]) -> BTreeSet<String> {
    let intents = records.iter().filter(|r| event(r).0 == "intent");
    intents
        .map(|r| event(r).1["group"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_new_image_goes_through_the_stages() {
    let bed = Bed::with_new_image();
    let plan = bed.run("plan --verbose").ends(2);
    assert!(plan.out.contains("because ImageId differs"), "{}", plan.out);
    let total = plan
        .out
        .lines()
        .find(|l| l.contains(" total "))
        .unwrap()
        .to_owned();
    assert_eq!(
        total.split_whitespace().collect::<Vec<_>>()[1..],
        ["total", "5", "of", "5", "-", "56", "-", "83", "-", "-", "-"]
    );

    bed.run("rollout start --auto-approve --quiet").ends(0);
    let records = bed.records();
    assert_eq!(changed_groups(&records).len(), 56);
    assert_prod_waits_for_staging(&records);
    assert_control_plane_one_at_a_time(&records);
    assert_eq!(desired_moved(&records), BTreeMap::new(), "surge is left");
    bed.run("plan").ends(0);
    bed.assert_at_rest();
}

#[track_caller]
fn assert_prod_waits_for_staging(records: &[Value]) {
    let at = |kind: &str, stage: &str| {
        records
            .iter()
            .position(|r| event(r).0 == kind && event(r).1["stage"] == stage)
            .unwrap()
    };
    assert!(at("stage-passed", "staging") < at("stage-started", "prod"));
    let prod = records
        .iter()
        .position(|r| {
            event(r).1["cluster"]
                .as_str()
                .is_some_and(|c| c.starts_with("prod-"))
        })
        .unwrap();
    assert!(
        at("stage-passed", "staging") < prod,
        "prod was touched before staging had passed"
    );
    let small = records
        .iter()
        .position(|r| {
            event(r).0 == "cluster-verified" && event(r).1["cluster"] == "prod-small.k8s.foo.bar"
        })
        .unwrap();
    let others = records.iter().position(|r| {
        event(r).0 == "cluster-started"
            && event(r).1["cluster"]
                .as_str()
                .is_some_and(|c| c.starts_with("prod-") && !c.starts_with("prod-small"))
    });
    assert!(
        small < others.unwrap(),
        "the rest of prod started before its first cluster was verified"
    );
}

/// From the drain of a control-plane instance to the end of its group no other one of the cluster is drained or ended.
#[track_caller]
fn assert_control_plane_one_at_a_time(records: &[Value]) {
    let mut under_way: BTreeMap<String, String> = BTreeMap::new();
    let mut ended: BTreeMap<String, u32> = BTreeMap::new();
    for record in records {
        let (kind, held) = event(record);
        let (Some(cluster), Some(group)) = (held["cluster"].as_str(), held["group"].as_str())
        else {
            continue;
        };
        if !group.starts_with("control-plane-") {
            assert!(
                !under_way.contains_key(cluster) || kind != "drain-started",
                "{group} is drained while a control plane is under way"
            );
            continue;
        }
        match kind {
            "drain-started" => {
                let other = under_way.insert(cluster.to_owned(), group.to_owned());
                assert_eq!(
                    other, None,
                    "{group} is drained while another is under way: {record}"
                );
            }
            "intent" if held["effect"]["cloud"].get("terminate").is_some() => {
                assert_eq!(under_way.get(cluster).map(String::as_str), Some(group));
                *ended.entry(cluster.to_owned()).or_default() += 1;
            }
            "group-done" => {
                under_way.remove(cluster);
            }
            _ => {}
        }
    }
    assert!(under_way.is_empty());
    assert_eq!(
        ended.values().copied().collect::<Vec<_>>(),
        [3, 3, 3, 3, 3],
        "each cluster's three, once"
    );
}

#[test]
fn prod_waits_for_a_person() {
    let bed = Bed::with_new_image();
    let said = bed.run("rollout start").ends(3);
    let id = said.plan_id();
    let next = format!(
        "[local] next: `kfleet rollout approve prod --plan {id}`, then `kfleet rollout resume`\n"
    );
    assert!(said.out.ends_with(&next), "{}", said.out);
    assert!(
        said.err
            .ends_with("rollout: paused: stage prod has to be approved\n"),
        "{}",
        said.err
    );
    bed.assert_at_rest();

    let status = bed.run("rollout status").ends(3);
    assert!(
        status
            .out
            .contains("waits for approval of stage prod\n[local]   2 of 5 clusters verified\n"),
        "{}",
        status.out
    );
    assert!(
        status.out.ends_with(&format!(
            "approval needed now for stage prod: kfleet rollout approve prod --plan {id}\n"
        )),
        "{}",
        status.out
    );

    bed.refuses(
        "rollout approve --plan 0123456789ab",
        &["does not carry out plan 0123456789ab"],
    );
    bed.refuses(
        &format!("rollout approve --plan {}", &id[..7]),
        &["at least 8"],
    );
    bed.refuses(
        &format!("rollout approve staging --plan {id}"),
        &["has no stage `staging` that needs an approval"],
    );
    bed.refuses("rollout start", &["is not finished", "rollout resume"]);
    // Nobody approved: asking again changes nothing.
    bed.run("rollout resume").ends(3);

    let said = bed.run(&format!("rollout approve --plan {id}")).ends(0);
    assert!(
        said.err.starts_with(&format!(
            "[local] stage prod of plan {id} is approved until 2026-01-"
        )),
        "{}",
        said.err
    );
    bed.run("rollout resume").ends(0);
    bed.run("plan").ends(0);
    let approved: Vec<Value> = bed
        .records()
        .into_iter()
        .filter(|r| event(r).0 == "approved")
        .collect();
    assert_eq!(approved.len(), 1);
    assert!(
        event(&approved[0]).1["by"]
            .as_str()
            .unwrap()
            .starts_with("anna")
    );
    bed.refuses(
        &format!("rollout approve --plan {id}"),
        &["no rollout waits for an approval"],
    );
}

#[test]
fn an_approval_that_expired_is_asked_for_again() {
    let bed = Bed::with_new_image();
    // The soak of staging lies between the approval and its use.
    let id = bed
        .run("rollout start --max-wait 0s --quiet")
        .ends(3)
        .plan_id();
    bed.run(&format!("rollout approve prod --plan {id} --valid 1m"))
        .ends(0);
    let said = bed.run("rollout resume").ends(3);
    assert!(
        said.err
            .ends_with("rollout: paused: stage prod has to be approved\n"),
        "{}",
        said.err
    );
    assert!(bed.records().iter().all(|r| {
        !event(r).1["cluster"]
            .as_str()
            .unwrap_or_default()
            .starts_with("prod-")
    }));
    bed.run(&format!("rollout approve prod --plan {id}"))
        .ends(0);
    bed.run("rollout resume").ends(0);
}

#[test]
fn an_abort_in_the_middle_leaves_nothing_open() {
    let bed = Bed::with_new_image();
    bed.run("rollout start --quiet --fault stuck-drain:spot-4x-16gb")
        .ends(5);
    let open = bed
        .groups()
        .into_iter()
        .filter(|g| !g.suspended.is_empty() || g.cordoned > 0)
        .count();
    assert!(open > 0, "nothing was open, so this proves nothing");
    let said = bed.run("rollout abort --reason enough").ends(0);
    assert!(said.err.contains("abort asked for by anna"), "{}", said.err);
    assert!(said.out.contains(": aborted\n"), "{}", said.out);
    bed.assert_at_rest();
    assert_eq!(
        desired_moved(&bed.records()),
        BTreeMap::new(),
        "surge is left"
    );
    assert!(
        bed.run("plan")
            .ends(2)
            .out
            .contains("because ImageId differs")
    );
    bed.refuses("rollout abort", &["nothing to abort"]);
    bed.run("rollout start --auto-approve --quiet").ends(0);
    bed.run("plan").ends(0);
}

#[test]
fn history_and_show_tell_what_was() {
    let bed = Bed::built();
    let said = bed.run("rollout history").ends(0);
    assert_eq!(said.out.lines().count(), 1, "{}", said.out);
    assert!(said.out.contains("20260105T080000Z-"), "{}", said.out);
    let said = bed.run("rollout show").ends(0);
    assert!(
        said.out
            .ends_with("rollout: finished: every cluster runs the release, verified and soaked\n"),
        "{}",
        said.out
    );
    bed.refuses(
        "rollout show nothing",
        &["there is no rollout nothing in the store"],
    );
    let empty = Bed::new();
    assert_eq!(
        empty.run("rollout status").ends(0).err,
        "[local] there was no rollout yet\n"
    );
    assert!(!empty.path(".kfleet").exists(), "looking made a store");
}
