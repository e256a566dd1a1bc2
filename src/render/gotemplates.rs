//! Go templates of a fleet: which files they are, the values they see (as kops reads them), and their faults in this module's words.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value as Json};

use super::{RenderError, Spot, TemplateFault};
use crate::fleet::{Cluster, Fleet, GO_ENDINGS, Source, closest};
use crate::gotemplate::{
    GoFault, Problem, Site, TemplateOptions, TemplateOutput, Templates, Trouble, Value,
};
use crate::model::ClusterName;
use crate::toolbox;
use crate::yaml::{self, Node};

/// Whether a file is a Go template.
pub(super) fn is_go(path: &str) -> bool {
    GO_ENDINGS.iter().any(|e| path.ends_with(e))
}

/// The Go templates of a fleet, and the snippets they can use.
pub(super) struct GoEngine {
    templates: BTreeMap<String, Templates>,
    snippets: Templates,
    /// Snippets that are none in Go's language, by their path below the fleet.
    broken: Arc<BTreeMap<String, GoFault>>,
}

impl GoEngine {
    /// Parses all of them. None for a fleet that has no Go template.
    ///
    /// # Errors
    /// The first fault in a template, or in a snippet whose name says that it is one of Go's.
    pub(super) fn new(fleet: &Fleet) -> Result<Option<Self>, RenderError> {
        let sources = fleet.templates.values().chain(fleet.snippets.values());
        if !sources.into_iter().any(|s| is_go(&s.path)) {
            return Ok(None);
        }
        let mut names: BTreeMap<String, Vec<&Source>> = BTreeMap::new();
        for (name, source) in fleet.snippets.iter().filter(|(n, _)| !n.ends_with(".j2")) {
            let file = name.rsplit('/').next().unwrap_or(name);
            for name in [name.as_str(), file] {
                let files = names.entry(name.to_owned()).or_default();
                if !files.contains(&source) {
                    files.push(source);
                }
            }
        }
        let broken = Arc::new(broken(fleet)?);
        let mut snippets = Templates::new(functions(&names, &broken));
        for (name, files) in &names {
            // A whole path is one file; a bare name that several have names none of them.
            let exact = files.iter().find(|s| s.path == format!("snippets/{name}"));
            if let Some(source) = exact.or(files.first().filter(|_| files.len() == 1))
                && !broken.contains_key(&source.path)
            {
                snippets
                    .parse(name, &source.path, &source.text)
                    .map_err(|f| error(f, None))?;
            }
        }
        let mut templates = BTreeMap::new();
        for source in fleet.templates.values().filter(|s| is_go(&s.path)) {
            let mut set = snippets.clone();
            set.parse(&source.path, &source.path, &source.text)
                .map_err(|f| error(f, None))?;
            templates.insert(source.path.clone(), set);
        }
        for source in fleet.snippets.values() {
            if !broken.contains_key(&source.path) {
                snippets.alias(&source.path, source.path.trim_start_matches("snippets/"));
            }
        }
        Ok(Some(GoEngine {
            templates,
            snippets,
            broken,
        }))
    }

    /// Whether this snippet is one in Go's language too.
    pub(super) fn parses(&self, path: &str) -> bool {
        self.snippets.has(path) && !self.broken.contains_key(path)
    }

    /// Runs a template or a snippet, by its path in the fleet.
    pub(super) fn run(
        &self,
        path: &str,
        dot: &Value,
        trace: bool,
        cluster: &ClusterName,
    ) -> Result<TemplateOutput, RenderError> {
        let set = self.templates.get(path).unwrap_or(&self.snippets);
        let options = TemplateOptions {
            strict: true,
            trace,
            ..TemplateOptions::default()
        };
        set.execute(path, dot, &options)
            .map_err(|fault| error(fault, Some(cluster)))
    }

    /// The fields that a template or snippet reads, dotted.
    pub(super) fn reads(&self, path: &str) -> Vec<String> {
        self.templates
            .get(path)
            .unwrap_or(&self.snippets)
            .reads(path)
    }
}

/// The snippets that cannot be parsed. Those that may be of the other engine are errors only where they are used.
fn broken(fleet: &Fleet) -> Result<BTreeMap<String, GoFault>, RenderError> {
    let mut broken = BTreeMap::new();
    for (name, source) in fleet.snippets.iter().filter(|(n, _)| !n.ends_with(".j2")) {
        let mut alone = Templates::new(toolbox::functions(None));
        if let Err(fault) = alone.parse(name, &source.path, &source.text) {
            if is_go(name) {
                return Err(error(fault, None));
            }
            broken.insert(source.path.clone(), fault);
        }
    }
    Ok(broken)
}

fn no_snippet(name: &str, known: &BTreeMap<String, Vec<String>>) -> Trouble {
    let near = closest(name, known.keys().map(String::as_str));
    let near = near.map(|n| format!("; did you mean `{n}`?"));
    let near = near.unwrap_or_default();
    Trouble::Said(format!("there is no snippet `{name}`{near}"))
}

/// The functions of kops, with an `include` that knows what a fleet's snippets may be called.
fn functions(
    names: &BTreeMap<String, Vec<&Source>>,
    broken: &Arc<BTreeMap<String, GoFault>>,
) -> crate::gotemplate::Functions {
    let paths: BTreeMap<String, Vec<String>> = names
        .iter()
        .map(|(name, files)| (name.clone(), files.iter().map(|s| s.path.clone()).collect()))
        .collect();
    let broken = Arc::clone(broken);
    toolbox::functions(None).with("include", "sm", move |running, a| {
        let name = a.text(0);
        let files = paths.get(name).map(Vec::as_slice).unwrap_or_default();
        let exact = format!("snippets/{name}");
        if files.len() > 1 && !files.contains(&exact) {
            return Err(Trouble::Said(format!(
                "the snippet `{name}` is there more than once: {}; name it by its path below snippets/",
                files.join(", ")
            )));
        }
        if let Some(fault) = files.first().and_then(|path| broken.get(path)) {
            return Err(Trouble::Inside(Box::new(fault.clone())));
        }
        match running.include(name, a.any(1).clone()) {
            Ok(text) => Ok(Value::text(text)),
            Err(Trouble::NoTemplate(name)) => Err(no_snippet(&name, &paths)),
            Err(trouble) => Err(trouble),
        }
    })
}

/// The vars of a cluster as kops would read them from values files: YAML 1.1, numbers as floats when they reach a template.
pub(super) fn scope(fleet: &Fleet, cluster: &Cluster, facts: Json) -> Json {
    let mut scope = Map::new();
    for layer in &cluster.vars.layers {
        if let Json::Object(map) = json(&layer.node) {
            overlay(&mut scope, map);
        }
    }
    if !scope.get("clusterName").is_some_and(Json::is_string) {
        scope.insert("clusterName".into(), cluster.name.as_str().into());
    }
    let clusters: Vec<Json> = fleet.clusters.keys().map(|c| c.as_str().into()).collect();
    scope.insert("cluster".into(), facts);
    scope.insert("fleet".into(), serde_json::json!({"clusters": clusters}));
    Json::Object(scope)
}

fn json(node: &Node) -> Json {
    match &node.value {
        yaml::Value::Scalar(scalar) if scalar.plain => {
            yaml::word_to_yaml_v2(&scalar.text).unwrap_or_else(|| scalar.value.clone())
        }
        yaml::Value::Scalar(scalar) => scalar.value.clone(),
        yaml::Value::List(items) => Json::Array(items.iter().map(json).collect()),
        yaml::Value::Map(entries) => {
            let entries = entries.iter().map(|(key, value)| {
                let word = key
                    .plain
                    .then(|| yaml::word_to_yaml_v2(&key.text))
                    .flatten();
                let name = match word {
                    Some(Json::Bool(b)) => b.to_string(),
                    Some(Json::Number(n)) => n.to_string(),
                    _ => key.text.clone(),
                };
                (name, json(value))
            });
            Json::Object(entries.collect())
        }
    }
}

fn overlay(into: &mut Map<String, Json>, from: Map<String, Json>) {
    for (key, new) in from {
        match (into.get_mut(&key), new) {
            (Some(Json::Object(old)), Json::Object(new)) => overlay(old, new),
            (_, new) => _ = into.insert(key, new),
        }
    }
}

/// The line of the template that made each line of its output.
pub(super) fn lines(output: &TemplateOutput, source: &str) -> Vec<u32> {
    // Where separators were put right, lines may have moved: say nothing rather than something wrong.
    if yaml::separated(&output.text).text.lines().count() != output.text.lines().count() {
        return Vec::new();
    }
    let starts: Vec<usize> = source.match_indices('\n').map(|(i, _)| i).collect();
    let mut found = Vec::new();
    let (mut offset, mut origins) = (0, output.origins.iter().peekable());
    let mut here = (0, 0, true);
    for line in output.text.split_inclusive('\n') {
        let first = line.find(|c: char| !c.is_whitespace()).unwrap_or(0);
        while let Some(next) = origins.next_if(|o| o.0 <= offset + first) {
            here = *next;
        }
        let (at, from, verbatim) = here;
        let place = if verbatim {
            from + (offset + first - at)
        } else {
            from
        };
        let number = starts.partition_point(|start| *start < place) + 1;
        found.push(u32::try_from(number).unwrap_or(u32::MAX));
        offset += line.len();
    }
    found
}

fn error(fault: GoFault, cluster: Option<&ClusterName>) -> RenderError {
    RenderError::Template(Box::new(go_fault(&fault, cluster)))
}

/// A fault of a Go template in the words of this module.
pub fn go_fault(fault: &GoFault, cluster: Option<&ClusterName>) -> TemplateFault {
    let spot = |site: &Site| Spot::of_range(site.name(), site.text(), site.range.clone());
    TemplateFault {
        cluster: cluster.cloned(),
        at: spot(&fault.at),
        message: fault.problem.to_string(),
        included_from: fault.included_from.iter().map(spot).collect(),
        hint: hint(&fault.problem),
    }
}

fn hint(problem: &Problem) -> Option<String> {
    match problem {
        Problem::NoEntry { key, known } => {
            Some(match closest(key, known.iter().map(String::as_str)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!(
                    "set it in the values, or ask with `index . \"{key}\"`, which is null when it is missing"
                ),
            })
        }
        Problem::NoFunction(name) if name.eq_ignore_ascii_case("toYaml") => {
            Some("kops has no `toYaml`; `toJson` writes JSON, which is YAML too".into())
        }
        Problem::NoFunction(name) if name.starts_with('.') || name.is_empty() => None,
        Problem::NoFunction(name) => {
            let functions = toolbox::functions(None);
            closest(name, functions.names()).map(|near| format!("did you mean `{near}`?"))
        }
        Problem::Type {
            wants: "string",
            got,
        } if *got != "null" => Some("`toString` makes a text of anything".into()),
        Problem::Call { why, .. }
            if why.starts_with("incompatible types for comparison: float64 and int") =>
        {
            Some("numbers of YAML are floats: compare with `3.0`, or `(int .x)` with `3`".into())
        }
        Problem::Syntax(_)
        | Problem::NoVariable(_)
        | Problem::FieldOfNull(_)
        | Problem::NoField { .. }
        | Problem::NoTemplate(_)
        | Problem::NotAFunction(_)
        | Problem::Count { .. }
        | Problem::Type { .. }
        | Problem::NoRange(_)
        | Problem::Call { .. }
        | Problem::TooMuch(_)
        | Problem::Other(_) => None,
    }
}

#[cfg(test)]
mod tests;
