//! What only a single group can be asked for: hooks, instance refreshes, its warm pool.

use std::collections::BTreeSet;
use std::sync::Arc;

use aws_sdk_autoscaling::types as sdk;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::memory::Asked;
use super::reading::Reading;
use crate::cloud::aws::connect::Clients;
use crate::cloud::aws::convert::{Strange, instance, past};
use crate::cloud::aws::error::cloud_error;
use crate::cloud::{CloudError, Place};
use crate::model::{AsgName, ClusterName};

/// Questions about single groups at the same time.
const AT_ONCE: usize = 8;

impl Reading<'_> {
    /// What only a single group can be asked for.
    pub(super) async fn singly(&mut self) {
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
        self.warm_details().await;
    }

    /// Instances of warm pools that nothing is known of yet.
    async fn warm_details(&mut self) {
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
            let strange = |e: Strange| CloudError::Unknown {
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
