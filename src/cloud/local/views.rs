//! What a group shows, kept for as long as it shows the same: between two looks most groups of an account do not change. Decides nothing.

use std::collections::BTreeMap;
use std::sync::{Mutex, OnceLock, PoisonError};

use super::faults::Faults;
use super::kept::Cached;
use super::state::SimulatedGroup;
use super::templates::SimulatedTemplate;
use crate::model::{LiveGroup, Node, NodeName, Seen, Shared, Timestamp};

/// A group as a reading of the account shows it, with the template that it was read with.
type Shown = (Option<Cached<SimulatedTemplate>>, Shared<LiveGroup>);

/// What was shown of a group since it changed last.
#[derive(Debug, Default)]
pub(super) struct Views {
    /// As a reading shows it.
    live: Mutex<Option<Shown>>,
    /// Its nodes while no eviction is refused.
    nodes: OnceLock<BTreeMap<NodeName, Shared<Node>>>,
}

impl Cached<SimulatedGroup, Views> {
    /// As a reading shows it.
    pub(super) fn shown(&self, template: Option<&Cached<SimulatedTemplate>>) -> Shared<LiveGroup> {
        // What is in there is replaced as a whole: it is sound even after a panic.
        let mut kept = self
            .views()
            .live
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let is_of = |with: &Option<Cached<SimulatedTemplate>>| match (with, template) {
            (Some(with), Some(template)) => with.mark() == template.mark(),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        if let Some((_, live)) = kept.as_ref().filter(|(with, _)| is_of(with)) {
            return live.clone();
        }
        let live = Shared::from(self.live(template.map(|t| &**t)));
        *kept = Some((template.cloned(), live.clone()));
        live
    }

    /// Adds its nodes, as the Kubernetes API shows them now, and what of its pods is not Ready.
    pub(super) fn show_nodes(&self, now: Timestamp, faults: &Faults, into: &mut Seen) {
        let nodes = self.views().nodes.get_or_init(|| self.nodes());
        into.nodes.extend(
            nodes
                .iter()
                .map(|(name, node)| (name.clone(), node.clone())),
        );
        self.hide_members(faults, &mut into.nodes);
        self.show_volumes(faults, &mut into.nodes);
        self.show_traffic(now, faults, &mut into.nodes);
        if self.may_refuse(now, faults) {
            self.show_refusals(now, faults, &mut into.nodes);
        }
        into.unready.extend(self.unready_pods());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cloud::local::simulate::Surroundings;
    use crate::model::{Eviction, NodeEffect, Span};

    const SURROUNDINGS: fn(&Faults) -> Surroundings<'_> = |faults| Surroundings {
        autoscaler: false,
        spot_life: None,
        faults,
    };

    fn group() -> Cached<SimulatedGroup, Views> {
        let fields = json!({
            "AutoScalingGroupName": "nodes.a", "MinSize": 1, "MaxSize": 5, "VPCZoneIdentifier": ["eu-west-3a.a"],
            "NewInstancesProtectedFromScaleIn": false, "Tags": [], "EnabledMetrics": {"Granularity": "1Minute", "Metrics": []}
        });
        let workload = json!({"nodes": 3, "made": 0, "pods": 0, "waiting": [], "budgets": {}});
        let group = json!({
            "fields": fields, "hooks": {}, "template": "nodes.a", "version": 1, "desired": 3, "salt": 1, "launches": 0, "launching": {},
            "machines": {}, "activities": [], "workload": workload
        });
        Cached::new(serde_json::from_value(group).unwrap())
    }

    fn template() -> Cached<SimulatedTemplate> {
        let metadata = json!({"HttpEndpoint": "enabled", "HttpProtocolIpv6": "disabled", "HttpPutResponseHopLimit": 1, "HttpTokens": "required"});
        let data = json!({
            "ImageId": "image-1", "InstanceType": "m5.large", "IamInstanceProfile": {"Name": "nodes"}, "BlockDeviceMappings": [],
            "MetadataOptions": metadata, "Monitoring": {"Enabled": false}, "NetworkInterfaces": [], "TagSpecifications": []
        });
        Cached::new(
            serde_json::from_value(
                json!({"versions": {"1": {"data": data, "user_data": null, "token": null}}}),
            )
            .unwrap(),
        )
    }

    /// What the group shows, after it was looked at before and as if it never was: the same. How many pods are held.
    fn check(
        group: &Cached<SimulatedGroup, Views>,
        template: &Cached<SimulatedTemplate>,
        now: Timestamp,
        faults: &Faults,
    ) -> usize {
        assert_eq!(*group.shown(Some(template)), group.live(Some(template)));
        let (mut seen, mut anew) = (Seen::default(), Seen::default());
        group.show_nodes(now, faults, &mut seen);
        Cached::<SimulatedGroup, Views>::new((**group).clone()).show_nodes(now, faults, &mut anew);
        assert_eq!(seen, anew);
        seen.nodes.values().map(|n| n.blocked.len()).sum()
    }

    #[test]
    fn what_is_shown_again_is_what_is() {
        let (mut group, mut template, calm) = (group(), template(), Faults::default());
        let at = |seconds| Timestamp::from_millis(0) + Span::from_secs(seconds);
        assert_eq!(check(&group, &template, at(0), &calm), 0);
        group.change().settle(at(0));
        assert_eq!(check(&group, &template, at(0), &calm), 0);
        group
            .change()
            .advance(at(0), at(600), Some(&template), SURROUNDINGS(&calm));
        assert_eq!(check(&group, &template, at(600), &calm), 0);
        assert_eq!(group.nodes().len(), 3, "three nodes to look at");

        // Nothing of the group changes here, and it shows another thing each time.
        let stuck = Faults(vec!["stuck-drain:nodes.a".parse().unwrap()]);
        let pods: u32 = group.nodes().values().map(|n| n.evictable_pods).sum();
        assert_eq!(
            check(&group, &template, at(600), &stuck),
            usize::try_from(pods).unwrap()
        );
        assert_eq!(check(&group, &template, at(600), &calm), 0);
        let version = template.versions[&1].clone();
        template.change().versions.insert(2, version);
        assert_eq!(check(&group, &template, at(600), &calm), 0);
        assert_eq!(group.shown(Some(&template)).latest_version, 2);

        let (id, node) = group
            .nodes()
            .iter()
            .map(|(name, node)| (node.instance.clone(), name.clone()))
            .next()
            .unwrap();
        group.change().act(
            &id,
            &NodeEffect::Evict {
                node,
                instance: id.clone(),
                policy: Eviction::default(),
            },
            at(600),
            &calm,
        );
        assert!(
            check(&group, &template, at(600), &calm) > 0,
            "a budget is used up"
        );
        assert_eq!(
            check(&group, &template, at(630), &calm),
            0,
            "and is free again after a while"
        );
    }
}
