//! How instances are paid for.

use serde::{Deserialize, Serialize};

/// How an instance is paid for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Market {
    OnDemand,
    /// Spare capacity, which AWS may take back at two minutes' notice.
    Spot,
}
