//! Questions about groups and launch templates, many at once.

use std::collections::BTreeSet;

use aws_sdk_autoscaling::types as sdk;

use super::haul::Template;
use super::reading::Reading;
use crate::cloud::aws::connect::Clients;
use crate::cloud::aws::convert::group;
use crate::cloud::aws::ec2::{chunks, filter};
use crate::cloud::aws::error::cloud_error;
use crate::cloud::{CloudError, Place};

/// Largest page. Source: AWS API reference, DescribeAutoScalingGroups.
const PAGE: i32 = 100;
/// Largest page of launch templates. Source: EC2 API reference, DescribeLaunchTemplates.
const TEMPLATES: i32 = 200;
/// Clusters in one filter.
const CLUSTERS: usize = 50;

/// The groups that carry the tags of these clusters.
pub(super) async fn groups(
    clients: &Clients,
    places: &[Place],
    place: &Place,
) -> Result<Vec<sdk::AutoScalingGroup>, CloudError> {
    let names: Vec<String> = places.iter().map(|p| p.cluster.to_string()).collect();
    let mut all = Vec::new();
    for some in names.chunks(CLUSTERS) {
        let by_tag = sdk::Filter::builder()
            .name("tag:KubernetesCluster")
            .set_values(Some(some.to_vec()))
            .build();
        let pages = clients
            .autoscaling
            .describe_auto_scaling_groups()
            .filters(by_tag)
            .max_records(PAGE)
            .into_paginator()
            .items()
            .send();
        all.extend(
            pages
                .try_collect()
                .await
                .map_err(|e| cloud_error(place, "AutoScalingGroups", &e))?,
        );
    }
    Ok(all)
}

impl Reading<'_> {
    /// Numbers of the newest and the default version of every template.
    pub(super) async fn templates(&mut self) -> Result<(), CloudError> {
        let names: BTreeSet<String> = self
            .haul
            .groups
            .iter()
            .filter_map(|g| group::template(g)?.name)
            .collect();
        for some in chunks(&names) {
            let call = self
                .clients
                .ec2
                .describe_launch_templates()
                .filters(filter("launch-template-name", some))
                .max_results(TEMPLATES);
            let found = call
                .into_paginator()
                .items()
                .send()
                .try_collect()
                .await
                .map_err(|e| cloud_error(self.place, "launch templates", &e))?;
            for given in &found {
                if let Some(template) = Template::of(given) {
                    self.haul.templates.insert(template.id.clone(), template);
                }
            }
        }
        Ok(())
    }
}
