//! Room for instances in an account and region: what is asked before a roll, and what was read. Unknown is never zero, and never enough.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::market::Market;
use super::{AccountId, AsgName, ClusterName, LaunchTemplateData, Region};

/// Versions of a launch template that AWS keeps at most; an account that is new may be given fewer.
///
/// Source: EC2 User Guide, "Restrictions for Amazon EC2 launch templates" (`launch-template-restrictions.html`).
pub const MOST_VERSIONS: u64 = 10_000;

/// Versions of a launch template from which on it is worth a word, and worth counting those that are there.
pub const MANY_VERSIONS: u64 = 9_000;

/// What was read, or why it could not be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reading<T> {
    /// It was read.
    Known(T),
    /// It was not, for this reason.
    Unknown(String),
}

impl<T> Reading<T> {
    /// What was read, where it was.
    pub fn known(&self) -> Option<&T> {
        match self {
            Reading::Known(value) => Some(value),
            Reading::Unknown(_) => None,
        }
    }
}

/// What is asked of an account and region before instances are launched there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomQuestion {
    pub account: AccountId,
    pub region: Region,
    /// Subnets of each cluster, by the name kops gives them or by id.
    pub subnets: BTreeMap<ClusterName, BTreeSet<String>>,
    /// Limits of vCPUs that count.
    pub quotas: BTreeSet<Quota>,
    /// Instance types that may be launched.
    pub types: BTreeSet<String>,
    /// Images that instances are launched from, as the definitions name them, each with the types that are.
    pub images: BTreeMap<String, BTreeSet<String>>,
    /// Launch templates that get another version, each with the number of its newest one: it has no more versions than that.
    pub templates: BTreeMap<AsgName, u64>,
    /// Sets of types of which Spot Instances are launched, each with how many at the same time: what AWS thinks of that is advice.
    pub spot: BTreeMap<BTreeSet<String>, u32>,
    /// Launches that are tried without being done: one for all groups of a cluster that launch alike, by the first of them.
    pub launches: BTreeMap<AsgName, TrialLaunch>,
}

/// A launch that AWS is asked about, and does not do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrialLaunch {
    pub cluster: ClusterName,
    /// What is launched, names as the definition has them.
    pub data: LaunchTemplateData,
    /// A subnet of the group, by the name kops gives it or by id.
    pub subnet: String,
}

/// What AWS said to a launch that was only tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trial {
    /// It would launch, as far as the request goes: whether there is capacity, a trial does not say.
    Accepted,
    /// It would not, in its words.
    Refused(String),
}

/// What there is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegionRoom {
    pub account: AccountId,
    pub region: Region,
    /// The subnets of each cluster by the name that was asked for; one that is not there is missing.
    pub subnets: Reading<BTreeMap<ClusterName, BTreeMap<String, SubnetRoom>>>,
    /// Limits of vCPUs, against what runs.
    pub quotas: BTreeMap<Quota, Reading<QuotaRoom>>,
    /// Of the types asked for, those that each zone offers.
    pub offered: Reading<BTreeMap<String, BTreeSet<String>>>,
    /// Of the images asked for, those that can be launched, each with its architecture in Kubernetes' words (`amd64`, `arm64`); none: not known.
    pub images: Reading<BTreeMap<String, Option<String>>>,
    /// Versions that the launch templates asked for have, at most.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub templates: BTreeMap<AsgName, Reading<u64>>,
    /// What AWS thinks of the Spot Instances asked about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spot: Vec<SpotScore>,
    /// What AWS said to the launches that were tried, by the group that was tried.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub launches: BTreeMap<AsgName, Reading<Trial>>,
}

impl RegionRoom {
    /// The same, with one part in so many of what is free: others use the rest. What is not known stays so.
    #[must_use]
    pub fn share(&self, of: u32) -> RegionRoom {
        let of = of.max(1);
        let mut mine = self.clone();
        if let Reading::Known(clusters) = &mut mine.subnets {
            let subnets = clusters.values_mut().flat_map(BTreeMap::values_mut);
            subnets.for_each(|subnet| subnet.free /= of);
        }
        for reading in mine.quotas.values_mut() {
            if let Reading::Known(quota) = reading {
                quota.limit = quota.used.saturating_add(quota.free() / of);
            }
        }
        mine
    }
}

/// How likely AWS says it is that Spot Instances come. It is advice, and no promise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpotScore {
    /// Of one of these types each.
    pub types: BTreeSet<String>,
    /// So many.
    pub instances: u32,
    /// From 1 to 10, by zone.
    pub scores: Reading<BTreeMap<String, u32>>,
}

/// A subnet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubnetRoom {
    /// Its id: clusters may share one under several names.
    pub id: String,
    /// Its availability zone.
    pub zone: String,
    /// Addresses that are free.
    pub free: u32,
}

/// A limit of vCPUs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuotaRoom {
    /// vCPUs that may run.
    pub limit: u32,
    /// vCPUs that run.
    pub used: u32,
}

impl QuotaRoom {
    /// vCPUs that may still be launched.
    pub fn free(self) -> u32 {
        self.limit.saturating_sub(self.used)
    }
}

/// A limit of vCPUs of an account in a region: instance families that are counted together, for one way of buying.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Quota {
    /// How the instances are bought.
    pub market: Market,
    /// Which are counted together.
    pub family: QuotaFamily,
}

/// Instance families whose vCPUs are counted together.
///
/// Source: AWS General Reference, "Amazon EC2 endpoints and quotas" (`docs.aws.amazon.com/general/latest/gr/ec2-service.html`); EC2 User Guide,
/// "Spot Instance quotas" (`using-spot-limits.html`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum QuotaFamily {
    /// A, C, D, H, I, M, R, T, Z.
    Standard,
    /// Deep learning: `dl`.
    Dl,
    F,
    /// G and VT: graphics and video.
    GAndVt,
    /// Inferentia: `inf`.
    Inf,
    P,
    /// Trainium: `trn`.
    Trn,
    X,
}

impl QuotaFamily {
    /// All of them.
    pub const ALL: [QuotaFamily; 8] = [
        QuotaFamily::Standard,
        QuotaFamily::Dl,
        QuotaFamily::F,
        QuotaFamily::GAndVt,
        QuotaFamily::Inf,
        QuotaFamily::P,
        QuotaFamily::Trn,
        QuotaFamily::X,
    ];

    /// As the quota's name has it.
    pub fn as_str(self) -> &'static str {
        match self {
            QuotaFamily::Standard => "standard",
            QuotaFamily::Dl => "DL",
            QuotaFamily::F => "F",
            QuotaFamily::GAndVt => "G and VT",
            QuotaFamily::Inf => "Inf",
            QuotaFamily::P => "P",
            QuotaFamily::Trn => "Trn",
            QuotaFamily::X => "X",
        }
    }
}

impl Quota {
    /// The limit that an instance of this type counts towards; none: it has one of its own (High Memory, HPC, Mac), or is newer than these.
    /// P5 and later Spot instances are counted apart from the older ones, so of them nothing is known.
    pub fn of(instance_type: &str, market: Market) -> Option<Quota> {
        let end = instance_type.find(|c: char| !c.is_ascii_lowercase())?;
        let family = match instance_type.get(..end)? {
            "a" | "c" | "d" | "h" | "i" | "im" | "is" | "m" | "r" | "t" | "z" => {
                QuotaFamily::Standard
            }
            "dl" => QuotaFamily::Dl,
            "f" => QuotaFamily::F,
            "g" | "gr" | "vt" => QuotaFamily::GAndVt,
            "inf" => QuotaFamily::Inf,
            "p" => QuotaFamily::P,
            "trn" => QuotaFamily::Trn,
            "x" => QuotaFamily::X,
            _ => return None,
        };
        let is_counted_apart = family == QuotaFamily::P
            && market == Market::Spot
            && !["p2", "p3", "p4"]
                .iter()
                .any(|p| instance_type.starts_with(p));
        (!is_counted_apart).then_some(Quota { market, family })
    }
}

impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let market = match self.market {
            Market::OnDemand => "on-demand",
            Market::Spot => "spot",
        };
        write!(f, "{market} {}", self.family.as_str())
    }
}

impl From<Quota> for String {
    fn from(quota: Quota) -> String {
        quota.to_string()
    }
}

/// A text that names no limit of vCPUs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a limit of vCPUs such as `spot standard`")]
pub struct QuotaError(String);

impl FromStr for Quota {
    type Err = QuotaError;

    fn from_str(text: &str) -> Result<Quota, QuotaError> {
        let all = [Market::OnDemand, Market::Spot]
            .into_iter()
            .flat_map(|market| QuotaFamily::ALL.map(|family| Quota { market, family }));
        all.into_iter()
            .find(|quota| quota.to_string() == text)
            .ok_or_else(|| QuotaError(text.to_owned()))
    }
}

impl TryFrom<String> for Quota {
    type Error = QuotaError;

    fn try_from(text: String) -> Result<Quota, QuotaError> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_count_towards_the_limit_of_their_family() {
        let of = |name, market| Quota::of(name, market).map(|q| q.to_string());
        for (name, quota) in [
            ("m5.large", Some("spot standard")),
            ("im4gn.large", Some("spot standard")),
            ("c6gn.xlarge", Some("spot standard")),
            ("g5.xlarge", Some("spot G and VT")),
            ("gr6.4xlarge", Some("spot G and VT")),
            ("p4d.24xlarge", Some("spot P")),
            ("p5.48xlarge", None),
            ("x2idn.16xlarge", Some("spot X")),
            ("inf2.xlarge", Some("spot Inf")),
            ("u-6tb1.metal", None),
            ("hpc6a.48xlarge", None),
            ("mac1.metal", None),
            ("", None),
            ("m", None),
        ] {
            assert_eq!(of(name, Market::Spot).as_deref(), quota, "{name}");
        }
        assert_eq!(
            of("p5.48xlarge", Market::OnDemand).as_deref(),
            Some("on-demand P")
        );
    }

    #[test]
    fn limits_are_written_and_read_by_name() {
        for family in QuotaFamily::ALL {
            for market in [Market::OnDemand, Market::Spot] {
                let quota = Quota { market, family };
                assert_eq!(quota.to_string().parse(), Ok(quota));
            }
        }
        assert!("spot".parse::<Quota>().is_err());
        let map = BTreeMap::from([(Quota::of("m5.large", Market::Spot).unwrap(), 1)]);
        let text = serde_json::to_string(&map).unwrap();
        assert_eq!(text, r#"{"spot standard":1}"#);
        assert_eq!(
            serde_json::from_str::<BTreeMap<Quota, i32>>(&text).unwrap(),
            map
        );
    }
}
