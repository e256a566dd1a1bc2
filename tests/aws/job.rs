//! The Indexed Job of `docs/pipelines`, run by a real API server, scheduler and Job controller: eight pods are the eight shards of one release, on
//! instances and a store of moto. One pod is evicted, one is killed; their successors take over. Containers are processes of a kubelet of ours.
//! `.ci/nightly-kube` starts the servers and says where they are; elsewhere this test says "skipped".
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::bed::Bed;
use crate::shards::{SHARDS, at_work, bed_of_shards, prod_came_last, rollouts, status};
use crate::support::{server_or_skip, skip};

const NAMESPACE: &str = "default";
const JOB: &str = "kfleet-rollout";
const PATIENCE: Duration = Duration::from_secs(600);

/// By which the controller names the index of a pod.
const INDEX: &str = "batch.kubernetes.io/job-completion-index";

/// The kubelet of the test, and the hand of an administrator.
struct Kubelet {
    child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Drop for Kubelet {
    fn drop(&mut self) {
        // It ends its processes when nobody speaks to it any more; what a panic leaves is killed.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Kubelet {
    fn start(bed: &Bed, admin: &Value) -> Kubelet {
        let mut child = Command::new("python3")
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real/kubelet.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut kubelet = Kubelet {
            requests: child.stdin.take().unwrap(),
            answers: BufReader::new(child.stdout.take().unwrap()),
            child,
        };
        let config = json!({
            "server": admin["clusters"][0]["cluster"]["server"], "token": admin["users"][0]["user"]["token"],
            "node": "processes", "folder": bed.path(""), "environment": environment(bed),
        });
        writeln!(kubelet.requests, "{config}").unwrap();
        kubelet
    }

    fn told(&mut self, request: &Value) -> Value {
        writeln!(self.requests, "{request}").unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        serde_json::from_str(&answer).unwrap_or_else(|e| panic!("{e}: {request}: {answer}"))
    }

    fn ask(&mut self, method: &str, path: &str, body: &Value) -> Value {
        let answer = self.told(&json!({"method": method, "path": path, "body": body}));
        let code = answer["code"].as_i64().unwrap();
        assert!((200..300).contains(&code), "{method} {path}: {answer}");
        answer["body"].clone()
    }

    fn job(&mut self) -> Value {
        let path = format!("/apis/batch/v1/namespaces/{NAMESPACE}/jobs/{JOB}");
        self.ask("GET", &path, &Value::Null)
    }

    /// The running pod of an index, counted from 0: its name and uid.
    fn pod_of(&mut self, index: usize) -> (String, String) {
        let path = format!("/api/v1/namespaces/{NAMESPACE}/pods");
        let pods = self.ask("GET", &path, &Value::Null);
        let named = index.to_string();
        let is_it = |p: &&Value| {
            p["metadata"]["annotations"][INDEX] == named.as_str()
                && p["status"]["phase"] == "Running"
        };
        let pod = pods["items"].as_array().unwrap().iter().find(is_it);
        let text = |name: &str| pod.unwrap()["metadata"][name].as_str().unwrap().to_owned();
        (text("name"), text("uid"))
    }
}

/// What a container finds: kfleet on its path, and who it is.
fn environment(bed: &Bed) -> BTreeMap<String, String> {
    let text = |v: &std::ffi::OsStr| v.to_str().unwrap().to_owned();
    let mut all: BTreeMap<String, String> = bed
        .command("")
        .get_envs()
        .filter_map(|(name, value)| Some((text(name), text(value?))))
        .collect();
    let programs = Path::new(env!("CARGO_BIN_EXE_kfleet")).parent().unwrap();
    let path = format!("{}:{}", programs.display(), all["PATH"]);
    all.insert("PATH".into(), path);
    all
}

/// The Job as it is shipped, with the store of this fleet, on the node of this kubelet; its patience is not that of people.
fn shipped(store: &str) -> Value {
    let text = include_str!("../../docs/pipelines/kubernetes.yaml");
    let mut job: Value = serde_yaml::from_str(text).unwrap();
    let pod = &mut job["spec"]["template"]["spec"];
    pod["nodeSelector"] = json!({"kfleet.example/processes": "true"});
    pod["tolerations"] = json!([{"key": "kfleet.example/processes", "operator": "Exists"}]);
    let container = &mut pod["containers"][0];
    for one in container["env"].as_array_mut().unwrap() {
        if one["name"] == "KFLEET_STORE" {
            one["value"] = json!(store);
        }
    }
    let line = container["args"][0].as_str().unwrap();
    assert!(line.contains("sleep 60"), "{line}");
    container["args"][0] = json!(line.replace("sleep 60", "sleep 3"));
    job
}

#[test]
fn an_indexed_job_is_a_release_and_two_pods_die() {
    let name = "an_indexed_job_is_a_release_and_two_pods_die";
    let Some(admin) = std::env::var_os("KFLEET_KUBE_ADMIN") else {
        return skip(name, "no real servers: .ci/nightly-kube starts them");
    };
    let Some(server) = server_or_skip(name) else {
        return;
    };
    let admin: Value = serde_yaml::from_str(&std::fs::read_to_string(admin).unwrap()).unwrap();
    let (bed, store) = bed_of_shards(server);
    let mut kubelet = Kubelet::start(&bed, &admin);
    let path = format!("/apis/batch/v1/namespaces/{NAMESPACE}/jobs");
    kubelet.ask("POST", &path, &shipped(&store));

    // A node is drained: the pod is told, steps back, and another goes on where it stopped.
    let first = at_work(&bed, "staging");
    let (evicted, _) = kubelet.pod_of(first - 1);
    let path = format!("/api/v1/namespaces/{NAMESPACE}/pods/{evicted}/eviction");
    let eviction = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": evicted, "namespace": NAMESPACE}});
    kubelet.ask("POST", &path, &eviction);

    // Each pod looks again now and then, and does not wait for a moment: what the release waits for is said all the same.
    until("the approval of prod is waited for", || {
        let status = status(&bed);
        // Which is given for all of them when each has begun.
        (status["approval"] == "prod" && !status["plans"].is_null()).then_some(())
    });
    let ids = rollouts(&bed);
    let plan = bed.run("rollout status --print-id").ends(3).out;
    bed.run(&format!("rollout approve prod --plan {}", plan.trim()))
        .ends(0);

    // Out of memory: no word, no grace. Its leases count for a while, by the clock of S3.
    let second = at_work(&bed, "prod");
    let (_, uid) = kubelet.pod_of(second - 1);
    kubelet.told(&json!({"kill": uid}));
    bed.server
        .order("tick", &json!({"account": bed.home, "seconds": 155}));

    let job = until("the Job has ended", || {
        let job = kubelet.job();
        let conditions = job["status"]["conditions"].as_array().cloned();
        let over = |c: &Value| c["status"] == "True" && c["type"] != "SuccessCriteriaMet";
        conditions
            .unwrap_or_default()
            .iter()
            .any(over)
            .then_some(job)
    });
    assert_eq!(job["status"]["completedIndexes"], "0-7", "{job}");
    assert_eq!(job["status"]["succeeded"], SHARDS, "{job}");
    assert_eq!(
        job["status"]["failed"], 1,
        "one was killed; that another was evicted is no failure of it: {job}"
    );
    assert_eq!(rollouts(&bed), ids, "each shard is one rollout to its end");
    prod_came_last(&bed, &ids);
    bed.plan_is_empty();
}

/// What is found in the end.
#[track_caller]
fn until<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(Instant::now() < end, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(300));
    }
}
