//! What a template computes with: Go's values as far as templates meet them, with the types that Go's messages name. Formats nothing.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use serde_json::{Number, Value as Json};

use super::version::Version;

/// What a template can hold, as Go types it.
#[derive(Clone, Debug)]
pub enum Value {
    /// Nothing at all: a key that is not there, `template` without an argument. Go's invalid value.
    Absent,
    /// A null.
    Nil,
    /// A boolean.
    Bool(bool),
    /// A whole number, with its type: Go compares and passes on by type.
    Int(i64, IntType),
    /// A number with a fraction; every number of a values file.
    Float(f64),
    /// A complex literal: real and imaginary part.
    Complex(f64, f64),
    Text(Arc<str>),
    List(List),
    Map(Map),
    /// A time: seconds since 1970 (UTC) and the offset it is shown in.
    Time(Time),
    /// A span of time in nanoseconds.
    Duration(i64),
    /// A semantic version.
    Version(Rc<Version>),
}

/// The type of a whole number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntType {
    /// `int`: literals, `len`, `int`.
    Int,
    /// `int64`: `add`, `int64`, `--set`.
    Int64,
    /// `uint8`: a byte of a text.
    Byte,
}

/// A moment, and the offset from UTC in which it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time {
    /// Seconds since 1970-01-01 00:00 UTC.
    pub seconds: i64,
    /// Seconds east of UTC.
    pub offset: i32,
}

/// What the items of a list are to Go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListType {
    /// `[]interface {}`.
    Any,
    /// `[]string`.
    Text,
    /// `[]int`.
    Int,
    /// `[][]interface {}`.
    Lists,
}

/// A list. Never changed once made: what changes a list makes a new one.
#[derive(Clone, Debug)]
pub struct List(Rc<Items>);

#[derive(Debug)]
struct Items {
    of: ListType,
    items: Vec<Value>,
}

/// A map, shared: `set` in one place is seen in all.
#[derive(Clone, Debug)]
pub struct Map(Rc<Entries>);

#[derive(Debug)]
struct Entries {
    /// `map[string]string`, and not `map[string]interface {}`.
    texts: bool,
    entries: RefCell<BTreeMap<Arc<str>, Value>>,
}

impl List {
    /// A list of anything.
    pub fn new(items: Vec<Value>) -> Self {
        List::of(ListType::Any, items)
    }

    /// A list of one type.
    pub fn of(of: ListType, items: Vec<Value>) -> Self {
        List(Rc::new(Items { of, items }))
    }

    /// A list of texts.
    pub fn texts<T: Into<Arc<str>>>(items: impl IntoIterator<Item = T>) -> Self {
        let items = items.into_iter().map(|t| Value::Text(t.into()));
        List::of(ListType::Text, items.collect())
    }

    /// The items of a list; none for anything else.
    pub fn items(&self) -> &[Value] {
        &self.0.items
    }

    pub(super) fn item_type(&self) -> ListType {
        self.0.of
    }
}

impl Map {
    /// A map of anything.
    pub fn new(entries: BTreeMap<Arc<str>, Value>) -> Self {
        Map(Rc::new(Entries {
            texts: false,
            entries: RefCell::new(entries),
        }))
    }

    /// A map of texts.
    pub fn of_texts(entries: BTreeMap<Arc<str>, Value>) -> Self {
        Map(Rc::new(Entries {
            texts: true,
            entries: RefCell::new(entries),
        }))
    }

    /// The value under a key.
    pub fn get(&self, key: &str) -> Option<Value> {
        self.0.entries.borrow().get(key).cloned()
    }

    /// Whether there is such a key.
    pub fn has(&self, key: &str) -> bool {
        self.0.entries.borrow().contains_key(key)
    }

    /// Sets a key, for everybody who has this map.
    pub fn set(&self, key: &str, value: Value) {
        self.0.entries.borrow_mut().insert(key.into(), value);
    }

    /// Removes a key, for everybody who has this map.
    pub fn unset(&self, key: &str) {
        self.0.entries.borrow_mut().remove(key);
    }

    /// How many keys it has.
    pub fn len(&self) -> usize {
        self.0.entries.borrow().len()
    }

    /// Whether it has no key.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Its entries in the order of their keys, as they are now.
    pub fn entries(&self) -> Vec<(Arc<str>, Value)> {
        let entries = self.0.entries.borrow();
        entries
            .iter()
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect()
    }

    pub(super) fn of_text(&self) -> bool {
        self.0.texts
    }

    /// Whether both are one map.
    pub(super) fn same(&self, other: &Map) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

/// A chain of a million lists in lists is dropped in a loop: by recursion it would end the process.
impl Drop for Items {
    fn drop(&mut self) {
        unravel(std::mem::take(&mut self.items));
    }
}

impl Drop for Entries {
    fn drop(&mut self) {
        let entries = std::mem::take(self.entries.get_mut());
        unravel(entries.into_values().collect());
    }
}

fn unravel(mut waiting: Vec<Value>) {
    waiting.retain(|v| matches!(v, Value::List(_) | Value::Map(_)));
    while let Some(next) = waiting.pop() {
        match next {
            Value::List(List(list)) => {
                if let Some(mut last) = Rc::into_inner(list) {
                    waiting.append(&mut last.items);
                }
            }
            Value::Map(Map(map)) => {
                if let Some(mut last) = Rc::into_inner(map) {
                    waiting.extend(std::mem::take(last.entries.get_mut()).into_values());
                }
            }
            Value::Absent
            | Value::Nil
            | Value::Bool(_)
            | Value::Int(..)
            | Value::Float(_)
            | Value::Complex(..)
            | Value::Text(_)
            | Value::Time(_)
            | Value::Duration(_)
            | Value::Version(_) => {}
        }
    }
}

impl Value {
    /// A string of Go.
    pub fn text(text: impl Into<Arc<str>>) -> Self {
        Value::Text(text.into())
    }

    /// An `int`.
    pub fn int(n: i64) -> Self {
        Value::Int(n, IntType::Int)
    }

    /// An `int64`.
    pub fn int64(n: i64) -> Self {
        Value::Int(n, IntType::Int64)
    }

    pub(super) fn count(n: usize) -> Self {
        Value::int(i64::try_from(n).unwrap_or(i64::MAX))
    }

    /// A value of a values file: every number is a `float64`, as JSON has it in Go.
    pub fn from_json(json: &Json) -> Self {
        match json {
            Json::Null => Value::Nil,
            Json::Bool(b) => Value::Bool(*b),
            Json::Number(n) => Value::Float(n.as_f64().unwrap_or(0.0)),
            Json::String(s) => Value::text(s.as_str()),
            Json::Array(items) => {
                Value::List(List::new(items.iter().map(Value::from_json).collect()))
            }
            Json::Object(map) => Value::Map(Map::new(
                map.iter()
                    .map(|(k, v)| (Arc::from(k.as_str()), Value::from_json(v)))
                    .collect(),
            )),
        }
    }

    /// Nothing or null.
    pub(super) fn is_nil(&self) -> bool {
        matches!(self, Value::Absent | Value::Nil)
    }

    /// What `if` and `and` take it for.
    pub fn is_true(&self) -> bool {
        match self {
            Value::Absent | Value::Nil => false,
            Value::Bool(b) => *b,
            Value::Int(n, _) | Value::Duration(n) => *n != 0,
            Value::Float(n) => *n != 0.0,
            Value::Complex(a, b) => *a != 0.0 || *b != 0.0,
            Value::Text(t) => !t.is_empty(),
            Value::List(l) => !l.items().is_empty(),
            Value::Map(m) => !m.is_empty(),
            Value::Time(_) | Value::Version(_) => true,
        }
    }

    /// Its type as Go names it.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Value::Absent | Value::Nil => "<nil>",
            Value::Bool(_) => "bool",
            Value::Int(_, IntType::Int) => "int",
            Value::Int(_, IntType::Int64) => "int64",
            Value::Int(_, IntType::Byte) => "uint8",
            Value::Float(_) => "float64",
            Value::Complex(..) => "complex128",
            Value::Text(_) => "string",
            Value::List(list) => match list.item_type() {
                ListType::Any => "[]interface {}",
                ListType::Text => "[]string",
                ListType::Int => "[]int",
                ListType::Lists => "[][]interface {}",
            },
            Value::Map(map) if map.of_text() => "map[string]string",
            Value::Map(_) => "map[string]interface {}",
            Value::Time(_) => "time.Time",
            Value::Duration(_) => "time.Duration",
            Value::Version(_) => "*semver.Version",
        }
    }

    /// Its kind as Go's reflection names it.
    pub(super) fn kind_name(&self) -> &'static str {
        match self {
            Value::Absent | Value::Nil => "invalid",
            Value::List(_) => "slice",
            Value::Map(_) => "map",
            Value::Time(_) => "struct",
            Value::Duration(_) => "int64",
            Value::Version(_) => "ptr",
            Value::Bool(_)
            | Value::Int(..)
            | Value::Float(_)
            | Value::Complex(..)
            | Value::Text(_) => self.type_name(),
        }
    }
}

/// A whole number of a JSON text stays whole where the reader keeps it.
pub(super) fn json_number(n: f64) -> Option<Number> {
    if n.fract() == 0.0 && n.abs() < 9_007_199_254_740_992.0 {
        // In range by the line above.
        #[expect(
            clippy::cast_possible_truncation,
            reason = "checked to be whole and small"
        )]
        return Some(Number::from(n as i64));
    }
    Number::from_f64(n)
}
