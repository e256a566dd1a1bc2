//! The listener at the terminal: plain lines where it is piped, a live view where it is not, one JSON value a line for machines.

use std::time::{Duration, Instant};

use super::output::{LOCAL, Output};
use crate::model::{AsgName, ClusterName, Span, Timestamp};
use crate::report;
use crate::rollout::Waiting;
use crate::run::Signal;

/// The live view is drawn at most this often: a simulated hour passes in milliseconds.
const REDRAW: Duration = Duration::from_millis(80);

/// A pipeline that was told nothing for this long, in the cloud's time, is told what is waited for: then after pauses that grow, to this one.
const QUIET: (Span, Span) = (Span::from_secs(60), Span::from_secs(600));

/// How a rollout is followed.
pub(super) struct Screen<'a> {
    output: &'a Output,
    mode: Mode,
    drawn: usize,
    last: Option<Instant>,
    /// When something was told last, and how long to be quiet from then on.
    told: Option<Timestamp>,
    quiet: Span,
    /// What was waited for when that was told last, and when it was told first.
    waits: Option<(Timestamp, Vec<Wait>)>,
}

/// What makes a wait another one: not how long it may still last.
type Wait = (Option<ClusterName>, Option<AsgName>, String);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Live,
    Lines,
    Machine,
}

impl<'a> Screen<'a> {
    pub(super) fn new(output: &'a Output, machine: bool) -> Self {
        let mode = match (machine, output.is_screen()) {
            (true, _) => Mode::Machine,
            (false, true) => Mode::Live,
            (false, false) => Mode::Lines,
        };
        Screen {
            output,
            mode,
            drawn: 0,
            last: None,
            told: None,
            quiet: QUIET.0,
            waits: None,
        }
    }

    pub(super) fn hear(&mut self, signal: &Signal<'_>) {
        match signal {
            Signal::Recorded(record) if self.mode == Mode::Machine => {
                // A reader that went away is noticed with the final result.
                let _gone = self.output.result(&(report::event_json(record) + "\n"));
            }
            Signal::Recorded(record) => {
                if let Some(line) = report::event_line(record) {
                    self.clear();
                    self.output.cloud_story(&line);
                    self.told = Some(record.at);
                    self.quiet = QUIET.0;
                }
            }
            Signal::Waiting {
                rollout,
                progress,
                waiting,
                now,
            } if self.mode == Mode::Live => {
                if self.last.is_none_or(|t| t.elapsed() >= REDRAW) {
                    self.draw(&report::progress_lines(
                        rollout,
                        progress,
                        waiting,
                        *now,
                        width(),
                    ));
                }
            }
            Signal::Waiting { waiting, now, .. } if self.mode == Mode::Lines => {
                let told = *self.told.get_or_insert(*now);
                if now.since(told) < self.quiet || waiting.is_empty() {
                    return;
                }
                self.tell_waits(waiting, *now);
                self.told = Some(*now);
                self.quiet = Span::from_millis(self.quiet.millis().saturating_mul(2)).min(QUIET.1);
            }
            Signal::Waiting { .. } => {}
        }
    }

    /// Equal waits are told once; after that, that they are still the same.
    fn tell_waits(&mut self, waiting: &[Waiting], now: Timestamp) {
        let one = |w: &Waiting| {
            let why = report::reason_text(&w.why);
            (w.cluster.clone(), w.group.clone(), why)
        };
        let waits: Vec<Wait> = waiting.iter().map(one).collect();
        match &self.waits {
            Some((since, known)) if *known == waits => {
                let line = report::still_waiting_line(waiting, *since, now);
                self.output.cloud_story(&line);
            }
            Some(_) | None => {
                self.output
                    .cloud_story(&report::waiting_lines(waiting, now).join("\n"));
                self.waits = Some((now, waits));
            }
        }
    }

    fn draw(&mut self, lines: &[String]) {
        self.clear();
        let announced = self.output.announced(&lines.join("\n"));
        self.output.screen(&announced);
        self.drawn = lines.len();
        self.last = Some(Instant::now());
    }

    /// Takes the live view away.
    pub(super) fn clear(&mut self) {
        if self.drawn > 0 {
            self.output.screen(&format!("\x1b[{}A\x1b[J", self.drawn));
            self.drawn = 0;
        }
    }
}

/// Columns for the live view, less what the announcement takes.
fn width() -> usize {
    let columns = terminal_size::terminal_size_of(std::io::stderr())
        .map_or(120, |(width, _)| usize::from(width.0));
    columns.saturating_sub(LOCAL.len() + 1).max(40)
}
