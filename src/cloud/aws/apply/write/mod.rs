//! Our words → the SDK's: what a request says. Pure; names have been turned into ids before. The way back is in `convert`.

pub(super) mod carry;
pub(super) mod group;
pub(super) mod refresh;
pub(super) mod template;

/// A value that the API has no room for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} is {value}, which is more than AWS can be told")]
pub(super) struct TooMuch {
    /// The API's name of the field.
    field: &'static str,
    /// What it should be.
    value: i64,
}

/// A number as the API has it: 32 bits, with a sign.
pub(super) fn number(field: &'static str, value: impl Into<i64>) -> Result<i32, TooMuch> {
    let value = value.into();
    i32::try_from(value).map_err(|_| TooMuch { field, value })
}

/// A number that need not be given.
pub(super) fn optional(
    field: &'static str,
    value: Option<impl Into<i64>>,
) -> Result<Option<i32>, TooMuch> {
    value.map(|value| number(field, value)).transpose()
}

/// A list, left out when it is empty: an empty list in a request means another thing in every API.
pub(super) fn list<T>(items: Vec<T>) -> Option<Vec<T>> {
    (!items.is_empty()).then_some(items)
}
