//! Whether the availability zones of a cluster's subnets exist, and are of its region. Knows nothing of other rules about subnets.

use super::error::Problems;
use super::target::KopsTarget;
use super::view::View;
use crate::fleet::closest;
use crate::model::{KnownRegion, known_region, known_regions, region_of_zone};
use crate::yaml::Pos;

/// The region that kops' own tests are in.
const MADE_UP: &str = "us-test-1";

/// Checks the zones of all subnets. Source: kops, `FindRegion`: a subnet without a zone, and a cluster that spans regions, are refused (a shared subnet's
/// zone is looked up).
pub(super) fn check(spec: View<'_>, target: &KopsTarget, problems: &mut Problems) {
    let own = region(spec, target);
    for subnet in spec.list("subnets") {
        match subnet.text("zone") {
            Some(zone) => one(zone, subnet.at("zone"), target, own, problems),
            None if subnet.text("id").is_some() || subnet.text("name").is_none() => {}
            None => problems.error(
                subnet.pos,
                format!(
                    "the subnet `{}` has no `zone`",
                    subnet.text("name").unwrap_or_default()
                ),
            ),
        }
    }
}

/// Checks the zones that a group names. On AWS kops places nothing by them; one that does not exist is a slip all the same.
pub(super) fn of_group(
    spec: View<'_>,
    target: &KopsTarget,
    own: Option<&KnownRegion>,
    problems: &mut Problems,
) {
    for (zone, pos) in spec.items("zones") {
        one(zone, pos, target, own, problems);
    }
}

fn one(
    zone: &str,
    pos: Pos,
    target: &KopsTarget,
    own: Option<&KnownRegion>,
    problems: &mut Problems,
) {
    if zone.starts_with(MADE_UP) || target.accepted.contains(zone) {
        return;
    }
    if let Some((message, hint)) = wrong(zone, target, own) {
        problems.error_hint(pos, message, hint);
    }
}

/// The region of a cluster: the one given, else that of its first zone.
pub(super) fn region(spec: View<'_>, target: &KopsTarget) -> Option<&'static KnownRegion> {
    let written = spec
        .list("subnets")
        .find_map(|s| s.text("zone").and_then(region_of_zone));
    match &target.region {
        Some(region) => known_region(region.as_str()),
        None => written,
    }
}

fn wrong(zone: &str, target: &KopsTarget, own: Option<&KnownRegion>) -> Option<(String, String)> {
    let found = region_of_zone(zone);
    let is_letter = |region: &KnownRegion| {
        zone.strip_prefix(region.name)
            .is_some_and(|rest| rest.chars().count() == 1)
    };
    match (found, own) {
        (Some(found), Some(own)) if found.name != own.name => Some((
            format!(
                "the zone `{zone}` is not in the cluster's region, {}",
                own.name
            ),
            listed(own),
        )),
        (Some(found), _) if is_letter(found) && !found.zones().any(|z| z == zone) => Some((
            format!("the region {} has no zone `{zone}`", found.name),
            listed(found),
        )),
        (Some(_), _) => None,
        // A region that is newer than the table: a cluster that names it as its own knows better.
        (None, None)
            if target
                .region
                .as_ref()
                .is_some_and(|r| zone.starts_with(r.as_str())) =>
        {
            None
        }
        (None, _) => {
            let zones: Vec<String> = known_regions()
                .filter(|r| own.is_none_or(|o| o.name == r.name))
                .flat_map(KnownRegion::zones)
                .collect();
            let hint = match closest(zone, zones.iter().map(String::as_str)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => own.map_or_else(
                    || "write a zone such as eu-west-3a; one that is newer than this program's table has to be accepted by name".to_owned(),
                    listed,
                ),
            };
            Some((format!("`{zone}` is not an availability zone of AWS"), hint))
        }
    }
}

fn listed(region: &KnownRegion) -> String {
    let zones: Vec<String> = region.zones().collect();
    format!("it has {}", zones.join(", "))
}
