//! The two gates over live state: groups have what they want, nodes and pods are whole. Makes no calls.

use std::collections::{BTreeMap, BTreeSet};

use super::validate::{HealthFailure, Limits};
use super::{capacity, validate};
use crate::fleet::Amount;
use crate::model::{
    Activity, ActivityStatus, AsgName, InstanceId, LiveCluster, LiveGroup, Nodes, Seen, Span,
    Timestamp, UnreadyPod,
};
use crate::rollout::event::Verdict;
use crate::rollout::progress::Before;
use crate::rollout::reason::{Ground, Symptom, SymptomSeen, ToleratedNodes, UnreadyOwner};
use crate::rollout::round::{in_service, missing};

/// In service = wanted in every group named, no failed scaling activity since `since`.
pub(crate) fn asg<'a>(
    live: &LiveCluster,
    groups: impl IntoIterator<Item = &'a AsgName>,
    since: Timestamp,
) -> Verdict {
    let mut total = 0;
    for name in groups {
        match serving(live, name, since) {
            Ok(serving) => total += serving,
            Err(verdict) => return verdict,
        }
    }
    Verdict::Pass(Ground::InService { instances: total })
}

/// How many instances of a group are in service, when those are all that are wanted and nothing failed since then.
fn serving(live: &LiveCluster, name: &AsgName, since: Timestamp) -> Result<u32, Verdict> {
    let Some(group) = live.groups.get(name) else {
        return Err(Verdict::Fail(Ground::GroupMissing {
            group: name.clone(),
        }));
    };
    let failed = |a: &&Activity| a.at >= since && matches!(a.status, ActivityStatus::Failed);
    if let Some(activity) = group.activities.iter().find(failed) {
        return Err(Verdict::Fail(Ground::ActivityFailed {
            group: name.clone(),
            message: activity.message.clone(),
        }));
    }
    let serving = in_service(group);
    if serving >= group.desired {
        return Ok(serving);
    }
    Err(Verdict::Wait(Ground::NotInService {
        group: name.clone(),
        serving,
        desired: group.desired,
        refused: capacity::of_activities(group, since).map(|r| r.found()),
        launch_suspended: group.suspended.contains("Launch"),
    }))
}

/// What the gate on nodes looks at.
pub(crate) struct NodesAsked<'a> {
    pub(crate) live: &'a LiveCluster,
    pub(crate) limits: Limits<'a>,
    /// What is wrong before this moment has its patience from here on.
    pub(crate) since: Timestamp,
    pub(crate) patience: Span,
    pub(crate) now: Timestamp,
    /// What the cluster was like before it was changed.
    pub(crate) before: Option<&'a Before>,
}

impl NodesAsked<'_> {
    /// Whether it is so for longer than anything may take.
    fn is_late(&self, failure: &HealthFailure) -> bool {
        failure
            .since
            .is_some_and(|s| self.now.since(s.max(self.since)) > self.patience)
    }

    fn is_plane(&self, name: &AsgName) -> bool {
        let role = self.limits.roles.get(name);
        role.is_some_and(|r| r.rules().proves_control_plane)
    }

    /// Nodes that are down for longer than that, by group.
    fn down<'f>(
        &self,
        found: &[&'f HealthFailure],
    ) -> BTreeMap<&'f AsgName, BTreeSet<&'f InstanceId>> {
        not_ready(found.iter().copied().filter(|f| self.is_late(f)))
    }

    /// Those of them that a group loses on any day: some of its workers, not all.
    fn bearable<'f>(
        &self,
        found: &[&'f HealthFailure],
        tolerance: Amount,
    ) -> BTreeMap<&'f AsgName, BTreeSet<&'f InstanceId>> {
        let mut down = self.down(found);
        down.retain(|name, ids| {
            let desired = self.live.groups.get(*name).map_or(0, |g| g.desired);
            let lost = u32::try_from(ids.len()).unwrap_or(u32::MAX);
            !self.is_plane(name) && lost <= tolerance.unavailable_of(desired) && lost < desired
        });
        down
    }
}

/// Nodes that are down, by group.
fn not_ready<'f>(
    found: impl Iterator<Item = &'f HealthFailure>,
) -> BTreeMap<&'f AsgName, BTreeSet<&'f InstanceId>> {
    let mut down: BTreeMap<&AsgName, BTreeSet<&InstanceId>> = BTreeMap::new();
    for failure in found.filter(|f| f.is_node) {
        if let (Some(group), Some(instance)) = (&failure.group, &failure.instance) {
            down.entry(group).or_default().insert(instance);
        }
    }
    down
}

/// What a cluster that was verified is like while it is only watched.
pub(crate) enum Steady {
    /// All of it is known and as it should be.
    Good,
    /// No worse than a cluster is on any day: what is down, and how much of its group may be.
    Tolerated(Vec<ToleratedNodes>),
    /// Not all of it is known or whole, which is not a failure yet.
    Waits(Ground),
    /// More of it is broken, for longer, than is tolerated.
    Broken(Vec<Symptom>),
}

/// A node that is NotReady for long is one of those that a cluster loses on any day, up to `tolerance` in its group; what is wrong on it
/// goes with it. Of control planes a minority is waited for. Everything else that is wrong for longer than the patience breaks it.
pub(crate) fn steady(asked: &NodesAsked<'_>, tolerance: Amount) -> Steady {
    let seen = match &asked.live.nodes {
        Nodes::NotAsked => return Steady::Good,
        Nodes::Unknown(why) => {
            return Steady::Waits(Ground::NodesUnseen {
                unseen: why.clone(),
            });
        }
        Nodes::Known(seen) => seen,
    };
    let all = validate::failures(asked.live, seen, asked.limits);
    let nothing = BTreeMap::new();
    let found = validate::since_then(&all, asked.before.map_or(&nothing, |b| &b.failing));
    let down = asked.down(&found);
    let is_plane = |name: &AsgName| asked.is_plane(name);
    let planes = asked.live.groups.iter().filter(|(name, _)| is_plane(name));
    let members: u32 = planes.map(|(_, g)| g.desired).fold(0, u32::saturating_add);
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let of_planes = |down: &BTreeMap<&AsgName, BTreeSet<&InstanceId>>| -> u32 {
        let planes = down.iter().filter(|(name, _)| is_plane(name));
        planes
            .map(|(_, ids)| count(ids.len()))
            .fold(0, u32::saturating_add)
    };
    let planes_down = of_planes(&down);
    // A majority that is gone is waited for at once: how long it is so matters only to who is to blame.
    let planes_now = of_planes(&not_ready(found.iter().copied()));
    let quorum_holds = planes_down <= members.saturating_sub(1) / 2;
    let may_be_down = |name: &AsgName| match (is_plane(name), asked.live.groups.get(name)) {
        (true, _) => quorum_holds,
        (false, Some(group)) => {
            let ids = down.get(name).map_or(0, BTreeSet::len);
            count(ids) <= tolerance.unavailable_of(group.desired)
        }
        (false, None) => false,
    };
    let tolerated: BTreeSet<&InstanceId> = down
        .iter()
        .filter(|(name, _)| may_be_down(name))
        .flat_map(|(_, ids)| ids.iter().copied())
        .collect();
    let broken: Vec<Symptom> = found
        .iter()
        .copied()
        .filter(|f| asked.is_late(f))
        .filter(|f| f.instance.as_ref().is_none_or(|i| !tolerated.contains(i)))
        .map(|f| f.symptom.clone())
        .collect();
    if !broken.is_empty() {
        return Steady::Broken(broken);
    }
    if planes_down > 0 || planes_now > members.saturating_sub(1) / 2 {
        return Steady::Waits(Ground::PlanesDown {
            down: planes_now,
            members,
        });
    }
    let said: Vec<ToleratedNodes> = down
        .iter()
        .map(|(name, ids)| tolerated_of(asked, name, ids, tolerance))
        .collect();
    match said.is_empty() {
        true => Steady::Good,
        false => Steady::Tolerated(said),
    }
}

/// The nodes of a group that are down, how many of them may be, and by which setting.
fn tolerated_of(
    asked: &NodesAsked<'_>,
    name: &AsgName,
    ids: &BTreeSet<&InstanceId>,
    tolerance: Amount,
) -> ToleratedNodes {
    let desired = asked.live.groups.get(name).map_or(0, |g| g.desired);
    ToleratedNodes {
        group: name.clone(),
        instances: ids.iter().map(|id| (*id).clone()).collect(),
        desired,
        patience: asked.patience,
        allowed: tolerance.unavailable_of(desired),
    }
}

/// Everything is whole, and no more pods are unready than before the change. What is not gets time from when it began, or
/// from `since`: a node that turned bad may come back, or be replaced. After that, of the workers of a group, as many as `tolerance` says are what a
/// group loses on any day.
pub(crate) fn kubernetes(asked: &NodesAsked<'_>, tolerance: Amount) -> Verdict {
    const SHOWN: usize = 5;
    let seen = match &asked.live.nodes {
        Nodes::NotAsked => return Verdict::Fail(Ground::NoKubernetes),
        Nodes::Unknown(unseen) => {
            let unseen = unseen.clone();
            return Verdict::Wait(Ground::NodesUnseen { unseen });
        }
        Nodes::Known(seen) => seen,
    };
    let all = validate::failures(asked.live, seen, asked.limits);
    // What was not well before the change is not its fault: new instances are judged, and what was well.
    let nothing = BTreeMap::new();
    let found = validate::since_then(&all, asked.before.map_or(&nothing, |b| &b.failing));
    let known = all.len() - found.len();
    let lost = asked.bearable(&found, tolerance);
    let on_lost = |f: &HealthFailure| {
        let instance = f.instance.as_ref();
        instance.is_some_and(|i| lost.values().any(|ids| ids.contains(i)))
    };
    let found: Vec<&HealthFailure> = found.into_iter().filter(|f| !on_lost(f)).collect();
    let seen_so = |f: &&HealthFailure| SymptomSeen {
        symptom: f.symptom.clone(),
        lasts: f.since.map(|s| asked.now.since(s)),
    };
    let said = |failures: &[&HealthFailure]| Ground::Symptoms {
        symptoms: failures.iter().take(SHOWN).map(seen_so).collect(),
        more: failures.len().saturating_sub(SHOWN),
    };
    let late: Vec<&HealthFailure> = found.iter().copied().filter(|f| asked.is_late(f)).collect();
    if !late.is_empty() {
        return Verdict::Fail(said(&late));
    }
    if !found.is_empty() {
        return Verdict::Wait(said(&found));
    }
    let refused = refused_capacity(asked.live);
    match asked
        .before
        .and_then(|before| more_unready(before, seen, &refused, asked.now))
    {
        Some(why) => Verdict::Wait(why),
        None => {
            let homeless = homeless(seen, &refused, asked.now);
            let refused = refused.into_iter().filter(|_| homeless > 0);
            Verdict::Pass(Ground::Healthy {
                nodes: seen.nodes.len(),
                discounted: known,
                lost: lost
                    .iter()
                    .map(|(name, ids)| tolerated_of(asked, name, ids, tolerance))
                    .collect(),
                homeless,
                refused: refused.cloned().collect(),
            })
        }
    }
}

/// Groups that lack instances because AWS refuses them capacity.
fn refused_capacity(live: &LiveCluster) -> BTreeSet<&AsgName> {
    let refused = |group: &LiveGroup| {
        missing(group) > 0 && capacity::of_activities(group, Timestamp::from_millis(0)).is_some()
    };
    let groups = live.groups.iter().filter(|(_, group)| refused(group));
    groups.map(|(name, _)| name).collect()
}

/// Pods that wait for a node while AWS has none to give: counted for nothing, and said.
fn homeless(seen: &Seen, refused: &BTreeSet<&AsgName>, now: Timestamp) -> u32 {
    let (waiting, _) = by_capacity(seen, refused);
    validate::unready(waiting, now).values().sum()
}

/// The unready pods that wait for a node which AWS refuses, and the others.
fn by_capacity<'s>(
    seen: &'s Seen,
    refused: &BTreeSet<&AsgName>,
) -> (Vec<&'s UnreadyPod>, Vec<&'s UnreadyPod>) {
    let waits = |pod: &&UnreadyPod| pod.without_node && !refused.is_empty();
    seen.unready.iter().partition(waits)
}

/// Owners of which more pods are unready than before the change. Owners are compared, not numbers: three that heal make up for nothing.
/// What only waits for capacity that AWS refuses is no version's fault.
fn more_unready(
    before: &Before,
    seen: &Seen,
    refused: &BTreeSet<&AsgName>,
    now: Timestamp,
) -> Option<Ground> {
    const SHOWN: usize = 5;
    let (_, judged) = by_capacity(seen, refused);
    let unready = validate::unready(judged, now);
    let was = |owner: &String| before.unready.get(owner).copied().unwrap_or(0);
    let worse: Vec<(&String, &u32)> = unready.iter().filter(|(o, n)| **n > was(o)).collect();
    let owner = |(owner, n): &(&String, &u32)| UnreadyOwner {
        owner: (*owner).clone(),
        now: **n,
        before: was(owner),
    };
    (!worse.is_empty()).then(|| Ground::MoreUnready {
        owners: worse.iter().take(SHOWN).map(owner).collect(),
        more: worse.len().saturating_sub(SHOWN),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    fn seen(unready: &[(&str, Option<&str>, i64)]) -> Seen {
        let pod = |(pod, owner, since): &(&str, Option<&str>, i64)| UnreadyPod {
            since: at(*since),
            pod: (*pod).into(),
            owner: owner.map(str::to_owned),
            without_node: false,
        };
        Seen {
            unready: unready.iter().map(pod).collect(),
            ..Seen::default()
        }
    }

    fn before(seen: &Seen) -> Before {
        Before {
            uid: "uid".into(),
            unready: validate::unready(&seen.unready, at(1_000)),
            failing: BTreeMap::new(),
        }
    }

    #[test]
    fn pods_that_heal_make_up_for_none_that_break() {
        let (a, b) = (Some("ReplicaSet web/a"), Some("ReplicaSet web/b"));
        let none = BTreeSet::new();
        let was = before(&seen(&[
            ("web/a-1", a, 0),
            ("web/a-2", a, 0),
            ("web/bare", None, 0),
        ]));
        let same = seen(&[
            ("web/a-1", a, 0),
            ("web/a-9", a, 500),
            ("web/bare", None, 0),
        ]);
        assert_eq!(more_unready(&was, &same, &none, at(2_000)), None);
        let others = seen(&[
            ("web/b-1", b, 500),
            ("web/b-2", b, 500),
            ("web/b-3", b, 500),
        ]);
        assert_eq!(
            more_unready(&was, &others, &none, at(2_000)),
            Some(Ground::MoreUnready {
                owners: vec![UnreadyOwner {
                    owner: "ReplicaSet web/b".into(),
                    now: 3,
                    before: 0
                }],
                more: 0
            })
        );
        let more = seen(&[("web/a-1", a, 0), ("web/a-2", a, 0), ("web/a-3", a, 500)]);
        assert!(more_unready(&was, &more, &none, at(2_000)).is_some());
        // One that only starts is not counted.
        let starting = seen(&[("web/b-1", b, 1_950)]);
        assert_eq!(more_unready(&was, &starting, &none, at(2_000)), None);
    }

    #[test]
    fn pods_that_only_lack_capacity_are_no_versions_fault() {
        let mut seen = seen(&[("web/b-1", Some("ReplicaSet web/b"), 500)]);
        let was = before(&Seen::default());
        let spot = AsgName::new("spot.a.b").unwrap();
        let refused = BTreeSet::from([&spot]);
        assert!(more_unready(&was, &seen, &refused, at(2_000)).is_some());
        seen.unready[0].without_node = true;
        assert_eq!(more_unready(&was, &seen, &refused, at(2_000)), None);
        assert_eq!(homeless(&seen, &refused, at(2_000)), 1);
        assert!(more_unready(&was, &seen, &BTreeSet::new(), at(2_000)).is_some());
    }

    #[test]
    fn what_was_not_well_before_is_not_judged_and_what_is_new_is() {
        let group = |what: &str| AsgName::new(what).unwrap();
        let failure = |subject: Option<&str>, what: &str| HealthFailure {
            group: None,
            subject: subject.map(str::to_owned),
            instance: None,
            is_node: false,
            symptom: Symptom::GroupMissing { group: group(what) },
            since: Some(at(0)),
        };
        let known = BTreeMap::from([("i-dead".to_owned(), 1), ("ReplicaSet a/b".to_owned(), 1)]);
        let now = [
            failure(Some("i-dead"), "dead"),
            failure(Some("i-new"), "new"),
            failure(Some("ReplicaSet a/b"), "b-1"),
            failure(Some("ReplicaSet a/b"), "b-2"),
            failure(None, "group"),
        ];
        let judged: Vec<Symptom> = validate::since_then(&now, &known)
            .into_iter()
            .map(|f| f.symptom.clone())
            .collect();
        let wanted =
            ["new", "b-2", "group"].map(|what| Symptom::GroupMissing { group: group(what) });
        assert_eq!(judged, wanted);
    }
}
