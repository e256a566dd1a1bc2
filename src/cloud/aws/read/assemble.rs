//! What was read of one account and region → the live state of its clusters: pure. What is missing for a group is a gap of its cluster.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_autoscaling::types as sdk;

use super::haul::{Haul, Missing, Template, meant};
use super::memory::Version;
use super::scope::Gaps;
use crate::cloud::Place;
use crate::cloud::aws::convert::group;
use crate::model::{
    ClusterName, Hooks, Images, Instance, InstanceId, LiveCluster, LiveGroup, Shared,
    TemplateVersion, VersionRef,
};

/// The clusters, each with its groups and its gaps.
pub(super) fn clusters(
    haul: &Haul,
    places: &[Place],
    mut gaps: Gaps,
) -> BTreeMap<ClusterName, LiveCluster> {
    let mut clusters: BTreeMap<ClusterName, LiveCluster> = places
        .iter()
        .map(|p| (p.cluster.clone(), LiveCluster::default()))
        .collect();
    for given in &haul.groups {
        let owner =
            group::tag_value(given, "KubernetesCluster").and_then(|c| ClusterName::new(c).ok());
        let Some((cluster, live)) = owner
            .and_then(|c| clusters.get_key_value(&c).map(|(c, _)| c.clone()))
            .and_then(|c| {
                let live = clusters.get_mut(&c)?;
                Some((c, live))
            })
        else {
            continue;
        };
        match live_group(haul, &cluster, given) {
            Ok(group) => drop(
                live.groups
                    .insert(group.group.auto_scaling_group_name.clone(), group.into()),
            ),
            Err((what, why)) => gaps.add([&cluster], &what, why),
        }
    }
    for live in clusters.values_mut() {
        live.images = images(haul, live);
    }
    for (cluster, found) in gaps.0 {
        if let Some(live) = clusters.get_mut(&cluster) {
            live.gaps.extend(found);
        }
    }
    clusters
}

/// What the names of images mean, and what people call the images that the groups of a cluster run or are to run.
fn images(haul: &Haul, live: &LiveCluster) -> Images {
    let meant = haul.names.meant_images();
    let run = live
        .groups
        .values()
        .flat_map(|g| g.versions.values())
        .map(|v| &v.data.image_id);
    let named = run
        .chain(meant.values())
        .filter_map(|id| Some((id.clone(), haul.names.image_name(id)?)))
        .collect();
    Images { meant, named }
}

fn live_group(
    haul: &Haul,
    cluster: &ClusterName,
    given: &sdk::AutoScalingGroup,
) -> Result<LiveGroup, Missing> {
    let shown = given.auto_scaling_group_name().unwrap_or_default();
    let missing = |why: &dyn ToString| (format!("AutoScalingGroup {shown}"), why.to_string());
    let fields = group::fields(given).map_err(|e| missing(&e))?;
    let name = fields.auto_scaling_group_name.clone();
    belongs(cluster, given).map_err(|e| missing(&e))?;
    if let Some((what, why)) = haul.unread.get(&name) {
        return Err((format!("{what} of {name}"), why.clone()));
    }
    let asked = haul.asked.get(&name).ok_or_else(|| {
        (
            format!("lifecycle hooks and instance refreshes of {name}"),
            "the reading broke off".to_owned(),
        )
    })?;
    let reference = group::template(given).ok_or_else(|| {
        missing(&"it launches from a launch configuration, not from a launch template")
    })?;
    let template = haul
        .template(&reference)
        .ok_or_else(|| missing(&"its launch template was not found"))?;
    if let Some(why) = haul.unversioned.get(&template.id) {
        return Err((format!("launch template versions of {name}"), why.clone()));
    }
    let version = meant(&reference, Some(template))
        .ok_or_else(|| missing(&"it refers to no version of its launch template"))?;
    let instances = haul.instances(given, &name, &reference)?;
    let (versions, of_template) = versions(haul, cluster, template, version, &instances);
    let mut by_hand = group::foreign(given);
    by_hand.extend(asked.hooks.iter().flatten().flat_map(group::foreign_hook));
    by_hand.extend(of_template);
    if template.name != name.as_str() {
        by_hand.insert("LaunchTemplateName".into(), template.name.clone());
    }
    let hooks = match &asked.hooks {
        None => Hooks::NotRead,
        Some(given) => Hooks::Known(
            given
                .iter()
                .map(group::hook)
                .collect::<Result<BTreeMap<_, _>, _>>()
                .map_err(|e| missing(&e))?
                .into(),
        ),
    };
    Ok(LiveGroup {
        suspended: fields.suspended_processes.clone(),
        group: haul.names.group_by_name(cluster, fields).into(),
        hooks,
        desired: group::desired(given).map_err(|e| missing(&e))?,
        version,
        versions,
        latest_version: template.latest,
        instances,
        activities: haul.activities.get(&name).cloned().unwrap_or_default(),
        refresh: asked.refresh.clone(),
        by_hand,
    })
}

/// The versions that the group and its instances refer to, with names for ids; and what the group's own holds beside them.
fn versions(
    haul: &Haul,
    cluster: &ClusterName,
    template: &Template,
    own: VersionRef,
    instances: &BTreeMap<InstanceId, Instance>,
) -> (
    BTreeMap<u64, Shared<TemplateVersion>>,
    BTreeMap<String, String>,
) {
    let used: BTreeSet<u64> = instances
        .values()
        .filter_map(|i| i.version)
        .chain([own.number(), template.latest, template.default])
        .collect();
    let found = |n: u64| haul.versions.get(&(template.id.clone(), n));
    let named = |v: &Version| TemplateVersion {
        data: haul.names.data_by_name(cluster, v.version.data.clone()),
        ..v.version.clone()
    };
    let versions = used
        .iter()
        .filter_map(|n| Some((*n, named(found(*n)?).into())))
        .collect();
    let foreign = found(own.number())
        .map(|v| v.foreign.clone())
        .unwrap_or_default();
    (
        versions,
        foreign
            .into_iter()
            .map(|(field, value)| (format!("LaunchTemplateData.{field}"), value))
            .collect(),
    )
}

/// A group is a cluster's when all its tags say so, and AWS is not deleting it.
fn belongs(cluster: &ClusterName, given: &sdk::AutoScalingGroup) -> Result<(), String> {
    if let Some(status) = given.status().filter(|s| !s.is_empty()) {
        return Err(format!("AWS says of it: {status}"));
    }
    let own = format!("kubernetes.io/cluster/{cluster}");
    match group::owners(given)
        .keys()
        .find(|key| **key != "KubernetesCluster" && **key != own)
    {
        None => Ok(()),
        Some(other) => Err(format!(
            "its tag KubernetesCluster says {cluster}, and it also has the tag {other}"
        )),
    }
}
