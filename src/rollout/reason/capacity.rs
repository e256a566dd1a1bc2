//! What AWS refuses, and what else was tried.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::model::AsgName;

/// Launches that AWS refuses for want of capacity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoCapacity {
    /// Zones by type, as far as AWS names them.
    pub types: BTreeMap<String, BTreeSet<String>>,
    /// AWS's newest words.
    pub words: String,
}

/// Why an on-demand twin cannot stand in now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "kebab-case", deny_unknown_fields)]
pub enum NoLoan {
    /// The rollout knows of none.
    NoTwin,
    /// It is gone.
    TwinGone {
        /// Its name.
        twin: AsgName,
    },
    /// The cluster's surge is 0.
    NoSurge,
    /// It has no room.
    TwinFull {
        /// Its name.
        twin: AsgName,
        /// Its maximum.
        max: u32,
    },
}

/// What else was tried before a group was given up for want of capacity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "kebab-case", deny_unknown_fields)]
pub enum NoOther {
    /// The group has no other type.
    Type,
    /// Its twin cannot stand in.
    Twin {
        /// Why the on-demand fallback does not help.
        why: NoLoan,
    },
}
