//! A change that kops has to carry out is said until every node boots with other user data.

use super::*;
use crate::model::{
    AutoScalingGroup, Health, Hooks, Instance, Lifecycle, Market, TemplateVersion, Timestamp,
    VersionRef,
};
use serde_json::json;

fn group(pinned: u64, runs: &[u64]) -> LiveCluster {
    let name = AsgName::new("g.c").unwrap();
    let data = json!({
        "ImageId": "ami-1", "InstanceType": "m5.large", "IamInstanceProfile": {"Name": "p"}, "BlockDeviceMappings": [],
        "Monitoring": {"Enabled": false}, "NetworkInterfaces": [], "TagSpecifications": [],
        "MetadataOptions": {"HttpEndpoint": "e", "HttpProtocolIpv6": "d", "HttpTokens": "required", "HttpPutResponseHopLimit": 1}
    });
    // Versions 1 and 2 boot with the same user data, version 3 with another.
    let version = |text: &str| {
        TemplateVersion::new(
            serde_json::from_value(data.clone()).unwrap(),
            Some(text.to_owned()),
            None,
        )
    };
    let versions = [(1, "old"), (2, "old"), (3, "new")];
    let instances = runs.iter().enumerate().map(|(n, version)| {
        let instance = Instance {
            lifecycle: Lifecycle::InService,
            health: Health::Healthy,
            zone: "a".into(),
            instance_type: "m5.large".into(),
            market: Market::OnDemand,
            version: Some(*version),
            launched_at: Timestamp::from_millis(0),
            protected: false,
        };
        (format!("i-{n}").parse_id(), instance)
    });
    let fields: AutoScalingGroup = serde_json::from_value(json!({
        "AutoScalingGroupName": "g.c", "MinSize": 0, "MaxSize": 9, "VPCZoneIdentifier": [],
        "NewInstancesProtectedFromScaleIn": false, "Tags": [],
        "EnabledMetrics": {"Granularity": "1Minute", "Metrics": []}
    }))
    .unwrap();
    let live = LiveGroup {
        group: fields.into(),
        hooks: Hooks::default(),
        desired: 1,
        version: VersionRef::Number(pinned),
        versions: versions
            .into_iter()
            .map(|(n, text)| (n, version(text).into()))
            .collect(),
        latest_version: 3,
        instances: instances.collect(),
        activities: Vec::new(),
        suspended: std::collections::BTreeSet::new(),
        refresh: None,
        by_hand: BTreeMap::new(),
    };
    LiveCluster {
        groups: BTreeMap::from([(name, live.into())]),
        ..LiveCluster::default()
    }
}

trait ParseId {
    fn parse_id(self) -> crate::model::InstanceId;
}

impl ParseId for String {
    fn parse_id(self) -> crate::model::InstanceId {
        crate::model::InstanceId::new(format!("i-0000000{}", self.trim_start_matches("i-")))
            .unwrap()
    }
}

#[test]
fn it_is_said_until_every_node_boots_with_other_user_data() {
    let pending = remember(
        &DocumentChange::Added,
        &group(1, &[1]),
        &BTreeMap::new(),
        |_| true,
    );
    let seen = |pinned, runs: &[u64]| pending.is_seen(&group(pinned, runs));
    assert!(!seen(1, &[1]), "nothing happened");
    assert!(
        !seen(2, &[2]),
        "a new version with the same user data is no sign of it"
    );
    assert!(!seen(3, &[1]), "pinned, and not rolled");
    assert!(
        !seen(1, &[3]),
        "rolled, and a new node would boot with the old"
    );
    assert!(seen(3, &[3, 3]));
    let nothing = remember(
        &DocumentChange::Added,
        &group(1, &[1]),
        &BTreeMap::new(),
        |_| false,
    );
    assert!(
        !nothing.is_seen(&group(3, &[3])),
        "what reaches no group is never seen in one"
    );
}

#[test]
fn what_was_done_before_it_was_said_is_seen_at_once() {
    let last = user_data(&group(1, &[1]), &BTreeMap::new());
    let after = group(3, &[3]);
    assert!(remember(&DocumentChange::Added, &after, &last, |_| true).is_seen(&after));
    assert!(!remember(&DocumentChange::Added, &after, &BTreeMap::new(), |_| true).is_seen(&after));
}
