//! The table of codes in `docs/codes.md`: what the source says of every reason, advice, note and event, so that neither goes without the other.
//! `KFLEET_BLESS=1` writes it anew.

use std::fmt::Write;
use std::path::Path;

/// Where the events are, level by level.
const EVENTS: &str = "src/rollout/event.rs";
/// The enum of each level, and the fields that say where it happened.
const LEVELS: [(&str, &[&str]); 5] = [
    ("RolloutEvent", &[]),
    ("StageEvent", &["stage"]),
    ("ClusterEvent", &["cluster"]),
    ("GroupEvent", &["cluster", "group"]),
    ("StepEvent", &["step"]),
];

/// Title, file, enum.
const TABLES: [(&str, &str, &str); 30] = [
    (
        "Reasons: `why` of an event, and what is waited for",
        "src/rollout/reason/mod.rs",
        "Reason",
    ),
    (
        "Reasons about instances of a group",
        "src/rollout/reason/group.rs",
        "GroupReason",
    ),
    (
        "Reasons about drains",
        "src/rollout/reason/drain.rs",
        "DrainReason",
    ),
    (
        "Reasons about versions and instance refreshes",
        "src/rollout/reason/version.rs",
        "VersionReason",
    ),
    ("Advice", "src/rollout/reason/advice.rs", "Advice"),
    (
        "Grounds: what a gate's verdict is based on",
        "src/rollout/reason/health.rs",
        "Ground",
    ),
    ("Symptoms", "src/rollout/reason/health.rs", "Symptom"),
    (
        "Faults of a control plane",
        "src/rollout/reason/health.rs",
        "PlaneFault",
    ),
    ("Evidence", "src/rollout/reason/health.rs", "Evidence"),
    (
        "Differences from the plan",
        "src/rollout/reason/mod.rs",
        "Difference",
    ),
    (
        "Findings before the first change",
        "src/rollout/reason/finding.rs",
        "PreflightFinding",
    ),
    (
        "What else was tried for want of capacity",
        "src/rollout/reason/capacity.rs",
        "NoOther",
    ),
    (
        "Why a twin cannot stand in for want of capacity",
        "src/rollout/reason/capacity.rs",
        "NoLoan",
    ),
    (
        "Room that is missing",
        "src/plan/room/shortage.rs",
        "Shortage",
    ),
    (
        "Room that is not known",
        "src/plan/room/shortage.rs",
        "RoomUnknown",
    ),
    ("Notes of a plan", "src/plan/note.rs", "Fact"),
    (
        "What is in the way of a launch",
        "src/plan/note.rs",
        "LaunchBlocker",
    ),
    (
        "What is in the way of a drain",
        "src/plan/note.rs",
        "DrainBlocker",
    ),
    (
        "What is in the way of a cluster's plan",
        "src/plan/blocked.rs",
        "Blocked",
    ),
    ("Faults of a twin", "src/plan/blocked.rs", "TwinFault"),
    (
        "What kops, as the engine, cannot do",
        "src/plan/blocked.rs",
        "KopsFault",
    ),
    ("Warnings and remarks", "src/plan/remark.rs", "Remark"),
    (
        "Broken rules of a rehearsal: order",
        "src/rollout/breach/order.rs",
        "OrderBreach",
    ),
    (
        "Broken rules of a rehearsal: groups",
        "src/rollout/breach/group.rs",
        "GroupBreach",
    ),
    (
        "Broken rules of a rehearsal: instances",
        "src/rollout/breach/instance.rs",
        "InstanceBreach",
    ),
    (
        "Broken rules of a rehearsal: nodes",
        "src/rollout/breach/node.rs",
        "NodeBreach",
    ),
    (
        "Broken rules of a rehearsal: pods",
        "src/rollout/breach/pod.rs",
        "PodBreach",
    ),
    (
        "Broken rules of a rehearsal: stages and waves",
        "src/rollout/breach/turn.rs",
        "TurnBreach",
    ),
    (
        "Broken rules of a rehearsal: what counts as verified or restored",
        "src/rollout/breach/claim.rs",
        "ClaimBreach",
    ),
    (
        "Broken rules of a rehearsal: other records",
        "src/rollout/breach/record.rs",
        "RecordBreach",
    ),
];

#[test]
fn every_code_is_in_the_table() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = String::from(
        "# Codes\n\nEvery event, wait, failure and note in JSON and JSON lines has a code, which stays the same between versions, and its data beside it; \
         the `message` is for people and may change. A reason that has no code is a text: the words of a cloud, a gate or a person, or of a journal of \
         version 1. This page is made from the source.\n",
    );
    let source = |file: &str| std::fs::read_to_string(root.join(file)).unwrap();
    let events = LEVELS
        .iter()
        .flat_map(|(name, place)| codes(&source(EVENTS), name, place));
    table(&mut found, "Events", &events.collect::<Vec<String>>());
    for (title, file, name) in TABLES {
        table(&mut found, title, &codes(&source(file), name, &[]));
    }
    let path = root.join("docs/codes.md");
    if std::env::var_os("KFLEET_BLESS").is_some() {
        std::fs::write(&path, &found).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        expected == found,
        "docs/codes.md is not what the source says; KFLEET_BLESS=1 writes it"
    );
}

fn table(found: &mut String, title: &str, rows: &[String]) {
    assert!(!rows.is_empty(), "{title} has no rows");
    write!(
        found,
        "\n## {title}\n\n| code | what | data |\n|---|---|---|\n"
    )
    .unwrap();
    found.extend(rows.iter().map(String::as_str));
}

/// A row for each variant of an enum that rustfmt has set: its code, its words, and its fields behind those of its place.
fn codes(source: &str, name: &str, place: &[&'static str]) -> Vec<String> {
    let begin = format!("pub enum {name} {{\n");
    let body = source.split_once(&begin).unwrap().1;
    let body = body.split_once("\n}\n").unwrap().0;
    let (mut rows, mut said) = (Vec::new(), String::new());
    let mut fields: Vec<&str> = place.to_vec();
    let mut renamed: Option<String> = None;
    let mut open: Option<(String, String)> = None;
    for line in body.lines() {
        let text = line.trim_start();
        let depth = (line.len() - text.len()) / 4;
        match (depth, &open) {
            (1, None) if text.starts_with("/// ") => {
                said.push_str(if said.is_empty() { "" } else { " " });
                said.push_str(&text[4..]);
            }
            (1, None) if text.starts_with("#[serde(rename = ") => {
                renamed = text.split('"').nth(1).map(str::to_owned);
            }
            (1, None) if text.starts_with(|c: char| c.is_ascii_uppercase()) => {
                let end = text.find(|c: char| !c.is_ascii_alphanumeric()).unwrap();
                let code = renamed.take().unwrap_or_else(|| kebab(&text[..end]));
                let variant = (code, std::mem::take(&mut said));
                match text.ends_with('{') {
                    true => open = Some(variant),
                    // Words without a code, and reasons of a theme, which have a table of their own.
                    false if text[end..].starts_with('(') => {}
                    false => rows.push(row(&variant, &[place, &on_one_line(text)].concat())),
                }
            }
            (1, Some(variant)) if text.starts_with('}') => {
                rows.push(row(variant, &fields));
                fields.truncate(place.len());
                open = None;
            }
            (2, Some(_)) if text.starts_with(|c: char| c.is_ascii_lowercase()) => {
                fields.push(text.split_once(':').unwrap().0);
            }
            _ => {}
        }
    }
    rows
}

/// The fields of a variant whose line holds all of it.
fn on_one_line(text: &str) -> Vec<&str> {
    let inside = text.split_once('{').map_or("", |(_, inside)| inside);
    let parts = inside.split(", ").map(str::trim);
    parts
        .filter_map(|part| Some(part.split_once(": ")?.0))
        .collect()
}

fn row((code, said): &(String, String), fields: &[&str]) -> String {
    assert!(!said.is_empty(), "what `{code}` means is not said");
    let fields: Vec<String> = fields.iter().map(|f| format!("`{f}`")).collect();
    format!("| `{code}` | {said} | {} |\n", fields.join(", "))
}

/// As serde writes it.
fn kebab(name: &str) -> String {
    let mut out = String::new();
    for (n, c) in name.chars().enumerate() {
        if c.is_ascii_uppercase() && n > 0 {
            out.push('-');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}
