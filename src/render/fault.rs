//! What can go wrong in rendering, with the source line and a caret. Holds no values of variables, but for the rendered line that is no good YAML.

use std::fmt;

use crate::model::ClusterName;

/// A fault in rendering.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// The fleet has no such cluster.
    #[error("no cluster is named `{name}`")]
    UnknownCluster {
        name: String,
        /// The one that was probably meant.
        near: Option<String>,
    },
    /// Several snippets could be meant.
    #[error("the snippet `{name}` is there more than once: {}", .files.join(", "))]
    AmbiguousSnippet { name: String, files: Vec<String> },
    /// A fault in a template or snippet.
    #[error("{0}")]
    Template(Box<TemplateFault>),
    /// A fault in what the templates rendered to.
    #[error("{0}")]
    Document(Box<DocumentFault>),
}

impl RenderError {
    /// What to do about it, when that can be said.
    pub fn hint(&self) -> Option<String> {
        match self {
            RenderError::UnknownCluster { near, .. } => {
                near.as_ref().map(|n| format!("did you mean `{n}`?"))
            }
            RenderError::AmbiguousSnippet { .. } => Some("keep one of them".into()),
            RenderError::Template(fault) => fault.hint.clone(),
            RenderError::Document(fault) => fault.hint.clone(),
        }
    }
}

/// A place in a text, with the line itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spot {
    /// The file, relative to the fleet.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
    /// How many characters are meant, at least 1.
    pub width: usize,
    /// The line.
    pub text: String,
}

impl Spot {
    /// The place of the bytes `range` of `text`.
    pub(super) fn of_range(file: &str, text: &str, range: std::ops::Range<usize>) -> Self {
        let start = (0..=range.start.min(text.len()))
            .rev()
            .find(|i| text.is_char_boundary(*i))
            .unwrap_or_default();
        let before = text.get(..start).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |i| i + 1);
        let line = text
            .get(line_start..)
            .and_then(|t| t.lines().next())
            .unwrap_or_default();
        let column = before.get(line_start..).unwrap_or_default().chars().count();
        let meant = text
            .get(start..range.end.min(text.len()))
            .and_then(|t| t.lines().next())
            .unwrap_or_default();
        let number = before.matches('\n').count() + 1;
        Spot {
            file: file.to_owned(),
            line: count(number),
            column: count(column + 1),
            width: meant.chars().count().max(1),
            text: line.to_owned(),
        }
    }

    /// The whole of a line.
    pub(super) fn of_line(file: &str, text: &str, line: u32) -> Self {
        let content = text
            .lines()
            .nth(line.saturating_sub(1) as usize)
            .unwrap_or_default();
        let indent = content.chars().take_while(|c| c.is_whitespace()).count();
        let width = content.trim().chars().count().max(1);
        Spot {
            file: file.to_owned(),
            line,
            column: count(indent + 1),
            width,
            text: content.to_owned(),
        }
    }

    /// A position in a line.
    pub(super) fn of_pos(file: &str, text: &str, pos: crate::yaml::Pos, width: usize) -> Self {
        let content = text
            .lines()
            .nth(pos.line.saturating_sub(1) as usize)
            .unwrap_or_default();
        let rest = content
            .chars()
            .count()
            .saturating_sub(pos.column.saturating_sub(1) as usize);
        Spot {
            file: file.to_owned(),
            line: pos.line,
            column: pos.column,
            width: width.min(rest).max(1),
            text: content.to_owned(),
        }
    }

    /// The line with a caret below it.
    fn excerpt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.line.to_string();
        let gutter = " ".repeat(number.len());
        // Tabs stay tabs in the padding, so that the caret stands where the eye looks.
        let taken = self
            .text
            .chars()
            .take(self.column.saturating_sub(1) as usize);
        let pad: String = taken.map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
        write!(
            f,
            "\n{gutter} |\n{number} | {}\n{gutter} | {pad}{}",
            self.text,
            "^".repeat(self.width)
        )
    }
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// A fault in a template or snippet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateFault {
    /// The cluster that was rendered; none: the fault is there for every cluster.
    pub cluster: Option<ClusterName>,
    /// The place that is shown with its line.
    pub at: Spot,
    /// Without values of variables.
    pub message: String,
    /// The places that included the file of the fault, innermost first.
    pub included_from: Vec<Spot>,
    /// What to do about it.
    pub hint: Option<String>,
}

impl fmt::Display for TemplateFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.message)?;
        self.at.excerpt(f)?;
        for same in self.included_from.chunk_by(|a, b| a == b) {
            if let Some(spot) = same.first() {
                write!(f, "\n  = included from {spot}")?;
            }
            if same.len() > 1 {
                write!(f, " ({} times)", same.len())?;
            }
        }
        match &self.cluster {
            Some(cluster) => write!(f, "\n  = rendering {cluster}"),
            None => Ok(()),
        }
    }
}

/// A fault in rendered text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentFault {
    /// The cluster that was rendered.
    pub cluster: ClusterName,
    /// Where in the rendered text; the file is the template that made the line.
    pub at: Spot,
    /// The line of the template that made it, when that could be found out.
    pub template_line: Option<u32>,
    /// Without values of variables.
    pub message: String,
    /// The other place, when it takes two.
    pub first: Option<Spot>,
    /// What to do about it.
    pub hint: Option<String>,
}

impl fmt::Display for DocumentFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Spot {
            file, line, column, ..
        } = &self.at;
        let source = self
            .template_line
            .map(|l| format!(":{l}"))
            .unwrap_or_default();
        write!(
            f,
            "{file}{source}: rendered line {line}:{column}: {}",
            self.message
        )?;
        self.at.excerpt(f)?;
        if let Some(first) = &self.first {
            write!(
                f,
                "\n  = first at rendered line {}, from {}",
                first.line, first.file
            )?;
        }
        write!(f, "\n  = rendering {}", self.cluster)
    }
}
