//! AWS regions and their availability zones, from a table that is part of the program. Knows no accounts and no availability.

use std::collections::BTreeMap;
use std::sync::LazyLock;

static REGIONS: LazyLock<BTreeMap<&'static str, KnownRegion>> = LazyLock::new(|| {
    let mut offers = 0;
    let lines = include_str!("../../data/regions.txt")
        .lines()
        .filter(|l| !l.starts_with('#'));
    lines
        .filter_map(|line| {
            let mut words = line.split(' ');
            let (name, zones) = (words.next()?, words.next()?);
            let bit = (words.next()? == "offers").then_some(offers);
            offers += u32::from(bit.is_some());
            Some((name, KnownRegion { name, zones, bit }))
        })
        .collect()
});

/// A region of AWS. Source: see the head of `data/regions.txt`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownRegion {
    /// e.g. `eu-west-3`.
    pub name: &'static str,
    /// The letters of its availability zones.
    zones: &'static str,
    /// Its bit in the table of instance types; none: what it offers is not known.
    bit: Option<u32>,
}

impl KnownRegion {
    /// Its availability zones, such as `eu-west-3a`.
    pub fn zones(&self) -> impl Iterator<Item = String> + '_ {
        self.zones
            .chars()
            .map(|letter| format!("{}{letter}", self.name))
    }

    /// Whether a set of regions from the table of instance types holds this one; none: not known.
    pub fn is_in(&self, set: u64) -> Option<bool> {
        self.bit.map(|bit| set >> bit & 1 == 1)
    }
}

/// The region of this name; none: there is no such region, or it is newer than the table.
pub fn known_region(name: &str) -> Option<&'static KnownRegion> {
    REGIONS.get(name)
}

/// All regions of the table, sorted by name.
pub fn known_regions() -> impl Iterator<Item = &'static KnownRegion> {
    REGIONS.values()
}

/// The region that an availability zone or a local zone is in, going by its name: `eu-west-3a`, `us-east-1-bos-1a`.
pub fn region_of_zone(zone: &str) -> Option<&'static KnownRegion> {
    let plain = zone.strip_suffix(|c: char| c.is_ascii_lowercase());
    plain.and_then(known_region).or_else(|| {
        REGIONS.values().find(|region| {
            zone.strip_prefix(region.name)
                .is_some_and(|rest| rest.starts_with('-') && rest.len() > 1)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_read() {
        let lines = include_str!("../../data/regions.txt")
            .lines()
            .filter(|l| !l.starts_with('#'));
        assert_eq!(lines.count(), REGIONS.len());
        assert!(
            REGIONS
                .values()
                .all(|r| !r.zones.is_empty() && r.zones.chars().all(|c| c.is_ascii_lowercase()))
        );
    }

    #[test]
    fn zones_name_their_region() {
        let of = |zone| region_of_zone(zone).map(|r| r.name);
        assert_eq!(
            [
                "eu-west-3a",
                "us-east-1-bos-1a",
                "eu-west-3",
                "eu-west-9a",
                "z",
                ""
            ]
            .map(of),
            [Some("eu-west-3"), Some("us-east-1"), None, None, None, None]
        );
    }
}
