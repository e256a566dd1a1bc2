//! Rollouts in short: the summary at the end of one, and one line for each of many. Reads no journal.

use super::reason::{RESUME, advice_text, reason_text};
use super::status::approve_command;
use super::wording::{clock, count, group, list, plain, span};
use super::{revision, work};
use crate::model::ClusterName;
use crate::rollout::{Direction, Ending, GroupState, Progress, Reason, Rollout};

/// What a rollout came to, for the end of a run. The last line says what to do next, if there is anything.
pub fn rollout_summary(rollout: &Rollout, progress: &Progress) -> String {
    let took = span(progress.at.since(rollout.started_at));
    let mut out = vec![format!(
        "rollout {} after {took}: {}",
        rollout.id,
        work::state(rollout, progress, progress.at)
    )];
    out.push(format!(
        "  {}, {}",
        work::achieved(rollout, progress),
        changed(progress)
    ));
    out.extend(
        rollout
            .break_glass
            .as_ref()
            .map(|why| format!("  BREAK GLASS: {}", plain(why))),
    );
    out.extend(allowed_dirty(rollout));
    out.extend(failure(progress).map(|why| format!("  failed: {why}")));
    out.extend(
        progress
            .stuck
            .as_ref()
            .map(|s| format!("  stuck: {}", at(&s.cluster, s.group.as_ref(), &s.why))),
    );
    out.extend(next_step(rollout, progress).map(|step| format!("next: {step}")));
    format!("{}\n", out.join("\n"))
}

fn allowed_dirty(rollout: &Rollout) -> Option<String> {
    let why = rollout.revision.as_ref()?.allow_dirty.as_ref()?;
    Some(format!("  ALLOW DIRTY: {}", plain(why)))
}

/// Groups and instances, of the clusters that go back when it goes back.
fn changed(progress: &Progress) -> String {
    let counts = |name: &ClusterName| match &progress.direction {
        Direction::Back(clusters) => clusters.contains(name),
        Direction::Forward | Direction::Aborting => true,
    };
    let back = matches!(progress.direction, Direction::Back(_));
    let (mut done, mut ended) = (0_usize, 0_u64);
    for group in progress
        .clusters
        .iter()
        .filter(|(name, _)| counts(name))
        .flat_map(|(_, c)| c.groups.values())
    {
        let is_done = group.touched && group.state == GroupState::Done;
        done += usize::from(is_done);
        // On the way back the counts of a group are those of the way forward until it begins.
        let begun = is_done || work::rolling_since(group).is_some();
        ended += if begun || !back {
            u64::from(group.ended)
        } else {
            0
        };
    }
    told(&progress.direction, done, ended)
}

fn told(direction: &Direction, done: usize, ended: u64) -> String {
    let instances = count(ended, "instance");
    match direction {
        Direction::Forward => format!(
            "{} done, {instances} replaced or ended",
            count(done, "group")
        ),
        Direction::Back(_) => format!(
            "{} brought back, {instances} replaced in the rollback",
            count(done, "group")
        ),
        Direction::Aborting => format!("{instances} replaced or ended before the stop"),
    }
}

/// One line for each rollout, newest first.
pub fn history_text(rollouts: &[(Rollout, Progress)]) -> String {
    if rollouts.is_empty() {
        return "no rollouts yet\n".into();
    }
    rollouts
        .iter()
        .rev()
        .map(|(rollout, progress)| format!("{}\n", line(rollout, progress)))
        .collect()
}

fn line(rollout: &Rollout, progress: &Progress) -> String {
    let took = span(progress.at.since(rollout.started_at));
    let stages = list(rollout.stages.iter().map(|s| &s.name), 10);
    let glass = if rollout.break_glass.is_some() {
        ", BREAK GLASS"
    } else {
        ""
    };
    format!(
        "{}  {}  {} ({took}), {}, stages {stages}, release {}{}, by {}{glass}",
        clock(rollout.started_at),
        rollout.id,
        work::state(rollout, progress, progress.at),
        work::achieved(rollout, progress),
        rollout.release.short(),
        revision::in_short(rollout.revision.as_ref()),
        plain(&rollout.started_by)
    )
}

fn failure(progress: &Progress) -> Option<String> {
    progress
        .failure
        .as_ref()
        .map(|(cluster, asg, why)| at(cluster, asg.as_ref(), why))
}

fn at(cluster: &ClusterName, asg: Option<&crate::model::AsgName>, why: &Reason) -> String {
    let asg = asg
        .map(|g| format!(" {}", group(g, cluster)))
        .unwrap_or_default();
    format!("{cluster}{asg}: {}", plain(&reason_text(why)))
}

fn next_step(rollout: &Rollout, progress: &Progress) -> Option<String> {
    match (progress.ending, &progress.stuck) {
        (Some(Ending::Finished), _) => None,
        (Some(Ending::RolledBack), _) => Some("mend in git what failed, then plan and roll out again".into()),
        (Some(Ending::Aborted), _) => Some("`kfleet plan` shows what is left to do: clusters may run a mix of old and new".into()),
        (None, Some(stuck)) => Some(plain(&advice_text(&stuck.advice, RESUME))),
        (None, None) if progress.held => {
            Some("mend the cause, then `kfleet rollout resume` tries again; `kfleet rollout status` names the other ways".into())
        }
        (None, None) => Some(match work::approval_wanted(rollout, progress, progress.at) {
            Some(stage) => format!("`{}`, then `kfleet rollout resume`", approve_command(rollout, stage)),
            None => "`kfleet rollout resume` goes on from here".into(),
        }),
    }
}
