//! Clusters whose Kubernetes API could not be asked: said on top of a plan, so that silence is not taken for a look. Makes no calls.

use super::role::smallest_role;
use super::style::{Style, Tone};
use super::wording::count;
use crate::model::UnseenKind;
use crate::plan::{ClusterPlan, Plan};

/// Clusters named without `full`.
const NAMED: usize = 20;

/// A line for each cluster that was not looked at, and what that means; none when all were seen, or need not be.
pub(super) fn unseen(plan: &Plan, style: Style) -> Vec<String> {
    let mut lines = unseen_clusters(plan, style);
    if lines.is_empty() {
        return lines;
    }
    let (found, most) = (lines.len(), if style.full { usize::MAX } else { NAMED });
    lines.truncate(most);
    if found > lines.len() {
        lines.push(format!(
            "  … and {}",
            count(found - lines.len(), "more cluster")
        ));
    }
    lines.push(
        "  whether anything holds their drains is not known; `--require kubernetes` makes this an error".into(),
    );
    let may_not = |cluster: &ClusterPlan| {
        let kind = cluster.unseen.as_ref().map(|unseen| unseen.kind);
        kind == Some(UnseenKind::Rights)
    };
    if plan.clusters.values().any(may_not) {
        lines.push("  all that kfleet needs to be allowed, and no more:".into());
        lines.extend(smallest_role().iter().map(|line| format!("    {line}")));
    }
    lines
}

fn unseen_clusters(plan: &Plan, style: Style) -> Vec<String> {
    let all = plan
        .clusters
        .iter()
        .filter_map(|(name, cluster)| Some((name, cluster.unseen.as_ref()?)));
    all.map(|(name, unseen)| {
        format!(
            "{} {name}: its nodes were not looked at: {unseen}",
            style.paint(Tone::Bad, "!")
        )
    })
    .collect()
}
