//! The words every stage shares: names, definitions, live state, effects, time. Imports nothing of ours and does nothing.

mod definition;
mod effect;
mod live;
mod names;
mod time;

pub use definition::{
    AutoScalingGroup, BlockDevice, CreditSpecification, Definition, Ebs, EnabledMetrics, InstanceMarketOptions, InstanceProfile,
    InstanceRequirements, InstancesDistribution, LaunchTemplate, LaunchTemplateData, LifecycleHook, MetadataOptions, MixedInstancesPolicy,
    Monitoring, NetworkInterface, Override, Placement, Range, SpotOptions, Tag, TagSpecification, WarmPool, digest_of,
};
pub use effect::{Applied, CloudEffect, Effect, NodeEffect, UserData};
pub use live::{
    Activity, ActivityStatus, Gap, Health, Instance, Lifecycle, Live, LiveCluster, LiveGroup, Market, Node, Nodes, PodBlock, TemplateVersion,
    VersionRef,
};
pub use names::{AccountId, AsgName, ClusterName, Digest, Environment, GroupName, InstanceId, NameError, NodeName, Region, StageName};
pub use time::{Span, SpanError, Timestamp};
