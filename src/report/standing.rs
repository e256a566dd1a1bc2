//! Where rollouts stand, for machines; and who drives one, for both. Reads no journal.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::beside::Beside;
use super::hooks;
use super::reason::{RESUME, advice_text, reason_text};
use super::style::{Style, Tone};
use super::wording::{clock, plain};
use super::work;
use crate::model::{ClusterName, LeaseState, Owner, Timestamp};
use crate::plan::Warned;
use crate::rollout::{Direction, Ending, Progress, Rollout, StageRun, Stuck, Waiting};

/// The line about who drives a rollout; none when it is over.
pub(super) fn owner_text(
    rollout: &Rollout,
    progress: &Progress,
    owner: &Owner,
    style: Style,
) -> Option<String> {
    if progress.ending.is_some() {
        return None;
    }
    let Owner { by, since, lease } = owner;
    let (by, since) = (plain(by), clock(*since));
    let id = &rollout.id;
    Some(match lease {
        LeaseState::Alive => format!("  driven by {by} since {since}; its lease is alive"),
        LeaseState::Free => style.paint(
            Tone::Change,
            &format!("  no process drives it: {by} did since {since}, and has ended; `kfleet rollout resume {id}` goes on"),
        ),
        LeaseState::Silent { free_at } => style.paint(
            Tone::Bad,
            &format!(
                "  driven by {by} since {since}, who has not renewed the lease; `kfleet rollout resume {id}` can take it over after {}",
                clock(*free_at)
            ),
        ),
    })
}

/// Where a rollout stands, as one word.
pub fn standing(rollout: &Rollout, progress: &Progress, now: Timestamp) -> &'static str {
    match progress.ending {
        Some(Ending::Finished) => "finished",
        Some(Ending::RolledBack) => "rolled-back",
        Some(Ending::Aborted) => "aborted",
        None if progress.stuck.is_some() => "stuck",
        None if progress.held => "held",
        None => match progress.direction {
            Direction::Back(_) => "rolling-back",
            Direction::Aborting => "aborting",
            Direction::Forward if progress.rollback_asked.is_some() => "rolling-back",
            Direction::Forward if progress.failure.is_some() => "failed",
            Direction::Forward if work::approval_wanted(rollout, progress, now).is_some() => {
                "waiting-for-approval"
            }
            Direction::Forward => "running",
        },
    }
}

fn warnings_json(warned: &BTreeMap<ClusterName, Warned>) -> Json {
    let warned = warned.values();
    let warned =
        warned.map(|w| json!({"cluster": w.cluster, "since": w.since, "found": w.remarks}));
    json!(warned.collect::<Vec<_>>())
}

/// `rollout status` for machines. `exit`: the exit code of the command.
pub fn status_json(
    rollout: &Rollout,
    progress: &Progress,
    beside: Beside<'_>,
    now: Timestamp,
    exit: u8,
) -> String {
    let mut value = summary(rollout, progress, now);
    let stages: Vec<Json> = rollout
        .stages
        .iter()
        .map(|stage| stage_json(stage, progress))
        .collect();
    let approval = work::approval_wanted(rollout, progress, now);
    if let Json::Object(map) = &mut value {
        map.insert("version".into(), json!(1));
        map.insert("exit_code".into(), json!(exit));
        map.insert("stages".into(), json!(stages));
        map.insert("hooks".into(), hooks::status_json(rollout, progress));
        map.insert("approval_wanted".into(), json!(approval));
        map.insert("owner".into(), owner_json(beside.owner));
        let waits = beside.waits.filter(|_| progress.ending.is_none());
        map.insert(
            "waits".into(),
            json!(waits.map(|w| json!({"at": w.at, "for": waiting_json(&w.waiting)}))),
        );
        map.insert("warnings".into(), warnings_json(beside.warned));
        map.insert("status".into(), json!(work::state(rollout, progress, now)));
    }
    format!("{value:#}\n")
}

/// What is waited for, each with its sentence.
fn waiting_json(waiting: &[Waiting]) -> Vec<Json> {
    let one = |waiting: &Waiting| {
        let Waiting {
            cluster,
            group,
            why,
            until,
        } = waiting;
        let message = plain(&reason_text(why));
        json!({"cluster": cluster, "group": group, "why": why, "message": message, "until": until})
    };
    waiting.iter().map(one).collect()
}

/// What failed, and why it cannot go on by itself: each with its sentence.
fn trouble_json(progress: &Progress) -> (Json, Json) {
    let failure = progress.failure.as_ref().map(|(cluster, group, why)| {
        json!({"cluster": cluster, "group": group, "why": why, "message": plain(&reason_text(why))})
    });
    let stuck = progress.stuck.as_ref().map(|stuck| {
        let Stuck {
            cluster,
            group,
            why,
            advice,
        } = stuck;
        json!({
            "cluster": cluster, "group": group, "why": why, "message": plain(&reason_text(why)),
            "advice": advice, "what_to_do": plain(&advice_text(advice, RESUME)),
        })
    });
    (json!(failure), json!(stuck))
}

fn owner_json(owner: &Owner) -> Json {
    let Owner { by, since, lease } = owner;
    let (state, free_at) = match lease {
        LeaseState::Alive => ("alive", None),
        LeaseState::Free => ("free", None),
        LeaseState::Silent { free_at } => ("silent", Some(free_at)),
    };
    json!({"by": by, "since": since, "lease": state, "free_at": free_at})
}

fn stage_json(stage: &StageRun, progress: &Progress) -> Json {
    let state = if progress.stages_passed.contains(&stage.name) {
        "passed"
    } else if progress.stages_started.contains(&stage.name) {
        "started"
    } else {
        "not-started"
    };
    let wave = |(index, wave): (usize, &crate::rollout::WaveRun)| {
        let key = (stage.name.clone(), index);
        let state = if progress.waves_passed.contains(&key) {
            "passed"
        } else if progress.waves_started.contains(&key) {
            "started"
        } else {
            "not-started"
        };
        let clusters: Vec<Json> = wave
            .clusters
            .iter()
            .map(|run| json!({"name": run.cluster, "state": work::cluster_state(run, progress)}))
            .collect();
        json!({"state": state, "clusters": clusters})
    };
    let waves: Vec<Json> = stage.waves.iter().enumerate().map(wave).collect();
    json!({"name": stage.name, "state": state, "waves": waves})
}

fn summary(rollout: &Rollout, progress: &Progress, now: Timestamp) -> Json {
    let (failure, stuck) = trouble_json(progress);
    json!({
        "rollout": rollout.id,
        "state": standing(rollout, progress, now),
        "plan": rollout.plan,
        "release": rollout.release,
        "started_at": rollout.started_at,
        "started_by": rollout.started_by,
        "last_record_at": progress.at,
        "failure": failure,
        "stuck": stuck,
        "break_glass": rollout.break_glass,
        "revision": rollout.revision,
        "stages": rollout.stages.iter().map(|s| &s.name).collect::<Vec<_>>(),
    })
}

/// `rollout history` for machines, the newest first. `rollouts`: in the order in which they were begun.
pub fn history_json(rollouts: &[(Rollout, Progress)]) -> String {
    let all: Vec<Json> = rollouts
        .iter()
        .rev()
        .map(|(rollout, progress)| summary(rollout, progress, progress.at))
        .collect();
    let value = json!({"version": 1, "rollouts": all});
    format!("{value:#}\n")
}
