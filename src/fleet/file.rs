//! The forms of `fleet.yaml` and `clusters/NAME.yaml` as written, for serde. Resolves nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::Deserialize;

use super::gates::GateFile;
use super::hooks::HookFile;
use super::notify_rules::NotifyFile;
use super::policy::{
    CapacityFile, GroupRollingFile, OnFailure, ProvenControlPlane, RoomPolicy, Standby, Strategy,
    ZonePolicy,
};
use super::{CallRate, DeadNodes, Engine, LintPolicy, OnTimeout, Preflight, Rate};
use crate::model::{
    AccountId, ClusterName, EmptyDir, Environment, GroupName, KopsVersion, OldNodes, Region, Span,
    StageName, Unmanaged,
};

/// `fleet.yaml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FleetFile {
    #[serde(rename = "version")]
    pub(super) _version: u32,
    pub(super) store: Option<String>,
    #[serde(rename = "vars")]
    pub(super) _vars: Option<Vec<String>>,
    pub(super) stages: Vec<StageFile>,
    #[serde(default)]
    pub(super) rolling: RollingFile,
    #[serde(default)]
    pub(super) gates: Vec<GateFile>,
    #[serde(default)]
    pub(super) hooks: Vec<HookFile>,
    pub(super) on_failure: Option<OnFailure>,
    #[serde(default)]
    pub(super) rollback: RollbackFile,
    #[serde(default)]
    pub(super) call_rates: BTreeMap<String, CallRate>,
    #[serde(default)]
    pub(super) accept: BTreeSet<String>,
    #[serde(default)]
    pub(super) lint: LintPolicy,
    #[serde(default)]
    pub(super) notify: Vec<NotifyFile>,
}

/// `rollback`.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RollbackFile {
    pub(super) control_plane: Option<ProvenControlPlane>,
}

/// One of `stages`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StageFile {
    pub(super) name: StageName,
    pub(super) after: Option<StageName>,
    pub(super) clusters: Selector,
    pub(super) waves: Option<Vec<WaveFile>>,
    #[serde(default)]
    pub(super) soak: Span,
    #[serde(default)]
    pub(super) approval: Approval,
    #[serde(default)]
    pub(super) freeze: Vec<FreezeFile>,
    pub(super) on_failure: Option<OnFailure>,
}

/// Which clusters a stage holds.
#[derive(Clone, Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "expected a list of cluster names, {environment: NAME} or {clusters: [NAME, ...]}"
)]
pub(super) enum Selector {
    List(Vec<ClusterName>),
    Environment(ByEnvironment),
    Clusters(ByName),
}

/// `{environment: NAME}`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ByEnvironment {
    pub(super) environment: Environment,
}

/// `{clusters: [NAME, ...]}`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ByName {
    pub(super) clusters: Vec<ClusterName>,
}

/// One of `waves`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WaveFile {
    pub(super) clusters: Option<Vec<ClusterName>>,
    pub(super) parallel: Option<usize>,
    #[serde(default)]
    pub(super) soak: Span,
}

/// `approval`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Approval {
    Required,
    #[default]
    None,
}

/// One of `freeze`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FreezeFile {
    pub(super) from: String,
    pub(super) to: String,
    pub(super) timezone: String,
}

/// `rolling`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RollingFile {
    pub(super) max_surge: Option<AmountFile>,
    pub(super) max_unavailable: Option<AmountFile>,
    pub(super) cluster_surge: Option<u32>,
    pub(super) canary: Option<u32>,
    pub(super) bake: Option<Span>,
    pub(super) rate: Option<RateFile>,
    pub(super) drain: Option<DrainFile>,
    pub(super) ready_timeout: Option<Span>,
    pub(super) tolerance: Option<AmountFile>,
    pub(super) standby: Option<Standby>,
    pub(super) zones: Option<ZonePolicy>,
    pub(super) old_nodes: Option<OldNodes>,
    pub(super) strategy: Option<Strategy>,
    pub(super) capacity: Option<CapacityFile>,
    pub(super) room: Option<RoomPolicy>,
    pub(super) keep_versions: Option<u64>,
    #[serde(default)]
    pub(super) groups: BTreeMap<GroupName, GroupRollingFile>,
}

/// A count or a percentage.
#[derive(Clone, Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "expected a count such as 1, or a percentage such as 25%"
)]
pub(super) enum AmountFile {
    Count(u32),
    Text(String),
}

/// `rolling.rate`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RateFile {
    instances: u32,
    per: Span,
}

impl From<RateFile> for Rate {
    fn from(file: RateFile) -> Rate {
        Rate {
            instances: file.instances,
            per: file.per,
        }
    }
}

/// `rolling.drain`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DrainFile {
    pub(super) timeout: Option<Span>,
    pub(super) on_timeout: Option<OnTimeout>,
    pub(super) min_pod_age: Option<Span>,
    pub(super) parallel: Option<u32>,
    pub(super) empty_dir: Option<EmptyDir>,
    pub(super) unmanaged: Option<Unmanaged>,
    pub(super) preflight: Option<Preflight>,
    pub(super) dead_nodes: Option<DeadNodes>,
    pub(super) volumes: Option<Span>,
    pub(super) balancers: Option<Span>,
}

/// `clusters/NAME.yaml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ClusterFile {
    pub(super) name: Option<ClusterName>,
    pub(super) environment: Environment,
    pub(super) region: Region,
    pub(super) account: AccountId,
    pub(super) role_arn: Option<String>,
    pub(super) engine: Option<Engine>,
    pub(super) templates: Option<Vec<String>>,
    #[serde(default)]
    pub(super) vars: Vec<String>,
    pub(super) kubernetes: Option<KubernetesFile>,
    pub(super) kops: Option<KopsFile>,
    #[serde(default)]
    pub(super) protect: Vec<GroupName>,
    #[serde(default)]
    pub(super) retire: Vec<GroupName>,
}

/// `kubernetes`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KubernetesFile {
    pub(super) context: String,
}

/// `kops`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KopsFile {
    pub(super) state_store: Option<String>,
    pub(super) version: Option<KopsVersion>,
    pub(super) binary: Option<PathBuf>,
    pub(super) time_limit: Option<Span>,
}
