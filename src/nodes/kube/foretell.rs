//! Before a drain: what the API would answer to its evictions, asked for one pod of each owner without doing it. A webhook or a policy that says no
//! cannot be read anywhere beforehand. Nothing changes by it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::budgets::{Budgets, held_by_budgets};
use super::connect::Connection;
use super::evictions::{Answer, evict_one};
use super::pods::Pod;
use crate::model::{ClusterName, Foretold, NodeName, RefusalKind, Span, Timestamp};

/// What was asked is not asked again for this long.
const LASTS: Span = Span::from_secs(300);

/// All of it takes this long at the most: a webhook that hangs is asked about every pod.
const PATIENCE: Duration = Duration::from_secs(20);

/// Asked at once.
const PARALLEL: usize = 10;

/// The right without which there is nothing to ask.
const EVICT: &str = "create pods/eviction";

/// One pod that speaks for all of its owner.
pub(super) struct Spokesman {
    of: String,
    pod: Pod,
    nodes: BTreeSet<NodeName>,
}

/// One for each owner of pods that a drain would have to evict and that no budget is known to hold: what a budget says is read.
pub(super) fn spokesmen<'a>(
    all: impl Iterator<Item = &'a Pod>,
    budgets: &Budgets<'_>,
) -> Vec<Spokesman> {
    let mut found: BTreeMap<String, Spokesman> = BTreeMap::new();
    for pod in all.filter(|p| p.has_to_go() && !p.is_leaving()) {
        let Some(node) = pod.node() else {
            continue;
        };
        let of = pod.owner().unwrap_or_else(|| pod.name());
        if let Some(one) = found.get_mut(of) {
            one.nodes.insert(node);
        } else if held_by_budgets(pod, budgets).is_none() {
            let (of, nodes) = (of.to_owned(), BTreeSet::from([node]));
            let pod = pod.clone();
            found.insert(of.clone(), Spokesman { of, pod, nodes });
        }
    }
    found.into_values().collect()
}

/// What was asked, and when.
#[derive(Debug, Default)]
pub(super) struct Foretelling(Mutex<BTreeMap<ClusterName, (Timestamp, Vec<Foretold>)>>);

impl Foretelling {
    /// Who would be refused.
    pub(super) async fn asked(
        &self,
        connection: &Connection,
        cluster: &ClusterName,
        spokesmen: Vec<Spokesman>,
        now: Timestamp,
    ) -> Vec<Foretold> {
        if connection.denied.contains(EVICT) {
            return Vec::new();
        }
        if let Some((at, kept)) = self.with(|all| all.get(cluster).cloned())
            && now.since(at) < LASTS
        {
            return kept;
        }
        let found = ask(connection, spokesmen).await;
        self.with(|all| all.insert(cluster.clone(), (now, found.clone())));
        found
    }

    fn with<T>(
        &self,
        f: impl FnOnce(&mut BTreeMap<ClusterName, (Timestamp, Vec<Foretold>)>) -> T,
    ) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn ask(connection: &Connection, spokesmen: Vec<Spokesman>) -> Vec<Foretold> {
    let mut unknown: BTreeMap<String, BTreeSet<NodeName>> = spokesmen
        .iter()
        .map(|one| (one.of.clone(), one.nodes.clone()))
        .collect();
    let mut found = Vec::new();
    let everything = async {
        let mut waiting = spokesmen.into_iter();
        let mut running = tokio::task::JoinSet::new();
        loop {
            while running.len() < PARALLEL
                && let Some(one) = waiting.next()
            {
                let connection = connection.clone();
                running.spawn(async move { (evict_one(&connection, &one.pod, true).await, one) });
            }
            match running.join_next().await {
                None => return,
                Some(Ok((Ok(answer), one))) => {
                    unknown.remove(&one.of);
                    found.extend(foretold(answer, one));
                }
                // No answer: not known.
                Some(Ok((Err(_), _)) | Err(_)) => {}
            }
        }
    };
    // What has not answered when the time is over is dropped with it.
    let _ = tokio::time::timeout(PATIENCE, everything).await;
    let unknown = unknown.into_iter().map(|(of, nodes)| Foretold {
        of,
        nodes,
        answer: None,
    });
    found.extend(unknown);
    found.sort();
    found
}

/// A refusal that a drain would meet. A webhook that cannot be asked without doing it, and an API that is busy, say nothing about that.
fn foretold(answer: Answer, one: Spokesman) -> Option<Foretold> {
    let Answer::Refused(refusal, _) = answer else {
        return None;
    };
    // Source: apiserver, `admission/plugin/webhook/errors`.
    if refusal.message.contains("does not support dry run") {
        return None;
    }
    match refusal.kind() {
        RefusalKind::Budget
        | RefusalKind::UnprocessedBudget
        | RefusalKind::ManyBudgets
        | RefusalKind::Admission
        | RefusalKind::BrokenWebhook
        | RefusalKind::EndingNamespace
        | RefusalKind::Right => Some(Foretold {
            of: one.of,
            nodes: one.nodes,
            answer: Some(refusal),
        }),
        RefusalKind::Busy | RefusalKind::Other => None,
    }
}
