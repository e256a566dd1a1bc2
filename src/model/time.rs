//! Moments and spans of time as values. Reading a clock is the business of `cli`, `run` and the clouds.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A moment, in milliseconds since 1970 (UTC). Written in files as RFC 3339.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Timestamp(i64);

/// A length of time in milliseconds, written `1h30m`, `15m`, `10s`, `500ms`, or `0s`.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default,
)]
#[serde(try_from = "String", into = "String")]
pub struct Span(i64);

/// A text that is no moment or span.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a {1}")]
pub struct SpanError(String, &'static str);

impl Timestamp {
    /// From milliseconds since 1970.
    pub const fn from_millis(ms: i64) -> Self {
        Self(ms)
    }

    /// Milliseconds since 1970.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// The span from `earlier` to this moment; zero when `earlier` is later.
    pub fn since(self, earlier: Timestamp) -> Span {
        Span(self.0.saturating_sub(earlier.0).max(0))
    }

    /// For people: `2026-01-05 08:00:05Z`.
    pub fn clock(self) -> String {
        let text = self.to_string();
        match (text.len(), text.get(..10), text.get(11..19)) {
            (24, Some(date), Some(time)) => format!("{date} {time}Z"),
            _ => text,
        }
    }
}

impl std::ops::Add<Span> for Timestamp {
    type Output = Timestamp;
    fn add(self, span: Span) -> Timestamp {
        Timestamp(self.0.saturating_add(span.0))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(t) => f.pad(&format!("{t:.3}")),
            Err(_) => write!(f, "{}ms", self.0),
        }
    }
}

impl From<Timestamp> for String {
    fn from(t: Timestamp) -> String {
        t.to_string()
    }
}

impl TryFrom<String> for Timestamp {
    type Error = SpanError;
    fn try_from(text: String) -> Result<Self, SpanError> {
        text.parse::<jiff::Timestamp>()
            .map(|t| Timestamp(t.as_millisecond()))
            .map_err(|_| SpanError(text, "time such as 2026-01-31T12:00:00Z"))
    }
}

impl Span {
    /// No time at all.
    pub const ZERO: Span = Span(0);

    /// From milliseconds.
    pub const fn from_millis(ms: i64) -> Self {
        Self(ms)
    }

    /// From seconds.
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs * 1_000)
    }

    /// The length in milliseconds.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Whether no time at all.
    pub const fn is_zero(&self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [
            ("d", 86_400_000),
            ("h", 3_600_000),
            ("m", 60_000),
            ("s", 1_000),
            ("ms", 1),
        ];
        let mut rest = self.0.max(0);
        let mut out = String::new();
        for (unit, size) in units {
            if rest >= size {
                out.push_str(&format!("{}{unit}", rest / size));
                rest %= size;
            }
        }
        f.pad(if out.is_empty() { "0s" } else { &out })
    }
}

impl From<Span> for String {
    fn from(span: Span) -> String {
        span.to_string()
    }
}

impl TryFrom<String> for Span {
    type Error = SpanError;
    fn try_from(text: String) -> Result<Self, SpanError> {
        text.parse()
    }
}

impl std::str::FromStr for Span {
    type Err = SpanError;
    fn from_str(text: &str) -> Result<Self, SpanError> {
        let bad = || {
            SpanError(
                text.to_owned(),
                "length of time such as 30s, 15m, 1h30m or 2d",
            )
        };
        let mut total: i64 = 0;
        let mut rest = text.trim();
        if rest.is_empty() {
            return Err(bad());
        }
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(bad)?;
            let unit_end = rest
                .get(digits..)
                .and_then(|r| r.find(|c: char| c.is_ascii_digit()))
                .map_or(rest.len(), |n| n + digits);
            let (number, unit) = (
                rest.get(..digits).unwrap_or_default(),
                rest.get(digits..unit_end).unwrap_or_default(),
            );
            let size = match unit {
                "d" => 86_400_000,
                "h" => 3_600_000,
                "m" => 60_000,
                "s" => 1_000,
                "ms" => 1,
                _ => return Err(bad()),
            };
            let amount = number
                .parse::<i64>()
                .ok()
                .and_then(|n| n.checked_mul(size))
                .ok_or_else(bad)?;
            total = total.checked_add(amount).ok_or_else(bad)?;
            rest = rest.get(unit_end..).unwrap_or_default();
        }
        Ok(Span(total))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_back_as_written() {
        for text in ["0s", "15m", "1h30m", "500ms", "2d", "1d2h3m4s"] {
            assert_eq!(
                text.parse::<Span>().map(|s| s.to_string()),
                Ok(text.to_owned())
            );
        }
        assert_eq!(
            "90m".parse::<Span>().map(|s| s.to_string()),
            Ok("1h30m".into())
        );
        for text in ["", "5", "m", "5 m", "-5m", "1y", "99999999999999999d"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }

    #[test]
    fn moments_are_written_in_utc() {
        let t = Timestamp::from_millis(1_767_600_000_500);
        assert_eq!(t.to_string(), "2026-01-05T08:00:00.500Z");
        assert_eq!(Timestamp::try_from(t.to_string()), Ok(t));
    }
}
