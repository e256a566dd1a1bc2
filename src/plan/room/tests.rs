//! What clusters ask for together, and how they fit: needs and readings in, lines and limits out.

use std::collections::BTreeMap;

use super::*;
use crate::model::{Market, Quota, QuotaRoom, Reading, SubnetRoom};

const SPOT: &str = "spot standard";

const NOT_IN_B: &str = "NotOffered { zone: \"b\", types: {\"m5.large\"} } 1";

/// A group of `size`s of types, with this surge, in the shared subnets `a` and `b`.
fn group(name: &str, types: &[&str], market: Market, surge: u32) -> GroupNeed {
    GroupNeed {
        group: format!("{name}.k8s.test").parse().unwrap(),
        surge,
        stays: 0,
        subnets: ["a", "b"].map(str::to_owned).into(),
        old_zones: None,
        keeps_zones: true,
        addresses: 1,
        types: types.iter().map(|t| (*t).to_owned()).collect(),
        markets: [market].into(),
        image: "ami-1".into(),
        launch: Some(Box::new(launch())),
    }
}

fn launch() -> crate::model::LaunchTemplateData {
    serde_json::from_value(serde_json::json!({
        "ImageId": "ami-1",
        "InstanceType": "m5.large",
        "IamInstanceProfile": {"Name": "nodes.k8s.test"},
        "BlockDeviceMappings": [],
        "MetadataOptions": {"HttpEndpoint": "enabled", "HttpProtocolIpv6": "disabled", "HttpPutResponseHopLimit": 1, "HttpTokens": "required"},
        "Monitoring": {"Enabled": false},
        "NetworkInterfaces": [],
        "TagSpecifications": [],
    }))
    .unwrap()
}

fn cluster(name: &str, surge: u32, groups: Vec<GroupNeed>) -> ClusterNeed {
    ClusterNeed {
        cluster: format!("{name}.k8s.test").parse().unwrap(),
        account: "111122223333".parse().unwrap(),
        region: "eu-west-3".parse().unwrap(),
        surge,
        groups,
        templates: BTreeMap::new(),
    }
}

/// So many free addresses in each of two subnets that all share, and so many vCPUs of Spot.
fn facts(needs: &[ClusterNeed], free: [u32; 2], vcpus: u32) -> RegionRoom {
    let subnets = ["a", "b"].iter().zip(free).map(|(zone, free)| {
        let room = SubnetRoom {
            id: format!("subnet-{zone}"),
            zone: (*zone).to_owned(),
            free,
        };
        ((*zone).to_owned(), room)
    });
    let subnets: BTreeMap<String, SubnetRoom> = subnets.collect();
    let types: BTreeSet<String> = questions(needs)[0].types.clone();
    let spot = QuotaRoom {
        limit: 1_000,
        used: 1_000 - vcpus,
    };
    let on_demand = QuotaRoom {
        limit: 9_000,
        used: 0,
    };
    RegionRoom {
        account: needs[0].account.clone(),
        region: needs[0].region.clone(),
        subnets: Reading::Known(
            needs
                .iter()
                .map(|n| (n.cluster.clone(), subnets.clone()))
                .collect(),
        ),
        quotas: [
            (SPOT.parse().unwrap(), Reading::Known(spot)),
            (
                "on-demand standard".parse().unwrap(),
                Reading::Known(on_demand),
            ),
        ]
        .into(),
        offered: Reading::Known([("a".into(), types.clone()), ("b".into(), types)].into()),
        images: Reading::Known([("ami-1".to_owned(), Some("amd64".to_owned()))].into()),
        templates: BTreeMap::new(),
        spot: Vec::new(),
        launches: questions_with_trials(needs)[0]
            .launches
            .keys()
            .map(|group| (group.clone(), Reading::Known(crate::model::Trial::Accepted)))
            .collect(),
    }
}

fn one(needs: &[ClusterNeed], at_once: usize, facts: &RegionRoom) -> Outlook {
    outlook(needs, at_once, std::slice::from_ref(facts)).remove(0)
}

fn named(resource: &Resource) -> String {
    match resource {
        Resource::Addresses { subnet, zone } => {
            format!("free addresses of subnet {subnet} ({zone})")
        }
        Resource::Vcpus(quota) => format!("vCPUs of the limit {quota}"),
    }
}

/// What is missing or noted, by code and groups.
fn codes(shortages: &[Shortage]) -> Vec<String> {
    let shown = shortages.iter().map(|s| match s {
        Shortage::TooFew {
            resource,
            peak,
            room,
            least: _,
        } => format!("{} {peak} of {room}", named(resource)),
        Shortage::CannotLaunch { what, groups } => format!("{what:?} {}", groups.len()),
    });
    shown.collect()
}

#[test]
fn a_template_without_versions_left_is_in_the_way() {
    let name: crate::model::AsgName = "nodes.k8s.test".parse().unwrap();
    for (there, missing, noted) in [
        (Reading::Known(8_999), [].as_slice(), [].as_slice()),
        (
            Reading::Known(9_990),
            &[],
            &["ManyVersions { versions: 9990, limit: 10000 } 1"],
        ),
        (
            Reading::Known(10_000),
            &["ManyVersions { versions: 10000, limit: 10000 } 1"],
            &[],
        ),
        (Reading::Unknown("no".into()), &[], &[]),
    ] {
        // No instance is replaced: the version is made all the same.
        let mut need = cluster("a", 1, Vec::new());
        need.templates = [(name.clone(), 9_995)].into();
        let needs = [need];
        assert_eq!(questions(&needs)[0].templates, needs[0].templates);
        let facts = RegionRoom {
            templates: [(name.clone(), there.clone())].into(),
            ..facts(&needs, [8, 8], 100)
        };
        let found = one(&needs, 1, &facts);
        assert_eq!(codes(&found.lack().shortages), missing, "{there:?}");
        assert_eq!(codes(&found.notes()), noted, "{there:?}");
        assert_eq!(found.is_possible(), missing.is_empty(), "{there:?}");
        assert_eq!(found.unknown.len(), usize::from(there.known().is_none()));
    }
}

#[test]
fn what_lacks_elsewhere_or_in_another_wave_bounds_nobody() {
    let large = |name: &str| {
        let groups = vec![group("spot", &["m5.large"], Market::Spot, 3)];
        cluster(name, 3, groups)
    };
    let (a, b, c, d) = (large("a"), large("b"), large("c"), large("d"));
    let b = ClusterNeed {
        region: "eu-west-1".parse().unwrap(),
        ..b
    };
    let c = ClusterNeed {
        account: "222233334444".parse().unwrap(),
        ..c
    };
    let read = |need: &ClusterNeed, free| facts(std::slice::from_ref(need), [free, free], 999);
    // The last one shares the subnets of the first, a wave later: what one has used it has given back.
    let mut of_first = read(&a, 4);
    let more = facts(&[a.clone(), d.clone()], [4, 4], 999);
    of_first.subnets = more.subnets;
    let wave = |wave, clusters| WaveNeed {
        stage: "prod".parse().unwrap(),
        wave,
        at_once: 3,
        on_lack: crate::fleet::OnLack::Shrink,
        clusters,
    };
    let waves = [wave(0, vec![a, b.clone(), c.clone()]), wave(1, vec![d])];
    let found = outlooks(&waves, &[of_first, read(&b, 1), read(&c, 99)]);
    let fits: Vec<Vec<String>> = found
        .iter()
        .map(|w| w.regions.iter().map(|r| shown(&r.fit)).collect())
        .collect();
    assert_eq!(fits[0].len(), 3);
    assert_eq!(
        (fits[0][0].as_str(), fits[0][2].as_str()),
        ("whole", "whole")
    );
    assert!(fits[0][1].starts_with("1 of surge 1"), "{fits:?}");
    assert_eq!(fits[1], ["whole"]);
}

#[test]
fn what_aws_thinks_of_spot_is_advice() {
    let three = ["m5.large", "m5a.large", "m6i.large"];
    let groups = vec![
        group("spot", &three, Market::Spot, 3),
        group("two", &three[..2], Market::Spot, 9),
        group("own", &three, Market::OnDemand, 20),
    ];
    let needs = [cluster("a", 5, groups)];
    let mut all = questions(&needs);
    ask_scores(&mut all, &needs);
    let types: BTreeSet<String> = three.map(str::to_owned).into();
    assert_eq!(all[0].spot, [(types.clone(), 4)].into());
    for scores in [
        Reading::Known([("a".to_owned(), 1)].into()),
        Reading::Unknown("no".into()),
    ] {
        let score = SpotScore {
            types: types.clone(),
            instances: 4,
            scores,
        };
        let facts = RegionRoom {
            spot: vec![score.clone()],
            ..facts(&needs, [99, 99], 999)
        };
        let found = one(&needs, 1, &facts);
        assert!(found.is_whole() && found.unknown.is_empty(), "{found:?}");
        assert_eq!(found.spot, [score]);
    }
}

/// Peak and what is missing, by thing.
fn peaks(outlook: &Outlook) -> BTreeMap<String, (u64, u64)> {
    let lines = outlook.lines.iter();
    lines
        .map(|l| (named(&l.resource), (l.peak, l.lacks())))
        .collect()
}

fn shown(fit: &Fit) -> String {
    match fit {
        Fit::Whole => "whole".into(),
        Fit::None => "none".into(),
        Fit::Within(limit) => {
            let surge: Vec<String> = limit
                .clusters
                .values()
                .map(|limits| match limits.as_slice() {
                    [] => "any".to_owned(),
                    some => some
                        .iter()
                        .map(|l| l.most.to_string())
                        .collect::<Vec<_>>()
                        .join("+"),
                })
                .collect();
            format!("{} of surge {}", limit.at_once, surge.join(" "))
        }
    }
}

#[test]
fn the_clusters_that_ask_for_most_make_the_peak() {
    let spot = |size| vec![group("spot", &[size], Market::Spot, 2)];
    let needs = [
        cluster("a", 10, spot("m5.large")),
        cluster("b", 10, spot("m5.4xlarge")),
        cluster("c", 10, spot("m5.xlarge")),
    ];
    let facts = facts(&needs, [100, 100], 100);
    let all = [(1, 32, 2), (2, 40, 4), (3, 44, 6), (9, 44, 6)];
    for (at_once, vcpus, addresses) in all {
        let found = peaks(&one(&needs, at_once, &facts));
        assert_eq!(found["vCPUs of the limit spot standard"].0, vcpus);
        assert_eq!(found["free addresses of subnet subnet-a (a)"].0, addresses);
    }
}

#[test]
fn a_cluster_asks_for_its_surge_at_most() {
    let of = |name, size| group(name, &["m5.large", size], Market::Spot, 3);
    let needs = [cluster(
        "a",
        4,
        vec![of("small", "m5.large"), of("large", "m5.2xlarge")],
    )];
    let found = peaks(&one(&needs, 1, &facts(&needs, [100, 3], 26)));
    // Three of the large ones, and one small one.
    assert_eq!(found["vCPUs of the limit spot standard"], (26, 0));
    assert_eq!(found["free addresses of subnet subnet-b (b)"], (4, 1));
}

#[test]
fn only_zones_with_old_instances_are_asked() {
    let mut kept = group("kept", &["m5.large"], Market::Spot, 3);
    kept.old_zones = Some(["a".to_owned()].into());
    let mut made = group("made", &["m5.large"], Market::Spot, 0);
    made.stays = 5;
    made.addresses = 10;
    let needs = [cluster("a", 4, vec![kept, made])];
    let found = peaks(&one(&needs, 1, &facts(&needs, [100, 100], 100)));
    assert_eq!(found["free addresses of subnet subnet-a (a)"].0, 33);
    assert_eq!(found["free addresses of subnet subnet-b (b)"].0, 30);
    assert_eq!(found["vCPUs of the limit spot standard"].0, 16);
}

#[test]
fn what_is_not_known_is_neither_zero_nor_enough() {
    let needs = [cluster(
        "a",
        4,
        vec![
            group("spot", &["m5.large"], Market::Spot, 2),
            group("new", &["m99.large"], Market::Spot, 2),
        ],
    )];
    let unread = || "AccessDenied".to_owned();
    let facts = RegionRoom {
        subnets: Reading::Unknown(unread()),
        quotas: [(SPOT.parse().unwrap(), Reading::Unknown(unread()))].into(),
        offered: Reading::Unknown(unread()),
        images: Reading::Unknown(unread()),
        ..facts(&needs, [0, 0], 0)
    };
    let found = one(&needs, 1, &facts);
    assert_eq!(
        (shown(&found.fit).as_str(), found.lack().shortages),
        ("whole", vec![])
    );
    assert_eq!(found.lines[0].room, None);
    let why = unread();
    assert_eq!(
        found.unknown,
        [
            RoomUnknown::Addresses { why: why.clone() },
            RoomUnknown::Vcpus {
                quota: SPOT.parse().unwrap(),
                why: why.clone(),
            },
            RoomUnknown::NewTypes {
                group: "new.k8s.test".parse().unwrap(),
                types: ["m99.large".to_owned()].into(),
            },
            RoomUnknown::Offers { why: why.clone() },
            RoomUnknown::Images { why },
        ]
    );
}

#[test]
fn a_subnet_that_is_not_there_is_not_known() {
    let mut odd = group("spot", &["m5.large"], Market::Spot, 2);
    odd.subnets.insert("c".into());
    let needs = [cluster("a", 4, vec![odd])];
    let found = one(&needs, 1, &facts(&needs, [9, 9], 9));
    let (cluster, subnet) = (needs[0].cluster.clone(), "c".to_owned());
    assert_eq!(found.unknown, [RoomUnknown::NoSubnet { cluster, subnet }]);
}

#[test]
fn as_many_clusters_as_fit_go_together_with_the_largest_surge() {
    let of = |name| cluster(name, 4, vec![group("spot", &["m5.large"], Market::Spot, 4)]);
    let needs = [of("a"), of("b"), of("c")];
    for (vcpus, fit) in [
        (24, "whole"),
        (23, "3 of surge any any 3"),
        (12, "3 of surge 2 2 2"),
        (6, "3 of surge 1 1 1"),
        (5, "2 of surge 1 1 1"),
        (3, "1 of surge 1 1 1"),
        (2, "1 of surge 1 1 1"),
        (1, "none"),
    ] {
        let found = one(&needs, 3, &facts(&needs, [100, 100], vcpus));
        assert_eq!(shown(&found.fit), fit, "{vcpus}");
    }
}

#[test]
fn who_does_not_ask_for_what_lacks_keeps_its_surge() {
    let needs = [
        cluster("a", 4, vec![group("spot", &["m5.large"], Market::Spot, 4)]),
        cluster(
            "b",
            4,
            vec![group("od", &["m5.large"], Market::OnDemand, 4)],
        ),
    ];
    let found = one(&needs, 2, &facts(&needs, [100, 100], 4));
    assert_eq!(shown(&found.fit), "2 of surge 2 any");
}

#[test]
fn only_the_groups_that_ask_for_what_lacks_are_bounded() {
    let needs = [cluster(
        "a",
        10,
        vec![
            group("spot", &["m5.large"], Market::Spot, 4),
            group("other", &["m5.xlarge"], Market::Spot, 4),
            group("od", &["m5.large"], Market::OnDemand, 4),
        ],
    )];
    let found = one(&needs, 1, &facts(&needs, [100, 100], 12));
    let Fit::Within(limit) = &found.fit else {
        panic!("{found:?}")
    };
    let limits = &limit.clusters[&needs[0].cluster];
    let named: Vec<&str> = limits[0].groups.iter().map(|g| g.as_str()).collect();
    // The larger ones may be those that are out.
    assert_eq!(
        (limits.len(), limits[0].most, named),
        (1, 3, vec!["other.k8s.test", "spot.k8s.test"])
    );
}

#[test]
fn a_missing_type_or_image_blocks_who_needs_it() {
    let needs = |keeps_zones, old: &str| {
        let mut one = group("spot", &["m5.large"], Market::Spot, 1);
        one.keeps_zones = keeps_zones;
        one.old_zones = Some([old.to_owned()].into());
        [cluster("a", 4, vec![one])]
    };
    for (keeps_zones, old, in_the_way) in
        [(true, "b", true), (true, "a", false), (false, "b", false)]
    {
        let needs = needs(keeps_zones, old);
        let types = BTreeSet::from(["m5.large".to_owned()]);
        let facts = RegionRoom {
            offered: Reading::Known([("a".into(), types)].into()),
            ..facts(&needs, [9, 9], 9)
        };
        let found = one(&needs, 1, &facts);
        assert_eq!(found.is_possible(), !in_the_way, "{keeps_zones} {old}");
        let said = if in_the_way {
            found.lack().shortages
        } else {
            found.notes()
        };
        assert_eq!(codes(&said), [NOT_IN_B]);
    }
    let needs = needs(false, "a");
    let nowhere = RegionRoom {
        offered: Reading::Known(BTreeMap::new()),
        images: Reading::Known([("ami-1".to_owned(), Some("arm64".to_owned()))].into()),
        ..facts(&needs, [9, 9], 9)
    };
    assert_eq!(
        codes(&one(&needs, 1, &nowhere).lack().shortages),
        [
            &NOT_IN_B.replace("\"b\"", "\"a\""),
            NOT_IN_B,
            "OtherArchitecture { image: \"ami-1\", image_is: \"arm64\", types_are: \"amd64\" } 1"
        ]
    );
}

#[test]
fn questions_are_asked_once_for_each_account_and_region() {
    let of = |name| cluster(name, 4, vec![group("spot", &["m5.large"], Market::Spot, 4)]);
    let mut far = of("c");
    far.region = "eu-west-1".parse().unwrap();
    let found = questions(&[of("a"), of("b"), far, cluster("d", 4, Vec::new())]);
    let shown: Vec<(usize, Vec<String>)> = found
        .iter()
        .map(|q| {
            let quotas = q.quotas.iter().map(Quota::to_string).collect();
            (q.subnets.len(), quotas)
        })
        .collect();
    let spot = || vec![SPOT.to_owned()];
    assert_eq!(shown, [(1, spot()), (2, spot())]);
}

#[test]
fn groups_that_launch_alike_are_tried_once() {
    let spot = |name: &str| group(name, &["m5.large"], Market::Spot, 1);
    let mut keyed = spot("keyed");
    keyed.launch.as_mut().unwrap().key_name = Some("old".into());
    let needs = [cluster("a", 3, vec![spot("one"), keyed, spot("two")])];
    let question = questions_with_trials(&needs).remove(0);
    let tried: Vec<&str> = question.launches.keys().map(|g| g.as_str()).collect();
    assert_eq!(tried, ["keyed.k8s.test", "one.k8s.test"]);
    assert!(questions(&needs)[0].launches.is_empty());

    let mut read = facts(&needs, [9, 9], 900);
    let refused = |why: &str| Reading::Known(crate::model::Trial::Refused(why.into()));
    read.launches
        .insert("one.k8s.test".parse().unwrap(), refused("no such profile"));
    let found = one(&needs, 1, &read);
    assert!(!found.is_possible());
    assert_eq!(
        codes(&found.lack().shortages),
        ["LaunchRefused { why: \"no such profile\" } 2"]
    );

    read.launches.insert(
        "one.k8s.test".parse().unwrap(),
        Reading::Unknown("not authorized".into()),
    );
    let found = one(&needs, 1, &read);
    assert!(found.is_whole());
    assert_eq!(found.unknown.len(), 1);
}
