//! AWS itself, through its SDK: the only home of the SDK's types. Decides nothing; what is asked of it and what it answers are `model` words.

pub mod bucket;

use std::collections::{BTreeMap, BTreeSet};

use super::{Cloud, CloudError, Place};
use crate::model::{AccountId, Applied, CloudEffect, ClusterName, Live, Timestamp};

/// What has to be known of a cluster before its account can be asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// The role to assume; none: the credentials there are.
    pub role_arn: Option<String>,
    /// Images that its definitions name, as they name them: ids of live templates are turned back into these.
    pub images: BTreeSet<String>,
}

/// How AWS is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// By cluster.
    pub clusters: BTreeMap<ClusterName, Access>,
    /// Another endpoint than AWS's own, for every service.
    pub endpoint_url: Option<String>,
}

/// The AWS accounts of a fleet.
#[derive(Debug)]
pub struct Aws {
    options: Options,
}

impl Aws {
    /// Gets ready to ask; asks nothing yet.
    ///
    /// # Errors
    /// When the settings of the environment make no sense.
    pub async fn connect(options: Options) -> Result<Aws, CloudError> {
        Ok(Aws { options })
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

    async fn account(&self, place: &Place) -> Result<AccountId, CloudError> {
        Err(missing(&self.options, place))
    }

    async fn read(&self, places: &[Place]) -> Result<Live, CloudError> {
        match places.first() {
            Some(place) => Err(missing(&self.options, place)),
            None => Ok(Live { read_at: self.now(), clusters: BTreeMap::new() }),
        }
    }

    async fn apply(&self, place: &Place, _effect: &CloudEffect) -> Result<Applied, CloudError> {
        Err(missing(&self.options, place))
    }
}

fn missing(options: &Options, place: &Place) -> CloudError {
    let message = format!("not there yet ({} clusters)", options.clusters.len());
    CloudError::Refused { subject: place.cluster.to_string(), message }
}
