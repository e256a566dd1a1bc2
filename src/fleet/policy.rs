//! What a rollout does when something stands in its way, and how it replaces instances: strategies, want of capacity, failures. Resolves their forms; decides nothing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::document::Document;
use super::resolve::invalid;
use super::{FleetError, Rolling};
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
    /// Nobody: the group is pinned to its new version, and an instance runs it when it ends and comes back for another reason.
    OnNextLaunch,
}

/// What happens when AWS has no capacity for a replacement. Nothing is drained before its replacement is there, in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Capacity {
    /// What.
    pub policy: CapacityPolicy,
    /// How long launches may be refused before `stop` or `next-type` act; the group's `ready_timeout` when not given.
    pub patience: Option<Span>,
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
    /// What is open is given back, groups stay as they are, and the rollout is over.
    Stop,
}

/// What one group does otherwise than the rest of the fleet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupRolling {
    /// Its strategy.
    pub strategy: Option<Strategy>,
    /// What it does for want of capacity.
    pub capacity: Option<Capacity>,
}

/// `rolling.capacity`: a policy, or a policy and its patience.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(untagged, expecting = "expected stop, wait or next-type, or {policy: stop, patience: 20m}")]
pub(super) enum CapacityFile {
    Policy(CapacityPolicy),
    Whole(WholeCapacityFile),
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WholeCapacityFile {
    policy: CapacityPolicy,
    patience: Option<Span>,
}

/// One of `rolling.groups`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GroupRollingFile {
    strategy: Option<Strategy>,
    capacity: Option<CapacityFile>,
}

impl From<CapacityFile> for Capacity {
    fn from(file: CapacityFile) -> Capacity {
        match file {
            CapacityFile::Policy(policy) => Capacity { policy, patience: None },
            CapacityFile::Whole(WholeCapacityFile { policy, patience }) => Capacity { policy, patience },
        }
    }
}

/// `rolling.groups`.
pub(super) fn groups(files: &BTreeMap<GroupName, GroupRollingFile>) -> BTreeMap<GroupName, GroupRolling> {
    let one = |file: &GroupRollingFile| GroupRolling { strategy: file.strategy, capacity: file.capacity.map(Into::into) };
    files.iter().map(|(name, file)| (name.clone(), one(file))).collect()
}

/// `rolling.keep_versions`.
pub(super) fn keep_versions(doc: &Document, file: Option<u64>, base: u64) -> Result<u64, FleetError> {
    match file {
        Some(n) if n < 2 => Err(invalid(doc, &["rolling", "keep_versions"], format!("{n} versions leave none to go back to"), "keep at least 2")),
        Some(n) => Ok(n),
        None => Ok(base),
    }
}

/// Before decoding: of a value with several forms serde can only say that none fitted.
pub(super) fn check_capacity(doc: &Document) -> Result<(), FleetError> {
    let groups = doc.node.at(["rolling", "groups"]).map(|n| n.entries()).unwrap_or_default();
    let paths = groups.iter().map(|(name, _)| vec!["rolling", "groups", name.text.as_str(), "capacity"]).chain([vec!["rolling", "capacity"]]);
    for path in paths {
        let Some(node) = doc.node.at(path.iter().copied()) else { continue };
        let (policy, path) = match node.get("policy") {
            Some(policy) => (policy, path.iter().copied().chain(["policy"]).collect()),
            None => (node, path),
        };
        if policy.as_str() == Some("on-demand") {
            let place = doc.place(&path);
            let what = "the capacity policy `on-demand`".to_owned();
            let instead = "write `wait`, and let cluster-autoscaler's priority expander fill the on-demand twin of a spot group".into();
            return Err(FleetError::NotAvailable { place, what, instead });
        }
    }
    Ok(())
}

impl Rolling {
    /// The policy of one group.
    #[must_use]
    pub fn of(&self, group: &GroupName) -> Rolling {
        let own = self.groups.get(group).copied().unwrap_or_default();
        Rolling {
            strategy: own.strategy.unwrap_or(self.strategy),
            capacity: own.capacity.unwrap_or(self.capacity),
            groups: BTreeMap::new(),
            ..self.clone()
        }
    }
}
