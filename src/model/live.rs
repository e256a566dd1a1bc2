//! Live state: what the cloud and the Kubernetes API said, when, and what could not be read. Unknown is never zero.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::hold::Hold;
use super::leaves_by::LeavesBy;
use super::market::Market;
use super::template_version::TemplateVersion;
use super::{
    AsgName, AutoScalingGroup, ClusterName, Foretold, GroupName, Hooks, InstanceId, LeavingPod,
    Lifecycle, NodeName, NodeupHash, PodRefusal, RegionRoom, Shared, Span, Timestamp, Traffic,
    Volumes,
};

/// What was read, in one go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Live {
    /// When the reading ended.
    pub read_at: Timestamp,
    /// By cluster.
    pub clusters: BTreeMap<ClusterName, LiveCluster>,
    /// What room there is, by account and region: asked only before something is launched.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub room: Vec<RegionRoom>,
}

impl Live {
    /// The same state without the suspended processes that a running rollout answers for.
    #[must_use]
    pub fn without_held(mut self, held: &BTreeMap<AsgName, BTreeSet<String>>) -> Self {
        for (name, group) in self.clusters.values_mut().flat_map(|c| &mut c.groups) {
            if let Some(processes) = held.get(name) {
                group
                    .group
                    .suspended_processes
                    .retain(|p| !processes.contains(p));
                group.suspended.retain(|p| !processes.contains(p));
            }
        }
        self
    }
}

/// The live state of one cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveCluster {
    /// Groups tagged as the cluster's own.
    pub groups: BTreeMap<AsgName, Shared<LiveGroup>>,
    /// Nodes, as far as the Kubernetes API answered.
    pub nodes: Nodes,
    /// The documents that kops has stored, as far as its state store answered.
    #[serde(default)]
    pub documents: Stored,
    /// What the state store says new nodes have to boot with.
    #[serde(default)]
    pub nodeup: Nodeup,
    /// The images that definitions name, and what they are.
    #[serde(default, skip_serializing_if = "Images::is_empty")]
    pub images: Images,
    /// What could not be read. A cluster with a gap is shown, never changed.
    pub gaps: Vec<Gap>,
    /// Launch template versions that the rollout under way needs, and that are gone.
    #[serde(default, skip_serializing_if = "Versions::is_empty")]
    pub gone: Versions,
}

/// Numbers of launch template versions, by template.
pub type Versions = BTreeMap<AsgName, BTreeSet<u64>>;

/// Something that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Gap {
    /// What, e.g. `launch template versions`.
    pub what: String,
    /// Why, with request id where there is one.
    pub why: String,
}

/// The nodes of a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Nodes {
    /// Not asked: no Kubernetes access is configured.
    #[default]
    NotAsked,
    /// Asked, and this was the answer.
    Known(Seen),
    /// Asked, and there was no (complete) answer.
    Unknown(Unseen),
}

/// Why the nodes of a cluster could not be seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unseen {
    /// Of which kind it is: whether it passes by itself, or a person has to put something right.
    pub kind: UnseenKind,
    /// In detail, in the words of the API that said so.
    pub why: String,
}

/// Of which kind the reason is that nodes could not be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UnseenKind {
    /// No answer, or one that says "later": that may pass.
    Silent,
    /// The credentials are refused, or there are none.
    Credentials,
    /// The kubeconfig cannot be used: it has no such context, or cannot be read.
    Context,
    /// It is the API of another cluster.
    OtherCluster,
    /// The caller may not look.
    Rights,
}

impl Unseen {
    /// No answer.
    pub fn silent(why: impl Into<String>) -> Unseen {
        Unseen {
            kind: UnseenKind::Silent,
            why: why.into(),
        }
    }

    /// Whether it stays as it is until a person does something.
    pub fn is_for_a_person(&self) -> bool {
        match self.kind {
            UnseenKind::Silent => false,
            UnseenKind::Credentials
            | UnseenKind::Context
            | UnseenKind::OtherCluster
            | UnseenKind::Rights => true,
        }
    }
}

impl Unseen {
    /// None of the nodes that the API shows is an instance of the cluster; `example` is one of them.
    pub fn of_another_cluster(example: Option<&InstanceId>) -> Unseen {
        let example = example
            .map(|id| format!(" (such as {id})"))
            .unwrap_or_default();
        Unseen {
            kind: UnseenKind::OtherCluster,
            why: format!(
                "it is the API of another cluster: none of its nodes{example} is an instance of this one"
            ),
        }
    }
}

impl std::fmt::Display for Unseen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let what = match self.kind {
            UnseenKind::Silent => "the Kubernetes API does not answer",
            UnseenKind::Credentials => "the Kubernetes API refuses the credentials",
            UnseenKind::Context => "the kubeconfig cannot be used",
            UnseenKind::OtherCluster => "the context leads to another cluster",
            UnseenKind::Rights => "the caller may not look at the cluster",
        };
        write!(f, "{what}: {}", self.why)
    }
}

/// The documents of a cluster in kops' state store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stored {
    /// Not asked: no state store is configured.
    #[default]
    NotAsked,
    /// Asked, and these are all, in the form in which documents are compared, by `Kind/name` or `Kind/namespace/name`.
    /// A store that does not know the cluster has none.
    Known(BTreeMap<String, Json>),
    /// Asked, and there was no (complete) answer.
    Unknown(String),
}

/// The hashes of nodeup's configuration in kops' state store: a node whose user data names another one does not boot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Nodeup {
    /// Not asked: no state store is configured.
    #[default]
    NotAsked,
    /// Asked, and these are all that kops has written, by group.
    Known(BTreeMap<GroupName, NodeupHash>),
    /// Asked, and there was no (complete) answer.
    Unknown(String),
}

/// Images: one may have several names, and a name may come to mean another one. They are compared by id.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Images {
    /// The id of the image that a name in a definition means now. Names that mean nothing are gaps.
    pub meant: BTreeMap<String, String>,
    /// `owner/name` of images, by id: for people.
    pub named: BTreeMap<String, String>,
}

impl Images {
    /// Whether nothing is known of any image.
    pub fn is_empty(&self) -> bool {
        self.meant.is_empty() && self.named.is_empty()
    }
}

/// One AutoScalingGroup as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveGroup {
    /// The fields we own, ids turned back into the names kops gives.
    pub group: Shared<AutoScalingGroup>,
    /// Lifecycle hooks: a cloud where they cost a call for each group does not read them always.
    pub hooks: Hooks,
    /// Desired capacity: the autoscaler's, read only.
    pub desired: u32,
    /// The launch template version the group refers to.
    pub version: VersionRef,
    /// The versions that matter: the group's and its instances', by number.
    pub versions: BTreeMap<u64, Shared<TemplateVersion>>,
    /// The newest version number of the template.
    pub latest_version: u64,
    /// Its instances, those we detached among them.
    pub instances: BTreeMap<InstanceId, Instance>,
    /// Recent scaling activities, newest last.
    pub activities: Vec<Activity>,
    /// Processes suspended now.
    pub suspended: BTreeSet<String>,
    /// The newest instance refresh, when there ever was one (AWS keeps them for six weeks).
    #[serde(default)]
    pub refresh: Option<Refresh>,
    /// What is set on the group, or in the launch template version it refers to, and is no field of a definition: by AWS's name, with its value.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub by_hand: BTreeMap<String, String>,
}

/// An instance refresh of a group: AWS's own engine for replacing instances.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refresh {
    /// AWS's id of it.
    pub id: String,
    /// Where it is.
    pub status: RefreshStatus,
    /// How much of the group is done, 0 to 100; none while AWS does not say.
    pub percentage: Option<u32>,
    /// The launch template version of its desired configuration; none when it was started without one, or with `$Latest`.
    pub version: Option<u64>,
    /// AWS's words on why it is where it is.
    pub reason: Option<String>,
}

/// Where an instance refresh is. Source: Auto Scaling API, InstanceRefresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefreshStatus {
    /// Asked for, not begun.
    Pending,
    /// At work, or pausing at a checkpoint.
    InProgress,
    /// All instances are replaced; it waits a while for alarms.
    Baking,
    /// Every instance was replaced.
    Successful,
    /// Given up.
    Failed,
    /// Being cancelled.
    Cancelling,
    /// By a call, of the rollout or of others.
    Cancelled,
    /// Taking back what it did.
    RollbackInProgress,
    /// Taking back failed.
    RollbackFailed,
    /// Everything is taken back.
    RollbackSuccessful,
}

impl RefreshStatus {
    /// Whether AWS is still at work on it: no other one can be started then.
    pub fn is_active(self) -> bool {
        match self {
            RefreshStatus::Pending
            | RefreshStatus::InProgress
            | RefreshStatus::Baking
            | RefreshStatus::Cancelling
            | RefreshStatus::RollbackInProgress => true,
            RefreshStatus::Successful
            | RefreshStatus::Failed
            | RefreshStatus::Cancelled
            | RefreshStatus::RollbackFailed
            | RefreshStatus::RollbackSuccessful => false,
        }
    }
}

/// How a group refers to its launch template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum VersionRef {
    /// By number: what kfleet always does.
    Number(u64),
    /// `$Latest`: what kops does; the number it means now.
    Latest(u64),
    /// `$Default`; the number it means now.
    Default(u64),
}

impl VersionRef {
    /// The number it means now.
    pub fn number(self) -> u64 {
        match self {
            VersionRef::Number(n) | VersionRef::Latest(n) | VersionRef::Default(n) => n,
        }
    }
}

/// One instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// Where it is in its life.
    pub lifecycle: Lifecycle,
    /// What AWS thinks of it.
    pub health: Health,
    /// Availability zone.
    pub zone: String,
    /// e.g. `m5.xlarge`.
    pub instance_type: String,
    /// Spot or on-demand.
    pub market: Market,
    /// The launch template version it was launched from; none: from none (a launch configuration, or by hand).
    pub version: Option<u64>,
    /// When it was launched.
    pub launched_at: Timestamp,
    /// Protected from scale-in.
    #[serde(default)]
    pub protected: bool,
}

/// What AWS thinks of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Health {
    /// By the checks of EC2 and, where the group uses them, of its load balancers.
    Healthy,
    /// Unhealthy; AWS will replace it.
    Unhealthy,
}

/// One scaling activity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activity {
    /// When it began.
    pub at: Timestamp,
    /// How it went.
    pub status: ActivityStatus,
    /// AWS's words.
    pub message: String,
}

/// How a scaling activity went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ActivityStatus {
    /// The instance was launched or ended.
    Successful,
    /// Going on.
    InProgress,
    /// Refused for want of capacity (InsufficientInstanceCapacity and its like).
    NoCapacity,
    /// Failed for another reason.
    Failed,
}

/// What the Kubernetes API of a cluster showed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Uid of the namespace `kube-system`: which cluster this is, whatever it is called.
    pub uid: String,
    pub nodes: BTreeMap<NodeName, Shared<Node>>,
    /// Critical pods that no node has taken, and do not run.
    pub waiting: Vec<SickPod>,
    /// Pods that should be Ready and are not, completed and leaving ones aside.
    pub unready: Vec<UnreadyPod>,
    /// Pods that a drain would have to wait for, by the node that they are bound to: of nodes that have no Node object any more.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub orphans: BTreeMap<NodeName, u32>,
    /// What a drain needs and the caller may not do, in the API's words: `create pods/eviction`.
    pub denied: BTreeSet<String>,
    /// What the caller may not do and a look can do without: `watch pods`. All of them are listed at each look then.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub listed: BTreeSet<String>,
    /// What the caller may not do to see which volumes are attached: `list volumeattachments`. None is waited for then.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub volumes_unseen: BTreeSet<String>,
    /// Evictions that would be refused for something that cannot be read beforehand, by a webhook or a policy: asked only
    /// before a rollout has begun with the cluster.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub foretold: Vec<Foretold>,
}

/// A pod that should be Ready and is not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnreadyPod {
    /// Since when.
    pub since: Timestamp,
    /// `namespace/name` of the pod.
    pub pod: String,
    /// Who makes it anew: `ReplicaSet web/api-5d4f`; none for a bare pod.
    pub owner: Option<String>,
    /// No node has taken it yet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub without_node: bool,
}

/// One Kubernetes node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// The instance behind it (from `spec.providerID`).
    pub instance: InstanceId,
    /// Condition Ready is True, and NetworkUnavailable is not.
    pub ready: bool,
    /// Why it is not Ready, in the kubelet's words: reason and message of the condition.
    pub unready_because: Option<String>,
    /// Since when it is not Ready, as the condition itself says; none: it is, or that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unready_since: Option<Timestamp>,
    /// Since when its kubelet has not answered: the condition Ready is Unknown. None: it answers, Ready or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silent_since: Option<Timestamp>,
    /// The version of its kubelet, e.g. `v1.32.0`.
    pub kubelet: String,
    /// It carries the label `node-role.kubernetes.io/control-plane`.
    pub control_plane: bool,
    /// `spec.unschedulable`: cordoned.
    pub cordoned: bool,
    /// What we did to it and have not taken back, as it says itself.
    pub ours: BTreeSet<NodeMark>,
    /// Nothing new is put on it where there is another place: the taint that a rolling update gives to old nodes, by whomever.
    pub tainted: bool,
    /// Others are ending it, by the taint that says so: neither ours to drain, nor at work, nor missed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leaves_by: Option<LeavesBy>,
    /// Pods that a drain has to wait for (all but completed, DaemonSet and mirror pods).
    pub evictable_pods: u32,
    /// Those among them that are on their way out already, in their grace period.
    pub leaving_pods: u32,
    /// More of those: until when each has its grace, and what may hold it beyond that.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leaving: Vec<LeavingPod>,
    /// The longest grace period of the pods that a drain has to wait for.
    #[serde(default)]
    pub grace: Span,
    /// Volumes of those pods, and what of them is attached to it.
    #[serde(default, skip_serializing_if = "Volumes::is_empty")]
    pub volumes: Volumes,
    /// What of load balancers sends to it.
    #[serde(default, skip_serializing_if = "Traffic::is_not_asked")]
    pub traffic: Traffic,
    /// What the API last answered to the evictions that it refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<PodRefusal>,
    /// Pods whose eviction is refused now, or may be by policy.
    pub blocked: Vec<PodBlock>,
    /// Critical pods on it that are not Ready.
    pub sick: Vec<SickPod>,
    /// Components of the control plane that have a pod on it, by their label `k8s-app`.
    pub components: BTreeSet<String>,
    /// etcd clusters that have a member on it (`main`, `events`), and whether its pod is Ready.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub etcd: BTreeMap<String, bool>,
}

/// Something that a drain does to a node, beside evicting its pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NodeMark {
    /// `spec.unschedulable`.
    Cordoned,
    /// Label `node.kubernetes.io/exclude-from-external-load-balancers`.
    OutOfLoadBalancers,
    /// Annotation `cluster-autoscaler.kubernetes.io/scale-down-disabled`.
    KeptFromAutoscaler,
    /// Taint `kops.k8s.io/scheduled-for-update`, effect PreferNoSchedule.
    Tainted,
    /// Taint `node.kubernetes.io/out-of-service=nodeshutdown`, effect NoExecute.
    OutOfService,
}

/// A pod that stands in the way of a drain, and why.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PodBlock {
    /// `namespace/name` of the pod.
    pub pod: String,
    /// Its uid: a pod made anew under the same name has another one.
    pub uid: String,
    /// What stands in the way of its drain.
    pub hold: Hold,
    /// Who makes it anew: `ReplicaSet web/api-5d4f`; none for a bare pod.
    pub owner: Option<String>,
    /// When it was made, or one of its containers started last.
    pub started_at: Timestamp,
    /// When the youngest other pod of its owner was made or started last.
    pub sibling_started_at: Option<Timestamp>,
    /// Other pods of its owner that are on their way out, and whose end will be seen: they are missing already.
    #[serde(default)]
    pub siblings_leaving: u32,
}

/// A pod with priority class `system-cluster-critical` or `system-node-critical` that does not run as it should.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SickPod {
    /// `namespace/name`.
    pub pod: String,
    /// What is wrong, e.g. `container calico-node is not ready: CrashLoopBackOff`.
    pub why: String,
    /// Since when.
    pub since: Timestamp,
    /// `system-cluster-critical`: the whole cluster depends on it, not only its node.
    pub cluster_critical: bool,
    /// Who makes it anew; none for a bare pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
}

impl std::fmt::Display for PodBlock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let owner = self
            .owner
            .as_ref()
            .map(|o| format!(" (of {o})"))
            .unwrap_or_default();
        write!(f, "{}{owner} by {}", self.pod, self.hold)
    }
}

impl std::fmt::Display for SickPod {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.pod, self.why)
    }
}

impl Node {
    /// Pods that a drain has to wait for. On a node whose kubelet does not answer the end of a pod is not seen that was told to go: once its
    /// grace is over it is not waited for. Source: kubectl drain, `--skip-wait-for-delete-timeout`.
    pub fn pods_to_wait_for(&self, now: Timestamp) -> u32 {
        if self.silent_since.is_none() {
            return self.evictable_pods;
        }
        let over = self.leaving.iter().filter(|pod| pod.ends_by <= now).count();
        self.evictable_pods
            .saturating_sub(u32::try_from(over).unwrap_or(u32::MAX))
    }

    /// Volumes of these claims that are still attached to it. A kubelet that does not answer lets go of none: there the taint of a node out of service does
    /// it. Source: Kubernetes, "Non-graceful node shutdown handling".
    pub fn volumes_to_wait_for(&self, claims: &BTreeSet<String>) -> BTreeSet<String> {
        match self.silent_since {
            None => self.volumes.held_of(claims),
            Some(_) => BTreeSet::new(),
        }
    }

    /// What of load balancers a drain has to wait for: none once its kubelet is silent, as nothing answers there.
    pub fn traffic_to_wait_for(&self) -> Option<&Traffic> {
        Some(&self.traffic).filter(|t| t.may_flow() && self.silent_since.is_none())
    }

    /// Whether we are emptying it: what balancers send to it is asked then, and only then.
    pub fn is_emptied_by_us(&self) -> bool {
        const OF_DRAINS: [NodeMark; 3] = [
            NodeMark::Cordoned,
            NodeMark::OutOfLoadBalancers,
            NodeMark::KeptFromAutoscaler,
        ];
        self.cordoned && OF_DRAINS.iter().any(|mark| self.ours.contains(mark))
    }
}
