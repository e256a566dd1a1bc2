//! Everything kfleet can do to the world, one variant each, exact enough that its executor has no choice left. Does nothing itself.
//!
//! Each effect holds what it expects to find (`from`) and what it leaves behind (`to`), so that carrying it out a
//! second time finds `to` and does nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{
    AsgName, AutoScalingGroup, Definition, Hold, InstanceId, KopsEffect, LaunchTemplateData,
    NodeName, Shared, Span,
};

/// One change of the world.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// On AWS.
    Cloud(CloudEffect),
    /// On a node of the cluster.
    Node(NodeEffect),
    /// By kops.
    Kops(KopsEffect),
}

impl Effect {
    /// Whether it launches into a zone that is named.
    pub fn is_zonal_launch(&self) -> bool {
        matches!(
            self,
            Effect::Cloud(CloudEffect::SetDesired {
                launch: Some(_),
                ..
            })
        )
    }
}

/// One change on AWS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CloudEffect {
    /// Make a launch template version (and the template, when there is none). Idempotent by `token`.
    CreateTemplateVersion {
        template: AsgName,
        /// What the version holds.
        data: Box<LaunchTemplateData>,
        user_data: UserData,
        /// The version whose fields that no definition says are taken over; none where the template has no version yet.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        carry: Option<u64>,
        /// Same token, same version.
        token: String,
    },
    /// Make a group that runs `version`, with its hooks and warm pool; desired capacity is the minimum.
    CreateGroup {
        /// All of it.
        definition: Box<Definition>,
        /// The version of its launch template.
        version: u64,
        /// Desired capacity to begin with, at least the minimum (more only when a retired group is brought back).
        desired: u32,
    },
    /// Change the group's own fields (tags, sizes, policies, hooks …); its version only where the two depend on each other.
    UpdateGroup {
        /// As it must be found.
        from: Box<Definition>,
        /// As it will be.
        to: Box<Definition>,
        /// The launch template version that comes with the fields, in the same call: AWS takes neither a mixed instances policy nor a
        /// warm pool while the version asks for Spot itself. None: the version stays.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<VersionChange>,
    },
    /// Point the group at a launch template version. Running instances stay.
    PinVersion {
        group: AsgName,
        /// The version it must be found at.
        from: u64,
        /// The version it will launch from.
        to: u64,
    },
    /// Move desired capacity: for a surge, or to give one back.
    SetDesired {
        group: AsgName,
        /// Capacity it must be found at.
        from: u32,
        /// Capacity it will have.
        to: u32,
        /// What is added is launched at once, in a zone that is named. It depends on no capacity found: no two writers race for a number, and the
        /// same token launches once. None: AWS launches it when and where it likes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        launch: Option<ZonalLaunch>,
    },
    /// Suspend scaling processes.
    Suspend {
        group: AsgName,
        /// Processes, e.g. `AZRebalance`.
        processes: BTreeSet<String>,
    },
    /// Resume scaling processes.
    Resume {
        group: AsgName,
        /// As AWS names them: `AZRebalance`, `Launch` …
        processes: BTreeSet<String>,
    },
    /// Take an instance out of the group without lowering desired capacity: the group launches its replacement, the instance runs on.
    Detach {
        group: AsgName,
        instance: InstanceId,
    },
    /// End an instance (of the group, or detached from it).
    Terminate {
        group: AsgName,
        instance: InstanceId,
        /// Lower desired capacity by one with it, so that it is not replaced.
        decrement: bool,
    },
    /// Delete a group that has no instances left, and its launch template.
    DeleteGroup {
        /// The group, as it must be found (its fields; sizes may be 0).
        group: Box<AutoScalingGroup>,
    },
    /// Delete old launch template versions. Those that do not exist count as deleted; the template's default version and
    /// versions that its group, or an instance that is there at that moment, refers to are left, whatever is asked for.
    PruneVersions {
        template: AsgName,
        /// Versions that are no longer needed, at most 200 (what one call takes).
        versions: BTreeSet<u64>,
    },
    /// Protect instances from scale-in, or end that protection. Instances that are gone, or not in service, are left out.
    Protect {
        group: AsgName,
        /// Instances, at most 50 (what one call takes).
        instances: BTreeSet<InstanceId>,
        /// Protected afterwards, or not.
        protect: bool,
    },
    /// Have AWS replace the instances: an instance refresh with `version` as its desired configuration. The group itself
    /// refers to `version` once the refresh has succeeded, not before.
    ///
    /// Finds an active refresh to `version`, or the group at `version` after the last refresh, to `version` too, succeeded:
    /// [`Applied::Already`]. Finds another active refresh, or the group at neither `from` nor `version`: [`Applied::Moved`].
    StartRefresh {
        group: AsgName,
        /// The version the group must be found at (or at `version`, with instances that run another one).
        from: u64,
        /// The version all its instances will run.
        version: u64,
        /// How AWS goes about it.
        preferences: RefreshPreferences,
    },
    /// Stop the active instance refresh: what is replaced stays replaced, the group still refers to its old version.
    /// Finds none active: [`Applied::Already`].
    CancelRefresh { group: AsgName },
    /// Have AWS take the active instance refresh back: what was replaced is replaced by the old version again.
    /// Finds one that is rolling back, or has: [`Applied::Already`]. Finds none active: [`Applied::Moved`].
    RollbackRefresh { group: AsgName },
}

/// A launch template version that a group moves to together with its fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VersionChange {
    /// The version it must be found at.
    pub from: u64,
    /// The version it will launch from.
    pub to: u64,
}

/// How AWS goes about an instance refresh. Its own rollback on failure is always off: whether to go back is decided here,
/// where the other groups and clusters are known. Instances that are protected from scale-in are replaced too, those in
/// standby are waited for. Source: Auto Scaling API, RefreshPreferences.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefreshPreferences {
    /// Capacity that has to stay healthy, in percent of the desired one, 0 to 100.
    pub min_healthy_percent: u32,
    /// Capacity that there may be, in percent of the desired one, 100 to 200 and at most 100 above the minimum.
    pub max_healthy_percent: u32,
    /// How long a new instance has to be in service before it counts.
    pub warmup: Span,
    /// Percentages of the group at which AWS pauses; the last one is 100. Empty: it never does.
    pub checkpoints: BTreeSet<u32>,
    /// How long it pauses there, at most 48 hours.
    pub checkpoint_delay: Span,
    /// Leave alone instances that run the desired configuration already.
    pub skip_matching: bool,
}

/// Where the user data of a new version comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UserData {
    /// From this version of the same template: what kops put there and kfleet cannot compute.
    CarriedFrom(u64),
    /// Given by the fleet's `user_data` snippet, base64.
    Given(Shared<String>),
    /// Made by kops, and the version with it.
    ByKops {
        /// Whether it is foreseen that kops makes a version of its own; else it is asked, and expected to find nothing to do for the group.
        foreseen: bool,
    },
}

/// One change on a node. Node names repeat between clusters, and are used again: each effect names the instance as well, and a node of
/// that name whose `providerID` is another instance is left alone: [`Applied::Moved`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NodeEffect {
    /// Get it ready for its drain: mark it unschedulable, take it out of external load balancers, keep the autoscaler from
    /// ending it. The node itself says which of these we did.
    Cordon {
        node: NodeName,
        /// The instance that it has to be the node of.
        #[serde(
            default = "InstanceId::unnamed",
            skip_serializing_if = "InstanceId::is_unnamed"
        )]
        instance: InstanceId,
    },
    /// Take back what `Cordon` did, as the node says it; where it says nothing, mark it schedulable.
    Uncordon {
        node: NodeName,
        /// The instance that it has to be the node of.
        #[serde(
            default = "InstanceId::unnamed",
            skip_serializing_if = "InstanceId::is_unnamed"
        )]
        instance: InstanceId,
    },
    /// Ask for the eviction of every evictable pod that is not on its way out, once; what is refused is asked again in a later round.
    Evict {
        node: NodeName,
        /// The instance that it has to be the node of.
        #[serde(
            default = "InstanceId::unnamed",
            skip_serializing_if = "InstanceId::is_unnamed"
        )]
        instance: InstanceId,
        /// What may be evicted, and how.
        #[serde(default, skip_serializing_if = "Eviction::is_default")]
        policy: Eviction,
    },
    /// Delete these pods, whatever budgets say. One that is gone, or was made anew, is left alone.
    Delete {
        node: NodeName,
        /// The instance that it has to be the node of.
        #[serde(
            default = "InstanceId::unnamed",
            skip_serializing_if = "InstanceId::is_unnamed"
        )]
        instance: InstanceId,
        pods: BTreeSet<PodRef>,
    },
    /// Put nothing new on these nodes where there is another place.
    Taint {
        /// The nodes, each with the instance that it has to be the node of.
        #[serde(deserialize_with = "nodes_of_before")]
        nodes: BTreeMap<NodeName, InstanceId>,
        /// Whether they still take what has no other place.
        #[serde(default, skip_serializing_if = "OldNodes::is_default")]
        old_nodes: OldNodes,
    },
    /// Take back what `Taint` did, as each node says it.
    Untaint {
        /// The nodes, each with the instance that it has to be the node of.
        #[serde(deserialize_with = "nodes_of_before")]
        nodes: BTreeMap<NodeName, InstanceId>,
    },
    /// Say that the node's instance has ended and no kubelet is left there to end its pods: Kubernetes then ends them by itself and lets go of their
    /// volumes at once (the taint `node.kubernetes.io/out-of-service=nodeshutdown:NoExecute`). A node whose kubelet answers again: [`Applied::Moved`].
    OutOfService {
        node: NodeName,
        /// The instance that it was the node of.
        instance: InstanceId,
    },
    /// Take back what `OutOfService` did, as the node says it.
    BackInService {
        node: NodeName,
        /// The instance that it was the node of.
        instance: InstanceId,
    },
    /// Keep the autoscaler from ending these nodes: new nodes look idle to it until the old ones are drained.
    KeepFromAutoscaler {
        /// The nodes, each with the instance that it has to be the node of.
        nodes: BTreeMap<NodeName, InstanceId>,
    },
    /// Take back what `KeepFromAutoscaler` did, as each node says it. A node that is being drained keeps its mark.
    ReleaseToAutoscaler {
        /// The nodes, each with the instance that it has to be the node of.
        nodes: BTreeMap<NodeName, InstanceId>,
    },
}

impl NodeEffect {
    /// The instance that a node of this name has to be; none: it is not about that node.
    pub fn instance_of(&self, name: &NodeName) -> Option<&InstanceId> {
        match self {
            NodeEffect::Cordon { node, instance }
            | NodeEffect::Uncordon { node, instance }
            | NodeEffect::Evict { node, instance, .. }
            | NodeEffect::Delete { node, instance, .. }
            | NodeEffect::OutOfService { node, instance }
            | NodeEffect::BackInService { node, instance } => (node == name).then_some(instance),
            NodeEffect::Taint { nodes, .. }
            | NodeEffect::Untaint { nodes }
            | NodeEffect::KeepFromAutoscaler { nodes }
            | NodeEffect::ReleaseToAutoscaler { nodes } => nodes.get(name),
        }
    }

    /// The nodes it touches.
    pub fn nodes(&self) -> BTreeSet<&NodeName> {
        match self {
            NodeEffect::Cordon { node, .. }
            | NodeEffect::Uncordon { node, .. }
            | NodeEffect::Evict { node, .. }
            | NodeEffect::Delete { node, .. }
            | NodeEffect::OutOfService { node, .. }
            | NodeEffect::BackInService { node, .. } => BTreeSet::from([node]),
            NodeEffect::Taint { nodes, .. }
            | NodeEffect::Untaint { nodes }
            | NodeEffect::KeepFromAutoscaler { nodes }
            | NodeEffect::ReleaseToAutoscaler { nodes } => nodes.keys().collect(),
        }
    }
}

/// Journals of before list nodes without instances.
fn nodes_of_before<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<NodeName, InstanceId>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Nodes {
        Named(BTreeMap<NodeName, InstanceId>),
        Unnamed(BTreeSet<NodeName>),
    }
    Ok(match Nodes::deserialize(deserializer)? {
        Nodes::Named(nodes) => nodes,
        Nodes::Unnamed(nodes) => nodes
            .into_iter()
            .map(|node| (node, InstanceId::unnamed()))
            .collect(),
    })
}

/// A pod, this very one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PodRef {
    /// `namespace/name`.
    pub pod: String,
    pub uid: String,
}

/// What becomes of pods that have no node yet while old nodes wait to be replaced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OldNodes {
    /// They go to an old node where there is no other place (`PreferNoSchedule`), as kops does it: none of them waits, some move twice.
    #[default]
    Prefer,
    /// They wait for a new node (`NoSchedule`, under a key that the autoscaler does not take for the group's own taint): each moves once, and waits
    /// where the new nodes are full.
    Avoid,
}

impl OldNodes {
    /// Whether it is what kops does.
    pub fn is_default(&self) -> bool {
        *self == OldNodes::default()
    }
}

/// Which pods may be evicted, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Eviction {
    /// Pods with data in an `emptyDir`.
    pub empty_dir: EmptyDir,
    /// Bare pods: no owner would make them anew.
    pub unmanaged: Unmanaged,
    /// At most this many evictions asked for at the same time, at least 1.
    pub parallel: u32,
}

/// What becomes of data in an `emptyDir`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EmptyDir {
    /// It goes with the pod, as kops does it.
    #[default]
    Delete,
    /// The pod is not evicted: a person has to move it.
    Keep,
}

/// What becomes of bare pods, which no owner would make anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unmanaged {
    /// They are evicted, as kops does it.
    #[default]
    Evict,
    /// They are not: a person has to move them.
    Keep,
}

impl Default for Eviction {
    /// What kops does, ten at a time.
    fn default() -> Self {
        Eviction {
            empty_dir: EmptyDir::Delete,
            unmanaged: Unmanaged::Evict,
            parallel: 10,
        }
    }
}

impl Eviction {
    fn is_default(&self) -> bool {
        *self == Eviction::default()
    }

    /// Whether a pod stands in the way under this policy.
    pub fn holds(&self, hold: &Hold) -> bool {
        match hold {
            Hold::Budget(_) | Hold::UnprocessedBudget(_) | Hold::ManyBudgets(_) => true,
            Hold::NoController => self.unmanaged == Unmanaged::Keep,
            Hold::EmptyDir => self.empty_dir == EmptyDir::Keep,
        }
    }
}

/// A launch whose zone is named. Source: Auto Scaling API, LaunchInstances.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ZonalLaunch {
    /// Availability zone, e.g. `eu-west-3a`.
    pub zone: String,
    /// Same token, same instances: 1 to 64 of letters, digits, `-`, `_` and `/`.
    pub token: String,
}

/// Why a launch in a named zone brought fewer instances than were asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LaunchRefusal {
    /// There is none of the group's types in that zone at this moment. AWS's words.
    NoCapacity(String),
    /// The group, the account or the region cannot launch this way: the right is missing, or the call. AWS's words.
    NotOffered(String),
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
    /// What a launch in a named zone brought; fewer than were asked for come with the reason.
    Launched {
        /// The new instances.
        instances: BTreeSet<InstanceId>,
        /// Why there are no more of them.
        refused: Option<LaunchRefusal>,
    },
    /// Not done: the world is neither as expected nor as wanted. Says what was found.
    Moved(String),
    /// Not done: what it needs is moved by others (desired capacity, by an autoscaler), and is not so at this moment. Says what was found.
    NotYet(String),
}

impl CloudEffect {
    /// The group it touches.
    pub fn group(&self) -> &AsgName {
        match self {
            CloudEffect::CreateTemplateVersion { template, .. }
            | CloudEffect::PruneVersions { template, .. } => template,
            CloudEffect::CreateGroup { definition, .. } => {
                &definition.auto_scaling_group.auto_scaling_group_name
            }
            CloudEffect::UpdateGroup { to, .. } => &to.auto_scaling_group.auto_scaling_group_name,
            CloudEffect::DeleteGroup { group } => &group.auto_scaling_group_name,
            CloudEffect::PinVersion { group, .. }
            | CloudEffect::SetDesired { group, .. }
            | CloudEffect::Suspend { group, .. }
            | CloudEffect::Resume { group, .. }
            | CloudEffect::Detach { group, .. }
            | CloudEffect::Terminate { group, .. }
            | CloudEffect::Protect { group, .. }
            | CloudEffect::StartRefresh { group, .. }
            | CloudEffect::CancelRefresh { group }
            | CloudEffect::RollbackRefresh { group } => group,
        }
    }
}
