//! Live state: what of AWS has to be asked for a set of clusters, at once where the API allows it. `door` sends all questions of an account and region in
//! order (one file a kind of question), `assemble` puts the answers together.
//!
//! Clusters that share account, role and region are read together. Calls, for N groups there:
//!
//! | API | calls |
//! |---|---|
//! | DescribeAutoScalingGroups, by cluster tag | N / 100 |
//! | DescribeLaunchTemplates, by name | N / 200 |
//! | DescribeLaunchTemplateVersions | templates of the region / 200 for the newest version of each; then one for each template of which an older one is in use |
//! | DescribeInstances | new instances / 200, and one for those taken out of their group |
//! | DescribeSubnets, DescribeSecurityGroups, DescribeImages | 1, 1, one an image owner and one |
//! | DescribeScalingActivities, of all groups since two hours | activities / 100 |
//! | DescribeLifecycleHooks | N, where that is not more than [`scope::HOOKS`]; else none, unless asked for: see [`HooksOf`](super::options::HooksOf) |
//! | DescribeWarmPool | one for each group that has a warm pool |
//! | DescribeLaunchTemplateVersions, whether those that a rollout needs are still there | one for each group that is being changed |
//! | DescribeInstanceRefreshes | one for each group that a rollout under way refreshes, of few groups where one may begin, and of which an activity names a refresh |
//!
//! Versions and what EC2 knows of an instance never change: one process asks for each once. Hooks and refreshes are asked again when anything was
//! written in that account and region, or after a minute.

mod activities;
mod assemble;
mod door;
mod gone;
mod groups;
mod haul;
mod instances;
mod memory;
mod reading;
mod scope;
mod single;
#[cfg(test)]
mod tests;
mod versions;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::connect::{Connection, Door};
use crate::cloud::{CloudError, Place};
use crate::model::{ClusterName, Gap, LiveCluster, Timestamp};
pub(super) use gone::gone;
pub(super) use memory::Memory;
pub(super) use scope::Singly;

/// Accounts and regions read at the same time.
const DOORS: usize = 8;

/// The groups of these clusters; `answered`: of how many the answers are there. An account and region that gave no answer is a gap of its clusters; where none gave one, that is the answer.
pub(super) async fn read(
    connection: &Arc<Connection>,
    memory: &Arc<Memory>,
    places: &[Place],
    now: Timestamp,
    singly: &Singly,
    answered: &AtomicUsize,
) -> Result<BTreeMap<ClusterName, LiveCluster>, CloudError> {
    let mut doors: BTreeMap<Door, Vec<Place>> = BTreeMap::new();
    for place in places {
        doors
            .entry(connection.door(place))
            .or_default()
            .push(place.clone());
    }
    answered.store(0, Ordering::Relaxed);
    let turns = Arc::new(Semaphore::new(DOORS));
    let mut tasks = JoinSet::new();
    for places in doors.into_values() {
        let (connection, memory, turns, singly) = (
            Arc::clone(connection),
            Arc::clone(memory),
            Arc::clone(&turns),
            singly.clone(),
        );
        tasks.spawn(async move {
            let _turn = turns.acquire_owned().await;
            let read = door::door(&connection, &memory, &places, now, &singly).await;
            (places, read)
        });
    }
    let mut clusters = BTreeMap::new();
    let mut failed: Vec<(Vec<Place>, CloudError)> = Vec::new();
    while let Some(done) = tasks.join_next().await {
        // Only a panic ends a task without its answer, and then nothing is known of its clusters: they are missing below.
        let Ok((places, read)) = done else { continue };
        answered.fetch_add(places.len(), Ordering::Relaxed);
        match read {
            Ok(read) => clusters.extend(read),
            Err(error) => failed.push((places, error)),
        }
    }
    if clusters.is_empty()
        && let Some((_, error)) = failed.first()
    {
        return Err(error.clone());
    }
    for (places, error) in failed {
        clusters.extend(
            places
                .iter()
                .map(|p| (p.cluster.clone(), unread(&error.to_string()))),
        );
    }
    for place in places {
        clusters
            .entry(place.cluster.clone())
            .or_insert_with(|| unread("the reading broke off"));
    }
    Ok(clusters)
}

fn unread(why: &str) -> LiveCluster {
    LiveCluster {
        gaps: vec![Gap {
            what: "live state".into(),
            why: why.to_owned(),
        }],
        ..LiveCluster::default()
    }
}
