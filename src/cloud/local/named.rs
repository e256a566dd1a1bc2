//! What is there to be named: by a fault or an act clusters, groups, and of each its images, instance types and zones; by a rollout launch template
//! versions. Judges no name.

use std::collections::{BTreeMap, BTreeSet};

use super::capacity::zone_of;
use super::cluster::SimulatedCluster;
use super::state::is_control_plane;
use super::world::{Inner, World};
use crate::cloud::Place;
use crate::model::{
    AsgName, AutoScalingGroup, ClusterName, Definition, LaunchTemplateData, Versions,
};

/// The names that mean something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Named {
    pub clusters: BTreeSet<String>,
    /// Groups, by AutoScalingGroup.
    pub groups: BTreeMap<AsgName, NamedGroup>,
}

/// What a group runs now, or will.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamedGroup {
    /// Whether it is one of the control plane.
    pub control_plane: bool,
    /// Ids of images.
    pub images: BTreeSet<String>,
    /// Instance profiles.
    pub profiles: BTreeSet<String>,
    /// Instance types.
    pub types: BTreeSet<String>,
    /// Availability zones.
    pub zones: BTreeSet<String>,
}

impl Named {
    /// A group as a definition has it.
    pub fn define(&mut self, definition: &Definition) {
        let data = &definition.launch_template.launch_template_data;
        self.add(&definition.auto_scaling_group, [data].into_iter());
    }

    /// A group and the versions that it launches from, or that its instances run.
    fn add<'a>(
        &mut self,
        group: &AutoScalingGroup,
        versions: impl Iterator<Item = &'a LaunchTemplateData>,
    ) {
        let name = group.auto_scaling_group_name.clone();
        let named = self.groups.entry(name).or_default();
        named.control_plane |= is_control_plane(group);
        let subnets = group.vpc_zone_identifier.iter();
        named.zones.extend(subnets.map(|subnet| zone_of(subnet)));
        let mixed = group.mixed_instances_policy.iter();
        let overrides = mixed.flat_map(|policy| &policy.overrides);
        named
            .types
            .extend(overrides.filter_map(|o| o.instance_type.clone()));
        for data in versions {
            named.images.insert(data.image_id.clone());
            named
                .profiles
                .insert(data.iam_instance_profile.name.clone());
            named.types.insert(data.instance_type.clone());
        }
    }
}

impl World {
    /// What the account has now, beside what is named already.
    pub fn named(&self, mut named: Named) -> Named {
        self.inner().each_cluster(|cluster| {
            named.clusters.insert(cluster.place.cluster.to_string());
            for group in cluster.state.groups.values() {
                let run = group.machines.values().map(|machine| machine.version);
                let wanted: BTreeSet<u64> = run.chain([group.version]).collect();
                let template = cluster.state.templates.get(&group.template);
                let versions = template.iter().flat_map(|t| &t.versions);
                let run = versions.filter(|(number, _)| wanted.contains(number));
                named.add(&group.fields, run.map(|(_, version)| &version.data));
                for machine in group.machines.values() {
                    let known = named.groups.get_mut(&group.fields.auto_scaling_group_name);
                    if let Some(known) = known {
                        known.types.insert(machine.instance_type.clone());
                        known.zones.insert(machine.zone.clone());
                    }
                }
            }
        });
        named
    }
}

impl Inner {
    /// The cluster that a template is named after, where kops has named it: all of its name behind a dot.
    fn named_in(&self, place: &Place, template: &AsgName) -> Option<&SimulatedCluster> {
        let name = template.as_str();
        name.match_indices('.').find_map(|(dot, _)| {
            let cluster = ClusterName::new(name.get(dot + 1..)?.to_owned()).ok()?;
            let (account, region) = (place.account.clone(), place.region.clone());
            self.clusters.get(&Place {
                cluster,
                account,
                region,
            })
        })
    }

    /// Which of these versions no template of the account has.
    pub(super) fn gone(&self, place: &Place, asked: &Versions) -> Versions {
        let has = |cluster: &SimulatedCluster, template: &AsgName, number: &u64| {
            let found = cluster.state.templates.get(template);
            found.is_some_and(|found| found.versions.contains_key(number))
        };
        let there = |template: &AsgName, number: &u64| {
            // The whole account is gone through only for a template that is not named after its cluster.
            self.named_in(place, template)
                .is_some_and(|cluster| has(cluster, template, number))
                || self
                    .neighbours(place)
                    .any(|cluster| has(cluster, template, number))
        };
        let gone = asked.iter().map(|(template, numbers)| {
            let gone = numbers.iter().filter(|n| !there(template, n)).copied();
            (template.clone(), gone.collect())
        });
        gone.filter(|(_, numbers): &(AsgName, BTreeSet<u64>)| !numbers.is_empty())
            .collect()
    }
}
