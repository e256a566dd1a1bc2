//! Which clusters a round has to look at: a fleet of a thousand shall not be read for the ten that are being rolled. Reads nothing itself.

use std::collections::BTreeSet;

use super::fence::place;
use crate::cloud::Place;
use crate::model::{AsgName, ClusterName, Versions};
use crate::rollout::{
    ClusterRun, ClusterState, Direction, Progress, Rollout, StageRun, expected_groups,
    needed_versions,
};

/// Forward: the clusters of the wave under way that are being rolled or checked; when none is, those of the wave, and after
/// the last wave those of the stage: they soak. On the way back, every cluster of a stage that has begun.
pub(super) fn places_under_way(rollout: &Rollout, progress: &Progress) -> Vec<Place> {
    let mut begun = rollout
        .stages
        .iter()
        .filter(|s| progress.stages_started.contains(&s.name));
    if progress.direction != Direction::Forward || progress.failure.is_some() {
        return begun
            .flat_map(|s| &s.waves)
            .flat_map(|w| &w.clusters)
            .map(place)
            .collect();
    }
    let Some(stage) = begun.find(|s| !progress.stages_passed.contains(&s.name)) else {
        let next = rollout
            .stages
            .iter()
            .find(|s| !progress.stages_passed.contains(&s.name));
        return next.map_or_else(Vec::new, |stage| places_before(rollout, stage, 0));
    };
    let through = progress.waves_through(&stage.name);
    let next_wave = stage.waves.len() > through
        && !progress
            .waves_started
            .contains(&(stage.name.clone(), through));
    if next_wave {
        return places_before(rollout, stage, through);
    }
    let clusters = of_stage(stage, progress);
    let state = |run: &ClusterRun| progress.clusters.get(&run.cluster).map(|c| c.state);
    let rolling = clusters.iter().filter(|run| {
        matches!(
            state(run),
            Some(ClusterState::Rolling | ClusterState::Checking(_))
        )
    });
    let rolling: Vec<Place> = rolling.map(|run| place(run)).collect();
    let waits = clusters
        .iter()
        .any(|run| matches!(state(run), Some(ClusterState::Waiting)));
    // A soak looks at all of them, those that have to prove themselves again among them.
    if rolling.is_empty() || !waits {
        clusters.into_iter().map(place).collect()
    } else {
        rolling
    }
}

/// The launch template versions that are needed of these places: those of none are not asked for.
pub(super) fn needed(
    rollout: &Rollout,
    progress: &Progress,
    places: &[Place],
) -> Vec<(Place, Versions)> {
    let of = |place: &Place| Some(needed_versions(progress, rollout.cluster(&place.cluster)?));
    let asked = places.iter().filter_map(|p| Some((p.clone(), of(p)?)));
    asked.filter(|(_, versions)| !versions.is_empty()).collect()
}

/// The groups that these places have, as far as the rollout knows.
pub(super) fn expected(
    rollout: &Rollout,
    progress: &Progress,
    places: &[Place],
) -> Vec<(ClusterName, BTreeSet<AsgName>)> {
    let of = |place: &Place| Some(expected_groups(progress, rollout.cluster(&place.cluster)?));
    let named = places.iter();
    named
        .filter_map(|p| Some((p.cluster.clone(), of(p)?)))
        .collect()
}

/// What the next stage or wave stands on: every cluster before it.
fn places_before(rollout: &Rollout, stage: &StageRun, wave: usize) -> Vec<Place> {
    let earlier = rollout
        .stages
        .iter()
        .take_while(|s| s.name != stage.name)
        .flat_map(|s| &s.waves)
        .chain(stage.waves.iter().take(wave));
    let watched = rollout
        .watched
        .iter()
        .filter(|w| w.before == stage.name)
        .map(|w| &w.run);
    earlier
        .flat_map(|w| &w.clusters)
        .chain(watched)
        .map(place)
        .collect()
}

/// The clusters of its wave under way; of all its waves once they have passed.
fn of_stage<'r>(stage: &'r StageRun, progress: &Progress) -> Vec<&'r ClusterRun> {
    match stage.waves.get(progress.waves_through(&stage.name)) {
        Some(wave) => wave.clusters.iter().collect(),
        None => stage.waves.iter().flat_map(|w| &w.clusters).collect(),
    }
}
