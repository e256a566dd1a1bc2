//! What a person can do, in sentences.

use crate::model::RefusalKind;
use crate::rollout::Advice;

/// Advice as a sentence without a full stop. `resume`: the command that takes the rollout up again, as a person would type it.
pub fn advice_text(advice: &Advice, resume: &str) -> String {
    let then = |what: &str| format!("{what}, then `{resume}`");
    match advice {
        Advice::CheckContext => then("see to which cluster the kubeconfig's context leads"),
        Advice::ConfigureKubernetes => "set `kubernetes.context` in the cluster's file".into(),
        Advice::ClearTheWay => format!(
            "{}; or `kfleet rollout abort`",
            then("put it right (rights of the caller, replicas, budgets)")
        ),
        Advice::PlanAnew => {
            "make the plan anew; where it cannot, pin the group to a version that exists".into()
        }
        Advice::SeeThatTheyAnswer => then("see that the cloud and the Kubernetes API answer"),
        Advice::SeeThatItAnswers => then("see that the API answers"),
        Advice::GiveRight => format!(
            "give the caller the right that is missing, or see to the admission webhook or policy that says no; then `{resume}`"
        ),
        Advice::PutRight => then("put it right by hand"),
        Advice::SeeInstances { group } => format!(
            "find out why instances of {group} do not work (console output in EC2, kubelet on the node); one that never will can be ended, and AWS launches another; then `{resume}`, or `kfleet rollout abort`, which leaves what runs as it is"
        ),
        Advice::WayBackFailed { group, version } => back(
            &format!(
                "see that {group} launches from version {version} of its launch template, and find out why its instances do not work (console output in EC2, kubelet on the node); one that never will can be ended, and AWS launches another"
            ),
            resume,
        ),
        Advice::DrainToDelete { group } => back(
            &format!("see that the instances of {group} can be drained: it is to be deleted"),
            resume,
        ),
        Advice::PutGroupRight { group } => back(&format!("put {group} right by hand"), resume),
        Advice::OldUnhealthy => then(
            "what ran before is back, and the cluster is not healthy with it: find out why, put it right",
        ),
        Advice::BringBack => format!(
            "{}; or `kfleet rollout abort`, bring the change into git and plan again",
            then("changed outside this rollout: bring it back to what the plan makes of it")
        ),
        Advice::BringBackStage => format!(
            "put it right, or bring the change into git and roll it out from the first stage again; then `{resume}`, or `kfleet rollout abort`"
        ),
        Advice::SeeStage => then("see that it can be read and is healthy"),
        Advice::MakeRoom => format!(
            "{}; or `kfleet rollout abort`, and set `rolling.room`, `max_surge` or the waves of the stage otherwise",
            then(
                "see that there is room (addresses, a higher limit, other types or zones, versions deleted)"
            )
        ),
        Advice::SeeControlPlane => then(
            "see that every instance of its control plane has a Ready node and that the Kubernetes API answers",
        ),
        Advice::NoRollback => format!(
            "`{resume}` goes on to the release, or `kfleet rollout abort` ends it here; put the group back into git and roll out again to get one like it"
        ),
        Advice::SettleHook { hook } => format!(
            "see what it has done, then `{resume} --hook {hook}=done` where it did its work, or `{resume} --hook {hook}=again` where it is to run (once more)"
        ),
        Advice::Words(words) => words.replace("`kfleet rollout resume`", &format!("`{resume}`")),
        Advice::VersionsGone
        | Advice::WayBackGone
        | Advice::StaysAt { .. }
        | Advice::FindWhoDeleted
        | Advice::FindWhoPinned
        | Advice::StartAnewVersion
        | Advice::StartAnewPlan => of_versions(advice, resume),
        Advice::FewerWanted { .. }
        | Advice::LookAtGroup
        | Advice::FindWhoMoves
        | Advice::FindWhyNotStay
        | Advice::FindCapacity
        | Advice::SeeNodeEnds
        | Advice::SeeInEc2
        | Advice::SeePodsOutOfService
        | Advice::FreePods { .. } => of_groups(advice, resume),
    }
}

fn back(step: &str, resume: &str) -> String {
    format!("{step}; then `{resume}` continues the rollback")
}

fn of_versions(advice: &Advice, resume: &str) -> String {
    match advice {
        Advice::VersionsGone => "no drain is under way in this cluster, and what runs stays as it is; `kfleet rollout abort` undoes what is half-done, then start anew: that makes the version again".into(),
        Advice::WayBackGone => format!(
            "no drain is under way in this cluster, and what runs stays as it is; `{resume}` goes on without a rollback for what is named, `kfleet rollout abort` undoes what is half-done, surge included"
        ),
        Advice::StaysAt { version } => format!(
            "it stays at version {version}; `kfleet rollout abort` leaves everything as it is now, then revert the change in git and roll out: that makes the version again"
        ),
        Advice::FindWhoDeleted => "find out who deleted it; revert the change in git and roll out again to bring it back".into(),
        Advice::FindWhoPinned => format!(
            "find out who did; pin the version that this rollout had pinned and `{resume}`, or `kfleet rollout abort`"
        ),
        Advice::StartAnewVersion => {
            "`kfleet rollout abort`, and start anew: that makes the version again".into()
        }
        Advice::StartAnewPlan => {
            "`kfleet rollout abort`, and start anew: the plan is made from what is there".into()
        }
        Advice::CheckContext
        | Advice::ConfigureKubernetes
        | Advice::ClearTheWay
        | Advice::PlanAnew
        | Advice::SeeInstances { .. }
        | Advice::NoRollback
        | Advice::SeeThatTheyAnswer
        | Advice::SeeThatItAnswers
        | Advice::GiveRight
        | Advice::PutRight
        | Advice::WayBackFailed { .. }
        | Advice::DrainToDelete { .. }
        | Advice::PutGroupRight { .. }
        | Advice::OldUnhealthy
        | Advice::BringBack
        | Advice::BringBackStage
        | Advice::SeeStage
        | Advice::MakeRoom
        | Advice::SeeControlPlane
        | Advice::FewerWanted { .. }
        | Advice::LookAtGroup
        | Advice::FindWhoMoves
        | Advice::FindWhyNotStay
        | Advice::FindCapacity
        | Advice::SeeNodeEnds
        | Advice::SeeInEc2
        | Advice::SeePodsOutOfService
        | Advice::FreePods { .. }
        | Advice::SettleHook { .. }
        | Advice::Words(_) => String::new(),
    }
}

fn of_groups(advice: &Advice, resume: &str) -> String {
    match advice {
        Advice::FewerWanted { forward: true } => format!(
            "wait until fewer are wanted, or lower its desired capacity, then `{resume}`; `--allow-shrink` at the start drains them"
        ),
        Advice::FewerWanted { forward: false } => format!(
            "wait until fewer are wanted, or drain some and lower its desired capacity, then `{resume}`"
        ),
        Advice::LookAtGroup => format!(
            "look at the group, bring it back to what the plan expects or abort, then `{resume}`"
        ),
        Advice::FindWhoMoves => {
            format!("find out what else changes the group and stop it, then `{resume}`")
        }
        Advice::FindWhyNotStay => format!(
            "find out why its instances do not stay what they are; `{resume}` allows as many again, `kfleet rollout abort` stops here"
        ),
        Advice::FindCapacity => format!(
            "find capacity (other types, another zone, the group's own settings) or `kfleet rollout abort`; `{resume}` waits on"
        ),
        Advice::SeeNodeEnds => {
            format!("see why the node is still there, or take the taint from it; then `{resume}`")
        }
        Advice::SeeInEc2 => format!(
            "see in EC2 whether it runs, and end it if so; then delete the node, and `{resume}`"
        ),
        Advice::SeePodsOutOfService => format!(
            "see what holds the pods (finalizers, tolerations of the taint node.kubernetes.io/out-of-service), or delete the node; then `{resume}`"
        ),
        Advice::FreePods {
            refused,
            finalizers,
        } => {
            let mut what: Vec<&str> = refused.iter().copied().map(RefusalKind::advice).collect();
            if *finalizers {
                what.push("see why the controller that put the finalizers on the pods does not remove them");
            }
            if what.is_empty() {
                what.push("free the pods (raise replicas or the budget)");
            }
            format!(
                "{}; then `{resume}`, or `kfleet rollout abort`",
                what.join("; ")
            )
        }
        Advice::CheckContext
        | Advice::ConfigureKubernetes
        | Advice::ClearTheWay
        | Advice::PlanAnew
        | Advice::SeeInstances { .. }
        | Advice::NoRollback
        | Advice::SeeThatTheyAnswer
        | Advice::SeeThatItAnswers
        | Advice::GiveRight
        | Advice::PutRight
        | Advice::WayBackFailed { .. }
        | Advice::DrainToDelete { .. }
        | Advice::PutGroupRight { .. }
        | Advice::OldUnhealthy
        | Advice::BringBack
        | Advice::BringBackStage
        | Advice::SeeStage
        | Advice::MakeRoom
        | Advice::SeeControlPlane
        | Advice::VersionsGone
        | Advice::WayBackGone
        | Advice::StaysAt { .. }
        | Advice::FindWhoDeleted
        | Advice::FindWhoPinned
        | Advice::StartAnewVersion
        | Advice::StartAnewPlan
        | Advice::SettleHook { .. }
        | Advice::Words(_) => String::new(),
    }
}
