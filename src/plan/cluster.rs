//! The differences of one cluster: groups, instances, documents, and what stands in the way. Looks at nothing but its arguments.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use super::{
    Allow, Blocked, ClusterPlan, FieldChange, Found, GroupChange, Target, Wanted, by_itself,
    documents, drain_blockers, etcd, fields, launch_blockers, pending, twins,
};
use crate::desired::DesiredGroup;
use crate::fleet::{Rolling, Standby, Strategy};
use crate::kops::Role;
use crate::model::{
    AsgName, Definition, Digest, GroupName, Hooks, InstanceId, LaunchTemplate, LaunchTemplateData,
    Lifecycle, LiveCluster, LiveGroup, Nodes, Stored, Timestamp, UserData, VersionRef, digest_of,
};

pub(super) fn cluster_plan(
    wanted: &Wanted<'_>,
    live: Option<&LiveCluster>,
    rolling: &Rolling,
    allow: Allow,
    read_at: Timestamp,
) -> ClusterPlan {
    let desired = wanted.desired;
    let mut plan = ClusterPlan {
        account: desired.account.clone(),
        region: desired.region.clone(),
        digest: desired.digest.clone(),
        fingerprint: fingerprint(live),
        roles: desired
            .groups
            .iter()
            .map(|(name, g)| (name.clone(), g.role))
            .collect(),
        etcd: etcd::members(wanted.desired),
        unchanged: BTreeMap::new(),
        pending: BTreeMap::new(),
        user_data: live.map(pending::user_data).unwrap_or_default(),
        groups: BTreeMap::new(),
        twins: BTreeMap::new(),
        documents: BTreeMap::new(),
        blocked: Vec::new(),
        notes: Vec::new(),
        unseen: live.and_then(|l| match &l.nodes {
            Nodes::Unknown(unseen) => Some(unseen.clone()),
            Nodes::NotAsked | Nodes::Known(_) => None,
        }),
        hooks_not_compared: live.map_or(0, |l| {
            l.groups
                .values()
                .filter(|g| g.hooks == Hooks::NotRead)
                .count()
        }),
    };
    let Some(live) = live else {
        plan.blocked.push(Blocked::Gap {
            what: "live state".into(),
            why: "the cluster was not read".into(),
        });
        return plan;
    };
    plan.blocked
        .extend(live.gaps.iter().map(|gap| Blocked::Gap {
            what: gap.what.clone(),
            why: gap.why.clone(),
        }));
    // With a gap, what is missing may only be unread: nothing is created or retired on such ground.
    if plan.blocked.is_empty() {
        wanted_groups(&mut plan, wanted, live, rolling, allow);
        retired_groups(&mut plan, wanted, live, allow);
        twins::twins(&mut plan, wanted, live, rolling);
        by_itself::notes(&mut plan, wanted, live, read_at);
        plan.unchanged = unchanged(&plan, wanted, live);
    }
    held_drains(&mut plan, live, rolling);
    documents::changes(&mut plan, wanted, &live.documents, allow);
    pending::remembered(&mut plan, wanted, live, allow);
    plan.blocked.sort();
    plan
}

/// What a plan is bound to: the fields of every group, the template version it refers to, and the documents that kops has stored.
/// Sizes that the autoscaler moves, and the instances, are free to change between plan and rollout. Hooks are not in it, as not every look
/// reads them: those of a group that is changed are looked at again just before.
pub fn fingerprint(live: Option<&LiveCluster>) -> Digest {
    let groups: Vec<(&AsgName, Option<Definition>, u64)> = live
        .map(|l| {
            l.groups
                .iter()
                .map(|(name, g)| {
                    (
                        name,
                        found_definition(name, g, &Hooks::NotRead).map(without_hooks),
                        g.version.number(),
                    )
                })
                .collect()
        })
        .unwrap_or_default();
    match live.map(|l| &l.documents) {
        Some(Stored::Known(stored)) => digest_of(&(groups, documents::compared(stored))),
        Some(Stored::NotAsked | Stored::Unknown(_)) | None => digest_of(&groups),
    }
}

/// Wanted groups without a change, as they are.
fn unchanged(
    plan: &ClusterPlan,
    wanted: &Wanted<'_>,
    live: &LiveCluster,
) -> BTreeMap<AsgName, Digest> {
    live.groups
        .iter()
        .filter(|(name, _)| wanted.desired.groups.contains_key(*name))
        .filter(|(name, _)| !plan.groups.contains_key(*name))
        .map(|(name, group)| (name.clone(), group_digest(name, group)))
        .collect()
}

/// The digest of a group's own fields and of the version that it refers to.
pub(crate) fn group_digest(name: &AsgName, group: &LiveGroup) -> Digest {
    let definition = found_definition(name, group, &Hooks::NotRead).map(without_hooks);
    digest_of(&(name, definition, group.version.number()))
}

/// The fields in which a group differs from `to`: its own and those of the version it refers to.
pub(crate) fn group_differences(name: &AsgName, live: &LiveGroup, to: &Definition) -> Vec<String> {
    let to = to.clone().canonical();
    match found_definition(name, live, &to.lifecycle_hooks) {
        None => vec!["its launch template version".into()],
        Some(found) => definition_fields(&found, &to)
            .into_iter()
            .map(|change| change.field)
            .collect(),
    }
}

fn without_hooks(definition: Definition) -> Definition {
    Definition {
        lifecycle_hooks: Hooks::default(),
        ..definition
    }
}

fn wanted_groups(
    plan: &mut ClusterPlan,
    wanted: &Wanted<'_>,
    live: &LiveCluster,
    rolling: &Rolling,
    allow: Allow,
) {
    for (name, group) in &wanted.desired.groups {
        match live.groups.get(name) {
            None => create(plan, name, group, rolling),
            Some(found) => {
                plan.notes.extend(by_hand(name, found));
                update(plan, name, group, found, rolling, allow);
            }
        }
    }
}

/// What is set by other means and is no field of a definition: nobody compares it, so it has to be said.
fn by_hand(name: &AsgName, live: &LiveGroup) -> Option<String> {
    const OF_TEMPLATE: &str = "LaunchTemplateData.";
    let (of_template, of_group): (Vec<_>, Vec<_>) = live
        .by_hand
        .iter()
        .partition(|(field, _)| field.starts_with(OF_TEMPLATE));
    let list = |fields: Vec<(&String, &String)>| {
        fields
            .iter()
            .map(|(field, value)| format!("{field} = {value}"))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let group = (!of_group.is_empty()).then(|| format!("{}, which stays as it is", list(of_group)));
    let template = (!of_template.is_empty()).then(|| {
        format!(
            "{}, which the next launch template version will not have",
            list(of_template)
        )
    });
    let said: Vec<String> = group.into_iter().chain(template).collect();
    (!said.is_empty()).then(|| {
        format!(
            "{name}: set by other means than a manifest: {}",
            said.join("; ")
        )
    })
}

fn create(plan: &mut ClusterPlan, name: &AsgName, group: &DesiredGroup, rolling: &Rolling) {
    match &group.user_data {
        Some(text) => {
            let to = Box::new(target(group, UserData::Given(text.clone()), rolling));
            plan.groups.insert(name.clone(), GroupChange::Create { to });
        }
        None => plan.blocked.push(Blocked::NoUserData {
            group: name.clone(),
        }),
    }
}

fn update(
    plan: &mut ClusterPlan,
    name: &AsgName,
    group: &DesiredGroup,
    live: &LiveGroup,
    rolling: &Rolling,
    allow: Allow,
) {
    let wanted = group.definition.clone().canonical();
    let Some(definition) = found_definition(name, live, &wanted.lifecycle_hooks) else {
        plan.blocked.push(Blocked::Gap {
            what: format!("launch template of {name}"),
            why: format!("version {} was not read", live.version.number()),
        });
        return;
    };
    let mut changes = definition_fields(&definition, &wanted);
    if let Some(text) = moving_reference(live.version) {
        changes.push(FieldChange {
            field: "launchTemplate.Version".into(),
            from: Some(Json::from(text)),
            to: Some(Json::from(live.version.number().to_string())),
        });
    }
    let mut replace = replacements(live, &wanted.launch_template.launch_template_data);
    set_aside(plan, name, live, rolling.standby, &mut replace);
    if changes.is_empty() && (replace.is_empty() || !replaces(group, rolling)) {
        return;
    }
    sizes(plan, name, live.desired, &wanted, allow);
    let data = &wanted.launch_template.launch_template_data;
    let existing_version = live
        .versions
        .iter()
        .rev()
        .find(|(_, v)| v.data.clone().canonical() == *data)
        .map(|(n, _)| *n);
    plan.groups.insert(
        name.clone(),
        GroupChange::Update {
            to: Box::new(target(
                group,
                UserData::CarriedFrom(live.version.number()),
                rolling,
            )),
            from: Box::new(Found {
                definition,
                version: live.version,
                desired: live.desired,
            }),
            fields: changes,
            existing_version,
            replace: if replaces(group, rolling) {
                replace
            } else {
                BTreeMap::new()
            },
        },
    );
}

/// Instances in Standby: outside desired capacity, put there by somebody for a reason that AWS does not keep. By policy they stay,
/// whatever they run, or end with the others.
fn set_aside(
    plan: &mut ClusterPlan,
    name: &AsgName,
    live: &LiveGroup,
    policy: Standby,
    replace: &mut BTreeMap<InstanceId, Vec<String>>,
) {
    let aside = live
        .instances
        .iter()
        .filter(|(_, i)| i.lifecycle == Lifecycle::Standby);
    for (id, _) in aside {
        let outdated = replace.contains_key(id);
        let what = match (outdated, policy) {
            (false, _) => "it runs what git wants",
            (true, Standby::End) => {
                "it runs something else than git wants, and ends with the others, as `rolling.standby: end` says"
            }
            (true, Standby::Keep) => {
                replace.remove(id);
                "it runs something else than git wants, and stays as it is (`rolling.standby: end` ends it)"
            }
        };
        plan.notes.push(format!(
            "{name}: {id} is in Standby, outside desired capacity, and who put it there is not known: {what}"
        ));
    }
}

/// Whether instances that run something else are replaced at all. The control plane never waits for chance to replace it.
fn replaces(group: &DesiredGroup, rolling: &Rolling) -> bool {
    let waits = rolling.of(&group.definition.instance_group).strategy == Strategy::OnNextLaunch
        && group.role != Role::ControlPlane;
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
    let (min, max) = (
        wanted.auto_scaling_group.min_size,
        wanted.auto_scaling_group.max_size,
    );
    if min > desired {
        plan.notes.push(format!(
            "{name}: a minimum of {min} starts {} at once (desired capacity is {desired})",
            instances(min - desired)
        ));
    }
    if max < desired {
        plan.notes.push(format!(
            "{name}: a maximum of {max} ends {} at once, undrained (desired capacity is {desired})",
            instances(desired - max)
        ));
        if !allow.shrink {
            plan.blocked.push(Blocked::Shrink {
                group: name.clone(),
                desired,
                max,
            });
        }
    }
}

fn instances(n: u32) -> String {
    if n == 1 {
        "1 instance".into()
    } else {
        format!("{n} instances")
    }
}

pub(super) fn target(group: &DesiredGroup, user_data: UserData, rolling: &Rolling) -> Target {
    let mut rolling = rolling.of(&group.definition.instance_group);
    if let Some(surge) = group.rolling_update.max_surge {
        rolling.max_surge = surge;
    }
    if let Some(unavailable) = group.rolling_update.max_unavailable {
        rolling.max_unavailable = unavailable;
    }
    Target {
        definition: group.definition.clone().canonical(),
        role: group.role,
        user_data,
        replace_instances: replaces(group, &rolling),
        rolling,
    }
}

fn retired_groups(plan: &mut ClusterPlan, wanted: &Wanted<'_>, live: &LiveCluster, allow: Allow) {
    for (name, group) in live
        .groups
        .iter()
        .filter(|(name, _)| !wanted.desired.groups.contains_key(*name))
    {
        let instances: BTreeSet<InstanceId> = group
            .instances
            .iter()
            .filter(|(_, i)| i.lifecycle != Lifecycle::Terminating)
            .map(|(id, _)| id.clone())
            .collect();
        let Some(definition) = found_definition(name, group, &Hooks::NotRead) else {
            plan.blocked.push(Blocked::Gap {
                what: format!("launch template of {name}"),
                why: format!("version {} was not read", group.version.number()),
            });
            continue;
        };
        if wanted.protect.contains(&definition.instance_group) {
            plan.blocked.push(Blocked::Protected {
                group: name.clone(),
            });
        } else if !allow.retire && !wanted.retire.contains(&definition.instance_group) {
            plan.blocked.push(Blocked::Retire {
                group: name.clone(),
                instances: instances.len(),
            });
        }
        let from = Box::new(Found {
            definition,
            version: group.version,
            desired: group.desired,
        });
        plan.groups
            .insert(name.clone(), GroupChange::Retire { from, instances });
    }
}

/// What will hold the replacements and the drains that the changes need: those, where the Kubernetes API was asked.
fn held_drains(plan: &mut ClusterPlan, live: &LiveCluster, rolling: &Rolling) {
    let replaced = plan.groups.iter().filter(
        |(_, change)| matches!(change, GroupChange::Update { replace, .. } if !replace.is_empty()),
    );
    let refused: Vec<String> = replaced
        .filter_map(|(name, _)| Some(launch_blockers(name, live.groups.get(name)?)))
        .flatten()
        .map(|what| format!("in the way: {what}"))
        .collect();
    plan.notes.extend(refused);
    let Nodes::Known(seen) = &live.nodes else {
        return;
    };
    let mut drained = BTreeSet::new();
    for change in plan.groups.values() {
        match change {
            GroupChange::Create { .. } => {}
            GroupChange::Update { replace, .. } => drained.extend(replace.keys()),
            GroupChange::Retire { instances, .. } => drained.extend(instances),
        }
    }
    if !drained.is_empty() {
        let found = drain_blockers(seen, &drained, rolling.drain.eviction);
        plan.notes.extend(
            found
                .into_iter()
                .map(|what| format!("in the way of drains: {what}")),
        );
    }
}

/// Instances that run something else than `data`, each with the fields that differ.
fn replacements(live: &LiveGroup, data: &LaunchTemplateData) -> BTreeMap<InstanceId, Vec<String>> {
    let wanted = to_json(data);
    let outdated = live
        .instances
        .iter()
        .filter(|(_, i)| i.lifecycle != Lifecycle::Terminating)
        .filter_map(|(id, instance)| {
            let version = instance.version.and_then(|n| live.versions.get(&n));
            let reason = match version {
                None => vec![
                    "was not launched from a version of this launch template that still exists"
                        .to_owned(),
                ],
                Some(version) => fields(&to_json(&version.data.clone().canonical()), &wanted)
                    .into_iter()
                    .map(|c| c.field)
                    .collect(),
            };
            (!reason.is_empty()).then(|| (id.clone(), reason))
        });
    outdated.collect()
}

/// Fields of the two sides that differ; both are canonical.
fn definition_fields(from: &Definition, to: &Definition) -> Vec<FieldChange> {
    // The InstanceGroup's name is how we call the group, no field of it.
    let from = Definition {
        instance_group: to.instance_group.clone(),
        ..from.clone()
    };
    fields(&to_json(&from), &to_json(to))
}

/// The definition of a group as found: its own fields with the data of the version it refers to. Hooks that nobody looked at are taken to be `hooks`.
fn found_definition(name: &AsgName, live: &LiveGroup, hooks: &Hooks) -> Option<Definition> {
    let version = live.versions.get(&live.version.number())?;
    let tag = live
        .group
        .tags
        .iter()
        .find(|t| t.key == "kops.k8s.io/instancegroup")
        .and_then(|t| GroupName::new(t.value.clone()).ok());
    let by_name = || {
        GroupName::new(
            name.as_str()
                .split('.')
                .next()
                .unwrap_or_default()
                .to_owned(),
        )
        .ok()
    };
    let definition = Definition {
        instance_group: tag.or_else(by_name)?,
        auto_scaling_group: (*live.group).clone(),
        launch_template: LaunchTemplate {
            launch_template_name: name.clone(),
            launch_template_data: version.data.clone(),
        },
        lifecycle_hooks: live.hooks.or(hooks),
    };
    Some(definition.canonical())
}

fn to_json(value: &impl serde::Serialize) -> Json {
    // Our own structs of strings, numbers and ordered maps always serialise.
    serde_json::to_value(value).unwrap_or(Json::Null)
}

#[cfg(test)]
mod tests;
