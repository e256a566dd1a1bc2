//! What others do to the account at once: AWS, an autoscaler, a person in the console. When, is in `playing`.

use std::collections::BTreeSet;

use super::act::{Act, Field};
use super::chance::draw;
use super::cluster::SimulatedCluster;
use super::faults::Faults;
use super::kept::Cached;
use super::state::SimulatedGroup;
use crate::model::{
    AsgName, InstanceId, LeavesBy, Lifecycle, Market, RefreshPreferences, Span, Timestamp,
};

/// How long AWS takes from a failed health check to the end of the instance.
const NOTICED: Span = Span::from_secs(60);

/// How long an autoscaler takes from its mark to the end of the instance.
const LEAVES: Span = Span::from_secs(120);

/// How the image of a version that others make is called: as the one before, and this.
const REPINNED: &str = "-of-somebody-else";

/// The image that a group had before others gave it this one.
pub fn repinned(image: &str) -> &str {
    image.strip_suffix(REPINNED).unwrap_or(image)
}

impl SimulatedCluster {
    /// Plays an act on the groups it names. Whether anything changed here.
    pub(super) fn suffer(&mut self, act: &Act, faults: &Faults) -> bool {
        let Some(name) = act.group() else {
            return false;
        };
        let now = self.at;
        let named: Vec<_> = self
            .state
            .groups
            .iter()
            .filter(|(_, g)| g.names().contains(&name))
            .map(|(asg, _)| asg.clone())
            .collect();
        for asg in &named {
            match act {
                Act::Delete(_) => {
                    if let Some(gone) = self.state.groups.remove(asg) {
                        self.state.templates.remove(&gone.template);
                    }
                }
                Act::Repin(_) => self.repin(asg),
                Act::DeleteVersion(_) => self.delete_version(asg),
                Act::Refresh(_) => self.refresh(asg),
                Act::Reclaim(..)
                | Act::Terminate(..)
                | Act::Detach(..)
                | Act::NodeDown(..)
                | Act::NodeUp(..)
                | Act::Unhealthy(..)
                | Act::Standby(..)
                | Act::Uncordon(..)
                | Act::Suspend(..)
                | Act::Resume(..)
                | Act::Cordon(..)
                | Act::Leave(..)
                | Act::Rebalance(_)
                | Act::Scale(..)
                | Act::Set(..)
                | Act::Kill => {
                    if let Some(group) = self.state.groups.get_mut(asg).map(Cached::change) {
                        group.suffer(act, now, faults);
                    }
                }
            }
        }
        self.changed();
        !named.is_empty()
    }

    /// The oldest version that the group does not launch from goes, the newest aside, whose number must not be given twice; instances that run it do not stop AWS from deleting it.
    /// Source: EC2 API, DeleteLaunchTemplateVersions.
    fn delete_version(&mut self, asg: &AsgName) {
        let Some(group) = self.state.groups.get(asg) else {
            return;
        };
        let kept = [group.version, group.launch_version()];
        let Some(template) = self.state.templates.get_mut(&group.template) else {
            return;
        };
        let newest = template.latest();
        let oldest = template
            .versions
            .keys()
            .copied()
            .find(|n| !kept.contains(n) && *n != newest);
        if let Some(oldest) = oldest {
            template.change().versions.remove(&oldest);
        }
    }

    /// An instance refresh of others, to the version that the group is at: every instance is replaced.
    fn refresh(&mut self, asg: &AsgName) {
        let now = self.at;
        let Some(group) = self.state.groups.get_mut(asg).map(Cached::change) else {
            return;
        };
        let template = self.state.templates.get(&group.template).map(|t| &**t);
        let version = group.version;
        let preferences = RefreshPreferences {
            min_healthy_percent: 90,
            max_healthy_percent: 100,
            warmup: Span::from_secs(60),
            checkpoints: BTreeSet::new(),
            checkpoint_delay: Span::ZERO,
            skip_matching: false,
        };
        // What AWS would refuse is not done: another one is active.
        drop(group.start_refresh(version, version, &preferences, template, now));
    }

    /// Another image, in a version of others.
    fn repin(&mut self, asg: &AsgName) {
        let Some(group) = self.state.groups.get_mut(asg).map(Cached::change) else {
            return;
        };
        let Some(template) = self
            .state
            .templates
            .get_mut(&group.template)
            .map(Cached::change)
        else {
            return;
        };
        let Some(mut version) = template.versions.get(&group.version).cloned() else {
            return;
        };
        version.data.image_id = format!("{}{REPINNED}", version.data.image_id);
        version.token = None;
        let number = template.latest().saturating_add(1);
        template.versions.insert(number, version);
        group.version = number;
    }
}

impl SimulatedGroup {
    fn suffer(&mut self, act: &Act, now: Timestamp, faults: &Faults) {
        match act {
            Act::Reclaim(_, n) => self.lose(*n, Some(Market::Spot), now),
            Act::Terminate(_, n) => self.lose(*n, None, now),
            Act::Detach(_, n) => self.let_go(*n, now),
            Act::NodeDown(_, n) => {
                for id in self.chosen(*n, None) {
                    self.node_mut(&id)
                        .into_iter()
                        .for_each(|node| node.turn(false, now));
                }
            }
            Act::NodeUp(_, n) => {
                let nodes = self.machines.values_mut().filter_map(|m| m.node.as_mut());
                let down = nodes.filter(|n| !n.ready && n.unready_since.is_some());
                down.take(usize::try_from(*n).unwrap_or(usize::MAX))
                    .for_each(|node| node.turn(true, now));
                self.place_waiting();
            }
            Act::Unhealthy(_, n) => {
                for id in self.chosen(*n, None) {
                    if let Some(machine) = self.machines.get_mut(&id) {
                        machine.unhealthy = Some(now + NOTICED);
                    }
                }
            }
            Act::Standby(_, n) => {
                for id in self.chosen(*n, None) {
                    if let Some(machine) = self.machines.get_mut(&id) {
                        machine.lifecycle = Lifecycle::Standby;
                    }
                }
                self.settle(now);
            }
            Act::Uncordon(_, n) => {
                let nodes = self.machines.values_mut().filter_map(|m| m.node.as_mut());
                nodes
                    .filter(|node| node.cordoned)
                    .take(usize::try_from(*n).unwrap_or(usize::MAX))
                    .for_each(|node| node.cordoned = false);
                self.place_waiting();
            }
            Act::Suspend(_, process) => {
                self.fields.suspended_processes.insert(process.clone());
            }
            Act::Resume(_, process) => {
                self.fields.suspended_processes.remove(process);
                self.settle(now);
            }
            Act::Cordon(_, n) => {
                for id in self.chosen(*n, None) {
                    self.node_mut(&id)
                        .into_iter()
                        .for_each(|node| node.cordoned = true);
                }
            }
            Act::Leave(_, n) => {
                for id in self.chosen(*n, None) {
                    self.mark_leaving(&id, now);
                }
            }
            Act::Rebalance(_) => self.rebalance(now),
            Act::Scale(_, by) => (0..by.unsigned_abs()).for_each(|_| {
                if *by > 0 {
                    self.scale_out(now)
                } else {
                    self.scale_in(now, faults)
                }
            }),
            Act::Set(_, field, to) => self.set(*field, *to, now),
            // Those of a whole cluster, or of none.
            Act::Repin(_)
            | Act::DeleteVersion(_)
            | Act::Refresh(_)
            | Act::Delete(_)
            | Act::Kill => {}
        }
    }

    /// As cluster-autoscaler ends a node: it is tainted first, its pods go, then the instance does. Source: cluster-autoscaler, `core/scaledown/actuation`.
    fn mark_leaving(&mut self, id: &InstanceId, now: Timestamp) {
        if let Some(node) = self.node_mut(id) {
            node.leaves_by = Some(LeavesBy::Autoscaler);
        }
        self.empty(id, now);
        if let Some(machine) = self.machines.get_mut(id) {
            machine.reclaimed_at = Some(now + LEAVES);
        }
    }

    /// They run on, and AWS no longer shows them with the group: whose they were cannot be told.
    fn let_go(&mut self, n: u32, now: Timestamp) {
        for id in self.chosen(n, None) {
            self.node_mut(&id)
                .into_iter()
                .for_each(|node| node.cordoned = true);
            self.empty(&id, now);
            self.machines.remove(&id);
        }
        self.settle(now);
    }

    /// Instances in service, in an order of chance that is the same every time; with a market, only its own.
    fn chosen(&self, n: u32, market: Option<Market>) -> Vec<InstanceId> {
        let serving = self.machines.iter().filter(|(_, m)| {
            m.lifecycle == Lifecycle::InService && market.is_none_or(|only| m.market == only)
        });
        let mut all: Vec<(u64, &InstanceId)> = serving
            .map(|(id, m)| (draw(self.salt, "act", m.number), id))
            .collect();
        all.sort_unstable();
        all.into_iter()
            .take(usize::try_from(n).unwrap_or(usize::MAX))
            .map(|(_, id)| id.clone())
            .collect()
    }

    fn lose(&mut self, n: u32, market: Option<Market>, now: Timestamp) {
        for id in self.chosen(n, market) {
            self.end(&id, now);
        }
        self.settle(now);
    }

    fn rebalance(&mut self, now: Timestamp) {
        if self.suspends("AZRebalance") {
            return;
        }
        let mut zones: std::collections::BTreeMap<&str, Vec<&InstanceId>> =
            std::collections::BTreeMap::new();
        for (id, machine) in self
            .machines
            .iter()
            .filter(|(_, m)| m.lifecycle == Lifecycle::InService)
        {
            zones.entry(&machine.zone).or_default().push(id);
        }
        let fullest = zones
            .into_values()
            .max_by_key(Vec::len)
            .and_then(|ids| ids.first().copied())
            .cloned();
        if let Some(id) = fullest {
            self.end(&id, now);
            self.settle(now);
        }
    }

    /// As the console does it: what AWS would refuse is not done.
    fn set(&mut self, field: Field, to: u32, now: Timestamp) {
        let (least, most) = match field {
            Field::Minimum => (to, self.fields.max_size),
            Field::Maximum => (self.fields.min_size, to),
            Field::Desired => (self.fields.min_size, self.fields.max_size),
        };
        let refused = least > most || (field == Field::Desired && !(least..=most).contains(&to));
        if refused {
            return;
        }
        (self.fields.min_size, self.fields.max_size) = (least, most);
        self.desired = if field == Field::Desired {
            to
        } else {
            self.desired.clamp(least, most)
        };
        self.workload.nodes = self.workload.nodes.clamp(least, most);
        self.settle(now);
    }
}
