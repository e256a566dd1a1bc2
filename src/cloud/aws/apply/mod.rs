//! Carries out effects: the fence, a look at the one thing an effect is about, then as few calls as it takes.

mod capacity;
mod change;
mod fence;
mod fields;
mod group;
mod hand;
mod instances;
mod launch;
#[cfg(test)]
mod recorded;
mod refresh;
mod templates;
mod write;

pub(super) use fence::Fence;

use super::connect::Clients;
use crate::cloud::{CloudError, Place};
use crate::model::{Applied, CloudEffect};
use hand::Hand;
use templates::Wanted;

/// Carries out one effect. The caller has made sure that the account is the one that the cluster belongs to.
pub(super) async fn carry_out(
    clients: Clients,
    place: &Place,
    effect: &CloudEffect,
) -> Result<Applied, CloudError> {
    Hand::new(place, effect.group(), clients)
        .carry_out(effect)
        .await
}

impl Hand<'_> {
    /// A refusal may come of what happened since the look, as when a spot instance is reclaimed: the next look finds it gone. No
    /// rollout turns round for that.
    async fn carry_out(&self, effect: &CloudEffect) -> Result<Applied, CloudError> {
        let of_instances = matches!(
            effect,
            CloudEffect::Detach { .. }
                | CloudEffect::Terminate { .. }
                | CloudEffect::Protect { .. }
        );
        match self.insist(effect).await {
            Err(CloudError::Refused { .. }) if of_instances => self.insist(effect).await,
            answer => answer,
        }
    }

    /// As long as AWS says that it did nothing and to come back later. Every attempt looks at what it expects to find: what was so at the
    /// first may be otherwise by the last.
    async fn insist(&self, effect: &CloudEffect) -> Result<Applied, CloudError> {
        for wait in self.waits {
            match self.attempt(effect).await {
                Err(CloudError::Throttled { .. }) => tokio::time::sleep(wait).await,
                answer => return answer,
            }
        }
        self.attempt(effect).await
    }

    async fn attempt(&self, effect: &CloudEffect) -> Result<Applied, CloudError> {
        match effect {
            CloudEffect::CreateTemplateVersion {
                template: _,
                data,
                user_data,
                carry,
                token,
            } => {
                self.create_version(&Wanted {
                    data,
                    user_data,
                    carry: *carry,
                    token,
                })
                .await
            }
            CloudEffect::CreateGroup {
                definition,
                version,
                desired,
            } => self.create(definition, *version, *desired).await,
            CloudEffect::UpdateGroup { from, to, version } => self.update(from, to, *version).await,
            CloudEffect::PinVersion { group: _, from, to } => self.pin(*from, *to).await,
            CloudEffect::SetDesired {
                group: _,
                from,
                to,
                launch: None,
            } => self.set_desired(*from, *to).await,
            CloudEffect::SetDesired {
                group: _,
                from,
                to,
                launch: Some(launch),
            } => self.launch(to.saturating_sub(*from), launch).await,
            CloudEffect::Suspend {
                group: _,
                processes,
            } => self.suspend(processes).await,
            CloudEffect::Resume {
                group: _,
                processes,
            } => self.resume(processes).await,
            CloudEffect::Detach { group: _, instance } => self.detach(instance).await,
            CloudEffect::Terminate {
                group: _,
                instance,
                decrement,
            } => self.terminate(instance, *decrement).await,
            CloudEffect::DeleteGroup { group } => self.delete(group).await,
            CloudEffect::PruneVersions {
                template: _,
                versions,
            } => self.prune(versions).await,
            CloudEffect::Protect {
                group: _,
                instances,
                protect,
            } => self.protect(instances, *protect).await,
            CloudEffect::StartRefresh {
                group: _,
                from,
                version,
                preferences,
            } => self.start_refresh(*from, *version, preferences).await,
            CloudEffect::CancelRefresh { group: _ } => self.cancel_refresh().await,
            CloudEffect::RollbackRefresh { group: _ } => self.rollback_refresh().await,
        }
    }
}
