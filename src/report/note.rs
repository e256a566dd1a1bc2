//! The notes of a plan in sentences.

use std::collections::{BTreeMap, BTreeSet};

use super::wording::{clock, count, group, list, plain};
use crate::model::ClusterName;
use crate::plan::{
    DrainBlocker, Fact, Fields, LaunchBlocker, Note, Process, StandbyFate, TwinFault, Unplaced,
};

/// Names in one sentence.
const NAMES: usize = 10;

/// A note of `cluster` as one line.
pub(super) fn note(note: &Note, cluster: &ClusterName) -> String {
    let text = fact(&note.what, cluster);
    match (&note.group, &note.what) {
        (Some(asg), Fact::Launch { blocker }) => {
            format!("in the way: {}: {}", group(asg, cluster), launch(blocker))
        }
        (Some(asg), _) => format!("{}: {text}", group(asg, cluster)),
        (None, _) => text,
    }
}

fn fact(fact: &Fact, cluster: &ClusterName) -> String {
    match fact {
        Fact::SetByHand {
            stays,
            carried,
            lost,
        } => set_by_hand(stays, carried, lost),
        Fact::Standby { instance, fate } => format!(
            "{instance} is in Standby, outside desired capacity, and who put it there is not known: {}",
            standby(*fate)
        ),
        Fact::MinimumStarts { min, desired } => format!(
            "a minimum of {min} starts {} at once (desired capacity is {desired})",
            count(min.saturating_sub(*desired), "instance")
        ),
        Fact::MaximumEnds { max, desired } => format!(
            "a maximum of {max} ends {}, each after its drain (desired capacity is {desired})",
            count(desired.saturating_sub(*max), "instance")
        ),
        Fact::MayBorrow { twin, most, max } => format!(
            "may borrow up to {most} instances of {} (its maximum is {max}) while AWS refuses it capacity; they are drained and ended when it has its own",
            group(twin, cluster)
        ),
        Fact::Launch { blocker } => launch(blocker),
        Fact::Drain { blocker } => format!("in the way of drains: {}", drain(blocker)),
        Fact::ShortBake { bake, counts_after } => format!(
            "with `bake: {bake}` pods that begin to crash on new nodes are not seen: they count when they have been unready for {counts_after}"
        ),
        Fact::NoCluster { .. }
        | Fact::OnlyStored { .. }
        | Fact::NotStoredYet { .. }
        | Fact::StaysStored { .. }
        | Fact::NoBaseline { .. } => of_documents(fact).unwrap_or_default(),
        Fact::PlacedByAws { .. }
        | Fact::Suspended { .. }
        | Fact::Resumed { .. }
        | Fact::ZonesLost { .. }
        | Fact::ZonesGained { .. }
        | Fact::Lifetime { .. }
        | Fact::CapacityRebalance
        | Fact::WarmPoolRemoved { .. }
        | Fact::WarmPoolMade { .. }
        | Fact::WarmPoolGrown { .. }
        | Fact::BalancersLost { .. } => by_itself(fact).unwrap_or_default(),
    }
}

/// What AWS does by itself; none: the fact is of another kind.
fn by_itself(fact: &Fact) -> Option<String> {
    let text = match fact {
        Fact::PlacedByAws { why } => format!(
            "AWS places its new instances, as {}: a zone may have fewer at work for a while than before",
            match why {
                Unplaced::BothMarkets => "its policy has both on-demand and Spot",
                Unplaced::WarmPool => "it has a warm pool",
            }
        ),
        Fact::Suspended { process } => format!(
            "while its process {} is suspended, {}",
            process.name(),
            suspended(*process)
        ),
        Fact::Resumed { process } => resumed(*process).to_owned(),
        Fact::ZonesLost {
            instances,
            rebalance_suspended,
        } => zones_lost(instances, *rebalance_suspended),
        Fact::ZonesGained { zones } => format!(
            "AWS moves instances into {} by itself until the zones are even, and ends those that they replace without a drain",
            zones
                .iter()
                .map(|z| plain(z))
                .collect::<Vec<_>>()
                .join(" and ")
        ),
        Fact::Lifetime { longest, older } => format!(
            "AWS replaces every instance that is older than {longest} by itself, without a drain; {} now",
            match older {
                0 => "none is".to_owned(),
                1 => "1 is".to_owned(),
                n => format!("{n} are"),
            }
        ),
        Fact::CapacityRebalance => "AWS replaces Spot instances that it may take back soon by itself, and ends them without a drain".to_owned(),
        Fact::WarmPoolRemoved { instances } => format!(
            "AWS ends {} of its warm pool with it",
            count(instances, "instance")
        ),
        Fact::WarmPoolMade { min } => format!(
            "AWS launches at least {} into its warm pool, beside desired capacity",
            count(min, "instance")
        ),
        Fact::WarmPoolGrown { min } => {
            format!("AWS launches more instances into its warm pool, up to at least {min}")
        }
        Fact::BalancersLost {
            instances,
            balancers,
        } => format!(
            "AWS takes all {} out of {} at once",
            count(instances, "instance"),
            names(balancers)
        ),
        Fact::SetByHand { .. }
        | Fact::Standby { .. }
        | Fact::MinimumStarts { .. }
        | Fact::MaximumEnds { .. }
        | Fact::MayBorrow { .. }
        | Fact::Launch { .. }
        | Fact::Drain { .. }
        | Fact::ShortBake { .. }
        | Fact::NoCluster { .. }
        | Fact::OnlyStored { .. }
        | Fact::NotStoredYet { .. }
        | Fact::StaysStored { .. }
        | Fact::NoBaseline { .. } => return None,
    };
    Some(text)
}

/// What is in kops' state store and not in git, or the other way round; none: the fact is of another kind.
fn of_documents(fact: &Fact) -> Option<String> {
    let text = match fact {
        Fact::NoCluster { cluster } => format!(
            "kops' state store has no cluster {}: kops has not created it there, or the store is another one",
            plain(cluster)
        ),
        Fact::OnlyStored { document } => format!(
            "{} is in kops' state store and not in git: `kops replace` never deletes it, and `kops update` would make the group",
            plain(document)
        ),
        Fact::NotStoredYet { document } => format!(
            "{} is not in kops' state store: kops does not know the group before it is put there",
            plain(document)
        ),
        Fact::StaysStored { document } => format!(
            "{} stays in kops' state store when the group is gone: kops would make the group again until it is deleted there",
            plain(document)
        ),
        Fact::NoBaseline { documents } => format!(
            "no baseline yet: {} beside the groups will be recorded as they are",
            count(documents, "document")
        ),
        Fact::SetByHand { .. }
        | Fact::Standby { .. }
        | Fact::MinimumStarts { .. }
        | Fact::MaximumEnds { .. }
        | Fact::MayBorrow { .. }
        | Fact::PlacedByAws { .. }
        | Fact::Suspended { .. }
        | Fact::Resumed { .. }
        | Fact::ZonesLost { .. }
        | Fact::ZonesGained { .. }
        | Fact::Lifetime { .. }
        | Fact::CapacityRebalance
        | Fact::WarmPoolRemoved { .. }
        | Fact::WarmPoolMade { .. }
        | Fact::WarmPoolGrown { .. }
        | Fact::BalancersLost { .. }
        | Fact::Launch { .. }
        | Fact::Drain { .. }
        | Fact::ShortBake { .. } => return None,
    };
    Some(text)
}

fn zones_lost(instances: &BTreeMap<String, usize>, rebalance_suspended: bool) -> String {
    let each = instances.iter();
    let each = each.map(|(zone, n)| format!("{} in {}", count(n, "instance"), plain(zone)));
    let each = each.collect::<Vec<_>>().join(" and ");
    if rebalance_suspended {
        format!(
            "{each} stay where no subnet of the group is left: AZRebalance is suspended, and AWS ends them when it is resumed"
        )
    } else {
        format!(
            "AWS ends {each} by itself, without a drain, and launches others in the zones that stay"
        )
    }
}

fn set_by_hand(stays: &Fields, carried: &Fields, lost: &Fields) -> String {
    let said = |fields: &Fields, what: &str| {
        let each = fields
            .iter()
            .map(|(field, value)| format!("{} = {}", plain(field), plain(value)));
        let each = each.collect::<Vec<_>>().join(", ");
        (!each.is_empty()).then(|| format!("{each}, which {what}"))
    };
    let parts = [
        said(stays, "stays as it is"),
        said(carried, "the next launch template version takes over"),
        said(lost, "the next launch template version will not have"),
    ];
    format!(
        "set by other means than a manifest: {}",
        parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
    )
}

fn standby(fate: StandbyFate) -> &'static str {
    match fate {
        StandbyFate::UpToDate => "it runs what git wants",
        StandbyFate::Ends => {
            "it runs something else than git wants, and ends with the others, as `rolling.standby: end` says"
        }
        StandbyFate::Stays => {
            "it runs something else than git wants, and stays as it is (`rolling.standby: end` ends it)"
        }
    }
}

fn suspended(process: Process) -> &'static str {
    match process {
        Process::Launch => "AWS launches no instance of it, not even in the place of one that ends",
        Process::Terminate => "AWS ends no instance of it, also none that is unhealthy or too many",
        Process::HealthCheck => "AWS does not notice that an instance of it is unhealthy",
        Process::ReplaceUnhealthy => "AWS does not replace unhealthy instances of it",
        Process::AddToLoadBalancer => "new instances get no traffic from its load balancers",
        Process::InstanceRefresh => "no instance refresh of it can go on",
        Process::AzRebalance => "AWS does not even out its zones",
    }
}

fn resumed(process: Process) -> &'static str {
    match process {
        Process::AzRebalance => {
            "with AZRebalance resumed AWS evens out the zones by itself, and ends instances for it without a drain"
        }
        Process::HealthCheck | Process::ReplaceUnhealthy => {
            "AWS replaces instances that are unhealthy by itself again, without a drain"
        }
        Process::Launch => {
            "with Launch resumed AWS launches at once what is missing to desired capacity"
        }
        Process::Terminate => {
            "with Terminate resumed AWS ends at once, without a drain, what there is beyond desired capacity"
        }
        Process::AddToLoadBalancer => "new instances get traffic from its load balancers again",
        Process::InstanceRefresh => "instance refreshes of it go on",
    }
}

/// Why no replacement can launch.
pub(super) fn launch(blocker: &LaunchBlocker) -> String {
    match blocker {
        LaunchBlocker::LaunchSuspended => {
            "no replacement can launch: its process Launch is suspended".to_owned()
        }
        LaunchBlocker::LaunchRefused { at, message } => format!(
            "the last launch was refused at {}: {}",
            clock(*at),
            plain(message)
        ),
    }
}

/// What stands in the way of a drain, for people.
pub fn drain_blocker_text(blocker: &DrainBlocker) -> String {
    drain(blocker)
}

pub(super) fn drain(blocker: &DrainBlocker) -> String {
    match blocker {
        DrainBlocker::NoRight { right } => format!("the caller may not {}", plain(right)),
        DrainBlocker::Budget {
            budget,
            pods,
            owners,
        } => {
            let of = names(owners);
            let of = if of.is_empty() {
                of
            } else {
                format!(" (of {of})")
            };
            format!(
                "disruption budget {} allows no disruption now: it holds {}{of}",
                plain(budget),
                count(pods, "pod")
            )
        }
        DrainBlocker::UnprocessedBudget { budget } => format!(
            "the newest form of disruption budget {} is not processed yet: until then it allows nothing",
            plain(budget)
        ),
        DrainBlocker::ManyBudgets { of, budgets } => format!(
            "pods of {} are held by {} disruption budgets ({}), and the API evicts no pod that more than one selects",
            plain(of),
            budgets.len(),
            names(budgets)
        ),
        DrainBlocker::NoController { node, pod } => {
            format!(
                "{node}: {} is kept: no controller would recreate it",
                plain(pod)
            )
        }
        DrainBlocker::EmptyDir { node, pod } => {
            format!("{node}: {} is kept: it has data in an emptyDir", plain(pod))
        }
        DrainBlocker::Refused { of, answer } => format!(
            "pods of {} may not be evicted: {}: {}",
            plain(of),
            plain(&answer.to_string()),
            answer.kind().advice()
        ),
        DrainBlocker::Unanswered { of } => format!(
            "whether pods of {} may be evicted is not known: the API did not say so in time",
            plain(of)
        ),
    }
}

/// Why no on-demand twin can stand in.
pub(super) fn twin_fault(fault: &TwinFault) -> String {
    match fault {
        TwinFault::NoGroup { twin, there } => format!(
            "there is no group {}; there are {}",
            twin.as_ref().map_or("(none)", |t| t.as_str()),
            list(there, NAMES)
        ),
        TwinFault::NotNodes { twin } => {
            format!("{twin} and its group have to be groups of nodes")
        }
        TwinFault::NoSurge { twin } => {
            format!("{twin} is of no use: the instances of the group are not replaced by `surge`")
        }
        TwinFault::NotThere { twin } => format!("{twin} is not there yet: roll it out first"),
        TwinFault::Spot { twin } => format!("{twin} launches spot instances itself"),
        TwinFault::OtherNodes { twin, key } => {
            format!("{twin} has other nodes: they differ in {}", plain(key))
        }
        TwinFault::NoSubnets { twin, subnets } => {
            format!("{twin} has no subnet {}", names(subnets))
        }
    }
}

fn names(names: &BTreeSet<String>) -> String {
    list(names.iter().map(|n| plain(n)), NAMES)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(what: Fact) -> String {
        let cluster = ClusterName::new("a.k8s.foo.bar").unwrap();
        fact(&what, &cluster)
    }

    #[test]
    fn what_aws_does_by_itself_is_said_with_numbers() {
        let zones = |n| BTreeMap::from([("zone-b".to_owned(), n)]);
        for (what, wanted) in [
            (
                Fact::ZonesLost {
                    instances: zones(2),
                    rebalance_suspended: false,
                },
                "AWS ends 2 instances in zone-b by itself, without a drain, and launches others in the zones that stay",
            ),
            (
                Fact::ZonesLost {
                    instances: zones(1),
                    rebalance_suspended: true,
                },
                "1 instance in zone-b stay where no subnet of the group is left: AZRebalance is suspended, and AWS ends them when it is resumed",
            ),
            (
                Fact::Suspended {
                    process: Process::Launch,
                },
                "while its process Launch is suspended, AWS launches no instance of it, not even in the place of one that ends",
            ),
            (
                Fact::WarmPoolRemoved { instances: 1 },
                "AWS ends 1 instance of its warm pool with it",
            ),
            (
                Fact::BalancersLost {
                    instances: 4,
                    balancers: BTreeSet::from(["web".to_owned()]),
                },
                "AWS takes all 4 instances out of web at once",
            ),
        ] {
            assert_eq!(check(what), wanted);
        }
    }

    #[test]
    fn fields_set_by_hand_are_told_apart_by_what_becomes_of_them() {
        let one = |field: &str| Fields::from([(field.to_owned(), "x\n".to_owned())]);
        let what = Fact::SetByHand {
            stays: one("A"),
            carried: Fields::new(),
            lost: one("B"),
        };
        assert_eq!(
            check(what),
            "set by other means than a manifest: A = x, which stays as it is; B = x, which the next launch template version will not have"
        );
    }
}
