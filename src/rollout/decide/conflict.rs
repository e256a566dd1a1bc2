//! What others did to a group, and what the cloud refused: it comes before everything else. Never acts.

use super::again::MAX_TRIES;
use crate::rollout::reason::{Advice, Reason};
use crate::rollout::round::{DecisionBuilder, GroupContext};

/// What a person has to look at, or turns the rollout round.
pub(crate) fn blocked_by_conflict(view: &GroupContext<'_>, out: &mut DecisionBuilder<'_>) -> bool {
    let group = view.group;
    if let Some(found) = &group.conflicts.drift {
        let found = found.clone();
        let why = Reason::ChangedByOthers { found };
        out.stuck(view, why, Advice::LookAtGroup);
    } else if let Some(words) = &group.conflicts.refused {
        out.failed(view, Reason::Words(words.clone()));
    } else if group.conflicts.in_a_row >= MAX_TRIES {
        let times = group.conflicts.in_a_row;
        out.stuck(view, Reason::Conflicts { times }, Advice::FindWhoMoves);
    } else {
        return false;
    }
    true
}
