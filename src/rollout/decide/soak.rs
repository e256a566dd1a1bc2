//! A verified cluster while it soaks: a failing gate breaks it, and what cannot be seen has not soaked. Never acts.

use super::health::{self, NodesAsked, Steady};
use super::look::look;
use super::patience::patience;
use super::validate::Limits;
use crate::model::Timestamp;
use crate::rollout::event::{ClusterEvent, Event};
use crate::rollout::reason::{Advice, Reason, Symptom};
use crate::rollout::round::{ClusterContext, DecisionBuilder, Mode, RoundContext, staying};
use crate::rollout::schedule::ClusterRun;

/// A verified cluster until `until`, the end of its soak: a failing gate breaks it. "Wait" does not: the autoscaler is at
/// work all the time. Whether the cluster can be seen: without eyes nothing passes.
pub(crate) fn watch(
    round: &RoundContext<'_>,
    run: &ClusterRun,
    until: Timestamp,
    out: &mut DecisionBuilder<'_>,
) -> bool {
    let mark = out.mark();
    let seen = look(round, run, out).is_some_and(|sight| {
        let asked = NodesAsked {
            live: sight.live,
            limits: Limits {
                roles: &run.roles,
                groups: &staying(run).collect(),
            },
            since: Timestamp::from_millis(0),
            patience: run.rolling.ready_timeout,
            now: round.now,
            before: sight.progress.before.as_ref(),
        };
        match health::steady(&asked, run.rolling.tolerance) {
            Steady::Good => true,
            Steady::Tolerated(nodes) => {
                if round.now < until {
                    out.wait_cluster(&run.cluster, Reason::SoaksOn { nodes }, Some(until));
                }
                true
            }
            Steady::Broken(symptoms) => {
                broken(&sight, symptoms, out);
                // Whatever its time says: what breaks in its last round has not soaked, and nothing passes on it.
                false
            }
            // What worked is not taken back for what a person can see and mend: it is waited for, and then that person's.
            Steady::Waits(ground) => {
                let late = round.now.since(until.max(sight.progress.resumed_at));
                if round.now > until && late > run.rolling.ready_timeout {
                    let why = Reason::SoakOverdue { late, ground };
                    out.stuck_cluster(&run.cluster, why, Advice::SeeControlPlane);
                } else {
                    let why = Reason::SoakWaits { ground };
                    out.wait_cluster(&run.cluster, why, Some(until + run.rolling.ready_timeout));
                }
                false
            }
        }
    });
    if round.now > until {
        patience(round, run, &mark, Mode::Forward, out);
    }
    seen
}

/// A soak that is broken again and again proves that the release does not hold.
fn broken(sight: &ClusterContext<'_>, symptoms: Vec<Symptom>, out: &mut DecisionBuilder<'_>) {
    const MAX_BREAKS: u32 = 3;
    let cluster = sight.run.cluster.clone();
    match sight.progress.breaks {
        times if times >= MAX_BREAKS => {
            let why = Reason::SoakBrokenAgain { times, symptoms };
            out.fail(&cluster, None, why);
        }
        _ => out.records.push(Event::Cluster(
            cluster,
            ClusterEvent::SoakBroken {
                why: Reason::Unhealthy { symptoms },
            },
        )),
    }
}
