//! What is known around a plan, read from git and the store. Looks at no cloud.

use std::collections::BTreeMap;

use super::failure::Failure;
use super::lint;
use super::pipeline::PreparedFleet;
use super::rollout::unfinished;
use crate::lint::Finding;
use crate::model::{ClusterName, DryRun, Owner, Revision, Timestamp};
use crate::plan::room::WaveOutlook;
use crate::plan::{Orphan, Plan, orphans};
use crate::report;
use crate::rollout::{Progress, Rollout};
use crate::store::Store;

/// What is known around a plan.
pub(super) struct AroundPlan {
    revision: Revision,
    orphans: Vec<Orphan>,
    under_way: Option<(Rollout, Progress, Owner)>,
    room: Vec<WaveOutlook>,
    blocking: Vec<Finding>,
    dry_runs: BTreeMap<ClusterName, DryRun>,
}

impl AroundPlan {
    pub(super) fn of(
        (prepared, plan): (&PreparedFleet, &Plan),
        store: &Store,
        revision: Revision,
    ) -> Result<AroundPlan, Failure> {
        let under_way = match unfinished(store)? {
            Some(id) => {
                let (rollout, progress) = store.outline(&id)?;
                Some((rollout, progress, store.owner(&id)?))
            }
            None => None,
        };
        let is_known = |name: &_| prepared.fleet.clusters.contains_key(name);
        Ok(AroundPlan {
            revision,
            orphans: orphans(&store.baselines()?, is_known),
            under_way,
            room: Vec::new(),
            blocking: lint::blocking(prepared, plan),
            dry_runs: BTreeMap::new(),
        })
    }

    /// Findings of lint that keep what the plan changes from being rolled out.
    pub(super) fn blocking(&self) -> &[Finding] {
        &self.blocking
    }

    /// With what was found of the room that its waves need.
    pub(super) fn with_room(self, room: Vec<WaveOutlook>) -> AroundPlan {
        AroundPlan { room, ..self }
    }

    /// With what kops would do by itself.
    pub(super) fn with_dry_runs(self, dry_runs: BTreeMap<ClusterName, DryRun>) -> AroundPlan {
        AroundPlan { dry_runs, ..self }
    }

    /// As reports take it.
    pub(super) fn seen(&self, now: Timestamp) -> report::Around<'_> {
        let under_way = self.under_way.as_ref();
        report::Around {
            revision: &self.revision,
            orphans: &self.orphans,
            room: &self.room,
            blocking: &self.blocking,
            dry_runs: &self.dry_runs,
            under_way: under_way.map(|(rollout, progress, owner)| report::UnderWay {
                rollout,
                progress,
                owner,
                now,
            }),
        }
    }
}
