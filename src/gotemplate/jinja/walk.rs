//! The nodes of a template in the order of its text: each tag becomes one or two of Jinja, what stands between stays. Keeps what each name means where.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::super::ast::{Branch, Pipe, TemplateNode};
use super::super::source::TemplateText;
use super::construct::{Construct, Host, JinjaStyle, Untranslated, untranslated};
use super::expr::{Binding, Expr, first, is_name, quoted};
use super::expressions::{Dot, JinjaScope, Variable};
use super::tags::{self, JinjaTag};

pub(super) struct Walk<'w> {
    source: &'w Arc<TemplateText>,
    host: &'w dyn Host,
    style: JinjaStyle,
    tags: std::vec::IntoIter<JinjaTag>,
    /// Up to where the source is written.
    at: usize,
    out: String,
    dot: Dot,
    variables: Vec<Variable>,
    /// Names that mean something already.
    taken: BTreeSet<String>,
    loops: usize,
    left: Vec<Untranslated>,
}

impl<'w> Walk<'w> {
    pub(super) fn new(
        source: &'w Arc<TemplateText>,
        style: JinjaStyle,
        host: &'w dyn Host,
    ) -> Walk<'w> {
        let values = host.values().as_object();
        let mut taken: BTreeSet<String> = values
            .into_iter()
            .flat_map(|map| map.keys().cloned())
            .collect();
        taken.extend(["cluster", "fleet", "loop"].map(str::to_owned));
        Walk {
            source,
            host,
            style,
            tags: tags::all(&source.text).into_iter(),
            at: 0,
            out: String::new(),
            dot: Dot::Root,
            variables: Vec::new(),
            taken,
            loops: 0,
            left: Vec::new(),
        }
    }

    pub(super) fn template(&mut self, body: &[TemplateNode]) {
        let defines = |tag: &&JinjaTag| matches!(tag.word(), "define" | "block");
        if let Some(tag) = self.tags.as_slice().iter().find(defines) {
            let fault = untranslated(self.source, tag.range.clone(), Construct::Define);
            return self.left.push(fault);
        }
        self.nodes(body);
        self.text_to(self.source.text.len());
    }

    pub(super) fn end(self) -> Result<String, Vec<Untranslated>> {
        match self.left.is_empty() {
            true => Ok(self.out),
            false => Err(self.left),
        }
    }

    fn text_to(&mut self, end: usize) {
        let text = self.source.text.get(self.at..end).unwrap_or_default();
        self.out.push_str(&tags::between(text));
        self.at = end;
    }

    /// The next tag, once what stands before it is written.
    fn tag(&mut self) -> Option<JinjaTag> {
        let tag = self.tags.next()?;
        self.text_to(tag.range.start);
        self.at = tag.range.end;
        Some(tag)
    }

    fn next_word(&self) -> &str {
        self.tags.as_slice().first().map_or("", JinjaTag::word)
    }

    fn command(&mut self, words: &str) {
        if let Some(tag) = self.tag() {
            let written = tag.command(words, &self.source.text, self.style);
            self.out.push_str(&written);
        }
    }

    /// The expression; what has no translation is noted, and stands for itself.
    fn value(&mut self, pipe: &Pipe) -> Expr {
        let scope = JinjaScope {
            source: self.source,
            host: self.host,
            dot: &self.dot,
            variables: &self.variables,
        };
        match scope.pipe(pipe) {
            Ok(value) => value,
            Err(fault) => {
                self.left.push(fault);
                Expr::atom("none")
            }
        }
    }

    fn nodes(&mut self, nodes: &[TemplateNode]) {
        for node in nodes {
            match node {
                TemplateNode::Text(_) => {}
                TemplateNode::Action(pipe) => self.action(pipe),
                TemplateNode::If(branch) => self.condition(branch),
                TemplateNode::With(branch) => self.with(branch),
                TemplateNode::Range(branch) => self.range(branch),
                TemplateNode::Template { name, pipe, range } => {
                    self.snippet(name, pipe.as_ref(), range.clone());
                }
                TemplateNode::Break => self.command("break"),
                TemplateNode::Continue => self.command("continue"),
            }
        }
    }

    fn action(&mut self, pipe: &Pipe) {
        let value = self.value(pipe);
        let Some(go) = pipe.variables.first() else {
            if let Some(tag) = self.tag() {
                self.out.push_str(&tag.printed(&value.text));
            }
            return;
        };
        let name = if pipe.assigns {
            self.assigned(go, pipe)
        } else {
            self.declare(go, value.sample.clone())
        };
        self.command(&format!("set {name} = {}", value.text));
    }

    /// The variable that gets another value: one of the same loop.
    fn assigned(&mut self, go: &str, pipe: &Pipe) -> String {
        let declared = self.variables.iter().rev().find(|v| v.go == go);
        let (name, loops) =
            declared.map_or((String::new(), 0), |v| (v.value.text.clone(), v.loops));
        if declared.is_none() || loops != self.loops {
            let what = Construct::Assignment(go.to_owned());
            self.left
                .push(untranslated(self.source, pipe.range.clone(), what));
        }
        name
    }

    /// A name of its own for a variable.
    fn declare(&mut self, go: &str, sample: Option<serde_json::Value>) -> String {
        let name = self.name(go.trim_start_matches('$'));
        self.variables.push(Variable {
            go: go.to_owned(),
            value: Expr {
                sample,
                ..Expr::atom(name.clone())
            },
            loops: self.loops,
        });
        name
    }

    /// Whether a variable is named again after it was declared.
    fn is_used(&self, go: &str) -> bool {
        self.source.text.matches(go).count() > 1
    }

    fn name(&mut self, wanted: &str) -> String {
        let wanted = if is_name(wanted) { wanted } else { "item" };
        let mut name = wanted.to_owned();
        let mut number = 2_u32;
        while self.taken.contains(&name) {
            name = format!("{wanted}_{number}");
            number = number.saturating_add(1);
        }
        self.taken.insert(name.clone());
        name
    }

    /// What is declared inside means nothing behind it.
    fn scoped(&mut self, dot: Option<Dot>, inside: impl FnOnce(&mut Self)) {
        let variables = self.variables.len();
        let before = self.dot.clone();
        if let Some(dot) = dot {
            self.dot = dot;
        }
        inside(self);
        self.dot = before;
        for gone in self.variables.drain(variables..) {
            self.taken.remove(&gone.value.text);
        }
    }

    fn condition(&mut self, branch: &Branch) {
        self.scoped(None, |walk| {
            walk.conditions("if", branch);
            walk.command("endif");
        });
    }

    fn conditions(&mut self, word: &str, branch: &Branch) {
        let value = self.value(&branch.pipe);
        match branch.pipe.variables.first() {
            None => self.command(&format!("{word} {}", value.condition().text)),
            Some(go) => {
                let name = self.declare(go, value.sample.clone());
                self.command(&format!("set {name} = {} %}}{{% {word} {name}", value.text));
            }
        }
        self.nodes(&branch.body);
        if self.next_word() != "else" {
            return;
        }
        let chains = self.tags.as_slice().first().is_some_and(JinjaTag::chains);
        match (chains, &branch.otherwise[..]) {
            (true, [TemplateNode::If(more)]) => self.conditions("elif", more),
            _ => {
                self.command("else");
                self.nodes(&branch.otherwise);
            }
        }
    }

    fn with(&mut self, branch: &Branch) {
        let value = self.value(&branch.pipe);
        let wanted = branch.pipe.variables.first();
        let wanted = wanted.map_or("item", |go| go.trim_start_matches('$'));
        let name = self.name(wanted);
        let item = Expr {
            sample: value.sample.clone(),
            ..Expr::atom(name.clone())
        };
        let given = if value.may_miss {
            value.filter("default(none)").text
        } else {
            value.text
        };
        self.command(&format!("with {name} = {given} %}}{{% if {name}"));
        self.scoped(Some(Dot::Value(item.clone())), |walk| {
            let go = branch.pipe.variables.first();
            walk.variables.push(Variable {
                go: go.map_or("", |go| &**go).to_owned(),
                value: item,
                loops: walk.loops,
            });
            walk.nodes(&branch.body);
        });
        self.otherwise(branch);
        self.command("endif %}{% endwith");
    }

    fn otherwise(&mut self, branch: &Branch) {
        if self.next_word() != "else" {
            return;
        }
        if let Some(tag) = self.tags.as_slice().first().filter(|tag| tag.chains()) {
            let fault = untranslated(self.source, tag.range.clone(), Construct::Form);
            self.left.push(fault);
        }
        self.command("else");
        self.nodes(&branch.otherwise);
    }

    fn range(&mut self, branch: &Branch) {
        let value = self.value(&branch.pipe);
        let is_map = value
            .sample
            .as_ref()
            .is_some_and(serde_json::Value::is_object);
        let variables: Vec<&str> = branch.pipe.variables.iter().map(|v| &**v).collect();
        let (key, item) = match variables[..] {
            [] => (None, None),
            [item] => (None, Some(item)),
            [key, item, ..] => (Some(key).filter(|key| self.is_used(key)), Some(item)),
        };
        let sample = value.sample.as_ref().and_then(first).cloned();
        self.loops += 1;
        let name = self.name(item.map_or("item", |go| go.trim_start_matches('$')));
        let key_name = key.map(|go| self.name(go.trim_start_matches('$')));
        // A map is gone through in the order of its keys, byte by byte. Source: Go, `text/template`.
        let sorted = format!("{} | dictsort(case_sensitive=true)", value.operand());
        let words = match (is_map, &key_name) {
            (true, Some(key)) => format!("for {key}, {name} in {sorted}"),
            (true, None) => format!("for _, {name} in {sorted}"),
            (false, None) => format!("for {name} in {}", number(&value)),
            (false, Some(key)) => {
                format!(
                    "for {name} in {} %}}{{% set {key} = loop.index0",
                    number(&value)
                )
            }
        };
        self.command(&words);
        let item_value = Expr {
            sample,
            ..Expr::atom(name)
        };
        self.scoped(Some(Dot::Value(item_value.clone())), |walk| {
            let keys = key.zip(key_name).map(|(go, name)| (go, Expr::atom(name)));
            // Without a name in Go it is only what the dot means.
            let item = (item.unwrap_or_default(), item_value);
            for (go, value) in keys.into_iter().chain([item]) {
                walk.variables.push(Variable {
                    go: go.to_owned(),
                    value,
                    loops: walk.loops,
                });
            }
            walk.nodes(&branch.body);
        });
        self.loops -= 1;
        self.otherwise(branch);
        self.command("endfor");
    }

    fn snippet(&mut self, name: &str, pipe: Option<&Pipe>, range: std::ops::Range<usize>) {
        let Some(known) = self.host.snippet(name) else {
            let what = Construct::Snippet(name.to_owned());
            self.left.push(untranslated(self.source, range, what));
            return drop(self.tag());
        };
        let known = quoted(&known);
        let is_root = matches!(self.dot, Dot::Root)
            && pipe.is_none_or(|p| {
                self.source
                    .text
                    .get(p.range.clone())
                    .is_some_and(|t| t.trim() == ".")
            })
            || pipe.is_some_and(|p| {
                self.source
                    .text
                    .get(p.range.clone())
                    .is_some_and(|t| t.trim() == "$")
            });
        let written = if is_root {
            format!("include({known})")
        } else if let Some(pipe) = pipe {
            let value = self.value(pipe);
            match value.level {
                Binding::Atom => format!("include({known}, **{})", value.text),
                Binding::Filtered | Binding::Compound => {
                    format!("include({known}, **({}))", value.text)
                }
            }
        } else {
            format!("include({known})")
        };
        if let Some(tag) = self.tag() {
            self.out.push_str(&tag.printed(&written));
        }
    }
}

/// What is gone through: a number counts from 0. Source: Go 1.22, `range` over an integer.
fn number(value: &Expr) -> String {
    match value.text.parse::<u32>() {
        Ok(count) => format!("range({count})"),
        Err(_) => value.text.clone(),
    }
}
