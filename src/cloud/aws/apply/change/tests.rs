//! Every field, changed by us and by others; changes that broke off after every call.

use super::*;
use serde_json::{Value, json};

/// A group with something in every field.
fn full() -> Fields {
    let tag = |key: &str| json!({"Key": key, "Value": "1", "PropagateAtLaunch": true});
    let group = json!({
        "AutoScalingGroupName": "nodes.a.b", "MinSize": 1, "MaxSize": 5, "VPCZoneIdentifier": ["subnet-1", "subnet-2"],
        "NewInstancesProtectedFromScaleIn": false, "Tags": [tag("a"), tag("b")],
        "EnabledMetrics": {"Granularity": "1Minute", "Metrics": ["GroupMaxSize", "GroupMinSize"]},
        "MixedInstancesPolicy": {"InstancesDistribution": {}, "Overrides": [{"InstanceType": "m5.large"}]},
        "MaxInstanceLifetime": 86400, "SuspendedProcesses": ["AZRebalance"], "LoadBalancerNames": ["one"], "TargetGroupARNs": ["arn:one"],
        "CapacityRebalance": true, "WarmPool": {"MinSize": 1, "MaxGroupPreparedCapacity": -1},
    });
    let hooks = json!({"drain": {"DefaultResult": "CONTINUE", "HeartbeatTimeout": 300, "LifecycleTransition": "autoscaling:EC2_INSTANCE_TERMINATING"}});
    fields(&json!({"group": group, "hooks": hooks}))
}

fn fields(value: &Value) -> Fields {
    let group: AutoScalingGroup = serde_json::from_value(value["group"].clone()).unwrap();
    Fields {
        group: group.canonical(),
        hooks: serde_json::from_value(value["hooks"].clone()).unwrap(),
    }
}

fn value(fields: &Fields) -> Value {
    json!({"group": serde_json::to_value(&fields.group).unwrap(), "hooks": serde_json::to_value(&fields.hooks).unwrap()})
}

/// The full group with one field another; `null` takes it away.
fn with(pointer: &str, new: &Value) -> Fields {
    let mut all = value(&full());
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let parent = all.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    if new.is_null() {
        parent.remove(key)
    } else {
        parent.insert(key.to_owned(), new.clone())
    };
    fields(&all)
}

/// Every field that we own: another value, and the calls that bring it.
fn every_field() -> Vec<(&'static str, Value, &'static str)> {
    let tag =
        |key: &str, value: &str| json!({"Key": key, "Value": value, "PropagateAtLaunch": true});
    let hook = json!({"DefaultResult": "ABANDON", "HeartbeatTimeout": 60, "LifecycleTransition": "autoscaling:EC2_INSTANCE_TERMINATING"});
    let other_policy = json!({"InstancesDistribution": {}, "Overrides": []});
    vec![
        ("/group/MinSize", json!(2), "Fields min_size: Some(2)"),
        ("/group/MaxSize", json!(9), "Fields max_size: Some(9)"),
        (
            "/group/VPCZoneIdentifier",
            json!(["subnet-2"]),
            "Fields subnets: Some({\"subnet-2\"})",
        ),
        (
            "/group/NewInstancesProtectedFromScaleIn",
            json!(true),
            "Fields protected: Some(true)",
        ),
        (
            "/group/MaxInstanceLifetime",
            json!(90000),
            "Fields lifetime: Some(90000)",
        ),
        (
            "/group/MaxInstanceLifetime",
            Value::Null,
            "Fields lifetime: Some(0)",
        ),
        (
            "/group/CapacityRebalance",
            Value::Null,
            "Fields rebalance: Some(false)",
        ),
        (
            "/group/MixedInstancesPolicy",
            Value::Null,
            "Fields policy: Gone",
        ),
        (
            "/group/MixedInstancesPolicy",
            other_policy,
            "Fields policy: Mixed",
        ),
        (
            "/group/Tags",
            json!([tag("a", "2"), tag("c", "3")]),
            "PutTags a=2 c=3; DeleteTags b",
        ),
        (
            "/group/EnabledMetrics",
            json!({"Granularity": "1Minute", "Metrics": ["GroupMaxSize", "New"]}),
            "EnableMetrics New; DisableMetrics GroupMinSize",
        ),
        (
            "/group/SuspendedProcesses",
            json!(["Launch"]),
            "Suspend Launch; Resume AZRebalance",
        ),
        (
            "/group/LoadBalancerNames",
            json!(["two"]),
            "AttachLoadBalancers two; DetachLoadBalancers one",
        ),
        (
            "/group/TargetGroupARNs",
            json!(["arn:two"]),
            "AttachTargetGroups arn:two; DetachTargetGroups arn:one",
        ),
        (
            "/group/WarmPool",
            json!({"MinSize": 0, "MaxGroupPreparedCapacity": 7}),
            "PutWarmPool 0..7",
        ),
        ("/group/WarmPool", Value::Null, "DeleteWarmPool"),
        ("/hooks/drain", hook.clone(), "PutHook drain"),
        ("/hooks/drain", Value::Null, "DeleteHook drain"),
        ("/hooks/second", hook, "PutHook second"),
    ]
}

/// The calls, short.
fn told(calls: &[Write]) -> String {
    let list = |items: Vec<String>| items.join(" ");
    let one = |call: &Write| match call {
        Write::Suspend(p) => format!("Suspend {}", list(p.iter().cloned().collect())),
        Write::Resume(p) => format!("Resume {}", list(p.iter().cloned().collect())),
        Write::Fields(changed) => {
            let Changed {
                min_size,
                max_size,
                subnets,
                protected,
                lifetime,
                rebalance,
                policy,
            } = &**changed;
            let shown = [
                min_size.map(|v| format!("min_size: {:?}", Some(v))),
                max_size.map(|v| format!("max_size: {:?}", Some(v))),
                subnets.as_ref().map(|v| format!("subnets: {:?}", Some(v))),
                protected.map(|v| format!("protected: {:?}", Some(v))),
                lifetime.map(|v| format!("lifetime: {:?}", Some(v))),
                rebalance.map(|v| format!("rebalance: {:?}", Some(v))),
                match policy {
                    Policy::Stays => None,
                    Policy::Mixed(_) => Some("policy: Mixed".into()),
                    Policy::Gone => Some("policy: Gone".into()),
                },
            ];
            format!("Fields {}", list(shown.into_iter().flatten().collect()))
        }
        Write::PutTags(tags) => format!(
            "PutTags {}",
            list(
                tags.iter()
                    .map(|t| format!("{}={}", t.key, t.value))
                    .collect()
            )
        ),
        Write::DeleteTags(tags) => format!(
            "DeleteTags {}",
            list(tags.iter().map(|t| t.key.to_string()).collect())
        ),
        Write::PutHook(name, _) => format!("PutHook {name}"),
        Write::DeleteHook(name) => format!("DeleteHook {name}"),
        Write::AttachLoadBalancers(names) => format!("AttachLoadBalancers {}", list(names.clone())),
        Write::DetachLoadBalancers(names) => format!("DetachLoadBalancers {}", list(names.clone())),
        Write::AttachTargetGroups(names) => format!("AttachTargetGroups {}", list(names.clone())),
        Write::DetachTargetGroups(names) => format!("DetachTargetGroups {}", list(names.clone())),
        Write::EnableMetrics(metrics) => format!(
            "EnableMetrics {}",
            list(metrics.metrics.iter().cloned().collect())
        ),
        Write::DisableMetrics(metrics) => {
            format!("DisableMetrics {}", list(metrics.iter().cloned().collect()))
        }
        Write::PutWarmPool(pool) => format!(
            "PutWarmPool {}..{}",
            pool.min_size, pool.max_group_prepared_capacity
        ),
        Write::DeleteWarmPool => "DeleteWarmPool".into(),
    };
    calls.iter().map(one).collect::<Vec<_>>().join("; ")
}

#[test]
fn every_field_has_its_call() {
    let from = full();
    for (pointer, new, calls) in every_field() {
        let to = with(pointer, &new);
        assert_ne!(to, from, "{pointer}");
        assert_eq!(
            writes(&from, &from, &to).as_deref().map(told),
            Ok(calls.to_owned()),
            "{pointer}"
        );
        assert_eq!(
            writes(&to, &from, &to),
            Ok(Vec::new()),
            "{pointer}: done already"
        );
    }
}

#[test]
fn every_field_changed_by_others_is_found() {
    let from = full();
    let to = with("/group/MaxSize", &json!(7));
    for (pointer, new, _) in every_field() {
        // What processes others suspend is theirs: only one that is gone is a difference.
        let found = with(pointer, &new);
        let moved = writes(&found, &from, &to).unwrap_err();
        let field = pointer.rsplit('/').next().unwrap();
        let field = if pointer.starts_with("/hooks") {
            "lifecycle hooks"
        } else {
            field
        };
        assert!(
            moved.starts_with(&format!("nodes.a.b is not as expected: {field} ")),
            "{pointer}: {moved}"
        );
    }
}

#[test]
fn short_values_are_told() {
    let from = full();
    for (pointer, new, told) in [
        ("/group/MaxSize", json!(4), "MaxSize is 4, not 5"),
        (
            "/group/MaxInstanceLifetime",
            Value::Null,
            "MaxInstanceLifetime is not set, not 86400",
        ),
        (
            "/group/CapacityRebalance",
            Value::Null,
            "CapacityRebalance is false, not true",
        ),
        ("/group/Tags", json!([]), "Tags differs"),
        ("/hooks/drain", Value::Null, "lifecycle hooks differ"),
    ] {
        assert_eq!(
            writes(&with(pointer, &new), &from, &from),
            Err(format!("nodes.a.b is not as expected: {told}"))
        );
    }
}

/// A change of everything that broke off after any of its calls is finished by saying it again.
#[test]
fn what_broke_off_is_finished() {
    let (from, mut to) = (full(), value(&full()));
    for (pointer, new, _) in every_field()
        .into_iter()
        .filter(|(_, new, _)| !new.is_null())
    {
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        to.pointer_mut(parent)
            .unwrap()
            .as_object_mut()
            .unwrap()
            .insert(key.to_owned(), new);
    }
    to["hooks"].as_object_mut().unwrap().remove("drain");
    let to = fields(&to);
    let all = writes(&from, &from, &to).unwrap();
    assert_eq!(all.len(), 14, "{}", told(&all));
    let mut found = from.clone();
    for (number, call) in all.iter().enumerate() {
        let left = writes(&found, &from, &to).unwrap();
        assert_eq!(told(&left), told(&all[number..]));
        carry_out(&mut found, call);
    }
    assert_eq!(writes(&found, &from, &to), Ok(Vec::new()));
    assert_eq!(found, to);
}

/// What AWS does with a call.
fn carry_out(found: &mut Fields, call: &Write) {
    let group = &mut found.group;
    match call {
        Write::Suspend(p) => group.suspended_processes.extend(p.iter().cloned()),
        Write::Resume(p) => group.suspended_processes.retain(|have| !p.contains(have)),
        Write::Fields(changed) => {
            let Changed {
                min_size,
                max_size,
                subnets,
                protected,
                lifetime,
                rebalance,
                policy,
            } = (**changed).clone();
            group.min_size = min_size.unwrap_or(group.min_size);
            group.max_size = max_size.unwrap_or(group.max_size);
            group.vpc_zone_identifier = subnets.unwrap_or(group.vpc_zone_identifier.clone());
            group.new_instances_protected_from_scale_in =
                protected.unwrap_or(group.new_instances_protected_from_scale_in);
            group.max_instance_lifetime =
                lifetime.map_or(group.max_instance_lifetime, |v| (v > 0).then_some(v));
            group.capacity_rebalance = rebalance.map_or(group.capacity_rebalance, Some);
            match policy {
                Policy::Stays => {}
                Policy::Mixed(policy) => group.mixed_instances_policy = Some(policy),
                Policy::Gone => group.mixed_instances_policy = None,
            }
        }
        Write::PutTags(tags) => {
            group.tags.retain(|t| tags.iter().all(|n| n.key != t.key));
            group.tags.extend(tags.iter().cloned());
            group.tags.sort();
        }
        Write::DeleteTags(tags) => group.tags.retain(|t| tags.iter().all(|n| n.key != t.key)),
        Write::PutHook(name, hook) => drop(found.hooks.insert(name.clone(), hook.clone())),
        Write::DeleteHook(name) => drop(found.hooks.remove(name)),
        Write::AttachLoadBalancers(names) => {
            group.load_balancer_names.extend(names.iter().cloned())
        }
        Write::DetachLoadBalancers(names) => {
            group.load_balancer_names.retain(|n| !names.contains(n))
        }
        Write::AttachTargetGroups(names) => group.target_group_arns.extend(names.iter().cloned()),
        Write::DetachTargetGroups(names) => group.target_group_arns.retain(|n| !names.contains(n)),
        Write::EnableMetrics(metrics) => group
            .enabled_metrics
            .metrics
            .extend(metrics.metrics.iter().cloned()),
        Write::DisableMetrics(metrics) => group
            .enabled_metrics
            .metrics
            .retain(|m| !metrics.contains(m)),
        Write::PutWarmPool(pool) => group.warm_pool = Some(pool.clone()),
        Write::DeleteWarmPool => group.warm_pool = None,
    }
}

#[test]
fn processes_that_others_suspend_are_theirs() {
    let from = full();
    let found = with(
        "/group/SuspendedProcesses",
        &json!(["AZRebalance", "Terminate"]),
    );
    assert_eq!(writes(&found, &from, &from), Ok(Vec::new()));
    let to = with("/group/SuspendedProcesses", &json!([]));
    assert_eq!(
        writes(&found, &from, &to).as_deref().map(told),
        Ok("Resume AZRebalance".to_owned())
    );
}

#[test]
fn no_call_names_more_than_ten() {
    let many: Vec<String> = (10..33).map(|n| format!("arn:{n}")).collect();
    let (from, to) = (
        with("/group/TargetGroupARNs", &json!([])),
        with("/group/TargetGroupARNs", &json!(many)),
    );
    let sizes = writes(&from, &from, &to)
        .unwrap()
        .iter()
        .map(|c| {
            if let Write::AttachTargetGroups(n) = c {
                n.len()
            } else {
                0
            }
        })
        .collect::<Vec<_>>();
    assert_eq!(sizes, [10, 10, 3]);
}

/// A group whose creation broke off after the first call is finished, one of another making is not touched.
#[test]
fn a_creation_that_broke_off_is_finished() {
    let to = full();
    let begun = just_created(&to);
    let calls = writes(&begun, &begun, &to).unwrap();
    assert_eq!(
        told(&calls),
        "Suspend AZRebalance; PutHook drain; AttachLoadBalancers one; AttachTargetGroups arn:one; EnableMetrics GroupMaxSize GroupMinSize; PutWarmPool 1..-1"
    );
    let mut found = begun.clone();
    for call in &calls {
        assert!(writes(&found, &begun, &to).is_ok());
        carry_out(&mut found, call);
    }
    assert_eq!(found, to);
    assert!(writes(&with("/group/MinSize", &json!(3)), &begun, &to).is_err());
}
