//! A rehearsal → text: what happened when, what it cost in capacity, calls and time, and what comes of faults. Ran nothing itself.

use super::breach::breach_line;
use super::event::event_line;
use super::wording::{clock, count, group, plain, span};
use crate::model::{Span, Timestamp};
use crate::rollout::{Breach, GroupObservation, Observation, PodMoves, Record, Rollout};

/// A rehearsal that has been run.
#[derive(Clone, Copy, Debug)]
pub struct Rehearsal<'a> {
    /// What was carried out.
    pub rollout: &'a Rollout,
    /// What happened.
    pub records: &'a [Record],
    /// What was seen of capacity, calls and rules.
    pub seen: &'a Observation,
    /// How it ended, in a few words.
    pub ended: &'a str,
    /// What has to be known before any of it is believed.
    pub notes: &'a [String],
}

/// What came of one fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fate {
    /// The fault, as ordered.
    pub fault: String,
    /// How the rollout ended, and why.
    pub ended: String,
    /// How long it took.
    pub makespan: Span,
    /// Rules that were broken.
    pub broken: usize,
}

/// What came of many runs that differ in chance alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Runs {
    /// How long each took, with its seed.
    pub makespans: Vec<(Span, u64)>,
    /// How many ended each way.
    pub ended: std::collections::BTreeMap<String, usize>,
    /// Rules that were broken, with the first seed that broke them.
    pub broken: std::collections::BTreeMap<Breach, u64>,
}

impl Rehearsal<'_> {
    /// From the first record to the last.
    pub fn makespan(&self) -> Span {
        self.end().since(self.rollout.started_at)
    }

    /// The time of the last record.
    pub fn end(&self) -> Timestamp {
        self.records
            .last()
            .map_or(self.rollout.started_at, |r| r.at)
    }
}

/// The whole of a rehearsal as text.
pub fn rehearsal_text(rehearsal: &Rehearsal<'_>) -> String {
    let Rehearsal {
        rollout,
        records,
        seen,
        ended,
        notes,
    } = rehearsal;
    let mut out = vec![format!(
        "plan {} of release {}, begun at {}",
        rollout.plan.short(),
        rollout.release.short(),
        clock(rollout.started_at)
    )];
    out.extend(notes.iter().map(|note| format!("note: {}", plain(note))));
    out.push(String::new());
    out.push("timeline".into());
    out.extend(records.iter().filter_map(|r| {
        Some(format!(
            "  +{:<8} {}",
            span(r.at.since(rollout.started_at)),
            event_line(r)?
        ))
    }));
    out.push(String::new());
    out.push(format!("{ended} after {}", span(rehearsal.makespan())));
    out.push(format!("  {}", calls(seen)));
    let peak = seen.surge.iter().max_by_key(|(_, surge)| **surge);
    out.extend(
        peak.map(|(cluster, surge)| {
            format!("  peak surge {} in {cluster}", count(surge, "instance"))
        }),
    );
    out.extend(moves(seen));
    out.extend(rules(seen));
    if !seen.groups.is_empty() {
        out.push(String::new());
        out.push("capacity while it was rolled: least at work of what was wanted, least by zone, most surge".into());
        out.extend(seen.groups.iter().map(|(asg, g)| {
            format!(
                "  {} {}: {}",
                g.cluster,
                group(asg, &g.cluster),
                capacity(g)
            )
        }));
    }
    out.join("\n") + "\n"
}

fn calls(seen: &Observation) -> String {
    let total: u64 = seen.calls.values().sum();
    let each: Vec<String> = seen
        .calls
        .iter()
        .map(|(kind, n)| format!("{n} {kind}"))
        .collect();
    format!("{}: {}", count(total, "call"), each.join(", "))
}

/// How far pods moved over all clusters, and where one moved most.
fn moves(seen: &Observation) -> Option<String> {
    let (mut pods, mut moves) = (0_u64, 0_u64);
    for moved in seen.moves.values() {
        let PodMoves {
            pods: some,
            moves: times,
            most: _,
        } = *moved;
        pods = pods.saturating_add(u64::from(some));
        moves = moves.saturating_add(u64::from(times));
    }
    let (cluster, worst) = seen.moves.iter().max_by_key(|(_, moved)| moved.most)?;
    let each = moves.saturating_mul(100).checked_div(pods)?;
    Some(format!(
        "  {} moved to another node {}.{:02} times each, one of them {} in {cluster}",
        count(pods, "pod"),
        each / 100,
        each % 100,
        count(worst.most, "time")
    ))
}

fn rules(seen: &Observation) -> Vec<String> {
    if seen.broken.is_empty() {
        return vec!["  no rule of a rollout was broken".into()];
    }
    seen.broken
        .iter()
        .map(|breach| format!("  RULE BROKEN: {}", plain(&breach_line(breach))))
        .collect()
}

fn capacity(seen: &GroupObservation) -> String {
    let GroupObservation {
        cluster: _,
        retires,
        first,
        worst,
        zones,
        surge,
        steps: _,
    } = seen;
    if *retires {
        return format!("{} at work when it began to be retired", first.healthy);
    }
    let zones: Vec<String> = zones
        .iter()
        .map(|(zone, least)| format!("{zone} {least}"))
        .collect();
    format!(
        "{} of {} at {}; {}; surge {surge}",
        worst.healthy,
        worst.wanted,
        clock(worst.at),
        zones.join(", ")
    )
}

/// What comes of each fault, as a table.
pub fn fates_text(fates: &[Fate]) -> String {
    let width = fates
        .iter()
        .map(|f| f.fault.chars().count())
        .max()
        .unwrap_or(0);
    let mut out = vec!["what would go wrong".to_owned()];
    for Fate {
        fault,
        ended,
        makespan,
        broken,
    } in fates
    {
        let rules = if *broken == 0 {
            String::new()
        } else {
            format!("; {} BROKEN", count(broken, "rule"))
        };
        out.push(format!(
            "  {fault:<width$}  after {:<7} {}{rules}",
            span(*makespan),
            plain(ended)
        ));
    }
    out.join("\n") + "\n"
}

/// Many runs as one summary.
pub fn runs_text(runs: &Runs) -> String {
    let mut sorted = runs.makespans.clone();
    sorted.sort();
    let mut out = vec![count(sorted.len(), "run")];
    if let (Some(half), Some(most), Some(worst)) = (at(&sorted, 50), at(&sorted, 95), sorted.last())
    {
        out.push(format!(
            "  makespan p50 {}, p95 {}, worst {} (seed {})",
            span(half.0),
            span(most.0),
            span(worst.0),
            worst.1
        ));
    }
    out.extend(
        runs.ended
            .iter()
            .map(|(ended, n)| format!("  {n} x {}", plain(ended))),
    );
    if runs.broken.is_empty() {
        out.push("  no rule of a rollout was broken in any of them".into());
    }
    out.extend(runs.broken.iter().map(|(breach, seed)| {
        let said = breach_line(breach);
        format!("  RULE BROKEN (first with seed {seed}): {}", plain(&said))
    }));
    out.join("\n") + "\n"
}

/// The value that this many of a hundred do not exceed.
fn at<T: Copy>(sorted: &[T], percent: usize) -> Option<T> {
    sorted
        .get(
            (sorted.len().saturating_mul(percent))
                .div_ceil(100)
                .saturating_sub(1),
        )
        .copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_sorted_runs() {
        let makespans = (1..=100)
            .rev()
            .map(|n| (Span::from_secs(n * 60), u64::try_from(n).unwrap()))
            .collect();
        let runs = Runs {
            makespans,
            ended: [("finished".to_owned(), 100)].into(),
            broken: Default::default(),
        };
        let text = runs_text(&runs);
        assert!(text.starts_with("100 runs\n  makespan p50 50m, p95 1h35m, worst 1h40m (seed 100)\n  100 x finished\n  no rule"), "{text}");
        assert_eq!(
            runs_text(&Runs::default()),
            "0 runs\n  no rule of a rollout was broken in any of them\n"
        );
    }

    #[test]
    fn faults_stand_in_a_table() {
        let fate = |fault: &str, broken| Fate {
            fault: fault.into(),
            ended: "rolled back: why".into(),
            makespan: Span::from_secs(60),
            broken,
        };
        let text = fates_text(&[fate("throttle:3", 0), fate("kill", 2)]);
        assert_eq!(
            text,
            "what would go wrong\n  throttle:3  after 1m      rolled back: why\n  kill        after 1m      rolled back: why; 2 rules BROKEN\n"
        );
    }
}
