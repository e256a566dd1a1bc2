//! Where the canary of a group stands.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::model::{InstanceId, Timestamp};

/// The first new instances of a group, which have to prove the version before the rest follows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Canary {
    /// Not all of it is in service and Ready.
    Awaited {
        /// How often an instance of it went while it baked.
        lost: u32,
        /// What it was made up of when that happened last.
        last: BTreeSet<InstanceId>,
    },
    /// In service and Ready: it bakes.
    Baking {
        /// Since when.
        since: Timestamp,
        /// What was new in the group then. By name, not by age: AWS's clock is not ours.
        instances: BTreeSet<InstanceId>,
        /// How often an instance of it went before.
        lost: u32,
    },
    /// Proven, or nothing has to be proven on the way that the rollout goes now.
    Proven,
}

impl Default for Canary {
    fn default() -> Canary {
        Canary::awaited()
    }
}

impl Canary {
    /// None of it is there yet.
    pub fn awaited() -> Canary {
        Canary::Awaited {
            lost: 0,
            last: BTreeSet::new(),
        }
    }

    /// Whether the rest may follow.
    pub fn is_proven(&self) -> bool {
        *self == Canary::Proven
    }

    /// Since when it bakes.
    pub fn baking_since(&self) -> Option<Timestamp> {
        match self {
            Canary::Baking { since, .. } => Some(*since),
            Canary::Awaited { .. } | Canary::Proven => None,
        }
    }

    /// How often an instance of it went while it baked.
    pub fn lost(&self) -> u32 {
        match self {
            Canary::Awaited { lost, .. } | Canary::Baking { lost, .. } => *lost,
            Canary::Proven => 0,
        }
    }

    /// Whether an instance belongs to it, or did when it was last lost.
    pub fn has(&self, instance: &InstanceId) -> bool {
        match self {
            Canary::Awaited { last, .. } => last.contains(instance),
            Canary::Baking { instances, .. } => instances.contains(instance),
            Canary::Proven => false,
        }
    }

    /// It is up, made up of these.
    pub(super) fn comes_up(&mut self, since: Timestamp, instances: BTreeSet<InstanceId>) {
        let lost = self.lost();
        if !self.is_proven() {
            *self = Canary::Baking {
                since,
                instances,
                lost,
            };
        }
    }

    /// An instance of it went.
    pub(super) fn loses(&mut self) {
        match self {
            Canary::Awaited { lost, .. } => *lost += 1,
            Canary::Baking {
                instances, lost, ..
            } => {
                *self = Canary::Awaited {
                    lost: *lost + 1,
                    last: std::mem::take(instances),
                }
            }
            Canary::Proven => {}
        }
    }
}
