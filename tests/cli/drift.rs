//! `kfleet drift`: what others changed, what git wants and nobody has applied, and what is not known.

use kfleet::cloud::local::{Options, World};
use kfleet::cloud::{Cloud as _, Place};
use kfleet::model::{AutoScalingGroup, CloudEffect, Definition};
use serde_json::Value;

use crate::bed::{Bed, assert_same};
use crate::revisions::{committed, git};

const CLUSTER: &str = "prod-acme.k8s.foo.bar";
const GROUP: &str = "spot-8x-32gb";

/// A fleet in git that is rolled out.
fn rolled_out() -> Bed {
    let bed = committed();
    bed.run("rollout start --auto-approve --quiet").ends(0);
    bed
}

/// Somebody changes the maximum of a group in the console.
fn by_hand(bed: &Bed, max: u32) {
    change_by_hand(bed, |group| group.max_size = max);
}

/// Somebody changes a group in the console.
fn change_by_hand(bed: &Bed, change: impl FnOnce(&mut AutoScalingGroup)) {
    let fleet = kfleet::fleet::load(&bed.path("")).unwrap();
    let cluster = &fleet.clusters[&CLUSTER.parse().unwrap()];
    let place = Place {
        cluster: cluster.name.clone(),
        account: cluster.account.clone(),
        region: cluster.region.clone(),
    };
    let file = format!("rendered/{CLUSTER}/groups/{GROUP}.yaml");
    let from: Definition = serde_yaml::from_str(&bed.read(&file)).unwrap();
    let mut to = from.clone();
    change(&mut to.auto_scaling_group);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let world = World::open(&bed.path(".kfleet/local"), Options::default()).unwrap();
        let effect = CloudEffect::UpdateGroup {
            from: Box::new(from),
            to: Box::new(to),
            version: None,
        };
        let done = world.apply(&place, &effect).await.unwrap();
        assert_eq!(done, kfleet::model::Applied::Done);
    });
}

#[test]
fn what_others_changed_is_found_and_is_exit_2() {
    let bed = rolled_out();
    let said = bed.run("drift").ends(0);
    assert!(
        said.out
            .contains(&format!("{CLUSTER} (applied by rollout ")),
        "{}",
        said.out
    );
    assert!(said.out.contains("): no drift\n"), "{}", said.out);

    by_hand(&bed, 85);
    let said = bed.run("drift").ends(2);
    let text = format!(
        "  changed by others\n[local]     {GROUP}: MaxSize: is 85, applied 80\n[local]     who and when: not known"
    );
    assert!(said.out.contains(&text), "{}", said.out);
    bed.run("drift --fail-on never").ends(0);
    bed.run("drift staging-acme.k8s.foo.bar").ends(0);
    let json: Value = serde_json::from_str(&bed.run("drift --format json").ends(2).out).unwrap();
    let cluster = json["clusters"]
        .as_array()
        .unwrap()
        .iter()
        .find(|c| c["cluster"] == CLUSTER);
    assert_eq!(cluster.unwrap()["items"][0]["class"], "by-others");
    // A pipeline's log says why the step failed.
    let said = bed.run("drift --format junit").ends(2);
    let why = "5 clusters: 1 changed by others, 0 not known, 0 with changes that are not applied yet, 0 not read; exit code 2";
    assert!(said.err.contains(why), "{}", said.err);
    // A look takes no lock, and changes nothing but what the last look found.
    let before = bed.tree();
    bed.run("drift").ends(2);
    assert_same(&before, &bed.tree());
}

#[test]
fn groups_that_others_deleted_are_found() {
    let bed = rolled_out();
    // An account without the cluster: all of its groups are gone.
    std::fs::remove_dir_all(bed.path(".kfleet/local")).unwrap();
    let said = bed.run(&format!("drift {CLUSTER}")).ends(2);
    assert!(
        said.out
            .contains(&format!("{GROUP}: is not there, applied")),
        "{}",
        said.out
    );
}

#[test]
fn what_git_wants_now_is_not_what_others_did() {
    let bed = rolled_out();
    bed.change(
        "vars/prod-acme.k8s.foo.bar.yaml",
        "8x_32Gb: {min: 2, max: 80}",
        "8x_32Gb: {min: 3, max: 80}",
    );
    let said = bed.run("drift").ends(0);
    let text =
        format!("  wanted by git, not applied yet\n[local]     {GROUP}: MinSize: is 2, wanted 3\n");
    assert!(said.out.contains(&text), "{}", said.out);
    bed.run("drift --fail-on any").ends(2);
    // What many groups wait for is one line.
    let image = "server-20260901";
    bed.change(
        "vars/prod-small.k8s.foo.bar.yaml",
        "",
        &format!(
            "image: 099720109477/ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-{image}\n"
        ),
    );
    let said = bed.run("drift prod-small").ends(0);
    let lines = said.out.lines().filter(|line| line.contains(image));
    let lines: Vec<&str> = lines.collect();
    assert!(
        matches!(lines.as_slice(), [one] if one.contains(" and 7 more: ImageId: is ")),
        "{}",
        said.out
    );
    // Others at the same time: each is told apart, by the commit that was rolled out.
    by_hand(&bed, 85);
    let said = bed.run("drift").ends(2);
    assert!(
        said.out
            .contains(&format!("{GROUP}: MaxSize: is 85, applied 80")),
        "{}",
        said.out
    );
    assert!(
        said.out
            .contains(&format!("{GROUP}: MinSize: is 2, wanted 3")),
        "{}",
        said.out
    );
    assert!(!said.out.contains("MaxSize: is 85, wanted"), "{}", said.out);

    // The commit that was rolled out is gone: nobody can say whose it is.
    std::fs::remove_dir_all(bed.path(".git")).unwrap();
    git(&bed, "init --quiet");
    let said = bed.run("drift").ends(2);
    assert!(
        said.out
            .contains("what was applied is not known: git knows no revision"),
        "{}",
        said.out
    );
}

#[test]
fn what_others_changed_can_be_accepted_into_vars() {
    let bed = rolled_out();
    change_by_hand(&bed, |group| {
        group.min_size = 3;
        group.max_size = 85;
    });
    let vars = format!("vars/{CLUSTER}.yaml");
    let before = bed.read(&vars);
    // Nobody said yes: it is shown.
    let said = bed.run("drift --accept").ends(2);
    let patch = format!(
        "--- a/{vars}\n+++ b/{vars}\n@@ -2,4 +2,4 @@\n \n spot_nodes:\n   # The nightly imports.\n-  8x_32Gb: {{min: 2, max: 80}}\n+  8x_32Gb: {{min: 3, max: 85}}\n"
    );
    assert!(said.out.contains(&patch), "{}", said.out);
    assert!(said.err.contains("nothing was written"), "{}", said.err);
    assert_eq!(bed.read(&vars), before);

    bed.run("drift --accept --yes").ends(0);
    assert_eq!(
        bed.read(&vars),
        before.replace("{min: 2, max: 80}", "{min: 3, max: 85}")
    );
    // That is what is live: nothing is left to be rolled out. It stays what others did until a rollout has recorded it, and that is said.
    bed.run("plan").ends(0);
    let said = bed.run("drift").ends(2);
    assert!(
        said.out
            .contains("git wants it so by now: `kfleet rollout start` records it as applied")
            && !said.out.contains("shows what a rollout puts back"),
        "{}",
        said.out
    );
    bed.run("rollout start --auto-approve --quiet").ends(0);
    bed.run("drift").ends(0);
}

#[test]
fn what_no_var_says_is_not_accepted_and_why() {
    let bed = rolled_out();
    change_by_hand(&bed, |group| {
        group.max_size = 85;
        group.max_instance_lifetime = Some(86_400);
    });
    let said = bed.run(&format!("drift {CLUSTER} --accept --yes")).ends(2);
    assert!(
        said.out
            .contains("MaxInstanceLifetime: it came or went as a whole"),
        "{}",
        said.out
    );
    // The rest is.
    assert!(
        bed.read(&format!("vars/{CLUSTER}.yaml"))
            .contains("max: 85")
    );
    // A group that is gone is no matter of vars.
    std::fs::remove_dir_all(bed.path(".kfleet/local")).unwrap();
    let said = bed.run(&format!("drift {CLUSTER} --accept --yes")).ends(2);
    assert!(
        said.out.contains("it was deleted by others"),
        "{}",
        said.out
    );
}
