//! Everything kfleet can do to the world, one variant each, exact enough that whoever carries it out has no choice left. Does nothing itself.
//!
//! Each effect holds what it expects to find (`from`) and what it leaves behind (`to`), so that carrying it out a
//! second time finds `to` and does nothing.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{AsgName, AutoScalingGroup, Definition, InstanceId, LaunchTemplateData, NodeName};

/// One change of the world.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// On AWS.
    Cloud(CloudEffect),
    /// On a node of the cluster.
    Node(NodeEffect),
}

/// One change on AWS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CloudEffect {
    /// Make a launch template version (and the template, when there is none). Idempotent by `token`.
    CreateTemplateVersion {
        /// The template.
        template: AsgName,
        /// What the version holds.
        data: Box<LaunchTemplateData>,
        /// Its user data.
        user_data: UserData,
        /// Same token, same version.
        token: String,
    },
    /// Make a group that runs `version`, with its hooks and warm pool; desired capacity is the minimum.
    CreateGroup {
        /// All of it.
        definition: Box<Definition>,
        /// Version of its launch template.
        version: u64,
        /// Desired capacity to begin with, at least the minimum (more only when a retired group is brought back).
        desired: u32,
    },
    /// Change the group's own fields (tags, sizes, policies, hooks …), not its version.
    UpdateGroup {
        /// As it must be found.
        from: Box<Definition>,
        /// As it will be.
        to: Box<Definition>,
    },
    /// Point the group at a launch template version. Running instances stay.
    PinVersion {
        /// The group.
        group: AsgName,
        /// Version it must be found at.
        from: u64,
        /// Version it will launch from.
        to: u64,
    },
    /// Move desired capacity: for a surge, or to give one back.
    SetDesired {
        /// The group.
        group: AsgName,
        /// Capacity it must be found at.
        from: u32,
        /// Capacity it will have.
        to: u32,
    },
    /// Suspend scaling processes.
    Suspend {
        /// The group.
        group: AsgName,
        /// Processes, e.g. `AZRebalance`.
        processes: BTreeSet<String>,
    },
    /// Resume scaling processes.
    Resume {
        /// The group.
        group: AsgName,
        /// Processes.
        processes: BTreeSet<String>,
    },
    /// Take an instance out of the group without lowering desired capacity: the group launches its replacement, the instance runs on.
    Detach {
        /// The group.
        group: AsgName,
        /// The instance.
        instance: InstanceId,
    },
    /// End an instance (of the group, or detached from it).
    Terminate {
        /// The group.
        group: AsgName,
        /// The instance.
        instance: InstanceId,
        /// Lower desired capacity by one with it, so that it is not replaced.
        decrement: bool,
    },
    /// Delete a group that has no instances left, and its launch template.
    DeleteGroup {
        /// The group, as it must be found (its fields; sizes may be 0).
        group: Box<AutoScalingGroup>,
    },
}

/// Where the user data of a new version comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UserData {
    /// From this version of the same template: what kops put there and kfleet cannot compute.
    CarriedFrom(u64),
    /// Given by the fleet's `user_data` snippet, base64.
    Given(String),
}

/// One change on a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NodeEffect {
    /// Mark unschedulable.
    Cordon {
        /// The node.
        node: NodeName,
    },
    /// Mark schedulable again.
    Uncordon {
        /// The node.
        node: NodeName,
    },
    /// Ask for the eviction of every evictable pod once; what is refused is asked again in a later round.
    Evict {
        /// The node.
        node: NodeName,
    },
}

/// What carrying out an effect came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Applied {
    /// Done now.
    Done,
    /// Was already so: an earlier attempt got through.
    Already,
    /// The template version that now holds the data.
    Version(u64),
    /// Not done: the world is neither as expected nor as wanted. Says what was found.
    Moved(String),
}

impl CloudEffect {
    /// The group it touches.
    pub fn group(&self) -> &AsgName {
        match self {
            CloudEffect::CreateTemplateVersion { template, .. } => template,
            CloudEffect::CreateGroup { definition, .. } => &definition.auto_scaling_group.auto_scaling_group_name,
            CloudEffect::UpdateGroup { to, .. } => &to.auto_scaling_group.auto_scaling_group_name,
            CloudEffect::DeleteGroup { group } => &group.auto_scaling_group_name,
            CloudEffect::PinVersion { group, .. }
            | CloudEffect::SetDesired { group, .. }
            | CloudEffect::Suspend { group, .. }
            | CloudEffect::Resume { group, .. }
            | CloudEffect::Detach { group, .. }
            | CloudEffect::Terminate { group, .. } => group,
        }
    }
}
