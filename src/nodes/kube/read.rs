//! One look at a cluster: its nodes, pods and budgets, page by page, in our words. Judges nothing.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{Node as ApiNode, NodeCondition, Pod};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::api::{Api, ListParams};

use super::call::{Fault, list};
use super::connect::Connection;
use super::effects::{TAINT, marks};
use super::evictions::Answers;
use super::foretell::{self, Spokesman};
use super::pods;
use crate::model::{
    InstanceId, LeavesBy, Node, NodeName, PodBlock, Seen, Span, Timestamp, UnreadyPod,
};

/// Label of control-plane nodes. Source: kops, `validate_cluster.go`.
const CONTROL_PLANE: &str = "node-role.kubernetes.io/control-plane";

/// Begin of the label `k8s-app` of the pod that runs a member of an etcd cluster; its name follows. Source: kops, `pkg/model/components/etcdmanager/model.go`.
const ETCD: &str = "etcd-manager-";

/// What is known of the pods of one owner, to know of any one of them its siblings.
#[derive(Clone, Copy, Debug, Default)]
struct Siblings {
    /// When the youngest and the second youngest of them were started.
    youngest: Option<Timestamp>,
    second: Option<Timestamp>,
    /// How many are on their way out. Those on a node that does not answer are none: nobody will see their end.
    leaving: u32,
}

type ByOwner = BTreeMap<String, Siblings>;

/// All of it, or why not, and who may be asked about evictions. `answers`: what was refused when evictions were asked for.
pub(super) async fn seen(
    connection: &Connection,
    answers: &Answers,
) -> Result<(Seen, Vec<Spokesman>), Fault> {
    let client = || connection.client.clone();
    let everything = ListParams::default();
    let (nodes, all_pods, budgets): (Api<ApiNode>, Api<Pod>, Api<PodDisruptionBudget>) =
        (Api::all(client()), Api::all(client()), Api::all(client()));
    let (nodes, all_pods, budgets) = tokio::join!(
        list(&nodes, &everything),
        list(&all_pods, &everything),
        list(&budgets, &everything)
    );
    let (nodes, all_pods, budgets) = (nodes?, all_pods?, budgets?);
    let mut seen = Seen {
        uid: connection.uid.clone(),
        denied: connection.denied.clone(),
        ..Seen::default()
    };
    seen.nodes = nodes
        .iter()
        .filter_map(node)
        .map(|(name, node)| (name, node.into()))
        .collect();
    let there: BTreeSet<&str> = nodes
        .iter()
        .filter_map(|n| n.metadata.name.as_deref())
        .collect();
    let siblings = siblings(&all_pods, &seen);
    let staying = all_pods.iter().filter(|p| !pods::is_leaving(p));
    answers.keep(&staying.filter_map(|p| p.metadata.uid.as_deref()).collect());
    for pod in &all_pods {
        seen.unready.extend(unready(pod));
        let on = node_name(pod);
        match on.as_ref().and_then(|name| seen.nodes.get_mut(name)) {
            Some(node) => add(node, pod, &budgets, &siblings, answers),
            None => seen.waiting.extend(pods::sick(pod)),
        }
        if let Some(name) = on.filter(|name| !there.contains(name.as_str()))
            && pods::has_to_go(pod)
        {
            *seen.orphans.entry(name).or_default() += 1;
        }
    }
    seen.nodes.values_mut().for_each(|node| {
        node.blocked.sort();
        node.sick.sort();
        node.leaving.sort();
        node.refused.sort();
    });
    seen.unready.sort();
    seen.waiting.sort();
    let spokesmen = foretell::spokesmen(&all_pods, &budgets);
    Ok((seen, spokesmen))
}

fn node_name(pod: &Pod) -> Option<NodeName> {
    NodeName::new(pod.spec.as_ref()?.node_name.as_deref()?).ok()
}

fn unready(pod: &Pod) -> Option<UnreadyPod> {
    Some(UnreadyPod {
        since: pods::unready_since(pod)?,
        pod: pods::full_name(pod),
        owner: pods::owner(pod),
    })
}

/// One that does not say yet which instance it is has not joined.
fn node(found: &ApiNode) -> Option<(NodeName, Node)> {
    let name = NodeName::new(found.metadata.name.clone()?).ok()?;
    let spec = found.spec.as_ref();
    let conditions: &[NodeCondition] = found
        .status
        .as_ref()
        .and_then(|s| s.conditions.as_deref())
        .unwrap_or_default();
    let is = |kind: &str, status: &str| {
        conditions
            .iter()
            .any(|c| c.type_ == kind && c.status == status)
    };
    let ready = is("Ready", "True") && !is("NetworkUnavailable", "True");
    let node = Node {
        instance: InstanceId::new(pods::instance_of(found)?).ok()?,
        ready,
        unready_because: (!ready).then(|| because(conditions)),
        unready_since: if ready { None } else { since(conditions) },
        silent_since: silent_since(found, conditions),
        kubelet: found
            .status
            .as_ref()
            .and_then(|s| s.node_info.as_ref())
            .map(|i| i.kubelet_version.clone())
            .unwrap_or_default(),
        control_plane: found
            .metadata
            .labels
            .as_ref()
            .is_some_and(|l| l.contains_key(CONTROL_PLANE)),
        cordoned: spec.is_some_and(|s| s.unschedulable == Some(true)),
        ours: marks(found),
        tainted: spec
            .and_then(|s| s.taints.as_ref())
            .is_some_and(|t| t.iter().any(|t| t.key == TAINT)),
        leaves_by: spec
            .and_then(|s| s.taints.as_ref())
            .and_then(|t| t.iter().find_map(|t| LeavesBy::of_taint(&t.key))),
        evictable_pods: 0,
        leaving_pods: 0,
        leaving: Vec::new(),
        grace: Span::ZERO,
        refused: Vec::new(),
        blocked: Vec::new(),
        sick: Vec::new(),
        components: BTreeSet::new(),
        etcd: BTreeMap::new(),
    };
    Some((name, node))
}

/// What makes a node unready.
fn is_wrong(condition: &NodeCondition) -> bool {
    (condition.type_ == "Ready" && condition.status != "True")
        || (condition.type_ == "NetworkUnavailable" && condition.status == "True")
}

/// Since when it is unready: the first of the conditions that make it so. How long the instance has been there says nothing about it.
fn since(conditions: &[NodeCondition]) -> Option<Timestamp> {
    conditions
        .iter()
        .filter(|c| is_wrong(c))
        .filter_map(|c| c.last_transition_time.as_ref())
        .map(pods::timestamp)
        .min()
}

/// Since when its kubelet has not answered. The node controller then sets Ready to Unknown. Source: Kubernetes, node status.
fn silent_since(found: &ApiNode, conditions: &[NodeCondition]) -> Option<Timestamp> {
    let ready = conditions
        .iter()
        .find(|c| c.type_ == "Ready" && c.status == "Unknown")?;
    ready
        .last_transition_time
        .as_ref()
        .or(found.metadata.creation_timestamp.as_ref())
        .map(pods::timestamp)
        .or(Some(Timestamp::from_millis(0)))
}

/// The conditions that make a node unready.
fn because(conditions: &[NodeCondition]) -> String {
    let wrong = conditions.iter().filter(|c| is_wrong(c));
    let said: Vec<String> = wrong
        .map(|c| {
            let text = [c.reason.as_deref(), c.message.as_deref()]
                .into_iter()
                .flatten()
                .collect::<Vec<_>>()
                .join(": ");
            if text.is_empty() {
                format!("{} is {}", c.type_, c.status)
            } else {
                text
            }
        })
        .collect();
    if said.is_empty() {
        "it has no condition Ready".into()
    } else {
        said.join("; ")
    }
}

fn add(
    node: &mut Node,
    pod: &Pod,
    budgets: &[PodDisruptionBudget],
    siblings: &ByOwner,
    answers: &Answers,
) {
    node.sick.extend(pods::sick(pod));
    if pod.metadata.namespace.as_deref() == Some("kube-system") {
        let app = pod.metadata.labels.as_ref().and_then(|l| l.get("k8s-app"));
        node.components.extend(app.cloned());
        if let Some(name) = app.and_then(|app| app.strip_prefix(ETCD)) {
            // Two pods of one member: a new one beside one that is leaving. Either that is Ready does.
            *node.etcd.entry(name.to_owned()).or_default() |= pods::is_working(pod);
        }
    }
    if !pods::has_to_go(pod) {
        return;
    }
    node.evictable_pods = node.evictable_pods.saturating_add(1);
    node.grace = node.grace.max(pods::grace(pod));
    if let Some(leaving) = pods::leaving(pod) {
        node.leaving_pods = node.leaving_pods.saturating_add(1);
        node.leaving.push(leaving);
        return;
    }
    let uid = pod.metadata.uid.clone().unwrap_or_default();
    node.refused.extend(answers.of(&uid));
    let started_at = pods::started_at(pod);
    let owner = pods::owner(pod);
    let others = owner
        .as_ref()
        .and_then(|o| siblings.get(o))
        .copied()
        .unwrap_or_default();
    let sibling_started_at = if others.youngest == Some(started_at) {
        others.second
    } else {
        others.youngest
    };
    node.blocked
        .extend(pods::holds(pod, budgets).into_iter().map(|hold| PodBlock {
            pod: pods::full_name(pod),
            uid: uid.clone(),
            hold,
            owner: owner.clone(),
            started_at,
            sibling_started_at,
            siblings_leaving: others.leaving,
        }));
}

fn siblings(all: &[Pod], seen: &Seen) -> ByOwner {
    let mut siblings = ByOwner::new();
    let is_silent = |pod: &Pod| {
        node_name(pod)
            .and_then(|name| seen.nodes.get(&name))
            .is_some_and(|node| node.silent_since.is_some())
    };
    for pod in all.iter().filter(|p| !pods::completed(p)) {
        let Some(owner) = pods::owner(pod) else {
            continue;
        };
        let (at, of) = (pods::started_at(pod), siblings.entry(owner).or_default());
        if of.youngest.is_none_or(|youngest| at >= youngest) {
            (of.youngest, of.second) = (Some(at), of.youngest);
        } else {
            of.second = of.second.max(Some(at));
        }
        if pods::is_leaving(pod) && !is_silent(pod) {
            of.leaving = of.leaving.saturating_add(1);
        }
    }
    siblings
}
