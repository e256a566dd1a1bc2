//! What a template is once it is parsed. Does nothing.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use super::call::Function;
use super::source::TemplateText;

/// A template: a whole text, or what stands in `define` or `block`.
#[derive(Clone, Debug)]
pub(super) struct Tree {
    pub(super) source: Arc<TemplateText>,
    pub(super) body: Vec<TemplateNode>,
}

impl Tree {
    /// Whether it prints nothing but blanks: such a one never replaces another.
    pub(super) fn is_empty(&self) -> bool {
        self.body.iter().all(|node| match node {
            TemplateNode::Text(range) => self.source.text.get(range.clone()).is_none_or(|t| {
                t.trim_matches([' ', '\t', '\r', '\n', '\u{b}', '\u{c}', '\u{85}', '\u{a0}'])
                    .is_empty()
            }),
            TemplateNode::Action(_)
            | TemplateNode::If(_)
            | TemplateNode::With(_)
            | TemplateNode::Range(_)
            | TemplateNode::Template { .. }
            | TemplateNode::Break
            | TemplateNode::Continue => false,
        })
    }
}

/// A piece of a template.
#[derive(Clone, Debug)]
pub(super) enum TemplateNode {
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
    pub(super) body: Vec<TemplateNode>,
    pub(super) otherwise: Vec<TemplateNode>,
}

/// Commands that hand their value on, and the variables that take the last.
#[derive(Clone, Debug)]
pub(super) struct Pipe {
    pub(super) range: Range<usize>,
    pub(super) variables: Vec<Arc<str>>,
    /// `=`, and not `:=`.
    pub(super) assigns: bool,
    pub(super) commands: Vec<PipeCommand>,
}

/// A function or an operand, and its arguments.
#[derive(Clone, Debug)]
pub(super) struct PipeCommand {
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
    Field(Vec<PathStep>),
    /// `$x.a.b`
    Variable(Arc<str>, Vec<PathStep>),
    Function(Function),
    /// `(…)`
    Parens(Box<Pipe>),
    /// `(…).a.b`
    Chain(Box<Operand>, Vec<PathStep>),
}

/// One `.name` of a chain.
#[derive(Clone, Debug)]
pub(super) struct PathStep {
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
pub(super) type ParsedTemplates = BTreeMap<String, Arc<Tree>>;
