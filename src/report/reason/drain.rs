//! Drains that go on, are held or do not end, and what is found before the first of them, in sentences.

use std::collections::BTreeSet;

use super::health::symptom_text;
use super::listing::{NAMES, joined};
use crate::model::Timestamp;
use crate::report::note;
use crate::report::wording::{count, list};
use crate::rollout::{
    DrainReason, HeldPods, LingeringPod, OverdueDrain, PreflightFinding, RefusedPods,
};

/// A reason about a drain.
pub(super) fn text(reason: &DrainReason) -> String {
    match reason {
        DrainReason::Drains {
            node,
            pods,
            refused,
            held: by,
        } => {
            let refused = refused
                .as_ref()
                .map(|r| format!(", the API refuses {}", r.first));
            let held = by.as_ref().map(|h| format!(", held: {}", held(h)));
            let why = refused.or(held).unwrap_or_default();
            format!("{node} drains, {} left{why}", count(*pods, "pod"))
        }
        DrainReason::DrainInGrace { node, pods, until } => format!(
            "{} drains, {pods} pods are in their grace until {}",
            node.as_ref().map_or("a node", |n| n.as_str()),
            until.clock()
        ),
        DrainReason::DrainOverdue { drain } => overdue(drain),
        DrainReason::Forces { node, pods } => {
            format!("{node} drains, deletes by force: {}", list(pods, NAMES))
        }
        DrainReason::VolumesAttached { node, volumes } => format!(
            "{node} is drained, and volumes of its pods are still attached to it: {}",
            list(volumes, NAMES)
        ),
        DrainReason::BalancersSend {
            node,
            balancers,
            unread,
        } => match unread {
            Some(why) => format!(
                "{node} is drained, and whether load balancers send to it is not known: {why}"
            ),
            None => format!(
                "{node} is drained, and load balancers send to it still: {}",
                list(balancers, NAMES)
            ),
        },
        DrainReason::MayStillRun {
            instance,
            node,
            pods,
        } => {
            let pods = match pods {
                0 => "its pods".to_owned(),
                n => format!("{n} of its pods"),
            };
            format!(
                "{instance}: its node {node} is gone from the Kubernetes API, {pods} may still end"
            )
        }
        DrainReason::LeftTo { node, by } => {
            format!("{node} is being ended by {by}, and is left to it")
        }
        DrainReason::RateHoldsEnd { instance } => {
            format!("{instance} is drained and ends when the cluster's disruption rate allows it")
        }
        DrainReason::RateHoldsDrain => "the cluster's disruption rate is used up".into(),
        DrainReason::RateHoldsWarmPool { instances } => format!(
            "{instances} old instances of its warm pool end first, when the cluster's disruption rate allows it"
        ),
        DrainReason::DeadNodeRuns { node, pods } => {
            format!("{node} is dead with {pods} pods on it, and its instance has not ended yet")
        }
        DrainReason::DeadNodeElsewhere { node, instance } => format!(
            "{node} is dead, and its instance {instance} is in no group any more, though not because kfleet ended it: it may still run"
        ),
        DrainReason::OutOfService { node, pods } => format!(
            "Kubernetes ends the {pods} pods that are left on {node}, which is out of service"
        ),
    }
}

/// What holds a drain, by name: node, pods, their owners, their budgets, what the API said, and since when.
fn overdue(drain: &OverdueDrain) -> String {
    let OverdueDrain {
        instance,
        node,
        since,
        timeout,
        refused: no,
        held: by,
        lingering: late,
        more_lingering,
        left,
        leaving,
    } = drain;
    let mut parts: Vec<String> = no.iter().map(refused).collect();
    if !by.is_empty() {
        parts.push(format!("held: {}", joined(by.iter().map(held))));
    }
    if !late.is_empty() {
        parts.push(all_lingering(late, *more_lingering));
    }
    if parts.is_empty() {
        parts.push(still_there(*left, *leaving));
    }
    format!(
        "the drain of {} ({instance}), begun at {}, did not end within {timeout}: {}",
        node.as_ref().map_or("a node", |n| n.as_str()),
        since.clock(),
        parts.join("; ")
    )
}

fn still_there(left: u32, leaving: u32) -> String {
    format!("{left} pods are left, {leaving} of them on their way out")
}

fn refused(pods: &RefusedPods) -> String {
    let more = match pods.more {
        0 => String::new(),
        n => format!(", and {n} more of its pods alike"),
    };
    format!("the API refuses {}{more}", pods.first)
}

/// `web/api-1, web/api-2 and 3 more (of StatefulSet web/api) by disruption budget web/api`.
fn held(pods: &HeldPods) -> String {
    let HeldPods {
        pods,
        more,
        owner,
        hold,
    } = pods;
    let more = match more {
        0 => String::new(),
        n => format!(" and {n} more"),
    };
    let owner = owner
        .as_ref()
        .map(|o| format!(" (of {o})"))
        .unwrap_or_default();
    format!("{}{more}{owner} by {hold}", pods.join(", "))
}

fn lingering(pod: &LingeringPod) -> String {
    let by = if pod.finalizers.is_empty() {
        ", and nothing says what holds it".to_owned()
    } else {
        format!(", held by finalizers: {}", list(&pod.finalizers, NAMES))
    };
    format!("{} was to be gone by {}{by}", pod.pod, pod.ends_by.clock())
}

/// What a look before the first change of a cluster found.
pub fn finding_text(finding: &PreflightFinding) -> String {
    match finding {
        PreflightFinding::Launch { group, blocker } => {
            format!("{group}: {}", note::launch(blocker))
        }
        PreflightFinding::Drain { blocker } => note::drain(blocker),
        PreflightFinding::NotWell { symptom } => {
            format!("not well already now: {}", symptom_text(symptom))
        }
        PreflightFinding::Leaving {
            pod,
            ends_by,
            in_grace,
            finalizers,
        } => leaving(pod, *ends_by, *in_grace, finalizers),
        PreflightFinding::TwoNodes {
            instance,
            counts,
            other,
        } => format!(
            "nodes {counts} and {other} both say that they are {instance}: {other} is not counted"
        ),
        PreflightFinding::Words(words) => words.clone(),
    }
}

fn leaving(pod: &str, ends_by: Timestamp, in_grace: bool, finalizers: &BTreeSet<String>) -> String {
    let when = if in_grace {
        "has its grace"
    } else {
        "was to be gone"
    };
    let by = named_finalizers(finalizers);
    format!(
        "{pod} is on its way out already, {when} until {}{by}",
        ends_by.clock()
    )
}

fn all_lingering(late: &[LingeringPod], more: usize) -> String {
    let named = joined(late.iter().map(lingering));
    match more {
        0 => named,
        n => format!("{named} and {n} more"),
    }
}

fn named_finalizers(finalizers: &BTreeSet<String>) -> String {
    if finalizers.is_empty() {
        String::new()
    } else {
        format!(", finalizers: {}", list(finalizers, NAMES))
    }
}
