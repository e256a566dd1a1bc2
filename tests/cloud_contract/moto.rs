//! The second implementation: AWS through its SDK, against moto. Time there is the server's own, so that nothing waits.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::sync::Mutex;

use kfleet::cloud::aws::{Access, Aws, AwsOptions, HooksOf, Reach, Session};
use kfleet::cloud::{Cloud, CloudError, Place};
use kfleet::model::{
    AccountId, Applied, CloudEffect, InstanceId, Lifecycle, Live, RegionRoom, RoomQuestion,
    Senders, Timestamp, Versions,
};
use serde_json::json;

use crate::bench::{Bench, definition};
use crate::support::{Server, account, server_or_skip, skip};

/// Cases that moto has no part in, and where they are proven instead.
pub(crate) const NOT_HERE: [(&str, &str); 3] = [
    (
        "a_drain_empties_a_node",
        "nodes and pods belong to the Kubernetes API, which moto is not: tests/kube",
    ),
    (
        "pods_of_a_node_that_goes_undrained_come_back",
        "pods are scheduled by Kubernetes, which moto is not",
    ),
    (
        "a_node_that_is_gone_needs_nothing",
        "nodes belong to the Kubernetes API, which moto is not: tests/kube",
    ),
];

const CLUSTER: &str = "one.k8s.foo.bar";

/// The SDK, and a clock that the server goes by.
pub(crate) struct OnMoto {
    aws: Aws,
    server: Server,
    account: String,
    now: Mutex<Timestamp>,
}

/// Runs a case with credentials of its own: they come from the environment, so the case gets a process of its own.
pub(crate) fn case(name: &str, run: impl AsyncFnOnce(&OnMoto)) {
    let (Ok(url), Ok(account)) = (
        std::env::var("KFLEET_CASE_SERVER"),
        std::env::var("KFLEET_CASE_ACCOUNT"),
    ) else {
        return in_its_own_process(name);
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let cloud = OnMoto::open(Server::at(&url), account).await;
        run(&cloud).await;
    });
}

fn in_its_own_process(name: &str) {
    let Some(server) = server_or_skip(name) else {
        return;
    };
    let account = account();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([
        "--exact",
        &format!("on_moto::{name}"),
        "--nocapture",
        "--test-threads=1",
    ]);
    command
        .envs(server.environment(&account))
        .env("KFLEET_CASE_SERVER", server.url())
        .env("KFLEET_CASE_ACCOUNT", &account);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}"
    );
}

/// What is not shown here is said.
#[test]
fn cases_that_are_shown_elsewhere() {
    for (name, why) in NOT_HERE {
        skip(&format!("on_moto::{name}"), why);
    }
}

impl OnMoto {
    async fn open(server: Server, account: String) -> OnMoto {
        for region in ["eu-west-3", "eu-west-1"] {
            let subnets: Vec<String> = ["a", "b"]
                .iter()
                .map(|z| format!("eu-west-3{z}.{CLUSTER}"))
                .collect();
            server.order("network", &json!({"account": account, "region": region, "cluster": CLUSTER, "subnets": subnets}));
        }
        let told = server.order(
            "clock",
            &json!({"account": account, "frozen": true, "decide": 12, "boot": 40, "end": 30}),
        );
        let now = Timestamp::try_from(format!("{}Z", told["now"].as_str().unwrap())).unwrap();
        let access = Access {
            images: (1..=9).map(|n| format!("ami-{n}")).collect(),
            ..Access::default()
        };
        let clusters = [CLUSTER, "two.k8s.foo.bar"].map(|c| (c.parse().unwrap(), access.clone()));
        let reach = Reach {
            endpoint_url: Some(server.url()),
            ..Reach::default()
        };
        let options = AwsOptions {
            clusters: clusters.into(),
            reach,
            session: Session::default(),
            hooks: HooksOf::default(),
        };
        OnMoto {
            aws: Aws::connect(options).await.unwrap(),
            server,
            account,
            now: Mutex::new(now),
        }
    }
}

impl Cloud for OnMoto {
    fn now(&self) -> Timestamp {
        *self.now.lock().unwrap()
    }

    async fn wait(&self, until: Timestamp) -> Result<(), CloudError> {
        let seconds = until.since(self.now()).millis() / 1000;
        if seconds > 0 {
            self.server.order(
                "tick",
                &json!({"account": self.account, "seconds": seconds}),
            );
            *self.now.lock().unwrap() = until;
        }
        Ok(())
    }

    async fn account(&self, place: &Place) -> Result<AccountId, CloudError> {
        self.aws.account(place).await
    }

    async fn read(&self, places: &[Place]) -> Result<Live, CloudError> {
        let read = self.aws.read(places).await;
        // Who waits for it was told how far it was.
        assert_eq!(self.aws.answered(), Some(places.len()));
        read
    }

    async fn gone(&self, place: &Place, asked: &Versions) -> Result<Versions, CloudError> {
        self.aws.gone(place, asked).await
    }

    async fn room(&self, asked: &RoomQuestion) -> Result<RegionRoom, CloudError> {
        self.aws.room(asked).await
    }

    async fn senders(
        &self,
        place: &Place,
        asked: &BTreeSet<InstanceId>,
        own: &BTreeSet<String>,
    ) -> Result<Senders, CloudError> {
        self.aws.senders(place, asked, own).await
    }

    async fn apply(&self, place: &Place, effect: &CloudEffect) -> Result<Applied, CloudError> {
        self.aws.apply(place, effect).await
    }
}

/// Target groups and classic balancers that a controller of Services made are found by the cluster's tag; those of AutoScalingGroups, of others and of other clusters are not.
/// The simulated account has such balancers where a fault says so.
pub(crate) async fn balancers_are_found_by_their_tags(cloud: &OnMoto) {
    let bench = Bench::new(cloud, CLUSTER);
    let name = bench.created(&definition(CLUSTER, "nodes", 0, 5), 2).await;
    bench.complete(&name).await;
    let instances = bench.instances(&name, Lifecycle::InService).await;
    let [first, second] = instances.as_slice() else {
        panic!("{instances:?}")
    };
    let place = &bench.place;
    let order = |name: &str, tags: serde_json::Value, instances: &[&InstanceId]| {
        let body = json!({"account": cloud.account, "region": place.region, "name": name, "tags": tags, "instances": instances});
        cloud.server.order("balancer", &body)["arn"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let in_tree = json!({format!("kubernetes.io/cluster/{CLUSTER}"): "owned"});
    order("k8s-in-tree", in_tree.clone(), &[first, second]);
    order(
        "k8s-controller",
        json!({"elbv2.k8s.aws/cluster": CLUSTER}),
        &[first],
    );
    order(
        "another-cluster",
        json!({"elbv2.k8s.aws/cluster": "two.k8s.foo.bar"}),
        &[first],
    );
    order(
        "shared",
        json!({format!("kubernetes.io/cluster/{CLUSTER}"): "shared"}),
        &[first],
    );
    order("untagged", json!({}), &[first]);
    let own = order("of-a-group", in_tree.clone(), &[first]);
    let classic = |name: &str, tags: serde_json::Value, instances: &[&InstanceId]| {
        let body = json!({"account": cloud.account, "region": place.region, "name": name, "tags": tags, "instances": instances});
        cloud.server.order("classic", &body);
    };
    classic("a1b2-classic", in_tree.clone(), &[first, second]);
    classic(
        "of-another",
        json!({"kubernetes.io/cluster/two.k8s.foo.bar": "owned"}),
        &[first],
    );
    classic("classic-of-a-group", in_tree.clone(), &[first]);
    let asked: BTreeSet<InstanceId> = [first.clone()].into();
    let own: BTreeSet<String> = [own, "classic-of-a-group".to_owned()].into();
    let names = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect();
    let found = cloud.senders(place, &asked, &own).await.unwrap();
    let wanted: BTreeSet<String> = names(&["a1b2-classic", "k8s-controller", "k8s-in-tree"]);
    assert_eq!(found, BTreeMap::from([(first.clone(), wanted)]));
    // Taken out of the one, it is a target of the other still.
    classic("a1b2-classic", in_tree.clone(), &[second]);
    order("k8s-in-tree", in_tree, &[second]);
    let found = cloud.senders(place, &asked, &own).await.unwrap();
    let sends = &found[first];
    assert!(sends.contains("k8s-controller"), "{found:?}");
    assert!(!sends.contains("a1b2-classic"), "{found:?}");
    let none = cloud.senders(place, &BTreeSet::new(), &own).await.unwrap();
    assert_eq!(none, Senders::new());
}
