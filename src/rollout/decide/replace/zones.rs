//! In which zone a replacement is launched, and which zone can spare an old instance: none ever has fewer at work than when it began. Only questions.
//!
//! AWS places what it launches by itself wherever a zone has the fewest, and where zones are level anywhere. An old instance then goes from a
//! zone that has no place for its pods. So each replacement is launched in the zone of the instance that it is for, by name.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::super::capacity;
use super::replacement::Replacement;
use crate::fleet::ZonePolicy;
use crate::model::{AutoScalingGroup, CloudEffect, Instance, InstanceId, Lifecycle, ZonalLaunch};
use crate::rollout::round::{Budget, DecisionBuilder, Mode, missing, present};

/// What one launch may bring at most. Source: Auto Scaling API, LaunchInstances.
const AT_ONCE: u32 = 100;

/// The instances of one zone of the group that count towards desired capacity.
#[derive(Clone, Copy, Debug, Default)]
struct ZoneCount {
    /// When the group began to be changed.
    before: u32,
    /// Now, launches that are answered among them.
    members: u32,
    /// Of these the old ones that are not being drained yet.
    old: u32,
    /// Of these old ones that are being drained.
    leaving: u32,
}

impl ZoneCount {
    /// A zone that had so many, and of whose instances nothing is counted yet.
    fn before(before: u32) -> ZoneCount {
        ZoneCount {
            before,
            ..ZoneCount::default()
        }
    }

    /// More than it had before, when what is being drained is gone.
    fn spare(self) -> u32 {
        self.members
            .saturating_sub(self.leaving)
            .saturating_sub(self.before)
    }

    /// Fewer than it had before, when what is being drained is gone: an autoscaler, or Spot, has taken them.
    fn short(self) -> u32 {
        self.before
            .saturating_sub(self.members.saturating_sub(self.leaving))
    }

    /// Launches that it takes before all its old ones may go.
    fn need(self) -> u32 {
        if self.old == 0 {
            0
        } else {
            self.old
                .saturating_add(self.short())
                .saturating_sub(self.spare())
        }
    }

    /// Launches that nothing old in it is left for.
    fn misplaced(self) -> u32 {
        self.spare().saturating_sub(self.old)
    }
}

impl Replacement<'_> {
    /// Whether zones are kept, and AWS can be told where to launch.
    pub(crate) fn keeps_zones(&self) -> bool {
        let (group, task) = (self.view.group, self.view.task);
        let exchanges =
            !self.retiring && self.view.mode != Mode::Cleanup && self.loan.target.is_none();
        exchanges
            && task.rolling.zones == ZonePolicy::Keep
            && group.capacity.borrowed.is_none()
            // On the way back another zone is better than none.
            && (self.view.mode == Mode::Forward || group.placement.refused.is_empty())
            && group.placement.not_offered.is_none()
            && !group.placement.before.is_empty()
            && self.may_surge() > 0
            && can_be_placed(&self.live.group)
    }

    fn zones(&self) -> BTreeMap<&str, ZoneCount> {
        let group = self.view.group;
        // What was set aside comes last: its replacement is not waited for before that.
        let aside = |id: &InstanceId| group.set_aside.contains(id);
        let aside_only = self
            .outdated
            .iter()
            .all(|id| aside(id) || group.outstanding.drains.contains_key(id));
        let before = group.placement.before.iter();
        let mut zones: BTreeMap<&str, ZoneCount> = before
            .map(|(zone, n)| (zone.as_str(), ZoneCount::before(*n)))
            .collect();
        for (id, instance) in present(self.live).filter(|(_, i)| i.lifecycle.rules().is_capacity) {
            let zone = zones.entry(&instance.zone).or_default();
            zone.members += 1;
            match (
                self.outdated.contains(id),
                group.outstanding.drains.contains_key(id),
            ) {
                (true, true) => zone.leaving += 1,
                (true, false) if aside_only || !aside(id) => zone.old += 1,
                (true, false) | (false, _) => {}
            }
        }
        zones
    }

    /// Launches the replacements, each in the zone of an old instance: those of which most are left first.
    pub(crate) fn launch(&self, most: u32, budget: &mut Budget, out: &mut DecisionBuilder<'_>) {
        let mut desired = self.live.desired;
        let placement = &self.view.group.placement;
        for (nth, (zone, count)) in (0u32..).zip(self.places(most)) {
            budget.take_surge(&self.view.task.asg, count);
            let effect = CloudEffect::SetDesired {
                group: self.view.task.asg.clone(),
                from: desired,
                to: desired + count,
                launch: Some(ZonalLaunch {
                    zone: zone.to_owned(),
                    token: self.token(placement.calls.saturating_add(nth)),
                }),
            };
            desired += count;
            out.step(self.view, effect);
        }
    }

    /// How many in which zone: first where old ones wait for theirs, then where there are fewer than before. A zone that was refused a moment ago
    /// is left alone: the others come first.
    fn places(&self, most: u32) -> BTreeMap<&str, u32> {
        places_in(self.zones(), most, |zone| self.is_refused(zone))
    }

    fn is_refused(&self, zone: &str) -> bool {
        let refused = self.view.group.placement.refused.get(zone);
        refused.is_some_and(|r| self.view.now < r.last + capacity::pause(r))
    }

    /// Of the rollout, the group and how many launches of it were answered: the same as long as the answer is not written down.
    fn token(&self, calls: u32) -> String {
        let of = format!("{}/{}", self.view.rollout.id, self.view.task.asg);
        let digest = crate::model::digest_of(&of);
        let short: String = digest.to_string().chars().take(32).collect();
        format!("{short}/{calls}")
    }

    /// Whether the zone of this instance has as many at work without it as before, the group's tolerance and what an autoscaler has taken aside.
    /// `ready`: those at work that are not being drained.
    pub(crate) fn zone_is_kept(
        &self,
        id: &InstanceId,
        instance: &Instance,
        ready: &BTreeSet<&InstanceId>,
    ) -> bool {
        // AWS launches the replacement of a detached instance by itself.
        if !self.keeps_zones() || instance.lifecycle == Lifecycle::Detached {
            return true;
        }
        let before = &self.view.group.placement.before;
        let total = before.values().copied().fold(0, u32::saturating_add);
        let may_be_missing = self
            .view
            .task
            .rolling
            .max_unavailable
            .unavailable_of(self.base());
        let allowed = may_be_missing.saturating_add(total.saturating_sub(self.base()));
        self.lacking(ready, Some(id)) <= allowed.max(self.lacking(ready, None))
    }

    /// How many of the instances that the zones had are not at work, one of them aside.
    fn lacking(&self, ready: &BTreeSet<&InstanceId>, without: Option<&InstanceId>) -> u32 {
        let before = &self.view.group.placement.before;
        let at_work = |zone: &str| {
            let those = ready
                .iter()
                .filter(|r| Some(**r) != without)
                .filter(|r| self.live.instances.get(**r).is_some_and(|i| i.zone == zone));
            u32::try_from(those.count()).unwrap_or(u32::MAX)
        };
        before
            .iter()
            .map(|(zone, n)| n.saturating_sub(at_work(zone)))
            .fold(0, u32::saturating_add)
    }

    /// A new instance in a zone that has no old one left, while the surge that it takes up is needed in another: AWS launched it by itself, in
    /// place of one that it lost.
    pub(crate) fn misplaced(&self) -> Option<InstanceId> {
        let group = self.view.group;
        let bakes = group.canary.baking_since().is_some();
        let full = self.surge > 0 && self.surge_limit(true) <= self.used();
        if !full || missing(self.live) > 0 || !self.keeps_zones() {
            return None;
        }
        let zones = self.zones();
        let goes_on = zones.values().any(|z| z.old > 0 && z.spare() > 0);
        if goes_on || zones.values().all(|z| z.need() == 0) {
            return None;
        }
        let spare: BTreeSet<&str> = zones
            .iter()
            .filter(|(_, z)| z.misplaced() > 0)
            .map(|(zone, _)| *zone)
            .collect();
        present(self.live)
            .filter(|(id, i)| i.lifecycle.rules().is_capacity && !self.to_replace.contains(*id))
            .filter(|(_, i)| spare.contains(i.zone.as_str()))
            .filter(|(id, _)| !(bakes && group.canary.has(id)))
            .max_by_key(|(id, i)| {
                (
                    group.outstanding.drains.contains_key(*id),
                    i.launched_at,
                    Reverse((*id).clone()),
                )
            })
            .map(|(id, _)| id.clone())
    }
}

/// Of these zones, which get how many of at most `most`.
fn places_in(
    mut zones: BTreeMap<&str, ZoneCount>,
    most: u32,
    is_refused: impl Fn(&str) -> bool,
) -> BTreeMap<&str, u32> {
    // Where a zone that needs it is refused, one more in a zone that has what it had would not help.
    let is_needed = zones.values().any(|count| count.need() > 0);
    zones.retain(|zone, _| !is_refused(zone));
    let mut places = BTreeMap::new();
    for _ in 0..most.min(AT_ONCE) {
        let next = zones
            .iter_mut()
            .filter(|(_, z)| z.need() > 0 || z.short() > 0 || (!is_needed && z.old > 0))
            .max_by_key(|(zone, z)| (z.need(), z.short(), Reverse(**zone)));
        let Some((zone, count)) = next else { break };
        count.members += 1;
        *places.entry(*zone).or_default() += 1;
    }
    places
}

/// Whether AWS launches into such a group by zone: not where markets are mixed, and what a warm pool does then is not documented.
/// Source: Auto Scaling user guide, "Launch instances synchronously".
fn can_be_placed(group: &AutoScalingGroup) -> bool {
    let one_market = group
        .mixed_instances_policy
        .as_ref()
        .is_none_or(|policy| policy.instances_distribution.market().is_some());
    one_market && group.warm_pool.is_none() && group.vpc_zone_identifier.len() > 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(before: u32, members: u32, old: u32) -> ZoneCount {
        ZoneCount {
            before,
            members,
            old,
            leaving: 0,
        }
    }

    #[test]
    fn a_refused_zone_keeps_no_zone_below_what_it_had() {
        // Of the second others have taken one; the third has what it had.
        let zones = || {
            BTreeMap::from([
                ("a", zone(1, 1, 1)),
                ("b", zone(1, 0, 0)),
                ("c", zone(1, 1, 0)),
            ])
        };
        assert_eq!(
            places_in(zones(), 3, |zone| zone == "a"),
            BTreeMap::from([("b", 1)])
        );
        // Nothing is refused: where old ones wait comes first.
        assert_eq!(places_in(zones(), 1, |_| false), BTreeMap::from([("a", 1)]));
        // One more would not help.
        let level = BTreeMap::from([("a", zone(1, 1, 1)), ("c", zone(1, 2, 1))]);
        assert_eq!(places_in(level, 3, |zone| zone == "a"), BTreeMap::new());
    }
}
