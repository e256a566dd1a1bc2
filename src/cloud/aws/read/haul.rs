//! What was read of one account and region so far, and what follows from it for the next question.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_autoscaling::types as sdk;
use aws_sdk_ec2::types as ec2;

use super::memory::{Asked, Version, VersionKey};
use crate::cloud::aws::convert::group::{self, TemplateReference};
use crate::cloud::aws::convert::instance::{self, Details};
use crate::cloud::aws::ec2::DETACHED_FROM;
use crate::cloud::aws::names::Names;
use crate::model::{Activity, AsgName, Instance, InstanceId, Timestamp, VersionRef};

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
pub(super) type Missing = (String, String);

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

    pub(super) fn template(&self, reference: &TemplateReference) -> Option<&Template> {
        let by_id = reference.id.as_ref().and_then(|id| self.templates.get(id));
        by_id.or_else(|| {
            self.templates
                .values()
                .find(|t| reference.id.is_none() && Some(&t.name) == reference.name.as_ref())
        })
    }

    /// The instances of a group: its own, those of its warm pool, those we took out.
    pub(super) fn instances(
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
                .any(|t| t.key() == Some(DETACHED_FROM) && t.value() == Some(name.as_str()))
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
            // What kops makes is the newest version and the default one, whatever the group refers to.
            let others = [template.latest, template.default];
            let numbers = instances.values().filter_map(|i| i.version);
            let numbers = numbers.chain(own).chain(others);
            wanted
                .entry(template.id.clone())
                .or_default()
                .extend(numbers.map(|n| (template.id.clone(), n)));
        }
        wanted
    }
}

/// The number that a reference means, and whether it moves by itself.
pub(super) fn meant(
    reference: &TemplateReference,
    template: Option<&Template>,
) -> Option<VersionRef> {
    match reference.version.as_deref() {
        Some("$Latest") => Some(VersionRef::Latest(template?.latest)),
        Some("$Default") | None => Some(VersionRef::Default(template?.default)),
        Some(number) => number.parse().ok().map(VersionRef::Number),
    }
}
