//! Images by the names that manifests use: what no call that only reads can say is not guessed.

use crate::bed::{Bed, Eyes};
use crate::support::server_or_skip;

const CLUSTER: &str = "staging-globex.k8s.foo.bar";

#[test]
fn an_image_named_by_ssm_is_refused_with_advice() {
    let test = "an_image_named_by_ssm_is_refused_with_advice";
    let Some(server) = server_or_skip(test) else {
        return;
    };
    let bed = Bed::new(server, &[CLUSTER], Eyes::Open);
    bed.seed("1");
    bed.rolls_out("start");
    bed.plan_is_empty();
    server.forget_log(&bed.staging);
    let image = "099720109477/ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-20260801";
    bed.change(
        "vars/defaults.yaml",
        image,
        "ssm:/aws/service/canonical/ubuntu/server/24.04/stable/current/amd64/hvm/ebs-gp3/ami-id",
    );
    let said = bed.run("plan").ends(2);
    for part in [
        "blocked",
        "`ssm:/aws/service/canonical/ubuntu/server/24.04/stable/current/amd64/hvm/ebs-gp3/ami-id` is a parameter of SSM",
        "aws ssm get-parameter",
    ] {
        assert!(
            said.out.contains(part),
            "nothing about {part:?} in\n{}",
            said.out
        );
    }
    // Neither a group nor an instance is taken for one that differs.
    assert!(!said.out.contains("replaces"), "{}", said.out);
    bed.run("rollout start").ends(1);
    let mutating: Vec<_> = server
        .log(&bed.staging)
        .into_iter()
        .filter(|c| c.mutates())
        .collect();
    assert!(mutating.is_empty(), "{mutating:?}");
}
