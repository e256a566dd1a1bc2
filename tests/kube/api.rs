//! A Kubernetes API over HTTP that keeps state: nodes, pods that are made anew, disruption budgets that are enforced. Its time is virtual.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use kfleet::model::Timestamp;
use serde_json::{Value as Json, json};

pub use crate::eviction::Admission;
pub use crate::server::*;
use crate::streams::{self, Logs};
use crate::{eviction, pages, patch};

pub const CLUSTER: &str = "one.k8s.foo.bar";

/// How long a budget allows nothing after an eviction, in seconds; that of the simulated account.
const RECOVERY: i64 = 20;

/// What the API holds, and how it behaves.
pub struct Kept {
    pub now: i64,
    pub uid: String,
    pub nodes: BTreeMap<String, Json>,
    pub pods: BTreeMap<(String, String), Json>,
    /// Budgets by `namespace/app`: when each allows the next eviction; none: never.
    pub budgets: BTreeMap<(String, String), Option<i64>>,
    /// Volumes that are attached to a node, and volumes by name.
    pub attachments: BTreeMap<String, Json>,
    pub volumes: BTreeMap<String, Json>,
    pub unhealthy: Option<String>,
    /// Healthy pods that budgets count and want, where it is not what follows from what they allow.
    pub counts: Option<(u32, u32)>,
    pub denied: BTreeSet<String>,
    /// Requests that are answered as by an API server that has only just started: 403, whatever is asked.
    pub starting: usize,
    /// Priority and fairness: nothing is let through.
    pub crowded: bool,
    /// Budgets whose newest form the disruption controller has not processed.
    pub unprocessed: BTreeSet<(String, String)>,
    /// Apps over whose pods there is a second budget.
    pub doubled: BTreeSet<(String, String)>,
    /// Namespaces that are being deleted.
    pub ending: BTreeSet<String>,
    /// What admission says to evictions.
    pub admission: Option<Admission>,
    /// Nodes whose kubelet does not answer: what is told to go there stays.
    pub dead: BTreeSet<String>,
    /// Node objects under the old name of a kubelet: they are nobody's, and stay.
    pub left_over: BTreeSet<String>,
    /// Node objects that somebody deleted while their kubelets live on.
    pub deleted: BTreeSet<String>,
    /// Pods that were deleted by force while another of their owner was on its way out.
    pub overlaps: Vec<String>,
    /// From then on nothing is denied any more, by rights or by admission.
    pub mended_at: Option<i64>,
    /// Most items of a page, whatever is asked for.
    pub page: usize,
    /// Answers that come before the right ones.
    pub failures: Vec<u16>,
    /// After so many evictions nothing is answered any more.
    pub silent_after: Option<usize>,
    /// Evictions that got none for that.
    pub unanswered: usize,
    /// What the caller has to say.
    pub token: Option<String>,
    /// Mutating requests that took effect.
    pub log: Vec<String>,
    /// All requests.
    pub calls: Vec<String>,
    /// Evictions that took effect, by the pod's uid.
    pub evicted: Vec<String>,
    /// Whole lists are answered with 503, everything else as it should.
    pub no_lists: bool,
    /// What was told to watches, and how they behave.
    pub watches: Logs,
    /// Bytes of answers, as they went over the wire.
    pub bytes: u64,
    /// What they would have been without compression.
    pub unpacked: u64,
    /// What every pod and node carries beside what is kept here: as large as the real ones.
    pub ballast: fn(&Json) -> Option<Json>,
    made: u64,
    /// Pods that have changed and were not published.
    pub touched: BTreeSet<(String, String)>,
    /// No pod changes without being noted as touched.
    pub notes_all: bool,
}

impl Kept {
    pub fn new() -> Kept {
        Kept {
            now: 1_767_600_000,
            uid: "uid-of-kube-system".into(),
            nodes: BTreeMap::new(),
            pods: BTreeMap::new(),
            budgets: BTreeMap::new(),
            attachments: BTreeMap::new(),
            volumes: BTreeMap::new(),
            unhealthy: None,
            counts: None,
            denied: BTreeSet::new(),
            starting: 0,
            crowded: false,
            unprocessed: BTreeSet::new(),
            doubled: BTreeSet::new(),
            ending: BTreeSet::new(),
            admission: None,
            dead: BTreeSet::new(),
            left_over: BTreeSet::new(),
            deleted: BTreeSet::new(),
            overlaps: Vec::new(),
            mended_at: None,
            page: 500,
            failures: Vec::new(),
            silent_after: None,
            unanswered: 0,
            token: None,
            log: Vec::new(),
            calls: Vec::new(),
            evicted: Vec::new(),
            no_lists: false,
            watches: Logs::default(),
            bytes: 0,
            unpacked: 0,
            ballast: |_| None,
            made: 0,
            touched: BTreeSet::new(),
            notes_all: false,
        }
    }

    fn time(&self, seconds: i64) -> String {
        Timestamp::from_millis(seconds * 1000)
            .to_string()
            .replace(".000Z", "Z")
    }

    pub fn node(&mut self, name: &str, instance: &str) {
        let node = json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": {"name": name, "uid": format!("uid-of-{name}-{instance}"), "resourceVersion": "1", "labels": {"kops.k8s.io/instancegroup": "nodes"}},
            "spec": {"providerID": format!("aws:///eu-west-3a/{instance}")},
            "status": {
                "conditions": [{"type": "Ready", "status": "True"}, {"type": "NetworkUnavailable", "status": "False"}],
                "nodeInfo": {"kubeletVersion": "v1.32.4", "architecture": "", "bootID": "", "containerRuntimeVersion": "", "kernelVersion": "",
                    "kubeProxyVersion": "", "machineID": "", "operatingSystem": "", "osImage": "", "systemUUID": ""},
            },
        });
        self.nodes.insert(name.into(), node);
    }

    /// A running pod of a ReplicaSet `app`, Ready since it was made.
    pub fn pod(
        &mut self,
        namespace: &str,
        app: &str,
        node: &str,
        change: impl Fn(&mut Json),
    ) -> String {
        self.made += 1;
        let name = format!("{app}-{:04}", self.made);
        let now = self.time(self.now);
        let mut pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "name": name, "namespace": namespace, "uid": format!("uid-{}", self.made), "resourceVersion": "1", "creationTimestamp": now,
                "labels": {"app": app},
                "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": app, "uid": format!("rs-{app}"), "controller": true}],
            },
            "spec": {"nodeName": node, "containers": [{"name": "main"}]},
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": now}]},
        });
        change(&mut pod);
        self.touched.insert((namespace.into(), name.clone()));
        self.pods.insert((namespace.into(), name.clone()), pod);
        name
    }

    /// Lets time pass: what was told to go goes, and comes back elsewhere.
    pub fn pass(&mut self, seconds: i64) {
        self.now += seconds;
        if self.mended_at.is_some_and(|at| at <= self.now) {
            (self.admission, self.mended_at) = (None, None);
            self.denied.clear();
        }
        let gone = |p: &Json, now: i64| {
            let ends = p["metadata"]["goneAt"].as_i64().is_some_and(|at| at <= now);
            let on = p["spec"]["nodeName"].as_str().unwrap_or_default();
            ends && (!self.dead.contains(on) || self.is_out_of_service(on))
        };
        let ended: Vec<(String, String)> = self
            .pods
            .iter()
            .filter(|(_, p)| gone(p, self.now))
            .map(|(key, _)| key.clone())
            .collect();
        for key in ended {
            self.remove(&key);
        }
    }

    fn remove(&mut self, key: &(String, String)) {
        let Some(pod) = self.pods.remove(key) else {
            return;
        };
        self.touched.insert(key.clone());
        if self.ending.contains(&key.0) {
            return;
        }
        if pod["metadata"]["ownerReferences"]
            .as_array()
            .is_none_or(Vec::is_empty)
        {
            return;
        }
        // Counted once: a thousand nodes that each count tens of thousands of pods take longer than anybody waits.
        let mut load: BTreeMap<&str, usize> = BTreeMap::new();
        for pod in self.pods.values() {
            *load
                .entry(pod["spec"]["nodeName"].as_str().unwrap_or_default())
                .or_default() += 1;
        }
        let closed = |n: &Json| {
            let mut taints = n["spec"]["taints"].as_array().into_iter().flatten();
            n["spec"]["unschedulable"] == true || taints.any(|t| t["effect"] == "NoSchedule")
        };
        let open = self.nodes.iter().filter(|(_, n)| !closed(n));
        let Some(place) = open
            .map(|(name, _)| name)
            .min_by_key(|name| (load.get(name.as_str()).copied().unwrap_or_default(), *name))
            .cloned()
        else {
            return;
        };
        let app = pod["metadata"]["labels"]["app"]
            .as_str()
            .unwrap()
            .to_owned();
        self.pod(&key.0, &app, &place, |_| {});
    }

    /// A node goes, and all that is on it.
    pub fn lose(&mut self, node: &str) {
        self.nodes.remove(node);
        let on: Vec<(String, String)> = self
            .pods
            .iter()
            .filter(|(_, p)| p["spec"]["nodeName"] == node)
            .map(|(key, _)| key.clone())
            .collect();
        for key in on {
            if self.pods[&key]["metadata"]["ownerReferences"][0]["kind"] == "DaemonSet"
                || self.pods[&key]["metadata"]["annotations"].is_object()
            {
                self.pods.remove(&key);
                self.touched.insert(key);
            } else {
                self.remove(&key);
            }
        }
    }

    /// A namespace is deleted: its pods are told to go, and nobody makes them anew.
    pub fn end_namespace(&mut self, namespace: &str) {
        self.ending.insert(namespace.to_owned());
        let keys: Vec<(String, String)> = self.pods.keys().cloned().collect();
        for key in keys.iter().filter(|key| key.0 == namespace) {
            if self.pods[key]["metadata"]["deletionTimestamp"].is_null() {
                self.leave(key);
            }
        }
    }

    fn leave(&mut self, key: &(String, String)) {
        let grace = self.pods[key]["spec"]["terminationGracePeriodSeconds"]
            .as_i64()
            .unwrap_or(0);
        if grace == 0 {
            return self.remove(key);
        }
        let (at, told) = (self.now + grace, self.time(self.now + grace));
        self.touched.insert(key.clone());
        let pod = self.pods.get_mut(key).unwrap();
        pod["metadata"]["deletionTimestamp"] = json!(told);
        pod["metadata"]["deletionGracePeriodSeconds"] = json!(grace);
        if pod["metadata"]["finalizers"].is_null() {
            pod["metadata"]["goneAt"] = json!(at);
        }
    }

    pub fn allows(&self, budget: &(String, String)) -> bool {
        self.budgets
            .get(budget)
            .is_none_or(|free| free.is_some_and(|at| at <= self.now))
    }
}

pub fn status(code: u16, reason: &str, message: &str) -> Response {
    let body = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message, "reason": reason, "code": code});
    (StatusCode::from_u16(code).unwrap(), axum::Json(body)).into_response()
}

pub fn found(json: Json) -> Response {
    axum::Json(json).into_response()
}

pub async fn answer(
    State(kept): State<Arc<Mutex<Kept>>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let silent = {
        let mut kept = kept.lock().unwrap();
        let silent = kept.silent_after.is_some_and(|n| kept.evicted.len() >= n);
        kept.unanswered += usize::from(silent && uri.path().ends_with("/eviction"));
        silent
    };
    if silent {
        std::future::pending::<()>().await;
    }
    let query: BTreeMap<String, String> = uri
        .query()
        .unwrap_or_default()
        .split('&')
        .filter_map(|p| p.split_once('='))
        .map(pages::decoded)
        .collect();
    let response = {
        let mut locked = kept.lock().unwrap();
        locked.watches.others_write();
        locked.calls.push(called(&method, &uri, &query));
        let response = match refusal(&mut locked, &headers) {
            Some(refusal) => refusal,
            None => {
                let body: Json = serde_json::from_slice(&body).unwrap_or(Json::Null);
                let path: Vec<&str> = uri.path().trim_matches('/').split('/').collect();
                match streams::asked(&locked, &path, &query) {
                    Some(Ok(from)) => {
                        return streams::stream(&kept, &mut locked, from);
                    }
                    Some(Err(refusal)) => refusal,
                    None => route(&mut locked, &method, &path, &query, &body),
                }
            }
        };
        // What is only read changes nothing; to go through tens of thousands of objects for each page takes longer than anybody waits.
        if method != Method::GET {
            locked.publish(uri.path().contains("/pods/"));
        }
        response
    };
    streams::sent(&kept, &headers, response).await
}

/// How a request is written down.
fn called(method: &Method, uri: &Uri, query: &BTreeMap<String, String>) -> String {
    let path = uri.path();
    let resource = path.rsplit('/').next().unwrap();
    let selects = query.get("fieldSelector").map_or("", String::as_str);
    if query.contains_key("watch") {
        format!("WATCH {path}")
    } else if selects.starts_with("metadata.name=") {
        format!("PROBE {resource}")
    } else if selects.starts_with("spec.nodeName=") {
        format!("GET {path}?of-a-node")
    } else if query.get("dryRun").is_some_and(|d| d == "All") {
        // What is only asked and not done is told apart.
        format!("{method} {path}?dryRun=All")
    } else {
        format!("{method} {path}")
    }
}

/// What is answered before anything is looked at.
fn refusal(kept: &mut Kept, headers: &HeaderMap) -> Option<Response> {
    if let Some(token) = &kept.token
        && headers.get("authorization").and_then(|h| h.to_str().ok())
            != Some(&format!("Bearer {token}"))
    {
        return Some(status(401, "Unauthorized", "Unauthorized"));
    }
    if kept.starting > 0 {
        kept.starting -= 1;
        return Some(eviction::forbidden(
            "nodes",
            "list",
            "nodes",
            "at the cluster scope",
        ));
    }
    if kept.crowded {
        return Some(eviction::crowded());
    }
    if !kept.failures.is_empty() {
        let code = kept.failures.remove(0);
        return Some(status(code, "Busy", "injected"));
    }
    None
}

fn route(
    kept: &mut Kept,
    method: &Method,
    path: &[&str],
    query: &BTreeMap<String, String>,
    body: &Json,
) -> Response {
    if let Some(refusal) = unreadable(kept, method, path) {
        return refusal;
    }
    if kept.no_lists && query.contains_key("limit") {
        return status(503, "ServiceUnavailable", "no lists today");
    }
    if let ("GET", Some(list)) = (method.as_str(), pages::list(kept, path, query)) {
        return list;
    }
    match (method.as_str(), path) {
        ("GET", ["api", "v1", "namespaces", "kube-system"]) => found(
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kube-system", "uid": kept.uid}}),
        ),
        (
            "POST",
            [
                "apis",
                "authorization.k8s.io",
                "v1",
                "selfsubjectaccessreviews",
            ],
        ) => review(kept, body),
        ("GET", ["api", "v1", "nodes", name]) => match kept.nodes.get(*name) {
            Some(node) => found(node.clone()),
            None => status(404, "NotFound", "no such node"),
        },
        ("PATCH", ["api", "v1", "nodes", name]) => {
            if kept.denied.contains("patch nodes") {
                let what = format!("nodes \"{name}\"");
                return eviction::forbidden(&what, "patch", "nodes", "at the cluster scope");
            }
            patch::patch(kept, name, body)
        }
        (
            "POST",
            [
                "api",
                "v1",
                "namespaces",
                namespace,
                "pods",
                name,
                "eviction",
            ],
        ) => to_evict(kept, namespace, name, query, body),
        ("DELETE", ["api", "v1", "namespaces", namespace, "pods", name]) => {
            to_delete(kept, namespace, name, body)
        }
        _ => status(404, "NotFound", &format!("{method} {path:?}")),
    }
}

fn to_evict(
    kept: &mut Kept,
    namespace: &str,
    name: &str,
    query: &BTreeMap<String, String>,
    body: &Json,
) -> Response {
    // What is dropped without a word by a real one is a mistake of ours.
    assert!(body["delete_options"].is_null(), "{body}");
    let dry = query.get("dryRun").is_some_and(|d| d == "All")
        || body["deleteOptions"]["dryRun"] == json!(["All"]);
    if let Some(refusal) = eviction::no_dry_run(kept).filter(|_| dry) {
        return refusal;
    }
    if let Some(refusal) = eviction::refusal(kept, namespace, name, body) {
        return refusal;
    }
    let key = (namespace.to_owned(), name.to_owned());
    let leaving = !kept.pods[&key]["metadata"]["deletionTimestamp"].is_null();
    if dry || leaving {
        return success();
    }
    end(kept, namespace, name, true)
}

fn to_delete(kept: &mut Kept, namespace: &str, name: &str, body: &Json) -> Response {
    let Some(pod) = kept.pods.get(&(namespace.to_owned(), name.to_owned())) else {
        return status(404, "NotFound", "no such pod");
    };
    let uid = &body["preconditions"]["uid"];
    if !uid.is_null() && pod["metadata"]["uid"] != *uid {
        return status(
            409,
            "Conflict",
            "the uid in the precondition does not match",
        );
    }
    end(kept, namespace, name, false)
}

/// A read that the caller has no right for.
fn unreadable(kept: &Kept, method: &Method, path: &[&str]) -> Option<Response> {
    if let (Some(resource), "GET") = (path.last(), method.as_str()) {
        let right = match path {
            ["api", "v1", "namespaces", name] => format!("get namespaces/{name}"),
            ["api", "v1", "nodes", _] => "get nodes".into(),
            ["api", "v1", "persistentvolumes", _] => "get persistentvolumes".into(),
            _ => format!("list {resource}"),
        };
        if kept.denied.contains(&right) {
            let (verb, resource) = right.split_once(' ').unwrap();
            return Some(eviction::forbidden(
                resource,
                verb,
                resource,
                "at the cluster scope",
            ));
        }
    }
    None
}

/// Whether the caller may.
fn review(kept: &Kept, body: &Json) -> Response {
    let a = &body["spec"]["resourceAttributes"];
    let sub = a["subresource"]
        .as_str()
        .map(|s| format!("/{s}"))
        .unwrap_or_default();
    let name = a["name"]
        .as_str()
        .map(|n| format!("/{n}"))
        .unwrap_or_default();
    let asked = format!(
        "{} {}{sub}{name}",
        a["verb"].as_str().unwrap(),
        a["resource"].as_str().unwrap()
    );
    let mut review = body.clone();
    review["status"] = json!({"allowed": !kept.denied.contains(&asked)});
    found(review)
}

/// Evicts or deletes a pod that is there.
fn end(kept: &mut Kept, namespace: &str, name: &str, evicts: bool) -> Response {
    let key = (namespace.to_owned(), name.to_owned());
    let pod = kept.pods[&key].clone();
    let budget = (
        namespace.to_owned(),
        pod["metadata"]["labels"]["app"]
            .as_str()
            .unwrap()
            .to_owned(),
    );
    if let Some(Some(free)) = kept.budgets.get(&budget) {
        kept.budgets
            .insert(budget, Some((*free).max(kept.now + RECOVERY)));
    }
    if evicts {
        kept.evicted
            .push(pod["metadata"]["uid"].as_str().unwrap().to_owned());
    }
    let leaves = |p: &Json| !p["metadata"]["deletionTimestamp"].is_null();
    let sibling = |p: &Json| p["metadata"]["labels"]["app"] == pod["metadata"]["labels"]["app"];
    if !evicts && kept.pods.values().any(|p| sibling(p) && leaves(p)) {
        kept.overlaps.push(name.to_owned());
    }
    kept.log.push(format!(
        "{} {namespace}/{name}",
        if evicts { "evict" } else { "delete" }
    ));
    kept.leave(&key);
    success()
}

fn success() -> Response {
    let body = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201});
    (StatusCode::CREATED, axum::Json(body)).into_response()
}
