//! What the files of a fleet hold, as data.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::Deserialize;

use super::{Settings, StateStore, Vars};
use crate::model::{AccountId, ClusterName, Environment, GroupName, KopsVersion, Region, Span};

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
    pub name: ClusterName,
    /// Its file, relative to the fleet.
    pub file: String,
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
    /// Who carries its changes out.
    pub engine: Engine,
    /// How kops is run, where it is the engine.
    pub kops: KopsProgram,
    /// The kops that carries it out; none: the newest that is described here.
    pub kops_version: Option<KopsVersion>,
    /// Groups that are never retired.
    pub protect: BTreeSet<GroupName>,
    /// Groups that are gone from git on purpose, named there: they may be drained and deleted.
    pub retire: BTreeSet<GroupName>,
    pub vars: Vars,
}

/// Who carries changes of a cluster out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// kfleet changes groups itself; what only kops can do is done by other means.
    #[default]
    Asg,
    /// kfleet has kops do what only kops can do, group by group.
    Kops,
}

/// How kops is run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KopsProgram {
    /// The binary: a path, or a name on the `PATH`.
    pub binary: PathBuf,
    /// How long one call may take.
    pub time_limit: Span,
}

impl Default for KopsProgram {
    /// kops writes hundreds of objects of a cluster, and waits for AWS in between.
    fn default() -> Self {
        KopsProgram {
            binary: "kops".into(),
            time_limit: Span::from_secs(1_800),
        }
    }
}

/// How the Kubernetes API of a cluster is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KubernetesAccess {
    /// The kubeconfig context.
    pub context: String,
}
