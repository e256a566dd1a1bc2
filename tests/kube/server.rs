//! The API's server, its kubeconfig, and clients of it.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::serve::ListenerExt as _;
use kfleet::cloud::Cloud as _;
use kfleet::cloud::local::World;
use kfleet::model::{ClusterName, NodeEffect, Timestamp};
use kfleet::nodes::kube::Clusters;
use kfleet::nodes::{NodeAccess, NodeApi};
use serde_json::json;

use crate::api::{CLUSTER, Kept, answer};
use crate::real::Servers;

/// The server, in a thread of its own: it lives until it is dropped.
pub struct Api {
    pub kept: Arc<Mutex<Kept>>,
    pub dir: tempfile::TempDir,
    pub address: String,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    /// Real servers that play it in place of the stand-in.
    real: Option<Servers>,
    /// Whether the account's time is that of real servers: what was there before a test began is made without waiting for it.
    follows: AtomicBool,
}

/// How far the account is behind real servers when a test begins, in seconds.
const BEHIND: i64 = 3_600;

impl Api {
    /// Real servers where the environment names some, else the stand-in.
    pub fn new() -> Api {
        let Some(real) = Servers::named() else {
            return Api::stand_in();
        };
        let api = Api::without_server(Some(real));
        api.kept.lock().unwrap().now = crate::real::now() - BEHIND;
        std::fs::copy(api.real.as_ref().unwrap().kubeconfig(), api.file()).unwrap();
        api
    }

    /// The stand-in, also beside real servers.
    pub fn stand_in() -> Api {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut api = Api::without_server(None);
        api.address = listener.local_addr().unwrap().to_string();
        api.serve(listener);
        api.kubeconfig("user: {token: secret}", &format!("http://{}", api.address));
        api
    }

    fn without_server(real: Option<Servers>) -> Api {
        Api {
            kept: Arc::new(Mutex::new(Kept::new())),
            dir: tempfile::tempdir().unwrap(),
            address: String::new(),
            stop: None,
            real,
            follows: AtomicBool::new(false),
        }
    }

    fn serve(&mut self, listener: std::net::TcpListener) {
        listener.set_nonblocking(true).unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let app = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&self.kept));
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                // As a Go server does.
                let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
                tokio::select! {
                    served = async { axum::serve(listener, app).await } => served.unwrap(),
                    _ = stopped => {}
                }
            });
        });
        self.stop = Some(stop);
    }

    /// Nobody listens any more.
    pub fn down(&mut self) {
        drop(self.stop.take());
        while std::net::TcpStream::connect(&self.address).is_ok() {
            std::thread::yield_now();
        }
    }

    pub fn up(&mut self) {
        let listener = std::net::TcpListener::bind(&self.address).unwrap();
        self.serve(listener);
    }

    /// Writes the kubeconfig: a user, and where the API is.
    pub fn kubeconfig(&self, user: &str, server: &str) {
        let text = format!(
            "apiVersion: v1\nkind: Config\nclusters:\n- {{name: c, cluster: {{server: \"{server}\"}}}}\nusers:\n- name: u\n  {user}\n\
             contexts:\n- {{name: here, context: {{cluster: c, user: u}}}}\n"
        );
        std::fs::write(self.file(), text).unwrap();
    }

    pub fn file(&self) -> PathBuf {
        self.dir.path().join("config")
    }

    /// A client that knows nothing of the cluster yet.
    pub fn client(&self) -> Clusters {
        timed(&self.file(), None, self.clock())
    }

    /// A client by which a rollout has begun with the cluster.
    pub fn rolling(&self) -> Clusters {
        let client = self.client();
        client.expect(&cluster(), &self.with(|kept| kept.uid.clone()));
        client
    }

    /// The API's own time.
    pub fn clock(&self) -> impl Fn() -> Timestamp + Send + Sync + 'static {
        let kept = Arc::clone(&self.kept);
        move || Timestamp::from_millis(kept.lock().unwrap().now * 1000)
    }

    pub fn with<T>(&self, f: impl FnOnce(&mut Kept) -> T) -> T {
        let mut kept = self.kept.lock().unwrap();
        let Some(real) = &self.real else {
            let answer = f(&mut kept);
            let touched_only = kept.notes_all;
            kept.publish(touched_only);
            return answer;
        };
        real.around(&mut kept, self.follows(), f)
    }

    /// From now on time is that of real servers.
    pub fn follow(&self) {
        if self.is_real() {
            self.follows.store(true, Ordering::Relaxed);
            self.kept.lock().unwrap().now = crate::real::now();
        }
    }

    /// What is only the account's takes no time any more.
    pub fn runs_ahead(&self) {
        self.follows.store(false, Ordering::Relaxed);
    }

    pub fn follows(&self) -> bool {
        self.follows.load(Ordering::Relaxed)
    }

    /// What time it is at least.
    pub fn time(&self) -> Timestamp {
        let seconds = match self.follows() {
            true => crate::real::now(),
            false => self.kept.lock().unwrap().now,
        };
        Timestamp::from_millis(seconds * 1_000)
    }

    /// A simulated account that is not behind the time of real servers, whose pods leave in their time.
    pub fn meet(&self, world: World) -> World {
        if self.is_real() {
            crate::support::block(world.wait(self.time().max(world.now()))).unwrap();
        }
        world
    }

    /// Whether the environment names real servers.
    pub fn serves_for_real() -> bool {
        std::env::var_os("KFLEET_KUBE_SERVERS").is_some()
    }

    pub fn is_real(&self) -> bool {
        self.real.is_some()
    }

    /// A number for the stand-in, or the one for real servers: time is real there.
    pub fn either(&self, stand_in: i64, real: i64) -> i64 {
        if self.is_real() { real } else { stand_in }
    }

    /// Whatever is under way comes to its end.
    pub fn rest(&self) {
        if let Some(real) = &self.real {
            real.rest();
        }
    }

    /// The API server is killed, and starts again: connections break, and at first it knows no roles.
    pub fn restarts(&self) {
        match &self.real {
            Some(real) => real.restart(),
            None => {
                let mut kept = self.kept.lock().unwrap();
                kept.failures = vec![503; 2];
                kept.starting = 4;
            }
        }
    }

    /// Somebody deletes a namespace.
    pub fn namespace_ends(&self, namespace: &str) {
        match &self.real {
            Some(real) => real.ends(namespace),
            None => self.with(|kept| kept.end_namespace(namespace)),
        }
    }

    /// The kubelet of a node dies; where time is virtual, it did so long ago, and its pods have been told to go.
    pub fn kubelet_dies(&self, node: &str) {
        if let Some(real) = &self.real {
            real.dies(node);
        }
        self.with(|kept| {
            kept.dead.insert(node.to_owned());
            let now = kept.now;
            let long_ago = Timestamp::from_millis((now - 3_600) * 1_000).to_string();
            let on = kept
                .pods
                .values_mut()
                .filter(|p| p["spec"]["nodeName"] == *node)
                .filter(|p| p["metadata"]["ownerReferences"][0]["kind"] != "DaemonSet")
                .filter(|p| p["metadata"]["deletionTimestamp"].is_null());
            for pod in on {
                pod["metadata"]["deletionTimestamp"] = json!(long_ago);
                pod["metadata"]["goneAt"] = json!(now - 3_500);
            }
        });
    }
}

pub fn client(kubeconfig: &Path, uid: Option<&str>) -> Clusters {
    timed(kubeconfig, uid, || {
        Timestamp::from_millis(1_767_600_000_000)
    })
}

fn timed(
    kubeconfig: &Path,
    uid: Option<&str>,
    clock: impl Fn() -> Timestamp + Send + Sync + 'static,
) -> Clusters {
    let access = |uid: Option<&str>| NodeAccess {
        context: "here".into(),
        uid: uid.map(str::to_owned),
    };
    let clusters = [
        (cluster(), access(uid)),
        ("two.k8s.foo.bar".parse().unwrap(), access(None)),
    ];
    Clusters::new(clusters.into(), Some(kubeconfig.to_owned()), clock)
}

pub fn cluster() -> ClusterName {
    CLUSTER.parse().unwrap()
}

/// The instance of `node-1` is `i-1`.
fn instance(node: &str) -> kfleet::model::InstanceId {
    node.replace("node-", "i-").parse().unwrap()
}

pub fn evict(node: &str) -> NodeEffect {
    NodeEffect::Evict {
        node: node.parse().unwrap(),
        instance: instance(node),
        policy: kfleet::model::Eviction::default(),
    }
}

pub fn cordon(node: &str) -> NodeEffect {
    NodeEffect::Cordon {
        node: node.parse().unwrap(),
        instance: instance(node),
    }
}

pub fn uncordon(node: &str) -> NodeEffect {
    NodeEffect::Uncordon {
        node: node.parse().unwrap(),
        instance: instance(node),
    }
}
