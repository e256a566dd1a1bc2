//! `freeze` of a stage as written → a weekly window. Knows no clock.

use super::document::ParsedFile;
use super::file::FreezeFile;
use super::{FleetError, Freeze, SourceLocation, Weekday};

/// A weekly window.
pub(super) fn freeze(
    doc: &ParsedFile,
    path: [&str; 4],
    file: &FreezeFile,
) -> Result<Freeze, FleetError> {
    let at = |key: &'static str| doc.place(&path.iter().copied().chain([key]).collect::<Vec<_>>());
    if jiff::tz::TimeZone::get(&file.timezone).is_err() {
        let message = format!("there is no time zone `{}`", file.timezone);
        return Err(FleetError::Invalid {
            place: at("timezone"),
            message,
            hint: "write an IANA name such as Europe/Paris or UTC".into(),
        });
    }
    let (from, to) = (moment(&file.from, at("from"))?, moment(&file.to, at("to"))?);
    if from == to {
        let hint = "an empty window or a whole week? Write the end a minute earlier or later";
        return Err(FleetError::Invalid {
            place: at("to"),
            message: "the window ends when it begins".into(),
            hint: hint.into(),
        });
    }
    Ok(Freeze {
        from,
        to,
        timezone: file.timezone.clone(),
    })
}

fn moment(text: &str, place: SourceLocation) -> Result<(Weekday, u16), FleetError> {
    let parsed = text.split_once(' ').and_then(|(day, clock)| {
        let (hour, minute) = clock.split_once(':')?;
        let two_digits = |t: &str| (t.len() == 2).then(|| t.parse::<u16>().ok()).flatten();
        let (hour, minute) = (two_digits(hour)?, two_digits(minute)?);
        (hour < 24 && minute < 60).then_some((weekday(day)?, hour * 60 + minute))
    });
    parsed.ok_or_else(|| FleetError::Invalid {
        place,
        message: format!("`{text}` is not a weekday and a time"),
        hint: "write it as \"Fri 16:00\": Mon, Tue, Wed, Thu, Fri, Sat or Sun, and 24 hours".into(),
    })
}

fn weekday(text: &str) -> Option<Weekday> {
    Some(match text {
        "Mon" => Weekday::Mon,
        "Tue" => Weekday::Tue,
        "Wed" => Weekday::Wed,
        "Thu" => Weekday::Thu,
        "Fri" => Weekday::Fri,
        "Sat" => Weekday::Sat,
        "Sun" => Weekday::Sun,
        _ => return None,
    })
}
