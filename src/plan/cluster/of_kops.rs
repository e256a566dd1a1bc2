//! A group of a cluster whose engine is kops, which is there: what kfleet changes itself, and what it has kops make. Looks at nothing but its arguments.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::parts::{Pair, carried, image_names, set_aside, sizes};
use crate::fleet::Rolling;
use crate::model::{InstanceId, LaunchTemplateData, Lifecycle, LiveCluster, LiveGroup, UserData};
use crate::plan::by_kops::{ByKops, group_faults};
use crate::plan::found::{definition_fields, found_definition, replacements};
use crate::plan::target::{replaces, settled, target};
use crate::plan::{Allow, Blocked, ClusterPlan, FieldChange, Found, GroupChange, Wanted, boot};
/// What a new version's user data is, before kops has made it.
const MADE: &str = "made by kops";

/// The path of user data in a definition.
const USER_DATA: &str = "launchTemplate.LaunchTemplateData.UserData";

/// Whether kops is at work on it; where it is not, the group is changed as any other.
pub(super) fn update(
    plan: &mut ClusterPlan,
    pair: &Pair<'_>,
    cluster: &LiveCluster,
    (wanted, by_kops): (&Wanted<'_>, &ByKops),
    (rolling, allow): (&Rolling, Allow),
) -> bool {
    let Pair { name, group, live } = *pair;
    let instance_group = &group.definition.instance_group;
    let to = settled(group, cluster, None);
    let Some(definition) = found_definition(name, live, &to.lifecycle_hooks) else {
        plan.blocked.push(Blocked::VersionNotRead {
            group: name.clone(),
            version: live.version.number(),
        });
        return true;
    };
    let mut found = definition.clone();
    found.launch_template.launch_template_data.user_data = None;
    let mut fields = definition_fields(&found, &to);
    let of_template = |c: &FieldChange| c.field.starts_with("launchTemplate.");
    let no_version =
        boot::boot(name, live, None, boot::stored_hash(cluster, instance_group)).no_version;
    let is_made = by_kops.remakes(instance_group, group.role)
        || no_version
        || fields.iter().any(of_template)
            && !is_there(live, &to.launch_template.launch_template_data);
    if !is_made && !by_kops.asks(instance_group, group.role) {
        return false;
    }
    let mut replace = replacements(live, &to.launch_template.launch_template_data);
    if is_made {
        fields.push(FieldChange {
            field: USER_DATA.into(),
            from: None,
            to: Some(Json::from(MADE)),
        });
        replace = all_of(live, replace);
    }
    let spot = |data: &LaunchTemplateData| data.instance_market_options.is_some();
    let spots = (
        spot(&definition.launch_template.launch_template_data),
        spot(&to.launch_template.launch_template_data),
    );
    plan.blocked.extend(group_faults(wanted, name, spots));
    set_aside(plan, name, live, rolling.standby, &mut replace);
    sizes(plan, name, live.desired, &to, allow);
    image_names(plan, cluster, group, [&definition, &to]);
    plan.remarks.extend(carried(name, live));
    let user_data = UserData::ByKops { foreseen: is_made };
    plan.groups.insert(
        name.clone(),
        GroupChange::Update {
            to: Box::new(target(to, group, user_data, rolling)),
            from: Box::new(Found {
                definition: definition.into(),
                version: live.version,
                desired: live.desired,
            }),
            fields,
            existing_version: None,
            replace: if replaces(group, rolling) {
                replace
            } else {
                BTreeMap::new()
            },
        },
    );
    true
}

/// Whether a version has all of this already: one that kops made before, and that is not pinned.
fn is_there(live: &LiveGroup, data: &LaunchTemplateData) -> bool {
    let newest = live.versions.get(&live.latest_version);
    newest.is_some_and(|v| v.data.is(data))
}

/// Every instance runs something else than what kops will make.
fn all_of(
    live: &LiveGroup,
    mut replace: BTreeMap<InstanceId, Vec<String>>,
) -> BTreeMap<InstanceId, Vec<String>> {
    let at_work = live
        .instances
        .iter()
        .filter(|(_, i)| i.lifecycle != Lifecycle::Terminating);
    for (id, _) in at_work {
        let reasons = replace.entry(id.clone()).or_default();
        if !reasons.iter().any(|r| r == "UserData") {
            reasons.push("UserData".into());
        }
    }
    replace
}
