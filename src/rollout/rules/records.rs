//! The rules that a record of the journal may not break: what begins, and what counts as verified, soaked or proven. Held against what was
//! before it. Judges; decides nothing.

use std::collections::BTreeSet;

use super::{beside, hooks};
use crate::kops::Role;
use crate::model::{
    AsgName, CloudEffect, ClusterName, Effect, Health, Instance, InstanceId, Lifecycle,
    LiveCluster, LiveGroup, Nodes, Seen, Span, StageName, Timestamp,
};
use crate::plan::group_differences;
use crate::rollout::breach::{Beginning, Breach, Claim, ClaimBreach, RecordBreach, TurnBreach};
use crate::rollout::event::{
    ClusterEvent, Event, GroupEvent, Record, RolloutEvent, StageEvent, StepEvent,
};
use crate::rollout::freeze::frozen_until;
use crate::rollout::progress::{ClusterState, Direction, Progress, WayBack, deleted_groups};
use crate::rollout::reason::{Difference, Evidence};
use crate::rollout::schedule::{ClusterRun, GroupTask, Rollout, StageRun, Task, WaveRun};

/// The rules that a record breaks, from where the rollout stood just before it. `look` is asked what a
/// cluster looked like then.
pub fn broken_by_record(
    rollout: &Rollout,
    progress: &Progress,
    record: &Record,
    look: impl Fn(&ClusterName) -> Option<LiveCluster>,
) -> Vec<Breach> {
    let mut broken = open_steps(progress, &record.event);
    broken.extend(without_way_back(rollout, progress, &record.event, &look));
    broken.extend(by_event(rollout, progress, record, look));
    broken.extend(hooks::broken(rollout, progress, &record.event));
    broken
}

/// Nothing is verified, restored or over while a step of it has no answer.
fn open_steps(progress: &Progress, event: &Event) -> Vec<Breach> {
    let of = match event {
        Event::Cluster(cluster, ClusterEvent::Verified { .. } | ClusterEvent::Restored) => {
            Some(cluster)
        }
        Event::Rollout(what) if what.is_end() => None,
        Event::Rollout(_)
        | Event::Stage(..)
        | Event::Cluster(..)
        | Event::Group(..)
        | Event::Hook(..)
        | Event::Step(..) => return Vec::new(),
    };
    let open = progress
        .open
        .iter()
        .filter(|(_, i)| of.is_none_or(|cluster| i.cluster == *cluster));
    open.map(|(id, i)| {
        RecordBreach::StepOpen {
            step: *id,
            group: i.group.clone(),
        }
        .into()
    })
    .collect()
}

/// Nothing begins in a group while it is seen that the version to which it would go back is gone, and no person has said to go on without.
fn without_way_back(
    rollout: &Rollout,
    progress: &Progress,
    event: &Event,
    look: &impl Fn(&ClusterName) -> Option<LiveCluster>,
) -> Option<Breach> {
    let (cluster, group) = begun(event).filter(|_| progress.direction == Direction::Forward)?;
    let run = rollout.cluster(cluster)?;
    let task = run.groups.iter().find(|g| g.asg == *group)?;
    let Task::Update { from_version, .. } = &task.task else {
        return None;
    };
    let found = progress.clusters.get(cluster)?.groups.get(group)?;
    let gone = look(cluster)?.gone.get(group)?.contains(from_version);
    let renounced = found.way_back == WayBack::Renounced(*from_version);
    (gone && !renounced).then(|| {
        RecordBreach::RollbackVersionGone {
            group: group.clone(),
            version: *from_version,
        }
        .into()
    })
}

/// The group in which something begins that a way back would have to take back.
fn begun(event: &Event) -> Option<(&ClusterName, &AsgName)> {
    if let Event::Group(
        cluster,
        group,
        GroupEvent::DrainStarted { .. } | GroupEvent::Started { .. },
    ) = event
    {
        return Some((cluster, group));
    }
    let Event::Step(
        _,
        StepEvent::Intent {
            cluster,
            group,
            effect,
        },
    ) = event
    else {
        return None;
    };
    let begins = match &**effect {
        Effect::Cloud(CloudEffect::SetDesired { from, to, .. }) => to > from,
        Effect::Cloud(
            CloudEffect::PinVersion { .. }
            | CloudEffect::Detach { .. }
            | CloudEffect::UpdateGroup { .. }
            | CloudEffect::StartRefresh { .. },
        ) => true,
        Effect::Cloud(
            CloudEffect::CreateTemplateVersion { .. }
            | CloudEffect::CreateGroup { .. }
            | CloudEffect::Suspend { .. }
            | CloudEffect::Resume { .. }
            | CloudEffect::Terminate { .. }
            | CloudEffect::DeleteGroup { .. }
            | CloudEffect::PruneVersions { .. }
            | CloudEffect::Protect { .. }
            | CloudEffect::CancelRefresh { .. }
            | CloudEffect::RollbackRefresh { .. },
        )
        | Effect::Node(_)
        | Effect::Kops(_) => false,
    };
    begins.then_some((cluster, group))
}

/// A canary is proven only after it was up for as long as it has to bake.
fn baked(
    rollout: &Rollout,
    progress: &Progress,
    cluster: &ClusterName,
    group: &AsgName,
    at: Timestamp,
) -> Vec<Breach> {
    let run = rollout.cluster(cluster);
    let task = run.and_then(|r| r.groups.iter().find(|g| g.asg == *group));
    let found = progress
        .clusters
        .get(cluster)
        .and_then(|c| c.groups.get(group));
    let (up, group) = (found.and_then(|g| g.canary.baking_since()), group.clone());
    match (task, up) {
        (Some(task), Some(up)) if up + task.rolling.bake > at => vec![
            RecordBreach::NotBaked {
                group,
                bake: task.rolling.bake,
            }
            .into(),
        ],
        (Some(_) | None, Some(_)) => Vec::new(),
        (_, None) => vec![RecordBreach::CanaryNeverUp { group }.into()],
    }
}

/// A rollout is finished when every stage has passed.
fn all_passed(rollout: &Rollout, progress: &Progress) -> Vec<Breach> {
    let stages = rollout.stages.iter();
    let left = stages.filter(|s| !progress.stages_passed.contains(&s.name));
    left.map(|s| {
        let stage = s.name.clone();
        TurnBreach::StageNotPassed { stage }.into()
    })
    .collect()
}

/// A rollout is rolled back when every cluster that it takes back is restored.
fn all_restored(progress: &Progress) -> Vec<Breach> {
    let Direction::Back(clusters) = &progress.direction else {
        return vec![RecordBreach::NoRollback.into()];
    };
    let away = clusters.iter().filter(|name| {
        let state = progress.clusters.get(*name).map(|c| c.state);
        state != Some(ClusterState::Restored)
    });
    away.map(|name| {
        RecordBreach::NotRestored {
            cluster: name.clone(),
        }
        .into()
    })
    .collect()
}

/// No cluster is rolled back that a group was deleted of: nothing makes it anew.
fn none_deleted(progress: &Progress, clusters: &BTreeSet<ClusterName>) -> Vec<Breach> {
    let deleted = deleted_groups(progress, clusters);
    deleted
        .map(|(cluster, group)| {
            let (cluster, group) = (cluster.clone(), group.clone());
            RecordBreach::DeletedRolledBack { cluster, group }.into()
        })
        .collect()
}

/// A rollout is aborted when it has restored everything.
fn all_given_back(progress: &Progress) -> Vec<Breach> {
    let groups = progress.clusters.values().flat_map(|c| &c.groups);
    let owed = groups.filter(|(_, g)| !g.outstanding.is_empty());
    owed.map(|(name, _)| {
        RecordBreach::NotReleased {
            group: name.clone(),
        }
        .into()
    })
    .collect()
}

fn wave_soaked(
    rollout: &Rollout,
    progress: &Progress,
    stage: &StageName,
    wave: usize,
    at: Timestamp,
) -> Vec<Breach> {
    let found = rollout.stage(stage).and_then(|s| s.waves.get(wave));
    let runs = found.map(|w| (w.soak, w.clusters.iter().collect()));
    runs.map(|(soak, runs)| soaked(progress, runs, soak, at))
        .unwrap_or_default()
}

fn stage_soaked(
    rollout: &Rollout,
    progress: &Progress,
    stage: &StageName,
    at: Timestamp,
) -> Vec<Breach> {
    let found = rollout.stage(stage);
    let runs = found.map(|s| (s.soak, s.waves.iter().flat_map(|w| &w.clusters).collect()));
    runs.map(|(soak, runs)| soaked(progress, runs, soak, at))
        .unwrap_or_default()
}

fn by_event(
    rollout: &Rollout,
    progress: &Progress,
    record: &Record,
    look: impl Fn(&ClusterName) -> Option<LiveCluster>,
) -> Vec<Breach> {
    let at = record.at;
    match &record.event {
        Event::Rollout(what) => by_rollout_event(rollout, progress, what),
        Event::Stage(stage, what) => by_stage_event(rollout, progress, (stage, what), at),
        Event::Cluster(cluster, what) => {
            by_cluster_event((rollout, progress), (cluster, what), at, look)
        }
        Event::Group(cluster, group, GroupEvent::CanaryProven { .. }) => {
            baked(rollout, progress, cluster, group, at)
        }
        Event::Group(..) | Event::Hook(..) | Event::Step(..) => Vec::new(),
    }
}

fn by_rollout_event(rollout: &Rollout, progress: &Progress, event: &RolloutEvent) -> Vec<Breach> {
    match event {
        RolloutEvent::Finished => {
            let mut broken = all_passed(rollout, progress);
            broken.extend(beside::finished(rollout, progress));
            broken
        }
        RolloutEvent::RolledBack => all_restored(progress),
        RolloutEvent::RollbackStarted {
            clusters,
            kept: _,
            hooks: _,
        } => none_deleted(progress, clusters),
        RolloutEvent::Aborted => all_given_back(progress),
        RolloutEvent::Started { .. }
        | RolloutEvent::Held
        | RolloutEvent::ShardFailed { .. }
        | RolloutEvent::RollbackAsked { .. }
        | RolloutEvent::AbortStarted { .. }
        | RolloutEvent::LockTaken { .. }
        | RolloutEvent::Resumed { .. }
        | RolloutEvent::Paused { .. } => Vec::new(),
    }
}

fn by_stage_event(
    rollout: &Rollout,
    progress: &Progress,
    (stage, event): (&StageName, &StageEvent),
    at: Timestamp,
) -> Vec<Breach> {
    match event {
        StageEvent::Started => {
            let mut broken = begins(rollout, progress, stage, at);
            broken.extend(beside::stage_begins(rollout, progress, stage));
            broken
        }
        StageEvent::WaveStarted { wave } => {
            let mut broken = wave_begins(rollout, progress, stage, *wave, at);
            broken.extend(beside::wave_begins(rollout, progress, stage, *wave));
            broken
        }
        StageEvent::WavePassed { wave } => wave_soaked(rollout, progress, stage, *wave, at),
        StageEvent::Passed => stage_soaked(rollout, progress, stage, at),
        StageEvent::Approved { .. }
        | StageEvent::RoomLimited { .. }
        | StageEvent::PassedEverywhere { .. } => Vec::new(),
    }
}

fn by_cluster_event(
    (rollout, progress): (&Rollout, &Progress),
    (cluster, event): (&ClusterName, &ClusterEvent),
    at: Timestamp,
    look: impl Fn(&ClusterName) -> Option<LiveCluster>,
) -> Vec<Breach> {
    let run = rollout.cluster(cluster);
    let changes = run.filter(|c| c.changes());
    match event {
        ClusterEvent::Started => changes
            .and_then(|_| rollout.stage_of(cluster))
            .map(|stage| frozen(stage, at, Beginning::Cluster(cluster.clone())))
            .into_iter()
            .flatten()
            .chain(before_made(rollout, progress, cluster))
            .collect(),
        ClusterEvent::Verified { since: _, evidence } => changes
            .map(|run| verified(run, evidence, look(cluster).as_ref()))
            .unwrap_or_default(),
        ClusterEvent::Restored => run
            .map(|run| whole(run, look(cluster).as_ref(), Claim::Restored))
            .unwrap_or_default(),
        ClusterEvent::Preflight { .. }
        | ClusterEvent::Rolled
        | ClusterEvent::SoakBroken { .. }
        | ClusterEvent::Answered { .. }
        | ClusterEvent::Failed { .. }
        | ClusterEvent::Stuck { .. } => Vec::new(),
    }
}

/// What changes begins when every cluster of its wave that kops makes is verified.
fn before_made(rollout: &Rollout, progress: &Progress, cluster: &ClusterName) -> Option<Breach> {
    let (_, _, wave) = rollout.wave_of(cluster)?;
    let run = rollout.cluster(cluster).filter(|run| run.changes())?;
    let is_verified = |other: &ClusterRun| {
        let state = progress.clusters.get(&other.cluster).map(|c| c.state);
        matches!(state, Some(ClusterState::Verified(_)))
    };
    let made = wave.unproven_before(run, is_verified)?;
    let (cluster, made) = (cluster.clone(), made.cluster.clone());
    Some(TurnBreach::BeforeMadeCluster { cluster, made }.into())
}

fn frozen(stage: &StageRun, at: Timestamp, what: Beginning) -> Vec<Breach> {
    let until = frozen_until(&stage.freeze, at);
    let breach = until.map(|until| {
        TurnBreach::BeginsFrozen {
            what,
            stage: stage.name.clone(),
            until,
        }
        .into()
    });
    breach.into_iter().collect()
}

/// A stage that changes something begins after every stage before it, approved where it has to be, and outside its freezes.
fn begins(rollout: &Rollout, progress: &Progress, name: &StageName, at: Timestamp) -> Vec<Breach> {
    let Some(stage) = rollout.stage(name).filter(|s| s.changes()) else {
        return Vec::new();
    };
    let before = rollout.stages.iter().take_while(|s| s.name != *name);
    let mut broken: Vec<Breach> = before
        .filter(|s| !progress.stages_passed.contains(&s.name))
        .map(|s| {
            TurnBreach::StageEarly {
                stage: name.clone(),
                before: s.name.clone(),
            }
            .into()
        })
        .collect();
    let approved = progress
        .approvals
        .get(name)
        .is_some_and(|(_, expires)| *expires > at);
    if stage.approval && !approved {
        broken.push(
            TurnBreach::StageUnapproved {
                stage: name.clone(),
            }
            .into(),
        );
    }
    broken.extend(frozen(stage, at, Beginning::Stage));
    broken
}

fn wave_begins(
    rollout: &Rollout,
    progress: &Progress,
    name: &StageName,
    wave: usize,
    at: Timestamp,
) -> Vec<Breach> {
    let Some(stage) = rollout.stage(name) else {
        return vec![
            TurnBreach::UnknownStage {
                stage: name.clone(),
            }
            .into(),
        ];
    };
    let passed = |n: &usize| progress.waves_passed.contains(&(name.clone(), *n));
    let mut broken: Vec<Breach> = (0..wave)
        .filter(|n| !passed(n))
        .map(|before| {
            TurnBreach::WaveEarly {
                stage: name.clone(),
                wave,
                before,
            }
            .into()
        })
        .collect();
    if !progress.stages_started.contains(name) {
        broken.push(
            TurnBreach::WaveBeforeItsStage {
                stage: name.clone(),
                wave,
            }
            .into(),
        );
    }
    if stage.waves.get(wave).is_some_and(WaveRun::changes) {
        broken.extend(frozen(stage, at, Beginning::Wave(wave)));
    }
    broken
}

fn soaked(progress: &Progress, runs: Vec<&ClusterRun>, soak: Span, at: Timestamp) -> Vec<Breach> {
    let unsoaked = runs.into_iter().filter(|run| {
        let state = progress.clusters.get(&run.cluster).map(|c| c.state);
        !matches!(state, Some(ClusterState::Verified(since)) if since + soak <= at)
    });
    unsoaked
        .map(|run| {
            TurnBreach::NotSoaked {
                cluster: run.cluster.clone(),
                soak,
            }
            .into()
        })
        .collect()
}

/// Verified is what a new plan would not change, and what a gate that looks at its health let pass.
fn verified(run: &ClusterRun, evidence: &[Evidence], live: Option<&LiveCluster>) -> Vec<Breach> {
    let mut broken = whole(run, live, Claim::Verified);
    if evidence.is_empty() {
        broken.push(
            ClaimBreach::NoGatePassed {
                cluster: run.cluster.clone(),
            }
            .into(),
        );
    }
    let Some(live) = live else {
        return broken;
    };
    for task in &run.groups {
        let differs = differs(task, live.groups.get(&task.asg).map(|g| &**g));
        broken.extend(differs.map(|difference| {
            ClaimBreach::NotAsDesired {
                cluster: run.cluster.clone(),
                difference,
            }
            .into()
        }));
    }
    broken
}

/// How a group differs from what its task makes of it.
fn differs(task: &GroupTask, live: Option<&LiveGroup>) -> Option<Difference> {
    let (name, group) = (&task.asg, task.asg.clone());
    let (to, replace) = match &task.task {
        Task::Create { to, .. } => (to, true),
        Task::Update { to, replace, .. } => (to, *replace),
        Task::Retire { .. } => return live.map(|_| Difference::GroupStays { group }),
    };
    let Some(live) = live else {
        return Some(Difference::GroupGone { group });
    };
    let fields = group_differences(name, live, to);
    if !fields.is_empty() {
        return Some(Difference::Fields { group, fields });
    }
    let wanted = &to.launch_template.launch_template_data;
    let runs = |i: &Instance| {
        let version = i.version.and_then(|n| live.versions.get(&n));
        version.is_some_and(|v| v.data.is(wanted))
    };
    let serves = |i: &Instance| matches!(i.lifecycle, Lifecycle::InService | Lifecycle::Pending);
    let old = live.instances.values().filter(|i| serves(i) && !runs(i));
    let instances = old.count();
    (replace && instances > 0).then_some(Difference::Outdated { group, instances })
}

/// Its nodes were looked at; every instance of the control plane is Ready with its components, and no group has less in service than it wants.
fn whole(run: &ClusterRun, live: Option<&LiveCluster>, claim: Claim) -> Vec<Breach> {
    let cluster = run.cluster.clone();
    let Some(live) = live else {
        return vec![ClaimBreach::ClusterNotRead { cluster, claim }.into()];
    };
    let Nodes::Known(seen) = &live.nodes else {
        return vec![ClaimBreach::ClusterNodesUnseen { cluster, claim }.into()];
    };
    let mut broken = Vec::new();
    for (name, role) in &run.roles {
        let Some(group) = live.groups.get(name) else {
            continue;
        };
        let serves =
            |i: &Instance| i.lifecycle == Lifecycle::InService && i.health == Health::Healthy;
        let serving = group.instances.values().filter(|i| serves(i)).count();
        if serving < usize::try_from(group.desired).unwrap_or(usize::MAX) {
            broken.push(
                ClaimBreach::TooFewInService {
                    cluster: cluster.clone(),
                    claim,
                    group: name.clone(),
                    serving,
                    desired: group.desired,
                }
                .into(),
            );
        }
        if *role == Role::ControlPlane {
            let down = sick_plane(group, seen);
            broken.extend(down.map(|instance| {
                ClaimBreach::ControlPlaneDown {
                    cluster: cluster.clone(),
                    claim,
                    instance: instance.clone(),
                    group: name.clone(),
                }
                .into()
            }));
        }
    }
    broken
}

fn sick_plane<'l>(group: &'l LiveGroup, seen: &Seen) -> Option<&'l InstanceId> {
    let works = |id: &InstanceId| {
        let mut nodes = seen.nodes.values().filter(|n| n.instance == *id);
        nodes.any(|n| {
            let has = |c: &&str| n.components.contains(*c);
            n.ready && super::super::COMPONENTS.iter().all(has)
        })
    };
    let mut serving = group
        .instances
        .iter()
        .filter(|(_, i)| i.lifecycle == Lifecycle::InService);
    serving.find(|(id, _)| !works(id)).map(|(id, _)| id)
}
