//! What kops would still do by itself to the clusters of a plan, where a person asks for that. Changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::args::PlanArguments;
use super::documents::is_by_kops;
use super::pipeline::PreparedFleet;
use super::world::World;
use crate::engine::{Engine as _, Left};
use crate::model::{ClusterName, DryRun, GroupName, Live, Stored};
use crate::plan::Plan;
use crate::run::{MAX_CLUSTERS, together};

/// Asks kops about each cluster of the plan whose engine it is and that it has stored: what of that it has not carried out, and what of AWS it would put right.
pub(super) async fn look(
    command: &PlanArguments,
    (prepared, plan): (&PreparedFleet, &Plan),
    live: &Live,
    world: &World,
) -> BTreeMap<ClusterName, DryRun> {
    if !command.kops_dry_run {
        return BTreeMap::new();
    }
    let names: BTreeSet<ClusterName> = plan.clusters.keys().cloned().collect();
    let places = prepared.places(&names);
    let asked = places.iter().filter_map(|place| {
        let by_kops = is_by_kops(&prepared.fleet, place);
        let groups = stored_groups(live, &place.cluster);
        let is_new = groups.as_ref().is_ok_and(BTreeSet::is_empty);
        (by_kops && !is_new).then_some(async move {
            let found = match groups {
                Ok(groups) => world.left(place, &groups).await.map_err(|e| e.to_string()),
                Err(why) => Err(why),
            };
            let found = match found {
                Ok(Left { tasks, text }) => DryRun::Known { tasks, text },
                Err(why) => DryRun::NotKnown { why },
            };
            (place.cluster.clone(), found)
        })
    });
    together(MAX_CLUSTERS, asked).await.into_iter().collect()
}

/// The groups that kops has stored; an error: why they are not known.
fn stored_groups(live: &Live, cluster: &ClusterName) -> Result<BTreeSet<GroupName>, String> {
    match live.clusters.get(cluster).map(|c| &c.documents) {
        Some(Stored::Known(documents)) => Ok(documents
            .keys()
            .filter_map(|key| GroupName::new(key.strip_prefix("InstanceGroup/")?).ok())
            .collect()),
        Some(Stored::Unknown(why)) => Err(why.clone()),
        Some(Stored::NotAsked) | None => Err("what it has stored was not read".into()),
    }
}
