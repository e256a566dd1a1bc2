//! Whether a step without an answer is still the right one to take: asked again before it is repeated. Looks at live state, never acts.

use super::node_steps::standing_of_node;
use super::settle::{fewer, settle};
use super::standing::{SETTLED, Standing};
use crate::model::{Applied, CloudEffect, Effect, Lifecycle};
use crate::rollout::event::{Event, StepEvent, StepId, StepResult};
use crate::rollout::progress::Intent;
use crate::rollout::reason::{Advice, Reason};
use crate::rollout::round::{DecisionBuilder, GroupContext};

/// A step that was tried this often without an answer needs a person.
pub(crate) const MAX_TRIES: u32 = 20;

fn close(step: StepId, result: StepResult, out: &mut DecisionBuilder<'_>) {
    out.records
        .push(Event::Step(step, StepEvent::Outcome { result }));
}

/// Steps of this group whose outcome is not known come before anything new: taken again, or given up where they no longer fit.
pub(crate) fn open_steps(view: &GroupContext<'_>, out: &mut DecisionBuilder<'_>) -> bool {
    let mine: Vec<(StepId, &Intent)> = out.open_of(view).collect();
    let mut any = false;
    for (id, intent) in mine {
        any = true;
        if intent.tries >= MAX_TRIES {
            let why = Reason::NoAnswer {
                step: id,
                times: intent.tries,
            };
            out.stuck(view, why, Advice::SeeThatItAnswers);
        }
        let standing = if intent.stale {
            settle(view, intent)
        } else {
            standing(view, intent)
        };
        match standing {
            Standing::Repeat => out.repeat(id, intent),
            Standing::Wait(why, until) => out.wait(view, why, until),
            Standing::Happened => {
                close(id, StepResult::Applied(Applied::Already), out);
            }
            Standing::GivenUp(why) => close(id, StepResult::GivenUp(why), out),
            Standing::Closed(result) => close(id, result, out),
        }
    }
    any
}

/// Whether a launch in a zone would go above the group's maximum. AWS would only say so, though an attempt without an answer took the room itself:
/// such a launch is closed by what is there.
fn lacks_room(view: &GroupContext<'_>, effect: &Effect) -> bool {
    let Effect::Cloud(CloudEffect::SetDesired {
        from,
        to,
        launch: Some(_),
        ..
    }) = effect
    else {
        return false;
    };
    let more = to.saturating_sub(*from);
    view.live
        .is_some_and(|live| live.desired.saturating_add(more) > live.group.max_size)
}

/// The end of an instance is repeated only while nothing runs on it. One that was empty when it was decided (it had no node yet) may take
/// work by now; then it has to be drained first. Every other step finds out by itself whether the world is still as it expects.
fn standing(view: &GroupContext<'_>, intent: &Intent) -> Standing {
    if let Effect::Node(effect) = &intent.effect {
        return standing_of_node(view, intent, effect);
    }
    if intent.doubtful && lacks_room(view, &intent.effect) {
        return settle(view, intent);
    }
    let instance = match &intent.effect {
        Effect::Cloud(CloudEffect::SetDesired { from, to, .. }) if to < from => {
            return fewer(view, intent, *to);
        }
        Effect::Cloud(CloudEffect::Terminate { instance, .. }) => instance,
        Effect::Cloud(_) | Effect::Node(_) | Effect::Kops(_) => return Standing::Repeat,
    };
    let found = view.live.and_then(|live| live.instances.get(instance));
    if found.is_none_or(|i| i.lifecycle == Lifecycle::Terminating) {
        return Standing::Repeat;
    }
    if let Some(unseen) = view.nodes.unknown() {
        let why = Reason::EndUnknown {
            instance: instance.clone(),
            unseen: unseen.clone(),
        };
        return Standing::Wait(why, None);
    }
    let Some((name, node)) = view
        .nodes
        .of(instance)
        .filter(|(_, n)| !n.cordoned || n.pods_to_wait_for(view.now) > 0)
    else {
        return Standing::Repeat;
    };
    let until = intent.asked_at + SETTLED;
    if view.now < until {
        let why = Reason::EndNotDrained {
            instance: instance.clone(),
            node: name.clone(),
        };
        return Standing::Wait(why, Some(until));
    }
    Standing::GivenUp(Reason::NotEnded {
        instance: instance.clone(),
        node: name.clone(),
        after: view.now.since(intent.asked_at),
        pods: node.evictable_pods,
    })
}
