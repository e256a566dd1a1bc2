//! Scalars without quotes in the files of a fleet that would not reach a template as they were written. Reads no files.

use serde_json::Value as Json;

use super::{FleetError, SourceLocation};
use crate::yaml::{Node, Scalar, Value, ambiguity};

/// The first scalar (or key) of a file that readers take for different things, or that would be printed in another way than it was written.
///
/// # Errors
/// That scalar, with its place.
pub(super) fn check(file: &str, node: &Node) -> Result<(), FleetError> {
    match &node.value {
        Value::Scalar(scalar) => match wrong(scalar) {
            Some((message, hint)) => Err(FleetError::Invalid {
                place: SourceLocation {
                    file: file.to_owned(),
                    pos: Some(node.pos),
                },
                message,
                hint,
            }),
            None => Ok(()),
        },
        Value::List(items) => items.iter().try_for_each(|item| check(file, item)),
        Value::Map(entries) => entries.iter().try_for_each(|(key, value)| {
            if let Some(why) = ambiguity(&key.text).filter(|_| key.plain) {
                return Err(FleetError::Invalid {
                    place: SourceLocation {
                        file: file.to_owned(),
                        pos: Some(key.pos),
                    },
                    message: format!("the key `{}` {}", key.text, why.reason()),
                    hint: format!("quote it: \"{}\"", key.text),
                });
            }
            check(file, value)
        }),
    }
}

/// What is wrong with a scalar, and what to write.
fn wrong(scalar: &Scalar) -> Option<(String, String)> {
    let Scalar { value, text, plain } = scalar;
    if !plain {
        return None;
    }
    if let Some(why) = ambiguity(text) {
        return Some((
            format!("`{text}` {}", why.reason()),
            format!(
                "quote it (\"{text}\"), or write what is meant in a way that all readers share"
            ),
        ));
    }
    if value.is_string() {
        return None;
    }
    let what = kind_word(value);
    let printed = value.to_string();
    // Nothing at all is no text that a template could change.
    (printed != *text && !text.is_empty()).then(|| {
        (
            format!("`{text}` is {what}, and a template would print it as {printed}"),
            format!(
                "quote it (\"{text}\") when it is a text such as a version, or write {printed}"
            ),
        )
    })
}

fn kind_word(value: &Json) -> &'static str {
    if value.is_boolean() {
        "a boolean"
    } else if value.is_null() {
        "no value"
    } else {
        "a number"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::{Schema, parse_one};

    #[test]
    fn what_would_not_be_printed_as_written_is_refused() {
        let read = |text: &str| {
            let node = parse_one(text, Schema::Core).unwrap();
            check("vars/x.yaml", &node).err().map(|e| e.to_string())
        };
        for (text, expected) in [
            (
                "a: 012345678901",
                "vars/x.yaml:1:4: `012345678901` is octal, hexadecimal or binary to some readers, and decimal or a string to others",
            ),
            (
                "a: no",
                "vars/x.yaml:1:4: `no` is a boolean to YAML 1.1 readers such as kops, and a string to YAML 1.2",
            ),
            (
                "a: [x, 12:30]",
                "vars/x.yaml:1:8: `12:30` is a base-60 number to some YAML 1.1 readers, and a string to others",
            ),
            (
                "on: x",
                "vars/x.yaml:1:1: the key `on` is a boolean to YAML 1.1 readers such as kops, and a string to YAML 1.2",
            ),
            (
                "a: 1.30",
                "vars/x.yaml:1:4: `1.30` is a number, and a template would print it as 1.3",
            ),
            (
                "a: True",
                "vars/x.yaml:1:4: `True` is a boolean, and a template would print it as true",
            ),
            (
                "a: [~]",
                "vars/x.yaml:1:5: `~` is no value, and a template would print it as null",
            ),
            (
                "a: {b: 1e3}",
                "vars/x.yaml:1:8: `1e3` is a number, and a template would print it as 1000.0",
            ),
            (
                "a: +5",
                "vars/x.yaml:1:4: `+5` is a number, and a template would print it as 5",
            ),
            (
                "a: 0x1F",
                "vars/x.yaml:1:4: `0x1F` is a number, and a template would print it as 31",
            ),
        ] {
            assert_eq!(read(text).as_deref(), Some(expected));
        }
        for fine in [
            "a: '012345678901'",
            "a: \"1.30\"",
            "a: 1.5",
            "a: -3",
            "a: 0",
            "a: 1.0",
            "a: true",
            "a: null",
            "a:",
            "a: text",
            "10: x",
            "a: 2.5e-7",
            "{}",
        ] {
            assert_eq!(read(fine), None, "{fine}");
        }
    }
}
