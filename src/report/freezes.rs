//! Which stages of a plan may start now, and until or from when they may not. Knows the windows, not the rollout.

use super::style::{Style, Tone};
use super::wording::{clock, span};
use crate::fleet::{Freeze, Stage, Weekday};
use crate::model::Timestamp;
use crate::plan::Plan;
use crate::rollout::{Window, window};

/// A line for each stage in which `plan` changes something and that has freeze windows; empty when there is none. `now` is
/// the cloud's time.
pub fn freezes_text(plan: &Plan, stages: &[Stage], now: Timestamp, style: Style) -> String {
    let changes = |stage: &&Stage| {
        let mut clusters = stage.waves.iter().flat_map(|w| &w.clusters);
        !stage.freeze.is_empty()
            && clusters.any(|c| {
                plan.clusters
                    .get(c)
                    .is_some_and(|found| !found.groups.is_empty())
            })
    };
    stages
        .iter()
        .filter(changes)
        .map(|stage| format!("{}\n", line(stage, now, style)))
        .collect()
}

fn line(stage: &Stage, now: Timestamp, style: Style) -> String {
    let windows: Vec<String> = stage.freeze.iter().map(words).collect();
    let (name, windows) = (&stage.name, windows.join(", "));
    match window(&stage.freeze, now) {
        Window::Frozen { until: Some(until) } => {
            let text = format!(
                "stage {name}: FROZEN now, nothing starts before {} (in {}); windows: {windows}",
                clock(until),
                span(until.since(now))
            );
            style.paint(Tone::Bad, &text)
        }
        Window::Frozen { until: None } => style.paint(
            Tone::Bad,
            &format!("stage {name}: FROZEN always, its windows leave no gap: {windows}"),
        ),
        Window::Open { until: Some(until) } => {
            format!(
                "stage {name}: open now, frozen from {} (in {}); windows: {windows}",
                clock(until),
                span(until.since(now))
            )
        }
        Window::Open { until: None } => format!("stage {name}: open; windows: {windows}"),
    }
}

/// `Fri 16:00 to Mon 08:00 Europe/Paris`.
fn words(freeze: &Freeze) -> String {
    let Freeze { from, to, timezone } = freeze;
    format!("{} to {} {timezone}", moment(*from), moment(*to))
}

fn moment((day, minute): (Weekday, u16)) -> String {
    let day = match day {
        Weekday::Mon => "Mon",
        Weekday::Tue => "Tue",
        Weekday::Wed => "Wed",
        Weekday::Thu => "Thu",
        Weekday::Fri => "Fri",
        Weekday::Sat => "Sat",
        Weekday::Sun => "Sun",
    };
    format!("{day} {:02}:{:02}", minute / 60, minute % 60)
}
