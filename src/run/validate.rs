//! The gate that kops answers: clusters at the same time, one kops for each. Judges what kops found; decides nothing.

use super::fence::place;
use super::runner::{Runner, raised};
use super::together::{MAX_CLUSTERS, together};
use super::{RunError, Signal};
use crate::cloud::Cloud;
use crate::engine::{Engine, EngineError, KopsCall, Validation};
use crate::nodes::NodeApi;
use crate::rollout::{Check, ClusterEvent, Event, Ground, Question, Verdict};

/// Failures that a verdict names.
const NAMED: usize = 5;

impl<W: Cloud + NodeApi + Engine, T: FnMut(Signal<'_>)> Runner<'_, W, T> {
    /// Asks kops about the clusters of these checks that want it. Whether anything was written down.
    pub(super) async fn ask_kops(&mut self, checks: &[Check]) -> Result<bool, RunError> {
        let mine: Vec<&Check> = checks
            .iter()
            .filter(|check| check.question == Question::Kops)
            .collect();
        if mine.is_empty() {
            return Ok(false);
        }
        let (world, rollout) = (self.world, self.journal.rollout());
        let asked = mine.iter().map(|check| async move {
            let run = rollout.cluster(&check.cluster)?;
            let found = world.validate(&place(run)).await;
            let calls = world.drain_calls(&place(run)).await;
            let texts: Vec<String> = calls.iter().map(KopsCall::text).collect();
            let event = Event::Cluster(
                check.cluster.clone(),
                ClusterEvent::Answered {
                    scope: check.scope.clone(),
                    gate: check.gate.clone(),
                    verdict: verdict(found),
                },
            );
            Some((event, (run.cluster.clone(), texts.join("\n"))))
        });
        let answers = tokio::select! {
            biased;
            answers = together(MAX_CLUSTERS, asked) => answers,
            () = raised(self.interrupted) => return Ok(false),
        };
        let (answers, printed): (Vec<Event>, Vec<_>) = answers.into_iter().flatten().unzip();
        for (cluster, text) in printed.iter().filter(|(_, text)| !text.is_empty()) {
            // An aside: what cannot be kept is not, and the rollout goes on.
            let name = format!("kops-validate.{cluster}");
            let _lost = self.store.put_output(&rollout.id, &name, text);
        }
        Ok(!self.append(answers)?.is_empty())
    }
}

/// A cluster that is not healthy yet is waited for, until the gate's deadline. Of a cluster without nodes nothing is known.
fn verdict(found: Result<Validation, EngineError>) -> Verdict {
    match found {
        Ok(Validation { nodes: 0, failures }) if failures.is_empty() => {
            Verdict::Wait(Ground::Words("kops sees no node".into()))
        }
        Ok(Validation { nodes, failures }) if failures.is_empty() => Verdict::Pass(Ground::Words(
            format!("kops validates the cluster, with {nodes} nodes"),
        )),
        Ok(Validation { nodes: _, failures }) => {
            let more = failures.len().saturating_sub(NAMED);
            let named = failures.iter().take(NAMED).map(String::as_str);
            let mut words = named.collect::<Vec<_>>().join("; ");
            if more > 0 {
                words += &format!(" and {more} more");
            }
            Verdict::Wait(Ground::Words(format!("kops does not validate it: {words}")))
        }
        Err(error) => Verdict::Wait(Ground::Words(error.to_string())),
    }
}
