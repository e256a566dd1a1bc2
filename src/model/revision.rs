//! What git says of the files of a fleet: which commit, by whom, and whether the files are its own. Asks no git.

use serde::{Deserialize, Serialize};

/// Characters of a commit by which people name it.
const SHORT: usize = 12;

/// What was rolled out, or planned, as git knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revision {
    /// What git says.
    pub git: Git,
    /// How `rendered/` stands to what is rendered.
    pub rendered: Rendering,
    /// Why it was rolled out although it is not what is committed, when it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_dirty: Option<String>,
}

/// What git says of a folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Git {
    /// Which commit is checked out there.
    Commit(Commit),
    /// Nothing, and why: no git, no repository, no commit.
    NotKnown(String),
}

/// The commit that is checked out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Commit {
    /// All of its digits.
    pub id: String,
    /// The branch, when one is checked out or the pipeline names it.
    pub branch: Option<String>,
    pub author: String,
    /// When it was committed, as git writes it.
    pub committed_at: String,
    /// Files of the fleet that are not as committed, the first few of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<String>,
    /// How many more.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub changed_more: usize,
}

/// How `rendered/` stands to what is rendered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rendering {
    /// Byte for byte.
    UpToDate,
    /// As many files differ, are missing, or should not be there.
    Stale(usize),
    /// The fleet has no such folder.
    NotKept,
    /// It cannot be read.
    NotKnown(String),
}

/// Why what would be rolled out is not what was committed and reviewed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unreviewed<'a> {
    /// Files are not as committed.
    Changed {
        /// The first few.
        files: &'a [String],
        /// How many more.
        more: usize,
    },
    /// `rendered/` is not what is rendered.
    Stale(usize),
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde asks for")]
fn is_zero(n: &usize) -> bool {
    *n == 0
}

impl Revision {
    /// In what it is not what was committed and reviewed, as far as that is known.
    pub fn unreviewed(&self) -> Vec<Unreviewed<'_>> {
        let changed = match &self.git {
            Git::Commit(commit) if !commit.changed.is_empty() => Some(Unreviewed::Changed {
                files: &commit.changed,
                more: commit.changed_more,
            }),
            Git::Commit(_) | Git::NotKnown(_) => None,
        };
        let stale = match self.rendered {
            Rendering::Stale(files) => Some(Unreviewed::Stale(files)),
            Rendering::UpToDate | Rendering::NotKept | Rendering::NotKnown(_) => None,
        };
        changed.into_iter().chain(stale).collect()
    }

    /// The commit, when it is known.
    pub fn commit(&self) -> Option<&Commit> {
        match &self.git {
            Git::Commit(commit) => Some(commit),
            Git::NotKnown(_) => None,
        }
    }
}

impl Commit {
    /// As people name it.
    pub fn short(&self) -> &str {
        short_commit(&self.id)
    }
}

/// A commit as people name it.
pub fn short_commit(id: &str) -> &str {
    id.get(..SHORT).unwrap_or(id)
}
