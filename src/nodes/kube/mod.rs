//! The clusters' own APIs, through the `kube` crate: the only home of its types. Decides nothing.
//!
//! A context of the kubeconfig is connected to when it is first needed, and kept. Before anything is read or done, the
//! cluster behind it is held against the one that is meant; a connection that fails is forgotten, so that the next one
//! asks the credential plugin anew.
//!
//! A single look lists. Once a rollout has begun with a cluster, what is there is listed once and then watched, into a picture that is small; each
//! look proves that it is as new as the look itself (`watch`).

mod attachments;
mod budgets;
mod call;
mod connect;
mod effects;
mod evictions;
mod foretell;
mod kinds;
mod kubeconfig;
mod lists;
mod marks;
mod nodes;
mod picture;
mod plugin;
mod pods;
mod read;
mod rights;
mod table;
mod watch;
mod wire;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex as Lock, PoisonError};

use tokio::sync::Mutex;

use super::{NodeAccess, NodeApi, NodeError};
use crate::model::{Applied, ClusterName, NodeEffect, Nodes, Seen, Timestamp};
use call::Fault;
use connect::Connection;
use effects::Scene;
use evictions::AllAnswers;
use foretell::Foretelling;
pub use kubeconfig::of_context;
use picture::{IDLE, Picture};
use plugin::Plugins;

/// Why a cluster without a context is not asked.
const NO_CONTEXT: &str = "no context is configured for the cluster";

/// What time it is.
type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The Kubernetes APIs of a fleet.
pub struct Clusters {
    /// How each cluster that can be asked is reached.
    access: BTreeMap<ClusterName, NodeAccess>,
    /// A kubeconfig in place of the user's own (`KUBECONFIG`, else `~/.kube/config`).
    kubeconfig: Option<PathBuf>,
    /// Each by itself: one that takes long keeps no other cluster waiting.
    connections: BTreeMap<ClusterName, Mutex<Option<Connection>>>,
    /// Uids of clusters that a rollout has seen: no other is meant.
    expected: Lock<BTreeMap<ClusterName, String>>,
    /// What is known of each cluster that a rollout has begun with, and when it was looked at or used last.
    pictures: Lock<BTreeMap<ClusterName, (Timestamp, Arc<Picture>)>>,
    plugins: Plugins,
    answers: AllAnswers,
    foretelling: Foretelling,
    clock: Clock,
}

impl std::fmt::Debug for Clusters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Clusters")
            .field("access", &self.access)
            .finish_non_exhaustive()
    }
}

impl Clusters {
    /// Gets ready to ask; asks nothing yet. `clock` says what time it is: pauses, and the ends of credentials, are counted in it.
    pub fn new(
        access: BTreeMap<ClusterName, NodeAccess>,
        kubeconfig: Option<PathBuf>,
        clock: impl Fn() -> Timestamp + Send + Sync + 'static,
    ) -> Clusters {
        let names = access.keys().cloned();
        Clusters {
            connections: names.map(|name| (name, Mutex::default())).collect(),
            access,
            kubeconfig,
            expected: Lock::default(),
            pictures: Lock::default(),
            plugins: Plugins::default(),
            answers: AllAnswers::default(),
            foretelling: Foretelling::default(),
            clock: Arc::new(clock),
        }
    }

    /// Credential plugins are attended to by this program, `kfleet` itself, which ends them when this process has ended in whatever way.
    #[must_use]
    pub fn attended_by(mut self, program: Option<PathBuf>) -> Clusters {
        self.plugins.attendant = program;
        self
    }

    /// A connection that is proven to be the cluster's, as far as it is known which one that is.
    async fn connection(
        &self,
        cluster: &ClusterName,
        access: &NodeAccess,
    ) -> Result<Connection, Fault> {
        let now = (self.clock)();
        let Some(own) = self.connections.get(cluster) else {
            return Err(Fault::Context(NO_CONTEXT.into()));
        };
        let mut own = own.lock().await;
        // Rights that are missing may be given at any time.
        let kept = own
            .as_ref()
            .filter(|c| c.lasts(now) && c.denied.is_empty())
            .filter(|c| self.proven(c, cluster, access).is_ok());
        let connection = match kept {
            Some(connection) => connection.clone(),
            None => {
                let foreign: Vec<&ClusterName> = self
                    .access
                    .keys()
                    .filter(|other| *other != cluster)
                    .collect();
                let kubeconfig = self.kubeconfig.as_deref();
                let made = connect::connect(access, kubeconfig, &foreign, &self.plugins, now).await;
                if let Err(Fault::Unauthorized(_)) = &made {
                    self.plugins.forget();
                }
                made?
            }
        };
        // One that is another cluster's is not kept: the kubeconfig may be right the next time.
        *own = None;
        self.proven(&connection, cluster, access)?;
        *own = Some(connection.clone());
        Ok(connection)
    }

    /// Refused where the connection is known to be another cluster's.
    fn proven(
        &self,
        connection: &Connection,
        cluster: &ClusterName,
        access: &NodeAccess,
    ) -> Result<(), Fault> {
        let expected = self.lock().get(cluster).cloned();
        connection.is_cluster(expected.as_deref(), "the cluster of this rollout", access)?;
        connection.is_cluster(
            access.uid.as_deref(),
            "the cluster last rolled out to",
            access,
        )
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<ClusterName, String>> {
        self.expected.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Credentials may have expired, or the API moved: the next call begins anew.
    async fn forget<T>(&self, cluster: &ClusterName, result: Result<T, Fault>) -> Result<T, Fault> {
        if let Err(Fault::Silent(_) | Fault::Unauthorized(_) | Fault::Forbidden(_)) = &result
            && let Some(own) = self.connections.get(cluster)
        {
            *own.lock().await = None;
        }
        if let Err(Fault::Unauthorized(_)) = &result {
            self.plugins.forget();
        }
        result
    }

    /// What is known of the cluster behind a connection. Of another one that was there before nothing is kept, nor of a cluster that is not looked at any
    /// more, nor of one that no rollout has begun with: most commands look once, at many.
    fn picture(&self, cluster: &ClusterName, connection: &Connection) -> Arc<Picture> {
        let begun = self.lock().contains_key(cluster);
        let mut pictures = self.pictures.lock().unwrap_or_else(PoisonError::into_inner);
        let now = (self.clock)();
        pictures.retain(|_, (used, _)| now.since(*used) < IDLE);
        match pictures.get_mut(cluster) {
            Some((used, known)) if known.uid == connection.uid => {
                *used = now;
                Arc::clone(known)
            }
            Some(_) | None => {
                let new = Arc::new(Picture::new(&connection.uid));
                if begun {
                    pictures.insert(cluster.clone(), (now, Arc::clone(&new)));
                }
                new
            }
        }
    }

    async fn look(&self, cluster: &ClusterName, access: &NodeAccess) -> Result<Seen, Fault> {
        let connection = self.connection(cluster, access).await?;
        let picture = self.picture(cluster, &connection);
        let seen = read::seen(
            &connection,
            &picture,
            &self.answers.of(cluster),
            (self.clock)(),
        )
        .await;
        let (mut seen, spokesmen) = self.forget(cluster, seen).await?;
        // Once a rollout has begun with the cluster the evictions themselves are asked for.
        let begun = self.lock().contains_key(cluster);
        if !begun {
            let now = (self.clock)();
            let asked = self.foretelling.asked(&connection, cluster, spokesmen, now);
            seen.foretold = asked.await;
        }
        Ok(seen)
    }

    async fn carry_out(
        &self,
        connection: &Connection,
        cluster: &ClusterName,
        effect: &NodeEffect,
    ) -> Result<Applied, Fault> {
        let picture = self.picture(cluster, connection);
        let scene = Scene {
            connection,
            picture: &picture,
            answers: &self.answers.of(cluster),
            now: (self.clock)(),
        };
        let applied = effects::apply(scene, effect).await;
        self.forget(cluster, applied).await
    }
}

impl NodeApi for Clusters {
    fn expect(&self, cluster: &ClusterName, uid: &str) {
        self.lock().insert(cluster.clone(), uid.to_owned());
    }

    async fn nodes(&self, cluster: &ClusterName) -> Nodes {
        match self.access.get(cluster) {
            None => Nodes::NotAsked,
            Some(access) => match self.look(cluster, access).await {
                Ok(seen) => Nodes::Known(seen),
                Err(fault) => Nodes::Unknown(fault.unseen()),
            },
        }
    }

    async fn act(&self, cluster: &ClusterName, effect: &NodeEffect) -> Result<Applied, NodeError> {
        let cluster = cluster.clone();
        let Some(access) = self.access.get(&cluster) else {
            let fault = Fault::Context(NO_CONTEXT.into());
            let unseen = fault.unseen();
            return Err(NodeError::Shut { cluster, unseen });
        };
        // Without a connection nothing was asked.
        let connection = match self.connection(&cluster, access).await {
            Ok(connection) => connection,
            Err(fault @ (Fault::Silent(_) | Fault::Busy(_) | Fault::Crowded(_))) => {
                let message = fault.to_string();
                return Err(NodeError::Unreachable { cluster, message });
            }
            Err(fault) => {
                let unseen = fault.unseen();
                return Err(NodeError::Shut { cluster, unseen });
            }
        };
        let message = |fault: Fault| fault.to_string();
        match self.carry_out(&connection, &cluster, effect).await {
            Ok(applied) => Ok(applied),
            Err(
                fault @ (Fault::Silent(_)
                | Fault::Unauthorized(_)
                | Fault::Busy(_)
                | Fault::Crowded(_)),
            ) => Err(NodeError::Unreachable {
                message: message(fault),
                cluster,
            }),
            Err(
                fault @ (Fault::Gone
                | Fault::Expired(_)
                | Fault::Conflict(_)
                | Fault::Forbidden(_)
                | Fault::Refused(_)
                | Fault::Context(_)
                | Fault::Rights(_)
                | Fault::Stranger(_)),
            ) => Err(NodeError::Denied {
                message: message(fault),
                cluster,
            }),
        }
    }
}
