//! An expression of Jinja: its text, how tightly it holds together, and what is known of its value. Knows nothing of Go.

use serde_json::Value as Json;

/// Words that cannot be names of values. Source: the language of Jinja.
pub(super) const WORDS: [&str; 20] = [
    "and", "or", "not", "in", "is", "if", "else", "elif", "for", "true", "false", "none", "True",
    "False", "None", "loop", "self", "super", "import", "include",
];

/// How tightly an expression holds together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Binding {
    /// A name, a call, a literal, or in parentheses.
    Atom,
    /// With a filter behind it.
    Filtered,
    /// With an operator.
    Compound,
}

/// An expression of Jinja.
#[derive(Clone, Debug)]
pub(super) struct Expr {
    pub(super) text: String,
    pub(super) level: Binding,
    /// The text that it is, where it is written out.
    pub(super) literal: Option<String>,
    /// It may be missing, and is then false.
    pub(super) may_miss: bool,
    /// A value that it has somewhere.
    pub(super) sample: Option<Json>,
}

impl Expr {
    pub(super) fn new(text: impl Into<String>, level: Binding) -> Expr {
        Expr {
            text: text.into(),
            level,
            literal: None,
            may_miss: false,
            sample: None,
        }
    }

    pub(super) fn atom(text: impl Into<String>) -> Expr {
        Expr::new(text, Binding::Atom)
    }

    /// As what a field is read of.
    pub(super) fn base(&self) -> String {
        match self.level {
            Binding::Atom => self.text.clone(),
            Binding::Filtered | Binding::Compound => format!("({})", self.text),
        }
    }

    /// As an operand of an operator, or before a filter.
    pub(super) fn operand(&self) -> String {
        match self.level {
            Binding::Atom | Binding::Filtered => self.text.clone(),
            Binding::Compound => format!("({})", self.text),
        }
    }

    /// As a condition.
    pub(super) fn condition(&self) -> Expr {
        if !self.may_miss {
            return self.clone();
        }
        let text = format!("{0} is defined and {0}", self.operand());
        Expr::new(text, Binding::Compound)
    }

    /// A field of it.
    pub(super) fn field(&self, name: &str) -> Expr {
        let base = self.base();
        let text = if is_name(name) && !WORDS.contains(&name) {
            format!("{base}.{name}")
        } else {
            format!("{base}[{}]", quoted(name))
        };
        Expr {
            sample: self.sample.as_ref().and_then(|s| s.get(name)).cloned(),
            ..Expr::atom(text)
        }
    }

    /// An item of it.
    pub(super) fn item(&self, key: &Expr) -> Expr {
        match &key.literal {
            Some(name) => self.field(name),
            None => Expr {
                sample: self.sample.as_ref().and_then(first).cloned(),
                ..Expr::atom(format!("{}[{}]", self.base(), key.text))
            },
        }
    }

    /// With a filter.
    pub(super) fn filter(&self, filter: &str) -> Expr {
        Expr::new(format!("{} | {filter}", self.operand()), Binding::Filtered)
    }
}

/// The first value of a list or map.
pub(super) fn first(json: &Json) -> Option<&Json> {
    match json {
        Json::Array(items) => items.first(),
        Json::Object(map) => map.values().next(),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => None,
    }
}

pub(super) fn is_name(text: &str) -> bool {
    let mut chars = text.chars();
    chars
        .next()
        .is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// A text as Jinja writes it.
pub(super) fn quoted(text: &str) -> String {
    Json::String(text.to_owned()).to_string()
}
