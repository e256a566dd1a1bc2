//! A fleet of two clusters from nothing but names: it renders and rolls out on the simulated account as it is, and its comments teach.

use super::files::{self, ClusterSettings, scalar};
use super::{Files, environment};
use crate::model::{AccountId, ClusterName, Environment, NameError, Region};

/// Zones that the networks of a new cluster are cut for.
const MAX_ZONES: usize = 6;

/// What a new fleet is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// The cluster that gets a change first, and the one that gets it when the first is well.
    pub clusters: [ClusterName; 2],
    /// The AWS account of both.
    pub account: AccountId,
    /// The region of both.
    pub region: Region,
    /// Their zones, in order.
    pub zones: Vec<String>,
}

/// Facts of which no fleet can be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// Two clusters of one name; upper and lower case are one to DNS and to some file systems.
    #[error("{0}: two clusters cannot have one name")]
    SameName(ClusterName),
    /// A name without a domain: kops has none such, and a file of vars could be the cluster's or an environment's.
    #[error("{0}: a cluster has the name of a domain")]
    NoDomain(ClusterName),
    /// A zone that is not one of the region.
    #[error("{zone}: is no zone of {region}")]
    Zone { zone: String, region: Region },
    /// One zone named twice.
    #[error("{0}: this zone is named twice")]
    ZoneTwice(String),
    /// No zone, or more than there is room for.
    #[error("{0} zones: a cluster has between 1 and {MAX_ZONES}")]
    Zones(usize),
    /// A word that is no environment.
    #[error(transparent)]
    Environment(#[from] NameError),
}

/// The files of the fleet.
///
/// # Errors
/// When the facts do not fit together.
pub fn start(facts: &Start) -> Result<Files, StartError> {
    check(facts)?;
    let [first, second] = &facts.clusters;
    let environments = environments(first, second)?;
    let clusters: Vec<ClusterSettings<'_>> = [first, second]
        .into_iter()
        .zip(&environments)
        .map(|(name, environment)| ClusterSettings {
            name,
            environment,
            region: &facts.region,
            account: &facts.account,
            state_store: None,
            kops: None,
            vars: Vec::new(),
        })
        .collect();
    let mut files = files::frame(&clusters);
    let mut put = |path: String, text: String| {
        files.insert(path, text);
    };
    put("vars/defaults.yaml".into(), defaults(facts));
    for (i, (cluster, environment)) in [first, second].into_iter().zip(&environments).enumerate() {
        put(format!("vars/{environment}.yaml"), of_environment(i));
        put(
            format!("vars/{cluster}.yaml"),
            format!(
                "# Networks of clusters never overlap: some day two of them are peered.\n{}",
                network(i, facts.zones.len())
            ),
        );
    }
    for (path, text) in [
        (
            "templates/1_cluster.yaml.j2",
            include_str!("files/1_cluster.yaml.j2"),
        ),
        (
            "templates/2_control-plane.yaml.j2",
            include_str!("files/2_control-plane.yaml.j2"),
        ),
        (
            "templates/3_nodes.yaml.j2",
            include_str!("files/3_nodes.yaml.j2"),
        ),
        (
            "snippets/instance.yaml",
            include_str!("files/instance.yaml.j2"),
        ),
        (
            "snippets/user_data.sh.j2",
            include_str!("files/user_data.sh.j2"),
        ),
        ("vars/schema.json", include_str!("files/schema.json")),
    ] {
        put(path.into(), text.into());
    }
    Ok(files)
}

fn check(facts: &Start) -> Result<(), StartError> {
    let [first, second] = &facts.clusters;
    if first.as_str().eq_ignore_ascii_case(second.as_str()) {
        return Err(StartError::SameName(second.clone()));
    }
    if let Some(name) = facts.clusters.iter().find(|n| !n.as_str().contains('.')) {
        return Err(StartError::NoDomain(name.clone()));
    }
    if facts.zones.is_empty() || facts.zones.len() > MAX_ZONES {
        return Err(StartError::Zones(facts.zones.len()));
    }
    for (i, zone) in facts.zones.iter().enumerate() {
        let letter = zone.strip_prefix(facts.region.as_str());
        let is_letter = |l: &str| l.len() == 1 && l.chars().all(|c| c.is_ascii_lowercase());
        if !letter.is_some_and(is_letter) {
            return Err(StartError::Zone {
                zone: zone.clone(),
                region: facts.region.clone(),
            });
        }
        if facts.zones.iter().skip(i + 1).any(|other| other == zone) {
            return Err(StartError::ZoneTwice(zone.clone()));
        }
    }
    Ok(())
}

/// What the names say; where they do not say it, or say the same or the wrong order, the first is staging and the second is prod.
fn environments(first: &ClusterName, second: &ClusterName) -> Result<[Environment; 2], NameError> {
    let said = [first, second].map(|n| environment::of_name(n.as_str()));
    let names = match said {
        [Some(a), Some(b)] if environment::rank(a) < environment::rank(b) => [a, b],
        _ => ["staging", "prod"],
    };
    let [a, b] = names.map(Environment::new);
    Ok([a?, b?])
}

fn defaults(facts: &Start) -> String {
    let list = |zones: &[String]| {
        let zones: Vec<String> = zones.iter().map(|z| scalar(z)).collect();
        format!("[{}]", zones.join(", "))
    };
    // etcd counts votes: three members, or one.
    let members = if facts.zones.len() >= 3 { 3 } else { 1 };
    let of_control_plane: Vec<String> = facts.zones.iter().take(members).cloned().collect();
    include_str!("files/defaults.yaml")
        .replace(
            "@@STATE_STORE@@",
            &scalar(&format!("s3://kops-state-{}", facts.account)),
        )
        .replace("@@ZONES@@", &list(&facts.zones))
        .replace("@@CONTROL_PLANE_ZONES@@", &list(&of_control_plane))
}

fn of_environment(i: usize) -> String {
    match i {
        0 => "# The same as the other environment with fewer nodes: a setting that exists only here was never tested for anything.\n\nnodes:\n  nodes: {min: 1, max: 3}\n",
        _ => "# What this environment needs more of.\n\nnodes:\n  nodes: {min: 3, max: 20}\n",
    }
    .into()
}

/// A /16 for each cluster: private subnets of /19 from the second on, small ones for load balancers in the first.
fn network(i: usize, zones: usize) -> String {
    let second = 10 + 10 * i;
    let list = |cidr: &dyn Fn(usize) -> String| (0..zones).map(cidr).collect::<Vec<_>>().join(", ");
    format!(
        "network:\n  cidr: 10.{second}.0.0/16\n  private: [{}]\n  utility: [{}]\n",
        list(&|n| format!("10.{second}.{}.0/19", 32 * (n + 1))),
        list(&|n| format!("10.{second}.{}.0/22", 4 * n))
    )
}
