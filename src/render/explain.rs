//! The engine's errors → faults with place, include chain and suggestion. Reads the scope for the names in it, never for its values.

use std::collections::BTreeSet;

use minijinja::{Environment, Error, ErrorKind};
use serde_json::Value as Json;

use super::{RenderError, Spot, TemplateFault, go};
use crate::fleet::{Fleet, closest};
use crate::model::ClusterName;

/// Filters that templates have; the engine keeps its table to itself. A test compares.
pub(super) const FILTERS: [&str; 73] = [
    "abs",
    "attr",
    "b64dec",
    "b64enc",
    "batch",
    "bool",
    "capitalize",
    "chain",
    "contains",
    "count",
    "d",
    "default",
    "dictsort",
    "dig",
    "ends_with",
    "first",
    "float",
    "format",
    "from_json",
    "from_yaml",
    "groupby",
    "has_key",
    "has_prefix",
    "has_suffix",
    "indent",
    "int",
    "items",
    "join",
    "keys",
    "last",
    "length",
    "lines",
    "list",
    "lower",
    "map",
    "max",
    "merge",
    "merge_overwrite",
    "min",
    "nindent",
    "quote",
    "reject",
    "rejectattr",
    "replace",
    "required",
    "reverse",
    "round",
    "select",
    "selectattr",
    "sha256sum",
    "slice",
    "sort",
    "split",
    "split_list",
    "squote",
    "starts_with",
    "string",
    "sum",
    "ternary",
    "title",
    "to_json",
    "to_yaml",
    "tojson",
    "trim",
    "trim_prefix",
    "trim_suffix",
    "uniq",
    "unique",
    "until",
    "upper",
    "values",
    "zip",
    "safe",
];

/// What is needed to explain an error.
pub(super) struct Explain<'a> {
    pub(super) fleet: &'a Fleet,
    pub(super) env: &'a Environment<'static>,
    pub(super) cluster: Option<&'a ClusterName>,
    pub(super) scope: &'a Json,
}

impl Explain<'_> {
    /// The fault behind an error.
    pub(super) fn error(&self, error: &Error) -> RenderError {
        let mut included_from = Vec::new();
        let mut innermost = error;
        while let Some(inner) = inner(innermost) {
            included_from.insert(0, self.spot(innermost));
            innermost = inner;
        }
        let at = self.spot(innermost);
        let (message, hint) = match go::tag(&at.text) {
            Some(tag) => (
                format!("`{tag}` is not a tag here"),
                Some(go::HINT.to_owned()),
            ),
            None => self.words(innermost, &at),
        };
        RenderError::Template(Box::new(TemplateFault {
            cluster: self.cluster.cloned(),
            at,
            message,
            included_from,
            hint,
        }))
    }

    fn source(&self, path: &str) -> &str {
        let all = self
            .fleet
            .templates
            .values()
            .chain(self.fleet.snippets.values());
        all.into_iter()
            .find(|s| s.path == path)
            .map_or("", |s| s.text.as_str())
    }

    fn spot(&self, error: &Error) -> Spot {
        let file = error.name().unwrap_or_default();
        let text = self.source(file);
        match (error.range(), error.line()) {
            (Some(range), _) if range.start < text.len() => Spot::of_range(file, text, range),
            (_, Some(line)) => Spot::of_line(file, text, u32::try_from(line).unwrap_or(u32::MAX)),
            (Some(_) | None, None) => Spot::of_line(file, text, 1),
        }
    }

    fn words(&self, error: &Error, at: &Spot) -> (String, Option<String>) {
        let (kind, detail) = (error.kind(), error.detail().unwrap_or_default());
        if kind == ErrorKind::UndefinedError {
            self.undefined(detail, at)
        } else if kind == ErrorKind::UnknownFilter {
            self.unknown_filter(
                detail
                    .strip_prefix("filter ")
                    .and_then(|d| d.strip_suffix(" is unknown"))
                    .unwrap_or(detail),
            )
        } else if kind == ErrorKind::UnknownFunction {
            self.unknown_function(detail.strip_suffix(" is unknown").unwrap_or(detail))
        } else if kind == ErrorKind::UnknownMethod {
            (
                format!("there are no methods here ({detail})"),
                Some("use a filter: `map | items`, `text | split(\",\")`".into()),
            )
        } else if kind == ErrorKind::TemplateNotFound {
            self.not_found(detail)
        } else if kind == ErrorKind::OutOfFuel {
            ("this takes too many steps; an endless loop?".into(), None)
        } else if detail.starts_with("unable to calculate") {
            // The engine's text holds the values.
            (
                "the result of this calculation is out of range".into(),
                None,
            )
        } else if detail.contains("+ operator on unsupported types") && detail.contains("string") {
            (detail.to_owned(), Some("`~` joins texts".into()))
        } else if detail.is_empty() {
            (kind.to_string(), None)
        } else {
            (detail.to_owned(), None)
        }
    }

    fn unknown_filter(&self, name: &str) -> (String, Option<String>) {
        let is_function = self.env.globals().any(|(g, _)| g == name);
        let hint = if is_function {
            Some(format!("`{name}` is a function: write `{name}(…)`"))
        } else {
            near(name, FILTERS)
        };
        (format!("there is no filter `{name}`"), hint)
    }

    fn unknown_function(&self, name: &str) -> (String, Option<String>) {
        let functions: Vec<&str> = self.env.globals().map(|(g, _)| g).collect();
        let hint = if FILTERS.contains(&name) {
            Some(format!("`{name}` is a filter: write `… | {name}`"))
        } else {
            near(name, functions)
        };
        (format!("there is no function `{name}`"), hint)
    }

    fn not_found(&self, detail: &str) -> (String, Option<String>) {
        if let Some((message, hint)) = detail.split_once("; ") {
            return (message.to_owned(), Some(hint.to_owned()));
        }
        let in_tag = detail
            .strip_prefix("tried to include non-existing template '")
            .and_then(|d| d.strip_suffix('\''));
        let Some(name) = in_tag.or_else(|| {
            detail
                .strip_prefix("template \"")
                .and_then(|d| d.strip_suffix("\" does not exist"))
        }) else {
            let hint = detail
                .contains("more than once")
                .then(|| "name it by its path below snippets/".to_owned());
            return (detail.to_owned(), hint);
        };
        let hint = near(name, self.fleet.snippets.keys().map(String::as_str));
        (format!("there is no snippet `{name}`"), hint)
    }

    fn undefined(&self, detail: &str, at: &Spot) -> (String, Option<String>) {
        let quoted = detail.split('`').nth(1).map(str::to_owned);
        let written: String = at
            .text
            .chars()
            .skip(at.column.saturating_sub(1) as usize)
            .take(at.width)
            .collect();
        let expression = quoted.unwrap_or(written);
        let message = format!("`{expression}` is undefined");
        let hint = self
            .meant(&expression, at)
            .map(|near| format!("did you mean `{near}`?"));
        (
            message,
            hint.or_else(|| Some("set it in vars/, or say what else: `| default(…)`".into())),
        )
    }

    /// The path that was probably meant: the first part that is not there, mended.
    fn meant(&self, expression: &str, at: &Spot) -> Option<String> {
        let parts: Vec<&str> = expression.split('.').collect();
        let mut here = self.scope;
        for (i, part) in parts.iter().enumerate() {
            if let Some(next) = here.get(part) {
                here = next;
                continue;
            }
            let source = self.source(&at.file);
            let names: BTreeSet<&str> = match (i, here.as_object()) {
                (0, _) => assigned(source).chain(keys(self.scope)).collect(),
                (_, Some(map)) => map.keys().map(String::as_str).collect(),
                (_, None) => BTreeSet::new(),
            };
            if let Some(found) = closest(part, names) {
                let mended = parts
                    .iter()
                    .enumerate()
                    .map(|(j, p)| if i == j { found } else { p });
                return Some(mended.collect::<Vec<_>>().join("."));
            }
            // The first part may be a variable of a loop, of which only the engine knows what it holds.
            if i > 0 || parts.len() < 2 {
                return None;
            }
            let last = parts.last()?;
            let found = closest(last, all_keys(self.scope))?;
            return Some(
                parts
                    .iter()
                    .take(parts.len() - 1)
                    .chain([&found])
                    .copied()
                    .collect::<Vec<_>>()
                    .join("."),
            );
        }
        None
    }
}

fn near<'c>(name: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<String> {
    closest(name, candidates).map(|n| format!("did you mean `{n}`?"))
}

/// The error inside an include.
fn inner(error: &Error) -> Option<&Error> {
    let wraps = matches!(error.kind(), ErrorKind::BadInclude | ErrorKind::EvalBlock);
    let source = std::error::Error::source(error).filter(|_| wraps)?;
    source
        .downcast_ref::<Error>()
        .filter(|e| e.name().is_some())
}

fn keys(json: &Json) -> impl Iterator<Item = &str> {
    json.as_object()
        .into_iter()
        .flatten()
        .map(|(k, _)| k.as_str())
}

fn all_keys(json: &Json) -> BTreeSet<&str> {
    let mut found = BTreeSet::new();
    let mut waiting = vec![json];
    while let Some(next) = waiting.pop() {
        match next {
            Json::Object(map) => {
                found.extend(map.keys().map(String::as_str));
                waiting.extend(map.values());
            }
            Json::Array(items) => waiting.extend(items),
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
        }
    }
    found
}

/// Names that a template gives itself with `set` and `for`.
fn assigned(source: &str) -> impl Iterator<Item = &str> {
    let words: Vec<&str> = source
        .split(|c: char| !(c.is_alphanumeric() || c == '_'))
        .filter(|w| !w.is_empty())
        .collect();
    let pairs: Vec<(&str, &str)> = words
        .iter()
        .zip(words.iter().skip(1))
        .map(|(a, b)| (*a, *b))
        .collect();
    pairs
        .into_iter()
        .filter(|(before, _)| matches!(*before, "set" | "for"))
        .map(|(_, name)| name)
}
