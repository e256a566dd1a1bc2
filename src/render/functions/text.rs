//! Functions on text. A number or boolean given as text is the text that YAML has for it.

use minijinja::value::{Rest, Value, ValueKind};
use minijinja::{Environment, Error, filters};

use super::super::values::{fault, is_empty, scalar_text};
use super::register::both;

/// More blanks than this in front of a line is a mistake.
const MAX_INDENT: usize = 1_000;

pub(super) fn add(env: &mut Environment<'static>) {
    both(env, "nindent", nindent);
    both(env, "quote", quote);
    both(env, "squote", squote);
    both(env, "string", scalar_text_of);
    both(env, "join", join);
    both(env, "contains", contains);
    both(env, "starts_with", |text: &Value, part: String| {
        scalar_text(text).map(|t| t.starts_with(&part))
    });
    both(env, "has_prefix", |text: &Value, part: String| {
        scalar_text(text).map(|t| t.starts_with(&part))
    });
    both(env, "ends_with", |text: &Value, part: String| {
        scalar_text(text).map(|t| t.ends_with(&part))
    });
    both(env, "has_suffix", |text: &Value, part: String| {
        scalar_text(text).map(|t| t.ends_with(&part))
    });
    both(env, "split", split);
    both(env, "split_list", split);
    both(env, "lower", |text: &Value| {
        scalar_text(text).map(|t| t.to_lowercase())
    });
    both(env, "upper", |text: &Value| {
        scalar_text(text).map(|t| t.to_uppercase())
    });
    both(env, "replace", replace);
    both(env, "trim_prefix", |text: &Value, part: String| {
        scalar_text(text).map(|t| t.strip_prefix(&part).unwrap_or(&t).to_owned())
    });
    both(env, "trim_suffix", |text: &Value, part: String| {
        scalar_text(text).map(|t| t.strip_suffix(&part).unwrap_or(&t).to_owned())
    });
    env.add_function("indent", filters::indent);
    env.add_function("trim", filters::trim);
    env.add_filter("required", |value: Value, message: Option<String>| {
        required(value, message)
    });
    env.add_function("required", |message: String, value: Value| {
        required(value, Some(message))
    });
    both(
        env,
        "ternary",
        |condition: &Value, yes: Value, no: Value| if is_empty(condition) { no } else { yes },
    );
    both(env, "default", default);
    both(env, "d", default);
    env.add_function("coalesce", |values: Rest<Value>| {
        values
            .iter()
            .find(|v| !is_empty(v))
            .cloned()
            .ok_or_else(|| fault("every value given to coalesce is empty"))
    });
}

fn scalar_text_of(value: &Value) -> Result<String, Error> {
    scalar_text(value)
}

/// A line break, then every line indented; blank lines stay blank.
fn nindent(text: &Value, width: usize) -> Result<String, Error> {
    if width > MAX_INDENT {
        return Err(fault(format!("an indentation of more than {MAX_INDENT}")));
    }
    let text = scalar_text(text)?;
    let pad = " ".repeat(width);
    let body = text.strip_suffix('\n').unwrap_or(&text);
    Ok(body.split('\n').fold(String::new(), |mut out, line| {
        out.push('\n');
        if !line.trim().is_empty() {
            out.push_str(&pad);
            out.push_str(line);
        }
        out
    }))
}

fn quotable(value: &Value) -> Result<String, Error> {
    if value.is_none() {
        return Err(fault(
            "null in quotes would be the word \"null\"; give it a default",
        ));
    }
    scalar_text(value)
}

/// Double quotes, as JSON and YAML both read them.
fn quote(value: &Value) -> Result<String, Error> {
    let json = serde_json::Value::String(quotable(value)?).to_string();
    // JSON leaves these as they are, YAML readers take the first two for line breaks and refuse the others.
    Ok(json.chars().fold(String::new(), |mut out, c| {
        match c {
            '\u{2028}' | '\u{2029}' | '\u{7f}'..='\u{9f}' | '\u{feff}' => {
                out.push_str(&format!("\\u{:04x}", u32::from(c)))
            }
            c => out.push(c),
        }
        out
    }))
}

/// Single quotes; only for text of one line.
fn squote(value: &Value) -> Result<String, Error> {
    let text = quotable(value)?;
    if text.chars().any(char::is_control) {
        return Err(fault(
            "text with line breaks or control characters does not fit in single quotes; use quote",
        ));
    }
    Ok(format!("'{}'", text.replace('\'', "''")))
}

fn join(list: &Value, separator: Option<String>) -> Result<String, Error> {
    if list.kind() == ValueKind::String {
        return Err(fault("join needs a list, and this is a string"));
    }
    let parts: Vec<String> = list
        .try_iter()?
        .map(|v| scalar_text(&v))
        .collect::<Result<_, _>>()?;
    Ok(parts.join(&separator.unwrap_or_default()))
}

fn split(text: &Value, separator: String) -> Result<Vec<String>, Error> {
    if separator.is_empty() {
        return Err(fault("split needs a separator"));
    }
    Ok(scalar_text(text)?
        .split(&separator)
        .map(str::to_owned)
        .collect())
}

fn replace(text: &Value, from: String, to: String) -> Result<String, Error> {
    if from.is_empty() {
        return Err(fault("replace needs something to look for"));
    }
    Ok(scalar_text(text)?.replace(&from, &to))
}

/// A part of a text, an item of a list, or a key of a map.
fn contains(whole: &Value, part: &Value) -> Result<bool, Error> {
    if matches!(
        whole.kind(),
        ValueKind::Seq | ValueKind::Iterable | ValueKind::Map
    ) {
        return Ok(whole.try_iter()?.any(|v| v == *part));
    }
    Ok(scalar_text(whole)?.contains(&scalar_text(part)?))
}

/// The value, unless it is undefined, null or empty text.
fn required(value: Value, message: Option<String>) -> Result<Value, Error> {
    if value.is_undefined() || value.is_none() || value.as_str() == Some("") {
        return Err(fault(
            message.unwrap_or_else(|| "a required value is missing".into()),
        ));
    }
    Ok(value)
}

/// The value, unless it is undefined or null (with `true` behind the default: or empty).
fn default(value: Value, other: Value, also_empty: Option<bool>) -> Value {
    let missing = value.is_undefined()
        || value.is_none()
        || (also_empty.unwrap_or(false) && is_empty(&value));
    if missing { other } else { value }
}
