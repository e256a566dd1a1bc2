//! What somebody else did to a group, and what the cloud refused: it comes before everything else. Never acts.

use super::again::MAX_TRIES;
use crate::rollout::round::{DecisionBuilder, GroupContext};

/// What a person has to look at, or turns the rollout round.
pub(crate) fn blocked_by_conflict(view: &GroupContext<'_>, out: &mut DecisionBuilder<'_>) -> bool {
    let group = view.group;
    if let Some(found) = &group.drift {
        let why = format!("somebody else changed it: {found}");
        out.stuck(view, why, "look at the group, bring it back to what the plan expects or abort, then `kfleet rollout resume`");
    } else if let Some(why) = &group.refused {
        out.failed(view, why.clone());
    } else if group.conflicts >= MAX_TRIES {
        let why = format!(
            "somebody else moved its desired capacity or instances {} times just before a step",
            group.conflicts
        );
        out.stuck(
            view,
            why,
            "find out what else changes the group and stop it, then `kfleet rollout resume`",
        );
    } else {
        return false;
    }
    true
}
