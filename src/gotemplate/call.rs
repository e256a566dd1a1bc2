//! How a function is declared and called: its parameters, what it gets, what it may ask of the run, and why it has no result. Knows no function.

use std::fmt;
use std::sync::Arc;

use super::fault::{GoFault, Limit};
use super::format::TooMuch;
use super::json::NoJson;
use super::value::Value;
use super::world::TemplateWorld;

/// What a function may ask of the run it is called in.
pub trait Run {
    /// What the run may see of the world.
    fn world(&self) -> TemplateWorld<'_>;

    /// Runs another template of the set, as `include` does.
    ///
    /// # Errors
    /// A fault in it, or none of that name.
    fn include(&mut self, name: &str, dot: Value) -> std::result::Result<String, Trouble>;

    /// Counts steps, for functions that do much at once.
    ///
    /// # Errors
    /// When there were too many.
    fn spend(&mut self, steps: usize) -> std::result::Result<(), Trouble>;
}

/// A run under way.
pub type Running<'r> = dyn Run + 'r;

/// Why a function has no result.
#[derive(Debug)]
pub enum Trouble {
    /// It says so itself.
    Said(String),
    /// It used a template that is not there.
    NoTemplate(String),
    /// Its result would be too much.
    TooMuch(Limit),
    /// The fault of a template it ran.
    Inside(Box<GoFault>),
}

impl From<String> for Trouble {
    fn from(why: String) -> Self {
        Trouble::Said(why)
    }
}

impl From<&str> for Trouble {
    fn from(why: &str) -> Self {
        Trouble::Said(why.to_owned())
    }
}

impl From<TooMuch> for Trouble {
    fn from(_: TooMuch) -> Self {
        Trouble::TooMuch(Limit::Size)
    }
}

impl From<NoJson> for Trouble {
    fn from(why: NoJson) -> Self {
        match why {
            NoJson::TooMuch => Trouble::TooMuch(Limit::Size),
            NoJson::Type(why) => Trouble::Said(why),
        }
    }
}

/// What a function gives.
pub(super) type Result = std::result::Result<Value, Trouble>;

/// The values a function was called with, of the types it declared.
#[derive(Clone, Copy, Debug)]
pub struct CallArguments<'a>(&'a [Value]);

impl<'a> CallArguments<'a> {
    pub(super) fn new(values: &'a [Value]) -> Self {
        CallArguments(values)
    }

    /// The value at an index; null when there are not so many.
    pub fn any(self, index: usize) -> &'a Value {
        self.0.get(index).unwrap_or(&Value::Nil)
    }

    /// The text at an index.
    pub fn text(self, index: usize) -> &'a str {
        if let Value::Text(text) = self.any(index) {
            text
        } else {
            ""
        }
    }

    /// The whole number at an index.
    pub fn number(self, index: usize) -> i64 {
        if let Value::Int(n, _) = self.any(index) {
            *n
        } else {
            0
        }
    }

    /// Everything from an index on.
    pub fn from(self, index: usize) -> &'a [Value] {
        self.0.get(index..).unwrap_or_default()
    }

    /// How many there are.
    pub fn count(self) -> usize {
        self.0.len()
    }
}

type Plain = fn(&mut Running<'_>, CallArguments<'_>) -> Result;
type Given = dyn Fn(&mut Running<'_>, CallArguments<'_>) -> Result + Send + Sync;

/// What a function does.
#[derive(Clone)]
pub(super) enum Body {
    Plain(Plain),
    Given(Arc<Given>),
    /// `and` and `or` stop at the first value that is false, or true.
    Stops(bool),
}

/// A function: its name, the types it takes, and what it does.
#[derive(Clone)]
pub struct Function {
    name: Arc<str>,
    parameters: &'static str,
    body: Body,
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.name, self.parameters)
    }
}

impl Function {
    /// A function of this name.
    pub(super) fn new(name: &str, parameters: &'static str, body: Body) -> Self {
        Function {
            name: name.into(),
            parameters,
            body,
        }
    }

    /// As templates call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn body(&self) -> &Body {
        &self.body
    }

    /// How many arguments it takes, and whether it takes more.
    pub(super) fn wants(&self) -> (usize, bool) {
        match self.parameters.strip_suffix('*') {
            Some(fixed) => (fixed.len().saturating_sub(1), true),
            None => (self.parameters.len(), false),
        }
    }

    /// The type of a parameter.
    pub(super) fn parameter(&self, index: usize) -> char {
        let letters = self.parameters.trim_end_matches('*');
        letters
            .chars()
            .nth(index)
            .or_else(|| letters.chars().last())
            .unwrap_or('a')
    }

    pub(super) fn run(&self, running: &mut Running<'_>, values: &[Value]) -> Result {
        match &self.body {
            Body::Plain(plain) => plain(running, CallArguments(values)),
            Body::Given(given) => given(running, CallArguments(values)),
            Body::Stops(_) => Ok(Value::Nil),
        }
    }
}

/// A line of a table: name, types of the parameters (`s` text, `i` int, `b` bool, `f` float, `m` map, `a` anything; `*`: the last any number of times), body.
pub(super) type Entry = (&'static str, &'static str, Plain);
