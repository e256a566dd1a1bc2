//! What EC2 instance types have, from a table that is part of the program. Knows no prices and no capacity.

use std::sync::{LazyLock, OnceLock};

use crate::model::KnownRegion;

/// Sorted by name. A process asks for a few types: the others are not read.
static TYPES: LazyLock<Vec<TypeLine>> = LazyLock::new(|| {
    let lines = include_str!("../../data/instance-types.txt")
        .lines()
        .filter(|l| !l.starts_with('#'));
    let line = |line: &'static str| TypeLine {
        name: line.split_once(' ').map_or(line, |(name, _)| name),
        line,
        read: OnceLock::new(),
    };
    lines.map(line).collect()
});

/// A line of the table, read when somebody asks for it.
struct TypeLine {
    name: &'static str,
    line: &'static str,
    read: OnceLock<Option<InstanceType>>,
}

impl TypeLine {
    fn read(&self) -> Option<&InstanceType> {
        self.read.get_or_init(|| read(self.line)).as_ref()
    }
}

/// An EC2 instance type. Source: see the head of `data/instance-types.txt`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InstanceType {
    /// e.g. `m5.xlarge`.
    pub name: &'static str,
    pub vcpus: u32,
    /// Memory in MiB, before the kernel and the kubelet take their part.
    pub memory_mib: u64,
    /// Whole GPUs, of any maker.
    pub gpus: u32,
    /// What its processor runs.
    pub architecture: Architecture,
    /// Most network interfaces of its first network card.
    pub interfaces: u32,
    /// Most IPv4 addresses of an interface.
    pub addresses: u32,
    /// Whether it is sold as spot.
    pub spot: bool,
    /// Disks that come with it, of any kind.
    pub disks: u32,
    /// The regions that offer it, see [`InstanceType::offered_in`].
    regions: u64,
}

impl InstanceType {
    /// Whether the region offers it; none: not known of this region.
    pub fn offered_in(&self, region: &KnownRegion) -> Option<bool> {
        region.is_in(self.regions)
    }
}

/// The month of the tables of instance types and regions.
pub(super) const TABLE_OF: &str = "May 2026";

/// Architecture of a processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Architecture {
    /// x86-64.
    Amd64,
    /// AArch64.
    Arm64,
}

impl Architecture {
    /// As Kubernetes calls it.
    pub fn as_str(self) -> &'static str {
        match self {
            Architecture::Amd64 => "amd64",
            Architecture::Arm64 => "arm64",
        }
    }
}

/// The type of this name. None: it is newer than the table, or there is no such type.
pub fn instance_type(name: &str) -> Option<&'static InstanceType> {
    let at = TYPES.binary_search_by(|line| line.name.cmp(name)).ok()?;
    TYPES.get(at)?.read()
}

/// All types of the table, sorted by name.
pub fn instance_types() -> impl Iterator<Item = &'static InstanceType> {
    TYPES.iter().filter_map(TypeLine::read)
}

fn read(line: &'static str) -> Option<InstanceType> {
    let mut words = line.split(' ');
    let name = words.next()?;
    let (vcpus, memory_mib, gpus) = (
        words.next()?.parse().ok()?,
        words.next()?.parse().ok()?,
        words.next()?.parse().ok()?,
    );
    let architecture = architecture(words.next()?)?;
    let (interfaces, addresses) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let spot = match words.next()? {
        "spot" => true,
        "-" => false,
        _ => return None,
    };
    let disks = words.next()?.parse().ok()?;
    let regions = u64::from_str_radix(words.next()?, 16).ok()?;
    words.next().is_none().then_some(InstanceType {
        name,
        vcpus,
        memory_mib,
        gpus,
        architecture,
        interfaces,
        addresses,
        spot,
        disks,
        regions,
    })
}

fn architecture(word: &str) -> Option<Architecture> {
    Some(match word {
        "amd64" => Architecture::Amd64,
        "arm64" => Architecture::Arm64,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_read() {
        assert!(
            TYPES.is_sorted_by(|a, b| a.name < b.name),
            "a type is not in its place, or there twice"
        );
        assert_eq!(
            instance_types().count(),
            TYPES.len(),
            "a line is broken: {:?}",
            TYPES.iter().find(|l| l.read().is_none()).map(|l| l.line)
        );
        assert!(
            instance_types()
                .all(|t| t.vcpus > 0 && t.memory_mib >= 512 && t.interfaces > 0 && t.addresses > 0)
        );
    }

    #[test]
    fn types_are_known_by_name() {
        let show = |name| {
            instance_type(name).map(|t| {
                (
                    t.vcpus,
                    t.memory_mib,
                    t.gpus,
                    t.architecture.as_str(),
                    t.interfaces,
                    t.addresses,
                    t.spot,
                )
            })
        };
        assert_eq!(show("m5.large"), Some((2, 8_192, 0, "amd64", 3, 10, true)));
        assert_eq!(show("m6g.large"), Some((2, 8_192, 0, "arm64", 3, 10, true)));
        assert_eq!(
            show("g4dn.12xlarge"),
            Some((48, 196_608, 4, "amd64", 8, 30, true))
        );
        assert_eq!(
            show("p4d.24xlarge").map(|t| t.4),
            Some(15),
            "of the first of four cards"
        );
        assert_eq!(show("m5.enormous"), None);
        let disks = ["d2.xlarge", "m3.medium", "c5d.large", "m5.large"]
            .map(|name| instance_type(name).map(|t| t.disks));
        assert_eq!(disks, [Some(3), Some(1), Some(1), Some(0)]);
    }

    #[test]
    fn types_are_known_by_region() {
        let offered = |name, region| {
            instance_type(name)
                .zip(crate::model::known_region(region))
                .and_then(|(t, r)| t.offered_in(r))
        };
        assert_eq!(offered("m5.large", "eu-west-3"), Some(true));
        assert_eq!(offered("c4.large", "eu-west-3"), Some(false));
        assert_eq!(
            offered("m5.large", "cn-north-1"),
            None,
            "the table does not say"
        );
    }
}
