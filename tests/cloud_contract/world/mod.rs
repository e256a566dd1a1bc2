//! What the simulated account promises beyond the contract: the same future from the same state, files that survive a kill, faults to order.

mod faults;
mod files;
mod life;

use std::path::Path;

use kfleet::cloud::local::{Fault, Options, World};
use kfleet::cloud::{Cloud, CloudError, StateFault};
use kfleet::model::{AsgName, Live, Nodes, Span, UserData};
use kfleet::nodes::NodeApi;

use crate::bench::{Bench, creation, definition, new_version, place, quiet};

const CLUSTER: &str = "one.k8s.foo.bar";

/// A world in which much happens by itself.
fn lively() -> Options {
    Options {
        spot_life: Some(Span::from_secs(7_200)),
        ..Options::default()
    }
}

fn faults(texts: &[&str]) -> Vec<Fault> {
    texts.iter().map(|t| t.parse().unwrap()).collect()
}

fn state_error(dir: &Path) -> String {
    match World::open(dir, quiet()) {
        Err(CloudError::State {
            path,
            message,
            fault,
        }) => {
            assert_eq!(fault, StateFault::Content, "{message}");
            format!("{}: {message}", path.rsplit('/').next().unwrap_or_default())
        }
        other => panic!("{other:?}"),
    }
}

/// A spot group of three, so that instances are reclaimed too.
async fn spot_group(world: &World, cluster: &str, group: &str) -> AsgName {
    let bench = Bench::new(world, cluster);
    let mut wanted = definition(cluster, group, 1, 8);
    let policy = serde_json::json!({
        "InstancesDistribution": {"OnDemandPercentageAboveBaseCapacity": 0},
        "Overrides": [{"InstanceType": "r5.xlarge"}, {"InstanceType": "m4.xlarge"}],
    });
    wanted.auto_scaling_group.mixed_instances_policy =
        Some(serde_json::from_value(policy).unwrap());
    bench
        .told(&new_version(
            &wanted,
            "ami-1",
            UserData::Given(String::new().into()),
            group,
        ))
        .await;
    assert_eq!(bench.told(&creation(&wanted, 1, 3)).await, "done");
    wanted.auto_scaling_group.auto_scaling_group_name
}

async fn seen(world: &World, cluster: &str) -> (Live, Nodes) {
    let place = place(cluster);
    (
        world.read(std::slice::from_ref(&place)).await.unwrap(),
        world.nodes(&place.cluster).await,
    )
}
