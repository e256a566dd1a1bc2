//! Load balancers of Services that send to instances: target groups that carry the cluster's tag and that none of its AutoScalingGroups registers
//! instances with. Decides nothing. Classic balancers have an API of their own: `classic`.
//!
//! Sources: cloud-provider-aws, `pkg/providers/v1/tags.go` (`kubernetes.io/cluster/NAME`: `owned`) and `aws_loadbalancer.go`, which tags target groups as
//! it tags their balancers; AWS Load Balancer Controller, "Subnet discovery" and "Resource tracking" (`elbv2.k8s.aws/cluster`: NAME). Elastic Load
//! Balancing API reference: DescribeTags takes 20 ARNs; TargetHealth, whose state `unused` says that nothing is sent to a target, and `draining` that it
//! has connections still.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_elasticloadbalancingv2::types::{
    Tag, TargetGroup, TargetHealthStateEnum, TargetTypeEnum,
};

use super::connect::Clients;
use super::error::cloud_error;
use crate::cloud::{CloudError, Place};
use crate::model::{ClusterName, InstanceId, Senders};

/// Most ARNs in one question.
const TAGS_OF: usize = 20;

/// Which balancers send to these instances.
pub(super) async fn senders(
    clients: &Clients,
    place: &Place,
    asked: &BTreeSet<InstanceId>,
    own: &BTreeSet<String>,
) -> Result<Senders, CloudError> {
    let pages = clients
        .elb
        .describe_target_groups()
        .into_paginator()
        .items()
        .send()
        .try_collect()
        .await;
    let groups: Vec<TargetGroup> = pages.map_err(|e| cloud_error(place, "target groups", &e))?;
    let groups: BTreeMap<String, String> =
        groups.iter().filter_map(|g| of_others(g, own)).collect();
    let mut senders = Senders::new();
    for arn in tagged(clients, place, &groups).await? {
        let answer = clients
            .elb
            .describe_target_health()
            .target_group_arn(&arn)
            .send();
        let answer = answer
            .await
            .map_err(|e| cloud_error(place, "target health", &e))?;
        let name = groups.get(&arn).cloned().unwrap_or_default();
        for described in answer.target_health_descriptions() {
            let state = described.target_health().and_then(|h| h.state());
            let id = described.target().and_then(|t| t.id());
            let id = id.and_then(|id| InstanceId::new(id).ok());
            if let Some(id) = id.filter(|id| asked.contains(id))
                && state != Some(&TargetHealthStateEnum::Unused)
            {
                senders.entry(id).or_default().insert(name.clone());
            }
        }
    }
    Ok(senders)
}

/// ARN and name of a group whose targets are instances, and with which no AutoScalingGroup of the cluster registers them.
fn of_others(group: &TargetGroup, own: &BTreeSet<String>) -> Option<(String, String)> {
    let (arn, name) = (group.target_group_arn()?, group.target_group_name()?);
    let instances = matches!(group.target_type(), None | Some(TargetTypeEnum::Instance));
    let ours = own.contains(arn) || own.contains(name);
    (instances && !ours).then(|| (arn.to_owned(), name.to_owned()))
}

/// Those that carry the cluster's tag.
async fn tagged(
    clients: &Clients,
    place: &Place,
    groups: &BTreeMap<String, String>,
) -> Result<Vec<String>, CloudError> {
    let arns: Vec<&String> = groups.keys().collect();
    let mut found = Vec::new();
    for some in arns.chunks(TAGS_OF) {
        let arns = some.iter().map(|arn| (*arn).clone()).collect();
        let call = clients.elb.describe_tags().set_resource_arns(Some(arns));
        let answer = call.send().await;
        let answer = answer.map_err(|e| cloud_error(place, "tags of target groups", &e))?;
        for described in answer.tag_descriptions() {
            let pair = |tag: &Tag| Some((tag.key()?.to_owned(), tag.value().map(str::to_owned)));
            if is_of(described.tags().iter().filter_map(pair), &place.cluster) {
                found.extend(described.resource_arn().map(str::to_owned));
            }
        }
    }
    Ok(found)
}

/// Whether tags say that a balancer, or a target group, was made for a Service of the cluster.
pub(super) fn is_of(
    mut tags: impl Iterator<Item = (String, Option<String>)>,
    cluster: &ClusterName,
) -> bool {
    let in_tree = format!("kubernetes.io/cluster/{cluster}");
    tags.any(|(key, value)| {
        let value = value.unwrap_or_default();
        match key.as_str() {
            "elbv2.k8s.aws/cluster" => value == cluster.as_str(),
            key => key == in_tree && value == "owned",
        }
    })
}
