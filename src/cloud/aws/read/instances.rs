//! Questions about instances: those that are new, and those that were taken out of their group.

use std::collections::BTreeSet;

use aws_sdk_ec2::types as ec2;

use super::reading::Reading;
use crate::cloud::CloudError;
use crate::cloud::aws::convert::instance;
use crate::cloud::aws::ec2::{DETACHED_FROM, chunks, filter, present};
use crate::cloud::aws::error::cloud_error;
use crate::model::InstanceId;

impl Reading<'_> {
    /// What EC2 knows of the instances that are new, and the instances that we took out of their groups.
    pub(super) async fn instances(&mut self) -> Result<(), CloudError> {
        let members = self
            .haul
            .groups
            .iter()
            .flat_map(|g| g.instances())
            .filter_map(|i| instance::id(i.instance_id()).ok());
        let new = members
            .filter(|id| self.memory.details(id).is_none())
            .map(|id| id.to_string())
            .collect();
        self.details(&new).await?;
        let clusters = self.places.iter().map(|p| p.cluster.to_string()).collect();
        let call = self
            .clients
            .ec2
            .describe_instances()
            .filters(filter("tag-key", vec![DETACHED_FROM.to_owned()]));
        let call = call
            .filters(filter("tag:KubernetesCluster", clusters))
            .filters(present());
        let found = call
            .into_paginator()
            .items()
            .send()
            .try_collect()
            .await
            .map_err(|e| cloud_error(self.place, "detached instances", &e))?;
        self.haul.detached = found
            .into_iter()
            .flat_map(|r| r.instances.unwrap_or_default())
            .collect();
        Ok(())
    }

    pub(super) async fn details(&mut self, ids: &BTreeSet<String>) -> Result<(), CloudError> {
        for some in chunks(ids) {
            let call = self
                .clients
                .ec2
                .describe_instances()
                .filters(filter("instance-id", some))
                .max_results(1_000);
            let found = call
                .into_paginator()
                .items()
                .send()
                .try_collect()
                .await
                .map_err(|e| cloud_error(self.place, "instances", &e))?;
            for given in found.iter().flat_map(ec2::Reservation::instances) {
                if let Ok((id, details)) = instance::details(given) {
                    self.memory.keep_details(id, details);
                }
            }
        }
        let members = self
            .haul
            .groups
            .iter()
            .flat_map(|g| g.instances())
            .chain(self.haul.warm.values().flatten());
        let known = |id: InstanceId| self.memory.details(&id).map(|d| (id, d));
        self.haul.details = members
            .filter_map(|i| known(instance::id(i.instance_id()).ok()?))
            .collect();
        Ok(())
    }
}
