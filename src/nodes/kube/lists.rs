//! Lists of the objects of one kind, page by page, and the question for the newest version. Keeps nothing, watches nothing.

use kube::Client;
use kube::api::ListParams;
use kube::core::Request;

use super::call::{Fault, call};
use super::kinds::{Kind, Version};
use super::pods::Pod;
use super::table::Table;
use super::wire::Page;
use crate::model::NodeName;

/// Items a page. Source: what kubectl asks for.
const PAGE: u32 = 500;

/// A name that no object has: a list of it is told the newest version, and nothing else.
const NOBODY: &str = "metadata.name=kfleet-asks-for-the-newest-version";

/// All of them, as they are now: without a `resourceVersion` the API answers with the newest. Source: Kubernetes, API concepts, "Semantics for get and list".
pub(super) async fn all<K: Kind>(client: &Client) -> Result<Table<K>, Fault> {
    listed::<K>(client, &ListParams::default().limit(PAGE)).await
}

/// The pods of one node. Without a limit the API answers from its cache, by an index (Kubernetes 1.31; before, it goes through all pods of the cluster).
pub(super) async fn of_node(client: &Client, node: &NodeName) -> Result<Vec<Pod>, Fault> {
    let select = ListParams::default().fields(&format!("spec.nodeName={node}"));
    Ok(listed::<Pod>(client, &select).await?.into_items())
}

/// A list that became too old on the way (410) is begun anew, once.
async fn listed<K: Kind>(client: &Client, select: &ListParams) -> Result<Table<K>, Fault> {
    match pages::<K>(client, select).await {
        Err(Fault::Expired(_)) => pages::<K>(client, select).await,
        answer => answer,
    }
}

/// Page by page, each made small before the next is asked for.
async fn pages<K: Kind>(client: &Client, select: &ListParams) -> Result<Table<K>, Fault> {
    let mut table = Table::new();
    let mut select = select.clone();
    loop {
        let page = page::<K>(client, K::ALL, &select).await?;
        page.items.into_iter().for_each(|found| table.put(found));
        match page.metadata.more.filter(|token| !token.is_empty()) {
            Some(token) => select = select.continue_token(&token),
            // All pages are of the version of the first. Source: Kubernetes, API concepts, "Retrieving large results sets in chunks".
            None => {
                table.listed_at(Version::new(page.metadata.resource_version.as_deref()));
                return Ok(table);
            }
        }
    }
}

/// The newest version that there is, in this moment or after it: the API asks etcd for it, or waits until its own cache is known to be as new.
/// None: it is no number, and cannot be compared.
///
/// Source: Kubernetes, API concepts, "Semantics for get and list"; kube-apiserver, `storage/cacher/delegator.go` (KEP-2340, consistent reads from the cache).
pub(super) async fn newest<K: Kind>(client: &Client) -> Result<Option<Version>, Fault> {
    let nobody = ListParams::default().fields(NOBODY);
    let page = page::<K>(client, K::NEAR, &nobody).await?;
    Ok(Version::new(page.metadata.resource_version.as_deref()))
}

async fn page<K: Kind>(
    client: &Client,
    path: &str,
    select: &ListParams,
) -> Result<Page<K::Wire>, Fault> {
    let request = Request::new(path)
        .list(select)
        .map_err(|e| Fault::Refused(e.to_string()))?;
    call(|| client.request::<Page<K::Wire>>(request.clone())).await
}
