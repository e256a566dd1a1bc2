//! Pipelines and operands → expressions of Jinja. Knows no functions, which are in `calls`.

use std::ops::Range;
use std::sync::Arc;

use super::super::ast::{Operand, OperandKind, PathStep, Pipe, PipeCommand};
use super::super::source::TemplateText;
use super::calls;
use super::construct::{Construct, Host, Untranslated, untranslated};
use super::expr::{Expr, WORDS, is_name, quoted};

/// What `.` is.
#[derive(Clone, Debug)]
pub(super) enum Dot {
    /// All values.
    Root,
    /// One of them.
    Value(Expr),
}

/// A variable of Go, and what it is called.
#[derive(Clone, Debug)]
pub(super) struct Variable {
    pub(super) go: String,
    pub(super) value: Expr,
    /// How many loops were open where it was declared.
    pub(super) loops: usize,
}

/// Where an expression stands.
pub(super) struct JinjaScope<'s> {
    pub(super) source: &'s Arc<TemplateText>,
    pub(super) host: &'s dyn Host,
    pub(super) dot: &'s Dot,
    pub(super) variables: &'s [Variable],
}

pub(super) type Translated = Result<Expr, Untranslated>;

impl JinjaScope<'_> {
    pub(super) fn fault<T>(
        &self,
        range: &Range<usize>,
        what: Construct,
    ) -> Result<T, Untranslated> {
        Err(untranslated(self.source, range.clone(), what))
    }

    pub(super) fn pipe(&self, pipe: &Pipe) -> Translated {
        let mut commands = pipe.commands.iter();
        let Some(first) = commands.next() else {
            return self.fault(&pipe.range, Construct::Form);
        };
        let mut value = self.command(first, None)?;
        for command in commands {
            value = self.command(command, Some(value))?;
        }
        Ok(value)
    }

    fn command(&self, command: &PipeCommand, piped: Option<Expr>) -> Translated {
        let OperandKind::Function(function) = &command.first.kind else {
            return match (command.arguments.is_empty(), piped) {
                (true, None) => self.operand(&command.first),
                _ => self.fault(&command.range, Construct::Form),
            };
        };
        if matches!(function.name(), "include" | "index") {
            return self.about_dot(function.name(), command, piped);
        }
        let mut arguments = Vec::new();
        for argument in &command.arguments {
            arguments.push(self.operand(argument)?);
        }
        arguments.extend(piped);
        match calls::call(function.name(), &arguments) {
            Some(value) => Ok(value),
            None => self.fault(
                &command.range,
                Construct::Function(function.name().to_owned()),
            ),
        }
    }

    /// Functions whose argument may be all values at once.
    fn about_dot(&self, name: &str, command: &PipeCommand, piped: Option<Expr>) -> Translated {
        let fault = || self.fault(&command.range, Construct::Function(name.to_owned()));
        let (Some(first), None) = (command.arguments.first(), piped) else {
            return fault();
        };
        if name == "include" {
            let (OperandKind::Text(snippet), [_, dot]) = (&first.kind, &command.arguments[..])
            else {
                return fault();
            };
            return self.include(snippet, dot, &command.range);
        }
        let keys = command.arguments.iter().skip(1);
        let keys: Vec<Expr> = keys.map(|k| self.operand(k)).collect::<Result<_, _>>()?;
        let mut keys = keys.iter();
        let mut value = match (self.is_root(first), keys.len()) {
            (_, 0) => return fault(),
            (false, _) => self.operand(first)?,
            (true, _) => match keys.next().and_then(|key| key.literal.clone()) {
                Some(name) => self.root(&name, &command.range)?,
                None => return fault(),
            },
        };
        for key in keys {
            value = value.item(key);
        }
        value.may_miss = true;
        Ok(value)
    }

    /// A snippet with all values, or with those of a map beside them.
    pub(super) fn include(&self, snippet: &str, dot: &Operand, range: &Range<usize>) -> Translated {
        let Some(name) = self.host.snippet(snippet) else {
            return self.fault(range, Construct::Snippet(snippet.to_owned()));
        };
        let name = quoted(&name);
        if self.is_root(dot) {
            return Ok(Expr::atom(format!("include({name})")));
        }
        let values = self.operand(dot)?;
        Ok(Expr::atom(format!("include({name}, **{})", values.base())))
    }

    fn is_root(&self, operand: &Operand) -> bool {
        match &operand.kind {
            OperandKind::Dot => matches!(self.dot, Dot::Root),
            OperandKind::Variable(name, steps) => &**name == "$" && steps.is_empty(),
            OperandKind::Nil
            | OperandKind::Bool(_)
            | OperandKind::Number(_)
            | OperandKind::Text(_)
            | OperandKind::Field(_)
            | OperandKind::Function(_)
            | OperandKind::Parens(_)
            | OperandKind::Chain(..) => false,
        }
    }

    /// A value at the top.
    fn root(&self, name: &str, range: &Range<usize>) -> Translated {
        if let Some(other) = self.host.renamed(name) {
            return Ok(Expr::atom(other));
        }
        if WORDS.contains(&name) || !is_name(name) {
            return self.fault(range, Construct::Word(name.to_owned()));
        }
        Ok(Expr {
            sample: self.host.values().get(name).cloned(),
            ..Expr::atom(name)
        })
    }

    fn fields(&self, of: Option<Expr>, steps: &[PathStep], range: &Range<usize>) -> Translated {
        let mut steps = steps.iter();
        let mut value = match (of, steps.len()) {
            (Some(value), _) => value,
            (None, 0) => return self.fault(range, Construct::Everything),
            (None, _) => match steps.next() {
                Some(step) => self.root(&step.name, range)?,
                None => return self.fault(range, Construct::Everything),
            },
        };
        for step in steps {
            value = value.field(&step.name);
        }
        Ok(value)
    }

    fn operand(&self, operand: &Operand) -> Translated {
        let range = &operand.range;
        let dot = match self.dot {
            Dot::Root => None,
            Dot::Value(value) => Some(value.clone()),
        };
        match &operand.kind {
            OperandKind::Dot => self.fields(dot, &[], range),
            OperandKind::Field(steps) => self.fields(dot, steps, range),
            OperandKind::Variable(name, steps) if &**name == "$" => self.fields(None, steps, range),
            OperandKind::Variable(name, steps) => {
                let declared = self.variables.iter().rev().find(|v| v.go == **name);
                match declared {
                    Some(variable) => self.fields(Some(variable.value.clone()), steps, range),
                    None => self.fault(range, Construct::Form),
                }
            }
            OperandKind::Nil => Ok(Expr::atom("none")),
            OperandKind::Bool(value) => Ok(Expr::atom(value.to_string())),
            OperandKind::Number(_) => {
                let text = self.source.text.get(range.clone()).unwrap_or_default();
                match text.parse::<f64>() {
                    // `3.0` compares and prints as 3 in Go.
                    Ok(_) => Ok(Expr::atom(text.strip_suffix(".0").unwrap_or(text))),
                    Err(_) => self.fault(range, Construct::Form),
                }
            }
            OperandKind::Text(text) => Ok(Expr {
                literal: Some(text.to_string()),
                ..Expr::atom(quoted(text))
            }),
            OperandKind::Function(function) => match calls::call(function.name(), &[]) {
                Some(value) => Ok(value),
                None => self.fault(range, Construct::Function(function.name().to_owned())),
            },
            OperandKind::Parens(pipe) => self.pipe(pipe),
            OperandKind::Chain(inner, steps) => {
                let inner = self.operand(inner)?;
                self.fields(Some(inner), steps, range)
            }
        }
    }
}
