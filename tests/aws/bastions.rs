//! A bastion: an instance that is no node, made and changed all the same.

use crate::bed::{Bed, Eyes};
use crate::support::server_or_skip;

const CLUSTER: &str = "staging-globex.k8s.foo.bar";

const BASTIONS: &str = "apiVersion: kops.k8s.io/v1alpha2
kind: InstanceGroup
metadata:
  name: bastions
  labels:
    kops.k8s.io/cluster: {{ cluster.name }}
spec:
  role: Bastion
  image: {{ image }}
  machineType: t3.micro
  minSize: 1
  maxSize: 1
  subnets:
  - utility-{{ zones[0] }}
";

#[test]
fn a_bastion_is_made_and_changed_though_it_is_no_node() {
    let Some(server) = server_or_skip("a_bastion_is_made_and_changed_though_it_is_no_node") else {
        return;
    };
    let bed = Bed::new(server, &[CLUSTER], Eyes::Open);
    bed.seed("1");
    bed.rolls_out("start");
    bed.plan_is_empty();
    bed.write("templates/9_bastions.yaml.j2", BASTIONS);
    bed.run("render --out seeded").ends(0);
    let groups = bed.definitions(CLUSTER);
    let bastions = groups.iter().find(|d| d["instanceGroup"] == "bastions");
    let bastions = bastions.unwrap();
    // What `kops update cluster` makes for the first bastion of a cluster.
    let interfaces = &bastions["launchTemplate"]["LaunchTemplateData"]["NetworkInterfaces"];
    let made = serde_json::json!({
        "account": bed.staging, "region": crate::bed::REGION, "cluster": CLUSTER,
        "securityGroups": interfaces[0]["Groups"],
        "subnets": bastions["autoScalingGroup"]["VPCZoneIdentifier"],
        "targetGroups": bastions["autoScalingGroup"]["TargetGroupARNs"],
    });
    server.order("network", &made);
    let said = bed.run("rollout start --quiet");
    assert_eq!(said.code, Some(0), "{}\n{}", said.out, said.err);
    bed.plan_is_empty();
    server.forget_log(&bed.staging);
    bed.change("templates/9_bastions.yaml.j2", "t3.micro", "t3.small");
    bed.rolls_out("start");
    bed.plan_is_empty();
    let log = server.log(&bed.staging);
    let changes: Vec<&str> = log
        .iter()
        .filter(|c| c.mutates() && c.landed())
        .map(|c| c.action())
        .collect();
    // At its maximum the group has no room for one more: AWS launches in the place of the one that is detached. Nothing is drained.
    assert_eq!(
        changes,
        [
            "CreateLaunchTemplateVersion",
            "UpdateAutoScalingGroup",
            "CreateTags",
            "DetachInstances",
            "TerminateInstances"
        ]
    );
}
