//! How long a text may be, and where it may be cut.

use super::super::call::Trouble;
use super::super::fault::Limit;
use super::super::limits;

/// A text as long as it may be.
///
/// # Errors
/// When it is longer.
pub(super) fn sized(length: usize) -> std::result::Result<(), Trouble> {
    if length > limits::TEXT {
        return Err(Trouble::TooMuch(Limit::Size));
    }
    Ok(())
}

/// The bytes `range` of a text, where both ends are between characters.
pub(super) fn cut(text: &str, start: usize, end: usize) -> std::result::Result<&str, Trouble> {
    match text.get(start..end) {
        Some(part) => Ok(part),
        None if start <= end && end <= text.len() => {
            Err("this cuts a character of several bytes in two".into())
        }
        None => Err("slice bounds out of range".into()),
    }
}
