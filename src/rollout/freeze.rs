//! Weekly windows in which nothing starts. The moment is an argument; the time zone database is compiled in.

use crate::fleet::{Freeze, Weekday};
use crate::model::{Span, Timestamp};

/// Until when `now` is frozen; none when it is not. A time zone that turned out unknown counts as frozen for an hour: a
/// misconfigured window fails closed.
pub(super) fn frozen_until(windows: &[Freeze], now: Timestamp) -> Option<Timestamp> {
    let ends = windows.iter().filter_map(|w| window_end(w, now));
    ends.max()
}

/// What the windows of a stage say about a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// Nothing may start until then.
    Frozen {
        /// Until when, windows that follow at once among it; none when it never ends.
        until: Option<Timestamp>,
    },
    /// Things may start.
    Open {
        /// When the next window begins; none when there is no window.
        until: Option<Timestamp>,
    },
}

/// What `windows` say about `now`.
pub fn window(windows: &[Freeze], now: Timestamp) -> Window {
    let Some(mut until) = frozen_until(windows, now) else {
        return Window::Open {
            until: windows.iter().filter_map(|w| window_start(w, now)).min(),
        };
    };
    // Windows that touch are one, as long as they leave a gap somewhere in a week.
    for _ in 0..=windows.len() {
        match frozen_until(windows, until) {
            Some(later) => until = later,
            None => return Window::Frozen { until: Some(until) },
        }
    }
    Window::Frozen { until: None }
}

/// When a window begins next, strictly after `now`.
fn window_start(window: &Freeze, now: Timestamp) -> Option<Timestamp> {
    let local = local(window, now)?;
    let left = (week_minute(window.from) - minute_of(&local) - 1).rem_euclid(7 * 1_440) + 1;
    wall_clock(&local, left)
}

fn local(window: &Freeze, now: Timestamp) -> Option<jiff::Zoned> {
    jiff::Timestamp::from_millisecond(now.millis())
        .ok()?
        .in_tz(&window.timezone)
        .ok()
}

/// The moment at which the clock on the wall shows that many minutes more than now, to the full minute. Where summer time begins it may be an
/// hour earlier than that many minutes, and where it ends an hour later. A time that the clock skips is the one it jumps to; of one
/// that it shows twice, the first that is still to come.
fn wall_clock(local: &jiff::Zoned, minutes: i64) -> Option<Timestamp> {
    let minute = local
        .datetime()
        .with()
        .second(0)
        .subsec_nanosecond(0)
        .build()
        .ok()?;
    let there = minute
        .checked_add(jiff::Span::new().minutes(minutes))
        .ok()?;
    let zone = local.time_zone();
    let first = zone.to_ambiguous_zoned(there).compatible().ok()?;
    let there = if first.timestamp() < local.timestamp() && minutes > 0 {
        zone.to_ambiguous_zoned(there).later().ok()?
    } else {
        first
    };
    Some(Timestamp::from_millis(there.timestamp().as_millisecond()))
}

/// The minute of the week.
fn minute_of(local: &jiff::Zoned) -> i64 {
    let day = i64::from(local.weekday().to_monday_zero_offset());
    day * 1_440 + i64::from(local.hour()) * 60 + i64::from(local.minute())
}

fn window_end(window: &Freeze, now: Timestamp) -> Option<Timestamp> {
    let Some(local) = local(window, now) else {
        return Some(now + Span::from_secs(3_600));
    };
    let minute = minute_of(&local);
    let (from, to) = (week_minute(window.from), week_minute(window.to));
    let inside = if from <= to {
        (from..to).contains(&minute)
    } else {
        minute >= from || minute < to
    };
    if !inside {
        return None;
    }
    let left = (to - minute).rem_euclid(7 * 1_440);
    let end = wall_clock(&local, left);
    Some(end.unwrap_or(now + Span::from_secs(left * 60)))
}

fn week_minute((day, minute): (Weekday, u16)) -> i64 {
    let day = match day {
        Weekday::Mon => 0,
        Weekday::Tue => 1,
        Weekday::Wed => 2,
        Weekday::Thu => 3,
        Weekday::Fri => 4,
        Weekday::Sat => 5,
        Weekday::Sun => 6,
    };
    day * 1_440 + i64::from(minute)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weekend_is_frozen_to_its_end_and_nothing_else_is() {
        let weekend = [Freeze {
            from: (Weekday::Fri, 16 * 60),
            to: (Weekday::Mon, 8 * 60),
            timezone: "Europe/Paris".into(),
        }];
        let check = |at: &str| {
            let at = Timestamp::try_from(at.to_owned()).unwrap();
            frozen_until(&weekend, at).map_or("open".to_owned(), |t| t.to_string())
        };
        // Paris is one hour ahead of UTC in January.
        assert_eq!(check("2026-01-09T14:59:59Z"), "open");
        assert_eq!(check("2026-01-09T15:00:00Z"), "2026-01-12T07:00:00.000Z");
        assert_eq!(check("2026-01-11T03:30:30Z"), "2026-01-12T07:00:00.000Z");
        assert_eq!(check("2026-01-12T07:00:00Z"), "open");
        assert_eq!(frozen_until(&[], Timestamp::from_millis(0)), None);
    }

    #[test]
    fn a_window_ends_by_the_clock_on_the_wall() {
        let freeze = |from, to| Freeze {
            from,
            to,
            timezone: "Europe/Paris".into(),
        };
        let weekend = [freeze((Weekday::Fri, 16 * 60), (Weekday::Mon, 8 * 60))];
        let until = |windows: &[Freeze], at: &str| {
            let at = Timestamp::try_from(at.to_owned()).unwrap();
            frozen_until(windows, at).map_or("open".to_owned(), |t| t.to_string())
        };
        // Summer time begins in the night to Sunday, 29 March 2026: 08:00 is 06:00 UTC, no longer 07:00.
        assert_eq!(
            until(&weekend, "2026-03-27T15:00:00Z"),
            "2026-03-30T06:00:00.000Z"
        );
        assert_eq!(until(&weekend, "2026-03-30T06:00:00Z"), "open");
        // It ends in the night to Sunday, 25 October 2026.
        assert_eq!(
            until(&weekend, "2026-10-23T14:00:00Z"),
            "2026-10-26T07:00:00.000Z"
        );
        assert_eq!(
            until(&weekend, "2026-10-26T06:59:59Z"),
            "2026-10-26T07:00:00.000Z"
        );
        // And the next window that begins behind the change is named by the same clock.
        let next = |at: &str| match window(&weekend, Timestamp::try_from(at.to_owned()).unwrap()) {
            Window::Open { until: Some(until) } => until.to_string(),
            other @ (Window::Open { until: None } | Window::Frozen { .. }) => format!("{other:?}"),
        };
        assert_eq!(next("2026-03-23T12:00:00Z"), "2026-03-27T15:00:00.000Z");
        let monday = [freeze((Weekday::Mon, 8 * 60), (Weekday::Mon, 9 * 60))];
        let next = |at: &str| match window(&monday, Timestamp::try_from(at.to_owned()).unwrap()) {
            Window::Open { until: Some(until) } => until.to_string(),
            other @ (Window::Open { until: None } | Window::Frozen { .. }) => format!("{other:?}"),
        };
        assert_eq!(next("2026-03-28T12:00:00Z"), "2026-03-30T06:00:00.000Z");
        // An end that the clock skips: 02:30 is shown as 03:30.
        let night = [freeze((Weekday::Sat, 0), (Weekday::Sun, 2 * 60 + 30))];
        assert_eq!(
            until(&night, "2026-03-28T12:00:00Z"),
            "2026-03-29T01:30:00.000Z"
        );
    }

    #[test]
    fn windows_that_touch_are_one_and_the_next_one_is_named() {
        let freeze = |from, to| Freeze {
            from,
            to,
            timezone: "Europe/Paris".into(),
        };
        let friday = freeze((Weekday::Fri, 16 * 60), (Weekday::Sat, 0));
        let weekend = freeze((Weekday::Sat, 0), (Weekday::Mon, 8 * 60));
        let windows = [weekend, friday];
        let check = |at: &str| match window(&windows, Timestamp::try_from(at.to_owned()).unwrap()) {
            Window::Frozen { until } => format!(
                "frozen until {}",
                until.map_or("ever".into(), |t| t.to_string())
            ),
            Window::Open { until } => format!(
                "open until {}",
                until.map_or("ever".into(), |t| t.to_string())
            ),
        };
        assert_eq!(
            check("2026-01-09T15:30:10Z"),
            "frozen until 2026-01-12T07:00:00.000Z"
        );
        assert_eq!(
            check("2026-01-12T07:00:00Z"),
            "open until 2026-01-16T15:00:00.000Z"
        );
        assert_eq!(
            check("2026-01-09T14:59:59Z"),
            "open until 2026-01-09T15:00:00.000Z"
        );
        assert_eq!(
            window(&[], Timestamp::from_millis(0)),
            Window::Open { until: None }
        );
        let always = [
            freeze((Weekday::Mon, 0), (Weekday::Thu, 0)),
            freeze((Weekday::Thu, 0), (Weekday::Mon, 0)),
        ];
        assert_eq!(
            window(&always, Timestamp::from_millis(0)),
            Window::Frozen { until: None }
        );
    }
}
