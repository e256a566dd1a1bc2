//! A release that several runs carry out together, in words: what a shard waits for, and how all of them stand.

use std::fmt::Write as _;

use serde::Serialize;

use super::wording::{clock, count};
use crate::model::{Digest, LeaseState, Owner, Shard, StageName};
use crate::rollout::{BoardRow, FailedAt, Joint, RowState, Seat};

/// One shard of a joint rollout; none of its fields is known while it has not begun.
#[derive(Clone, Debug)]
pub struct ShardSeen {
    pub shard: Shard,
    /// How many clusters it has, begun or not.
    pub clusters: usize,
    /// Its rollout.
    pub begun: Option<ShardBegun>,
}

/// The rollout of a shard.
#[derive(Clone, Debug)]
pub struct ShardBegun {
    pub rollout: String,
    /// As its row on the board says.
    pub row: BoardRow,
    /// Who drives it.
    pub owner: Owner,
    /// Clusters that are verified, of those it has.
    pub verified: usize,
}

/// A joint rollout as a whole.
#[derive(Clone, Debug)]
pub struct JointSeen {
    pub id: Digest,
    pub joint: Joint,
    /// Its shards in order.
    pub shards: Vec<ShardSeen>,
    /// What all of their plans come to; none: one has not begun.
    pub plans: Option<Digest>,
    /// A stage that waits for a person.
    pub approval: Option<StageName>,
}

/// What a shard waits for.
pub(super) fn awaited(
    shard: Shard,
    rollout: Option<&(String, RowState)>,
    stage: &StageName,
    wave: Option<usize>,
) -> String {
    let what = part(stage, wave);
    match rollout {
        None => format!("shard {shard} has not begun, and {what} has to pass in every shard"),
        Some((id, state)) => format!(
            "{what} has not passed in shard {shard} (rollout {id}, {})",
            state_text(*state)
        ),
    }
}

fn part(stage: &StageName, wave: Option<usize>) -> String {
    wave.map_or_else(
        || format!("stage {stage}"),
        |wave| format!("wave {} of stage {stage}", wave.saturating_add(1)),
    )
}

pub(super) fn failed(shard: Shard, rollout: &str, failed: &FailedAt) -> String {
    let FailedAt {
        stage,
        wave,
        cluster,
        hook,
        on_failure: _,
    } = failed;
    let wave = (!failed.is_of_stage()).then_some(*wave);
    let what = match hook {
        Some(place) => format!("hook `{}`", place.hook),
        None => cluster.to_string(),
    };
    format!(
        "shard {shard} FAILED in {}, {what} (rollout {rollout})",
        part(stage, wave)
    )
}

pub(super) fn passed_everywhere(wave: Option<usize>, shards: usize) -> String {
    let what = wave.map_or_else(String::new, |wave| {
        format!("wave {} ", wave.saturating_add(1))
    });
    format!("{what}passed in all {shards} shards")
}

pub(super) fn state_text(state: RowState) -> &'static str {
    match state {
        RowState::Going => "going on",
        RowState::Stuck => "stuck: a person must act",
        RowState::Held => "failed, and held for a person",
        RowState::GoingBack => "rolling back",
        RowState::Stopping => "being aborted",
        RowState::Finished => "finished",
        RowState::RolledBack => "rolled back",
        RowState::Aborted => "aborted",
    }
}

/// How all shards stand, a line each.
pub fn joint_text(seen: &JointSeen) -> String {
    let JointSeen {
        id,
        joint,
        shards,
        plans,
        approval,
    } = seen;
    let clusters: usize = shards.iter().map(|s| s.clusters).sum();
    let mut text = format!(
        "release {} in {} shards, {clusters} clusters (joint rollout {}), begun {} by {}\n",
        joint.release.short(),
        shards.len(),
        id.short(),
        clock(joint.since),
        joint.by
    );
    for shard in shards {
        let _ = writeln!(text, "  {}", line(shard));
    }
    match (approval, plans) {
        (Some(stage), Some(plans)) => {
            let _ = writeln!(
                text,
                "stage {stage} waits for an approval: look at each shard's plan (`kfleet rollout status ID`), then `kfleet rollout approve {stage} --plan {}` approves it for all of them",
                plans.short()
            );
        }
        (Some(stage), None) => {
            let _ = writeln!(
                text,
                "stage {stage} waits for an approval, which can be given for all of them when every shard has begun"
            );
        }
        (None, _) => {}
    }
    text
}

fn line(seen: &ShardSeen) -> String {
    let ShardSeen {
        shard,
        clusters,
        begun,
    } = seen;
    let Some(ShardBegun {
        rollout,
        row,
        owner,
        verified,
    }) = begun
    else {
        return format!("{shard:<5} not begun, {}", count(*clusters, "cluster"));
    };
    let at = row.active.values().next();
    let place = match (at, row.stages.iter().next_back()) {
        _ if row.state.has_ended() => String::new(),
        (Some((stage, wave)), _) => format!(", at {}", part(stage, Some(*wave))),
        (None, Some(_)) => {
            let passed: Vec<&str> = row.stages.iter().map(StageName::as_str).collect();
            format!(", {} passed", passed.join(", "))
        }
        (None, None) => String::new(),
    };
    let driven = match owner.lease {
        _ if row.state.has_ended() => String::new(),
        LeaseState::Alive => format!("; driven by {}", owner.by),
        LeaseState::Free => {
            format!("; no process drives it: `kfleet rollout resume {rollout}` goes on")
        }
        LeaseState::Silent { free_at } => format!(
            "; {} has been silent, and `kfleet rollout resume {rollout}` takes it from {free_at} on",
            owner.by
        ),
    };
    let failure = row
        .failed
        .as_ref()
        .map_or_else(String::new, |f| format!("; FAILED in {}", f.cluster));
    format!(
        "{shard:<5} {rollout}  {}{place}, {verified} of {clusters} verified{failure}{driven}",
        state_text(row.state)
    )
}

#[derive(Serialize)]
struct JointForm<'a> {
    v: u32,
    joint: &'a Digest,
    release: &'a Digest,
    attempt: u32,
    plans: Option<&'a Digest>,
    /// The stage that waits for an approval.
    #[serde(skip_serializing_if = "Option::is_none")]
    approval: Option<&'a StageName>,
    exit: u8,
    shards: Vec<ShardForm<'a>>,
}

#[derive(Serialize)]
struct ShardForm<'a> {
    shard: Shard,
    clusters: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    rollout: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<RowState>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verified: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    row: Option<&'a BoardRow>,
}

/// The same for programs. `exit`: as the command ends.
pub fn joint_json(seen: &JointSeen, exit: u8) -> String {
    let shards = seen.shards.iter().map(|shard| {
        let begun = shard.begun.as_ref();
        ShardForm {
            shard: shard.shard,
            clusters: shard.clusters,
            rollout: begun.map(|b| b.rollout.as_str()),
            state: begun.map(|b| b.row.state),
            verified: begun.map(|b| b.verified),
            row: begun.map(|b| &b.row),
        }
    });
    let form = JointForm {
        v: 1,
        joint: &seen.id,
        release: &seen.joint.release,
        attempt: seen.joint.attempt,
        plans: seen.plans.as_ref(),
        approval: seen.approval.as_ref(),
        exit,
        shards: shards.collect(),
    };
    serde_json::to_string_pretty(&form).unwrap_or_default() + "\n"
}

/// The line of a shard in the status of its own rollout.
pub fn seat_text(seat: &Seat) -> String {
    format!(
        "shard {} of joint rollout {}; `kfleet rollout status` shows all of them\n",
        seat.shard,
        seat.joint.short()
    )
}
