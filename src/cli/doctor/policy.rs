//! What of a fleet its IAM policies name.

use crate::cli::args::Arguments;
use crate::cli::pipeline::PreparedFleet;
use crate::fleet::{Cluster, StateStore};
use crate::report::PolicyFacts;

const S3: &str = "s3://";

pub(super) fn facts(arguments: &Arguments, prepared: &PreparedFleet) -> PolicyFacts {
    let fleet = &prepared.fleet;
    let store = arguments.store.as_deref().unwrap_or(&fleet.settings.store);
    let profiles = prepared.clusters.values().flat_map(|c| {
        c.desired.groups.values().map(|group| {
            let data = &group.definition.launch_template.launch_template_data;
            data.iam_instance_profile.name.clone()
        })
    });
    PolicyFacts {
        clusters: fleet.clusters.keys().cloned().collect(),
        accounts: fleet.clusters.values().map(|c| c.account.clone()).collect(),
        partition: fleet
            .clusters
            .values()
            .next()
            .map_or("aws", |c| partition(c.region.as_str()))
            .to_owned(),
        cluster_roles: fleet
            .clusters
            .values()
            .filter_map(|c| c.role_arn.clone())
            .collect(),
        instance_profiles: profiles.collect(),
        store: bucket(store),
        state_stores: fleet.clusters.values().filter_map(state_bucket).collect(),
    }
}

/// Source: AWS General Reference, "Amazon Resource Names", partitions.
fn partition(region: &str) -> &'static str {
    if region.starts_with("cn-") {
        "aws-cn"
    } else if region.starts_with("us-gov-") {
        "aws-us-gov"
    } else {
        "aws"
    }
}

fn bucket(text: &str) -> Option<String> {
    text.strip_prefix(S3).map(str::to_owned)
}

/// The bucket in which kops keeps the state of a cluster.
pub(super) fn state_bucket(cluster: &Cluster) -> Option<String> {
    match &cluster.state_store {
        Some(StateStore::Bucket(url)) => bucket(url),
        Some(StateStore::Folder(_)) | None => None,
    }
}
