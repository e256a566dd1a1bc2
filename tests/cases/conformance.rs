//! Cases that this project did not write: kops manifests, and what kops made of them. Skipped when the folder is not there.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value as Json, json};

fn folder() -> PathBuf {
    std::env::var_os("KFLEET_CONFORMANCE")
        .map_or_else(
            || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/conformance"),
            PathBuf::from,
        )
        .join("kops")
}

fn skipped() {
    say("skipped: no conformance cases");
}

/// Past the harness, which keeps what a passing test prints to itself: a check that did not run has to be seen.
fn say(line: &str) {
    std::io::stderr()
        .write_all(format!("{line}\n").as_bytes())
        .unwrap();
}

#[test]
fn definitions_are_what_kops_makes() {
    let Ok(entries) = std::fs::read_dir(folder()) else {
        skipped();
        return;
    };
    let cases: BTreeSet<PathBuf> = entries
        .map(|e| e.unwrap().path())
        .filter(|p| p.is_dir())
        .collect();
    assert!(!cases.is_empty(), "{} holds no case", folder().display());
    let failed: Vec<String> = cases.iter().filter_map(|case| failure(case)).collect();
    assert!(
        failed.is_empty(),
        "{} of {} cases differ:\n{}",
        failed.len(),
        cases.len(),
        failed.join("\n")
    );
    say(&format!("{} conformance cases equal", cases.len()));
}

/// Every difference of a case, with its path.
fn failure(case: &Path) -> Option<String> {
    let name = case.file_name().unwrap().to_string_lossy();
    let expected: Json =
        serde_json::from_str(&std::fs::read_to_string(case.join("expected.json")).unwrap())
            .unwrap();
    let mut differences = Vec::new();
    match compile(&case.join("manifests.yaml")) {
        Ok(actual) => compare(
            "",
            &by_group(&expected),
            &by_group(&actual),
            &mut differences,
        ),
        Err(error) => differences.push(error),
    }
    (!differences.is_empty()).then(|| format!("{name}:\n  {}", differences.join("\n  ")))
}

/// Source: kops' golden output of the case.
#[test]
fn priorities_are_those_kops_writes() {
    let Ok(text) = std::fs::read_to_string(
        folder().join("cluster-autoscaler-priority-expander/manifests.yaml"),
    ) else {
        skipped();
        return;
    };
    let manifests =
        kfleet::kops::read(&kfleet::yaml::parse(&text, kfleet::yaml::Schema::Kops).unwrap())
            .unwrap();
    let names = ["nodes", "nodes-high-priority", "nodes-low-priority"]
        .map(|g| format!("{g}.cas-priority-expander.example.com"));
    let expected = format!(
        "0:\n- {}\n100:\n- {}\n50:\n- {}",
        names[0], names[1], names[2]
    );
    assert_eq!(
        kfleet::desired::priority_expander(&manifests),
        Some(expected)
    );
}

/// What the program itself prints.
fn compile(manifests: &Path) -> Result<Json, String> {
    let run = Command::new(env!("CARGO_BIN_EXE_kfleet"))
        .args(["compile", "--format", "json"])
        .arg(manifests)
        .output()
        .unwrap();
    if !run.status.success() {
        return Err(String::from_utf8_lossy(&run.stderr).into_owned());
    }
    serde_json::from_slice(&run.stdout).map_err(|e| format!("no JSON: {e}"))
}

fn by_group(list: &Json) -> Json {
    keyed(list.as_array().unwrap(), "instanceGroup")
}

/// A list of objects as an object by one of their fields.
fn keyed(items: &[Json], key: &str) -> Json {
    let map: BTreeMap<String, Json> = items
        .iter()
        .map(|i| (i[key].as_str().unwrap().to_owned(), i.clone()))
        .collect();
    assert_eq!(map.len(), items.len(), "`{key}` is not unique");
    json!(map)
}

/// Lists that AWS treats as sets, so that they compare as such. Overrides are a list in order of preference.
fn unordered(items: &[Json]) -> Json {
    for key in ["Key", "ResourceType", "DeviceName"] {
        if !items.is_empty() && items.iter().all(|i| i.get(key).is_some()) {
            return keyed(items, key);
        }
    }
    let mut sorted = items.to_vec();
    sorted.sort_by_key(Json::to_string);
    Json::Array(sorted)
}

fn compare(path: &str, expected: &Json, actual: &Json, differences: &mut Vec<String>) {
    match (expected, actual) {
        (Json::Object(e), Json::Object(a)) => {
            for (key, value) in e {
                match a.get(key) {
                    Some(other) => compare(&format!("{path}.{key}"), value, other, differences),
                    None => differences
                        .push(format!("{path}.{key}: expected {value}, there is nothing")),
                }
            }
            for (key, value) in a.iter().filter(|(key, _)| !e.contains_key(*key)) {
                let path = format!("{path}.{key}");
                if !is_default(&path, value) {
                    differences.push(format!("{path}: expected nothing, there is {value}"));
                }
            }
        }
        (Json::Array(e), Json::Array(a))
            if !path.ends_with(".Overrides")
                && unordered(e).is_object()
                && unordered(a).is_object() =>
        {
            compare(path, &unordered(e), &unordered(a), differences);
        }
        (Json::Array(e), Json::Array(a)) if e.len() == a.len() => {
            let lists = if path.ends_with(".Overrides") {
                (expected.clone(), actual.clone())
            } else {
                (unordered(e), unordered(a))
            };
            for (i, (e, a)) in lists
                .0
                .as_array()
                .unwrap()
                .iter()
                .zip(lists.1.as_array().unwrap())
                .enumerate()
            {
                compare(&format!("{path}[{i}]"), e, a, differences);
            }
        }
        _ if expected == actual => {}
        _ => differences.push(format!("{path}: expected {expected}, there is {actual}")),
    }
}

/// Fields that may stand in ours and not in theirs, because AWS would say the same.
fn is_default(path: &str, value: &Json) -> bool {
    let defaults = [
        (".WarmPool.MinSize", json!(0)),
        (".WarmPool.MaxGroupPreparedCapacity", json!(-1)),
        (".MixedInstancesPolicy.Overrides", json!([])),
        (".InstancesDistribution.SpotMaxPrice", json!("")),
    ];
    defaults
        .iter()
        .any(|(end, default)| path.ends_with(end) && value == default)
}

#[test]
fn the_comparison_finds_every_kind_of_difference() {
    let differences = |e: Json, a: Json| {
        let mut found = Vec::new();
        compare("", &e, &a, &mut found);
        found.len()
    };
    assert_eq!(
        differences(json!({"a": [1, 2]}), json!({"a": [2, 1]})),
        0,
        "sets"
    );
    assert_eq!(
        differences(
            json!({"a": {"Overrides": [1, 2]}}),
            json!({"a": {"Overrides": [2, 1]}})
        ),
        2,
        "order of preference"
    );
    assert_eq!(
        differences(json!({"a": [1]}), json!({"a": [1, 2]})),
        1,
        "one more"
    );
    assert_eq!(differences(json!({"a": 1}), json!({})), 1, "missing");
    assert_eq!(differences(json!({}), json!({"a": 1})), 1, "extra");
    assert_eq!(
        differences(
            json!({"Tags": [{"Key": "a", "Value": "1"}]}),
            json!({"Tags": [{"Key": "a", "Value": "2"}]})
        ),
        1,
        "by key"
    );
}
