//! What of load balancers sends to nodes that are being emptied: asked once a look and cluster, and not at all where no node of ours is cordoned.

use std::collections::BTreeSet;

use super::together::{MAX_CLUSTERS, together};
use crate::cloud::{Cloud, CloudError, Place};
use crate::model::{InstanceId, Live, LiveCluster, Nodes, Seen, Senders, Traffic};

/// Adds it to the nodes of these clusters.
pub(super) async fn add_traffic<W: Cloud>(world: &W, live: &mut Live, places: &[Place]) {
    let mut questions = Vec::new();
    for place in places {
        let Some(cluster) = live.clusters.get_mut(&place.cluster) else {
            continue;
        };
        let asked = emptied(cluster);
        if !asked.is_empty() {
            questions.push((place, asked, registered(cluster)));
        }
    }
    let all = questions
        .iter()
        .map(|(place, asked, own)| world.senders(place, asked, own));
    let answers = together(MAX_CLUSTERS, all).await;
    for ((place, asked, _), answer) in questions.iter().zip(answers) {
        let Some(cluster) = live.clusters.get_mut(&place.cluster) else {
            continue;
        };
        let Nodes::Known(seen) = &mut cluster.nodes else {
            continue;
        };
        note_traffic(seen, asked, &answer);
    }
}

fn note_traffic(
    seen: &mut Seen,
    asked: &BTreeSet<InstanceId>,
    answer: &Result<Senders, CloudError>,
) {
    let emptied = seen.nodes.values_mut();
    for node in emptied.filter(|n| asked.contains(&n.instance)) {
        node.traffic = match answer {
            Ok(senders) => Traffic::From(senders.get(&node.instance).cloned().unwrap_or_default()),
            Err(why) => Traffic::Unknown(why.to_string()),
        };
    }
}

/// Instances whose nodes we are emptying. Of the others nothing is known.
fn emptied(cluster: &mut LiveCluster) -> BTreeSet<InstanceId> {
    let Nodes::Known(seen) = &mut cluster.nodes else {
        return BTreeSet::new();
    };
    let mut asked = BTreeSet::new();
    for node in seen.nodes.values_mut() {
        if node.traffic != Traffic::NotAsked {
            node.traffic = Traffic::NotAsked;
        }
        if node.is_emptied_by_us() && node.silent_since.is_none() {
            asked.insert(node.instance.clone());
        }
    }
    asked
}

/// Balancers with which AWS registers the instances of its groups: it takes them out itself when it ends them.
fn registered(cluster: &LiveCluster) -> BTreeSet<String> {
    let groups = cluster.groups.values().map(|g| &g.group);
    groups
        .flat_map(|g| g.target_group_arns.iter().chain(&g.load_balancer_names))
        .cloned()
        .collect()
}
