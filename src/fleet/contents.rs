//! What the files of a fleet hold, as data.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::{Settings, StateStore, Vars};
use crate::model::{AccountId, ClusterName, Environment, GroupName, KopsVersion, Region};

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
