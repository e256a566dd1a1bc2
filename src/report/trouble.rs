//! The part of `rollout status` that is read at three in the morning: what happened, what is safe, what to do. Decides nothing.

use std::collections::BTreeSet;

use super::reason::{RESUME, advice_text, reason_text};
use super::style::{Style, Tone};
use super::wording::{clock, count, group, list, plain};
use super::work;
use crate::model::{AsgName, ClusterName};
use crate::rollout::{
    ClusterState, Cordoned, Direction, Ending, Progress, Rollout, deleted_groups,
};

/// Nothing while all goes well.
pub(super) fn lines(rollout: &Rollout, progress: &Progress, style: Style) -> Vec<String> {
    let happened = happened(progress);
    if happened.is_empty() {
        return Vec::new();
    }
    let mut out = vec![style.paint(Tone::Bad, "what happened")];
    out.extend(happened.into_iter().map(|l| format!("  {l}")));
    out.push(style.paint(Tone::Head, "what is safe"));
    out.extend(
        safe(rollout, progress)
            .into_iter()
            .map(|l| format!("  {l}")),
    );
    out.push(style.paint(Tone::Change, "what to do"));
    out.extend(
        to_do(rollout, progress)
            .into_iter()
            .map(|l| format!("  {l}")),
    );
    out
}

fn happened(progress: &Progress) -> Vec<String> {
    let mut out = Vec::new();
    if let Some((cluster, asg, why)) = &progress.failure {
        out.push(format!(
            "failed: {}: {}",
            subject(cluster, asg.as_ref()),
            plain(&reason_text(why))
        ));
    }
    if let Some(stuck) = &progress.stuck {
        out.push(format!(
            "stuck: {}: {}",
            subject(&stuck.cluster, stuck.group.as_ref()),
            plain(&reason_text(&stuck.why))
        ));
    }
    out.extend(capacity_lines(progress));
    out
}

/// Groups that wait for capacity.
fn capacity_lines(progress: &Progress) -> Vec<String> {
    let mut out = Vec::new();
    for (cluster, found) in progress
        .clusters
        .iter()
        .filter(|_| progress.ending.is_none())
    {
        for (asg, group) in &found.groups {
            let waits = group.capacity.missing.as_ref();
            out.extend(waits.map(|(since, why)| {
                format!(
                    "no capacity: {}: since {}: {}",
                    subject(cluster, Some(asg)),
                    clock(*since),
                    plain(&reason_text(why))
                )
            }));
        }
    }
    out
}

/// What is where it should be, and what is not.
fn safe(rollout: &Rollout, progress: &Progress) -> Vec<String> {
    let of = |wanted: fn(&ClusterState) -> bool, touched: bool| {
        let matching = work::changing(rollout).filter(|run| {
            let found = progress.clusters.get(&run.cluster);
            found.is_some_and(|c| {
                wanted(&c.state) && c.groups.values().any(|g| g.touched) == touched
            })
        });
        list(matching.map(|run| &run.cluster), 10)
    };
    let going_back = matches!(progress.direction, Direction::Back(_)) && progress.ending.is_none();
    let half = of(
        |s| matches!(s, ClusterState::Rolling | ClusterState::Checking(_)),
        true,
    );
    let states = [
        (
            "untouched: ",
            of(|s| !matches!(s, ClusterState::Verified(_)), false),
        ),
        (
            "runs the release, verified: ",
            of(|s| matches!(s, ClusterState::Verified(_)), true),
        ),
        (
            "runs again what it ran before: ",
            of(|s| matches!(s, ClusterState::Restored), true),
        ),
        (
            if going_back {
                "being rolled back: "
            } else {
                "half-way: "
            },
            half,
        ),
    ];
    let mut out: Vec<String> = states
        .into_iter()
        .filter(|(_, names)| !names.is_empty())
        .map(|(what, names)| format!("{what}{names}"))
        .collect();
    out.extend(left_out_there(progress));
    out
}

/// What of ours is still out there: it works on like that, and any way on gives it back.
fn left_out_there(progress: &Progress) -> Vec<String> {
    let groups = || progress.clusters.values().flat_map(|c| c.groups.values());
    let surge: u32 = groups().map(|g| g.outstanding.surge).sum();
    let detached: usize = groups().map(|g| g.outstanding.detached.len()).sum();
    let drains = groups().flat_map(|g| g.outstanding.drains.values());
    let cordoned: BTreeSet<&str> = drains
        .filter(|d| d.cordoned == Cordoned::ByUs)
        .filter_map(|d| d.node.as_ref())
        .map(|n| n.as_str())
        .collect();
    let protected: usize = groups().map(|g| g.outstanding.protected.len()).sum();
    let suspended = groups()
        .filter(|g| !g.outstanding.suspended.is_empty())
        .count();
    let mut parts = Vec::new();
    if surge > 0 {
        parts.push(format!("{} more than wanted", count(surge, "instance")));
    }
    if protected > 0 {
        parts.push(format!(
            "{} protected from scale-in",
            count(protected, "instance")
        ));
    }
    if detached > 0 {
        parts.push(format!(
            "{} beside their group",
            count(detached, "instance")
        ));
    }
    if !cordoned.is_empty() {
        parts.push(format!(
            "{} cordoned ({})",
            count(cordoned.len(), "node"),
            list(cordoned, 5)
        ));
    }
    if suspended > 0 {
        parts.push(format!(
            "AZ rebalancing suspended in {}",
            count(suspended, "group")
        ));
    }
    match parts.is_empty() {
        true => vec!["nothing of the rollout is left open: no cordon, no surge, no protection from scale-in, no suspended process".into()],
        false => vec![format!("open, keeps working, restored at the end: {}", parts.join(", "))],
    }
}

/// The way back, or why there is none.
fn way_back(rollout: &Rollout, progress: &Progress) -> String {
    let id = &rollout.id;
    let all = progress.clusters.keys().cloned().collect();
    match deleted_groups(progress, &all).next() {
        Some((cluster, asg)) => format!(
            "a rollback is not possible: {} was retired and is deleted; put it back into git and roll out again to get one like it",
            subject(cluster, Some(asg))
        ),
        None => format!(
            "or `kfleet rollout rollback {id} --reason WHY`: takes back all of it, the newest wave first"
        ),
    }
}

fn to_do(rollout: &Rollout, progress: &Progress) -> Vec<String> {
    let id = &rollout.id;
    let abort = format!(
        "or `kfleet rollout abort {id}`: undoes what is half-done, leaves groups as they are, and ends the rollout"
    );
    let back = way_back(rollout, progress);
    match progress.ending {
        Some(Ending::RolledBack) => {
            return vec!["nothing now: find out why, mend it in git, and roll out again".into()];
        }
        Some(Ending::Aborted) => {
            return vec![
            "`kfleet plan` shows what is left to do; mend what failed in git, and roll out again"
                .into(),
        ];
        }
        Some(Ending::Finished) => return vec!["nothing".into()],
        None => {}
    }
    let forward = progress.direction == Direction::Forward;
    if let Some(stuck) = &progress.stuck {
        let first = plain(&advice_text(&stuck.advice, &format!("{RESUME} {id}")));
        return [
            Some(first),
            forward.then_some(back),
            (progress.direction != Direction::Aborting).then_some(abort),
        ]
        .into_iter()
        .flatten()
        .collect();
    }
    if progress.held {
        return vec![
            format!("mend the cause, then `kfleet rollout resume {id}`: tries again what failed"),
            back,
            abort,
        ];
    }
    if progress.failure.is_some() || !forward {
        return vec![format!(
            "nothing: it goes on by itself; `kfleet rollout resume {id}` if its process is gone"
        )];
    }
    vec![
        format!(
            "nothing: it waits, and goes on by itself; `kfleet rollout resume {id}` if its process is gone"
        ),
        back,
        abort,
    ]
}

fn subject(cluster: &ClusterName, asg: Option<&AsgName>) -> String {
    asg.map_or_else(
        || cluster.to_string(),
        |asg| format!("{cluster} {}", group(asg, cluster)),
    )
}
