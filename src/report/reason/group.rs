//! A group's instances that are not there yet: on their way, refused by AWS, or of a canary.

use std::collections::{BTreeMap, BTreeSet};

use crate::fleet::CapacityPolicy;
use crate::rollout::{GroupReason, NoCapacity, NoLoan, NoOther};

/// A reason about instances.
pub(super) fn text(reason: &GroupReason) -> String {
    match reason {
        GroupReason::GroupGone => "the group is gone".into(),
        GroupReason::DocumentsNotStored => "kops stores the documents of the cluster first".into(),
        GroupReason::GroupNotSeen => "the group was created and is not to be seen yet".into(),
        GroupReason::NotReady {
            ready,
            wanted,
            refused,
            launch_suspended,
            late,
        } => {
            let why = match refused {
                Some(refused) => with(": ", Some(refused)),
                None if *launch_suspended => {
                    ": its process Launch is suspended, so AWS launches none".to_owned()
                }
                None => String::new(),
            };
            match late {
                None => format!("{ready} of {wanted} instances Ready{why}"),
                Some(after) => format!(
                    "{ready} of {wanted} instances are Ready {after} after the group was created{why}"
                ),
            }
        }
        GroupReason::NotBack { ready, wanted } => {
            format!("{ready} of {wanted} instances that come back are Ready")
        }
        GroupReason::NotLaunched {
            there,
            desired,
            refused,
        } => format!(
            "{there} of {desired} instances launched{}",
            with(": ", refused.as_ref())
        ),
        GroupReason::Coming { instances: 1 } => "1 new instance is not Ready yet".into(),
        GroupReason::Coming { instances } => format!("{instances} new instances are not Ready yet"),
        GroupReason::Late {
            instance,
            instance_type,
            zone,
            state,
            after,
        } => format!("{instance} ({instance_type}, {zone}) {state} {after} after launch"),
        GroupReason::Replaces {
            left,
            coming,
            refused,
        } => replaces(*left, coming, refused.as_ref()),
        GroupReason::LastEnd => "the last instances are ending".into(),
        GroupReason::BoundReached {
            launched,
            ended,
            replaces,
            most,
        } => format!(
            "{launched} instances were launched and {ended} ended for {replaces} to replace, and {most} are the most"
        ),
        GroupReason::SizeSettles { .. }
        | GroupReason::MaximumHeld { .. }
        | GroupReason::StandsIn { .. }
        | GroupReason::TwinLater { .. }
        | GroupReason::NoCapacity { .. }
        | GroupReason::Borrows { .. }
        | GroupReason::CapacityFailed { .. }
        | GroupReason::CapacityOverdue { .. }
        | GroupReason::CanaryBakes
        | GroupReason::CanaryLost { .. }
        | GroupReason::CanaryLostAgain { .. }
        | GroupReason::CanaryNotProven { .. } => of_sizes(reason),
    }
}

fn of_sizes(reason: &GroupReason) -> String {
    match reason {
        GroupReason::SizeSettles { desired } => {
            format!("its desired capacity, {desired}, may be from before it was moved last")
        }
        GroupReason::MaximumHeld { max, desired } => format!(
            "its maximum is not lowered to {max} while {desired} instances are wanted: AWS would end some of them undrained"
        ),
        GroupReason::StandsIn {
            instances,
            group,
            refused,
        } => format!(
            "{instances} more than its own stand in for {}{}",
            group.as_ref().map_or("another group", |g| g.as_str()),
            with("; ", refused.as_ref())
        ),
        GroupReason::TwinLater { twin, refused } => format!(
            "{twin} stands in for it when all else is done{}",
            with("; ", refused.as_ref())
        ),
        GroupReason::NoCapacity { refused, policy } => {
            format!("{}; {}", no_capacity(refused), policy_words(*policy))
        }
        GroupReason::Borrows { refused } => no_capacity(refused),
        GroupReason::CapacityFailed {
            lasted,
            refused,
            other,
            in_zones,
        } => {
            let elsewhere = if *in_zones {
                "; with `zones: any` in `rolling` another zone would do"
            } else {
                ""
            };
            format!(
                "no replacement could be launched for {lasted}: {}{}{elsewhere} (AWS: {})",
                no_capacity(refused),
                other.as_ref().map(no_other).unwrap_or_default(),
                refused.words
            )
        }
        GroupReason::CapacityOverdue { lasted, refused } => format!(
            "no instance could be launched for {lasted}: {}",
            no_capacity(refused)
        ),
        GroupReason::GroupGone
        | GroupReason::GroupNotSeen
        | GroupReason::DocumentsNotStored
        | GroupReason::NotReady { .. }
        | GroupReason::NotBack { .. }
        | GroupReason::NotLaunched { .. }
        | GroupReason::Coming { .. }
        | GroupReason::Late { .. }
        | GroupReason::Replaces { .. }
        | GroupReason::LastEnd
        | GroupReason::BoundReached { .. }
        | GroupReason::CanaryBakes
        | GroupReason::CanaryLost { .. }
        | GroupReason::CanaryLostAgain { .. }
        | GroupReason::CanaryNotProven { .. } => of_canary(reason),
    }
}

fn of_canary(reason: &GroupReason) -> String {
    match reason {
        GroupReason::CanaryBakes => "canary bakes".into(),
        GroupReason::CanaryLost { working, wanted } => lost(*working, *wanted),
        GroupReason::CanaryLostAgain {
            working,
            wanted,
            times,
        } => format!(
            "{}, and that is the {times}th time while it bakes",
            lost(*working, *wanted)
        ),
        GroupReason::CanaryNotProven { after } => {
            format!("the canary is not proven {after} after it came up, and AWS goes on without it")
        }
        GroupReason::GroupGone
        | GroupReason::GroupNotSeen
        | GroupReason::DocumentsNotStored
        | GroupReason::NotReady { .. }
        | GroupReason::NotBack { .. }
        | GroupReason::NotLaunched { .. }
        | GroupReason::Coming { .. }
        | GroupReason::Late { .. }
        | GroupReason::Replaces { .. }
        | GroupReason::LastEnd
        | GroupReason::BoundReached { .. }
        | GroupReason::SizeSettles { .. }
        | GroupReason::MaximumHeld { .. }
        | GroupReason::StandsIn { .. }
        | GroupReason::TwinLater { .. }
        | GroupReason::NoCapacity { .. }
        | GroupReason::Borrows { .. }
        | GroupReason::CapacityFailed { .. }
        | GroupReason::CapacityOverdue { .. } => String::new(),
    }
}

fn lost(working: usize, wanted: usize) -> String {
    format!("{working} of {wanted} canary instances still work")
}

fn replaces(left: usize, coming: &BTreeMap<String, usize>, refused: Option<&NoCapacity>) -> String {
    let coming: String = coming
        .iter()
        .map(|(what, n)| format!(", {n} new {what}"))
        .collect();
    format!("{left} left to replace{coming}{}", with("; ", refused))
}

/// `no capacity for m5.large in eu-west-3a and eu-west-3b`; AWS's own words where it names no type.
pub(super) fn no_capacity(refused: &NoCapacity) -> String {
    if refused.types.is_empty() {
        return format!("no capacity: {}", refused.words);
    }
    let one = |(kind, zones): (&String, &BTreeSet<String>)| {
        let zones: Vec<&str> = zones.iter().map(String::as_str).collect();
        if zones.is_empty() {
            kind.clone()
        } else {
            format!("{kind} in {}", zones.join(" and "))
        }
    };
    format!(
        "no capacity for {}",
        refused.types.iter().map(one).collect::<Vec<_>>().join(", ")
    )
}

fn with(before: &str, refused: Option<&NoCapacity>) -> String {
    refused
        .map(|refused| format!("{before}{}", no_capacity(refused)))
        .unwrap_or_default()
}

fn no_other(other: &NoOther) -> String {
    match other {
        NoOther::Type => ", and the group has no other type".into(),
        NoOther::Twin { why } => match why {
            NoLoan::NoTwin => ", and it has no on-demand twin in this rollout".into(),
            NoLoan::TwinGone { twin } => format!(", and its on-demand twin {twin} is gone"),
            NoLoan::NoSurge => ", and the cluster allows no surge".into(),
            NoLoan::TwinFull { twin, max } => {
                format!(", and its on-demand twin {twin} is at its maximum of {max}")
            }
        },
    }
}

fn policy_words(policy: CapacityPolicy) -> &'static str {
    match policy {
        CapacityPolicy::Stop => "nothing is drained; fails when its patience is over",
        CapacityPolicy::Wait => "nothing is drained; waits until there is",
        CapacityPolicy::NextType => "nothing is drained; AWS goes on to the group's other types",
        CapacityPolicy::OnDemand => "its on-demand twin stands in when its patience is over",
    }
}
