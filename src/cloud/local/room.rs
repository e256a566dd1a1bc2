//! What room the simulated account has: more than anybody needs, but for what faults take away. Launches nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::capacity::zone_of;
use super::faults::{Fault, Faults};
use super::lack::Lack;
use super::world::Inner;
use crate::cloud::Place;
use crate::kops::instance_type;
use crate::model::{
    AsgName, ClusterName, Market, Quota, QuotaRoom, Reading, RegionRoom, RoomQuestion, SpotScore,
    SubnetRoom, Trial, TrialLaunch,
};

/// Free addresses of a subnet of which nothing else is said: a /20, less the five that AWS keeps. Source: VPC user guide, "Subnet CIDR blocks".
const ADDRESSES: u32 = 4_091;

/// The placement score of a zone of which nothing else is said.
const SCORE: u32 = 9;

/// vCPUs of a limit of which nothing else is said.
const VCPUS: u32 = 100_000;

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
            templates,
            spot,
            launches,
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
            spot: spot
                .iter()
                .map(|(types, instances)| SpotScore {
                    types: types.clone(),
                    instances: *instances,
                    scores: faults.readable("scores", || faults.scores(&zones)),
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
            templates: self.versions(templates),
            launches: launches
                .iter()
                .map(|(group, launch)| {
                    let trial = faults.readable("launches", || faults.trial(launch));
                    (group.clone(), trial)
                })
                .collect(),
        }
    }

    /// Versions of launch templates, of which no more is known than the newest; in one walk over the clusters.
    fn versions(&self, asked: &BTreeMap<AsgName, u64>) -> BTreeMap<AsgName, Reading<u64>> {
        let mut kept: BTreeMap<&AsgName, u64> = BTreeMap::new();
        self.each_cluster(|cluster| {
            for (name, template) in &cluster.state.templates {
                if let Some((name, _)) = asked.get_key_value(name) {
                    let versions = u64::try_from(template.versions.len()).unwrap_or(u64::MAX);
                    kept.entry(name).or_insert(versions);
                }
            }
        });
        let of = |(name, newest): (&AsgName, &u64)| {
            let there = self.faults.readable("versions", || {
                let found = self.faults.versions(name).or(kept.get(name).copied());
                found.unwrap_or(*newest)
            });
            (name.clone(), there)
        };
        asked.iter().map(of).collect()
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

impl Faults {
    /// What is read, unless the caller may not.
    fn readable<T>(&self, what: &str, read: impl FnOnce() -> T) -> Reading<T> {
        const WHY: &str =
            "UnauthorizedOperation: you are not authorized to perform this operation (simulated)";
        let mut faults = self.0.iter();
        if faults.any(|f| matches!(f, Fault::Lack(Lack::NoRead(denied)) if denied == what)) {
            Reading::Unknown(WHY.into())
        } else {
            Reading::Known(read())
        }
    }

    /// A subnet by the name of a definition: clusters that name the same one share it.
    fn subnet(&self, name: &str) -> SubnetRoom {
        let few = self.0.iter().find_map(|f| {
            let Fault::Lack(Lack::FewAddresses(subnet, left)) = f else {
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

    /// Source of the words: EC2 API reference, error codes, `InvalidParameterValue`.
    fn trial(&self, launch: &TrialLaunch) -> Trial {
        let profile = &launch.data.iam_instance_profile.name;
        let mut faults = self.0.iter();
        if !faults.any(|f| matches!(f, Fault::Lack(Lack::NoProfile(gone)) if gone == profile)) {
            return Trial::Accepted;
        }
        Trial::Refused(format!(
            "InvalidParameterValue: Value ({profile}) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name (simulated)"
        ))
    }

    /// What AWS thinks of Spot Instances, by zone: well, unless a fault says otherwise.
    fn scores(&self, zones: &BTreeSet<String>) -> BTreeMap<String, u32> {
        let of = |zone: &String| {
            let said = self.0.iter().find_map(|f| {
                let Fault::Lack(Lack::SpotScore(of, score)) = f else {
                    return None;
                };
                (of == zone).then_some(*score)
            });
            (zone.clone(), said.unwrap_or(SCORE))
        };
        zones.iter().map(of).collect()
    }

    /// Versions of a launch template of which there are to be many.
    fn versions(&self, template: &AsgName) -> Option<u64> {
        self.0.iter().find_map(|f| {
            let Fault::Lack(Lack::ManyVersions(of, n)) = f else {
                return None;
            };
            (of == template.as_str()).then_some(u64::from(*n))
        })
    }

    fn vcpus(&self, market: Market) -> Option<u32> {
        self.0.iter().find_map(|f| {
            let Fault::Lack(Lack::FewVcpus(of, free)) = f else {
                return None;
            };
            (*of == market).then_some(*free)
        })
    }

    /// Whether a zone offers a type.
    fn offers(&self, instance_type: &str, zone: &str) -> bool {
        !self.0.iter().any(|f| {
            let Fault::Lack(Lack::NotOffered(pool)) = f else {
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
            faults.any(|f| matches!(f, Fault::Lack(Lack::NoImage(gone)) if gone == image))
        };
        let there = images.iter().filter(|(image, _)| !gone(image));
        there
            .map(|(image, types)| {
                let other = self.0.iter().find_map(|f| {
                    let Fault::Lack(Lack::OtherArchitecture(of, is)) = f else {
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
