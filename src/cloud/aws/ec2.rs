//! What questions to EC2 have in common: filters, their size, tags. Asks nothing itself.

use std::collections::BTreeSet;

use aws_sdk_ec2::types::{Filter, Tag};

/// The tag of an instance that was taken out of its group: the group.
pub(super) const DETACHED_FROM: &str = "kfleet/detached-from";
/// Most values of one filter. Source: EC2 API reference, Filter.
const VALUES: usize = 200;

/// A filter of EC2.
pub(super) fn filter(name: &str, values: Vec<String>) -> Filter {
    Filter::builder()
        .name(name)
        .set_values(Some(values))
        .build()
}

/// As many values at a time as one filter takes.
pub(super) fn chunks(values: &BTreeSet<String>) -> Vec<Vec<String>> {
    values
        .iter()
        .cloned()
        .collect::<Vec<_>>()
        .chunks(VALUES)
        .map(<[String]>::to_vec)
        .collect()
}

/// Instances that have not been terminated.
pub(super) fn present() -> Filter {
    let states = ["pending", "running", "stopping", "stopped"].map(str::to_owned);
    filter("instance-state-name", states.into())
}

/// The value of a tag.
pub(super) fn tag<'t>(tags: &'t [Tag], key: &str) -> Option<&'t str> {
    tags.iter()
        .find(|t| t.key() == Some(key))
        .and_then(|t| t.value())
}
