//! AWS itself, through its SDK: the only home of the SDK's types. Decides nothing; what is asked of it and what it answers are `model` words.

mod apply;
mod balancers;
pub mod bucket;
mod classic;
mod connect;
mod convert;
mod counted;
mod ec2;
mod error;
mod identity;
mod names;
mod options;
mod polite;
mod read;
mod room;
mod scores;
mod simulate;
mod trial;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

pub use counted::Calls;
pub use identity::Identity;
pub use options::{Access, AwsOptions, HooksOf, Reach, Session};

use super::{Cloud, CloudError, Place};
use crate::model::{
    AccountId, Applied, AsgName, CloudEffect, InstanceId, Live, RegionRoom, RoomQuestion, Senders,
    Timestamp, Versions,
};
use connect::Connection;

/// The AWS accounts of a fleet.
#[derive(Debug)]
pub struct Aws {
    connection: Arc<Connection>,
    memory: Arc<read::Memory>,
    hooks: HooksOf,
    /// Groups that the rollout under way has AWS refresh; none where no rollout is under way.
    refreshing: Mutex<Option<Arc<BTreeSet<AsgName>>>>,
    /// Of how many clusters of the newest read the answers are there.
    answered: AtomicUsize,
    fence: apply::Fence,
    /// Sent to S3.
    s3: Calls,
}

impl Aws {
    /// Gets ready to ask; asks nothing yet.
    ///
    /// # Errors
    /// When the settings of the environment make no sense.
    pub async fn connect(options: AwsOptions) -> Result<Aws, CloudError> {
        let hooks = options.hooks;
        let connection = Arc::new(Connection::new(options)?);
        Ok(Aws {
            connection,
            memory: Arc::default(),
            hooks,
            refreshing: Mutex::default(),
            fence: apply::Fence::default(),
            answered: AtomicUsize::default(),
            s3: Calls::default(),
        })
    }

    /// Calls sent so far, attempts again among them, by `service:Api`.
    pub fn calls(&self) -> BTreeMap<String, u64> {
        let mut calls = self.connection.counts();
        calls.extend(self.s3.all());
        calls
    }

    /// Has what follows seen as done by others: a rollout that has begun. Whether anything may be written stays as it was.
    /// What is read from now on is not compared with definitions any more, and comes without hooks; of `refreshing` with their refresh.
    pub async fn act_for(&self, session: Session, refreshing: BTreeSet<AsgName>) {
        *self
            .refreshing
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(refreshing));
        self.connection.act_for(session).await;
    }

    /// A bucket, with the credentials that count for a cluster.
    ///
    /// # Errors
    /// When the URL names no bucket, or the settings of the environment make no sense.
    pub async fn bucket(
        &self,
        place: &Place,
        url: &str,
    ) -> Result<bucket::Bucket, bucket::BucketError> {
        let refused = |e: CloudError| bucket::BucketError::Refused {
            subject: url.to_owned(),
            message: e.to_string(),
        };
        let config = self.connection.plain(place).await.map_err(refused)?;
        bucket::Bucket::within(url, config, &self.s3).await
    }
}

impl Cloud for Aws {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(jiff::Timestamp::now().as_millisecond())
    }

    async fn wait(&self, until: Timestamp) -> Result<(), CloudError> {
        let millis = u64::try_from(until.millis() - self.now().millis()).unwrap_or(0);
        tokio::time::sleep(std::time::Duration::from_millis(millis)).await;
        Ok(())
    }

    fn answered(&self) -> Option<usize> {
        Some(self.answered.load(Ordering::Relaxed))
    }

    async fn account(&self, place: &Place) -> Result<AccountId, CloudError> {
        self.connection.account(place, self.now()).await
    }

    async fn read(&self, places: &[Place]) -> Result<Live, CloudError> {
        let refreshing = self
            .refreshing
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let singly = refreshing.map_or(read::Singly::Compares(self.hooks), read::Singly::Acts);
        let clusters = read::read(
            &self.connection,
            &self.memory,
            places,
            self.now(),
            &singly,
            &self.answered,
        )
        .await?;
        Ok(Live {
            read_at: self.now(),
            clusters,
            room: Vec::new(),
        })
    }

    async fn gone(&self, place: &Place, asked: &Versions) -> Result<Versions, CloudError> {
        read::gone(&self.connection.clients(place).await?, place, asked).await
    }

    async fn room(&self, asked: &RoomQuestion) -> Result<RegionRoom, CloudError> {
        let door = asked.subnets.keys().next().map(|cluster| Place {
            cluster: cluster.clone(),
            account: asked.account.clone(),
            region: asked.region.clone(),
        });
        let place = door.ok_or_else(|| CloudError::Refused {
            subject: asked.account.to_string(),
            message: "no cluster of it is asked about".into(),
        })?;
        room::room(&self.connection.clients(&place).await?, &place, asked).await
    }

    async fn senders(
        &self,
        place: &Place,
        asked: &BTreeSet<InstanceId>,
        own: &BTreeSet<String>,
    ) -> Result<Senders, CloudError> {
        let clients = self.connection.clients(place).await?;
        let mut senders = balancers::senders(&clients, place, asked, own).await?;
        classic::add_senders(&clients, place, asked, own, &mut senders).await?;
        Ok(senders)
    }

    async fn apply(&self, place: &Place, effect: &CloudEffect) -> Result<Applied, CloudError> {
        self.fence
            .check(&self.connection, place, self.now())
            .await?;
        apply::carry_out(self.connection.clients(place).await?, place, effect).await
    }
}
