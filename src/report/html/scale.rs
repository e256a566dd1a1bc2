//! Times → places from left to right. Stretches in which nothing is rolled may be drawn shorter than they were, so that a night of waiting leaves room for
//! the hour of work.

use crate::model::{Span, Timestamp};

/// Waiting of one stretch takes at most this share of the time of all work.
const IDLE_SHARE: f64 = 0.15;

/// Where times are.
#[derive(Debug)]
pub(super) struct TimeScale {
    pieces: Vec<ScalePiece>,
    /// Sum of all weights.
    whole: f64,
    pub(super) shortened: bool,
}

/// A stretch that is drawn evenly.
#[derive(Debug)]
struct ScalePiece {
    from: Timestamp,
    to: Timestamp,
    /// Where it begins, and how wide it is drawn.
    begin: f64,
    width: f64,
}

impl TimeScale {
    /// From `begin` to `end`; `busy`: when something was rolled, in any order.
    pub(super) fn new(
        begin: Timestamp,
        end: Timestamp,
        mut busy: Vec<(Timestamp, Timestamp)>,
    ) -> TimeScale {
        busy.sort();
        let work: f64 = merged(&busy).iter().map(|(a, b)| length(*a, *b)).sum();
        let mut scale = TimeScale {
            pieces: Vec::new(),
            whole: 0.0,
            shortened: false,
        };
        let mut at = begin;
        for (from, to) in merged(&busy) {
            scale.add_idle(at, from, work);
            scale.add(from.max(at), to, 1.0);
            at = at.max(to);
        }
        scale.add_idle(at, end, work);
        scale
    }

    fn add_idle(&mut self, from: Timestamp, to: Timestamp, work: f64) {
        let long = length(from, to);
        let most = work * IDLE_SHARE;
        if work > 0.0 && long > most {
            self.shortened = true;
            self.add(from, to, most / long);
        } else {
            self.add(from, to, 1.0);
        }
    }

    fn add(&mut self, from: Timestamp, to: Timestamp, factor: f64) {
        if to <= from {
            return;
        }
        let width = length(from, to) * factor;
        self.pieces.push(ScalePiece {
            from,
            to,
            begin: self.whole,
            width,
        });
        self.whole += width;
    }

    /// Percent of the width.
    pub(super) fn at(&self, time: Timestamp) -> f64 {
        let piece = self.pieces.iter().find(|p| time <= p.to);
        let Some(piece) = piece else {
            return if self.pieces.is_empty() { 0.0 } else { 100.0 };
        };
        let share = length(piece.from, time.max(piece.from)) / length(piece.from, piece.to);
        100.0 * (piece.begin + piece.width * share) / self.whole
    }

    /// The time at a percentage.
    pub(super) fn time(&self, percent: f64) -> Option<Timestamp> {
        let place = self.whole * percent / 100.0;
        let piece = self
            .pieces
            .iter()
            .find(|p| place <= p.begin + p.width)
            .or(self.pieces.last())?;
        let share = ((place - piece.begin) / piece.width).clamp(0.0, 1.0);
        let millis = (length(piece.from, piece.to) * share) as i64;
        Some(piece.from + Span::from_millis(millis))
    }
}

fn length(from: Timestamp, to: Timestamp) -> f64 {
    to.since(from).millis() as f64
}

/// Stretches that overlap, as one.
fn merged(sorted: &[(Timestamp, Timestamp)]) -> Vec<(Timestamp, Timestamp)> {
    let mut out: Vec<(Timestamp, Timestamp)> = Vec::new();
    for (from, to) in sorted {
        match out.last_mut() {
            Some((_, end)) if *from <= *end => *end = (*end).max(*to),
            Some(_) | None => out.push((*from, *to)),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_millis(minutes * 60_000)
    }

    fn shown(scale: &TimeScale, minutes: &[i64]) -> String {
        let places: Vec<String> = minutes
            .iter()
            .map(|m| format!("{:.0}", scale.at(at(*m))))
            .collect();
        places.join(" ")
    }

    #[test]
    fn a_long_wait_leaves_room_for_the_work() {
        let busy = vec![(at(0), at(10)), (at(5), at(20)), (at(1000), at(1020))];
        let scale = TimeScale::new(at(0), at(1020), busy);
        assert!(scale.shortened);
        // 40 minutes of work, and 6 for the wait.
        assert_eq!(shown(&scale, &[0, 20, 510, 1000, 1020]), "0 43 50 57 100");
        assert_eq!(scale.time(100.0), Some(at(1020)));
        assert_eq!(scale.time(0.0), Some(at(0)));
    }

    #[test]
    fn short_waits_are_as_long_as_they_were() {
        let scale = TimeScale::new(at(0), at(100), vec![(at(0), at(50)), (at(55), at(100))]);
        assert!(!scale.shortened);
        assert_eq!(shown(&scale, &[-5, 25, 52, 200]), "0 25 52 100");
    }

    #[test]
    fn a_rollout_without_time_has_a_scale() {
        let scale = TimeScale::new(at(0), at(0), Vec::new());
        assert_eq!((scale.at(at(0)), scale.time(50.0)), (0.0, None));
        let idle = TimeScale::new(at(0), at(60), Vec::new());
        assert_eq!(shown(&idle, &[30]), "50");
    }
}
