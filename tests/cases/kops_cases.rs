//! Our own cases: `tests/kops_cases/NAME/manifests.yaml`, and what comes of them.
//!
//! `expected.yaml` holds the definitions as `path: value`, those of `plain` in full, those of every other case as far as they differ from
//! `plain`'s group of the same name, else from its `nodes` (`~`: gone). `expected.txt` holds the faults of a case that has some. KFLEET_BLESS=1 rewrites them: read them.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use kfleet::{
    desired, kops,
    model::{Definition, Hooks},
    yaml,
};
use serde_json::{Value as Json, json};

type Flat = BTreeMap<String, Json>;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kops_cases")
}

fn manifests(case: &Path) -> Result<kops::Manifests, kops::KopsErrors> {
    let text = std::fs::read_to_string(case.join("manifests.yaml")).unwrap();
    // `# kops 1.36` at the top: by the rules of that release. `# in eu-west-3`: a cluster of that region.
    let said = |what: &str| {
        text.lines()
            .take_while(|l| l.starts_with('#'))
            .find_map(|l| l.strip_prefix(what).map(str::to_owned))
    };
    let target = kops::KopsTarget {
        version: said("# kops ").map_or_else(Default::default, |v| v.parse().unwrap()),
        region: said("# in ").map(|r| r.parse().unwrap()),
        ..kops::KopsTarget::default()
    };
    kops::read_for(&yaml::parse(&text, yaml::Schema::Kops).unwrap(), &target)
}

#[test]
fn every_case_gives_what_is_expected() {
    let plain = definitions(&manifests(&folder().join("plain")).unwrap()).unwrap();
    let cases: BTreeSet<PathBuf> = std::fs::read_dir(folder())
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    let failed: Vec<String> = cases
        .iter()
        .filter_map(|case| failure(case, &plain))
        .collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

fn failure(case: &Path, plain: &BTreeMap<String, Flat>) -> Option<String> {
    let (file, actual) = match manifests(case)
        .map_err(faults)
        .and_then(|m| Ok((definitions(&m)?, [m.warnings, m.misread].concat())))
    {
        Ok((groups, warnings)) => ("expected.yaml", success(case, &groups, plain, warnings)),
        Err(faults) => ("expected.txt", faults),
    };
    if std::env::var_os("KFLEET_BLESS").is_some() {
        let _ = std::fs::remove_file(case.join("expected.yaml"));
        let _ = std::fs::remove_file(case.join("expected.txt"));
        std::fs::write(case.join(file), actual).unwrap();
        return None;
    }
    let expected =
        std::fs::read_to_string(case.join(file)).unwrap_or_else(|_| format!("no {file}\n"));
    (expected != actual).then(|| {
        format!(
            "{}/{file}:\n--- expected\n{expected}--- actual\n{actual}",
            case.file_name().unwrap().to_string_lossy()
        )
    })
}

fn faults(errors: kops::KopsErrors) -> String {
    errors.0.iter().map(fault).collect()
}

fn fault(e: &kops::KopsError) -> String {
    let hint = e
        .hint
        .as_ref()
        .map(|h| format!("\n  {h}"))
        .unwrap_or_default();
    format!("{e}{hint}\n")
}

fn success(
    case: &Path,
    groups: &BTreeMap<String, Flat>,
    plain: &BTreeMap<String, Flat>,
    warnings: Vec<kops::KopsError>,
) -> String {
    let mut shown = serde_json::Map::new();
    for (name, flat) in groups {
        let base = plain
            .get(name)
            .or_else(|| plain.get("nodes"))
            .filter(|_| !case.ends_with("plain"));
        shown.insert(
            name.clone(),
            base.map_or_else(|| json!(flat), |base| difference(base, flat)),
        );
    }
    for name in plain.keys().filter(|name| !groups.contains_key(*name)) {
        shown.insert(name.clone(), Json::Null);
    }
    if !warnings.is_empty() {
        shown.insert(
            "(warnings)".into(),
            warnings
                .iter()
                .map(|w| json!(fault(w).trim_end()))
                .collect(),
        );
    }
    yaml::emit(&Json::Object(shown))
}

fn difference(base: &Flat, flat: &Flat) -> Json {
    let gone = base
        .keys()
        .filter(|path| !flat.contains_key(*path))
        .map(|path| (path.clone(), json!("~")));
    let other = flat
        .iter()
        .filter(|(path, value)| base.get(*path) != Some(value))
        .map(|(k, v)| (k.clone(), v.clone()));
    json!(gone.chain(other).collect::<Flat>())
}

/// The definitions by group, each as paths and values.
fn definitions(manifests: &kops::Manifests) -> Result<BTreeMap<String, Flat>, String> {
    let definitions = desired::compile(manifests).map_err(|e| format!("{e}\n"))?;
    Ok(definitions
        .iter()
        .map(|d| (d.instance_group.to_string(), flat(d)))
        .collect())
}

fn flat(definition: &Definition) -> Flat {
    let mut definition = definition.clone();
    let tags: BTreeMap<kfleet::model::TagText, kfleet::model::TagText> = definition
        .auto_scaling_group
        .tags
        .iter()
        .map(|t| (t.key.clone(), t.value.clone()))
        .collect();
    let specifications = std::mem::take(
        &mut definition
            .launch_template
            .launch_template_data
            .tag_specifications,
    );
    let kinds: Vec<&str> = specifications
        .iter()
        .map(|s| s.resource_type.as_str())
        .collect();
    let of_its_time = ["instance", "volume"];
    assert!(kinds == of_its_time || kinds == ["instance", "network-interface", "volume"]);
    assert!(
        specifications.iter().all(|s| *s.tags == tags),
        "tags of instances and group differ"
    );
    assert!(
        definition
            .auto_scaling_group
            .tags
            .iter()
            .all(|t| t.propagate_at_launch)
    );
    let mut flat = Flat::new();
    let json = serde_json::to_value(&definition).unwrap();
    flatten("group", &json["autoScalingGroup"], &mut flat);
    flatten(
        "template",
        &json["launchTemplate"]["LaunchTemplateData"],
        &mut flat,
    );
    let Hooks::Known(hooks) = &definition.lifecycle_hooks else {
        panic!("compiled hooks are known")
    };
    for (name, hook) in hooks.iter() {
        let text = format!(
            "{} after {} s of {}",
            hook.default_result, hook.heartbeat_timeout, hook.lifecycle_transition
        );
        flat.insert(format!("hook {name}"), json!(text));
    }
    flat.remove("template.TagSpecifications");
    flat
}

fn flatten(path: &str, value: &Json, flat: &mut Flat) {
    match value {
        Json::Object(map) => map
            .iter()
            .for_each(|(k, v)| flatten(&format!("{path}.{k}"), v, flat)),
        Json::Array(items) if items.iter().any(|i| i.get("Key").is_some()) => {
            for tag in items {
                flat.insert(
                    format!("tag {}", tag["Key"].as_str().unwrap()),
                    tag["Value"].clone(),
                );
            }
        }
        Json::Array(items) if items.iter().any(|i| i.get("DeviceName").is_some()) => {
            for device in items {
                flatten(
                    &format!("volume {}", device["DeviceName"].as_str().unwrap()),
                    &device["Ebs"],
                    flat,
                );
            }
        }
        Json::Array(items) if path.ends_with("NetworkInterfaces") => flatten(path, &items[0], flat),
        Json::Null => {}
        Json::Array(_) | Json::Bool(_) | Json::Number(_) | Json::String(_) => {
            flat.insert(path.into(), value.clone());
        }
    }
}

/// Reads a case with the value at `path` of one of its documents changed, and compiles what comes of it.
fn changed(
    documents: &[yaml::Document],
    i: usize,
    change: impl Fn(&mut Json),
) -> Result<(), kops::KopsErrors> {
    let mut documents = documents.to_vec();
    let mut json = documents[i].root.to_json();
    change(&mut json);
    documents[i].root = yaml::parse_one(&yaml::emit(&json), yaml::Schema::Kops).unwrap();
    let manifests = kops::read(&documents)?;
    let _ = desired::compile(&manifests);
    let _ = desired::autoscaler(&manifests);
    Ok(())
}

/// Whatever stands at any place of a manifest: an answer or faults, never a panic.
#[test]
fn no_value_at_any_place_ends_in_a_panic() {
    let odd = [
        json!(null),
        json!(""),
        json!(-1),
        json!(1e300),
        json!(true),
        json!([null]),
        json!([{}]),
        json!({"x": {"y": 1}}),
        json!("é:%=/,"),
    ];
    let documents = everything();
    for (i, document) in documents.iter().enumerate() {
        for path in places(&document.root.to_json()) {
            for value in &odd {
                let _ = changed(&documents, i, |json| {
                    *json.pointer_mut(&path).unwrap() = value.clone()
                });
            }
        }
    }
}

/// Every mapping of an InstanceGroup refuses what kops would drop.
#[test]
fn a_field_that_is_not_known_is_refused_at_every_depth() {
    let documents = everything();
    for (i, document) in documents.iter().enumerate().skip(1) {
        let json = document.root.to_json();
        for path in places(&json)
            .iter()
            .filter(|p| p.starts_with("/spec") && json.pointer(p).unwrap().is_object())
        {
            let result = changed(&documents, i, |json| {
                json.pointer_mut(path)
                    .unwrap()
                    .as_object_mut()
                    .unwrap()
                    .insert("zzz".into(), json!(1));
            });
            assert!(result.is_err(), "`zzz` was taken at {path}");
        }
    }
}

fn everything() -> Vec<yaml::Document> {
    let text = std::fs::read_to_string(folder().join("everything/manifests.yaml")).unwrap();
    yaml::parse(&text, yaml::Schema::Kops).unwrap()
}

/// JSON pointers to everything in a value.
fn places(value: &Json) -> Vec<String> {
    let below = |segment: String, value: &Json| -> Vec<String> {
        places(value)
            .into_iter()
            .map(|p| format!("/{segment}{p}"))
            .collect()
    };
    let inner: Vec<Vec<String>> = match value {
        Json::Object(map) => map
            .iter()
            .map(|(k, v)| below(k.replace('~', "~0").replace('/', "~1"), v))
            .collect(),
        Json::Array(items) => items
            .iter()
            .enumerate()
            .map(|(i, v)| below(i.to_string(), v))
            .collect(),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => Vec::new(),
    };
    std::iter::once(String::new())
        .chain(inner.into_iter().flatten())
        .collect()
}

/// Which resources a launch template tags is a matter of the release: 1.34 was the first to tag network interfaces.
#[test]
fn older_releases_tag_no_network_interfaces() {
    let text = std::fs::read_to_string(folder().join("plain/manifests.yaml")).unwrap();
    let documents = yaml::parse(&text, yaml::Schema::Kops).unwrap();
    for (version, tagged) in [
        ("1.33", vec!["instance", "volume"]),
        ("1.34", vec!["instance", "network-interface", "volume"]),
    ] {
        let target = kops::KopsTarget {
            version: version.parse().unwrap(),
            ..kops::KopsTarget::default()
        };
        let manifests = kops::read_for(&documents, &target).unwrap();
        for definition in desired::compile(&manifests).unwrap() {
            let data = definition.launch_template.launch_template_data;
            let kinds: Vec<&str> = data
                .tag_specifications
                .iter()
                .map(|t| t.resource_type.as_str())
                .collect();
            assert_eq!(kinds, tagged, "{version}");
        }
    }
}
