//! Files → [`Fleet`]: settings, clusters, layered vars, template and snippet sources. Renders nothing, asks no cloud.

mod calls;
mod cluster;
mod document;
mod error;
mod file;
mod gates;
mod plain;
mod policy;
mod read;
mod resolve;
mod schema;
mod settings;
mod stages;
mod state_store;
mod suggest;
mod vars;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::model::{AccountId, ClusterName, Environment, GroupName, KopsVersion, Region};

pub use calls::{CallRate, CallRates};
pub use error::{FleetError, Place};
pub use gates::{Bound, Empty, FromEnv, GateAt, HeaderValue, HttpGate, PromqlGate, Samples};
pub use policy::{
    Capacity, CapacityPolicy, GroupRolling, OnFailure, OnLack, ProvenControlPlane, Rollback,
    RoomPolicy, Standby, Strategy, ZonePolicy,
};
pub use schema::{CLUSTER_SCHEMA, FLEET_SCHEMA, Fault, Schema, SchemaError, VARS_SCHEMA, VarFault};
pub use settings::{
    Amount, DeadNodes, Drain, Freeze, GateKind, GateSpec, LintPolicy, LintWaiver, OnTimeout,
    Preflight, Rate, Rolling, Settings, Stage, Wave, Weekday,
};
pub use state_store::StateStore;
pub use suggest::closest;
pub use vars::{Layer, Merged, MergedValue, Origin, Overridden, Vars};

/// A fleet as its files say.
#[derive(Clone, Debug, PartialEq)]
pub struct Fleet {
    /// The folder it was read from.
    pub root: PathBuf,
    /// What `fleet.yaml` says.
    pub settings: Settings,
    /// The clusters, by name.
    pub clusters: BTreeMap<ClusterName, Cluster>,
    /// Templates by their path below `templates/`.
    pub templates: BTreeMap<String, Source>,
    /// Snippets by their path below `snippets/`.
    pub snippets: BTreeMap<String, Source>,
}

/// A text file of the fleet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its path relative to the fleet, e.g. `templates/1_cluster.yaml.j2`.
    pub path: String,
    /// What it holds.
    pub text: String,
}

/// One cluster as its file says.
#[derive(Clone, Debug, PartialEq)]
pub struct Cluster {
    /// Its name.
    pub name: ClusterName,
    /// Its file, relative to the fleet.
    pub file: String,
    /// Its environment.
    pub environment: Environment,
    /// Its AWS region.
    pub region: Region,
    /// Its AWS account.
    pub account: AccountId,
    /// The role to assume in that account; none: the credentials there are.
    pub role_arn: Option<String>,
    /// Its templates, keys of [`Fleet::templates`], in rendering order.
    pub templates: Vec<String>,
    /// How its Kubernetes API is reached; none: not at all, so no drain and no node gate.
    pub kubernetes: Option<KubernetesAccess>,
    /// Where kops keeps what it knows of the cluster; none: it is not read, and documents are compared with the baseline.
    pub state_store: Option<StateStore>,
    /// The kops that carries it out; none: the newest that is described here.
    pub kops_version: Option<KopsVersion>,
    /// Groups that are never retired.
    pub protect: BTreeSet<GroupName>,
    /// Groups that are gone from git on purpose, named there: they may be drained and deleted.
    pub retire: BTreeSet<GroupName>,
    /// Its vars.
    pub vars: Vars,
}

/// How the Kubernetes API of a cluster is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KubernetesAccess {
    /// The kubeconfig context.
    pub context: String,
}

/// Reads the fleet in `dir`.
///
/// # Errors
/// Every fault of a file (of the files of all clusters), with file, line, column and the line itself.
pub fn load(dir: &Path) -> Result<Fleet, FleetError> {
    load_files(dir).map_err(|error| error.shown(&|place| line_of(dir, place)))
}

/// The line of a place in `fleet.yaml` or a cluster's file. Not of vars: they may hold what nobody should read in a log.
fn line_of(dir: &Path, place: &Place) -> Option<String> {
    let shown = place.file == "fleet.yaml" || place.file.starts_with("clusters/");
    let number = place.pos?.line.checked_sub(1)?;
    let text = read::text(dir, &place.file)
        .ok()
        .flatten()
        .filter(|_| shown)?;
    let line = text.lines().nth(usize::try_from(number).ok()?)?;
    let lower = line.to_lowercase();
    // A user and password stand before the host of an address.
    let login = lower.contains("://") && lower.contains('@');
    let secret = login || SECRETS.iter().any(|word| lower.contains(word));
    (!secret).then(|| line.to_owned())
}

/// Words of lines that may hold a secret: they are never shown.
const SECRETS: [&str; 8] = [
    "api-key",
    "authorization",
    "bearer",
    "cookie",
    "headers",
    "password",
    "secret",
    "token",
];

fn load_files(dir: &Path) -> Result<Fleet, FleetError> {
    let file = read::fleet_file(dir)?;
    let templates = read::sources(dir, "templates")?;
    let snippets = read::sources(dir, "snippets")?;
    let layering = resolve::Layering::of(&file)?;
    let clusters = cluster::load_all(dir, &layering, &templates)?;
    if let Some(text) = read::text(dir, VARS_SCHEMA)? {
        schema::check_vars(&text, &clusters)?;
    }
    let settings = resolve::settings(&file, &clusters)?;
    Ok(Fleet {
        root: dir.to_owned(),
        settings,
        clusters,
        templates,
        snippets,
    })
}
