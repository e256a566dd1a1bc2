//! What git wants of a group, as a plan says it.

use super::Target;
use crate::desired::DesiredGroup;
use crate::fleet::{Rolling, Strategy};
use crate::kops::Role;
use crate::model::{Definition, LiveCluster, UserData, UserDataDigest};

/// What git wants of a group, with what floats fixed: the image by the id that its name means now, the user data by its digest.
pub(super) fn settled(
    group: &DesiredGroup,
    live: &LiveCluster,
    user_data: Option<UserDataDigest>,
) -> Definition {
    let mut definition = Definition::clone(&group.definition).canonical();
    let data = &mut definition.launch_template.launch_template_data;
    data.user_data = user_data;
    if let Some(id) = live.images.meant.get(&data.image_id) {
        data.image_id.clone_from(id);
    }
    definition
}

/// Whether instances that run something else are replaced at all. The control plane never waits for chance to replace it.
pub(super) fn replaces(group: &DesiredGroup, rolling: &Rolling) -> bool {
    let waits = rolling.of(&group.definition.instance_group).strategy == Strategy::OnNextLaunch
        && group.role != Role::ControlPlane;
    group.rolling_update.drain_and_terminate != Some(false) && !waits
}

/// A group with how its instances are replaced: what its manifest says goes before what the fleet says.
pub(super) fn target(
    definition: Definition,
    group: &DesiredGroup,
    user_data: UserData,
    rolling: &Rolling,
) -> Target {
    let mut rolling = rolling.of(&group.definition.instance_group);
    if let Some(surge) = group.rolling_update.max_surge {
        rolling.max_surge = surge;
    }
    if let Some(unavailable) = group.rolling_update.max_unavailable {
        rolling.max_unavailable = unavailable;
    }
    Target {
        definition: definition.into(),
        role: group.role,
        user_data,
        replace_instances: replaces(group, &rolling),
        rolling,
    }
}
