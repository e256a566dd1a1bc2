//! Rendered texts → one text and its documents, each checked to mean the same to every reader. Knows nothing of kops.

use std::collections::BTreeMap;

use super::rendered::Chunk;
use super::{DocumentFault, RenderError, Rendered, RenderedDocument, Spot};
use crate::model::{ClusterName, is_configuration};
use crate::yaml::{Document, Node, Pos, Schema, Value, ambiguity, parse_from};

/// Joins the outputs of the templates (file, text) and reads what they say.
pub(super) fn assemble(
    cluster: &ClusterName,
    outputs: &[(String, String)],
) -> Result<Rendered, RenderError> {
    let (text, chunks) = join(outputs);
    let mut rendered = Rendered {
        cluster: cluster.clone(),
        text,
        documents: Vec::new(),
        chunks,
    };
    let check = Check {
        rendered: &rendered,
    };
    let mut documents = Vec::new();
    for chunk in &rendered.chunks {
        documents.extend(check.chunk(chunk)?);
    }
    check.unique(&documents)?;
    rendered.documents = documents;
    Ok(rendered)
}

/// The whole text, with a line break at the end of every output and `---` between two. The separators inside of the outputs are plain already;
/// an output of comments alone goes along with the document before or after it, as kops refuses a section without a document.
pub(super) fn join(outputs: &[(String, String)]) -> (String, Vec<Chunk>) {
    let mut text = String::new();
    let mut chunks = Vec::new();
    let mut document = false;
    for (template, output) in outputs
        .iter()
        .filter(|(_, output)| !output.trim().is_empty())
    {
        let bare = output.strip_prefix("---\n");
        let holds = bare.unwrap_or(output).lines().any(|l| {
            let line = l.trim_start();
            !line.is_empty() && !line.starts_with('#')
        });
        if document && holds && bare.is_none() {
            text.push_str("---\n");
        }
        let start = text.len();
        // Behind comments alone, a separator of its own would make them a section.
        let alone = !document && !text.is_empty() || !holds;
        match bare {
            Some(bare) if alone => {
                text.push_str("#\n");
                text.push_str(bare);
            }
            Some(_) | None => text.push_str(output),
        }
        if !text.ends_with('\n') {
            text.push('\n');
        }
        document |= holds;
        let first_line =
            u32::try_from(text.get(..start).unwrap_or_default().matches('\n').count() + 1)
                .unwrap_or(u32::MAX);
        chunks.push(Chunk {
            template: template.clone(),
            first_line,
            range: start..text.len(),
        });
    }
    (text, chunks)
}

/// Where each line begins.
fn line_starts(text: &str) -> Vec<usize> {
    let ends = text.match_indices('\n').map(|(at, _)| at + 1);
    std::iter::once(0).chain(ends).collect()
}

struct Check<'r> {
    rendered: &'r Rendered,
}

impl Check<'_> {
    fn chunk(&self, chunk: &Chunk) -> Result<Vec<RenderedDocument>, RenderError> {
        // Each output is parsed by itself, so that an open quote is reported where it is and not in the next template.
        let text = self.rendered.text.get(chunk.range.clone());
        let parsed = parse_from(text.unwrap_or_default(), Schema::Core, chunk.first_line)
            .map_err(|e| self.fault(e.pos, 1, e.message, None, None))?;
        let starts: Vec<u32> = parsed.iter().map(|d| d.first_line).collect();
        let lines = line_starts(text.unwrap_or_default());
        let mut documents = Vec::new();
        for (i, document) in parsed.into_iter().enumerate() {
            if document.root.is_null() {
                continue;
            }
            self.readers_agree(&document.root)?;
            let from = if i == 0 {
                chunk.first_line
            } else {
                document.first_line
            };
            let text_range = self.bytes(chunk, &lines, from, starts.get(i + 1).copied());
            documents.push(self.document(chunk, document, text_range)?);
        }
        Ok(documents)
    }

    /// The bytes from line `from` to before line `to`, a first line that is only `---` left out. `lines`: where the lines of the chunk begin.
    fn bytes(
        &self,
        chunk: &Chunk,
        lines: &[usize],
        from: u32,
        to: Option<u32>,
    ) -> std::ops::Range<usize> {
        let text = &self.rendered.text;
        let start_of = |line: u32| {
            let skip = line.saturating_sub(chunk.first_line) as usize;
            let inside = lines.get(skip).copied();
            inside.map_or(chunk.range.end, |inside| chunk.range.start + inside)
        };
        let start = start_of(from);
        let end = to.map_or(chunk.range.end, start_of).max(start);
        let own = text.get(start..end).unwrap_or_default();
        let marker = own
            .split_inclusive('\n')
            .next()
            .filter(|l| l.trim_end() == "---")
            .map_or(0, str::len);
        start + marker..end
    }

    fn document(
        &self,
        chunk: &Chunk,
        document: Document,
        text_range: std::ops::Range<usize>,
    ) -> Result<RenderedDocument, RenderError> {
        let root = &document.root;
        self.ensure_mapping(root)?;
        let version = self.text_at(root, &["apiVersion"])?;
        let kind = self.text_at(root, &["kind"])?;
        let name = if is_configuration(&version) && root.get("metadata").is_none() {
            String::new()
        } else {
            self.text_at(root, &["metadata", "name"])?
        };
        let namespace = root
            .at(["metadata", "namespace"])
            .and_then(Node::as_str)
            .map(str::to_owned);
        Ok(RenderedDocument {
            kind,
            name,
            namespace,
            template: chunk.template.clone(),
            document,
            text_range,
        })
    }

    fn ensure_mapping(&self, root: &Node) -> Result<(), RenderError> {
        if matches!(root.value, Value::Map(_)) {
            return Ok(());
        }
        let message = format!("a document is a mapping, and this is {}", root.kind());
        let hint = "a template yields whole documents, with apiVersion, kind and metadata";
        Err(self.fault(root.pos, 1, message, None, Some(hint.into())))
    }

    fn text_at(&self, root: &Node, path: &[&str]) -> Result<String, RenderError> {
        let dotted = path.join(".");
        match root.at(path.iter().copied()) {
            Some(node) => match node.as_str().filter(|s| !s.is_empty()) {
                Some(text) => Ok(text.to_owned()),
                None => {
                    let message =
                        format!("`{dotted}` has to be a string, and this is {}", node.kind());
                    Err(self.fault(node.pos, 1, message, None, Some("quote it".into())))
                }
            },
            None => {
                let kind = root.get("kind").and_then(Node::as_str);
                let what = kind.map_or_else(|| "this document".to_owned(), |k| format!("this {k}"));
                let nearest = path
                    .first()
                    .and_then(|key| root.entry(key))
                    .map_or(root.pos, |(key, _)| key.pos);
                Err(self.fault(nearest, 1, format!("{what} has no `{dotted}`"), None, None))
            }
        }
    }

    /// No plain word that one reader takes for text and another for a boolean, a date or another number.
    fn readers_agree(&self, node: &Node) -> Result<(), RenderError> {
        match &node.value {
            Value::Scalar(scalar) if scalar.plain => self.word(&scalar.text, node.pos),
            Value::Scalar(_) => Ok(()),
            Value::List(items) => items.iter().try_for_each(|item| {
                self.one_item(item)?;
                self.readers_agree(item)
            }),
            Value::Map(entries) => entries.iter().try_for_each(|(key, value)| {
                if key.plain {
                    self.word(&key.text, key.pos)?;
                }
                self.readers_agree(value)
            }),
        }
    }

    /// No item of a list that is two: a template that prints several in one line, by a loop, a macro or variables, leaves the second one's indentation
    /// and dash in the text of the first.
    fn one_item(&self, item: &Node) -> Result<(), RenderError> {
        let Value::Scalar(scalar) = &item.value else {
            return Ok(());
        };
        let is_two = |(_, rest): (&str, &str)| !rest.trim_start().is_empty();
        if !scalar.plain || !scalar.text.split_once("  - ").is_some_and(is_two) {
            return Ok(());
        }
        Err(self.fault(
            item.pos,
            scalar.text.chars().count(),
            format!("`{}` looks like two items of a list in one line", scalar.text),
            None,
            Some("print a line break after each item; a text that has blanks and a dash in it stands in quotes".into()),
        ))
    }

    fn word(&self, text: &str, pos: Pos) -> Result<(), RenderError> {
        match ambiguity(text) {
            None => Ok(()),
            Some(why) => {
                let hint = format!(
                    "quote it (\"{text}\" or `| quote`), or write what is meant in a way that all readers share"
                );
                Err(self.fault(
                    pos,
                    text.chars().count(),
                    format!("`{text}` {}", why.reason()),
                    None,
                    Some(hint),
                ))
            }
        }
    }

    fn unique(&self, documents: &[RenderedDocument]) -> Result<(), RenderError> {
        let mut seen: BTreeMap<(&str, Option<&str>, &str), &RenderedDocument> = BTreeMap::new();
        for document in documents {
            let key = (
                document.kind.as_str(),
                document.namespace.as_deref(),
                document.name.as_str(),
            );
            if let Some(first) = seen.insert(key, document) {
                let name = Some(&document.name).filter(|n| !n.is_empty());
                let name = name.map_or_else(String::new, |n| format!(" `{n}`"));
                let message = format!("the {}{name} is rendered twice", document.kind);
                let spot = Spot::of_pos(&first.template, &self.rendered.text, name_pos(first), 1);
                let hint = Some("give one of them another name, or remove it".into());
                return Err(self.fault(
                    name_pos(document),
                    document.name.chars().count(),
                    message,
                    Some(spot),
                    hint,
                ));
            }
        }
        Ok(())
    }

    fn fault(
        &self,
        pos: Pos,
        width: usize,
        message: impl Into<String>,
        first: Option<Spot>,
        hint: Option<String>,
    ) -> RenderError {
        let template = self.rendered.origin(pos.line).unwrap_or_default();
        RenderError::Document(Box::new(DocumentFault {
            cluster: self.rendered.cluster.clone(),
            at: Spot::of_pos(template, &self.rendered.text, pos, width),
            template_line: None,
            message: message.into(),
            first,
            hint,
        }))
    }
}

fn name_pos(d: &RenderedDocument) -> Pos {
    d.document
        .root
        .at(["metadata", "name"])
        .map_or(d.document.root.pos, |n| n.pos)
}
