//! Real servers behind the kept state, in place of the stand-in: before each look at it what they hold is read, and after it what a test changed in it is
//! done to them. Nodes are kwok's, pods belong to real owners, time is real. Where `KFLEET_KUBE_SERVERS` names nothing, nobody is asked.
//!
//! `.ci/nightly-kube` starts the servers and says where they are: a kubeconfig of a user with kfleet's rights and no more, one of an administrator,
//! and the audit log.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::http::Request;
use serde_json::{Value as Json, json};

use crate::administrator::{Answer, administrator};
use crate::api::{Admission, Kept};
use crate::beside::Running;

/// How long controllers, the scheduler and kubelets may take for what was asked of them.
pub(crate) const PATIENCE: Duration = Duration::from_secs(180);

/// Whose requests count as kfleet's.
const USER: &str = "kfleet";

/// What a kubelet of kwok's is told by.
const KWOK: &str = "kwok.x-k8s.io/node";

const CONTROL_PLANE: &str = "node-role.kubernetes.io/control-plane";

pub(crate) type Key = (String, String);

/// What was kept before a look.
pub(crate) struct Before {
    nodes: BTreeMap<String, Json>,
    pods: BTreeMap<Key, Json>,
    pub(crate) budgets: BTreeMap<Key, Option<i64>>,
    pub(crate) doubled: BTreeSet<Key>,
    pub(crate) denied: BTreeSet<String>,
    pub(crate) admission: Option<Admission>,
}

impl Before {
    fn of(kept: &Kept) -> Before {
        Before {
            nodes: kept.nodes.clone(),
            pods: kept.pods.clone(),
            budgets: kept.budgets.clone(),
            doubled: kept.doubled.clone(),
            denied: kept.denied.clone(),
            admission: kept.admission.clone(),
        }
    }
}

/// Where they are.
pub struct Servers {
    kubeconfig: PathBuf,
    pub(crate) asks: mpsc::Sender<(Request<Vec<u8>>, Answer)>,
    audit: PathBuf,
    /// Of the audit log, what was there before.
    seen: std::sync::Mutex<usize>,
    /// Where the process of the API server is named, which is started again when it ends.
    process: PathBuf,
    /// The certificates of an admission webhook, and its server.
    pub(crate) hook_folder: tempfile::TempDir,
    pub(crate) hook: std::sync::Mutex<Option<Running>>,
}

impl Servers {
    /// Those that the environment names, with nothing left on them of another test.
    pub fn named() -> Option<Servers> {
        let path = |name: &str| std::env::var_os(name).map(PathBuf::from);
        let audit = path("KFLEET_KUBE_AUDIT").unwrap_or_default();
        let servers = Servers {
            kubeconfig: path("KFLEET_KUBE_SERVERS")?,
            asks: administrator(path("KFLEET_KUBE_ADMIN").unwrap()),
            seen: std::sync::Mutex::new(std::fs::read_to_string(&audit).unwrap().len()),
            audit,
            process: path("KFLEET_KUBE_PROCESS").unwrap_or_default(),
            hook_folder: tempfile::tempdir().unwrap(),
            hook: std::sync::Mutex::new(None),
        };
        servers.clean();
        Some(servers)
    }

    /// The kubeconfig that a test's client is given.
    pub fn kubeconfig(&self) -> &std::path::Path {
        &self.kubeconfig
    }

    /// A look at what is kept: read before it, done to the servers after it; and time is not ahead of theirs, where it follows them.
    pub fn around<T>(&self, kept: &mut Kept, follows: bool, f: impl FnOnce(&mut Kept) -> T) -> T {
        self.pull(kept);
        let before = Before::of(kept);
        let result = f(kept);
        self.push_nodes(&before, kept);
        self.push_pods(&before.pods, kept);
        self.hinder(&before, kept);
        while follows && now() < kept.now {
            std::thread::sleep(Duration::from_millis(100));
        }
        result
    }

    fn clean(&self) {
        self.nothing_hinders();
        let owners = ["replicasets", "daemonsets"].map(|kind| format!("/apis/apps/v1/{kind}"));
        let others = [
            "/apis/policy/v1/poddisruptionbudgets".to_owned(),
            "/api/v1/pods".to_owned(),
            "/api/v1/nodes".to_owned(),
        ];
        for list in owners.iter().chain(&others) {
            for item in self.list(list) {
                self.release(&place(list, &item), &item);
                self.delete(&place(list, &item));
            }
        }
        for namespace in self.list("/api/v1/namespaces") {
            let name = namespace["metadata"]["name"].as_str().unwrap();
            if name != "default" && !name.starts_with("kube-") {
                self.ends(name);
            }
        }
        self.wait("nothing is left of another test", || {
            self.list("/api/v1/pods").is_empty() && self.list("/api/v1/namespaces").len() == 4
        });
    }

    /// Nothing holds it any more.
    fn release(&self, path: &str, item: &Json) {
        if !item["metadata"]["finalizers"].is_null() {
            self.patch(path, &json!({"metadata": {"finalizers": null}}));
        }
    }

    /// The API server is killed, and is away until it has started anew.
    pub fn restart(&self) {
        let process = std::fs::read_to_string(&self.process).unwrap();
        let killed = std::process::Command::new("kill")
            .args(["-9", process.trim()])
            .status();
        assert!(killed.unwrap().success());
    }

    /// Nobody is on the way out, and every owner has the pods that it wants, Ready.
    pub fn rest(&self) {
        self.wait("all pods run and none leaves", || {
            let leaves = |p: &Json| !p["metadata"]["deletionTimestamp"].is_null();
            let has_all =
                |o: &Json| o["status"]["readyReplicas"].as_i64() == o["spec"]["replicas"].as_i64();
            !self.list("/api/v1/pods").iter().any(leaves)
                && self.list("/apis/apps/v1/replicasets").iter().all(has_all)
        });
    }

    /// A kubelet does not answer any more: it is known as such, and all pods but those that tolerate it are told to go.
    pub fn dies(&self, node: &str) {
        // Kwok does nothing to whoever is marked so; it would renew the lease, which is therefore another's, and does not run out.
        let dead = json!({"metadata": {"annotations": {"kfleet.example/kubelet": "dead"}}});
        for pod in self.list("/api/v1/pods") {
            if pod["spec"]["nodeName"] == node {
                self.patch(&place("/api/v1/pods", &pod), &dead);
            }
        }
        self.patch(&format!("/api/v1/nodes/{node}"), &dead);
        let lease =
            format!("/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{node}");
        let taken = json!({"spec": {
            "holderIdentity": "nobody", "renewTime": "2020-01-01T00:00:00.000000Z", "leaseDurationSeconds": 2_000_000_000,
        }});
        self.patch(&lease, &taken);
        self.patch(
            &format!("/api/v1/nodes/{node}/status"),
            &condition("Unknown"),
        );
        self.wait("the pods of a dead kubelet are told to go", || {
            let here =
                |p: &Json| p["spec"]["nodeName"] == node && p["metadata"]["namespace"] == "default";
            let pods = self.list("/api/v1/pods");
            let mut here = pods.iter().filter(|p| here(p));
            here.all(|p| !p["metadata"]["deletionTimestamp"].is_null())
        });
    }

    fn pull(&self, kept: &mut Kept) {
        let name = |o: &Json| o["metadata"]["name"].as_str().unwrap().to_owned();
        let nodes = self.list("/api/v1/nodes").into_iter().map(plain_node);
        kept.nodes = nodes.map(|node| (name(&node), node)).collect();
        let pods = self.list("/api/v1/pods").into_iter();
        kept.pods = pods
            .filter(|p| p["metadata"]["labels"]["app"].is_string())
            .map(|p| {
                let namespace = p["metadata"]["namespace"].as_str().unwrap().to_owned();
                ((namespace, name(&p)), p)
            })
            .collect();
        let system = self.get("/api/v1/namespaces/kube-system").unwrap();
        kept.uid = system["metadata"]["uid"].as_str().unwrap().to_owned();
        self.pull_audit(kept);
    }

    /// What kfleet did, as the audit log has it.
    fn pull_audit(&self, kept: &mut Kept) {
        let text = std::fs::read_to_string(&self.audit).unwrap();
        let mut seen = self.seen.lock().unwrap();
        // A line that is being written is read the next time.
        let end = text.rfind('\n').map_or(0, |at| at + 1);
        for line in text[(*seen).min(end)..end].lines() {
            let event: Json = serde_json::from_str(line).unwrap();
            let code = event["responseStatus"]["code"].as_i64().unwrap_or(0);
            if event["user"]["username"] != USER {
                continue;
            }
            let verb = event["verb"].as_str().unwrap();
            let path = event["requestURI"].as_str().unwrap_or_default();
            let path = path.split('?').next().unwrap();
            match (verb, event["stage"].as_str().unwrap()) {
                ("list", "ResponseComplete") => kept.calls.push(format!("GET {path}")),
                ("watch", "ResponseStarted") => kept.calls.push(format!("WATCH {path}")),
                _ => {}
            }
            if event["stage"] != "ResponseComplete" || !(200..300).contains(&code) {
                continue;
            }
            let of = &event["objectRef"];
            let text = |field: &str| of[field].as_str().unwrap_or_default().to_owned();
            let uri = event["requestURI"].as_str().unwrap_or_default();
            let what = format!("{}/{}", text("namespace"), text("name"));
            match (
                event["verb"].as_str().unwrap(),
                text("subresource").as_str(),
            ) {
                ("create", "eviction") if !uri.contains("dryRun=All") => {
                    let uid = &event["requestObject"]["deleteOptions"]["preconditions"]["uid"];
                    kept.evicted.push(uid.as_str().unwrap().to_owned());
                    kept.log.push(format!("evict {what}"));
                }
                ("delete", _) => kept.log.push(format!("delete {what}")),
                ("patch", _) => kept.log.push(format!("patch {}", text("name"))),
                _ => {}
            }
        }
        *seen = end;
    }

    fn push_nodes(&self, before: &Before, kept: &Kept) {
        let mut joined_nodes = Vec::new();
        for (name, node) in &kept.nodes {
            let path = format!("/api/v1/nodes/{name}");
            let ready = node["status"]["conditions"][0]["status"].as_str().unwrap();
            match before.nodes.get(name) {
                None => {
                    self.make_node(name, node, ready);
                    joined_nodes.extend((ready == "True").then_some(path));
                }
                Some(old) if old == node => {}
                Some(_) => {
                    let patch = json!({"metadata": {"labels": node["metadata"]["labels"]}});
                    self.patch(&path, &patch);
                }
            }
        }
        self.wait("the kubelets of new nodes have joined", || {
            let joined = |path: &String| self.get(path).is_some_and(has_joined);
            joined_nodes.iter().all(joined)
        });
        for name in before
            .nodes
            .keys()
            .filter(|name| !kept.nodes.contains_key(*name))
        {
            self.delete(&format!("/api/v1/nodes/{name}"));
            // Where somebody deletes the object, its pods are left to the garbage collector.
            if !kept.deleted.contains(name) {
                self.delete_pods_of(name);
            }
        }
        for pod in before
            .pods
            .iter()
            .filter(|(k, _)| !kept.pods.contains_key(*k))
        {
            let node = pod.1["spec"]["nodeName"].as_str().unwrap_or_default();
            if !kept.nodes.contains_key(node) && !before.nodes.contains_key(node) {
                self.delete_pods_of(node);
            }
        }
    }

    fn delete_pods_of(&self, node: &str) {
        for pod in self.list("/api/v1/pods") {
            if pod["spec"]["nodeName"] == *node {
                self.delete(&place("/api/v1/pods", &pod));
            }
        }
    }

    /// A node joins with its kubelet, or is an object that a kubelet of another time has left.
    fn make_node(&self, name: &str, node: &Json, ready: &str) {
        let kubelet = (ready == "True").then_some("fake");
        let control_plane = &node["metadata"]["labels"][CONTROL_PLANE];
        let taint = json!({"key": CONTROL_PLANE, "effect": "NoSchedule"});
        let mut labels = node["metadata"]["labels"].clone();
        // By which the scheduler spreads the pods of an owner.
        labels["kubernetes.io/hostname"] = json!(name);
        let body = json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": {"name": name, "labels": labels, "annotations": {KWOK: kubelet}},
            "spec": {"providerID": node["spec"]["providerID"], "taints": (!control_plane.is_null()).then_some([taint])},
        });
        self.create("/api/v1/nodes", &body);
        let mut status = condition(if ready == "True" { "False" } else { ready });
        let room = json!({"cpu": "8", "memory": "32Gi", "pods": "110"});
        status["status"]["allocatable"] = room.clone();
        status["status"]["capacity"] = room;
        status["status"]["nodeInfo"] = node["status"]["nodeInfo"].clone();
        self.patch(&format!("/api/v1/nodes/{name}/status"), &status);
    }

    /// Its pods are told to go, and it with the last of them.
    pub fn ends(&self, namespace: &str) {
        self.delete(&format!("/api/v1/namespaces/{namespace}"));
    }

    fn namespace(&self, name: &str) {
        if self.get(&format!("/api/v1/namespaces/{name}")).is_none() {
            let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
            self.create("/api/v1/namespaces", &body);
        }
    }

    /// New pods are asked of their owner; where some went in the same look, they are the same ones elsewhere, and their owner makes them by itself.
    fn push_pods(&self, before: &BTreeMap<Key, Json>, kept: &Kept) {
        let is_new = |(key, _): &(&Key, &Json)| !before.contains_key(*key);
        let mut wanted: BTreeMap<Key, (i64, Json)> = BTreeMap::new();
        let mut alone = Vec::new();
        for (key, pod) in kept.pods.iter().filter(is_new) {
            self.namespace(&key.0);
            let mirror = pod["metadata"]["annotations"]["kubernetes.io/config.mirror"].is_string();
            match pod["metadata"]["ownerReferences"][0]["kind"].as_str() {
                Some("DaemonSet") if !mirror => self.daemon(&owner(key, pod), pod),
                Some("ReplicaSet") if !mirror => {
                    wanted.entry(owner(key, pod)).or_insert((0, pod.clone())).0 += 1;
                }
                _ => alone.push(self.alone(key, pod)),
            }
        }
        self.wait("pods that nobody else makes run", || {
            let run = |path: &String| {
                self.get(path)
                    .is_some_and(|p| p["status"]["phase"] == "Running")
            };
            alone.iter().all(run)
        });
        for (key, pod) in kept.pods.iter().filter(is_new) {
            self.changed(key, pod);
        }
        for (key, pod) in before {
            match kept.pods.get(key) {
                None => {
                    if let Some((count, _)) = wanted.get_mut(&owner(key, pod)) {
                        *count -= 1;
                    }
                }
                Some(now) if now["metadata"]["finalizers"] != pod["metadata"]["finalizers"] => {
                    self.patch(
                        &pod_path(key),
                        &json!({"metadata": {"finalizers": now["metadata"]["finalizers"]}}),
                    );
                }
                Some(_) => {}
            }
        }
        for (owner, (more, pod)) in wanted.iter().filter(|(_, (more, _))| *more > 0) {
            self.replicas(owner, *more, pod);
        }
    }

    /// A pod that no controller makes: a picture of a static one, or somebody's own.
    fn alone(&self, key: &Key, pod: &Json) -> String {
        let of = &pod["metadata"];
        let body = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": key.1, "labels": of["labels"], "annotations": of["annotations"], "finalizers": of["finalizers"]},
            "spec": spec(pod, Some(&pod["spec"]["nodeName"])),
        });
        self.create(&format!("/api/v1/namespaces/{}/pods", key.0), &body);
        pod_path(key)
    }

    /// What has become of a pod that somebody made himself.
    fn changed(&self, key: &Key, pod: &Json) {
        if !pod["metadata"]["ownerReferences"][0].is_null() {
            return;
        }
        let path = pod_path(key);
        if let phase @ ("Failed" | "Succeeded") = pod["status"]["phase"].as_str().unwrap() {
            let status = json!({"status": {"phase": phase, "reason": "Evicted"}});
            self.patch(&format!("{path}/status"), &status);
        }
        if !pod["metadata"]["deletionTimestamp"].is_null() {
            self.ask("DELETE", &path, None);
        }
    }

    fn daemon(&self, (namespace, app): &Key, pod: &Json) {
        let list = format!("/apis/apps/v1/namespaces/{namespace}/daemonsets");
        if self.get(&format!("{list}/{app}")).is_none() {
            self.create(&list, &made_of("DaemonSet", app, pod, json!({})));
        }
    }

    fn replicas(&self, (namespace, app): &Key, more: i64, pod: &Json) {
        let list = format!("/apis/apps/v1/namespaces/{namespace}/replicasets");
        let path = format!("{list}/{app}");
        let count = match self.get(&path) {
            Some(found) => {
                let count = found["spec"]["replicas"].as_i64().unwrap() + more;
                self.patch(&path, &json!({"spec": {"replicas": count}}));
                count
            }
            None => {
                self.create(
                    &list,
                    &made_of("ReplicaSet", app, pod, json!({"replicas": more})),
                );
                more
            }
        };
        // One that has no place waits for it.
        if pod["status"]["phase"] == "Pending" {
            return;
        }
        self.wait("all of its pods run", || {
            let found = self.get(&path);
            found.is_some_and(|f| f["status"]["readyReplicas"].as_i64() == Some(count))
        });
    }
}

/// Seconds since 1970.
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

/// Ready, and nothing keeps the scheduler from it.
fn has_joined(node: Json) -> bool {
    const NOT_READY: &str = "node.kubernetes.io/not-ready";
    let mut taints = node["spec"]["taints"].as_array().into_iter().flatten();
    !taints.any(|t| t["key"] == NOT_READY)
        && plain_node(node)["status"]["conditions"][0]["status"] == "True"
}

/// Without what kubelets and controllers put on every node; its readiness first.
fn plain_node(mut node: Json) -> Json {
    const OF_OTHERS: [&str; 6] = [
        "kwok",
        "kfleet.example",
        "node.alpha",
        "volumes.",
        "node.kubernetes.io",
        CONTROL_PLANE,
    ];
    // `node.kubernetes.io/exclude-from-…` is a label, and ours.
    let of_others = |name: &str| OF_OTHERS.iter().any(|o| name.starts_with(o));
    if let Some(annotations) = node["metadata"]["annotations"].as_object_mut() {
        annotations.retain(|name, _| !of_others(name));
    }
    if let Some(taints) = node["spec"]["taints"].as_array_mut() {
        taints.retain(|t| !of_others(t["key"].as_str().unwrap_or_default()));
    }
    if let Some(conditions) = node["status"]["conditions"].as_array_mut() {
        conditions.sort_by_key(|c| c["type"] != "Ready");
    }
    node
}

fn condition(ready: &str) -> Json {
    let at = json!(kfleet::model::Timestamp::from_millis(now() * 1_000));
    json!({"status": {"conditions": [
        {"type": "Ready", "status": ready, "reason": "Test", "message": "", "lastHeartbeatTime": at, "lastTransitionTime": at},
    ]}})
}

fn owner((namespace, _): &Key, pod: &Json) -> Key {
    let app = pod["metadata"]["labels"]["app"].as_str().unwrap();
    (namespace.clone(), app.to_owned())
}

/// The spec of a pod, as a kubelet of kwok's runs it; on a node of its own, or where the scheduler says.
fn spec(pod: &Json, node: Option<&Json>) -> Json {
    json!({
        "nodeName": node,
        "nodeSelector": pod["spec"]["nodeSelector"],
        "terminationGracePeriodSeconds": pod["spec"]["terminationGracePeriodSeconds"],
        "priorityClassName": pod["spec"]["priorityClassName"],
        "containers": [{"name": "main", "image": "none"}],
    })
}

fn made_of(kind: &str, app: &str, pod: &Json, more: Json) -> Json {
    let mut labels = pod["metadata"]["labels"].clone();
    labels["app"] = json!(app);
    let mut spec = json!({
        "selector": {"matchLabels": {"app": app}},
        "template": {"metadata": {"labels": labels}, "spec": spec(pod, None)},
    });
    if kind == "DaemonSet" {
        spec["template"]["spec"]["tolerations"] = json!([{"operator": "Exists"}]);
    }
    for (key, value) in more.as_object().into_iter().flatten() {
        spec[key] = value.clone();
    }
    json!({"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": app}, "spec": spec})
}

pub(crate) fn pod_path((namespace, name): &Key) -> String {
    format!("/api/v1/namespaces/{namespace}/pods/{name}")
}

/// Where an item of a list of all namespaces is.
fn place(list: &str, item: &Json) -> String {
    let name = item["metadata"]["name"].as_str().unwrap();
    match item["metadata"]["namespace"].as_str() {
        None => format!("{list}/{name}"),
        Some(namespace) => {
            let (group, kind) = list.rsplit_once('/').unwrap();
            format!("{group}/namespaces/{namespace}/{kind}/{name}")
        }
    }
}
