//! What a rule is: data that a person can read, and the function that checks it.

use super::facts::{ClusterFacts, FleetFacts, FleetWide, GroupFacts};
use super::finding::RuleFindings;
pub(super) use super::id::{RuleId, Severity};
use super::own_rule::OwnRule;
use crate::model::LiveCluster;

/// What a rule looks for, how serious it is, and what to do about it.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    pub id: RuleId,
    /// What has to hold, in one line.
    pub title: &'static str,
    /// How bad it is when it does not.
    pub severity: Severity,
    /// What it looks at, in the words of the manifests.
    pub reads: &'static str,
    /// Why: what happened to those who broke it.
    pub story: &'static str,
    /// Where that is written down.
    pub source: &'static str,
    /// What to do.
    pub fix: &'static str,
    /// What it looks at.
    pub(super) check: RuleCheck,
}

/// What a rule looks at.
#[derive(Clone, Copy, Debug)]
pub(super) enum RuleCheck {
    /// Every group of workers of every cluster.
    Workers(fn(&ClusterFacts, &GroupFacts<'_>, &mut RuleFindings)),
    /// Every cluster.
    Cluster(fn(&ClusterFacts, &mut RuleFindings)),
    /// Every cluster, and what the fleet says about all of them.
    Around(fn(&ClusterFacts, FleetWide<'_>, &mut RuleFindings)),
    /// The whole fleet.
    Fleet(fn(&FleetFacts, &mut RuleFindings)),
    /// What a team has written, in CEL.
    Own(&'static OwnRule),
    /// Every cluster with its live state; and what is needed where there is none.
    Live(
        fn(&ClusterFacts, &LiveCluster, &mut RuleFindings),
        &'static str,
    ),
}

impl Rule {
    /// Adds what it finds.
    pub(super) fn apply(&self, fleet: &FleetFacts, found: &mut RuleFindings) {
        if let RuleCheck::Fleet(check) = self.check {
            return check(fleet, found);
        }
        let around = fleet.around();
        if let (RuleCheck::Live(_, needs), None) = (self.check, around.live) {
            return found.needs(None, needs);
        }
        for cluster in &fleet.clusters {
            match (&cluster.looked, self.looks_at_one()) {
                (Some(looked), true) => {
                    if let Some(before) = looked.get(&self.id) {
                        found.add_all(before);
                    }
                }
                (Some(_), false) | (None, _) => self.look(cluster, around, found),
            }
        }
    }

    /// Whether all that it looks at is known once a cluster is rendered.
    pub(super) fn looks_at_one(&self) -> bool {
        match self.check {
            RuleCheck::Workers(_)
            | RuleCheck::Cluster(_)
            | RuleCheck::Around(_)
            | RuleCheck::Own(_) => true,
            RuleCheck::Fleet(_) | RuleCheck::Live(..) => false,
        }
    }

    /// Adds what it finds in one cluster.
    pub(super) fn look(
        &self,
        cluster: &ClusterFacts,
        around: FleetWide<'_>,
        found: &mut RuleFindings,
    ) {
        match self.check {
            RuleCheck::Workers(check) => {
                found.lacking(&cluster.name, cluster.lacks_groups());
                for group in cluster.workers() {
                    check(cluster, &group, found);
                }
            }
            RuleCheck::Cluster(check) => check(cluster, found),
            RuleCheck::Around(check) => check(cluster, around, found),
            RuleCheck::Own(own) => own.apply(cluster, found),
            RuleCheck::Live(check, _) => {
                let live = around.live.and_then(|live| live.get(&cluster.name));
                on_live(cluster, live, check, found);
            }
            RuleCheck::Fleet(_) => {}
        }
    }
}

/// What could not be read is not checked, and no part of the rest is taken for the whole.
fn on_live(
    cluster: &ClusterFacts,
    live: Option<&LiveCluster>,
    check: fn(&ClusterFacts, &LiveCluster, &mut RuleFindings),
    found: &mut RuleFindings,
) {
    match live {
        None => found.needs(Some(&cluster.name), "its live state, which was not read"),
        Some(live) => match live.gaps.first() {
            Some(gap) => {
                let needs = format!("{}, which could not be read: {}", gap.what, gap.why);
                found.needs(Some(&cluster.name), needs);
            }
            None => check(cluster, live, found),
        },
    }
}
