//! From a kubeconfig's context to a connection whose cluster is known to be the one that is meant.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use kube::api::Api;
use kube::config::{ExecConfig, KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Value as Json, json};
use tokio::sync::OnceCell;

use super::call::{Fault, call, chain, fault};
use super::kinds::Lane;
use super::plugin::{self, Plugins};
use super::rights;
use crate::model::{ClusterName, Right, SYSTEM_NAMESPACE as SYSTEM, Timestamp};
use crate::nodes::NodeAccess;

/// A connection that is not there after this long, never will be: certificates are read, a proxy is asked.
const PATIENCE: Duration = Duration::from_secs(30);

/// A cluster that is the one that is meant.
#[derive(Clone)]
pub(super) struct Connection {
    pub(super) client: Client,
    /// Uid of its namespace `kube-system`.
    pub(super) uid: String,
    /// What the caller may not do there, of what a drain needs.
    pub(super) denied: BTreeSet<String>,
    /// What is listed at each look for want of a right: `watch pods`. One that is given is noticed by the next connection.
    pub(super) unwatched: BTreeSet<String>,
    /// For want of which right no volume is waited for: `list volumeattachments`.
    pub(super) volumes_unseen: BTreeSet<String>,
    /// How each kind's own connection is made, once it is needed.
    config: Arc<Config>,
    lanes: Arc<[OnceCell<Client>; 4]>,
    /// When its credentials end, where that is known.
    expires: Option<Timestamp>,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection")
            .field("uid", &self.uid)
            .finish_non_exhaustive()
    }
}

impl Connection {
    /// Whether its credentials last for a while.
    pub(super) fn lasts(&self, now: Timestamp) -> bool {
        plugin::lasts(self.expires, now)
    }

    pub(super) fn may_watch(&self, resource: &str) -> bool {
        let watch = self
            .unwatched
            .iter()
            .filter_map(|r| r.strip_prefix("watch "));
        watch.into_iter().all(|unwatched| unwatched != resource)
    }

    /// The connection of a kind's own: what is asked one after the other is asked of the same API server, where several are behind one name.
    pub(super) async fn lane(&self, lane: Lane) -> Result<Client, Fault> {
        let [nodes, pods, budgets, attachments] = &*self.lanes;
        let cell = match lane {
            Lane::Nodes => nodes,
            Lane::Pods => pods,
            Lane::Budgets => budgets,
            Lane::Attachments => attachments,
        };
        let made = cell.get_or_try_init(|| client(Config::clone(&self.config)));
        made.await.cloned()
    }

    /// Refused where it is not the cluster with this uid. `known_from`: who says that it has it.
    pub(super) fn is_cluster(
        &self,
        uid: Option<&str>,
        known_from: &str,
        access: &NodeAccess,
    ) -> Result<(), Fault> {
        match uid.filter(|known| *known != self.uid) {
            None => Ok(()),
            Some(known) => Err(Fault::Stranger(format!(
                "its namespace {SYSTEM} has the uid {}, that of {known_from} has {known} (context {})",
                self.uid, access.context
            ))),
        }
    }
}

/// Connects, and sees which cluster it is. `foreign`: names that its API must not go by.
pub(super) async fn connect(
    access: &NodeAccess,
    kubeconfig: Option<&Path>,
    foreign: &[&ClusterName],
    plugins: &Plugins,
    now: Timestamp,
) -> Result<Connection, Fault> {
    let (config, expires) = config(access, kubeconfig, foreign, plugins, now).await?;
    let client = client(config.clone()).await?;
    // What is missing is said at once, before anything runs against it.
    let denied = rights::denied(&client).await?;
    let words = |rights: &BTreeSet<Right>| -> BTreeSet<String> {
        rights.iter().map(Right::to_string).collect()
    };
    if !denied.looks.is_empty() {
        let blind: Vec<String> = words(&denied.looks).into_iter().collect();
        return Err(Fault::Rights(blind.join(", ")));
    }
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let system = call(|| namespaces.get(SYSTEM)).await?;
    let uid = system
        .metadata
        .uid
        .filter(|uid| !uid.is_empty())
        .ok_or_else(|| Fault::Stranger(format!("its namespace {SYSTEM} has no uid")))?;
    Ok(Connection {
        client,
        uid,
        denied: words(&denied.drains),
        unwatched: words(&denied.watches),
        volumes_unseen: words(&denied.volumes),
        config: Arc::new(config),
        lanes: Arc::default(),
        expires,
    })
}

async fn config(
    access: &NodeAccess,
    path: Option<&Path>,
    foreign: &[&ClusterName],
    plugins: &Plugins,
    now: Timestamp,
) -> Result<(Config, Option<Timestamp>), Fault> {
    let unusable = |e: &dyn std::error::Error| Fault::Context(chain(e));
    let mut kubeconfig = match path {
        Some(path) => Kubeconfig::read_from(path),
        None => Kubeconfig::read(),
    }
    .map_err(|e| unusable(&e))?;
    not_foreign(&server(&kubeconfig, access), foreign)?;
    let expires = with_credential(&mut kubeconfig, access, plugins, now).await?;
    let options = KubeConfigOptions {
        context: Some(access.context.clone()),
        cluster: None,
        user: None,
    };
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &options)
        .await
        .map_err(|e| unusable(&e))?;
    config.connect_timeout = Some(Duration::from_secs(10));
    // A 429 of an eviction is an answer. What is worth another try is decided in `call`.
    config.default_retry = false;
    Ok((config, expires))
}

/// Runs the credential plugin of the context's user, if it has one, and puts what it gives in its place: the client would run it anew for every
/// connection, several times, and without an end.
async fn with_credential(
    kubeconfig: &mut Kubeconfig,
    access: &NodeAccess,
    plugins: &Plugins,
    now: Timestamp,
) -> Result<Option<Timestamp>, Fault> {
    let context = kubeconfig
        .contexts
        .iter()
        .find(|c| c.name == access.context)
        .and_then(|c| c.context.as_ref());
    let Some(name) = context.and_then(|c| c.user.clone()) else {
        return Ok(None);
    };
    let cluster = context.map(|c| c.cluster.clone()).unwrap_or_default();
    let user = kubeconfig
        .auth_infos
        .iter()
        .find(|u| u.name == name)
        .and_then(|u| u.auth_info.as_ref());
    let Some(exec) = user.and_then(|u| u.exec.clone()) else {
        return Ok(None);
    };
    let told = told_of_cluster(kubeconfig, &cluster, &exec);
    let credential = plugins.credential(&exec, told, now).await?;
    for user in kubeconfig.auth_infos.iter_mut().filter(|u| u.name == name) {
        if let Some(info) = &user.auth_info {
            user.auth_info = Some(credential.instead_of_plugin(info)?);
        }
    }
    Ok(credential.expires)
}

/// What a plugin that wants to know of the cluster is told. Source: client.authentication.k8s.io/v1, `Cluster`.
fn told_of_cluster(kubeconfig: &Kubeconfig, name: &str, exec: &ExecConfig) -> Option<Json> {
    let cluster = kubeconfig
        .clusters
        .iter()
        .find(|c| exec.provide_cluster_info && c.name == name)?
        .cluster
        .as_ref()?;
    let config = cluster
        .extensions
        .iter()
        .flatten()
        .find(|e| e.name == "client.authentication.k8s.io/exec")
        .map(|e| e.extension.clone());
    Some(json!({
        "server": cluster.server,
        "tls-server-name": cluster.tls_server_name,
        "insecure-skip-tls-verify": cluster.insecure_skip_tls_verify.unwrap_or_default(),
        "certificate-authority-data": cluster.certificate_authority_data,
        "proxy-url": cluster.proxy_url,
        "config": config,
    }))
}

/// A client. What it reads and parses to be made may hold up everything else.
async fn client(config: Config) -> Result<Client, Fault> {
    // The client's worker lives in the runtime that makes it.
    let runtime = tokio::runtime::Handle::current();
    let made = tokio::task::spawn_blocking(move || {
        let _inside = runtime.enter();
        Client::try_from(config)
    });
    match tokio::time::timeout(PATIENCE, made).await {
        Ok(Ok(Ok(client))) => Ok(client),
        Ok(Ok(Err(error))) => {
            let fault = fault(&error);
            Err(if matches!(fault, Fault::Unauthorized(_)) {
                fault
            } else {
                Fault::Context(fault.to_string())
            })
        }
        Ok(Err(_)) => Err(Fault::Context("the context cannot be used".into())),
        Err(_) => Err(Fault::Context(format!(
            "the context gave no connection within {} s",
            PATIENCE.as_secs()
        ))),
    }
}

/// Where the context leads.
fn server(kubeconfig: &Kubeconfig, access: &NodeAccess) -> String {
    let context = kubeconfig
        .contexts
        .iter()
        .find(|c| c.name == access.context)
        .and_then(|c| c.context.as_ref());
    let cluster = context.and_then(|context| {
        kubeconfig
            .clusters
            .iter()
            .find(|c| c.name == context.cluster)?
            .cluster
            .as_ref()
    });
    let server = cluster.and_then(|c| c.server.clone()).unwrap_or_default();
    let host = server.split_once("://").map_or(&*server, |(_, rest)| rest);
    let host = host.split(['/', ':']).next().unwrap_or_default();
    host.to_ascii_lowercase()
}

/// An API that goes by the name of another cluster of the fleet is not this one's. kops calls it `api.NAME` and `api.internal.NAME`.
fn not_foreign(host: &str, foreign: &[&ClusterName]) -> Result<(), Fault> {
    let named = host
        .strip_prefix("api.internal.")
        .or_else(|| host.strip_prefix("api."));
    match foreign.iter().find(|other| named == Some(other.as_str())) {
        Some(other) => Err(Fault::Stranger(format!(
            "the context leads to {host}, the API of {other}"
        ))),
        None => Ok(()),
    }
}
