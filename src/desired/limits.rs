//! What AWS would refuse of a definition as a whole, before anything is made of it. What one field says wrong is found where it is read.

use crate::kops::{InstanceGroup, KopsError};
use crate::model::Definition;

/// Shortest and longest name of a launch template; kops gives the AutoScalingGroup the same one. Source: EC2 API, CreateLaunchTemplate.
const TEMPLATE_NAME: std::ops::RangeInclusive<usize> = 3..=128;
/// Most tags of a resource. Source: EC2 user guide, "Tag restrictions"; the same for AutoScalingGroups.
const TAGS: usize = 50;
/// Most bytes of user data before base64. Source: EC2 user guide, "Run commands when you launch an EC2 instance with user data input".
const USER_DATA: usize = 16 * 1024;

/// Every limit that the definition of a group breaks.
pub(super) fn faults(group: &InstanceGroup, definition: &Definition) -> Vec<KopsError> {
    let mut found = Vec::new();
    let mut fault = |pos, message: String, hint: String| {
        found.push(KopsError {
            pos,
            document: format!("InstanceGroup/{}", group.name),
            message,
            hint: Some(hint),
        });
    };
    let name = definition.launch_template.launch_template_name.as_str();
    let length = name.chars().count();
    if !TEMPLATE_NAME.contains(&length) {
        fault(
            group.name_pos,
            format!(
                "the launch template's name would have {length} characters ({name}); AWS takes {} to {}",
                TEMPLATE_NAME.start(),
                TEMPLATE_NAME.end()
            ),
            "shorten the name of the group".into(),
        );
    }
    let tags = definition.auto_scaling_group.tags.len();
    if tags > TAGS {
        let pos = group.fields.get("cloudLabels").copied();
        fault(
            pos.unwrap_or(group.pos),
            format!("the group would have {tags} tags; AWS takes {TAGS}"),
            format!(
                "kops makes tags of `cloudLabels` ({}), and for cluster-autoscaler of every node label and taint; {} are too many",
                group.cloud_labels.len(),
                tags - TAGS
            ),
        );
    }
    found
}

/// The bytes of a group's user data, when they are too many. `base64` is what the launch template holds.
pub(super) fn oversized_user_data(base64: &str) -> Option<usize> {
    let padding = base64.bytes().rev().take_while(|b| *b == b'=').count();
    let bytes = (base64.len() / 4 * 3).saturating_sub(padding);
    (bytes > USER_DATA).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;

    use super::*;

    #[test]
    fn user_data_is_counted_before_base64() {
        let bytes = |n: usize| {
            oversized_user_data(&base64::engine::general_purpose::STANDARD.encode(vec![b'a'; n]))
        };
        assert_eq!(bytes(16 * 1024), None);
        assert_eq!(bytes(16 * 1024 + 1), Some(16 * 1024 + 1));
        assert_eq!(bytes(20_000), Some(20_000));
    }
}
