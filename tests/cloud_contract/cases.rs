//! The cases of the contract, against the traits alone.

use std::collections::BTreeSet;

use kfleet::cloud::Cloud;
use kfleet::model::{
    ActivityStatus, Applied, CloudEffect, Definition, Eviction, Hooks, Lifecycle, Market,
    NodeEffect, UserData, VersionRef,
};
use kfleet::nodes::NodeApi;

use crate::bench::{
    Bench, asg, creation, definition, desired, detach, new_version, pin, resume, suspend,
    terminate, update,
};

const CLUSTER: &str = "one.k8s.foo.bar";

pub(crate) async fn created_groups_read_back_equal<C: Cloud>(cloud: &C) {
    let bench = Bench::new(cloud, CLUSTER);
    let wanted = definition(CLUSTER, "nodes", 1, 5);
    let name = bench.created(&wanted, 2).await;
    let live = bench.group(&name).await;
    let version = live.versions.get(&1).unwrap();
    let mut found = wanted.clone();
    found.auto_scaling_group = (*live.group).clone();
    found.lifecycle_hooks = live.hooks.clone();
    found.launch_template.launch_template_data = version.data.clone();
    assert_eq!(found.canonical(), wanted.canonical());
    assert_eq!(
        (live.desired, live.version, live.latest_version),
        (2, VersionRef::Number(1), 1)
    );
    assert_eq!(
        (version.user_data.as_deref(), version.token.as_deref()),
        (Some("Zmlyc3Q="), Some("first"))
    );
    assert_eq!(live.suspended, ["ScheduledActions".to_owned()].into());
    assert!(bench.cluster().await.gaps.is_empty());
}

/// A group of two, in service, with a second version of its template.
async fn two<C: Cloud>(bench: &Bench<'_, C>) -> Definition {
    let wanted = definition(CLUSTER, "nodes", 1, 5);
    bench.created(&wanted, 2).await;
    assert_eq!(
        bench
            .told(&new_version(
                &wanted,
                "ami-2",
                UserData::CarriedFrom(1),
                "second"
            ))
            .await,
        "version 2"
    );
    wanted
}

pub(crate) async fn every_effect_is_done_once<C: Cloud>(cloud: &C) {
    let bench = Bench::new(cloud, CLUSTER);
    let wanted = two(&bench).await;
    let group = wanted.auto_scaling_group.auto_scaling_group_name.clone();
    let serving = bench.instances(&group, Lifecycle::InService).await;
    let other =
        |d: &mut Definition| d.auto_scaling_group.new_instances_protected_from_scale_in = true;
    let effects = [
        ("done", update(&wanted, other)),
        ("done", pin(&group, 1, 2)),
        ("done", desired(&group, 2, 3)),
        ("done", suspend(&group, "AZRebalance")),
        ("done", resume(&group, "AZRebalance")),
        ("done", detach(&group, &serving[0])),
        ("done", terminate(&group, &serving[0], false)),
        ("done", terminate(&group, &serving[1], true)),
        (
            "version 3",
            new_version(&wanted, "ami-3", UserData::CarriedFrom(2), "third"),
        ),
    ];
    for (first, effect) in effects {
        assert_eq!(bench.told(&effect).await, first, "{effect:?}");
        let after = bench.cluster().await;
        let again = if first == "done" { "already" } else { first };
        assert_eq!(bench.told(&effect).await, again, "{effect:?}");
        assert_eq!(bench.cluster().await, after, "{effect:?}");
    }
    assert_eq!(
        bench
            .group(&group)
            .await
            .versions
            .get(&2)
            .unwrap()
            .user_data
            .as_deref(),
        Some("Zmlyc3Q="),
        "carried"
    );
    let second = definition(CLUSTER, "second", 0, 1);
    assert_eq!(
        bench
            .told(&new_version(
                &second,
                "ami-1",
                UserData::Given(String::new()),
                "t"
            ))
            .await,
        "version 1"
    );
    for first in ["done", "already"] {
        assert_eq!(bench.told(&creation(&second, 1, 0)).await, first);
    }
    for first in ["done", "already"] {
        assert_eq!(
            bench
                .told(&CloudEffect::DeleteGroup {
                    group: Box::new(second.auto_scaling_group.clone())
                })
                .await,
            first
        );
    }
}

pub(crate) async fn neither_expected_nor_wanted_is_moved_and_untouched<C: Cloud>(cloud: &C) {
    let bench = Bench::new(cloud, CLUSTER);
    let wanted = two(&bench).await;
    let group = wanted.auto_scaling_group.auto_scaling_group_name.clone();
    let mut stale = wanted.clone();
    stale.auto_scaling_group.max_size = 4;
    let mut stale_hooks = wanted.clone();
    stale_hooks.lifecycle_hooks = Hooks::default();
    let none = asg("none");
    let larger = |d: &mut Definition| d.auto_scaling_group.max_size = 9;
    let before = bench.cluster().await;
    for (told, effect) in [
        (
            "nodes.one.k8s.foo.bar is not as expected: MaxSize is 5, not 4",
            update(&stale, larger),
        ),
        (
            "nodes.one.k8s.foo.bar is not as expected: lifecycle hooks differ",
            update(&stale_hooks, larger),
        ),
        (
            "nodes.one.k8s.foo.bar is at launch template version 1, not 3",
            pin(&group, 3, 2),
        ),
        (
            "nodes.one.k8s.foo.bar has desired capacity 2, not 4",
            desired(&group, 4, 5),
        ),
        (
            "nodes.one.k8s.foo.bar has no instance i-0",
            detach(&group, &"i-0".parse().unwrap()),
        ),
        ("there is no group none", desired(&none, 1, 2)),
        ("there is no group none", pin(&none, 1, 2)),
        ("there is no group none", suspend(&none, "Launch")),
    ] {
        assert_eq!(bench.told(&effect).await, format!("moved: {told}"));
    }
    let mut stale = wanted.auto_scaling_group.clone();
    stale.tags.pop();
    let told = bench
        .told(&CloudEffect::DeleteGroup {
            group: Box::new(stale),
        })
        .await;
    assert_eq!(
        told,
        "moved: nodes.one.k8s.foo.bar is not as expected: Tags differs"
    );
    assert_eq!(
        bench
            .told(&terminate(&none, &"i-0".parse().unwrap(), true))
            .await,
        "already"
    );
    assert_eq!(bench.cluster().await, before);
}

/// Of a group that goes, nobody may have read the hooks: its sizes are changed all the same.
pub(crate) async fn hooks_that_nobody_read_stay_as_they_are<C: Cloud>(cloud: &C) {
    let bench = Bench::new(cloud, CLUSTER);
    let wanted = definition(CLUSTER, "nodes", 1, 5);
    let group = bench.created(&wanted, 1).await;
    assert!(!wanted.lifecycle_hooks.are_none(), "there is one");
    let mut unread = wanted.clone();
    unread.lifecycle_hooks = Hooks::NotRead;
    for told in ["done", "already"] {
        assert_eq!(
            bench
                .told(&update(&unread, |d| d.auto_scaling_group.min_size = 0))
                .await,
            told
        );
        let live = bench.group(&group).await;
        assert_eq!(
            (live.group.min_size, &live.hooks),
            (0, &wanted.lifecycle_hooks)
        );
    }
}

pub(crate) async fn refusals_touch_nothing<C: Cloud>(cloud: &C) {
    let bench = Bench::new(cloud, CLUSTER);
    let wanted = two(&bench).await;
    let group = wanted.auto_scaling_group.auto_scaling_group_name.clone();
    let mut larger = wanted.clone();
    larger.auto_scaling_group.max_size = 9;
    let fresh = definition(CLUSTER, "fresh", 2, 4);
    let same_token = new_version(&wanted, "ami-9", UserData::CarriedFrom(1), "second");
    let no_source = new_version(&wanted, "ami-9", UserData::CarriedFrom(7), "t");
    let before = bench.cluster().await;
    for effect in [
        desired(&group, 2, 6),
        desired(&group, 2, 0),
        pin(&group, 1, 9),
        creation(&larger, 1, 2),
        creation(&fresh, 1, 2),
        update(&wanted, |d| d.auto_scaling_group.min_size = 6),
        suspend(&group, "Everything"),
        CloudEffect::DeleteGroup {
            group: Box::new(wanted.auto_scaling_group.clone()),
        },
        same_token,
        no_source,
    ] {
        let error = bench
            .apply(&effect)
            .await
            .expect_err(&format!("{effect:?}"));
        assert!(error.to_string().starts_with("refused for "), "{error}");
        assert!(!error.is_transient());
    }
    assert_eq!(bench.cluster().await, before);
    bench
        .told(&new_version(
            &fresh,
            "ami-1",
            UserData::Given(String::new()),
            "t",
        ))
        .await;
    for outside in [1, 5] {
        assert!(
            bench.apply(&creation(&fresh, 1, outside)).await.is_err(),
            "{outside}"
        );
    }
    let one = definition(CLUSTER, "one", 1, 1);
    let name = bench.created(&one, 1).await;
    let last = bench.instances(&name, Lifecycle::InService).await;
    // An autoscaler that got there first is no failure: whoever asked looks again.
    let told = bench.told(&terminate(&name, &last[0], true)).await;
    let id = &last[0];
    assert_eq!(
        told,
        format!(
            "moved: {name} has desired capacity 1, its minimum: ending {id} without replacement would go below"
        )
    );
}

pub(crate) async fn sizes_move_desired_capacity<C: Cloud>(cloud: &C) {
    let bench = Bench::new(cloud, CLUSTER);
    let mut wanted = definition(CLUSTER, "nodes", 1, 5);
    let name = bench.created(&wanted, 2).await;
    for (min, max, desired) in [(1, 9, 2), (4, 9, 4), (1, 3, 3), (0, 0, 0)] {
        let resize = |d: &mut Definition| {
            (d.auto_scaling_group.min_size, d.auto_scaling_group.max_size) = (min, max)
        };
        assert_eq!(bench.told(&update(&wanted, resize)).await, "done");
        resize(&mut wanted);
        assert_eq!(bench.group(&name).await.desired, desired, "{min}..{max}");
        bench.complete(&name).await;
    }
}

pub(crate) async fn desired_capacity_is_reached<C: Cloud>(cloud: &C) {
    let bench = Bench::new(cloud, CLUSTER);
    let name = bench.created(&definition(CLUSTER, "nodes", 0, 5), 1).await;
    let first = bench.instances(&name, Lifecycle::InService).await;
    assert_eq!(bench.told(&desired(&name, 1, 3)).await, "done");
    bench
        .until(&name, "launching", |g| {
            g.instances
                .values()
                .any(|i| i.lifecycle == Lifecycle::Pending)
        })
        .await;
    bench.complete(&name).await;
    let three = bench.instances(&name, Lifecycle::InService).await;
    assert!(three.len() == 3 && three.contains(&first[0]));
    assert_eq!(bench.told(&desired(&name, 3, 1)).await, "done");
    bench
        .until(&name, "terminating", |g| {
            g.instances
                .values()
                .any(|i| i.lifecycle == Lifecycle::Terminating)
        })
        .await;
    bench.complete(&name).await;
    assert_eq!(bench.instances(&name, Lifecycle::InService).await.len(), 1);
}

pub(crate) async fn a_detached_instance_runs_on_and_is_replaced<C: Cloud>(cloud: &C) {
    let bench = Bench::new(cloud, CLUSTER);
    let name = bench.created(&definition(CLUSTER, "nodes", 1, 5), 2).await;
    let before = bench.instances(&name, Lifecycle::InService).await;
    assert_eq!(bench.told(&detach(&name, &before[0])).await, "done");
    bench.complete(&name).await;
    assert_eq!(bench.group(&name).await.desired, 2);
    assert_eq!(
        bench.instances(&name, Lifecycle::Detached).await,
        before[..1]
    );
    assert!(
        bench
            .instances(&name, Lifecycle::InService)
            .await
            .contains(&before[1])
    );
    // No longer the group's: its desired capacity stays.
    assert_eq!(
        bench.told(&terminate(&name, &before[0], true)).await,
        "done"
    );
    bench
        .until(&name, "rid of it", |g| {
            !g.instances.contains_key(&before[0])
        })
        .await;
    assert_eq!(bench.group(&name).await.desired, 2);
    assert_eq!(
        bench.told(&terminate(&name, &before[0], true)).await,
        "already"
    );
    assert!(
        bench
            .told(&detach(&name, &before[0]))
            .await
            .starts_with("moved: ")
    );
}

pub(crate) async fn ending_with_decrement_is_not_replaced<C: Cloud>(cloud: &C) {
    let bench = Bench::new(cloud, CLUSTER);
    let name = bench.created(&definition(CLUSTER, "nodes", 1, 5), 3).await;
    let all = bench.instances(&name, Lifecycle::InService).await;
    bench.told(&terminate(&name, &all[0], true)).await;
    bench.told(&terminate(&name, &all[1], false)).await;
    assert_eq!(bench.group(&name).await.desired, 2);
    bench.complete(&name).await;
    let left = bench.instances(&name, Lifecycle::InService).await;
    assert!(
        left.len() == 2 && left.contains(&all[2]) && !left.contains(&all[1]),
        "{left:?}"
    );
}

pub(crate) async fn suspended_launch_starts_nothing<C: Cloud>(cloud: &C) {
    let bench = Bench::new(cloud, CLUSTER);
    let wanted = definition(CLUSTER, "nodes", 1, 5);
    let name = bench.created(&wanted, 1).await;
    bench.told(&suspend(&name, "Launch")).await;
    bench.told(&desired(&name, 1, 2)).await;
    bench.pass(600).await;
    assert_eq!(bench.group(&name).await.instances.len(), 1);
    // Somebody else's suspension is no difference from the definition, and survives a change of it.
    assert_eq!(
        bench
            .told(&update(&wanted, |d| d.auto_scaling_group.max_size = 7))
            .await,
        "done"
    );
    let suspended: Vec<String> = bench.group(&name).await.suspended.into_iter().collect();
    assert_eq!(suspended, ["Launch", "ScheduledActions"]);
    bench.told(&resume(&name, "Launch")).await;
    bench.complete(&name).await;
    assert_eq!(bench.group(&name).await.instances.len(), 2);
}

pub(crate) async fn a_launch_decided_before_launch_was_suspended_does_not_begin<C: Cloud>(
    cloud: &C,
) {
    let bench = Bench::new(cloud, CLUSTER);
    let name = bench.created(&definition(CLUSTER, "nodes", 1, 5), 1).await;
    bench.told(&desired(&name, 1, 2)).await;
    bench.told(&suspend(&name, "Launch")).await;
    bench.pass(600).await;
    assert_eq!(bench.group(&name).await.instances.len(), 1);
    bench.told(&resume(&name, "Launch")).await;
    bench.complete(&name).await;
    assert_eq!(bench.group(&name).await.instances.len(), 2);
}

pub(crate) async fn activities_come_to_an_end<C: Cloud>(cloud: &C) {
    let bench = Bench::new(cloud, CLUSTER);
    let name = bench.created(&definition(CLUSTER, "nodes", 1, 5), 1).await;
    bench.told(&desired(&name, 1, 2)).await;
    bench
        .until(&name, "launching", |g| {
            g.instances
                .values()
                .any(|i| i.lifecycle == Lifecycle::Pending)
        })
        .await;
    assert!(
        bench
            .group(&name)
            .await
            .activities
            .iter()
            .any(|a| a.status == ActivityStatus::InProgress)
    );
    // Ended before it was in service: that launch is not going on for ever, and has not failed.
    let pending = bench.instances(&name, Lifecycle::Pending).await;
    bench.told(&terminate(&name, &pending[0], true)).await;
    bench.complete(&name).await;
    let activities = bench.group(&name).await.activities;
    assert!(
        activities
            .iter()
            .all(|a| a.status == ActivityStatus::Successful),
        "{activities:?}"
    );
    assert!(activities.is_sorted_by_key(|a| a.at));
}

pub(crate) async fn scale_in_ends_the_oldest_version_first<C: Cloud>(cloud: &C) {
    let bench = Bench::new(cloud, CLUSTER);
    let wanted = two(&bench).await;
    let name = wanted.auto_scaling_group.auto_scaling_group_name.clone();
    let old = bench.instances(&name, Lifecycle::InService).await;
    bench.told(&pin(&name, 1, 2)).await;
    bench.told(&desired(&name, 2, 4)).await;
    bench.complete(&name).await;
    bench.told(&desired(&name, 4, 2)).await;
    bench.complete(&name).await;
    assert!(
        bench
            .instances(&name, Lifecycle::InService)
            .await
            .iter()
            .all(|id| !old.contains(id))
    );
}

pub(crate) async fn scale_in_leaves_what_is_protected<C: Cloud>(cloud: &C) {
    let bench = Bench::new(cloud, CLUSTER);
    let wanted = two(&bench).await;
    let name = wanted.auto_scaling_group.auto_scaling_group_name.clone();
    let old = bench.instances(&name, Lifecycle::InService).await;
    for protect in [true, false] {
        let effect = CloudEffect::Protect {
            group: name.clone(),
            instances: old.iter().cloned().collect(),
            protect,
        };
        for told in ["done", "already"] {
            assert_eq!(bench.told(&effect).await, told);
        }
        let found = bench.group(&name).await.instances;
        assert!(old.iter().all(|id| found[id].protected == protect));
        bench
            .told(&pin(&name, if protect { 1 } else { 2 }, 2))
            .await;
        bench.told(&desired(&name, 2, 4)).await;
        bench.complete(&name).await;
        // Those of the older version would be the first to go.
        bench.told(&desired(&name, 4, 2)).await;
        bench.complete(&name).await;
        let left: BTreeSet<_> = bench
            .instances(&name, Lifecycle::InService)
            .await
            .into_iter()
            .collect();
        assert_eq!(left == old.iter().cloned().collect(), protect);
    }
}

pub(crate) async fn instances_run_the_version_pinned_at_their_launch<C: Cloud>(cloud: &C) {
    let bench = Bench::new(cloud, CLUSTER);
    let wanted = two(&bench).await;
    let name = wanted.auto_scaling_group.auto_scaling_group_name.clone();
    bench.told(&pin(&name, 1, 2)).await;
    let group = bench.group(&name).await;
    assert!(
        group.instances.values().all(|i| i.version == Some(1)),
        "running instances stay"
    );
    assert_eq!(group.versions.keys().copied().collect::<Vec<_>>(), [1, 2]);
    bench.told(&desired(&name, 2, 3)).await;
    bench.complete(&name).await;
    let versions: Vec<_> = bench
        .group(&name)
        .await
        .instances
        .values()
        .filter_map(|i| i.version)
        .collect();
    assert_eq!(
        versions.iter().filter(|v| **v == 2).count(),
        1,
        "{versions:?}"
    );
}

pub(crate) async fn spot_follows_the_distribution<C: Cloud>(cloud: &C) {
    let bench = Bench::new(cloud, CLUSTER);
    for (group, base, percent, on_demand) in [
        ("a", 0, 0, 0),
        ("b", 1, 0, 1),
        ("c", 0, 100, 4),
        ("d", 0, 50, 2),
        ("e", 2, 50, 3),
    ] {
        let mut wanted = definition(CLUSTER, group, 0, 4);
        let policy = serde_json::json!({
            "InstancesDistribution": {"OnDemandBaseCapacity": base, "OnDemandPercentageAboveBaseCapacity": percent},
            "Overrides": [{"InstanceType": "r5.xlarge"}, {"InstanceType": "m4.xlarge"}],
        });
        wanted.auto_scaling_group.mixed_instances_policy =
            Some(serde_json::from_value(policy).unwrap());
        let name = bench.created(&wanted, 4).await;
        let live = bench.group(&name).await;
        assert_eq!(
            live.instances
                .values()
                .filter(|i| i.market == Market::OnDemand)
                .count(),
            on_demand,
            "{group}"
        );
        for instance in live.instances.values() {
            let listed: &[&str] = if instance.market == Market::OnDemand {
                &["r5.xlarge"]
            } else {
                &["r5.xlarge", "m4.xlarge"]
            };
            assert!(
                listed.contains(&instance.instance_type.as_str()),
                "{instance:?}"
            );
        }
    }
}

pub(crate) async fn zones_are_filled_evenly<C: Cloud>(cloud: &C) {
    let bench = Bench::new(cloud, CLUSTER);
    let name = bench.created(&definition(CLUSTER, "nodes", 0, 6), 6).await;
    let live = bench.group(&name).await;
    for zone in ["eu-west-3a", "eu-west-3b"] {
        assert_eq!(
            live.instances.values().filter(|i| i.zone == zone).count(),
            3,
            "{zone}"
        );
    }
}

pub(crate) async fn a_drain_empties_a_node<C: Cloud + NodeApi>(cloud: &C) {
    let bench = Bench::new(cloud, CLUSTER);
    let name = bench.created(&definition(CLUSTER, "nodes", 1, 5), 4).await;
    bench.all_ready().await;
    let nodes = bench.nodes().await;
    let behind: BTreeSet<_> = nodes.values().map(|n| n.instance.clone()).collect();
    assert_eq!(
        behind.into_iter().collect::<Vec<_>>(),
        bench.instances(&name, Lifecycle::InService).await
    );
    let pods = || async {
        bench
            .nodes()
            .await
            .values()
            .map(|n| n.evictable_pods)
            .sum::<u32>()
    };
    let all = pods().await;
    let (node, full) = nodes
        .into_iter()
        .max_by_key(|(_, n)| n.evictable_pods)
        .unwrap();
    assert!(
        full.evictable_pods >= 2,
        "a drain of {full:?} would show nothing"
    );
    for told in [Applied::Done, Applied::Already] {
        assert_eq!(
            bench
                .act(NodeEffect::Cordon {
                    node: node.clone(),
                    instance: full.instance.clone(),
                })
                .await,
            told
        );
    }
    let begin = cloud.now();
    let mut blocked = 0;
    for _ in 0..60 {
        if bench
            .act(NodeEffect::Evict {
                node: node.clone(),
                instance: full.instance.clone(),
                policy: Eviction::default(),
            })
            .await
            == Applied::Already
        {
            break;
        }
        blocked += bench.nodes().await[&node].blocked.len();
        bench.pass(5).await;
    }
    assert_eq!(bench.nodes().await[&node].evictable_pods, 0);
    assert_eq!(pods().await, all, "evicted pods come back elsewhere");
    assert!(
        blocked > 0 && cloud.now().since(begin).millis() >= 20_000,
        "budgets make a drain take time"
    );
    bench.told(&terminate(&name, &full.instance, false)).await;
    bench.complete(&name).await;
    assert!(!bench.nodes().await.contains_key(&node));
    let (another, shown) = bench.nodes().await.pop_first().unwrap();
    let instance = shown.instance.clone();
    bench
        .act(NodeEffect::Cordon {
            node: another.clone(),
            instance: instance.clone(),
        })
        .await;
    assert!(bench.nodes().await[&another].cordoned);
    for told in [Applied::Done, Applied::Already] {
        assert_eq!(
            bench
                .act(NodeEffect::Uncordon {
                    node: another.clone(),
                    instance: instance.clone(),
                })
                .await,
            told
        );
        assert!(!bench.nodes().await[&another].cordoned);
    }
}

pub(crate) async fn pods_of_a_node_that_goes_undrained_come_back<C: Cloud + NodeApi>(cloud: &C) {
    let bench = Bench::new(cloud, CLUSTER);
    let name = bench.created(&definition(CLUSTER, "nodes", 1, 5), 4).await;
    bench.all_ready().await;
    let pods = || async {
        bench
            .nodes()
            .await
            .values()
            .map(|n| n.evictable_pods)
            .collect::<Vec<_>>()
    };
    let before = pods().await;
    assert!(
        before.iter().filter(|n| **n > 0).count() > 1,
        "spread over nodes: {before:?}"
    );
    let (_, full) = bench
        .nodes()
        .await
        .into_iter()
        .max_by_key(|(_, n)| n.evictable_pods)
        .unwrap();
    bench.told(&terminate(&name, &full.instance, true)).await;
    bench.complete(&name).await;
    assert_eq!(pods().await.iter().sum::<u32>(), before.iter().sum::<u32>());
}

pub(crate) async fn a_node_that_is_gone_needs_nothing<C: Cloud + NodeApi>(cloud: &C) {
    let bench = Bench::new(cloud, CLUSTER);
    assert!(bench.nodes().await.is_empty());
    bench.created(&definition(CLUSTER, "nodes", 1, 5), 1).await;
    let node: kfleet::model::NodeName = "ip-10-0-0-1".parse().unwrap();
    let instance: kfleet::model::InstanceId = "i-1".parse().unwrap();
    for effect in [
        NodeEffect::Cordon {
            node: node.clone(),
            instance: instance.clone(),
        },
        NodeEffect::Uncordon {
            node: node.clone(),
            instance: instance.clone(),
        },
        NodeEffect::Evict {
            node,
            instance,
            policy: Eviction::default(),
        },
    ] {
        assert_eq!(bench.act(effect).await, Applied::Already);
    }
}

pub(crate) async fn a_group_goes_when_it_is_empty<C: Cloud>(cloud: &C) {
    let bench = Bench::new(cloud, CLUSTER);
    let wanted = definition(CLUSTER, "nodes", 0, 5);
    let name = bench.created(&wanted, 2).await;
    let mut empty = wanted.clone();
    empty.auto_scaling_group.max_size = 0;
    let to_nothing = CloudEffect::UpdateGroup {
        from: Box::new(wanted),
        to: Box::new(empty.clone()),
        version: None,
    };
    assert_eq!(bench.told(&to_nothing).await, "done");
    let deletion = CloudEffect::DeleteGroup {
        group: Box::new(empty.auto_scaling_group.clone()),
    };
    assert!(
        bench.apply(&deletion).await.is_err(),
        "instances are still on their way out"
    );
    bench.complete(&name).await;
    assert_eq!(bench.told(&deletion).await, "done");
    assert!(bench.cluster().await.groups.is_empty());
    // Its template went with it: the numbers begin anew.
    assert_eq!(
        bench
            .told(&new_version(
                &empty,
                "ami-1",
                UserData::Given(String::new()),
                "t"
            ))
            .await,
        "version 1"
    );
}

pub(crate) async fn names_are_unique_in_account_and_region<C: Cloud>(cloud: &C) {
    let (one, two) = (
        Bench::new(cloud, CLUSTER),
        Bench::new(cloud, "two.k8s.foo.bar"),
    );
    let wanted = definition(CLUSTER, "nodes", 0, 5);
    one.created(&wanted, 0).await;
    two.told(&new_version(
        &wanted,
        "ami-1",
        UserData::Given(String::new()),
        "t",
    ))
    .await;
    assert!(
        two.told(&creation(&wanted, 1, 0))
            .await
            .contains("AlreadyExists")
    );
    let mut elsewhere = Bench::new(cloud, CLUSTER);
    elsewhere.place.region = "eu-west-1".parse().unwrap();
    assert!(elsewhere.cluster().await.groups.is_empty());
    elsewhere.created(&wanted, 0).await;
}
