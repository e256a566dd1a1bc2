//! The template engine, set up once for a fleet: strict, hermetic, made for YAML. Knows nothing of kops.

use std::collections::BTreeSet;
use std::sync::Arc;

use minijinja::value::Value;
use minijinja::{AutoEscape, Environment, UndefinedBehavior, syntax::SyntaxConfig};
use serde_json::{Value as Json, json};

use super::explain::Explain;
use super::gotemplates::{self, GoEngine, is_go};
use super::names::{NoSnippet, SnippetNames};
use super::trace::{self, Trace};
use super::values::{from_json, print};
use super::{
    RenderError, Rendered, Spot, TemplateFault, breaks, documents, doubling, functions, include,
    influence,
};
use crate::fleet::{Cluster, Fleet, Source, closest};
use crate::gotemplate;
use crate::model::{ClusterName, GroupName};
use crate::yaml::separated;

/// Nesting of blocks, macros and loops in one template.
const RECURSION_LIMIT: usize = 64;

/// Longest tag.
const MAX_TAG: usize = 4_096;

/// Renders the clusters of one fleet.
pub struct Renderer<'f> {
    fleet: &'f Fleet,
    env: Environment<'static>,
    names: Arc<SnippetNames>,
    /// The Go templates, where there are any.
    go: Option<GoEngine>,
    /// `fleet` in every scope.
    everything: Value,
}

impl<'f> Renderer<'f> {
    /// Compiles every template and snippet of the fleet, those that no cluster uses too.
    ///
    /// # Errors
    /// The first syntax error.
    pub fn new(fleet: &'f Fleet) -> Result<Self, RenderError> {
        let names = Arc::new(SnippetNames::of(fleet));
        let mut env = environment(&names);
        let go = GoEngine::new(fleet)?;
        let sources = fleet.templates.values().chain(fleet.snippets.values());
        for source in sources.filter(|s| !is_go(&s.path)) {
            match compile(&mut env, fleet, source) {
                // A snippet of the other language.
                Err(_) if go.as_ref().is_some_and(|go| go.parses(&source.path)) => {}
                compiled => compiled?,
            }
        }
        names.note_simple(fleet, |path| own_variables(&env, path));
        let clusters: Vec<&str> = fleet.clusters.keys().map(ClusterName::as_str).collect();
        let everything = from_json(&json!({"clusters": clusters}));
        Ok(Renderer {
            fleet,
            env,
            names,
            go,
            everything,
        })
    }

    /// One cluster, whose variables are laid out once for everything that is rendered of it.
    ///
    /// # Errors
    /// When the fleet has no such cluster.
    pub fn of(&self, cluster: &ClusterName) -> Result<ClusterRenderer<'_, 'f>, RenderError> {
        let cluster = self.cluster(cluster)?;
        let scope = self.scope(cluster);
        Ok(ClusterRenderer {
            renderer: self,
            cluster,
            variables: self.variables(&scope),
            scope,
        })
    }

    /// Everything a cluster is rendered to.
    ///
    /// # Errors
    /// The first fault in a template or in what it rendered to.
    pub fn render(&self, cluster: &ClusterName) -> Result<Rendered, RenderError> {
        self.of(cluster)?.render()
    }

    /// Which line of which template made each line of the rendered text. Renders a second time, so ask only when it is to be shown.
    ///
    /// # Errors
    /// When the fleet has no such cluster.
    pub fn trace(&self, rendered: &Rendered) -> Result<Trace, RenderError> {
        let cluster = self.cluster(&rendered.cluster)?;
        let mut trace = Trace::default();
        for chunk in &rendered.chunks {
            let text = rendered.text.get(chunk.range.clone()).unwrap_or_default();
            trace.add(
                &chunk.template,
                chunk.first_line,
                self.lines(cluster, &chunk.template, text),
            );
        }
        Ok(trace)
    }

    /// The templates and snippets that read a variable, by their path in the fleet, sorted. `path` is dotted, such as `etcd.main`.
    pub fn readers(&self, path: &str) -> Vec<String> {
        let all = self
            .fleet
            .templates
            .values()
            .chain(self.fleet.snippets.values());
        let mut found: Vec<String> = all
            .filter(|s| self.reads(&s.path, path))
            .map(|s| s.path.clone())
            .collect();
        found.sort();
        found
    }

    /// Whether a template or a snippet reads this path, or something above or below it.
    fn reads(&self, name: &str, path: &str) -> bool {
        if let Some(go) = self
            .go
            .as_ref()
            .filter(|_| self.env.get_template(name).is_err())
        {
            return go
                .reads(name)
                .iter()
                .any(|v| is_below(v, path) || is_below(path, v));
        }
        let variables = self
            .env
            .get_template(name)
            .map(|t| t.undeclared_variables(true))
            .unwrap_or_default();
        variables
            .iter()
            .any(|v| is_below(v, path) || is_below(path, v))
    }

    /// The lines of the rendered text that a var produces. `path` is dotted, such as `etcd.main`; for a map, of everything in it.
    ///
    /// Found by rendering once more with another value. Empty when the var is not there, produces nothing, or decides so much
    /// (the name of a snippet, say) that nothing can be rendered with another value.
    ///
    /// # Errors
    /// When the fleet has no such cluster.
    pub fn lines_of_var(&self, rendered: &Rendered, path: &str) -> Result<Vec<u32>, RenderError> {
        let cluster = self.cluster(&rendered.cluster)?;
        let Some(scope) = influence::changed(&self.scope(cluster), path) else {
            return Ok(Vec::new());
        };
        let context = self.context(&scope);
        let mut lines = Vec::new();
        for chunk in &rendered.chunks {
            let before = rendered.text.get(chunk.range.clone()).unwrap_or_default();
            let after = if is_go(&chunk.template) {
                self.go_run(cluster, &chunk.template, false, Some(path))
                    .map(|o| o.text)
            } else {
                self.text(&chunk.template, cluster, || scope.clone(), &context)
            };
            if let Ok(after) = after {
                let after = separated(&after).text;
                lines.extend(
                    influence::lines(before, &after)
                        .into_iter()
                        .map(|line| chunk.first_line.saturating_add(line).saturating_sub(1)),
                );
            }
        }
        Ok(lines)
    }

    fn templates<'s>(&'s self, cluster: &'s Cluster) -> impl Iterator<Item = &'f Source> + 's {
        cluster
            .templates
            .iter()
            .filter_map(|name| self.fleet.templates.get(name))
    }

    /// The template's line of each line of its output; empty when it cannot be told.
    fn lines(&self, cluster: &Cluster, path: &str, output: &str) -> Vec<u32> {
        let source = self.fleet.templates.values().find(|s| s.path == path);
        if let (Some(source), true) = (source, is_go(path)) {
            let output = self.go_run(cluster, path, true, None);
            return output.map_or_else(|_| Vec::new(), |o| gotemplates::lines(&o, &source.text));
        }
        let text = source.and_then(|s| with_breaks(s).ok());
        let Some(marked) = text.as_deref().and_then(trace::mark) else {
            return Vec::new();
        };
        let context = self.context(&self.scope(cluster));
        let rendered = self
            .env
            .template_from_named_str(path, &marked)
            .and_then(|t| t.render(context));
        let Ok(rendered) = rendered else {
            return Vec::new();
        };
        let (plain, lines) = trace::unmark(&rendered);
        let made = separated(&plain);
        let same = made.text == output || output.strip_suffix('\n') == Some(&made.text);
        if !same {
            // The marks changed what was rendered.
            return Vec::new();
        }
        made.lines
            .iter()
            .map(|at| lines.get(*at).copied().unwrap_or(1))
            .collect()
    }

    fn with_template_line(
        &self,
        cluster: &Cluster,
        outputs: &[(String, String)],
        error: RenderError,
    ) -> RenderError {
        let RenderError::Document(mut fault) = error else {
            return error;
        };
        let (_, chunks) = documents::join(outputs);
        let chunk = chunks.iter().rev().find(|c| c.first_line <= fault.at.line);
        if let Some((chunk, (path, output))) = chunk.and_then(|c| {
            outputs
                .iter()
                .find(|(p, _)| *p == c.template)
                .map(|o| (c, o))
        }) {
            let within = fault.at.line.saturating_sub(chunk.first_line) as usize;
            fault.template_line = self.lines(cluster, path, output).get(within).copied();
        }
        RenderError::Document(fault)
    }

    /// The user data of a new group: see [`ClusterRenderer::user_data`].
    ///
    /// # Errors
    /// A fault in the snippet, or two snippets of that name.
    pub fn user_data(
        &self,
        cluster: &ClusterName,
        group: &GroupName,
        role: &str,
    ) -> Result<Option<String>, RenderError> {
        self.of(cluster)?.user_data(group, role)
    }

    /// The values of Go templates; with a var, of another value for that.
    fn dot(&self, cluster: &Cluster, other: Option<&str>) -> gotemplate::Value {
        if self.go.is_none() {
            return gotemplate::Value::Nil;
        }
        let facts = self.scope(cluster).get("cluster").cloned();
        let scope = gotemplates::scope(self.fleet, cluster, facts.unwrap_or_default());
        let changed = other.and_then(|path| influence::changed(&scope, path));
        gotemplate::Value::from_json(&changed.unwrap_or(scope))
    }

    /// What a Go template prints behind those before it.
    fn go_run(
        &self,
        cluster: &Cluster,
        path: &str,
        trace: bool,
        other: Option<&str>,
    ) -> Result<gotemplate::TemplateOutput, RenderError> {
        let dot = self.dot(cluster, other);
        let mut output = gotemplate::TemplateOutput {
            text: String::new(),
            origins: Vec::new(),
        };
        let Some(go) = &self.go else {
            return Ok(output);
        };
        for source in self.templates(cluster).filter(|s| is_go(&s.path)) {
            output = go.run(
                &source.path,
                &dot,
                trace && source.path == path,
                &cluster.name,
            )?;
            if source.path == path {
                break;
            }
        }
        Ok(output)
    }

    fn cluster(&self, name: &ClusterName) -> Result<&'f Cluster, RenderError> {
        self.fleet
            .clusters
            .get(name)
            .ok_or_else(|| RenderError::UnknownCluster {
                name: name.to_string(),
                near: closest(
                    name.as_str(),
                    self.fleet.clusters.keys().map(ClusterName::as_str),
                )
                .map(str::to_owned),
            })
    }

    /// All vars at top level, and beside them `cluster` and `fleet`.
    fn scope(&self, cluster: &Cluster) -> Json {
        let mut scope = cluster.vars.to_json();
        if let Json::Object(map) = &mut scope {
            let own = json!({
                "name": cluster.name.as_str(),
                "environment": cluster.environment.as_str(),
                "account": cluster.account.as_str(),
                "region": cluster.region.as_str(),
            });
            map.insert("cluster".into(), own);
            // Here for its name; the list itself is as long as the fleet and the same for all, see `context`.
            map.insert("fleet".into(), json!({"clusters": null}));
        }
        scope
    }

    /// The variables of a scope as the engine takes them.
    fn variables(&self, scope: &Json) -> Vec<(String, Value)> {
        let own = scope
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(k, _)| *k != "fleet")
            .map(|(k, v)| (k.clone(), from_json(v)));
        own.chain([("fleet".to_owned(), self.everything.clone())])
            .collect()
    }

    /// The scope as the engine takes it.
    fn context(&self, scope: &Json) -> Value {
        Value::from_pairs(self.variables(scope).into_iter().chain(include::scope()))
    }

    /// What a template prints. `scope` is asked for its names where there is a fault.
    fn text(
        &self,
        path: &str,
        cluster: &Cluster,
        scope: impl Fn() -> Json,
        context: &Value,
    ) -> Result<String, RenderError> {
        let explained = |error: &minijinja::Error| {
            Explain {
                fleet: self.fleet,
                env: &self.env,
                cluster: Some(&cluster.name),
                scope: &scope(),
            }
            .error(error)
        };
        let template = self.env.get_template(path).map_err(|e| explained(&e))?;
        let mut output = Bounded::default();
        let rendered = template
            .render_captured_to(context, &mut output)
            .map(|_| ());
        match rendered {
            Ok(()) => Ok(output.text()),
            Err(_) if output.full => Err(too_long(path, &cluster.name)),
            Err(e) => Err(explained(&e)),
        }
    }
}

/// Renders one cluster.
pub struct ClusterRenderer<'r, 'f> {
    renderer: &'r Renderer<'f>,
    cluster: &'f Cluster,
    scope: Json,
    variables: Vec<(String, Value)>,
}

impl ClusterRenderer<'_, '_> {
    /// Everything the cluster is rendered to.
    ///
    /// # Errors
    /// The first fault in a template or in what it rendered to.
    pub fn render(&self) -> Result<Rendered, RenderError> {
        let (renderer, cluster) = (self.renderer, self.cluster);
        let context = Value::from_pairs(self.variables.iter().cloned().chain(include::scope()));
        // One for all Go templates of the cluster: what one of them sets, the next sees.
        let dot = renderer.dot(cluster, None);
        let mut outputs = Vec::new();
        for source in renderer.templates(cluster) {
            let text = match renderer.go.as_ref().filter(|_| is_go(&source.path)) {
                Some(go) => go.run(&source.path, &dot, false, &cluster.name)?.text,
                None => renderer.text(&source.path, cluster, || self.scope.clone(), &context)?,
            };
            outputs.push((source.path.clone(), separated(&text).text));
        }
        documents::assemble(&cluster.name, &outputs)
            .map_err(|e| renderer.with_template_line(cluster, &outputs, e))
    }

    /// The user data of a new group, from the snippet named `user_data` (with any extension); none when there is no such snippet.
    ///
    /// # Errors
    /// A fault in the snippet, or two snippets of that name.
    pub fn user_data(&self, group: &GroupName, role: &str) -> Result<Option<String>, RenderError> {
        let (renderer, cluster) = (self.renderer, self.cluster);
        let path = match renderer.names.find_stem("user_data") {
            Ok(Some(path)) => path,
            Ok(None) | Err(NoSnippet::Unknown { .. }) => return Ok(None),
            Err(NoSnippet::Ambiguous { files }) => {
                return Err(RenderError::AmbiguousSnippet {
                    name: "user_data".into(),
                    files,
                });
            }
        };
        let group = json!({"name": group.as_str(), "role": role});
        if let Some(go) = renderer
            .go
            .as_ref()
            .filter(|_| renderer.env.get_template(&path).is_err())
        {
            let dot = renderer.dot(cluster, None);
            if let gotemplate::Value::Map(map) = &dot {
                map.set("group", gotemplate::Value::from_json(&group));
            }
            return Ok(Some(go.run(&path, &dot, false, &cluster.name)?.text));
        }
        let others = self.variables.iter().filter(|(name, _)| name != "group");
        let all = others
            .cloned()
            .chain([("group".to_owned(), from_json(&group))])
            .chain(include::scope());
        let scope = || {
            let mut scope = self.scope.clone();
            if let Json::Object(map) = &mut scope {
                map.insert("group".into(), group.clone());
            }
            scope
        };
        renderer
            .text(&path, cluster, scope, &Value::from_pairs(all))
            .map(Some)
    }
}

/// The variables that a template reads at top level.
fn own_variables(env: &Environment<'_>, path: &str) -> Option<BTreeSet<String>> {
    let template = env.get_template(path).ok()?;
    Some(template.undeclared_variables(false).into_iter().collect())
}

/// Whether a path is another one, or lies below it.
fn is_below(a: &str, b: &str) -> bool {
    a == b || a.strip_prefix(b).is_some_and(|rest| rest.starts_with('.'))
}

/// Most bytes that a template may render to: a hundred times a large cluster.
const MAX_OUTPUT: usize = 32 * 1024 * 1024;

/// What a template renders to, as far as it is bounded.
#[derive(Default)]
struct Bounded {
    bytes: Vec<u8>,
    full: bool,
}

impl Bounded {
    fn text(self) -> String {
        // The engine writes whole texts.
        String::from_utf8(self.bytes).unwrap_or_default()
    }
}

impl std::io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.bytes.len().saturating_add(bytes.len()) > MAX_OUTPUT {
            self.full = true;
            return Err(std::io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn too_long(path: &str, cluster: &ClusterName) -> RenderError {
    RenderError::Template(Box::new(TemplateFault {
        cluster: Some(cluster.clone()),
        at: Spot::of_line(path, "", 1),
        message: format!("renders to more than {} MiB", MAX_OUTPUT / 1024 / 1024),
        included_from: Vec::new(),
        hint: None,
    }))
}

/// The text of a template as the engine gets it: the line break behind a tag goes where the tag is alone on its line, and nowhere else.
fn with_breaks(source: &Source) -> Result<String, RenderError> {
    breaks::kept(&source.text).map_err(|tag| {
        RenderError::Template(Box::new(TemplateFault {
            cluster: None,
            at: Spot::of_range(&source.path, &source.text, tag),
            message: "this tag ends a line that has text, and would take its line break along".into(),
            included_from: Vec::new(),
            hint: Some("write a blank before its end (`{% endif %}`): the line break is then kept; `-%}` takes it away".into()),
        }))
    })
}

fn compile(
    env: &mut Environment<'static>,
    fleet: &Fleet,
    source: &Source,
) -> Result<(), RenderError> {
    refuse_long_tag(source)?;
    refuse_doubling(source)?;
    env.add_template_owned(source.path.clone(), with_breaks(source)?)
        .map_err(|e| {
            Explain {
                fleet,
                env,
                cluster: None,
                scope: &Json::Null,
            }
            .error(&e)
        })
}

/// The engine's compiler walks an expression by recursion, and one of thousands of terms would end the process.
fn refuse_long_tag(source: &Source) -> Result<(), RenderError> {
    let Some(start) = trace::long_tag(&source.text, MAX_TAG) else {
        return Ok(());
    };
    Err(RenderError::Template(Box::new(TemplateFault {
        cluster: None,
        at: Spot::of_range(&source.path, &source.text, start..start + 2),
        message: format!("a tag of more than {MAX_TAG} bytes"),
        included_from: Vec::new(),
        hint: Some("put data in vars/ or in a snippet, and read it from there".into()),
    })))
}

/// A text that is added to itself again and again outgrows every machine in a few steps.
fn refuse_doubling(source: &Source) -> Result<(), RenderError> {
    let Some(tag) = doubling::find(&source.text) else {
        return Ok(());
    };
    Err(RenderError::Template(Box::new(TemplateFault {
        cluster: None,
        at: Spot::of_range(&source.path, &source.text, tag),
        message: "this makes a text twice as long each time".into(),
        included_from: Vec::new(),
        hint: Some("a text that is repeated is written `text * 2`, which is bounded".into()),
    })))
}

fn environment(names: &Arc<SnippetNames>) -> Environment<'static> {
    let mut env = Environment::new();
    let mut syntax = SyntaxConfig::builder();
    syntax
        .trim_blocks(true)
        .lstrip_blocks(true)
        .keep_trailing_newline(true);
    // The default delimiters are valid ones, so this does not fail.
    if let Ok(syntax) = syntax.build() {
        env.set_syntax(syntax);
    }
    // Text is YAML, and quoting is the template's business.
    env.set_auto_escape_callback(|_| AutoEscape::None);
    env.set_formatter(print);
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    env.set_fuel(Some(include::FUEL));
    env.set_recursion_limit(RECURSION_LIMIT);
    // For the ranges in errors; what it knows of variables is never printed.
    env.set_debug(true);
    functions::add_all(&mut env);
    include::add(&mut env, names);
    env
}
