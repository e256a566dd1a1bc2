//! Credentials that are over before anything began: an error that says whose they are and what to do, and nothing is left behind.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use serde_json::json;

use crate::bed::{Bed, Eyes};
use crate::support::{fault, key, server_or_skip};

const CLUSTER: &str = "staging-globex.k8s.foo.bar";

#[test]
fn credentials_that_are_over_before_a_rollout_began_are_named() {
    let Some(server) = server_or_skip("credentials_that_are_over_before_a_rollout_began_are_named")
    else {
        return;
    };
    let mut bed = Bed::new(server, &[CLUSTER], Eyes::Closed);
    bed.seed("1");
    bed.add(&format!("vars/{CLUSTER}.yaml"), "admin_nodes: {max: 5}\n");
    let over = json!({"times": 1_000_000, "status": 403, "code": "ExpiredToken", "message": "The security token included in the request is expired"});
    let account = format!("error: no valid credentials for account {}: ", bed.staging);
    let says = |bed: &Bed, whose: &str| {
        for words in ["plan", "rollout start"] {
            let said = bed.run(words).ends(1);
            assert!(
                said.err.contains(&account) && said.err.contains("ExpiredToken"),
                "{}",
                said.err
            );
            let hint = format!("hint: log in again: the credentials are {whose}");
            assert!(
                said.err.contains(&hint),
                "nothing like {hint:?} in\n{}",
                said.err
            );
        }
        let status = bed.run("rollout status").ends(0);
        assert!(
            status.err.contains("there was no rollout yet"),
            "{}",
            status.err
        );
    };
    // The role's, and the caller's own, which it is assumed with.
    server.order(
        "faults",
        &json!([
            fault(&bed.staging, ".*", over.clone()),
            fault(&bed.home, ".*", over)
        ]),
    );
    says(&bed, "those of AWS_ACCESS_KEY_ID in the environment");
    bed.write(
        "credentials",
        &format!(
            "[ops]\naws_access_key_id = {}\naws_secret_access_key = x\n",
            key(&bed.home)
        ),
    );
    let file = bed.path("credentials").display().to_string();
    bed.set("AWS_SHARED_CREDENTIALS_FILE", &file);
    bed.set("AWS_ACCESS_KEY_ID", "");
    bed.set("AWS_SECRET_ACCESS_KEY", "");
    bed.set("AWS_PROFILE", "ops");
    says(&bed, "those of profile `ops`");
    server.forget_faults(&bed.staging);
    server.forget_faults(&bed.home);
    bed.run("plan").ends(2);
    let writes: Vec<_> = server
        .log(&bed.staging)
        .into_iter()
        .filter(|c| c.mutates())
        .collect();
    assert!(writes.is_empty(), "{writes:?}");
}
