//! A set of templates that can use each other: parsed once, run as often as wanted. Keeps nothing of a run.

use std::sync::Arc;

use super::ast::{ParsedTemplates, Tree};
use super::eval::{TemplateOutput, execute};
use super::fault::GoFault;
use super::functions::Functions;
use super::parse::parse;
use super::reads;
use super::source::TemplateText;
use super::value::Value;
use super::world::TemplateOptions;

/// Templates that can use each other, and the functions they have. Cheap to copy.
#[derive(Clone, Debug)]
pub struct Templates {
    functions: Functions,
    trees: ParsedTemplates,
}

impl Templates {
    /// No templates yet.
    pub fn new(functions: Functions) -> Self {
        Templates {
            functions,
            trees: ParsedTemplates::new(),
        }
    }

    /// Adds the text as a template of this name, with everything it defines. `file` is how faults call the text.
    ///
    /// # Errors
    /// The first fault in it.
    pub fn parse(&mut self, name: &str, file: &str, text: &str) -> Result<(), GoFault> {
        let source = Arc::new(TemplateText {
            name: file.to_owned(),
            text: text.to_owned(),
        });
        let mut parsed = parse(&source, &self.functions)?;
        let main = match parsed.defined.remove(name) {
            Some(defined) if parsed.main.is_empty() => defined,
            Some(_) | None => parsed.main,
        };
        self.add(name.to_owned(), main);
        for (name, tree) in parsed.defined {
            self.add(name, tree);
        }
        Ok(())
    }

    /// As Go has it: a template that prints nothing does not replace one that does.
    fn add(&mut self, name: String, tree: Tree) {
        if !(tree.is_empty() && self.trees.contains_key(&name)) {
            self.trees.insert(name, Arc::new(tree));
        }
    }

    /// Gives a template a second name.
    pub fn alias(&mut self, name: &str, existing: &str) {
        if let Some(tree) = self.trees.get(existing).cloned() {
            self.trees.insert(name.to_owned(), tree);
        }
    }

    /// Whether there is a template of this name.
    pub fn has(&self, name: &str) -> bool {
        self.trees.contains_key(name)
    }

    /// Runs a template.
    ///
    /// # Errors
    /// The first fault.
    pub fn execute(
        &self,
        name: &str,
        dot: &Value,
        options: &TemplateOptions<'_>,
    ) -> Result<TemplateOutput, GoFault> {
        execute(&self.trees, name, dot, options)
    }

    /// The fields a template reads, as dotted paths, those of `$` and of the dot alike: which of the two a dot is inside a `range` is known only when it runs.
    pub fn reads(&self, name: &str) -> Vec<String> {
        self.trees
            .get(name)
            .map_or_else(Vec::new, |tree| reads::of(tree))
    }
}
