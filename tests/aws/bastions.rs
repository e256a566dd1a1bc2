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
    // What `kops update cluster` makes for the first bastion of a cluster.
    let groups = [format!("bastion.{CLUSTER}")];
    let made = serde_json::json!({"account": bed.staging, "region": crate::bed::REGION, "cluster": CLUSTER, "securityGroups": groups});
    server.order("network", &made);
    bed.write("templates/9_bastions.yaml.j2", BASTIONS);
    let said = bed.run("rollout start --quiet");
    assert_eq!(said.code, Some(0), "{}\n{}", said.out, said.err);
    bed.plan_is_empty();
    let asked = |what: &str| {
        let log = server.log(&bed.staging);
        log.iter()
            .filter(|c| c.action() == what && c.landed())
            .count()
    };
    let before = asked("TerminateInstanceInAutoScalingGroup");
    bed.change("templates/9_bastions.yaml.j2", "t3.micro", "t3.small");
    bed.rolls_out("start");
    bed.plan_is_empty();
    assert_eq!(asked("TerminateInstanceInAutoScalingGroup"), before + 1);
}
