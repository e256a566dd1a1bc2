//! Why a rollout waits, stops, fails or needs a person, in sentences. What others said is not made safe to print here: the printer does that.
#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "each function passes on what is not its own, and the last names every reason that is left"
)]

mod advice;
mod drain;
mod group;
mod health;
mod listing;
mod step;
mod version;

use listing::{NAMES, joined};

use super::room::region_lack;
use super::shards;
use super::wording::{count, list};
use crate::rollout::{Difference, Reason};

pub use advice::advice_text;
pub use drain::finding_text;
pub(super) use health::evidence;
pub use health::{ground_text, symptom_text};

/// The command that takes a rollout up again, where there is only one to mean.
pub const RESUME: &str = "kfleet rollout resume";

/// A reason as a sentence without a full stop.
pub fn reason_text(reason: &Reason) -> String {
    match reason {
        Reason::Words(words) => words.clone(),
        Reason::Unread { what, why } => format!("{what} could not be read: {why}"),
        Reason::ClusterUnread => "its live state was not read".into(),
        Reason::NodesUnseen { unseen } => unseen.to_string(),
        Reason::NoKubernetes => {
            "no Kubernetes access is configured, so nothing can be drained".into()
        }
        Reason::NoNodes { untouched } => format!(
            "{}the Kubernetes API has not one node, so it is not known to be this cluster's",
            if *untouched {
                "nothing was touched: "
            } else {
                ""
            }
        ),
        Reason::InTheWay { findings } => format!(
            "nothing was touched; in the way of drains: {}",
            joined(findings.iter().map(finding_text))
        ),
        Reason::NothingMoved { still, waits } => {
            let waits = waits.iter().map(|w| match &w.group {
                Some(group) => format!("{group}: {}", reason_text(&w.why)),
                None => reason_text(&w.why),
            });
            format!("nothing has moved for {still}: {}", joined(waits))
        }
        Reason::ClusterFailed { cluster, why } => format!("{cluster}: {}", reason_text(why)),
        Reason::ShardAwaited {
            shard,
            rollout,
            stage,
            wave,
        } => shards::awaited(*shard, rollout.as_ref(), stage, *wave),
        Reason::WaveFull { beside, most } => format!(
            "other rollouts (`kfleet status` names them) are at work on {} of the wave, and {most} may be at the same time",
            count(*beside, "cluster")
        ),
        Reason::OtherShardFailed {
            shard,
            rollout,
            failed,
        } => shards::failed(*shard, rollout, failed),
        Reason::DeletedForGood { group } => format!(
            "a rollback was asked for, and {group}, which this rollout has retired and deleted, does not come back by one"
        ),
        Reason::KubernetesStays { cluster } => format!(
            "a rollback was asked for, and the control plane of {cluster} was brought to a newer minor version of Kubernetes, from which none leads back"
        ),
        Reason::NotApproved { stage } => format!("stage {stage} has to be approved"),
        Reason::Interrupted => "interrupted".into(),
        Reason::NoAccess { cluster, unseen } => format!("{cluster}: {unseen}"),
        Reason::Drain(why) => drain::text(why),
        Reason::Group(why) => group::text(why),
        Reason::Hook(why) => super::hooks::reason(why),
        Reason::Version(why) => version::text(why),
        part => of_health(part),
    }
}

/// The control plane, gates, and what a stage stands on.
fn of_health(reason: &Reason) -> String {
    match reason {
        Reason::ControlPlane { fault } => {
            format!("the control plane is not whole: {}", health::plane(fault))
        }
        Reason::ControlPlaneWithout { instance, fault } => format!(
            "the control plane is not whole without {instance}: {}",
            health::plane(fault)
        ),
        Reason::DrainedControlPlane { instance, fault } => format!(
            "{instance} is drained and does not end while the control plane is not whole: {}",
            health::plane(fault)
        ),
        Reason::GateWaits { gate, ground } => {
            format!("gate `{gate}` waits: {}", ground_text(ground))
        }
        Reason::GateOverdue {
            gate,
            deadline,
            ground,
        } => format!(
            "gate `{gate}` still waits after {deadline}: {}",
            ground_text(ground)
        ),
        Reason::GateFailed { gate, ground } => {
            format!("gate `{gate}` failed: {}", ground_text(ground))
        }
        Reason::NotAsPlanned { differences } => format!(
            "it is not what the plan makes of it: {}",
            joined(differences.iter().map(difference))
        ),
        Reason::NotAsVerified { stage, differences } => format!(
            "stage {stage} depends on it, and it is not what was verified: {}",
            joined(differences.iter().map(difference))
        ),
        Reason::StageWaits { stage, ground } => {
            format!("stage {stage} depends on it: {}", ground_text(ground))
        }
        Reason::StageUnhealthy { stage, symptoms } => format!(
            "stage {stage} depends on it, and it is not healthy: {}",
            health::symptoms(symptoms)
        ),
        Reason::StageOverdue { still } => {
            format!("what comes next has waited {still} for it to be whole")
        }
        part => of_soak(part),
    }
}

fn of_soak(reason: &Reason) -> String {
    match reason {
        Reason::NoRoom {
            stage,
            wave,
            regions,
        } => format!(
            "nothing of wave {} of stage {stage} was touched, for want of room: {}",
            wave + 1,
            joined(regions.iter().map(region_lack))
        ),
        Reason::RoomAwaited { regions } => format!(
            "room in the account: {}",
            joined(regions.iter().map(region_lack))
        ),
        Reason::Frozen { stage, until } => format!("stage {stage} is frozen until {}", until.clock()),
        Reason::Soaks { cluster, until } => format!("{cluster} soaks until {}", until.clock()),
        Reason::SoaksOn { nodes } => format!(
            "it soaks on: {}",
            joined(nodes.iter().map(health::tolerated))
        ),
        Reason::SoakWaits { ground } => ground_text(ground),
        Reason::SoakOverdue { late, ground } => {
            format!("it has soaked, and {late} later still: {}", ground_text(ground))
        }
        Reason::Unhealthy { symptoms } => health::symptoms(symptoms),
        Reason::SoakBrokenAgain { times, symptoms } => format!(
            "its soak was broken {times} times, and now again: {}",
            health::symptoms(symptoms)
        ),
        Reason::DeletesLater => "its old groups, empty by now, are deleted when the cluster has run without them for a while".into(),
        part => step::of_step(part),
    }
}

pub(super) fn difference(difference: &Difference) -> String {
    match difference {
        Difference::GroupGone { group } => format!("{group} is gone"),
        Difference::GroupStays { group } => format!("{group} is still there"),
        Difference::GroupChanged { group } => format!(
            "{group} is not what it was when the plan was made (its fields, or the version it refers to)"
        ),
        Difference::GroupNew { group } => format!("{group} is new, and not of this rollout"),
        Difference::Fields { group, fields } => {
            format!("{group} differs in {}", list(fields, NAMES))
        }
        Difference::Outdated { group, instances } => {
            format!("{instances} instances of {group} run something else")
        }
    }
}
