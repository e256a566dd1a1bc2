//! The fields that kops names where it refuses a document, and the lines that write them. Reads words and a tree; knows no file.

use std::sync::OnceLock;

use regex_lite::Regex;

use crate::yaml::{Document, Node, Value};

/// At most so many fields of one complaint are looked for.
const MOST_FIELDS: usize = 3;

/// A line of a document that a field leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineOfField {
    /// The line, from 1.
    pub line: u32,
    /// Whether the field itself stands there; else what is nearest around it.
    pub is_whole: bool,
}

/// The fields that a complaint names, in its order.
///
/// Forms: `spec.kubelet.maxPods: Invalid value`, `spec.subnets[0].cidr`, `Go struct field InstanceGroupSpec.spec.minSize of type int32`.
/// Source: Kubernetes, `apimachinery/pkg/util/validation/field`, whose paths kops prints; Go, `encoding/json`, `UnmarshalTypeError`.
pub fn fields_in(words: &str) -> Vec<String> {
    static FORM: OnceLock<Option<Regex>> = OnceLock::new();
    let form = FORM.get_or_init(|| {
        Regex::new(r"\b(?:spec|metadata)(?:\.[A-Za-z][A-Za-z0-9_-]*|\[[^\]\s]+\])+").ok()
    });
    let mut fields: Vec<String> = Vec::new();
    for found in form.iter().flat_map(|form| form.find_iter(words)) {
        let field = found.as_str().to_owned();
        if !fields.contains(&field) && fields.len() < MOST_FIELDS {
            fields.push(field);
        }
    }
    fields
}

/// Where a document writes a field. kops validates in the form of its newest API, in which some fields stand deeper than they are written
/// (`spec.networking.subnets[0].cidr` is `spec.subnets[0].cidr`): what is not there is looked for with less before it.
/// Source: kops, `pkg/apis/kops` against `pkg/apis/kops/v1alpha2`.
pub fn field_line(document: &Document, field: &str) -> LineOfField {
    let steps = steps(field);
    let (top, rest) = steps
        .split_first()
        .map_or(("", [].as_slice()), |(t, r)| (t.as_str(), r));
    for skipped in 0..rest.len() {
        let path = std::iter::once(top).chain(rest.iter().skip(skipped).map(String::as_str));
        if let (line, true) = deepest(&document.root, path) {
            return LineOfField {
                line,
                is_whole: true,
            };
        }
    }
    let (line, _) = deepest(&document.root, steps.iter().map(String::as_str));
    LineOfField {
        line,
        is_whole: false,
    }
}

/// `spec.subnets[0].cidr` as `spec`, `subnets`, `0`, `cidr`.
fn steps(field: &str) -> Vec<String> {
    let mut steps = Vec::new();
    let mut rest = field;
    while !rest.is_empty() {
        let (step, after) = match rest.strip_prefix('[').and_then(|r| r.split_once(']')) {
            Some((key, after)) => (key.trim_matches('"'), after),
            None => rest.split_at(rest.find(['.', '[']).unwrap_or(rest.len())),
        };
        steps.push(step.to_owned());
        rest = after.strip_prefix('.').unwrap_or(after);
    }
    steps
}

/// The line of what a path leads to, and whether it leads to its end.
fn deepest<'p>(root: &Node, path: impl Iterator<Item = &'p str>) -> (u32, bool) {
    let (mut at, mut line) = (root, root.pos.line);
    for step in path {
        let next = match &at.value {
            Value::Map(_) => at.entry(step).map(|(key, node)| (node, key.pos.line)),
            Value::List(items) => {
                let by_place = || step.parse::<usize>().ok().and_then(|n| items.get(n));
                let is_named = |item: &&Node| item.get("name").and_then(Node::as_str) == Some(step);
                let item = items.iter().find(is_named).or_else(by_place);
                item.map(|node| (node, node.pos.line))
            }
            Value::Scalar(_) => None,
        };
        let Some(next) = next else {
            return (line, false);
        };
        (at, line) = next;
    }
    (line, true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::{Schema, parse};

    #[test]
    fn fields_are_found_in_what_kops_says() {
        for (words, expected) in [
            (
                "Error: error replacing cluster: spec.kubelet.maxPods: Invalid value: \"x\"",
                "spec.kubelet.maxPods",
            ),
            (
                "[spec.subnets[0].cidr: Required value, spec.nodeLabels[a.b/c]: Invalid value]",
                "spec.subnets[0].cidr spec.nodeLabels[a.b/c]",
            ),
            (
                "cannot unmarshal string into Go struct field InstanceGroupSpec.spec.minSize of type int32",
                "spec.minSize",
            ),
            ("the inspector.of things, and the spec", ""),
        ] {
            assert_eq!(fields_in(words).join(" "), expected, "{words}");
        }
    }

    #[test]
    fn fields_lead_to_the_lines_that_write_them() {
        let text = "kind: Cluster\nspec:\n  kubelet:\n    maxPods: 110\n  subnets:\n  - name: a\n    cidr: x\n  - name: b\n";
        let documents = parse(text, Schema::Kops).unwrap();
        for (field, line, is_whole) in [
            ("spec.kubelet.maxPods", 4, true),
            ("spec.subnets[0].cidr", 7, true),
            ("spec.subnets[a].cidr", 7, true),
            ("spec.networking.subnets[0].cidr", 7, true),
            // Not written: what it belongs to.
            ("spec.kubelet.podPidsLimit", 3, false),
            ("spec.subnets[1].cidr", 8, false),
            ("spec.unheardOf", 2, false),
            ("metadata.name", 1, false),
        ] {
            let found = field_line(&documents[0], field);
            assert_eq!(found, LineOfField { line, is_whole }, "{field}");
        }
    }
}
