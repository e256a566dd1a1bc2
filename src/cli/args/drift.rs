//! What can be typed of `kfleet drift`.

use clap::{Args, ValueEnum};

use crate::cli::formats::DriftFormat;
use crate::model::ClusterName;

/// Show what is live otherwise than it was last applied: changed by others, not applied yet, owned by others. Takes no lock and changes nothing.
///
/// What was applied is known from git: the commit of the last rollout is rendered again and has to have the digest that was recorded.
/// Exit codes: 0 nothing that `--fail-on` names, 2 something, 1 a cluster could not be read.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kfleet drift
  kfleet drift prod-acme.k8s.foo.bar --format json
  kfleet drift --fail-on any
  kfleet drift prod-acme.k8s.foo.bar --accept")]
pub(in crate::cli) struct DriftArguments {
    /// Clusters to look at; all when none is named.
    pub(in crate::cli) clusters: Vec<ClusterName>,
    /// Show which vars would have to be otherwise so that git wants what others have changed, and write them into `vars/CLUSTER.yaml` after a `yes`.
    #[arg(long, conflicts_with = "format")]
    pub(in crate::cli) accept: bool,
    /// Write what `--accept` shows without asking.
    #[arg(long, requires = "accept")]
    pub(in crate::cli) yes: bool,
    /// What makes the exit code 2.
    #[arg(long, value_enum, default_value_t)]
    pub(in crate::cli) fail_on: DriftFailOn,
    /// The form of the output.
    #[arg(long, value_enum, default_value_t)]
    pub(in crate::cli) format: DriftFormat,
}

/// What makes the exit code 2.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum DriftFailOn {
    /// What others changed, or may have changed.
    #[default]
    Others,
    /// That, and what git wants and was not applied.
    Any,
    /// Nothing.
    Never,
}
