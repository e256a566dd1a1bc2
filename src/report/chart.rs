//! A rehearsal → one HTML file with its chart as SVG: a line a group, phases over time, capacity below. Needs no network, runs no script.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::rehearsal::{Fate, Rehearsal, fates_text, rehearsal_text};
use super::wording::{group, span};
use crate::model::{AsgName, Span, Timestamp};
use crate::rollout::{Event, GroupEvent, GroupObservation, RolloutEvent};

/// Pixels: names on the left, time on the right, one row a group.
const NAMES: f64 = 320.0;
const TIME: f64 = 900.0;
const ROW: f64 = 26.0;

/// A phase of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Until its canary is up.
    Begins,
    /// The canary bakes.
    Bakes,
    /// The rest follows.
    Rolls,
    /// On the way back.
    Back,
}

impl Phase {
    fn colour(self) -> &'static str {
        match self {
            Phase::Begins => "#9db8d9",
            Phase::Bakes => "#e8c468",
            Phase::Rolls => "#5b9a68",
            Phase::Back => "#c0504d",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Phase::Begins => "until the canary is up",
            Phase::Bakes => "canary bakes",
            Phase::Rolls => "the rest",
            Phase::Back => "on the way back",
        }
    }
}

/// A stretch of a group's row.
struct Bar {
    from: Timestamp,
    to: Timestamp,
    phase: Phase,
}

/// The file.
pub fn rehearsal_html(rehearsal: &Rehearsal<'_>, fates: &[Fate]) -> String {
    let title = format!("rehearsal of plan {}", rehearsal.rollout.plan.short());
    let text = if fates.is_empty() {
        rehearsal_text(rehearsal)
    } else {
        format!("{}\n{}", rehearsal_text(rehearsal), fates_text(fates))
    };
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\n<style>body{{font:14px/1.4 sans-serif;margin:2em}}\
         pre{{background:#f6f6f6;padding:1em;overflow:auto}}svg text{{font:12px sans-serif}}</style></head>\n<body><h1>{title}</h1>\n\
         <p><strong>A rehearsal on a simulated account: nothing of this has happened.</strong> {}, after {}.</p>\n{}\n<pre>{}</pre>\n</body></html>\n",
        escape(rehearsal.ended),
        span(rehearsal.makespan()),
        svg(rehearsal),
        escape(&text),
        title = escape(&title),
    )
}

/// The chart alone.
fn svg(rehearsal: &Rehearsal<'_>) -> String {
    let rows = bars(rehearsal);
    let height = ROW * (rows.len() as f64 + 2.0);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" width=\"{:.0}\" height=\"{height:.0}\" viewBox=\"0 0 {:.0} {height:.0}\">\n",
        NAMES + TIME + 20.0,
        NAMES + TIME + 20.0
    );
    out.push_str(&axis(rehearsal, height));
    for (nth, ((cluster, asg), bars)) in rows.iter().enumerate() {
        let top = ROW * (nth as f64 + 1.0);
        let name = format!("{cluster} {}", group(asg, cluster));
        // Writing into a String does not fail.
        let _ = writeln!(
            out,
            "<text x=\"0\" y=\"{:.1}\">{}</text>",
            top + 15.0,
            escape(&name)
        );
        for bar in bars {
            let (x, width) = (
                x(rehearsal, bar.from),
                (x(rehearsal, bar.to) - x(rehearsal, bar.from)).max(1.0),
            );
            let _ = writeln!(
                out,
                "<rect x=\"{x:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"10\" fill=\"{}\"><title>{}, {}</title></rect>",
                top + 3.0,
                bar.phase.colour(),
                bar.phase.name(),
                span(bar.to.since(bar.from))
            );
        }
        out.extend(
            rehearsal
                .seen
                .groups
                .get(*asg)
                .map(|seen| capacity(rehearsal, seen, top + 14.0)),
        );
    }
    out.push_str(&legend(height));
    out.push_str("</svg>");
    out
}

fn x(rehearsal: &Rehearsal<'_>, at: Timestamp) -> f64 {
    let whole = rehearsal.makespan().millis().max(1) as f64;
    NAMES + TIME * (at.since(rehearsal.rollout.started_at).millis() as f64 / whole)
}

fn axis(rehearsal: &Rehearsal<'_>, height: f64) -> String {
    let whole = rehearsal.makespan().millis();
    let ticks = (0..=6).map(|n| {
        let at = Span::from_millis(whole / 6 * n);
        let x = x(rehearsal, rehearsal.rollout.started_at + at);
        let anchor = if n == 6 { "end" } else { "start" };
        format!(
            "<line x1=\"{x:.1}\" y1=\"18\" x2=\"{x:.1}\" y2=\"{:.0}\" stroke=\"#ddd\"/><text x=\"{x:.1}\" y=\"13\" text-anchor=\"{anchor}\">{}</text>\n",
            height - ROW,
            span(at)
        )
    });
    ticks.collect()
}

/// What was at work, as a share of what was wanted, in a strip of ten pixels: full is as wanted.
fn capacity(rehearsal: &Rehearsal<'_>, seen: &GroupObservation, top: f64) -> String {
    let mut points = String::new();
    for (nth, step) in seen.steps.iter().enumerate() {
        let share = if step.wanted == 0 {
            1.0
        } else {
            (f64::from(step.healthy) / f64::from(step.wanted)).min(1.5)
        };
        let y = top + 10.0 - share * 6.0;
        let until = seen.steps.get(nth + 1).map_or(step.at, |next| next.at);
        let _ = write!(
            points,
            "{:.1},{y:.1} {:.1},{y:.1} ",
            x(rehearsal, step.at),
            x(rehearsal, until)
        );
    }
    format!(
        "<polyline points=\"{}\" fill=\"none\" stroke=\"#555\"/>\n",
        points.trim_end()
    )
}

fn legend(height: f64) -> String {
    let phases = [Phase::Begins, Phase::Bakes, Phase::Rolls, Phase::Back];
    let one = |(nth, phase): (usize, &Phase)| {
        let x = NAMES + 190.0 * nth as f64;
        let y = height - 14.0;
        format!(
            "<rect x=\"{x:.0}\" y=\"{y:.0}\" width=\"10\" height=\"10\" fill=\"{}\"/><text x=\"{:.0}\" y=\"{:.0}\">{}</text>\n",
            phase.colour(),
            x + 14.0,
            y + 10.0,
            phase.name()
        )
    };
    phases.iter().enumerate().map(one).collect()
}

type Open<'r> = BTreeMap<(&'r crate::model::ClusterName, &'r AsgName), (Timestamp, Phase)>;

type Rows<'r> = BTreeMap<(&'r crate::model::ClusterName, &'r AsgName), Vec<Bar>>;

/// The phases of every group, from the records alone.
fn bars<'r>(rehearsal: &Rehearsal<'r>) -> Rows<'r> {
    let mut rows: Rows<'r> = BTreeMap::new();
    let mut open: Open<'r> = BTreeMap::new();
    let mut back = false;
    for record in rehearsal.records {
        if matches!(
            record.event,
            Event::Rollout(RolloutEvent::RollbackStarted { .. })
                | Event::Rollout(RolloutEvent::AbortStarted { .. })
        ) {
            back = true;
            turn_all(&mut rows, &mut open, record.at, Some(Phase::Back));
        } else if let Some((key, phase)) = begins(&record.event) {
            turn(
                &mut rows,
                &mut open,
                key,
                record.at,
                phase.map(|phase| if back { Phase::Back } else { phase }),
            );
        }
    }
    turn_all(&mut rows, &mut open, rehearsal.end(), None);
    rows
}

/// Every group that is in a phase leaves it now.
fn turn_all<'r>(rows: &mut Rows<'r>, open: &mut Open<'r>, at: Timestamp, next: Option<Phase>) {
    let keys: Vec<_> = open.keys().copied().collect();
    for key in keys {
        turn(rows, open, key, at, next);
    }
}

/// The phase that a group enters with an event; none: its last has ended.
fn begins(event: &Event) -> Option<((&crate::model::ClusterName, &AsgName), Option<Phase>)> {
    let Event::Group(cluster, group, what) = event else {
        return None;
    };
    let phase = if let GroupEvent::Started { .. } = what {
        Some(Phase::Begins)
    } else if let GroupEvent::CanaryUp { .. } = what {
        Some(Phase::Bakes)
    } else if let GroupEvent::CanaryProven { .. } = what {
        Some(Phase::Rolls)
    } else if *what == GroupEvent::Done {
        None
    } else {
        return None;
    };
    Some(((cluster, group), phase))
}

/// Ends the phase that a group is in, and begins the next.
fn turn<'r>(
    rows: &mut Rows<'r>,
    open: &mut BTreeMap<(&'r crate::model::ClusterName, &'r AsgName), (Timestamp, Phase)>,
    key: (&'r crate::model::ClusterName, &'r AsgName),
    at: Timestamp,
    next: Option<Phase>,
) {
    if let Some((from, phase)) = open.remove(&key) {
        rows.entry(key).or_default().push(Bar {
            from,
            to: at,
            phase,
        });
    }
    if let Some(phase) = next {
        open.insert(key, (at, phase));
    }
}

/// Text as it may stand in HTML, in an element or an attribute.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_foreign_becomes_html() {
        assert_eq!(
            escape("<b a=\"x\">'&"),
            "&lt;b a=&quot;x&quot;&gt;&#39;&amp;"
        );
    }
}
