//! A group with four instances in two zones, one change at a time: what is said.

use super::*;
use crate::model::{Health, Hooks, InstanceId, Lifecycle, Market, VersionRef};
use serde_json::json;

fn fields(change: &Json) -> AutoScalingGroup {
    let mut all = json!({
        "AutoScalingGroupName": "g.c", "MinSize": 4, "MaxSize": 6, "VPCZoneIdentifier": ["a.c", "b.c"],
        "NewInstancesProtectedFromScaleIn": false, "Tags": [],
        "EnabledMetrics": {"Granularity": "1Minute", "Metrics": []},
        "SuspendedProcesses": [], "TargetGroupARNs": ["web"]
    });
    for (key, value) in change.as_object().into_iter().flatten() {
        all[key] = value.clone();
    }
    serde_json::from_value(all).unwrap()
}

fn live(group: AutoScalingGroup) -> LiveGroup {
    let instance = |n: usize| Instance {
        lifecycle: if n == 4 {
            Lifecycle::Warmed
        } else {
            Lifecycle::InService
        },
        health: Health::Healthy,
        zone: if n.is_multiple_of(2) {
            "zone-a"
        } else {
            "zone-b"
        }
        .into(),
        instance_type: "m5.large".into(),
        market: Market::OnDemand,
        version: Some(1),
        launched_at: Timestamp::from_millis(i64::try_from(n).unwrap() * 86_400_000),
        protected: false,
    };
    LiveGroup {
        group: group.into(),
        hooks: Hooks::default(),
        desired: 4,
        version: VersionRef::Number(1),
        versions: BTreeMap::new(),
        latest_version: 1,
        instances: (0..5)
            .map(|n| {
                (
                    InstanceId::new(format!("i-0000000{n}")).unwrap(),
                    instance(n),
                )
            })
            .collect(),
        activities: Vec::new(),
        suspended: BTreeSet::new(),
        refresh: None,
        by_hand: BTreeMap::new(),
    }
}

fn said(from: &Json, to: &Json) -> String {
    let zones = BTreeMap::from([
        ("a.c".to_owned(), "zone-a".to_owned()),
        ("b.c".to_owned(), "zone-b".to_owned()),
        ("d.c".to_owned(), "zone-d".to_owned()),
    ]);
    let now = Timestamp::from_millis(4 * 86_400_000);
    of_update(&live(fields(from)), &fields(to), &zones, now).join("\n")
}

#[test]
fn what_aws_does_by_itself_is_said_with_numbers() {
    let nothing = json!({});
    assert_eq!(said(&nothing, &nothing), "");
    for (from, to, wanted) in [
        (
            nothing.clone(),
            json!({"VPCZoneIdentifier": ["a.c"]}),
            "AWS ends 2 instances in zone-b by itself, without a drain, and launches others in the zones that stay",
        ),
        (
            nothing.clone(),
            json!({"VPCZoneIdentifier": ["a.c"], "SuspendedProcesses": ["AZRebalance"]}),
            "2 instances in zone-b stay where no subnet of the group is left: AZRebalance is suspended, and AWS ends them when it is resumed",
        ),
        (
            nothing.clone(),
            json!({"VPCZoneIdentifier": ["a.c", "b.c", "d.c"]}),
            "AWS moves instances into zone-d by itself until the zones are even, and ends those that they replace without a drain",
        ),
        (
            nothing.clone(),
            json!({"MaxInstanceLifetime": 216_000}),
            "AWS replaces every instance that is older than 2d12h by itself, without a drain; 2 are now",
        ),
        (
            json!({"MaxInstanceLifetime": 86_400}),
            json!({"MaxInstanceLifetime": 216_000}),
            "",
        ),
        (
            json!({"SuspendedProcesses": ["AZRebalance"]}),
            nothing.clone(),
            "with AZRebalance resumed AWS evens out the zones by itself, and ends instances for it without a drain",
        ),
        (
            nothing.clone(),
            json!({"SuspendedProcesses": ["Launch", "HealthCheck"]}),
            "while its process Launch is suspended, AWS launches no instance of it, not even in the place of one that ends\n\
             while its process HealthCheck is suspended, AWS does not notice that an instance of it is unhealthy",
        ),
        (
            nothing.clone(),
            json!({"CapacityRebalance": true}),
            "AWS replaces Spot instances that it may take back soon by itself, and ends them without a drain",
        ),
        (
            json!({"WarmPool": {"MinSize": 1, "MaxGroupPreparedCapacity": 2}}),
            nothing.clone(),
            "AWS ends 1 instance of its warm pool with it",
        ),
        (
            nothing.clone(),
            json!({"TargetGroupARNs": []}),
            "AWS takes all 4 instances out of web at once",
        ),
    ] {
        assert_eq!(said(&from, &to), wanted, "{from} -> {to}");
    }
    assert_eq!(
        of_creation(&fields(&json!({"SuspendedProcesses": ["Launch"]}))).len(),
        1
    );
}
