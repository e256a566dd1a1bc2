//! What room there is: subnets by the name that was asked for, limits against what runs, types by zone.

use std::collections::BTreeMap;

use kfleet::cloud::Cloud;
use kfleet::model::{MANY_VERSIONS, Market, Quota, Reading, RoomQuestion, Trial, TrialLaunch};

use super::CLUSTER;
use crate::bench::{Bench, definition};

pub(crate) async fn room_is_what_is_left_beside_what_runs<C: Cloud>(cloud: &C) {
    let bench = Bench::new(cloud, CLUSTER);
    let wanted = definition(CLUSTER, "nodes", 0, 5);
    bench.created(&wanted, 2).await;
    let quota = |name, market| Quota::of(name, market).unwrap();
    let (used, free) = (
        quota("m5.xlarge", Market::OnDemand),
        quota("m5.xlarge", Market::Spot),
    );
    let mut subnets = wanted.auto_scaling_group.vpc_zone_identifier.clone();
    subnets.insert(format!("eu-west-3z.{CLUSTER}"));
    let launch = TrialLaunch {
        cluster: bench.place.cluster.clone(),
        data: wanted.launch_template.launch_template_data.clone(),
        subnet: format!("eu-west-3a.{CLUSTER}"),
    };
    let asked = RoomQuestion {
        account: bench.place.account.clone(),
        region: bench.place.region.clone(),
        subnets: [(bench.place.cluster.clone(), subnets)].into(),
        quotas: [used, free].into(),
        types: ["m5.xlarge".to_owned(), "m5.enormous".to_owned()].into(),
        images: BTreeMap::new(),
        // So high a number is counted after.
        templates: [(
            wanted.auto_scaling_group.auto_scaling_group_name.clone(),
            MANY_VERSIONS,
        )]
        .into(),
        spot: [(
            ["m5.xlarge", "m5a.xlarge", "m6i.xlarge"]
                .map(str::to_owned)
                .into(),
            4,
        )]
        .into(),
        launches: [(
            wanted.auto_scaling_group.auto_scaling_group_name.clone(),
            launch,
        )]
        .into(),
    };
    let room = cloud.room(&asked).await.unwrap();
    assert_eq!(
        (&room.account, &room.region),
        (&bench.place.account, &bench.place.region)
    );
    let Reading::Known(subnets) = &room.subnets else {
        panic!("{room:?}")
    };
    for zone in ["eu-west-3a", "eu-west-3b"] {
        let found = &subnets[&bench.place.cluster][&format!("{zone}.{CLUSTER}")];
        assert_eq!(found.zone, zone);
        assert!((1..4_096).contains(&found.free), "{found:?}");
    }
    let of = |quota: Quota| *room.quotas[&quota].known().unwrap();
    assert_eq!((of(used).used, of(free).used), (8, 0), "{room:?}");
    assert!(of(used).limit >= 5);
    let Reading::Known(offered) = &room.offered else {
        panic!("{room:?}")
    };
    assert!(offered["eu-west-3a"].contains("m5.xlarge"), "{offered:?}");
    let name = &wanted.auto_scaling_group.auto_scaling_group_name;
    assert_eq!(room.launches[name], Reading::Known(Trial::Accepted));
    let Reading::Known(scores) = &room.spot[0].scores else {
        panic!("{room:?}")
    };
    assert!((1..=10).contains(&scores["eu-west-3a"]), "{scores:?}");
    assert_eq!(room.templates[name], Reading::Known(1));
    // Nothing was launched by that.
    let again = cloud.room(&asked).await.unwrap();
    assert_eq!(again.quotas, room.quotas);
}
