//! Definitions × live state → [`Plan`]: every difference, typed, with what it does to instances and what stands in its way. No cloud, no clock.

mod baseline;
mod blocked;
mod boot;
mod by_itself;
mod by_kops;
mod change;
mod cluster;
mod compare;
mod content;
mod documents;
mod drains;
mod drift;
mod etcd;
mod found;
mod hook_task;
mod hooks;
mod note;
mod orphan;
mod pending;
mod policy;
mod published;
mod remark;
pub mod room;
mod target;
mod twins;
mod wanted;
mod warned;

use std::collections::BTreeMap;

pub use baseline::{Acknowledged, Baseline, Pending};
pub use blocked::{Blocked, KopsFault, TwinFault};
pub use by_kops::{labelled, reaches_role};
pub use change::{DocumentChange, Found, GroupChange, KopsPlan, Target, Twin};
pub use cluster::PODS_COUNT_AFTER;
pub use compare::{FieldChange, fields};
pub use content::{ClusterPlan, PLAN_VERSION, Plan};
pub use drains::{drain_blockers, launch_blockers};
pub use drift::{DriftClass, DriftItem, DriftKind, DriftSeen, drift_items, unread};
pub use found::{definition_fields, fingerprint};
pub(crate) use found::{group_differences, group_digest};
pub use hook_task::{HookMark, HookTask};
pub use hooks::fill_hook;
pub use note::{DrainBlocker, Fact, Fields, LaunchBlocker, Note, Process, StandbyFate, Unplaced};
pub use orphan::{Orphan, orphans};
pub(crate) use pending::with_acknowledged;
pub use policy::Policy;
pub use remark::Remark;
pub use wanted::{Allow, Wanted};
pub use warned::Warned;

use crate::model::{Digest, Live, digest_of};

/// The plan for `wanted` against `live`.
pub fn plan(
    release: Digest,
    wanted: &[Wanted<'_>],
    live: &Live,
    policy: &Policy,
    allow: Allow,
) -> Plan {
    let of_cluster = |w: &Wanted<'_>| {
        let name = w.desired.cluster.clone();
        let found = live.clusters.get(&name);
        let plan = cluster::cluster_plan(w, found, &policy.rolling, allow, live.read_at);
        (name, plan)
    };
    let clusters: BTreeMap<_, _> = wanted.iter().map(of_cluster).collect();
    let policy = policy.clone();
    let id = digest_of(&(PLAN_VERSION, &release, &policy, &clusters));
    Plan {
        version: PLAN_VERSION,
        id,
        release,
        policy,
        clusters,
        hooks: Vec::new(),
    }
}
