//! Clusters that kops has made → the files of a fleet that renders to what was read, and where each difference between clusters went.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value as Json, json};

use super::files::{self, ClusterSettings};
use super::manifest::{Existing, GroupManifest};
use super::names::{self, ReplacedNames};
use super::{Files, environment, factor, group};
use crate::kops::latest_kops;
use crate::model::{AccountId, ClusterName, Environment, KopsVersion, Region, region_of_zone};
use crate::yaml;

/// What is known of a cluster beside its manifests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownCluster {
    /// Its account: no manifest says it.
    pub account: Option<AccountId>,
    /// Its region, where it is not to be taken from its zones.
    pub region: Option<Region>,
    /// Its environment, where it is not to be taken from its name or labels.
    pub environment: Option<Environment>,
    /// Where kops keeps it.
    pub state_store: Option<String>,
    /// The kops that last updated it: what it makes of manifests depends on that.
    pub kops: Option<KopsVersion>,
}

/// What is not known of clusters.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AdoptError {
    /// No account was named.
    #[error("the AWS account of {} is not known", list(.0))]
    Account(Vec<ClusterName>),
    /// On another cloud.
    #[error("{0} is on `{1}`, and kfleet is for kops on AWS only")]
    Elsewhere(ClusterName, String),
    /// No region, and zones that say none, or more than one.
    #[error("the region of {} is not known", list(.0))]
    Region(Vec<ClusterName>),
}

fn list(names: &[ClusterName]) -> String {
    names
        .iter()
        .map(ClusterName::as_str)
        .collect::<Vec<_>>()
        .join(", ")
}

/// What tells a cluster's environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnvironmentEvidence {
    /// It was said.
    Said,
    /// A word in its name.
    Name,
    /// A label that kops puts on everything.
    Label,
    /// Nothing: it is treated with the care that prod gets.
    Nothing,
}

/// A fleet made of clusters.
#[derive(Clone, Debug, PartialEq)]
pub struct Adoption {
    pub files: Files,
    /// The environment of each cluster, and what told it.
    pub environments: Vec<(ClusterName, Environment, EnvironmentEvidence)>,
    /// What is not the same in all clusters that have it: its path in the vars, and the files that say it.
    pub differences: BTreeMap<String, BTreeSet<String>>,
    /// How many values there are in each file of vars.
    pub counts: BTreeMap<String, usize>,
}

/// Whether names inside of values are written as placeholders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placeholders {
    /// Where no value looks like one.
    Used,
    /// No group of the cluster uses it.
    Unused,
}

struct ClusterPlace<'a> {
    existing: &'a Existing,
    region: Region,
    account: AccountId,
    environment: Environment,
    evidence: EnvironmentEvidence,
    state_store: Option<&'a str>,
    kops: Option<KopsVersion>,
}

/// The fleet of these clusters.
///
/// # Errors
/// When the account or region of one is not known.
pub fn adopt(
    clusters: &[Existing],
    known: &BTreeMap<ClusterName, KnownCluster>,
    placeholders: Placeholders,
) -> Result<Adoption, AdoptError> {
    let places = places(clusters, known)?;
    let is_used = placeholders == Placeholders::Used
        && !clusters.iter().flat_map(values).any(names::has_placeholder);
    let differ = |count: usize| is_used && count > 1;
    let regions = differ(
        places
            .iter()
            .map(|p| &p.region)
            .collect::<BTreeSet<_>>()
            .len(),
    );
    let accounts = differ(
        places
            .iter()
            .map(|p| &p.account)
            .collect::<BTreeSet<_>>()
            .len(),
    );
    let mut filters = BTreeMap::new();
    if is_used {
        filters.insert(names::CLUSTER, "cluster.name");
    }
    if regions {
        filters.insert(names::REGION, "cluster.region");
    }
    if accounts {
        filters.insert(names::ACCOUNT, "cluster.account");
    }
    let named: Vec<Option<ReplacedNames<'_>>> = places
        .iter()
        .map(|p| {
            is_used.then_some(ReplacedNames {
                cluster: &p.existing.name,
                region: regions.then_some(&p.region),
                account: accounts.then_some(&p.account),
            })
        })
        .collect();
    let (vars, snippets) = vars(&places, &named);
    let environments: Vec<&Environment> = places.iter().map(|p| &p.environment).collect();
    let layers = layers(&places, &environments, &vars);
    let mut files = frame(&places);
    let mut counts = BTreeMap::new();
    for (path, value) in &layers {
        counts.insert(path.clone(), factor::leaves(value).len());
        files.insert(path.clone(), layer_text(path, value));
    }
    for (name, text) in snippets {
        files.insert(format!("snippets/{name}"), text);
    }
    let has_objects = places.iter().any(|p| !p.existing.objects.is_empty());
    files.extend(templates(&names::filters(&filters), is_used, has_objects));
    Ok(Adoption {
        files,
        differences: differences(&layers),
        counts,
        environments: places
            .into_iter()
            .map(|p| (p.existing.name.clone(), p.environment, p.evidence))
            .collect(),
    })
}

fn values(existing: &Existing) -> impl Iterator<Item = &Json> {
    let groups = existing
        .groups
        .values()
        .flat_map(|g| [&g.metadata, &g.spec]);
    [&existing.metadata, &existing.spec]
        .into_iter()
        .chain(groups)
        .chain(existing.objects.values())
}

fn places<'a>(
    clusters: &'a [Existing],
    known: &'a BTreeMap<ClusterName, KnownCluster>,
) -> Result<Vec<ClusterPlace<'a>>, AdoptError> {
    if let Some(error) = clusters.iter().find_map(elsewhere) {
        return Err(error);
    }
    let (mut accounts, mut regions, mut places) = (Vec::new(), Vec::new(), Vec::new());
    for existing in clusters {
        let said = known.get(&existing.name);
        let account = said.and_then(|k| k.account.clone());
        let region = said
            .and_then(|k| k.region.clone())
            .or_else(|| region(existing));
        let (environment, evidence) = match said.and_then(|k| k.environment.clone()) {
            Some(environment) => (Some(environment), EnvironmentEvidence::Said),
            None => told_environment(existing),
        };
        match (account, region, environment) {
            (Some(account), Some(region), Some(environment)) => places.push(ClusterPlace {
                existing,
                region,
                account,
                environment,
                evidence,
                state_store: said.and_then(|k| k.state_store.as_deref()),
                kops: said.and_then(|k| k.kops).or_else(|| latest(existing)),
            }),
            (None, _, _) => accounts.push(existing.name.clone()),
            (Some(_), None, _) | (Some(_), Some(_), None) => regions.push(existing.name.clone()),
        }
    }
    complete(places, accounts, regions)
}

fn elsewhere(existing: &Existing) -> Option<AdoptError> {
    let cloud = existing.spec.get("cloudProvider")?.as_str()?;
    (cloud != "aws").then(|| AdoptError::Elsewhere(existing.name.clone(), cloud.to_owned()))
}

/// Where nothing says which kops made it: the latest that carries out its Kubernetes. None: that is the latest of all.
fn latest(existing: &Existing) -> Option<KopsVersion> {
    latest_kops(existing.spec.get("kubernetesVersion")?.as_str()?)
        .filter(|k| *k != KopsVersion::NEWEST)
}

/// All places, when no account and no region is missing.
fn complete(
    places: Vec<ClusterPlace<'_>>,
    accounts: Vec<ClusterName>,
    regions: Vec<ClusterName>,
) -> Result<Vec<ClusterPlace<'_>>, AdoptError> {
    if !accounts.is_empty() {
        Err(AdoptError::Account(accounts))
    } else if !regions.is_empty() {
        Err(AdoptError::Region(regions))
    } else {
        Ok(places)
    }
}

/// The one region that the zones of all subnets are in.
fn region(existing: &Existing) -> Option<Region> {
    let subnets = existing.spec.get("subnets").and_then(Json::as_array);
    let zones = subnets
        .into_iter()
        .flatten()
        .filter_map(|s| s.get("zone")?.as_str());
    let regions: BTreeSet<&str> = zones
        .map(|z| region_of_zone(z).map_or("", |r| r.name))
        .collect();
    let one = regions
        .first()
        .filter(|r| regions.len() == 1 && !r.is_empty())?;
    Region::new(*one).ok()
}

/// Labels that speak of an environment.
const LABELS: [&str; 4] = ["environment", "env", "stage", "tier"];

fn told_environment(existing: &Existing) -> (Option<Environment>, EnvironmentEvidence) {
    if let Some(word) = environment::of_name(existing.name.as_str()) {
        return (Environment::new(word).ok(), EnvironmentEvidence::Name);
    }
    let labels = existing.spec.get("cloudLabels").and_then(Json::as_object);
    let said = labels.into_iter().flatten().find_map(|(key, value)| {
        let key = key.to_ascii_lowercase();
        let word = value.as_str().filter(|_| LABELS.contains(&key.as_str()))?;
        Environment::new(word.to_ascii_lowercase()).ok()
    });
    match said {
        Some(environment) => (Some(environment), EnvironmentEvidence::Label),
        None => (Environment::new("prod").ok(), EnvironmentEvidence::Nothing),
    }
}

type Snippets = BTreeMap<String, String>;

/// Everything that the templates read, by cluster.
fn vars(places: &[ClusterPlace<'_>], named: &[Option<ReplacedNames<'_>>]) -> (Vec<Json>, Snippets) {
    let with = |names: &Option<ReplacedNames<'_>>, value: &Json| match names {
        Some(names) => names.value(value),
        None => value.clone(),
    };
    let groups: Vec<BTreeMap<String, GroupManifest>> = places
        .iter()
        .zip(named)
        .map(|(place, names)| {
            let groups = place.existing.groups.iter().map(|(name, group)| {
                let spec = match names {
                    Some(_) => names::of_group(&group.spec, name.as_str()),
                    None => group.spec.clone(),
                };
                let key = names
                    .as_ref()
                    .map_or_else(|| name.to_string(), |n| n.text(name.as_str()));
                let metadata = with(names, &group.metadata);
                (
                    key,
                    GroupManifest {
                        metadata,
                        spec: with(names, &spec),
                    },
                )
            });
            groups.collect()
        })
        .collect();
    let mut of_groups = group::vars(&groups);
    let snippets = group::snippets(&mut of_groups);
    let all = places
        .iter()
        .zip(named)
        .zip(of_groups)
        .map(|((place, names), of_groups)| {
            let mut vars = Map::new();
            if place
                .existing
                .metadata
                .as_object()
                .is_some_and(|m| !m.is_empty())
            {
                vars.insert(
                    "cluster_metadata".into(),
                    with(names, &place.existing.metadata),
                );
            }
            vars.insert("cluster_spec".into(), with(names, &place.existing.spec));
            vars.insert("group_defaults".into(), of_groups.defaults.into());
            let groups = of_groups
                .groups
                .into_iter()
                .map(|(k, v)| (k, Json::Object(v)));
            vars.insert("groups".into(), Json::Object(groups.collect()));
            if !place.existing.objects.is_empty() {
                let objects = place.existing.objects.iter();
                let objects = objects.map(|(k, v)| {
                    let key = names.as_ref().map_or_else(|| k.clone(), |n| n.text(k));
                    (key, with(names, v))
                });
                vars.insert("objects".into(), Json::Object(objects.collect()));
            }
            Json::Object(vars)
        });
    (all.collect(), snippets)
}

/// The files of vars: what all clusters have, what all of an environment have, and the rest of each.
fn layers(
    places: &[ClusterPlace<'_>],
    environments: &[&Environment],
    vars: &[Json],
) -> BTreeMap<String, Json> {
    let nothing = || Json::Object(Map::new());
    let mut layers = BTreeMap::new();
    // Of a single cluster nothing is shared: what the next one has like it is moved when it comes.
    let defaults = match vars {
        [_] => json!({"group_defaults": {}}),
        _ => factor::shared(&vars.iter().collect::<Vec<_>>()).unwrap_or_else(nothing),
    };
    let rests: Vec<Json> = vars
        .iter()
        .map(|v| factor::rest(v, &defaults).unwrap_or_else(nothing))
        .collect();
    layers.insert("vars/defaults.yaml".to_owned(), defaults);
    let several = environments.iter().collect::<BTreeSet<_>>().len() > 1;
    for environment in environments.iter().collect::<BTreeSet<_>>() {
        let of_it: Vec<&Json> = rests
            .iter()
            .zip(environments)
            .filter(|(_, e)| *e == environment)
            .map(|(r, _)| r)
            .collect();
        if several && of_it.len() > 1 {
            let shared = factor::shared(&of_it).unwrap_or_else(nothing);
            layers.insert(format!("vars/{environment}.yaml"), shared);
        }
    }
    let own: Vec<(String, Json)> = places
        .iter()
        .zip(&rests)
        .map(|(place, rest)| {
            let below = layers.get(&format!("vars/{}.yaml", place.environment));
            let own = below.map_or_else(|| Some(rest.clone()), |below| factor::rest(rest, below));
            (
                format!("vars/{}.yaml", place.existing.name),
                own.unwrap_or_else(nothing),
            )
        })
        .collect();
    layers.extend(own);
    layers
}

/// What more than one file says, or one that is not for every cluster.
fn differences(layers: &BTreeMap<String, Json>) -> BTreeMap<String, BTreeSet<String>> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (path, value) in layers {
        for (leaf, _) in factor::leaves(value)
            .into_iter()
            .filter(|(leaf, _)| !leaf.is_empty())
        {
            found
                .entry(leaf.join("."))
                .or_default()
                .insert(path.clone());
        }
    }
    found.retain(|_, files| files.len() > 1 || !files.contains("vars/defaults.yaml"));
    found
}

fn frame(places: &[ClusterPlace<'_>]) -> Files {
    let clusters: Vec<ClusterSettings<'_>> = places
        .iter()
        .map(|p| ClusterSettings {
            name: &p.existing.name,
            environment: &p.environment,
            region: &p.region,
            account: &p.account,
            state_store: p.state_store,
            kops: p.kops,
            vars: Vec::new(),
        })
        .collect();
    let mut files = files::frame(&clusters);
    files.insert(
        "vars/schema.json".into(),
        include_str!("files/kops_schema.json").into(),
    );
    files
}

fn layer_text(path: &str, value: &Json) -> String {
    let about = if path == "vars/defaults.yaml" {
        "# What clusters share. A file for an environment, and then the cluster's own, win over it: maps merge, lists and scalars replace.\n"
    } else {
        "# What is not as in defaults.yaml.\n"
    };
    if value.as_object().is_some_and(Map::is_empty) {
        return about.to_owned();
    }
    format!("{about}{}", yaml::emit(value))
}

/// What the templates say of the names in values.
const ABOUT: &str =
    "In values, <cluster> stands for the cluster's name; the filters below put it back.";

fn templates(filters: &str, is_used: bool, has_objects: bool) -> Files {
    let (about, group) = match is_used {
        true => (ABOUT, format!(" | replace(\"{}\", name)", names::GROUP)),
        false => ("", String::new()),
    };
    let filled = |text: &str| {
        text.replace("@@PLACEHOLDERS@@", about)
            .replace("@@GROUP@@", &group)
            .replace("@@REPLACE@@", filters)
    };
    let mut files = Files::new();
    let mut put = |path: &str, text: &str| _ = files.insert(path.to_owned(), filled(text));
    put(
        "templates/1_cluster.yaml.j2",
        include_str!("files/kops_1_cluster.yaml.j2"),
    );
    put(
        "templates/2_groups.yaml.j2",
        include_str!("files/kops_2_groups.yaml.j2"),
    );
    if has_objects {
        put(
            "templates/3_objects.yaml.j2",
            include_str!("files/kops_3_objects.yaml.j2"),
        );
    }
    files
}
