//! Base64, base32 and JSON.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value as Json;

use super::super::call::{CallArguments, Entry, Result, Running, Trouble};
use super::super::json::{self, JsonStyle, NoJson};
use super::super::value::Value;

const ESCAPED: JsonStyle = JsonStyle {
    html: true,
    pretty: false,
};
const PRETTY: JsonStyle = JsonStyle {
    html: true,
    pretty: true,
};
const RAW: JsonStyle = JsonStyle {
    html: false,
    pretty: false,
};

pub(super) const TABLE: &[Entry] = &[
    ("b64enc", "s", |_, a| {
        Ok(Value::text(STANDARD.encode(a.text(0))))
    }),
    ("b64dec", "s", |_, a| {
        match STANDARD.decode(a.text(0).replace(['\r', '\n'], "")) {
            Ok(bytes) => from_bytes(bytes),
            // The message is the result, in the original too.
            Err(e) => Ok(Value::text(format!(
                "illegal base64 data at input byte {}",
                place(&e)
            ))),
        }
    }),
    ("b32enc", "s", |_, a| {
        Ok(Value::text(base32(a.text(0).as_bytes())))
    }),
    ("b32dec", "s", |_, a| match base32_decoded(a.text(0)) {
        Ok(bytes) => from_bytes(bytes),
        Err(at) => Ok(Value::text(format!(
            "illegal base32 data at input byte {at}"
        ))),
    }),
    ("toJson", "a", |_, a| lenient(json::text(a.any(0), ESCAPED))),
    ("toPrettyJson", "a", |_, a| {
        lenient(json::text(a.any(0), PRETTY))
    }),
    ("toRawJson", "a", |_, a| lenient(json::text(a.any(0), RAW))),
    ("mustToJson", "a", |_, a| {
        Ok(Value::text(json::text(a.any(0), ESCAPED)?))
    }),
    ("mustToPrettyJson", "a", |_, a| {
        Ok(Value::text(json::text(a.any(0), PRETTY)?))
    }),
    ("mustToRawJson", "a", |_, a| {
        Ok(Value::text(json::text(a.any(0), RAW)?))
    }),
    ("fromJson", "s", |_, a| {
        Ok(parsed(a.text(0)).unwrap_or(Value::Nil))
    }),
    ("mustFromJson", "s", from_json),
];

fn place(error: &base64::DecodeError) -> usize {
    match error {
        base64::DecodeError::InvalidByte(at, _)
        | base64::DecodeError::InvalidLastSymbol { offset: at, .. } => *at,
        base64::DecodeError::InvalidLength(length) => length / 4 * 4,
        base64::DecodeError::InvalidPadding => 0,
    }
}

fn from_bytes(bytes: Vec<u8>) -> Result {
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Value::text(text)),
        Err(_) => Err("the decoded bytes are no text (UTF-8)".into()),
    }
}

/// What JSON does not have makes an empty text, as in the original.
fn lenient(text: std::result::Result<String, NoJson>) -> Result {
    match text {
        Ok(text) => Ok(Value::text(text)),
        Err(NoJson::Type(_)) => Ok(Value::text("")),
        Err(too_much @ NoJson::TooMuch) => Err(Trouble::from(too_much)),
    }
}

fn parsed(text: &str) -> serde_json::Result<Value> {
    serde_json::from_str::<Json>(text).map(|json| Value::from_json(&json))
}

fn from_json(_: &mut Running<'_>, a: CallArguments<'_>) -> Result {
    parsed(a.text(0)).map_err(|e| {
        let (line, column) = (e.line(), e.column());
        Trouble::Said(format!("invalid JSON at line {line} column {column}"))
    })
}

const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

fn base32(bytes: &[u8]) -> String {
    let mut out = String::new();
    for chunk in bytes.chunks(5) {
        let mut block = [0_u8; 8];
        for (slot, byte) in block.iter_mut().skip(3).zip(chunk) {
            *slot = *byte;
        }
        let value = u64::from_be_bytes(block);
        let letters = (chunk.len() * 8).div_ceil(5);
        for index in 0..8 {
            let letter = usize::try_from(value >> (35 - 5 * index) & 31).ok();
            let letter = letter
                .and_then(|l| ALPHABET.get(l))
                .copied()
                .unwrap_or(b'A');
            out.push(if index < letters {
                char::from(letter)
            } else {
                '='
            });
        }
    }
    out
}

/// The bytes, or where the text is not base32.
fn base32_decoded(text: &str) -> std::result::Result<Vec<u8>, usize> {
    let clean: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
    let mut out = Vec::new();
    for (index, chunk) in clean.as_bytes().chunks(8).enumerate() {
        let letters = chunk.iter().take_while(|b| **b != b'=').count();
        let mut value = 0_u64;
        for (place, byte) in chunk.iter().enumerate() {
            let digit = match ALPHABET.iter().position(|l| l == byte) {
                Some(digit) if place < letters => digit as u64,
                None if *byte == b'=' && place >= letters => 0,
                Some(_) | None => return Err(index * 8 + place),
            };
            value = value << 5 | digit;
        }
        if chunk.len() < 8 || matches!(letters, 0 | 1 | 3 | 6) {
            return Err(index * 8 + letters);
        }
        out.extend(value.to_be_bytes().iter().skip(3).take(letters * 5 / 8));
    }
    Ok(out)
}
