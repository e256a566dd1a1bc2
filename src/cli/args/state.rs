//! What can be typed of `kfleet status`.

use clap::Args;

use crate::cli::formats::ViewFormat;
use crate::model::{ClusterName, Span};

/// Show what runs where: release, commit, since when, soak, what is under way, the last drift; from the store and git.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kfleet status
  kfleet status prod-acme.k8s.foo.bar --live
  kfleet status --format json
  kfleet status --watch")]
pub(in crate::cli) struct FleetStatusArguments {
    /// Clusters to show; all when none is named.
    pub(in crate::cli) clusters: Vec<ClusterName>,
    /// Look at the account too: which instances are outdated, and why.
    #[arg(long)]
    pub(in crate::cli) live: bool,
    /// Show it again and again, every ten seconds unless another time is given, until Ctrl-C.
    #[arg(long, value_name = "TIME", num_args = 0..=1, default_missing_value = "10s")]
    pub(in crate::cli) watch: Option<Span>,
    /// The form of the output.
    #[arg(long, value_enum, default_value_t)]
    pub(in crate::cli) format: ViewFormat,
}
