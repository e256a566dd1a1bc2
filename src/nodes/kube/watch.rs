//! Brings what is known of one kind up to what is there now: what has changed since is asked for by a short watch, and it counts only where the API
//! itself has proven it. Where it does not, all of them are listed. Judges nothing.
//!
//! # What is proven, and how
//!
//! A look shows nothing that is older than its own beginning, whatever a watch says or leaves out:
//!
//! 1. The API is asked for its newest version N, by a list of a name that no object has. Such a list is as new as the question ("most recent"; Kubernetes,
//!    API concepts, "Semantics for get and list"). Whatever this process wrote before is older than N: an effect is seen by the next look.
//! 2. A watch begins at the version V of what is known. Events of a kind come in the order of their versions, and a bookmark of version B says that
//!    everything up to B was told (API concepts, "Efficient detection of changes", "Watch bookmarks"). Versions of a kind are numbers that can be
//!    compared (KEP-5504). So an event or a bookmark of a version >= N is the proof.
//! 3. Without it (410, an end, a stream that stands still, an API server whose cache lags, versions that go back, a right that is missing) all of them
//!    are listed, which is as new as the question again. Where that fails, nothing is known.
//!
//! # Why a watch for each look
//!
//! A watch that stays open proves nothing of a kind that is not written: its bookmarks come once a minute (KEP-956). But one comes two seconds before the
//! time that a watch is asked for is over (kube-apiserver, `storage/cacher/cache_watcher.go`), and it has the version that the API server's cache has
//! reached. From Kubernetes 1.31 on, question 1 makes the API server bring its cache up to N (KEP-2340), so that a watch of three seconds ends the look
//! after one or two, without a list. On older ones, and with an etcd before 3.4.31 or 3.5.13 (kube-apiserver, `storage/feature/feature_support_checker.go`),
//! a kind that is not written in that time is listed. Both requests have to reach the same API server for that: each kind has a connection of its own,
//! which the second finds free.
//!
//! Nothing is open between two looks: a cluster that is not looked at is not watched, a lost connection has nothing to lose, no end is missed.
//! kube's runtime has a watcher. It keeps bookmarks to itself, so that it cannot be known how new its picture is, and it decides by itself when to list
//! again; here nothing but a look does.

use std::time::Duration;

use futures_util::TryStreamExt;
use kube::Client;
use kube::api::{WatchEvent, WatchParams};
use kube::core::Request;

use super::call::{Fault, call, fault};
use super::connect::Connection;
use super::kinds::{Kind, Version};
use super::lists::{all, newest};
use super::table::{OutOfOrder, Table};

/// The seconds that a watch is asked for: its bookmark comes two before the end of them, and none where fewer than one is left by then. Source: kube-apiserver,
/// `storage/cacher/cache_watcher.go`, `nextBookmarkTime`.
const ASKED_FOR: u32 = 3;

/// A watch that has not ended after this long stands still.
const PATIENCE: Duration = Duration::from_secs(6);

/// Watches one after another while each brings something: of a stream that is slow, or has much to tell.
const ROUNDS: usize = 3;

/// Makes it show what is there now. `continues`: it may be carried on from what is known.
pub(super) async fn renew<K: Kind>(
    known: &mut Option<Table<K>>,
    connection: &Connection,
    continues: bool,
) -> Result<(), Fault> {
    if continues
        && connection.may_watch(K::RESOURCE)
        && let Some(table) = known
        && catch_up(table, &connection.lane(K::LANE).await?).await?
    {
        table.tidy();
        return Ok(());
    }
    // Not two of them at a time, and nothing old where the list fails.
    *known = None;
    *known = Some(all(&connection.client).await?);
    Ok(())
}

/// Whether it is proven to show what is there now. Fails where a list would not be answered either, or should not be asked for.
async fn catch_up<K: Kind>(table: &mut Table<K>, client: &Client) -> Result<bool, Fault> {
    let Some(newest) = newest::<K>(client).await? else {
        return Ok(false);
    };
    // A server that has a future of its own was put back from a backup.
    if table.version() > Some(newest) {
        return Ok(false);
    }
    for _ in 0..ROUNDS {
        let Some(from) = table.version() else {
            return Ok(false);
        };
        if from >= newest {
            return Ok(true);
        }
        match tokio::time::timeout(PATIENCE, follow(table, from, newest, client)).await {
            Ok(Ok(())) => {}
            Ok(Err(Lost::Watch)) | Err(_) => return Ok(false),
            Ok(Err(Lost::Api(fault))) => return Err(fault),
        }
        if table.version() == Some(from) {
            return Ok(false);
        }
    }
    Ok(table.version() >= Some(newest))
}

/// Why a watch proves nothing.
enum Lost {
    /// It is to be listed.
    Watch,
    /// Nor is it to be listed.
    Api(Fault),
}

impl From<OutOfOrder> for Lost {
    fn from(_: OutOfOrder) -> Lost {
        Lost::Watch
    }
}

impl From<Fault> for Lost {
    fn from(fault: Fault) -> Lost {
        match fault {
            // A list would weigh more on an API server that has too much to do.
            Fault::Crowded(_) | Fault::Unauthorized(_) => Lost::Api(fault),
            Fault::Silent(_)
            | Fault::Busy(_)
            | Fault::Gone
            | Fault::Expired(_)
            | Fault::Conflict(_)
            | Fault::Forbidden(_)
            | Fault::Refused(_)
            | Fault::Context(_)
            | Fault::Rights(_)
            | Fault::Stranger(_) => Lost::Watch,
        }
    }
}

/// One watch, until the newest version is reached, or a bookmark says that it will not be, or its time is over.
async fn follow<K: Kind>(
    table: &mut Table<K>,
    from: Version,
    newest: Version,
    client: &Client,
) -> Result<(), Lost> {
    let request = Request::new(K::ALL)
        .watch(
            &WatchParams::default().timeout(ASKED_FOR),
            &from.to_string(),
        )
        .map_err(|e| Fault::Refused(e.to_string()))?;
    let events = call(|| client.request_events::<K::Wire>(request.clone())).await?;
    let mut events = std::pin::pin!(events);
    while let Some(event) = events.try_next().await.map_err(|e| fault(&e))? {
        match event {
            WatchEvent::Added(found) | WatchEvent::Modified(found) => table.changed(found)?,
            WatchEvent::Deleted(found) => table.gone(&found)?,
            WatchEvent::Bookmark(mark) => {
                table.reached(Version::new(Some(&mark.metadata.resource_version)))?;
                return Ok(());
            }
            WatchEvent::Error(status) => return Err(fault(&kube::Error::Api(status)).into()),
        }
        if table.version() >= Some(newest) {
            return Ok(());
        }
    }
    Ok(())
}
