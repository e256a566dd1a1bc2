//! What a rollout does when something stands in its way, and how it replaces instances: strategies, want of capacity, failures. Resolves their forms; decides nothing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::{GroupName, Span};

/// Who replaces the instances of a group, and when. The control plane is always replaced by `surge`, whatever is set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// kfleet: new instance first, then cordon, drain, end.
    #[default]
    Surge,
    /// AWS's instance refresh, started, watched and taken back by kfleet. AWS drains no node by itself.
    InstanceRefresh,
    /// Nothing: the group is pinned to its new version, and an instance runs it when it ends and comes back for another reason.
    OnNextLaunch,
}

/// What happens when AWS has no capacity for a replacement. Nothing is drained before its replacement is there, in any case.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Capacity {
    /// What the rollout does when AWS has no capacity.
    pub policy: CapacityPolicy,
    /// How long launches may be refused before `stop`, `next-type` or `on-demand` act; the group's `ready_timeout` when not given.
    pub patience: Option<Span>,
    /// The group whose instances may stand in, with `on-demand` and only then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub twin: Option<GroupName>,
}

/// What happens when AWS has no capacity for a replacement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CapacityPolicy {
    /// The group fails once its patience is over.
    #[default]
    Stop,
    /// It waits until there is capacity, for as long as that takes.
    Wait,
    /// It waits while the group has an instance type that was not refused (AWS goes on to it by itself), and fails, once
    /// its patience is over, when each of them was.
    NextType,
    /// Once its patience is over, its on-demand twin grows by what it cannot get, and its old instances go when the twin's
    /// new ones are Ready; the twin shrinks again when the group has its own.
    OnDemand,
}

/// What follows when a group, a gate or a soak fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnFailure {
    /// The clusters of the wave go back to what they ran.
    #[default]
    Rollback,
    /// Everything stays as it is until a person says what comes: `rollout resume` tries again, `rollout rollback` goes back.
    Hold,
    /// What is half-done is undone, groups stay as they are, and the rollout is over.
    Stop,
}

/// What goes back when something failed, and what stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rollback {
    /// The control plane, when it was proven and only workers failed.
    #[serde(default)]
    pub control_plane: ProvenControlPlane,
}

/// What becomes of a control plane that was proven on the new version when only workers failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProvenControlPlane {
    /// It stays: what works is not replaced for what failed elsewhere. Older kubelets are served by newer API servers.
    #[default]
    Keep,
    /// It goes back too, one instance at a time, each proven.
    Restore,
}

/// What becomes of an instance that a person put into Standby, and that runs something else than git wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standby {
    /// It stays as it is, and every plan says so.
    #[default]
    Keep,
    /// It is drained and ended with the others; as it is outside desired capacity, none takes its place.
    End,
}

/// Whether each availability zone of a group keeps its instances while they are replaced.
///
/// A volume is tied to its zone, and what is spread over zones loses its quorum with one of them: a pod that leaves a zone which has no
/// place for it left has nowhere to go. Source: Kubernetes documentation, "Running in multiple zones", "Storage access for zones".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ZonePolicy {
    /// An old instance is drained only when its own zone has the new one.
    #[default]
    Keep,
    /// The new one may be in any zone, as AWS launches it.
    Any,
}

/// What happens when the account has no room for what clusters that are rolled at the same time would launch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoomPolicy {
    /// What is done where room is too little.
    #[serde(default)]
    pub on_lack: OnLack,
}

impl RoomPolicy {
    /// Whether nothing else is said than what counts anyway.
    pub fn is_default(&self) -> bool {
        *self == RoomPolicy::default()
    }
}

/// What happens when there is too little room. In any case: where there is none even for one instance of one cluster, nothing is touched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnLack {
    /// The surge is made smaller, and where that is not enough clusters go one after the other: what can be rolled is rolled, only slower, and
    /// no launch is asked for that AWS would refuse. That is why it is the default: it never takes what is not there, and stops nothing that works.
    #[default]
    Shrink,
    /// The wave begins when there is room for all of it.
    Wait,
    /// Nothing is begun of which it is not known that there is room for all of it.
    Refuse,
}

/// What one group does otherwise than the rest of the fleet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupRolling {
    pub strategy: Option<Strategy>,
    /// What it does for want of capacity.
    pub capacity: Option<Capacity>,
    /// Whether its zones keep their instances.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zones: Option<ZonePolicy>,
}

/// `rolling.capacity`: a policy, or a policy and its patience.
#[derive(Clone, Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "expected stop, wait or next-type, or {policy: stop, patience: 20m}, or for a group {policy: on-demand, twin: GROUP}"
)]
pub(super) enum CapacityFile {
    Policy(CapacityPolicy),
    Whole(WholeCapacityFile),
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WholeCapacityFile {
    policy: CapacityPolicy,
    patience: Option<Span>,
    twin: Option<GroupName>,
}

/// One of `rolling.groups`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GroupRollingFile {
    strategy: Option<Strategy>,
    capacity: Option<CapacityFile>,
    zones: Option<ZonePolicy>,
}

impl From<CapacityFile> for Capacity {
    fn from(file: CapacityFile) -> Capacity {
        match file {
            CapacityFile::Policy(policy) => Capacity {
                policy,
                patience: None,
                twin: None,
            },
            CapacityFile::Whole(WholeCapacityFile {
                policy,
                patience,
                twin,
            }) => Capacity {
                policy,
                patience,
                twin,
            },
        }
    }
}

/// `rolling.groups`.
pub(super) fn groups(
    files: &BTreeMap<GroupName, GroupRollingFile>,
) -> BTreeMap<GroupName, GroupRolling> {
    let one = |file: &GroupRollingFile| GroupRolling {
        strategy: file.strategy,
        capacity: file.capacity.clone().map(Into::into),
        zones: file.zones,
    };
    files
        .iter()
        .map(|(name, file)| (name.clone(), one(file)))
        .collect()
}
