//! A value against a [`JsonSchema`] → faults. Says rules, never values.

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json};

use super::super::suggest::closest;
use super::rule::{JsonSchema, Keywords, SchemaFault, SchemaRule, Type};

pub(super) fn check(schema: &JsonSchema, value: &Json) -> Vec<SchemaFault> {
    let mut check = Check {
        schema,
        path: Vec::new(),
        faults: Vec::new(),
    };
    check.rule(&schema.root, value);
    check.faults.sort();
    check.faults.dedup();
    check.faults
}

struct Check<'s> {
    schema: &'s JsonSchema,
    path: Vec<String>,
    faults: Vec<SchemaFault>,
}

impl<'s> Check<'s> {
    fn fault(&mut self, message: impl Into<String>) {
        self.faults.push(SchemaFault {
            path: self.path.clone(),
            message: message.into(),
            near: None,
            other_type: false,
        });
    }

    fn require(&mut self, holds: bool, message: impl FnOnce() -> String) {
        if !holds {
            self.fault(message());
        }
    }

    fn below(&mut self, key: impl Into<String>, rule: &'s SchemaRule, value: &Json) {
        self.path.push(key.into());
        self.rule(rule, value);
        self.path.pop();
    }

    fn rule(&mut self, rule: &'s SchemaRule, value: &Json) {
        match rule {
            SchemaRule::Always(true) => {}
            SchemaRule::Always(false) => self.fault("may not be there"),
            SchemaRule::Keywords(keywords) => self.keywords(keywords, value),
        }
    }

    fn keywords(&mut self, k: &'s Keywords, value: &Json) {
        if !self.is_of_type(k, value) {
            return;
        }
        if let Some(values) = &k.one_of_values {
            self.require(values.contains(value), || {
                format!("has to be one of {}", listed(values))
            });
        }
        if let Some(constant) = &k.constant {
            self.require(constant == value, || {
                format!("has to be {}", listed(std::slice::from_ref(constant)))
            });
        }
        match value {
            Json::Number(n) => self.number(k, n.as_f64().unwrap_or(f64::NAN)),
            Json::String(text) => self.string(k, text),
            Json::Array(items) => self.array(k, items),
            Json::Object(map) => self.object(k, map),
            Json::Null | Json::Bool(_) => {}
        }
        self.combined(k, value);
    }

    /// A value of another type is one fault: all other rules speak of a value of that type.
    fn is_of_type(&mut self, k: &'s Keywords, value: &Json) -> bool {
        let Some(types) = &k.types else {
            return true;
        };
        if types.iter().any(|t| t.is_of(value)) {
            return true;
        }
        let wanted: Vec<&str> = types.iter().map(|t| t.word()).collect();
        self.fault(format!(
            "has to be {}, and this is {}",
            wanted.join(" or "),
            kind(value)
        ));
        if let Some(fault) = self.faults.last_mut() {
            fault.other_type = true;
        }
        false
    }

    fn number(&mut self, k: &Keywords, n: f64) {
        if let Some(least) = k.minimum {
            self.require(n >= least, || format!("has to be at least {least}"));
        }
        if let Some(most) = k.maximum {
            self.require(n <= most, || format!("has to be at most {most}"));
        }
        if let Some(bound) = k.exclusive_minimum {
            self.require(n > bound, || format!("has to be above {bound}"));
        }
        if let Some(bound) = k.exclusive_maximum {
            self.require(n < bound, || format!("has to be below {bound}"));
        }
    }

    fn string(&mut self, k: &Keywords, text: &str) {
        let length = text.chars().count();
        if let Some(least) = k.min_length {
            self.require(length >= least, || {
                format!("has to have at least {}", count(least, "character"))
            });
        }
        if let Some(most) = k.max_length {
            self.require(length <= most, || {
                format!("has to have at most {}", count(most, "character"))
            });
        }
        if let Some(pattern) = &k.pattern {
            self.require(pattern.is_match(text), || {
                format!("has to match `{}`", pattern.as_str())
            });
        }
    }

    fn array(&mut self, k: &'s Keywords, items: &[Json]) {
        if let Some(least) = k.min_items {
            self.require(items.len() >= least, || {
                format!("has to have at least {}", count(least, "item"))
            });
        }
        if let Some(most) = k.max_items {
            self.require(items.len() <= most, || {
                format!("has to have at most {}", count(most, "item"))
            });
        }
        if k.unique_items {
            let twice = items
                .iter()
                .enumerate()
                .any(|(i, item)| items.iter().skip(i + 1).any(|other| other == item));
            self.require(!twice, || "has an item twice".into());
        }
        if let Some(rule) = &k.items {
            items
                .iter()
                .enumerate()
                .for_each(|(i, item)| self.below(i.to_string(), rule, item));
        }
    }

    fn object(&mut self, k: &'s Keywords, map: &Map<String, Json>) {
        for key in k.required.iter().filter(|key| !map.contains_key(*key)) {
            self.fault(format!("has no `{key}`"));
        }
        for (key, value) in map {
            let mut known = false;
            if let Some(rule) = k.properties.get(key) {
                known = true;
                self.below(key, rule, value);
            }
            for (_, rule) in k
                .patterns
                .iter()
                .filter(|(pattern, _)| pattern.is_match(key))
            {
                known = true;
                self.below(key, rule, value);
            }
            match &k.additional {
                Some(SchemaRule::Always(false)) if !known => self.unknown(k, key),
                Some(rule) if !known => self.below(key, rule, value),
                Some(_) | None => {}
            }
        }
    }

    fn unknown(&mut self, k: &Keywords, key: &str) {
        let near = closest(key, k.properties.keys().map(String::as_str));
        let near = near.map(|near| {
            self.path
                .iter()
                .map(String::as_str)
                .chain([near])
                .collect::<Vec<_>>()
                .join(".")
        });
        let path = self.path.iter().cloned().chain([key.to_owned()]).collect();
        self.faults.push(SchemaFault {
            path,
            message: "is unknown".into(),
            near,
            other_type: false,
        });
    }

    fn combined(&mut self, k: &'s Keywords, value: &Json) {
        if let Some(rule) = k
            .reference
            .as_ref()
            .and_then(|name| self.schema.definitions.get(name))
        {
            self.rule(rule, value);
        }
        k.all.iter().for_each(|rule| self.rule(rule, value));
        if !k.any.is_empty() {
            let results = self.each(&k.any, value);
            if results.iter().all(|faults| !faults.is_empty()) {
                self.none_fits(results);
            }
        }
        if !k.one.is_empty() {
            let results = self.each(&k.one, value);
            match results.iter().filter(|faults| faults.is_empty()).count() {
                0 => self.none_fits(results),
                1 => {}
                _ => self.fault("fits more than one of the forms that exclude each other"),
            }
        }
    }

    fn each(&self, rules: &'s [SchemaRule], value: &Json) -> Vec<Vec<SchemaFault>> {
        let alone = |rule| {
            let mut check = Check {
                schema: self.schema,
                path: self.path.clone(),
                faults: Vec::new(),
            };
            check.rule(rule, value);
            check.faults
        };
        rules.iter().map(alone).collect()
    }

    /// The faults of the one form that is of the right type; otherwise only that none fits.
    fn none_fits(&mut self, results: Vec<Vec<SchemaFault>>) {
        let number = results.len();
        let wrong_type =
            |faults: &Vec<SchemaFault>| faults.iter().any(|f| f.path == self.path && f.other_type);
        let mut close: Vec<Vec<SchemaFault>> = results
            .into_iter()
            .filter(|faults| !wrong_type(faults))
            .collect();
        match (close.pop(), close.is_empty()) {
            (Some(only), true) => self.faults.extend(only),
            (_, _) => self.fault(format!("fits none of the {number} forms it may have")),
        }
    }
}

impl Type {
    fn is_of(self, value: &Json) -> bool {
        match (self, value) {
            (Type::Null, Json::Null)
            | (Type::Boolean, Json::Bool(_))
            | (Type::Number, Json::Number(_))
            | (Type::String, Json::String(_))
            | (Type::Array, Json::Array(_))
            | (Type::Object, Json::Object(_)) => true,
            (Type::Integer, Json::Number(n)) => {
                n.is_i64() || n.is_u64() || n.as_f64().is_some_and(|f| f.fract() == 0.0)
            }
            (
                Type::Null
                | Type::Boolean
                | Type::Integer
                | Type::Number
                | Type::String
                | Type::Array
                | Type::Object,
                _,
            ) => false,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Type::Null => "null",
            Type::Boolean => "a boolean",
            Type::Integer => "a whole number",
            Type::Number => "a number",
            Type::String => "a string",
            Type::Array => "a list",
            Type::Object => "a mapping",
        }
    }
}

fn kind(value: &Json) -> &'static str {
    match value {
        Json::Null => "null",
        Json::Bool(_) => "a boolean",
        Json::Number(_) => "a number",
        Json::String(_) => "a string",
        Json::Array(_) => "a list",
        Json::Object(_) => "a mapping",
    }
}

/// Values that the schema itself says.
fn listed(values: &[Json]) -> String {
    let all: BTreeSet<String> = values
        .iter()
        .map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned))
        .collect();
    all.into_iter().collect::<Vec<_>>().join(", ")
}

fn count(n: usize, noun: &str) -> String {
    if n == 1 {
        format!("1 {noun}")
    } else {
        format!("{n} {noun}s")
    }
}
