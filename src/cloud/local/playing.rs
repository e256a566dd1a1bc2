//! A scenario in the course of a session: what is the case now, what is due, and when that changes next. Changes no account.

use super::act::Act;
use super::faults::Fault;
use super::scenario::{Item, Scenario, What, kind_of};
use crate::model::{Effect, Span, Timestamp};

/// A scenario since the session began.
#[derive(Clone, Debug, Default)]
pub(super) struct Playing {
    items: Vec<Running>,
}

#[derive(Clone, Debug)]
struct Running {
    item: Item,
    /// From when its times count; none: what it waits for has not happened.
    base: Option<Timestamp>,
    /// How many effects it waits for have happened.
    seen: u32,
    /// How often its act has been played.
    played: u32,
}

impl Playing {
    pub(super) fn new(scenario: Scenario, now: Timestamp) -> Self {
        let running = |item: Item| Running {
            base: item.when.is_none().then_some(now),
            seen: 0,
            played: 0,
            item,
        };
        Playing {
            items: scenario.items.into_iter().map(running).collect(),
        }
    }

    /// The next moment after `now` at which anything begins or ends.
    pub(super) fn next(&self, now: Timestamp) -> Option<Timestamp> {
        self.items.iter().filter_map(|r| r.next(now)).min()
    }

    /// The faults that are the case now.
    pub(super) fn faults(&self, now: Timestamp) -> impl Iterator<Item = Fault> {
        self.items.iter().filter_map(move |r| match &r.item.what {
            What::Fault(fault) if r.lasts_at(now) => Some(fault.clone()),
            What::Fault(_) | What::Act(_) => None,
        })
    }

    /// The acts that are due by now, each once, in the order of the file.
    pub(super) fn due(&mut self, now: Timestamp) -> Vec<Act> {
        let mut due = Vec::new();
        for running in &mut self.items {
            while let What::Act(act) = &running.item.what
                && running.start(running.played).is_some_and(|at| at <= now)
            {
                due.push(act.clone());
                running.played = running.played.saturating_add(1);
            }
        }
        due
    }

    /// Whether anything still waits for effects.
    pub(super) fn listens(&self) -> bool {
        self.items.iter().any(|r| r.base.is_none())
    }

    /// An effect took place, in a group that answers to `names`.
    pub(super) fn notice(&mut self, effect: &Effect, names: &[&str], now: Timestamp) {
        let kind = kind_of(effect);
        for running in self.items.iter_mut().filter(|r| r.base.is_none()) {
            let Some(when) = &running.item.when else {
                continue;
            };
            if when.kind == kind
                && when
                    .group
                    .as_ref()
                    .is_none_or(|group| names.contains(&group.as_str()))
            {
                running.seen = running.seen.saturating_add(1);
                running.base = (running.seen >= when.nth).then_some(now);
            }
        }
    }
}

impl Running {
    /// When it happens for the nth time, from 0.
    fn start(&self, nth: u32) -> Option<Timestamp> {
        let first = self.base? + self.item.after;
        (nth < self.item.times)
            .then(|| first + Span::from_millis(self.item.every.millis().saturating_mul(nth.into())))
    }

    /// Which time is the last that has begun by `now`.
    fn begun(&self, now: Timestamp) -> Option<u32> {
        let first = self.base? + self.item.after;
        if now < first {
            return None;
        }
        let passed = now
            .since(first)
            .millis()
            .checked_div(self.item.every.millis())
            .unwrap_or(0);
        Some(
            u32::try_from(passed)
                .unwrap_or(u32::MAX)
                .min(self.item.times.saturating_sub(1)),
        )
    }

    fn lasts_at(&self, now: Timestamp) -> bool {
        let Some(begun) = self.begun(now).and_then(|nth| self.start(nth)) else {
            return false;
        };
        self.item.lasts.is_none_or(|lasts| now < begun + lasts)
    }

    fn next(&self, now: Timestamp) -> Option<Timestamp> {
        let begun = self.begun(now);
        let start = match (&self.item.what, begun) {
            (What::Act(_), _) => self.start(self.played),
            (What::Fault(_), None) => self.start(0),
            (What::Fault(_), Some(nth)) => self.start(nth.saturating_add(1)),
        };
        let end = match (
            &self.item.what,
            begun.and_then(|nth| self.start(nth)),
            self.item.lasts,
        ) {
            (What::Fault(_), Some(begun), Some(lasts)) => Some(begun + lasts),
            (What::Fault(_) | What::Act(_), _, _) => None,
        };
        [start, end]
            .into_iter()
            .flatten()
            .filter(|at| *at > now)
            .min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn playing(item: &str) -> Playing {
        let text = format!("version: 1\nscenario:\n  - {item}\n");
        Playing::new(Scenario::parse("s.yaml", &text).unwrap(), at(100))
    }

    /// The seconds at which something changes, with how many faults are the case and how many acts are due then.
    fn check(mut playing: Playing) -> Vec<(i64, usize, usize)> {
        let (mut now, mut seen) = (at(100), Vec::new());
        loop {
            seen.push((
                now.millis() / 1000,
                playing.faults(now).count(),
                playing.due(now).len(),
            ));
            match playing.next(now) {
                Some(next) if seen.len() < 8 => now = next,
                Some(_) | None => return seen,
            }
        }
    }

    #[test]
    fn faults_begin_and_end_and_come_back() {
        assert_eq!(check(playing("{fault: \"throttle:3\"}")), [(100, 1, 0)]);
        assert_eq!(
            check(playing("{fault: \"throttle:3\", after: 10s, for: 5s}")),
            [(100, 0, 0), (110, 1, 0), (115, 0, 0)]
        );
        let twice = check(playing(
            "{fault: \"throttle:3\", after: 10s, for: 5s, every: 20s, times: 2}",
        ));
        assert_eq!(
            twice,
            [
                (100, 0, 0),
                (110, 1, 0),
                (115, 0, 0),
                (130, 1, 0),
                (135, 0, 0)
            ]
        );
        assert_eq!(
            check(playing("{fault: \"throttle:3\", for: 5s, every: 20s}")).len(),
            8
        );
    }

    #[test]
    fn acts_are_played_once_each() {
        assert_eq!(check(playing("{act: kill}")), [(100, 0, 1)]);
        assert_eq!(
            check(playing("{act: kill, after: 5s, every: 7s, times: 3}")),
            [(100, 0, 0), (105, 0, 1), (112, 0, 1), (119, 0, 1)]
        );
    }

    #[test]
    fn what_waits_for_an_effect_counts_from_there() {
        let mut playing =
            playing("{fault: \"throttle:3\", when: pin-version nodes, nth: 2, after: 10s}");
        let pin = |group: &str| {
            Effect::Cloud(crate::model::CloudEffect::PinVersion {
                group: group.parse().unwrap(),
                from: 1,
                to: 2,
            })
        };
        playing.notice(&pin("nodes.a"), &["nodes.a", "nodes"], at(200));
        playing.notice(&pin("other.a"), &["other.a", "other"], at(210));
        assert!(playing.listens());
        assert_eq!(playing.next(at(210)), None);
        playing.notice(&pin("nodes.a"), &["nodes.a", "nodes"], at(220));
        assert_eq!(playing.next(at(220)), Some(at(230)));
        assert_eq!(
            (
                playing.faults(at(229)).count(),
                playing.faults(at(230)).count(),
                playing.listens()
            ),
            (0, 1, false)
        );
    }
}
