//! The effect of a change of git as JSON for machines: every cluster by itself, nothing folded.

use serde::Serialize;

use super::Compared;
use super::summary::Numbers;
use crate::impact::Impact;

/// The version of this form.
const VERSION: u32 = 1;

#[derive(Serialize)]
struct File<'a> {
    version: u32,
    since: &'a str,
    until: &'a str,
    summary: Numbers,
    #[serde(flatten)]
    impact: &'a Impact,
}

/// The effect as one JSON value, indented, ending in a newline.
pub fn diff_json(impact: &Impact, compared: &Compared) -> String {
    let file = File {
        version: VERSION,
        since: &compared.since,
        until: &compared.until,
        summary: Numbers::of(impact),
        impact,
    };
    // Our own structs of strings, numbers and ordered maps always serialise.
    serde_json::to_string_pretty(&file).unwrap_or_default() + "\n"
}
