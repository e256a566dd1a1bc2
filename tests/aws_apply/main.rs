//! Effects on AWS whose answers get lost, and effects on what is not the cluster's: against moto, told by the server's own log.
//! What each request says, word for word, is in `src/cloud/aws/apply/recorded.rs`.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    reason = "tests"
)]
#![cfg(all(test, feature = "aws"))]

#[path = "../cloud_contract/bench.rs"]
#[allow(dead_code, reason = "the contract uses the rest")]
mod bench;
#[path = "../support/moto.rs"]
mod support;

use std::collections::BTreeSet;
use std::process::Command;

use kfleet::cloud::aws::{Access, Aws, AwsOptions};
use kfleet::cloud::{Cloud, CloudError, Place};
use kfleet::model::{
    Applied, AsgName, CloudEffect, Definition, Hooks, InstanceId, RefreshPreferences, Span,
    UserData,
};
use serde_json::json;

use bench::{
    creation, definition, desired, detach, new_version, pin, place, resume, suspend, terminate,
    update,
};
use support::{Server, account, counted, fault, server_or_skip};

const CLUSTER: &str = "one.k8s.foo.bar";
const REGION: &str = "eu-west-3";

/// An account with a network, and the way in.
struct Scene {
    aws: Aws,
    server: Server,
    account: String,
    place: Place,
}

impl Scene {
    async fn open() -> Scene {
        let server = Server::at(&std::env::var("KFLEET_CASE_SERVER").unwrap());
        let account = std::env::var("KFLEET_CASE_ACCOUNT").unwrap();
        let subnets: Vec<String> = ["a", "b"]
            .iter()
            .map(|z| format!("{REGION}{z}.{CLUSTER}"))
            .collect();
        server.order("network", &json!({"account": account, "region": REGION, "cluster": CLUSTER, "subnets": subnets, "targetGroups": []}));
        server.order(
            "clock",
            &json!({"account": account, "frozen": true, "decide": 0, "boot": 0, "end": 30}),
        );
        let access = Access {
            images: (1..=9).map(|n| format!("ami-{n}")).collect(),
            ..Access::default()
        };
        let clusters = [CLUSTER, "two.k8s.foo.bar"].map(|c| (c.parse().unwrap(), access.clone()));
        let aws = Aws::connect(AwsOptions {
            clusters: clusters.into(),
            ..AwsOptions::default()
        })
        .await
        .unwrap();
        Scene {
            aws,
            server,
            account,
            place: place(CLUSTER),
        }
    }

    async fn apply(&self, effect: &CloudEffect) -> Result<Applied, CloudError> {
        self.aws.apply(&self.place, effect).await
    }

    async fn told(&self, effect: &CloudEffect) -> String {
        match self.apply(effect).await {
            Ok(Applied::Done) => "done".into(),
            Ok(Applied::Already) => "already".into(),
            Ok(Applied::Version(n)) => format!("version {n}"),
            Ok(Applied::Launched { instances, refused }) => {
                format!("launched {}, refused {refused:?}", instances.len())
            }
            Ok(Applied::Moved(found)) => format!("moved: {found}"),
            Ok(Applied::NotYet(found)) => format!("not yet: {found}"),
            Err(error) => error.to_string(),
        }
    }

    /// A group of two with a second version of its template.
    async fn two(&self) -> (Definition, AsgName) {
        let wanted = definition(CLUSTER, "nodes", 1, 5);
        assert_eq!(
            self.told(&new_version(
                &wanted,
                "ami-1",
                UserData::Given("Zmlyc3Q=".to_owned().into()),
                "first"
            ))
            .await,
            "version 1"
        );
        assert_eq!(self.told(&creation(&wanted, 1, 2)).await, "done");
        assert_eq!(
            self.told(&new_version(
                &wanted,
                "ami-2",
                UserData::CarriedFrom(1),
                "second"
            ))
            .await,
            "version 2"
        );
        self.pass(60);
        let name = wanted.auto_scaling_group.auto_scaling_group_name.clone();
        (wanted, name)
    }

    fn pass(&self, seconds: u32) {
        self.server.order(
            "tick",
            &json!({"account": self.account, "seconds": seconds}),
        );
    }

    /// The instances that the group lists, in its order.
    fn members(&self, name: &AsgName) -> Vec<InstanceId> {
        let answer = self.server.by_hand(
            &self.account,
            REGION,
            "DescribeAutoScalingGroups",
            &[("AutoScalingGroupNames.member.1", name.as_str())],
        );
        answer
            .split("<InstanceId>")
            .skip(1)
            .map(|rest| rest.split('<').next().unwrap().parse().unwrap())
            .collect()
    }

    /// Calls that may change something and took effect, since the last time this was asked.
    fn landed(&self) -> Vec<String> {
        let calls = self.server.log(&self.account);
        let landed = calls
            .iter()
            .filter(|c| c.mutates() && c.0["landed"] == json!(true))
            .map(|c| c.action().to_owned())
            .collect();
        self.server.forget_log(&self.account);
        landed
    }
}

/// Runs a test with credentials of its own: they come from the environment, so it gets a process of its own.
fn alone(name: &str, run: impl AsyncFnOnce(&Scene)) {
    if std::env::var_os("KFLEET_CASE_ACCOUNT").is_some() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        return runtime.block_on(async { run(&Scene::open().await).await });
    }
    let Some(server) = server_or_skip(name) else {
        return;
    };
    let account = account();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", name, "--nocapture", "--test-threads=1"]);
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

/// The call whose answer is lost and the effect; what is said again is told, and the calls that took effect in all.
type Lost = (&'static str, CloudEffect, &'static str, &'static str);

/// What is made.
fn made(wanted: &Definition, second: &Definition) -> Vec<Lost> {
    vec![
        (
            "CreateLaunchTemplate",
            new_version(second, "ami-1", UserData::Given(String::new().into()), "t"),
            "version 1",
            "CreateLaunchTemplate",
        ),
        (
            "CreateAutoScalingGroup",
            creation(second, 1, 0),
            "done",
            "CreateAutoScalingGroup SuspendProcesses EnableMetricsCollection",
        ),
        (
            "CreateLaunchTemplateVersion",
            new_version(wanted, "ami-3", UserData::CarriedFrom(2), "third"),
            "version 3",
            "CreateLaunchTemplateVersion",
        ),
        (
            "CreateLaunchTemplateVersion",
            new_version(wanted, "ami-4", UserData::CarriedFrom(3), "fourth"),
            "version 4",
            "CreateLaunchTemplateVersion",
        ),
    ]
}

/// What a group is told.
fn told(name: &AsgName) -> Vec<Lost> {
    vec![
        (
            "UpdateAutoScalingGroup",
            pin(name, 1, 2),
            "already",
            "UpdateAutoScalingGroup",
        ),
        (
            "SetDesiredCapacity",
            desired(name, 2, 3),
            "already",
            "SetDesiredCapacity",
        ),
        (
            "SuspendProcesses",
            suspend(name, "AZRebalance"),
            "already",
            "SuspendProcesses",
        ),
        (
            "ResumeProcesses",
            resume(name, "AZRebalance"),
            "already",
            "ResumeProcesses",
        ),
    ]
}

/// What its instances are told.
fn for_members(name: &AsgName, members: &[InstanceId]) -> Vec<Lost> {
    let protect = CloudEffect::Protect {
        group: name.clone(),
        instances: members.iter().cloned().collect(),
        protect: true,
    };
    let no_one = CloudEffect::Protect {
        group: name.clone(),
        instances: members.iter().cloned().collect(),
        protect: false,
    };
    vec![
        (
            "SetInstanceProtection",
            protect,
            "already",
            "SetInstanceProtection",
        ),
        (
            "SetInstanceProtection",
            no_one,
            "already",
            "SetInstanceProtection",
        ),
        (
            "CreateTags",
            detach(name, &members[0]),
            "done",
            "CreateTags CreateTags DetachInstances",
        ),
        (
            "TerminateInstances",
            terminate(name, &members[0], true),
            "already",
            "TerminateInstances",
        ),
        (
            "TerminateInstanceInAutoScalingGroup",
            terminate(name, &members[1], true),
            "already",
            "TerminateInstanceInAutoScalingGroup",
        ),
    ]
}

/// A refresh that begins and one that ends.
fn refreshed(name: &AsgName) -> Vec<Lost> {
    let preferences = RefreshPreferences {
        min_healthy_percent: 90,
        max_healthy_percent: 110,
        warmup: Span::from_secs(60),
        checkpoints: BTreeSet::new(),
        checkpoint_delay: Span::from_secs(0),
        skip_matching: true,
    };
    let refresh = CloudEffect::StartRefresh {
        group: name.clone(),
        from: 2,
        version: 3,
        preferences,
    };
    vec![
        (
            "StartInstanceRefresh",
            refresh,
            "already",
            "StartInstanceRefresh",
        ),
        (
            "CancelInstanceRefresh",
            CloudEffect::CancelRefresh {
                group: name.clone(),
            },
            "already",
            "CancelInstanceRefresh",
        ),
    ]
}

/// What is taken away.
fn taken(
    name: &AsgName,
    wanted: &Definition,
    second: &Definition,
    third: &Definition,
) -> Vec<Lost> {
    let several = |d: &mut Definition| {
        d.auto_scaling_group.max_size = 9;
        d.auto_scaling_group.enabled_metrics.metrics =
            BTreeSet::from(["GroupMinSize".to_owned()]).into();
        d.lifecycle_hooks = Hooks::default();
        d.auto_scaling_group.tags.remove(2);
    };
    let delete = |d: &Definition| CloudEffect::DeleteGroup {
        group: Box::new(d.auto_scaling_group.clone()),
    };
    let prune = CloudEffect::PruneVersions {
        template: name.clone(),
        versions: [4, 7].into(),
    };
    vec![
        (
            "DeleteLaunchTemplateVersions",
            prune,
            "already",
            "DeleteLaunchTemplateVersions DeleteLaunchTemplateVersions",
        ),
        (
            "UpdateAutoScalingGroup",
            update(wanted, several),
            "done",
            "UpdateAutoScalingGroup DeleteTags EnableMetricsCollection DisableMetricsCollection DeleteLifecycleHook",
        ),
        (
            "DeleteAutoScalingGroup",
            delete(second),
            "done",
            "DeleteAutoScalingGroup DeleteLaunchTemplate",
        ),
        (
            "DeleteLaunchTemplate",
            delete(third),
            "already",
            "DeleteAutoScalingGroup DeleteLaunchTemplate",
        ),
    ]
}

/// A change that took effect and whose answer was lost: it is not known, and found out by saying it again. It never happens twice.
#[test]
fn a_lost_answer_is_found_out() {
    alone("a_lost_answer_is_found_out", async |scene| {
        let (wanted, name) = scene.two().await;
        let members = scene.members(&name);
        assert_eq!(members.len(), 2);
        let second = definition(CLUSTER, "second", 0, 1);
        let third = definition(CLUSTER, "third", 0, 1);
        scene
            .told(&new_version(
                &third,
                "ami-1",
                UserData::Given(String::new().into()),
                "t",
            ))
            .await;
        assert_eq!(scene.told(&creation(&third, 1, 0)).await, "done");
        let cases = [
            made(&wanted, &second),
            told(&name),
            for_members(&name, &members),
            refreshed(&name),
            taken(&name, &wanted, &second, &third),
        ];
        for (api, effect, again, landed) in cases.into_iter().flatten() {
            scene.landed();
            scene.server.order(
                "faults",
                &fault(
                    &scene.account,
                    api,
                    json!({"html": "<html>bad gateway</html>", "apply_first": true}),
                ),
            );
            let error = scene
                .apply(&effect)
                .await
                .expect_err(&format!("{api}: {effect:?}"));
            assert!(
                matches!(error, CloudError::Unknown { .. }) && error.is_transient(),
                "{api}: {error}"
            );
            assert_eq!(scene.told(&effect).await, again, "{api}: {effect:?}");
            assert_eq!(scene.landed().join(" "), landed, "{api}");
            scene.server.forget_faults(&scene.account);
            scene.pass(5);
        }
    });
}

/// A change that AWS did not make, and said so, is sent again; one that it may have made is not.
#[test]
fn what_was_not_done_is_sent_again() {
    alone("what_was_not_done_is_sent_again", async |scene| {
        let (_, name) = scene.two().await;
        for (number, code) in [
            "Throttling",
            "ScalingActivityInProgress",
            "ResourceContention",
        ]
        .iter()
        .enumerate()
        {
            let (from, to) = (
                2 + u32::try_from(number).unwrap(),
                3 + u32::try_from(number).unwrap(),
            );
            scene.server.order(
                "faults",
                &fault(&scene.account, "SetDesiredCapacity", json!({"code": code})),
            );
            assert_eq!(
                scene.told(&desired(&name, from, to)).await,
                "done",
                "{code}"
            );
        }
        let calls = scene.server.log(&scene.account);
        assert_eq!(counted(&calls)["SetDesiredCapacity"], 6);
        for more in [
            json!({"code": "InternalFailure", "status": 500}),
            json!({"html": "<html>bad gateway</html>"}),
            json!({"drop": true}),
        ] {
            scene.server.forget_log(&scene.account);
            scene.server.order(
                "faults",
                &fault(&scene.account, "SetDesiredCapacity", more.clone()),
            );
            let error = scene
                .apply(&desired(&name, 5, 4))
                .await
                .expect_err(&more.to_string());
            assert!(matches!(error, CloudError::Unknown { .. }), "{error}");
            assert_eq!(
                counted(&scene.server.log(&scene.account))["SetDesiredCapacity"],
                1,
                "{more}"
            );
        }
        scene.server.order(
            "faults",
            &fault(
                &scene.account,
                "SetDesiredCapacity",
                json!({"code": "AccessDenied", "status": 403}),
            ),
        );
        let error = scene.apply(&desired(&name, 5, 4)).await.unwrap_err();
        assert!(
            matches!(error, CloudError::Refused { .. }) && !error.is_transient(),
            "{error}"
        );
    });
}

/// An instance of nobody's: neither detached again nor ended.
async fn nobodys_is_left(scene: &Scene, name: &AsgName, member: &InstanceId) {
    scene.server.by_hand(
        &scene.account,
        REGION,
        "DetachInstances",
        &[
            ("AutoScalingGroupName", name.as_str()),
            ("InstanceIds.member.1", member.as_str()),
            ("ShouldDecrementDesiredCapacity", "true"),
        ],
    );
    scene.landed();
    assert_eq!(
        scene.told(&terminate(name, member, false)).await,
        format!("moved: instance {member} is not in {name}, and was not taken out of it by kfleet")
    );
    assert_eq!(
        scene.told(&detach(name, member)).await,
        format!("moved: {name} has no instance {member}")
    );
    assert_eq!(scene.landed(), Vec::<String>::new());
}

/// Whatever is asked for: nothing is changed in another account, or of another cluster.
#[test]
fn nothing_of_others_is_changed() {
    alone("nothing_of_others_is_changed", async |scene| {
        let (wanted, name) = scene.two().await;
        let member = scene.members(&name)[0].clone();
        let effects = [
            new_version(&wanted, "ami-3", UserData::CarriedFrom(2), "third"),
            creation(&wanted, 1, 2),
            update(&wanted, |d| d.auto_scaling_group.max_size = 9),
            pin(&name, 1, 2),
            desired(&name, 2, 3),
            suspend(&name, "Launch"),
            resume(&name, "ScheduledActions"),
            detach(&name, &member),
            terminate(&name, &member, false),
            CloudEffect::DeleteGroup {
                group: Box::new(wanted.auto_scaling_group.clone()),
            },
            CloudEffect::PruneVersions {
                template: name.clone(),
                versions: [2].into(),
            },
            CloudEffect::Protect {
                group: name.clone(),
                instances: [member.clone()].into(),
                protect: true,
            },
            CloudEffect::CancelRefresh {
                group: name.clone(),
            },
            CloudEffect::RollbackRefresh {
                group: name.clone(),
            },
        ];
        let other_account = Place {
            account: "999988887777".parse().unwrap(),
            ..scene.place.clone()
        };
        let other_cluster = Place {
            cluster: "two.k8s.foo.bar".parse().unwrap(),
            ..scene.place.clone()
        };
        scene.landed();
        for (place, why) in [
            (other_account, "the credentials belong to account"),
            (
                other_cluster,
                "is not this cluster's, two.k8s.foo.bar: its tag",
            ),
        ] {
            for effect in &effects {
                let error = scene
                    .aws
                    .apply(&place, effect)
                    .await
                    .expect_err(&format!("{effect:?}"));
                assert!(
                    matches!(&error, CloudError::Refused { message, .. } if message.contains(why)),
                    "{effect:?}: {error}"
                );
            }
        }
        assert_eq!(scene.landed(), Vec::<String>::new());
        let asked = counted(&scene.server.log(&scene.account));
        assert!(
            asked.get("GetCallerIdentity").copied().unwrap_or(0) <= 2,
            "asked once a way in: {asked:?}"
        );
        nobodys_is_left(scene, &name, &member).await;
    });
}
