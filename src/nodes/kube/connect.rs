//! From a kubeconfig's context to a connection whose cluster is known to be the one that is meant.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, PostParams};
use kube::config::{ExecInteractiveMode, KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

use super::call::{Fault, call, chain, fault};
use crate::model::ClusterName;
use crate::nodes::Access;

/// A credential plugin that takes longer gives nothing.
const PLUGIN: Duration = Duration::from_secs(60);

/// What a look and a drain need. Source: RBAC of the calls in this folder.
const NEEDED: [(&str, &str, &str, &str); 8] = [
    ("list", "", "nodes", ""),
    ("get", "", "nodes", ""),
    ("patch", "", "nodes", ""),
    ("list", "", "pods", ""),
    ("create", "", "pods", "eviction"),
    ("delete", "", "pods", ""),
    ("list", "policy", "poddisruptionbudgets", ""),
    ("get", "", "namespaces", ""),
];

/// A cluster that is the one that is meant.
#[derive(Clone)]
pub(super) struct Connection {
    pub(super) client: Client,
    /// Uid of its namespace `kube-system`.
    pub(super) uid: String,
    /// What the caller may not do there, of what is needed.
    pub(super) denied: BTreeSet<String>,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection")
            .field("uid", &self.uid)
            .finish_non_exhaustive()
    }
}

/// Connects, and makes sure of the cluster. `foreign`: names that its API must not go by.
pub(super) async fn connect(
    access: &Access,
    kubeconfig: Option<&Path>,
    foreign: &[&ClusterName],
) -> Result<Connection, Fault> {
    let config = config(access, kubeconfig).await?;
    not_foreign(config.cluster_url.host().unwrap_or_default(), foreign)?;
    let client = client(config).await?;
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let system = call(|| namespaces.get("kube-system"))
        .await
        .map_err(|fault| match fault {
            Fault::Refused(why) => Fault::Refused(format!(
                "which cluster it is cannot be seen (get namespaces): {why}"
            )),
            other @ (Fault::Silent(_)
            | Fault::Unauthorized(_)
            | Fault::Busy(_)
            | Fault::Gone
            | Fault::Conflict(_)
            | Fault::Stranger(_)) => other,
        })?;
    let uid = system
        .metadata
        .uid
        .filter(|uid| !uid.is_empty())
        .ok_or_else(|| Fault::Stranger("its namespace kube-system has no uid".into()))?;
    if let Some(known) = access.uid.as_ref().filter(|known| **known != uid) {
        return Err(Fault::Stranger(format!(
            "its namespace kube-system has the uid {uid}, that of the cluster last rolled out to has {known} (context {})",
            access.context
        )));
    }
    let denied = denied(&client).await?;
    Ok(Connection {
        client,
        uid,
        denied,
    })
}

async fn config(access: &Access, kubeconfig: Option<&Path>) -> Result<Config, Fault> {
    let unusable = |e: &dyn std::error::Error| {
        Fault::Refused(format!("the kubeconfig cannot be used: {}", chain(e)))
    };
    let mut kubeconfig = match kubeconfig {
        Some(path) => Kubeconfig::read_from(path),
        None => Kubeconfig::read(),
    }
    .map_err(|e| unusable(&e))?;
    for exec in kubeconfig
        .auth_infos
        .iter_mut()
        .filter_map(|named| named.auth_info.as_mut()?.exec.as_mut())
    {
        // Nobody sits there to answer its questions, and what it says to people is part of an error.
        if exec.interactive_mode != Some(ExecInteractiveMode::Always) {
            exec.interactive_mode = Some(ExecInteractiveMode::Never);
        }
    }
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
    Ok(config)
}

/// A client; a credential plugin runs to its end here, and would hold up everything else.
async fn client(config: Config) -> Result<Client, Fault> {
    // The client's worker lives in the runtime that makes it.
    let runtime = tokio::runtime::Handle::current();
    let made = tokio::task::spawn_blocking(move || {
        let _inside = runtime.enter();
        Client::try_from(config)
    });
    match tokio::time::timeout(PLUGIN, made).await {
        Ok(Ok(Ok(client))) => Ok(client),
        Ok(Ok(Err(error))) => Err(fault(&error)),
        Ok(Err(_)) => Err(Fault::Refused("the context cannot be used".into())),
        Err(_) => Err(Fault::Unauthorized(format!(
            "the credential plugin gave nothing within {} s",
            PLUGIN.as_secs()
        ))),
    }
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

/// What the caller may not do, in the API's words.
async fn denied(client: &Client) -> Result<BTreeSet<String>, Fault> {
    let reviews: Api<SelfSubjectAccessReview> = Api::all(client.clone());
    let mut denied = BTreeSet::new();
    for (verb, group, resource, subresource) in NEEDED {
        let attributes = ResourceAttributes {
            verb: Some(verb.into()),
            group: Some(group.into()),
            resource: Some(resource.into()),
            subresource: (!subresource.is_empty()).then(|| subresource.into()),
            ..ResourceAttributes::default()
        };
        let spec = SelfSubjectAccessReviewSpec {
            resource_attributes: Some(attributes),
            ..SelfSubjectAccessReviewSpec::default()
        };
        let review = SelfSubjectAccessReview {
            spec,
            ..SelfSubjectAccessReview::default()
        };
        let parameters = PostParams::default();
        let answer = call(|| reviews.create(&parameters, &review)).await?;
        if !answer.status.is_some_and(|s| s.allowed) {
            let sub = if subresource.is_empty() {
                String::new()
            } else {
                format!("/{subresource}")
            };
            denied.insert(format!("{verb} {resource}{sub}"));
        }
    }
    Ok(denied)
}
