//! What is looked at, and what is allowed, as it can be typed.

use std::path::PathBuf;

use clap::Args;

use crate::model::{ClusterName, StageName};

/// What is looked at, and what is allowed.
#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct Selection {
    /// Only this stage (repeatable).
    #[arg(long = "stage", value_name = "STAGE")]
    pub(in crate::cli) stages: Vec<StageName>,
    /// Allow this group, which disappeared from git, to be drained and deleted: by its InstanceGroup, in every cluster looked at, or by its
    /// AutoScalingGroup (repeatable; `retire` in the cluster's file does the same in git).
    #[arg(long, value_name = "GROUP")]
    pub(in crate::cli) allow_retire: Vec<String>,
    /// Allow a lower maximum to end instances.
    #[arg(long)]
    pub(in crate::cli) allow_shrink: bool,
    /// Know that the control plane of this cluster goes to a newer minor version of Kubernetes, from which no rollback leads back (repeatable).
    #[arg(long, value_name = "CLUSTER")]
    pub(in crate::cli) no_way_back: Vec<ClusterName>,
    /// Record changed documents that only kops can carry out as carried out by other means.
    #[arg(long)]
    pub(in crate::cli) adopt_documents: bool,
    /// Compare the lifecycle hooks of every group, however many there are: one call a group. Without it those of an account and region that has more
    /// than 100 groups are not compared.
    #[arg(long)]
    pub(in crate::cli) hooks: bool,
    /// What the plan must not be made without: with `kubernetes` a cluster whose Kubernetes API cannot be asked is an error.
    #[arg(long, value_name = "WHAT")]
    pub(in crate::cli) require: Vec<Required>,
    /// Order a fault of the simulated account, e.g. `sick-image:IMAGE`, `no-capacity:GROUP`, `throttle:7` (repeatable).
    #[arg(
        long = "fault",
        value_name = "FAULT",
        help_heading = "Simulated account"
    )]
    pub(in crate::cli) faults: Vec<String>,
    /// Play a scenario on the simulated account: faults and acts with their times, from a YAML file.
    #[arg(long, value_name = "FILE", help_heading = "Simulated account")]
    pub(in crate::cli) scenario: Option<PathBuf>,
    /// What all chance of a new simulated account is drawn from.
    #[arg(long, default_value_t = 1, help_heading = "Simulated account")]
    pub(in crate::cli) seed: u64,
}

impl Selection {
    /// A look at everything that allows nothing.
    pub(in crate::cli) fn looking() -> Selection {
        Selection {
            stages: Vec::new(),
            allow_retire: Vec::new(),
            allow_shrink: false,
            no_way_back: Vec::new(),
            adopt_documents: false,
            hooks: false,
            require: Vec::new(),
            faults: Vec::new(),
            scenario: None,
            seed: 1,
        }
    }
}

/// What a plan must not be made without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(in crate::cli) enum Required {
    /// A look at the nodes of every cluster.
    Kubernetes,
}
