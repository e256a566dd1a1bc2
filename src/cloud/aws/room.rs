//! What room an account has in a region: free addresses, limits of vCPUs against what runs, types by zone, images. What cannot be read is unknown; judges nothing.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::types::{ImageState, Instance, InstanceLifecycleType, LocationType};
use aws_smithy_types::error::metadata::ProvideErrorMetadata as _;

use super::connect::Clients;
use super::ec2::{chunks, filter, tag};
use super::error::{cloud_error, reading};
use super::{scores, trial};
use crate::cloud::{CloudError, Place};
use crate::kops::instance_type;
use crate::model::{
    AsgName, ClusterName, MANY_VERSIONS, Market, Quota, QuotaFamily, QuotaRoom, Reading,
    RegionRoom, RoomQuestion, SubnetRoom,
};

/// Versions of a launch template in one answer. Source: EC2 API reference, DescribeLaunchTemplateVersions, `MaxResults`.
const VERSIONS: i32 = 200;

/// The code of EC2 at Service Quotas.
const SERVICE: &str = "ec2";

/// The code of a limit at Service Quotas; none: it has none that is known here.
///
/// Source: the names are those of AWS General Reference, "Amazon EC2 endpoints and quotas" (`docs.aws.amazon.com/general/latest/gr/ec2-service.html`),
/// where each links to its page at Service Quotas, `console.aws.amazon.com/servicequotas/home/services/ec2/quotas/CODE`. They are the same in every
/// account and region.
fn code(quota: Quota) -> &'static str {
    match (quota.market, quota.family) {
        // Running On-Demand … instances.
        (Market::OnDemand, QuotaFamily::Standard) => "L-1216C47A",
        (Market::OnDemand, QuotaFamily::Dl) => "L-6E869C2A",
        (Market::OnDemand, QuotaFamily::F) => "L-74FC7D96",
        (Market::OnDemand, QuotaFamily::GAndVt) => "L-DB2E81BA",
        (Market::OnDemand, QuotaFamily::Inf) => "L-1945791B",
        (Market::OnDemand, QuotaFamily::P) => "L-417A185B",
        (Market::OnDemand, QuotaFamily::Trn) => "L-2C3B7624",
        (Market::OnDemand, QuotaFamily::X) => "L-7295265B",
        // All … Spot Instance Requests.
        (Market::Spot, QuotaFamily::Standard) => "L-34B43A08",
        (Market::Spot, QuotaFamily::Dl) => "L-85EED4F7",
        (Market::Spot, QuotaFamily::F) => "L-88CF9481",
        (Market::Spot, QuotaFamily::GAndVt) => "L-3819A6DF",
        (Market::Spot, QuotaFamily::Inf) => "L-B5D1601B",
        (Market::Spot, QuotaFamily::P) => "L-7212CCBC",
        (Market::Spot, QuotaFamily::Trn) => "L-6B0D517C",
        (Market::Spot, QuotaFamily::X) => "L-E3A00192",
    }
}

/// All that is asked, each part for itself: a right that is missing for one of them leaves the others.
pub(super) async fn room(
    clients: &Clients,
    place: &Place,
    asked: &RoomQuestion,
) -> Result<RegionRoom, CloudError> {
    let asking = Asking { clients, place };
    let used = if asked.quotas.is_empty() {
        Reading::Known(BTreeMap::new())
    } else {
        reading(asking.used().await)?
    };
    let mut quotas = BTreeMap::new();
    for quota in &asked.quotas {
        let room = match &used {
            Reading::Known(used) => reading(asking.quota(*quota, used).await)?,
            Reading::Unknown(why) => Reading::Unknown(why.clone()),
        };
        quotas.insert(*quota, room);
    }
    let (subnets, zones) = apart(reading(asking.subnets(&asked.subnets).await)?);
    let mut templates = BTreeMap::new();
    for (name, newest) in &asked.templates {
        let versions = reading(asking.versions(name, *newest).await)?;
        templates.insert(name.clone(), versions);
    }
    Ok(RegionRoom {
        account: asked.account.clone(),
        region: asked.region.clone(),
        quotas,
        offered: reading(asking.offered(&asked.types).await)?,
        images: reading(asking.images(&asked.images).await)?,
        templates,
        spot: scores::scores(clients, place, &asked.spot, &zones).await?,
        launches: trial::launches(clients, place, &asked.launches, &subnets).await?,
        subnets,
    })
}

/// Subnets of clusters, by the name that was asked for.
type Subnets = BTreeMap<ClusterName, BTreeMap<String, SubnetRoom>>;

/// Two things that were read together.
fn apart<A, B>(both: Reading<(A, B)>) -> (Reading<A>, Reading<B>) {
    match both {
        Reading::Known((a, b)) => (Reading::Known(a), Reading::Known(b)),
        Reading::Unknown(why) => (Reading::Unknown(why.clone()), Reading::Unknown(why)),
    }
}

struct Asking<'a> {
    clients: &'a Clients,
    place: &'a Place,
}

impl Asking<'_> {
    /// Subnets by id, and those that have one of the names that kops gives them; a name that two have is none. And their zones' names by id.
    async fn subnets(
        &self,
        asked: &BTreeMap<ClusterName, BTreeSet<String>>,
    ) -> Result<(Subnets, BTreeMap<String, String>), CloudError> {
        let (ids, names): (BTreeSet<String>, BTreeSet<String>) = asked
            .values()
            .flatten()
            .cloned()
            .partition(|s| s.starts_with("subnet-"));
        let mut found: BTreeMap<String, Option<SubnetRoom>> = BTreeMap::new();
        let mut zones = BTreeMap::new();
        for (by, values) in [("subnet-id", &ids), ("tag:Name", &names)] {
            for some in chunks(values) {
                let call = self
                    .clients
                    .ec2
                    .describe_subnets()
                    .filters(filter(by, some));
                let pages = call.into_paginator().items().send().try_collect().await;
                for subnet in pages.map_err(|e| cloud_error(self.place, "subnets", &e))? {
                    let id = subnet.subnet_id().unwrap_or_default().to_owned();
                    let name = tag(subnet.tags(), "Name").unwrap_or_default();
                    let called = if by == "subnet-id" {
                        id.clone()
                    } else {
                        name.to_owned()
                    };
                    let free = subnet.available_ip_address_count().unwrap_or_default();
                    let room = SubnetRoom {
                        id,
                        zone: subnet.availability_zone().unwrap_or_default().to_owned(),
                        free: u32::try_from(free).unwrap_or_default(),
                    };
                    if let Some(id) = subnet.availability_zone_id() {
                        zones.insert(id.to_owned(), room.zone.clone());
                    }
                    found
                        .entry(called)
                        .and_modify(|other| *other = None)
                        .or_insert(Some(room));
                }
            }
        }
        let of = |names: &BTreeSet<String>| {
            let rooms = names.iter();
            rooms
                .filter_map(|name| Some((name.clone(), found.get(name)?.clone()?)))
                .collect()
        };
        let clusters = asked.iter();
        let rooms = clusters.map(|(c, names)| (c.clone(), of(names))).collect();
        Ok((rooms, zones))
    }

    /// vCPUs that run, by the limit that they count towards.
    async fn used(&self) -> Result<BTreeMap<Quota, u32>, CloudError> {
        let running = ["pending", "running"].map(str::to_owned).to_vec();
        let call = self.clients.ec2.describe_instances();
        let call = call.filters(filter("instance-state-name", running));
        let pages = call.into_paginator().items().send().try_collect().await;
        let found = pages.map_err(|e| cloud_error(self.place, "instances", &e))?;
        let mut used: BTreeMap<Quota, u32> = BTreeMap::new();
        for instance in found.iter().flat_map(|r| r.instances()) {
            if let Some((quota, vcpus)) = counted(instance) {
                let sum = used.entry(quota).or_default();
                *sum = sum.saturating_add(vcpus);
            }
        }
        Ok(used)
    }

    /// A limit: the one that the account has, else AWS's default.
    async fn quota(
        &self,
        quota: Quota,
        used: &BTreeMap<Quota, u32>,
    ) -> Result<QuotaRoom, CloudError> {
        let client = &self.clients.quotas;
        let own = client.get_service_quota();
        let own = own.service_code(SERVICE).quota_code(code(quota));
        let value = match own.send().await {
            Ok(answer) => answer.quota().and_then(|q| q.value()),
            // Source: Service Quotas API, GetServiceQuota: where there is only the default, it is not retrieved.
            Err(error) if error.code() == Some("NoSuchResourceException") => {
                let default = client.get_aws_default_service_quota();
                let default = default.service_code(SERVICE).quota_code(code(quota));
                let answer = default.send().await;
                let answer = answer.map_err(|e| cloud_error(self.place, quota, &e))?;
                answer.quota().and_then(|q| q.value())
            }
            Err(error) => return Err(cloud_error(self.place, quota, &error)),
        };
        let limit = value.and_then(whole).ok_or_else(|| CloudError::Unknown {
            subject: quota.to_string(),
            message: "Service Quotas answers without a value".into(),
        })?;
        Ok(QuotaRoom {
            limit,
            used: used.get(&quota).copied().unwrap_or(0),
        })
    }

    /// Versions of a launch template, at most: they are counted where the number of the newest one says that there may be many.
    async fn versions(&self, name: &AsgName, newest: u64) -> Result<u64, CloudError> {
        if newest < MANY_VERSIONS {
            return Ok(newest);
        }
        let call = self.clients.ec2.describe_launch_template_versions();
        let call = call
            .launch_template_name(name.as_str())
            .max_results(VERSIONS);
        let pages = call.into_paginator().items().send().try_collect().await;
        let found = pages.map_err(|e| cloud_error(self.place, name, &e))?;
        Ok(u64::try_from(found.len()).unwrap_or(u64::MAX))
    }

    /// Of these types, those that each zone offers.
    async fn offered(
        &self,
        types: &BTreeSet<String>,
    ) -> Result<BTreeMap<String, BTreeSet<String>>, CloudError> {
        let mut zones: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for some in chunks(types) {
            let call = self.clients.ec2.describe_instance_type_offerings();
            let call = call
                .location_type(LocationType::AvailabilityZone)
                .filters(filter("instance-type", some));
            let pages = call.into_paginator().items().send().try_collect().await;
            let found = pages.map_err(|e| cloud_error(self.place, "instance types", &e))?;
            for offering in found {
                if let (Some(name), Some(zone)) = (offering.instance_type(), offering.location()) {
                    let there = zones.entry(zone.to_owned()).or_default();
                    there.insert(name.as_str().to_owned());
                }
            }
        }
        Ok(zones)
    }

    /// Of these images those that can be launched. One that is named otherwise than by its id is looked up by the plan.
    async fn images(
        &self,
        images: &BTreeMap<String, BTreeSet<String>>,
    ) -> Result<BTreeMap<String, Option<String>>, CloudError> {
        let (ids, names): (BTreeSet<String>, BTreeSet<String>) =
            images.keys().cloned().partition(|i| i.starts_with("ami-"));
        let mut there: BTreeMap<String, Option<String>> =
            names.into_iter().map(|name| (name, None)).collect();
        for some in chunks(&ids) {
            let call = self.clients.ec2.describe_images().include_deprecated(true);
            let call = call.filters(filter("image-id", some));
            let pages = call.into_paginator().items().send().try_collect().await;
            let found = pages.map_err(|e| cloud_error(self.place, "images", &e))?;
            for image in found {
                let usable = image.state().is_none_or(|s| *s == ImageState::Available);
                let is = image.architecture().map(|a| match a.as_str() {
                    "x86_64" => "amd64".to_owned(),
                    other => other.to_owned(),
                });
                if let Some(id) = image.image_id().filter(|_| usable) {
                    there.insert(id.to_owned(), is);
                }
            }
        }
        Ok(there)
    }
}

/// The limit that a running instance counts towards, and by how much: the default vCPUs of its type.
fn counted(instance: &Instance) -> Option<(Quota, u32)> {
    let name = instance.instance_type()?.as_str();
    let market = match instance.instance_lifecycle() {
        Some(InstanceLifecycleType::Spot) => Market::Spot,
        Some(_) | None => Market::OnDemand,
    };
    let cpu = instance.cpu_options();
    let own = || {
        let cores = u32::try_from(cpu?.core_count()?).ok()?;
        let threads = u32::try_from(cpu?.threads_per_core()?).ok()?;
        Some(cores.saturating_mul(threads))
    };
    let vcpus = instance_type(name).map(|t| t.vcpus).or_else(own)?;
    Some((Quota::of(name, market)?, vcpus))
}

/// A limit as Service Quotas writes it.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "held within the bounds just before"
)]
fn whole(value: f64) -> Option<u32> {
    (value.is_finite() && value >= 0.0).then(|| value.min(f64::from(u32::MAX)) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_has_a_code_of_its_own() {
        let all = [Market::OnDemand, Market::Spot]
            .into_iter()
            .flat_map(|market| QuotaFamily::ALL.map(|family| code(Quota { market, family })));
        let codes: BTreeSet<&str> = all.collect();
        assert_eq!(codes.len(), 16);
    }

    #[test]
    fn limits_are_whole_numbers() {
        assert_eq!(
            [5.0, 0.0, 1e12, -1.0, f64::NAN].map(whole),
            [Some(5), Some(0), Some(u32::MAX), None, None]
        );
    }
}
