//! Situation → answer: what a real API server was seen to say, said by the stand-in.

use std::io::{Read as _, Write as _};

use serde_json::{Value as Json, json};

use crate::api::{Admission, Api, Kept};

/// One request, and what comes: code, headers, body.
pub fn request(api: &Api, method: &str, path: &str, body: &str) -> (u16, String, String) {
    let mut stream = std::net::TcpStream::connect(&api.address).unwrap();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: api\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let code = head.split(' ').nth(1).unwrap().parse().unwrap();
    (code, head.to_lowercase(), body.to_owned())
}

/// One node with one pod of the app `web`; `situation` makes it what the row is about.
pub fn scene(situation: fn(&mut Kept)) -> Api {
    let api = Api::new();
    api.with(|kept| {
        kept.node("node-1", "i-1");
        kept.pod("default", "web", "node-1", |p| {
            p["spec"]["terminationGracePeriodSeconds"] = json!(30)
        });
        situation(kept);
    });
    api
}

pub fn budget(kept: &mut Kept) {
    kept.budgets.insert(("default".into(), "web".into()), None);
}

pub fn pod(kept: &mut Kept) -> &mut Json {
    kept.pods.values_mut().next().unwrap()
}

/// Situation, code, `reason`, `Retry-After`, words.
pub type Row = (
    &'static str,
    fn(&mut Kept),
    u16,
    &'static str,
    Option<u32>,
    &'static str,
);

/// The rows of evictions, as they were seen on the wire of kube-apiserver 1.33.
pub const ROWS: [Row; 34] = [
    ("no budget", |_| {}, 201, "", None, "Success"),
    (
        "on its way out, under a budget of 0",
        |kept| {
            budget(kept);
            pod(kept)["metadata"]["deletionTimestamp"] = json!("2026-01-05T08:00:30Z");
        },
        201,
        "",
        None,
        "Success",
    ),
    (
        "Pending, under a budget of 0",
        |kept| {
            budget(kept);
            pod(kept)["status"]["phase"] = json!("Pending");
        },
        201,
        "",
        None,
        "Success",
    ),
    (
        "Succeeded, under a budget of 0",
        |kept| {
            budget(kept);
            pod(kept)["status"]["phase"] = json!("Succeeded");
        },
        201,
        "",
        None,
        "Success",
    ),
    (
        "budget of 0",
        budget,
        429,
        "TooManyRequests",
        None,
        "needs 2 healthy pods and has 2 currently",
    ),
    (
        "budget that nobody has processed",
        |kept| {
            let key = ("default".to_owned(), "web".to_owned());
            kept.budgets.insert(key.clone(), Some(0));
            kept.unprocessed.insert(key);
        },
        429,
        "TooManyRequests",
        Some(10),
        "is still being processed by the server",
    ),
    (
        "unready, AlwaysAllow",
        |kept| {
            budget(kept);
            kept.unhealthy = Some("AlwaysAllow".into());
            pod(kept)["status"]["conditions"][0]["status"] = json!("False");
        },
        201,
        "",
        None,
        "Success",
    ),
    (
        "two budgets, both allow one",
        |kept| {
            let key = ("default".to_owned(), "web".to_owned());
            kept.budgets.insert(key.clone(), Some(0));
            kept.doubled.insert(key);
        },
        500,
        "",
        None,
        "more than one PodDisruptionBudget",
    ),
    (
        "uid of another pod",
        |kept| pod(kept)["metadata"]["uid"] = json!("another"),
        409,
        "Conflict",
        None,
        "does not match the UID in record",
    ),
    (
        "no such pod",
        |kept| kept.pods.clear(),
        404,
        "NotFound",
        None,
        "not found",
    ),
    (
        "namespace is being deleted",
        |kept| {
            kept.ending.insert("default".into());
        },
        403,
        "Forbidden",
        None,
        "because it is being terminated",
    ),
    (
        "no right",
        |kept| {
            kept.denied.insert("create pods/eviction".into());
        },
        403,
        "Forbidden",
        None,
        "cannot create resource",
    ),
    (
        "no token",
        |kept| kept.token = Some("another".into()),
        401,
        "Unauthorized",
        None,
        "Unauthorized",
    ),
    (
        "policy without a reason",
        |kept| kept.admission = Some(Admission::Policy(422, "Invalid", "not today")),
        422,
        "Invalid",
        None,
        "denied request: not today",
    ),
    (
        "policy, Forbidden",
        |kept| kept.admission = Some(Admission::Policy(403, "Forbidden", "not today")),
        403,
        "Forbidden",
        None,
        "denied request: not today",
    ),
    (
        "webhook, 403",
        |kept| kept.admission = Some(Admission::Webhook(403, "the database is moving")),
        403,
        "",
        None,
        "the database is moving",
    ),
    (
        "webhook, 429",
        |kept| kept.admission = Some(Admission::Webhook(429, "the database is moving")),
        429,
        "",
        None,
        "the database is moving",
    ),
    (
        "webhook away",
        |kept| kept.admission = Some(Admission::Unreachable),
        500,
        "InternalError",
        None,
        "failed calling webhook",
    ),
    (
        "with a finalizer",
        |kept| pod(kept)["metadata"]["finalizers"] = json!(["example.com/wait"]),
        201,
        "",
        None,
        "Success",
    ),
    (
        "picture of a static pod",
        |kept| pod(kept)["metadata"]["annotations"] = json!({"kubernetes.io/config.mirror": "x"}),
        201,
        "",
        None,
        "Success",
    ),
    (
        "Failed, under a budget of 0",
        |kept| {
            budget(kept);
            pod(kept)["status"]["phase"] = json!("Failed");
        },
        201,
        "",
        None,
        "Success",
    ),
    (
        "second of two, one disruption allowed",
        |kept| {
            let key = ("default".to_owned(), "web".to_owned());
            kept.budgets.insert(key, Some(kept.now + 60));
            kept.counts = Some((2, 1));
        },
        429,
        "TooManyRequests",
        None,
        "needs 1 healthy pods and has 2 currently",
    ),
    (
        "unready, IfHealthyBudget, healthy < desired",
        |kept| {
            budget(kept);
            kept.counts = Some((0, 1));
            pod(kept)["status"]["conditions"][0]["status"] = json!("False");
        },
        429,
        "TooManyRequests",
        None,
        "needs 1 healthy pods and has 0 currently",
    ),
    (
        "unready, IfHealthyBudget, healthy = desired",
        |kept| {
            budget(kept);
            kept.counts = Some((1, 1));
            pod(kept)["status"]["conditions"][0]["status"] = json!("False");
        },
        201,
        "",
        None,
        "Success",
    ),
    (
        "unready, IfHealthyBudget, none desired",
        |kept| {
            budget(kept);
            kept.counts = Some((0, 0));
            pod(kept)["status"]["conditions"][0]["status"] = json!("False");
        },
        429,
        "TooManyRequests",
        None,
        "needs 0 healthy pods and has 0 currently",
    ),
    (
        "policy, RequestEntityTooLarge",
        |kept| kept.admission = Some(Admission::Policy(413, "RequestEntityTooLarge", "not today")),
        413,
        "RequestEntityTooLarge",
        None,
        "denied request: not today",
    ),
    (
        "webhook, 400",
        |kept| kept.admission = Some(Admission::Webhook(400, "the database is moving")),
        400,
        "",
        None,
        "the database is moving",
    ),
    (
        "webhook, 404",
        |kept| kept.admission = Some(Admission::Webhook(404, "the database is moving")),
        404,
        "",
        None,
        "the database is moving",
    ),
    (
        "webhook, 409",
        |kept| kept.admission = Some(Admission::Webhook(409, "the database is moving")),
        409,
        "",
        None,
        "the database is moving",
    ),
    (
        "webhook, 500",
        |kept| kept.admission = Some(Admission::Webhook(500, "the database is moving")),
        500,
        "",
        None,
        "the database is moving",
    ),
    (
        "webhook, slow",
        |kept| kept.admission = Some(Admission::Slow),
        500,
        "InternalError",
        None,
        "context deadline exceeded",
    ),
    (
        "namespace is being deleted, under a budget of 0",
        |kept| {
            budget(kept);
            kept.ending.insert("default".into());
        },
        403,
        "Forbidden",
        None,
        "because it is being terminated",
    ),
    (
        "no such namespace",
        |kept| {
            kept.pods.clear();
            kept.nodes.clear();
        },
        404,
        "NotFound",
        None,
        "not found",
    ),
    (
        "priority and fairness",
        |kept| kept.crowded = true,
        429,
        "",
        Some(1),
        "Too many requests, please try again later.",
    ),
];

#[test]
fn the_stand_in_answers_evictions_as_a_real_api() {
    for (situation, prepare, code, reason, retry, words) in ROWS {
        let api = scene(prepare);
        let body = json!({
            "apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "web-0001", "namespace": "default"},
            "deleteOptions": {"preconditions": {"uid": "uid-1"}},
        });
        for query in ["?dryRun=All", ""] {
            let path = format!("/api/v1/namespaces/default/pods/web-0001/eviction{query}");
            let (found, head, text) = request(&api, "POST", &path, &body.to_string());
            assert_eq!(found, code, "{situation}{query}: {text}");
            assert!(text.contains(words), "{situation}{query}: {text}");
            let json: Json = serde_json::from_str(&text).unwrap_or_default();
            assert_eq!(
                json["reason"].as_str().unwrap_or_default(),
                reason,
                "{situation}{query}"
            );
            let said = retry.map(|s| format!("retry-after: {s}"));
            assert_eq!(
                said.as_deref().map(|said| head.contains(said)),
                retry.map(|_| true),
                "{situation}{query}: {head}"
            );
            if query.is_empty() && code == 201 {
                continue;
            }
            let told = api.with(|kept| kept.log.clone());
            assert_eq!(
                told,
                Vec::<String>::new(),
                "{situation}{query}: nothing changes"
            );
        }
    }
}

/// What a row of other requests is about: situation, method, path, body, code, `reason`, words.
type Other = (
    fn(&mut Kept),
    &'static str,
    &'static str,
    &'static str,
    u16,
    &'static str,
    &'static str,
);

/// The rows of nodes, lists and others.
const OTHERS: [Other; 9] = [
    (
        |_| {},
        "PATCH",
        "nodes/node-1",
        r#"{"metadata": {"resourceVersion": "0"}}"#,
        409,
        "Conflict",
        "please apply your changes to the latest version and try again",
    ),
    (
        |_| {},
        "PATCH",
        "nodes/node-9",
        r#"{"metadata": {"resourceVersion": "1"}}"#,
        404,
        "NotFound",
        "",
    ),
    (
        |_| {},
        "DELETE",
        "namespaces/default/pods/web-0001",
        r#"{"preconditions": {"uid": "another"}}"#,
        409,
        "Conflict",
        "",
    ),
    (
        |_| {},
        "GET",
        "pods?limit=500&continue=nonsense",
        "",
        400,
        "BadRequest",
        "invalid continue token",
    ),
    (
        |_| {},
        "GET",
        "pods?resourceVersion=999999",
        "",
        504,
        "Timeout",
        "Too large resource version",
    ),
    (
        |kept| kept.denied.extend(["list nodes".to_owned()]),
        "GET",
        "nodes",
        "",
        403,
        "Forbidden",
        "cannot list resource",
    ),
    (
        |kept| kept.starting = 1,
        "GET",
        "nodes",
        "",
        403,
        "Forbidden",
        "cannot list resource",
    ),
    (
        |_| {},
        "POST",
        "namespaces/default/pods/web-0001/eviction",
        r#"{"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "another", "namespace": "default"}}"#,
        400,
        "BadRequest",
        "",
    ),
    (
        |_| {},
        "POST",
        "namespaces/default/pods/web-0001/eviction",
        r#"{"apiVersion": "policy/v1beta1", "kind": "Eviction", "metadata": {"name": "web-0001", "namespace": "default"}}"#,
        201,
        "",
        "Success",
    ),
];

#[test]
fn the_stand_in_answers_other_requests_as_a_real_api() {
    for (prepare, method, path, body, code, reason, words) in OTHERS {
        let api = scene(prepare);
        let (found, _, text) = request(&api, method, &format!("/api/v1/{path}"), body);
        assert_eq!(found, code, "{method} {path}: {text}");
        assert!(text.contains(words), "{method} {path}: {text}");
        let json: Json = serde_json::from_str(&text).unwrap();
        let said = json["reason"].as_str().unwrap_or_default();
        assert_eq!(said, reason, "{method} {path}");
    }
    // Asked to go once more, it keeps the time that it was given; with a finalizer it stays beyond that.
    let api = scene(|kept| pod(kept)["metadata"]["finalizers"] = json!(["example.com/wait"]));
    let path = "/api/v1/namespaces/default/pods/web-0001/eviction";
    let told = || api.with(|kept| pod(kept)["metadata"]["deletionTimestamp"].clone());
    assert_eq!(request(&api, "POST", path, "{}").0, 201);
    let first = told();
    api.with(|kept| kept.pass(10));
    assert_eq!(request(&api, "POST", path, "{}").0, 201);
    assert_eq!(told(), first);
    api.with(|kept| kept.pass(600));
    assert_eq!(told(), first);
}
