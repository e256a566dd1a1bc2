//! Effects on nodes and pods. What is done to a node is written on it in the same call, so that it can be taken back by whoever comes later.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{Node as ApiNode, Pod, Taint};
use k8s_openapi::api::policy::v1::Eviction as ApiEviction;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{DeleteOptions, ObjectMeta, Preconditions};
use kube::api::{
    Api, DeleteParams, ListParams, Patch, PatchParams, PostParams,
    Preconditions as DeletePreconditions,
};
use serde_json::{Value as Json, json};

use super::call::{Fault, call, list, once};
use super::connect::Connection;
use super::pods;
use crate::model::{Applied, Eviction, NodeEffect, NodeMark, NodeName, PodRef};

/// The taint that kops's rolling update gives to old nodes: whoever sees it knows what goes on. Source: kops, `pkg/instancegroups`.
pub(super) const TAINT: &str = "kops.k8s.io/scheduled-for-update";
/// Label: external load balancers leave the node out. Source: Kubernetes, well-known labels.
const NO_LOAD_BALANCER: &str = "node.kubernetes.io/exclude-from-external-load-balancers";
/// Annotation: the autoscaler leaves the node alone. Source: cluster-autoscaler, FAQ.
const NO_SCALE_DOWN: &str = "cluster-autoscaler.kubernetes.io/scale-down-disabled";
/// Annotation of ours: what we did to the node and have not taken back.
const MARKS: &str = "kfleet.io/marks";

/// How each mark is written in our annotation.
const WORDS: [(NodeMark, &str); 4] = [
    (NodeMark::Cordoned, "cordoned"),
    (NodeMark::OutOfLoadBalancers, "out-of-load-balancers"),
    (NodeMark::KeptFromAutoscaler, "kept-from-autoscaler"),
    (NodeMark::Tainted, "tainted"),
];

/// A change that somebody else got in the way of is worked out anew this often.
const TRIES: u32 = 5;

/// What we did to a node, as it says itself.
pub(super) fn marks(node: &ApiNode) -> BTreeSet<NodeMark> {
    let text = annotation(node, MARKS).unwrap_or_default();
    let words: BTreeSet<&str> = text.split(',').collect();
    WORDS
        .into_iter()
        .filter(|(_, word)| words.contains(word))
        .map(|(mark, _)| mark)
        .collect()
}

/// Carries out one effect.
pub(super) async fn apply(connection: &Connection, effect: &NodeEffect) -> Result<Applied, Fault> {
    match effect {
        NodeEffect::Cordon { node } => change(connection, node, cordon).await,
        NodeEffect::Uncordon { node } => change(connection, node, uncordon).await,
        NodeEffect::Taint { nodes } => change_all(connection, nodes, taint).await,
        NodeEffect::Untaint { nodes } => change_all(connection, nodes, untaint).await,
        NodeEffect::Evict { node, policy } => evict(connection, node, policy).await,
        NodeEffect::Delete { node: _, pods } => delete(connection, pods).await,
    }
}

/// A merge patch of a node, or nothing where it is as wanted.
type Change = fn(&ApiNode) -> Option<Json>;

async fn change_all(
    connection: &Connection,
    nodes: &BTreeSet<NodeName>,
    work_out: Change,
) -> Result<Applied, Fault> {
    let mut applied = Applied::Already;
    for node in nodes {
        if change(connection, node, work_out).await? == Applied::Done {
            applied = Applied::Done;
        }
    }
    Ok(applied)
}

/// Changes a node that nobody else changes at the same time. One that is gone needs nothing.
async fn change(
    connection: &Connection,
    node: &NodeName,
    work_out: Change,
) -> Result<Applied, Fault> {
    let nodes: Api<ApiNode> = Api::all(connection.client.clone());
    let mut tries = 0;
    loop {
        let found = match call(|| nodes.get(node.as_str())).await {
            Err(Fault::Gone) => return Ok(Applied::Already),
            found => found?,
        };
        let Some(mut patch) = work_out(&found) else {
            return Ok(Applied::Already);
        };
        if let (Some(metadata), Some(version)) = (
            patch.get_mut("metadata").and_then(Json::as_object_mut),
            &found.metadata.resource_version,
        ) {
            metadata.insert("resourceVersion".into(), json!(version));
        }
        let (patch, parameters) = (Patch::Merge(patch), PatchParams::default());
        match call(|| nodes.patch(node.as_str(), &parameters, &patch)).await {
            Ok(_) => return Ok(Applied::Done),
            Err(Fault::Gone) => return Ok(Applied::Already),
            Err(Fault::Conflict(_)) if tries < TRIES => tries += 1,
            // Somebody changes it all the time: that passes.
            Err(Fault::Conflict(why)) => return Err(Fault::Busy(why)),
            Err(fault) => return Err(fault),
        }
    }
}

fn cordon(node: &ApiNode) -> Option<Json> {
    let mut ours = marks(node);
    let before = ours.clone();
    let (mut labels, mut annotations, mut spec) = (json!({}), json!({}), json!({}));
    if !is_cordoned(node) {
        ours.insert(NodeMark::Cordoned);
        spec = json!({"unschedulable": true});
    }
    if label(node, NO_LOAD_BALANCER).is_none() {
        ours.insert(NodeMark::OutOfLoadBalancers);
        labels = json!({NO_LOAD_BALANCER: ""});
    }
    if annotation(node, NO_SCALE_DOWN) != Some("true") {
        ours.insert(NodeMark::KeptFromAutoscaler);
        annotations = json!({NO_SCALE_DOWN: "true"});
    }
    if spec == json!({}) && labels == json!({}) && annotations == json!({}) && ours == before {
        return None;
    }
    if let Some(annotations) = annotations.as_object_mut() {
        annotations.insert(MARKS.into(), written(&ours));
    }
    Some(json!({"metadata": {"labels": labels, "annotations": annotations}, "spec": spec}))
}

/// Takes back what is marked as ours; a node without any marks was cordoned by one who leaves none.
fn uncordon(node: &ApiNode) -> Option<Json> {
    let mut ours = marks(node);
    let (mut labels, mut annotations, mut spec) = (json!({}), json!({}), json!({}));
    let lifts = [
        NodeMark::Cordoned,
        NodeMark::OutOfLoadBalancers,
        NodeMark::KeptFromAutoscaler,
    ];
    if !lifts.iter().any(|mark| ours.contains(mark)) {
        return is_cordoned(node).then(|| json!({"metadata": {}, "spec": {"unschedulable": null}}));
    }
    if ours.remove(&NodeMark::Cordoned) {
        spec = json!({"unschedulable": null});
    }
    if ours.remove(&NodeMark::OutOfLoadBalancers) {
        labels = json!({NO_LOAD_BALANCER: null});
    }
    if ours.remove(&NodeMark::KeptFromAutoscaler) {
        annotations = json!({NO_SCALE_DOWN: null});
    }
    if let Some(annotations) = annotations.as_object_mut() {
        annotations.insert(MARKS.into(), written(&ours));
    }
    Some(json!({"metadata": {"labels": labels, "annotations": annotations}, "spec": spec}))
}

fn taint(node: &ApiNode) -> Option<Json> {
    let mut taints = taints(node);
    if taints.iter().any(|t| t.key == TAINT) {
        return None;
    }
    taints.push(Taint {
        key: TAINT.into(),
        effect: "PreferNoSchedule".into(),
        value: None,
        time_added: None,
    });
    let mut ours = marks(node);
    ours.insert(NodeMark::Tainted);
    Some(json!({"metadata": {"annotations": {MARKS: written(&ours)}}, "spec": {"taints": taints}}))
}

fn untaint(node: &ApiNode) -> Option<Json> {
    let mut ours = marks(node);
    if !ours.remove(&NodeMark::Tainted) {
        return None;
    }
    let taints: Vec<Taint> = taints(node)
        .into_iter()
        .filter(|t| t.key != TAINT)
        .collect();
    Some(json!({"metadata": {"annotations": {MARKS: written(&ours)}}, "spec": {"taints": taints}}))
}

fn written(marks: &BTreeSet<NodeMark>) -> Json {
    let words: Vec<&str> = WORDS
        .into_iter()
        .filter(|(mark, _)| marks.contains(mark))
        .map(|(_, word)| word)
        .collect();
    if words.is_empty() {
        Json::Null
    } else {
        json!(words.join(","))
    }
}

fn is_cordoned(node: &ApiNode) -> bool {
    node.spec
        .as_ref()
        .is_some_and(|s| s.unschedulable == Some(true))
}

fn taints(node: &ApiNode) -> Vec<Taint> {
    node.spec
        .as_ref()
        .and_then(|s| s.taints.clone())
        .unwrap_or_default()
}

fn label<'a>(node: &'a ApiNode, key: &str) -> Option<&'a str> {
    node.metadata.labels.as_ref()?.get(key).map(String::as_str)
}

fn annotation<'a>(node: &'a ApiNode, key: &str) -> Option<&'a str> {
    node.metadata
        .annotations
        .as_ref()?
        .get(key)
        .map(String::as_str)
}

/// Asks for every eviction once, a few at a time. What a budget refuses is asked again in a later round.
async fn evict(
    connection: &Connection,
    node: &NodeName,
    policy: &Eviction,
) -> Result<Applied, Fault> {
    let all: Api<Pod> = Api::all(connection.client.clone());
    let there = list(
        &all,
        &ListParams::default().fields(&format!("spec.nodeName={node}")),
    )
    .await?;
    let left: Vec<Pod> = there.into_iter().filter(pods::has_to_go).collect();
    if left.is_empty() {
        return Ok(Applied::Already);
    }
    let mut waiting = left.into_iter().filter(|pod| {
        !pods::is_leaving(pod) && !pods::holds(pod, &[]).iter().any(|hold| policy.holds(hold))
    });
    let mut running = tokio::task::JoinSet::new();
    let mut first = Ok(());
    loop {
        while running.len() < usize::try_from(policy.parallel.max(1)).unwrap_or(1) && first.is_ok()
        {
            let Some(pod) = waiting.next() else { break };
            running.spawn(evict_one(connection.clone(), pod));
        }
        match running.join_next().await {
            None => break,
            Some(Ok(Ok(()))) => {}
            Some(Ok(Err(fault))) => first = first.and(Err(fault)),
            Some(Err(_)) => {
                first = first.and(Err(Fault::Silent("an eviction was broken off".into())))
            }
        }
    }
    first.map(|()| Applied::Done)
}

/// `Api::evict` of kube 5.0.0 writes `delete_options` where the API reads `deleteOptions`: this goes by the API's own type.
async fn evict_one(connection: Connection, pod: Pod) -> Result<(), Fault> {
    let (namespace, name) = (
        pod.metadata.namespace.unwrap_or_default(),
        pod.metadata.name.unwrap_or_default(),
    );
    let options = DeleteOptions {
        preconditions: Some(Preconditions {
            uid: pod.metadata.uid,
            resource_version: None,
        }),
        ..DeleteOptions::default()
    };
    let metadata = ObjectMeta {
        name: Some(name.clone()),
        namespace: Some(namespace.clone()),
        ..ObjectMeta::default()
    };
    let eviction = ApiEviction {
        delete_options: Some(options),
        metadata,
    };
    let api: Api<Pod> = Api::namespaced(connection.client, &namespace);
    match once(api.create_subresource::<_, Json>(
        "eviction",
        &name,
        &PostParams::default(),
        &eviction,
    ))
    .await
    {
        // Evicted; gone; made anew under the same name.
        Ok(_) | Err(Fault::Gone | Fault::Conflict(_)) => Ok(()),
        // 429: a budget refuses it now. 5xx: it has more than one budget, or the API is busy.
        Err(Fault::Busy(_)) => Ok(()),
        // Whatever deletes the namespace deletes its pods.
        Err(Fault::Refused(why)) if why.contains("is being terminated") => Ok(()),
        Err(fault) => Err(fault),
    }
}

/// Deletes these very pods, each with its own grace period.
async fn delete(connection: &Connection, pods: &BTreeSet<PodRef>) -> Result<Applied, Fault> {
    let mut applied = Applied::Already;
    for pod in pods {
        let (namespace, name) = pod.pod.split_once('/').unwrap_or_default();
        let api: Api<Pod> = Api::namespaced(connection.client.clone(), namespace);
        let parameters = DeleteParams::default().preconditions(DeletePreconditions {
            uid: Some(pod.uid.clone()),
            resource_version: None,
        });
        match call(|| api.delete(name, &parameters)).await {
            Ok(_) => applied = Applied::Done,
            Err(Fault::Gone | Fault::Conflict(_)) => {}
            Err(fault) => return Err(fault),
        }
    }
    Ok(applied)
}
