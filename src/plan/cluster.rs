//! The differences of one cluster: groups, instances, documents, and what stands in the way. Looks at nothing but its arguments.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use self::parts::{OF_TEMPLATE, Pair, carried, image_names, set_aside, sizes};
use super::found::{definition_fields, fingerprint, found_definition, group_digest, replacements};
use super::target::{replaces, settled, target};
use super::{
    Allow, Blocked, ClusterPlan, Fact, FieldChange, Fields, Found, GroupChange, Note, Wanted, boot,
    by_itself, by_kops, documents, drain_blockers, etcd, launch_blockers, pending, published,
    twins,
};
use crate::desired::DesiredGroup;
use crate::fleet::{Engine, Rolling};
use crate::kops::Role;
use crate::model::{
    AsgName, Definition, Digest, Hooks, InstanceId, Lifecycle, LiveCluster, LiveGroup, Nodes, Span,
    TemplateVersion, Timestamp, UserData, UserDataDigest, VersionRef, is_carried,
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
        user_data: BTreeMap::new(),
        groups: BTreeMap::new(),
        twins: BTreeMap::new(),
        kops: None,
        documents: BTreeMap::new(),
        blocked: Vec::new(),
        notes: Vec::new(),
        remarks: Vec::new(),
        images: BTreeMap::new(),
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
        plan.blocked.push(Blocked::NotRead);
        return plan;
    };
    plan.blocked
        .extend(live.gaps.iter().map(|gap| Blocked::Gap {
            what: gap.what.clone(),
            why: gap.why.clone(),
        }));
    // With a gap, what is missing may only be unread: nothing is created or retired on such ground.
    if plan.blocked.is_empty() {
        by_kops::planned(&mut plan, wanted, live);
        wanted_groups(&mut plan, wanted, live, rolling, allow);
        retired_groups(&mut plan, wanted, live, allow);
        by_kops::removed(&mut plan, wanted, live);
        twins::twins(&mut plan, wanted, live, rolling);
        by_itself::notes(&mut plan, wanted, live, read_at);
        plan.unchanged = unchanged(&plan, wanted, live);
    }
    if !allow.nodes {
        unseen_nodes(&mut plan, live);
    }
    held_drains(&mut plan, live, rolling);
    short_bake(&mut plan, live, rolling);
    plan.user_data = pending::user_data(live, &plan.groups);
    documents::changes(&mut plan, wanted, &live.documents, allow);
    if wanted.engine == Engine::Asg {
        pending::remembered(&mut plan, wanted, live, allow);
        pending::stored_only(&mut plan, wanted, live, allow);
    }
    plan.blocked.extend(boot::unread(live));
    if wanted.engine == Engine::Asg {
        plan.remarks
            .extend(published::unpublished(desired, &live.documents));
    }
    plan.blocked.sort();
    plan
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

fn wanted_groups(
    plan: &mut ClusterPlan,
    wanted: &Wanted<'_>,
    live: &LiveCluster,
    rolling: &Rolling,
    allow: Allow,
) {
    let by_kops = by_kops::by_kops(wanted, live);
    for (name, group) in &wanted.desired.groups {
        match live.groups.get(name) {
            None => create(plan, name, group, live, (rolling, wanted.engine)),
            Some(found) => {
                plan.notes.extend(by_hand(name, found));
                let pair = Pair {
                    name,
                    group,
                    live: found,
                };
                let at_work = |plan: &mut ClusterPlan, kops| {
                    of_kops::update(plan, &pair, live, (wanted, kops), (rolling, allow))
                };
                if !by_kops.as_ref().is_some_and(|kops| at_work(plan, kops)) {
                    update(plan, &pair, live, rolling, allow);
                }
            }
        }
    }
}

/// What is set by other means and is not a field of a definition: it is not compared, so it has to be said.
fn by_hand(name: &AsgName, live: &LiveGroup) -> Option<Note> {
    let (of_template, stays): (Fields, Fields) = live
        .by_hand
        .clone()
        .into_iter()
        .partition(|(field, _)| field.starts_with(OF_TEMPLATE));
    let (carried, lost): (Fields, Fields) = of_template
        .into_iter()
        .partition(|(field, _)| field.strip_prefix(OF_TEMPLATE).is_some_and(is_carried));
    let what = Fact::SetByHand {
        stays,
        carried,
        lost,
    };
    (!live.by_hand.is_empty()).then(|| Note::of(name, what))
}

fn create(
    plan: &mut ClusterPlan,
    name: &AsgName,
    group: &DesiredGroup,
    live: &LiveCluster,
    (rolling, engine): (&Rolling, Engine),
) {
    if engine == Engine::Kops {
        let definition = settled(group, live, None);
        image_names(plan, live, group, [&definition]);
        let to = target(
            definition,
            group,
            UserData::ByKops { foreseen: true },
            rolling,
        );
        let change = GroupChange::Create { to: Box::new(to) };
        plan.groups.insert(name.clone(), change);
        return;
    }
    let Some(text) = &group.user_data else {
        plan.blocked.push(Blocked::NoUserData {
            group: name.clone(),
        });
        return;
    };
    let definition = settled(group, live, Some(UserDataDigest::of(text)));
    image_names(plan, live, group, [&definition]);
    let to = target(definition, group, UserData::Given(text.clone()), rolling);
    plan.groups
        .insert(name.clone(), GroupChange::Create { to: Box::new(to) });
}

fn update(
    plan: &mut ClusterPlan,
    pair: &Pair<'_>,
    cluster: &LiveCluster,
    rolling: &Rolling,
    allow: Allow,
) {
    let Pair { name, group, live } = *pair;
    let stored = boot::stored_hash(cluster, &group.definition.instance_group);
    let boot = boot::boot(name, live, group.user_data.as_ref(), stored);
    if boot.no_version {
        plan.blocked.push(Blocked::NoBootVersion {
            group: name.clone(),
        });
    }
    let wanted = settled(group, cluster, boot.digest);
    let Some(definition) = found_definition(name, live, &wanted.lifecycle_hooks) else {
        plan.blocked.push(Blocked::VersionNotRead {
            group: name.clone(),
            version: live.version.number(),
        });
        return;
    };
    let mut changes = definition_fields(&definition, &wanted);
    if let Some(text) = moving_reference(live.version) {
        plan.remarks.extend(boot::follows(name, live, text));
        changes.push(FieldChange {
            field: "launchTemplate.Version".into(),
            from: Some(Json::from(text)),
            to: Some(Json::from(live.version.number().to_string())),
        });
    }
    plan.remarks.extend(boot.remarks);
    let mut replace = replacements(live, &wanted.launch_template.launch_template_data);
    set_aside(plan, name, live, rolling.standby, &mut replace);
    if changes.is_empty() && (replace.is_empty() || !replaces(group, rolling)) {
        return;
    }
    sizes(plan, name, live.desired, &wanted, allow);
    image_names(plan, cluster, group, [&definition, &wanted]);
    let existing_version = existing(live, &wanted);
    if existing_version.is_none() {
        plan.remarks.extend(carried(name, live));
    }
    plan.groups.insert(
        name.clone(),
        GroupChange::Update {
            to: Box::new(target(wanted, group, boot.user_data, rolling)),
            from: Box::new(Found {
                definition: definition.into(),
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

/// The newest version that is wanted in all of it: what it boots with, and what no definition says, too.
fn existing(live: &LiveGroup, wanted: &Definition) -> Option<u64> {
    let own = live.versions.get(&live.version.number());
    let data = &wanted.launch_template.launch_template_data;
    live.versions
        .iter()
        .rev()
        .filter(|(_, v)| own.is_none_or(|own| has_all_of(own, v)))
        .find(|(_, v)| v.data.is(data))
        .map(|(n, _)| *n)
}

/// Whether a version has what a new one would take over, and nothing else of the kind.
fn has_all_of(own: &TemplateVersion, other: &TemplateVersion) -> bool {
    let carried = |v: &TemplateVersion| -> BTreeMap<String, String> {
        let fields = v.unmanaged.iter().filter(|(field, _)| is_carried(field));
        fields.map(|(k, v)| (k.clone(), v.clone())).collect()
    };
    carried(own) == carried(other)
}

/// Changes that need nodes to be seen, in a cluster whose Kubernetes API cannot be asked: the rollout would make a version, pin the group, and wait
/// for nodes without an end.
fn unseen_nodes(plan: &mut ClusterPlan, live: &LiveCluster) {
    if live.nodes != Nodes::NotAsked {
        return;
    }
    let needs = |(name, change): &(&AsgName, &GroupChange)| {
        let bastion = plan.roles.get(*name) == Some(&Role::Bastion);
        let moves = match change {
            GroupChange::Create { to } => to.definition.auto_scaling_group.min_size > 0,
            GroupChange::Update { replace, .. } => !replace.is_empty(),
            GroupChange::Retire { instances, .. } => !instances.is_empty(),
        };
        moves && !bastion
    };
    let groups = plan.groups.iter().filter(needs).count();
    if groups > 0 {
        plan.blocked.push(Blocked::NoKubernetes { groups });
    }
}

fn moving_reference(version: VersionRef) -> Option<&'static str> {
    match version {
        VersionRef::Number(_) => None,
        VersionRef::Latest(_) => Some("$Latest"),
        VersionRef::Default(_) => Some("$Default"),
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
            plan.blocked.push(Blocked::VersionNotRead {
                group: name.clone(),
                version: group.version.number(),
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
            definition: definition.into(),
            version: group.version,
            desired: group.desired,
        });
        plan.groups
            .insert(name.clone(), GroupChange::Retire { from, instances });
    }
}

/// A pod that begins to crash counts only when it has been unready for a while: a shorter bake sees none of the new version's.
pub const PODS_COUNT_AFTER: Span = Span::from_secs(120);

/// Says that the pods of a canary are not seen to crash when its bake is over before they count.
fn short_bake(plan: &mut ClusterPlan, live: &LiveCluster, rolling: &Rolling) {
    let replaces = |change: &GroupChange| match change {
        GroupChange::Create { .. } | GroupChange::Retire { .. } => false,
        GroupChange::Update { replace, .. } => !replace.is_empty(),
    };
    let is_asked = live.nodes != Nodes::NotAsked;
    if is_asked && rolling.bake < PODS_COUNT_AFTER && plan.groups.values().any(replaces) {
        let what = Fact::ShortBake {
            bake: rolling.bake,
            counts_after: PODS_COUNT_AFTER,
        };
        plan.notes.push(what.into());
    }
}

/// What will hold the replacements and the drains that the changes need: those, where the Kubernetes API was asked.
fn held_drains(plan: &mut ClusterPlan, live: &LiveCluster, rolling: &Rolling) {
    let replaced = plan.groups.iter().filter(
        |(_, change)| matches!(change, GroupChange::Update { replace, .. } if !replace.is_empty()),
    );
    let refused: Vec<Note> = replaced
        .filter_map(|(name, _)| Some((name, launch_blockers(live.groups.get(name)?))))
        .flat_map(|(name, found)| {
            let launch = |blocker| Note::of(name, Fact::Launch { blocker });
            found.into_iter().map(launch).collect::<Vec<_>>()
        })
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
        let drains = found.into_iter().map(|blocker| Fact::Drain { blocker });
        plan.notes.extend(drains.map(Note::from));
    }
}

mod of_kops;
mod parts;
#[cfg(test)]
mod tests;
