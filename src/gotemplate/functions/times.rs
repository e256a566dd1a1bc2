//! Times and spans of time. Local time is UTC: a rendering does not depend on the machine.

use super::super::call::{CallArguments, Entry, Result, Running, Trouble};
use super::super::dates;
use super::super::value::{Time, Value};

pub(super) const TABLE: &[Entry] = &[
    ("now", "", |running, _| Ok(Value::Time(now(running)?))),
    ("date", "sa", |running, a| {
        shown(running, a.text(0), a.any(1), "UTC")
    }),
    ("dateInZone", "sas", |running, a| {
        shown(running, a.text(0), a.any(1), a.text(2))
    }),
    ("date_in_zone", "sas", |running, a| {
        shown(running, a.text(0), a.any(1), a.text(2))
    }),
    ("htmlDate", "a", |running, a| {
        shown(running, "2006-01-02", a.any(0), "UTC")
    }),
    ("htmlDateInZone", "as", |running, a| {
        shown(running, "2006-01-02", a.any(0), a.text(1))
    }),
    ("toDate", "ss", |_, a| {
        Ok(Value::Time(
            dates::parse(a.text(0), a.text(1)).unwrap_or(ZERO),
        ))
    }),
    ("mustToDate", "ss", |_, a| {
        let time = dates::parse(a.text(0), a.text(1));
        Ok(Value::Time(time.ok_or("the text does not fit the layout")?))
    }),
    ("unixEpoch", "t", |running, a| {
        Ok(Value::text(moment(running, a.any(0))?.seconds.to_string()))
    }),
    ("dateModify", "st", |running, a| modified(running, a, false)),
    ("date_modify", "st", |running, a| {
        modified(running, a, false)
    }),
    ("mustDateModify", "st", |running, a| {
        modified(running, a, true)
    }),
    ("must_date_modify", "st", |running, a| {
        modified(running, a, true)
    }),
    ("duration", "a", duration),
    ("durationRound", "a", duration_round),
    ("ago", "a", ago),
];

/// Go's zero time.
const ZERO: Time = Time {
    seconds: -62_135_596_800,
    offset: 0,
};

fn now(running: &Running<'_>) -> std::result::Result<Time, Trouble> {
    match running.world().now {
        Some(seconds) => Ok(Time { seconds, offset: 0 }),
        None => Err("there is no clock here: a rendering depends on its inputs alone".into()),
    }
}

fn moment(running: &Running<'_>, value: &Value) -> std::result::Result<Time, Trouble> {
    match value {
        Value::Time(time) => Ok(*time),
        Value::Int(seconds, _) => Ok(Time {
            seconds: *seconds,
            offset: 0,
        }),
        _ => now(running),
    }
}

fn shown(running: &Running<'_>, layout: &str, value: &Value, zone: &str) -> Result {
    let mut time = moment(running, value)?;
    time.offset = offset(zone, time.seconds);
    Ok(Value::text(dates::format(time, layout)))
}

/// Of a zone by its name; UTC for an unknown name.
fn offset(zone: &str, seconds: i64) -> i32 {
    let zone = jiff::tz::TimeZone::get(zone).ok();
    let at = jiff::Timestamp::from_second(seconds).ok();
    zone.zip(at)
        .map_or(0, |(zone, at)| zone.to_offset(at).seconds())
}

fn modified(running: &Running<'_>, a: CallArguments<'_>, strict: bool) -> Result {
    let mut time = moment(running, a.any(1))?;
    match dates::parse_duration(a.text(0)) {
        Some(span) => time.seconds = time.seconds.saturating_add(span / 1_000_000_000),
        None if strict => return Err("invalid duration".into()),
        None => {}
    }
    Ok(Value::Time(time))
}

fn duration(_: &mut Running<'_>, a: CallArguments<'_>) -> Result {
    let seconds = match a.any(0) {
        Value::Int(n, super::super::value::IntType::Int64) => *n,
        Value::Text(text) => text.parse().unwrap_or(0),
        _ => 0,
    };
    Ok(Value::text(dates::duration(
        seconds.saturating_mul(1_000_000_000),
    )))
}

fn duration_round(running: &mut Running<'_>, a: CallArguments<'_>) -> Result {
    let span = match a.any(0) {
        Value::Text(text) => dates::parse_duration(text).unwrap_or(0),
        Value::Int(n, _) | Value::Duration(n) => *n,
        Value::Time(time) => now(running)?
            .seconds
            .saturating_sub(time.seconds)
            .saturating_mul(1_000_000_000),
        _ => 0,
    };
    let seconds = span.unsigned_abs() / 1_000_000_000;
    let sign = if span < 0 { "-" } else { "" };
    for (size, unit) in [
        (31_536_000, "y"),
        (2_592_000, "mo"),
        (86_400, "d"),
        (3_600, "h"),
        (60, "m"),
        (1, "s"),
    ] {
        if seconds >= size {
            return Ok(Value::text(format!("{sign}{}{unit}", seconds / size)));
        }
    }
    Ok(Value::text("0s"))
}

fn ago(running: &mut Running<'_>, a: CallArguments<'_>) -> Result {
    let time = match a.any(0) {
        value @ (Value::Time(_) | Value::Int(..)) => moment(running, value)?,
        other => return Err(format!("a {} is not a time", other.type_name()).into()),
    };
    let span = now(running)?.seconds.saturating_sub(time.seconds);
    Ok(Value::text(dates::duration(
        span.saturating_mul(1_000_000_000),
    )))
}
