//! Every call to AWS that kfleet can make, who needs it and on what: the one list from which policies are printed. Makes no calls.
//!
//! Sources of resources and condition keys: the Service Authorization Reference, pages of EC2 Auto Scaling, EC2, Elastic Load Balancing v2, S3, STS
//! and IAM. Sources of rights that a call needs beside its own: Auto Scaling user guide, "Control Amazon EC2 launch template usage in Auto Scaling
//! groups" (`ec2:RunInstances`, `ec2:CreateTags`, `iam:PassRole`) and "Launching instances with synchronous provisioning" (`ec2:CreateFleet`).

use AwsScope as On;

/// What a call is needed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AwsUse {
    /// To look: `plan`, `status --live`, `drift`, `doctor`, `snapshot`; a rollout looks too.
    Plan,
    /// To act: `rollout`.
    Rollout,
    /// To see beforehand what a rollout would be allowed: `doctor`, where the account has it. No policy of kfleet's needs it.
    Doctor,
}

/// What a right is given on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AwsScope {
    /// Everything: the call has no resources, or kfleet has to find what is there.
    Everything,
    /// The roles of clusters.
    ClusterRoles,
    /// AutoScalingGroups that carry a cluster's tag.
    Groups,
    /// AutoScalingGroups that get a cluster's tag as they are made.
    NewGroups,
    /// Launch templates that carry a cluster's tag.
    Templates,
    /// Launch templates that get a cluster's tag as they are made.
    NewTemplates,
    /// Launch templates and instances that carry a cluster's tag.
    TemplatesAndInstances,
    /// What is tagged in the call that makes it.
    TagsOfNew,
    /// Instances that carry a cluster's tag.
    Instances,
    /// The roles of the instance profiles that definitions name, passed to EC2.
    InstanceRoles,
    /// The bucket of the store, below its prefix.
    StoreBucket,
    /// Objects of the store.
    StoreObjects,
    /// The buckets of kops's state stores.
    StateBuckets,
    /// Objects of kops's state stores.
    StateObjects,
}

/// A call, or a right that another call needs beside its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AwsCall {
    /// The name of the API; none: no call of kfleet's own, but needed by those that it makes.
    pub api: Option<&'static str>,
    /// The right, as policies name it.
    pub right: &'static str,
    /// Who needs it.
    pub needed_for: AwsUse,
    /// On what.
    pub on: AwsScope,
}

const fn look(api: &'static str, right: &'static str) -> AwsCall {
    on(api, right, AwsUse::Plan, AwsScope::Everything)
}

const fn act(api: &'static str, right: &'static str, scope: AwsScope) -> AwsCall {
    on(api, right, AwsUse::Rollout, scope)
}

const fn on(
    api: &'static str,
    right: &'static str,
    needed_for: AwsUse,
    scope: AwsScope,
) -> AwsCall {
    AwsCall {
        api: Some(api),
        right,
        needed_for,
        on: scope,
    }
}

const fn beside(right: &'static str, scope: AwsScope) -> AwsCall {
    AwsCall {
        api: None,
        right,
        needed_for: AwsUse::Rollout,
        on: scope,
    }
}

/// All of them. `tests/rights.rs` holds it against the sources of the AWS adapter and the requests that were recorded.
pub const AWS_CALLS: &[AwsCall] = &[
    // Needs no right; denied it can be all the same.
    look("GetCallerIdentity", "sts:GetCallerIdentity"),
    on(
        "AssumeRole",
        "sts:AssumeRole",
        AwsUse::Plan,
        On::ClusterRoles,
    ),
    beside("sts:TagSession", On::ClusterRoles),
    look(
        "DescribeAutoScalingGroups",
        "autoscaling:DescribeAutoScalingGroups",
    ),
    look(
        "DescribeInstanceRefreshes",
        "autoscaling:DescribeInstanceRefreshes",
    ),
    look(
        "DescribeLifecycleHooks",
        "autoscaling:DescribeLifecycleHooks",
    ),
    look(
        "DescribeScalingActivities",
        "autoscaling:DescribeScalingActivities",
    ),
    look("DescribeWarmPool", "autoscaling:DescribeWarmPool"),
    look("DescribeImages", "ec2:DescribeImages"),
    look("DescribeInstances", "ec2:DescribeInstances"),
    look(
        "DescribeInstanceTypeOfferings",
        "ec2:DescribeInstanceTypeOfferings",
    ),
    look("DescribeLaunchTemplates", "ec2:DescribeLaunchTemplates"),
    look(
        "DescribeLaunchTemplateVersions",
        "ec2:DescribeLaunchTemplateVersions",
    ),
    look("DescribeSecurityGroups", "ec2:DescribeSecurityGroups"),
    look("DescribeSubnets", "ec2:DescribeSubnets"),
    look(
        "DescribeTargetGroups",
        "elasticloadbalancing:DescribeTargetGroups",
    ),
    look(
        "DescribeTargetHealth",
        "elasticloadbalancing:DescribeTargetHealth",
    ),
    look("DescribeTags", "elasticloadbalancing:DescribeTags"),
    look(
        "DescribeLoadBalancers",
        "elasticloadbalancing:DescribeLoadBalancers",
    ),
    look(
        "DescribeInstanceHealth",
        "elasticloadbalancing:DescribeInstanceHealth",
    ),
    look("GetSpotPlacementScores", "ec2:GetSpotPlacementScores"),
    look("GetServiceQuota", "servicequotas:GetServiceQuota"),
    look(
        "GetAWSDefaultServiceQuota",
        "servicequotas:GetAWSDefaultServiceQuota",
    ),
    on("HeadBucket", "s3:ListBucket", AwsUse::Plan, On::StoreBucket),
    on(
        "ListObjectsV2",
        "s3:ListBucket",
        AwsUse::Plan,
        On::StoreBucket,
    ),
    on("GetObject", "s3:GetObject", AwsUse::Plan, On::StoreObjects),
    on(
        "ListObjectsV2",
        "s3:ListBucket",
        AwsUse::Plan,
        On::StateBuckets,
    ),
    on("GetObject", "s3:GetObject", AwsUse::Plan, On::StateObjects),
    act("PutObject", "s3:PutObject", On::StoreObjects),
    act("DeleteObject", "s3:DeleteObject", On::StoreObjects),
    act(
        "CreateAutoScalingGroup",
        "autoscaling:CreateAutoScalingGroup",
        On::NewGroups,
    ),
    act(
        "AttachLoadBalancers",
        "autoscaling:AttachLoadBalancers",
        On::Groups,
    ),
    act(
        "AttachLoadBalancerTargetGroups",
        "autoscaling:AttachLoadBalancerTargetGroups",
        On::Groups,
    ),
    act(
        "CancelInstanceRefresh",
        "autoscaling:CancelInstanceRefresh",
        On::Groups,
    ),
    act(
        "CreateOrUpdateTags",
        "autoscaling:CreateOrUpdateTags",
        On::Groups,
    ),
    act(
        "DeleteAutoScalingGroup",
        "autoscaling:DeleteAutoScalingGroup",
        On::Groups,
    ),
    act(
        "DeleteLifecycleHook",
        "autoscaling:DeleteLifecycleHook",
        On::Groups,
    ),
    act("DeleteTags", "autoscaling:DeleteTags", On::Groups),
    act("DeleteWarmPool", "autoscaling:DeleteWarmPool", On::Groups),
    act("DetachInstances", "autoscaling:DetachInstances", On::Groups),
    act(
        "DetachLoadBalancers",
        "autoscaling:DetachLoadBalancers",
        On::Groups,
    ),
    act(
        "DetachLoadBalancerTargetGroups",
        "autoscaling:DetachLoadBalancerTargetGroups",
        On::Groups,
    ),
    act(
        "DisableMetricsCollection",
        "autoscaling:DisableMetricsCollection",
        On::Groups,
    ),
    act(
        "EnableMetricsCollection",
        "autoscaling:EnableMetricsCollection",
        On::Groups,
    ),
    act("LaunchInstances", "autoscaling:LaunchInstances", On::Groups),
    act(
        "PutLifecycleHook",
        "autoscaling:PutLifecycleHook",
        On::Groups,
    ),
    act("PutWarmPool", "autoscaling:PutWarmPool", On::Groups),
    act("ResumeProcesses", "autoscaling:ResumeProcesses", On::Groups),
    act(
        "RollbackInstanceRefresh",
        "autoscaling:RollbackInstanceRefresh",
        On::Groups,
    ),
    act(
        "SetDesiredCapacity",
        "autoscaling:SetDesiredCapacity",
        On::Groups,
    ),
    act(
        "SetInstanceProtection",
        "autoscaling:SetInstanceProtection",
        On::Groups,
    ),
    act(
        "StartInstanceRefresh",
        "autoscaling:StartInstanceRefresh",
        On::Groups,
    ),
    act(
        "SuspendProcesses",
        "autoscaling:SuspendProcesses",
        On::Groups,
    ),
    act(
        "TerminateInstanceInAutoScalingGroup",
        "autoscaling:TerminateInstanceInAutoScalingGroup",
        On::Groups,
    ),
    act(
        "UpdateAutoScalingGroup",
        "autoscaling:UpdateAutoScalingGroup",
        On::Groups,
    ),
    act(
        "CreateLaunchTemplate",
        "ec2:CreateLaunchTemplate",
        On::NewTemplates,
    ),
    act(
        "CreateLaunchTemplateVersion",
        "ec2:CreateLaunchTemplateVersion",
        On::Templates,
    ),
    act(
        "DeleteLaunchTemplate",
        "ec2:DeleteLaunchTemplate",
        On::Templates,
    ),
    act(
        "DeleteLaunchTemplateVersions",
        "ec2:DeleteLaunchTemplateVersions",
        On::Templates,
    ),
    act("CreateTags", "ec2:CreateTags", On::TemplatesAndInstances),
    act("DeleteTags", "ec2:DeleteTags", On::TemplatesAndInstances),
    act(
        "TerminateInstances",
        "ec2:TerminateInstances",
        On::Instances,
    ),
    // Tried before a roll; and what Auto Scaling does in the caller's name.
    act("RunInstances", "ec2:RunInstances", On::Everything),
    beside("ec2:CreateFleet", On::Everything),
    beside("ec2:CreateTags", On::TagsOfNew),
    beside("iam:PassRole", On::InstanceRoles),
    on("GetRole", "iam:GetRole", AwsUse::Doctor, On::Everything),
    on(
        "SimulatePrincipalPolicy",
        "iam:SimulatePrincipalPolicy",
        AwsUse::Doctor,
        On::Everything,
    ),
];
