//! What is said of a group that changes, by kfleet or by kops: names of images, sizes, what stays aside. Looks at nothing but its arguments.

use std::collections::BTreeMap;

use crate::desired::DesiredGroup;
use crate::fleet::Standby;
use crate::model::{AsgName, Definition, InstanceId, Lifecycle, LiveCluster, LiveGroup};
use crate::plan::{Allow, Blocked, ClusterPlan, Fact, Note, Remark, StandbyFate};

/// How a field of a launch template version begins among what is set by other means.
pub(super) const OF_TEMPLATE: &str = "LaunchTemplateData.";

/// What people call the images of these definitions. A name is only shown: ids are compared.
pub(super) fn image_names<'d>(
    plan: &mut ClusterPlan,
    live: &LiveCluster,
    group: &DesiredGroup,
    definitions: impl IntoIterator<Item = &'d Definition>,
) {
    let own = &group
        .definition
        .launch_template
        .launch_template_data
        .image_id;
    for definition in definitions {
        let id = &definition.launch_template.launch_template_data.image_id;
        let is_own = || live.images.meant.get(own) == Some(id);
        let name = live
            .images
            .named
            .get(id)
            .or_else(|| is_own().then_some(own));
        if let Some(name) = name.filter(|name| *name != id) {
            plan.images.insert(id.clone(), name.clone());
        }
    }
}

/// One group: what git wants of it, and what it is.
pub(super) struct Pair<'a> {
    pub(super) name: &'a AsgName,
    pub(super) group: &'a DesiredGroup,
    pub(super) live: &'a LiveGroup,
}

/// What a new version takes over from the one the group runs, beside what was set by other means than a manifest.
pub(super) fn carried(name: &AsgName, live: &LiveGroup) -> Option<Remark> {
    let own = live.versions.get(&live.version.number())?;
    let of_type = own
        .unmanaged
        .iter()
        .filter(|(field, _)| !live.by_hand.contains_key(&format!("{OF_TEMPLATE}{field}")));
    let fields: BTreeMap<_, _> = of_type.map(|(k, v)| (k.clone(), v.clone())).collect();
    (!fields.is_empty()).then(|| Remark::Carried {
        group: name.clone(),
        from: live.version.number(),
        fields,
    })
}

/// Instances in Standby: outside desired capacity, put there by a person for a reason that AWS does not keep. By policy they stay,
/// whatever they run, or end with the others.
pub(super) fn set_aside(
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
        let fate = match (outdated, policy) {
            (false, _) => StandbyFate::UpToDate,
            (true, Standby::End) => StandbyFate::Ends,
            (true, Standby::Keep) => {
                replace.remove(id);
                StandbyFate::Stays
            }
        };
        let what = Fact::Standby {
            instance: id.clone(),
            fate,
        };
        plan.notes.push(Note::of(name, what));
    }
}

/// What the cloud will do by itself because of the new sizes.
pub(super) fn sizes(
    plan: &mut ClusterPlan,
    name: &AsgName,
    desired: u32,
    wanted: &Definition,
    allow: Allow,
) {
    let (min, max) = (
        wanted.auto_scaling_group.min_size,
        wanted.auto_scaling_group.max_size,
    );
    if min > desired {
        let what = Fact::MinimumStarts { min, desired };
        plan.notes.push(Note::of(name, what));
    }
    if max < desired {
        let what = Fact::MaximumEnds { max, desired };
        plan.notes.push(Note::of(name, what));
        if !allow.shrink {
            plan.blocked.push(Blocked::Shrink {
                group: name.clone(),
                desired,
                max,
            });
        }
    }
}
