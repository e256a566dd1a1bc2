//! Before a stage and before each wave: whether the account has room for what all clusters that would be rolled at the same time launch. Never acts.

use std::collections::BTreeMap;

use super::beside;
use crate::fleet::{OnLack, Strategy};
use crate::model::{AsgName, ClusterName, Live, LiveCluster, RoomQuestion, Timestamp};
use crate::plan::room::{
    ClusterNeed, Fit, GroupAim, GroupNeed, Outlook, PodAddresses, RegionLack, RoomLimit,
    RoomUnknown, outlook, questions, questions_with_trials,
};
use crate::rollout::event::{Event, StageEvent};
use crate::rollout::freeze::frozen_until;
use crate::rollout::progress::{Direction, Progress};
use crate::rollout::reason::{Advice, Reason};
use crate::rollout::round::{DecisionBuilder, RoundContext, outdated};
use crate::rollout::schedule::{ClusterRun, Rollout, StageRun, Task, VersionSource, WaveRun};

/// The clusters whose room has to be known for the next decision: before a stage all that change in it, before a wave those of the wave.
pub fn rooms_wanted<'r>(
    rollout: &'r Rollout,
    progress: &Progress,
    now: Timestamp,
) -> Vec<&'r ClusterRun> {
    let stands = progress.ending.is_some() || progress.stuck.is_some();
    if stands || progress.failure.is_some() || progress.direction != Direction::Forward {
        return Vec::new();
    }
    let mut stages = rollout.stages.iter();
    let Some(stage) = stages.find(|s| !progress.stages_passed.contains(&s.name)) else {
        return Vec::new();
    };
    let approved = progress.approvals.get(&stage.name);
    let may = !stage.approval || approved.is_some_and(|(_, expires)| *expires > now);
    let is_frozen = frozen_until(&stage.freeze, now).is_some();
    let has_begun = progress.stages_started.contains(&stage.name);
    if is_frozen || (!has_begun && !may) {
        return Vec::new();
    }
    let through = progress.waves_through(&stage.name);
    let waves = stage.waves.iter().enumerate().filter(|(index, _)| {
        let key = (stage.name.clone(), *index);
        let is_next = *index == through && !progress.waves_started.contains(&key);
        (!has_begun || is_next) && !progress.room.contains_key(&key)
    });
    waves.flat_map(|(_, wave)| changing(wave)).collect()
}

/// What has to be asked for these clusters, by account and region.
pub fn room_questions(runs: &[&ClusterRun], live: &Live) -> Vec<RoomQuestion> {
    let needs: Vec<ClusterNeed> = runs.iter().map(|run| need(run, live)).collect();
    questions_with_trials(&needs)
}

fn changing(wave: &WaveRun) -> impl Iterator<Item = &ClusterRun> {
    wave.clusters.iter().filter(|run| !run.groups.is_empty())
}

fn need(run: &ClusterRun, live: &Live) -> ClusterNeed {
    let document = run.documents.get(&format!("Cluster/{}", run.cluster));
    let pods = PodAddresses::of(document);
    let here = live.clusters.get(&run.cluster);
    let groups = run.groups.iter().filter_map(|task| {
        let found = here.and_then(|c| c.groups.get(&task.asg)).map(|g| &**g);
        let (to, replaces) = match (&task.task, found) {
            (Task::Create { to, .. }, _) => (to, 0),
            (Task::Update { to, replace, .. }, Some(found)) => {
                let is_replaced = *replace && task.rolling.strategy != Strategy::OnNextLaunch;
                let old = outdated(found, to, task.rolling.standby).len();
                (to, if is_replaced { old } else { 0 })
            }
            (Task::Update { .. }, None) | (Task::Retire { .. }, _) => return None,
        };
        let aim = GroupAim {
            group: &task.asg,
            to,
            role: task.role,
            rolling: &task.rolling,
            live: found,
            replaces: u32::try_from(replaces).unwrap_or(u32::MAX),
        };
        GroupNeed::tried(&aim, pods)
    });
    ClusterNeed {
        templates: templates(run, here),
        cluster: run.cluster.clone(),
        account: run.account.clone(),
        region: run.region.clone(),
        surge: run.rolling.cluster_surge,
        groups: groups.collect(),
    }
}

/// Launch templates that get another version.
fn templates(run: &ClusterRun, live: Option<&LiveCluster>) -> BTreeMap<AsgName, u64> {
    let changed = run.groups.iter().filter(|task| {
        matches!(
            task.task,
            Task::Update {
                version: VersionSource::New(_),
                ..
            }
        )
    });
    changed
        .filter_map(|task| {
            let found = live?.groups.get(&task.asg)?;
            Some((task.asg.clone(), found.latest_version))
        })
        .collect()
}

/// Whether the stage may begin: nothing of it is begun of which a part cannot be rolled.
pub(crate) fn for_stage(
    round: &RoundContext<'_>,
    stage: &StageRun,
    out: &mut DecisionBuilder<'_>,
) -> bool {
    let waves = stage.waves.iter().enumerate();
    // Room for a later wave may come by the time that its turn does.
    waves.into_iter().all(|(index, wave)| {
        is_read(round, wave, out) && !refused(round, stage, (index, wave), out)
    })
}

/// Whether the wave may begin; and within which limits, which is written down first.
pub(crate) fn for_wave(
    round: &RoundContext<'_>,
    stage: &StageRun,
    index: usize,
    wave: &WaveRun,
    out: &mut DecisionBuilder<'_>,
) -> bool {
    if round
        .progress
        .room
        .contains_key(&(stage.name.clone(), index))
    {
        return true;
    }
    if !is_read(round, wave, out) || refused(round, stage, (index, wave), out) {
        return false;
    }
    let outlooks = outlooks(round, stage, (index, wave));
    if on_lack(wave) == OnLack::Wait && outlooks.iter().any(|o| !o.is_whole()) {
        if let Some(run) = first_lacking(wave, &outlooks) {
            let regions = lacks(&outlooks);
            out.wait_cluster(&run.cluster, Reason::RoomAwaited { regions }, None);
        }
        return false;
    }
    let limits: Vec<RoomLimit> = outlooks.iter().filter_map(limit).collect();
    let all = || outlooks.iter().map(Outlook::lack);
    let unknown: Vec<RoomUnknown> = all().flat_map(|lack| lack.unknown).collect();
    if limits.is_empty() && unknown.is_empty() {
        return true;
    }
    out.records.push(Event::Stage(
        stage.name.clone(),
        StageEvent::RoomLimited {
            wave: index,
            lacks: all().flat_map(|lack| lack.shortages).collect(),
            limits,
            unknown,
        },
    ));
    false
}

/// Whether this look is about the room of the wave: a freeze may have ended since it was asked what to look at.
fn is_read(round: &RoundContext<'_>, wave: &WaveRun, out: &mut DecisionBuilder<'_>) -> bool {
    let needs: Vec<ClusterNeed> = changing(wave).map(|run| need(run, round.live)).collect();
    let facts = &round.live.room;
    let is_there = |q: &RoomQuestion| {
        let mut of = facts.iter();
        of.any(|f| f.account == q.account && f.region == q.region)
    };
    let is_read = questions(&needs).iter().all(is_there);
    if let Some(run) = changing(wave).next().filter(|_| !is_read) {
        out.wait_cluster(&run.cluster, Reason::ClusterUnread, None);
    }
    is_read
}

fn outlooks(
    round: &RoundContext<'_>,
    stage: &StageRun,
    (index, wave): (usize, &WaveRun),
) -> Vec<Outlook> {
    let needs: Vec<ClusterNeed> = changing(wave).map(|run| need(run, round.live)).collect();
    let room = beside::room(round, &stage.name, index, wave);
    outlook(&needs, wave.parallel, &room)
}

/// Says that a person has to act, where the wave cannot be rolled or its policy forbids it.
fn refused(
    round: &RoundContext<'_>,
    stage: &StageRun,
    (index, wave): (usize, &WaveRun),
    out: &mut DecisionBuilder<'_>,
) -> bool {
    let outlooks = outlooks(round, stage, (index, wave));
    let is_refused = match on_lack(wave) {
        OnLack::Shrink => outlooks.iter().any(|o| !o.is_possible()),
        // What no smaller surge helps against does not pass by itself.
        OnLack::Wait => outlooks
            .iter()
            .any(|o| o.obstacles.iter().any(|found| found.is_in_the_way)),
        OnLack::Refuse => outlooks
            .iter()
            .any(|o| !o.is_whole() || !o.unknown.is_empty()),
    };
    let Some(run) = first_lacking(wave, &outlooks).filter(|_| is_refused) else {
        return false;
    };
    let why = Reason::NoRoom {
        stage: stage.name.clone(),
        wave: index,
        regions: lacks(&outlooks),
    };
    out.stuck_cluster(&run.cluster, why, Advice::MakeRoom);
    true
}

fn on_lack(wave: &WaveRun) -> OnLack {
    let first = wave.clusters.first();
    first.map_or_else(OnLack::default, |run| run.rolling.room.on_lack)
}

/// The first cluster of an account and region in which something is missing, or not known.
fn first_lacking<'w>(wave: &'w WaveRun, outlooks: &[Outlook]) -> Option<&'w ClusterRun> {
    let lacking = outlooks
        .iter()
        .find(|o| !o.is_whole())
        .or_else(|| outlooks.iter().find(|o| !o.unknown.is_empty()))?;
    changing(wave).find(|run| run.account == lacking.account && run.region == lacking.region)
}

fn lacks(outlooks: &[Outlook]) -> Vec<RegionLack> {
    outlooks
        .iter()
        .filter(|o| !o.is_whole() || !o.unknown.is_empty())
        .map(Outlook::lack)
        .collect()
}

fn limit(outlook: &Outlook) -> Option<RoomLimit> {
    match &outlook.fit {
        Fit::Within(limit) => Some(limit.clone()),
        Fit::Whole | Fit::None => None,
    }
}

/// Clusters of the wave that are rolled at the same time as this one, at most, where its account has no room for more.
pub(crate) fn at_once(
    round: &RoundContext<'_>,
    wave: &WaveRun,
    cluster: &ClusterName,
    rolling: impl Fn(&ClusterRun) -> bool,
) -> bool {
    let Some(limit) = round.progress.room_limit(cluster) else {
        return true;
    };
    let there = wave.clusters.iter();
    let there = there.filter(|run| limit.clusters.contains_key(&run.cluster) && rolling(run));
    there.count() < limit.at_once
}
