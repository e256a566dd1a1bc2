//! What is translated for whom, and what has no translation. Translates nothing.

use std::ops::Range;
use std::sync::Arc;

use serde_json::Value as Json;
use thiserror::Error;

use super::super::fault::Site;
use super::super::source::TemplateText;

/// How near the translation keeps to the line breaks of the original.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JinjaStyle {
    /// As a person writes Jinja: the line of a tag that stands alone leaves nothing behind, where in Go an empty line is left.
    Plain,
    /// Each tag says what becomes of the blanks around it, as in Go.
    Exact,
}

/// Where the translation is to be used.
pub trait Host {
    /// The values at the top, by which maps are told from lists.
    fn values(&self) -> &Json;

    /// What a value at the top is called there; none: by its name.
    fn renamed(&self, name: &str) -> Option<String>;

    /// What a snippet is called there; none: there is no such snippet.
    fn snippet(&self, name: &str) -> Option<String>;
}

/// Something that has no translation, and where it is.
#[derive(Clone, Debug)]
pub struct Untranslated {
    /// Where it begins in the template.
    pub at: Site,
    /// The construct that has no counterpart.
    pub what: Construct,
}

/// What has no translation.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Construct {
    /// A function, or one with such arguments.
    #[error("the function `{0}`, called so")]
    Function(String),
    /// A snippet that is not there.
    #[error("the snippet `{0}`, which is not there")]
    Snippet(String),
    /// A template within the template.
    #[error("a template within the template (`define`, `block`)")]
    Define,
    /// A variable that gets another value: Jinja keeps what is set in a loop there.
    #[error("another value for the variable `{0}`, which was declared outside of this loop")]
    Assignment(String),
    /// A name at the top that means something else in Jinja.
    #[error("the value `{0}`, whose name is a word of Jinja")]
    Word(String),
    /// All values at once.
    #[error("all values at once (`.` or `$` alone)")]
    Everything,
    /// A value with arguments, or a chain that Jinja has not.
    #[error("an expression of this form")]
    Form,
}

/// A part of the source that could not be translated.
pub(super) fn untranslated(
    source: &Arc<TemplateText>,
    range: Range<usize>,
    what: Construct,
) -> Untranslated {
    let at = Site::new(source, range);
    Untranslated { at, what }
}
