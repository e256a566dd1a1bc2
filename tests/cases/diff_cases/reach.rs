//! What no changed file reaches is not rendered, and the answer is the same as if it had been.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use kfleet::desired::{DesiredCluster, GroupExtras};
use kfleet::fleet::{self, Fleet};
use kfleet::impact::{RenderedVersion, Side, impact};
use kfleet::kops::{self, Role};
use kfleet::model::ClusterName;
use kfleet::render::{Rendered, Renderer};
use kfleet::report::{Compared, diff_json};

use super::repository::Repository;

/// Random edits. `KFLEET_WORLDS` draws as many.
const ROUNDS: u64 = 30;

#[test]
fn skipping_never_changes_the_answer() {
    let repository = Repository::of_bundled_fleet();
    let before = fleet::load(&repository.fleet()).unwrap();
    let rounds = std::env::var("KFLEET_WORLDS").map_or(ROUNDS, |n| n.parse().unwrap());
    let mut skipped = BTreeSet::new();
    for round in 0..rounds {
        let mut draw = Draw(round);
        let edits: Vec<String> = (0..=draw.below(2))
            .map(|_| edit(&repository, &mut draw))
            .collect();
        let (code, out, err) = repository.diff(&["--since", "main", "--format", "json"]);
        let full = fleet::load(&repository.fleet())
            .map_err(|e| e.to_string())
            .and_then(|after| answer(&before, &after));
        match full {
            Ok(full) => {
                let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
                assert_eq!(json(&out), json(&full), "{edits:?}");
                assert!(code == 0 || code == 2, "{edits:?}: {err}");
                let line = err.lines().find(|l| l.contains(" not rendered"));
                skipped.insert(
                    line.map_or("0", |l| l.split(' ').next().unwrap())
                        .to_owned(),
                );
            }
            Err(why) => assert_eq!(
                code, 1,
                "{edits:?} is answered, and the full way says {why}"
            ),
        }
        repository.git(&["checkout", "-q", "--", "."]);
        repository.git(&["clean", "-qfd"]);
    }
    assert!(skipped.len() > 2, "these edits test nothing: {skipped:?}");
}

/// The whole of both versions, rendered and compiled.
fn answer(before: &Fleet, after: &Fleet) -> Result<String, String> {
    let (old, new) = (everything(before)?, everything(after)?);
    let compared = Compared {
        since: "main (COMMIT)".into(),
        until: "the working tree".into(),
    };
    Ok(diff_json(
        &impact(&side(before, &old), &side(after, &new)),
        &compared,
    ))
}

type Whole = BTreeMap<ClusterName, (Rendered, DesiredCluster)>;

fn side<'a>(fleet: &'a Fleet, whole: &'a Whole) -> Side<'a> {
    let version = |(name, (rendered, desired)): (&ClusterName, &'a (Rendered, DesiredCluster))| {
        let version = RenderedVersion {
            cluster: &fleet.clusters[name],
            rendered,
            desired,
        };
        (name.clone(), version)
    };
    Side {
        settings: &fleet.settings,
        clusters: whole.iter().map(version).collect(),
    }
}

fn everything(fleet: &Fleet) -> Result<Whole, String> {
    let renderer = Renderer::new(fleet).map_err(|e| e.to_string())?;
    let mut whole = Whole::new();
    for cluster in fleet.clusters.values() {
        let rendered = renderer.render(&cluster.name).map_err(|e| e.to_string())?;
        let target = kops::KopsTarget {
            version: cluster.kops_version.unwrap_or_default(),
            region: Some(cluster.region.clone()),
            accepted: fleet.settings.accept.clone(),
        };
        let documents = rendered.documents.iter().map(|d| &d.document);
        let manifests = kops::read_for(documents, &target).map_err(|e| e.to_string())?;
        if !manifests.misread.is_empty() {
            return Err("misread".into());
        }
        let mut extras = BTreeMap::new();
        for group in &manifests.groups {
            let role = match group.role {
                Role::ControlPlane => "control-plane",
                Role::ApiServer => "apiserver",
                Role::Node => "node",
                Role::Bastion => "bastion",
            };
            let text = renderer
                .user_data(&cluster.name, &group.name, role)
                .map_err(|e| e.to_string())?;
            let encode = |text| base64::engine::general_purpose::STANDARD.encode::<String>(text);
            let extra = GroupExtras {
                user_data: text.map(encode),
                protect: cluster.protect.contains(&group.name),
            };
            extras.insert(group.name.clone(), extra);
        }
        let (account, region) = (cluster.account.clone(), cluster.region.clone());
        let desired =
            DesiredCluster::new(&manifests, account, region, &extras).map_err(|e| e.to_string())?;
        whole.insert(cluster.name.clone(), (rendered, desired));
    }
    Ok(whole)
}

/// One edit of one file, in words.
fn edit(repository: &Repository, draw: &mut Draw) -> String {
    let mut files = Vec::new();
    for folder in [
        "clusters",
        "vars",
        "vars/customers",
        "templates",
        "snippets",
    ] {
        for entry in std::fs::read_dir(repository.fleet().join(folder)).unwrap() {
            let entry = entry.unwrap();
            if entry.path().is_file() && entry.file_name() != "schema.json" {
                files.push(format!("{folder}/{}", entry.file_name().to_str().unwrap()));
            }
        }
    }
    files.sort();
    let file = files[draw.below(files.len())].clone();
    let text = repository.read(&file);
    let lines: Vec<&str> = text.lines().collect();
    let line = draw.below(lines.len());
    match draw.below(6) {
        0 => {
            repository.write(&file, &format!("# said again\n{text}"));
            format!("a comment in {file}")
        }
        1 => {
            let numbers: Vec<usize> = text
                .char_indices()
                .filter(|(_, c)| c.is_ascii_digit())
                .map(|(at, _)| at)
                .collect();
            let Some(at) = numbers.get(draw.below(numbers.len().max(1))) else {
                return format!("{file} has no number");
            };
            let digit = char::from(b'0' + u8::try_from(draw.below(10)).unwrap());
            let changed = format!("{}{digit}{}", &text[..*at], &text[at + 1..]);
            repository.write(&file, &changed);
            format!("the digit at {at} of {file} becomes {digit}")
        }
        2 => {
            let kept = lines.iter().enumerate().filter(|(i, _)| *i != line);
            let kept: String = kept.map(|(_, l)| format!("{l}\n")).collect();
            repository.write(&file, &kept);
            format!("line {line} of {file} is gone")
        }
        3 if file.starts_with("clusters/") => {
            let copy = file.replace(".k8s", "-2.k8s");
            repository.write(&copy, &text);
            format!("{copy} is new")
        }
        4 if file.starts_with("clusters/") => {
            repository.remove(&file);
            format!("{file} is gone")
        }
        _ => {
            // Names, labels and descriptions: what changes a text and hurts nothing.
            let changed = text
                .replacen("max: ", "max: 1", 1)
                .replacen("team", "squad", 1);
            let changed = changed.replacen("customer", "tenant", draw.below(2));
            repository.write(&file, &changed);
            format!("other words in {file}")
        }
    }
}

/// Numbers drawn from a seed.
struct Draw(u64);

impl Draw {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % n
    }
}

#[test]
fn what_only_moves_is_not_rendered() {
    let repository = Repository::of_bundled_fleet();
    let text = repository.read("vars/defaults.yaml");
    repository.write("vars/defaults.yaml", &format!("# A comment.\n\n{text}"));
    let (code, _, err) = repository.diff(&["--since", "main"]);
    let expected = "5 of 5 clusters not rendered: nothing that they are made from has changed\n";
    assert_eq!((code, err.as_str()), (0, expected));
    let own = "vars/prod-acme.k8s.foo.bar.yaml";
    repository.write(own, &repository.read(own).replace("max: 80", "max: 81"));
    let (code, out, err) = repository.diff(&["--since", "main"]);
    assert_eq!(code, 2, "{out}");
    assert!(err.starts_with("4 of 5 clusters not rendered"), "{err}");
}
