//! Commands, calls and operands: what stands between `{{` and `}}`, as a value. Prints nothing.

use std::ops::Range;

use super::super::ast::{Operand, OperandKind, PathStep, Pipe, PipeCommand};
use super::super::call::{Body, Function, Trouble};
use super::super::fault::{GoFault, Problem};
use super::super::value::{IntType, Value};
use super::{Done, Evaluator, Frame};

impl Evaluator<'_> {
    pub(super) fn pipeline(
        &mut self,
        frame: &mut Frame<'_>,
        dot: &Value,
        pipe: &Pipe,
    ) -> Done<Value> {
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
        command: &PipeCommand,
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

    fn fields(
        &self,
        frame: &Frame<'_>,
        base: Value,
        steps: &[PathStep],
        given: bool,
    ) -> Done<Value> {
        let mut value = base;
        for (index, step) in steps.iter().enumerate() {
            let given = given && index + 1 == steps.len();
            value = self.field(frame, value, step, given)?;
        }
        Ok(value)
    }

    fn field(&self, frame: &Frame<'_>, value: Value, step: &PathStep, given: bool) -> Done<Value> {
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
                GoFault::new(frame.source, range.clone(), problem)
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
            | (Value::Time(_), 't')
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
            got: given_type(&value),
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
        't' => "time.Time",
        'm' => "map[string]interface {}",
        _ => "interface {}",
    }
}

fn given_type(value: &Value) -> &'static str {
    match value {
        Value::Absent | Value::Nil => "null",
        value => value.type_name(),
    }
}
