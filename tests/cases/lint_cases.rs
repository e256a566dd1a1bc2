//! Every lint rule with a case that breaks it, one that looks like it and does not, and where it helps one that mends it.
//!
//! `staging.yaml` and `prod.yaml` are a fleet that every rule is content with. `ID.txt` holds sections of changes to it, a line each:
//! `CLUSTER Kind/name key | key | key = YAML`, or ` -` to remove. Under `== fail` the findings follow, behind `> `. KFLEET_BLESS=1 rewrites
//! those: read them.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use kfleet::lint::{
    ClusterFacts, Date, FleetFacts, Level, LintSettings, Report, Waiver, lint, rules,
};
use kfleet::model::{AccountId, ClusterName, Region};
use kfleet::{kops, yaml};
use serde_json::Value as Json;

/// Documents of both clusters, by the cluster's short name.
type Fleet = BTreeMap<String, Vec<Json>>;

/// Rules that have no case of their own: with what they need there is nothing to show in two clusters.
const ELSEWHERE: [&str; 4] = ["L15", "L22", "S01", "S24"];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lint_cases")
}

fn base() -> Fleet {
    let read = |name: &str| {
        let text = std::fs::read_to_string(folder().join(format!("{name}.yaml"))).unwrap();
        let documents = yaml::parse(&text, yaml::Schema::Core).unwrap();
        documents.iter().map(|d| d.root.to_json()).collect()
    };
    ["staging", "prod"]
        .map(|name| (name.to_owned(), read(name)))
        .into()
}

fn key(document: &Json) -> String {
    let text = |pointer: &str| document.pointer(pointer).and_then(Json::as_str);
    [
        text("/kind"),
        text("/metadata/namespace"),
        text("/metadata/name"),
    ]
    .into_iter()
    .flatten()
    .collect::<Vec<_>>()
    .join("/")
}

fn change(fleet: &mut Fleet, line: &str) {
    let (cluster, rest) = line.split_once(' ').unwrap();
    let (document, rest) = rest.split_once(' ').unwrap();
    let (path, value) = match rest.strip_suffix(" -") {
        Some(path) => (path, None),
        None => {
            let (path, text) = rest.split_once(" = ").unwrap();
            (
                path,
                Some(yaml::parse_one(text, yaml::Schema::Core).unwrap().to_json()),
            )
        }
    };
    let documents = fleet.get_mut(cluster).unwrap();
    let mut at = documents
        .iter_mut()
        .find(|d| key(d) == document)
        .unwrap_or_else(|| panic!("no {document}: {line}"));
    let mut keys: Vec<&str> = path.split(" | ").collect();
    let last = keys.pop().unwrap();
    for step in keys {
        at = match step.parse::<usize>() {
            Ok(index) => &mut at[index],
            Err(_) => &mut at[step],
        };
    }
    match (value, last.parse::<usize>()) {
        (Some(value), Ok(index)) => at[index] = value,
        (Some(value), Err(_)) => at[last] = value,
        (None, _) => {
            let gone = at.as_object_mut().unwrap().shift_remove(last);
            assert!(gone.is_some(), "nothing to remove: {line}");
        }
    }
}

fn facts(fleet: &Fleet) -> FleetFacts {
    let cluster = |(name, documents): (&String, &Vec<Json>)| {
        let text: Vec<String> = documents.iter().map(yaml::emit).collect();
        let parsed = yaml::parse(&text.join("---\n"), yaml::Schema::Core).unwrap();
        let manifests = kops::read(&parsed).unwrap_or_else(|e| panic!("{e}"));
        ClusterFacts::new(
            ClusterName::new(format!("{name}.k8s.test")).unwrap(),
            name.clone(),
            AccountId::new("111122223333").unwrap(),
            Region::new("eu-west-3").unwrap(),
            manifests,
        )
        .unwrap()
    };
    FleetFacts {
        live: None,
        clusters: fleet.iter().map(cluster).collect(),
    }
}

fn day(text: &str) -> Date {
    Date::try_from(text.to_owned()).unwrap()
}

fn run(fleet: &Fleet, settings: &LintSettings) -> Report {
    lint(&facts(fleet), settings, day("2026-06-01"))
}

fn said(report: &Report, rule: &str) -> Vec<String> {
    report
        .findings
        .iter()
        .filter(|f| f.rule.as_str() == rule)
        .map(|f| format!("{} {}: {}", f.cluster, f.subject, f.what))
        .collect()
}

#[test]
fn a_good_fleet_has_no_findings() {
    let report = run(&base(), &LintSettings::default());
    assert!(report.findings.is_empty(), "{:#?}", report.findings);
    let unchecked: Vec<&str> = report.not_checked.iter().map(|n| n.rule.as_str()).collect();
    assert_eq!(unchecked, ["L15"], "what needs the live state");
}

#[test]
fn every_rule_finds_what_it_is_for() {
    let mut wrong = String::new();
    for rule in rules() {
        let id = rule.id.as_str();
        if ELSEWHERE.contains(&id) {
            continue;
        }
        let path = folder().join(format!("{id}.txt"));
        let text = std::fs::read_to_string(&path).unwrap_or_else(|_| panic!("{id} has no case"));
        let mut blessed = String::new();
        for section in text.split("== ").skip(1) {
            let (name, body) = section.split_once('\n').unwrap();
            let mut fleet = base();
            let (expected, changes): (Vec<&str>, Vec<&str>) =
                body.lines().partition(|l| l.starts_with("> "));
            changes.iter().for_each(|line| change(&mut fleet, line));
            let found = said(&run(&fleet, &LintSettings::default()), id);
            if (name == "fail") == found.is_empty() {
                wrong.push_str(&format!("{id}, {name}: {found:?}\n"));
            }
            let expected: Vec<&str> = expected.iter().map(|l| &l[2..]).collect();
            if found != expected && std::env::var_os("KFLEET_BLESS").is_none() {
                wrong.push_str(&format!("{id}, {name}:\n{expected:#?}\n{found:#?}\n"));
            }
            blessed.push_str(&format!("== {name}\n"));
            blessed.extend(changes.iter().map(|l| format!("{l}\n")));
            blessed.extend(found.iter().map(|l| format!("> {l}\n")));
        }
        if std::env::var_os("KFLEET_BLESS").is_some() {
            std::fs::write(&path, blessed).unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn many_groups_for_the_same_pods_are_found() {
    let mut fleet = base();
    let documents = fleet.get_mut("prod").unwrap();
    let spot = documents
        .iter()
        .find(|d| key(d) == "InstanceGroup/spot")
        .unwrap()
        .clone();
    for (name, kind) in [
        ("spot-b", "m5a.xlarge"),
        ("spot-c", "m6i.xlarge"),
        ("spot-d", "m7i.xlarge"),
    ] {
        let mut more = spot.clone();
        more["metadata"]["name"] = name.into();
        more["spec"]["mixedInstancesPolicy"]["instances"] = vec![kind, "m5.xlarge"].into();
        documents.push(more);
    }
    assert_eq!(
        said(&run(&base(), &LintSettings::default()), "S01"),
        Vec::<String>::new()
    );
    assert_eq!(
        said(&run(&fleet, &LintSettings::default()), "S01"),
        [
            "prod.k8s.test Cluster/prod.k8s.test: 5 groups for the same pods (foo.bar/pool=apps): on-demand, spot, spot-b, spot-c, spot-d"
        ]
    );
}

#[test]
fn an_account_near_its_quota_is_found() {
    let mut fleet = base();
    let documents = fleet.get_mut("prod").unwrap();
    let disk = documents
        .iter()
        .find(|d| key(d) == "InstanceGroup/disk-a")
        .unwrap()
        .clone();
    for n in 0..400 {
        let mut more = disk.clone();
        more["metadata"]["name"] = format!("disk-{n}").into();
        documents.push(more);
    }
    assert_eq!(
        said(&run(&fleet, &LintSettings::default()), "L22"),
        [
            "prod.k8s.test Cluster/prod.k8s.test: account 111122223333 has 418 groups in eu-west-3; the default quota is 500"
        ]
    );
}

#[test]
fn accounts_that_bid_for_the_same_pools_are_found() {
    let mut facts = facts(&base());
    let quiet = LintSettings::default();
    assert_eq!(
        said(&lint(&facts, &quiet, day("2026-06-01")), "S24"),
        Vec::<String>::new()
    );
    facts.clusters[1].account = AccountId::new("444455556666").unwrap();
    let found = said(&lint(&facts, &quiet, day("2026-06-01")), "S24");
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("m7i"), "{found:?}");
}

#[test]
fn waivers_end_and_levels_count() {
    let mut fleet = base();
    change(&mut fleet, "prod InstanceGroup/spot spec | minSize = 2");
    let rule = rules().iter().find(|r| r.id.as_str() == "L05").unwrap().id;
    let waiver = |subject: Option<&str>, until: &str| Waiver {
        rule,
        cluster: None,
        subject: subject.map(str::to_owned),
        reason: "kept warm on purpose".into(),
        until: day(until),
    };
    let with = |waiver: Waiver| LintSettings {
        waivers: vec![waiver],
        ..LintSettings::default()
    };
    let counts = |settings: &LintSettings| {
        let report = run(&fleet, settings);
        (
            said(&report, "L05").len(),
            report.waived.len(),
            report.expired.len(),
        )
    };
    assert_eq!(
        counts(&with(waiver(None, "2026-06-01"))),
        (0, 1, 0),
        "on its last day"
    );
    assert_eq!(
        counts(&with(waiver(None, "2026-05-31"))),
        (1, 0, 1),
        "after it"
    );
    assert_eq!(
        counts(&with(waiver(Some("spot"), "2027-01-01"))),
        (0, 1, 0),
        "by name"
    );
    assert_eq!(
        counts(&with(waiver(Some("other"), "2027-01-01"))),
        (1, 0, 0),
        "of another group"
    );
    let off = LintSettings {
        levels: [(rule, Level::Off)].into(),
        ..LintSettings::default()
    };
    let report = run(&fleet, &off);
    assert_eq!(said(&report, "L05"), Vec::<String>::new());
    assert!(report.switched_off.contains(&rule), "and it is said");
}
