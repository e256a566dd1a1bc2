//! What a dry run of kops came to. Runs nothing.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// What kops would do, had it been told to: without an answer that is not known, and not nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum DryRun {
    /// It said so.
    Known {
        /// Its tasks, by type and name: `LaunchTemplate/nodes.c`.
        tasks: BTreeSet<String>,
        /// What it printed, bounded, secrets masked.
        text: String,
    },
    /// It said nothing that can be read.
    NotKnown {
        /// Why not.
        why: String,
    },
}
