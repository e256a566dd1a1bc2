//! The client alone: connections, credentials, the fence around the cluster, failures on the way.

use kfleet::model::{Applied, EmptyDir, Eviction, NodeEffect, Nodes, OldNodes, Seen, Unmanaged};
use kfleet::nodes::kube::Clusters;
use kfleet::nodes::{NodeApi, NodeError};
use serde_json::json;

use crate::api::{Api, client, cluster, cordon, evict, uncordon};

async fn seen(client: &Clusters) -> Seen {
    match client.nodes(&cluster()).await {
        Nodes::Known(seen) => seen,
        other => panic!("{other:?}"),
    }
}

async fn unknown(client: &Clusters) -> String {
    match client.nodes(&cluster()).await {
        Nodes::Unknown(unseen) => unseen.to_string(),
        other => panic!("{other:?}"),
    }
}

/// One node with two pods on it, another that is empty.
fn small() -> Api {
    let api = Api::new();
    api.with(|kept| {
        kept.node("node-1", "i-1");
        kept.node("node-2", "i-2");
        for _ in 0..2 {
            kept.pod("default", "web", "node-1", |_| {});
        }
    });
    api
}

#[tokio::test]
async fn a_cluster_without_a_context_is_not_asked() {
    let api = small();
    let client = api.client();
    let other = "three.k8s.foo.bar".parse().unwrap();
    assert_eq!(client.nodes(&other).await, Nodes::NotAsked);
    assert!(matches!(
        client.act(&other, &cordon("node-1")).await,
        Err(NodeError::Shut { .. })
    ));
    assert!(api.with(|kept| kept.calls.is_empty()));
}

#[tokio::test]
async fn pages_are_read_to_the_last() {
    let api = Api::new();
    api.with(|kept| {
        for n in 0..23 {
            kept.node(&format!("node-{n:02}"), &format!("i-{n}"));
            kept.pod("default", "web", &format!("node-{n:02}"), |_| {});
            kept.budgets
                .insert((format!("space-{n}"), "web".into()), Some(0));
        }
    });
    let whole = seen(&api.client()).await;
    assert_eq!(
        (
            whole.nodes.len(),
            whole.nodes.values().map(|n| n.evictable_pods).sum::<u32>()
        ),
        (23, 23)
    );
    api.with(|kept| (kept.page, kept.calls) = (4, Vec::new()));
    assert_eq!(seen(&api.client()).await, whole);
    assert_eq!(
        api.with(|kept| kept.calls.iter().filter(|c| c.ends_with("/pods")).count()),
        6
    );
}

#[tokio::test]
async fn a_lasting_failure_is_no_empty_answer() {
    let api = small();
    let client = api.client();
    seen(&client).await;
    api.with(|kept| kept.failures = vec![503, 429, 500]);
    assert_eq!(seen(&client).await.nodes.len(), 2);
    api.with(|kept| kept.failures = vec![503; 40]);
    assert!(unknown(&client).await.contains("503"));
}

#[tokio::test]
async fn an_api_that_is_down_is_unknown_and_found_again() {
    let mut api = small();
    let client = api.client();
    seen(&client).await;
    api.down();
    assert!(unknown(&client).await.to_lowercase().contains("connect"));
    assert!(matches!(
        client.act(&cluster(), &cordon("node-1")).await,
        Err(NodeError::Unreachable { .. })
    ));
    api.up();
    assert_eq!(seen(&client).await.nodes.len(), 2);
}

#[tokio::test]
async fn another_cluster_is_refused_before_anything_is_done() {
    let api = small();
    let stranger = client(&api.file(), Some("uid-of-another"));
    let why = unknown(&stranger).await;
    assert!(
        why.contains("another cluster")
            && why.contains("uid-of-kube-system")
            && why.contains("uid-of-another"),
        "{why}"
    );
    for effect in [cordon("node-1"), evict("node-1"), uncordon("node-1")] {
        assert!(matches!(
            stranger.act(&cluster(), &effect).await,
            Err(NodeError::Shut { .. })
        ));
    }
    assert!(api.with(|kept| kept.log.is_empty()));
    let own = client(&api.file(), Some("uid-of-kube-system"));
    assert_eq!(
        own.act(&cluster(), &cordon("node-1")).await,
        Ok(Applied::Done)
    );
}

#[tokio::test]
async fn a_context_of_another_cluster_is_not_called() {
    let api = small();
    for host in ["api.two.k8s.foo.bar", "api.internal.two.k8s.foo.bar"] {
        api.kubeconfig("user: {token: secret}", &format!("https://{host}"));
        let why = unknown(&api.client()).await;
        assert!(
            why.contains(host) && why.contains("the API of two.k8s.foo.bar"),
            "{why}"
        );
    }
    api.kubeconfig("user: {token: secret}", "http://nowhere");
    std::fs::write(api.file(), "contexts: []").unwrap();
    assert!(unknown(&api.client()).await.contains("kubeconfig"));
}

fn plugin(api: &Api, script: &str) {
    let path = api.dir.path().join("plugin.sh");
    std::fs::write(&path, script).unwrap();
    let exec = format!(
        "user: {{exec: {{apiVersion: client.authentication.k8s.io/v1, command: sh, args: [\"{}\"], interactiveMode: IfAvailable}}}}",
        path.display()
    );
    api.kubeconfig(&exec, &format!("http://{}", api.address));
}

#[tokio::test]
async fn a_refused_token_is_asked_for_again() {
    let api = small();
    api.with(|kept| kept.token = Some("first".into()));
    let token = api.dir.path().join("token");
    std::fs::write(&token, "first").unwrap();
    let credential = "{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\",\"status\":{\"token\":\"'$(cat TOKEN)'\"}}";
    plugin(
        &api,
        &format!(
            "echo '{}'\n",
            credential.replace("TOKEN", &token.display().to_string())
        ),
    );
    let client = api.client();
    assert_eq!(seen(&client).await.nodes.len(), 2);
    api.with(|kept| kept.token = Some("second".into()));
    std::fs::write(&token, "second").unwrap();
    assert!(unknown(&client).await.contains("401"));
    assert_eq!(seen(&client).await.nodes.len(), 2);
}

#[tokio::test]
async fn a_credential_plugin_that_fails_tells_no_secret() {
    let api = small();
    plugin(
        &api,
        "echo '{\"token\": \"geheim\"}'\necho 'first line' >&2\necho 'the session has expired' >&2\nexit 3\n",
    );
    let why = unknown(&api.client()).await;
    assert!(
        why.contains("the session has expired")
            && why.contains('3')
            && !why.contains("geheim")
            && !why.contains("plugin.sh"),
        "{why}"
    );
    assert!(api.with(|kept| kept.calls.is_empty()));
}

#[tokio::test]
async fn what_the_caller_may_not_do_is_known_beforehand() {
    let api = small();
    api.with(|kept| {
        kept.denied = ["create pods/eviction".to_owned(), "delete pods".to_owned()].into()
    });
    let denied = seen(&api.client()).await.denied;
    assert_eq!(
        denied.into_iter().collect::<Vec<_>>(),
        ["create pods/eviction", "delete pods"]
    );
}

#[tokio::test]
async fn a_refused_eviction_is_asked_once_a_round() {
    let api = small();
    api.with(|kept| kept.budgets.insert(("default".into(), "web".into()), None));
    let client = api.client();
    for round in 1..4 {
        api.with(|kept| kept.pass(60));
        assert_eq!(
            client.act(&cluster(), &evict("node-1")).await,
            Ok(Applied::Done)
        );
        assert_eq!(
            api.with(|kept| kept
                .calls
                .iter()
                .filter(|c| c.ends_with("/eviction"))
                .count()),
            2 * round
        );
    }
    assert!(api.with(|kept| kept.log.is_empty()));
}

fn evict_one_at_a_time() -> NodeEffect {
    NodeEffect::Evict {
        node: "node-1".parse().unwrap(),
        instance: "i-1".parse().unwrap(),
        policy: Eviction {
            parallel: 1,
            ..Eviction::default()
        },
    }
}

/// The process dies in the middle of its evictions, with none on its way; the next one goes on from what the API shows.
#[tokio::test]
async fn a_drain_that_was_broken_off_goes_on_and_evicts_nobody_twice() {
    let api = Api::new();
    api.with(|kept| {
        kept.node("node-1", "i-1");
        kept.node("node-2", "i-2");
        for _ in 0..6 {
            kept.pod("default", "web", "node-1", |p| {
                p["spec"]["terminationGracePeriodSeconds"] = json!(30)
            });
        }
        kept.silent_after = Some(3);
    });
    let one_at_a_time = evict_one_at_a_time();
    {
        let client = api.client();
        assert_eq!(
            client.act(&cluster(), &cordon("node-1")).await,
            Ok(Applied::Done)
        );
        let cut = cluster();
        let drain = client.act(&cut, &one_at_a_time);
        let evicted = async {
            while api.with(|kept| kept.unanswered) == 0 {
                tokio::task::yield_now().await;
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        };
        tokio::select! {
            outcome = drain => panic!("{outcome:?}"),
            () = evicted => {}
        }
    }
    api.with(|kept| kept.silent_after = None);
    let node = api.with(|kept| kept.nodes["node-1"].clone());
    assert_eq!(
        node["metadata"]["labels"]["node.kubernetes.io/exclude-from-external-load-balancers"],
        json!("")
    );
    assert_eq!(
        node["metadata"]["annotations"]["cluster-autoscaler.kubernetes.io/scale-down-disabled"],
        json!("true")
    );
    let client = api.client();
    let node = seen(&client)
        .await
        .nodes
        .remove(&"node-1".parse().unwrap())
        .unwrap();
    assert_eq!(
        (node.evictable_pods, node.leaving_pods, node.cordoned),
        (6, 3, true)
    );
    let mut rounds = 0;
    while client.act(&cluster(), &evict("node-1")).await == Ok(Applied::Done) {
        api.with(|kept| kept.pass(10));
        rounds += 1;
        assert!(rounds < 20);
    }
    let mut evicted = api.with(|kept| kept.evicted.clone());
    assert_eq!(evicted.len(), 6);
    evicted.sort();
    evicted.dedup();
    assert_eq!(evicted.len(), 6, "a pod was evicted twice");
    assert_eq!(
        client.act(&cluster(), &uncordon("node-1")).await,
        Ok(Applied::Done)
    );
    let node = api.with(|kept| kept.nodes["node-1"].clone());
    assert_eq!(
        (
            &node["metadata"]["annotations"],
            &node["spec"]["unschedulable"]
        ),
        (&json!({}), &json!(null))
    );
    assert_eq!(
        node["metadata"]["labels"],
        json!({"kops.k8s.io/instancegroup": "nodes"})
    );
}

#[tokio::test]
async fn what_others_did_to_a_node_stays() {
    let api = small();
    api.with(|kept| {
        let node = kept.nodes.get_mut("node-1").unwrap();
        node["spec"]["unschedulable"] = json!(true);
        node["spec"]["taints"] = json!([
            {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"},
            {"key": "dedicated", "value": "db", "effect": "NoSchedule"},
        ]);
        node["metadata"]["labels"]["node.kubernetes.io/exclude-from-external-load-balancers"] =
            json!("theirs");
    });
    let before = api.with(|kept| kept.nodes["node-1"].clone());
    let client = api.client();
    let nodes =
        std::collections::BTreeMap::from([("node-1".parse().unwrap(), "i-1".parse().unwrap())]);
    for effect in [
        NodeEffect::Taint {
            nodes: nodes.clone(),
            old_nodes: OldNodes::Prefer,
        },
        cordon("node-1"),
        uncordon("node-1"),
        NodeEffect::Untaint {
            nodes: nodes.clone(),
        },
        NodeEffect::Untaint { nodes },
    ] {
        client.act(&cluster(), &effect).await.unwrap();
    }
    let after = api.with(|kept| kept.nodes["node-1"].clone());
    assert_eq!(
        (&after["spec"], &after["metadata"]["labels"]),
        (&before["spec"], &before["metadata"]["labels"])
    );
    assert_eq!(after["metadata"]["annotations"], json!({}));
}

#[tokio::test]
async fn pods_are_evicted_by_policy() {
    let api = small();
    api.with(|kept| {
        kept.pod("default", "bare", "node-1", |p| {
            p["metadata"]["ownerReferences"] = json!([])
        });
        kept.pod("default", "cache", "node-1", |p| {
            p["spec"]["volumes"] = json!([{"name": "d", "emptyDir": {}}])
        });
        kept.pod("kube-system", "daemon", "node-1", |p| {
            p["metadata"]["ownerReferences"][0]["kind"] = json!("DaemonSet")
        });
        kept.pod("kube-system", "static", "node-1", |p| {
            p["metadata"]["annotations"] = json!({"kubernetes.io/config.mirror": "x"})
        });
        kept.pod("default", "done", "node-1", |p| {
            p["status"]["phase"] = json!("Succeeded")
        });
    });
    let client = api.client();
    assert_eq!(
        seen(&client).await.nodes[&"node-1".parse().unwrap()].evictable_pods,
        4
    );
    client.act(&cluster(), &cordon("node-1")).await.unwrap();
    let left = || {
        api.with(|kept| {
            kept.pods
                .iter()
                .filter(|(_, p)| p["spec"]["nodeName"] == "node-1")
                .map(|((_, n), _)| n[..n.len() - 5].to_owned())
                .collect::<Vec<_>>()
        })
    };
    let keep = Eviction {
        empty_dir: EmptyDir::Keep,
        unmanaged: Unmanaged::Keep,
        parallel: 1,
    };
    let node: kfleet::model::NodeName = "node-1".parse().unwrap();
    assert_eq!(
        client
            .act(
                &cluster(),
                &NodeEffect::Evict {
                    node: node.clone(),
                    instance: "i-1".parse().unwrap(),
                    policy: keep
                }
            )
            .await,
        Ok(Applied::Done)
    );
    assert_eq!(left(), ["bare", "cache", "done", "daemon", "static"]);
    assert_eq!(
        client.act(&cluster(), &evict("node-1")).await,
        Ok(Applied::Done)
    );
    assert_eq!(left(), ["done", "daemon", "static"]);
    assert_eq!(
        client.act(&cluster(), &evict("node-1")).await,
        Ok(Applied::Already)
    );
}

#[tokio::test]
async fn only_a_node_that_is_off_is_out_of_service() {
    let api = small();
    let client = api.client();
    let (node, instance) = ("node-1".parse().unwrap(), "i-1".parse().unwrap());
    let ready = |status: &'static str| {
        api.with(|kept| {
            let node = kept.nodes.get_mut("node-1").unwrap();
            node["status"]["conditions"] = json!([
                {"type": "Ready", "status": status, "lastTransitionTime": "2026-01-05T08:00:00Z"}
            ]);
        });
    };
    let off = NodeEffect::OutOfService { node, instance };
    // A kubelet that answers, whatever it answers, may write to its volumes.
    for status in ["True", "False"] {
        ready(status);
        let applied = client.act(&cluster(), &off).await.unwrap();
        assert!(matches!(applied, Applied::Moved(_)), "{applied:?}");
    }
    ready("Unknown");
    let before = api.with(|kept| kept.nodes["node-1"]["spec"].clone());
    assert_eq!(client.act(&cluster(), &off).await.unwrap(), Applied::Done);
    assert_eq!(
        client.act(&cluster(), &off).await.unwrap(),
        Applied::Already
    );
    let taints = api.with(|kept| kept.nodes["node-1"]["spec"]["taints"].clone());
    let taint = json!({"key": "node.kubernetes.io/out-of-service", "value": "nodeshutdown", "effect": "NoExecute"});
    assert!(taints.as_array().unwrap().contains(&taint), "{taints}");
    let on = NodeEffect::BackInService {
        node: "node-1".parse().unwrap(),
        instance: "i-1".parse().unwrap(),
    };
    assert_eq!(client.act(&cluster(), &on).await.unwrap(), Applied::Done);
    assert_eq!(client.act(&cluster(), &on).await.unwrap(), Applied::Already);
    let mut after = api.with(|kept| kept.nodes["node-1"]["spec"].clone());
    if after["taints"] == json!([]) {
        after.as_object_mut().unwrap().remove("taints");
    }
    assert_eq!(after, before);
}
