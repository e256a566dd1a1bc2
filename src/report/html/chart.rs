//! What happened when, from the records alone: a line for the rollout, each stage, wave, cluster and group, with the phases it was in.

mod track;

use super::page::{Chart, ChartBar, ChartCluster, ChartRow, ChartStage, ChartWave, LegendKey};
use super::scale::TimeScale;
use crate::model::{AsgName, ClusterName, Span, Timestamp};
use crate::report::wording::{count, group, span};
use crate::rollout::{ClusterRun, GroupTask, Observation, Record, Rollout, StageRun, WaveRun};

use track::{ChartPhase, Track, Tracks};

/// Marks of the axis, the first and the last among them.
const TICKS: u32 = 6;

/// The chart; none where no time has passed.
pub(super) fn chart(
    rollout: &Rollout,
    records: &[Record],
    until: Timestamp,
    seen: Option<&Observation>,
) -> Option<Chart> {
    if until <= rollout.started_at {
        return None;
    }
    let tracks = Tracks::of(rollout, records, until);
    let busy = tracks.clusters.values().flat_map(Track::busy).collect();
    let drawing = Drawing {
        scale: TimeScale::new(rollout.started_at, until, busy),
        begin: rollout.started_at,
        tracks: &tracks,
        seen,
    };
    let stages = rollout.stages.iter().filter(|stage| stage.changes());
    Some(Chart {
        ticks: drawing.ticks(),
        keys: drawing.keys(),
        shortened: drawing.scale.shortened,
        has_line: seen.is_some_and(|seen| !seen.groups.is_empty()),
        whole: drawing.row("rollout".into(), String::new(), &tracks.whole),
        stages: stages.map(|stage| drawing.stage(stage)).collect(),
    })
}

/// What lines are drawn with.
struct Drawing<'r> {
    scale: TimeScale,
    begin: Timestamp,
    tracks: &'r Tracks<'r>,
    seen: Option<&'r Observation>,
}

impl Drawing<'_> {
    fn ticks(&self) -> Vec<(String, String)> {
        let tick = |nth: u32| {
            let place = 100.0 * f64::from(nth) / f64::from(TICKS);
            let time = self.scale.time(place)?;
            Some((percent(place), span(rounded(time.since(self.begin)))))
        };
        (0..=TICKS).filter_map(tick).collect()
    }

    fn keys(&self) -> Vec<LegendKey> {
        let used = self.tracks.phases();
        let key = |phase: &ChartPhase| LegendKey {
            class: phase.class(),
            sign: "",
            words: phase.words(),
        };
        used.iter().map(key).collect()
    }

    fn stage(&self, stage: &StageRun) -> ChartStage {
        let waves = stage.waves.iter().enumerate();
        let waves = waves.filter(|(_, wave)| !wave.changing().is_empty());
        ChartStage {
            row: self.found(
                format!("stage {}", stage.name),
                self.tracks.stages.get(&stage.name),
            ),
            waves: waves
                .map(|(nth, wave)| self.wave(stage, nth, wave))
                .collect(),
        }
    }

    fn wave(&self, stage: &StageRun, nth: usize, wave: &WaveRun) -> ChartWave {
        let track = self.tracks.waves.get(&(&stage.name, nth));
        let mut clusters: Vec<&ClusterRun> = wave
            .clusters
            .iter()
            .filter(|run| !run.groups.is_empty())
            .collect();
        clusters.sort_by_key(|run| begin_of(self.tracks.clusters.get(&run.cluster)));
        ChartWave {
            row: self.found(format!("wave {}", nth + 1), track),
            clusters: clusters.into_iter().map(|run| self.cluster(run)).collect(),
        }
    }

    fn cluster(&self, run: &ClusterRun) -> ChartCluster {
        let mut groups: Vec<&GroupTask> = run.groups.iter().collect();
        groups.sort_by_key(|task| begin_of(self.track_of(run, task)));
        ChartCluster {
            row: self.found(
                run.cluster.to_string(),
                self.tracks.clusters.get(&run.cluster),
            ),
            groups: groups
                .into_iter()
                .map(|task| self.group(&run.cluster, task, self.track_of(run, task)))
                .collect(),
        }
    }

    fn track_of<'t>(&'t self, run: &'t ClusterRun, task: &'t GroupTask) -> Option<&'t Track> {
        self.tracks.groups.get(&(&run.cluster, &task.asg))
    }

    fn group(&self, cluster: &ClusterName, task: &GroupTask, track: Option<&Track>) -> ChartRow {
        let mut row = self.found(group(&task.asg, cluster).to_owned(), track);
        match self.tracks.instances.get(&(cluster, &task.asg)) {
            // It began and was done in the same moment.
            Some(_) if row.bars.is_empty() => row.note = "changed in place".into(),
            Some(n) => row.note = format!("{}, {}", count(n, "instance"), row.note),
            None => {}
        }
        row.line = self.at_work(&task.asg);
        row
    }

    fn found(&self, name: String, track: Option<&Track>) -> ChartRow {
        match track.filter(|track| !track.bars.is_empty()) {
            Some(track) => {
                let note = track.worked().map(span).unwrap_or_default();
                self.row(name, note, track)
            }
            None => self.row(name, "not reached".into(), &Track::default()),
        }
    }

    fn row(&self, name: String, note: String, track: &Track) -> ChartRow {
        let bar = |(from, to, phase): &(Timestamp, Timestamp, ChartPhase)| {
            let (left, right) = (self.scale.at(*from), self.scale.at(*to));
            ChartBar {
                left: percent(left),
                width: percent(right - left),
                class: phase.class(),
                words: format!(
                    "{}: {}, from +{}",
                    phase.words(),
                    span(to.since(*from)),
                    span(from.since(self.begin))
                ),
            }
        };
        ChartRow {
            name,
            note,
            bars: track.bars.iter().map(bar).collect(),
            line: None,
        }
    }

    /// What was at work of what was wanted, as points in a box of 1000 by 20.
    fn at_work(&self, asg: &AsgName) -> Option<String> {
        let steps = &self.seen?.groups.get(asg)?.steps;
        let mut points = Vec::new();
        for (nth, step) in steps.iter().enumerate() {
            let share = match step.wanted {
                0 => 1.0,
                wanted => (f64::from(step.healthy) / f64::from(wanted)).min(1.25),
            };
            let until = steps.get(nth + 1).map_or(step.at, |next| next.at);
            for at in [step.at, until] {
                let x = self.scale.at(at) * 10.0;
                points.push(format!("{x:.1},{:.1}", 19.0 - share * 14.0));
            }
        }
        Some(points.join(" "))
    }
}

fn begin_of(track: Option<&Track>) -> Timestamp {
    let first = track.and_then(|track| track.bars.first());
    first.map_or(Timestamp::from_millis(i64::MAX), |(from, ..)| *from)
}

fn percent(value: f64) -> String {
    format!("{value:.2}")
}

/// Whole minutes above ten of them.
fn rounded(span: Span) -> Span {
    match span.millis() {
        ..600_000 => span,
        millis => Span::from_millis(millis - millis % 60_000),
    }
}
