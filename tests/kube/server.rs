//! The API's server, its kubeconfig, and clients of it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::serve::ListenerExt as _;
use kfleet::cloud::Cloud as _;
use kfleet::cloud::local::World;
use kfleet::model::{ClusterName, NodeEffect, Timestamp};
use kfleet::nodes::kube::Clusters;
use kfleet::nodes::{Access, NodeApi};

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
}

impl Api {
    pub fn new() -> Api {
        let kept = Arc::new(Mutex::new(Kept::new()));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let mut api = Api {
            kept,
            dir: tempfile::tempdir().unwrap(),
            address,
            stop: None,
            real: Servers::named(),
        };
        if let Some(real) = &api.real {
            api.kept.lock().unwrap().now = crate::real::now();
            std::fs::copy(real.kubeconfig(), api.file()).unwrap();
            return api;
        }
        api.serve(listener);
        api.kubeconfig("user: {token: secret}", &format!("http://{}", api.address));
        api
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
            kept.publish();
            return answer;
        };
        real.around(&mut kept, f)
    }

    /// A simulated account that is not behind the time of real servers, whose pods leave in their time.
    pub fn meet(&self, world: World) -> World {
        if self.real.is_some() {
            let now = Timestamp::from_millis(crate::real::now() * 1_000);
            crate::support::block(world.wait(now.max(world.now()))).unwrap();
        }
        world
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
    let access = |uid: Option<&str>| Access {
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
