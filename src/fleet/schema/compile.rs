//! A schema as written → [`JsonSchema`]. Every keyword is understood or refused, and every reference leads somewhere.

use std::collections::BTreeMap;

use regex_lite::Regex;

use super::super::suggest::closest;
use super::rule::{JsonSchema, Keywords, SchemaError, SchemaRule, Type};
use crate::yaml::{Node, Pos, Value};

/// Keywords that rule nothing.
const NOTES: [&str; 8] = [
    "$schema",
    "$id",
    "$comment",
    "title",
    "description",
    "default",
    "examples",
    "deprecated",
];

/// Keywords that rule something.
const RULES: [&str; 23] = [
    "type",
    "enum",
    "const",
    "properties",
    "patternProperties",
    "additionalProperties",
    "required",
    "items",
    "minItems",
    "maxItems",
    "uniqueItems",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "minLength",
    "maxLength",
    "pattern",
    "allOf",
    "anyOf",
    "oneOf",
    "$ref",
    "$defs",
];

type Result<T> = std::result::Result<T, SchemaError>;

pub(super) fn schema(node: &Node) -> std::result::Result<JsonSchema, Vec<SchemaError>> {
    let mut compiler = Compiler::default();
    let defs = node.get("$defs").map(|defs| mapping(defs, "$defs"));
    let mut definitions = BTreeMap::new();
    for (key, value) in compiler
        .keep(defs.transpose())
        .flatten()
        .unwrap_or_default()
    {
        definitions.insert(key.text.clone(), compiler.rule(value, false));
    }
    let root = compiler.rule(node, true);
    let schema = JsonSchema { root, definitions };
    compiler.names(node, &schema);
    if compiler.faults.is_empty() {
        let defined = not_by_itself(node, &schema);
        compiler.keep(defined);
    }
    let mut faults = compiler.faults;
    // A `$ref` is looked at as a keyword and as a name.
    faults.sort_by_key(|fault| fault.pos);
    faults.dedup();
    if faults.is_empty() {
        Ok(schema)
    } else {
        Err(faults)
    }
}

fn fault(pos: Pos, message: impl Into<String>) -> SchemaError {
    SchemaError {
        pos,
        message: message.into(),
        hint: None,
    }
}

fn fail<T>(pos: Pos, message: impl Into<String>) -> Result<T> {
    Err(fault(pos, message))
}

/// Goes through the whole schema and keeps every fault; what is wrong is read as if it were not there.
#[derive(Default)]
struct Compiler {
    faults: Vec<SchemaError>,
}

impl Compiler {
    fn keep<T>(&mut self, result: Result<T>) -> Option<T> {
        result.map_err(|fault| self.faults.push(fault)).ok()
    }

    fn rule(&mut self, node: &Node, root: bool) -> SchemaRule {
        if let Value::Scalar(scalar) = &node.value
            && let Some(always) = scalar.value.as_bool()
        {
            return SchemaRule::Always(always);
        }
        let Value::Map(entries) = &node.value else {
            let kind = node.kind();
            let message = format!("a schema is a mapping, true or false, and this is {kind}");
            self.faults.push(fault(node.pos, message));
            return SchemaRule::Always(true);
        };
        let mut out = Keywords::default();
        for (key, value) in entries {
            if key.text == "$defs" && !root {
                let message = "`$defs` stands at the top of the schema only";
                self.faults.push(fault(key.pos, message));
                continue;
            }
            self.keyword(&mut out, &key.text, key.pos, value);
        }
        SchemaRule::Keywords(Box::new(out))
    }

    /// A keyword that holds schemas; every other one is a [`limit`].
    fn keyword(&mut self, out: &mut Keywords, key: &str, pos: Pos, value: &Node) {
        match key {
            "properties" => out.properties = self.rules_by_name(value, key),
            "patternProperties" => out.patterns = self.rules_by_pattern(value, key),
            "additionalProperties" => out.additional = Some(self.rule(value, false)),
            "items" => out.items = Some(self.rule(value, false)),
            "allOf" => out.all = self.rules(value, key),
            "anyOf" => out.any = self.rules(value, key),
            "oneOf" => out.one = self.rules(value, key),
            "required" => {
                let names = self.keep(list(value, key)).unwrap_or_default();
                out.required = names
                    .iter()
                    .filter_map(|name| self.keep(text(name, key)))
                    .collect();
            }
            limiting => {
                let read = limit(out, limiting, pos, value);
                self.keep(read);
            }
        }
    }

    fn rules(&mut self, node: &Node, key: &str) -> Vec<SchemaRule> {
        let items = self.keep(list(node, key));
        if items.is_some_and(<[Node]>::is_empty) {
            let message = format!("`{key}` has no schemas");
            self.faults.push(fault(node.pos, message));
        }
        let items = items.unwrap_or_default().iter();
        items.map(|item| self.rule(item, false)).collect()
    }

    fn rules_by_name(&mut self, node: &Node, key: &str) -> BTreeMap<String, SchemaRule> {
        let entries = self.keep(mapping(node, key)).unwrap_or_default().iter();
        entries
            .map(|(name, value)| (name.text.clone(), self.rule(value, false)))
            .collect()
    }

    fn rules_by_pattern(&mut self, node: &Node, key: &str) -> Vec<(Regex, SchemaRule)> {
        let entries = self.keep(mapping(node, key)).unwrap_or_default().iter();
        entries
            .filter_map(|(name, value)| {
                let rule = self.rule(value, false);
                Some((self.keep(regex(&name.text, name.pos))?, rule))
            })
            .collect()
    }

    /// Every `$ref` names something. Only where a schema may stand: an `enum` or a `default` may hold a mapping that looks like one.
    fn names(&mut self, node: &Node, schema: &JsonSchema) {
        for (key, value) in node.entries() {
            match key.text.as_str() {
                "$ref" => {
                    let named = reference(value).and_then(|name| defined(&name, value.pos, schema));
                    self.keep(named);
                }
                "properties" | "patternProperties" | "$defs" => {
                    let inner = value.entries().iter();
                    inner.for_each(|(_, inner)| self.names(inner, schema));
                }
                "additionalProperties" | "items" => self.names(value, schema),
                "allOf" | "anyOf" | "oneOf" => {
                    let inner = value.items().iter();
                    inner.for_each(|inner| self.names(inner, schema));
                }
                _ => {}
            }
        }
    }
}

fn limit(out: &mut Keywords, key: &str, pos: Pos, value: &Node) -> Result<()> {
    match key {
        "type" => out.types = Some(types(value)?),
        "enum" => out.one_of_values = Some(list(value, key)?.iter().map(Node::to_json).collect()),
        "const" => out.constant = Some(value.to_json()),
        "minItems" => out.min_items = Some(size(value, key)?),
        "maxItems" => out.max_items = Some(size(value, key)?),
        "uniqueItems" => out.unique_items = flag(value, key)?,
        "minimum" => out.minimum = Some(number(value, key)?),
        "maximum" => out.maximum = Some(number(value, key)?),
        "exclusiveMinimum" => out.exclusive_minimum = Some(number(value, key)?),
        "exclusiveMaximum" => out.exclusive_maximum = Some(number(value, key)?),
        "minLength" => out.min_length = Some(size(value, key)?),
        "maxLength" => out.max_length = Some(size(value, key)?),
        "pattern" => out.pattern = Some(regex(&text(value, key)?, value.pos)?),
        "$ref" => out.reference = Some(reference(value)?),
        "$defs" => {}
        note if NOTES.contains(&note) => {}
        other => return unknown(other, pos),
    }
    Ok(())
}

fn unknown(key: &str, pos: Pos) -> Result<()> {
    let all = RULES.into_iter().chain(NOTES);
    let hint = match closest(key, all) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("there are {}", RULES.join(", ")),
    };
    Err(SchemaError {
        pos,
        message: format!("the keyword `{key}` is not supported"),
        hint: Some(hint),
    })
}

fn mapping<'n>(node: &'n Node, key: &str) -> Result<&'n [(crate::yaml::Key, Node)]> {
    match &node.value {
        Value::Map(entries) => Ok(entries),
        Value::List(_) | Value::Scalar(_) => fail(
            node.pos,
            format!("`{key}` has to be a mapping, and this is {}", node.kind()),
        ),
    }
}

fn list<'n>(node: &'n Node, key: &str) -> Result<&'n [Node]> {
    match &node.value {
        Value::List(items) => Ok(items),
        Value::Map(_) | Value::Scalar(_) => fail(
            node.pos,
            format!("`{key}` has to be a list, and this is {}", node.kind()),
        ),
    }
}

fn text(node: &Node, key: &str) -> Result<String> {
    match node.as_str() {
        Some(text) => Ok(text.to_owned()),
        None => fail(
            node.pos,
            format!("`{key}` has to be a string, and this is {}", node.kind()),
        ),
    }
}

fn number(node: &Node, key: &str) -> Result<f64> {
    match node.to_json().as_f64() {
        Some(number) => Ok(number),
        None => fail(
            node.pos,
            format!("`{key}` has to be a number, and this is {}", node.kind()),
        ),
    }
}

fn size(node: &Node, key: &str) -> Result<usize> {
    match node
        .to_json()
        .as_u64()
        .and_then(|n| usize::try_from(n).ok())
    {
        Some(size) => Ok(size),
        None => fail(node.pos, format!("`{key}` has to be a whole number from 0")),
    }
}

fn flag(node: &Node, key: &str) -> Result<bool> {
    match node.to_json().as_bool() {
        Some(flag) => Ok(flag),
        None => fail(node.pos, format!("`{key}` has to be true or false")),
    }
}

fn regex(pattern: &str, pos: Pos) -> Result<Regex> {
    match Regex::new(pattern) {
        Ok(regex) => Ok(regex),
        Err(error) => fail(
            pos,
            format!("this regular expression cannot be used: {error}"),
        ),
    }
}

fn types(node: &Node) -> Result<Vec<Type>> {
    match &node.value {
        Value::List(items) => items.iter().map(one_type).collect(),
        Value::Scalar(_) | Value::Map(_) => Ok(vec![one_type(node)?]),
    }
}

fn one_type(node: &Node) -> Result<Type> {
    Ok(match text(node, "type")?.as_str() {
        "null" => Type::Null,
        "boolean" => Type::Boolean,
        "integer" => Type::Integer,
        "number" => Type::Number,
        "string" => Type::String,
        "array" => Type::Array,
        "object" => Type::Object,
        other => return fail(node.pos, format!("there is no type `{other}`")),
    })
}

fn reference(node: &Node) -> Result<String> {
    match text(node, "$ref")?.strip_prefix("#/$defs/") {
        Some(name) if !name.is_empty() && !name.contains(['/', '~', '%']) => Ok(name.to_owned()),
        Some(_) | None => fail(node.pos, "`$ref` has to be #/$defs/NAME"),
    }
}

/// That `$defs` has what a `$ref` names.
fn defined(name: &str, pos: Pos, schema: &JsonSchema) -> Result<()> {
    if schema.definitions.contains_key(name) {
        return Ok(());
    }
    let near = closest(name, schema.definitions.keys().map(String::as_str));
    Err(SchemaError {
        pos,
        message: format!("`$defs` has no `{name}`"),
        hint: near.map(|near| format!("did you mean `#/$defs/{near}`?")),
    })
}

/// No value would be checked with the same rule without end.
fn not_by_itself(node: &Node, schema: &JsonSchema) -> Result<()> {
    for (name, rule) in &schema.definitions {
        let mut seen = Vec::new();
        if returns_to(rule, name, schema, &mut seen) {
            let pos = node
                .get("$defs")
                .and_then(|d| d.entry(name))
                .map_or(node.pos, |(key, _)| key.pos);
            return fail(pos, format!("`{name}` is defined by itself"));
        }
    }
    Ok(())
}

fn returns_to<'s>(
    rule: &'s SchemaRule,
    target: &str,
    schema: &'s JsonSchema,
    seen: &mut Vec<&'s str>,
) -> bool {
    let SchemaRule::Keywords(keywords) = rule else {
        return false;
    };
    let next = keywords.reference.as_deref();
    let by_reference = next.is_some_and(|name| reference_returns(name, target, schema, seen));
    by_reference
        || keywords
            .all
            .iter()
            .chain(&keywords.any)
            .chain(&keywords.one)
            .any(|r| returns_to(r, target, schema, seen))
}

/// Whether a definition is the target, or leads to it.
fn reference_returns<'s>(
    name: &'s str,
    target: &str,
    schema: &'s JsonSchema,
    seen: &mut Vec<&'s str>,
) -> bool {
    if name == target {
        return true;
    }
    if seen.contains(&name) {
        return false;
    }
    seen.push(name);
    let rule = schema.definitions.get(name);
    rule.is_some_and(|r| returns_to(r, target, schema, seen))
}
