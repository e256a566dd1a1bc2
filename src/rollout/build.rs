//! Plan + settings + baselines → [`Rollout`]: which clusters, in which order, with what. Refuses what may not be rolled.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use super::places::Places;
use super::schedule::{
    ClusterRun, GroupTask, JOURNAL_VERSION, KopsRun, Part, Rollout, StageRun, Task, VersionSource,
    Watched, WaveRun,
};
use crate::fleet::{GateAt, GateKind, GateSpec, Rolling, Samples, Stage};
use crate::kops::Role;
use crate::model::{AsgName, ClusterName, Digest, HookName, HookPlace, Span, StageName, Timestamp};
use crate::plan::{Baseline, Blocked, ClusterPlan, GroupChange, HookTask, Plan, with_acknowledged};

/// The gate on instances that is there when the fleet has none of its own.
pub(crate) const BUILT_IN_INSTANCES: &str = "built-in check of instances";

/// The gate on nodes that is there when the fleet has none of its own. A cluster without Kubernetes access is not asked.
pub(crate) const BUILT_IN_NODES: &str = "built-in check of nodes";

/// Why a plan cannot be rolled out as it stands.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// Something stands in the way of these clusters.
    #[error("the plan is blocked in {}", names(.0))]
    Blocked(Vec<ClusterName>),
    /// A stage comes before the one it waits for.
    #[error(
        "stage {stage} has to wait for stage {after}: {cluster} does not run this release, verified ({why})"
    )]
    NotPromoted {
        /// The stage asked for.
        stage: StageName,
        /// The stage it waits for.
        after: StageName,
        /// The cluster that lags.
        cluster: ClusterName,
        /// In what way.
        why: Lag,
    },
    /// A cluster is selected, and one of a wave before its own does not run the release.
    #[error(
        "wave {wave} of stage {stage} comes first: {cluster} does not run this release, verified ({why})"
    )]
    WaveBefore {
        stage: StageName,
        /// The wave, from 1.
        wave: usize,
        /// The cluster that lags.
        cluster: ClusterName,
        /// In what way.
        why: Lag,
    },
}

/// In what way a cluster of an earlier stage lags.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Lag {
    /// Never rolled out.
    #[error("it was never rolled out")]
    Never,
    /// It runs another release.
    #[error("it runs {}", .0.short())]
    Runs(Digest),
    /// It soaks.
    #[error("it soaks until {0}")]
    Soaks(Timestamp),
    /// A hook of it has not run with what it would run with now.
    #[error("its hook {0} has not run yet as git has it")]
    Hook(HookName),
    /// It was changed since.
    #[error("it is not now what was verified: {}", listed(.0))]
    Changed(Vec<Changed>),
}

/// What a cluster that was verified is no longer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Changed {
    /// A part of it could not be read.
    #[error("{what} could not be read ({why})")]
    Unread {
        /// What was asked for, as it is named to a person.
        what: String,
        /// In the words of who refused.
        why: String,
    },
    /// Nothing of it was read.
    #[error("it was not read")]
    NotRead,
    /// A version was not read.
    #[error("version {1} of the launch template of {0} was not read")]
    VersionNotRead(AsgName, u64),
    /// kops' state store was not read.
    #[error("kops' state store could not be read ({0})")]
    StoreNotRead(String),
    /// A group is gone.
    #[error("{0} does not exist")]
    Missing(AsgName),
    /// A group differs.
    #[error("{0} differs from git")]
    Differs(AsgName),
    /// A group is not in git.
    #[error("{0} is not in git")]
    NotInGit(AsgName),
    /// A document differs.
    #[error("{0} differs from git")]
    Document(String),
}

fn listed(changed: &[Changed]) -> String {
    let all: Vec<String> = changed.iter().map(ToString::to_string).collect();
    all.join(", ")
}

/// What a rollout is made from, beside the plan.
#[derive(Clone, Debug)]
pub struct Inputs<'a> {
    /// Stages to roll; all when empty.
    pub only: &'a BTreeSet<StageName>,
    /// Baselines there are.
    pub baselines: &'a BTreeMap<ClusterName, Baseline>,
    /// The digest of what git wants, and its documents other than InstanceGroups, for every cluster of the fleet.
    pub wanted: &'a BTreeMap<ClusterName, (Digest, BTreeMap<String, Json>)>,
    pub id: String,
    /// Now, in the cloud's time.
    pub now: Timestamp,
    /// Who asks.
    pub by: String,
    /// Why the order of stages is set aside, when it is.
    pub break_glass: Option<String>,
    /// A look, as a plan, at clusters of stages before that are not part of `plan`.
    pub before: &'a BTreeMap<ClusterName, ClusterPlan>,
    /// Its place beside other rollouts; none: it rolls the whole fleet.
    pub part: Option<Part>,
    /// Clusters that other shards of the release roll: they are waited for.
    pub elsewhere: &'a BTreeSet<ClusterName>,
    /// Clusters with a hook that is due as git has it: what stands on them does not go before.
    pub behind: &'a BTreeMap<ClusterName, HookName>,
}

/// The rollout of a plan.
///
/// # Errors
/// When a cluster is blocked, or a stage comes before the one it waits for.
pub fn build(plan: &Plan, inputs: &Inputs<'_>) -> Result<Rollout, BuildError> {
    ensure_unblocked(plan)?;
    let wanted = |stage: &&Stage| inputs.only.is_empty() || inputs.only.contains(&stage.name);
    let stages: Vec<&Stage> = plan.policy.stages.iter().filter(wanted).collect();
    if inputs.break_glass.is_none() {
        ensure_promoted(&stages, plan, inputs)?;
        ensure_waves(&stages, plan, inputs)?;
    }
    Ok(Rollout {
        version: JOURNAL_VERSION,
        id: inputs.id.clone(),
        plan: plan.id.clone(),
        release: plan.release.clone(),
        started_at: inputs.now,
        started_by: inputs.by.clone(),
        break_glass: inputs.break_glass.clone(),
        revision: None,
        stages: stages
            .iter()
            .map(|stage| stage_run(stage, plan, inputs))
            .collect(),
        gates: with_built_in(&plan.policy.gates),
        rollback: plan.policy.rollback,
        watched: if inputs.break_glass.is_none() {
            watched(&stages, plan, inputs)
        } else {
            Vec::new()
        },
        part: inputs.part.clone().map(Box::new),
        places: Places::default(),
    })
}

/// Every stage takes only what the stages before it have proven.
fn ensure_promoted(stages: &[&Stage], plan: &Plan, inputs: &Inputs<'_>) -> Result<(), BuildError> {
    let here: BTreeSet<&StageName> = stages.iter().map(|s| &s.name).collect();
    stages
        .iter()
        .try_for_each(|stage| promoted(stage, &here, plan, inputs))
}

fn ensure_unblocked(plan: &Plan) -> Result<(), BuildError> {
    let blocked: Vec<ClusterName> = plan
        .clusters
        .iter()
        .filter(|(_, c)| !c.blocked.is_empty())
        .map(|(name, _)| name.clone())
        .collect();
    if !blocked.is_empty() {
        return Err(BuildError::Blocked(blocked));
    }
    Ok(())
}

/// Every cluster of the stage before that is not itself part of this rollout has to run the release already, verified and soaked.
fn promoted(
    stage: &Stage,
    here: &BTreeSet<&StageName>,
    plan: &Plan,
    inputs: &Inputs<'_>,
) -> Result<(), BuildError> {
    let Some(after) = &stage.after else {
        return Ok(());
    };
    let Some(before) = plan.policy.stages.iter().find(|s| s.name == *after) else {
        return Ok(());
    };
    if !stage
        .waves
        .iter()
        .flat_map(|w| &w.clusters)
        .any(|c| plan.clusters.contains_key(c))
    {
        return Ok(());
    }
    let rolled = |cluster: &ClusterName| {
        here.contains(after)
            && (plan.clusters.contains_key(cluster) || inputs.elsewhere.contains(cluster))
    };
    for cluster in before
        .waves
        .iter()
        .flat_map(|w| &w.clusters)
        .filter(|c| !rolled(c))
    {
        if let Some(why) = lag(cluster, before.soak, plan, inputs) {
            return Err(BuildError::NotPromoted {
                stage: stage.name.clone(),
                after: after.clone(),
                cluster: cluster.clone(),
                why,
            });
        }
    }
    Ok(())
}

/// In what way a cluster that is not rolled here lags; none: it runs what git wants, verified and soaked.
fn lag(cluster: &ClusterName, soak: Span, plan: &Plan, inputs: &Inputs<'_>) -> Option<Lag> {
    match inputs.baselines.get(cluster) {
        None => Some(Lag::Never),
        Some(b) if inputs.wanted.get(cluster).map(|(digest, _)| digest) != Some(&b.digest) => {
            Some(Lag::Runs(b.digest.clone()))
        }
        Some(b) if b.since + soak > inputs.now => Some(Lag::Soaks(b.since + soak)),
        Some(_) => {
            let found = looked_at(cluster, plan, inputs);
            match found.filter(|found| !found.is_rolled()) {
                Some(found) => Some(Lag::Changed(what_differs(found))),
                None => inputs.behind.get(cluster).cloned().map(Lag::Hook),
            }
        }
    }
}

/// Where clusters are selected, every wave before theirs has to run the release already: waves are in an order for a reason.
fn ensure_waves(stages: &[&Stage], plan: &Plan, inputs: &Inputs<'_>) -> Result<(), BuildError> {
    let is_here = |cluster: &ClusterName| {
        plan.clusters.contains_key(cluster) || inputs.elsewhere.contains(cluster)
    };
    for stage in stages.iter().filter(|_| inputs.part.is_some()) {
        let last = stage
            .waves
            .iter()
            .rposition(|w| w.clusters.iter().any(is_here));
        let before = stage.waves.iter().enumerate().take(last.unwrap_or(0));
        for (wave, cluster) in before.flat_map(|(n, w)| w.clusters.iter().map(move |c| (n, c))) {
            let soak = stage.waves.get(wave).map_or(Span::from_secs(0), |w| w.soak);
            let lags = lag(cluster, soak, plan, inputs).filter(|_| !is_here(cluster));
            if let Some(why) = lags {
                return Err(BuildError::WaveBefore {
                    stage: stage.name.clone(),
                    wave: wave + 1,
                    cluster: cluster.clone(),
                    why,
                });
            }
        }
    }
    Ok(())
}

/// What a cluster of a stage before is now, where it was looked at.
fn looked_at<'a>(
    cluster: &ClusterName,
    plan: &'a Plan,
    inputs: &Inputs<'a>,
) -> Option<&'a ClusterPlan> {
    plan.clusters
        .get(cluster)
        .or_else(|| inputs.before.get(cluster))
}

fn what_differs(found: &ClusterPlan) -> Vec<Changed> {
    let gaps = found.blocked.iter().filter_map(unread);
    let groups = found.groups.iter().map(|(name, change)| match change {
        GroupChange::Create { .. } => Changed::Missing(name.clone()),
        GroupChange::Update { .. } => Changed::Differs(name.clone()),
        GroupChange::Retire { .. } => Changed::NotInGit(name.clone()),
    });
    let documents = found.documents.keys();
    let documents = documents.map(|d| Changed::Document(d.clone()));
    gaps.chain(groups).chain(documents).collect()
}

/// What could not be read, and blocks for that.
fn unread(blocked: &Blocked) -> Option<Changed> {
    match blocked {
        Blocked::Gap { what, why } => Some(Changed::Unread {
            what: what.clone(),
            why: why.clone(),
        }),
        Blocked::NotRead => Some(Changed::NotRead),
        Blocked::VersionNotRead { group, version } => {
            Some(Changed::VersionNotRead(group.clone(), *version))
        }
        Blocked::StoreNotRead { why } | Blocked::NodeupNotRead { why } => {
            Some(Changed::StoreNotRead(why.clone()))
        }
        Blocked::Retire { .. }
        | Blocked::Protected { .. }
        | Blocked::Shrink { .. }
        | Blocked::NoUserData { .. }
        | Blocked::NoBootVersion { .. }
        | Blocked::NoKubernetes { .. }
        | Blocked::Twin { .. }
        | Blocked::NotCarriedOut { .. }
        | Blocked::ByKops { .. }
        | Blocked::NeedsKops { .. } => None,
    }
}

/// Clusters of the stages before that are not rolled here: looked at before each wave, as those that are.
fn watched(stages: &[&Stage], plan: &Plan, inputs: &Inputs<'_>) -> Vec<Watched> {
    let here = |name: &StageName| stages.iter().any(|s| s.name == *name);
    let mut found = Vec::new();
    for stage in stages {
        let mut after = stage.after.as_ref();
        let mut steps = 0;
        while let Some(before) = after
            .filter(|name| !here(name) && steps < plan.policy.stages.len())
            .and_then(|name| plan.policy.stages.iter().find(|s| s.name == *name))
        {
            steps += 1;
            after = before.after.as_ref();
            for cluster in before.waves.iter().flat_map(|w| &w.clusters) {
                let looked = looked_at(cluster, plan, inputs);
                found.extend(looked.map(|p| Watched {
                    before: stage.name.clone(),
                    run: ClusterRun {
                        hooks: Vec::new(),
                        ..cluster_run(cluster, p, plan, inputs)
                    },
                }));
            }
        }
    }
    found
}

/// The gates of the fleet, and where it has none of its own on instances or nodes, the built-in ones: nothing is verified unseen.
fn with_built_in(gates: &[GateSpec]) -> Vec<GateSpec> {
    let mut all = gates.to_vec();
    for (name, kind) in [
        (BUILT_IN_INSTANCES, GateKind::Asg),
        (BUILT_IN_NODES, GateKind::Kubernetes),
    ] {
        let has = |scope: GateAt| {
            gates
                .iter()
                .any(|g| g.kind == kind && g.at.is_none_or(|at| at == scope))
        };
        let at = match (has(GateAt::Canary), has(GateAt::Cluster)) {
            (true, true) => continue,
            (true, false) => Some(GateAt::Cluster),
            (false, true) => Some(GateAt::Canary),
            (false, false) => None,
        };
        all.push(GateSpec {
            name: name.into(),
            kind,
            deadline: Span::from_secs(1_800),
            at,
            samples: Samples::default(),
        });
    }
    all
}

fn stage_run(stage: &Stage, plan: &Plan, inputs: &Inputs<'_>) -> StageRun {
    let runs = |clusters: &[ClusterName]| {
        clusters
            .iter()
            .filter_map(|name| Some(cluster_run(name, plan.clusters.get(name)?, plan, inputs)))
            .collect::<Vec<_>>()
    };
    let hooks = |is_of: &dyn Fn(&HookPlace) -> bool| -> Vec<HookTask> {
        let mine = plan.hooks.iter().filter(|h| h.place.stage == stage.name);
        mine.filter(|h| is_of(&h.place)).cloned().collect()
    };
    let waves = stage.waves.iter().enumerate().map(|(index, wave)| WaveRun {
        parallel: wave.parallel.max(1),
        soak: wave.soak,
        clusters: runs(&wave.clusters),
        hooks: hooks(&|place| place.wave == Some(index) && place.cluster.is_none()),
    });
    StageRun {
        name: stage.name.clone(),
        approval: stage.approval,
        soak: stage.soak,
        freeze: stage.freeze.clone(),
        on_failure: stage.on_failure,
        // Beside others a wave is known by its index, whoever has clusters in it.
        waves: waves
            .filter(|w| inputs.part.is_some() || !w.clusters.is_empty())
            .collect(),
        hooks: hooks(&|place| place.wave.is_none() && place.cluster.is_none()),
    }
}

fn cluster_run(
    name: &ClusterName,
    plan: &ClusterPlan,
    whole: &Plan,
    inputs: &Inputs<'_>,
) -> ClusterRun {
    let mut groups: Vec<GroupTask> = plan
        .groups
        .iter()
        .map(|(asg, change)| task(asg, change, plan, &whole.policy.rolling))
        .collect();
    lenders(&mut groups, plan);
    // Control plane first (kubelets may not be newer than their API server), what is retired last.
    groups.sort_by_key(|g| {
        (
            matches!(g.task, Task::Retire { .. }),
            g.role.rank(),
            g.asg.clone(),
        )
    });
    let unchanged = inputs
        .baselines
        .get(name)
        .filter(|b| b.digest == plan.digest && groups.is_empty());
    let hooks = whole.hooks.iter();
    let hooks = hooks.filter(|h| h.place.cluster.as_ref() == Some(name));
    ClusterRun {
        cluster: name.clone(),
        account: plan.account.clone(),
        region: plan.region.clone(),
        digest: plan.digest.clone(),
        since: unchanged.map(|b| b.since),
        roles: plan.roles.clone(),
        etcd: plan.etcd.clone(),
        unchanged: plan.unchanged.clone(),
        pending: with_acknowledged(&plan.pending, inputs.baselines.get(name)),
        user_data: plan.user_data.clone(),
        rolling: whole.policy.rolling.clone(),
        groups,
        documents: inputs
            .wanted
            .get(name)
            .map(|(_, documents)| documents.clone())
            .unwrap_or_default(),
        kops: plan.kops.as_ref().map(|kops| {
            Box::new(KopsRun {
                from: kops.from.clone(),
                to: kops.to.clone(),
                groups: kops.groups.clone(),
                deleted: kops.deleted.clone(),
                no_way_back: kops.no_way_back,
            })
        }),
        hooks: hooks.cloned().collect(),
        previous: inputs.baselines.get(name).cloned().map(Box::new),
    }
}

/// The on-demand twins; one that is not changed itself gets a task that changes nothing, so that what may be done to it was approved.
fn lenders(groups: &mut Vec<GroupTask>, plan: &ClusterPlan) {
    for (borrower, twin) in &plan.twins {
        if let Some(task) = groups.iter_mut().find(|g| g.asg == twin.group) {
            task.lends = Some(borrower.clone());
        } else if let Some(found) = &twin.unchanged {
            groups.push(GroupTask {
                name: found.definition.instance_group.clone(),
                asg: twin.group.clone(),
                role: found.role,
                rolling: found.rolling.clone(),
                // Version 0: leave it.
                task: Task::Update {
                    from: found.definition.clone(),
                    to: found.definition.clone(),
                    from_version: 0,
                    version: VersionSource::Existing(0),
                    replace: false,
                },
                shrink: false,
                twin: None,
                lends: Some(borrower.clone()),
            });
        }
    }
}

fn task(asg: &AsgName, change: &GroupChange, plan: &ClusterPlan, rolling: &Rolling) -> GroupTask {
    let role = plan.roles.get(asg).copied().unwrap_or(Role::Node);
    match change {
        GroupChange::Create { to } => GroupTask {
            name: to.definition.instance_group.clone(),
            asg: asg.clone(),
            role: to.role,
            rolling: to.rolling.clone(),
            task: Task::Create {
                to: to.definition.clone(),
                user_data: to.user_data.clone(),
            },
            shrink: false,
            twin: None,
            lends: None,
        },
        GroupChange::Update {
            to,
            from,
            existing_version,
            fields: _,
            replace,
        } => GroupTask {
            name: to.definition.instance_group.clone(),
            asg: asg.clone(),
            role: to.role,
            rolling: to.rolling.clone(),
            task: Task::Update {
                from: from.definition.clone(),
                to: to.definition.clone(),
                from_version: from.version.number(),
                version: existing_version.map_or_else(
                    || VersionSource::New(to.user_data.clone()),
                    VersionSource::Existing,
                ),
                // What others launch between the plan and the pin runs the version of before, also in a group that was empty.
                replace: to.replace_instances
                    && (!replace.is_empty() || *existing_version != Some(from.version.number())),
            },
            // Such a plan is blocked unless the operator has allowed it.
            shrink: to.definition.auto_scaling_group.max_size < from.desired,
            twin: plan.twins.get(asg).map(|t| t.group.clone()),
            lends: None,
        },
        GroupChange::Retire { from, instances: _ } => GroupTask {
            name: from.definition.instance_group.clone(),
            asg: asg.clone(),
            role,
            rolling: rolling.clone(),
            task: Task::Retire {
                from: from.definition.clone(),
            },
            shrink: false,
            twin: None,
            lends: None,
        },
    }
}

fn names(clusters: &[ClusterName]) -> String {
    clusters
        .iter()
        .map(ClusterName::as_str)
        .collect::<Vec<_>>()
        .join(", ")
}
