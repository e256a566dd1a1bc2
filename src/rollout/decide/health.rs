//! The two gates over live state: groups have what they want, nodes and pods are whole. Asks nobody.

use super::validate::{Failure, Limits};
use super::{capacity, validate};
use crate::model::{ActivityStatus, AsgName, LiveCluster, Nodes, Span, Timestamp};
use crate::rollout::event::Verdict;
use crate::rollout::progress::Before;
use crate::rollout::round::in_service;

/// In service = wanted in every group named, no failed scaling activity since `since`.
pub(crate) fn asg<'a>(
    live: &LiveCluster,
    groups: impl IntoIterator<Item = &'a AsgName>,
    since: Timestamp,
) -> Verdict {
    let mut total = 0;
    for name in groups {
        let Some(group) = live.groups.get(name) else {
            return Verdict::Fail(format!("{name} does not exist"));
        };
        if let Some(activity) = group
            .activities
            .iter()
            .find(|a| a.at >= since && matches!(a.status, ActivityStatus::Failed))
        {
            return Verdict::Fail(format!(
                "{name}: a scaling activity failed: {}",
                activity.message
            ));
        }
        let serving = in_service(group);
        if serving < group.desired {
            let why = capacity::refusal(group, since)
                .map(|r| format!(" ({})", r.text()))
                .unwrap_or_default();
            return Verdict::Wait(format!(
                "{name}: {serving} of {} instances in service{why}",
                group.desired
            ));
        }
        total += serving;
    }
    Verdict::Pass(format!("{total} instances in service, as wanted"))
}

/// What the gate on nodes looks at.
pub(crate) struct NodesAsked<'a> {
    pub(crate) live: &'a LiveCluster,
    pub(crate) limits: Limits<'a>,
    /// What is wrong before this moment has its patience from here on.
    pub(crate) since: Timestamp,
    pub(crate) patience: Span,
    pub(crate) now: Timestamp,
    /// What the cluster was like before it was changed.
    pub(crate) before: Option<&'a Before>,
}

/// Everything is whole, and no more pods are unready than before the change. What is not gets time from when it began, or
/// from `since`: a node that turned bad may come back, or be replaced.
pub(crate) fn kubernetes(asked: &NodesAsked<'_>) -> Verdict {
    const SHOWN: usize = 5;
    let seen =
        match &asked.live.nodes {
            Nodes::NotAsked => return Verdict::Fail(
                "no Kubernetes access is configured for this cluster, so its nodes cannot be seen"
                    .into(),
            ),
            Nodes::Unknown(why) => {
                return Verdict::Wait(format!("the Kubernetes API does not answer: {why}"));
            }
            Nodes::Known(seen) => seen,
        };
    let found = validate::failures(asked.live, seen, asked.limits);
    let age = |f: &Failure| {
        f.since
            .map(|s| format!(" ({} long)", asked.now.since(s)))
            .unwrap_or_default()
    };
    let said = |failures: &[&Failure]| {
        let shown: Vec<String> = failures
            .iter()
            .take(SHOWN)
            .map(|f| format!("{}{}", f.what, age(f)))
            .collect();
        let more = if failures.len() > SHOWN {
            format!("; and {} more", failures.len() - SHOWN)
        } else {
            String::new()
        };
        shown.join("; ") + &more
    };
    let late: Vec<&Failure> = found
        .iter()
        .filter(|f| {
            f.since
                .is_some_and(|s| asked.now.since(s.max(asked.since)) > asked.patience)
        })
        .collect();
    if !late.is_empty() {
        return Verdict::Fail(said(&late));
    }
    if !found.is_empty() {
        return Verdict::Wait(said(&found.iter().collect::<Vec<_>>()));
    }
    let unready = validate::unready(seen, asked.now);
    match asked.before {
        Some(before) if unready > before.unready => Verdict::Wait(format!(
            "{unready} pods are unready, {} were before the change",
            before.unready
        )),
        Some(_) | None => Verdict::Pass(format!(
            "{} nodes, all of these groups Ready; critical pods run, the control plane is whole",
            seen.nodes.len()
        )),
    }
}
