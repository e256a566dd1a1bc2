//! What a template is once it is parsed. Does nothing.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use super::call::Function;
use super::source::Source;

/// A template: a whole text, or what stands in `define` or `block`.
#[derive(Clone, Debug)]
pub(super) struct Tree {
    pub(super) source: Arc<Source>,
    pub(super) body: Vec<Node>,
}

impl Tree {
    /// Whether it prints nothing but blanks: such a one never replaces another.
    pub(super) fn is_empty(&self) -> bool {
        self.body.iter().all(|node| match node {
            Node::Text(range) => self.source.text.get(range.clone()).is_none_or(|t| {
                t.trim_matches([' ', '\t', '\r', '\n', '\u{b}', '\u{c}', '\u{85}', '\u{a0}'])
                    .is_empty()
            }),
            Node::Action(_)
            | Node::If(_)
            | Node::With(_)
            | Node::Range(_)
            | Node::Template { .. }
            | Node::Break
            | Node::Continue => false,
        })
    }
}

/// A piece of a template.
#[derive(Clone, Debug)]
pub(super) enum Node {
    Text(Range<usize>),
    Action(Pipe),
    If(Branch),
    With(Branch),
    Range(Branch),
    Template {
        name: String,
        pipe: Option<Pipe>,
        range: Range<usize>,
    },
    Break,
    Continue,
}

/// `if`, `with` and `range`.
#[derive(Clone, Debug)]
pub(super) struct Branch {
    pub(super) pipe: Pipe,
    pub(super) body: Vec<Node>,
    pub(super) otherwise: Vec<Node>,
}

/// Commands that hand their value on, and the variables that take the last.
#[derive(Clone, Debug)]
pub(super) struct Pipe {
    pub(super) range: Range<usize>,
    pub(super) variables: Vec<Arc<str>>,
    /// `=`, and not `:=`.
    pub(super) assigns: bool,
    pub(super) commands: Vec<Command>,
}

/// A function or an operand, and its arguments.
#[derive(Clone, Debug)]
pub(super) struct Command {
    pub(super) range: Range<usize>,
    pub(super) first: Operand,
    pub(super) arguments: Vec<Operand>,
}

/// One word of a command.
#[derive(Clone, Debug)]
pub(super) struct Operand {
    pub(super) range: Range<usize>,
    pub(super) kind: OperandKind,
}

#[derive(Clone, Debug)]
pub(super) enum OperandKind {
    Dot,
    Nil,
    Bool(bool),
    Number(Literal),
    Text(Arc<str>),
    /// `.a.b`
    Field(Vec<Step>),
    /// `$x.a.b`
    Variable(Arc<str>, Vec<Step>),
    Function(Function),
    /// `(…)`
    Parens(Box<Pipe>),
    /// `(…).a.b`
    Chain(Box<Operand>, Vec<Step>),
}

/// One `.name` of a chain.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) name: String,
    /// Its bytes, the dot among them.
    pub(super) range: Range<usize>,
}

/// A number as written: what it can be taken for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Literal {
    pub(super) int: Option<i64>,
    pub(super) float: Option<f64>,
    pub(super) complex: Option<(f64, f64)>,
    /// Written with a point or an exponent.
    pub(super) fraction: bool,
}

/// Templates by name.
pub(super) type Trees = BTreeMap<String, Arc<Tree>>;
