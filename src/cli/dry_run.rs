//! What kops would do to the clusters of a plan, with what git wants, where a person asks for that. Changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::args::PlanArguments;
use super::documents::is_by_kops;
use super::pipeline::PreparedFleet;
use super::world::World;
use crate::cloud::Place;
use crate::engine::{Engine as _, Left};
use crate::model::{ClusterName, DryRun, Live, Stored};
use crate::plan::{KopsPlan, Plan};
use crate::run::{MAX_CLUSTERS, together};

/// Asks kops about each cluster of the plan whose engine it is and that it has stored: what it would change with the documents that git has, be it because
/// of them or not. Of a cluster that is all new it has nothing that could be compared.
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
        let kops = plan.clusters.get(&place.cluster)?.kops.as_ref();
        let stored = live.clusters.get(&place.cluster).map(|c| &c.documents);
        let is_asked = is_by_kops(&prepared.fleet, place) && !is_new(stored);
        is_asked.then_some(async move {
            let found = match kops {
                Some(kops) => preview(world, place, kops).await,
                None => Err(unread(stored)),
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

async fn preview(world: &World, place: &Place, kops: &KopsPlan) -> Result<Left, String> {
    let gone = kops.deleted.iter();
    let gone = gone.map(|group| (format!("InstanceGroup/{group}"), None));
    let documents = kops.to.clone().into_iter().chain(gone).collect();
    let found = world.preview(place, &documents, &kops.groups).await;
    found.map_err(|e| e.to_string())
}

fn is_new(stored: Option<&Stored>) -> bool {
    match stored {
        Some(Stored::Known(documents)) => documents.is_empty(),
        Some(Stored::Unknown(_) | Stored::NotAsked) | None => false,
    }
}

fn unread(stored: Option<&Stored>) -> String {
    match stored {
        Some(Stored::Unknown(why)) => why.clone(),
        Some(Stored::Known(_) | Stored::NotAsked) | None => {
            "what it has stored was not read, or is of another cluster".into()
        }
    }
}
