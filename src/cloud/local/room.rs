//! What room the simulated account has: more than anybody needs, but for what faults take away. Launches nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::capacity::zone_of;
use super::faults::{Fault, Faults, Pool};
use super::world::Inner;
use crate::cloud::Place;
use crate::kops::instance_type;
use crate::model::{
    ClusterName, Market, Quota, QuotaRoom, Reading, RegionRoom, RoomQuestion, SubnetRoom,
};

/// Free addresses of a subnet of which nothing else is said: a /20, less the five that AWS keeps. Source: VPC user guide, "Subnet CIDR blocks".
const ADDRESSES: u32 = 4_091;

/// vCPUs of a limit of which nothing else is said.
const VCPUS: u32 = 100_000;

/// What can be kept from the caller.
const READINGS: [&str; 4] = ["subnets", "quotas", "offers", "images"];

impl Inner {
    /// What there is.
    pub(super) fn room(&self, asked: &RoomQuestion) -> RegionRoom {
        let RoomQuestion {
            account,
            region,
            subnets,
            quotas,
            types,
            images,
        } = asked;
        let faults = &self.faults;
        let zones: BTreeSet<String> = subnets.values().flatten().map(|s| zone_of(s)).collect();
        RegionRoom {
            account: account.clone(),
            region: region.clone(),
            subnets: faults.readable("subnets", || {
                let of = |(cluster, names): (&ClusterName, &BTreeSet<String>)| {
                    let rooms = names.iter();
                    let rooms = rooms.map(|name| (name.clone(), faults.subnet(name)));
                    (cluster.clone(), rooms.collect())
                };
                subnets.iter().map(of).collect()
            }),
            quotas: quotas
                .iter()
                .map(|quota| {
                    let room = faults.readable("quotas", || self.quota(asked, *quota));
                    (*quota, room)
                })
                .collect(),
            offered: faults.readable("offers", || {
                let of = |zone: String| {
                    let there = types.iter().filter(|name| faults.offers(name, &zone));
                    let there = there.cloned().collect();
                    (zone, there)
                };
                zones.into_iter().map(of).collect()
            }),
            images: faults.readable("images", || faults.images(images)),
        }
    }

    /// A limit against what runs in the account and region.
    fn quota(&self, asked: &RoomQuestion, quota: Quota) -> QuotaRoom {
        let mut used = 0_u32;
        self.each_cluster(|cluster| {
            let Place {
                cluster: _,
                account,
                region,
            } = &cluster.place;
            if (account, region) != (&asked.account, &asked.region) {
                return;
            }
            let groups = cluster.state.groups.values();
            let machines = groups.flat_map(|group| group.machines.values());
            let counted = machines
                .filter(|m| Quota::of(&m.instance_type, m.market) == Some(quota))
                .filter_map(|m| instance_type(&m.instance_type));
            used = counted.fold(used, |sum, t| sum.saturating_add(t.vcpus));
        });
        let limit = self
            .faults
            .vcpus(quota.market)
            .map_or(VCPUS, |free| used.saturating_add(free));
        QuotaRoom { limit, used }
    }
}

/// A fault of one of these kinds, or the form in which it is written.
pub(super) fn fault(kind: &str, value: &str) -> Result<Fault, &'static str> {
    let counted = || {
        let (what, n) = value.rsplit_once(':')?;
        let n = n.parse::<u32>().ok()?;
        (!what.is_empty()).then(|| (what.to_owned(), n))
    };
    let read = match kind {
        "few-addresses" => counted().map(|(subnet, n)| Fault::FewAddresses(subnet, n)),
        "few-vcpus" => counted().and_then(|(market, n)| match market.as_str() {
            "on-demand" => Some(Fault::FewVcpus(Market::OnDemand, n)),
            "spot" => Some(Fault::FewVcpus(Market::Spot, n)),
            _ => None,
        }),
        "not-offered" => value.split_once('@').and_then(|(instance_type, zone)| {
            let whole = !instance_type.is_empty() && !zone.is_empty();
            whole.then(|| {
                Fault::NotOffered(Pool {
                    group: None,
                    instance_type: Some(instance_type.to_owned()),
                    zone: Some(zone.to_owned()),
                })
            })
        }),
        "other-architecture" => value.rsplit_once(':').and_then(|(image, is)| {
            let known = !image.is_empty() && ["amd64", "arm64"].contains(&is);
            known.then(|| Fault::OtherArchitecture(image.to_owned(), is.to_owned()))
        }),
        "no-room-read" => READINGS
            .contains(&value)
            .then(|| Fault::NoRoomRead(value.to_owned())),
        _ => (!value.is_empty()).then(|| Fault::NoImage(value.to_owned())),
    };
    read.ok_or(match kind {
        "few-addresses" => "few-addresses:SUBNET:N",
        "few-vcpus" => "few-vcpus:MARKET:N, MARKET one of on-demand, spot",
        "not-offered" => "not-offered:TYPE@ZONE",
        "other-architecture" => {
            "other-architecture:IMAGE:ARCHITECTURE, the last one of amd64, arm64"
        }
        "no-room-read" => "no-room-read:WHAT, WHAT one of subnets, quotas, offers, images",
        _ => "no-image:IMAGE",
    })
}

impl Faults {
    /// What is read, unless the caller may not.
    fn readable<T>(&self, what: &str, read: impl FnOnce() -> T) -> Reading<T> {
        const WHY: &str =
            "UnauthorizedOperation: you are not authorized to perform this operation (simulated)";
        let mut faults = self.0.iter();
        if faults.any(|f| matches!(f, Fault::NoRoomRead(denied) if denied == what)) {
            Reading::Unknown(WHY.into())
        } else {
            Reading::Known(read())
        }
    }

    /// A subnet by the name of a definition: clusters that name the same one share it.
    fn subnet(&self, name: &str) -> SubnetRoom {
        let few = self.0.iter().find_map(|f| {
            let Fault::FewAddresses(subnet, left) = f else {
                return None;
            };
            (subnet == name).then_some(*left)
        });
        SubnetRoom {
            id: name.to_owned(),
            zone: zone_of(name),
            free: few.unwrap_or(ADDRESSES),
        }
    }

    fn vcpus(&self, market: Market) -> Option<u32> {
        self.0.iter().find_map(|f| {
            let Fault::FewVcpus(of, free) = f else {
                return None;
            };
            (*of == market).then_some(*free)
        })
    }

    /// Whether a zone offers a type.
    fn offers(&self, instance_type: &str, zone: &str) -> bool {
        !self.0.iter().any(|f| {
            let Fault::NotOffered(pool) = f else {
                return false;
            };
            pool.instance_type.as_deref() == Some(instance_type)
                && pool.zone.as_deref() == Some(zone)
        })
    }

    /// Of these images those that there are, with their architecture: that of the types launched from them, unless a fault says otherwise.
    fn images(
        &self,
        images: &BTreeMap<String, BTreeSet<String>>,
    ) -> BTreeMap<String, Option<String>> {
        let gone = |image: &str| {
            let mut faults = self.0.iter();
            faults.any(|f| matches!(f, Fault::NoImage(gone) if gone == image))
        };
        let there = images.iter().filter(|(image, _)| !gone(image));
        there
            .map(|(image, types)| {
                let other = self.0.iter().find_map(|f| {
                    let Fault::OtherArchitecture(of, is) = f else {
                        return None;
                    };
                    (of == image).then(|| is.clone())
                });
                let own = types.iter().find_map(|name| instance_type(name));
                let own = own.map_or("amd64", |t| t.architecture.as_str());
                (image.clone(), Some(other.unwrap_or_else(|| own.to_owned())))
            })
            .collect()
    }
}
