//! Go's template language with the functions of Sprig, as texts → text. Pure and hermetic: no files, clock, environment, network or randomness but
//! what the caller hands in. Knows nothing of fleets or kops.
//!
//! Why not a crate: those there are print numbers, maps and errors in ways of their own, and people compare bytes.

mod ast;
mod dates;
mod eval;
mod fault;
mod format;
mod functions;
mod json;
mod lex;
mod limits;
mod literal;
mod numbers;
mod parse;
mod reads;
mod value;
mod version;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use ast::{Source, Tree};

pub use eval::{Output, Running};
pub use fault::{Fault, Limit, Problem, Site};
pub use functions::{Arguments, Function, Functions, Trouble};
pub use json::to_json;
pub use numbers::{general as go_float, json as json_float};
pub use value::{IntType, List, ListType, Map, Time, Value};
pub use version::Version;

/// A variable of the environment by its name.
pub type Environment<'w> = dyn Fn(&str) -> Option<String> + 'w;

/// What a run may see of the world. By default nothing: what asks for it is an error.
#[derive(Clone, Copy, Default)]
pub struct World<'w> {
    /// The environment.
    pub environment: Option<&'w Environment<'w>>,
    /// The time, in seconds since 1970.
    pub now: Option<i64>,
}

/// How a template is run.
#[derive(Clone, Copy, Default)]
pub struct Options<'w> {
    /// A key that is not there is an error (`missingkey=error`), and not `<no value>`.
    pub strict: bool,
    /// Note where each piece of the output comes from.
    pub trace: bool,
    /// What it may see.
    pub world: World<'w>,
}

/// Templates that can use each other, and the functions they have. Cheap to copy.
#[derive(Clone, Debug)]
pub struct Templates {
    functions: Functions,
    trees: BTreeMap<String, Arc<Tree>>,
}

impl Templates {
    /// No templates yet.
    pub fn new(functions: Functions) -> Self {
        Templates {
            functions,
            trees: BTreeMap::new(),
        }
    }

    /// Adds the text as a template of this name, with everything it defines. `file` is how faults call the text.
    ///
    /// # Errors
    /// The first fault in it.
    pub fn parse(&mut self, name: &str, file: &str, text: &str) -> Result<(), Fault> {
        let source = Arc::new(Source {
            name: file.to_owned(),
            text: text.to_owned(),
        });
        let mut parsed = parse::parse(&source, &self.functions)?;
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
    pub fn execute(&self, name: &str, dot: &Value, options: &Options<'_>) -> Result<Output, Fault> {
        eval::execute(self, name, dot, options)
    }

    /// The fields a template reads, as dotted paths, those of `$` and of the dot alike: which of the two a dot is inside a `range` is known only when it runs.
    pub fn reads(&self, name: &str) -> Vec<String> {
        self.trees
            .get(name)
            .map_or_else(Vec::new, |tree| reads::of(tree))
    }
}
