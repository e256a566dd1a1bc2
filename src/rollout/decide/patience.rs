//! Every wait ends: what stands still for too long has failed, or needs a person. Never acts.

use crate::model::{Nodes, Span};
use crate::rollout::reason::{Advice, GroupReason, Reason};
use crate::rollout::round::{DecisionBuilder, Mark, Mode, RoundContext};
use crate::rollout::schedule::ClusterRun;

/// Every wait ends: where nothing moves for twice the time that an instance may take, and nothing is due at a known time,
/// the way forward has failed, and every other way needs a person. So does a cluster that cannot be seen.
pub(crate) fn patience(
    round: &RoundContext<'_>,
    run: &ClusterRun,
    mark: &Mark,
    mode: Mode,
    out: &mut DecisionBuilder<'_>,
) {
    let Some(progress) = round.progress.clusters.get(&run.cluster) else {
        return;
    };
    let Some(waits) = out.only_waits(mark, round.now) else {
        return;
    };
    let each = run
        .groups
        .iter()
        .map(|g| g.rolling.ready_timeout)
        .fold(run.rolling.ready_timeout, Span::max);
    let still = round.now.since(progress.moved_at);
    if still <= Span::from_millis(each.millis().saturating_mul(2)) {
        return;
    }
    let why = Reason::NothingMoved { still, waits };
    let live = round
        .live
        .clusters
        .get(&run.cluster)
        .filter(|live| live.gaps.is_empty());
    let refused = round
        .progress
        .open
        .values()
        .any(|i| i.cluster == run.cluster && i.refusal.is_some());
    let seen = live.is_some_and(|live| !matches!(live.nodes, Nodes::Unknown(_)));
    if let Some(advice) = out.advice_since(mark).filter(|_| seen) {
        return out.stuck_cluster(&run.cluster, why, advice);
    }
    match mode {
        // A right that is missing, a webhook or a policy is no fault of the version that is rolled out.
        _ if refused => out.stuck_cluster(&run.cluster, why, Advice::GiveRight),
        Mode::Forward if seen => out.fail(&run.cluster, None, why),
        Mode::Undo | Mode::Cleanup if seen => {
            let advice = by_hand(&why);
            out.stuck_cluster(&run.cluster, why, advice);
        }
        Mode::Forward | Mode::Undo | Mode::Cleanup => {
            out.stuck_cluster(&run.cluster, why, Advice::SeeThatTheyAnswer);
        }
    }
}

/// What a person can do about it, by what was waited for: the control plane first, as everything stands on it.
fn by_hand(why: &Reason) -> Advice {
    let Reason::NothingMoved { waits, .. } = why else {
        return Advice::PutRight;
    };
    if waits.iter().any(|wait| of_plane(&wait.why)) {
        return Advice::SeeControlPlane;
    }
    let first = waits.iter().find(|wait| of_instances(&wait.why));
    match first.and_then(|wait| wait.group.clone()) {
        Some(group) => Advice::SeeInstances { group },
        None => Advice::PutRight,
    }
}

fn of_instances(why: &Reason) -> bool {
    matches!(
        why,
        Reason::Group(
            GroupReason::NotReady { .. }
                | GroupReason::NotBack { .. }
                | GroupReason::Coming { .. }
                | GroupReason::Replaces { .. }
        )
    )
}

fn of_plane(why: &Reason) -> bool {
    matches!(
        why,
        Reason::ControlPlane { .. }
            | Reason::ControlPlaneWithout { .. }
            | Reason::DrainedControlPlane { .. }
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::AsgName;
    use crate::rollout::reason::WaitOf;

    #[test]
    fn what_a_person_can_do_follows_from_what_was_waited_for() {
        let group: AsgName = "nodes.c.test".parse().unwrap();
        let coming = || WaitOf {
            group: Some(group.clone()),
            why: GroupReason::Coming { instances: 2 }.into(),
        };
        let other = || WaitOf {
            group: None,
            why: Reason::OtherDirection,
        };
        let see = Advice::SeeInstances {
            group: group.clone(),
        };
        for (waits, advice) in [
            (vec![other(), coming()], see),
            (vec![coming(), plane(&group)], Advice::SeeControlPlane),
            (vec![other()], Advice::PutRight),
        ] {
            let still = Span::from_secs(1800);
            assert_eq!(by_hand(&Reason::NothingMoved { still, waits }), advice);
        }
    }

    fn plane(group: &AsgName) -> WaitOf {
        WaitOf {
            group: None,
            why: Reason::ControlPlane {
                fault: crate::rollout::reason::PlaneFault::NotReady {
                    group: group.clone(),
                    ready: 0,
                    wanted: 1,
                },
            },
        }
    }
}
