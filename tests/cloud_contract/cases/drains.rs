//! Nodes and their pods.

use std::collections::BTreeSet;

use kfleet::cloud::Cloud;
use kfleet::model::{Applied, Eviction, Lifecycle, NodeEffect};
use kfleet::nodes::NodeApi;

use super::CLUSTER;
use crate::bench::{Bench, definition, terminate};

pub(crate) async fn a_drain_empties_a_node<C: Cloud + NodeApi>(cloud: &C) {
    let bench = Bench::new(cloud, CLUSTER);
    let name = bench.created(&definition(CLUSTER, "nodes", 1, 5), 4).await;
    bench.all_ready().await;
    let nodes = bench.nodes().await;
    let behind: BTreeSet<_> = nodes.values().map(|n| n.instance.clone()).collect();
    assert_eq!(
        behind.into_iter().collect::<Vec<_>>(),
        bench.instances(&name, Lifecycle::InService).await
    );
    let pods = || async {
        bench
            .nodes()
            .await
            .values()
            .map(|n| n.evictable_pods)
            .sum::<u32>()
    };
    let all = pods().await;
    let (node, full) = nodes
        .into_iter()
        .max_by_key(|(_, n)| n.evictable_pods)
        .unwrap();
    assert!(
        full.evictable_pods >= 2,
        "a drain of {full:?} would show nothing"
    );
    for told in [Applied::Done, Applied::Already] {
        assert_eq!(
            bench
                .act(NodeEffect::Cordon {
                    node: node.clone(),
                    instance: full.instance.clone(),
                })
                .await,
            told
        );
    }
    let begin = cloud.now();
    let mut blocked = 0;
    for _ in 0..60 {
        if bench
            .act(NodeEffect::Evict {
                node: node.clone(),
                instance: full.instance.clone(),
                policy: Eviction::default(),
            })
            .await
            == Applied::Already
        {
            break;
        }
        blocked += bench.nodes().await[&node].blocked.len();
        bench.pass(5).await;
    }
    assert_eq!(bench.nodes().await[&node].evictable_pods, 0);
    assert_eq!(pods().await, all, "evicted pods come back elsewhere");
    assert!(
        blocked > 0 && cloud.now().since(begin).millis() >= 20_000,
        "budgets make a drain take time"
    );
    bench.told(&terminate(&name, &full.instance, false)).await;
    bench.complete(&name).await;
    assert!(!bench.nodes().await.contains_key(&node));
    a_cordon_is_taken_back(&bench).await;
}

async fn a_cordon_is_taken_back<C: Cloud + NodeApi>(bench: &Bench<'_, C>) {
    let (another, shown) = bench.nodes().await.pop_first().unwrap();
    let instance = shown.instance.clone();
    bench
        .act(NodeEffect::Cordon {
            node: another.clone(),
            instance: instance.clone(),
        })
        .await;
    assert!(bench.nodes().await[&another].cordoned);
    for told in [Applied::Done, Applied::Already] {
        assert_eq!(
            bench
                .act(NodeEffect::Uncordon {
                    node: another.clone(),
                    instance: instance.clone(),
                })
                .await,
            told
        );
        assert!(!bench.nodes().await[&another].cordoned);
    }
}

pub(crate) async fn pods_of_a_node_that_goes_undrained_come_back<C: Cloud + NodeApi>(cloud: &C) {
    let bench = Bench::new(cloud, CLUSTER);
    let name = bench.created(&definition(CLUSTER, "nodes", 1, 5), 4).await;
    bench.all_ready().await;
    let pods = || async {
        bench
            .nodes()
            .await
            .values()
            .map(|n| n.evictable_pods)
            .collect::<Vec<_>>()
    };
    let before = pods().await;
    assert!(
        before.iter().filter(|n| **n > 0).count() > 1,
        "spread over nodes: {before:?}"
    );
    let (_, full) = bench
        .nodes()
        .await
        .into_iter()
        .max_by_key(|(_, n)| n.evictable_pods)
        .unwrap();
    bench.told(&terminate(&name, &full.instance, true)).await;
    bench.complete(&name).await;
    assert_eq!(pods().await.iter().sum::<u32>(), before.iter().sum::<u32>());
}

pub(crate) async fn a_node_that_is_gone_needs_nothing<C: Cloud + NodeApi>(cloud: &C) {
    let bench = Bench::new(cloud, CLUSTER);
    assert!(bench.nodes().await.is_empty());
    bench.created(&definition(CLUSTER, "nodes", 1, 5), 1).await;
    let node: kfleet::model::NodeName = "ip-10-0-0-1".parse().unwrap();
    let instance: kfleet::model::InstanceId = "i-1".parse().unwrap();
    for effect in [
        NodeEffect::Cordon {
            node: node.clone(),
            instance: instance.clone(),
        },
        NodeEffect::Uncordon {
            node: node.clone(),
            instance: instance.clone(),
        },
        NodeEffect::Evict {
            node,
            instance,
            policy: Eviction::default(),
        },
    ] {
        assert_eq!(bench.act(effect).await, Applied::Already);
    }
}
