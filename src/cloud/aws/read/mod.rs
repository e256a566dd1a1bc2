//! Live state: what of AWS has to be asked for a set of clusters, at once where the API allows it. `ask` sends, `assemble` puts together.
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
//! | DescribeLifecycleHooks | N, where that is not more than [`HOOKS`]; else none, unless asked for: see [`HooksOf`] |
//! | DescribeWarmPool | one for each group that has a warm pool |
//! | DescribeInstanceRefreshes | one for each group that a rollout under way refreshes, of few groups where one may begin, and of which an activity names a refresh |
//!
//! Versions and what EC2 knows of an instance never change: one process asks for each once. Hooks and refreshes are asked again when anything was
//! written in that account and region, or after a minute.

mod ask;
mod assemble;
mod memory;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::connect::{Connection, Door};
use crate::cloud::{CloudError, Place};
use crate::model::{AsgName, ClusterName, Gap, LiveCluster, Timestamp};
pub(super) use memory::Memory;

/// Accounts and regions read at the same time.
const DOORS: usize = 8;

/// Most groups of an account and region (and role) whose lifecycle hooks are read along with them. AWS describes the hooks of one group a call, every
/// group of kops has some, and about ten such calls a second are what an account is seen to be granted: so many take ten seconds of it.
const HOOKS: usize = 100;

/// Whose lifecycle hooks are read along with the groups. What is not read is never taken for none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HooksOf {
    /// All groups of an account and region that has few; else nobody's.
    #[default]
    Few,
    /// All groups, one call each.
    Everybody,
}

/// What each group is asked for by itself.
#[derive(Clone, Debug)]
pub(super) enum Singly {
    /// By whoever compares: hooks; and where there are few groups, what a rollout that may begin has to know of instance refreshes.
    Compares(HooksOf),
    /// By a rollout under way: these for their instance refresh. It compares nothing, and looks at the hooks of a group before writing to it.
    Acts(Arc<BTreeSet<AsgName>>),
}

impl Singly {
    /// Whether the hooks of so many groups are read.
    fn hooks(&self, groups: usize) -> bool {
        match self {
            Singly::Compares(HooksOf::Few) => groups <= HOOKS,
            Singly::Compares(HooksOf::Everybody) => true,
            Singly::Acts(_) => false,
        }
    }

    /// Whether a group, one of so many, is asked for its newest instance refresh though no activity names one. `only_reads`: who only compares
    /// has no use for it.
    fn refresh(&self, group: &AsgName, groups: usize, only_reads: bool) -> bool {
        match self {
            Singly::Compares(HooksOf::Few | HooksOf::Everybody) => !only_reads && groups <= HOOKS,
            Singly::Acts(refreshing) => refreshing.contains(group),
        }
    }
}

/// What could not be read, by cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Gaps(BTreeMap<ClusterName, BTreeSet<Gap>>);

impl Gaps {
    fn add<'a>(
        &mut self,
        clusters: impl IntoIterator<Item = &'a ClusterName>,
        what: &str,
        why: impl ToString,
    ) {
        for cluster in clusters {
            self.0.entry(cluster.clone()).or_default().insert(Gap {
                what: what.to_owned(),
                why: why.to_string(),
            });
        }
    }
}

/// The groups of these clusters. An account and region that gave no answer is a gap of its clusters; where none gave one, that is the answer.
pub(super) async fn read(
    connection: &Arc<Connection>,
    memory: &Arc<Memory>,
    places: &[Place],
    now: Timestamp,
    singly: &Singly,
) -> Result<BTreeMap<ClusterName, LiveCluster>, CloudError> {
    let mut doors: BTreeMap<Door, Vec<Place>> = BTreeMap::new();
    for place in places {
        doors
            .entry(connection.door(place))
            .or_default()
            .push(place.clone());
    }
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
            let read = ask::door(&connection, &memory, &places, now, &singly).await;
            (places, read)
        });
    }
    let mut clusters = BTreeMap::new();
    let mut failed: Vec<(Vec<Place>, CloudError)> = Vec::new();
    while let Some(done) = tasks.join_next().await {
        match done {
            Ok((_, Ok(read))) => clusters.extend(read),
            Ok((places, Err(error))) => failed.push((places, error)),
            // Only a panic ends a task so, and then nothing is known of its clusters: they are missing below.
            Err(_) => {}
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
