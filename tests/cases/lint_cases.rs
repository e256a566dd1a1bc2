//! Every lint rule with a case that breaks it, the same one put right, and one that looks like it and is not it.
//!
//! `staging.yaml` and `prod.yaml` are a fleet that every rule is content with. `ID.txt` holds sections of changes to it, a line each:
//! `CLUSTER Kind/name key | key | key = YAML`, or ` -` to remove; `CLUSTER Kind/name copies N` makes N more of it, `CLUSTER account = ID` and `environment` move the cluster,
//! `CLUSTER live NAME = DESIRED` says what a group wants now, `CLUSTER rolling max_surge = 25%` and `CLUSTER accept = TYPE` what fleet.yaml does of all clusters, `CLUSTER Kind/name gone` takes a document away. Sections are `fail`, `pass`, whose changes come on
//! top of those of the `fail` before it, `false positive`, and `not checked`, each perhaps with a few words behind a colon. Under `== fail` the findings follow,
//! behind `> `, under `== not checked` what is missing. KFLEET_BLESS=1 rewrites those: read them.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kfleet::fleet::{Amount, Rolling};
use kfleet::kops::Manifests;
use kfleet::lint::{
    ClusterFacts, Date, FleetFacts, FleetWide, Level, LintSettings, NotChecked, Report, Waiver,
    lint, look_ahead, rules,
};
use kfleet::model::{AccountId, ClusterName, Hooks, LiveCluster, LiveGroup, Region, VersionRef};
use kfleet::report::{LintPlaces, Style};
use kfleet::{kops, yaml};
use serde_json::Value as Json;

/// Both clusters, by their short names.
type Fleet = BTreeMap<String, Member>;

/// A cluster of the cases.
#[derive(Clone, Debug)]
struct Member {
    account: String,
    environment: String,
    documents: Vec<Json>,
    /// What its groups want, where that was looked at.
    live: BTreeMap<String, u32>,
    /// What the fleet says of rolling.
    rolling: BTreeMap<String, Amount>,
    /// Instance types that the fleet accepts.
    accept: BTreeSet<String>,
}

/// What every rule has a case of.
const KINDS: [&str; 3] = ["fail", "pass", "false positive"];

/// What a rule has a case of that may lack what it needs.
const NOT_CHECKED: &str = "not checked";

/// Rules that need no more than a manifest has, where Karpenter runs no group.
const ALWAYS_CHECKED: [&str; 15] = [
    "L08", "L09", "L10", "L16", "L17", "L20", "L21", "L22", "S01", "S03", "S04", "S05", "S08",
    "S10", "S16",
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lint_cases")
}

fn base() -> Fleet {
    let read = |name: &str| {
        let text = std::fs::read_to_string(folder().join(format!("{name}.yaml"))).unwrap();
        let documents = yaml::parse(&text, yaml::Schema::Core).unwrap();
        Member {
            account: "111122223333".to_owned(),
            environment: name.to_owned(),
            documents: documents.iter().map(|d| d.root.to_json()).collect(),
            live: BTreeMap::new(),
            rolling: BTreeMap::new(),
            accept: BTreeSet::new(),
        }
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
    let member = fleet.get_mut(cluster).unwrap();
    let (document, rest) = rest.split_once(' ').unwrap();
    if document == "account" {
        member.account = rest.strip_prefix("= ").unwrap().to_owned();
    } else if document == "environment" {
        member.environment = rest.strip_prefix("= ").unwrap().to_owned();
    } else if document == "accept" {
        let name = rest.strip_prefix("= ").unwrap();
        member.accept.insert(name.to_owned());
    } else if document == "rolling" {
        let (field, percent) = rest.split_once(" = ").unwrap();
        let percent = percent.strip_suffix('%').unwrap().parse().unwrap();
        let amount = Amount::Percent(percent);
        member.rolling.insert(field.to_owned(), amount);
    } else if document == "live" {
        let (group, desired) = rest.split_once(" = ").unwrap();
        member
            .live
            .insert(group.to_owned(), desired.parse().unwrap());
    } else if let Some(n) = rest.strip_prefix("copies ") {
        copy(&mut member.documents, document, n.parse().unwrap());
    } else if rest == "gone" {
        let before = member.documents.len();
        member.documents.retain(|d| key(d) != document);
        assert!(member.documents.len() < before, "no {document}: {line}");
    } else {
        set(&mut member.documents, document, rest, line);
    }
}

/// More documents like one, named after it and numbered.
fn copy(documents: &mut Vec<Json>, document: &str, n: usize) {
    let model = documents
        .iter()
        .find(|d| key(d) == document)
        .unwrap()
        .clone();
    let name = model["metadata"]["name"].as_str().unwrap();
    documents.extend((1..=n).map(|n| {
        let mut more = model.clone();
        more["metadata"]["name"] = format!("{name}-{n}").into();
        more
    }));
}

fn set(documents: &mut [Json], document: &str, rest: &str, line: &str) {
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

fn manifests(member: &Member) -> Manifests {
    let text: Vec<String> = member.documents.iter().map(yaml::emit).collect();
    let parsed = yaml::parse(&text.join("---\n"), yaml::Schema::Core).unwrap();
    kops::read(&parsed).unwrap_or_else(|e| panic!("{e}"))
}

fn facts(fleet: &Fleet) -> FleetFacts {
    let named = |name: &str| ClusterName::new(format!("{name}.k8s.test")).unwrap();
    let cluster = |(name, member): (&String, &Member)| {
        let facts = ClusterFacts::new(
            named(name),
            member.environment.clone(),
            AccountId::new(member.account.as_str()).unwrap(),
            Region::new("eu-west-3").unwrap(),
            manifests(member),
        );
        Arc::new(facts.unwrap())
    };
    let is_looked_at = fleet.values().any(|m| !m.live.is_empty());
    let seen = fleet.iter().map(|(name, m)| (named(name), live(m)));
    let mut rolling = Rolling::default();
    for (field, amount) in fleet.values().flat_map(|m| &m.rolling) {
        match field.as_str() {
            "max_surge" => rolling.max_surge = *amount,
            "max_unavailable" => rolling.max_unavailable = *amount,
            _ => panic!("rolling: {field}"),
        }
    }
    FleetFacts {
        live: is_looked_at.then(|| seen.collect()),
        clusters: fleet.iter().map(cluster).collect(),
        rolling,
        accept: fleet.values().flat_map(|m| m.accept.clone()).collect(),
    }
}

/// Groups that want what the case says, or the least that they may.
fn live(member: &Member) -> LiveCluster {
    let definitions = kfleet::desired::compile(&manifests(member)).unwrap();
    let groups = definitions.into_iter().map(|definition| {
        let group = definition.auto_scaling_group;
        let desired = member.live.get(definition.instance_group.as_str());
        let live = LiveGroup {
            desired: desired.copied().unwrap_or(group.min_size),
            hooks: Hooks::default(),
            version: VersionRef::Number(1),
            versions: BTreeMap::new(),
            latest_version: 1,
            instances: BTreeMap::new(),
            activities: Vec::new(),
            suspended: BTreeSet::new(),
            refresh: None,
            by_hand: BTreeMap::new(),
            group: group.into(),
        };
        (live.group.auto_scaling_group_name.clone(), live.into())
    });
    LiveCluster {
        groups: groups.collect(),
        ..LiveCluster::default()
    }
}

fn day(text: &str) -> Date {
    Date::try_from(text.to_owned()).unwrap()
}

fn run(fleet: &Fleet, settings: &LintSettings) -> Report {
    let facts = facts(fleet);
    let report = lint(&facts, settings, day("2026-06-01"));
    if facts.live.is_none() {
        let early = lint(&looked_ahead(facts, settings), settings, day("2026-06-01"));
        assert_eq!(early, report, "what is let go is not missed");
    }
    report
}

/// The same fleet, its clusters looked at one by one before they are compared.
fn looked_ahead(mut facts: FleetFacts, settings: &LintSettings) -> FleetFacts {
    for cluster in &mut facts.clusters {
        let around = FleetWide {
            live: None,
            rolling: &facts.rolling,
            accept: &facts.accept,
        };
        look_ahead(rules(), Arc::make_mut(cluster), around, settings);
    }
    facts
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

/// A section of a rule's file: what kind of case, its changes, and what is to be found.
struct Section<'t> {
    head: &'t str,
    kind: &'static str,
    changes: Vec<&'t str>,
    expected: Vec<&'t str>,
}

fn sections<'t>(id: &str, text: &'t str) -> Vec<Section<'t>> {
    let section = |text: &'t str| {
        let (head, body) = text.split_once('\n').unwrap();
        let kind = head.split(':').next().unwrap();
        let kind = KINDS.into_iter().chain([NOT_CHECKED]).find(|k| *k == kind);
        let (expected, changes): (Vec<&str>, Vec<&str>) =
            body.lines().partition(|l| l.starts_with("> "));
        Section {
            head,
            kind: kind.unwrap_or_else(|| panic!("{id}: `{head}` is no kind of case")),
            changes,
            expected: expected.iter().map(|l| &l[2..]).collect(),
        }
    };
    text.split("== ").skip(1).map(section).collect()
}

/// What a case finds, or what it does not say of itself truly.
fn found(id: &str, broken: &[&str], section: &Section<'_>) -> Result<Vec<String>, String> {
    let mut fleet = base();
    if section.kind == "pass" {
        broken.iter().for_each(|line| change(&mut fleet, line));
    }
    section
        .changes
        .iter()
        .for_each(|line| change(&mut fleet, line));
    let report = run(&fleet, &LintSettings::default());
    let found = said(&report, id);
    let of_rule = report.not_checked.iter().filter(|n| n.rule.as_str() == id);
    // What staging lacks is another story.
    let of_prod = |n: &&NotChecked| {
        n.cluster
            .as_ref()
            .is_none_or(|c| c.as_str() == "prod.k8s.test")
    };
    let lacks: Vec<String> = of_rule
        .filter(of_prod)
        .map(|n| n.needs.to_string())
        .collect();
    if section.kind == NOT_CHECKED {
        let is_right = found.is_empty() && !lacks.is_empty();
        return if is_right {
            Ok(lacks)
        } else {
            Err(format!(
                "{id}, {}: {found:?}, lacks {lacks:?}\n",
                section.head
            ))
        };
    }
    if (section.kind == "fail") == found.is_empty() {
        return Err(format!("{id}, {}: {found:?}\n", section.head));
    }
    if !lacks.is_empty() {
        return Err(format!("{id}, {}: not checked: {lacks:?}\n", section.head));
    }
    Ok(found)
}

#[test]
fn every_rule_fails_passes_and_is_not_misled() {
    let is_blessing = std::env::var_os("KFLEET_BLESS").is_some();
    let mut wrong = String::new();
    for rule in rules() {
        let id = rule.id.as_str();
        let path = folder().join(format!("{id}.txt"));
        let text = std::fs::read_to_string(&path).unwrap_or_else(|_| panic!("{id} has no case"));
        let sections = sections(id, &text);
        let more = (!ALWAYS_CHECKED.contains(&id)).then_some(NOT_CHECKED);
        for kind in KINDS.into_iter().chain(more) {
            if !sections.iter().any(|s| s.kind == kind) {
                wrong.push_str(&format!("{id} has no case of the kind `{kind}`\n"));
            }
        }
        let (mut blessed, mut broken) = (String::new(), Vec::new());
        for section in sections {
            let found = found(id, &broken, &section).unwrap_or_else(|why| {
                wrong.push_str(&why);
                Vec::new()
            });
            if found != section.expected && !is_blessing {
                wrong.push_str(&format!(
                    "{id}, {}:\n{:#?}\n{found:#?}\n",
                    section.head, section.expected
                ));
            }
            blessed.push_str(&format!("== {}\n", section.head));
            blessed.extend(section.changes.iter().map(|l| format!("{l}\n")));
            blessed.extend(found.iter().map(|l| format!("> {l}\n")));
            if section.kind == "fail" {
                broken = section.changes;
            }
        }
        if is_blessing {
            std::fs::write(&path, blessed).unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn no_case_is_of_a_rule_that_there_is_not() {
    let known: BTreeSet<&str> = rules().iter().map(|r| r.id.as_str()).collect();
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "txt") {
            let id = path.file_stem().unwrap().to_str().unwrap();
            assert!(known.contains(id), "{id}");
        }
    }
}

/// Findings of clusters that are held against each other are one for all of them: pairs of a thousand clusters are half a million.
#[test]
fn many_clusters_are_one_finding_a_set() {
    const MANY: usize = 60;
    let mut fleet = Fleet::new();
    for n in 0..MANY {
        let mut member = base().remove("prod").unwrap();
        set(
            &mut member.documents,
            "Cluster/prod.k8s.test",
            "spec | sshAccess = [0.0.0.0/0]",
            "",
        );
        fleet.insert(format!("prod-{n:02}"), member);
    }
    let report = run(&fleet, &LintSettings::default());
    assert_eq!(
        said(&report, "S18"),
        [
            "prod-00.k8s.test Cluster/prod-00.k8s.test: its network overlaps that of prod-01.k8s.test, prod-02.k8s.test, prod-03.k8s.test and 56 more, in the same account"
        ]
    );
    let overlap = report
        .findings
        .iter()
        .find(|f| f.rule.as_str() == "S18")
        .unwrap();
    assert_eq!(overlap.others.len(), MANY - 1);
    assert!(overlap.concerns(&ClusterName::new("prod-59.k8s.test").unwrap()));
    // Six groups of each carry the tags that all look for: one finding a group.
    assert_eq!(said(&report, "L20").len(), 6 * MANY);
    // What is the same in all of them is told once.
    let text =
        kfleet::report::lint_text(&report, &[], &LintPlaces::new(), rules(), Style::default());
    let lines: Vec<&str> = text.lines().collect();
    let at = lines
        .iter()
        .position(|l| l.contains("sshAccess holds"))
        .unwrap();
    assert!(
        lines[at + 1].starts_with("  the same in prod-01.k8s.test, "),
        "{text}"
    );
    assert!(
        lines[at + 1].ends_with(", prod-08.k8s.test and 51 more"),
        "{text}"
    );
    assert_eq!(text.matches("sshAccess holds").count(), 1, "{text}");

    for (n, member) in fleet.values_mut().enumerate() {
        member.account = format!("{:012}", 111_122_223_333_u64 + n as u64);
    }
    let report = run(&fleet, &LintSettings::default());
    assert_eq!(said(&report, "S18"), Vec::<String>::new());
    assert_eq!(
        said(&report, "S24"),
        [
            "prod-00.k8s.test Cluster/prod-00.k8s.test: bids for spot of m5, m5a, m5ad, m5d, m6a, m6i, m7i, m7i-flex, m8i, m8i-flex in eu-west-3, as others do: prod-01.k8s.test of account 111122223334, prod-02.k8s.test of account 111122223335, prod-03.k8s.test of account 111122223336 and 56 more"
        ]
    );
}

/// A group that is left with enough types is worth a note, one that is left with few a warning; more than the fleet says of the rule it never is.
#[test]
fn types_that_are_left_weigh_a_finding() {
    let rule = rules().iter().find(|r| r.id.as_str() == "S19").unwrap().id;
    let weighed = |types: &str, levels: &[Level]| {
        let mut fleet = base();
        let path = "prod InstanceGroup/spot spec | mixedInstancesPolicy | instances";
        change(&mut fleet, &format!("{path} = [{types}]"));
        let settings = LintSettings {
            levels: levels.iter().map(|l| (rule, *l)).collect(),
            ..LintSettings::default()
        };
        let report = run(&fleet, &settings);
        let of_rule = report.findings.iter().find(|f| f.rule == rule).unwrap();
        of_rule.severity.as_str()
    };
    let enough = "m5.xlarge, m5a.xlarge, m5ad.xlarge, m5d.xlarge, m6a.xlarge, m7a.xlarge";
    let few = "m5.xlarge, m5a.xlarge, m5ad.xlarge, m5d.xlarge, m7a.xlarge";
    assert_eq!(weighed(enough, &[]), "note");
    assert_eq!(weighed(few, &[]), "warning");
    assert_eq!(weighed("m7a.xlarge", &[]), "error");
    assert_eq!(weighed(few, &[Level::Note]), "note");
    assert_eq!(weighed(few, &[Level::Error]), "warning");
}

#[test]
fn every_rule_tells_what_a_person_needs() {
    for rule in rules() {
        for (what, text) in [
            ("title", rule.title),
            ("reads", rule.reads),
            ("story", rule.story),
            ("source", rule.source),
            ("fix", rule.fix),
        ] {
            assert!(text.len() > 10, "{}: {what}: `{text}`", rule.id);
        }
        let told = kfleet::report::rule_text(rule);
        assert!(
            told.contains(rule.reads) && told.contains(rule.source),
            "{told}"
        );
    }
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
