//! Each cluster as it is, against what was last applied and what git wants. Writes nothing.

use std::collections::{BTreeMap, BTreeSet};

use crate::cli::args::Arguments;
use crate::cli::failure::Failure;
use crate::cli::git::Repository;
use crate::cli::pipeline::{PreparedFleet, prepare};
use crate::desired::DesiredCluster;
use crate::fleet::Engine;
use crate::model::{ClusterName, Live};
use crate::plan::{
    Allow, Baseline, Blocked, ClusterPlan, Policy, Wanted, drift_items, plan, unread,
};
use crate::report::DriftFound;

/// What is compared with what.
pub(super) struct Look<'a> {
    pub(super) arguments: &'a Arguments,
    pub(super) prepared: &'a PreparedFleet,
    pub(super) live: &'a Live,
    pub(super) baselines: BTreeMap<ClusterName, Baseline>,
    pub(super) rolling: BTreeMap<ClusterName, String>,
}

impl Look<'_> {
    /// How each of these clusters stands.
    pub(super) fn all(&self, named: &BTreeSet<ClusterName>) -> BTreeMap<ClusterName, DriftFound> {
        let mut of_commits = BTreeMap::new();
        named
            .iter()
            .map(|name| (name.clone(), self.one(name, &mut of_commits)))
            .collect()
    }

    fn one(
        &self,
        name: &ClusterName,
        of_commits: &mut BTreeMap<String, Result<PreparedFleet, String>>,
    ) -> DriftFound {
        if let Some(rollout) = self.rolling.get(name) {
            return DriftFound::UnderWay(rollout.clone());
        }
        let live = self.live.clusters.get(name);
        let wanted = self.prepared.clusters.get(name).map(|c| &c.desired);
        let planned = wanted.and_then(|wanted| Some((wanted, self.planned(name, wanted)?)));
        // It was not planned: it was not read either.
        let Some((wanted, desired)) = planned else {
            return DriftFound::NotRead(vec![Blocked::NotRead]);
        };
        let unread = unread(&desired);
        if !unread.is_empty() {
            return DriftFound::NotRead(unread);
        }
        let (applied, unknown) = match self.applied(name, wanted, of_commits) {
            Ok(applied) => (self.planned(name, applied), None),
            Err(why) => (None, Some(why)),
        };
        DriftFound::Compared {
            items: drift_items(&desired, applied.as_ref(), live),
            unknown,
        }
    }

    /// What was last applied to a cluster: what git wants now where that is the same, or else what the commit of that rollout says, if it still comes
    /// to the digest that was recorded.
    fn applied<'p>(
        &self,
        name: &ClusterName,
        desired: &'p DesiredCluster,
        of_commits: &'p mut BTreeMap<String, Result<PreparedFleet, String>>,
    ) -> Result<&'p DesiredCluster, String> {
        let baseline = self
            .baselines
            .get(name)
            .ok_or("no rollout of it was verified yet")?;
        if baseline.digest == desired.digest {
            return Ok(desired);
        }
        let commit = baseline.commit.as_ref().ok_or_else(|| {
            format!(
                "rollout {} does not say of which commit it was",
                baseline.rollout
            )
        })?;
        let of_commit = of_commits
            .entry(commit.clone())
            .or_insert_with(|| self.at(commit))
            .as_ref()
            .map_err(Clone::clone)?;
        of_commit
            .clusters
            .get(name)
            .map(|c| &c.desired)
            .filter(|applied| applied.digest == baseline.digest)
            .ok_or_else(|| {
                format!(
                    "rollout {} was not of its commit alone, or of another kfleet",
                    baseline.rollout
                )
            })
    }

    fn at(&self, commit: &str) -> Result<PreparedFleet, String> {
        let text = |failure: Failure| failure.text;
        let repository = Repository::of(&self.arguments.directory).map_err(text)?;
        let revision = repository.revision(commit).map_err(text)?;
        let checkout = repository.checkout(&revision).map_err(text)?;
        prepare(checkout.folder())
            .map_err(|failure| format!("its commit does not render: {}", failure.text))
    }

    /// The difference between this and what is live. Nothing of it is done: all is allowed.
    pub(super) fn planned(
        &self,
        name: &ClusterName,
        desired: &DesiredCluster,
    ) -> Option<ClusterPlan> {
        let nothing = BTreeSet::new();
        let wanted = Wanted {
            desired,
            baseline: self.baselines.get(name),
            protect: &nothing,
            retire: &nothing,
            // Who would carry it out makes no difference to what differs.
            engine: Engine::Asg,
            no_way_back: true,
        };
        let allow = Allow {
            retire: true,
            shrink: true,
            documents: false,
            nodes: true,
        };
        let policy = Policy::of(&self.prepared.fleet.settings);
        let release = self.prepared.release.clone();
        plan(release, &[wanted], self.live, &policy, allow)
            .clusters
            .remove(name)
    }
}
