//! Which fields a template reads. Runs nothing.
#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "only literals can be told before a template runs"
)]

use std::collections::BTreeSet;

use super::ast::{Branch, Operand, OperandKind, PathStep, Pipe, TemplateNode, Tree};

/// The dotted paths, sorted.
pub(super) fn of(tree: &Tree) -> Vec<String> {
    let mut found = BTreeSet::new();
    nodes(&tree.body, &mut found);
    found.into_iter().collect()
}

fn nodes(list: &[TemplateNode], found: &mut BTreeSet<String>) {
    for node in list {
        match node {
            TemplateNode::Action(p) => pipe(p, found),
            TemplateNode::If(b) | TemplateNode::With(b) | TemplateNode::Range(b) => {
                branch(b, found)
            }
            TemplateNode::Template { pipe: given, .. } => {
                given.iter().for_each(|p| pipe(p, found));
            }
            TemplateNode::Text(_) | TemplateNode::Break | TemplateNode::Continue => {}
        }
    }
}

fn branch(b: &Branch, found: &mut BTreeSet<String>) {
    pipe(&b.pipe, found);
    nodes(&b.body, found);
    nodes(&b.otherwise, found);
}

fn pipe(p: &Pipe, found: &mut BTreeSet<String>) {
    for command in &p.commands {
        operand(&command.first, found);
        command.arguments.iter().for_each(|o| operand(o, found));
        keyed(&command.first, &command.arguments, found);
    }
}

/// `index . "a" "b"` reads `a.b`.
fn keyed(first: &Operand, arguments: &[Operand], found: &mut BTreeSet<String>) {
    let OperandKind::Function(function) = &first.kind else {
        return;
    };
    let mut words: Vec<&Operand> = arguments.iter().collect();
    if matches!(function.name(), "index" | "get" | "hasKey") && !words.is_empty() {
        let base = words.remove(0);
        let steps: &[PathStep] = match &base.kind {
            OperandKind::Dot => &[],
            OperandKind::Field(steps) | OperandKind::Variable(_, steps) => steps,
            OperandKind::Nil
            | OperandKind::Bool(_)
            | OperandKind::Number(_)
            | OperandKind::Text(_)
            | OperandKind::Function(_)
            | OperandKind::Parens(_)
            | OperandKind::Chain(..) => return,
        };
        let keys = words.iter().map_while(|o| match &o.kind {
            OperandKind::Text(text) => Some(text.to_string()),
            _ => None,
        });
        let path: Vec<String> = steps.iter().map(|s| s.name.clone()).chain(keys).collect();
        if !path.is_empty() {
            found.insert(path.join("."));
        }
    }
}

fn operand(o: &Operand, found: &mut BTreeSet<String>) {
    let mut add = |steps: &[PathStep]| {
        let names: Vec<&str> = steps.iter().map(|s| s.name.as_str()).collect();
        if !names.is_empty() {
            found.insert(names.join("."));
        }
    };
    match &o.kind {
        OperandKind::Field(steps) => add(steps),
        OperandKind::Variable(name, steps) if &**name == "$" => add(steps),
        OperandKind::Parens(p) => pipe(p, found),
        OperandKind::Chain(inner, _) => operand(inner, found),
        OperandKind::Variable(..)
        | OperandKind::Dot
        | OperandKind::Nil
        | OperandKind::Bool(_)
        | OperandKind::Number(_)
        | OperandKind::Text(_)
        | OperandKind::Function(_) => {}
    }
}
