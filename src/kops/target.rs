//! What manifests are read for: the kops that will carry them out, the region, and what is newer than the tables. Reads no settings.

use std::collections::BTreeSet;

use crate::model::{KopsVersion, Region};

/// What manifests are read for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KopsTarget {
    /// The kops whose rules count.
    pub version: KopsVersion,
    /// The region the cluster is in; none: the one that its subnets' zones name.
    pub region: Option<Region>,
    /// Instance types and availability zones that are newer than the tables: taken as they are.
    pub accepted: BTreeSet<String>,
}
