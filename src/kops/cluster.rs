//! The kops Cluster as far as groups and rollouts depend on it, with kops' own defaults applied. Decodes nothing itself: see `cluster_read`.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::fleet::Amount;
use crate::model::{ClusterName, KopsVersion};
use crate::yaml::Pos;

/// A kops cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct Cluster {
    /// Its DNS name.
    pub name: ClusterName,
    /// Where its document begins.
    pub pos: Pos,
    /// The whole document.
    pub value: Json,
    /// The kops whose rules it was read by.
    pub kops: KopsVersion,
    /// Tags for everything kops makes.
    pub cloud_labels: BTreeMap<String, String>,
    /// Subnets, in the order written, which is the order of the default.
    pub subnets: Vec<Subnet>,
    /// Whether pods and nodes have IPv6 addresses only (`nonMasqueradeCIDR: ::/0`).
    pub ipv6_only: bool,
    /// The load balancer of the Kubernetes API, when there is one.
    pub api_load_balancer: Option<ApiLoadBalancer>,
    /// `topology.dns.type`.
    pub dns: Dns,
    /// Whether Cilium keeps its state in an etcd of its own.
    pub cilium_etcd: bool,
    /// Node termination handler in queue mode; none when it is off or reads IMDS.
    pub termination_queue: Option<TerminationQueue>,
    /// Node labels of `kubelet`: every role, and control planes under their own.
    pub kubelet_labels: BTreeMap<String, String>,
    /// Node labels of `masterKubelet`: control planes, over those of `kubelet`.
    pub control_plane_labels: BTreeMap<String, String>,
    /// The key pair of instances. None: kops makes one from a key in its state store, or there is no key pair.
    pub ssh_key_name: Option<String>,
    pub etcd_clusters: Vec<EtcdCluster>,
    /// Whether kops writes Terraform for it (`target.terraform`) instead of calling AWS.
    pub terraform: bool,
    /// Whether the network interfaces of instances get the tags of their group.
    pub tags_interfaces: bool,
    /// kops' cluster-autoscaler add-on, when it is on.
    pub autoscaler: Option<AutoscalerAddon>,
    /// Warm pool of worker groups that say nothing else.
    pub(super) warm_pool: Option<WrittenWarmPool>,
    /// Rolling update of groups that say nothing else.
    pub(super) rolling_update: RollingUpdate,
    /// `containerd.nvidiaGPU.enabled`.
    pub(super) nvidia_gpu: bool,
    /// `karpenter.featureGates`.
    pub(super) karpenter_gates: Option<String>,
}

/// A subnet of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subnet {
    /// Its name in the manifest.
    pub name: String,
    /// Its id, when it is shared rather than made by kops.
    pub id: Option<String>,
    /// What it is for.
    pub kind: SubnetKind,
    /// Whether it has an IPv6 block.
    pub ipv6: bool,
    /// Availability zone.
    pub zone: Option<String>,
}

/// What a subnet is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SubnetKind {
    /// Routed to an internet gateway.
    Public,
    /// Behind NAT.
    Private,
    /// For load balancers and bastions.
    Utility,
    /// IPv4 behind NAT, IPv6 routed.
    DualStack,
}

/// Which of AWS's load balancers the API has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadBalancerClass {
    /// A network load balancer with target groups.
    Network,
    /// A classic one, known to groups by its name. Until kops 1.36.
    Classic,
}

/// The load balancer of the Kubernetes API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiLoadBalancer {
    pub class: LoadBalancerClass,
    /// Whether it ends TLS with a certificate, which makes a second target group.
    pub tls: bool,
    /// Security groups given to the load balancer; with a network load balancer the instances behind it have them too.
    pub additional_security_groups: Vec<String>,
}

/// How the names of a cluster are resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dns {
    /// A public zone.
    Public,
    /// A private zone.
    Private,
    /// No zone: everything goes through the API's load balancer.
    None,
}

/// Node termination handler in queue mode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TerminationQueue {
    /// Tag by which the handler knows its groups; none: no tag.
    pub managed_asg_tag: Option<String>,
}

/// kops' cluster-autoscaler add-on: it names its groups one by one, by `--nodes`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AutoscalerAddon {
    /// What kops writes for the priority expander; none: another expander, or a ConfigMap that kops does not write.
    pub priorities: Option<PriorityExpander>,
}

/// Where the priorities that kops writes come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PriorityExpander {
    /// `autoscalePriority` of the groups.
    Groups,
    /// `customPriorityExpanderConfig`: patterns by priority.
    Custom(BTreeMap<String, Vec<String>>),
}

/// One of the etcd clusters (`main`, `events`), with a member for each control-plane group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EtcdCluster {
    /// `main`, `events`, ...
    pub name: String,
    /// Where it stands.
    pub pos: Pos,
    /// The groups that run its members, with the place of each.
    pub members: Vec<(String, Pos)>,
}

/// A rolling update as manifests say it. Absent: the fleet's own rolling policy counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RollingUpdate {
    /// Whether old instances are drained and terminated; false: only marked and detached.
    pub drain_and_terminate: Option<bool>,
    /// Instances that may be missing at the same time.
    pub max_unavailable: Option<Amount>,
    /// Instances brought up beyond the group's capacity at the same time.
    pub max_surge: Option<Amount>,
}

impl RollingUpdate {
    /// These settings, and `other`'s where there is none: field by field, as kops does.
    #[must_use]
    pub fn or(&self, other: &RollingUpdate) -> RollingUpdate {
        RollingUpdate {
            drain_and_terminate: self.drain_and_terminate.or(other.drain_and_terminate),
            max_unavailable: self.max_unavailable.or(other.max_unavailable),
            max_surge: self.max_surge.or(other.max_surge),
        }
    }
}

/// A warm pool as written, in Cluster or InstanceGroup.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct WrittenWarmPool {
    pub(super) min_size: Option<u32>,
    pub(super) max_size: Option<u32>,
    pub(super) hook: Option<bool>,
    pub(super) hook_timeout: Option<u32>,
}
