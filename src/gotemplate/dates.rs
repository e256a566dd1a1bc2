//! Times and spans of time as Go writes and reads them, by layouts such as `2006-01-02`. Has no clock.

use super::value::Time;

/// `time.RFC3339`.
pub(super) const RFC3339: &str = "2006-01-02T15:04:05Z07:00";

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];

/// The words a layout is made of; a longer one stands before those it begins with.
const WORDS: [&str; 33] = [
    "January",
    "Jan",
    "Monday",
    "Mon",
    "MST",
    "2006",
    "002",
    "01",
    "02",
    "03",
    "04",
    "05",
    "06",
    "15",
    "__2",
    "_2",
    "-07:00:00",
    "-07:00",
    "-070000",
    "-0700",
    "-07",
    "Z07:00:00",
    "Z07:00",
    "Z070000",
    "Z0700",
    "Z07",
    "PM",
    "pm",
    "1",
    "2",
    "3",
    "4",
    "5",
];

/// A time on the calendar.
#[derive(Clone, Copy, Debug, Default)]
struct Civil {
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
}

fn civil(time: Time) -> Civil {
    let local = time.seconds.saturating_add(i64::from(time.offset));
    let (days, rest) = (local.div_euclid(86_400), local.rem_euclid(86_400));
    // Days since 0000-03-01, in cycles of 400 years.
    let shifted = days + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    Civil {
        year: year_of_era + era * 400 + i64::from(month <= 2),
        month,
        day: of_year - (153 * shifted_month + 2) / 5 + 1,
        hour: rest / 3_600,
        minute: rest / 60 % 60,
        second: rest % 60,
    }
}

fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let shifted = if month > 2 { month - 3 } else { month + 9 };
    let of_year = (153 * shifted + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The word of a layout that the text begins with.
fn word(layout: &str) -> Option<&'static str> {
    WORDS.into_iter().find(|w| layout.starts_with(w))
}

/// How often a digit stands behind a point or a comma.
fn fraction_of(text: &str, digit: char) -> usize {
    let digits = text.strip_prefix(['.', ',']).unwrap_or_default();
    digits.len() - digits.trim_start_matches(digit).len()
}

/// The time in a layout.
pub(super) fn format(time: Time, layout: &str) -> String {
    let at = civil(time);
    let mut out = String::new();
    let mut rest = layout;
    while let Some(first) = rest.chars().next() {
        if let Some(word) = word(rest) {
            out.push_str(&written(word, at, time));
            rest = rest.get(word.len()..).unwrap_or_default();
            continue;
        }
        // Fractions of a second are always zero here.
        let (zeros, nines) = (fraction_of(rest, '0'), fraction_of(rest, '9'));
        let ends = |n: usize| {
            !rest
                .get(n + 1..)
                .is_some_and(|r| r.starts_with(|c: char| c.is_ascii_digit()))
        };
        if zeros > 0 && ends(zeros) {
            out.push_str(rest.get(..=zeros).unwrap_or_default());
            rest = rest.get(zeros + 1..).unwrap_or_default();
        } else if nines > 0 && ends(nines) {
            rest = rest.get(nines + 1..).unwrap_or_default();
        } else {
            out.push(first);
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
        }
    }
    out
}

fn name(list: &[&str], index: i64) -> String {
    usize::try_from(index)
        .ok()
        .and_then(|i| list.get(i))
        .map_or_else(String::new, |n| (*n).to_owned())
}

fn written(word: &str, at: Civil, time: Time) -> String {
    let weekday = (days_from_civil(at.year, at.month, at.day) + 4).rem_euclid(7);
    let day_of_year =
        days_from_civil(at.year, at.month, at.day) - days_from_civil(at.year, 1, 1) + 1;
    let hour12 = if at.hour % 12 == 0 { 12 } else { at.hour % 12 };
    match word {
        "January" => name(&MONTHS, at.month - 1),
        "Jan" => name(&MONTHS, at.month - 1).chars().take(3).collect(),
        "Monday" => name(&DAYS, weekday),
        "Mon" => name(&DAYS, weekday).chars().take(3).collect(),
        "MST" if time.offset == 0 => "UTC".into(),
        "MST" => zone(time.offset, "-07"),
        "2006" => format!("{:04}", at.year),
        "06" => format!("{:02}", at.year.rem_euclid(100)),
        "01" => format!("{:02}", at.month),
        "1" => at.month.to_string(),
        "02" => format!("{:02}", at.day),
        "_2" => format!("{:2}", at.day),
        "2" => at.day.to_string(),
        "002" => format!("{day_of_year:03}"),
        "__2" => format!("{day_of_year:3}"),
        "15" => format!("{:02}", at.hour),
        "03" => format!("{hour12:02}"),
        "3" => hour12.to_string(),
        "04" => format!("{:02}", at.minute),
        "4" => at.minute.to_string(),
        "05" => format!("{:02}", at.second),
        "5" => at.second.to_string(),
        "PM" => if at.hour >= 12 { "PM" } else { "AM" }.into(),
        "pm" => if at.hour >= 12 { "pm" } else { "am" }.into(),
        zone_word => zone(time.offset, zone_word),
    }
}

fn zone(offset: i32, word: &str) -> String {
    if word.starts_with('Z') && offset == 0 {
        return "Z".into();
    }
    let sign = if offset < 0 { '-' } else { '+' };
    let size = offset.unsigned_abs();
    let (hours, minutes, seconds) = (size / 3_600, size / 60 % 60, size % 60);
    match word.trim_start_matches(['Z', '-']) {
        "07" => format!("{sign}{hours:02}"),
        "0700" => format!("{sign}{hours:02}{minutes:02}"),
        "07:00" => format!("{sign}{hours:02}:{minutes:02}"),
        "070000" => format!("{sign}{hours:02}{minutes:02}{seconds:02}"),
        _ => format!("{sign}{hours:02}:{minutes:02}:{seconds:02}"),
    }
}

/// The time that a text in a layout says; none when it does not fit.
pub(super) fn parse(layout: &str, text: &str) -> Option<Time> {
    let mut at = Civil {
        year: 0,
        month: 1,
        day: 1,
        ..Civil::default()
    };
    let (mut offset, mut afternoon, mut twelve) = (0_i64, false, false);
    let (mut layout, mut text) = (layout, text);
    while let Some(first) = layout.chars().next() {
        let Some(word) = word(layout) else {
            layout = layout.get(first.len_utf8()..)?;
            text = text.strip_prefix(first)?;
            continue;
        };
        layout = layout.get(word.len()..)?;
        match word {
            "2006" => at.year = digits(&mut text, 4, 4)?,
            "06" => {
                let short = digits(&mut text, 2, 2)?;
                at.year = if short >= 69 {
                    1900 + short
                } else {
                    2000 + short
                };
            }
            "January" => at.month = named(&MONTHS, &mut text, usize::MAX)?,
            "Jan" => at.month = named(&MONTHS, &mut text, 3)?,
            "Monday" => _ = named(&DAYS, &mut text, usize::MAX)?,
            "Mon" => _ = named(&DAYS, &mut text, 3)?,
            "01" => at.month = digits(&mut text, 2, 2)?,
            "1" => at.month = digits(&mut text, 1, 2)?,
            "02" => at.day = digits(&mut text, 2, 2)?,
            "_2" | "2" => {
                text = text.trim_start_matches(' ');
                at.day = digits(&mut text, 1, 2)?;
            }
            "15" => at.hour = digits(&mut text, 1, 2)?,
            "03" => at.hour = digits(&mut text, 2, 2)?,
            "3" => at.hour = digits(&mut text, 1, 2)?,
            "04" => at.minute = digits(&mut text, 2, 2)?,
            "4" => at.minute = digits(&mut text, 1, 2)?,
            "05" => at.second = digits(&mut text, 2, 2)?,
            "5" => at.second = digits(&mut text, 1, 2)?,
            "PM" | "pm" => {
                let word = text.get(..2)?.to_ascii_uppercase();
                text = text.get(2..)?;
                twelve = true;
                afternoon = match word.as_str() {
                    "PM" => true,
                    "AM" => false,
                    _ => return None,
                };
            }
            "MST" => {
                text = text
                    .strip_prefix("UTC")
                    .or_else(|| text.strip_prefix("GMT"))?
            }
            "002" | "__2" => return None,
            word => offset = parse_zone(&mut text, word)?,
        }
    }
    if twelve {
        at.hour = at.hour % 12 + if afternoon { 12 } else { 0 };
    }
    let known = (1..=12).contains(&at.month) && (1..=31).contains(&at.day);
    if !text.is_empty() || !known || at.hour > 23 || at.minute > 59 || at.second > 59 {
        return None;
    }
    let days = days_from_civil(at.year, at.month, at.day);
    let seconds = days * 86_400 + at.hour * 3_600 + at.minute * 60 + at.second - offset;
    let time = Time {
        seconds,
        offset: i32::try_from(offset).ok()?,
    };
    // The 31st of a month that has none is no date.
    (civil(time).day == at.day).then_some(time)
}

fn digits(text: &mut &str, least: usize, most: usize) -> Option<i64> {
    let count = text
        .chars()
        .take(most)
        .take_while(char::is_ascii_digit)
        .count();
    if count < least {
        return None;
    }
    let (number, rest) = text.split_at(count);
    *text = rest;
    number.parse().ok()
}

fn named(list: &[&str], text: &mut &str, length: usize) -> Option<i64> {
    for (index, name) in list.iter().enumerate() {
        let short = name.get(..length.min(name.len()))?;
        if let Some(rest) = text.strip_prefix(short) {
            *text = rest;
            return i64::try_from(index + 1).ok();
        }
    }
    None
}

fn parse_zone(text: &mut &str, word: &str) -> Option<i64> {
    if word.starts_with('Z')
        && let Some(rest) = text.strip_prefix('Z')
    {
        *text = rest;
        return Some(0);
    }
    let sign = match text.chars().next()? {
        '+' => 1,
        '-' => -1,
        _ => return None,
    };
    *text = text.get(1..)?;
    let hours = digits(text, 2, 2)?;
    let mut seconds = hours * 3_600;
    if word.contains("00") {
        if word.contains(':') {
            *text = text.strip_prefix(':')?;
        }
        seconds += digits(text, 2, 2)? * 60;
    }
    Some(sign * seconds)
}

/// What printing a time shows.
pub(super) fn text(time: Time) -> String {
    format(time, "2006-01-02 15:04:05 -0700 MST")
}

/// A span of time as Go prints it: `1h2m3.5s`.
pub(super) fn duration(nanoseconds: i64) -> String {
    let size = nanoseconds.unsigned_abs();
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let decimal = |unit: u64, name: &str| {
        let (whole, part) = (size / unit, size % unit);
        let width = unit.to_string().len() - 1;
        let part = format!("{part:0width$}");
        let part = part.trim_end_matches('0');
        if part.is_empty() {
            format!("{whole}{name}")
        } else {
            format!("{whole}.{part}{name}")
        }
    };
    if size == 0 {
        return "0s".into();
    }
    if size < 1_000 {
        return format!("{sign}{size}ns");
    }
    if size < 1_000_000 {
        return format!("{sign}{}", decimal(1_000, "µs"));
    }
    if size < 1_000_000_000 {
        return format!("{sign}{}", decimal(1_000_000, "ms"));
    }
    let minutes = size / 60_000_000_000;
    let rest = size % 60_000_000_000;
    let part = format!("{:09}", rest % 1_000_000_000);
    let part = part.trim_end_matches('0');
    let dot = if part.is_empty() { "" } else { "." };
    let seconds = format!("{}{dot}{part}s", rest / 1_000_000_000);
    match (minutes / 60, minutes % 60) {
        (0, 0) => format!("{sign}{seconds}"),
        (0, m) => format!("{sign}{m}m{seconds}"),
        (h, m) => format!("{sign}{h}h{m}m{seconds}"),
    }
}

/// A span of time as Go reads it, in nanoseconds.
pub(super) fn parse_duration(text: &str) -> Option<i64> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    let mut total = 0_f64;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.'))?;
        let (number, after) = rest.split_at(end);
        let unit_end = after
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(after.len());
        let (unit, next) = after.split_at(unit_end);
        let size = match unit {
            "ns" => 1.0,
            "us" | "µs" | "μs" => 1e3,
            "ms" => 1e6,
            "s" => 1e9,
            "m" => 60e9,
            "h" => 3_600e9,
            _ => return None,
        };
        total += number.parse::<f64>().ok()? * size;
        rest = next;
    }
    if total >= 9.2e18 {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "in range by the line above"
    )]
    let size = total.round() as i64;
    Some(if negative { -size } else { size })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_write_what_they_read() {
        for (layout, text) in [
            ("2006-01-02", "2019-06-27"),
            (RFC3339, "2019-06-27T08:33:58Z"),
            ("2006-01-02T15:04:05-07:00", "2019-06-27T08:33:58+02:00"),
            ("Mon Jan 2 15:04:05 2006", "Thu Jun 27 08:33:58 2019"),
            ("Monday, 02-Jan-06 3:04PM", "Thursday, 27-Jun-19 8:33AM"),
        ] {
            assert_eq!(format(parse(layout, text).unwrap(), layout), text);
        }
        assert_eq!(parse("2006-01-02", "2019-02-30"), None);
        assert_eq!(parse("2006-01-02", "2019-06-27x"), None);
        assert_eq!(
            parse("2006-01-02", "2019-06-27").map(|t| t.seconds),
            Some(1_561_593_600)
        );
    }

    #[test]
    fn spans_as_go_prints_them() {
        for (text, shown) in [
            ("95s", "1m35s"),
            ("1.5h", "1h30m0s"),
            ("2ms", "2ms"),
            ("1h0m0.25s", "1h0m0.25s"),
            ("-5s", "-5s"),
        ] {
            assert_eq!(duration(parse_duration(text).unwrap()), shown);
        }
        assert_eq!(parse_duration("5"), None);
    }
}
