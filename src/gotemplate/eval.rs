//! Runs a tree on a value. Every step is counted, and nothing is deeper than the stack allows.

use std::ops::Range;
use std::sync::Arc;

use super::ast::{Branch, Command, Node, Operand, OperandKind, Pipe, Source, Step, Tree};
use super::format::{self, Out};
use super::functions::{Body, Function, Trouble};
use super::value::{IntType, Value};
use super::{Fault, Limit, Options, Problem, Templates, World, limits};

/// What a template printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// The text.
    pub text: String,
    /// Where it comes from, when that was asked for: (byte of the text, byte of the template, whether what follows is the template's own text).
    pub origins: Vec<(usize, usize, bool)>,
}

/// A run under way; functions may run further templates in it.
pub struct Running<'r> {
    templates: &'r Templates,
    options: &'r Options<'r>,
    steps: u64,
    depth: usize,
    /// How many templates are in each other.
    templates_deep: usize,
    origins: Vec<(usize, usize, bool)>,
}

/// One template being run: its text, its variables.
struct Frame<'f> {
    source: &'f Arc<Source>,
    variables: Vec<(Arc<str>, Value)>,
}

enum Flow {
    On,
    Break,
    Continue,
}

type Done<T> = Result<T, Fault>;

pub(super) fn execute(
    templates: &Templates,
    name: &str,
    dot: &Value,
    options: &Options<'_>,
) -> Done<Output> {
    let mut running = Running {
        templates,
        options,
        steps: 0,
        depth: 0,
        templates_deep: 0,
        origins: Vec::new(),
    };
    let Some(tree) = templates.trees.get(name) else {
        let source = Arc::new(Source {
            name: name.to_owned(),
            text: String::new(),
        });
        return Err(Fault::new(&source, 0..0, Problem::NoTemplate(name.into())));
    };
    let mut out = Out::default();
    running.template(tree, dot.clone(), &mut out)?;
    Ok(Output {
        text: out.into_text(),
        origins: running.origins,
    })
}

impl Running<'_> {
    /// What the run may see of the world.
    pub fn world(&self) -> World<'_> {
        self.options.world
    }

    /// Runs another template of the set, as `include` does.
    ///
    /// # Errors
    /// A fault in it, or none of that name.
    pub fn include(&mut self, name: &str, dot: Value) -> Result<String, Trouble> {
        let Some(tree) = self.templates.trees.get(name) else {
            return Err(Trouble::NoTemplate(name.to_owned()));
        };
        let mut out = Out::default();
        self.template(tree, dot, &mut out)
            .map_err(|fault| Trouble::Inside(Box::new(fault)))?;
        Ok(out.into_text())
    }

    /// Counts steps, for functions that do much at once.
    ///
    /// # Errors
    /// When there were too many.
    pub(super) fn spend(&mut self, steps: usize) -> Result<(), Trouble> {
        self.steps = self.steps.saturating_add(steps as u64);
        if self.steps > limits::STEPS {
            return Err(Trouble::TooMuch(Limit::Steps));
        }
        Ok(())
    }

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
        Err(Fault::new(frame.source, range.clone(), problem))
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
        nodes: &[Node],
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
        node: &Node,
        out: &mut Out,
    ) -> Done<Flow> {
        match node {
            Node::Text(range) => {
                self.step(frame, range)?;
                self.note(out, range.start, true);
                let source = frame.source;
                let text = source.text.get(range.clone()).unwrap_or_default();
                self.print(frame, range, out, text)?;
            }
            Node::Action(pipe) => {
                self.note(out, pipe.range.start, false);
                let value = self.pipeline(frame, dot, pipe)?;
                if pipe.variables.is_empty() {
                    self.print_value(frame, &pipe.range, out, &value)?;
                }
            }
            Node::If(branch) | Node::With(branch) => {
                let with = matches!(node, Node::With(_));
                return self.choose(frame, dot, branch, with, out);
            }
            Node::Range(branch) => return self.range(frame, dot, branch, out),
            Node::Template { name, pipe, range } => {
                self.note(out, range.start, false);
                self.use_template(frame, dot, name, pipe.as_ref(), range, out)?;
            }
            Node::Break => return Ok(Flow::Break),
            Node::Continue => return Ok(Flow::Continue),
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
        let Some(tree) = self.templates.trees.get(name) else {
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

    fn pipeline(&mut self, frame: &mut Frame<'_>, dot: &Value, pipe: &Pipe) -> Done<Value> {
        self.step(frame, &pipe.range)?;
        let mut last = None;
        for command in &pipe.commands {
            let value = self.command(frame, dot, command, last)?;
            last = Some(match value {
                Value::Nil => Value::Absent,
                value => value,
            });
        }
        let value = last.unwrap_or(Value::Absent);
        for name in &pipe.variables {
            if !pipe.assigns {
                frame.variables.push((name.clone(), value.clone()));
            } else if !self.assign(frame, name, value.clone()) {
                let problem = Problem::NoVariable(name.to_string());
                return self.fault(frame, &pipe.range, problem);
            }
        }
        Ok(value)
    }

    fn command(
        &mut self,
        frame: &mut Frame<'_>,
        dot: &Value,
        command: &Command,
        last: Option<Value>,
    ) -> Done<Value> {
        let given = !command.arguments.is_empty() || last.is_some();
        let first = &command.first;
        match &first.kind {
            OperandKind::Function(function) => self.call(
                frame,
                dot,
                function,
                &command.range,
                first,
                &command.arguments,
                last,
            ),
            OperandKind::Field(steps) => self.fields(frame, dot.clone(), steps, given),
            OperandKind::Variable(_, steps) if !steps.is_empty() => {
                let base = self.variable(frame, first)?;
                self.fields(frame, base, steps, given)
            }
            OperandKind::Chain(inner, steps) => {
                let base = self.argument(frame, dot, inner, 'x')?;
                self.fields(frame, base, steps, given)
            }
            OperandKind::Nil => {
                let message = "nil is not a command".to_owned();
                self.fault(frame, &first.range, Problem::Other(message))
            }
            OperandKind::Dot
            | OperandKind::Bool(_)
            | OperandKind::Number(_)
            | OperandKind::Text(_)
            | OperandKind::Variable(..)
            | OperandKind::Parens(_) => {
                if given {
                    let word = frame
                        .source
                        .text
                        .get(first.range.clone())
                        .unwrap_or_default();
                    let problem = Problem::NotAFunction(word.to_owned());
                    return self.fault(frame, &first.range, problem);
                }
                self.argument(frame, dot, first, 'x')
            }
        }
    }

    fn variable(&self, frame: &Frame<'_>, operand: &Operand) -> Done<Value> {
        let OperandKind::Variable(name, _) = &operand.kind else {
            return Ok(Value::Absent);
        };
        match frame.variables.iter().rev().find(|(n, _)| n == name) {
            Some((_, value)) => Ok(value.clone()),
            None => self.fault(frame, &operand.range, Problem::NoVariable(name.to_string())),
        }
    }

    fn fields(&self, frame: &Frame<'_>, base: Value, steps: &[Step], given: bool) -> Done<Value> {
        let mut value = base;
        for (index, step) in steps.iter().enumerate() {
            let given = given && index + 1 == steps.len();
            value = self.field(frame, value, step, given)?;
        }
        Ok(value)
    }

    fn field(&self, frame: &Frame<'_>, value: Value, step: &Step, given: bool) -> Done<Value> {
        let problem = match &value {
            Value::Map(map) => match map.get(&step.name) {
                Some(_) if given => {
                    Problem::Other(format!("{} is not a method but has arguments", step.name))
                }
                Some(found) => return Ok(found),
                None if self.options.strict => Problem::NoEntry {
                    key: step.name.clone(),
                    known: map
                        .entries()
                        .into_iter()
                        .map(|(k, _)| k.to_string())
                        .collect(),
                },
                None => return Ok(Value::Absent),
            },
            Value::Absent if self.options.strict => {
                Problem::Other(format!("nil data; no entry for key {:?}", step.name))
            }
            Value::Absent => return Ok(Value::Absent),
            Value::Nil => Problem::FieldOfNull(step.name.clone()),
            Value::Bool(_)
            | Value::Int(..)
            | Value::Float(_)
            | Value::Complex(..)
            | Value::Text(_)
            | Value::List(_)
            | Value::Time(_)
            | Value::Duration(_)
            | Value::Version(_) => Problem::NoField {
                field: step.name.clone(),
                of: value.type_name(),
            },
        };
        self.fault(frame, &step.range, problem)
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "a call is that: who, with what, where"
    )]
    fn call(
        &mut self,
        frame: &mut Frame<'_>,
        dot: &Value,
        function: &Function,
        range: &Range<usize>,
        first: &Operand,
        arguments: &[Operand],
        last: Option<Value>,
    ) -> Done<Value> {
        let got = arguments.len() + usize::from(last.is_some());
        let (wants, or_more) = function.wants();
        if got < wants || got > wants && !or_more {
            let problem = Problem::Count {
                function: function.name().to_owned(),
                wants,
                or_more,
                got,
            };
            return self.fault(frame, &first.range, problem);
        }
        if let Body::Stops(at) = function.body() {
            return self.stopping(frame, dot, *at, arguments, last);
        }
        let mut values = Vec::with_capacity(got);
        for (index, operand) in arguments.iter().enumerate() {
            values.push(self.argument(frame, dot, operand, function.parameter(index))?);
        }
        if let Some(value) = last {
            let at = arguments.last().unwrap_or(first).range.clone();
            values.push(self.fitting(frame, value, function.parameter(arguments.len()), &at)?);
        }
        let source = frame.source.clone();
        self.deeper(frame, range, |running, frame| {
            function.run(running, &values).map_err(|trouble| {
                let problem = match trouble {
                    Trouble::Inside(fault) => return fault.from(&source, range.clone()),
                    Trouble::NoTemplate(name) => Problem::NoTemplate(name),
                    Trouble::TooMuch(limit) => Problem::TooMuch(limit),
                    Trouble::Said(why) => Problem::Call {
                        function: function.name().to_owned(),
                        why,
                    },
                };
                Fault::new(frame.source, range.clone(), problem)
            })
        })
    }

    /// `and` and `or`: the first value that decides, and nothing behind it is looked at.
    fn stopping(
        &mut self,
        frame: &mut Frame<'_>,
        dot: &Value,
        at: bool,
        arguments: &[Operand],
        last: Option<Value>,
    ) -> Done<Value> {
        let mut value = Value::Absent;
        for operand in arguments {
            value = self.argument(frame, dot, operand, 'x')?;
            if value.is_true() == at {
                return Ok(value);
            }
        }
        Ok(last.unwrap_or(value))
    }

    /// The value of an operand where a parameter of this type takes it.
    fn argument(
        &mut self,
        frame: &mut Frame<'_>,
        dot: &Value,
        operand: &Operand,
        wants: char,
    ) -> Done<Value> {
        let range = &operand.range;
        self.step(frame, range)?;
        let value = match &operand.kind {
            OperandKind::Dot => dot.clone(),
            OperandKind::Field(steps) => self.fields(frame, dot.clone(), steps, false)?,
            OperandKind::Variable(_, steps) => {
                let base = self.variable(frame, operand)?;
                self.fields(frame, base, steps, false)?
            }
            OperandKind::Parens(pipe) => self.deeper(frame, range, |running, frame| {
                running.pipeline(frame, dot, pipe)
            })?,
            OperandKind::Function(function) => {
                self.call(frame, dot, function, range, operand, &[], None)?
            }
            OperandKind::Chain(inner, steps) => {
                let base = self.deeper(frame, range, |running, frame| {
                    running.argument(frame, dot, inner, 'x')
                })?;
                self.fields(frame, base, steps, false)?
            }
            OperandKind::Nil => match wants {
                'a' | 'x' | 'm' => return Ok(Value::Nil),
                wants => {
                    let message = format!("cannot assign nil to {}", type_of(wants));
                    return self.fault(frame, range, Problem::Other(message));
                }
            },
            OperandKind::Bool(b) => Value::Bool(*b),
            OperandKind::Text(text) => Value::Text(text.clone()),
            OperandKind::Number(number) => {
                let fitting = match wants {
                    'i' => number.int.map(Value::int),
                    'I' => number.int.map(Value::int64),
                    'f' => number.float.map(Value::Float),
                    _ => None,
                };
                fitting.unwrap_or(match (number.complex, number.float, number.int) {
                    (Some((a, b)), _, _) => Value::Complex(a, b),
                    (None, Some(f), _) if number.fraction => Value::Float(f),
                    (None, _, Some(n)) => Value::int(n),
                    (None, float, None) => Value::Float(float.unwrap_or(0.0)),
                })
            }
        };
        self.fitting(frame, value, wants, range)
    }

    /// The value, when a parameter of this type takes it.
    fn fitting(
        &self,
        frame: &Frame<'_>,
        value: Value,
        wants: char,
        range: &Range<usize>,
    ) -> Done<Value> {
        let fits = match (&value, wants) {
            (_, 'x') => true,
            (Value::Absent, 'a' | 'm') => return Ok(Value::Nil),
            (_, 'a')
            | (Value::Text(_), 's')
            | (Value::Bool(_), 'b')
            | (Value::Float(_), 'f')
            | (Value::Int(_, IntType::Int), 'i')
            | (Value::Int(_, IntType::Int64), 'I') => true,
            (Value::Map(map), 'm') => !map.of_text(),
            _ => false,
        };
        if fits {
            return Ok(value);
        }
        let problem = Problem::Type {
            wants: type_of(wants),
            got: match &value {
                Value::Absent | Value::Nil => "null",
                value => value.type_name(),
            },
        };
        self.fault(frame, range, problem)
    }
}

/// The letters of signatures, as Go names the types.
fn type_of(letter: char) -> &'static str {
    match letter {
        's' => "string",
        'i' => "int",
        'I' => "int64",
        'f' => "float64",
        'b' => "bool",
        'm' => "map[string]interface {}",
        _ => "interface {}",
    }
}
