//! The files of the fleet that write what kops refuses. Renders one cluster; writes nothing.

use crate::cli::lint_fix::var;
use crate::cli::pipeline::release;
use crate::fleet::{self, Cluster};
use crate::kops::{field_line, fields_in};
use crate::render::{Rendered, RenderedDocument, Renderer, Trace};
use crate::report::{RefusedField, refused_text};
use crate::run::RefusedByKops;

/// Where they write it, in words.
pub(super) fn written(refused: &RefusedByKops) -> String {
    let first = refused.documents.first().map_or("", String::as_str);
    found(refused).unwrap_or_else(|| refused_text(first, None, &[]))
}

/// None: the files have changed since, or cannot be read.
fn found(refused: &RefusedByKops) -> Option<String> {
    let fleet = fleet::load(&refused.folder).ok()?;
    if release(&fleet) != refused.release {
        return None;
    }
    let cluster = fleet.clusters.get(&refused.cluster)?;
    let renderer = Renderer::new(&fleet).ok()?;
    let rendered = renderer.render(&cluster.name).ok()?;
    let sources = FieldSources {
        trace: renderer.trace(&rendered).unwrap_or_default(),
        cluster,
        renderer: &renderer,
        rendered: &rendered,
    };
    let fields = fields_in(&refused.words);
    let document = meant(&rendered, &refused.documents, &fields)?;
    let file = format!("rendered/{}/manifests.yaml", cluster.name);
    let fields: Vec<RefusedField> = fields
        .into_iter()
        .map(|field| sources.field(document, field))
        .collect();
    Some(refused_text(&document.key(), Some(&file), &fields))
}

/// Where the documents are several, the one that has what kops names.
fn meant<'r>(
    rendered: &'r Rendered,
    keys: &[String],
    fields: &[String],
) -> Option<&'r RenderedDocument> {
    let of_key = |key: &String| rendered.documents.iter().find(|d| d.key() == *key);
    let has_all = |document: &&RenderedDocument| {
        let line = |field: &String| field_line(&document.document, field).is_whole;
        !fields.is_empty() && fields.iter().all(line)
    };
    let mut documents = keys.iter().filter_map(of_key);
    documents.clone().find(has_all).or_else(|| documents.next())
}

/// What the lines of one cluster come from.
struct FieldSources<'a> {
    cluster: &'a Cluster,
    renderer: &'a Renderer<'a>,
    rendered: &'a Rendered,
    trace: Trace,
}

impl FieldSources<'_> {
    fn field(&self, document: &RenderedDocument, field: String) -> RefusedField {
        let found = field_line(&document.document, &field);
        let traced = self.trace.line(found.line);
        RefusedField {
            field,
            is_written: found.is_whole,
            line: found.line,
            template: traced.map(|l| format!("{}:{}", l.template, l.line)),
            var: found.is_whole.then(|| self.var(found.line)).flatten(),
        }
    }

    /// The one var that makes a line.
    fn var(&self, number: u32) -> Option<String> {
        let index = usize::try_from(number.checked_sub(1)?).ok()?;
        let text = self.rendered.text.lines().nth(index)?;
        let mut leaves = Vec::new();
        var::leaves(Vec::new(), &self.cluster.vars.merged(), &mut leaves);
        let mut makers = leaves.iter().filter(|(keys, leaf)| {
            let value = leaf.to_json();
            let shown = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            let lines = || self.renderer.lines_of_var(self.rendered, &keys.join("."));
            text.contains(&shown) && lines().is_ok_and(|lines| lines.contains(&number))
        });
        match (makers.next(), makers.next()) {
            (Some((_, leaf)), None) => Some(leaf.origin.to_string()),
            _ => None,
        }
    }
}
