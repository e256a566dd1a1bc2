//! How likely AWS says Spot Instances of some types are to come, zone by zone. It is advice: what cannot be read is unknown, and nothing waits for it.
//!
//! Source: EC2 API reference, GetSpotPlacementScores: a score from 1 to 10, by the id of the zone, where one zone is asked for.

use std::collections::{BTreeMap, BTreeSet};

use super::connect::Clients;
use super::error::{cloud_error, reading};
use crate::cloud::{CloudError, Place};
use crate::model::{Reading, SpotScore};

/// A score for each set of types. `zones`: names of zones, by their ids; zones in which nothing is launched are not in it.
pub(super) async fn scores(
    clients: &Clients,
    place: &Place,
    asked: &BTreeMap<BTreeSet<String>, u32>,
    zones: &Reading<BTreeMap<String, String>>,
) -> Result<Vec<SpotScore>, CloudError> {
    let mut all = Vec::new();
    for (types, instances) in asked {
        let scores = match zones {
            Reading::Known(zones) => {
                reading(of_types(clients, place, (types, *instances), zones).await)?
            }
            Reading::Unknown(why) => Reading::Unknown(why.clone()),
        };
        all.push(SpotScore {
            types: types.clone(),
            instances: *instances,
            scores,
        });
    }
    Ok(all)
}

async fn of_types(
    clients: &Clients,
    place: &Place,
    (types, instances): (&BTreeSet<String>, u32),
    zones: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, u32>, CloudError> {
    let call = clients.ec2.get_spot_placement_scores();
    let call = call
        .set_instance_types(Some(types.iter().cloned().collect()))
        .target_capacity(i32::try_from(instances).unwrap_or(i32::MAX))
        .single_availability_zone(true)
        .region_names(place.region.as_str());
    let pages = call.into_paginator().items().send().try_collect().await;
    let found = pages.map_err(|e| cloud_error(place, "spot placement scores", &e))?;
    let named = found.iter().filter_map(|score| {
        let zone = zones.get(score.availability_zone_id()?)?;
        Some((zone.clone(), u32::try_from(score.score()?).ok()?))
    });
    Ok(named.collect())
}
