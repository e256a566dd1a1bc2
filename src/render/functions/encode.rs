//! Values ↔ YAML, JSON, base64, and digests.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minijinja::value::Value;
use minijinja::{Environment, Error};
use sha2::{Digest as _, Sha256};

use super::super::values::{fault, from_json, scalar_text, to_json};
use super::register::both;
use crate::yaml::{Schema, emit_with_number_keys, parse_one};

pub(super) fn add(env: &mut Environment<'static>) {
    both(env, "to_yaml", to_yaml);
    both(env, "from_yaml", from_yaml);
    both(env, "to_json", |value: &Value| {
        to_json(value).map(|json| json.to_string())
    });
    // The engine's own writes for HTML, with < and ' as escapes.
    both(env, "tojson", |value: &Value| {
        to_json(value).map(|json| json.to_string())
    });
    both(env, "from_json", parse_json);
    both(env, "b64enc", |text: &Value| {
        scalar_text(text).map(|t| STANDARD.encode(t))
    });
    both(env, "b64dec", b64dec);
    both(env, "sha256sum", sha256sum);
}

/// Block style, without the last line break, so that it can be indented.
fn to_yaml(value: &Value) -> Result<String, Error> {
    let text = emit_with_number_keys(&to_json(value)?);
    Ok(text.strip_suffix('\n').unwrap_or(&text).to_owned())
}

fn from_yaml(text: String) -> Result<Value, Error> {
    // The parser's words may quote keys of the text, which are no secrets; they never quote values.
    parse_one(&text, Schema::Core)
        .map(|node| from_json(&node.to_json()))
        .map_err(|e| fault(format!("no YAML, at {e}")))
}

fn parse_json(text: String) -> Result<Value, Error> {
    let json = serde_json::from_str(&text)
        .map_err(|e| fault(format!("no JSON, at {}:{}", e.line(), e.column())))?;
    Ok(from_json(&json))
}

fn b64dec(text: String) -> Result<String, Error> {
    let bytes = STANDARD
        .decode(text.trim())
        .map_err(|_| fault("this is not base64"))?;
    String::from_utf8(bytes)
        .map_err(|_| fault("this is base64 of something that is not UTF-8 text"))
}

fn sha256sum(text: &Value) -> Result<String, Error> {
    Ok(Sha256::digest(scalar_text(text)?)
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect())
}
