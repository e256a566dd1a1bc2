//! One look at a cluster: its nodes, pods and budgets, page by page, in our words. Judges nothing.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{Node as ApiNode, NodeCondition, Pod};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::api::{Api, ListParams};

use super::call::{Fault, list};
use super::connect::Connection;
use super::effects::{TAINT, marks};
use super::pods;
use crate::model::{InstanceId, Node, NodeName, PodBlock, Seen, Timestamp};

/// Label of control-plane nodes. Source: kops, `validate_cluster.go`.
const CONTROL_PLANE: &str = "node-role.kubernetes.io/control-plane";

/// Begin of the label `k8s-app` of the pod that runs a member of an etcd cluster; its name follows. Source: kops, `pkg/model/components/etcdmanager/model.go`.
const ETCD: &str = "etcd-manager-";

/// When the youngest and the second youngest pod of each owner were started, to know of any one its youngest sibling.
type Youngest = BTreeMap<String, (Timestamp, Option<Timestamp>)>;

/// All of it, or why not.
pub(super) async fn seen(connection: &Connection) -> Result<Seen, Fault> {
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
    let youngest = youngest(&all_pods);
    for pod in &all_pods {
        seen.unready.extend(pods::unready_since(pod));
        let on = pod
            .spec
            .as_ref()
            .and_then(|s| s.node_name.as_deref())
            .and_then(|n| NodeName::new(n).ok());
        match on.and_then(|name| seen.nodes.get_mut(&name)) {
            Some(node) => add(node, pod, &budgets, &youngest),
            None => seen.waiting.extend(pods::sick(pod)),
        }
    }
    seen.nodes.values_mut().for_each(|node| {
        node.blocked.sort();
        node.sick.sort();
    });
    seen.unready.sort();
    seen.waiting.sort();
    Ok(seen)
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
        evictable_pods: 0,
        leaving_pods: 0,
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

fn add(node: &mut Node, pod: &Pod, budgets: &[PodDisruptionBudget], youngest: &Youngest) {
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
    if pods::is_leaving(pod) {
        node.leaving_pods = node.leaving_pods.saturating_add(1);
        return;
    }
    let started_at = pods::started_at(pod);
    let owner = pods::owner(pod);
    let sibling_started_at =
        owner
            .as_ref()
            .and_then(|o| youngest.get(o))
            .and_then(|(first, second)| {
                if *first == started_at {
                    *second
                } else {
                    Some(*first)
                }
            });
    node.blocked
        .extend(pods::holds(pod, budgets).into_iter().map(|hold| PodBlock {
            pod: pods::full_name(pod),
            uid: pod.metadata.uid.clone().unwrap_or_default(),
            hold,
            owner: owner.clone(),
            started_at,
            sibling_started_at,
        }));
}

fn youngest(all: &[Pod]) -> Youngest {
    let mut youngest = Youngest::new();
    for pod in all.iter().filter(|p| !pods::completed(p)) {
        let Some(owner) = pods::owner(pod) else {
            continue;
        };
        let at = pods::started_at(pod);
        let after = match youngest.get(&owner) {
            None => (at, None),
            Some((first, _)) if at >= *first => (at, Some(*first)),
            Some((first, second)) => (*first, Some(second.map_or(at, |s| s.max(at)))),
        };
        youngest.insert(owner, after);
    }
    youngest
}
