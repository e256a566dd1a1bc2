//! The Go templates of a fleet → the same in Jinja beside them. Texts → texts: renders nothing, reads and writes no files.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use super::Files;
use crate::fleet::{Fleet, GO_ENDINGS, Source};
use crate::gotemplate::{Functions, GoFault, Host, JinjaStyle, Untranslated, translate};
use crate::toolbox;

/// What became of a fleet's Go templates.
#[derive(Clone, Debug)]
pub struct Migration {
    /// Go files that have a translation, each with where that belongs, by their path below the fleet.
    pub translated: BTreeMap<String, String>,
    /// The translations, by their path below the fleet.
    pub files: Files,
    /// Go files that stay, each with what has no translation.
    pub left: BTreeMap<String, Vec<Untranslated>>,
    /// The fleet with the translations in the place of what they translate.
    pub fleet: Fleet,
}

/// Translates what can be. `exact`: the files, by path, that keep each line break of the original. `given`: translations that are there already.
///
/// # Errors
/// The first fault in a Go template.
pub fn migrate(
    fleet: &Fleet,
    exact: &BTreeSet<String>,
    given: &Files,
) -> Result<Migration, Box<GoFault>> {
    let functions = toolbox::functions(None);
    let mut here = Here {
        values: values(fleet),
        snippets: snippets(fleet, &functions),
    };
    loop {
        let mut migration = Migration {
            translated: BTreeMap::new(),
            files: Files::new(),
            left: BTreeMap::new(),
            fleet: fleet.clone(),
        };
        let templates = fleet.templates.values().filter(|s| is_go(&s.path));
        let snippets = fleet.snippets.values().filter(|s| {
            let name = below(&s.path, "snippets/");
            here.snippets.get(name).is_some_and(Snippet::is_go)
        });
        for source in templates.chain(snippets) {
            let style = match exact.contains(&source.path) {
                true => JinjaStyle::Exact,
                false => JinjaStyle::Plain,
            };
            match translate(&source.path, &source.text, &functions, style, &here)? {
                Ok(text) => {
                    let to = jinja(&source.path);
                    let text = given.get(&to).cloned().unwrap_or(text);
                    migration.files.insert(to.clone(), text);
                    migration.translated.insert(source.path.clone(), to);
                }
                Err(left) => {
                    migration.left.insert(source.path.clone(), left);
                }
            }
        }
        // What includes a snippet that stays in Go stays there too.
        let before = here.snippets.len();
        here.snippets
            .retain(|name, _| !migration.left.contains_key(&format!("snippets/{name}")));
        if here.snippets.len() == before {
            migration.put();
            return Ok(migration);
        }
    }
}

impl Migration {
    /// Puts the translations into the fleet.
    fn put(&mut self) {
        let all = self.left.keys().all(|path| !path.starts_with("templates/"));
        for (from, to) in &self.translated {
            let text = self.files.get(to).cloned().unwrap_or_default();
            let source = Source {
                path: to.clone(),
                text,
            };
            if let Some(name) = from.strip_prefix("templates/") {
                let new = below(to, "templates/").to_owned();
                self.fleet.templates.remove(name);
                self.fleet.templates.insert(new.clone(), source);
                for cluster in self.fleet.clusters.values_mut() {
                    let named = cluster.templates.iter_mut().filter(|t| *t == name);
                    named.for_each(|t| t.clone_from(&new));
                }
            } else {
                // Those that stay in Go still need it.
                if all {
                    self.fleet.snippets.remove(below(from, "snippets/"));
                }
                let new = below(to, "snippets/").to_owned();
                self.fleet.snippets.insert(new, source);
            }
        }
    }
}

fn is_go(path: &str) -> bool {
    GO_ENDINGS.iter().any(|ending| path.ends_with(ending))
}

fn below<'p>(path: &'p str, folder: &str) -> &'p str {
    path.strip_prefix(folder).unwrap_or(path)
}

/// Where the translation of a file belongs.
fn jinja(path: &str) -> String {
    let stem = GO_ENDINGS.iter().find_map(|e| path.strip_suffix(e));
    format!("{}.j2", stem.unwrap_or(path))
}

/// A snippet that Go templates can use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Snippet {
    /// It has tags of Go's.
    Go,
    /// It has no tags, and both languages read it.
    Text,
}

impl Snippet {
    fn is_go(&self) -> bool {
        *self == Snippet::Go
    }
}

/// The snippets by their path below `snippets/`, without those that Go cannot read.
fn snippets(fleet: &Fleet, functions: &Functions) -> BTreeMap<String, Snippet> {
    let kind = |(name, source): (&String, &Source)| {
        if name.ends_with(".j2") {
            return None;
        }
        if !source.text.contains("{{") {
            return Some((name.clone(), Snippet::Text));
        }
        let mut alone = crate::gotemplate::Templates::new(functions.clone());
        alone.parse(name, &source.path, &source.text).ok()?;
        Some((name.clone(), Snippet::Go))
    };
    fleet.snippets.iter().filter_map(kind).collect()
}

/// The values of all clusters as one: what one of them lacks, another has.
fn values(fleet: &Fleet) -> Json {
    let mut all = Json::Object(serde_json::Map::new());
    for cluster in fleet.clusters.values() {
        fill(&mut all, cluster.vars.to_json());
    }
    all
}

fn fill(into: &mut Json, from: Json) {
    match (into, from) {
        (Json::Object(into), Json::Object(from)) => {
            for (key, value) in from {
                fill(into.entry(key).or_insert(Json::Null), value);
            }
        }
        (Json::Array(into), Json::Array(from)) if into.is_empty() => into.extend(from),
        (into @ Json::Null, from) => *into = from,
        (_, _) => {}
    }
}

struct Here {
    values: Json,
    snippets: BTreeMap<String, Snippet>,
}

impl Host for Here {
    fn values(&self) -> &Json {
        &self.values
    }

    /// What kops says of a cluster by itself.
    fn renamed(&self, name: &str) -> Option<String> {
        (name == "clusterName").then(|| "cluster.name".to_owned())
    }

    fn snippet(&self, name: &str) -> Option<String> {
        let named = |path: &str| path.rsplit('/').next() == Some(name);
        let (path, kind) = self
            .snippets
            .get_key_value(name)
            .or_else(|| self.snippets.iter().find(|(path, _)| named(path)))?;
        Some(match kind {
            Snippet::Go => jinja(path),
            Snippet::Text => path.clone(),
        })
    }
}
