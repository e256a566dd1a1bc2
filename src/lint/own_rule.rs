//! A rule of a team, in CEL, held against manifests and definitions. The only home of CEL.

use cel::{Context, ExecutionError, Program, Value};
use serde::ser::{SerializeMap as _, SerializeSeq as _, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::facts::{ClusterFacts, GroupFacts};
use super::finding::RuleFindings;
use crate::yaml::Pos;

/// An expression that is longer is a program.
const LONGEST: usize = 2_000;

/// Brackets in one another, and `!` or `-` in a row: the parser calls itself for each.
const DEEPEST: usize = 40;

/// What a rule is held against, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Over {
    /// Each cluster as a whole.
    Cluster,
    /// Its groups, of every role.
    Group,
    /// Documents that are neither the Cluster nor a group.
    Document,
}

impl Over {
    /// What it is, in words.
    pub(super) fn reads(self) -> &'static str {
        match self {
            Over::Cluster => "each cluster as a whole",
            Over::Group => "each group, and its definition",
            Over::Document => "each document that is neither the cluster nor a group",
        }
    }
}

/// A rule of a team, compiled.
#[derive(Debug)]
pub(super) struct OwnRule {
    over: Over,
    when: Option<Program>,
    check: Program,
    what: String,
    at: Option<String>,
}

impl OwnRule {
    /// Compiles its expressions: `when` and `check`.
    ///
    /// # Errors
    /// Which of them is not one, and why.
    pub(super) fn new(
        over: Over,
        (when, check): (Option<&str>, &str),
        what: String,
        at: Option<String>,
    ) -> Result<OwnRule, (&'static str, String)> {
        let when = when.map(|text| program(text).map_err(|why| ("when", why)));
        Ok(OwnRule {
            over,
            when: when.transpose()?,
            check: program(check).map_err(|why| ("check", why))?,
            what,
            at,
        })
    }

    /// Holds it against a cluster.
    pub(super) fn apply(&self, cluster: &ClusterFacts, found: &mut RuleFindings) {
        let mut scope = Context::default();
        bind(&mut scope, "cluster", &about(cluster));
        match self.over {
            Over::Cluster => {
                let at = (cluster.subject(), cluster.pos());
                self.one(cluster, &scope, at, found);
            }
            Over::Group => {
                for group in cluster.groups() {
                    let mut scope = scope.new_inner_scope();
                    bind_group(&mut scope, &group);
                    let pos = self
                        .at
                        .as_deref()
                        .map_or(Some(group.group.pos), |f| group.at(f));
                    self.one(cluster, &scope, (group.subject(), pos), found);
                }
            }
            Over::Document => {
                for object in cluster.objects() {
                    let mut scope = scope.new_inner_scope();
                    bind(&mut scope, "document", &object.value);
                    let name = object.name.as_deref().unwrap_or_default();
                    let subject = format!("{}/{name}", object.kind);
                    self.one(cluster, &scope, (subject, Some(object.pos)), found);
                }
            }
        }
    }

    fn one(
        &self,
        cluster: &ClusterFacts,
        scope: &Context<'_, '_>,
        (subject, pos): (String, Option<Pos>),
        found: &mut RuleFindings,
    ) {
        let asked = |program: &Program| match program.execute(scope) {
            Ok(Value::Bool(answer)) => Ok(answer),
            Ok(_) => Err("an expression that is true or false".to_owned()),
            Err(error) => Err(needs(&error)),
        };
        let answer = self
            .when
            .as_ref()
            .map_or(Ok(true), asked)
            .and_then(|is_meant| {
                if is_meant {
                    asked(&self.check)
                } else {
                    Ok(true)
                }
            });
        match answer {
            Ok(true) => {}
            Ok(false) => found.add(&cluster.name, subject, pos, self.what.clone()),
            // What cannot be evaluated is never a pass.
            Err(needs) => found.needs(Some(&cluster.name), format!("{needs} ({subject})")),
        }
    }
}

/// What an expression lacks. Values are not told: they may be secrets.
#[expect(clippy::wildcard_enum_match_arm, reason = "it is not ours, and grows")]
fn needs(error: &ExecutionError) -> String {
    match error {
        ExecutionError::NoSuchKey(key) => format!("`{key}`, which is not there: ask with `has()`"),
        ExecutionError::UndeclaredReference(name) => {
            format!("`{name}`, which there is not: there are cluster, group, definition, document")
        }
        ExecutionError::NoSuchOverload(error) => format!("values of other types: {error}"),
        _ => "values of another type".to_owned(),
    }
}

fn about(cluster: &ClusterFacts) -> Json {
    json!({
        "name": cluster.name,
        "environment": cluster.environment,
        "account": cluster.account,
        "region": cluster.region,
        "spec": cluster.spec("").cloned().unwrap_or(Json::Null),
    })
}

fn bind_group(scope: &mut Context<'_, '_>, group: &GroupFacts<'_>) {
    bind(scope, "group", &group.group.value);
    // Our own structs always serialise; what did not would be missed, and said to be.
    if let Ok(definition) = serde_json::to_value(group.definition) {
        bind(scope, "definition", &definition);
    }
}

fn bind(scope: &mut Context<'_, '_>, name: &str, value: &Json) {
    if let Ok(value) = cel::to_value(Celled(value)) {
        scope.add_variable_from_value(name, value);
    }
}

/// JSON whose whole numbers are CEL's `int`, of whatever sign: a literal in an expression is one, and there are no others in a manifest.
struct Celled<'a>(&'a Json);

impl Serialize for Celled<'_> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Json::Number(n) => match n.as_i64() {
                Some(whole) => out.serialize_i64(whole),
                None => n.serialize(out),
            },
            Json::Array(items) => {
                let mut list = out.serialize_seq(Some(items.len()))?;
                items
                    .iter()
                    .try_for_each(|item| list.serialize_element(&Celled(item)))?;
                list.end()
            }
            Json::Object(fields) => {
                let mut map = out.serialize_map(Some(fields.len()))?;
                for (name, value) in fields {
                    map.serialize_entry(name, &Celled(value))?;
                }
                map.end()
            }
            other @ (Json::Null | Json::Bool(_) | Json::String(_)) => other.serialize(out),
        }
    }
}

/// An expression, if it is one that can be evaluated without harm.
fn program(text: &str) -> Result<Program, String> {
    if text.len() > LONGEST {
        return Err(format!("it is longer than {LONGEST} characters"));
    }
    if depth(text) > DEEPEST {
        return Err(format!("it is nested deeper than {DEEPEST}"));
    }
    Program::compile(text).map_err(|e| e.to_string().trim().replace('\n', " "))
}

/// How deep the parser has to go at most, strings included.
fn depth(text: &str) -> usize {
    let (mut deep, mut deepest, mut row) = (0_usize, 0, 0_usize);
    for c in text.chars() {
        match c {
            '(' | '[' | '{' => deep += 1,
            ')' | ']' | '}' => deep = deep.saturating_sub(1),
            _ => {}
        }
        row = if matches!(c, '!' | '-' | '?' | ' ') {
            row + 1
        } else {
            0
        };
        deepest = deepest.max(deep + row);
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_see_numbers_as_they_are_written() {
        let scope = |check: &str| {
            let root = Context::default();
            let mut scope = root.new_inner_scope();
            bind(
                &mut scope,
                "document",
                &json!({"a": 3, "b": [1, 2], "c": {"d": "x"}, "e": 0.5}),
            );
            let value = program(check).unwrap().execute(&scope);
            value.map_err(|e| needs(&e))
        };
        for check in [
            "document.a == 3",
            "document.a <= 3 && document.a > -1",
            "document.b.all(n, n < 3)",
            "\"d\" in document.c",
            "document.c.d.startsWith(\"x\")",
            "!has(document.z)",
            "document.e < 1.0",
            "document.c.d.matches(\"^[a-z]$\")",
        ] {
            assert_eq!(scope(check), Ok(Value::Bool(true)), "{check}");
        }
        assert!(scope("document.z == 1").unwrap_err().contains("`z`"));
        assert!(scope("group.z == 1").unwrap_err().contains("`group`"));
    }
}
