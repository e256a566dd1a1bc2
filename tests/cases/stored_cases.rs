//! What git renders against what kops has stored: every file of `stored_cases/` holds both and the fields that differ.
//!
//! A case is a text with the sections `=== rendered` and `=== stored` (the specs, or whole documents) and, last, `=== expect`: a line a field, as
//! `path: stored -> rendered`, nothing where kops would store just that. The first line of a case says what it shows. `KFLEET_BLESS=1` writes what
//! comes out: read it.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test"
)]

use std::path::{Path, PathBuf};

use kfleet::kops::stored;
use kfleet::plan::fields;
use kfleet::yaml;
use serde_json::Value as Json;

#[test]
fn every_case_gives_what_is_expected() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stored_cases");
    let mut cases: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    cases.sort();
    assert!(cases.len() > 20, "{} cases", cases.len());
    let wrong: Vec<String> = cases.iter().filter_map(|case| check(case)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn check(case: &Path) -> Option<String> {
    let text = std::fs::read_to_string(case).unwrap();
    let (input, expected) = text.split_once("=== expect\n").unwrap();
    let (rendered, stored) = input
        .split_once("=== rendered\n")
        .unwrap()
        .1
        .split_once("=== stored\n")
        .unwrap();
    let got = differences(&whole(rendered), &whole(stored));
    if std::env::var_os("KFLEET_BLESS").is_some() {
        std::fs::write(case, format!("{input}=== expect\n{got}")).unwrap();
        return None;
    }
    (got != expected).then(|| format!("{}\n--- expected\n{expected}--- got\n{got}", case.display()))
}

/// A section that is no document is the spec of a Cluster, or of an InstanceGroup when it has a role.
fn whole(text: &str) -> String {
    if text.contains("apiVersion:") {
        return text.to_owned();
    }
    let kind = if text.lines().any(|l| l.starts_with("role:")) {
        "InstanceGroup"
    } else {
        "Cluster"
    };
    let name = if kind == "Cluster" {
        "c.example.com"
    } else {
        "nodes"
    };
    let spec: String = text.lines().map(|l| format!("  {l}\n")).collect();
    format!(
        "apiVersion: kops.k8s.io/v1alpha2\nkind: {kind}\nmetadata:\n  name: {name}\nspec:\n{spec}"
    )
}

fn differences(rendered: &str, stored: &str) -> String {
    let rendered = yaml::parse_one(rendered, yaml::Schema::Kops)
        .unwrap()
        .to_json();
    let stored = match rendered["apiVersion"].as_str().unwrap().starts_with("kops") {
        true if rendered["kind"] == "Cluster" => stored::read(
            stored,
            "Cluster",
            rendered["metadata"]["name"].as_str().unwrap(),
        )
        .unwrap(),
        true => stored::read(
            stored,
            "InstanceGroup",
            rendered["metadata"]["name"].as_str().unwrap(),
        )
        .unwrap(),
        false => stored::read_all(stored).unwrap().remove(0),
    };
    let wanted = stored::normal(&rendered);
    assert_eq!(
        stored::normal(&wanted),
        wanted,
        "what is normal stays as it is"
    );
    let text = |value: &Option<Json>| value.as_ref().map_or("-".to_owned(), Json::to_string);
    let line = |c: &kfleet::plan::FieldChange| {
        format!("{}: {} -> {}\n", c.field, text(&c.from), text(&c.to))
    };
    fields(&stored::aligned(&wanted, &stored.value), &wanted)
        .iter()
        .map(line)
        .collect()
}

#[test]
fn what_is_no_object_of_kops_is_refused() {
    let cluster =
        "apiVersion: kops.k8s.io/v1alpha2\nkind: Cluster\nmetadata: {name: c}\nspec: {}\n";
    for (text, expected) in [
        (cluster.to_owned(), "ok"),
        (
            cluster.replace("kops.k8s.io/v1alpha2", "kops/v1alpha2"),
            "ok",
        ),
        (
            cluster.replace("v1alpha2", "v1alpha3"),
            "is a Cluster of kops.k8s.io/v1alpha3, and kops keeps a Cluster here",
        ),
        (
            cluster.replace("kind: Cluster", "kind: InstanceGroup"),
            "is a InstanceGroup of kops.k8s.io/v1alpha2, and kops keeps a Cluster here",
        ),
        (
            cluster.replace("name: c", "name: d"),
            "holds `d`, and kops keeps `c` here",
        ),
        (
            cluster.replace("name: c", "nam: c"),
            "1:1: is no object with `apiVersion`, `kind` and `metadata.name`",
        ),
        ("[".into(), "2:1: "),
        (
            String::new(),
            "1:1: is no object with `apiVersion`, `kind` and `metadata.name`",
        ),
        (
            format!("{cluster}---\n{cluster}"),
            "5:1: a second document where one is expected",
        ),
    ] {
        let said =
            stored::read(&text, "Cluster", "c").map_or_else(|e| e.to_string(), |_| "ok".into());
        assert!(
            said == expected || expected == "2:1: " && said.starts_with(expected),
            "{text}\n{said}"
        );
    }
    assert!(stored::read_all("kind: [").is_err() && stored::read_all("a: 1\n").is_err());
    assert_eq!(stored::read_all("").unwrap(), []);
}
