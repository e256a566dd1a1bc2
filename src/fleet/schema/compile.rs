//! A schema as written → [`JsonSchema`]. Every keyword is understood or refused, and every reference leads somewhere.

use std::collections::BTreeMap;

use regex_lite::Regex;

use super::super::suggest::closest;
use super::rule::{JsonSchema, Keywords, Rule, SchemaError, Type};
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

pub(super) fn schema(node: &Node) -> Result<JsonSchema> {
    let mut definitions = BTreeMap::new();
    if let Some(defs) = node.get("$defs") {
        for (key, value) in mapping(defs, "$defs")? {
            definitions.insert(key.text.clone(), rule(value, false)?);
        }
    }
    let root = rule(node, true)?;
    let schema = JsonSchema { root, definitions };
    references(node, &schema)?;
    Ok(schema)
}

fn fail<T>(pos: Pos, message: impl Into<String>) -> Result<T> {
    Err(SchemaError {
        pos,
        message: message.into(),
        hint: None,
    })
}

fn rule(node: &Node, root: bool) -> Result<Rule> {
    if let Value::Scalar(scalar) = &node.value
        && let Some(always) = scalar.value.as_bool()
    {
        return Ok(Rule::Always(always));
    }
    let Value::Map(entries) = &node.value else {
        return fail(
            node.pos,
            format!(
                "a schema is a mapping, true or false, and this is {}",
                node.kind()
            ),
        );
    };
    let mut out = Keywords::default();
    for (key, value) in entries {
        if key.text == "$defs" && !root {
            return fail(key.pos, "`$defs` stands at the top of the schema only");
        }
        keyword(&mut out, &key.text, key.pos, value)?;
    }
    Ok(Rule::Keywords(Box::new(out)))
}

fn keyword(out: &mut Keywords, key: &str, pos: Pos, value: &Node) -> Result<()> {
    match key {
        "type" => out.types = Some(types(value)?),
        "enum" => out.one_of_values = Some(list(value, key)?.iter().map(Node::to_json).collect()),
        "const" => out.constant = Some(value.to_json()),
        "properties" => out.properties = rules_by_name(value, key)?,
        "patternProperties" => {
            for (name, value) in mapping(value, key)? {
                out.patterns
                    .push((regex(&name.text, name.pos)?, rule(value, false)?));
            }
        }
        "additionalProperties" => out.additional = Some(rule(value, false)?),
        "required" => {
            out.required = list(value, key)?
                .iter()
                .map(|n| text(n, key))
                .collect::<Result<_>>()?
        }
        "items" => out.items = Some(rule(value, false)?),
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
        "allOf" => out.all = rules(value, key)?,
        "anyOf" => out.any = rules(value, key)?,
        "oneOf" => out.one = rules(value, key)?,
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

fn rules(node: &Node, key: &str) -> Result<Vec<Rule>> {
    match list(node, key)? {
        [] => fail(node.pos, format!("`{key}` has no schemas")),
        items => items.iter().map(|item| rule(item, false)).collect(),
    }
}

fn rules_by_name(node: &Node, key: &str) -> Result<BTreeMap<String, Rule>> {
    mapping(node, key)?
        .iter()
        .map(|(name, value)| Ok((name.text.clone(), rule(value, false)?)))
        .collect()
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

/// Every `$ref` names something, and no value would be checked with the same rule without end.
fn references(node: &Node, schema: &JsonSchema) -> Result<()> {
    check_names(node, schema)?;
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

/// Only where a schema may stand: an `enum` or a `default` may hold a mapping that looks like one.
fn check_names(node: &Node, schema: &JsonSchema) -> Result<()> {
    for (key, value) in node.entries() {
        match key.text.as_str() {
            "$ref" => {
                let name = reference(value)?;
                if !schema.definitions.contains_key(&name) {
                    let near = closest(&name, schema.definitions.keys().map(String::as_str))
                        .map(|n| format!("did you mean `#/$defs/{n}`?"));
                    return Err(SchemaError {
                        pos: value.pos,
                        message: format!("`$defs` has no `{name}`"),
                        hint: near,
                    });
                }
            }
            "properties" | "patternProperties" | "$defs" => value
                .entries()
                .iter()
                .try_for_each(|(_, inner)| check_names(inner, schema))?,
            "additionalProperties" | "items" => check_names(value, schema)?,
            "allOf" | "anyOf" | "oneOf" => value
                .items()
                .iter()
                .try_for_each(|inner| check_names(inner, schema))?,
            _ => {}
        }
    }
    Ok(())
}

fn returns_to<'s>(
    rule: &'s Rule,
    target: &str,
    schema: &'s JsonSchema,
    seen: &mut Vec<&'s str>,
) -> bool {
    let Rule::Keywords(keywords) = rule else {
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
