//! A look at one cluster in this round. While anything of it could not be read, nothing is decided about it.

use crate::rollout::round::{ClusterContext, DecisionBuilder, NodeView, RoundContext};
use crate::rollout::schedule::ClusterRun;

/// The cluster and everything that is known of it; none, and a reason to wait, while its live state has a gap.
pub(crate) fn look<'a>(
    round: &RoundContext<'a>,
    run: &'a ClusterRun,
    out: &mut DecisionBuilder<'_>,
) -> Option<ClusterContext<'a>> {
    let progress = round.progress.clusters.get(&run.cluster)?;
    let Some(live) = round.live.clusters.get(&run.cluster) else {
        out.wait_cluster(&run.cluster, "its live state was not read".into(), None);
        return None;
    };
    if let Some(gap) = live.gaps.first() {
        out.wait_cluster(
            &run.cluster,
            format!("{} could not be read: {}", gap.what, gap.why),
            None,
        );
        return None;
    }
    Some(ClusterContext {
        run,
        progress,
        live,
        nodes: NodeView::new(&live.nodes),
        is_closing: false,
    })
}
