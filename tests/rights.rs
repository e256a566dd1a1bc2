//! The policies that `kfleet doctor` prints give just what the code can call: the list of calls is held against the sources of the AWS adapter and
//! against the requests that were recorded.
#![allow(clippy::unwrap_used, reason = "a test says what it needs")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use kfleet::model::{AWS_CALLS, AwsUse};

/// What the SDK's methods for operations begin with.
const VERBS: &[&str] = &[
    "assume",
    "attach",
    "cancel",
    "complete",
    "create",
    "delete",
    "describe",
    "detach",
    "disable",
    "enable",
    "enter",
    "execute",
    "exit",
    "get",
    "head",
    "launch",
    "list",
    "modify",
    "put",
    "resume",
    "rollback",
    "run",
    "set",
    "simulate",
    "start",
    "suspend",
    "terminate",
    "update",
];

/// Methods that begin so and are no operations of AWS: fields of answers, and functions of ours.
const NO_CALLS: &[&str] = &[
    "launch_template",
    "launch_template_data",
    "launch_template_id",
    "launch_template_name",
    "launch_template_specification",
    "launch_template_version",
    "launch_template_versions",
    "launch_time",
    "start_time",
    "get_all",
    "get_mut",
    "list_all",
    "cancel_refresh",
    "rollback_refresh",
    "delete_template",
    "enable_all",
    "run_all",
];

/// Called by the SDK itself.
const BY_THE_SDK: &[&str] = &["AssumeRole"];

fn files(folder: &Path, into: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, into);
        } else if path.extension().is_some_and(|e| e == "rs")
            && !path.ends_with("tests.rs")
            && !path.ends_with("recorded.rs")
        {
            let text = fs::read_to_string(&path).unwrap();
            let production = text.split("#[cfg(test)]").next().unwrap().to_owned();
            into.push(production);
        }
    }
}

/// `describe_instances` → `DescribeInstances`; the `2` of `list_objects_v2` is S3's own. Service Quotas writes `AWS` large.
fn camel(method: &str) -> String {
    let parts = method.split('_').map(|part| {
        let mut chars = part.chars();
        let first = chars.next().map(|c| c.to_ascii_uppercase());
        first.into_iter().chain(chars).collect::<String>()
    });
    parts.collect::<String>().replace("GetAws", "GetAWS")
}

/// The operations that a source calls: methods without arguments, named by a verb.
fn called(source: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in source.match_indices("()") {
        let before = &source[..at];
        let start = before
            .rfind(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
            .map_or(0, |i| i + 1);
        let name = &before[start..];
        let is_method = before[..start].ends_with('.');
        let verb = name.split('_').next().unwrap_or_default();
        if is_method && name.contains('_') && VERBS.contains(&verb) && !NO_CALLS.contains(&name) {
            found.insert(camel(name));
        }
    }
    // Some inputs are built before it is known how they are sent.
    for (_, rest) in source
        .match_indices("::operation::")
        .map(|(at, found)| source.split_at(at + found.len()))
    {
        let name: String = rest
            .chars()
            .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
            .collect();
        found.insert(camel(&name));
    }
    found
}

fn sources() -> BTreeSet<String> {
    let mut texts = Vec::new();
    files(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cloud/aws"),
        &mut texts,
    );
    texts.iter().flat_map(|text| called(text)).collect()
}

fn listed() -> BTreeSet<String> {
    AWS_CALLS
        .iter()
        .filter_map(|c| c.api)
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_list_is_what_the_code_can_call() {
    let sources = sources();
    assert!(sources.len() > 40, "the sources are not read: {sources:?}");
    let listed = listed();
    let missing: Vec<&String> = sources.difference(&listed).collect();
    assert!(
        missing.is_empty(),
        "called, and not in AWS_CALLS: {missing:?}"
    );
    let too_much: Vec<&String> = listed
        .difference(&sources)
        .filter(|c| !BY_THE_SDK.contains(&c.as_str()))
        .collect();
    assert!(
        too_much.is_empty(),
        "in AWS_CALLS, and never called: {too_much:?}"
    );
}

#[test]
fn recorded_requests_are_in_the_list() {
    let listed = listed();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/aws_requests");
    let mut seen = BTreeSet::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "out") {
            let text = fs::read_to_string(&path).unwrap();
            let words = text.lines().filter(|l| {
                l.starts_with(|c: char| c.is_ascii_uppercase())
                    && l.chars().all(char::is_alphanumeric)
            });
            seen.extend(words.map(str::to_owned));
        }
    }
    assert!(seen.len() > 30, "no requests found: {seen:?}");
    let missing: Vec<&String> = seen.difference(&listed).collect();
    assert!(
        missing.is_empty(),
        "recorded, and not in AWS_CALLS: {missing:?}"
    );
}

#[test]
fn what_only_looks_changes_nothing() {
    for call in AWS_CALLS.iter().filter(|c| c.needed_for == AwsUse::Plan) {
        let verb = call.right.split(':').nth(1).unwrap();
        let looks = ["Describe", "Get", "List", "AssumeRole"]
            .iter()
            .any(|v| verb.starts_with(v));
        assert!(looks, "{call:?}");
    }
    // The one call without which no replacement comes into its own zone.
    assert!(
        AWS_CALLS
            .iter()
            .any(|c| c.right == "autoscaling:LaunchInstances")
    );
}

#[test]
fn a_call_that_is_not_listed_is_found() {
    let planted = "client.ec2\n    .reboot_all()\n    .modify_launch_template()\n    .send()";
    assert_eq!(
        called(planted),
        BTreeSet::from(["ModifyLaunchTemplate".to_owned()])
    );
}
