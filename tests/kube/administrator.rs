//! Asks real servers as an administrator, in a thread of its own: a look is taken also within somebody else's runtime. A server that is away is waited for.

use std::path::PathBuf;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use axum::http::Request;
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::{Value as Json, json};

use crate::real::{PATIENCE, Servers};

impl Servers {
    pub(crate) fn wait(&self, what: &str, is_so: impl Fn() -> bool) {
        let began = Instant::now();
        while !is_so() {
            assert!(
                began.elapsed() < PATIENCE,
                "{what}: not within {PATIENCE:?}"
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    pub(crate) fn list(&self, path: &str) -> Vec<Json> {
        let found = self.get(path).unwrap();
        found["items"].as_array().unwrap().clone()
    }

    pub(crate) fn get(&self, path: &str) -> Option<Json> {
        self.ask("GET", path, None)
    }

    pub(crate) fn create(&self, path: &str, body: &Json) {
        self.ask("POST", path, Some(body)).unwrap();
    }

    pub(crate) fn patch(&self, path: &str, body: &Json) {
        self.ask("PATCH", path, Some(body));
    }

    pub(crate) fn delete(&self, path: &str) {
        let now = json!({"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0});
        self.ask("DELETE", path, Some(&now));
    }

    /// As the administrator; none: there is no such thing.
    pub(crate) fn ask(&self, method: &str, path: &str, body: Option<&Json>) -> Option<Json> {
        let kind = if method == "PATCH" {
            "application/merge-patch+json"
        } else {
            "application/json"
        };
        let bytes = body.map(|b| b.to_string().into_bytes()).unwrap_or_default();
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", kind)
            .body(bytes)
            .unwrap();
        let began = Instant::now();
        let mut again = false;
        loop {
            let (answer, answered) = mpsc::channel();
            self.asks.send((request.clone(), answer)).unwrap();
            match answered.recv().unwrap() {
                Ok(answer) => return Some(answer),
                Err(kube::Error::Api(status)) if status.code == 404 => return None,
                // The answer to what was asked before was lost with the server.
                Err(kube::Error::Api(status)) if again && status.code == 409 => {
                    return Some(Json::Null);
                }
                Err(error) if is_away(&error) && began.elapsed() < PATIENCE => again = true,
                Err(error) => panic!("{method} {path}: {error}"),
            }
            std::thread::sleep(Duration::from_millis(250));
        }
    }
}
/// Whether the server does not answer, or is only starting.
fn is_away(error: &kube::Error) -> bool {
    match error {
        kube::Error::Api(status) => status.code >= 500,
        _ => true,
    }
}

pub(crate) type Answer = mpsc::Sender<Result<Json, kube::Error>>;

/// Where requests go in.
pub(crate) fn administrator(kubeconfig: PathBuf) -> mpsc::Sender<(Request<Vec<u8>>, Answer)> {
    let (asks, asked) = mpsc::channel::<(Request<Vec<u8>>, Answer)>();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let file = Kubeconfig::read_from(kubeconfig).unwrap();
            let options = KubeConfigOptions::default();
            let config = kube::Config::from_custom_kubeconfig(file, &options);
            let client = kube::Client::try_from(config.await.unwrap()).unwrap();
            while let Ok((request, answer)) = asked.recv() {
                drop(answer.send(client.request::<Json>(request).await));
            }
        });
    });
    asks
}
