//! The live view of a rollout: a header, then one line for each group at work and each thing waited for. Draws no screen.

use super::reason::reason_text;
use super::wording::{clock, count, cut, group, plain, span};
use super::work::{self, Position};
use crate::model::{AsgName, ClusterName, Span, Timestamp};
use crate::rollout::{
    Direction, GroupProgress, GroupTask, Progress, Rollout, StageRun, Waiting, WaveRun,
};

/// Most lines, the header among them.
const LINES: usize = 20;

/// What is going on now, in at most 20 lines of at most `width` characters. `now` is the cloud's time.
pub fn progress_lines(
    rollout: &Rollout,
    progress: &Progress,
    waiting: &[Waiting],
    now: Timestamp,
    width: usize,
) -> Vec<String> {
    let mut lines = vec![header(rollout, progress, now)];
    let mut rest: Vec<&Waiting> = waiting.iter().collect();
    let mut work = Vec::new();
    for run in rollout.clusters() {
        let Some(cluster) = progress.clusters.get(&run.cluster) else {
            continue;
        };
        for task in &run.groups {
            let Some(group) = cluster
                .groups
                .get(&task.asg)
                .filter(|g| work::rolling_since(g).is_some())
            else {
                continue;
            };
            let (mine, others) = rest
                .into_iter()
                .partition(|w| is_about(w, &run.cluster, &task.asg));
            rest = others;
            work.push(group_line(&run.cluster, task, group, &mine, progress, now).fit(width));
        }
    }
    work.extend(rest.iter().map(|w| wait_line(w, now).fit(width)));
    let all = work.len();
    let shown = if all < LINES { all } else { LINES - 2 };
    lines.extend(work.into_iter().take(shown));
    if all > shown {
        lines.push(format!("  … and {}", count(all - shown, "more line")));
    }
    lines.iter().map(|l| cut(l, width)).collect()
}

/// What of clusters is being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Looking {
    Groups,
    Nodes,
}

/// How far a look at clusters is. `done`: of how many of them it is known, where that is told, and for how long that is being asked.
pub fn looking_line(
    clusters: usize,
    looking: Looking,
    done: Option<(usize, Span)>,
    taken: Span,
) -> String {
    let what = match looking {
        Looking::Groups => "groups",
        Looking::Nodes => "nodes",
    };
    let what = format!("{what} of {}", count(clusters, "cluster"));
    let Some((done, asked)) = done else {
        return format!("reading the {what}, {} so far", span(taken));
    };
    let left = clusters.saturating_sub(done);
    let each = i64::try_from(done).ok().filter(|done| *done > 0);
    let left = each
        .zip(i64::try_from(left).ok())
        .map(|(done, left)| Span::from_millis(asked.millis().saturating_mul(left) / done))
        .map(|left| format!(", about {} left", span(left)));
    format!(
        "reading the {what}: {done} of {clusters} done, {} so far{}",
        span(taken),
        left.unwrap_or_default()
    )
}

/// A line of the live view, in the parts of which some give way where it is too long.
struct LiveLine {
    cluster: Option<ClusterName>,
    group: String,
    /// How far it is, the most telling first.
    counts: Vec<String>,
    /// What is waited for: of that the end tells most.
    last: String,
}

impl LiveLine {
    /// At most so many characters: first the cluster is called by the first label of its name, then counts go but the first, then the beginning of what
    /// is waited for.
    fn fit(&self, width: usize) -> String {
        let full = self.written(false, usize::MAX, &self.last);
        let short = || self.written(true, usize::MAX, &self.last);
        let fewer = || self.written(true, 1, &self.last);
        let fits = |line: &String| line.chars().count() <= width;
        if fits(&full) {
            return full;
        }
        if let Some(line) = [short(), fewer()].into_iter().find(fits) {
            return line;
        }
        let head = self.written(true, 1, "").chars().count();
        let room = width.saturating_sub(head + 1);
        let skipped = self.last.chars().count().saturating_sub(room);
        let tail: String = self.last.chars().skip(skipped).collect();
        cut(&self.written(true, 1, &format!("…{tail}")), width)
    }

    fn written(&self, is_short: bool, counts: usize, last: &str) -> String {
        let LiveLine {
            cluster,
            group,
            counts: all,
            last: _,
        } = self;
        let cluster = cluster.as_ref().map(ToString::to_string);
        let cluster = cluster.map(|name| match name.split_once('.') {
            Some((label, _)) if is_short => format!("{label}…"),
            Some(_) | None => name,
        });
        let names: Vec<&str> = [cluster.as_deref(), Some(group.as_str())]
            .into_iter()
            .flatten()
            .filter(|name| !name.is_empty())
            .collect();
        let head = if names.is_empty() {
            String::new()
        } else {
            format!("{}: ", names.join(" "))
        };
        let shown: Vec<&str> = all.iter().take(counts).map(String::as_str).collect();
        format!("  {head}{}{last}", shown.join(", "))
    }
}

/// Waits in one telling of a pipeline.
const WAITS: usize = 5;

/// What is waited for, as lines among those of events.
pub fn waiting_lines(waiting: &[Waiting], now: Timestamp) -> Vec<String> {
    let clock = clock(now);
    let lines = waits(waiting, now, WAITS);
    lines.map(|line| format!("{clock}  {line}")).collect()
}

/// That nothing but what was told at `since` is waited for, in one line.
pub fn still_waiting_line(waiting: &[Waiting], since: Timestamp, now: Timestamp) -> String {
    format!(
        "{}  rollout: still waits for what was said at {} ({}, {} long)",
        clock(now),
        clock(since),
        count(waiting.len(), "wait"),
        span(now.since(since))
    )
}

/// What is waited for, at most so many; then how many more.
pub(super) fn waits(
    waiting: &[Waiting],
    now: Timestamp,
    most: usize,
) -> impl Iterator<Item = String> {
    let line = move |w: &Waiting| {
        let of = match &w.cluster {
            None => "rollout: ".to_owned(),
            Some(_) => subject(w),
        };
        format!("{of}waits: {}", reason(w, now))
    };
    let more = waiting.len().saturating_sub(most);
    let last = (more > 0).then(|| format!("… and {}", count(more, "more wait")));
    waiting.iter().take(most).map(line).chain(last)
}

fn header(rollout: &Rollout, progress: &Progress, now: Timestamp) -> String {
    let parts = [
        place(rollout, progress, now),
        work::achieved(rollout, progress),
        format!("{} elapsed", span(now.since(rollout.started_at))),
    ];
    parts.join(", ")
}

fn place(rollout: &Rollout, progress: &Progress, now: Timestamp) -> String {
    let state = work::state(rollout, progress, now);
    let forward =
        progress.ending.is_none() && progress.stuck.is_none() && progress.failure.is_none();
    if !forward || progress.direction != Direction::Forward {
        return state;
    }
    let Some(Position { stage, wave }) = work::position(rollout, progress) else {
        return "every stage passed".into();
    };
    if work::unapproved(stage, progress, now) {
        return state;
    }
    let soaking = soaked_until(stage, wave, progress);
    let soaking = soaking
        .and_then(|until| work::soak_words(until, now))
        .map(|s| format!(" {s}"))
        .unwrap_or_default();
    match wave {
        Some((index, _)) => format!(
            "stage {}, wave {} of {}{soaking}",
            stage.name,
            index + 1,
            stage.waves.len()
        ),
        None => format!("stage {}{soaking}", stage.name),
    }
}

/// When the wave has soaked; behind the last one, the stage.
fn soaked_until(
    stage: &StageRun,
    wave: Option<(usize, &WaveRun)>,
    progress: &Progress,
) -> Option<Timestamp> {
    match wave {
        Some((_, wave)) => work::soaked_at(&wave.clusters, wave.soak, progress),
        None => work::soaked_at(
            stage.waves.iter().flat_map(|w| &w.clusters),
            stage.soak,
            progress,
        ),
    }
}

fn group_line(
    cluster: &ClusterName,
    task: &GroupTask,
    progress: &GroupProgress,
    waits: &[&Waiting],
    all: &Progress,
    now: Timestamp,
) -> LiveLine {
    let counts = work::group_counts(task, progress, &all.direction);
    let eta = work::eta(progress, now).map_or("-".to_owned(), span);
    let waits: Vec<String> = waits.iter().map(|w| reason(w, now)).collect();
    let waits = if waits.is_empty() {
        String::new()
    } else {
        format!("; {}", waits.join("; "))
    };
    LiveLine {
        cluster: Some(cluster.clone()),
        group: group(&task.asg, cluster).to_owned(),
        counts: counts.split(", ").map(str::to_owned).collect(),
        last: format!(", eta {eta}{waits}"),
    }
}

fn wait_line(waiting: &Waiting, now: Timestamp) -> LiveLine {
    let (cluster, asg) = (waiting.cluster.as_ref(), waiting.group.as_ref());
    let group = cluster.zip(asg).map(|(cluster, asg)| group(asg, cluster));
    LiveLine {
        cluster: cluster.cloned(),
        group: group.unwrap_or_default().to_owned(),
        counts: Vec::new(),
        last: reason(waiting, now),
    }
}

fn is_about(waiting: &Waiting, cluster: &ClusterName, asg: &AsgName) -> bool {
    waiting.cluster.as_ref() == Some(cluster) && waiting.group.as_ref() == Some(asg)
}

fn subject(waiting: &Waiting) -> String {
    match (&waiting.cluster, &waiting.group) {
        (Some(cluster), Some(asg)) => format!("{cluster} {}: ", group(asg, cluster)),
        (Some(cluster), None) => format!("{cluster}: "),
        (None, _) => String::new(),
    }
}

fn reason(waiting: &Waiting, now: Timestamp) -> String {
    let why = plain(&reason_text(&waiting.why));
    match waiting.until {
        Some(until) if until > now => format!("{why} (at most {} more)", span(until.since(now))),
        Some(_) | None => why,
    }
}
