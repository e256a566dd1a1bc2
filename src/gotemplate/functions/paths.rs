//! Paths and URLs, as texts.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::call::{CallArguments, Entry, Result, Running};
use super::super::value::{Map, Value};
use super::maps::map;

pub(super) const TABLE: &[Entry] = &[
    ("base", "s", |_, a| Ok(Value::text(base(a.text(0))))),
    ("dir", "s", |_, a| Ok(Value::text(dir(a.text(0))))),
    ("clean", "s", |_, a| Ok(Value::text(clean(a.text(0))))),
    ("ext", "s", |_, a| Ok(Value::text(ext(a.text(0))))),
    ("isAbs", "s", |_, a| {
        Ok(Value::Bool(a.text(0).starts_with('/')))
    }),
    ("osBase", "s", |_, a| Ok(Value::text(base(a.text(0))))),
    ("osDir", "s", |_, a| Ok(Value::text(dir(a.text(0))))),
    ("osClean", "s", |_, a| Ok(Value::text(clean(a.text(0))))),
    ("osExt", "s", |_, a| Ok(Value::text(ext(a.text(0))))),
    ("osIsAbs", "s", |_, a| {
        Ok(Value::Bool(a.text(0).starts_with('/')))
    }),
    ("urlParse", "s", url_parse),
    ("urlJoin", "m", url_join),
];

fn base(path: &str) -> &str {
    if path.is_empty() {
        return ".";
    }
    let trimmed = path.trim_end_matches('/');
    if trimmed.is_empty() {
        return "/";
    }
    trimmed.rsplit('/').next().unwrap_or(trimmed)
}

fn dir(path: &str) -> String {
    clean(
        path.rfind('/')
            .and_then(|i| path.get(..=i))
            .unwrap_or_default(),
    )
}

fn ext(path: &str) -> &str {
    let file = path.rsplit('/').next().unwrap_or(path);
    file.rfind('.')
        .and_then(|i| file.get(i..))
        .unwrap_or_default()
}

fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|p| *p != "..") => _ = parts.pop(),
            ".." if rooted => {}
            part => parts.push(part),
        }
    }
    let joined = parts.join("/");
    match (rooted, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".into(),
        (false, false) => joined,
    }
}

fn url_parse(_: &mut Running<'_>, a: CallArguments<'_>) -> Result {
    let text = a.text(0);
    let (rest, fragment) = text.split_once('#').unwrap_or((text, ""));
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (scheme, rest) = match rest.split_once(':') {
        Some((scheme, after)) if is_scheme(scheme) => (scheme, after),
        Some(_) | None => ("", rest),
    };
    let (authority, path) = match rest.strip_prefix("//") {
        Some(after) => after.find('/').map_or((after, ""), |i| after.split_at(i)),
        None => ("", rest),
    };
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let opaque = !scheme.is_empty() && !rest.starts_with('/');
    let entries = [
        ("scheme", scheme),
        ("host", host),
        ("hostname", name),
        ("path", if opaque { "" } else { path }),
        ("query", query),
        ("opaque", if opaque { path } else { "" }),
        ("fragment", fragment),
        ("userinfo", user),
    ];
    Ok(text_map(entries))
}

fn text_map<const N: usize>(entries: [(&str, &str); N]) -> Value {
    let entries: BTreeMap<Arc<str>, Value> = entries
        .into_iter()
        .map(|(k, v)| (Arc::from(k), Value::text(v)))
        .collect();
    Value::Map(Map::new(entries))
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
}

fn url_join(_: &mut Running<'_>, a: CallArguments<'_>) -> Result {
    let parts = map(a.any(0));
    let part = |key: &str| match parts.get(key) {
        Some(Value::Text(text)) => text.to_string(),
        Some(_) | None => String::new(),
    };
    let mut url = String::new();
    if !part("scheme").is_empty() {
        url.push_str(&format!("{}:", part("scheme")));
    }
    if part("opaque").is_empty() {
        let (user, host, path) = (part("userinfo"), part("host"), part("path"));
        url.push_str(&authority(&user, &host, &path));
        url.push_str(&path);
    } else {
        url.push_str(&part("opaque"));
    }
    if !part("query").is_empty() {
        url.push_str(&format!("?{}", part("query")));
    }
    if !part("fragment").is_empty() {
        url.push_str(&format!("#{}", part("fragment")));
    }
    Ok(Value::text(url))
}

/// User and host of a URL, up to its path.
fn authority(user: &str, host: &str, path: &str) -> String {
    if host.is_empty() && user.is_empty() {
        return String::new();
    }
    let at = if user.is_empty() { "" } else { "@" };
    let slash = !path.is_empty() && !path.starts_with('/');
    format!("//{user}{at}{host}{}", if slash { "/" } else { "" })
}
