//! What of a rolling policy makes no sense. Reads no files.

use std::collections::BTreeMap;

use super::document::{ParsedFile, invalid};
use super::{CapacityPolicy, FleetError, Rolling};
use crate::model::GroupName;

/// `rolling.keep_versions`.
pub(super) fn keep_versions(
    doc: &ParsedFile,
    file: Option<u64>,
    base: u64,
) -> Result<u64, FleetError> {
    match file {
        Some(n) if n < 2 => Err(invalid(
            doc,
            &["rolling", "keep_versions"],
            format!("{n} versions leave none to go back to"),
            "keep at least 2",
        )),
        Some(n) => Ok(n),
        None => Ok(base),
    }
}

/// Twins: a group that may lend has to be named, and lends to one group only.
pub(super) fn check_twins(doc: &ParsedFile, rolling: &Rolling) -> Result<(), FleetError> {
    const EXAMPLE: &str =
        "name it: `groups: {nodes-spot: {capacity: {policy: on-demand, twin: nodes-on-demand}}}`";
    if rolling.capacity.policy == CapacityPolicy::OnDemand || rolling.capacity.twin.is_some() {
        return Err(invalid(
            doc,
            &["rolling", "capacity"],
            "each group has an on-demand twin of its own",
            EXAMPLE,
        ));
    }
    let mut lenders: BTreeMap<&GroupName, &GroupName> = BTreeMap::new();
    for (name, capacity) in rolling
        .groups
        .iter()
        .filter_map(|(name, g)| Some((name, g.capacity.as_ref()?)))
    {
        let path = ["rolling", "groups", name.as_str(), "capacity"];
        let wrong = |what: String, hint: &str| Err(invalid(doc, &path, what, hint));
        match (capacity.policy, &capacity.twin) {
            (CapacityPolicy::OnDemand, None) => {
                return wrong(
                    format!("the on-demand twin of {name} is not named"),
                    EXAMPLE,
                );
            }
            (CapacityPolicy::OnDemand, Some(twin)) if twin == name => {
                return wrong(format!("{name} cannot be its own twin"), EXAMPLE);
            }
            (CapacityPolicy::OnDemand, Some(twin)) => {
                if let Some(other) = lenders.insert(twin, name) {
                    return wrong(
                        format!(
                            "{twin} is the twin of {other} already, and lends to one group only"
                        ),
                        "give each group a twin of its own",
                    );
                }
            }
            (CapacityPolicy::Stop | CapacityPolicy::Wait | CapacityPolicy::NextType, Some(_)) => {
                return wrong(
                    "a twin is for the policy `on-demand` only".into(),
                    "write `policy: on-demand`, or leave the twin out",
                );
            }
            (CapacityPolicy::Stop | CapacityPolicy::Wait | CapacityPolicy::NextType, None) => {}
        }
    }
    match lenders
        .iter()
        .find(|(twin, _)| lenders.values().any(|borrower| borrower == *twin))
    {
        Some((twin, _)) => {
            let path = ["rolling", "groups", twin.as_str(), "capacity"];
            Err(invalid(
                doc,
                &path,
                format!("{twin} is a twin, and has one itself"),
                "a group lends or borrows, not both",
            ))
        }
        None => Ok(()),
    }
}
