//! Which instances a group launches and ends, where, of what type and version.

use std::collections::BTreeSet;

use kfleet::cloud::Cloud;
use kfleet::model::{
    ActivityStatus, CloudEffect, Instance, Lifecycle, LiveGroup, Market, UserData, WarmPool,
};

use super::{CLUSTER, two};
use crate::bench::{
    Bench, definition, desired, detach, new_version, pin, resume, suspend, terminate, update,
};

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

/// Every instance in a zone that the group no longer has is moved, one after the other, and never is one missing.
pub(crate) async fn instances_leave_a_zone_that_was_removed<C: Cloud>(cloud: &C) {
    let bench = Bench::new(cloud, CLUSTER);
    let wanted = definition(CLUSTER, "nodes", 1, 6);
    let name = bench.created(&wanted, 4).await;
    let fewer = update(&wanted, |d| {
        d.auto_scaling_group
            .vpc_zone_identifier
            .retain(|subnet| subnet.contains("3a"));
    });
    assert_eq!(bench.told(&suspend(&name, "AZRebalance")).await, "done");
    assert_eq!(bench.told(&fewer).await, "done");
    bench.pass(900).await;
    let away = |g: &LiveGroup| {
        g.instances
            .values()
            .filter(|i| i.zone != "eu-west-3a")
            .count()
    };
    assert_eq!(
        away(&bench.group(&name).await),
        2,
        "nothing moves while it is suspended"
    );
    assert_eq!(bench.told(&resume(&name, "AZRebalance")).await, "done");
    for _ in 0..180 {
        let group = bench.group(&name).await;
        let serving = |i: &&Instance| i.lifecycle == Lifecycle::InService;
        assert!(group.instances.values().filter(serving).count() >= 4);
        if away(&group) == 0 {
            return;
        }
        bench.pass(10).await;
    }
    panic!("they never leave");
}

/// A launch is served from the warm pool, by its oldest instance, whatever version that runs; the pool is filled again with what is pinned.
pub(crate) async fn the_warm_pool_serves_first_and_is_filled_again<C: Cloud>(cloud: &C) {
    let bench = Bench::new(cloud, CLUSTER);
    let mut wanted = definition(CLUSTER, "nodes", 1, 4);
    wanted.auto_scaling_group.warm_pool = Some(WarmPool {
        min_size: 0,
        max_group_prepared_capacity: 3,
    });
    let name = bench.created(&wanted, 2).await;
    let warmed = |g: &LiveGroup| -> Vec<_> {
        let warm = g.instances.iter();
        warm.filter(|(_, i)| i.lifecycle == Lifecycle::Warmed)
            .map(|(id, i)| (id.clone(), i.version))
            .collect()
    };
    bench.until(&name, "filled", |g| warmed(g).len() == 1).await;
    let (old, version) = warmed(&bench.group(&name).await).remove(0);
    assert_eq!(version, Some(1));
    let second = new_version(&wanted, "ami-2", UserData::CarriedFrom(1), "second");
    assert_eq!(bench.told(&second).await, "version 2");
    assert_eq!(bench.told(&pin(&name, 1, 2)).await, "done");
    let one = bench.instances(&name, Lifecycle::InService).await.remove(0);
    assert_eq!(bench.told(&terminate(&name, &one, false)).await, "done");
    bench.complete(&name).await;
    let served = bench.group(&name).await;
    assert_eq!(
        served.instances.get(&old).map(|i| (i.lifecycle, i.version)),
        Some((Lifecycle::InService, Some(1)))
    );
    bench
        .until(&name, "filled again", |g| warmed(g).len() == 1)
        .await;
    let (new, version) = warmed(&bench.group(&name).await).remove(0);
    assert_eq!(version, Some(2));
    // Ending one of the pool lowers no desired capacity, and the pool is filled again.
    assert_eq!(bench.told(&terminate(&name, &new, true)).await, "done");
    bench
        .until(&name, "filled a third time", |g| {
            warmed(g).iter().any(|(id, _)| *id != new)
        })
        .await;
    assert_eq!(bench.group(&name).await.desired, 2);
}
