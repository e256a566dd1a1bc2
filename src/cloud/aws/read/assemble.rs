//! What was read of one account and region → the live state of its clusters: pure. What is missing for a group is a gap of its cluster.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_autoscaling::types as sdk;
use aws_sdk_ec2::types as ec2;

use super::Gaps;
use super::ask::{DETACHED, meant};
use super::memory::{Asked, Version, VersionKey};
use crate::cloud::Place;
use crate::cloud::aws::convert::group::{self, TemplateReference};
use crate::cloud::aws::convert::instance::{self, Details};
use crate::cloud::aws::names::Names;
use crate::model::{
    Activity, AsgName, ClusterName, Hooks, Instance, InstanceId, LiveCluster, LiveGroup, Shared,
    TemplateVersion, Timestamp, VersionRef,
};

/// A launch template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) latest: u64,
    pub(super) default: u64,
}

impl Template {
    pub(super) fn of(given: &ec2::LaunchTemplate) -> Option<Template> {
        let number = |n: Option<i64>| n.and_then(|n| u64::try_from(n).ok());
        Some(Template {
            id: given.launch_template_id.clone()?,
            name: given.launch_template_name.clone()?,
            latest: number(given.latest_version_number)?,
            default: number(given.default_version_number)?,
        })
    }
}

/// All that was read of one account and region.
#[derive(Debug)]
pub(super) struct Haul {
    pub(super) now: Timestamp,
    pub(super) groups: Vec<sdk::AutoScalingGroup>,
    /// By id.
    pub(super) templates: BTreeMap<String, Template>,
    pub(super) versions: BTreeMap<VersionKey, Version>,
    pub(super) details: BTreeMap<InstanceId, Details>,
    pub(super) detached: Vec<ec2::Instance>,
    pub(super) activities: BTreeMap<AsgName, Vec<Activity>>,
    /// Groups of which an activity names an instance refresh.
    pub(super) refreshed: BTreeSet<AsgName>,
    pub(super) asked: BTreeMap<AsgName, Asked>,
    pub(super) warm: BTreeMap<AsgName, Vec<sdk::Instance>>,
    pub(super) names: Names,
    /// Groups of which something could not be read: what, and why.
    pub(super) unread: BTreeMap<AsgName, (&'static str, String)>,
    /// Templates whose versions could not be read, by id: why.
    pub(super) unversioned: BTreeMap<String, String>,
}

/// Why a group is not shown.
type Missing = (String, String);

impl Haul {
    /// The groups, and nothing about them yet.
    pub(super) fn new(now: Timestamp, groups: Vec<sdk::AutoScalingGroup>) -> Haul {
        Haul {
            now,
            groups,
            templates: BTreeMap::new(),
            versions: BTreeMap::new(),
            details: BTreeMap::new(),
            detached: Vec::new(),
            activities: BTreeMap::new(),
            refreshed: BTreeSet::new(),
            asked: BTreeMap::new(),
            warm: BTreeMap::new(),
            names: Names::default(),
            unread: BTreeMap::new(),
            unversioned: BTreeMap::new(),
        }
    }

    fn template(&self, reference: &TemplateReference) -> Option<&Template> {
        let by_id = reference.id.as_ref().and_then(|id| self.templates.get(id));
        by_id.or_else(|| {
            self.templates
                .values()
                .find(|t| reference.id.is_none() && Some(&t.name) == reference.name.as_ref())
        })
    }

    /// The instances of a group: its own, those of its warm pool, those we took out.
    fn instances(
        &self,
        given: &sdk::AutoScalingGroup,
        name: &AsgName,
        reference: &TemplateReference,
    ) -> Result<BTreeMap<InstanceId, Instance>, Missing> {
        let details = |i: &sdk::Instance| {
            instance::id(i.instance_id())
                .ok()
                .and_then(|id| self.details.get(&id).copied())
        };
        let members = given
            .instances()
            .iter()
            .chain(self.warm.get(name).into_iter().flatten());
        let mut instances: BTreeMap<_, _> = BTreeMap::new();
        for out in self.detached.iter().filter(|i| {
            i.tags()
                .iter()
                .any(|t| t.key() == Some(DETACHED) && t.value() == Some(name.as_str()))
        }) {
            instances.extend(instance::detached(out, Some(reference)));
        }
        for member in members {
            let (id, instance) =
                instance::member(member, Some(reference), details(member), self.now)
                    .map_err(|e| (format!("instances of {name}"), e.to_string()))?;
            instances.insert(id, instance);
        }
        Ok(instances)
    }

    /// Versions that groups and their instances refer to, by the template's id.
    pub(super) fn wanted_versions(&self) -> BTreeMap<String, BTreeSet<VersionKey>> {
        let mut wanted: BTreeMap<String, BTreeSet<VersionKey>> = BTreeMap::new();
        for given in &self.groups {
            let Some(reference) = group::template(given) else {
                continue;
            };
            let (Some(template), Ok(name)) = (
                self.template(&reference),
                AsgName::new(given.auto_scaling_group_name().unwrap_or_default()),
            ) else {
                continue;
            };
            let own = meant(&reference, Some(template)).map(VersionRef::number);
            let instances = self.instances(given, &name, &reference).unwrap_or_default();
            let numbers = instances.values().filter_map(|i| i.version).chain(own);
            wanted
                .entry(template.id.clone())
                .or_default()
                .extend(numbers.map(|n| (template.id.clone(), n)));
        }
        wanted
    }
}

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
    for (cluster, found) in gaps.0 {
        if let Some(live) = clusters.get_mut(&cluster) {
            live.gaps.extend(found);
        }
    }
    clusters
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
                .collect::<Result<_, _>>()
                .map_err(|e| missing(&e))?,
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
        .chain([own.number()])
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
