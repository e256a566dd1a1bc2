//! What can be wrong with a template, and where. Holds names and types, never values of variables.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use super::source::TemplateText;

/// A fault, with its place and the places that led to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoFault {
    /// Where in the template evaluation stopped.
    pub at: Site,
    /// What could not be done.
    pub problem: Problem,
    /// The places that included the template of the fault, innermost first.
    pub included_from: Vec<Site>,
}

/// A place in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    source: Arc<TemplateText>,
    /// Its bytes.
    pub range: Range<usize>,
}

impl Site {
    pub(super) fn new(source: &Arc<TemplateText>, range: Range<usize>) -> Site {
        let source = Arc::clone(source);
        Site { source, range }
    }

    /// The name of the text, such as its file.
    pub fn name(&self) -> &str {
        &self.source.name
    }

    /// The whole text.
    pub fn text(&self) -> &str {
        &self.source.text
    }

    /// Line and column, both from 1; the column counts characters.
    pub fn position(&self) -> (usize, usize) {
        let before = self.text().get(..self.range.start).unwrap_or_default();
        let line = before.rsplit('\n').next().unwrap_or_default();
        (before.matches('\n').count() + 1, line.chars().count() + 1)
    }
}

impl GoFault {
    pub(super) fn new(source: &Arc<TemplateText>, range: Range<usize>, problem: Problem) -> Self {
        GoFault {
            at: Site {
                source: source.clone(),
                range,
            },
            problem,
            included_from: Vec::new(),
        }
    }

    pub(super) fn from(mut self, source: &Arc<TemplateText>, range: Range<usize>) -> Self {
        self.included_from.push(Site {
            source: source.clone(),
            range,
        });
        self
    }
}

impl fmt::Display for GoFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (line, column) = self.at.position();
        write!(f, "{}:{line}:{column}: {}", self.at.name(), self.problem)
    }
}

impl std::error::Error for GoFault {}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// It cannot be parsed.
    Syntax(String),
    /// No function has this name.
    NoFunction(String),
    /// No variable has this name here.
    NoVariable(String),
    /// A map has no such key.
    NoEntry {
        key: String,
        /// The keys it has.
        known: Vec<String>,
    },
    FieldOfNull(String),
    /// A field of something that has none.
    NoField {
        field: String,
        /// The type of what was asked.
        of: &'static str,
    },
    /// No template has this name.
    NoTemplate(String),
    /// What stands first is no function and has arguments.
    NotAFunction(String),
    /// A function was called with more or fewer arguments than it takes.
    Count {
        function: String,
        /// How many it takes.
        wants: usize,
        /// It takes more, too.
        or_more: bool,
        /// How many it got.
        got: usize,
    },
    /// A value of another type than the function takes.
    Type {
        /// The type wanted.
        wants: &'static str,
        /// The type given.
        got: &'static str,
    },
    /// `range` over something that is no list, map or whole number.
    NoRange(&'static str),
    /// A function failed.
    Call {
        function: String,
        /// Why it refused its arguments.
        why: String,
    },
    /// It takes more than any template should.
    TooMuch(Limit),
    /// Something else.
    Other(String),
}

/// A limit that was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Too many steps: an endless loop?
    Steps,
    /// Too deep: does a template use itself?
    Depth,
    /// A text or a list too long.
    Size,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Syntax(message) | Problem::Other(message) => f.write_str(message),
            Problem::NoFunction(name) => write!(f, "function {name:?} not defined"),
            Problem::NoVariable(name) => write!(f, "undefined variable {name:?}"),
            Problem::NoEntry { key, .. } => write!(f, "map has no entry for key {key:?}"),
            Problem::FieldOfNull(field) => write!(f, "{field:?} of a value that is null"),
            Problem::NoField { field, of } => {
                write!(f, "can't evaluate field {field} in type {of}")
            }
            Problem::NoTemplate(name) => write!(f, "template {name:?} not defined"),
            Problem::NotAFunction(what) => {
                write!(f, "can't give argument to non-function {what}")
            }
            Problem::Count {
                function,
                wants,
                or_more,
                got,
            } => {
                let least = if *or_more { "at least " } else { "" };
                write!(
                    f,
                    "wrong number of args for {function}: want {least}{wants} got {got}"
                )
            }
            Problem::Type { wants, got } => {
                write!(f, "wrong type for value; expected {wants}; got {got}")
            }
            Problem::NoRange(of) => write!(f, "range can't iterate over a {of}"),
            Problem::Call { function, why } => write!(f, "error calling {function}: {why}"),
            Problem::TooMuch(Limit::Steps) => {
                f.write_str("this takes too many steps; an endless loop?")
            }
            Problem::TooMuch(Limit::Depth) => {
                f.write_str("templates, blocks and parentheses are too deep in each other; does a template use itself?")
            }
            Problem::TooMuch(Limit::Size) => {
                f.write_str("this makes a text or a list that is too long")
            }
        }
    }
}
