//! `--set a.b=c,d[0]=e` → changes of the values. Keeps to the grammar of the original, and to what it drops.

use crate::gotemplate::{List, Map, Value};
use crate::yaml::{Ambiguity, ambiguity};

/// A list longer than this is a mistake.
const MAX_INDEX: usize = 65_536;
const MAX_DEPTH: usize = 100;

/// What is wrong with an argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetError {
    /// A key without `=`.
    NoValue(String),
    /// An index that is no number, or far too large.
    Index(String),
    /// Something between `]` and what may follow it.
    AfterIndex(String),
    /// A list without its `}`.
    OpenList,
    /// A key below a value that is no mapping, or an index below one that is no list.
    Parent(String),
    /// Keys nested too deep.
    Depth,
}

impl std::fmt::Display for SetError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            SetError::NoValue(key) => write!(f, "key {key:?} has no value"),
            SetError::Index(text) => write!(f, "{text:?} is not an index of a list"),
            SetError::AfterIndex(text) => {
                write!(f, "unexpected data at end of array index: {text:?}")
            }
            SetError::OpenList => f.write_str("list must terminate with '}'"),
            SetError::Parent(key) => {
                write!(f, "{key:?} has a value already, which is not of this kind")
            }
            SetError::Depth => f.write_str("keys are nested too deep"),
        }
    }
}

/// What an argument did beside what it says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct SetOutcome {
    /// The original drops something of it.
    pub dropped: bool,
    /// Keys of values that templates print otherwise than they are written. The values may be secrets.
    pub printed: Vec<String>,
    /// Keys of values on whose type readers of what templates print do not agree.
    pub ambiguous: Vec<(String, Ambiguity)>,
}

/// Applies one argument.
pub(super) fn apply(argument: &str, root: &Map, typed: bool) -> Result<SetOutcome, SetError> {
    let mut reader = Reader {
        rest: argument,
        typed,
        applied: SetOutcome::default(),
        last: String::new(),
    };
    while !reader.rest.is_empty() {
        reader.key(root, 0)?;
    }
    Ok(reader.applied)
}

struct Reader<'a> {
    rest: &'a str,
    typed: bool,
    applied: SetOutcome,
    /// The key read last.
    last: String,
}

impl Reader<'_> {
    fn take(&mut self) -> Option<char> {
        let c = self.rest.chars().next()?;
        self.rest = self.rest.get(c.len_utf8()..).unwrap_or_default();
        Some(c)
    }

    /// Everything before one of the signs, and the sign; none at the end.
    fn until(&mut self, stops: &[char]) -> (String, Option<char>) {
        let mut text = String::new();
        while let Some(c) = self.take() {
            match c {
                c if stops.contains(&c) => return (text, Some(c)),
                '\\' => text.extend(self.take()),
                c => text.push(c),
            }
        }
        (text, None)
    }

    fn key(&mut self, into: &Map, depth: usize) -> Result<(), SetError> {
        if depth > MAX_DEPTH {
            return Err(SetError::Depth);
        }
        let (key, stop) = self.until(&['=', '[', ',', '.']);
        self.last.clone_from(&key);
        match stop {
            None if key.is_empty() => Ok(()),
            None | Some(',') => Err(SetError::NoValue(key)),
            Some('=') => {
                let value = self.value()?;
                set(into, &key, value);
                Ok(())
            }
            Some('[') => {
                let index = self.index()?;
                let list = match into.get(&key) {
                    None => Vec::new(),
                    Some(Value::List(list)) => list.items().to_vec(),
                    Some(_) => return Err(SetError::Parent(key)),
                };
                let list = self.item(list, index, depth + 1)?;
                set(into, &key, Value::List(List::new(list)));
                Ok(())
            }
            Some(_) => {
                let inner = match into.get(&key) {
                    None => Map::new(Default::default()),
                    Some(Value::Map(map)) => map,
                    Some(_) => return Err(SetError::Parent(key)),
                };
                self.key(&inner, depth + 1)?;
                if inner.is_empty() {
                    return Err(SetError::NoValue(key));
                }
                set(into, &key, Value::Map(inner));
                Ok(())
            }
        }
    }

    fn index(&mut self) -> Result<usize, SetError> {
        let (text, stop) = self.until(&[']']);
        let index = text
            .parse()
            .ok()
            .filter(|i| *i <= MAX_INDEX && stop.is_some());
        index.ok_or(SetError::Index(text))
    }

    fn item(
        &mut self,
        mut list: Vec<Value>,
        index: usize,
        depth: usize,
    ) -> Result<Vec<Value>, SetError> {
        if depth > MAX_DEPTH {
            return Err(SetError::Depth);
        }
        let (text, stop) = self.until(&['[', '.', '=']);
        if !text.is_empty() {
            return Err(SetError::AfterIndex(text));
        }
        let value = match stop {
            None => return Ok(list),
            Some('=') => self.value()?,
            Some('[') => {
                let next = self.index()?;
                // The original begins every list in a list anew.
                Value::List(List::new(self.item(list.clone(), next, depth + 1)?))
            }
            Some(_) => {
                let inner = match list.get(index) {
                    None => Map::new(Default::default()),
                    Some(Value::Map(map)) => map.clone(),
                    Some(_) => return Err(SetError::Parent(format!("[{index}]"))),
                };
                self.key(&inner, depth + 1)?;
                if self.rest.is_empty() {
                    // At the end of an argument the original forgets a new item; one that was there has changed already.
                    self.applied.dropped |= list.len() <= index;
                    return Ok(list);
                }
                Value::Map(inner)
            }
        };
        if list.len() <= index {
            list.resize(index + 1, Value::Nil);
        }
        if let Some(slot) = list.get_mut(index) {
            *slot = value;
        }
        Ok(list)
    }

    fn value(&mut self) -> Result<Value, SetError> {
        if !self.rest.starts_with('{') {
            let (text, _) = self.until(&[',']);
            return Ok(self.typed_value(text));
        }
        self.take();
        let mut items = Vec::new();
        loop {
            let (text, stop) = self.until(&[',', '}']);
            match stop {
                None => return Err(SetError::OpenList),
                Some('}') => {
                    self.rest = self.rest.strip_prefix(',').unwrap_or(self.rest);
                    items.push(self.typed_value(text));
                    return Ok(Value::List(List::new(items)));
                }
                Some(_) => items.push(self.typed_value(text)),
            }
        }
    }

    /// A value by its type, and what of it templates print otherwise, or readers take for different things.
    fn typed_value(&mut self, text: String) -> Value {
        if !self.typed {
            return Value::text(text);
        }
        let value = typed(&text);
        if value.to_string() != text {
            self.applied.printed.push(self.last.clone());
        } else if let Some(ambiguity) = ambiguity(&text) {
            self.applied.ambiguous.push((self.last.clone(), ambiguity));
        }
        value
    }
}

fn typed(text: &str) -> Value {
    if text.eq_ignore_ascii_case("true") {
        return Value::Bool(true);
    }
    if text.eq_ignore_ascii_case("false") {
        return Value::Bool(false);
    }
    if text.eq_ignore_ascii_case("null") {
        return Value::Nil;
    }
    match text.parse::<i64>() {
        Ok(n) if text == "0" || !text.starts_with('0') => Value::int64(n),
        Ok(_) | Err(_) => Value::text(text.to_owned()),
    }
}

fn set(into: &Map, key: &str, value: Value) {
    if !key.is_empty() {
        into.set(key, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gotemplate::to_json;

    fn show(argument: &str) -> String {
        let root = Map::new(Default::default());
        match apply(argument, &root, true) {
            Ok(applied) => {
                let json = to_json(&Value::Map(root)).unwrap();
                let dropped = if applied.dropped { " dropped" } else { "" };
                format!("{json}{dropped}")
            }
            Err(e) => format!("error: {e}"),
        }
    }

    #[test]
    fn the_grammar_of_set() {
        for (argument, expected) in [
            ("a=1,b=x", r#"{"a":1,"b":"x"}"#),
            (
                "a.b[2].c=x,a.d={1,2}",
                r#"{"a":{"b":[null,null,{"c":"x"}],"d":[1,2]}}"#,
            ),
            ("a\\.b=1", r#"{"a.b":1}"#),
            ("a=a\\,b", r#"{"a":"a,b"}"#),
            (
                "a=010,b=-5,c=1.5,d=FALSE,e=null,f=",
                r#"{"a":"010","b":-5,"c":"1.5","d":false,"e":null,"f":""}"#,
            ),
            ("h[0].z=q", r#"{"h":[]} dropped"#),
            ("a={}", r#"{"a":[""]}"#),
            ("a", "error: key \"a\" has no value"),
            ("a=1,b", "error: key \"b\" has no value"),
            (
                "a=1,a.b=2",
                "error: \"a\" has a value already, which is not of this kind",
            ),
            ("a[x]=1", "error: \"x\" is not an index of a list"),
            ("a={1", "error: list must terminate with '}'"),
        ] {
            assert_eq!(show(argument), expected, "{argument}");
        }
    }

    #[test]
    fn values_keep_their_text_or_are_named() {
        let told = |argument, typed| {
            let applied = apply(argument, &Map::new(Default::default()), typed).unwrap();
            let ambiguous: Vec<String> = applied.ambiguous.into_iter().map(|(t, _)| t).collect();
            (applied.printed, ambiguous)
        };
        let (printed, ambiguous) = told(
            "a=1,b=1.30,c=true,d=x,e=-5,f=1e3,g=,h=1000000,i={0,-1}",
            true,
        );
        assert!(
            printed.is_empty() && ambiguous.is_empty(),
            "{printed:?} {ambiguous:?}"
        );
        let (printed, ambiguous) = told(
            "a=+5,b=TRUE,c=null,d={-007,no},e=012345678901,f=12:30",
            true,
        );
        assert_eq!(printed, ["a", "b", "c", "d"]);
        assert_eq!(ambiguous, ["d", "e", "f"]);
        assert_eq!(
            told("a=+5,b=no", false),
            (vec![], vec![]),
            "said to be text"
        );
    }
}
