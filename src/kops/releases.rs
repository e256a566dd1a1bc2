//! What releases of kops changed or took away: one table with dates and sources, read by the checks and by what compiles. Reads no manifests.
//!
//! The place to look when a new release of kops appears: [`CHANGES`], [`KopsVersion::NEWEST`] and the range of Kubernetes below.

use crate::model::KopsVersion;

/// Something that is not the same in all releases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// A classic load balancer for the API, which is also what a load balancer without `class` is.
    ClassicApiLoadBalancer,
    /// Names by gossip: a cluster below `.k8s.local` whose `topology.dns.type` is not None.
    Gossip,
    /// A provider under `networking`.
    Networking(&'static str),
    /// Taints without a value (`key:Effect`) make no tag.
    UntaggedTaints,
}

/// Since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Since {
    /// This release of kops, for every Kubernetes.
    Kops(KopsVersion),
    /// This minor version of Kubernetes, by every kops that knows it.
    Kubernetes(u32),
}

/// A line of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    /// What ended.
    pub(crate) subject: Subject,
    /// When.
    pub(crate) since: Since,
    /// When that was released.
    pub(crate) date: &'static str,
    /// What to do instead.
    pub(crate) instead: &'static str,
    /// Where that is said.
    pub(crate) source: &'static str,
}

const fn kops(minor: u32) -> Since {
    Since::Kops(KopsVersion::of_minor(minor))
}

/// What ended, and when. kopeio is not here: 1.37.0 takes it away, the alpha releases described here do not.
const CHANGES: [Change; 9] = [
    Change {
        subject: Subject::ClassicApiLoadBalancer,
        since: kops(37),
        date: "2026-08",
        instead: "migrate to `class: Network` with kops 1.36 or older first",
        source: "kops 1.37 release notes, breaking changes",
    },
    Change {
        subject: Subject::Gossip,
        since: kops(37),
        date: "2026-08",
        instead: "migrate to `topology: {dns: {type: None}}` or a hosted zone with kops 1.36 first",
        source: "kops 1.37 release notes, removal of gossip DNS",
    },
    Change {
        subject: Subject::UntaggedTaints,
        since: kops(36),
        date: "2026-06",
        instead: "",
        source: "kops#18343",
    },
    Change {
        subject: Subject::Networking("canal"),
        since: Since::Kubernetes(28),
        date: "2023-08",
        instead: "move to calico, cilium or amazonvpc first",
        source: "kops, validation of networking",
    },
    Change {
        subject: Subject::Networking("external"),
        since: Since::Kubernetes(26),
        date: "2022-12",
        instead: "write `networking: {cni: {}}`",
        source: "kops, validation of networking",
    },
    Change {
        subject: Subject::Networking("weave"),
        since: Since::Kubernetes(23),
        date: "2021-12",
        instead: "move to calico, cilium or amazonvpc first",
        source: "kops 1.23 release notes",
    },
    Change {
        subject: Subject::Networking("lyftvpc"),
        since: kops(23),
        date: "2022-03",
        instead: "move to amazonvpc or cilium first",
        source: "kops 1.23 release notes",
    },
    Change {
        subject: Subject::Networking("romana"),
        since: kops(19),
        date: "2021-02",
        instead: "move to calico, cilium or amazonvpc first",
        source: "kops, validation of networking",
    },
    Change {
        subject: Subject::Networking("classic"),
        since: Since::Kubernetes(4),
        date: "2016-09",
        instead: "write `networking: {kubenet: {}}`",
        source: "kops, validation of networking",
    },
];

/// The change that ended `subject`, when it has ended for this kops and this minor version of Kubernetes (none: not written, so kops takes a recent one).
pub(crate) fn ended(
    subject: Subject,
    kops: KopsVersion,
    kubernetes: Option<u32>,
) -> Option<&'static Change> {
    CHANGES.iter().find(|change| {
        change.subject == subject
            && match change.since {
                Since::Kops(version) => kops >= version,
                Since::Kubernetes(minor) => kubernetes.is_none_or(|k| k >= minor),
            }
    })
}

/// The oldest and the newest minor version of Kubernetes that a release of kops carries out. Source: its documents, "Compatibility": its own
/// minor version and the five before (kops 1.37: 1.32).
pub(crate) fn kubernetes_range(kops: KopsVersion) -> (u32, u32) {
    (kops.minor().saturating_sub(5), kops.minor())
}

impl std::fmt::Display for Since {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Since::Kops(version) => write!(f, "kops {version}"),
            Since::Kubernetes(minor) => write!(f, "Kubernetes 1.{minor}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_change_has_a_date_and_a_source() {
        for change in CHANGES {
            let (year, month) = change.date.split_once('-').unwrap();
            assert!(
                (2016..=2030).contains(&year.parse::<u32>().unwrap()),
                "{change:?}"
            );
            assert!(
                (1..=12).contains(&month.parse::<u32>().unwrap()),
                "{change:?}"
            );
            assert!(!change.source.is_empty(), "{change:?}");
        }
    }

    #[test]
    fn changes_begin_with_their_release() {
        let version = |minor| KopsVersion::of_minor(minor);
        let has_ended = |subject, kops, kubernetes| ended(subject, kops, kubernetes).is_some();
        let classic = Subject::ClassicApiLoadBalancer;
        assert!(!has_ended(classic, version(36), Some(34)));
        assert!(has_ended(classic, version(37), Some(34)));
        let weave = Subject::Networking("weave");
        assert!(!has_ended(weave, version(22), Some(22)));
        assert!(has_ended(weave, version(22), Some(23)));
        assert!(has_ended(weave, version(22), None));
        assert!(!has_ended(
            Subject::Networking("cilium"),
            version(37),
            Some(37)
        ));
    }
}
