//! `rollout status`: where everything stands, what is wrong, and what a person can type. Reads no journal.

use std::collections::BTreeMap;

use super::beside::Beside;
use super::reason::ground_text;
use super::revision::revision_line;
use super::standing::owner_text;
use super::style::{Style, Tone};
use super::wording::{clock, group, list, plain, span};
use super::{hooks, progress, remark, trouble, work};
use crate::model::{StageName, Timestamp};
use crate::rollout::{
    ClusterState, Direction, Progress, Rollout, Scope, StageRun, Verdict, Waits, WaveRun,
};

/// Clusters named for one state of one wave.
const CLUSTERS: usize = 10;

/// Things waited for that are named.
const WAITS: usize = 10;

/// The command that approves a stage of this rollout's plan.
pub fn approve_command(rollout: &Rollout, stage: &StageName) -> String {
    format!(
        "kfleet rollout approve {stage} --plan {}",
        rollout.plan.short()
    )
}

/// Where the rollout stands. `now` is the cloud's time (the last record's, when no other is at hand).
pub fn status_text(rollout: &Rollout, progress: &Progress, now: Timestamp, style: Style) -> String {
    text(rollout, progress, None, now, style)
}

/// As [`status_text`], with what is known beside the journal: what is wrong already on top.
pub fn whole_status_text(
    rollout: &Rollout,
    progress: &Progress,
    beside: Beside<'_>,
    now: Timestamp,
    style: Style,
) -> String {
    let warnings = remark::warned_text(beside.warned, style);
    warnings + &text(rollout, progress, Some(beside), now, style)
}

fn text(
    rollout: &Rollout,
    progress: &Progress,
    beside: Option<Beside<'_>>,
    now: Timestamp,
    style: Style,
) -> String {
    let state = work::state(rollout, progress, now);
    let mut out = vec![
        style.paint(Tone::Head, &format!("rollout {}: {state}", rollout.id)),
        format!("  {}", work::achieved(rollout, progress)),
        format!(
            "  plan {} of release {}",
            rollout.plan.short(),
            rollout.release.short()
        ),
    ];
    out.extend(
        rollout
            .revision
            .as_ref()
            .map(|r| format!("  {}", revision_line(r))),
    );
    out.push(format!(
        "  started {} by {}, {}",
        clock(rollout.started_at),
        plain(&rollout.started_by),
        elapsed(rollout, progress, now)
    ));
    out.extend(beside.and_then(|beside| owner_text(rollout, progress, beside.owner, style)));
    out.extend(
        rollout
            .break_glass
            .as_ref()
            .map(|why| style.paint(Tone::Bad, &format!("  BREAK GLASS: {}", plain(why)))),
    );
    for stage in &rollout.stages {
        out.extend(stage_lines(stage, progress, now, style));
    }
    let open = not_done(rollout, progress);
    if !open.is_empty() {
        out.push(style.paint(Tone::Head, "groups at work or half-way"));
        out.extend(open);
    }
    out.extend(hooks::status_lines(rollout, progress, style));
    let waits = beside.and_then(|beside| beside.waits);
    out.extend(waits.map_or_else(Vec::new, |waits| waited_for(progress, waits, style)));
    let gates = waiting_gates(progress);
    if !gates.is_empty() {
        out.push(style.paint(Tone::Head, "gates that wait"));
        out.extend(gates);
    }
    out.extend(trouble::lines(rollout, progress, style));
    out.extend(approvals(rollout, progress, now, style));
    format!("{}\n", out.join("\n"))
}

fn elapsed(rollout: &Rollout, progress: &Progress, now: Timestamp) -> String {
    let last = format!("last record {}", clock(progress.at));
    match progress.ending {
        Some(_) => format!("took {}", span(progress.at.since(rollout.started_at))),
        None => format!("{} ago, {last}", span(now.since(rollout.started_at))),
    }
}

fn stage_lines(stage: &StageRun, progress: &Progress, now: Timestamp, style: Style) -> Vec<String> {
    let mut out = vec![style.paint(
        Tone::Head,
        &format!(
            "stage {}: {}",
            stage.name,
            stage_state(stage, progress, now)
        ),
    )];
    for (index, wave) in stage.waves.iter().enumerate() {
        out.push(format!(
            "  wave {}: {}",
            index + 1,
            wave_state(stage, index, wave, progress, now)
        ));
        out.extend(cluster_lines(wave, progress, style));
    }
    out
}

/// Which clusters of a wave are in which state.
fn cluster_lines(wave: &WaveRun, progress: &Progress, style: Style) -> Vec<String> {
    let mut by_state: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for run in &wave.clusters {
        by_state
            .entry(work::cluster_state(run, progress))
            .or_default()
            .push(run.cluster.to_string());
    }
    let most = if style.full { usize::MAX } else { CLUSTERS };
    by_state
        .into_iter()
        .map(|(state, names)| format!("    {state}: {}", list(names, most)))
        .collect()
}

fn stage_state(stage: &StageRun, progress: &Progress, now: Timestamp) -> String {
    if progress.stages_passed.contains(&stage.name) {
        return "passed".into();
    }
    if progress.stages_started.contains(&stage.name) {
        let waves_done = (0..stage.waves.len())
            .all(|i| progress.waves_passed.contains(&(stage.name.clone(), i)));
        let soak = work::soaked_at(
            stage.waves.iter().flat_map(|w| &w.clusters),
            stage.soak,
            progress,
        )
        .filter(|_| waves_done);
        return soak
            .and_then(|until| work::soak_words(until, now))
            .unwrap_or_else(|| "started".into());
    }
    match progress.approvals.get(&stage.name) {
        _ if work::unapproved(stage, progress, now) => "not started, needs approval".into(),
        Some((by, _)) => format!("not started, approved by {}", plain(by)),
        None => "not started".into(),
    }
}

fn wave_state(
    stage: &StageRun,
    index: usize,
    wave: &WaveRun,
    progress: &Progress,
    now: Timestamp,
) -> String {
    let key = (stage.name.clone(), index);
    if progress.waves_passed.contains(&key) {
        return "passed".into();
    }
    if !progress.waves_started.contains(&key) {
        return "not started".into();
    }
    let soak = work::soaked_at(&wave.clusters, wave.soak, progress);
    soak.and_then(|until| work::soak_words(until, now))
        .unwrap_or_else(|| "started".into())
}

/// Groups on which something was begun and is not done.
fn not_done(rollout: &Rollout, progress: &Progress) -> Vec<String> {
    let mut out = Vec::new();
    for run in rollout.clusters() {
        let Some(cluster) = progress.clusters.get(&run.cluster) else {
            continue;
        };
        for task in &run.groups {
            let Some(found) = cluster
                .groups
                .get(&task.asg)
                .filter(|g| work::unfinished(g, progress))
            else {
                continue;
            };
            let counts = work::group_counts(task, found, &progress.direction);
            out.push(format!(
                "  {} {}: {counts}",
                run.cluster,
                group(&task.asg, &run.cluster)
            ));
            for (id, drain) in &found.outstanding.drains {
                let node = drain
                    .node
                    .as_ref()
                    .map(|n| format!(", node {n}"))
                    .unwrap_or_default();
                out.push(format!(
                    "    drains {id}{node} since {}",
                    clock(drain.since)
                ));
            }
            out.extend((!found.set_aside.is_empty()).then(|| {
                format!(
                    "    set aside, drain did not end in time: {}",
                    list(&found.set_aside, 5)
                )
            }));
        }
    }
    out
}

/// What the process that drives it waited for when it last said so; nothing when all is over.
fn waited_for(progress: &Progress, waits: &Waits, style: Style) -> Vec<String> {
    if progress.ending.is_some() || waits.waiting.is_empty() {
        return Vec::new();
    }
    let head = format!("waited for at {}", clock(waits.at));
    let most = if style.full { usize::MAX } else { WAITS };
    let mut out = vec![style.paint(Tone::Head, &head)];
    out.extend(progress::waits(&waits.waiting, waits.at, most).map(|line| format!("  {line}")));
    out
}

/// What gates said when they were last asked, of clusters that are not through them yet.
fn waiting_gates(progress: &Progress) -> Vec<String> {
    let mut out = Vec::new();
    let under_way = |state: &ClusterState| match state {
        ClusterState::Rolling | ClusterState::Checking(_) => progress.ending.is_none(),
        ClusterState::Waiting | ClusterState::Verified(_) | ClusterState::Restored => false,
    };
    for (cluster, found) in progress
        .clusters
        .iter()
        .filter(|(_, c)| under_way(&c.state))
    {
        for ((scope, gate), answer) in &found.answers {
            let proven = match scope {
                Scope::Canary(asg) => found.groups.get(asg).is_none_or(|g| g.canary.is_proven()),
                Scope::Cluster => false,
            };
            if let (Verdict::Wait(why), false) = (&answer.verdict, proven) {
                let (at, why) = (clock(answer.at), plain(&ground_text(why)));
                out.push(format!("  {cluster}: gate {gate} waits at {at}: {why}"));
            }
        }
    }
    out
}

/// Approvals that are or will be needed, each with the command to type.
fn approvals(rollout: &Rollout, progress: &Progress, now: Timestamp, style: Style) -> Vec<String> {
    let wanted = work::approval_wanted(rollout, progress, now);
    let over = progress.ending.is_some()
        || progress.failure.is_some()
        || progress.direction != Direction::Forward;
    let open = rollout
        .stages
        .iter()
        .filter(|s| !over && work::unapproved(s, progress, now));
    open.map(|stage| {
        let when = if wanted == Some(&stage.name) {
            "needed now"
        } else {
            "needed later"
        };
        let expired = expired_approval(progress, stage);
        let head = style.paint(
            Tone::Change,
            &format!(
                "approval {when} for stage {}{}",
                stage.name,
                expired.unwrap_or_default()
            ),
        );
        format!("{head}: {}", approve_command(rollout, &stage.name))
    })
    .collect()
}

fn expired_approval(progress: &Progress, stage: &StageRun) -> Option<String> {
    progress
        .approvals
        .get(&stage.name)
        .map(|(by, at)| format!(" (the one by {} expired {})", plain(by), clock(*at)))
}
