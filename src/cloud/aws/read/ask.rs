//! Everything that is asked of one account and region, in order: groups, templates, versions, instances, names, and what only a group knows of itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aws_sdk_autoscaling::types as sdk;
use aws_sdk_ec2::types as ec2;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::assemble::{self, Haul, Template};
use super::memory::{Asked, Memory, Version};
use super::{Gaps, Singly};
use crate::cloud::aws::connect::{Clients, Connection};
use crate::cloud::aws::convert::group::{self, TemplateReference};
use crate::cloud::aws::convert::{instance, past, template};
use crate::cloud::aws::error::cloud_error;
use crate::cloud::aws::names::{Asking, Names, chunks, filter};
use crate::cloud::{CloudError, Place};
use crate::model::{AsgName, ClusterName, InstanceId, LiveCluster, Timestamp};

pub(super) use crate::cloud::aws::apply::DETACHED_FROM as DETACHED;

/// Largest page. Source: AWS API reference, DescribeAutoScalingGroups and DescribeScalingActivities.
const PAGE: i32 = 100;
/// Largest page of launch templates and their versions. Source: EC2 API reference, DescribeLaunchTemplateVersions.
const TEMPLATES: i32 = 200;
/// From so many templates on that something is missing of, the newest versions of all templates are listed first.
const LIST: usize = 4;
/// Clusters in one filter.
const CLUSTERS: usize = 50;
/// Questions about single groups at the same time.
const AT_ONCE: usize = 8;
/// How far back scaling activities are read, in milliseconds.
const SINCE: i64 = 2 * 3_600_000;
/// Most pages of them.
const PAGES: usize = 50;

/// One account and region, and the clusters in it that are read.
struct Reading<'a> {
    clients: Clients,
    connection: &'a Connection,
    memory: &'a Memory,
    place: &'a Place,
    places: &'a [Place],
    singly: &'a Singly,
    haul: Haul,
    gaps: Gaps,
}

/// Reads the clusters of one account and region.
pub(super) async fn door(
    connection: &Connection,
    memory: &Memory,
    places: &[Place],
    now: Timestamp,
    singly: &Singly,
) -> Result<BTreeMap<ClusterName, LiveCluster>, CloudError> {
    let Some(place) = places.first() else {
        return Ok(BTreeMap::new());
    };
    let clients = connection.clients(place).await?;
    let haul = Haul::new(now, groups(&clients, places, place).await?);
    let mut reading = Reading {
        clients,
        connection,
        memory,
        place,
        places,
        singly,
        haul,
        gaps: Gaps::default(),
    };
    reading.all().await;
    let Reading { haul, gaps, .. } = reading;
    Ok(assemble::clusters(&haul, places, gaps))
}

/// The groups that carry the tags of these clusters.
async fn groups(
    clients: &Clients,
    places: &[Place],
    place: &Place,
) -> Result<Vec<sdk::AutoScalingGroup>, CloudError> {
    let names: Vec<String> = places.iter().map(|p| p.cluster.to_string()).collect();
    let mut all = Vec::new();
    for some in names.chunks(CLUSTERS) {
        let by_tag = sdk::Filter::builder()
            .name("tag:KubernetesCluster")
            .set_values(Some(some.to_vec()))
            .build();
        let pages = clients
            .autoscaling
            .describe_auto_scaling_groups()
            .filters(by_tag)
            .max_records(PAGE)
            .into_paginator()
            .items()
            .send();
        all.extend(
            pages
                .try_collect()
                .await
                .map_err(|e| cloud_error(place, "AutoScalingGroups", &e))?,
        );
    }
    Ok(all)
}

impl Reading<'_> {
    async fn all(&mut self) {
        let everyone: Vec<ClusterName> = self.places.iter().map(|p| p.cluster.clone()).collect();
        for (what, read) in [
            ("launch templates", self.templates().await),
            ("instances", self.instances().await),
            ("scaling activities", self.activities().await),
        ] {
            if let Err(error) = read {
                self.gaps.add(&everyone, what, error);
            }
        }
        self.singly().await;
        // These need the instances of warm pools, and what was detached.
        self.versions().await;
        if let Err(error) = self.names().await {
            self.gaps.add(
                &everyone,
                "names of subnets, security groups and images",
                error,
            );
        }
    }

    /// Numbers of the newest and the default version of every template.
    async fn templates(&mut self) -> Result<(), CloudError> {
        let names: BTreeSet<String> = self
            .haul
            .groups
            .iter()
            .filter_map(|g| group::template(g)?.name)
            .collect();
        for some in chunks(&names) {
            let call = self
                .clients
                .ec2
                .describe_launch_templates()
                .filters(filter("launch-template-name", some))
                .max_results(TEMPLATES);
            let found = call
                .into_paginator()
                .items()
                .send()
                .try_collect()
                .await
                .map_err(|e| cloud_error(self.place, "launch templates", &e))?;
            for given in &found {
                if let Some(template) = Template::of(given) {
                    self.haul.templates.insert(template.id.clone(), template);
                }
            }
        }
        Ok(())
    }

    /// What EC2 knows of the instances that are new, and the instances that we took out of their groups.
    async fn instances(&mut self) -> Result<(), CloudError> {
        let members = self
            .haul
            .groups
            .iter()
            .flat_map(|g| g.instances())
            .filter_map(|i| instance::id(i.instance_id()).ok());
        let new = members
            .filter(|id| self.memory.details(id).is_none())
            .map(|id| id.to_string())
            .collect();
        self.details(&new).await?;
        let clusters = self.places.iter().map(|p| p.cluster.to_string()).collect();
        let live = ["pending", "running", "stopping", "stopped"]
            .map(str::to_owned)
            .into();
        let call = self
            .clients
            .ec2
            .describe_instances()
            .filters(filter("tag-key", vec![DETACHED.to_owned()]));
        let call = call
            .filters(filter("tag:KubernetesCluster", clusters))
            .filters(filter("instance-state-name", live));
        let found = call
            .into_paginator()
            .items()
            .send()
            .try_collect()
            .await
            .map_err(|e| cloud_error(self.place, "detached instances", &e))?;
        self.haul.detached = found
            .into_iter()
            .flat_map(|r| r.instances.unwrap_or_default())
            .collect();
        Ok(())
    }

    async fn details(&mut self, ids: &BTreeSet<String>) -> Result<(), CloudError> {
        for some in chunks(ids) {
            let call = self
                .clients
                .ec2
                .describe_instances()
                .filters(filter("instance-id", some))
                .max_results(1_000);
            let found = call
                .into_paginator()
                .items()
                .send()
                .try_collect()
                .await
                .map_err(|e| cloud_error(self.place, "instances", &e))?;
            for given in found.iter().flat_map(ec2::Reservation::instances) {
                if let Ok((id, details)) = instance::details(given) {
                    self.memory.keep_details(id, details);
                }
            }
        }
        let members = self
            .haul
            .groups
            .iter()
            .flat_map(|g| g.instances())
            .chain(self.haul.warm.values().flatten());
        let known = |id: InstanceId| self.memory.details(&id).map(|d| (id, d));
        self.haul.details = members
            .filter_map(|i| known(instance::id(i.instance_id()).ok()?))
            .collect();
        Ok(())
    }

    /// Scaling activities of the last hours, newest last.
    async fn activities(&mut self) -> Result<(), CloudError> {
        if self.haul.groups.is_empty() {
            return Ok(());
        }
        let since = Timestamp::from_millis(self.haul.now.millis() - SINCE);
        let from = aws_smithy_types::DateTime::from_millis(since.millis());
        let from = from
            .fmt(aws_smithy_types::date_time::Format::DateTime)
            .unwrap_or_default();
        let since_then = sdk::Filter::builder()
            .name("StartTimeLowerBound")
            .values(from)
            .build();
        let call = self
            .clients
            .autoscaling
            .describe_scaling_activities()
            .filters(since_then)
            .max_records(PAGE);
        let mut pages = call.into_paginator().send();
        let mut read = 0;
        while let Some(page) = pages.next().await {
            let page = page.map_err(|e| cloud_error(self.place, "scaling activities", &e))?;
            for given in page.activities() {
                let (Some(name), Ok(activity)) =
                    (given.auto_scaling_group_name(), past::activity(given))
                else {
                    continue;
                };
                if let (Ok(name), true) = (AsgName::new(name), activity.at >= since) {
                    let refresh = given
                        .cause()
                        .is_some_and(|c| c.contains("instance refresh"));
                    self.haul.refreshed.extend(refresh.then(|| name.clone()));
                    self.haul.activities.entry(name).or_default().push(activity);
                }
            }
            read += 1;
            if read == PAGES {
                let message = format!("more than {} in two hours", PAGES * 100);
                return Err(CloudError::Unknown {
                    subject: "scaling activities".into(),
                    message,
                });
            }
        }
        self.haul
            .activities
            .values_mut()
            .for_each(|a| a.sort_by_key(|a| a.at));
        Ok(())
    }

    /// What only a single group can be asked for.
    async fn singly(&mut self) {
        let turns = Arc::new(Semaphore::new(AT_ONCE));
        let mut tasks = JoinSet::new();
        let writes = self.connection.writes(self.place);
        let (groups, only_reads) = (self.haul.groups.len(), self.connection.only_reads());
        let hooks = self.singly.hooks(groups);
        for given in &self.haul.groups {
            let Some(name) = given
                .auto_scaling_group_name()
                .and_then(|n| AsgName::new(n).ok())
            else {
                continue;
            };
            let key = (
                self.place.account.clone(),
                self.place.region.clone(),
                name.clone(),
            );
            let pool = given.warm_pool_configuration().is_some();
            let refresh = self.singly.refresh(&name, groups, only_reads)
                || self.haul.refreshed.contains(&name);
            let known = self.memory.group(&key, writes, hooks, refresh);
            if let (Some(asked), false) = (&known, pool) {
                self.haul.asked.insert(name, asked.clone());
                continue;
            }
            let one = One {
                clients: self.clients.clone(),
                place: self.place.clone(),
                name,
                pool,
                hooks,
                refresh,
                writes,
            };
            let turns = Arc::clone(&turns);
            tasks.spawn(async move {
                let _turn = turns.acquire_owned().await;
                let asked = match known {
                    Some(asked) => Ok(asked),
                    None => one.asked().await,
                };
                let warm = one.warm().await;
                (key, asked, warm)
            });
        }
        while let Some(done) = tasks.join_next().await {
            // Only a panic ends a task otherwise; its group was then not asked, which is a gap below.
            let Ok((key, asked, warm)) = done else {
                continue;
            };
            let name = key.2.clone();
            match asked {
                Ok(asked) => {
                    self.memory.keep_group(key, asked.clone());
                    self.haul.asked.insert(name.clone(), asked);
                }
                Err(error) => drop(self.haul.unread.insert(
                    name.clone(),
                    ("lifecycle hooks and instance refreshes", error.to_string()),
                )),
            }
            match warm {
                Ok(warm) => drop(self.haul.warm.insert(name, warm)),
                Err(error) => drop(
                    self.haul
                        .unread
                        .insert(name, ("warm pool", error.to_string())),
                ),
            }
        }
        let warm = self
            .haul
            .warm
            .values()
            .flatten()
            .filter_map(|i| instance::id(i.instance_id()).ok());
        let new: BTreeSet<String> = warm
            .filter(|id| self.memory.details(id).is_none())
            .map(|id| id.to_string())
            .collect();
        if !new.is_empty()
            && let Err(error) = self.details(&new).await
        {
            let everyone: Vec<ClusterName> =
                self.places.iter().map(|p| p.cluster.clone()).collect();
            self.gaps.add(&everyone, "instances of warm pools", error);
        }
    }

    /// Every version that a group or one of its instances refers to: remembered, or newest and listed with all others, or asked for by number.
    async fn versions(&mut self) {
        let mut missing = self.haul.wanted_versions();
        missing
            .values_mut()
            .for_each(|numbers| numbers.retain(|n| !self.remembered(n)));
        missing.retain(|_, numbers| !numbers.is_empty());
        let newest = |key: &(String, u64)| {
            self.haul
                .templates
                .get(&key.0)
                .is_some_and(|t| t.latest == key.1)
        };
        if missing
            .values()
            .filter(|keys| keys.iter().any(newest))
            .count()
            >= LIST
        {
            let call = self
                .clients
                .ec2
                .describe_launch_template_versions()
                .versions("$Latest")
                .max_results(TEMPLATES);
            // What the list does not bring is asked for below; so is everything when it cannot be had.
            if let Ok(found) = call.into_paginator().items().send().try_collect().await {
                self.keep(found.iter().filter(|v| {
                    v.launch_template_id()
                        .is_some_and(|id| missing.contains_key(id))
                }));
            }
        }
        for (id, keys) in missing {
            let numbers: Vec<u64> = keys
                .into_iter()
                .filter(|key| !self.remembered(key))
                .map(|(_, n)| n)
                .collect();
            if let Err(error) = self.numbered(&id, &numbers).await {
                self.haul.unversioned.insert(id, error.to_string());
            }
        }
    }

    fn remembered(&mut self, key: &(String, u64)) -> bool {
        match self.memory.version(key) {
            Some(version) => {
                self.haul.versions.insert(key.clone(), version);
                true
            }
            None => false,
        }
    }

    fn keep<'v>(&mut self, found: impl Iterator<Item = &'v ec2::LaunchTemplateVersion>) {
        for given in found {
            let (Some(id), Some(data)) = (given.launch_template_id(), given.launch_template_data())
            else {
                continue;
            };
            match template::version(given) {
                Ok((number, version)) => {
                    let key = (id.to_owned(), number);
                    let version = Version {
                        version,
                        foreign: template::foreign(data),
                    };
                    self.memory.keep_version(key.clone(), version.clone());
                    self.haul.versions.insert(key, version);
                }
                Err(strange) => drop(
                    self.haul
                        .unversioned
                        .insert(id.to_owned(), strange.to_string()),
                ),
            }
        }
    }

    /// Versions of one template. One that is deleted makes AWS refuse the whole question: then all there are are read.
    async fn numbered(&mut self, id: &str, numbers: &[u64]) -> Result<(), CloudError> {
        for some in numbers.chunks(usize::try_from(TEMPLATES).unwrap_or(1)) {
            let call = || {
                self.clients
                    .ec2
                    .describe_launch_template_versions()
                    .launch_template_id(id)
            };
            let wanted = some.iter().map(u64::to_string).collect();
            let found = match call().set_versions(Some(wanted)).send().await {
                Ok(answer) => answer.launch_template_versions.unwrap_or_default(),
                Err(error) if is_deleted(&error) => {
                    let pages = call()
                        .max_results(TEMPLATES)
                        .into_paginator()
                        .items()
                        .send()
                        .try_collect()
                        .await;
                    pages.map_err(|e| cloud_error(self.place, "launch template versions", &e))?
                }
                Err(error) => {
                    return Err(cloud_error(self.place, "launch template versions", &error));
                }
            };
            self.keep(found.iter());
        }
        Ok(())
    }

    /// Names for the ids found, and what the names of images mean.
    async fn names(&mut self) -> Result<(), CloudError> {
        let clusters: BTreeSet<ClusterName> =
            self.places.iter().map(|p| p.cluster.clone()).collect();
        let fields: Vec<_> = self
            .haul
            .groups
            .iter()
            .filter_map(|g| group::fields(g).ok())
            .collect();
        let subnets = fields
            .into_iter()
            .flat_map(|f| f.vpc_zone_identifier)
            .collect();
        let data = || self.haul.versions.values().map(|v| &v.version.data);
        let groups = data()
            .flat_map(|d| &d.network_interfaces)
            .flat_map(|n| &n.groups)
            .filter(|g| g.starts_with("sg-"))
            .cloned()
            .collect();
        let images = data()
            .map(|d| d.image_id.clone())
            .filter(|i| i.starts_with("ami-"))
            .collect();
        let wanted = self
            .places
            .iter()
            .flat_map(|p| self.connection.access(&p.cluster).images)
            .collect();
        let asking = Asking {
            clients: &self.clients,
            place: self.place,
        };
        let mut names = Names::default();
        asking
            .subnets_by_id(&mut names, &clusters, &subnets)
            .await?;
        asking
            .security_groups_by_id(&mut names, &clusters, &groups)
            .await?;
        asking.images(&mut names, &wanted, &images).await?;
        for place in self.places {
            for unclear in names.unclear_images(&self.connection.access(&place.cluster).images) {
                self.gaps.add([&place.cluster], "images", unclear);
            }
        }
        self.haul.names = names;
        Ok(())
    }
}

fn is_deleted<E: aws_smithy_types::error::metadata::ProvideErrorMetadata>(error: &E) -> bool {
    error.code() == Some("InvalidLaunchTemplateId.VersionNotFound")
}

/// One group, asked for by itself.
struct One {
    clients: Clients,
    place: Place,
    name: AsgName,
    pool: bool,
    hooks: bool,
    refresh: bool,
    writes: u64,
}

impl One {
    async fn asked(&self) -> Result<Asked, CloudError> {
        // Taken before the answers: they are as old as the question.
        let at = tokio::time::Instant::now();
        let mut hooks = None;
        if self.hooks {
            let answer = self
                .clients
                .autoscaling
                .describe_lifecycle_hooks()
                .auto_scaling_group_name(self.name.as_str())
                .send()
                .await;
            hooks = Some(
                answer
                    .map_err(|e| cloud_error(&self.place, &self.name, &e))?
                    .lifecycle_hooks
                    .unwrap_or_default(),
            );
        }
        let mut refresh = None;
        if self.refresh {
            let call = self
                .clients
                .autoscaling
                .describe_instance_refreshes()
                .auto_scaling_group_name(self.name.as_str())
                .max_records(1);
            let answer = call
                .send()
                .await
                .map_err(|e| cloud_error(&self.place, &self.name, &e))?;
            // The newest comes first. Source: AWS API reference, DescribeInstanceRefreshes.
            let newest = answer
                .instance_refreshes()
                .first()
                .map(past::refresh)
                .transpose();
            let strange = |e: crate::cloud::aws::convert::Strange| CloudError::Unknown {
                subject: self.name.to_string(),
                message: e.to_string(),
            };
            refresh = newest.map_err(strange)?;
        }
        Ok(Asked {
            hooks,
            refresh,
            of_refreshes: self.refresh,
            writes: self.writes,
            at,
        })
    }

    /// The instances of its warm pool.
    async fn warm(&self) -> Result<Vec<sdk::Instance>, CloudError> {
        if !self.pool {
            return Ok(Vec::new());
        }
        let call = self
            .clients
            .autoscaling
            .describe_warm_pool()
            .auto_scaling_group_name(self.name.as_str());
        call.into_paginator()
            .items()
            .send()
            .try_collect()
            .await
            .map_err(|e| cloud_error(&self.place, &self.name, &e))
    }
}

/// The number that a reference means, and whether it moves by itself.
pub(super) fn meant(
    reference: &TemplateReference,
    template: Option<&Template>,
) -> Option<crate::model::VersionRef> {
    use crate::model::VersionRef;
    match reference.version.as_deref() {
        Some("$Latest") => Some(VersionRef::Latest(template?.latest)),
        Some("$Default") | None => Some(VersionRef::Default(template?.default)),
        Some(number) => number.parse().ok().map(VersionRef::Number),
    }
}
