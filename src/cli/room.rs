//! The room that the waves of a plan need, and what there is of it.

use super::failure::Failure;
use super::pipeline::PreparedFleet;
use super::world::World;
use crate::cloud::Cloud as _;
use crate::model::{ClusterName, Live};
use crate::plan::Plan;
use crate::plan::room::{WaveOutlook, ask_scores, of_plan, outlooks, questions};

/// Asks each account and region in which the plan launches something.
pub(super) async fn look(
    prepared: &PreparedFleet,
    plan: &Plan,
    live: &Live,
    world: &World,
) -> Result<Vec<WaveOutlook>, Failure> {
    let document = |name: &ClusterName| {
        let cluster = prepared.clusters.get(name)?;
        cluster.desired.manifest()
    };
    let waves = of_plan(plan, live, document);
    let mut facts = Vec::new();
    let needs = || waves.iter().flat_map(|w| &w.clusters);
    let mut all = questions(needs());
    ask_scores(&mut all, needs());
    for question in all {
        facts.push(world.room(&question).await?);
    }
    Ok(outlooks(&waves, &facts))
}
