//! `print` and its kin, and the escapes of Go's own functions.

use super::super::call::{CallArguments, Entry, Result, Running, Trouble};
use super::super::format;
use super::super::value::Value;

pub(super) const TABLE: &[Entry] = &[
    ("print", "a*", print),
    ("println", "a*", println),
    ("printf", "sa*", printf),
    ("html", "a*", html),
    ("js", "a*", js),
    ("urlquery", "a*", urlquery),
    ("call", "aa*", call),
];

fn print(_: &mut Running<'_>, a: CallArguments<'_>) -> Result {
    Ok(Value::text(format::sprint(a.from(0))?))
}

fn println(_: &mut Running<'_>, a: CallArguments<'_>) -> Result {
    Ok(Value::text(format::sprintln(a.from(0))?))
}

fn printf(_: &mut Running<'_>, a: CallArguments<'_>) -> Result {
    Ok(Value::text(format::sprintf(a.text(0), a.from(1))?))
}

fn call(_: &mut Running<'_>, _: CallArguments<'_>) -> Result {
    Err("non-function: values are data here".into())
}

/// As `print`, but null is what it is in a template.
fn shown(a: CallArguments<'_>) -> std::result::Result<String, Trouble> {
    let value = |v: &Value| match v {
        Value::Absent | Value::Nil => Value::text("<no value>"),
        v => v.clone(),
    };
    let values: Vec<Value> = a.from(0).iter().map(value).collect();
    Ok(format::sprint(&values)?)
}

fn html(_: &mut Running<'_>, a: CallArguments<'_>) -> Result {
    let text = shown(a)?;
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\0' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    Ok(Value::text(out))
}

fn js(_: &mut Running<'_>, a: CallArguments<'_>) -> Result {
    let text = shown(a)?;
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\'' => out.push_str("\\'"),
            '"' => out.push_str("\\\""),
            '<' | '>' | '&' | '=' => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c if u32::from(c) < 0x20 => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    Ok(Value::text(out))
}

fn urlquery(_: &mut Running<'_>, a: CallArguments<'_>) -> Result {
    Ok(Value::text(query_escape(&shown(a)?)))
}

/// As a form's field: blanks as `+`.
fn query_escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(char::from(byte))
            }
            b' ' => out.push('+'),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
