//! What a reader of a plan has to know that is no part of it: which commit it was made of, what the store holds that git does not name, and which
//! rollout is under way. None of it is in the plan's id, which is the same in every clone.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::blocking::blocking_lines;
use super::revision::revision_line;
use super::standing::standing;
use super::style::{Style, Tone};
use super::wording::{clock, count, list, plain};
use super::work;
use crate::lint::Finding;
use crate::model::{ClusterName, DryRun, LeaseState, Owner, Revision, Timestamp, short_commit};
use crate::plan::Orphan;
use crate::plan::room::WaveOutlook;
use crate::rollout::{Progress, Rollout};

/// What is known around a plan.
#[derive(Clone, Copy, Debug)]
pub struct Around<'a> {
    /// What git says of the files.
    pub revision: &'a Revision,
    /// Clusters that the store knows and git does not name.
    pub orphans: &'a [Orphan],
    /// The rollout that is not finished.
    pub under_way: Option<UnderWay<'a>>,
    /// What is known of the room that its waves need; none: that was not looked at.
    pub room: &'a [WaveOutlook],
    /// Findings of lint that keep their clusters from being rolled out.
    pub blocking: &'a [Finding],
    /// What kops would do by itself, of the clusters about which it was asked.
    pub dry_runs: &'a BTreeMap<ClusterName, DryRun>,
}

/// A rollout that is not finished.
#[derive(Clone, Copy, Debug)]
pub struct UnderWay<'a> {
    /// The one that is under way.
    pub rollout: &'a Rollout,
    /// How far it is.
    pub progress: &'a Progress,
    /// Who drives it.
    pub owner: &'a Owner,
    /// The cloud's time.
    pub now: Timestamp,
}

/// What comes before the plan: a rollout under way, orphans, and what lint does not let pass.
pub fn around_text(around: Around<'_>, style: Style) -> String {
    let mut out: Vec<String> = around
        .under_way
        .iter()
        .map(|u| under_way_line(*u, style))
        .collect();
    out.extend(around.orphans.iter().map(|o| orphan_line(o, style)));
    out.extend(blocking_lines(around.blocking, style));
    lines(&out)
}

/// What comes after it: the commit.
pub fn made_of_text(around: Around<'_>) -> String {
    lines(&[revision_line(around.revision)])
}

/// What kops would do with the documents of git, cluster by cluster; in its own words where all is to be shown.
pub fn dry_runs_text(dry_runs: &BTreeMap<ClusterName, DryRun>, style: Style) -> String {
    /// Tasks that a line names.
    const NAMED: usize = 5;
    let of_one = |(cluster, found): (&ClusterName, &DryRun)| {
        let (what, text) = match found {
            DryRun::Known { tasks, text } if tasks.is_empty() => (
                "nothing: all of it is carried out".to_owned(),
                text.as_str(),
            ),
            DryRun::Known { tasks, text } => {
                let names: Vec<String> = tasks.iter().map(|task| plain(task)).collect();
                let tasks = count(tasks.len(), "task");
                (format!("{tasks}: {}", list(&names, NAMED)), text.as_str())
            }
            DryRun::NotKnown { why } => {
                let head = style.paint(Tone::Bad, "not known:");
                (format!("{head} {}", plain(why)), "")
            }
        };
        let words: String = text
            .lines()
            .filter(|_| style.full)
            .map(|line| format!("    {}\n", plain(line)))
            .collect();
        format!("kops update of {cluster}, with what git has: {what}\n{words}")
    };
    dry_runs.iter().map(of_one).collect()
}

/// The same as markdown: one list, after the plan.
pub fn around_markdown(around: Around<'_>) -> String {
    let text = around_text(around, Style::default()) + &made_of_text(around);
    let items: String = text
        .lines()
        .map(|line| format!("- {}\n", super::markdown::escape(line)))
        .collect();
    format!("\n{items}")
}

/// The same for machines: keys beside those of the plan.
pub(super) fn around_json(around: Around<'_>) -> [(&'static str, Json); 6] {
    let under_way = around.under_way.map(|u| {
        json!({
            "rollout": u.rollout.id,
            "state": standing(u.rollout, u.progress, u.now),
            "release": u.rollout.release,
            "started_at": u.rollout.started_at,
            "driven_by": u.owner.by,
        })
    });
    [
        ("revision", json!(around.revision)),
        ("orphans", json!(around.orphans)),
        ("rollout_under_way", json!(under_way)),
        ("room", json!(around.room)),
        ("blocked_by_lint", json!(around.blocking)),
        ("kops_dry_runs", json!(around.dry_runs)),
    ]
}

fn lines(lines: &[String]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// The line of a rollout that is not finished.
pub fn under_way_text(under_way: UnderWay<'_>, style: Style) -> String {
    lines(&[under_way_line(under_way, style)])
}

fn under_way_line(under_way: UnderWay<'_>, style: Style) -> String {
    let UnderWay {
        rollout,
        progress,
        owner,
        now,
    } = under_way;
    let who = match owner.lease {
        LeaseState::Alive => format!("driven by {}", plain(&owner.by)),
        LeaseState::Free | LeaseState::Silent { .. } => {
            format!(
                "started by {}, no process drives it",
                plain(&rollout.started_by)
            )
        }
    };
    let head = style.paint(Tone::Change, &format!("under way: rollout {}", rollout.id));
    format!(
        "{head} of release {}, {who}: {}; see `kfleet rollout status`",
        rollout.release.short(),
        work::state(rollout, progress, now)
    )
}

fn orphan_line(orphan: &Orphan, style: Style) -> String {
    let Orphan {
        cluster,
        rollout,
        since,
        commit,
    } = orphan;
    let commit = commit
        .as_ref()
        .map(|id| format!(", of commit {}", plain(short_commit(id))));
    let head = style.paint(Tone::Bad, &format!("orphan {cluster}:"));
    format!(
        "{head} rollout {} left it as it is since {}{}, and clusters/{cluster}.yaml is gone: nothing looks after it. \
         Put the file back, or delete the cluster and then `kfleet forget {cluster}`",
        plain(rollout),
        clock(*since),
        commit.unwrap_or_default()
    )
}
