//! What the client makes of the answers of an API server: [`crate::rows`] has them.

use kfleet::model::{Applied, Hold, NodeEffect, Nodes, PodRefusal, RefusalKind, Seen, UnseenKind};
use kfleet::nodes::kube::Clusters;
use kfleet::nodes::{NodeApi, NodeError};
use serde_json::json;

use crate::api::{Admission, Api, client, cluster, cordon, evict, uncordon};
use crate::rows::{ROWS, request, scene};

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
        ("webhook, slow", RefusalKind::BrokenWebhook),
        ("webhook, 400", RefusalKind::Admission),
        ("webhook, 404", RefusalKind::Admission),
        ("webhook, 409", RefusalKind::Admission),
        ("webhook, 500", RefusalKind::Admission),
        ("policy, RequestEntityTooLarge", RefusalKind::Admission),
        ("second of two, one disruption allowed", RefusalKind::Budget),
        (
            "unready, IfHealthyBudget, healthy < desired",
            RefusalKind::Budget,
        ),
        (
            "unready, IfHealthyBudget, none desired",
            RefusalKind::Budget,
        ),
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

/// As quick as kubectl drain, which asks every five seconds: a budget that lets one pod go after the other is asked again at once, whoever waited longest.
#[tokio::test]
async fn evictions_are_repeated_as_kubectl_drain_does() {
    let api = scene(|kept| {
        for _ in 0..5 {
            kept.pod("default", "web", "node-1", |_| {});
        }
        kept.budgets
            .insert(("default".into(), "web".into()), Some(0));
    });
    let client = api.client();
    let mut seconds = 0;
    while api.with(|kept| kept.evicted.len()) < 6 {
        client.act(&cluster(), &evict("node-1")).await.unwrap();
        api.with(|kept| kept.pass(1));
        seconds += 1;
        assert!(seconds < 200);
    }
    // The budget lets one go every 20 seconds.
    assert!(seconds <= 5 * 25 + 1, "{seconds}");
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

fn foretold_calls(api: &Api) -> usize {
    api.with(|kept| {
        let dry = kept
            .calls
            .iter()
            .filter(|c| c.ends_with("/eviction?dryRun=All"));
        dry.count()
    })
}

/// What cannot be read is asked before a rollout has begun: one pod of each owner, without doing it.
#[tokio::test]
async fn what_a_webhook_or_a_policy_would_say_is_known_beforehand() {
    for situation in [
        "policy without a reason",
        "webhook, 403",
        "webhook, 429",
        "webhook away",
        "namespace is being deleted",
    ] {
        let row = ROWS.iter().find(|row| row.0 == situation).unwrap();
        let api = scene(row.1);
        api.with(|kept| {
            kept.node("node-2", "i-2");
            kept.pod("default", "web", "node-2", |_| {});
        });
        let client = api.client();
        let look = seen(&client).await;
        let [foretold] = look.foretold.as_slice() else {
            panic!("{situation}: {:?}", look.foretold);
        };
        assert_eq!(foretold.of, "ReplicaSet default/web", "{situation}");
        assert_eq!(foretold.nodes.len(), 2, "{situation}: it speaks for both");
        let answer = foretold.answer.as_ref().unwrap().to_string();
        assert!(answer.contains(row.5), "{situation}: {answer}");
        let drained = "i-2".parse().unwrap();
        let said = kfleet::plan::drain_blockers(
            &look,
            &[&drained].into(),
            kfleet::model::Eviction::default(),
        );
        assert!(
            said.iter()
                .map(kfleet::report::drain_blocker_text)
                .any(|s| s.contains(row.5) && s.contains("ReplicaSet default/web")),
            "{situation}: {said:?}"
        );
        // Neither is it asked at every look, nor is anything done.
        seen(&client).await;
        assert_eq!(foretold_calls(&api), 1, "{situation}");
        assert!(api.with(|kept| kept.log.is_empty()), "{situation}");
        // Once a rollout has begun the evictions themselves are asked for.
        api.with(|kept| kept.pass(600));
        client.expect(&cluster(), "uid-of-kube-system");
        assert_eq!(seen(&client).await.foretold, [], "{situation}");
        assert_eq!(foretold_calls(&api), 1, "{situation}");
    }
    // What a budget says is read, not asked for; whoever may not evict asks nobody; what passes is not named.
    for (situation, asked) in [("budget of 0", 0), ("no right", 0), ("no budget", 1)] {
        let api = scene(ROWS.iter().find(|row| row.0 == situation).unwrap().1);
        assert_eq!(seen(&api.client()).await.foretold, [], "{situation}");
        assert_eq!(foretold_calls(&api), asked, "{situation}");
    }
}

/// A webhook that cannot be asked without doing it says nothing about what it would do.
#[tokio::test]
async fn a_webhook_that_knows_no_dry_run_foretells_nothing() {
    let api = scene(|kept| kept.admission = Some(Admission::NoDryRun));
    let client = api.client();
    assert_eq!(seen(&client).await.foretold, []);
    assert_eq!(foretold_calls(&api), 1);
    client.act(&cluster(), &evict("node-1")).await.unwrap();
    assert_eq!(api.with(|kept| kept.evicted.len()), 1);
}

#[tokio::test]
async fn a_missing_right_is_named_before_it_is_needed() {
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
    let version = api.with(|kept| kept.nodes["node-1"]["metadata"]["resourceVersion"].clone());
    let patch = json!({
        "metadata": {"resourceVersion": version}, "spec": {"providerID": "aws:///eu-west-3a/i-2", "unschedulable": null},
    });
    let (code, _, text) = request(&api, "PATCH", "/api/v1/nodes/node-1", &patch.to_string());
    assert_eq!(code, 422, "{text}");
    let patch = json!({
        "metadata": {"resourceVersion": version, "uid": "another"}, "spec": {"unschedulable": null},
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
        "unready, IfHealthyBudget, healthy = desired",
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
