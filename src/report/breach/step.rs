//! What a step would break.

use crate::report::wording::{count, list};
use crate::rollout::{
    GroupBreach, InstanceBreach, NodeBreach, OrderBreach, PlaneLack, PodBreach, Removal,
};

/// How many names a sentence holds.
const NAMES: usize = 5;

/// A step in a cluster before its turn.
pub(super) fn of_order(breach: &OrderBreach) -> String {
    match breach {
        OrderBreach::BeforeStage { cluster, stage } => {
            format!("{cluster} is changed before stage {stage} has passed")
        }
        OrderBreach::BeforeSoaked {
            cluster,
            before,
            soak,
        } => format!("{cluster} is changed before {before} is verified and has soaked {soak}"),
        OrderBreach::UnknownCluster { cluster } => {
            format!("{cluster} is changed and is not a cluster of the rollout")
        }
        OrderBreach::StageNotApproved { cluster, stage } => {
            format!("{cluster} is changed before stage {stage} is approved")
        }
        OrderBreach::BeforeItsWave { cluster } => {
            format!("{cluster} is changed before its wave has begun")
        }
        OrderBreach::BeforeWave {
            cluster,
            stage,
            wave,
        } => format!(
            "{cluster} is changed before wave {} of stage {stage} has passed",
            wave.saturating_add(1)
        ),
        OrderBreach::TooManyClusters { rolling, most } => format!(
            "{} of a wave are rolled at the same time, its parallel is {most}",
            count(rolling, "cluster")
        ),
        OrderBreach::HookOutOfTurn { hook } => {
            format!("the hook {hook} runs before or after its moment")
        }
        OrderBreach::HookLeftRunning { hook } => {
            format!("the hook {hook} still runs when what it belongs to is done")
        }
    }
}

/// What is asked on the wrong way, or of kops before its time; nothing of another step.
fn of_way(breach: &GroupBreach) -> Option<String> {
    if let GroupBreach::NotStored { group } = breach {
        return Some(format!(
            "kops changes {group} before the documents of its cluster are stored"
        ));
    }
    if let GroupBreach::SkewBroken { group, before } = breach {
        return Some(format!(
            "kops brings {group} to another version of Kubernetes before {before}, and a kubelet may not be newer than its API servers"
        ));
    }
    if let GroupBreach::AbortChanges { group } = breach {
        return Some(format!(
            "an abort changes {group}, and not only restores it"
        ));
    }
    None
}

/// A step on a group.
pub(super) fn of_group(breach: &GroupBreach) -> String {
    match breach {
        GroupBreach::GroupNotPlanned { group } => {
            format!("{group} is changed and is not a group of the plan")
        }
        GroupBreach::DesiredOutside {
            group,
            to,
            min,
            max,
        } => format!("{group} gets desired capacity {to}, outside its sizes {min} to {max}"),
        GroupBreach::DesiredBelowRunning { group, to, running } => format!(
            "{group} gets desired capacity {to} while {} run: AWS would end some of them undrained",
            count(running, "instance")
        ),
        GroupBreach::MaximumBelowDesired {
            group,
            max,
            desired,
        } => format!(
            "{group} gets maximum {max} while its desired capacity is {desired}: AWS would end instances undrained"
        ),
        GroupBreach::GroupSurge { group, surge, most } => {
            format!("{group} surges by {surge}, its max_surge is {most}")
        }
        GroupBreach::ClusterSurge {
            cluster,
            surge,
            most,
        } => format!("{cluster} surges by {surge}, its cluster_surge is {most}"),
        GroupBreach::ControlPlaneSurged { group } => {
            format!("{group} surges and is of a control plane")
        }
        GroupBreach::RoomSurge {
            groups,
            surge,
            most,
        } => format!(
            "{} surge by {surge}, their account had room for {most}",
            list(groups, NAMES)
        ),
        GroupBreach::RoomClusters {
            account,
            region,
            clusters,
            most,
        } => format!(
            "{} of account {account} in {region} surge at the same time, there was room for {most}",
            count(clusters, "cluster")
        ),
        GroupBreach::TooManyReplacements {
            group,
            launches,
            terminations,
            most,
        } => format!(
            "{group} has {launches} launches and {terminations} terminations, the most of each is {most}"
        ),
        GroupBreach::NotStored { .. }
        | GroupBreach::SkewBroken { .. }
        | GroupBreach::AbortChanges { .. } => of_way(breach).unwrap_or_default(),
        GroupBreach::WrongPin { group, to } => {
            format!("{group} is pinned to version {to}, which the plan does not say")
        }
        GroupBreach::OtherVersionPinned {
            group,
            launches,
            pinned,
        } => format!(
            "{group} is disrupted while it launches from version {launches}, the rollout pinned {pinned}"
        ),
        GroupBreach::DeletedEarly { group } => {
            format!("{group} is deleted before its cluster is proven")
        }
        GroupBreach::ResumesOthers { group, processes } => format!(
            "{} of {group} is resumed, this rollout did not suspend it",
            list(processes, NAMES)
        ),
    }
}

/// A step on an instance.
pub(super) fn of_instance(breach: &InstanceBreach) -> String {
    match breach {
        InstanceBreach::ControlPlanesDrained { cluster, instances } => format!(
            "{} of the control plane of {cluster} are drained at the same time",
            count(instances, "instance")
        ),
        InstanceBreach::ControlPlaneDrained { node, lack } => {
            format!(
                "{node} of the control plane is drained while {}",
                of_lack(lack)
            )
        }
        InstanceBreach::ControlPlaneEnds { instance, lack } => {
            format!(
                "{instance} of the control plane ends while {}",
                of_lack(lack)
            )
        }
        InstanceBreach::TooFast {
            cluster,
            instances,
            per,
        } => format!(
            "{cluster} ends more than {} within {per}",
            count(instances, "instance")
        ),
        InstanceBreach::NotDrained { instance, group } => {
            format!("{instance} of {group} ends before it is drained")
        }
        InstanceBreach::VolumesHeld { instance, volumes } => {
            let volumes = volumes.iter().cloned().collect::<Vec<_>>().join(", ");
            format!("{instance} ends while volumes of its pods are attached to it: {volumes}")
        }
        InstanceBreach::TrafficCut {
            instance,
            balancers,
        } => {
            let balancers = balancers.iter().cloned().collect::<Vec<_>>().join(", ");
            format!("{instance} ends while load balancers may send to it: {balancers}")
        }
        InstanceBreach::TooFewAtWork {
            group,
            left,
            base,
            missing,
        } => format!("{group} keeps {left} of {base} instances at work, {missing} may be missing"),
        InstanceBreach::ZoneShort { group, zone } => {
            format!("{group} keeps fewer instances at work in {zone} than when its rollout began")
        }
        InstanceBreach::FallbackReleased {
            group,
            lends_to,
            working,
            own,
        } => format!(
            "{group} ends fallback instances for {lends_to}, which has {working} of {own} instances at work"
        ),
        InstanceBreach::AbortEnds { instance, group } => {
            format!("an abort ends {instance} of {group}, which stays")
        }
        InstanceBreach::PinnedReplaced {
            instance,
            group,
            version,
        } => format!("{instance} of {group} runs the pinned version {version} and is replaced"),
        InstanceBreach::UnprotectsOthers { instance } => {
            format!("{instance} loses a scale-in protection that this rollout did not add")
        }
        InstanceBreach::EndsUnseen { instance, group } => {
            format!("{instance} of {group} ends while its pods cannot be seen")
        }
    }
}

fn of_lack(lack: &PlaneLack) -> String {
    match lack {
        PlaneLack::PlaneGroupShort { group } => {
            format!("{group} has fewer instances at work than it wants")
        }
        PlaneLack::PlaneNodeSick { node, group } => {
            format!("{node} of {group} lacks a component, or a critical pod on it is not Ready")
        }
        PlaneLack::EtcdShort {
            etcd,
            healthy,
            wanted,
        } => format!("etcd {etcd} has {healthy} of {wanted} other members healthy"),
    }
}

/// A step on a node.
pub(super) fn of_node(breach: &NodeBreach) -> String {
    match breach {
        NodeBreach::NodeNotPlanned { node } => {
            format!("{node} is changed and is not of a group of the plan")
        }
        NodeBreach::CordonUnseen { node } => {
            format!("{node} is cordoned while the nodes cannot be seen")
        }
        NodeBreach::TaintUnseen { node } => {
            format!("{node} is tainted while the nodes cannot be seen")
        }
        NodeBreach::MarkUnseen => "nodes are annotated while they cannot be seen".into(),
        NodeBreach::AbortMarks => "an abort taints or annotates nodes".into(),
        NodeBreach::EndedByOthers { node } => {
            format!("{node} is drained while an autoscaler or another controller ends it")
        }
        NodeBreach::UncordonsOthers { node } => {
            format!("{node} is uncordoned, this rollout did not cordon it")
        }
        NodeBreach::UntaintsOthers { node } => {
            format!("{node} loses a taint that this rollout did not add")
        }
        NodeBreach::ReleasesOthers { node } => {
            format!("{node} loses an annotation for the autoscaler that this rollout did not add")
        }
        NodeBreach::OutOfServiceInAws { node, instance } => {
            format!("{node} is tainted out of service while AWS still has {instance}")
        }
        NodeBreach::OutOfServiceNotEnded { node } => {
            format!("{node} is tainted out of service, this rollout did not end it")
        }
        NodeBreach::OutOfServiceAnswers { node } => {
            format!("{node} is tainted out of service while its kubelet answers")
        }
        NodeBreach::BackInServiceOthers { node } => {
            format!("{node} loses an out-of-service taint that this rollout did not add")
        }
    }
}

/// A step on pods.
pub(super) fn of_pods(breach: &PodBreach) -> String {
    let removed = |removal: &Removal| match removal {
        Removal::Evicted => "evicted",
        Removal::Deleted => "deleted",
    };
    match breach {
        PodBreach::PodsUnseen { node, removal } => format!(
            "pods of {node} are {} while the nodes cannot be seen",
            removed(removal)
        ),
        PodBreach::PodsOfOtherInstance { node, removal } => format!(
            "pods of {node} are {}, which is another instance by now",
            removed(removal)
        ),
        PodBreach::PodsWithoutDrain { node, removal } => format!(
            "pods of {node} are {} without a drain of it",
            removed(removal)
        ),
        PodBreach::PodsNotCordoned { node, removal } => format!(
            "pods of {node} are {}, which is not cordoned",
            removed(removal)
        ),
        PodBreach::PodsOfPinned { node, removal } => format!(
            "pods of {node} are {}, which runs the pinned version",
            removed(removal)
        ),
        PodBreach::ForceNotAllowed { node } => {
            format!("pods of {node} are deleted, its on_timeout is not force")
        }
        PodBreach::ForceEarly { node, timeout } => {
            format!("pods of {node} are deleted before its drain has lasted {timeout}")
        }
        PodBreach::PodNotHeld { pod } => {
            format!("{pod} is deleted, and no disruption budget holds it")
        }
        PodBreach::PodYoung { pod } => {
            format!("{pod} is deleted, and is younger than min_pod_age")
        }
        PodBreach::PodsOfOneOwner { owner } => {
            format!("two pods of {owner} are deleted at the same time")
        }
    }
}
