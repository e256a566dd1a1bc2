//! Which kind of cloud a store belongs to.

use serde::{Deserialize, Serialize};

/// Which kind of cloud a store belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CloudKind {
    /// Amazon's.
    Aws,
    /// The embedded simulated account.
    Local,
}

impl std::fmt::Display for CloudKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            CloudKind::Aws => "aws",
            CloudKind::Local => "local",
        })
    }
}
