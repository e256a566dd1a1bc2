//! What kops is asked, held against the rules before it is.

use std::collections::BTreeSet;

use kfleet::cloud::Place;
use kfleet::engine::{Engine, EngineError, KopsCall, Left, Validation};
use kfleet::model::{ClusterName, Effect, GroupName, Nodeup, Stored};
use serde_json::Value as Json;

use super::spy::Spy;

impl Engine for Spy {
    async fn stored(&self, place: &Place) -> (Stored, Nodeup) {
        self.world.stored(place).await
    }

    async fn publish(&self, place: &Place, documents: &[Json]) -> Result<(), EngineError> {
        self.judge_kops(&place.cluster).await;
        let done = self.world.publish(place, documents).await;
        self.die(false);
        done
    }

    async fn update(
        &self,
        place: &Place,
        groups: &BTreeSet<GroupName>,
        beside: &BTreeSet<GroupName>,
    ) -> Result<(), EngineError> {
        self.judge_kops(&place.cluster).await;
        if self.state.lock().unwrap().idle_kops {
            return Ok(());
        }
        let done = self.world.update(place, groups, beside).await;
        self.die(false);
        done
    }

    async fn delete(&self, place: &Place, group: &GroupName) -> Result<(), EngineError> {
        let done = self.world.delete(place, group).await;
        self.die(false);
        done
    }

    async fn validate(&self, place: &Place) -> Result<Validation, EngineError> {
        self.world.validate(place).await
    }

    async fn left(&self, place: &Place, groups: &BTreeSet<GroupName>) -> Result<Left, EngineError> {
        self.world.left(place, groups).await
    }

    async fn drain_calls(&self, place: &Place) -> Vec<KopsCall> {
        self.world.drain_calls(place).await
    }
}

impl Spy {
    /// kops ends well and does nothing.
    pub fn idle_kops(&self) {
        self.state.lock().unwrap().idle_kops = true;
    }

    /// kops is asked for what is open in the journal.
    async fn judge_kops(&self, cluster: &ClusterName) {
        self.state.lock().unwrap().effects += 1;
        self.die(true);
        let asked: Vec<Effect> = {
            let state = self.state.lock().unwrap();
            let open = state.run.iter().flat_map(|(_, p)| p.open.values());
            open.filter(|i| i.cluster == *cluster && matches!(i.effect, Effect::Kops(_)))
                .map(|i| i.effect.clone())
                .collect()
        };
        let before = self.sight(cluster).await;
        for effect in asked {
            self.judge(cluster, &effect, &before);
        }
    }
}
