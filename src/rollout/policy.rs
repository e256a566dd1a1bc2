//! Where a failure counts from, and what follows it where a hook says so itself. Decides nothing else.

use super::reason::{HookReason, Reason};
use super::schedule::Rollout;
use crate::fleet::{HookFailure, OnFailure};
use crate::model::{ClusterName, HookPlace, StageName};

/// The hook that failed; none: something else did.
pub(super) fn failed_hook(why: &Reason) -> Option<&HookPlace> {
    let Reason::Hook(HookReason::HookFailed { place, .. }) = why else {
        return None;
    };
    Some(place)
}

/// What follows where a hook failed, when it says so itself.
pub(super) fn of_hook(rollout: &Rollout, why: &Reason) -> Option<OnFailure> {
    match rollout.hook(failed_hook(why)?)?.spec.on_failure? {
        HookFailure::Rollback => Some(OnFailure::Rollback),
        HookFailure::Hold => Some(OnFailure::Hold),
        HookFailure::Stop => Some(OnFailure::Stop),
        HookFailure::Continue => None,
    }
}

/// The wave from which on everything goes back: that of the cluster that failed; where a hook of a whole stage did, the first one.
pub(super) fn failed_from<'r>(
    rollout: &'r Rollout,
    cluster: &ClusterName,
    why: &Reason,
) -> Option<(&'r StageName, usize)> {
    let (stage, wave, _) = rollout.wave_of(cluster)?;
    match failed_hook(why).filter(|place| place.cluster.is_none()) {
        Some(place) => Some((&rollout.stage(&place.stage)?.name, place.wave.unwrap_or(0))),
        None => Some((&stage.name, wave)),
    }
}
