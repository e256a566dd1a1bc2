//! Classic load balancers of Services that send to instances: those that carry the cluster's tag, and with which none of its AutoScalingGroups registers
//! instances. Decides nothing.
//!
//! Sources: cloud-provider-aws, `pkg/providers/v1/tags.go` (`kubernetes.io/cluster/NAME`: `owned`) and `aws_loadbalancer.go`. Elastic Load Balancing API
//! reference 2012-06-01: DescribeTags takes 20 names; DescribeInstanceHealth tells of instances that it is asked about also when they are not registered
//! any more, and calls one that has connections still `InService` (Classic Load Balancers user guide, "Connection draining").

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_elasticloadbalancing::types::{Instance, LoadBalancerDescription, Tag};

use super::balancers::is_of;
use super::connect::Clients;
use super::error::cloud_error;
use crate::cloud::{CloudError, Place};
use crate::model::{InstanceId, Senders};

/// Most names in one question.
const TAGS_OF: usize = 20;

/// Adds the classic balancers that send to these instances.
pub(super) async fn add_senders(
    clients: &Clients,
    place: &Place,
    asked: &BTreeSet<InstanceId>,
    own: &BTreeSet<String>,
    senders: &mut Senders,
) -> Result<(), CloudError> {
    let pages = clients
        .classic
        .describe_load_balancers()
        .into_paginator()
        .items()
        .send()
        .try_collect()
        .await;
    let found: Vec<LoadBalancerDescription> =
        pages.map_err(|e| cloud_error(place, "load balancers", &e))?;
    let others: BTreeMap<&str, &LoadBalancerDescription> = found
        .iter()
        .filter_map(|b| Some((b.load_balancer_name()?, b)))
        .filter(|(name, _)| !own.contains(*name))
        .collect();
    for name in tagged(clients, place, &others).await? {
        let Some(balancer) = others.get(name.as_str()) else {
            continue;
        };
        let mut sent_to = draining(clients, place, &name, asked).await?;
        sent_to.extend(registered(balancer));
        for id in sent_to.intersection(asked) {
            senders.entry(id.clone()).or_default().insert(name.clone());
        }
    }
    Ok(())
}

/// Those that carry the cluster's tag.
async fn tagged(
    clients: &Clients,
    place: &Place,
    balancers: &BTreeMap<&str, &LoadBalancerDescription>,
) -> Result<Vec<String>, CloudError> {
    let names: Vec<&str> = balancers.keys().copied().collect();
    let mut found = Vec::new();
    for some in names.chunks(TAGS_OF) {
        let names = some.iter().map(|name| (*name).to_owned()).collect();
        let call = clients.classic.describe_tags();
        let answer = call.set_load_balancer_names(Some(names)).send().await;
        let answer = answer.map_err(|e| cloud_error(place, "tags of load balancers", &e))?;
        for described in answer.tag_descriptions() {
            let pair = |tag: &Tag| (tag.key().to_owned(), tag.value().map(str::to_owned));
            if is_of(described.tags().iter().map(pair), &place.cluster) {
                found.extend(described.load_balancer_name().map(str::to_owned));
            }
        }
    }
    Ok(found)
}

fn registered(balancer: &LoadBalancerDescription) -> impl Iterator<Item = InstanceId> {
    let ids = balancer.instances().iter();
    ids.filter_map(|i| InstanceId::new(i.instance_id()?).ok())
}

/// Of these instances, those that the balancer has connections to.
async fn draining(
    clients: &Clients,
    place: &Place,
    name: &str,
    asked: &BTreeSet<InstanceId>,
) -> Result<BTreeSet<InstanceId>, CloudError> {
    let instances = asked.iter();
    let instances = instances.map(|id| Instance::builder().instance_id(id.as_str()).build());
    let call = clients.classic.describe_instance_health();
    let call = call
        .load_balancer_name(name)
        .set_instances(Some(instances.collect()));
    let answer = call.send().await;
    let answer = answer.map_err(|e| cloud_error(place, "instances of load balancers", &e))?;
    let states = answer.instance_states().iter();
    let in_service = states.filter(|s| s.state() == Some("InService"));
    Ok(in_service
        .filter_map(|s| InstanceId::new(s.instance_id()?).ok())
        .collect())
}
