//! What is known of one cluster between two looks: its nodes, pods and budgets, small. Every look brings it up to what is there in its own beginning, or
//! fails, and then nothing is known any more. Decides nothing.

use tokio::sync::Mutex;

use super::attachments::{Attachments, ByNode};
use super::budgets::Budget;
use super::call::Fault;
use super::connect::Connection;
use super::lists::of_node;
use super::nodes::NodeFacts;
use super::pods::Pod;
use super::table::Table;
use super::watch::renew;
use crate::model::{NodeName, Span, Timestamp};

/// What is older is not carried on, but listed: the API remembers what has happened for five minutes. Source: etcd, compaction by kube-apiserver,
/// `--etcd-compaction-interval`.
const OLD: Span = Span::from_secs(300);

/// A round of evictions asks for the pods of the last look where it is younger than this, else the API.
const RECENT: Span = Span::from_secs(30);

/// Not looked at for so long: nothing is under way there.
pub(super) const IDLE: Span = Span::from_secs(300);

#[derive(Default)]
struct Tables {
    nodes: Option<Table<NodeFacts>>,
    pods: Option<Table<Pod>>,
    budgets: Option<Table<Budget>>,
    attachments: Attachments,
    /// They show at least what was there then.
    proven: Option<Timestamp>,
}

/// One cluster.
pub(super) struct Picture {
    /// Of which cluster: the uid of its namespace `kube-system`.
    pub(super) uid: String,
    tables: Mutex<Tables>,
}

/// What a look shows.
pub(super) struct Shown<'a> {
    pub(super) nodes: &'a Table<NodeFacts>,
    pub(super) pods: &'a Table<Pod>,
    pub(super) budgets: &'a Table<Budget>,
    pub(super) attached: ByNode,
}

impl Picture {
    pub(super) fn new(uid: &str) -> Picture {
        Picture {
            uid: uid.to_owned(),
            tables: Mutex::default(),
        }
    }

    /// What is there now. Fails where the API does not say so.
    pub(super) async fn look<T>(
        &self,
        connection: &Connection,
        now: Timestamp,
        show: impl FnOnce(Shown<'_>) -> T,
    ) -> Result<T, Fault> {
        let mut tables = self.tables.lock().await;
        let continues = tables.proven.is_some_and(|at| now.since(at) < OLD);
        let Tables {
            nodes,
            pods,
            budgets,
            attachments,
            proven,
        } = &mut *tables;
        *proven = None;
        let (of_nodes, of_pods, of_budgets, of_volumes) = tokio::join!(
            renew(nodes, connection, continues),
            renew(pods, connection, continues),
            renew(budgets, connection, continues),
            attachments.renew(connection, continues)
        );
        let mut renewed = of_nodes.and(of_pods).and(of_budgets).and(of_volumes);
        if let (Ok(()), Some(nodes), Some(pods), Some(budgets)) = (&renewed, nodes, pods, budgets) {
            match attachments.of_emptied(nodes, connection).await {
                Ok(attached) => {
                    *proven = Some(now);
                    return Ok(show(Shown {
                        nodes,
                        pods,
                        budgets,
                        attached,
                    }));
                }
                Err(fault) => renewed = Err(fault),
            }
        }
        *tables = Tables::default();
        renewed?;
        Err(Fault::Silent("nothing of it was seen".into()))
    }

    /// The pods of a node that have to go: those that the last look showed. Where it showed none, or is not recent, the API is asked: nothing that it has
    /// not said itself is done with. A pod that has gone since is no mistake, an eviction is of one uid; one that has come since is shown by the next look.
    pub(super) async fn left_on(
        &self,
        connection: &Connection,
        node: &NodeName,
        now: Timestamp,
    ) -> Result<Vec<Pod>, Fault> {
        // In the middle of a look it is as good as unknown.
        let known = match self.tables.try_lock() {
            Ok(tables) if tables.proven.is_some_and(|at| now.since(at) < RECENT) => {
                left(tables.pods.iter().flat_map(Table::all), node)
            }
            Ok(_) | Err(_) => Vec::new(),
        };
        if !known.is_empty() {
            return Ok(known);
        }
        let there = of_node(&connection.client, node).await?;
        Ok(left(there.iter(), node))
    }
}

/// The pods of a node that have to go.
fn left<'a>(pods: impl Iterator<Item = &'a Pod>, node: &NodeName) -> Vec<Pod> {
    pods.filter(|pod| pod.is_on(node.as_str()) && pod.has_to_go())
        .cloned()
        .collect()
}
