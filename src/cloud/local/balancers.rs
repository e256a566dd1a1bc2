//! The load balancers of Services in the simulated account: which of them send to a node. Registers no instance of an AutoScalingGroup.

use std::collections::{BTreeMap, BTreeSet};

use super::faults::Faults;
use super::state::{SimNode, SimulatedGroup};
use super::world::Inner;
use crate::cloud::Place;
use crate::model::{InstanceId, Node, NodeName, Senders, Shared, Timestamp, Traffic};

impl SimulatedGroup {
    /// What sends to a node. Source: Elastic Load Balancing user guide, "Deregistration delay": a target that is taken out has connections for a while.
    fn traffic(&self, node: &SimNode, now: Timestamp, faults: &Faults) -> Traffic {
        let sends = match faults.balancer(&self.names()) {
            None => false,
            Some(None) => return Traffic::Unknown("the simulated account does not say".into()),
            Some(Some(delay)) => node.out_since.is_none_or(|out| now < out + delay),
        };
        let group = self.tag("kops.k8s.io/instancegroup");
        let name = format!("k8s-{}", group.unwrap_or(self.name().as_str()));
        Traffic::From(sends.then_some(name).into_iter().collect())
    }

    /// Adds to its nodes what sends to them, as far as they are being emptied.
    pub(super) fn show_traffic(
        &self,
        now: Timestamp,
        faults: &Faults,
        nodes: &mut BTreeMap<NodeName, Shared<Node>>,
    ) {
        if faults.balancer(&self.names()).is_none() {
            return;
        }
        for (_, _, node) in self.with_nodes() {
            if let Some(shown) = nodes.get_mut(&node.name)
                && shown.is_emptied_by_us()
            {
                shown.traffic = self.traffic(node, now, faults);
            }
        }
    }
}

impl Inner {
    /// Which balancers send to these instances; the reason where that cannot be read.
    pub(super) fn senders(
        &self,
        place: &Place,
        asked: &BTreeSet<InstanceId>,
    ) -> Result<Senders, String> {
        let mut senders = Senders::new();
        if !self.faults.any_balancer() {
            return Ok(senders);
        }
        for cluster in self.neighbours(place) {
            for group in cluster.state.groups.values() {
                for (id, _, node) in group.with_nodes().filter(|(id, ..)| asked.contains(*id)) {
                    match group.traffic(node, cluster.at, &self.faults) {
                        Traffic::From(balancers) if !balancers.is_empty() => {
                            senders.insert(id.clone(), balancers);
                        }
                        Traffic::From(_) | Traffic::NotAsked => {}
                        Traffic::Unknown(why) => return Err(why),
                    }
                }
            }
        }
        Ok(senders)
    }
}
