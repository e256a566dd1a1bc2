//! What a rule is: data that a person can read, and the function that checks it.

use super::facts::{ClusterFacts, FleetFacts, GroupFacts};
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
        match self.check {
            RuleCheck::Workers(check) => {
                for cluster in &fleet.clusters {
                    found.lacking(&cluster.name, cluster.lacks_groups());
                    for group in cluster.workers() {
                        check(cluster, &group, found);
                    }
                }
            }
            RuleCheck::Cluster(check) => fleet.clusters.iter().for_each(|c| check(c, found)),
            RuleCheck::Fleet(check) => check(fleet, found),
            RuleCheck::Own(own) => own.apply(fleet, found),
            RuleCheck::Live(check, needs) => match &fleet.live {
                None => found.needs(None, needs),
                Some(live) => {
                    for cluster in &fleet.clusters {
                        on_live(cluster, live.get(&cluster.name), check, found);
                    }
                }
            },
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
