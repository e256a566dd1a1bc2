//! What each effect does to a group, once, and what is refused.

use kfleet::cloud::Cloud;
use kfleet::model::{
    CloudEffect, Definition, Hooks, Lifecycle, UserData, UserDataDigest, VersionRef, Versions,
};

use super::{CLUSTER, two};
use crate::bench::{
    Bench, asg, creation, definition, desired, detach, launched, new_version, pin, resume, suspend,
    terminate, update,
};

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
    // What was given as user data is read back by its digest.
    let mut wanted = wanted.clone();
    wanted.launch_template.launch_template_data.user_data = Some(UserDataDigest::of("Zmlyc3Q="));
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
                UserData::Given(String::new().into()),
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
            UserData::Given(String::new().into()),
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
    let resize = |min, max| {
        move |d: &mut Definition| {
            (d.auto_scaling_group.min_size, d.auto_scaling_group.max_size) = (min, max)
        }
    };
    for (min, max, is) in [(1, 9, 2), (4, 9, 4), (1, 9, 4)] {
        assert_eq!(bench.told(&update(&wanted, resize(min, max))).await, "done");
        resize(min, max)(&mut wanted);
        assert_eq!(bench.group(&name).await.desired, is, "{min}..{max}");
        bench.complete(&name).await;
    }
    // AWS itself would end an instance with a maximum below what is wanted.
    assert_eq!(
        bench.told(&update(&wanted, resize(1, 3))).await,
        format!("not yet: {name} has desired capacity 4, above a maximum of 3")
    );
    assert_eq!(bench.group(&name).await.desired, 4);
    assert_eq!(bench.told(&desired(&name, 4, 3)).await, "done");
    bench.complete(&name).await;
    assert_eq!(bench.told(&update(&wanted, resize(1, 3))).await, "done");
}

pub(crate) async fn a_launch_in_a_named_zone_happens_once<C: Cloud>(cloud: &C) {
    let bench = Bench::new(cloud, CLUSTER);
    let wanted = definition(CLUSTER, "nodes", 1, 5);
    let name = bench.created(&wanted, 2).await;
    let in_b = async || {
        let group = bench.group(&name).await;
        group
            .instances
            .values()
            .filter(|i| i.zone == "eu-west-3b")
            .count()
    };
    assert_eq!(in_b().await, 1);
    let launch = launched(&name, (2, 4), "eu-west-3b", "rollout/1");
    assert_eq!(bench.told(&launch).await, "launched 2");
    // The answer of the first time, also when an autoscaler has moved desired capacity since.
    assert_eq!(bench.told(&desired(&name, 4, 5)).await, "done");
    let before = bench.cluster().await;
    assert_eq!(bench.told(&launch).await, "launched 2");
    assert_eq!(bench.cluster().await, before);
    assert_eq!(bench.group(&name).await.desired, 5);
    bench.complete(&name).await;
    assert_eq!(in_b().await, 3);
    // No room, no such zone of the group.
    let more = launched(&name, (5, 6), "eu-west-3a", "rollout/2");
    assert!(bench.told(&more).await.starts_with("not yet: "));
    assert_eq!(bench.told(&desired(&name, 5, 4)).await, "done");
    let elsewhere = launched(&name, (4, 5), "eu-west-3c", "rollout/3");
    assert_eq!(bench.told(&elsewhere).await, "not offered");
    assert_eq!(bench.group(&name).await.desired, 4);
}

pub(crate) async fn a_launch_by_zone_takes_one_market<C: Cloud>(cloud: &C) {
    let bench = Bench::new(cloud, CLUSTER);
    for (percent, told) in [(0, "launched 1"), (50, "not offered"), (100, "launched 1")] {
        let mut wanted = definition(CLUSTER, &format!("spot-{percent}"), 1, 5);
        let policy = serde_json::json!({
            "InstancesDistribution": {"OnDemandPercentageAboveBaseCapacity": percent},
            "Overrides": [{"InstanceType": "r5.xlarge"}, {"InstanceType": "m4.xlarge"}],
        });
        wanted.auto_scaling_group.mixed_instances_policy =
            Some(serde_json::from_value(policy).unwrap());
        let name = bench.created(&wanted, 2).await;
        let launch = launched(&name, (2, 3), "eu-west-3a", "rollout/1");
        assert_eq!(
            bench.told(&launch).await,
            told,
            "{percent} percent on-demand"
        );
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
    // A maximum is never put below what is wanted: that would end instances with no drain.
    assert_eq!(bench.told(&desired(&name, 2, 0)).await, "done");
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
                UserData::Given(String::new().into()),
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
        UserData::Given(String::new().into()),
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

/// A version that asks for Spot Instances itself and a policy exclude each other, whichever comes first.
pub(crate) async fn a_policy_and_a_spot_template_exclude_each_other<C: Cloud>(cloud: &C) {
    let bench = Bench::new(cloud, CLUSTER);
    let mut spot = definition(CLUSTER, "nodes", 0, 5);
    let options = serde_json::json!({"MarketType": "spot", "SpotOptions": {"MaxPrice": "0.10"}});
    spot.launch_template
        .launch_template_data
        .instance_market_options = Some(serde_json::from_value(options).unwrap());
    let name = bench.created(&spot, 0).await;
    let plain = definition(CLUSTER, "nodes", 0, 5);
    let second = new_version(&plain, "ami-1", UserData::CarriedFrom(1), "second");
    assert_eq!(bench.told(&second).await, "version 2");
    let policy = serde_json::json!({
        "InstancesDistribution": {"OnDemandPercentageAboveBaseCapacity": 0},
        "Overrides": [{"InstanceType": "m5.xlarge"}],
    });
    let policy = serde_json::from_value(policy).unwrap();
    let mixed = |from: &Definition| {
        let mut to = from.clone();
        to.auto_scaling_group.mixed_instances_policy = Some(Clone::clone(&policy));
        CloudEffect::UpdateGroup {
            from: Box::new(from.clone()),
            to: Box::new(to),
            version: None,
        }
    };
    let refused = |told: String| told.contains("request Spot Instances (InstanceMarketOptions)");
    assert!(refused(bench.told(&mixed(&spot)).await));
    assert_eq!(bench.told(&pin(&name, 1, 2)).await, "done");
    assert_eq!(bench.told(&mixed(&plain)).await, "done");
    assert!(refused(bench.told(&pin(&name, 2, 1)).await));
}

pub(crate) async fn versions_that_are_gone_are_told<C: Cloud>(cloud: &C) {
    let bench = Bench::new(cloud, CLUSTER);
    let wanted = definition(CLUSTER, "nodes", 0, 5);
    let name = bench.created(&wanted, 0).await;
    let made = new_version(&wanted, "ami-2", UserData::CarriedFrom(1), "second");
    assert_eq!(bench.told(&made).await, "version 2");
    let made = new_version(&wanted, "ami-3", UserData::CarriedFrom(1), "third");
    assert_eq!(bench.told(&made).await, "version 3");
    assert_eq!(bench.told(&pin(&name, 1, 3)).await, "done");
    let of = |numbers: &[u64]| Versions::from([(name.clone(), numbers.iter().copied().collect())]);
    let none = Versions::new();
    let gone = async |numbers: &[u64]| cloud.gone(&bench.place, &of(numbers)).await.unwrap();
    assert_eq!(gone(&[2, 3]).await, none);
    assert_eq!(gone(&[2, 7]).await, of(&[7]));
    let prune = CloudEffect::PruneVersions {
        template: name.clone(),
        versions: [2].into(),
    };
    assert_eq!(bench.told(&prune).await, "done");
    assert_eq!(gone(&[2]).await, of(&[2]));
    assert_eq!(gone(&[2, 3]).await, of(&[2]));
    // A template that is not there has none.
    let other = asg("other.one.k8s.foo.bar");
    let asked = Versions::from([(other, [1].into())]);
    assert_eq!(cloud.gone(&bench.place, &asked).await.unwrap(), asked);
}
