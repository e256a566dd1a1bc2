//! What new nodes of a group boot with: the launch template version whose user data a new version takes. Looks at nothing but its arguments.
//!
//! kops's user data names the nodeup configuration it belongs to, by hash, and a node does not boot when the state store holds another one; `kops update`
//! rewrites the store at once. So the user data of a group is that of the version whose hash is the store's, whatever the group is pinned to.

use super::{Blocked, Remark};
use crate::model::{
    AsgName, GroupName, LiveCluster, LiveGroup, Nodeup, NodeupHash, Shared, Stored,
    TemplateVersion, UserData, UserDataDigest,
};

/// Where the user data of a group comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Boot {
    /// For a new launch template version.
    pub(super) user_data: UserData,
    /// What a version has to have; none: the group has no user data.
    pub(super) digest: Option<UserDataDigest>,
    /// No version boots: kops has to make one first.
    pub(super) no_version: bool,
    /// What has to be said of it.
    pub(super) remarks: Vec<Remark>,
}

/// The hash that the state store holds for a group; none: it is not known, or kops has written none.
pub(super) fn stored_hash<'l>(live: &'l LiveCluster, group: &GroupName) -> Option<&'l NodeupHash> {
    match &live.nodeup {
        Nodeup::Known(hashes) => hashes.get(group),
        Nodeup::NotAsked | Nodeup::Unknown(_) => None,
    }
}

/// What stands in the way when the store was read and its nodeup configurations were not: whether new nodes boot is not known.
pub(super) fn unread(live: &LiveCluster) -> Option<Blocked> {
    match (&live.nodeup, &live.documents) {
        (Nodeup::Unknown(why), Stored::Known(_)) => {
            Some(Blocked::NodeupNotRead { why: why.clone() })
        }
        (Nodeup::Unknown(_), Stored::NotAsked | Stored::Unknown(_))
        | (Nodeup::NotAsked | Nodeup::Known(_), _) => None,
    }
}

/// The user data of a group that is there. `given`: what the fleet gives its new groups.
pub(super) fn boot(
    name: &AsgName,
    live: &LiveGroup,
    given: Option<&Shared<String>>,
    stored: Option<&NodeupHash>,
) -> Boot {
    let pinned = live.version.number();
    let own = live.versions.get(&pinned);
    let has = own.and_then(|v| hash(v));
    match (stored, has) {
        (Some(stored), Some(has)) if stored == has => carried(live, pinned, Vec::new()),
        (Some(stored), Some(_)) => {
            let boots = newest(live, |v| hash(v) == Some(stored));
            let remark = Remark::CannotBoot {
                group: name.clone(),
                version: pinned,
                boots,
            };
            let mut boot = carried(live, boots.unwrap_or(pinned), vec![remark]);
            boot.no_version = boots.is_none();
            boot
        }
        (Some(stored), None) => match newest(live, |v| hash(v) == Some(stored)) {
            // Made by kops after what the group runs, and it is what the store is for.
            Some(number) if number > pinned => {
                carried(live, number, vec![not_pinned(name, pinned, number, true)])
            }
            Some(_) | None => {
                let mut boot = unstored(name, live, given);
                // What the fleet gave it, or took over, may find the hash when the node boots.
                if own.is_some_and(|v| v.token.is_none() && v.data.user_data.is_some()) {
                    boot.remarks.push(Remark::BootUnknown {
                        group: name.clone(),
                        version: pinned,
                    });
                }
                boot
            }
        },
        (None, _) => unstored(name, live, given),
    }
}

/// Without a word of the state store: kops makes a version only when it rewrites the store, so its newest one counts.
fn unstored(name: &AsgName, live: &LiveGroup, given: Option<&Shared<String>>) -> Boot {
    let pinned = live.version.number();
    let Some(own) = live.versions.get(&pinned) else {
        return carried(live, pinned, Vec::new());
    };
    let foreign = live
        .versions
        .range(pinned.saturating_add(1)..)
        .next_back()
        .filter(|(_, v)| v.token.is_none());
    if let Some((number, version)) = foreign {
        let by_kops = hash(version).is_some();
        let remark = vec![not_pinned(name, pinned, *number, by_kops)];
        // What others made stays where it is: git does not name it.
        let from = if by_kops { *number } else { pinned };
        return carried(live, from, remark);
    }
    match given {
        // The fleet's own user data, in a version of its own: git is where it is changed.
        Some(text) if own.user_data_of_fleet && hash(own).is_none() => Boot {
            user_data: UserData::Given(text.clone()),
            digest: Some(UserDataDigest::of(text)),
            no_version: false,
            remarks: Vec::new(),
        },
        Some(_) | None => carried(live, pinned, Vec::new()),
    }
}

fn not_pinned(name: &AsgName, pinned: u64, version: u64, by_kops: bool) -> Remark {
    Remark::NotPinned {
        group: name.clone(),
        pinned,
        version,
        by_kops,
    }
}

fn carried(live: &LiveGroup, from: u64, remarks: Vec<Remark>) -> Boot {
    Boot {
        user_data: UserData::CarriedFrom(from),
        digest: live
            .versions
            .get(&from)
            .and_then(|v| v.data.user_data.clone()),
        no_version: false,
        remarks,
    }
}

fn hash(version: &TemplateVersion) -> Option<&NodeupHash> {
    version.data.user_data.as_ref()?.nodeup_config_hash.as_ref()
}

fn newest(live: &LiveGroup, fits: impl Fn(&TemplateVersion) -> bool) -> Option<u64> {
    live.versions
        .iter()
        .rev()
        .find(|(_, v)| fits(v))
        .map(|(n, _)| *n)
}

/// Says what a moving reference means for instances to come, where it is something else than what runs.
pub(super) fn follows(name: &AsgName, live: &LiveGroup, reference: &str) -> Option<Remark> {
    let version = live.version.number();
    let others = live
        .instances
        .values()
        .filter(|i| i.lifecycle != crate::model::Lifecycle::Terminating)
        .filter(|i| i.version != Some(version))
        .count();
    (others > 0).then(|| Remark::Follows {
        group: name.clone(),
        reference: reference.to_owned(),
        version,
        others,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde_json::json;

    use super::*;
    use crate::model::{AutoScalingGroup, Hooks, VersionRef};

    /// A nodeup configuration, and the user data that names it.
    fn of_kops(configuration: &str) -> (NodeupHash, String) {
        let hash = NodeupHash::of_file(configuration.as_bytes());
        (
            hash.clone(),
            STANDARD.encode(format!("NodeupConfigHash: {hash}\n")),
        )
    }

    /// `ours`: made by the fleet, with user data that it gave.
    fn group(pinned: u64, versions: &[(u64, Option<&str>, bool)]) -> LiveGroup {
        let group: AutoScalingGroup = serde_json::from_value(json!({
            "AutoScalingGroupName": "nodes.c", "MinSize": 1, "MaxSize": 1, "VPCZoneIdentifier": [], "NewInstancesProtectedFromScaleIn": false,
            "Tags": [], "EnabledMetrics": {"Granularity": "1Minute", "Metrics": []}
        }))
        .unwrap();
        let data = || {
            serde_json::from_value(json!({
                "ImageId": "ami-1", "InstanceType": "m5.large", "IamInstanceProfile": {"Name": "p"}, "BlockDeviceMappings": [], "Monitoring": {"Enabled": false},
                "MetadataOptions": {"HttpEndpoint": "e", "HttpProtocolIpv6": "d", "HttpTokens": "required", "HttpPutResponseHopLimit": 1}, "NetworkInterfaces": [], "TagSpecifications": []
            }))
            .unwrap()
        };
        let version = |(number, user_data, ours): &(u64, Option<&str>, bool)| {
            let token = ours.then(|| "r1/nodes.c".to_owned());
            let version = TemplateVersion {
                user_data_of_fleet: *ours,
                ..TemplateVersion::new(data(), user_data.map(str::to_owned), token)
            };
            (*number, version.into())
        };
        LiveGroup {
            group: group.into(),
            hooks: Hooks::default(),
            desired: 1,
            version: VersionRef::Number(pinned),
            versions: versions.iter().map(version).collect(),
            latest_version: 9,
            instances: BTreeMap::new(),
            activities: Vec::new(),
            suspended: BTreeSet::new(),
            refresh: None,
            by_hand: BTreeMap::new(),
        }
    }

    /// Where the user data comes from, and what is said.
    fn said(live: &LiveGroup, given: Option<&str>, stored: Option<&NodeupHash>) -> String {
        let given = given.map(str::to_owned);
        let boot = boot(
            &AsgName::new("nodes.c").unwrap(),
            live,
            given.map(Shared::from).as_ref(),
            stored,
        );
        let from = match &boot.user_data {
            UserData::Given(_) => "git".to_owned(),
            UserData::CarriedFrom(n) => n.to_string(),
            UserData::ByKops { .. } => "kops".to_owned(),
        };
        let remarks = boot.remarks.iter().map(remark_word);
        let stuck = boot.no_version.then(|| "stuck".to_owned());
        [from]
            .into_iter()
            .chain(remarks)
            .chain(stuck)
            .collect::<Vec<_>>()
            .join("; ")
    }

    fn remark_word(remark: &Remark) -> String {
        match remark {
            Remark::CannotBoot { boots, .. } => format!("cannot boot, {boots:?} can"),
            Remark::BootUnknown { .. } => "unknown".into(),
            Remark::NotPinned {
                version, by_kops, ..
            } => format!("{version} is there, of kops {by_kops}"),
            other @ (Remark::Follows { .. }
            | Remark::Unpublished { .. }
            | Remark::Carried { .. }) => format!("{other:?}"),
        }
    }

    #[test]
    fn user_data_comes_from_the_version_whose_hash_is_stored() {
        let ((old, a), (new, b)) = (of_kops("old"), of_kops("new"));
        let both = [(1, Some(a.as_str()), false), (2, Some(b.as_str()), false)];
        for (live, stored, expected) in [
            (group(1, &both), Some(&old), "1"),
            (group(1, &both), Some(&new), "2; cannot boot, Some(2) can"),
            (group(2, &both), Some(&new), "2"),
            // Pinned to a newer one, and the store was put back.
            (group(2, &both), Some(&old), "1; cannot boot, Some(1) can"),
            (
                group(1, &both[..1]),
                Some(&new),
                "1; cannot boot, None can; stuck",
            ),
        ] {
            assert_eq!(said(&live, Some("Z2l0"), stored), expected);
        }
    }

    #[test]
    fn without_a_store_the_newest_version_of_kops_counts() {
        let ((_, a), (_, b)) = (of_kops("old"), of_kops("new"));
        let (a, b, other) = (Some(a.as_str()), Some(b.as_str()), Some("eA=="));
        for (live, expected) in [
            (group(1, &[(1, a, false)]), "1"),
            (
                group(1, &[(1, a, false), (2, b, false)]),
                "2; 2 is there, of kops true",
            ),
            (
                group(1, &[(1, a, false), (2, other, false)]),
                "1; 2 is there, of kops false",
            ),
            // One of ours that a rollback left behind.
            (group(1, &[(1, a, false), (2, b, true)]), "1"),
        ] {
            assert_eq!(said(&live, None, None), expected);
        }
    }

    #[test]
    fn git_changes_only_the_user_data_that_git_gave() {
        let (hash, a) = of_kops("old");
        let (a, x) = (Some(a.as_str()), Some("eA=="));
        for (live, stored, expected) in [
            (group(1, &[(1, x, true)]), None, "git"),
            (group(1, &[(1, x, true)]), Some(&hash), "git"),
            (group(1, &[(1, x, false)]), None, "1"),
            (group(1, &[(1, x, false)]), Some(&hash), "1; unknown"),
            (group(1, &[(1, a, true)]), None, "1"),
        ] {
            assert_eq!(said(&live, Some("eQ=="), stored), expected);
        }
        assert_eq!(said(&group(1, &[(1, x, true)]), None, None), "1");
    }

    #[test]
    fn user_data_that_a_rollout_carried_over_is_not_the_fleets() {
        let mut live = group(1, &[(1, Some("eA=="), true)]);
        assert_eq!(said(&live, Some("eQ=="), None), "git");
        for version in live.versions.values_mut() {
            let mut carried = TemplateVersion::clone(version);
            carried.user_data_of_fleet = false;
            *version = carried.into();
        }
        assert_eq!(said(&live, Some("eQ=="), None), "1");
    }
}
