//! What a plan says of a cluster that kops and people work on, too: facts with their data. The sentences are in `report`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::FieldChange;
use crate::model::AsgName;

/// Something a reader should know that is no change by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Remark {
    /// A node that the group launches now does not boot: its user data names another nodeup configuration than kops' state store holds.
    CannotBoot {
        group: AsgName,
        /// The launch template version it refers to.
        version: u64,
        /// The version with which a node boots; none was found.
        boots: Option<u64>,
    },
    /// Whether a node that the group launches now boots is not known: its user data names no nodeup configuration that can be read.
    BootUnknown {
        group: AsgName,
        /// The launch template version it refers to.
        version: u64,
    },
    /// There is a newer launch template version, which kfleet did not make, and the group does not refer to it.
    NotPinned {
        group: AsgName,
        /// The version it refers to.
        pinned: u64,
        /// The newer version.
        version: u64,
        /// Whether its user data is that of kops.
        by_kops: bool,
    },
    /// The group refers to `$Latest` or `$Default`, and runs something else than that means now.
    Follows {
        group: AsgName,
        /// `$Latest` or `$Default`.
        reference: String,
        /// The version that this means now.
        version: u64,
        /// Instances launched from another one.
        others: usize,
    },
    /// kops' state store has the group otherwise than git: the next `kops update` would set that.
    Unpublished {
        group: AsgName,
        /// From what git wants to what the store has.
        fields: Vec<FieldChange>,
    },
    /// What a new launch template version takes over from the one the group runs, and no manifest says.
    Carried {
        group: AsgName,
        /// The version that it is taken from.
        from: u64,
        /// By AWS's name, with its value.
        fields: BTreeMap<String, String>,
    },
}

impl Remark {
    /// Whether it is said before everything else: something is wrong already.
    pub fn is_warning(&self) -> bool {
        match self {
            Remark::CannotBoot { .. } | Remark::Unpublished { .. } => true,
            Remark::BootUnknown { .. }
            | Remark::NotPinned { .. }
            | Remark::Follows { .. }
            | Remark::Carried { .. } => false,
        }
    }
}
