//! What a cluster asks of its account while it is rolled, at its most: instances beyond those it has, of which types, where. Looks at definitions; reads nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use crate::fleet::{Rolling, Strategy, ZonePolicy};
use crate::kops::{Role, instance_type};
use crate::model::{
    AccountId, AsgName, ClusterName, Definition, LaunchTemplateData, Lifecycle, LiveGroup, Market,
    Quota, Region,
};

/// Pods of a node when the cluster does not say how many. Source: Kubernetes, KubeletConfiguration, `maxPods`.
const PODS: u64 = 110;

/// What one cluster asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterNeed {
    pub cluster: ClusterName,
    pub account: AccountId,
    pub region: Region,
    /// Most surge over all its groups at the same time.
    pub surge: u32,
    /// Its groups that launch instances.
    pub groups: Vec<GroupNeed>,
    /// Launch templates that get another version, each with the number of its newest one.
    pub templates: BTreeMap<AsgName, u64>,
}

/// What one group asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupNeed {
    pub group: AsgName,
    /// Instances at the same time beyond those it has: they stand beside the old ones and go, or the old ones do.
    pub surge: u32,
    /// Instances that come to stay: of a new group.
    pub stays: u32,
    /// Its subnets, by the name kops gives them or by id.
    pub subnets: BTreeSet<String>,
    /// Zones that have an instance which is replaced; none: not known.
    pub old_zones: Option<BTreeSet<String>>,
    /// Whether each replacement has to come to the zone of the instance that it is for.
    pub keeps_zones: bool,
    /// Addresses that an instance takes, with those of its pods.
    pub addresses: u32,
    /// Types that it may launch; none: it names attributes instead.
    pub types: BTreeSet<String>,
    /// How its instances are bought.
    pub markets: BTreeSet<Market>,
    /// The image of its new instances.
    pub image: String,
    /// What its new instances are launched from, where that is tried (a rollout, `doctor`): a plan of many groups has no use for a copy of each.
    pub launch: Option<Box<LaunchTemplateData>>,
}

/// A change of a group that launches instances.
#[derive(Clone, Copy, Debug)]
pub struct GroupAim<'a> {
    pub group: &'a AsgName,
    /// As it will be.
    pub to: &'a Definition,
    /// What its instances are.
    pub role: Role,
    /// How they are replaced.
    pub rolling: &'a Rolling,
    /// The group as it is; none: it is made.
    pub live: Option<&'a LiveGroup>,
    /// Instances that are replaced, as far as that is known.
    pub replaces: u32,
}

/// How the network of a cluster takes addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PodAddresses {
    /// Pods have addresses of their own, out of no subnet.
    Overlay,
    /// Each pod takes an address of its node's subnet; so many pods a node.
    FromSubnet(u64),
}

impl PodAddresses {
    /// Of a Cluster document. Source: kops, `networking.amazonvpc` and `networking.cilium.ipam: eni`.
    pub fn of(cluster: Option<&Json>) -> PodAddresses {
        let at = |path: &str| cluster.and_then(|c| c.pointer(&format!("/spec{path}")));
        let eni = at("/networking/cilium/ipam").and_then(Json::as_str) == Some("eni");
        let amazon = at("/networking/amazonvpc").or_else(|| at("/networking/amazonVPC"));
        // Its pods take addresses of IPv6 only.
        let is_ipv6 = at("/nonMasqueradeCIDR").and_then(Json::as_str) == Some("::/0");
        if (amazon.is_some() || eni) && !is_ipv6 {
            let pods = at("/kubelet/maxPods").and_then(Json::as_u64);
            PodAddresses::FromSubnet(pods.unwrap_or(PODS))
        } else {
            PodAddresses::Overlay
        }
    }

    /// Addresses that an instance of one of these types takes at most: no more than it has interfaces for.
    fn of_instance(self, types: &BTreeSet<String>) -> u32 {
        let PodAddresses::FromSubnet(pods) = self else {
            return 1;
        };
        let wanted = u32::try_from(pods.saturating_add(1)).unwrap_or(u32::MAX);
        let most = types
            .iter()
            .map(|name| instance_type(name).map(|t| t.interfaces.saturating_mul(t.addresses)));
        let most: Option<Vec<u32>> = most.collect();
        most.and_then(|all| all.into_iter().max())
            .map_or(wanted, |most| wanted.min(most))
    }
}

impl ClusterNeed {
    /// Whether nothing is launched, and nothing made that may be launched from.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty() && self.templates.is_empty()
    }
}

impl GroupNeed {
    /// What a group asks for; none: it launches nothing.
    pub fn of(aim: &GroupAim<'_>, pods: PodAddresses) -> Option<GroupNeed> {
        let group = &aim.to.auto_scaling_group;
        let is_made = aim.live.is_none();
        if !is_made && aim.replaces == 0 {
            return None;
        }
        let types = types(aim.to);
        let desired = aim.live.map_or(0, |l| l.desired);
        let is_surged = aim.role.rules().may_surge && !is_made;
        let surge = aim.rolling.max_surge.surge_of(desired).min(aim.replaces);
        Some(GroupNeed {
            group: aim.group.clone(),
            surge: if is_surged { surge } else { 0 },
            stays: if is_made { group.min_size } else { 0 },
            subnets: group.vpc_zone_identifier.clone(),
            old_zones: aim.live.map(zones),
            keeps_zones: aim.rolling.zones == ZonePolicy::Keep
                && aim.rolling.strategy == Strategy::Surge
                && markets(aim.to).len() == 1,
            addresses: pods.of_instance(&types),
            markets: markets(aim.to),
            image: aim.to.launch_template.launch_template_data.image_id.clone(),
            launch: None,
            types,
        })
    }

    /// As [`GroupNeed::of`], to be tried.
    pub fn tried(aim: &GroupAim<'_>, pods: PodAddresses) -> Option<GroupNeed> {
        let launch = aim.to.launch_template.launch_template_data.clone();
        let need = GroupNeed::of(aim, pods)?;
        Some(GroupNeed {
            launch: Some(Box::new(launch)),
            ..need
        })
    }

    /// vCPUs of an instance, by the limit that it counts towards: of the largest type of each. A type whose vCPUs or limit are not known is named.
    pub fn vcpus(&self) -> (BTreeMap<Quota, u32>, BTreeSet<String>) {
        let mut most: BTreeMap<Quota, u32> = BTreeMap::new();
        let mut unclear = BTreeSet::new();
        for (name, market) in self
            .types
            .iter()
            .flat_map(|name| self.markets.iter().map(move |market| (name, *market)))
        {
            match (instance_type(name), Quota::of(name, market)) {
                (Some(known), Some(quota)) => {
                    let vcpus = most.entry(quota).or_default();
                    *vcpus = known.vcpus.max(*vcpus);
                }
                (None, _) | (_, None) => drop(unclear.insert(name.clone())),
            }
        }
        (most, unclear)
    }

    /// What its types' processors run, in Kubernetes' words; none: not known of all of them, or not the same.
    pub fn architecture(&self) -> Option<&'static str> {
        let all = self.types.iter().map(|name| instance_type(name));
        let all: Option<BTreeSet<&str>> = all.map(|t| Some(t?.architecture.as_str())).collect();
        let all = all.filter(|a| a.len() == 1)?;
        all.into_iter().next()
    }
}

/// Zones with instances that are in the group.
fn zones(live: &LiveGroup) -> BTreeSet<String> {
    let there = live.instances.values();
    there
        .filter(|i| i.lifecycle != Lifecycle::Terminating)
        .map(|i| i.zone.clone())
        .collect()
}

fn types(definition: &Definition) -> BTreeSet<String> {
    let data = &definition.launch_template.launch_template_data;
    let own = || BTreeSet::from([data.instance_type.clone()]);
    let Some(policy) = &definition.auto_scaling_group.mixed_instances_policy else {
        return own();
    };
    if policy.overrides.is_empty() {
        return own();
    }
    let listed = policy.overrides.iter();
    listed.filter_map(|o| o.instance_type.clone()).collect()
}

fn markets(definition: &Definition) -> BTreeSet<Market> {
    let data = &definition.launch_template.launch_template_data;
    let policy = definition
        .auto_scaling_group
        .mixed_instances_policy
        .as_ref();
    match policy.map(|p| p.instances_distribution.market()) {
        Some(Some(market)) => BTreeSet::from([market]),
        Some(None) => BTreeSet::from([Market::OnDemand, Market::Spot]),
        None if data.instance_market_options.is_some() => BTreeSet::from([Market::Spot]),
        None => BTreeSet::from([Market::OnDemand]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn pods_take_addresses_where_the_network_gives_them_some() {
        let of = |spec: Json| PodAddresses::of(Some(&json!({ "spec": spec })));
        let large = BTreeSet::from(["m5.large".to_owned()]);
        let huge = BTreeSet::from(["m5.large".to_owned(), "m5.8xlarge".to_owned()]);
        for (spec, of_large, of_huge) in [
            (json!({"networking": {"calico": {}}}), 1, 1),
            (json!({"networking": {"amazonvpc": {}}}), 30, 111),
            (json!({"networking": {"cilium": {"ipam": "eni"}}}), 30, 111),
            (json!({"networking": {"cilium": {}}}), 1, 1),
            (
                json!({"networking": {"amazonvpc": {}}, "kubelet": {"maxPods": 20}}),
                21,
                21,
            ),
            (
                json!({"networking": {"amazonvpc": {}}, "nonMasqueradeCIDR": "::/0"}),
                1,
                1,
            ),
        ] {
            let pods = of(spec.clone());
            let found = (pods.of_instance(&large), pods.of_instance(&huge));
            assert_eq!(found, (of_large, of_huge), "{spec}");
        }
        assert_eq!(PodAddresses::of(None), PodAddresses::Overlay);
    }
}
