//! On-demand twins: which group may stand in for which, and what keeps it from it. Looks at definitions only.

use std::collections::{BTreeMap, BTreeSet};

use super::target::{settled, target};
use super::{Blocked, ClusterPlan, Fact, GroupChange, Note, Twin, TwinFault, Wanted};
use crate::desired::DesiredGroup;
use crate::fleet::{CapacityPolicy, Rolling, Strategy};
use crate::kops::Role;
use crate::model::{AsgName, Definition, LiveCluster, UserData};

/// Tags that say what a node of the group is to a pod. Source: cluster-autoscaler, AWS README, "Auto-Discovery Setup".
const NODE_TAG: &str = "k8s.io/cluster-autoscaler/node-template/";

/// Adds the twins of groups of which instances are replaced, or what is wrong with them.
pub(super) fn twins(
    plan: &mut ClusterPlan,
    wanted: &Wanted<'_>,
    live: &LiveCluster,
    rolling: &Rolling,
) {
    let mut found = BTreeMap::new();
    let mut blocked = Vec::new();
    for (name, change) in &plan.groups {
        let GroupChange::Update { to, .. } = change else {
            continue;
        };
        let capacity = &to.rolling.capacity;
        if capacity.policy != CapacityPolicy::OnDemand || !to.replace_instances {
            continue;
        }
        let twin = wanted
            .desired
            .groups
            .iter()
            .find(|(_, g)| Some(&g.definition.instance_group) == capacity.twin.as_ref());
        match (twin, wanted.desired.groups.get(name)) {
            (Some((asg, twin)), Some(group)) => match unfit(
                group,
                to.rolling.strategy,
                twin,
                live.groups.contains_key(asg),
            ) {
                None => drop(found.insert(name.clone(), (asg.clone(), twin))),
                Some(fault) => blocked.push(Blocked::Twin {
                    group: name.clone(),
                    fault,
                }),
            },
            (None, _) | (_, None) => {
                let there = wanted.desired.groups.values();
                blocked.push(Blocked::Twin {
                    group: name.clone(),
                    fault: TwinFault::NoGroup {
                        twin: capacity.twin.clone(),
                        there: there.map(|g| g.definition.instance_group.clone()).collect(),
                    },
                });
            }
        }
    }
    for (name, (asg, twin)) in found {
        let what = Fact::MayBorrow {
            twin: asg.clone(),
            most: rolling.cluster_surge,
            max: twin.definition.auto_scaling_group.max_size,
        };
        plan.notes.push(Note::of(&name, what));
        plan.twins.insert(
            name,
            Twin {
                unchanged: unchanged(plan, &asg, twin, live, rolling),
                group: asg,
            },
        );
    }
    plan.blocked.extend(blocked);
}

fn unchanged(
    plan: &ClusterPlan,
    asg: &AsgName,
    twin: &DesiredGroup,
    live: &LiveCluster,
    rolling: &Rolling,
) -> Option<Box<super::Target>> {
    let found = live.groups.get(asg)?;
    let version = found.version.number();
    let user_data = found.versions.get(&version)?.data.user_data.clone();
    let definition = settled(twin, live, user_data);
    (!plan.groups.contains_key(asg)).then(|| {
        Box::new(target(
            definition,
            twin,
            UserData::CarriedFrom(version),
            rolling,
        ))
    })
}

/// Why `twin` cannot stand in for `group`.
fn unfit(
    group: &DesiredGroup,
    strategy: Strategy,
    twin: &DesiredGroup,
    there: bool,
) -> Option<TwinFault> {
    let name = || twin.definition.instance_group.clone();
    if group.role != Role::Node || twin.role != Role::Node {
        return Some(TwinFault::NotNodes { twin: name() });
    }
    if strategy != Strategy::Surge {
        return Some(TwinFault::NoSurge { twin: name() });
    }
    if !there {
        return Some(TwinFault::NotThere { twin: name() });
    }
    if !is_on_demand(&twin.definition) {
        return Some(TwinFault::Spot { twin: name() });
    }
    let differs = first_difference(group, twin);
    if let Some(key) = differs {
        return Some(TwinFault::OtherNodes { twin: name(), key });
    }
    let subnets = lacking_subnets(group, twin);
    (!subnets.is_empty()).then(|| TwinFault::NoSubnets {
        twin: name(),
        subnets,
    })
}

/// Subnets of the group that its fallback does not have.
fn lacking_subnets(group: &DesiredGroup, twin: &DesiredGroup) -> BTreeSet<String> {
    let away = group
        .definition
        .auto_scaling_group
        .vpc_zone_identifier
        .difference(&twin.definition.auto_scaling_group.vpc_zone_identifier);
    away.cloned().collect()
}

/// A label or taint that nodes of one group have and those of the other have not.
fn first_difference(group: &DesiredGroup, twin: &DesiredGroup) -> Option<String> {
    let (own, its) = (node(&group.definition), node(&twin.definition));
    let keys = own.keys().chain(its.keys());
    let differs = keys
        .into_iter()
        .find(|key| !alike(own.get(*key).copied(), its.get(*key).copied()));
    differs.map(|key| (*key).to_owned())
}

fn is_on_demand(definition: &Definition) -> bool {
    let mixed = definition
        .auto_scaling_group
        .mixed_instances_policy
        .as_ref();
    // Source: Auto Scaling API, InstancesDistribution: 100 when not given.
    let share = mixed
        .and_then(|m| {
            m.instances_distribution
                .on_demand_percentage_above_base_capacity
        })
        .unwrap_or(100);
    definition
        .launch_template
        .launch_template_data
        .instance_market_options
        .is_none()
        && share == 100
}

/// Labels and taints of the nodes of a group.
fn node(definition: &Definition) -> BTreeMap<&str, &str> {
    let tags = definition
        .auto_scaling_group
        .tags
        .iter()
        .filter_map(|t| Some((t.key.strip_prefix(NODE_TAG)?, t.value.as_str())));
    // Every group has its own.
    tags.filter(|(key, _)| *key != "label/kops.k8s.io/instancegroup")
        .collect()
}

/// Whether a pod that runs with one value runs with the other: the same, or one that only names the way of buying.
fn alike(own: Option<&str>, its: Option<&str>) -> bool {
    let buys = |value: Option<&str>, as_what: &[&str]| {
        value.is_some_and(|v| as_what.contains(&v.to_ascii_lowercase().as_str()))
    };
    own == its || (buys(own, &["spot"]) && buys(its, &["on-demand", "ondemand", "normal"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_way_of_buying_may_differ() {
        for (own, its, same) in [
            (Some("a"), Some("a"), true),
            (Some("spot"), Some("on-demand"), true),
            (Some("spot"), Some("OnDemand"), true),
            (Some("on-demand"), Some("spot"), false),
            (Some("spot"), None, false),
            (Some("a"), Some("b"), false),
        ] {
            assert_eq!(alike(own, its), same, "{own:?} {its:?}");
        }
    }
}
