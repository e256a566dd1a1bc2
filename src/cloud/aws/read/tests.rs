//! What was read, put together: what is missing is a gap of the cluster concerned, and of no other.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_autoscaling::types as sdk;
use aws_sdk_ec2::types as ec2;

use super::assemble;
use super::haul::{Haul, Template};
use super::memory::{Asked, Memory, Version};
use super::scope::{Gaps, Singly};
use crate::cloud::Place;
use crate::cloud::aws::convert::template;
use crate::cloud::aws::options::HooksOf;
use crate::model::{
    AccountId, AsgName, ClusterName, Hooks, LiveCluster, Refresh, RefreshStatus, Region, Timestamp,
    VersionRef,
};

fn place(cluster: &str) -> Place {
    Place {
        cluster: ClusterName::new(cluster).unwrap(),
        account: AccountId::new("111122223333").unwrap(),
        region: Region::new("eu-west-3").unwrap(),
    }
}

fn given(name: &str, cluster: &str, version: &str) -> sdk::builders::AutoScalingGroupBuilder {
    let spec = sdk::LaunchTemplateSpecification::builder()
        .launch_template_id("lt-1")
        .launch_template_name("n")
        .version(version)
        .build();
    sdk::AutoScalingGroup::builder()
        .auto_scaling_group_name(name)
        .min_size(1)
        .max_size(1)
        .desired_capacity(1)
        .launch_template(spec)
        .tags(
            sdk::TagDescription::builder()
                .key("KubernetesCluster")
                .value(cluster)
                .build(),
        )
}

fn asked() -> Asked {
    Asked {
        hooks: None,
        refresh: None,
        of_refreshes: false,
        writes: 0,
        at: tokio::time::Instant::now(),
    }
}

/// Versions 1 to 3 of one template; 2 is the default.
fn haul(groups: Vec<sdk::AutoScalingGroup>) -> Haul {
    let mut haul = Haul::new(Timestamp::from_millis(1_000), groups);
    haul.templates.insert(
        "lt-1".into(),
        Template {
            id: "lt-1".into(),
            name: "n".into(),
            latest: 3,
            default: 2,
        },
    );
    for number in 1..=3 {
        let data = ec2::ResponseLaunchTemplateData::builder()
            .image_id(format!("ami-{number}"))
            .build();
        let given = ec2::LaunchTemplateVersion::builder()
            .version_number(number)
            .launch_template_data(data)
            .build();
        let (number, version) = template::version(&given).unwrap();
        haul.versions.insert(
            ("lt-1".into(), number),
            Version {
                version,
                foreign: BTreeMap::from([("CpuOptions".into(), "1".into())]),
            },
        );
    }
    for group in &haul.groups {
        haul.asked.insert(
            AsgName::new(group.auto_scaling_group_name().unwrap()).unwrap(),
            asked(),
        );
    }
    haul
}

fn clusters(haul: &Haul) -> BTreeMap<ClusterName, LiveCluster> {
    assemble::clusters(
        haul,
        &[place("a.example.com"), place("b.example.com")],
        Gaps::default(),
    )
}

fn gaps(haul: &Haul) -> String {
    let told = |(c, l): (ClusterName, LiveCluster)| {
        format!(
            "{c}: {}",
            l.gaps
                .iter()
                .map(|g| format!("{}: {}", g.what, g.why))
                .collect::<String>()
        )
    };
    clusters(haul)
        .into_iter()
        .filter(|(_, l)| !l.gaps.is_empty())
        .map(told)
        .collect()
}

#[test]
fn a_reference_means_a_number_now() {
    for (text, version) in [
        ("1", VersionRef::Number(1)),
        ("$Latest", VersionRef::Latest(3)),
        ("$Default", VersionRef::Default(2)),
    ] {
        let haul = haul(vec![given("n", "a.example.com", text).build()]);
        let clusters = clusters(&haul);
        let live = &clusters[&place("a.example.com").cluster];
        let group = live.groups.values().next().unwrap();
        assert_eq!(group.version, version);
        let known: BTreeSet<u64> = group.versions.keys().copied().collect();
        assert_eq!(
            known,
            BTreeSet::from([version.number(), 2, 3]),
            "its own, the default one and the newest"
        );
        assert_eq!(group.latest_version, 3);
        assert_eq!(
            group.by_hand,
            BTreeMap::from([("LaunchTemplateData.CpuOptions".to_owned(), "1".to_owned())])
        );
        assert!(gaps(&haul).is_empty());
        assert_eq!(
            clusters[&place("b.example.com").cluster],
            LiveCluster::default()
        );
    }
}

#[test]
fn what_was_not_read_is_a_gap_of_its_cluster() {
    let plain = || given("n", "a.example.com", "1");
    let with = |group: sdk::builders::AutoScalingGroupBuilder| {
        haul(vec![
            group.build(),
            given("o", "b.example.com", "1").build(),
        ])
    };
    let mut cases = vec![
        (
            with(plain().status("Delete in progress")),
            "AutoScalingGroup n: AWS says of it: Delete in progress",
        ),
        (
            with(
                plain().tags(
                    sdk::TagDescription::builder()
                        .key("kubernetes.io/cluster/b.example.com")
                        .value("owned")
                        .build(),
                ),
            ),
            "AutoScalingGroup n: its tag KubernetesCluster says a.example.com, and it also has the tag kubernetes.io/cluster/b.example.com",
        ),
        (
            with(
                plain()
                    .set_launch_template(None)
                    .launch_configuration_name("old"),
            ),
            "AutoScalingGroup n: it launches from a launch configuration, not from a launch template",
        ),
        (
            with(plain().set_max_size(None)),
            "AutoScalingGroup n: AWS's answer makes no sense: no MaxSize",
        ),
    ];
    let mut unread = with(plain());
    unread.unread.insert(
        AsgName::new("n").unwrap(),
        ("warm pool", "throttled".into()),
    );
    cases.push((unread, "warm pool of n: throttled"));
    let mut silent = with(plain());
    silent.asked.remove(&AsgName::new("n").unwrap());
    cases.push((
        silent,
        "lifecycle hooks and instance refreshes of n: the reading broke off",
    ));
    for (haul, gap) in cases {
        assert_eq!(gaps(&haul), format!("a.example.com: {gap}"));
        let clusters = clusters(&haul);
        assert_eq!(
            clusters[&place("a.example.com").cluster].groups.len(),
            0,
            "half a group is none"
        );
        assert_eq!(clusters[&place("b.example.com").cluster].groups.len(), 1);
    }
    let mut unversioned = with(plain());
    unversioned
        .unversioned
        .insert("lt-1".into(), "throttled".into());
    assert!(
        gaps(&unversioned).contains("launch template versions of n: throttled"),
        "{}",
        gaps(&unversioned)
    );
    let mut gone = with(plain());
    gone.templates.clear();
    assert!(
        gaps(&gone).contains("its launch template was not found"),
        "{}",
        gaps(&gone)
    );
}

#[test]
fn what_was_asked_for_counts_until_a_write() {
    let memory = Memory::default();
    let key = (
        place("a.example.com").account,
        place("a.example.com").region,
        AsgName::new("n").unwrap(),
    );
    assert!(memory.group(&key, 0, false, false).is_none());
    memory.keep_group(key.clone(), asked());
    assert!(memory.group(&key, 0, false, false).is_some());
    assert!(
        memory.group(&key, 0, true, false).is_none(),
        "it was not asked for hooks"
    );
    memory.keep_group(
        key.clone(),
        Asked {
            hooks: Some(Vec::new()),
            ..asked()
        },
    );
    assert!(memory.group(&key, 0, true, false).is_some());
    assert!(
        memory.group(&key, 0, true, true).is_none(),
        "it was not asked for refreshes"
    );
    memory.keep_group(
        key.clone(),
        Asked {
            of_refreshes: true,
            ..asked()
        },
    );
    assert!(memory.group(&key, 0, false, true).is_some());
    assert!(
        memory.group(&key, 1, false, false).is_none(),
        "something was written"
    );
    let status = RefreshStatus::InProgress;
    let refresh = Some(Refresh {
        id: "r".into(),
        status,
        percentage: None,
        version: None,
        reason: None,
    });
    memory.keep_group(key.clone(), Asked { refresh, ..asked() });
    assert!(
        memory.group(&key, 0, false, false).is_none(),
        "it is under way"
    );
}

#[test]
fn hooks_that_were_not_asked_for_are_not_none() {
    let mut haul = haul(vec![given("n", "a.example.com", "1").build()]);
    let hooks = |haul: &Haul| {
        clusters(haul)[&place("a.example.com").cluster]
            .groups
            .values()
            .map(|g| g.hooks.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(hooks(&haul), [Hooks::NotRead]);
    haul.asked.insert(
        AsgName::new("n").unwrap(),
        Asked {
            hooks: Some(Vec::new()),
            ..asked()
        },
    );
    assert_eq!(hooks(&haul), [Hooks::default()]);
}

#[test]
fn few_groups_are_asked_by_name() {
    let [few, everybody] = [HooksOf::Few, HooksOf::Everybody].map(Singly::Compares);
    let (n, m) = (AsgName::new("n").unwrap(), AsgName::new("m").unwrap());
    let acts = Singly::Acts(std::sync::Arc::new([n.clone()].into()));
    assert_eq!([100, 101].map(|groups| few.hooks(groups)), [true, false]);
    assert_eq!(
        [1, 3_000].map(|groups| everybody.hooks(groups)),
        [true, true]
    );
    assert!(!acts.hooks(1));
    assert_eq!(
        [100, 101].map(|groups| few.refresh(&n, groups, false)),
        [true, false]
    );
    assert!(!few.refresh(&n, 1, true), "who only compares");
    assert_eq!(
        [&n, &m].map(|group| acts.refresh(group, 3_000, false)),
        [true, false]
    );
}
