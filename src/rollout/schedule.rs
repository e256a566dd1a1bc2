//! The exact steps of a rollout as data: stages > waves > clusters > groups. Immutable; the first record of its journal.

use std::collections::{BTreeMap, BTreeSet};

use super::places::{Indices, Places};
use crate::fleet::{Freeze, GateSpec, HookAt, OnFailure, Rollback, Rolling};
use crate::kops::Role;
use crate::model::{
    AccountId, AsgName, ClusterName, Definition, Digest, DocumentStates, GroupName, HookPlace,
    Region, Revision, Shard, Shared, Span, StageName, Timestamp, UserData,
};
use crate::plan::{Baseline, HookTask, Pending};
use serde::{Deserialize, Serialize};

/// The version of the journal's form. Readers refuse a newer one. In version 1 reasons and advice were sentences: such a journal is read, and
/// what it says is kept in its own words.
pub const JOURNAL_VERSION: u32 = 2;

/// The exact steps of a rollout, immutable: the first record of its journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rollout {
    /// Form of the journal.
    pub version: u32,
    /// Its id: when it started and the plan it carries out.
    pub id: String,
    /// The id of the plan.
    pub plan: Digest,
    /// The release that is rolled out.
    pub release: Digest,
    /// When it started, in the cloud's time.
    pub started_at: Timestamp,
    /// Who started it.
    pub started_by: String,
    /// Why the order of stages was set aside, when it was.
    pub break_glass: Option<String>,
    /// What git said of the files it was made from; none: an earlier kfleet, which did not ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<Revision>,
    /// Stages in order.
    pub stages: Vec<StageRun>,
    /// Gates of every cluster, the built-in ones among them.
    pub gates: Vec<GateSpec>,
    /// What goes back when something failed.
    #[serde(default)]
    pub rollback: Rollback,
    /// Clusters of stages before that are not rolled here, and on whose health this rollout stands.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub watched: Vec<Watched>,
    /// Its place beside other rollouts of the same fleet; none: it rolls all of it, and none is beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<Box<Part>>,
    /// Where its clusters stand.
    #[serde(skip)]
    pub places: Places,
}

/// A rollout of a part of the fleet: others may be under way at the same time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// Its place in a joint rollout; none: it rolls a selection of the fleet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seat: Option<Seat>,
    /// Where other shards use the same room.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shares: Vec<AccountShare>,
}

/// The place of a rollout in a joint one: one release, carried out by several runs, each with a shard of the fleet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seat {
    /// What is common to all shards: release, policy, stages and the way the fleet is split.
    pub joint: Digest,
    /// How often the same was begun, from 1.
    pub attempt: u32,
    pub shard: Shard,
}

/// An account and region in which several shards roll clusters of a wave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountShare {
    pub stage: StageName,
    /// The wave, from 0.
    pub wave: usize,
    pub account: AccountId,
    pub region: Region,
    /// So many of them, this one included.
    pub shards: u32,
}

/// A cluster of a stage before that is not part of the rollout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Watched {
    /// The stage of this rollout that stands on it.
    pub before: StageName,
    /// The cluster, without changes.
    pub run: ClusterRun,
}

/// One stage of a rollout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StageRun {
    pub name: StageName,
    /// A person has to approve before it starts.
    pub approval: bool,
    /// How long each cluster must have run the rendering before the stage passes.
    pub soak: Span,
    /// When it may not start anything.
    pub freeze: Vec<Freeze>,
    /// What follows when something fails in it.
    #[serde(default)]
    pub on_failure: OnFailure,
    /// Waves in order.
    pub waves: Vec<WaveRun>,
    /// Hooks before and after all of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hooks: Vec<HookTask>,
}

/// One wave of a stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WaveRun {
    /// Clusters rolled at the same time.
    pub parallel: usize,
    /// How long its clusters run the rendering before the wave passes.
    pub soak: Span,
    pub clusters: Vec<ClusterRun>,
    /// Hooks before and after it, and between the wave before and it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hooks: Vec<HookTask>,
}

/// One cluster of a wave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClusterRun {
    pub cluster: ClusterName,
    pub account: AccountId,
    pub region: Region,
    /// The digest of what it will run.
    pub digest: Digest,
    /// Since when it has run exactly this, verified: a cluster without changes takes the release at once and keeps its soak.
    pub since: Option<Timestamp>,
    /// Roles of all its groups, changed or not: the health of all of them counts.
    pub roles: BTreeMap<AsgName, Role>,
    /// Members of each etcd cluster, by control-plane group.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub etcd: BTreeMap<String, BTreeMap<AsgName, u32>>,
    /// Groups that do not change, each with the digest of what it was when the plan was made.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unchanged: BTreeMap<AsgName, Digest>,
    /// What only kops can do and was not done, for the baseline.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub pending: BTreeMap<String, Pending>,
    /// The digest of the user data that each group refers to when all of it is done, for the baseline.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub user_data: BTreeMap<AsgName, Digest>,
    /// Budgets over the whole cluster.
    pub rolling: Rolling,
    /// Changes, in the order in which they begin: control plane first.
    pub groups: Vec<GroupTask>,
    /// Documents other than InstanceGroups, for the baseline: a resume must not depend on what git holds by then.
    pub documents: BTreeMap<String, serde_json::Value>,
    /// What kops stores before anything else of it changes; none: kops is not asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kops: Option<Box<KopsRun>>,
    /// Hooks before and after it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hooks: Vec<HookTask>,
    /// The baseline before, which a rollback brings back.
    pub previous: Option<Box<Baseline>>,
}

/// The part of kops in a cluster's run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KopsRun {
    /// Documents that change, as they are stored.
    pub from: DocumentStates,
    /// Documents that change, as they will be stored.
    pub to: DocumentStates,
    /// All groups that git has and kops knows, changed or not.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub groups: BTreeSet<GroupName>,
    /// Groups that are retired and that kops has stored: it forgets them when they are deleted.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub deleted: BTreeSet<GroupName>,
    /// The Kubernetes version of the control plane goes up by a minor version: there is no way back from that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub no_way_back: bool,
}

/// What is done to one group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupTask {
    /// Its InstanceGroup.
    pub name: GroupName,
    /// Its AutoScalingGroup.
    pub asg: AsgName,
    pub role: Role,
    /// How its instances are replaced.
    pub rolling: Rolling,
    /// The change.
    pub task: Task,
    /// Instances may be drained and ended where the group has more than its new maximum.
    #[serde(default, skip_serializing_if = "is_no")]
    pub shrink: bool,
    /// The on-demand group that stands in when AWS has no capacity for this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub twin: Option<AsgName>,
    /// The group for which this one may stand in: then it may grow for a while, also where it is not changed itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lends: Option<AsgName>,
}

/// The change of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Task {
    /// Make it.
    Create {
        /// As wanted.
        to: Shared<Definition>,
        /// User data of its first version.
        user_data: UserData,
    },
    /// Change it.
    Update {
        /// As found.
        from: Shared<Definition>,
        /// As wanted.
        to: Shared<Definition>,
        /// The version it runs.
        from_version: u64,
        /// The version it will run.
        version: VersionSource,
        /// Replace instances that run something else.
        replace: bool,
    },
    /// Drain and delete it.
    Retire {
        /// As found.
        from: Shared<Definition>,
    },
}

/// Where the launch template version comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum VersionSource {
    /// It is there already.
    Existing(u64),
    /// It has to be made, with this user data.
    New(UserData),
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde asks for")]
fn is_no(is: &bool) -> bool {
    !*is
}

impl Rollout {
    /// Every cluster, in order.
    pub fn clusters(&self) -> impl Iterator<Item = &ClusterRun> {
        self.stages
            .iter()
            .flat_map(|s| &s.waves)
            .flat_map(|w| &w.clusters)
    }

    /// The cluster of that name.
    pub fn cluster(&self, name: &ClusterName) -> Option<&ClusterRun> {
        let (_, _, wave, at) = self.placed(name)?;
        wave.clusters.get(at)
    }

    /// As [`Rollout::cluster`], to be changed.
    pub(super) fn cluster_mut(&mut self, name: &ClusterName) -> Option<&mut ClusterRun> {
        let indices = self.indices(name)?;
        let stage = self.stages.get_mut(indices.stage)?;
        let wave = stage.waves.get_mut(indices.wave)?;
        wave.clusters.get_mut(indices.cluster)
    }

    /// The stage, the wave with its index, and the index in it of a cluster.
    fn placed(&self, name: &ClusterName) -> Option<(&StageRun, usize, &WaveRun, usize)> {
        let indices = self.indices(name)?;
        let stage = self.stages.get(indices.stage)?;
        let wave = stage.waves.get(indices.wave)?;
        Some((stage, indices.wave, wave, indices.cluster))
    }

    fn indices(&self, name: &ClusterName) -> Option<Indices> {
        let is_there = |indices: &Indices| {
            let stage = self.stages.get(indices.stage);
            let wave = stage.and_then(|stage| stage.waves.get(indices.wave));
            let run = wave.and_then(|wave| wave.clusters.get(indices.cluster));
            run.is_some_and(|run| run.cluster == *name)
        };
        // Stages can be written to after they were first asked for: what is not where it was is looked for.
        let known = self.places.of(name, self.each());
        known.filter(is_there).or_else(|| {
            let (_, indices) = self.each().find(|(cluster, _)| *cluster == name)?;
            Some(indices)
        })
    }

    fn each(&self) -> impl Iterator<Item = (&ClusterName, Indices)> {
        let stages = self.stages.iter().enumerate();
        let waves = stages.flat_map(|(stage, run)| {
            let waves = run.waves.iter().enumerate();
            waves.map(move |(wave, run)| (stage, wave, run))
        });
        waves.flat_map(|(stage, wave, run)| {
            let clusters = run.clusters.iter().enumerate();
            clusters.map(move |(cluster, run)| {
                let indices = Indices {
                    stage,
                    wave,
                    cluster,
                };
                (&run.cluster, indices)
            })
        })
    }

    /// All hooks, each at its places, in the order in which they run.
    pub fn hooks(&self) -> impl Iterator<Item = &HookTask> {
        self.stages.iter().flat_map(StageRun::all_hooks)
    }

    /// The hook at that place.
    pub fn hook(&self, place: &HookPlace) -> Option<&HookTask> {
        self.hooks().find(|h| h.place == *place)
    }

    /// The stage of a cluster.
    pub fn stage_of(&self, cluster: &ClusterName) -> Option<&StageRun> {
        self.placed(cluster).map(|(stage, ..)| stage)
    }

    /// The stage and the wave of a cluster, with its index.
    pub fn wave_of(&self, cluster: &ClusterName) -> Option<(&StageRun, usize, &WaveRun)> {
        self.placed(cluster)
            .map(|(stage, index, wave, _)| (stage, index, wave))
    }

    /// Its place in a joint rollout.
    pub fn seat(&self) -> Option<&Seat> {
        self.part.as_ref().and_then(|part| part.seat.as_ref())
    }

    /// The stage of that name.
    pub fn stage(&self, name: &StageName) -> Option<&StageRun> {
        self.stages.iter().find(|s| s.name == *name)
    }
}

impl StageRun {
    /// Whether anything of it changes, or a hook runs for it.
    pub fn changes(&self) -> bool {
        !self.hooks.is_empty() || self.waves.iter().any(WaveRun::changes)
    }

    /// Its hooks in the order in which they run, those of its waves and clusters among them.
    pub fn all_hooks(&self) -> impl Iterator<Item = &HookTask> {
        let before = self
            .hooks
            .iter()
            .filter(|h| h.spec.at == HookAt::BeforeStage);
        let after = self
            .hooks
            .iter()
            .filter(|h| h.spec.at == HookAt::AfterStage);
        let waves = self.waves.iter().flat_map(WaveRun::all_hooks);
        before.chain(waves).chain(after)
    }
}

impl WaveRun {
    /// Names of its clusters that change.
    pub fn changing(&self) -> BTreeSet<ClusterName> {
        self.clusters
            .iter()
            .filter(|c| c.changes())
            .map(|c| c.cluster.clone())
            .collect()
    }

    /// A cluster that kops makes, and that is not proven yet: before that nothing else of the wave is touched, so that what fails there takes nothing
    /// back but what was made. None: it is such a one itself, or there is none.
    pub(crate) fn unproven_before<'w>(
        &'w self,
        run: &ClusterRun,
        is_verified: impl Fn(&ClusterRun) -> bool,
    ) -> Option<&'w ClusterRun> {
        let mut made = self.clusters.iter().filter(|c| c.is_made_by_kops());
        made.find(|other| !run.is_made_by_kops() && !is_verified(other))
    }

    /// Whether any of its clusters changes, or a hook runs for it.
    pub fn changes(&self) -> bool {
        !self.hooks.is_empty() || self.clusters.iter().any(ClusterRun::changes)
    }

    /// Its hooks in the order in which they run, those of its clusters among them.
    pub fn all_hooks(&self) -> impl Iterator<Item = &HookTask> {
        let at = |at: HookAt| self.hooks.iter().filter(move |h| h.spec.at == at);
        let clusters = self.clusters.iter().flat_map(|c| &c.hooks);
        at(HookAt::BetweenWaves)
            .chain(at(HookAt::BeforeWave))
            .chain(clusters)
            .chain(at(HookAt::AfterWave))
    }
}

impl ClusterRun {
    /// Whether kops makes the whole of it: it has nothing of it stored.
    pub fn is_made_by_kops(&self) -> bool {
        // Asked of every cluster of a wave for every other one, in each round.
        let Some(kops) = &self.kops else {
            return false;
        };
        let key = format!("Cluster/{}", self.cluster);
        kops.from.get(&key) == Some(&None)
    }

    /// Whether a group of it changes, or a hook runs for it.
    pub fn changes(&self) -> bool {
        !self.groups.is_empty() || !self.hooks.is_empty()
    }
}
