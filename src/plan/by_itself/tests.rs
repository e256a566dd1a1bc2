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

fn instance(n: usize) -> Instance {
    Instance {
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
    }
}

fn said(from: &Json, to: &Json) -> Vec<Fact> {
    let zones = BTreeMap::from([
        ("a.c".to_owned(), "zone-a".to_owned()),
        ("b.c".to_owned(), "zone-b".to_owned()),
        ("d.c".to_owned(), "zone-d".to_owned()),
    ]);
    let now = Timestamp::from_millis(4 * 86_400_000);
    of_update(&live(fields(from)), &fields(to), &zones, now)
}

#[test]
fn what_aws_does_by_itself_is_found_with_its_numbers() {
    let nothing = json!({});
    assert_eq!(said(&nothing, &nothing), []);
    let suspended = |process| Fact::Suspended { process };
    for (from, to, wanted) in [
        (
            nothing.clone(),
            json!({"VPCZoneIdentifier": ["a.c"]}),
            vec![Fact::ZonesLost {
                instances: BTreeMap::from([("zone-b".to_owned(), 2)]),
                rebalance_suspended: false,
            }],
        ),
        (
            nothing.clone(),
            json!({"VPCZoneIdentifier": ["a.c"], "SuspendedProcesses": ["AZRebalance"]}),
            vec![Fact::ZonesLost {
                instances: BTreeMap::from([("zone-b".to_owned(), 2)]),
                rebalance_suspended: true,
            }],
        ),
        (
            nothing.clone(),
            json!({"VPCZoneIdentifier": ["a.c", "b.c", "d.c"]}),
            vec![Fact::ZonesGained {
                zones: BTreeSet::from(["zone-d".to_owned()]),
            }],
        ),
        (
            nothing.clone(),
            json!({"MaxInstanceLifetime": 216_000}),
            vec![Fact::Lifetime {
                longest: Span::from_secs(216_000),
                older: 2,
            }],
        ),
        (
            json!({"MaxInstanceLifetime": 86_400}),
            json!({"MaxInstanceLifetime": 216_000}),
            vec![],
        ),
        (
            json!({"SuspendedProcesses": ["AZRebalance"]}),
            nothing.clone(),
            vec![Fact::Resumed {
                process: Process::AzRebalance,
            }],
        ),
        (
            nothing.clone(),
            json!({"SuspendedProcesses": ["Launch", "HealthCheck"]}),
            vec![suspended(Process::Launch), suspended(Process::HealthCheck)],
        ),
        (
            nothing.clone(),
            json!({"CapacityRebalance": true}),
            vec![Fact::CapacityRebalance],
        ),
        (
            json!({"WarmPool": {"MinSize": 1, "MaxGroupPreparedCapacity": 2}}),
            nothing.clone(),
            vec![Fact::WarmPoolRemoved { instances: 1 }],
        ),
        (
            nothing.clone(),
            json!({"TargetGroupARNs": []}),
            vec![Fact::BalancersLost {
                instances: 4,
                balancers: BTreeSet::from(["web".to_owned()]),
            }],
        ),
    ] {
        assert_eq!(said(&from, &to), wanted, "{from} -> {to}");
    }
    assert_eq!(
        of_creation(&fields(&json!({"SuspendedProcesses": ["Launch"]}))),
        [suspended(Process::Launch)]
    );
}

/// A subnet that the manifests no longer name was in the zone of the instances that are there.
#[test]
fn a_zone_with_instances_is_not_new() {
    let from = json!({"VPCZoneIdentifier": ["a.c", "old"]});
    let to = json!({"VPCZoneIdentifier": ["a.c", "b.c", "d.c"]});
    let gained = Fact::ZonesGained {
        zones: BTreeSet::from(["zone-d".to_owned()]),
    };
    assert_eq!(said(&from, &to), [gained]);
}
