//! The fleet by stage and wave, a tile a cluster: what a plan changes in it, or where a rollout has brought it.

use super::page::{LegendKey, MapStage, MapWave, Tile};
use crate::fleet::Stage;
use crate::model::{ClusterName, Span};
use crate::plan::{ClusterPlan, GroupChange, Plan};
use crate::report::wording::{count, span};
use crate::report::work;
use crate::rollout::{ClusterRun, ClusterState, Direction, Progress, Rollout};

/// Waves with more clusters than this have tiles without names.
const NAMED: usize = 60;

/// The gravest thing that a plan does to a cluster, the gravest first.
const CHANGES: [LegendKey; 7] = [
    key("blocked", "!", "something is in the way"),
    key("retire", "−", "a group is drained and deleted"),
    key("replace", "±", "instances are replaced"),
    key("create", "+", "a group is created"),
    key("inplace", "~", "changes in place, no instance is replaced"),
    key("same", "=", "no changes"),
    key("unseen", "?", "not looked at"),
];

/// Where a rollout has brought a cluster.
const STATES: [LegendKey; 7] = [
    key("stuck", "!", "failed or stuck here"),
    key("back", "↩", "being rolled back"),
    key("restored", "⟲", "restored to what ran before"),
    key("rolling", "▸", "being rolled, or waiting for gates"),
    key("verified", "✓", "verified"),
    key("waiting", "·", "waiting"),
    key("same", "=", "nothing to change"),
];

const fn key(class: &'static str, sign: &'static str, words: &'static str) -> LegendKey {
    LegendKey { class, sign, words }
}

fn key_of(keys: &[LegendKey], class: &str) -> LegendKey {
    let found = keys.iter().find(|key| key.class == class).cloned();
    found.unwrap_or_else(|| key("unseen", "?", "not known"))
}

/// The keys that some tile has.
pub(super) fn keys_used(map: &[MapStage]) -> Vec<LegendKey> {
    let tiles = || map.iter().flat_map(|s| &s.waves).flat_map(|w| &w.tiles);
    let is_used = |key: &&LegendKey| tiles().any(|t| (t.class, t.sign) == (key.class, key.sign));
    let all = CHANGES.iter().chain(&STATES).filter(is_used);
    let mut used: Vec<LegendKey> = Vec::new();
    for key in all {
        // Nothing to change is the same on both maps.
        if !used.iter().any(|k| k.class == key.class) {
            used.push(key.clone());
        }
    }
    used
}

/// What a plan does. `anchor`: where the changes of a cluster are told.
pub(super) fn of_plan(
    plan: &Plan,
    stages: &[Stage],
    anchor: impl Fn(&ClusterName) -> Option<String>,
) -> Vec<MapStage> {
    let tile = |name: &ClusterName| {
        let found = plan.clusters.get(name);
        let key = key_of(&CHANGES, change_of(found));
        Tile {
            name: name.to_string(),
            class: key.class,
            sign: key.sign,
            words: found.map_or_else(|| key.words.to_owned(), change_words),
            anchor: anchor(name),
        }
    };
    let mut map: Vec<MapStage> = stages
        .iter()
        .map(|stage| MapStage {
            name: stage.name.to_string(),
            about: stage_about(stage.after.as_ref(), stage.approval, stage.soak),
            waves: stage
                .waves
                .iter()
                .enumerate()
                .map(|(nth, wave)| {
                    let tiles = wave.clusters.iter().map(tile).collect();
                    map_wave(nth, wave.parallel, wave.soak, tiles)
                })
                .collect(),
        })
        .collect();
    let is_staged = |name: &ClusterName| {
        let mut waves = stages.iter().flat_map(|s| &s.waves);
        waves.any(|w| w.clusters.contains(name))
    };
    let left: Vec<Tile> = plan
        .clusters
        .keys()
        .filter(|n| !is_staged(n))
        .map(tile)
        .collect();
    if !left.is_empty() {
        map.push(MapStage {
            name: "(no stage)".into(),
            about: String::new(),
            waves: vec![map_wave(0, left.len(), Span::ZERO, left)],
        });
    }
    map
}

/// Where a rollout stands.
pub(super) fn of_rollout(
    rollout: &Rollout,
    progress: &Progress,
    anchor: impl Fn(&ClusterName) -> Option<String>,
) -> Vec<MapStage> {
    let tile = |run: &ClusterRun| {
        let key = key_of(&STATES, state_of(run, progress));
        Tile {
            name: run.cluster.to_string(),
            class: key.class,
            sign: key.sign,
            words: run_words(run, progress),
            anchor: anchor(&run.cluster),
        }
    };
    let stages = rollout.stages.iter().map(|stage| MapStage {
        name: stage.name.to_string(),
        about: stage_about(None, stage.approval, stage.soak),
        waves: stage
            .waves
            .iter()
            .enumerate()
            .map(|(nth, wave)| {
                let tiles = wave.clusters.iter().map(tile).collect();
                map_wave(nth, wave.parallel, wave.soak, tiles)
            })
            .collect(),
    });
    stages.collect()
}

fn stage_about(after: Option<&crate::model::StageName>, approval: bool, soak: Span) -> String {
    let parts = [
        after.map(|stage| format!("after {stage}")),
        approval.then(|| "needs approval".to_owned()),
        (!soak.is_zero()).then(|| format!("soaks {}", span(soak))),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn map_wave(nth: usize, parallel: usize, soak: Span, tiles: Vec<Tile>) -> MapWave {
    let soak = match soak.is_zero() {
        true => String::new(),
        false => format!(", soaks {}", span(soak)),
    };
    MapWave {
        name: format!("wave {}", nth + 1),
        about: format!(
            "{}, {parallel} at the same time{soak}",
            count(tiles.len(), "cluster")
        ),
        dense: tiles.len() > NAMED,
        tiles,
    }
}

fn change_of(found: Option<&ClusterPlan>) -> &'static str {
    let Some(plan) = found else {
        return "unseen";
    };
    let any = |is: fn(&GroupChange) -> bool| plan.groups.values().any(is);
    if !plan.blocked.is_empty() {
        "blocked"
    } else if any(|change| matches!(change, GroupChange::Retire { .. })) {
        "retire"
    } else if any(|change| change.instances() > 0) {
        "replace"
    } else if any(|change| matches!(change, GroupChange::Create { .. })) {
        "create"
    } else if plan.is_empty() {
        "same"
    } else {
        "inplace"
    }
}

fn change_words(plan: &ClusterPlan) -> String {
    let (mut created, mut updated, mut retired, mut instances) = (0_usize, 0_usize, 0_usize, 0);
    for change in plan.groups.values() {
        match change {
            GroupChange::Create { .. } => created += 1,
            GroupChange::Update { .. } => updated += 1,
            GroupChange::Retire { .. } => retired += 1,
        }
        instances += change.instances();
    }
    let part =
        |n: usize, noun: &str, what: &str| (n > 0).then(|| format!("{} {what}", count(n, noun)));
    let parts = [
        part(plan.blocked.len(), "thing", "in the way"),
        part(created, "group", "created"),
        part(updated, "group", "changed"),
        part(retired, "group", "retired"),
        part(instances, "instance", "replaced or ended"),
        part(plan.documents.len(), "document", "changed"),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() {
        "no changes".into()
    } else {
        parts.join(", ")
    }
}

fn state_of(run: &ClusterRun, progress: &Progress) -> &'static str {
    let failed_here = progress
        .failure
        .as_ref()
        .is_some_and(|(c, ..)| *c == run.cluster);
    let stuck_here = progress
        .stuck
        .as_ref()
        .is_some_and(|s| s.cluster == run.cluster);
    let state = progress.clusters.get(&run.cluster).map(|c| c.state);
    if stuck_here || (failed_here && progress.direction == Direction::Forward) {
        return "stuck";
    }
    if let Direction::Back(back) = &progress.direction
        && back.contains(&run.cluster)
        && state != Some(ClusterState::Restored)
    {
        return "back";
    }
    match state {
        Some(ClusterState::Restored) => "restored",
        _ if run.groups.is_empty() => "same",
        Some(ClusterState::Rolling | ClusterState::Checking(_)) => "rolling",
        Some(ClusterState::Verified(_)) => "verified",
        Some(ClusterState::Waiting) | None => "waiting",
    }
}

fn run_words(run: &ClusterRun, progress: &Progress) -> String {
    let groups = count(run.groups.len(), "group");
    format!("{}; {groups} changed", work::cluster_state(run, progress))
}
