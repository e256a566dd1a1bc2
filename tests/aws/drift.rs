//! Changes by hand: each owned field in turn, found and named, nothing else named; healed by a rollout.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::process::Command;

use crate::bed::{Bed, Eyes, REGION, changed_fields};
use crate::support::{key, server_or_skip};

#[test]
fn every_field_changed_by_hand_is_found_named_and_healed() {
    let Some(server) = server_or_skip("every_field_changed_by_hand_is_found_named_and_healed")
    else {
        return;
    };
    let bed = Bed::new(server, &[], Eyes::Closed);
    bed.seed("1");
    bed.rolls_out("start");
    bed.plan_is_empty();
    let edits = drift(&bed);
    assert!(edits.len() > 50, "{}", edits.len());
    let found = changed_fields(&bed.plan(2));
    let mut wrong = Vec::new();
    for (group, field) in &edits {
        match found.get(group) {
            None => wrong.push(format!("{field} of {group} is not found")),
            Some(fields) if fields.iter().all(|f| f.starts_with(field.as_str())) => {}
            Some(fields) => wrong.push(format!("{field} of {group} is found as {fields:?}")),
        }
    }
    let edited: std::collections::BTreeSet<&String> =
        edits.iter().map(|(group, _)| group).collect();
    wrong.extend(
        found
            .iter()
            .filter(|(group, _)| !edited.contains(group))
            .map(|(group, fields)| format!("{group} was left alone, and {fields:?} is found")),
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    bed.rolls_out("start");
    bed.plan_is_empty();
}

/// What was changed: group and field.
fn drift(bed: &Bed) -> Vec<(String, String)> {
    let program = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/moto/drift.py");
    let mut command = Command::new(bed.server.python());
    command
        .arg(program)
        .args([&bed.server.url(), REGION])
        .env("PYTHONDONTWRITEBYTECODE", "1");
    for (account, environment) in [(&bed.prod, "prod"), (&bed.staging, "staging")] {
        let clusters: Vec<&str> = bed
            .clusters()
            .iter()
            .map(String::as_str)
            .filter(|c| c.starts_with(environment))
            .collect();
        command.arg(format!("{}={}", key(account), clusters.join(",")));
    }
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let edits: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout).unwrap();
    let text = |edit: &serde_json::Value, name: &str| edit[name].as_str().unwrap().to_owned();
    edits
        .iter()
        .map(|e| (text(e, "group"), text(e, "field")))
        .collect()
}
