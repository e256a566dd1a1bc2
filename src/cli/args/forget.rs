//! What can be typed of `kfleet forget`.

use clap::Args;

use crate::model::ClusterName;

/// Forget a cluster that is gone from git and from its account, so that no plan names it any more.
///
/// Its account is looked at as the last rollout reached it: a cluster whose groups are still there is refused. What is forgotten is kept in the
/// store's `forgotten/`, with who forgot it and when; journals stay as they are.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kfleet forget old.k8s.foo.bar
  kfleet forget old.k8s.foo.bar --abandon \"handed over to team infra\"")]
pub(in crate::cli) struct ForgetArguments {
    /// The cluster.
    pub(in crate::cli) cluster: ClusterName,
    /// Forget it although its groups are still there, or cannot be looked at; the reason is recorded.
    #[arg(long, value_name = "REASON")]
    pub(in crate::cli) abandon: Option<String>,
}
