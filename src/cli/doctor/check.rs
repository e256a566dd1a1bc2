//! One line of the doctor's answer.

use super::super::failure::Failure;
use crate::report::{CheckState, DoctorCheck};

/// How an area stands.
pub(super) fn check(area: &'static str, subject: Option<String>, state: CheckState) -> DoctorCheck {
    DoctorCheck {
        area,
        subject,
        state,
    }
}

/// An error that would have ended another command.
pub(super) fn wrong(area: &'static str, subject: Option<String>, failure: Failure) -> DoctorCheck {
    let state = CheckState::Wrong {
        found: failure.text.trim_end().to_owned(),
        advice: failure.hints,
    };
    check(area, subject, state)
}

/// Words by which AWS says that a right is missing.
const DENIED: [&str; 4] = [
    "AccessDenied",
    "UnauthorizedOperation",
    "not authorized",
    "Forbidden",
];

/// Whether AWS says that a right is missing.
pub(super) fn is_denied(why: &str) -> bool {
    DENIED.iter().any(|word| why.contains(word))
}
