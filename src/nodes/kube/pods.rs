//! What a pod is to a drain and to a validation: whether it has to go, what holds it, whether it is well. Made of the API's object as it arrives,
//! and small: tens of thousands of them are kept. Makes no calls.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{OwnerReference, Time};

use super::wire;
use crate::model::{Hold, LeavingPod, NodeName, SickPod, Span, Timestamp};

/// Annotation of the API's picture of a static pod. Source: kubelet.
const MIRROR: &str = "kubernetes.io/config.mirror";

/// Priority classes of pods that a cluster does not work without, and whether it is the whole cluster. Source: kops, `validate_cluster.go`.
const CRITICAL: [(&str, bool); 2] = [
    ("system-cluster-critical", true),
    ("system-node-critical", false),
];

pub(super) type Labels = BTreeMap<Arc<str>, Arc<str>>;

/// Words and labels that many pods have in common: each is kept once.
#[derive(Debug, Default)]
pub(super) struct Words {
    words: BTreeSet<Arc<str>>,
    labels: BTreeSet<Arc<Labels>>,
}

impl Words {
    fn word(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.words.get(text) {
            return Arc::clone(known);
        }
        let new: Arc<str> = text.into();
        self.words.insert(Arc::clone(&new));
        new
    }

    /// Lets go of what no pod uses any more.
    pub(super) fn tidy(&mut self) {
        self.labels.retain(|labels| Arc::strong_count(labels) > 1);
        self.words.retain(|word| Arc::strong_count(word) > 1);
    }

    /// How many words and sets of labels there are.
    #[cfg(test)]
    pub(super) fn kept(&self) -> (usize, usize) {
        (self.words.len(), self.labels.len())
    }

    fn labels(&mut self, found: BTreeMap<String, String>) -> Arc<Labels> {
        let all: Labels = found
            .iter()
            .map(|(key, value)| (self.word(key), self.word(value)))
            .collect();
        if let Some(known) = self.labels.get(&all) {
            return Arc::clone(known);
        }
        let new = Arc::new(all);
        self.labels.insert(Arc::clone(&new));
        new
    }
}

/// Where a pod is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Pending,
    Unknown,
    /// Succeeded or Failed.
    Completed,
    /// Running, and whatever a later version may call it.
    Running,
}

/// One pod.
#[derive(Clone, Debug)]
pub(super) struct Pod {
    /// `namespace/name`.
    name: Arc<str>,
    uid: Box<str>,
    /// The node that it is bound to.
    on: Option<Arc<str>>,
    labels: Arc<Labels>,
    /// `ReplicaSet web/api-5d4f`.
    owner: Option<Arc<str>>,
    /// Of a DaemonSet, or the API's picture of a static pod: a drain leaves it.
    stays: bool,
    empty_dir: bool,
    /// `namespace/name` of each claim that it has.
    claims: Box<[Arc<str>]>,
    phase: Phase,
    ready: bool,
    /// When its condition Ready changed last.
    ready_changed: Option<Timestamp>,
    started_at: Timestamp,
    /// It was told to go: until when it has its grace.
    leaves_by: Option<Timestamp>,
    finalizers: Box<[Box<str>]>,
    grace: Span,
    /// The cluster does not work without it, and whether that is the whole cluster.
    critical: Option<bool>,
    /// Its containers that are not ready, in words.
    unready: Option<Box<str>>,
}

impl Pod {
    /// The few facts of an object. None for an object without a name.
    pub(super) fn new(found: wire::Pod, words: &mut Words) -> Option<Pod> {
        let wire::Pod {
            metadata,
            spec,
            status,
        } = found;
        let namespace = metadata.namespace.as_deref().unwrap_or_default();
        let name = format!("{namespace}/{}", metadata.name.as_deref()?);
        let controller = controller(&metadata);
        let class = spec.as_ref().and_then(|s| s.priority_class_name.as_deref());
        let ready = status.as_ref().and_then(ready_condition);
        let leaves_by = metadata.deletion_timestamp.as_ref().map(timestamp);
        let mirror = metadata
            .annotations
            .as_ref()
            .is_some_and(|a| a.contains_key(MIRROR));
        Some(Pod {
            name: name.into(),
            uid: metadata.uid.as_deref().unwrap_or_default().into(),
            on: spec
                .as_ref()
                .and_then(|s| s.node_name.as_deref())
                .filter(|on| !on.is_empty())
                .map(|on| words.word(on)),
            owner: controller.map(|o| words.word(&format!("{} {namespace}/{}", o.kind, o.name))),
            stays: mirror || controller.is_some_and(|o| o.kind == "DaemonSet"),
            empty_dir: spec
                .as_ref()
                .and_then(|s| s.volumes.as_ref())
                .is_some_and(|v| v.iter().any(|v| v.empty_dir.is_some())),
            claims: claims(&metadata, spec.as_ref())
                .iter()
                .map(|claim| words.word(claim))
                .collect(),
            phase: phase(status.as_ref()),
            ready: ready.is_some_and(|c| c.status == "True"),
            ready_changed: ready
                .and_then(|c| c.last_transition_time.as_ref())
                .map(timestamp),
            started_at: started_at(&metadata, status.as_ref()),
            leaves_by,
            // What holds it matters once it is told to go.
            finalizers: metadata
                .finalizers
                .iter()
                .flatten()
                .filter(|_| leaves_by.is_some())
                .map(|f| f.as_str().into())
                .collect(),
            grace: grace(&metadata, spec.as_ref()),
            critical: CRITICAL
                .into_iter()
                .find(|(name, _)| class == Some(*name))
                .map(|(_, whole)| whole),
            unready: status.as_ref().and_then(unready_containers),
            labels: words.labels(metadata.labels.unwrap_or_default()),
        })
    }

    /// `namespace/name`.
    pub(super) fn name(&self) -> &Arc<str> {
        &self.name
    }

    pub(super) fn namespace(&self) -> &str {
        self.name.split_once('/').unwrap_or_default().0
    }

    pub(super) fn uid(&self) -> &str {
        &self.uid
    }

    pub(super) fn label(&self, key: &str) -> Option<&str> {
        self.labels.get(key).map(|value| &**value)
    }

    pub(super) fn labels(&self) -> impl Iterator<Item = (&str, &str)> {
        self.labels.iter().map(|(key, value)| (&**key, &**value))
    }

    pub(super) fn is_on(&self, node: &str) -> bool {
        self.bound_to() == Some(node)
    }

    /// The name of the node that it is bound to.
    pub(super) fn bound_to(&self) -> Option<&str> {
        self.on.as_deref()
    }

    /// The node that it is bound to.
    pub(super) fn node(&self) -> Option<NodeName> {
        NodeName::new(self.on.as_deref()?).ok()
    }

    /// Who makes it anew: `ReplicaSet web/api-5d4f`.
    pub(super) fn owner(&self) -> Option<&str> {
        self.owner.as_deref()
    }

    /// `namespace/name` of each claim that it has.
    pub(super) fn claims(&self) -> impl Iterator<Item = &str> {
        self.claims.iter().map(|claim| &**claim)
    }

    /// Whether a drain has to wait for it: not completed, not of a DaemonSet, not a mirror of a static pod.
    pub(super) fn has_to_go(&self) -> bool {
        !self.is_completed() && !self.stays
    }

    /// It has its end behind it: nothing of it runs any more.
    pub(super) fn is_completed(&self) -> bool {
        self.phase == Phase::Completed
    }

    /// It was told to go.
    pub(super) fn is_leaving(&self) -> bool {
        self.leaves_by.is_some()
    }

    pub(super) fn is_ready(&self) -> bool {
        self.ready
    }

    /// Ready, and not on its way out.
    pub(super) fn is_working(&self) -> bool {
        self.ready && !self.is_completed() && !self.is_leaving()
    }

    /// Nothing is asked for its sake: budgets do not count it.
    pub(super) fn passes_any_budget(&self) -> bool {
        self.is_completed() || self.is_leaving() || self.phase == Phase::Pending
    }

    /// Until when it has its grace, and what may hold it beyond that; none: it was not told to go.
    pub(super) fn leaving(&self) -> Option<LeavingPod> {
        Some(LeavingPod {
            pod: self.name.to_string(),
            ends_by: self.leaves_by?,
            finalizers: self.finalizers.iter().map(ToString::to_string).collect(),
        })
    }

    /// How long it may take to end once it is told to.
    pub(super) fn grace(&self) -> Span {
        self.grace
    }

    /// When it was made, or one of its containers started last.
    pub(super) fn started_at(&self) -> Timestamp {
        self.started_at
    }

    /// Since when it is not Ready; none: it is, or need not be.
    pub(super) fn unready_since(&self) -> Option<Timestamp> {
        if self.is_completed() || self.is_leaving() || self.ready {
            return None;
        }
        Some(self.ready_changed.unwrap_or(self.started_at))
    }

    /// What is wrong with a critical pod, as kops sees it; none: nothing, or it is not critical.
    pub(super) fn sick(&self) -> Option<SickPod> {
        let cluster_critical = self.critical?;
        // Finished is finished: what an eviction for memory or a node's shutdown left behind is no pod that should run.
        if self.is_completed() || self.is_leaving() {
            return None;
        }
        let why = match self.phase {
            Phase::Pending => "is pending".to_owned(),
            Phase::Unknown => "is in an unknown phase".to_owned(),
            Phase::Completed | Phase::Running => self.unready.as_deref()?.to_owned(),
        };
        Some(SickPod {
            pod: self.name.to_string(),
            why,
            since: self.ready_changed.unwrap_or(self.started_at),
            cluster_critical,
            owner: self.owner.as_deref().map(str::to_owned),
        })
    }

    /// What of itself may hold it on its node, budgets aside.
    pub(super) fn own_holds(&self) -> impl Iterator<Item = Hold> {
        let unmanaged = self.owner.is_none().then_some(Hold::NoController);
        unmanaged
            .into_iter()
            .chain(self.empty_dir.then_some(Hold::EmptyDir))
    }
}

pub(super) fn timestamp(time: &Time) -> Timestamp {
    Timestamp::from_millis(time.0.as_millisecond())
}

/// Claims by name, and those that are made for a pod. Source: Kubernetes, "Ephemeral Volumes", PersistentVolumeClaim naming.
fn claims(metadata: &wire::Meta, spec: Option<&wire::PodSpec>) -> Vec<String> {
    let namespace = metadata.namespace.as_deref().unwrap_or_default();
    let pod = metadata.name.as_deref().unwrap_or_default();
    let volumes = spec.and_then(|s| s.volumes.as_ref());
    let name = |volume: &wire::Volume| match (&volume.persistent_volume_claim, &volume.ephemeral) {
        (Some(claim), _) => Some(format!("{namespace}/{}", claim.claim_name)),
        (None, Some(_)) => Some(format!("{namespace}/{pod}-{}", volume.name)),
        (None, None) => None,
    };
    volumes.into_iter().flatten().filter_map(name).collect()
}

/// Source: Kubernetes, `terminationGracePeriodSeconds` is 30 where it is not set.
fn grace(metadata: &wire::Meta, spec: Option<&wire::PodSpec>) -> Span {
    let seconds = metadata
        .deletion_grace_period_seconds
        .or_else(|| spec?.termination_grace_period_seconds)
        .unwrap_or(30);
    Span::from_secs(seconds.clamp(0, 7 * 86_400))
}

fn phase(status: Option<&wire::PodStatus>) -> Phase {
    match status.and_then(|s| s.phase.as_deref()) {
        None | Some("Unknown") => Phase::Unknown,
        Some("Pending") => Phase::Pending,
        Some("Succeeded" | "Failed") => Phase::Completed,
        Some(_) => Phase::Running,
    }
}

/// Who makes it anew.
fn controller(metadata: &wire::Meta) -> Option<&OwnerReference> {
    metadata
        .owner_references
        .as_ref()?
        .iter()
        .find(|o| o.controller == Some(true))
}

fn started_at(metadata: &wire::Meta, status: Option<&wire::PodStatus>) -> Timestamp {
    let made = metadata
        .creation_timestamp
        .as_ref()
        .map_or(Timestamp::from_millis(0), timestamp);
    let statuses = status.and_then(|s| s.container_statuses.as_ref());
    let running = statuses
        .into_iter()
        .flatten()
        .filter_map(|c| c.state.as_ref()?.running.as_ref()?.started_at.as_ref());
    running.map(timestamp).fold(made, Timestamp::max)
}

fn ready_condition(status: &wire::PodStatus) -> Option<&wire::Condition> {
    status
        .conditions
        .as_ref()?
        .iter()
        .find(|c| c.kind == "Ready")
}

fn unready_containers(status: &wire::PodStatus) -> Option<Box<str>> {
    let statuses = status.container_statuses.as_ref()?;
    let unready = statuses.iter().filter(|c| !c.ready).map(|c| {
        let waits = c
            .state
            .as_ref()
            .and_then(|s| s.waiting.as_ref()?.reason.as_deref());
        format!(
            "container {} is not ready{}",
            c.name,
            waits.map(|w| format!(": {w}")).unwrap_or_default()
        )
    });
    let unready: Vec<String> = unready.collect();
    (!unready.is_empty()).then(|| unready.join(", ").into())
}
