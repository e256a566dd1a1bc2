//! What a pod is to a drain and to a validation: whether it has to go, what holds it, whether it is well. Asks nobody.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Node as ApiNode, Pod};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, OwnerReference, Time};

use crate::model::{Hold, LeavingPod, SickPod, Span, Timestamp};

/// Annotation of the API's picture of a static pod. Source: kubelet.
const MIRROR: &str = "kubernetes.io/config.mirror";

/// Priority classes of pods that a cluster does not work without, and whether it is the whole cluster. Source: kops, `validate_cluster.go`.
const CRITICAL: [(&str, bool); 2] = [
    ("system-cluster-critical", true),
    ("system-node-critical", false),
];

pub(super) fn timestamp(time: &Time) -> Timestamp {
    Timestamp::from_millis(time.0.as_millisecond())
}

/// `namespace/name`.
pub(super) fn full_name(pod: &Pod) -> String {
    format!(
        "{}/{}",
        pod.metadata.namespace.as_deref().unwrap_or_default(),
        pod.metadata.name.as_deref().unwrap_or_default()
    )
}

/// Whether a drain has to wait for it: not completed, not of a DaemonSet, not a mirror of a static pod.
pub(super) fn has_to_go(pod: &Pod) -> bool {
    let mirror = pod
        .metadata
        .annotations
        .as_ref()
        .is_some_and(|a| a.contains_key(MIRROR));
    let daemon = controller(pod).is_some_and(|owner| owner.kind == "DaemonSet");
    !completed(pod) && !daemon && !mirror
}

/// It has its end behind it: nothing of it runs any more.
pub(super) fn completed(pod: &Pod) -> bool {
    matches!(phase(pod), "Succeeded" | "Failed")
}

/// It was told to go.
pub(super) fn is_leaving(pod: &Pod) -> bool {
    pod.metadata.deletion_timestamp.is_some()
}

/// Until when it has its grace, and what may hold it beyond that; none: it was not told to go.
pub(super) fn leaving(pod: &Pod) -> Option<LeavingPod> {
    let ends_by = pod.metadata.deletion_timestamp.as_ref().map(timestamp)?;
    Some(LeavingPod {
        pod: full_name(pod),
        ends_by,
        finalizers: pod.metadata.finalizers.iter().flatten().cloned().collect(),
    })
}

/// How long it may take to end once it is told to. Source: Kubernetes, `terminationGracePeriodSeconds` is 30 where it is not set.
pub(super) fn grace(pod: &Pod) -> Span {
    let seconds = pod
        .metadata
        .deletion_grace_period_seconds
        .or_else(|| pod.spec.as_ref()?.termination_grace_period_seconds)
        .unwrap_or(30);
    Span::from_secs(seconds.clamp(0, 7 * 86_400))
}

fn phase(pod: &Pod) -> &str {
    pod.status
        .as_ref()
        .and_then(|s| s.phase.as_deref())
        .unwrap_or("Unknown")
}

/// Who makes it anew.
pub(super) fn controller(pod: &Pod) -> Option<&OwnerReference> {
    pod.metadata
        .owner_references
        .as_ref()?
        .iter()
        .find(|o| o.controller == Some(true))
}

/// `ReplicaSet web/api-5d4f`.
pub(super) fn owner(pod: &Pod) -> Option<String> {
    controller(pod).map(|o| {
        format!(
            "{} {}/{}",
            o.kind,
            pod.metadata.namespace.as_deref().unwrap_or_default(),
            o.name
        )
    })
}

/// When it was made, or one of its containers started last.
pub(super) fn started_at(pod: &Pod) -> Timestamp {
    let made = pod
        .metadata
        .creation_timestamp
        .as_ref()
        .map_or(Timestamp::from_millis(0), timestamp);
    let statuses = pod
        .status
        .as_ref()
        .and_then(|s| s.container_statuses.as_ref());
    let running = statuses
        .into_iter()
        .flatten()
        .filter_map(|c| c.state.as_ref()?.running.as_ref()?.started_at.as_ref());
    running.map(timestamp).fold(made, Timestamp::max)
}

/// Since when it is not Ready; none: it is, or need not be.
pub(super) fn unready_since(pod: &Pod) -> Option<Timestamp> {
    if completed(pod) || is_leaving(pod) || is_ready(pod) {
        return None;
    }
    Some(
        ready_condition(pod)
            .and_then(|c| c.last_transition_time.as_ref())
            .map_or_else(|| started_at(pod), timestamp),
    )
}

/// Ready, and not on its way out.
pub(super) fn is_working(pod: &Pod) -> bool {
    is_ready(pod) && !completed(pod) && !is_leaving(pod)
}

fn is_ready(pod: &Pod) -> bool {
    ready_condition(pod).is_some_and(|c| c.status == "True")
}

fn ready_condition(pod: &Pod) -> Option<&k8s_openapi::api::core::v1::PodCondition> {
    pod.status
        .as_ref()?
        .conditions
        .as_ref()?
        .iter()
        .find(|c| c.type_ == "Ready")
}

/// What is wrong with a critical pod, as kops sees it; none: nothing, or it is not critical.
pub(super) fn sick(pod: &Pod) -> Option<SickPod> {
    let class = pod.spec.as_ref()?.priority_class_name.as_deref()?;
    let (_, cluster_critical) = CRITICAL.into_iter().find(|(name, _)| *name == class)?;
    // Finished is finished: what an eviction for memory or a node's shutdown left behind is no pod that should run.
    if completed(pod) || is_leaving(pod) {
        return None;
    }
    let why = match phase(pod) {
        "Pending" => "is pending".to_owned(),
        "Unknown" => "is in an unknown phase".to_owned(),
        _ => unready_containers(pod)?,
    };
    let since = ready_condition(pod)
        .and_then(|c| c.last_transition_time.as_ref())
        .map_or_else(|| started_at(pod), timestamp);
    Some(SickPod {
        pod: full_name(pod),
        why,
        since,
        cluster_critical,
        owner: owner(pod),
    })
}

fn unready_containers(pod: &Pod) -> Option<String> {
    let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
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
    (!unready.is_empty()).then(|| unready.join(", "))
}

/// Everything that may hold it on its node, budgets that allow no disruption now first.
pub(super) fn holds(pod: &Pod, budgets: &[PodDisruptionBudget]) -> Vec<Hold> {
    let mut holds: Vec<Hold> = held_by_budgets(pod, budgets).into_iter().collect();
    holds.extend(controller(pod).is_none().then_some(Hold::NoController));
    holds.extend(has_empty_dir(pod).then_some(Hold::EmptyDir));
    holds
}

/// What the eviction subresource would say because of budgets, in its order. Source: kube-apiserver, `registry/core/pod/storage/eviction.go`;
/// each row was seen on the wire.
fn held_by_budgets(pod: &Pod, budgets: &[PodDisruptionBudget]) -> Option<Hold> {
    if passes_any_budget(pod) {
        return None;
    }
    let covering: Vec<&PodDisruptionBudget> = budgets.iter().filter(|b| covers(b, pod)).collect();
    let name = |b: &PodDisruptionBudget| {
        format!(
            "{}/{}",
            b.metadata.namespace.as_deref().unwrap_or_default(),
            b.metadata.name.as_deref().unwrap_or_default()
        )
    };
    match covering.as_slice() {
        [] => None,
        [one] if may_go_unhealthy(one, pod) => None,
        [one] if is_unprocessed(one) => Some(Hold::UnprocessedBudget(name(one))),
        [one] => refuses(one).then(|| Hold::Budget(name(one))),
        many => Some(Hold::ManyBudgets(many.iter().map(|b| name(b)).collect())),
    }
}

/// Pods for which budgets are not asked.
fn passes_any_budget(pod: &Pod) -> bool {
    completed(pod) || is_leaving(pod) || phase(pod) == "Pending"
}

/// Whether it has data in an `emptyDir`.
fn has_empty_dir(pod: &Pod) -> bool {
    pod.spec
        .as_ref()
        .and_then(|s| s.volumes.as_ref())
        .is_some_and(|v| v.iter().any(|v| v.empty_dir.is_some()))
}

fn covers(budget: &PodDisruptionBudget, pod: &Pod) -> bool {
    let selector = budget.spec.as_ref().and_then(|s| s.selector.as_ref());
    budget.metadata.namespace == pod.metadata.namespace
        && selector.is_some_and(|s| selects(s, pod.metadata.labels.as_ref()))
}

/// A pod that is not Ready counts for nothing, and may go where the budget says so. Source: Kubernetes, `unhealthyPodEvictionPolicy`.
fn may_go_unhealthy(budget: &PodDisruptionBudget, pod: &Pod) -> bool {
    if is_ready(pod) {
        return false;
    }
    let policy = budget
        .spec
        .as_ref()
        .and_then(|s| s.unhealthy_pod_eviction_policy.as_deref())
        .unwrap_or("IfHealthyBudget");
    policy == "AlwaysAllow"
        || budget.status.as_ref().is_some_and(|status| {
            status.current_healthy >= status.desired_healthy && status.desired_healthy > 0
        })
}

/// Whether nobody has looked at its newest form: the API refuses then, whatever its status allows.
fn is_unprocessed(budget: &PodDisruptionBudget) -> bool {
    let generation = budget.metadata.generation.unwrap_or_default();
    let observed = budget
        .status
        .as_ref()
        .and_then(|s| s.observed_generation)
        .unwrap_or_default();
    observed < generation
}

fn refuses(budget: &PodDisruptionBudget) -> bool {
    budget
        .status
        .as_ref()
        .is_none_or(|status| status.disruptions_allowed <= 0)
}

/// A label selector; an empty one selects everything. Source: Kubernetes, policy/v1.
fn selects(selector: &LabelSelector, labels: Option<&BTreeMap<String, String>>) -> bool {
    let value = |key: &str| labels.and_then(|l| l.get(key));
    let exact = selector
        .match_labels
        .iter()
        .flatten()
        .all(|(key, wanted)| value(key) == Some(wanted));
    let expressions = selector.match_expressions.iter().flatten().all(|e| {
        let among =
            || value(&e.key).is_some_and(|v| e.values.as_ref().is_some_and(|all| all.contains(v)));
        match e.operator.as_str() {
            "In" => among(),
            "NotIn" => !among(),
            "Exists" => value(&e.key).is_some(),
            "DoesNotExist" => value(&e.key).is_none(),
            // An operator of a later version: whether the budget covers the pod is for the API to say when it is asked.
            _ => false,
        }
    });
    exact && expressions
}

/// The instance in `aws:///eu-west-3a/i-0123`.
pub(super) fn instance_of(node: &ApiNode) -> Option<&str> {
    let id = node
        .spec
        .as_ref()?
        .provider_id
        .as_deref()?
        .rsplit('/')
        .next()?;
    (!id.is_empty()).then_some(id)
}
