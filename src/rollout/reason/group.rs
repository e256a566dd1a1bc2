//! Instances of a group that are not there yet, or more than should be.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::capacity::{NoCapacity, NoOther};
use crate::fleet::CapacityPolicy;
use crate::model::{AsgName, InstanceId, Span};

/// Why a group waits for its instances, or cannot go on with them. Its `code` stays the same between versions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "kebab-case", deny_unknown_fields)]
pub enum GroupReason {
    /// The group is gone.
    GroupGone,
    /// The group was created, and is not to be seen yet.
    GroupNotSeen,
    /// The documents of the cluster are being stored.
    DocumentsNotStored,
    /// Instances of a new group are not Ready yet.
    NotReady {
        /// Ready ones.
        ready: usize,
        /// Wanted ones.
        wanted: usize,
        /// What AWS refuses.
        refused: Option<NoCapacity>,
        /// Nothing launches, as the manifest itself suspends `Launch`.
        launch_suspended: bool,
        /// How long after the group was created, when that is too long.
        late: Option<Span>,
    },
    /// Instances that come back to a group are not Ready yet.
    NotBack {
        /// Ready ones.
        ready: usize,
        /// Wanted ones.
        wanted: usize,
    },
    /// Instances of the group have not launched yet.
    NotLaunched {
        /// Those that are there.
        there: usize,
        /// Desired capacity.
        desired: u32,
        /// What AWS refuses.
        refused: Option<NoCapacity>,
    },
    /// New instances are not Ready yet.
    Coming {
        /// How many.
        instances: usize,
    },
    /// A new instance is past its time.
    Late {
        /// The instance that is meant.
        instance: InstanceId,
        /// Its type.
        instance_type: String,
        zone: String,
        /// What it is not yet.
        state: String,
        /// How long after its launch.
        after: Span,
    },
    /// Instances are left to replace.
    Replaces {
        /// How many.
        left: usize,
        /// New ones that do not work yet, by what they are not.
        coming: BTreeMap<String, usize>,
        /// What AWS refuses.
        refused: Option<NoCapacity>,
    },
    /// The last instances are ending.
    LastEnd,
    /// More instances came and went than may for the sake of one group.
    BoundReached {
        /// Instances launched so far.
        launched: u32,
        /// Instances ended so far.
        ended: u32,
        /// To replace.
        replaces: u32,
        /// The bound.
        most: u32,
    },
    /// Its desired capacity may be from before it was moved last.
    SizeSettles {
        /// Desired capacity as read.
        desired: u32,
    },
    /// Its maximum is not lowered while more instances are wanted.
    MaximumHeld {
        /// The wanted maximum.
        max: u32,
        /// Desired capacity.
        desired: u32,
    },
    /// Instances beyond its own stand in for another group.
    StandsIn {
        /// How many.
        instances: u32,
        /// For which; none: it is not known any more.
        group: Option<AsgName>,
        /// What AWS refuses.
        refused: Option<NoCapacity>,
    },
    /// Its twin stands in when everything else is done.
    TwinLater {
        twin: AsgName,
        /// What AWS refuses.
        refused: Option<NoCapacity>,
    },
    /// AWS refuses launches, and what the group's policy makes of it.
    NoCapacity {
        /// What is refused.
        refused: NoCapacity,
        policy: CapacityPolicy,
    },
    /// AWS refuses launches, and the twin stands in.
    Borrows {
        /// What is refused.
        refused: NoCapacity,
    },
    /// No replacement could be launched for too long.
    CapacityFailed {
        /// For how long.
        lasted: Span,
        /// What is refused.
        refused: NoCapacity,
        /// What else was tried.
        other: Option<NoOther>,
        /// Only zones that were named are refused: another one might have capacity.
        in_zones: bool,
    },
    /// No instance could be launched for longer than anybody should wait without a person.
    CapacityOverdue {
        /// For how long.
        lasted: Span,
        /// What is refused.
        refused: NoCapacity,
    },
    /// The canary is up, and has to stay so for its time.
    CanaryBakes,
    /// Instances of the canary are gone.
    CanaryLost {
        /// Those that work.
        working: usize,
        /// Those that should.
        wanted: usize,
    },
    /// Instances of the canary are gone again.
    CanaryLostAgain {
        /// Those that work.
        working: usize,
        /// Those that should.
        wanted: usize,
        /// The how-many-th time.
        times: u32,
    },
    /// A refresh goes on without a canary that is proven.
    CanaryNotProven {
        /// How long after it came up.
        after: Span,
    },
}
