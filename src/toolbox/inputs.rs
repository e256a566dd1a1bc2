//! What there is to be rendered. Data only.

use super::channel::Channel;

/// A file, by the name it is told by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its path as it was found.
    pub path: String,
    /// What it holds.
    pub text: String,
}

impl File {
    /// The name of the file without its folders.
    pub(super) fn base(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }
}

/// What there is to be rendered.
#[derive(Clone, Debug, Default)]
pub struct ToolboxInputs {
    /// Templates, in the order of their output.
    pub templates: Vec<File>,
    /// Values; a later file wins.
    pub values: Vec<File>,
    /// Snippets; of two with one name the later wins.
    pub snippets: Vec<File>,
    /// `--set`.
    pub set: Vec<String>,
    /// `--set-string`, always after `--set`.
    pub set_string: Vec<String>,
    /// The cluster's name, unless the values name one.
    pub cluster: String,
    /// A missing key is an error.
    pub fail_on_missing: bool,
    /// Write every document anew.
    pub format_yaml: bool,
    /// What the functions named after the channel look into.
    pub channel: Option<Channel>,
}
