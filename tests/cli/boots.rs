//! What new nodes boot with, and which image: fixed by digest and by id, whatever kops or a pattern does beside.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kfleet::cloud::local::{Options, World};
use kfleet::cloud::{Cloud as _, Place};
use kfleet::model::{AsgName, CloudEffect, NodeupHash, UserData};

use crate::bed::Bed;

const CLUSTER: &str = "staging-acme.k8s.foo.bar";
const GROUP: &str = "admin-nodes";

fn user_data(configuration: &str) -> String {
    let hash = NodeupHash::of_file(configuration.as_bytes());
    format!("#!/bin/bash\nNodeupConfigHash: {hash}\n")
}

/// The built fleet, whose nodes boot with what kops' state store holds.
fn booted() -> Bed {
    let bed = Bed::new();
    bed.write("snippets/user_data.sh.j2", &user_data("one"));
    bed.run("rollout start --auto-approve --quiet").ends(0);
    bed.run("render --quiet").ends(0);
    let clusters = kfleet::fleet::load(&bed.path(".")).unwrap().clusters;
    for (name, cluster) in &clusters {
        bed.write(
            &cluster.file,
            &(bed.read(&cluster.file) + "kops: {state_store: ./kops-state}\n"),
        );
        let manifests = bed.read(&format!("rendered/{name}/manifests.yaml"));
        for (path, text) in crate::kept::stored(&manifests, name.as_str()) {
            bed.write(&format!("kops-state/{name}/{path}"), &text);
            if let Some(group) = path.strip_prefix("instancegroup/") {
                let role = match text.contains("role: Master") {
                    true => "control-plane",
                    false => "node",
                };
                stores(&bed, name.as_str(), role, group, "one");
            }
        }
    }
    bed
}

fn stores(bed: &Bed, cluster: &str, role: &str, group: &str, configuration: &str) {
    let path = format!("kops-state/{cluster}/igconfig/{role}/{group}/nodeupconfig.yaml");
    bed.write(&path, configuration);
}

/// What `kops update` does to a group in a cloud: a newer launch template version, which nobody is pinned to.
fn kops_makes_a_version(bed: &Bed, configuration: &str) {
    let clusters = kfleet::fleet::load(&bed.path(".")).unwrap().clusters;
    let cluster = clusters
        .values()
        .find(|c| c.name.as_str() == CLUSTER)
        .unwrap();
    let place = Place {
        cluster: cluster.name.clone(),
        account: cluster.account.clone(),
        region: cluster.region.clone(),
    };
    let asg: AsgName = format!("{GROUP}.{CLUSTER}").parse().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let world = World::open(&bed.path(".kfleet/local"), Options::default()).unwrap();
        let live = world.read(std::slice::from_ref(&place)).await.unwrap();
        let group = &live.clusters[&place.cluster].groups[&asg];
        let data = group.versions[&group.version.number()].data.clone();
        let effect = CloudEffect::CreateTemplateVersion {
            template: asg,
            data: Box::new(data),
            user_data: UserData::Given(STANDARD.encode(user_data(configuration)).into()),
            carry: None,
            token: format!("kops-{configuration}"),
        };
        world.apply(&place, &effect).await.unwrap();
    });
}

#[test]
fn nodes_that_cannot_boot_are_warned_of_until_rolled() {
    let bed = booted();
    let said = bed.run("plan").ends(0).out;
    assert_eq!(
        said,
        "[local] no changes\n[local] looked at 5 clusters and 56 groups\n[local] commit not known: not in a git repository; rendered/ up to date\n"
    );

    // `kops update` rewrites the store at once; here it has not made its version yet.
    stores(&bed, CLUSTER, "node", GROUP, "two");
    let warning = format!("warning: {CLUSTER}: new nodes of 1 group cannot boot: {GROUP}");
    let said = bed.run("plan").ends(2).out;
    assert!(said.contains(&warning), "{said}");
    assert!(
        said.contains("admin-nodes: no launch template version has the user data that kops' state store asks for"),
        "{said}"
    );
    bed.run("rollout start --auto-approve").ends(1);
    // Whoever asks the store alone is told, too: no rollout is under way.
    let status = bed.run("rollout status").ends(0).out;
    assert!(
        status.starts_with(&format!("[local] {warning}")) && status.contains("seen by a plan"),
        "{status}"
    );
    let json = bed.run("rollout status --format json").ends(0).out;
    assert!(json.contains("cannot-boot"), "{json}");

    kops_makes_a_version(&bed, "two");
    let said = bed.run("plan").ends(2).out;
    for part in [
        warning.as_str(),
        "admin-nodes: goes to launch template version 2, which exists already, replaces",
        "user data: as the group has it → another one (compared by digest)",
        "because user data differs",
    ] {
        assert!(said.contains(part), "nothing about {part:?} in\n{said}");
    }
    bed.run("rollout start --auto-approve --quiet").ends(0);
    let status = bed.run("rollout status").ends(0).out;
    assert!(!status.contains("warning"), "{status}");
    let said = bed.run("plan").ends(0).out;
    assert_eq!(
        said,
        "[local] no changes\n[local] looked at 5 clusters and 56 groups\n[local] commit not known: not in a git repository; rendered/ up to date\n"
    );
}

/// A plan of another branch knows nothing of what kops would do to the one that is rolled out; of a store that is not read, nothing is known.
#[test]
fn what_was_found_wrong_is_forgotten_by_nobody_who_cannot_know() {
    let bed = booted();
    let path = format!("kops-state/{CLUSTER}/igconfig/node/{GROUP}/nodeupconfig.yaml");
    stores(&bed, CLUSTER, "node", GROUP, "two");
    bed.run("plan").ends(2);
    // A folder in the place of the file: it cannot be read.
    fs::remove_file(bed.path(&path)).unwrap();
    bed.write(&format!("{path}/x"), "");
    let said = bed.run("plan").ends(2).out;
    assert!(
        said.contains("what kops' state store has new nodes boot with could not be read"),
        "{said}"
    );
    let status = bed.run("rollout status").ends(0).out;
    assert!(status.contains("cannot boot"), "{status}");

    fs::remove_dir_all(bed.path(&path)).unwrap();
    stores(&bed, CLUSTER, "node", GROUP, "one");
    bed.change(
        "vars/staging.yaml",
        "admin_nodes: {min: 2, max: 4}",
        "admin_nodes: {min: 2, max: 5}",
    );
    let said = bed.run("plan").ends(2).out;
    assert!(said.contains("otherwise than git"), "{said}");
    let status = bed.run("rollout status").ends(0).out;
    assert!(!status.contains("warning"), "{status}");
}

/// What is left for `rollout status` ends with the cluster, and what cannot be read of it is said in one line, not passed over.
#[test]
fn a_warning_ends_with_its_cluster_and_a_damaged_one_is_said() {
    let bed = booted();
    stores(&bed, CLUSTER, "node", GROUP, "two");
    bed.run("plan").ends(2);
    let left = format!(".kfleet/warnings/{CLUSTER}.json");
    let text = bed.read(&left);
    let gone = ".kfleet/warnings/gone.k8s.foo.bar.json";
    bed.write(gone, &text.replace(CLUSTER, "gone.k8s.foo.bar"));
    let status = bed.run("rollout status").ends(0).out;
    assert!(status.contains("warning: gone.k8s.foo.bar"), "{status}");
    for (damage, why) in [
        (
            text.replacen("\"version\": 1", "\"version\": 2", 1)
                .replacen("\"version\":1", "\"version\":2", 1),
            "newer",
        ),
        (
            text.replace(CLUSTER, "other.k8s.foo.bar"),
            "it is the warning of other.k8s.foo.bar",
        ),
        ("{".to_owned(), "EOF"),
    ] {
        bed.write(&left, &damage);
        let status = bed.run("rollout status").ends(0).out;
        let said: Vec<&str> = status
            .lines()
            .filter(|l| l.contains("not shown here: "))
            .collect();
        assert!(
            said.len() == 1 && said[0].contains(why) && said[0].contains(CLUSTER),
            "{status}"
        );
        // The others are shown all the same.
        assert!(status.contains("warning: gone.k8s.foo.bar"), "{status}");
    }
    bed.run("plan").ends(2);
    let status = bed.run("rollout status").ends(0).out;
    assert!(
        !status.contains("gone.k8s") && !status.contains("not shown"),
        "{status}"
    );
    assert!(status.contains(&format!("warning: {CLUSTER}")), "{status}");
}

/// Replacing the text in the store lifts no block: what kops makes of it does.
#[test]
fn a_document_stored_but_not_applied_blocks() {
    let bed = booted();
    let not_seen = "nothing in the account shows that kops has carried it out";
    bed.change(
        "templates/1_cluster.yaml.j2",
        "{{ api_server.max_requests_inflight }}",
        "900",
    );
    bed.run("render --quiet").ends(0);
    let plan = format!("plan {CLUSTER}");
    let said = bed.run(&plan).ends(2).out;
    assert!(said.contains("only kops can carry that out"), "{said}");
    assert!(!said.contains(not_seen), "{said}");

    // `kops replace`.
    bed.change(
        &format!("kops-state/{CLUSTER}/config"),
        "maxRequestsInflight: 800",
        "maxRequestsInflight: 900",
    );
    let said = bed.run(&plan).ends(2).out;
    assert!(
        said.contains(&format!("Cluster/{CLUSTER}: ")) && said.contains(not_seen),
        "{said}"
    );
    bed.run("rollout start --auto-approve").ends(1);

    // `kops update`.
    kops_makes_a_version(&bed, "two");
    stores(&bed, CLUSTER, "node", GROUP, "two");
    let said = bed.run(&plan).ends(2).out;
    assert!(
        !said.contains(not_seen) && said.contains("goes to launch template version 2"),
        "{said}"
    );
}

#[test]
fn a_change_takes_the_user_data_that_boots() {
    let bed = booted();
    stores(&bed, CLUSTER, "node", GROUP, "two");
    kops_makes_a_version(&bed, "two");
    bed.change(
        "vars/defaults.yaml",
        crate::bed::OLD_IMAGE,
        crate::bed::NEW_IMAGE,
    );
    bed.run("rollout start --auto-approve --quiet --stage staging")
        .ends(0);
    let said = bed.run("plan").ends(2).out;
    assert!(
        !said.contains("cannot boot") && !said.contains("user data"),
        "{said}"
    );
}

#[test]
fn an_older_version_is_taken_up_again_only_with_its_user_data() {
    let bed = Bed::built();
    // Git gives other user data, with the image as it was: no version holds both.
    let text = bed.read("snippets/user_data.sh.j2");
    bed.write("snippets/user_data.sh.j2", &(text + "# two\n"));
    let said = bed.run("plan").ends(2).out;
    assert!(
        said.contains("new launch template version")
            && said.contains("user data: as the group has it"),
        "{said}"
    );
    bed.run("rollout start --auto-approve --quiet").ends(0);
    bed.run("plan").ends(0);
}

#[test]
fn a_pattern_is_resolved_when_the_plan_is_made() {
    let bed = Bed::built();
    bed.change(
        "vars/defaults.yaml",
        crate::bed::OLD_IMAGE,
        "099720109477/ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-*",
    );
    let file = bed.path("plan.json").display().to_string();
    bed.run(&format!("plan --out {file}")).ends(2);
    let plan = fs::read_to_string(&file).unwrap();
    assert!(
        !plan.contains("server-*\""),
        "the plan holds what the pattern means"
    );
    bed.run("rollout start --auto-approve --quiet").ends(0);
    // The rollout held on to one image, however long it took.
    for record in bed.records() {
        let text = record.to_string();
        assert!(!text.contains("server-*"), "{text}");
    }
}

#[test]
fn one_image_called_two_ways_is_one_image() {
    let bed = Bed::built();
    bed.change("vars/defaults.yaml", "099720109477/", "ubuntu/");
    let said = bed.run("plan").ends(0).out;
    assert!(said.starts_with("[local] no changes\n"), "{said}");
}

/// The same in one cluster alone: another one of the account names it in the other way.
#[test]
fn two_clusters_that_name_one_image_in_two_ways_have_one_image() {
    let bed = Bed::built();
    let own = "vars/prod-acme.k8s.foo.bar.yaml";
    let name = format!(
        "image: ubuntu/ubuntu/images/hvm-ssd-gp3/{}\n",
        crate::bed::OLD_IMAGE
    );
    bed.write(own, &(bed.read(own) + &name));
    let said = bed.run("plan").ends(0).out;
    assert!(said.starts_with("[local] no changes\n"), "{said}");
    // By its id, a third way.
    let id = format!(
        "image: 099720109477/ubuntu/images/hvm-ssd-gp3/{}\n",
        crate::bed::OLD_IMAGE
    );
    let other = "vars/prod-globex.k8s.foo.bar.yaml";
    bed.write(other, &(bed.read(other) + &id));
    bed.run("plan").ends(0);
    // A roll of one of them ends, and nothing is left to do in either.
    bed.change(own, crate::bed::OLD_IMAGE, crate::bed::NEW_IMAGE);
    bed.run("rollout start --auto-approve --quiet").ends(0);
    let said = bed.run("plan").ends(0).out;
    assert!(said.starts_with("[local] no changes\n"), "{said}");
}

/// Disks that come with old types, as kops maps them, are no field of a definition: the next version has them all the same, and the plan says so.
#[test]
fn mappings_of_instance_store_disks_are_adopted() {
    let bed = Bed::built();
    const FIELD: &str = "BlockDeviceMappings[/dev/sdc].VirtualName";
    let file = fs::read_dir(bed.path(".kfleet/local"))
        .unwrap()
        .map(|f| f.unwrap().path())
        .find(|f| f.to_string_lossy().contains(CLUSTER))
        .unwrap();
    let read = || -> serde_json::Value {
        serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap()
    };
    let group = format!("{GROUP}.{CLUSTER}");
    let mut kept = read();
    let version = &mut kept["state"]["templates"][&group]["versions"]["1"];
    assert!(version["data"].is_object(), "{version}");
    version["unmanaged"] = serde_json::json!({FIELD: "ephemeral0"});
    fs::write(&file, kept.to_string()).unwrap();
    bed.run("plan").ends(0);

    bed.change(
        "vars/defaults.yaml",
        crate::bed::OLD_IMAGE,
        crate::bed::NEW_IMAGE,
    );
    let said = bed.run(&format!("plan {CLUSTER}")).ends(2).out;
    assert!(
        said.contains(&format!(
            "{GROUP}: taken over from launch template version 1: {FIELD} = ephemeral0"
        )),
        "{said}"
    );
    bed.run("rollout start --auto-approve --quiet --stage staging")
        .ends(0);
    let kept = read();
    let version = &kept["state"]["templates"][&group]["versions"]["2"];
    assert_eq!(version["unmanaged"][FIELD], "ephemeral0", "{version}");
}
