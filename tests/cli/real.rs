//! What real clusters have and the bundled fleet has not: shared subnets, packed user data, one image by two names, suspended processes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kfleet::model::NodeupHash;

use crate::bed::{Bed, OLD_IMAGE};

const CLUSTER: &str = "staging-acme.k8s.foo.bar";

/// kops has stored what git wants of the cluster.
fn stores(bed: &Bed) {
    let file = format!("clusters/{CLUSTER}.yaml");
    bed.write(
        &file,
        &(bed.read(&file) + "kops: {state_store: ./kops-state}\n"),
    );
    let manifests = bed.read(&format!("rendered/{CLUSTER}/manifests.yaml"));
    for (path, text) in crate::kept::stored(&manifests, CLUSTER) {
        bed.write(&format!("kops-state/{CLUSTER}/{path}"), &text);
    }
}

/// Groups are in shared subnets by id: that AWS ends what is in a zone that goes is said all the same.
#[test]
fn zones_of_shared_subnets_are_known() {
    let bed = Bed::new();
    let template = "templates/1_cluster.yaml.j2";
    for name in ["{{ zone }}", "utility-{{ zone }}"] {
        bed.change(
            template,
            &format!("  - name: {name}\n"),
            &format!("  - name: {name}\n    id: subnet-{name}\n"),
        );
    }
    bed.run("rollout start --auto-approve --quiet").ends(0);
    bed.change(
        "vars/defaults.yaml",
        "4x_16Gb: {az: [eu-west-3a, eu-west-3b, eu-west-3c]",
        "4x_16Gb: {az: [eu-west-3a, eu-west-3b]",
    );
    let said = bed.run(&format!("plan {CLUSTER}")).ends(2).out;
    assert!(
        said.contains("VPCZoneIdentifier: removes subnet-eu-west-3c")
            && said.contains("note: spot-4x-16gb: AWS ends 1 instance in eu-west-3c by itself"),
        "{said}"
    );
}

/// A group with `compressUserData`: its hash is in what the script unpacks.
#[test]
fn packed_user_data_boots_with_what_the_store_holds() {
    use std::io::Write as _;
    let bed = Bed::new();
    let env = format!("NodeupConfigHash: {}\n", NodeupHash::of_file(b"one"));
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(env.as_bytes()).unwrap();
    let packed = STANDARD.encode(gzip.finish().unwrap());
    bed.write(
        "snippets/user_data.sh.j2",
        &format!("#!/bin/bash\necho \"{packed}\" | base64 -d | gzip -d > conf/kube_env.yaml\n"),
    );
    bed.run("rollout start --auto-approve --quiet --stage staging")
        .ends(0);
    bed.run("render --quiet").ends(0);
    stores(&bed);
    let path =
        |group: &str| format!("kops-state/{CLUSTER}/igconfig/node/{group}/nodeupconfig.yaml");
    bed.write(&path("admin-nodes"), "one");
    let said = bed.run(&format!("plan {CLUSTER}")).ends(0).out;
    assert!(!said.contains("warning"), "{said}");
    bed.write(&path("admin-nodes"), "two");
    let said = bed.run(&format!("plan {CLUSTER}")).ends(2).out;
    assert!(
        said.contains("new nodes of 1 group cannot boot: admin-nodes"),
        "{said}"
    );
}

/// What kops stored names the owner by its alias: the next `kops update` sets the same image.
#[test]
fn a_store_that_names_the_image_another_way_does_not_lag() {
    let bed = Bed::built();
    bed.run("render --quiet").ends(0);
    stores(&bed);
    let group = format!("kops-state/{CLUSTER}/instancegroup/admin-nodes");
    bed.change(&group, "099720109477/", "ubuntu/");
    let said = bed.run(&format!("plan {CLUSTER}")).ends(0).out;
    assert!(!said.contains("warning"), "{said}");
    bed.change(&group, OLD_IMAGE, "another");
    let said = bed.run(&format!("plan {CLUSTER}")).ends(0).out;
    assert!(said.contains("1 group otherwise than git"), "{said}");
}

/// A gate that waits for an instance which AWS does not launch says why.
#[test]
fn a_gate_says_that_launch_is_suspended() {
    let bed = Bed::built();
    bed.change(
        "templates/3_admin-nodes.yaml.j2",
        "  rollingUpdate:",
        "  suspendProcesses: [Launch]\n  rollingUpdate:",
    );
    bed.write(
        "lost.yaml",
        "version: 1\nscenario:\n  - {act: \"terminate:admin-nodes:1\", after: 0s}\n",
    );
    let scenario = bed.path("lost.yaml").display().to_string();
    let said = bed.run(&format!(
        "rollout start --auto-approve --stage staging --scenario {scenario}"
    ));
    assert!(
        said.out
            .contains("in service (its process Launch is suspended, so AWS launches none)"),
        "{}\n{}",
        said.out,
        said.err
    );
}
