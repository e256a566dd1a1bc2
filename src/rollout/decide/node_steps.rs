//! Steps on nodes whose outcome is not known, or that the API refused: closed by looking, never by an answer that says no. Never acts.

use super::standing::Standing;
use crate::model::{Applied, InstanceId, Node, NodeEffect, NodeMark, NodeName, Span};
use crate::rollout::event::StepResult;
use crate::rollout::progress::Intent;
use crate::rollout::reason::{self, Reason};
use crate::rollout::round::{GroupContext, Mode};

/// Before a step that was refused is asked for again: at the least, and at the most.
const PAUSES: (i64, i64) = (5, 60);

/// What becomes of a step on nodes that is still open.
pub(crate) fn standing_of_node(
    view: &GroupContext<'_>,
    intent: &Intent,
    effect: &NodeEffect,
) -> Standing {
    // On a connection that is not proven to be the cluster's nothing is asked, and nothing it shows closes a step.
    if let Some(unseen) = view.nodes.unknown() {
        return Standing::Wait(reason::unseen(unseen), None);
    }
    let onward = view.mode == Mode::Forward;
    match effect {
        // What is left to evict or to delete is decided anew in every round, by who is still there.
        NodeEffect::Evict { .. } | NodeEffect::Delete { .. } => given_up(Reason::DecidedAnew),
        NodeEffect::Cordon { node, instance } if !onward => {
            let happened = marked(view, node, instance, |n| {
                n.ours.contains(&NodeMark::Cordoned)
                    || n.ours.contains(&NodeMark::OutOfLoadBalancers)
            });
            closed(happened)
        }
        NodeEffect::Taint { nodes, .. } if !onward => {
            let mut named = nodes.iter();
            closed(named.any(|(node, instance)| {
                marked(view, node, instance, |n| {
                    n.ours.contains(&NodeMark::Tainted)
                })
            }))
        }
        NodeEffect::OutOfService { node, instance } if !onward => {
            let happened = marked(view, node, instance, |n| {
                n.ours.contains(&NodeMark::OutOfService)
            });
            closed(happened)
        }
        NodeEffect::KeepFromAutoscaler { nodes } if !onward => {
            let mut named = nodes.iter();
            closed(named.any(|(node, instance)| {
                marked(view, node, instance, |n| {
                    n.ours.contains(&NodeMark::KeptFromAutoscaler)
                })
            }))
        }
        NodeEffect::Cordon { .. }
        | NodeEffect::Taint { .. }
        | NodeEffect::KeepFromAutoscaler { .. }
        | NodeEffect::ReleaseToAutoscaler { .. }
        | NodeEffect::Uncordon { .. }
        | NodeEffect::OutOfService { .. }
        | NodeEffect::BackInService { .. }
        | NodeEffect::Untaint { .. } => again(view, intent),
    }
}

/// Asked again after a pause that grows: a right, a webhook or a policy is for a person, and one that is away may come back.
fn again(view: &GroupContext<'_>, intent: &Intent) -> Standing {
    let Some(refusal) = &intent.refusal else {
        return Standing::Repeat;
    };
    let doublings = refusal.times.saturating_sub(1).min(8);
    let pause = Span::from_secs((PAUSES.0 << doublings).min(PAUSES.1));
    if view.now < intent.asked_at + pause {
        let why = Reason::AskedAgain {
            words: refusal.why.clone(),
            times: refusal.times,
        };
        return Standing::Wait(why, None);
    }
    Standing::Repeat
}

fn marked(
    view: &GroupContext<'_>,
    name: &NodeName,
    instance: &InstanceId,
    is_marked: impl Fn(&Node) -> bool,
) -> bool {
    view.nodes
        .named(name)
        .is_some_and(|node| node.instance == *instance && is_marked(node))
}

fn closed(happened: bool) -> Standing {
    if happened {
        Standing::Closed(StepResult::Applied(Applied::Done))
    } else {
        given_up(Reason::NodeShowsNot)
    }
}

fn given_up(why: Reason) -> Standing {
    Standing::Closed(StepResult::GivenUp(why))
}
