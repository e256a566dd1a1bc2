//! What the client makes of what the API shows.

use kfleet::model::{Hold, Node, Nodes, Seen};
use kfleet::nodes::NodeApi;
use serde_json::{Value as Json, json};

use crate::api::{Api, cluster};

fn api() -> Api {
    let api = Api::new();
    api.with(|kept| {
        kept.node("node-1", "i-1");
        kept.node("node-2", "i-2");
    });
    api
}

async fn look(api: &Api) -> Seen {
    match api.client().nodes(&cluster()).await {
        Nodes::Known(seen) => seen,
        other => panic!("{other:?}"),
    }
}

async fn node(api: &Api) -> Node {
    Node::clone(
        &look(api)
            .await
            .nodes
            .remove(&"node-1".parse().unwrap())
            .unwrap(),
    )
}

#[tokio::test]
async fn a_node_is_ready_by_its_conditions() {
    for (conditions, because) in [
        (json!([{"type": "Ready", "status": "True"}]), None),
        (
            json!([{"type": "Ready", "status": "True"}, {"type": "NetworkUnavailable", "status": "False"}]),
            None,
        ),
        (
            json!([{"type": "Ready", "status": "False", "reason": "KubeletNotReady", "message": "cni is missing"}]),
            Some("KubeletNotReady: cni is missing"),
        ),
        (
            json!([{"type": "Ready", "status": "Unknown"}]),
            Some("Ready is Unknown"),
        ),
        (
            json!([{"type": "Ready", "status": "True"}, {"type": "NetworkUnavailable", "status": "True", "reason": "NoRoute"}]),
            Some("NoRoute"),
        ),
        (json!([]), Some("it has no condition Ready")),
    ] {
        let api = api();
        api.with(|kept| kept.nodes.get_mut("node-1").unwrap()["status"]["conditions"] = conditions);
        let node = node(&api).await;
        assert_eq!(
            (node.ready, node.unready_because.as_deref()),
            (because.is_none(), because)
        );
    }
}

#[tokio::test]
async fn a_node_without_an_instance_has_not_joined() {
    let api = api();
    api.with(|kept| kept.nodes.get_mut("node-1").unwrap()["spec"]["providerID"] = json!(null));
    assert_eq!(
        look(&api)
            .await
            .nodes
            .into_keys()
            .map(|n| n.to_string())
            .collect::<Vec<_>>(),
        ["node-2"]
    );
}

fn critical(class: &'static str) -> impl Fn(&mut Json) {
    move |pod| {
        pod["spec"]["priorityClassName"] = json!(class);
        let state = json!({"waiting": {"reason": "CrashLoopBackOff"}});
        pod["status"]["containerStatuses"] = json!([{"name": "main", "ready": false, "image": "", "imageID": "", "restartCount": 9, "state": state}]);
    }
}

#[tokio::test]
async fn critical_pods_are_judged_as_kops_does() {
    let api = api();
    api.with(|kept| {
        kept.pod(
            "kube-system",
            "calico",
            "node-1",
            critical("system-node-critical"),
        );
        kept.pod(
            "kube-system",
            "coredns",
            "node-1",
            critical("system-cluster-critical"),
        );
        kept.pod("kube-system", "fine", "node-1", |p| {
            p["spec"]["priorityClassName"] = json!("system-node-critical")
        });
        kept.pod("default", "web", "node-1", critical("high"));
        kept.pod("kube-system", "waits", "", |p| {
            p["spec"] = json!({"priorityClassName": "system-cluster-critical", "containers": []});
            p["status"] = json!({"phase": "Pending"});
        });
        kept.pod("kube-system", "done", "node-1", |p| {
            critical("system-cluster-critical")(p);
            p["status"]["phase"] = json!("Succeeded");
        });
    });
    let seen = look(&api).await;
    let sick = &seen.nodes[&"node-1".parse().unwrap()].sick;
    let said: Vec<(String, bool)> = sick
        .iter()
        .map(|p| (p.to_string(), p.cluster_critical))
        .collect();
    let why = "container main is not ready: CrashLoopBackOff";
    assert_eq!(
        said,
        [
            (format!("kube-system/calico-0001 {why}"), false),
            (format!("kube-system/coredns-0002 {why}"), true)
        ]
    );
    assert_eq!(
        seen.waiting
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>(),
        ["kube-system/waits-0005 is pending"]
    );
    assert_eq!(
        seen.unready.len(),
        1,
        "only the pending one has no condition Ready: {:?}",
        seen.unready
    );
}

#[tokio::test]
async fn components_of_the_control_plane_are_seen() {
    let api = api();
    api.with(|kept| {
        kept.nodes.get_mut("node-1").unwrap()["metadata"]["labels"]["node-role.kubernetes.io/control-plane"] = json!("");
        for component in ["kube-apiserver", "kube-scheduler"] {
            kept.pod("kube-system", component, "node-1", |p| {
                p["metadata"]["labels"]["k8s-app"] = json!(component);
                p["metadata"]["annotations"] = json!({"kubernetes.io/config.mirror": "x"});
            });
        }
        kept.pod("default", "fake", "node-1", |p| p["metadata"]["labels"]["k8s-app"] = json!("kube-controller-manager"));
    });
    let node = node(&api).await;
    assert!(node.control_plane);
    assert_eq!(
        node.components.into_iter().collect::<Vec<_>>(),
        ["kube-apiserver", "kube-scheduler"]
    );
}

#[tokio::test]
async fn a_budget_holds_what_it_covers() {
    let unready = |p: &mut Json| p["status"]["conditions"][0]["status"] = json!("False");
    for (budget, policy, change, held) in [
        (None, None, false, true),
        (Some(0), None, false, false),
        (None, Some("AlwaysAllow"), false, true),
        (None, Some("AlwaysAllow"), true, false),
        // Not healthy enough for a pod that is not well either.
        (None, None, true, true),
    ] {
        let api = api();
        api.with(|kept| {
            kept.budgets
                .insert(("default".into(), "web".into()), budget);
            kept.unhealthy = policy.map(str::to_owned);
            kept.pod("default", "web", "node-1", |p| {
                if change {
                    unready(p)
                }
            });
            kept.pod("other", "web", "node-1", |_| {});
        });
        let node = node(&api).await;
        let blocks: Vec<String> = node
            .blocked
            .iter()
            .filter(|b| matches!(b.hold, Hold::Budget(_)))
            .map(ToString::to_string)
            .collect();
        let expected = if held {
            vec!["default/web-0001 (of ReplicaSet default/web) by disruption budget default/web"]
        } else {
            vec![]
        };
        assert_eq!(blocks, expected, "{budget:?} {policy:?} {change}");
        assert_eq!(node.evictable_pods, 2);
    }
}

#[tokio::test]
async fn the_youngest_sibling_is_another_pod() {
    let api = api();
    api.with(|kept| {
        kept.budgets.insert(("default".into(), "web".into()), None);
        kept.budgets
            .insert(("default".into(), "alone".into()), None);
        kept.pod("default", "web", "node-1", |_| {});
        kept.pod("default", "alone", "node-1", |_| {});
        kept.pass(100);
        kept.pod("default", "web", "node-2", |_| {});
        kept.pass(100);
        kept.pod("default", "web", "node-1", |_| {});
    });
    let begin = api.with(|kept| kept.now - 200) * 1000;
    let node = node(&api).await;
    let ages: Vec<(String, i64, Option<i64>)> = node
        .blocked
        .iter()
        .map(|b| {
            (
                b.pod.clone(),
                (b.started_at.millis() - begin) / 1000,
                b.sibling_started_at.map(|s| (s.millis() - begin) / 1000),
            )
        })
        .collect();
    let expected = [
        ("default/alone-0002", 0, None),
        ("default/web-0001", 0, Some(200)),
        ("default/web-0004", 200, Some(100)),
    ];
    assert_eq!(
        ages,
        expected.map(|(pod, at, sibling)| (pod.to_owned(), at, sibling))
    );
}
