//! How AWS is reached, and in whose name: settings as the caller gives them. Opens no connection.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::fleet::CallRates;
use crate::model::ClusterName;

/// What has to be known of a cluster before its account can be asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// The role to assume; none: the credentials there are.
    pub role_arn: Option<String>,
    /// Images that its definitions name, as they name them: ids of live templates are turned back into these.
    pub images: BTreeSet<String>,
}

/// How AWS is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AwsOptions {
    /// By cluster.
    pub clusters: BTreeMap<ClusterName, Access>,
    /// What the environment says and the SDK does not read by itself.
    pub reach: Reach,
    /// Who is seen to act.
    pub session: Session,
    /// Whose lifecycle hooks are read along with the groups, until something is done for a rollout.
    pub hooks: HooksOf,
}

/// What the environment says and the SDK does not read by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Another endpoint than AWS's own, for every service.
    pub endpoint_url: Option<String>,
    /// The only certificates that are trusted (`AWS_CA_BUNDLE`), instead of the system's.
    pub ca_bundle: Option<PathBuf>,
    /// What may be used of the calls that AWS grants an account in a region, in percent; none: half.
    pub share: Option<u32>,
    /// What AWS grants, where that is not what it publishes.
    pub rates: CallRates,
}

/// Who is seen to act, in CloudTrail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// `kfleet-plan`, `kfleet-ROLLOUT`: the name of the session in an assumed role.
    pub name: String,
    /// Tags of that session; the role has to allow `sts:TagSession` when there are any.
    pub tags: BTreeMap<String, String>,
    /// A call that changes anything is refused before it is sent.
    pub read_only: bool,
}

impl Default for Session {
    fn default() -> Session {
        Session {
            name: "kfleet".into(),
            tags: BTreeMap::new(),
            read_only: false,
        }
    }
}

/// Whose lifecycle hooks are read along with the groups. What is not read is never taken for none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HooksOf {
    /// All groups of an account and region that has few; else none.
    #[default]
    Few,
    /// All groups, one call each.
    Everybody,
}
