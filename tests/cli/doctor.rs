//! `kfleet doctor` says of each thing whether it is in place, what to do where it is not, and why where nobody knows.

use serde_json::Value;

use crate::bed::{Bed, assert_same};

#[test]
fn all_is_well_on_the_simulated_account() {
    let bed = Bed::built();
    let said = bed.run("doctor").ends(0);
    for line in [
        "git          not checked  not in a git repository: a rollout cannot say which commit it is of",
        "fleet        ok           5 clusters render, 56 groups compile, release ",
        "store        ok           conditional puts work: what does not hold is refused",
        "credentials  not checked  the simulated account asks for none",
        "clock        not checked  the simulated account brings its own time",
        "permissions  ok           plan: all that a plan reads could be read, in 5 clusters",
        "images       ok           ",
        "kubernetes   ok           prod-acme.k8s.foo.bar: ",
        "room         ok           wave 1 of stage staging (account 222233334444, eu-west-3, 2 of 2 clusters at the same time): what it takes",
        "28 vCPUs of the limit on-demand standard, 99952 of 100000 are left",
        "6 free addresses at most of each of 6 subnets, which have more than twice that",
        "0 wrong, ",
    ] {
        assert!(said.out.contains(line), "no {line:?} in\n{}", said.out);
    }
    // A second look finds what the first one left.
    assert_same(&bed.tree(), &{
        bed.run("doctor").ends(0);
        bed.tree()
    });
    let one = bed.run("doctor prod-acme.k8s.foo.bar").ends(0);
    assert!(!one.out.contains("staging-acme"), "{}", one.out);
}

#[test]
fn what_is_wrong_is_exit_2() {
    let bed = Bed::new();
    let said = bed.run("doctor").ends(0);
    assert!(
        said.out
            .contains("store        not checked  DIR/.kfleet is not there yet"),
        "{}",
        said.out
    );
    bed.change(
        "fleet.yaml",
        "gates:\n",
        "gates:\n  - {name: smoke, kind: command, run: [\"./smoke.sh\"]}\n",
    );
    let said = bed.run("doctor").ends(2);
    assert!(
        said.out
            .contains("wrong        gate smoke: `./smoke.sh` does not exist"),
        "{}",
        said.out
    );
    bed.write("vars/defaults.yaml", "a: [");
    let said = bed.run("doctor --format json").ends(2);
    let json: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(json["summary"]["wrong"], 1);
    assert_eq!(json["checks"][0]["area"], "fleet");
    assert!(
        json["checks"][0]["said"]
            .as_str()
            .unwrap()
            .contains("vars/defaults.yaml")
    );
}

#[test]
fn policies_name_what_the_fleet_names() {
    let bed = Bed::new();
    bed.change(
        "fleet.yaml",
        "store: .kfleet",
        "store: s3://acme-kfleet/fleet",
    );
    let policy = |which: &str| -> Value {
        let said = bed.run(&format!("doctor --policy {which}")).ends(0);
        serde_json::from_str(&said.out).unwrap()
    };
    let text = policy("rollout").to_string();
    for part in [
        "autoscaling:LaunchInstances",
        "ec2:CreateFleet",
        "arn:aws:s3:::acme-kfleet/fleet/*",
        "arn:aws:iam::111122223333:role/nodes.prod-acme.k8s.foo.bar",
        "aws:ResourceTag/KubernetesCluster",
    ] {
        assert!(text.contains(part), "no {part} in {text}");
    }
    let text = policy("plan").to_string();
    assert!(
        !text.contains("LaunchInstances\"") && !text.contains("PutObject"),
        "{text}"
    );
    let role = bed.run("doctor --policy kubernetes").ends(0).out;
    assert_eq!(role, kfleet::report::cluster_role());
    // The same in JSON, with the smallest ClusterRole.
    bed.change(
        "fleet.yaml",
        "store: s3://acme-kfleet/fleet",
        "store: .kfleet",
    );
    let json: Value = serde_json::from_str(&bed.run("doctor --format json").ends(0).out).unwrap();
    assert!(json["policies"]["rollout"]["Statement"].is_array());
    let line = &json["room"][0]["regions"][0]["lines"][0];
    assert!(line["peak"].is_u64() && line["room"].is_u64(), "{line}");
    assert!(
        json["cluster_role"]
            .as_str()
            .unwrap()
            .contains("kind: ClusterRole")
    );
}
