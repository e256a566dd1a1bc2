//! What can be typed of `kfleet doctor`.

use clap::{Args, ValueEnum};

use crate::cli::formats::ViewFormat;
use crate::model::{AwsUse, ClusterName};

/// Check that everything is in place for a plan and a rollout: git, fleet, store, clock, credentials, permissions, regions, images, Kubernetes, kops.
///
/// Each check is ok, wrong with what to do, or not checked and why. Changes nothing; in the store it writes one object by condition and removes it.
/// Exit codes: 0 nothing is wrong, 2 something is, 1 it could not be checked at all.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kfleet doctor
  kfleet doctor prod-acme.k8s.foo.bar --format json
  kfleet doctor --policy rollout > policy.json
  kfleet doctor --policy kubernetes | kubectl apply -f -")]
pub(in crate::cli) struct DoctorArguments {
    /// Clusters to look at; all when none is named.
    pub(in crate::cli) clusters: Vec<ClusterName>,
    /// Print the IAM policy, least privilege, for the clusters of the fleet, or the smallest ClusterRole, and check nothing.
    #[arg(long, value_name = "USE")]
    pub(in crate::cli) policy: Option<PolicyFor>,
    /// The form of the output.
    #[arg(long, value_enum, default_value_t)]
    pub(in crate::cli) format: ViewFormat,
}

/// What a policy is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum PolicyFor {
    /// For those who only look.
    Plan,
    /// For those who roll out.
    Rollout,
    /// Both, in the Kubernetes API of each cluster.
    Kubernetes,
}

impl PolicyFor {
    /// For what of AWS; none: it is the Kubernetes API's.
    pub(in crate::cli) fn needed(self) -> Option<AwsUse> {
        match self {
            PolicyFor::Plan => Some(AwsUse::Plan),
            PolicyFor::Rollout => Some(AwsUse::Rollout),
            PolicyFor::Kubernetes => None,
        }
    }
}
