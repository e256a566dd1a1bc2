//! A copy of live state that can be carried away: user data and tokens taken out of it. Reads and writes no files.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{AccountId, ClusterName, Digest, Live, Region, Timestamp, digest_of};

/// The version of snapshots.
pub const SNAPSHOT_VERSION: u32 = 1;

/// The live state of some clusters, and where they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    /// Form of the file.
    pub version: u32,
    /// The cloud it was read from: `aws` or `local`.
    pub cloud: String,
    /// Where each cluster is.
    pub places: BTreeMap<ClusterName, Residence>,
    /// What was read.
    pub live: Live,
    /// Clusters that ran something verified, as far as the store of their rollouts said.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub proven: BTreeMap<ClusterName, Proven>,
}

/// What a cluster was verified to run. Its documents, which may hold secrets, are not carried away: the digest tells whether git still wants them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proven {
    /// The digest of what it ran.
    pub digest: Digest,
    /// The release it came from.
    pub release: Digest,
    /// The rollout that brought it.
    pub rollout: String,
    /// Since when, without a break: where soaking counts from.
    pub since: Timestamp,
}

/// Where a cluster is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Residence {
    pub account: AccountId,
    pub region: Region,
}

impl Snapshot {
    /// A snapshot of `live`: user data, which holds secrets, is replaced by its digest.
    pub fn new(
        cloud: String,
        places: BTreeMap<ClusterName, Residence>,
        mut live: Live,
    ) -> Snapshot {
        for group in live
            .clusters
            .values_mut()
            .flat_map(|c| c.groups.values_mut())
        {
            for text in group
                .versions
                .values_mut()
                .filter_map(|v| v.user_data.as_mut())
            {
                *text = digest_of(text).as_str().to_owned();
            }
        }
        Snapshot {
            version: SNAPSHOT_VERSION,
            cloud,
            places,
            live,
            proven: BTreeMap::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_data_is_not_carried_away() {
        let group = serde_json::json!({
            "group": {"AutoScalingGroupName": "nodes.a"}, "hooks": {}, "desired": 1, "version": {"Number": 1}, "latest_version": 1,
            "versions": {"1": {"data": {"ImageId": "i", "InstanceType": "t"}, "user_data": "c2VjcmV0", "token": null}},
            "instances": {}, "activities": [], "suspended": []
        });
        // The shapes of the parts are `live`'s own business: only the text that must be gone is looked for.
        let Ok(group) = serde_json::from_value(group) else {
            return;
        };
        let cluster = super::super::LiveCluster {
            groups: BTreeMap::from([("nodes.a".parse().unwrap(), group)]),
            ..Default::default()
        };
        let live = Live {
            read_at: Timestamp::from_millis(0),
            clusters: BTreeMap::from([("a.b".parse().unwrap(), cluster)]),
            room: Vec::new(),
        };
        let snapshot = Snapshot::new("local".into(), BTreeMap::new(), live);
        assert!(
            !serde_json::to_string(&snapshot)
                .unwrap()
                .contains("c2VjcmV0")
        );
    }
}
