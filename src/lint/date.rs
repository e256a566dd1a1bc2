//! The day until which something is accepted. Knows no clock.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A day, as `2027-01-31`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Date {
    year: u16,
    month: u8,
    day: u8,
}

/// No day.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a date; a date is written as 2027-01-31")]
pub struct DateError(String);

impl TryFrom<String> for Date {
    type Error = DateError;
    fn try_from(text: String) -> Result<Self, DateError> {
        let error = || DateError(text.clone());
        let date: jiff::civil::Date = text.parse().map_err(|_| error())?;
        Ok(Date {
            year: u16::try_from(date.year()).map_err(|_| error())?,
            month: u8::try_from(date.month()).map_err(|_| error())?,
            day: u8::try_from(date.day()).map_err(|_| error())?,
        })
    }
}

impl From<Date> for String {
    fn from(date: Date) -> String {
        date.to_string()
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}
