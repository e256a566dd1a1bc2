//! A rehearsal → one JSON value, for scripts that hold a release against limits of their own.

use serde_json::{Value as Json, json};

use super::breach::breach_line;
use super::event::event_json;
use super::rehearsal::{Fate, Rehearsal, Runs};
use super::wording::plain;
use crate::rollout::{Breach, GroupObservation, Observation, ObservedStep, PodMoves};

/// The whole of a rehearsal. Events are those of `rollout show --format jsonl`; times are of the simulated account.
pub fn rehearsal_json(rehearsal: &Rehearsal<'_>, fates: &[Fate]) -> String {
    let Rehearsal {
        rollout,
        records,
        seen,
        ended,
        notes,
    } = rehearsal;
    let Observation {
        groups,
        surge,
        calls,
        moves,
        broken,
    } = seen;
    let events = records.iter().map(event_json);
    let events: Vec<Json> = events
        .filter_map(|line| serde_json::from_str(&line).ok())
        .collect();
    let moves = moves.iter().map(|(cluster, moved)| {
        let PodMoves { pods, moves, most } = moved;
        let moved = json!({"pods": pods, "moves": moves, "most": most});
        (cluster.to_string(), moved)
    });
    let groups = groups.iter().map(|(asg, g)| (asg.to_string(), group(g)));
    let surge = surge
        .iter()
        .map(|(cluster, n)| (cluster.to_string(), json!(n)));
    let value = json!({
        "version": 1,
        "plan": rollout.plan.as_str(),
        "release": rollout.release.as_str(),
        "began": rollout.started_at.to_string(),
        "ended": plain(ended),
        "makespan_seconds": rehearsal.makespan().millis() / 1000,
        "notes": notes,
        "calls": calls,
        "peak_surge": surge.collect::<serde_json::Map<_, _>>(),
        "pod_moves": moves.collect::<serde_json::Map<_, _>>(),
        "groups": groups.collect::<serde_json::Map<_, _>>(),
        "rules_broken": breaches(broken.iter()),
        "faults": fates.iter().map(fate).collect::<Vec<Json>>(),
        "events": events,
    });
    format!("{value:#}\n")
}

fn group(seen: &GroupObservation) -> Json {
    let GroupObservation {
        cluster,
        retires,
        first,
        worst,
        zones,
        surge,
        steps: _,
    } = seen;
    json!({
        "cluster": cluster.as_str(),
        "retires": retires,
        "first": step(first),
        "worst": step(worst),
        "fewest_by_zone": zones,
        "surge": surge,
    })
}

fn step(step: &ObservedStep) -> Json {
    let ObservedStep {
        at,
        healthy,
        wanted,
    } = step;
    json!({"at": at.to_string(), "at_work": healthy, "wanted": wanted})
}

fn fate(fate: &Fate) -> Json {
    let Fate {
        fault,
        ended,
        makespan,
        broken,
    } = fate;
    json!({"fault": fault, "ended": plain(ended), "makespan_seconds": makespan.millis() / 1000, "rules_broken": broken})
}

fn breaches<'b>(broken: impl Iterator<Item = &'b Breach>) -> Vec<String> {
    broken.map(|breach| plain(&breach_line(breach))).collect()
}

/// Many runs as one value: how long each took, by its seed.
pub fn runs_json(runs: &Runs, notes: &[String]) -> String {
    let Runs {
        makespans,
        ended,
        broken,
    } = runs;
    let mut makespans = makespans.clone();
    makespans.sort_by_key(|(_, seed)| *seed);
    let makespans = makespans.iter().map(
        |(makespan, seed)| json!({"seed": seed, "makespan_seconds": makespan.millis() / 1000}),
    );
    let broken = broken
        .iter()
        .map(|(breach, seed)| json!({"rule": plain(&breach_line(breach)), "first_seed": seed}));
    let value = json!({
        "version": 1,
        "notes": notes,
        "runs": makespans.collect::<Vec<Json>>(),
        "ended": ended,
        "rules_broken": broken.collect::<Vec<Json>>(),
    });
    format!("{value:#}\n")
}
