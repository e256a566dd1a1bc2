//! More drains at a time than a group allows: a book that the spy keeps.

use kfleet::fleet::Amount;
use kfleet::kops::Role;
use kfleet::rollout::{Progress, Rollout};

/// Groups in which more is drained at once than surge and unavailability together allow.
pub(super) fn crowds(rollout: &Rollout, progress: &Progress) -> Vec<String> {
    let mut wrong = Vec::new();
    for (run, task) in rollout
        .clusters()
        .flat_map(|c| c.groups.iter().map(move |g| (c, g)))
    {
        let Some(group) = progress
            .clusters
            .get(&run.cluster)
            .and_then(|c| c.groups.get(&task.asg))
        else {
            continue;
        };
        let (Amount::Count(surge), Amount::Count(missing)) =
            (task.rolling.max_surge, task.rolling.max_unavailable)
        else {
            continue;
        };
        let most = if task.role == Role::ControlPlane {
            1
        } else {
            (surge + missing).max(1) as usize
        };
        if group.outstanding.drains.len() > most {
            wrong.push(format!(
                "{} drains {} at once, {most} may",
                task.asg,
                group.outstanding.drains.len()
            ));
        }
    }
    wrong
}
