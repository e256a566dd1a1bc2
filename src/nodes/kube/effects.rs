//! Effects on nodes and pods. What is done to a node is written on it in the same call, so that a later process can take it back.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{Node as ApiNode, Pod, Taint};
use kube::api::{Api, DeleteParams, Patch, PatchParams, Preconditions as DeletePreconditions};
use serde_json::{Value as Json, json};

use super::call::{Fault, call};
use super::connect::Connection;
use super::evictions::{Answers, evict};
use super::marks::{self, CLOSED, MARKS, TAINT};
use super::nodes::instance_in;
use super::picture::Picture;
use crate::model::{
    Applied, InstanceId, NodeEffect, NodeMark, NodeName, OldNodes, PodRef, Timestamp,
};

/// The taint of a node that is off: Kubernetes ends the pods that do not tolerate it, and lets go of their volumes, without waiting for its kubelet.
/// Source: Kubernetes, well-known labels, annotations and taints.
const OUT_OF_SERVICE: &str = "node.kubernetes.io/out-of-service";
/// Label: external load balancers leave the node out. Source: Kubernetes, well-known labels.
const NO_LOAD_BALANCER: &str = "node.kubernetes.io/exclude-from-external-load-balancers";
/// Annotation: the autoscaler leaves the node alone. Source: cluster-autoscaler, FAQ.
const NO_SCALE_DOWN: &str = "cluster-autoscaler.kubernetes.io/scale-down-disabled";
/// A change that others got in the way of is worked out anew this often.
const TRIES: u32 = 5;

/// What we did to a node, as it says itself.
fn marks(node: &ApiNode) -> BTreeSet<NodeMark> {
    marks::read(annotation(node, MARKS))
}

/// Where effects are carried out, and what is known there.
#[derive(Clone, Copy)]
pub(super) struct Scene<'a> {
    pub(super) connection: &'a Connection,
    /// What the last look showed.
    pub(super) picture: &'a Picture,
    /// What was refused before, and is now.
    pub(super) answers: &'a Answers,
    pub(super) now: Timestamp,
}

/// Carries out one effect.
pub(super) async fn apply(scene: Scene<'_>, effect: &NodeEffect) -> Result<Applied, Fault> {
    let Scene {
        connection,
        picture,
        answers,
        now,
    } = scene;
    match effect {
        NodeEffect::Cordon { node, instance } => change(connection, node, instance, cordon).await,
        NodeEffect::Uncordon { node, instance } => {
            change(connection, node, instance, uncordon).await
        }
        NodeEffect::Taint { nodes, old_nodes } => {
            let change = match old_nodes {
                OldNodes::Prefer => taint,
                OldNodes::Avoid => close,
            };
            change_all(connection, nodes, change).await
        }
        NodeEffect::Untaint { nodes } => change_all(connection, nodes, untaint).await,
        NodeEffect::OutOfService { node, instance } => {
            match find(connection, node, instance).await? {
                // What answers may write to its volumes.
                Found::It(found) if kubelet_answers(&found) => Ok(Applied::Moved(format!(
                    "the kubelet of {node} answers again"
                ))),
                Found::It(_) => change(connection, node, instance, out_of_service).await,
                Found::Gone => Ok(Applied::Already),
                Found::Another(what) => Ok(Applied::Moved(what)),
            }
        }
        NodeEffect::BackInService { node, instance } => {
            change(connection, node, instance, back_in_service).await
        }
        NodeEffect::KeepFromAutoscaler { nodes } => change_all(connection, nodes, keep).await,
        NodeEffect::ReleaseToAutoscaler { nodes } => change_all(connection, nodes, release).await,
        NodeEffect::Evict {
            node,
            instance,
            policy,
        } => match find(connection, node, instance).await? {
            Found::Gone => Ok(Applied::Already),
            Found::Another(what) => Ok(Applied::Moved(what)),
            Found::It(_) => {
                let left = picture.left_on(connection, node, now).await?;
                evict(connection, left, policy, answers, now).await
            }
        },
        NodeEffect::Delete {
            node,
            instance,
            pods,
        } => match find(connection, node, instance).await? {
            Found::Gone => Ok(Applied::Already),
            Found::Another(what) => Ok(Applied::Moved(what)),
            Found::It(_) => delete(connection, pods).await,
        },
    }
}

/// The node that is meant, as it is now.
enum Found {
    It(Box<ApiNode>),
    /// No object has that name.
    Gone,
    /// It is another instance: what it is.
    Another(String),
}

async fn find(
    connection: &Connection,
    name: &NodeName,
    instance: &InstanceId,
) -> Result<Found, Fault> {
    let nodes: Api<ApiNode> = Api::all(connection.client.clone());
    let node = match call(|| nodes.get(name.as_str())).await {
        Err(Fault::Gone) => return Ok(Found::Gone),
        found => found?,
    };
    let provider_id = node.spec.as_ref().and_then(|s| s.provider_id.as_deref());
    Ok(match instance_in(provider_id) {
        Some(found) if found == instance.as_str() => Found::It(Box::new(node)),
        Some(found) => Found::Another(format!("node {name} is {found}, not {instance}")),
        None => Found::Another(format!("node {name} does not say that it is {instance}")),
    })
}

/// A merge patch of a node, or nothing where it is as wanted.
type Change = fn(&ApiNode) -> Option<Json>;

async fn change_all(
    connection: &Connection,
    nodes: &BTreeMap<NodeName, InstanceId>,
    work_out: Change,
) -> Result<Applied, Fault> {
    let mut applied = Applied::Already;
    for (node, instance) in nodes {
        // One of them that is another instance now has nothing of ours; the others still have.
        match change(connection, node, instance, work_out).await? {
            Applied::Done => applied = Applied::Done,
            Applied::Already
            | Applied::Version(_)
            | Applied::Launched { .. }
            | Applied::Moved(_)
            | Applied::NotYet(_) => {}
        }
    }
    Ok(applied)
}

/// Changes a node that is not changed by others at the same time. One that is gone needs nothing; one that is another instance is left alone.
async fn change(
    connection: &Connection,
    node: &NodeName,
    instance: &InstanceId,
    work_out: Change,
) -> Result<Applied, Fault> {
    let nodes: Api<ApiNode> = Api::all(connection.client.clone());
    let mut tries = 0;
    loop {
        let found = match find(connection, node, instance).await? {
            Found::Gone => return Ok(Applied::Already),
            Found::Another(what) => return Ok(Applied::Moved(what)),
            Found::It(found) => found,
        };
        let Some(mut patch) = work_out(&found) else {
            return Ok(Applied::Already);
        };
        only_if(&found, &mut patch);
        let (patch, parameters) = (Patch::Merge(patch), PatchParams::default());
        match call(|| nodes.patch(node.as_str(), &parameters, &patch)).await {
            Ok(_) => return Ok(Applied::Done),
            Err(Fault::Gone) => return Ok(Applied::Already),
            Err(Fault::Conflict(_)) if tries < TRIES => tries += 1,
            // Others change it all the time: that passes.
            Err(Fault::Conflict(why)) => return Err(Fault::Busy(why)),
            Err(fault) => return Err(fault),
        }
    }
}

/// Makes a patch count for this very node, unchanged since it was read. The API refuses another `resourceVersion` or uid (409), and, whichever
/// server answers by then, a node whose `providerID` is another (422: it may not be changed).
fn only_if(found: &ApiNode, patch: &mut Json) {
    let set = |patch: &mut Json, part: &str, field: &str, value: &Option<String>| {
        if let (Some(part), Some(value)) =
            (patch.get_mut(part).and_then(Json::as_object_mut), value)
        {
            part.insert(field.into(), json!(value));
        }
    };
    let provider = found.spec.as_ref().and_then(|s| s.provider_id.clone());
    set(
        patch,
        "metadata",
        "resourceVersion",
        &found.metadata.resource_version,
    );
    set(patch, "metadata", "uid", &found.metadata.uid);
    set(patch, "spec", "providerID", &provider);
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
    tainted(node, &[(TAINT, "PreferNoSchedule")])
}

fn close(node: &ApiNode) -> Option<Json> {
    tainted(node, &[(TAINT, "PreferNoSchedule"), (CLOSED, "NoSchedule")])
}

/// Those of these taints that it does not have yet.
fn tainted(node: &ApiNode, wanted: &[(&str, &str)]) -> Option<Json> {
    let mut taints = taints(node);
    let before = taints.len();
    for (key, effect) in wanted {
        if taints.iter().all(|t| t.key != *key) {
            taints.push(Taint {
                key: (*key).into(),
                effect: (*effect).into(),
                value: None,
                time_added: None,
            });
        }
    }
    if taints.len() == before {
        return None;
    }
    let mut ours = marks(node);
    ours.insert(NodeMark::Tainted);
    Some(json!({"metadata": {"annotations": {MARKS: written(&ours)}}, "spec": {"taints": taints}}))
}

/// Whether its kubelet says how it is: the node controller sets Ready to Unknown when it does not. Source: Kubernetes, node status.
fn kubelet_answers(node: &ApiNode) -> bool {
    let status = node.status.as_ref();
    let conditions = status.and_then(|s| s.conditions.as_deref());
    let mut ready = conditions
        .unwrap_or_default()
        .iter()
        .filter(|c| c.type_ == "Ready");
    ready.any(|c| c.status != "Unknown")
}

/// A taint that others have set already stays theirs.
fn out_of_service(node: &ApiNode) -> Option<Json> {
    let mut taints = taints(node);
    if taints.iter().any(|t| t.key == OUT_OF_SERVICE) {
        return None;
    }
    taints.push(Taint {
        key: OUT_OF_SERVICE.into(),
        effect: "NoExecute".into(),
        value: Some("nodeshutdown".into()),
        time_added: None,
    });
    let mut ours = marks(node);
    ours.insert(NodeMark::OutOfService);
    Some(json!({"metadata": {"annotations": {MARKS: written(&ours)}}, "spec": {"taints": taints}}))
}

fn back_in_service(node: &ApiNode) -> Option<Json> {
    let mut ours = marks(node);
    if !ours.remove(&NodeMark::OutOfService) {
        return None;
    }
    let taints: Vec<Taint> = taints(node)
        .into_iter()
        .filter(|t| t.key != OUT_OF_SERVICE)
        .collect();
    Some(json!({"metadata": {"annotations": {MARKS: written(&ours)}}, "spec": {"taints": taints}}))
}

fn untaint(node: &ApiNode) -> Option<Json> {
    let mut ours = marks(node);
    if !ours.remove(&NodeMark::Tainted) {
        return None;
    }
    let taints: Vec<Taint> = taints(node)
        .into_iter()
        .filter(|t| t.key != TAINT && t.key != CLOSED)
        .collect();
    Some(json!({"metadata": {"annotations": {MARKS: written(&ours)}}, "spec": {"taints": taints}}))
}

/// The annotation is `"true"` or it does not count. Source: cluster-autoscaler, FAQ, "How can I prevent Cluster Autoscaler from scaling down a particular node?".
fn keep(node: &ApiNode) -> Option<Json> {
    if annotation(node, NO_SCALE_DOWN) == Some("true") {
        return None;
    }
    let mut ours = marks(node);
    ours.insert(NodeMark::KeptFromAutoscaler);
    Some(json!({"metadata": {"annotations": {NO_SCALE_DOWN: "true", MARKS: written(&ours)}}}))
}

/// A node that is being drained keeps the mark that the drain needs.
fn release(node: &ApiNode) -> Option<Json> {
    let mut ours = marks(node);
    let drained =
        ours.contains(&NodeMark::Cordoned) || ours.contains(&NodeMark::OutOfLoadBalancers);
    if drained || !ours.remove(&NodeMark::KeptFromAutoscaler) {
        return None;
    }
    Some(json!({"metadata": {"annotations": {NO_SCALE_DOWN: null, MARKS: written(&ours)}}}))
}

fn written(ours: &BTreeSet<NodeMark>) -> Json {
    marks::written(ours).map_or(Json::Null, Json::String)
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
