//! What is not a field of ours, and hooks that were not read.

use super::*;
use crate::model::{AutoScalingGroup, EnabledMetrics, LifecycleHook, TemplateVersion};

fn group(name: &AsgName) -> AutoScalingGroup {
    AutoScalingGroup {
        auto_scaling_group_name: name.clone(),
        min_size: 0,
        max_size: 0,
        vpc_zone_identifier: BTreeSet::new(),
        new_instances_protected_from_scale_in: false,
        tags: Vec::new().into(),
        enabled_metrics: EnabledMetrics {
            granularity: "1Minute".into(),
            metrics: BTreeSet::new().into(),
        },
        mixed_instances_policy: None,
        max_instance_lifetime: None,
        suspended_processes: BTreeSet::new(),
        load_balancer_names: BTreeSet::new(),
        target_group_arns: BTreeSet::new(),
        capacity_rebalance: None,
        warm_pool: None,
    }
}

fn live(name: &AsgName, hooks: Hooks, by_hand: &[(&str, &str)]) -> LiveGroup {
    LiveGroup {
        group: group(name).into(),
        hooks,
        desired: 0,
        version: VersionRef::Number(1),
        versions: BTreeMap::new(),
        latest_version: 1,
        instances: BTreeMap::new(),
        activities: Vec::new(),
        suspended: BTreeSet::new(),
        refresh: None,
        by_hand: by_hand
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect(),
    }
}

#[test]
fn what_is_no_field_of_ours_is_said() {
    let name = AsgName::new("g.c").unwrap();
    let said = |fields: &[(&str, &str)]| by_hand(&name, &live(&name, Hooks::default(), fields));
    assert_eq!(said(&[]), None);
    assert_eq!(
        said(&[
            ("LaunchTemplateData.KernelId", "aki-1"),
            (
                "LaunchTemplateData.NetworkInterfaces[0].SubnetId",
                "subnet-1"
            ),
            ("HealthCheckType", "ELB"),
            ("PlacementGroup", "p")
        ]),
        Some(Note::of(
            &name,
            Fact::SetByHand {
                stays: fields(&[("HealthCheckType", "ELB"), ("PlacementGroup", "p")]),
                carried: fields(&[("LaunchTemplateData.KernelId", "aki-1")]),
                lost: fields(&[(
                    "LaunchTemplateData.NetworkInterfaces[0].SubnetId",
                    "subnet-1"
                )]),
            }
        ))
    );
}

fn fields(of: &[(&str, &str)]) -> Fields {
    let owned = |(k, v): &(&str, &str)| ((*k).to_owned(), (*v).to_owned());
    of.iter().map(owned).collect()
}

#[test]
fn hooks_that_nobody_read_are_as_wanted_and_bind_no_plan() {
    let name = AsgName::new("g.c").unwrap();
    let hook = LifecycleHook {
        default_result: "CONTINUE".into(),
        heartbeat_timeout: 300,
        lifecycle_transition: "t".into(),
    };
    let wanted = Hooks::Known(BTreeMap::from([("drain".to_owned(), hook)]).into());
    let of = |hooks: Hooks| {
        let mut live = live(&name, hooks, &[]);
        let data = serde_json::from_value(serde_json::json!({
            "ImageId": "ami-1", "InstanceType": "m5.large", "IamInstanceProfile": {"Name": "p"}, "BlockDeviceMappings": [], "Monitoring": {"Enabled": false},
            "MetadataOptions": {"HttpEndpoint": "e", "HttpProtocolIpv6": "d", "HttpTokens": "required", "HttpPutResponseHopLimit": 1}, "NetworkInterfaces": [], "TagSpecifications": []
        }));
        let data = data.unwrap();
        live.versions
            .insert(1, TemplateVersion::new(data, None, None).into());
        live
    };
    let found = |hooks: Hooks| {
        found_definition(&name, &of(hooks), &wanted)
            .unwrap()
            .lifecycle_hooks
    };
    assert_eq!(found(Hooks::NotRead), wanted);
    assert_eq!(
        found(Hooks::default()),
        Hooks::default(),
        "none is not the same as not read"
    );
    let print = |hooks: Hooks| {
        fingerprint(Some(&LiveCluster {
            groups: BTreeMap::from([(name.clone(), of(hooks).into())]),
            ..LiveCluster::default()
        }))
    };
    assert_eq!(print(Hooks::NotRead), print(wanted.clone()));
    assert_ne!(print(Hooks::NotRead), fingerprint(None));
}
