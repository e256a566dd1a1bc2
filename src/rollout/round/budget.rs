//! The budgets of one cluster in one round: surge, the rate of disruptions, and whose pods were deleted by force.

use std::collections::BTreeSet;

use super::context::{ClusterContext, RoundContext};
use super::instances::{SETTLED, outstanding_surge};
use crate::model::{AsgName, CloudEffect, Effect, Span, Timestamp};
use crate::rollout::progress::{GroupProgress, Intent};

/// Budgets of one cluster, handed out over its groups in one round.
pub(crate) struct Budget {
    pub(crate) surge: u32,
    /// The surge that there would be if none were in use.
    pub(crate) most: u32,
    /// What the account has room for, where that is less.
    rooms: Vec<RoomLeft>,
    /// Drains that may begin: for each there is a place in the rate's window now.
    pub(crate) rate: u32,
    /// Drains that may begin where the replacement works already: for each there will be a place soon.
    pub(crate) ahead: u32,
    /// Instances that may end now.
    pub(crate) ends: u32,
    /// When the rate allows the next one.
    pub(crate) rate_back: Option<Timestamp>,
    /// Owners of whom a pod is deleted by force in this round: none loses two.
    pub(crate) forced: BTreeSet<String>,
}

/// Surge that some groups of the cluster may still take together.
struct RoomLeft {
    groups: BTreeSet<AsgName>,
    most: u32,
    left: u32,
}

impl Budget {
    /// Surge that this group may take now.
    pub(crate) fn surge_of(&self, group: &AsgName) -> u32 {
        let rooms = self.rooms.iter().filter(|r| r.groups.contains(group));
        rooms.map(|r| r.left).fold(self.surge, u32::min)
    }

    /// The surge that this group could take if none were in use.
    pub(crate) fn most_of(&self, group: &AsgName) -> u32 {
        let rooms = self.rooms.iter().filter(|r| r.groups.contains(group));
        rooms.map(|r| r.most).fold(self.most, u32::min)
    }

    /// So much of it is taken.
    pub(crate) fn take_surge(&mut self, group: &AsgName, taken: u32) {
        self.surge = self.surge.saturating_sub(taken);
        let rooms = self.rooms.iter_mut();
        for room in rooms.filter(|r| r.groups.contains(group)) {
            room.left = room.left.saturating_sub(taken);
        }
    }
}

pub(crate) fn budget(round: &RoundContext<'_>, sight: &ClusterContext<'_>) -> Budget {
    let rolling = &sight.run.rolling;
    let of_group = |name: &AsgName, g: &GroupProgress| {
        // A look soon after a call of ours may still show what was before it: what was booked counts then.
        let is_settled = g.sized_at.is_none_or(|at| at + SETTLED <= round.now);
        let surge = match sight.live.groups.get(name) {
            Some(live) if is_settled => outstanding_surge(g.outstanding.surge, live),
            Some(_) => g.outstanding.surge,
            None => 0,
        };
        surge.saturating_add(u32::try_from(g.outstanding.detached.len()).unwrap_or(u32::MAX))
    };
    // What was asked for and not answered may be out there too.
    let asked = |i: &Intent| match &i.effect {
        Effect::Cloud(CloudEffect::SetDesired { from, to, .. }) => to.saturating_sub(*from),
        Effect::Cloud(CloudEffect::Detach { .. }) => 1,
        Effect::Cloud(_) | Effect::Node(_) | Effect::Kops(_) => 0,
    };
    let used_by = |counts: &dyn Fn(&AsgName) -> bool| {
        let groups = sight.progress.groups.iter();
        let out = groups.filter(|(name, _)| counts(name));
        let open = round.progress.open.values();
        let open = open.filter(|i| i.cluster == sight.run.cluster && counts(&i.group));
        out.map(|(name, g)| of_group(name, g))
            .chain(open.map(asked))
            .fold(0, u32::saturating_add)
    };
    let used = used_by(&|_| true);
    let limits = round.progress.surge_limits(&sight.run.cluster).iter();
    let rooms = limits.map(|limit| RoomLeft {
        groups: limit.groups.clone(),
        most: limit.most,
        left: limit
            .most
            .saturating_sub(used_by(&|name| limit.groups.contains(name))),
    });
    let rooms = rooms.collect();
    if sight.is_closing {
        return Budget {
            rate: 0,
            ahead: 0,
            ..rate(round, sight)
        };
    }
    Budget {
        surge: rolling.cluster_surge.saturating_sub(used),
        most: rolling.cluster_surge,
        rooms,
        ..rate(round, sight)
    }
}

/// What the rate leaves: each drain under way needs a place in its window by the time that it ends. A node whose replacement
/// works already may be drained on the way to its place: draining takes minutes, which would be lost for the rollout each time.
fn rate(round: &RoundContext<'_>, sight: &ClusterContext<'_>) -> Budget {
    /// This part of the window.
    const AHEAD: i64 = 4;
    let rate = sight.run.rolling.rate;
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let left = |taken: usize| rate.instances.saturating_sub(count(taken));
    // Oldest first.
    let ended = &sight.progress.disruptions;
    let held_at = |now: Timestamp| ended.iter().filter(|at| **at + rate.per > now).count();
    let (held, held_soon) = (
        held_at(round.now),
        held_at(round.now + Span::from_millis(rate.per.millis() / AHEAD)),
    );
    let draining = sight
        .progress
        .groups
        .values()
        .map(|g| g.outstanding.drains.len())
        .sum::<usize>();
    // What was asked for and not answered may have happened.
    let is_end = |i: &&Intent| {
        i.cluster == sight.run.cluster
            && matches!(i.effect, Effect::Cloud(CloudEffect::Terminate { .. }))
    };
    let asked = round.progress.open.values().filter(is_end).count();
    Budget {
        surge: 0,
        most: 0,
        rooms: Vec::new(),
        rate: left(draining + held),
        ahead: left(draining + held_soon),
        ends: left(asked + held),
        rate_back: ended
            .iter()
            .map(|at| *at + rate.per)
            .find(|back| *back > round.now),
        forced: BTreeSet::new(),
    }
}
