//! The words every stage shares: names, definitions, live state, effects, time. Imports nothing of ours and does nothing.

mod boot;
mod calls;
mod definition;
mod definition_outline;
mod digest_of;
mod dry_run;
mod effect;
mod hold;
mod hook_place;
mod kops_effect;
mod kops_version;
mod leaves_by;
mod lifecycle;
mod live;
mod market;
mod names;
pub mod object;
mod owner;
mod packed;
mod pods;
mod regions;
mod revision;
mod rights;
mod room;
mod shard;
mod shared;
mod simulated_rights;
mod snapshot;
mod tag_text;
mod template_version;
mod time;
mod traffic;
mod unmanaged;
mod volumes;

pub use boot::{NodeupHash, UserDataDigest};
pub use calls::{AWS_CALLS, AwsCall, AwsScope, AwsUse};
pub use definition::{
    AutoScalingGroup, BlockDevice, CreditSpecification, Definition, Ebs, EnabledMetrics, Hooks,
    InstanceMarketOptions, InstanceProfile, InstanceRequirements, InstancesDistribution,
    LaunchTemplate, LaunchTemplateData, LifecycleHook, MetadataOptions, MixedInstancesPolicy,
    Monitoring, NetworkInterface, Override, Placement, Range, SpotOptions, Tag, TagSpecification,
    WarmPool,
};
pub use digest_of::digest_of;
pub use dry_run::DryRun;
pub use effect::{
    Applied, CloudEffect, Effect, EmptyDir, Eviction, LaunchRefusal, NodeEffect, OldNodes, PodRef,
    RefreshPreferences, Unmanaged, UserData, VersionChange, ZonalLaunch,
};
pub use hold::Hold;
pub use hook_place::HookPlace;
pub use kops_effect::{Boots, DocumentStates, KopsEffect};
pub use kops_version::{KopsVersion, KopsVersionError};
pub use leaves_by::LeavesBy;
pub use lifecycle::{Lifecycle, LifecycleRules};
pub use live::{
    Activity, ActivityStatus, Gap, Health, Images, Instance, Live, LiveCluster, LiveGroup, Node,
    NodeMark, Nodes, Nodeup, PodBlock, Refresh, RefreshStatus, Seen, SickPod, Stored, UnreadyPod,
    Unseen, UnseenKind, VersionRef, Versions,
};
pub use market::Market;
pub(crate) use names::is_configuration;
pub use names::{
    AccountId, AsgName, ClusterName, Digest, Environment, GroupName, HookName, InstanceId,
    NameError, NodeName, Region, RolloutId, StageName,
};
pub use owner::{LeaseState, Owner};
pub use packed::PackedJson;
pub use pods::{Foretold, LeavingPod, PodRefusal, Refusal, RefusalKind};
pub use regions::{KnownRegion, known_region, known_regions, region_of_zone};
pub use revision::{Commit, Git, Rendering, Revision, Unreviewed, short_commit};
pub use rights::{DRAIN_RIGHTS, LOOK_RIGHTS, Right, SYSTEM_NAMESPACE, VOLUME_RIGHTS, WATCH_RIGHTS};
pub use room::{
    MANY_VERSIONS, MOST_VERSIONS, Quota, QuotaError, QuotaFamily, QuotaRoom, Reading, RegionRoom,
    RoomQuestion, SpotScore, SubnetRoom, Trial, TrialLaunch,
};
pub use shard::{Shard, ShardError};
pub use shared::Shared;
pub use simulated_rights::{RightAnswer, RightsQuestion};
pub use snapshot::{Proven, Residence, SNAPSHOT_VERSION, Snapshot};
pub use tag_text::TagText;
pub use template_version::TemplateVersion;
pub use time::{Span, SpanError, Timestamp};
pub use traffic::{Senders, Traffic};
pub use unmanaged::is_carried;
pub use volumes::Volumes;
