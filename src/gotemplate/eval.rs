//! Runs a tree on a value. Every step is counted, and nothing is deeper than the stack allows.
#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "the values that are special in Go are named, and every other, a new one too, is what it is"
)]

mod operands;

use std::ops::Range;
use std::sync::Arc;

use super::ast::{Branch, ParsedTemplates, Pipe, TemplateNode, Tree};
use super::call::{Run, Trouble};
use super::fault::{GoFault, Limit, Problem};
use super::format::{self, Out};
use super::limits;
use super::source::TemplateText;
use super::value::Value;
use super::world::{TemplateOptions, TemplateWorld};

/// What a template printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateOutput {
    pub text: String,
    /// Where it comes from, when that was asked for: (byte of the text, byte of the template, whether what follows is the template's own text).
    pub origins: Vec<(usize, usize, bool)>,
}

/// A run under way; functions may run further templates in it.
struct Evaluator<'r> {
    templates: &'r ParsedTemplates,
    options: &'r TemplateOptions<'r>,
    steps: u64,
    depth: usize,
    /// How many templates are in each other.
    templates_deep: usize,
    origins: Vec<(usize, usize, bool)>,
}

/// One template being run: its text, its variables.
struct Frame<'f> {
    source: &'f Arc<TemplateText>,
    variables: Vec<(Arc<str>, Value)>,
}

enum Flow {
    On,
    Break,
    Continue,
}

type Done<T> = Result<T, GoFault>;

pub(super) fn execute(
    templates: &ParsedTemplates,
    name: &str,
    dot: &Value,
    options: &TemplateOptions<'_>,
) -> Done<TemplateOutput> {
    let mut running = Evaluator {
        templates,
        options,
        steps: 0,
        depth: 0,
        templates_deep: 0,
        origins: Vec::new(),
    };
    let Some(tree) = templates.get(name) else {
        let source = Arc::new(TemplateText {
            name: name.to_owned(),
            text: String::new(),
        });
        return Err(GoFault::new(
            &source,
            0..0,
            Problem::NoTemplate(name.into()),
        ));
    };
    let mut out = Out::default();
    running.template(tree, dot.clone(), &mut out)?;
    Ok(TemplateOutput {
        text: out.into_text(),
        origins: running.origins,
    })
}

impl Run for Evaluator<'_> {
    fn world(&self) -> TemplateWorld<'_> {
        self.options.world
    }

    fn include(&mut self, name: &str, dot: Value) -> Result<String, Trouble> {
        let Some(tree) = self.templates.get(name) else {
            return Err(Trouble::NoTemplate(name.to_owned()));
        };
        let mut out = Out::default();
        self.template(tree, dot, &mut out)
            .map_err(|fault| Trouble::Inside(Box::new(fault)))?;
        Ok(out.into_text())
    }

    fn spend(&mut self, steps: usize) -> Result<(), Trouble> {
        self.steps = self.steps.saturating_add(steps as u64);
        if self.steps > limits::STEPS {
            return Err(Trouble::TooMuch(Limit::Steps));
        }
        Ok(())
    }
}

impl Evaluator<'_> {
    fn template(&mut self, tree: &Tree, dot: Value, out: &mut Out) -> Done<()> {
        let mut frame = Frame {
            source: &tree.source,
            variables: vec![("$".into(), dot.clone())],
        };
        self.templates_deep += 1;
        let result = self.list(&mut frame, &dot, &tree.body, out);
        self.templates_deep -= 1;
        result.map(|_| ())
    }

    fn fault<T>(&self, frame: &Frame<'_>, range: &Range<usize>, problem: Problem) -> Done<T> {
        Err(GoFault::new(frame.source, range.clone(), problem))
    }

    /// One step further, at this place.
    fn step(&mut self, frame: &Frame<'_>, range: &Range<usize>) -> Done<()> {
        self.steps += 1;
        if self.steps > limits::STEPS {
            return self.fault(frame, range, Problem::TooMuch(Limit::Steps));
        }
        Ok(())
    }

    fn deeper<T>(
        &mut self,
        frame: &mut Frame<'_>,
        range: &Range<usize>,
        inside: impl FnOnce(&mut Self, &mut Frame<'_>) -> Done<T>,
    ) -> Done<T> {
        if self.depth >= limits::DEPTH {
            return self.fault(frame, range, Problem::TooMuch(Limit::Depth));
        }
        self.depth += 1;
        let result = inside(self, frame);
        self.depth -= 1;
        result
    }

    fn print(
        &self,
        frame: &Frame<'_>,
        range: &Range<usize>,
        out: &mut Out,
        text: &str,
    ) -> Done<()> {
        out.push(text)
            .or_else(|_| self.fault(frame, range, Problem::TooMuch(Limit::Size)))
    }

    fn note(&mut self, out: &Out, at: usize, verbatim: bool) {
        if self.options.trace && self.templates_deep == 1 {
            self.origins.push((out.len(), at, verbatim));
        }
    }

    fn list(
        &mut self,
        frame: &mut Frame<'_>,
        dot: &Value,
        nodes: &[TemplateNode],
        out: &mut Out,
    ) -> Done<Flow> {
        for node in nodes {
            match self.node(frame, dot, node, out)? {
                Flow::On => {}
                flow @ (Flow::Break | Flow::Continue) => return Ok(flow),
            }
        }
        Ok(Flow::On)
    }

    fn node(
        &mut self,
        frame: &mut Frame<'_>,
        dot: &Value,
        node: &TemplateNode,
        out: &mut Out,
    ) -> Done<Flow> {
        match node {
            TemplateNode::Text(range) => {
                self.step(frame, range)?;
                self.note(out, range.start, true);
                let source = frame.source;
                let text = source.text.get(range.clone()).unwrap_or_default();
                self.print(frame, range, out, text)?;
            }
            TemplateNode::Action(pipe) => {
                self.note(out, pipe.range.start, false);
                let value = self.pipeline(frame, dot, pipe)?;
                if pipe.variables.is_empty() {
                    self.print_value(frame, &pipe.range, out, &value)?;
                }
            }
            TemplateNode::If(branch) | TemplateNode::With(branch) => {
                let with = matches!(node, TemplateNode::With(_));
                return self.choose(frame, dot, branch, with, out);
            }
            TemplateNode::Range(branch) => return self.range(frame, dot, branch, out),
            TemplateNode::Template { name, pipe, range } => {
                self.note(out, range.start, false);
                self.use_template(frame, dot, name, pipe.as_ref(), range, out)?;
            }
            TemplateNode::Break => return Ok(Flow::Break),
            TemplateNode::Continue => return Ok(Flow::Continue),
        }
        Ok(Flow::On)
    }

    fn print_value(
        &self,
        frame: &Frame<'_>,
        range: &Range<usize>,
        out: &mut Out,
        value: &Value,
    ) -> Done<()> {
        let printed = match value {
            Value::Absent | Value::Nil => out.push("<no value>"),
            Value::Text(text) => out.push(text),
            value => format::print(out, value),
        };
        printed.or_else(|_| self.fault(frame, range, Problem::TooMuch(Limit::Size)))
    }

    fn use_template(
        &mut self,
        frame: &mut Frame<'_>,
        dot: &Value,
        name: &str,
        pipe: Option<&Pipe>,
        range: &Range<usize>,
        out: &mut Out,
    ) -> Done<()> {
        let Some(tree) = self.templates.get(name) else {
            return self.fault(frame, range, Problem::NoTemplate(name.to_owned()));
        };
        let given = match pipe {
            Some(pipe) => self.pipeline(frame, dot, pipe)?,
            None => Value::Absent,
        };
        let source = frame.source.clone();
        self.deeper(frame, range, |running, _| {
            running
                .template(tree, given, out)
                .map_err(|fault| fault.from(&source, range.clone()))
        })
    }

    fn choose(
        &mut self,
        frame: &mut Frame<'_>,
        dot: &Value,
        branch: &Branch,
        with: bool,
        out: &mut Out,
    ) -> Done<Flow> {
        let variables = frame.variables.len();
        let flow = self.deeper(frame, &branch.pipe.range, |running, frame| {
            let value = running.pipeline(frame, dot, &branch.pipe)?;
            if value.is_true() {
                let inner = if with { &value } else { dot };
                running.list(frame, inner, &branch.body, out)
            } else {
                running.list(frame, dot, &branch.otherwise, out)
            }
        });
        frame.variables.truncate(variables);
        flow
    }

    fn range(
        &mut self,
        frame: &mut Frame<'_>,
        dot: &Value,
        branch: &Branch,
        out: &mut Out,
    ) -> Done<Flow> {
        let variables = frame.variables.len();
        let flow = self.deeper(frame, &branch.pipe.range, |running, frame| {
            running.range_inside(frame, dot, branch, out)
        });
        frame.variables.truncate(variables);
        flow
    }

    fn range_inside(
        &mut self,
        frame: &mut Frame<'_>,
        dot: &Value,
        branch: &Branch,
        out: &mut Out,
    ) -> Done<Flow> {
        let value = self.pipeline(frame, dot, &branch.pipe)?;
        let mark = frame.variables.len();
        let mut some = false;
        match &value {
            Value::List(list) => {
                for (index, item) in list.items().iter().enumerate() {
                    some = true;
                    if self.turn(frame, branch, mark, Value::count(index), item.clone(), out)? {
                        break;
                    }
                }
            }
            Value::Map(map) => {
                for (key, item) in map.entries() {
                    some = true;
                    if self.turn(frame, branch, mark, Value::Text(key), item, out)? {
                        break;
                    }
                }
            }
            Value::Int(n, kind) => {
                if branch.pipe.variables.len() > 1 {
                    let message = "can't use a number to iterate over more than one variable";
                    return self.fault(frame, &branch.pipe.range, Problem::Other(message.into()));
                }
                for index in 0..(*n).max(0) {
                    some = true;
                    let item = Value::Int(index, *kind);
                    if self.turn(frame, branch, mark, item.clone(), item, out)? {
                        break;
                    }
                }
            }
            Value::Absent | Value::Nil => {}
            Value::Bool(_)
            | Value::Float(_)
            | Value::Complex(..)
            | Value::Text(_)
            | Value::Time(_)
            | Value::Duration(_)
            | Value::Version(_) => {
                let problem = Problem::NoRange(value.type_name());
                return self.fault(frame, &branch.pipe.range, problem);
            }
        }
        if some {
            return Ok(Flow::On);
        }
        self.list(frame, dot, &branch.otherwise, out)
    }

    /// One round of a `range`; true: it was the last.
    fn turn(
        &mut self,
        frame: &mut Frame<'_>,
        branch: &Branch,
        mark: usize,
        index: Value,
        item: Value,
        out: &mut Out,
    ) -> Done<bool> {
        self.step(frame, &branch.pipe.range)?;
        let names = &branch.pipe.variables;
        let values = if names.len() > 1 {
            vec![index, item.clone()]
        } else {
            vec![item.clone()]
        };
        for (name, value) in names.iter().zip(values) {
            self.assign(frame, name, value);
        }
        let flow = self.list(frame, &item, &branch.body, out)?;
        frame.variables.truncate(mark);
        Ok(matches!(flow, Flow::Break))
    }

    fn assign(&self, frame: &mut Frame<'_>, name: &str, value: Value) -> bool {
        let found = frame.variables.iter_mut().rev().find(|(n, _)| **n == *name);
        found.map(|(_, old)| *old = value).is_some()
    }
}
