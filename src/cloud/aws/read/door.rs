//! All that is asked of one account and region, in order.

use std::collections::{BTreeMap, BTreeSet};

use super::assemble;
use super::groups::groups;
use super::haul::Haul;
use super::memory::Memory;
use super::reading::Reading;
use super::scope::{Gaps, Singly};
use crate::cloud::aws::connect::Connection;
use crate::cloud::aws::convert::group;
use crate::cloud::aws::names::{Asking, Names};
use crate::cloud::{CloudError, Place};
use crate::model::{ClusterName, LiveCluster, Timestamp};

/// Reads the clusters of one account and region.
pub(super) async fn door(
    connection: &Connection,
    memory: &Memory,
    places: &[Place],
    now: Timestamp,
    singly: &Singly,
) -> Result<BTreeMap<ClusterName, LiveCluster>, CloudError> {
    let Some(place) = places.first() else {
        return Ok(BTreeMap::new());
    };
    let clients = connection.clients(place).await?;
    let haul = Haul::new(now, groups(&clients, places, place).await?);
    let mut reading = Reading {
        clients,
        connection,
        memory,
        place,
        places,
        singly,
        haul,
        gaps: Gaps::default(),
    };
    reading.all().await;
    let Reading { haul, gaps, .. } = reading;
    Ok(assemble::clusters(&haul, places, gaps))
}

impl Reading<'_> {
    async fn all(&mut self) {
        let everyone: Vec<ClusterName> = self.places.iter().map(|p| p.cluster.clone()).collect();
        for (what, read) in [
            ("launch templates", self.templates().await),
            ("instances", self.instances().await),
            ("scaling activities", self.activities().await),
        ] {
            if let Err(error) = read {
                self.gaps.add(&everyone, what, error);
            }
        }
        self.singly().await;
        // These need the instances of warm pools, and what was detached.
        self.versions().await;
        if let Err(error) = self.names().await {
            self.gaps.add(
                &everyone,
                "names of subnets, security groups and images",
                error,
            );
        }
    }

    /// Names for the ids found, and what the names of images mean.
    async fn names(&mut self) -> Result<(), CloudError> {
        let clusters: BTreeSet<ClusterName> =
            self.places.iter().map(|p| p.cluster.clone()).collect();
        let fields: Vec<_> = self
            .haul
            .groups
            .iter()
            .filter_map(|g| group::fields(g).ok())
            .collect();
        let subnets = fields
            .into_iter()
            .flat_map(|f| f.vpc_zone_identifier)
            .collect();
        let data = || self.haul.versions.values().map(|v| &v.version.data);
        let groups = data()
            .flat_map(|d| &d.network_interfaces)
            .flat_map(|n| &n.groups)
            .filter(|g| g.starts_with("sg-"))
            .cloned()
            .collect();
        let images = data()
            .map(|d| d.image_id.clone())
            .filter(|i| i.starts_with("ami-"))
            .collect();
        let wanted = self
            .places
            .iter()
            .flat_map(|p| self.connection.access(&p.cluster).images)
            .collect();
        let asking = Asking {
            clients: &self.clients,
            place: self.place,
        };
        let mut names = Names::default();
        asking
            .subnets_by_id(&mut names, &clusters, &subnets)
            .await?;
        asking
            .security_groups_by_id(&mut names, &clusters, &groups)
            .await?;
        asking.images(&mut names, &wanted, &images).await?;
        for place in self.places {
            for unclear in names.unclear_images(&self.connection.access(&place.cluster).images) {
                self.gaps.add([&place.cluster], "images", unclear);
            }
        }
        self.haul.names = names;
        Ok(())
    }
}
