//! The listener at the terminal: plain lines where it is piped, a live view where it is not, one JSON value a line for machines.

use std::time::{Duration, Instant};

use super::output::{LOCAL, Output};
use crate::report;
use crate::run::Signal;

/// The live view is drawn at most this often: a simulated hour passes in milliseconds.
const REDRAW: Duration = Duration::from_millis(80);

/// How a rollout is followed.
pub(super) struct Screen<'a> {
    output: &'a Output,
    mode: Mode,
    drawn: usize,
    last: Option<Instant>,
}

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
            Signal::Waiting { .. } => {}
        }
    }

    fn draw(&mut self, lines: &[String]) {
        self.clear();
        self.output
            .raw_story(&self.output.announced(&lines.join("\n")));
        self.drawn = lines.len();
        self.last = Some(Instant::now());
    }

    /// Takes the live view away.
    pub(super) fn clear(&mut self) {
        if self.drawn > 0 {
            self.output
                .raw_story(&format!("\x1b[{}A\x1b[J", self.drawn));
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
