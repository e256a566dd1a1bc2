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
    let local = jiff::Timestamp::from_millisecond(now.millis())
        .ok()?
        .in_tz(&window.timezone)
        .ok()?;
    let minute = minute_of(&local);
    let left = (week_minute(window.from) - minute - 1).rem_euclid(7 * 1_440) + 1;
    let into_minute = i64::from(local.second()) * 1_000 + i64::from(local.millisecond());
    let start = local.checked_add(jiff::Span::new().minutes(left)).ok()?;
    Some(Timestamp::from_millis(
        start.timestamp().as_millisecond() - into_minute,
    ))
}

/// The minute of the week.
fn minute_of(local: &jiff::Zoned) -> i64 {
    let day = i64::from(local.weekday().to_monday_zero_offset());
    day * 1_440 + i64::from(local.hour()) * 60 + i64::from(local.minute())
}

fn window_end(window: &Freeze, now: Timestamp) -> Option<Timestamp> {
    let local = jiff::Timestamp::from_millisecond(now.millis())
        .ok()
        .and_then(|t| t.in_tz(&window.timezone).ok());
    let Some(local) = local else {
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
    let into_minute = i64::from(local.second()) * 1_000 + i64::from(local.millisecond());
    // By wall clock, so that a change of summer time inside the window does not move its end.
    let end = local
        .checked_add(jiff::Span::new().minutes(left))
        .map(|t| t.timestamp().as_millisecond());
    Some(Timestamp::from_millis(
        end.unwrap_or(now.millis() + left * 60_000) - into_minute,
    ))
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
