//! What stands in the way of a group's change: what others did to it, what was refused, and capacity that AWS does not have. Decides nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::model::{InstanceId, Timestamp};
use crate::rollout::reason::Reason;

/// What others did to a group, and what was refused for good, on the way that the rollout goes now or since a person looked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conflicts {
    /// Others changed it: what was found.
    pub drift: Option<String>,
    /// The API refused a step for good, in these words.
    pub refused: Option<String>,
    /// How often in a row others moved desired capacity, or an instance, before we could.
    pub in_a_row: u32,
}

/// What AWS has no capacity for, and who stands in for whom.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapacityState {
    /// Launches that AWS refuses for want of capacity: since when, and its words.
    pub missing: Option<(Timestamp, Reason)>,
    /// Since when the group borrows from its on-demand fallback.
    pub borrowed: Option<Timestamp>,
    /// It stands in for the group it lends to: its surge, or a part of it, stays until that one has its own capacity.
    pub lending: bool,
}

impl CapacityState {
    /// AWS has what the group needs. What it lends to another group stays lent.
    pub(super) fn comes_back(&mut self) {
        (self.missing, self.borrowed) = (None, None);
    }
}

/// Launches of a group in zones that are named.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ZonePlacement {
    /// When the group began to be changed, on the way it went last.
    pub since: Option<Timestamp>,
    /// Instances in each zone then.
    pub before: BTreeMap<String, u32>,
    /// Launches that were asked for, ever: the next one's token is made of it, and no two are the same.
    pub calls: u32,
    /// Instances that these have brought, as far as was answered.
    pub launched: BTreeSet<InstanceId>,
    /// Zones in which nothing could be launched when it was last tried.
    pub refused: BTreeMap<String, ZoneRefused>,
    /// AWS's words on why the group cannot be launched into this way.
    pub not_offered: Option<String>,
}

/// A zone without capacity for a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ZoneRefused {
    /// When it was first refused.
    pub since: Timestamp,
    /// When it was last refused.
    pub last: Timestamp,
    /// AWS's words.
    pub words: String,
}
