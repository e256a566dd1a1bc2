//! `kfleet status`: what runs where, as a table for people and as JSON. Makes no calls.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::hooks;
use super::shape::blocked_text;
use super::style::{Style, Tone};
use super::wording::{clock, count, group, list, plain, span};
use crate::model::{ClusterName, Timestamp, short_commit};
use crate::plan::{ClusterPlan, GroupChange, HookTask};
use crate::rollout::{ClusterStanding, StandingState, UnderWayState};

/// What a fleet's status is written from.
#[derive(Clone, Copy, Debug)]
pub struct FleetStatus<'a> {
    pub clusters: &'a [ClusterStanding],
    /// A plan of each, where the account was looked at.
    pub live: Option<&'a BTreeMap<ClusterName, ClusterPlan>>,
    /// Hooks at all their places, as git has them; empty where the fleet's files are at fault.
    pub hooks: &'a [HookTask],
    /// The cloud's time.
    pub now: Timestamp,
}

const HEADS: [&str; 7] = [
    "cluster", "stage", "state", "git", "release", "commit", "since",
];

/// The table; below it what does not fit into one, a line each.
pub fn fleet_status_text(status: FleetStatus<'_>, style: Style) -> String {
    if status.clusters.is_empty() {
        return "no clusters\n".into();
    }
    let mut rows = vec![HEADS.map(str::to_owned)];
    rows.extend(status.clusters.iter().map(|c| row(c, status.now)));
    let widths = widths(&rows);
    let mut out = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        let cells: Vec<String> = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        let line = cells.join("  ").trim_end().to_owned();
        out.push(if index == 0 {
            style.paint(Tone::Head, &line)
        } else {
            line
        });
    }
    let told = status.hooks.iter();
    let told: Vec<&HookTask> = told
        .filter(|task| !hooks::is_folded(task, status.hooks, style))
        .collect();
    for cluster in status.clusters {
        let plan = status.live.and_then(|live| live.get(&cluster.cluster));
        out.extend(details(cluster, plan, style));
        let mine = told.iter();
        let mine = mine.filter(|h| h.place.cluster.as_ref() == Some(&cluster.cluster));
        out.extend(mine.map(|task| hooks::last_run(task, style)));
    }
    let others = told.iter().filter(|h| h.place.cluster.is_none());
    out.extend(others.map(|task| hooks::last_run(task, style)));
    out.extend(hooks::as_git_has_them(status.hooks, style));
    out.iter().map(|line| format!("{line}\n")).collect()
}

/// How wide each column has to be.
fn widths(rows: &[[String; 7]]) -> [usize; 7] {
    let mut widths = [0; 7];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    widths
}

fn row(standing: &ClusterStanding, now: Timestamp) -> [String; 7] {
    let stage = standing
        .stage
        .as_ref()
        .map_or("-".into(), ToString::to_string);
    let git = match standing.as_git_wants {
        Some(true) => "same",
        Some(false) => "ahead",
        None => "-",
    };
    let applied = standing.applied.as_ref();
    let commit = applied.and_then(|a| a.commit.as_deref()).map(short_commit);
    [
        standing.cluster.to_string(),
        stage,
        state(&standing.state, now),
        git.into(),
        applied.map_or("-".into(), |a| a.release.short().to_owned()),
        commit.map_or("-".into(), plain),
        applied.map_or("-".into(), |a| clock(a.since)),
    ]
}

fn state(state: &StandingState, now: Timestamp) -> String {
    match state {
        StandingState::New => "never rolled out".into(),
        StandingState::Soaking(at) => format!("soaks {} more", span(at.since(now))),
        StandingState::Verified => "verified".into(),
        StandingState::Orphan => "orphan".into(),
        StandingState::UnderWay(_, UnderWayState::Waiting) => "waits".into(),
        StandingState::UnderWay(_, UnderWayState::Rolling) => "rolling".into(),
        StandingState::UnderWay(_, UnderWayState::Done) => "done, rollout goes on".into(),
    }
}

fn details(standing: &ClusterStanding, plan: Option<&ClusterPlan>, style: Style) -> Vec<String> {
    let name = &standing.cluster;
    let mut out = Vec::new();
    let mut add =
        |tone: Tone, text: String| out.push(style.paint(tone, &format!("{name}: ")) + &text);
    if let Some(why) = &standing.stopped {
        add(Tone::Bad, format!("STOPPED: {}", plain(why)));
    }
    if standing.state == StandingState::Orphan {
        add(
            Tone::Bad,
            format!(
                "not in clusters/ any more: put its file back, or delete the cluster and then `kfleet forget {name}`"
            ),
        );
    }
    if let Some(drift) = standing
        .drift
        .as_ref()
        .filter(|d| d.by_others + d.not_known > 0)
    {
        add(
            Tone::Bad,
            format!(
                "drift at {}: {} changed by others, {} not known; `kfleet drift {name}` says what",
                clock(drift.at),
                drift.by_others,
                drift.not_known
            ),
        );
    }
    if standing.warnings > 0 {
        add(
            Tone::Bad,
            format!(
                "{} of the last look; `kfleet rollout status` says them",
                count(standing.warnings, "warning")
            ),
        );
    }
    if let Some(applied) = standing.applied.as_ref().filter(|a| a.more_than_commit) {
        let why = applied.allow_dirty.as_ref();
        let why = why.map(|why| format!("; ALLOW DIRTY: {}", plain(why)));
        add(
            Tone::Change,
            format!(
                "runs more than what was committed; `kfleet rollout status {}` says what{}",
                plain(&applied.rollout),
                why.unwrap_or_default()
            ),
        );
    }
    if let Some(applied) = standing.applied.as_ref().filter(|a| a.pending > 0) {
        add(
            Tone::Change,
            format!(
                "{} recorded as carried out elsewhere, not seen yet",
                count(applied.pending, "document")
            ),
        );
    }
    if let Some(plan) = plan {
        live(standing, plan)
            .into_iter()
            .for_each(|line| add(Tone::Change, line));
    }
    out
}

/// What the account says: how many instances are not what git wants, and why.
fn live(standing: &ClusterStanding, plan: &ClusterPlan) -> Vec<String> {
    let mut out = Vec::new();
    let blocked = plan.blocked.iter();
    out.extend(blocked.map(|b| format!("blocked: {}", blocked_text(b, &standing.cluster))));
    for (asg, change) in &plan.groups {
        let name = group(asg, &standing.cluster);
        out.push(format!("{name}: {}", difference(change)));
    }
    if out.is_empty() {
        out.push("the account is as git wants it".into());
    }
    out
}

/// How the live group differs from git.
fn difference(change: &GroupChange) -> String {
    match change {
        GroupChange::Create { .. } => "not there yet".into(),
        GroupChange::Retire { instances, .. } => {
            format!("not in git, {}", count(instances.len(), "instance"))
        }
        GroupChange::Update { replace, .. } if replace.is_empty() => {
            "differs, no instance is outdated".into()
        }
        GroupChange::Update { replace, .. } => {
            let mut why: Vec<&String> = replace.values().flatten().collect();
            why.sort();
            why.dedup();
            let why = list(why.iter().map(|w| plain(w)), 3);
            format!("{} outdated: {why}", count(replace.len(), "instance"))
        }
    }
}

/// The same for machines.
pub fn fleet_status_json(status: FleetStatus<'_>) -> String {
    let clusters: Vec<Json> = status
        .clusters
        .iter()
        .map(|standing| {
            let plan = status.live.and_then(|live| live.get(&standing.cluster));
            standing_json(standing, plan)
        })
        .collect();
    format!(
        "{:#}\n",
        json!({
            "version": 1, "at": status.now, "clusters": clusters,
            "hooks": hooks::last_runs_json(status.hooks),
        })
    )
}

fn standing_json(standing: &ClusterStanding, plan: Option<&ClusterPlan>) -> Json {
    let mut value = json!(standing);
    if let (Some(object), Some(plan)) = (value.as_object_mut(), plan) {
        let outdated: BTreeMap<_, _> = plan
            .groups
            .iter()
            .filter_map(|(asg, change)| match change {
                GroupChange::Update { replace, .. } if !replace.is_empty() => Some((asg, replace)),
                GroupChange::Update { .. }
                | GroupChange::Create { .. }
                | GroupChange::Retire { .. } => None,
            })
            .collect();
        object.insert(
            "live".into(),
            json!({
                "groups_changed": plan.groups.len(),
                "outdated": outdated,
                "blocked": plan.blocked,
            }),
        );
    }
    value
}
