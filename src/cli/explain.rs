//! `kfleet explain`: where a value or a document comes from. Renders the cluster, some inputs changed, and looks what becomes of it; writes nothing.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::args::{Arguments, ExplainArguments};
use super::failure::Failure;
use super::formats::ViewFormat;
use super::output::Output;
use super::{Exit, given};
use crate::fleet::{self, Cluster, Fleet, Layer, MergedValue, Overridden, Source, closest};
use crate::render::{Rendered, RenderedDocument, Renderer};
use crate::report::{self, DocumentStory, Replaced, ValueStory, VarInput, WrittenLine};
use crate::yaml::{self, Schema};

pub(super) fn run(
    arguments: &Arguments,
    command: &ExplainArguments,
    output: &Output,
) -> Result<Exit, Failure> {
    let machine = command.format == ViewFormat::Json;
    let fleet = fleet::load(&arguments.directory)?;
    let name = given::meant(&fleet.clusters.keys().collect(), &command.cluster)?;
    let Some(cluster) = fleet.clusters.get(&name) else {
        return Err(Failure::new(format!("the fleet has no cluster `{name}`")));
    };
    let renderer = Renderer::new(&fleet)?;
    let rendered = renderer.render(&cluster.name)?;
    let file = format!("rendered/{}/manifests.yaml", cluster.name);
    let scene = Scene {
        fleet: &fleet,
        cluster,
        renderer: &renderer,
        rendered: &rendered,
    };
    let (text, value) = match (&command.path, &command.doc) {
        (_, Some(document)) => {
            let story = scene.document(document)?;
            (report::document_text(&story, &file), json(&story))
        }
        (Some(path), None) => {
            let stories = scene.values(path)?;
            (report::values_text(&stories, &file), json(&stories))
        }
        (None, None) => {
            return Err(Failure::new("nothing to explain")
                .hint("name a var, or a document with --doc KIND/NAME"));
        }
    };
    if machine {
        let value =
            json!({"version": 1, "cluster": cluster.name, "rendered": file, "explained": value});
        output.result(&format!("{value:#}\n"))?;
    } else {
        output.result(&text)?;
    }
    Ok(Exit::Good)
}

fn json(value: &impl serde::Serialize) -> Json {
    // Our own structs of strings, numbers and lists always serialise.
    serde_json::to_value(value).unwrap_or_default()
}

/// One cluster of a fleet, rendered.
struct Scene<'a> {
    fleet: &'a Fleet,
    cluster: &'a Cluster,
    renderer: &'a Renderer<'a>,
    rendered: &'a Rendered,
}

impl Scene<'_> {
    /// The value at `path`; for a map, everything in it.
    fn values(&self, path: &str) -> Result<Vec<ValueStory>, Failure> {
        if let Some(story) = self.fact(path)? {
            return Ok(vec![story]);
        }
        let merged = self.cluster.vars.merged();
        let found = find(&merged, path).map_err(|(walked, at)| self.unknown(path, walked, at))?;
        let mut leaves = Vec::new();
        collect(Leaf::new(path, found), &mut leaves);
        leaves.iter().map(|leaf| self.story(leaf)).collect()
    }

    fn story(&self, leaf: &Leaf<'_>) -> Result<ValueStory, Failure> {
        let Leaf { path, value, .. } = leaf;
        let replaced = leaf.replaced().map(|o| Replaced {
            value: o.value.clone(),
            set_in: o.origin.to_string(),
        });
        Ok(ValueStory {
            path: path.clone(),
            value: value.to_json(),
            set_in: value.origin.to_string(),
            overrode: replaced.collect(),
            read_by: self.readers(path),
            writes: self.writes(path)?,
        })
    }

    /// The templates of this cluster that read `path`, and the snippets.
    fn readers(&self, path: &str) -> Vec<String> {
        let others: BTreeSet<&String> = self
            .fleet
            .templates
            .iter()
            .filter(|(n, _)| !self.cluster.templates.contains(n))
            .map(|(_, s)| &s.path)
            .collect();
        self.renderer
            .readers(path)
            .into_iter()
            .filter(|r| !others.contains(r))
            .collect()
    }

    fn writes(&self, path: &str) -> Result<Vec<WrittenLine>, Failure> {
        let numbers: BTreeSet<u32> = self
            .renderer
            .lines_of_var(self.rendered, path)?
            .into_iter()
            .collect();
        let lines = (1..)
            .zip(self.rendered.text.lines())
            .filter(|(n, _)| numbers.contains(n));
        Ok(lines
            .map(|(line, text)| WrittenLine {
                line,
                text: text.to_owned(),
            })
            .collect())
    }

    /// What templates find under `cluster`: it comes from the cluster's own file.
    fn fact(&self, path: &str) -> Result<Option<ValueStory>, Failure> {
        let Some(key) = path.strip_prefix("cluster.") else {
            return Ok(None);
        };
        let cluster = self.cluster;
        let value = fact_of(self.cluster, key)?;
        let text = std::fs::read_to_string(self.fleet.root.join(&cluster.file)).unwrap_or_default();
        let line = yaml::parse_one(&text, Schema::Core)
            .ok()
            .and_then(|node| node.get(key).map(|n| n.pos.line));
        Ok(Some(ValueStory {
            path: path.to_owned(),
            value: value.into(),
            set_in: line.map_or_else(
                || cluster.file.clone(),
                |line| format!("{}:{line}", cluster.file),
            ),
            overrode: Vec::new(),
            read_by: self.readers(path),
            writes: self.writes(path)?,
        }))
    }

    /// `walked`: how much of the path, in bytes, is there; `at`: what is there.
    fn unknown(&self, path: &str, walked: usize, at: &MergedValue) -> Failure {
        let failure = Failure::new(format!("{} has no var `{path}`", self.cluster.name));
        let (before, rest) = path.split_at_checked(walked).unwrap_or(("", path));
        let keys: Vec<&str> = at.entries().iter().map(|(k, _)| k.as_str()).collect();
        let near = closest(rest.split('.').next().unwrap_or(rest), keys.iter().copied());
        match (near, keys.as_slice()) {
            (Some(near), _) => failure.hint(format!("did you mean `{before}{near}`?")),
            (None, []) => failure.hint(format!(
                "`{}` is one value, set as a whole: explain that",
                before.trim_end_matches('.')
            )),
            (None, keys) => failure.hint(format!("there are {}", keys.join(", "))),
        }
    }

    fn document(&self, name: &str) -> Result<DocumentStory, Failure> {
        let all = &self.rendered.documents;
        let Some(document) = all
            .iter()
            .find(|d| d.key() == name || format!("{}/{}", d.kind, d.name) == name)
        else {
            let keys: Vec<String> = all.iter().map(RenderedDocument::key).collect();
            let near = closest(name, keys.iter().map(String::as_str))
                .map(|n| format!("did you mean `{n}`?"));
            let hint = near.unwrap_or_else(|| format!("there are {}", keys.join(", ")));
            return Err(
                Failure::new(format!("{} has no document `{name}`", self.cluster.name)).hint(hint),
            );
        };
        let text = &self.rendered.text;
        let range = &document.text_range;
        let snippets = self.snippets(document);
        Ok(DocumentStory {
            document: document.key(),
            template: document.template.clone(),
            lines: (line_of(text, range.start) + 1, line_of(text, range.end)),
            vars: self.inputs(document, &snippets),
            snippets,
        })
    }

    /// The vars without which the document would be another one.
    fn inputs(&self, document: &RenderedDocument, snippets: &[String]) -> Vec<VarInput> {
        let merged = self.cluster.vars.merged();
        let mut leaves = Vec::new();
        collect(Leaf::new("", &merged), &mut leaves);
        let depends =
            |leaf: &Leaf<'_>| match self.with(|fleet| change_var(fleet, self.cluster, leaf)) {
                Some(other) => self.differs(document, &other),
                // Nothing can be rendered with another value: what reads it depends on it.
                None => self
                    .renderer
                    .readers(&leaf.path)
                    .iter()
                    .any(|r| *r == document.template || snippets.contains(r)),
            };
        let found = leaves.into_iter().filter(depends);
        found
            .map(|leaf| VarInput {
                path: leaf.path,
                set_in: leaf.value.origin.to_string(),
            })
            .collect()
    }

    /// The snippets without which the document would be another one.
    fn snippets(&self, document: &RenderedDocument) -> Vec<String> {
        let template = self
            .fleet
            .templates
            .values()
            .find(|s| s.path == document.template);
        // What breaks when it changes is used, and by this template when it says the name.
        let says = |file: &str| {
            template.is_some_and(|t| t.text.contains(file.split('.').next().unwrap_or(file)))
        };
        let depends =
            |name: &str, source: &Source| match self.with(|fleet| change_snippet(fleet, name)) {
                Some(other) => self.differs(document, &other),
                None => says(source.path.rsplit('/').next().unwrap_or_default()),
            };
        self.fleet
            .snippets
            .iter()
            .filter(|(name, source)| depends(name, source))
            .map(|(_, source)| source.path.clone())
            .collect()
    }

    fn differs(&self, document: &RenderedDocument, other: &Rendered) -> bool {
        let own = document.key();
        let same = other.documents.iter().find(|d| d.key() == own);
        same.is_none_or(|d| other.text_of(d) != self.rendered.text_of(document))
    }

    /// The cluster rendered from a changed fleet; none when that cannot be.
    fn with(&self, change: impl FnOnce(&mut Fleet)) -> Option<Rendered> {
        let mut fleet = self.fleet.clone();
        change(&mut fleet);
        Renderer::new(&fleet)
            .and_then(|r| r.render(&self.cluster.name))
            .ok()
    }
}

/// The line, from 0, of a place in a text.
fn line_of(text: &str, at: usize) -> u32 {
    let before = text.get(..at).unwrap_or_default();
    u32::try_from(before.matches('\n').count()).unwrap_or(u32::MAX)
}

/// What the file of a cluster says under this key.
fn fact_of<'c>(cluster: &'c Cluster, key: &str) -> Result<&'c str, Failure> {
    Ok(match key {
        "name" => cluster.name.as_str(),
        "environment" => cluster.environment.as_str(),
        "account" => cluster.account.as_str(),
        "region" => cluster.region.as_str(),
        _ => {
            let near = closest(key, ["name", "environment", "account", "region"])
                .map(|n| format!("did you mean `cluster.{n}`?"));
            return Err(Failure::new(format!("a cluster has no `{key}`")).hints(near));
        }
    })
}

/// A value, and what it stands below.
struct Leaf<'v> {
    path: String,
    keys: Vec<&'v str>,
    value: &'v MergedValue,
    /// What the maps around it replaced.
    around: Vec<&'v Overridden>,
}

impl<'v> Leaf<'v> {
    fn new(path: &str, value: &'v MergedValue) -> Self {
        Leaf {
            path: path.to_owned(),
            keys: Vec::new(),
            value,
            around: Vec::new(),
        }
    }

    fn below(&self, key: &'v str, value: &'v MergedValue) -> Self {
        let path = if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        };
        let around = self
            .around
            .iter()
            .copied()
            .chain(&self.value.overrode)
            .collect();
        Leaf {
            path,
            keys: self.keys.iter().copied().chain([key]).collect(),
            value,
            around,
        }
    }

    /// What it replaced, the nearest first.
    fn replaced(&self) -> impl Iterator<Item = &'v Overridden> {
        self.value
            .overrode
            .iter()
            .rev()
            .chain(self.around.iter().copied().rev())
    }
}

/// What a dotted path names; a key may itself have dots. Otherwise the end of what there is (in bytes of the path), and what is there.
fn find<'v>(at: &'v MergedValue, path: &str) -> Result<&'v MergedValue, (usize, &'v MergedValue)> {
    if let Some(value) = at.get(path) {
        return Ok(value);
    }
    let mut farthest = (0, at);
    for (dot, _) in path.match_indices('.') {
        let (Some(next), Some(rest)) = (
            path.get(..dot).and_then(|key| at.get(key)),
            path.get(dot + 1..),
        ) else {
            continue;
        };
        match find(next, rest) {
            Ok(value) => return Ok(value),
            Err((walked, value)) => farthest = (dot + 1 + walked, value),
        }
    }
    Err(farthest)
}

/// Every value at or below `from` that is no map, or an empty one.
fn collect<'v>(from: Leaf<'v>, into: &mut Vec<Leaf<'v>>) {
    match from.value.entries() {
        [] => into.push(from),
        entries => entries
            .iter()
            .for_each(|(key, value)| collect(from.below(key, value), into)),
    }
}

/// A layer over all others, with another value of the same type.
fn change_var(fleet: &mut Fleet, cluster: &Cluster, leaf: &Leaf<'_>) {
    let value = leaf.keys.iter().rev().fold(
        other(&leaf.value.to_json()),
        |value, key| json!({*key: value}),
    );
    if let (Some(cluster), Ok(node)) = (
        fleet.clusters.get_mut(&cluster.name),
        yaml::parse_one(&yaml::emit(&value), Schema::Core),
    ) {
        cluster.vars.layers.push(Arc::new(Layer {
            path: "changed".into(),
            node,
        }));
    }
}

fn other(value: &Json) -> Json {
    match value {
        Json::Null => json!("changed"),
        Json::Bool(b) => json!(!b),
        Json::Number(n) => n
            .as_i64()
            .map_or_else(|| json!(0), |n| json!(n.wrapping_add(1))),
        Json::String(s) => json!(format!("{s}x")),
        Json::Array(items) => Json::Array(items.iter().map(other).collect()),
        Json::Object(map) => Json::Object(map.iter().map(|(k, v)| (k.clone(), other(v))).collect()),
    }
}

/// Every line of a snippet that can write something, written a little differently.
fn change_snippet(fleet: &mut Fleet, name: &str) {
    let Some(source) = fleet.snippets.get_mut(name) else {
        return;
    };
    let silent = |line: &str| {
        line.is_empty() || line.starts_with('#') || line.starts_with("{#") || line.starts_with("{%")
    };
    let change = |line: &str| {
        if silent(line.trim()) {
            format!("{line}\n")
        } else {
            format!("{line}x\n")
        }
    };
    source.text = source.text.lines().map(change).collect();
}
