//! What releases of kops changed or took away: one table with dates and sources, read by the checks and by what compiles. Reads no manifests.
//!
//! The place to look when a new release of kops appears: [`CHANGES`], [`KopsVersion::NEWEST`] and the range of Kubernetes below.

use crate::model::KopsVersion;

/// Something that older releases do or have, and newer ones do not.
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
    /// A group with a warm pool has the metrics of any other.
    UnmeasuredWarmPools,
    /// A warm pool and a mixed instances policy exclude each other.
    WarmPoolWithoutMixed,
    /// The node termination handler runs beside Karpenter, with its queue.
    QueueBesideKarpenter,
    /// `onDemandAllocationStrategy` is sent by Terraform alone.
    UnsentOnDemandStrategy,
    /// In queue mode the node termination handler always drains for scheduled events.
    ScheduledEventsInQueue,
    /// Cilium's `ipam: eni` always masquerades.
    MasqueradingEni,
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
    /// The first release of kops that does so.
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
const CHANGES: [Change; 15] = [
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
        subject: Subject::UnmeasuredWarmPools,
        since: kops(33),
        date: "2025-12",
        instead: "",
        source: "kops#17776, which release-1.33 took over; a real kops 1.32 measures none",
    },
    Change {
        subject: Subject::WarmPoolWithoutMixed,
        since: kops(34),
        date: "2025-12",
        instead: "",
        source: "kops#17800, which release-1.34 took over",
    },
    Change {
        subject: Subject::QueueBesideKarpenter,
        since: kops(34),
        date: "2025-09",
        instead: "",
        source: "kops 1.34 release notes (Karpenter 1.6), kops#18016",
    },
    Change {
        subject: Subject::UnsentOnDemandStrategy,
        since: kops(36),
        date: "2026-06",
        instead: "",
        source: "kops#18342",
    },
    Change {
        subject: Subject::ScheduledEventsInQueue,
        since: kops(36),
        date: "2026-06",
        instead: "",
        source: "kops#18339",
    },
    Change {
        subject: Subject::MasqueradingEni,
        since: kops(36),
        date: "2026-06",
        instead: "",
        source: "kops#18432",
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

/// The latest kops that carries out this version of Kubernetes; none: it is no version.
pub(crate) fn latest_kops(kubernetes: &str) -> Option<KopsVersion> {
    let minor = kubernetes_minor_of(kubernetes)?;
    let newest = KopsVersion::NEWEST.minor();
    (0..=newest)
        .rev()
        .map(KopsVersion::of_minor)
        .find(|kops| kubernetes_range(*kops).0 <= minor)
}

/// N of Kubernetes 1.N. An address of a build says it too. Source: kops, `ParseKubernetesVersion`.
pub(super) fn kubernetes_minor_of(written: &str) -> Option<u32> {
    let number = match written.split_once("/v1.") {
        Some((_, rest)) => return rest.split_once('.')?.0.parse().ok(),
        None => written.trim_start_matches('v'),
    };
    let mut parts = number.split('.');
    match (parts.next(), parts.next()) {
        (Some("1"), Some(minor)) => minor.parse().ok(),
        _ => None,
    }
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
    fn the_latest_kops_of_a_kubernetes_carries_it_out() {
        let latest = |kubernetes| latest_kops(kubernetes).map(|k| k.to_string());
        assert_eq!(latest("1.28.3").as_deref(), Some("1.33"));
        assert_eq!(latest("v1.32.0").as_deref(), Some("1.37"));
        assert_eq!(latest("1.37.0").as_deref(), Some("1.37"));
        assert_eq!(
            latest("https://dl.k8s.io/release/v1.9.1").as_deref(),
            Some("1.14")
        );
        assert_eq!(latest("stable"), None);
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
