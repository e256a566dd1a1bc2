//! Sample groups and the few verbs that the cases are written with.

use std::collections::BTreeMap;

use kfleet::cloud::local::{Options, World};
use kfleet::cloud::{Cloud, CloudError, Place};
use kfleet::model::{
    Applied, AsgName, CloudEffect, Definition, InstanceId, LaunchRefusal, Lifecycle, LiveCluster,
    LiveGroup, Node, NodeEffect, NodeName, Nodes, Span, UserData, ZonalLaunch,
};
use kfleet::nodes::NodeApi;
use serde_json::json;

/// A world in a folder of its own, without an autoscaler.
pub(crate) fn quiet_world() -> (World, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let world = World::open(dir.path(), quiet()).unwrap();
    (world, dir)
}

pub(crate) fn quiet() -> Options {
    Options {
        autoscaler: false,
        ..Options::default()
    }
}

/// In the account of this process, where it has one of its own.
pub(crate) fn place(cluster: &str) -> Place {
    let account = std::env::var("KFLEET_CASE_ACCOUNT").unwrap_or_else(|_| "111122223333".into());
    Place {
        cluster: cluster.parse().unwrap(),
        account: account.parse().unwrap(),
        region: "eu-west-3".parse().unwrap(),
    }
}

pub(crate) fn asg(name: &str) -> AsgName {
    name.parse().unwrap()
}

/// A node group of `cluster` named `group.cluster`, over two zones, for the autoscaler's eyes too.
pub(crate) fn definition(cluster: &str, group: &str, min: u32, max: u32) -> Definition {
    let name = format!("{group}.{cluster}");
    let tag =
        |key: &str, value: &str| json!({"Key": key, "Value": value, "PropagateAtLaunch": true});
    let value = json!({
        "instanceGroup": group,
        "autoScalingGroup": {
            "AutoScalingGroupName": name,
            "MinSize": min,
            "MaxSize": max,
            "VPCZoneIdentifier": [format!("eu-west-3a.{cluster}"), format!("eu-west-3b.{cluster}")],
            "NewInstancesProtectedFromScaleIn": false,
            "Tags": [
                tag("kops.k8s.io/instancegroup", group),
                tag("KubernetesCluster", cluster),
                tag("k8s.io/role/node", "1"),
                tag("k8s.io/cluster-autoscaler/enabled", ""),
            ],
            "EnabledMetrics": {"Granularity": "1Minute", "Metrics": ["GroupMaxSize"]},
            "SuspendedProcesses": ["ScheduledActions"],
        },
        "launchTemplate": {
            "LaunchTemplateName": name,
            "LaunchTemplateData": {
                "ImageId": "ami-1",
                "InstanceType": "m5.xlarge",
                "IamInstanceProfile": {"Name": "nodes"},
                "BlockDeviceMappings": [],
                "MetadataOptions": {"HttpEndpoint": "enabled", "HttpProtocolIpv6": "disabled", "HttpPutResponseHopLimit": 1, "HttpTokens": "required"},
                "Monitoring": {"Enabled": false},
                "NetworkInterfaces": [],
                "TagSpecifications": [],
            },
        },
        "lifecycleHooks": {"drain": {
            "DefaultResult": "CONTINUE", "HeartbeatTimeout": 300, "LifecycleTransition": "autoscaling:EC2_INSTANCE_TERMINATING",
        }},
    });
    serde_json::from_value(value).unwrap()
}

pub(crate) fn new_version(
    definition: &Definition,
    image: &str,
    user_data: UserData,
    token: &str,
) -> CloudEffect {
    let mut data = definition.launch_template.launch_template_data.clone();
    data.image_id = image.into();
    let template = definition.launch_template.launch_template_name.clone();
    CloudEffect::CreateTemplateVersion {
        template,
        data: Box::new(data),
        user_data,
        carry: None,
        token: token.into(),
    }
}

pub(crate) fn creation(definition: &Definition, version: u64, desired: u32) -> CloudEffect {
    CloudEffect::CreateGroup {
        definition: Box::new(definition.clone()),
        version,
        desired,
    }
}

pub(crate) fn update(from: &Definition, change: impl Fn(&mut Definition)) -> CloudEffect {
    let mut to = from.clone();
    change(&mut to);
    CloudEffect::UpdateGroup {
        from: Box::new(from.clone()),
        to: Box::new(to),
        version: None,
    }
}

pub(crate) fn desired(group: &AsgName, from: u32, to: u32) -> CloudEffect {
    CloudEffect::SetDesired {
        group: group.clone(),
        from,
        to,
        launch: None,
    }
}

pub(crate) fn launched(
    group: &AsgName,
    (from, to): (u32, u32),
    zone: &str,
    token: &str,
) -> CloudEffect {
    CloudEffect::SetDesired {
        group: group.clone(),
        from,
        to,
        launch: Some(ZonalLaunch {
            zone: zone.into(),
            token: token.into(),
        }),
    }
}

pub(crate) fn pin(group: &AsgName, from: u64, to: u64) -> CloudEffect {
    CloudEffect::PinVersion {
        group: group.clone(),
        from,
        to,
    }
}

pub(crate) fn suspend(group: &AsgName, process: &str) -> CloudEffect {
    CloudEffect::Suspend {
        group: group.clone(),
        processes: [process.to_owned()].into(),
    }
}

pub(crate) fn resume(group: &AsgName, process: &str) -> CloudEffect {
    CloudEffect::Resume {
        group: group.clone(),
        processes: [process.to_owned()].into(),
    }
}

pub(crate) fn detach(group: &AsgName, instance: &InstanceId) -> CloudEffect {
    CloudEffect::Detach {
        group: group.clone(),
        instance: instance.clone(),
    }
}

pub(crate) fn terminate(group: &AsgName, instance: &InstanceId, decrement: bool) -> CloudEffect {
    CloudEffect::Terminate {
        group: group.clone(),
        instance: instance.clone(),
        decrement,
    }
}

/// A cloud and one cluster in it.
pub(crate) struct Bench<'a, C> {
    pub(crate) cloud: &'a C,
    pub(crate) place: Place,
}

impl<'a, C: Cloud> Bench<'a, C> {
    pub(crate) fn new(cloud: &'a C, cluster: &str) -> Self {
        Bench {
            cloud,
            place: place(cluster),
        }
    }

    pub(crate) async fn apply(&self, effect: &CloudEffect) -> Result<Applied, CloudError> {
        self.cloud.apply(&self.place, effect).await
    }

    /// What an effect came to, as one word (and what was found, or why not).
    pub(crate) async fn told(&self, effect: &CloudEffect) -> String {
        match self.apply(effect).await {
            Ok(Applied::Done) => "done".into(),
            Ok(Applied::Already) => "already".into(),
            Ok(Applied::Version(n)) => format!("version {n}"),
            Ok(Applied::Launched { instances, refused }) => match refused {
                None => format!("launched {}", instances.len()),
                Some(LaunchRefusal::NoCapacity(_)) => {
                    format!("launched {}, no capacity for more", instances.len())
                }
                Some(LaunchRefusal::NotOffered(_)) => "not offered".into(),
            },
            Ok(Applied::Moved(found)) => format!("moved: {found}"),
            Ok(Applied::NotYet(found)) => format!("not yet: {found}"),
            Err(error) => error.to_string(),
        }
    }

    /// Makes the template (version 1) and the group, and waits until it is complete.
    pub(crate) async fn created(&self, definition: &Definition, desired: u32) -> AsgName {
        let version = new_version(
            definition,
            "ami-1",
            UserData::Given("Zmlyc3Q=".to_owned().into()),
            "first",
        );
        assert_eq!(self.told(&version).await, "version 1");
        assert_eq!(self.told(&creation(definition, 1, desired)).await, "done");
        let name = definition
            .auto_scaling_group
            .auto_scaling_group_name
            .clone();
        self.complete(&name).await;
        name
    }

    pub(crate) async fn cluster(&self) -> LiveCluster {
        let live = self
            .cloud
            .read(std::slice::from_ref(&self.place))
            .await
            .unwrap();
        live.clusters.get(&self.place.cluster).unwrap().clone()
    }

    pub(crate) async fn group(&self, name: &AsgName) -> LiveGroup {
        LiveGroup::clone(
            self.cluster()
                .await
                .groups
                .get(name)
                .unwrap_or_else(|| panic!("no group {name}")),
        )
    }

    /// Instances in one phase of life.
    pub(crate) async fn instances(&self, name: &AsgName, lifecycle: Lifecycle) -> Vec<InstanceId> {
        let group = self.group(name).await;
        group
            .instances
            .iter()
            .filter(|(_, i)| i.lifecycle == lifecycle)
            .map(|(id, _)| id.clone())
            .collect()
    }

    /// Lets seconds pass.
    pub(crate) async fn pass(&self, seconds: i64) {
        self.cloud
            .wait(self.cloud.now() + Span::from_secs(seconds))
            .await
            .unwrap();
    }

    /// Waits until a group is as wanted, half an hour at most.
    pub(crate) async fn until(
        &self,
        name: &AsgName,
        what: &str,
        wanted: impl Fn(&LiveGroup) -> bool,
    ) {
        for _ in 0..180 {
            if wanted(&self.group(name).await) {
                return;
            }
            self.pass(10).await;
        }
        panic!(
            "half an hour later {name} is still not {what}: {:#?}",
            self.group(name).await.instances
        );
    }

    /// Waits until exactly the desired number of instances is in service and nothing goes on.
    pub(crate) async fn complete(&self, name: &AsgName) {
        let count =
            |g: &LiveGroup, l: Lifecycle| g.instances.values().filter(|i| i.lifecycle == l).count();
        self.until(name, "complete", |g| {
            count(g, Lifecycle::InService) == g.desired as usize
                && count(g, Lifecycle::Pending) + count(g, Lifecycle::Terminating) == 0
        })
        .await;
    }
}

impl<C: Cloud + NodeApi> Bench<'_, C> {
    pub(crate) async fn nodes(&self) -> BTreeMap<NodeName, Node> {
        match self.cloud.nodes(&self.place.cluster).await {
            Nodes::Known(seen) => seen
                .nodes
                .into_iter()
                .map(|(name, node)| (name, Node::clone(&node)))
                .collect(),
            Nodes::NotAsked | Nodes::Unknown(_) => panic!("the nodes are not known"),
        }
    }

    pub(crate) async fn act(&self, effect: NodeEffect) -> Applied {
        self.cloud.act(&self.place.cluster, &effect).await.unwrap()
    }

    /// Waits until all nodes are Ready, ten minutes at most.
    pub(crate) async fn all_ready(&self) {
        for _ in 0..60 {
            if self.nodes().await.values().all(|n| n.ready) {
                return;
            }
            self.pass(10).await;
        }
        panic!(
            "ten minutes later not all nodes are ready: {:#?}",
            self.nodes().await
        );
    }
}
