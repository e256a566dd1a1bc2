//! Gates that ask over HTTP, samples over the bake, and a canary that goes while it bakes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use kfleet::fleet::{Bound, Empty, FromEnv, GateAt, HeaderValue, HttpGate, PromqlGate, Samples};
use kfleet::model::{ActivityStatus, Lifecycle};

use super::*;

fn gated(dir: &std::path::Path, kind: GateKind, at: Option<GateAt>, samples: Samples) -> Scene {
    let mut scene = Scene::small(dir, &[NODES]).made();
    scene.gates.push(GateSpec {
        name: "smoke".into(),
        kind,
        deadline: Span::from_secs(600),
        at,
        samples,
    });
    scene
}

fn command(script: &str) -> GateKind {
    GateKind::Command(["sh", "-c", script].map(str::to_owned).to_vec())
}

fn asked(records: &[Record]) -> usize {
    count(records, "answered staging")
}

#[test]
fn every_sample_of_the_bake_has_to_pass() {
    let samples = Samples {
        times: 4,
        every: Span::from_secs(20),
    };
    let dir = folder();
    let scene = gated(dir.path(), command("true"), Some(GateAt::Canary), samples);
    let records = rolls(&scene, "r2");
    // Two canaries, one of the control plane; the bake of a minute holds at least four samples of each.
    assert!(asked(&records) >= 8, "{}", trace(&records).join("\n"));
    in_order(
        &records,
        &[
            "canary-up staging/nodes",
            "answered staging",
            "answered staging",
            "answered staging",
            "answered staging",
            "canary-proven staging/nodes",
        ],
    );

    // The third answer is a fail: nothing waits for the end of the bake.
    let dir = folder();
    let mut scene = gated(
        dir.path(),
        command("echo x >> asked; test $(wc -l < asked) -ne 3"),
        Some(GateAt::Canary),
        samples,
    );
    scene.rolling.bake = Span::from_secs(3600);
    let records = goes_back(&scene);
    assert_eq!(asked(&records), 3);
    never(
        &records,
        &[
            "canary-proven staging/control-plane-a",
            "group-started staging/nodes",
        ],
    );
}

#[test]
fn a_gate_of_clusters_is_not_asked_about_canaries() {
    for (at, canaries, clusters) in [(GateAt::Canary, 2, 0), (GateAt::Cluster, 0, 1)] {
        let dir = folder();
        let scene = gated(dir.path(), command("true"), Some(at), Samples::default());
        let records = rolls(&scene, "r2");
        let of_canary = |r: &&Record| {
            matches!(
                &r.event,
                Event::Cluster(
                    _,
                    ClusterEvent::Answered {
                        scope: kfleet::rollout::Scope::Canary(_),
                        ..
                    }
                )
            )
        };
        let of_canaries = records.iter().filter(of_canary).count();
        assert_eq!(
            (of_canaries, asked(&records) - of_canaries),
            (canaries, clusters)
        );
    }
}

#[test]
fn a_canary_that_goes_while_it_bakes_begins_anew() {
    let dir = folder();
    let mut scene = Scene::small(dir.path(), &[NODES]).made();
    scene.rolling.bake = Span::from_secs(600);
    let store = scene.store();
    let spy = Spy::new(scene.world());
    let rollout = scene.rollout(spy.world(), "r2", &[]);
    let (mut journal, first) = Journal::begin(&store, &rollout).unwrap();
    let mut records = vec![first];
    // It runs until the canary is up, and then somebody ends that instance.
    let stopped = std::cell::Cell::new(false);
    spy.begin(journal.rollout(), journal.progress());
    let outcome = support::block(kfleet::run::run(
        &spy,
        &store,
        &mut journal,
        &scene.drive(),
        || stopped.get(),
        |signal| {
            if let kfleet::run::Signal::Recorded(record) = signal {
                spy.hear(record);
                stopped.set(
                    stopped.get()
                        || trace(std::slice::from_ref(record)) == ["canary-up staging/nodes"],
                );
                records.push(record.clone());
            }
        },
    ));
    assert_eq!(outcome.unwrap(), Outcome::Interrupted);
    let live = scene.live(spy.world());
    let group = &live.clusters[&scene.staging[0]].groups[&name("nodes.staging.k8s.test")];
    let (canary, _) = group
        .instances
        .iter()
        .find(|(_, i)| i.version == Some(2) && i.lifecycle == Lifecycle::InService)
        .unwrap();
    let place = kfleet::cloud::Place {
        cluster: scene.staging[0].clone(),
        account: name("111122223333"),
        region: name("eu-west-3"),
    };
    let end = CloudEffect::Terminate {
        group: name("nodes.staging.k8s.test"),
        instance: canary.clone(),
        decrement: false,
    };
    support::block(spy.world().apply(&place, &end)).unwrap();
    let outcome = scene.carry(&spy, &mut journal, &scene.drive(), &mut records);
    let records = ends((outcome, records), Ending::Finished);
    in_order(
        &records,
        &[
            "canary-up staging/nodes",
            "canary-lost staging/nodes",
            "canary-up staging/nodes",
            "canary-proven staging/nodes",
        ],
    );
    let at = |line: &str| {
        records
            .iter()
            .filter(|r| trace(std::slice::from_ref(r)) == [line])
            .map(|r| r.at)
            .next_back()
            .unwrap()
    };
    assert!(
        at("canary-proven staging/nodes").since(at("canary-up staging/nodes"))
            >= scene.rolling.bake
    );
    assert!(
        group
            .activities
            .iter()
            .all(|a| a.status != ActivityStatus::Failed)
    );
}

/// What a loopback server answers, and the requests it got: path and query, and the header `Authorization`.
#[derive(Clone, Default)]
struct Server {
    answer: Arc<Mutex<(u16, String)>>,
    asked: Arc<Mutex<Vec<(String, String)>>>,
}

impl Server {
    /// Listens on a free port; its thread ends with the process.
    fn new(status: u16, body: &str) -> (Server, String) {
        let server = Server {
            answer: Arc::new(Mutex::new((status, body.to_owned()))),
            ..Server::default()
        };
        let (send, port) = std::sync::mpsc::channel();
        let state = server.clone();
        std::thread::spawn(move || {
            support::block(async move {
                let app = axum::Router::new().fallback(move |request: axum::extract::Request| {
                    let state = state.clone();
                    async move {
                        let header = request
                            .headers()
                            .get("authorization")
                            .map(|v| v.to_str().unwrap().to_owned())
                            .unwrap_or_default();
                        state
                            .asked
                            .lock()
                            .unwrap()
                            .push((request.uri().to_string(), header));
                        let (status, body) = state.answer.lock().unwrap().clone();
                        (axum::http::StatusCode::from_u16(status).unwrap(), body)
                    }
                });
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                send.send(listener.local_addr().unwrap().port()).unwrap();
                axum::serve(listener, app).await.unwrap();
            });
        });
        let url = format!("http://127.0.0.1:{}", port.recv().unwrap());
        (server, url)
    }

    fn asked(&self) -> Vec<(String, String)> {
        self.asked.lock().unwrap().clone()
    }
}

fn token() -> BTreeMap<String, HeaderValue> {
    BTreeMap::from([(
        "Authorization".into(),
        HeaderValue::Env(FromEnv {
            env: "KFLEET_TEST_TOKEN".into(),
        }),
    )])
}

fn http(url: String) -> HttpGate {
    HttpGate {
        url,
        headers: token(),
        status: 200,
        body: Some("fine".into()),
        timeout: Span::from_secs(5),
    }
}

fn promql(url: String) -> PromqlGate {
    let bound = |n: f64| Some(Bound::try_from(n).unwrap());
    PromqlGate {
        url,
        query: "min(up{cluster=\"{cluster}\",group=\"{group}\"})".into(),
        min: bound(0.9),
        max: bound(1.0),
        empty: Empty::Wait,
        headers: token(),
        timeout: Span::from_secs(5),
    }
}

/// How a rollout with this gate ends, and what was said about the gate.
fn said(kind: GateKind) -> (Outcome, Vec<Record>) {
    let dir = folder();
    let scene = gated(dir.path(), kind, Some(GateAt::Canary), Samples::default());
    let (outcome, records) = scene.start("r2");
    clean(&scene);
    let journal = std::fs::read_to_string(scene.dir.join("journals/r2.jsonl")).unwrap();
    assert!(
        !journal.contains("s3cret-token"),
        "a secret stands in the journal"
    );
    (outcome.unwrap(), records)
}

#[cfg(feature = "http")]
const HTTP: bool = true;
#[cfg(not(feature = "http"))]
const HTTP: bool = false;

#[test]
fn a_gate_over_http_fails_closed_without_the_feature() {
    if HTTP {
        return;
    }
    for kind in [
        GateKind::Http(Box::new(http("http://127.0.0.1:9/x".into()))),
        GateKind::Promql(Box::new(promql("http://127.0.0.1:9".into()))),
    ] {
        let (outcome, records) = said(kind);
        assert_eq!(outcome, Outcome::Ended(Ending::RolledBack));
        says(&records, "built without the feature `http`");
    }
}

#[test]
fn an_http_gate_passes_on_status_and_text_and_on_nothing_else() {
    if !HTTP {
        return;
    }
    let back = Outcome::Ended(Ending::RolledBack);
    for (status, body, ending, why) in [
        (
            200,
            "all is fine here",
            Outcome::Ended(Ending::Finished),
            "",
        ),
        (200, "all is lost", back.clone(), "without `fine`"),
        (404, "fine", back.clone(), "answers 404, not 200"),
        (302, "fine", back.clone(), "answers 302, not 200"),
        (
            503,
            "fine",
            back.clone(),
            "still waits after 10m: http://127.0.0.1",
        ),
    ] {
        let (server, url) = Server::new(status, body);
        let (outcome, records) = said(GateKind::Http(Box::new(http(format!(
            "{url}/of/{{cluster}}/{{group}}?key=hidden"
        )))));
        assert_eq!(outcome, ending, "{status} {body}: {:?}", reasons(&records));
        assert!(
            why.is_empty() || reasons(&records).iter().any(|r| r.contains(why)),
            "{why}: {:?}",
            reasons(&records)
        );
        let asked = server.asked();
        assert_eq!(
            asked[0],
            (
                "/of/staging.k8s.test/control-plane-a?key=hidden".into(),
                "s3cret-token".into()
            )
        );
        assert!(
            !serde_json::to_string(&records[1..])
                .unwrap()
                .contains("hidden"),
            "an url's query stands in the journal"
        );
    }
    // Nobody listens.
    let (outcome, records) = said(GateKind::Http(Box::new(http(
        "http://127.0.0.1:9/x".into(),
    ))));
    assert_eq!(outcome, back);
    says(&records, "cannot be reached");
    // The token is not there.
    let headers = BTreeMap::from([(
        "Authorization".into(),
        HeaderValue::Env(FromEnv {
            env: "KFLEET_NO_SUCH".into(),
        }),
    )]);
    let (_, url) = Server::new(200, "fine");
    let (outcome, records) = said(GateKind::Http(Box::new(HttpGate {
        headers,
        ..http(url)
    })));
    assert_eq!(outcome, back);
    says(
        &records,
        "the environment variable KFLEET_NO_SUCH of the header Authorization is not set",
    );
}

/// An answer of Prometheus with a series for each value.
fn vector(values: &[&str]) -> String {
    let series: Vec<String> = values
        .iter()
        .enumerate()
        .map(|(n, v)| format!("{{\"metric\":{{\"pod\":\"p{n}\"}},\"value\":[1,\"{v}\"]}}"))
        .collect();
    format!(
        "{{\"status\":\"success\",\"data\":{{\"resultType\":\"vector\",\"result\":[{}]}}}}",
        series.join(",")
    )
}

/// What Prometheus says, how the rollout ends then, and why.
fn answers() -> Vec<(u16, String, Outcome, &'static str)> {
    let back = Outcome::Ended(Ending::RolledBack);
    vec![
        (200, vector(&["1"]), Outcome::Ended(Ending::Finished), ""),
        (
            200,
            vector(&["1", "0.95"]),
            Outcome::Ended(Ending::Finished),
            "",
        ),
        (
            200,
            "{\"status\":\"success\",\"data\":{\"resultType\":\"scalar\",\"result\":[1,\"0.9\"]}}"
                .into(),
            Outcome::Ended(Ending::Finished),
            "",
        ),
        (
            200,
            vector(&["1", "0.5"]),
            back.clone(),
            "0.5 of pod=p1 is below 0.9",
        ),
        (
            200,
            vector(&["1.5"]),
            back.clone(),
            "1.5 of pod=p0 is above 1",
        ),
        (
            200,
            vector(&["NaN"]),
            back.clone(),
            "NaN: nothing was measured",
        ),
        (200, vector(&["+Inf"]), back.clone(), "is above 1"),
        (
            200,
            vector(&[]),
            back.clone(),
            "still waits after 10m: the query has no result",
        ),
        (
            200,
            "{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[]}}".into(),
            back.clone(),
            "nothing to compare",
        ),
        (
            200,
            "<html>login</html>".into(),
            back.clone(),
            "is no answer of Prometheus",
        ),
        (
            400,
            "{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"parse error\"}".into(),
            back.clone(),
            "bad_data: parse error",
        ),
        (
            503,
            "busy".into(),
            back.clone(),
            "still waits after 10m: http://127.0.0.1",
        ),
    ]
}

#[test]
fn a_promql_gate_needs_numbers_within_its_bounds() {
    if !HTTP {
        return;
    }
    for (status, body, ending, why) in answers() {
        let (server, url) = Server::new(status, &body);
        let (outcome, records) = said(GateKind::Promql(Box::new(promql(url))));
        assert_eq!(outcome, ending, "{status} {body}: {:?}", reasons(&records));
        assert!(
            why.is_empty() || reasons(&records).iter().any(|r| r.contains(why)),
            "{why}: {:?}",
            reasons(&records)
        );
        let (asked, header) = server.asked().remove(0);
        assert!(
            asked.starts_with("/api/v1/query?query=min%28up%7Bcluster%3D%22staging.k8s.test%22%2Cgroup%3D%22control-plane-a%22%7D%29"),
            "{asked}"
        );
        assert_eq!(header, "s3cret-token");
    }
    // What is empty may also be a failure.
    let (_, url) = Server::new(200, &vector(&[]));
    let (outcome, records) = said(GateKind::Promql(Box::new(PromqlGate {
        empty: Empty::Fail,
        ..promql(url)
    })));
    assert_eq!(outcome, Outcome::Ended(Ending::RolledBack));
    says(&records, "gate `smoke` failed: the query has no result");
}
