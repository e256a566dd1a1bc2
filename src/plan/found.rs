//! What a cloud has of a group, in the words of a definition: for comparing, and for knowing later whether it is still the same. Plans nothing.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::{FieldChange, documents, fields};
use crate::model::{
    AsgName, Definition, Digest, GroupName, Hooks, InstanceId, LaunchTemplate, LaunchTemplateData,
    Lifecycle, LiveCluster, LiveGroup, Nodeup, Stored, digest_of,
};

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
    let hashes = match live.map(|l| &l.nodeup) {
        Some(Nodeup::Known(hashes)) if !hashes.is_empty() => Some(hashes),
        Some(Nodeup::Known(_) | Nodeup::NotAsked | Nodeup::Unknown(_)) | None => None,
    };
    match (live.map(|l| &l.documents), hashes) {
        (Some(Stored::Known(stored)), None) => digest_of(&(groups, documents::compared(stored))),
        (Some(Stored::Known(stored)), Some(hashes)) => {
            digest_of(&(groups, documents::compared(stored), hashes))
        }
        (Some(Stored::NotAsked | Stored::Unknown(_)) | None, _) => digest_of(&groups),
    }
}

/// The digest of a group's own fields and of the version that it refers to.
pub(crate) fn group_digest(name: &AsgName, group: &LiveGroup) -> Digest {
    let definition = found_definition(name, group, &Hooks::NotRead).map(without_hooks);
    digest_of(&(name, definition, group.version.number()))
}

/// The fields in which a group differs from `to`: its own and those of the version it refers to.
pub(crate) fn group_differences(name: &AsgName, live: &LiveGroup, to: &Definition) -> Vec<String> {
    if is_just_so(name, live, to) {
        return Vec::new();
    }
    let to = to.clone().canonical();
    match found_definition(name, live, &to.lifecycle_hooks) {
        None => vec!["its launch template version".into()],
        Some(found) => definition_fields(&found, &to)
            .into_iter()
            .map(|change| change.field)
            .collect(),
    }
}

/// Whether nothing differs already as both were written, as it mostly is: then nothing differs in canonical form either, and nothing is copied to see it.
fn is_just_so(name: &AsgName, live: &LiveGroup, to: &Definition) -> bool {
    let Definition {
        // How we call the group, no field of it.
        instance_group: _,
        auto_scaling_group,
        launch_template:
            LaunchTemplate {
                launch_template_name,
                launch_template_data: data,
            },
        lifecycle_hooks,
    } = to;
    let version = live.versions.get(&live.version.number());
    launch_template_name == name
        && *live.group == *auto_scaling_group
        && version.is_some_and(|version| version.data == *data)
        && live.hooks.or(lifecycle_hooks) == *lifecycle_hooks
}

fn without_hooks(definition: Definition) -> Definition {
    Definition {
        lifecycle_hooks: Hooks::default(),
        ..definition
    }
}

/// Instances that run something else than `data`, each with the fields that differ.
pub(super) fn replacements(
    live: &LiveGroup,
    data: &LaunchTemplateData,
) -> BTreeMap<InstanceId, Vec<String>> {
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
                Some(version) if version.data == *data => Vec::new(),
                Some(version) => fields(&to_json(&comparable(&version.data, data)), &wanted)
                    .into_iter()
                    .map(|c| c.field)
                    .collect(),
            };
            (!reason.is_empty()).then(|| (id.clone(), reason))
        });
    outdated.collect()
}

/// What was found, without the user data where nothing is asked of it.
fn comparable(found: &LaunchTemplateData, wanted: &LaunchTemplateData) -> LaunchTemplateData {
    let mut found = found.clone().canonical();
    if wanted.user_data.is_none() {
        found.user_data = None;
    }
    found
}

/// Fields of the two sides that differ; both are canonical.
pub fn definition_fields(from: &Definition, to: &Definition) -> Vec<FieldChange> {
    let data = &to.launch_template.launch_template_data;
    // The InstanceGroup's name is how we call the group, no field of it.
    let from = Definition {
        instance_group: to.instance_group.clone(),
        launch_template: LaunchTemplate {
            launch_template_data: comparable(&from.launch_template.launch_template_data, data),
            ..from.launch_template.clone()
        },
        ..from.clone()
    };
    // Mostly nothing differs, and a fleet of a thousand clusters is asked that before each of its waves.
    if from == *to {
        return Vec::new();
    }
    fields(&to_json(&from), &to_json(to))
}

/// The definition of a group as found: its own fields with the data of the version it refers to. Hooks that were not read are taken to be `hooks`.
pub(super) fn found_definition(
    name: &AsgName,
    live: &LiveGroup,
    hooks: &Hooks,
) -> Option<Definition> {
    let version = live.versions.get(&live.version.number())?;
    let tag = live
        .group
        .tags
        .iter()
        .find(|t| t.key == "kops.k8s.io/instancegroup")
        .and_then(|t| GroupName::new(t.value.as_str()).ok());
    let by_name = || first_label(name);
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

/// The name of a group without its cluster: all before the first dot.
fn first_label(name: &AsgName) -> Option<GroupName> {
    let label = name.as_str().split('.').next()?;
    GroupName::new(label.to_owned()).ok()
}

fn to_json(value: &impl serde::Serialize) -> Json {
    // Our own structs of strings, numbers and ordered maps always serialise.
    serde_json::to_value(value).unwrap_or(Json::Null)
}
