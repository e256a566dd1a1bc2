//! What the simulated account can be ordered to lack, as text. Takes nothing away itself.

use crate::model::Market;

/// What can be kept from the caller.
const READINGS: [&str; 7] = [
    "subnets", "quotas", "offers", "images", "versions", "scores", "launches",
];

/// Instances that AWS may be out of; none: for every group, of every type, in every zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    pub group: Option<String>,
    /// e.g. `m5.large`.
    pub instance_type: Option<String>,
    /// Availability zone, e.g. `eu-west-3a`.
    pub zone: Option<String>,
}

/// Room that is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lack {
    /// `few-addresses:SUBNET:N`: so many addresses are free in the subnet, by its name in the definitions.
    FewAddresses(String, u32),
    /// `few-vcpus:MARKET:N` (`on-demand` or `spot`): so many vCPUs may be launched beside those that run.
    FewVcpus(Market, u32),
    /// `not-offered:TYPE@ZONE`: the zone does not offer the type.
    NotOffered(Pool),
    /// `no-image:IMAGE`: there is no such image (any more).
    NoImage(String),
    /// `no-profile:PROFILE`: there is no such instance profile, so that no launch with it is taken.
    NoProfile(String),
    /// `spot-score:ZONE:N`: AWS thinks so of Spot Instances in the zone, from 1 to 10.
    SpotScore(String, u32),
    /// `many-versions:TEMPLATE:N`: the launch template has so many versions.
    ManyVersions(String, u32),
    /// `other-architecture:IMAGE:ARCHITECTURE`: the image is for this processor, `amd64` or `arm64`.
    OtherArchitecture(String, String),
    /// `no-room-read:WHAT`, one of `subnets`, `quotas`, `offers`, `images`, `versions`, `scores`, `launches`: the caller may not read it.
    NoRead(String),
}

impl Lack {
    /// A fault of one of these kinds, or the form in which it is written.
    pub(super) fn parse(kind: &str, value: &str) -> Result<Lack, &'static str> {
        let counted = || {
            let (what, n) = value.rsplit_once(':')?;
            let n = n.parse::<u32>().ok()?;
            (!what.is_empty()).then(|| (what.to_owned(), n))
        };
        let read = match kind {
            "few-addresses" => counted().map(|(subnet, n)| Lack::FewAddresses(subnet, n)),
            "few-vcpus" => counted().and_then(|(market, n)| match market.as_str() {
                "on-demand" => Some(Lack::FewVcpus(Market::OnDemand, n)),
                "spot" => Some(Lack::FewVcpus(Market::Spot, n)),
                _ => None,
            }),
            "spot-score" => counted().map(|(zone, n)| Lack::SpotScore(zone, n)),
            "many-versions" => counted().map(|(template, n)| Lack::ManyVersions(template, n)),
            "not-offered" => value.split_once('@').and_then(|(instance_type, zone)| {
                let whole = !instance_type.is_empty() && !zone.is_empty();
                whole.then(|| {
                    Lack::NotOffered(Pool {
                        group: None,
                        instance_type: Some(instance_type.to_owned()),
                        zone: Some(zone.to_owned()),
                    })
                })
            }),
            "other-architecture" => value.rsplit_once(':').and_then(|(image, is)| {
                let known = !image.is_empty() && ["amd64", "arm64"].contains(&is);
                known.then(|| Lack::OtherArchitecture(image.to_owned(), is.to_owned()))
            }),
            "no-room-read" => READINGS
                .contains(&value)
                .then(|| Lack::NoRead(value.to_owned())),
            "no-profile" => (!value.is_empty()).then(|| Lack::NoProfile(value.to_owned())),
            _ => (!value.is_empty()).then(|| Lack::NoImage(value.to_owned())),
        };
        read.ok_or(match kind {
            "few-addresses" => "few-addresses:SUBNET:N",
            "few-vcpus" => "few-vcpus:MARKET:N, MARKET one of on-demand, spot",
            "spot-score" => "spot-score:ZONE:N",
            "many-versions" => "many-versions:TEMPLATE:N",
            "not-offered" => "not-offered:TYPE@ZONE",
            "other-architecture" => {
                "other-architecture:IMAGE:ARCHITECTURE, the last one of amd64, arm64"
            }
            "no-room-read" => {
                "no-room-read:WHAT, WHAT one of subnets, quotas, offers, images, versions, scores, launches"
            }
            "no-profile" => "no-profile:PROFILE",
            _ => "no-image:IMAGE",
        })
    }
}
