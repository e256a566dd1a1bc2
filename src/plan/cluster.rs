//! The differences of one cluster: groups, instances, documents, and what stands in the way. Looks at nothing but its arguments.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use super::{Allow, Baseline, Blocked, ClusterPlan, DocumentChange, FieldChange, Found, GroupChange, Target, Wanted, fields};
use crate::desired::DesiredGroup;
use crate::fleet::{Rolling, Strategy};
use crate::kops::Role;
use crate::model::{
    AsgName, Definition, Digest, GroupName, InstanceId, LaunchTemplate, LaunchTemplateData, Lifecycle, LiveCluster, LiveGroup, UserData, VersionRef,
    digest_of,
};

pub(super) fn cluster_plan(wanted: &Wanted<'_>, live: Option<&LiveCluster>, rolling: &Rolling, allow: Allow) -> ClusterPlan {
    let desired = wanted.desired;
    let mut plan = ClusterPlan {
        account: desired.account.clone(),
        region: desired.region.clone(),
        digest: desired.digest.clone(),
        fingerprint: fingerprint(live),
        roles: desired.groups.iter().map(|(name, g)| (name.clone(), g.role)).collect(),
        groups: BTreeMap::new(),
        documents: BTreeMap::new(),
        blocked: Vec::new(),
        notes: Vec::new(),
    };
    let Some(live) = live else {
        plan.blocked.push(Blocked::Gap { what: "live state".into(), why: "the cluster was not read".into() });
        return plan;
    };
    plan.blocked.extend(live.gaps.iter().map(|gap| Blocked::Gap { what: gap.what.clone(), why: gap.why.clone() }));
    // With a gap, what is missing may only be unread: nothing is created or retired on such ground.
    if plan.blocked.is_empty() {
        wanted_groups(&mut plan, wanted, live, rolling, allow);
        retired_groups(&mut plan, wanted, live, allow);
    }
    documents(&mut plan, &desired.beside_definitions(), wanted.baseline, allow);
    plan.blocked.sort();
    plan
}

/// What a plan is bound to: the fields of every group and the template version it refers to. Sizes that the autoscaler
/// moves, and the instances, are free to change between plan and rollout.
pub fn fingerprint(live: Option<&LiveCluster>) -> Digest {
    let groups: Vec<(&AsgName, Option<Definition>, u64)> =
        live.map(|l| l.groups.iter().map(|(name, g)| (name, found_definition(name, g), g.version.number())).collect()).unwrap_or_default();
    digest_of(&groups)
}

fn wanted_groups(plan: &mut ClusterPlan, wanted: &Wanted<'_>, live: &LiveCluster, rolling: &Rolling, allow: Allow) {
    for (name, group) in &wanted.desired.groups {
        match live.groups.get(name) {
            None => create(plan, name, group, rolling),
            Some(found) => update(plan, name, group, found, rolling, allow),
        }
    }
}

fn create(plan: &mut ClusterPlan, name: &AsgName, group: &DesiredGroup, rolling: &Rolling) {
    match &group.user_data {
        Some(text) => {
            let to = Box::new(target(group, UserData::Given(text.clone()), rolling));
            plan.groups.insert(name.clone(), GroupChange::Create { to });
        }
        None => plan.blocked.push(Blocked::NoUserData { group: name.clone() }),
    }
}

fn update(plan: &mut ClusterPlan, name: &AsgName, group: &DesiredGroup, live: &LiveGroup, rolling: &Rolling, allow: Allow) {
    let Some(definition) = found_definition(name, live) else {
        plan.blocked
            .push(Blocked::Gap { what: format!("launch template of {name}"), why: format!("version {} was not read", live.version.number()) });
        return;
    };
    let wanted = group.definition.clone().canonical();
    let mut changes = definition_fields(&definition, &wanted);
    if let Some(text) = moving_reference(live.version) {
        changes.push(FieldChange {
            field: "launchTemplate.Version".into(),
            from: Some(Json::from(text)),
            to: Some(Json::from(live.version.number().to_string())),
        });
    }
    let replace = replacements(live, &wanted.launch_template.launch_template_data);
    if changes.is_empty() && (replace.is_empty() || !replaces(group, rolling)) {
        return;
    }
    sizes(plan, name, live.desired, &wanted, allow);
    let data = &wanted.launch_template.launch_template_data;
    let existing_version = live.versions.iter().rev().find(|(_, v)| v.data.clone().canonical() == *data).map(|(n, _)| *n);
    plan.groups.insert(
        name.clone(),
        GroupChange::Update {
            to: Box::new(target(group, UserData::CarriedFrom(live.version.number()), rolling)),
            from: Box::new(Found { definition, version: live.version, desired: live.desired }),
            fields: changes,
            existing_version,
            replace: if replaces(group, rolling) { replace } else { BTreeMap::new() },
        },
    );
}

/// Whether instances that run something else are replaced at all. The control plane never waits for chance to replace it.
fn replaces(group: &DesiredGroup, rolling: &Rolling) -> bool {
    let waits = rolling.of(&group.definition.instance_group).strategy == Strategy::OnNextLaunch && group.role != Role::ControlPlane;
    group.rolling_update.drain_and_terminate != Some(false) && !waits
}

fn moving_reference(version: VersionRef) -> Option<&'static str> {
    match version {
        VersionRef::Number(_) => None,
        VersionRef::Latest(_) => Some("$Latest"),
        VersionRef::Default(_) => Some("$Default"),
    }
}

/// What the cloud will do by itself because of the new sizes.
fn sizes(plan: &mut ClusterPlan, name: &AsgName, desired: u32, wanted: &Definition, allow: Allow) {
    let (min, max) = (wanted.auto_scaling_group.min_size, wanted.auto_scaling_group.max_size);
    if min > desired {
        plan.notes.push(format!("{name}: a minimum of {min} starts {} at once (desired capacity is {desired})", instances(min - desired)));
    }
    if max < desired {
        plan.notes.push(format!("{name}: a maximum of {max} ends {} at once, undrained (desired capacity is {desired})", instances(desired - max)));
        if !allow.shrink {
            plan.blocked.push(Blocked::Shrink { group: name.clone(), desired, max });
        }
    }
}

fn instances(n: u32) -> String {
    if n == 1 { "1 instance".into() } else { format!("{n} instances") }
}

fn target(group: &DesiredGroup, user_data: UserData, rolling: &Rolling) -> Target {
    let mut rolling = rolling.of(&group.definition.instance_group);
    if let Some(surge) = group.rolling_update.max_surge {
        rolling.max_surge = surge;
    }
    if let Some(unavailable) = group.rolling_update.max_unavailable {
        rolling.max_unavailable = unavailable;
    }
    Target { definition: group.definition.clone().canonical(), role: group.role, user_data, replace_instances: replaces(group, &rolling), rolling }
}

fn retired_groups(plan: &mut ClusterPlan, wanted: &Wanted<'_>, live: &LiveCluster, allow: Allow) {
    for (name, group) in live.groups.iter().filter(|(name, _)| !wanted.desired.groups.contains_key(*name)) {
        let instances: BTreeSet<InstanceId> =
            group.instances.iter().filter(|(_, i)| i.lifecycle != Lifecycle::Terminating).map(|(id, _)| id.clone()).collect();
        let Some(definition) = found_definition(name, group) else {
            plan.blocked
                .push(Blocked::Gap { what: format!("launch template of {name}"), why: format!("version {} was not read", group.version.number()) });
            continue;
        };
        if wanted.protect.contains(&definition.instance_group) {
            plan.blocked.push(Blocked::Protected { group: name.clone() });
        } else if !allow.retire {
            plan.blocked.push(Blocked::Retire { group: name.clone(), instances: instances.len() });
        }
        let from = Box::new(Found { definition, version: group.version, desired: group.desired });
        plan.groups.insert(name.clone(), GroupChange::Retire { from, instances });
    }
}

/// Instances that run something else than `data`, each with the fields that differ.
fn replacements(live: &LiveGroup, data: &LaunchTemplateData) -> BTreeMap<InstanceId, Vec<String>> {
    let wanted = to_json(data);
    let outdated = live.instances.iter().filter(|(_, i)| i.lifecycle != Lifecycle::Terminating).filter_map(|(id, instance)| {
        let version = instance.version.and_then(|n| live.versions.get(&n));
        let reason = match version {
            None => vec!["was not launched from a version of this launch template that still exists".to_owned()],
            Some(version) => fields(&to_json(&version.data.clone().canonical()), &wanted).into_iter().map(|c| c.field).collect(),
        };
        (!reason.is_empty()).then(|| (id.clone(), reason))
    });
    outdated.collect()
}

fn documents(plan: &mut ClusterPlan, wanted: &BTreeMap<String, Json>, baseline: Option<&Baseline>, allow: Allow) {
    let Some(baseline) = baseline else {
        plan.notes.push(format!("no baseline yet: the {} documents beside the groups will be recorded as they are", wanted.len()));
        return;
    };
    let names: BTreeSet<&String> = wanted.keys().chain(baseline.documents.keys()).collect();
    for name in names {
        if comes_or_goes(plan, name) {
            continue;
        }
        let change = match (baseline.documents.get(name), wanted.get(name)) {
            (Some(from), Some(to)) => {
                let changes = fields(from, to);
                if changes.is_empty() {
                    continue;
                }
                DocumentChange::Changed(changes)
            }
            (None, _) => DocumentChange::Added,
            (Some(_), None) => DocumentChange::Removed,
        };
        if !allow.documents {
            plan.blocked.push(Blocked::NeedsKops { document: name.clone() });
        }
        plan.documents.insert(name.clone(), change);
    }
}

/// What a group boots with comes and goes with the group itself.
fn comes_or_goes(plan: &ClusterPlan, document: &str) -> bool {
    let Some(group) = document.strip_prefix("InstanceGroup/") else { return false };
    plan.groups.values().any(|change| match change {
        GroupChange::Create { to } => to.definition.instance_group.as_str() == group,
        GroupChange::Retire { from, .. } => from.definition.instance_group.as_str() == group,
        GroupChange::Update { .. } => false,
    })
}

/// Fields of the two sides that differ; both are canonical.
fn definition_fields(from: &Definition, to: &Definition) -> Vec<FieldChange> {
    // The InstanceGroup's name is how we call the group, no field of it.
    let from = Definition { instance_group: to.instance_group.clone(), ..from.clone() };
    fields(&to_json(&from), &to_json(to))
}

/// The definition of a group as found: its own fields with the data of the version it refers to.
pub(super) fn found_definition(name: &AsgName, live: &LiveGroup) -> Option<Definition> {
    let version = live.versions.get(&live.version.number())?;
    let tag = live.group.tags.iter().find(|t| t.key == "kops.k8s.io/instancegroup").and_then(|t| GroupName::new(t.value.clone()).ok());
    let by_name = || GroupName::new(name.as_str().split('.').next().unwrap_or_default().to_owned()).ok();
    let definition = Definition {
        instance_group: tag.or_else(by_name)?,
        auto_scaling_group: live.group.clone(),
        launch_template: LaunchTemplate { launch_template_name: name.clone(), launch_template_data: version.data.clone() },
        lifecycle_hooks: live.hooks.clone(),
    };
    Some(definition.canonical())
}

fn to_json(value: &impl serde::Serialize) -> Json {
    // Our own structs of strings, numbers and ordered maps always serialise.
    serde_json::to_value(value).unwrap_or(Json::Null)
}
