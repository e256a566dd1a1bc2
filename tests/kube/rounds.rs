//! What is known between two looks, and what we do: no look is older than an effect, and a round of evictions asks for no pod that is known.

use std::collections::BTreeSet;

use kfleet::model::{Applied, NodeEffect, PodRef};
use kfleet::nodes::NodeApi;
use serde_json::json;

use crate::api::{Api, cluster, cordon, evict, uncordon};
use crate::watched::{api, asked, lags, lists, node, seen, slow_pod, watching};

/// The pods that are on `node-1` and have not been told to go.
fn staying(api: &Api) -> BTreeSet<PodRef> {
    api.with(|kept| {
        let staying = kept
            .pods
            .iter()
            .filter(|(_, p)| p["metadata"]["deletionTimestamp"].is_null());
        let refs = staying.map(|((namespace, name), p)| PodRef {
            pod: format!("{namespace}/{name}"),
            uid: p["metadata"]["uid"].as_str().unwrap().to_owned(),
        });
        refs.collect()
    })
}

/// Whether the watch tells of it or not.
#[tokio::test]
async fn no_look_is_older_than_an_effect() {
    for lagging in [false, true] {
        let api = api();
        let client = watching(&api).await;
        if lagging {
            lags(&api);
        }
        client.act(&cluster(), &cordon("node-1")).await.unwrap();
        assert!(node(&client, "node-1").await.cordoned, "lagging: {lagging}");
        client.act(&cluster(), &evict("node-1")).await.unwrap();
        let drained = node(&client, "node-1").await;
        // The budget lets one go.
        let went = (drained.evictable_pods, drained.leaving_pods);
        assert_eq!(went, (2, 1), "lagging: {lagging}");
        let delete = NodeEffect::Delete {
            node: "node-1".parse().unwrap(),
            instance: "i-1".parse().unwrap(),
            pods: staying(&api),
        };
        assert_eq!(client.act(&cluster(), &delete).await, Ok(Applied::Done));
        assert_eq!(node(&client, "node-1").await.leaving_pods, 2);
        client.act(&cluster(), &uncordon("node-1")).await.unwrap();
        assert!(!node(&client, "node-1").await.cordoned);
        assert_eq!(lists(&api) == 0, !lagging, "{}", lists(&api));
    }
}

#[tokio::test]
async fn an_eviction_round_asks_for_no_pod_that_is_known() {
    let api = api();
    api.with(|kept| kept.budgets.clear());
    let client = watching(&api).await;
    client.act(&cluster(), &cordon("node-1")).await.unwrap();
    seen(&client).await;
    for _ in 0..3 {
        let applied = client.act(&cluster(), &evict("node-1")).await;
        assert_eq!(applied, Ok(Applied::Done));
        assert_eq!(node(&client, "node-1").await.leaving_pods, 2);
    }
    assert_eq!(asked(&api, "GET /api/v1/pods?of-a-node"), 0);
    let evictions = |api: &Api| {
        api.with(|kept| {
            kept.calls
                .iter()
                .filter(|c| c.ends_with("/eviction"))
                .count()
        })
    };
    assert_eq!(evictions(&api), 2, "each was asked for once");
    api.with(|kept| kept.pass(30));
    assert_eq!(node(&client, "node-1").await.evictable_pods, 0);
    let applied = client.act(&cluster(), &evict("node-1")).await;
    assert_eq!(applied, Ok(Applied::Already));
    assert_eq!(
        asked(&api, "GET /api/v1/pods?of-a-node"),
        1,
        "that it is empty is the API's word"
    );
    assert_eq!(lists(&api), 0);
}

/// Between a look and a round: who is gone is not missed, who was made anew under its name is not touched, who has come is seen.
#[tokio::test]
async fn a_round_does_nothing_to_a_pod_that_it_does_not_know() {
    let api = api();
    api.with(|kept| kept.budgets.clear());
    let client = watching(&api).await;
    client.act(&cluster(), &cordon("node-1")).await.unwrap();
    seen(&client).await;
    api.with(|kept| {
        let mut pods = kept.pods.values_mut();
        pods.next().unwrap()["metadata"]["uid"] = json!("another");
        kept.pods.pop_last();
    });
    client.act(&cluster(), &evict("node-1")).await.unwrap();
    assert_eq!(api.with(|kept| kept.evicted.clone()), Vec::<String>::new());
    let seen = node(&client, "node-1").await;
    assert_eq!((seen.evictable_pods, seen.leaving_pods), (1, 0));
    client.act(&cluster(), &evict("node-1")).await.unwrap();
    assert_eq!(api.with(|kept| kept.evicted.clone()), ["another"]);
}

/// The last look showed an empty node; a pod has come since: the round finds it.
#[tokio::test]
async fn no_node_is_empty_because_the_last_look_showed_nothing() {
    let api = api();
    api.with(|kept| kept.pods.clear());
    let client = watching(&api).await;
    assert_eq!(node(&client, "node-1").await.evictable_pods, 0);
    api.with(|kept| slow_pod(kept, "late", "node-1"));
    let applied = client.act(&cluster(), &evict("node-1")).await;
    assert_eq!(
        (applied, api.with(|kept| kept.evicted.len())),
        (Ok(Applied::Done), 1)
    );
}

/// Nobody has looked for a while: the API is asked who is there.
#[tokio::test]
async fn a_round_long_after_a_look_asks_the_api() {
    for (seconds, asks) in [(29, 0), (30, 1)] {
        let api = api();
        let client = watching(&api).await;
        api.with(|kept| {
            kept.budgets.clear();
            kept.now += seconds;
        });
        client.act(&cluster(), &evict("node-1")).await.unwrap();
        assert_eq!(asked(&api, "GET /api/v1/pods?of-a-node"), asks, "{seconds}");
        assert_eq!(api.with(|kept| kept.evicted.len()), 2);
    }
}
