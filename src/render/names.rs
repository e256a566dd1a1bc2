//! What a snippet may be called: its path below `snippets/`, or its file name while only one file has it. Reads nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use crate::fleet::{Fleet, closest};

/// Names → files.
#[derive(Clone, Debug, Default)]
pub(super) struct SnippetNames {
    /// Path below `snippets/`, with and without `.j2` → path below the fleet.
    full: BTreeMap<String, BTreeSet<String>>,
    /// File name, with and without `.j2` → paths below the fleet.
    bare: BTreeMap<String, BTreeSet<String>>,
    /// File name without any extension → paths below the fleet.
    stem: BTreeMap<String, BTreeSet<String>>,
    /// What is known of snippets before any is rendered, by path below the fleet.
    simple: OnceLock<BTreeMap<String, Simple>>,
}

/// A snippet that can be included without the whole scope. Most can, and gathering the scope costs more than rendering them.
#[derive(Clone, Debug)]
pub(super) enum Simple {
    /// It has no tags: its text, as it stands.
    Text(String),
    /// It includes nothing itself: the variables it reads.
    Reads(BTreeSet<String>),
}

/// A snippet that is not there, or is there twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NoSnippet {
    Unknown { near: Option<String> },
    Ambiguous { files: Vec<String> },
}

impl SnippetNames {
    /// Notes what is simple, once every snippet is compiled. `reads`: the variables that a compiled snippet reads.
    pub(super) fn note_simple(
        &self,
        fleet: &Fleet,
        reads: impl Fn(&str) -> Option<BTreeSet<String>>,
    ) {
        let simple = fleet.snippets.values().filter_map(|source| {
            let text = &source.text;
            if !["{{", "{%", "{#"].iter().any(|tag| text.contains(tag)) {
                return Some((source.path.clone(), Simple::Text(text.clone())));
            }
            let hands_on = ["include", "import", "extends"]
                .iter()
                .any(|word| text.contains(word));
            if hands_on {
                None
            } else {
                Some((source.path.clone(), Simple::Reads(reads(&source.path)?)))
            }
        });
        self.simple.get_or_init(|| simple.collect());
    }

    /// What makes this snippet simple; none when it is not.
    pub(super) fn simple(&self, path: &str) -> Option<&Simple> {
        self.simple.get().and_then(|s| s.get(path))
    }

    pub(super) fn of(fleet: &Fleet) -> Self {
        let mut names = SnippetNames::default();
        for (name, source) in &fleet.snippets {
            let file = name.rsplit('/').next().unwrap_or(name);
            let stem = file.split('.').next().unwrap_or(file);
            for (map, key) in [(&mut names.full, name.as_str()), (&mut names.bare, file)] {
                for key in [Some(key), key.strip_suffix(".j2")].into_iter().flatten() {
                    map.entry(key.to_owned())
                        .or_default()
                        .insert(source.path.clone());
                }
            }
            names
                .stem
                .entry(stem.to_owned())
                .or_default()
                .insert(source.path.clone());
        }
        names
    }

    /// The file, relative to the fleet.
    pub(super) fn find(&self, name: &str) -> Result<String, NoSnippet> {
        let exact = format!("snippets/{name}");
        if self
            .full
            .get(name)
            .is_some_and(|files| files.contains(&exact))
        {
            return Ok(exact);
        }
        match self.full.get(name).or_else(|| self.bare.get(name)) {
            Some(files) => one(files),
            None => Err(NoSnippet::Unknown {
                near: closest(
                    name,
                    self.full.keys().chain(self.bare.keys()).map(String::as_str),
                )
                .map(str::to_owned),
            }),
        }
    }

    /// The file whose name without extensions is `stem`.
    pub(super) fn find_stem(&self, stem: &str) -> Result<Option<String>, NoSnippet> {
        self.stem.get(stem).map(one).transpose()
    }
}

fn one(files: &BTreeSet<String>) -> Result<String, NoSnippet> {
    match (files.len(), files.first()) {
        (1, Some(file)) => Ok(file.clone()),
        _ => Err(NoSnippet::Ambiguous {
            files: files.iter().cloned().collect(),
        }),
    }
}
