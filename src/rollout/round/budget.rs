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

pub(crate) fn budget(round: &RoundContext<'_>, sight: &ClusterContext<'_>) -> Budget {
    // What the account has room for counts as well.
    let most = sight
        .run
        .rolling
        .cluster_surge
        .min(round.progress.room_for_surge(&sight.run.cluster));
    let of_group = |(name, g): (&AsgName, &GroupProgress)| {
        // A look soon after a call of ours may still show what was before it: what was booked counts then.
        let is_settled = g.sized_at.is_none_or(|at| at + SETTLED <= round.now);
        let surge = match sight.live.groups.get(name) {
            Some(live) if is_settled => outstanding_surge(g.surge, live),
            Some(_) => g.surge,
            None => 0,
        };
        surge.saturating_add(u32::try_from(g.detached.len()).unwrap_or(u32::MAX))
    };
    // What was asked for and not answered may be out there too.
    let asked = round
        .progress
        .open
        .values()
        .filter(|i| i.cluster == sight.run.cluster)
        .map(|i| match &i.effect {
            Effect::Cloud(CloudEffect::SetDesired { from, to, .. }) => to.saturating_sub(*from),
            Effect::Cloud(CloudEffect::Detach { .. }) => 1,
            Effect::Cloud(_) | Effect::Node(_) => 0,
        });
    let used = sight
        .progress
        .groups
        .iter()
        .map(of_group)
        .chain(asked)
        .fold(0, u32::saturating_add);
    if sight.is_closing {
        return Budget {
            rate: 0,
            ahead: 0,
            ..rate(round, sight)
        };
    }
    Budget {
        surge: most.saturating_sub(used),
        most,
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
        .map(|g| g.drains.len())
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
