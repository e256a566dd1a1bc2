//! Situation → answer: what a real API server was seen to say, said by the stand-in, and what the client makes of it.

use std::io::{Read as _, Write as _};

use kfleet::model::{Applied, Hold, NodeEffect, Nodes, PodRefusal, RefusalKind, Seen, UnseenKind};
use kfleet::nodes::kube::Clusters;
use kfleet::nodes::{NodeApi, NodeError};
use serde_json::{Value as Json, json};

use crate::api::{Admission, Api, Kept, client, cluster, cordon, evict, uncordon};

/// One request, and what comes: code, headers, body.
fn request(api: &Api, method: &str, path: &str, body: &str) -> (u16, String, String) {
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
type Row = (
    &'static str,
    fn(&mut Kept),
    u16,
    &'static str,
    Option<u32>,
    &'static str,
);

/// The rows of evictions, as they were seen on the wire of kube-apiserver 1.33.
const ROWS: [Row; 19] = [
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

pub async fn seen(client: &Clusters) -> Seen {
    match client.nodes(&cluster()).await {
        Nodes::Known(seen) => seen,
        other => panic!("{other:?}"),
    }
}

async fn refusals(client: &Clusters) -> Vec<PodRefusal> {
    seen(client).await.nodes[&"node-1".parse().unwrap()]
        .refused
        .clone()
}

/// What of the rows the client keeps as a refusal: its kind, and the words that a person reads.
#[tokio::test]
async fn a_refusal_is_kept_with_the_words_of_the_api() {
    let kinds = [
        ("budget of 0", RefusalKind::Budget),
        (
            "budget that nobody has processed",
            RefusalKind::UnprocessedBudget,
        ),
        ("two budgets, both allow one", RefusalKind::ManyBudgets),
        ("namespace is being deleted", RefusalKind::EndingNamespace),
        ("no right", RefusalKind::Right),
        ("policy without a reason", RefusalKind::Admission),
        ("policy, Forbidden", RefusalKind::Admission),
        ("webhook, 403", RefusalKind::Admission),
        ("webhook, 429", RefusalKind::Admission),
        ("webhook away", RefusalKind::BrokenWebhook),
    ];
    for (situation, kind) in kinds {
        let row = ROWS.iter().find(|row| row.0 == situation).unwrap();
        let api = scene(row.1);
        let client = api.client();
        assert_eq!(
            client.act(&cluster(), &evict("node-1")).await,
            Ok(Applied::Done),
            "{situation}: a refusal is an answer, not a failure"
        );
        let kept = refusals(&client).await;
        let [refusal] = kept.as_slice() else {
            panic!("{situation}: {kept:?}");
        };
        assert_eq!(refusal.answer.kind(), kind, "{situation}: {refusal}");
        assert!(
            refusal.to_string().contains(row.5),
            "{situation}: {refusal}"
        );
        assert_eq!(refusal.owner.as_deref(), Some("ReplicaSet default/web"));
        assert!(api.with(|kept| kept.log.is_empty()), "{situation}");
    }
}

/// One webhook that is down was once asked 522 times in 90 seconds.
#[tokio::test]
async fn what_is_refused_is_asked_again_with_growing_pauses() {
    let api = scene(|kept| kept.admission = Some(Admission::Unreachable));
    let client = api.client();
    let asked = |api: &Api| {
        api.with(|kept| {
            kept.calls
                .iter()
                .filter(|c| c.ends_with("/eviction"))
                .count()
        })
    };
    for _ in 0..180 {
        client.act(&cluster(), &evict("node-1")).await.unwrap();
        api.with(|kept| kept.pass(1));
    }
    assert_eq!(asked(&api), 6, "at 0, 5, 15, 35, 75 and 135 s");
    let refusal = refusals(&client).await.remove(0);
    assert_eq!(refusal.times, 6);
    assert_eq!(refusal.since.millis(), 1_767_600_000_000);
    // The webhook is back: the pod goes, and nothing is left of the refusal.
    api.with(|kept| {
        kept.admission = None;
        kept.pass(60);
    });
    client.act(&cluster(), &evict("node-1")).await.unwrap();
    assert_eq!(refusals(&client).await, []);
    assert_eq!(api.with(|kept| kept.evicted.len()), 1);
}

#[tokio::test]
async fn the_pause_that_the_api_names_is_kept() {
    let row = ROWS
        .iter()
        .find(|row| row.0 == "budget that nobody has processed")
        .unwrap();
    let api = scene(row.1);
    let client = api.client();
    client.act(&cluster(), &evict("node-1")).await.unwrap();
    let refusal = refusals(&client).await.remove(0);
    assert_eq!(refusal.ask_at.since(refusal.since).millis(), 10_000);
}

#[tokio::test]
async fn a_refusal_keeps_nobody_else_from_going() {
    let api = scene(|kept| {
        kept.ending.insert("default".into());
    });
    api.with(|kept| {
        for _ in 0..3 {
            kept.pod("shop", "cart", "node-1", |_| {});
        }
    });
    let client = api.client();
    client.act(&cluster(), &evict("node-1")).await.unwrap();
    assert_eq!(api.with(|kept| kept.evicted.len()), 3);
    assert_eq!(refusals(&client).await.len(), 1);
}

/// 403 to everything for some hundred milliseconds, in the words of a missing right.
#[tokio::test]
async fn an_api_server_that_starts_is_waited_for() {
    let api = scene(|_| {});
    let client = api.client();
    seen(&client).await;
    for effect in [cordon("node-1"), evict("node-1"), uncordon("node-1")] {
        api.with(|kept| kept.starting = 1);
        assert_eq!(
            client.act(&cluster(), &effect).await,
            Ok(Applied::Done),
            "{effect:?}"
        );
    }
    api.with(|kept| kept.starting = 1);
    seen(&api.client()).await;
}

#[tokio::test]
async fn a_right_that_is_missing_is_named_before_anything_runs_against_it() {
    for right in [
        "list nodes",
        "list pods",
        "list poddisruptionbudgets",
        "get namespaces/kube-system",
    ] {
        let api = scene(|_| {});
        api.with(|kept| {
            kept.denied.insert(right.into());
        });
        let began = std::time::Instant::now();
        let Nodes::Unknown(unseen) = api.client().nodes(&cluster()).await else {
            panic!("{right}")
        };
        assert_eq!(unseen.kind, UnseenKind::Rights, "{right}");
        assert!(unseen.why.contains(right), "{right}: {unseen}");
        assert!(
            began.elapsed().as_secs() < 2,
            "{right}: {:?}",
            began.elapsed()
        );
        assert!(
            api.with(|kept| kept
                .calls
                .iter()
                .all(|c| c.contains("selfsubjectaccessreviews"))),
            "{right}: reviews come first"
        );
    }
    // One that only a drain needs is known, and the cluster is seen all the same; once it is given, that is seen too.
    let api = scene(|kept| {
        kept.denied.insert("create pods/eviction".into());
    });
    let client = api.client();
    assert_eq!(seen(&client).await.denied.len(), 1);
    api.with(|kept| kept.denied.clear());
    assert_eq!(seen(&client).await.denied.len(), 0);
}

/// A rollout is killed in a drain and resumed with a kubeconfig that leads to another cluster, with a node of the same name.
#[tokio::test]
async fn nothing_is_done_to_another_cluster_with_a_node_of_that_name() {
    let (ours, theirs) = (scene(|_| {}), scene(|_| {}));
    theirs.with(|kept| {
        kept.uid = "uid-of-theirs".into();
        kept.nodes.clear();
        kept.node("node-1", "i-of-theirs");
    });
    // The uid is known from the rollout alone: there is no baseline yet.
    let client = client(&theirs.file(), None);
    client.expect(&cluster(), "uid-of-kube-system");
    for effect in [cordon("node-1"), evict("node-1"), uncordon("node-1")] {
        match client.act(&cluster(), &effect).await {
            Err(NodeError::Shut { unseen, .. }) => {
                assert_eq!(unseen.kind, UnseenKind::OtherCluster, "{unseen}")
            }
            other => panic!("{other:?}"),
        }
    }
    // Not even the uid is known: the instance is.
    let client = crate::api::client(&theirs.file(), None);
    for effect in [cordon("node-1"), evict("node-1"), uncordon("node-1")] {
        let applied = client.act(&cluster(), &effect).await;
        assert!(matches!(applied, Ok(Applied::Moved(_))), "{applied:?}");
    }
    assert_eq!(theirs.with(|kept| kept.log.clone()), Vec::<String>::new());
    // The right file in its place is found at the next call.
    std::fs::copy(ours.file(), theirs.file()).unwrap();
    client.expect(&cluster(), "uid-of-kube-system");
    assert_eq!(
        client.act(&cluster(), &cordon("node-1")).await,
        Ok(Applied::Done)
    );
}

/// Between the look and the patch the node becomes another instance's: the patch itself is refused.
#[tokio::test]
async fn a_patch_names_the_instance() {
    let api = scene(|_| {});
    api.client()
        .act(&cluster(), &cordon("node-1"))
        .await
        .unwrap();
    let patch = json!({
        "metadata": {"resourceVersion": "2"}, "spec": {"providerID": "aws:///eu-west-3a/i-2", "unschedulable": null},
    });
    let (code, _, text) = request(&api, "PATCH", "/api/v1/nodes/node-1", &patch.to_string());
    assert_eq!(code, 422, "{text}");
    let patch = json!({
        "metadata": {"resourceVersion": "2", "uid": "another"}, "spec": {"unschedulable": null},
    });
    let (code, _, text) = request(&api, "PATCH", "/api/v1/nodes/node-1", &patch.to_string());
    assert_eq!(code, 409, "{text}");
}

#[tokio::test]
async fn holds_are_what_the_api_would_say() {
    let held = |row: &'static str| async move {
        let row = ROWS.iter().find(|found| found.0 == row).unwrap();
        let api = scene(row.1);
        let node = seen(&api.client()).await.nodes[&"node-1".parse().unwrap()].clone();
        node.blocked
            .iter()
            .map(|b| b.hold.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(held("no budget").await, []);
    for passes in [
        "on its way out, under a budget of 0",
        "Pending, under a budget of 0",
        "Succeeded, under a budget of 0",
        "unready, AlwaysAllow",
    ] {
        assert_eq!(held(passes).await, [], "{passes}");
    }
    assert_eq!(
        held("budget of 0").await,
        [Hold::Budget("default/web".into())]
    );
    assert_eq!(
        held("budget that nobody has processed").await,
        [Hold::UnprocessedBudget("default/web".into())]
    );
    assert_eq!(
        held("two budgets, both allow one").await,
        [Hold::ManyBudgets(
            ["default/web".to_owned(), "default/web-2".to_owned()].into()
        )]
    );
}

#[tokio::test]
async fn a_cordon_that_is_refused_did_not_happen() {
    let api = scene(|_| {});
    let client = api.client();
    seen(&client).await;
    api.with(|kept| {
        kept.denied.insert("get nodes".into());
    });
    let denied = client.act(&cluster(), &cordon("node-1")).await;
    assert!(
        matches!(denied, Err(NodeError::Denied { .. })),
        "{denied:?}"
    );
    let uncordoned = NodeEffect::Uncordon {
        node: "node-1".parse().unwrap(),
        instance: "i-1".parse().unwrap(),
    };
    api.with(|kept| kept.denied.clear());
    assert_eq!(
        client.act(&cluster(), &uncordoned).await,
        Ok(Applied::Already)
    );
}
