//! The functions templates have: Go's own and Sprig's, by theme, and how one is declared. What needs a clock, chance, the environment or a network
//! is there by name and says why it does not work.
#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "a function takes the types it takes, and every other type, a new one too, is the same error"
)]

mod checksums;
mod compare;
mod convert;
mod encode;
mod lists;
mod maps;
mod math;
mod merge;
mod paths;
mod patterns;
mod print;
mod text;
mod times;
mod words;
mod world;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use super::format::TooMuch;
use super::json::NoJson;
use super::value::Value;
use super::{Fault, Limit, Running};

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
    Inside(Box<Fault>),
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
pub struct Arguments<'a>(&'a [Value]);

impl<'a> Arguments<'a> {
    /// The value at an index; null when there are not so many.
    pub fn any(self, index: usize) -> &'a Value {
        self.0.get(index).unwrap_or(&Value::Nil)
    }

    /// The text at an index.
    pub fn text(self, index: usize) -> &'a str {
        match self.any(index) {
            Value::Text(text) => text,
            _ => "",
        }
    }

    /// The whole number at an index.
    pub fn number(self, index: usize) -> i64 {
        match self.any(index) {
            Value::Int(n, _) => *n,
            _ => 0,
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

type Plain = fn(&mut Running<'_>, Arguments<'_>) -> Result;
type Given = dyn Fn(&mut Running<'_>, Arguments<'_>) -> Result + Send + Sync;

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
    /// Its name.
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
            Body::Plain(plain) => plain(running, Arguments(values)),
            Body::Given(given) => given(running, Arguments(values)),
            Body::Stops(_) => Ok(Value::Nil),
        }
    }
}

/// Functions by name. Cheap to copy.
#[derive(Clone, Debug)]
pub struct Functions(Arc<BTreeMap<Arc<str>, Function>>);

/// A line of a table: name, types of the parameters (`s` text, `i` int, `b` bool, `f` float, `m` map, `a` anything; `*`: the last any number of times), body.
type Entry = (&'static str, &'static str, Plain);

impl Functions {
    /// Go's own functions and Sprig's.
    pub fn sprig() -> Self {
        static ALL: OnceLock<Functions> = OnceLock::new();
        ALL.get_or_init(all).clone()
    }

    /// These, and one more; it takes the place of one of the same name. For the letters of `parameters` see the tables of this module:
    /// `s` text, `i` int, `b` bool, `m` map, `a` anything.
    #[must_use]
    pub fn with(
        self,
        name: &str,
        parameters: &'static str,
        body: impl Fn(&mut Running<'_>, Arguments<'_>) -> Result + Send + Sync + 'static,
    ) -> Self {
        let mut table = (*self.0).clone();
        let name: Arc<str> = name.into();
        let function = Function {
            name: name.clone(),
            parameters,
            body: Body::Given(Arc::new(body)),
        };
        table.insert(name, function);
        Functions(Arc::new(table))
    }

    pub(super) fn get(&self, name: &str) -> Option<Function> {
        self.0.get(name).cloned()
    }

    /// The names there are, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(|k| &**k)
    }
}

fn all() -> Functions {
    let tables: [&[Entry]; 15] = [
        checksums::TABLE,
        compare::TABLE,
        convert::TABLE,
        encode::TABLE,
        lists::TABLE,
        maps::TABLE,
        math::TABLE,
        merge::TABLE,
        patterns::TABLE,
        paths::TABLE,
        print::TABLE,
        text::TABLE,
        times::TABLE,
        words::TABLE,
        world::TABLE,
    ];
    let mut all = BTreeMap::new();
    let mut add = |name: &str, parameters: &'static str, body: Body| {
        let name: Arc<str> = name.into();
        let function = Function {
            name: name.clone(),
            parameters,
            body,
        };
        all.insert(name, function);
    };
    for (name, parameters, body) in tables.into_iter().flatten() {
        add(name, parameters, Body::Plain(*body));
    }
    for (name, at) in [("and", false), ("or", true)] {
        add(name, "aa*", Body::Stops(at));
    }
    Functions(Arc::new(all))
}

/// A text as long as it may be.
///
/// # Errors
/// When it is longer.
fn sized(length: usize) -> std::result::Result<(), Trouble> {
    if length > super::limits::TEXT {
        return Err(Trouble::TooMuch(Limit::Size));
    }
    Ok(())
}

/// The bytes `range` of a text, where both ends are between characters.
fn cut(text: &str, start: usize, end: usize) -> std::result::Result<&str, Trouble> {
    match text.get(start..end) {
        Some(part) => Ok(part),
        None if start <= end && end <= text.len() => {
            Err("this cuts a character of several bytes in two".into())
        }
        None => Err("slice bounds out of range".into()),
    }
}
