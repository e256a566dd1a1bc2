//! Asks AWS what names and ids mean, and keeps what it says.

use std::collections::{BTreeMap, BTreeSet};

use super::known::Names;
use crate::cloud::aws::connect::Clients;
use crate::cloud::aws::ec2::{chunks, filter};
use crate::cloud::aws::error::cloud_error;
use crate::cloud::{CloudError, Place};
use crate::kops::owner_and_name;
use crate::model::{AutoScalingGroup, ClusterName, LaunchTemplateData};

/// Most names in one question. Source: Elastic Load Balancing API reference, DescribeTargetGroups.
const TARGET_GROUPS: usize = 20;

/// Asks AWS, and keeps what it says.
pub(in crate::cloud::aws) struct Asking<'a> {
    pub(in crate::cloud::aws) clients: &'a Clients,
    /// A cluster of the account and region, for errors.
    pub(in crate::cloud::aws) place: &'a Place,
}

impl Asking<'_> {
    /// Subnets by id, for every cluster that may call them by name.
    pub(in crate::cloud::aws) async fn subnets_by_id(
        &self,
        names: &mut Names,
        clusters: &BTreeSet<ClusterName>,
        ids: &BTreeSet<String>,
    ) -> Result<(), CloudError> {
        self.subnets(names, clusters, "subnet-id", ids).await
    }

    /// The names of these security groups, by id.
    pub(in crate::cloud::aws) async fn security_groups_by_id(
        &self,
        names: &mut Names,
        clusters: &BTreeSet<ClusterName>,
        ids: &BTreeSet<String>,
    ) -> Result<(), CloudError> {
        self.security_groups(names, clusters, "group-id", ids).await
    }

    /// What a group names and a launch template names, for writing them.
    pub(in crate::cloud::aws) async fn of_definition(
        &self,
        group: Option<&AutoScalingGroup>,
        data: Option<&LaunchTemplateData>,
    ) -> Result<Names, CloudError> {
        let mut names = Names::default();
        let clusters = BTreeSet::from([self.place.cluster.clone()]);
        let not = |prefix: &'static str| move |n: &&String| !n.starts_with(prefix);
        if let Some(group) = group {
            let subnets = group
                .vpc_zone_identifier
                .iter()
                .filter(not("subnet-"))
                .cloned()
                .collect();
            self.subnets(&mut names, &clusters, "tag:Name", &subnets)
                .await?;
            self.target_groups(
                &mut names,
                &group
                    .target_group_arns
                    .iter()
                    .filter(not("arn:"))
                    .cloned()
                    .collect::<Vec<_>>(),
            )
            .await?;
        }
        if let Some(data) = data {
            let groups = data
                .network_interfaces
                .iter()
                .flat_map(|n| &n.groups)
                .filter(not("sg-"))
                .cloned()
                .collect();
            self.security_groups(&mut names, &clusters, "group-name", &groups)
                .await?;
            let ids = Some(data.image_id.clone()).filter(|i| i.starts_with("ami-"));
            self.images(
                &mut names,
                &BTreeSet::from([data.image_id.clone()]),
                &ids.into_iter().collect(),
            )
            .await?;
        }
        Ok(names)
    }

    async fn subnets(
        &self,
        names: &mut Names,
        clusters: &BTreeSet<ClusterName>,
        by: &str,
        values: &BTreeSet<String>,
    ) -> Result<(), CloudError> {
        for values in chunks(values) {
            let pages = self
                .clients
                .ec2
                .describe_subnets()
                .filters(filter(by, values))
                .into_paginator()
                .items()
                .send();
            let found = pages
                .try_collect()
                .await
                .map_err(|e| cloud_error(self.place, "subnets", &e))?;
            found
                .iter()
                .for_each(|s| clusters.iter().for_each(|c| names.add_subnet(c, s)));
        }
        Ok(())
    }

    async fn security_groups(
        &self,
        names: &mut Names,
        clusters: &BTreeSet<ClusterName>,
        by: &str,
        values: &BTreeSet<String>,
    ) -> Result<(), CloudError> {
        for values in chunks(values) {
            let pages = self
                .clients
                .ec2
                .describe_security_groups()
                .filters(filter(by, values))
                .into_paginator()
                .items()
                .send();
            let found = pages
                .try_collect()
                .await
                .map_err(|e| cloud_error(self.place, "security groups", &e))?;
            found
                .iter()
                .for_each(|g| clusters.iter().for_each(|c| names.add_security_group(c, g)));
        }
        Ok(())
    }

    async fn target_groups(&self, names: &mut Names, wanted: &[String]) -> Result<(), CloudError> {
        for some in wanted.chunks(TARGET_GROUPS) {
            let answer = self
                .clients
                .elb
                .describe_target_groups()
                .set_names(Some(some.to_vec()))
                .send()
                .await;
            let found = answer.map_err(|e| cloud_error(self.place, "target groups", &e))?;
            for group in found.target_groups() {
                if let (Some(name), Some(arn)) =
                    (group.target_group_name(), group.target_group_arn())
                {
                    names.target_groups.add(name, arn);
                }
            }
        }
        Ok(())
    }

    /// Images by the names that definitions use, one question an owner, and by id what is left.
    pub(in crate::cloud::aws) async fn images(
        &self,
        names: &mut Names,
        wanted: &BTreeSet<String>,
        ids: &BTreeSet<String>,
    ) -> Result<(), CloudError> {
        let mut by_owner: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        for name in wanted
            .iter()
            .filter(|n| !n.starts_with("ami-") && !n.starts_with("ssm:"))
        {
            let (owner, pattern) = owner_and_name(name);
            by_owner
                .entry(owner)
                .or_default()
                .insert(pattern.to_owned());
        }
        for (owner, patterns) in &by_owner {
            for some in chunks(patterns) {
                let pages = self
                    .clients
                    .ec2
                    .describe_images()
                    .owners(*owner)
                    .filters(filter("name", some))
                    .into_paginator()
                    .items()
                    .send();
                let found = pages
                    .try_collect()
                    .await
                    .map_err(|e| cloud_error(self.place, "images", &e))?;
                found.iter().for_each(|i| names.images.add(i));
            }
        }
        wanted.iter().for_each(|name| names.images.settle(name));
        let rest = ids
            .iter()
            .filter(|id| !names.images.knows(id))
            .cloned()
            .collect();
        for some in chunks(&rest) {
            let pages = self
                .clients
                .ec2
                .describe_images()
                .include_deprecated(true)
                .filters(filter("image-id", some))
                .into_paginator()
                .items()
                .send();
            let found = pages
                .try_collect()
                .await
                .map_err(|e| cloud_error(self.place, "images", &e))?;
            found.iter().for_each(|i| names.images.add(i));
        }
        Ok(())
    }
}
