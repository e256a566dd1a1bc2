//! What is wrong in a cluster, and what a verdict is based on, in sentences.

use super::group::no_capacity;
use super::listing::{NAMES, and_more, joined};
use crate::report::wording::{count, list, span};
use crate::rollout::{
    Evidence, Ground, NoCapacity, PlaneFault, Symptom, SymptomSeen, ToleratedNodes, UnreadyOwner,
};

/// What is wrong, as a sentence without a full stop.
pub fn symptom_text(symptom: &Symptom) -> String {
    match symptom {
        Symptom::GroupMissing { group } => format!("{group} does not exist"),
        Symptom::InstancesMissing {
            group,
            there,
            desired,
        } => format!("{group}: {there} of {desired} instances are there"),
        Symptom::NoNode { group, instance } => format!("{group}: {instance} has no node yet"),
        Symptom::NotReady {
            group,
            instance,
            node,
            because,
        } => {
            let because = because
                .as_ref()
                .map(|b| format!(" ({b})"))
                .unwrap_or_default();
            format!("{group}: {instance} has a node that is not Ready: {node}{because}")
        }
        Symptom::NoComponents { node, missing } => format!(
            "control-plane node {node} has no pod of {}",
            list(missing, NAMES)
        ),
        Symptom::CriticalPod { pod } => format!("critical pod {pod}"),
    }
}

pub(super) fn symptoms(symptoms: &[Symptom]) -> String {
    joined(symptoms.iter().map(symptom_text))
}

/// Why instances do not come, in brackets.
fn no_launch(refused: Option<&NoCapacity>, launch_suspended: bool) -> String {
    match refused {
        Some(refused) => format!(" ({})", no_capacity(refused)),
        None if launch_suspended => {
            " (its process Launch is suspended, so AWS launches none)".to_owned()
        }
        None => String::new(),
    }
}

/// What a verdict is based on, as a sentence without a full stop.
pub fn ground_text(ground: &Ground) -> String {
    match ground {
        Ground::Words(words) => words.clone(),
        Ground::GroupMissing { group } => format!("{group} does not exist"),
        Ground::ActivityFailed { group, message } => {
            format!("{group}: a scaling activity failed: {message}")
        }
        Ground::NotInService {
            group,
            serving,
            desired,
            refused,
            launch_suspended,
        } => {
            let why = no_launch(refused.as_ref(), *launch_suspended);
            format!("{group}: {serving} of {desired} instances in service{why}")
        }
        Ground::InService { instances } => {
            format!("{} in service, as wanted", count(*instances, "instance"))
        }
        Ground::NoKubernetes => {
            "no Kubernetes access is configured for this cluster, so its nodes cannot be seen"
                .into()
        }
        Ground::NodesUnseen { unseen } => unseen.to_string(),
        Ground::Symptoms { symptoms, more } => format!(
            "{}{}",
            joined(symptoms.iter().map(seen)),
            and_more(*more, "")
        ),
        Ground::MoreUnready { owners, more } => format!(
            "{}{}",
            joined(owners.iter().map(unready)),
            and_more(*more, " owners")
        ),
        Ground::Healthy {
            nodes,
            discounted,
            lost,
            homeless,
            refused,
        } => {
            let known = match discounted {
                0 => String::new(),
                n => format!("; {n} that were not well before are not counted"),
            };
            let lost: String = lost.iter().map(borne).collect();
            let waiting = match homeless {
                0 => String::new(),
                n => format!(
                    "; {n} pods wait for a node, and AWS refuses capacity to {}: they are not counted",
                    list(refused, NAMES)
                ),
            };
            format!(
                "{}, all of these groups Ready; critical pods run, the control plane is whole{known}{lost}{waiting}",
                count(*nodes, "node")
            )
        }
        Ground::PlanesDown { down, members } => {
            format!("{down} of {members} instances of the control plane are not Ready")
        }
        Ground::Samples {
            passed,
            wanted,
            last,
        } if passed >= wanted => {
            format!("{passed} samples pass, the last: {}", ground_text(last))
        }
        Ground::Samples {
            passed,
            wanted,
            last,
        } => format!(
            "{passed} of {wanted} samples passed, the last: {}",
            ground_text(last)
        ),
        Ground::BeingAsked => "it is being asked".into(),
    }
}

fn borne(nodes: &ToleratedNodes) -> String {
    format!("; {}", tolerated(nodes))
}

fn seen(seen: &SymptomSeen) -> String {
    let lasts = seen
        .lasts
        .map(|lasts| format!(" ({} long)", span(lasts)))
        .unwrap_or_default();
    format!("{}{lasts}", symptom_text(&seen.symptom))
}

fn unready(owner: &UnreadyOwner) -> String {
    let UnreadyOwner { owner, now, before } = owner;
    format!("{now} pods of {owner} are unready, {before} were before the change")
}

pub(super) fn tolerated(nodes: &ToleratedNodes) -> String {
    let ToleratedNodes {
        group,
        instances,
        desired,
        patience,
        allowed,
    } = nodes;
    format!(
        "{} of {desired} nodes of {group} not Ready for longer than {patience} ({}), tolerated: `rolling.tolerance` allows {allowed}",
        instances.len(),
        list(instances, NAMES)
    )
}

/// Why a cluster or a canary counts as proven.
pub(in crate::report) fn evidence(evidence: &Evidence) -> String {
    match evidence {
        Evidence::Gate { gate, ground } => format!("{gate}: {}", ground_text(ground)),
        Evidence::NothingChanges => "nothing changes here".into(),
        Evidence::BeforeDeletion => "its gates passed before the old groups were deleted".into(),
        Evidence::Words(words) => words.clone(),
    }
}

pub(super) fn plane(fault: &PlaneFault) -> String {
    match fault {
        PlaneFault::NotReady {
            group,
            ready,
            wanted,
        } => format!("{group} has {ready} of {wanted} Ready"),
        PlaneFault::Etcd {
            etcd,
            group,
            healthy,
            wanted,
            others,
        } => {
            let members = if *others { "other members" } else { "members" };
            format!("etcd {etcd}: {healthy} of {wanted} {members} in {group} are healthy")
        }
        PlaneFault::NoComponents { node, missing } => {
            format!("{node} has no pod of {}", list(missing, NAMES))
        }
        PlaneFault::CriticalPod { node, pod } => format!("on {node} critical pod {pod}"),
    }
}
