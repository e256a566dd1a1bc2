//! The rules of order: stages, waves, approvals, and how many clusters of a wave at a time. Judges; decides nothing.

use crate::model::{ClusterName, Timestamp};
use crate::rollout::breach::{Breach, OrderBreach};
use crate::rollout::progress::{ClusterState, Direction, Progress};
use crate::rollout::schedule::{ClusterRun, Rollout, StageRun, WaveRun};

/// What a step in this cluster would break of the order.
pub(super) fn broken(
    rollout: &Rollout,
    progress: &Progress,
    cluster: &ClusterName,
    now: Timestamp,
) -> Vec<Breach> {
    let mut broken = stages(rollout, progress, cluster, now);
    if progress.direction == Direction::Forward {
        broken.extend(wave(rollout, progress, cluster));
    }
    broken
}

fn clusters(stage: &StageRun) -> impl Iterator<Item = &ClusterRun> {
    stage.waves.iter().flat_map(|w| &w.clusters)
}

/// Stages before the cluster's have passed; and on the way there, not only by the rollout's own word: each of their clusters is
/// verified, and has soaked.
fn stages(
    rollout: &Rollout,
    progress: &Progress,
    cluster: &ClusterName,
    now: Timestamp,
) -> Vec<Breach> {
    let mine = rollout.stage_of(cluster).map(|s| &s.name);
    let before = || {
        let stages = rollout.stages.iter();
        stages.take_while(|s| Some(&s.name) != mine)
    };
    let lacking = before().filter(|s| s.changes() && !progress.stages_passed.contains(&s.name));
    let mut broken: Vec<Breach> = lacking
        .map(|s| {
            OrderBreach::BeforeStage {
                cluster: cluster.clone(),
                stage: s.name.clone(),
            }
            .into()
        })
        .collect();
    if progress.direction != Direction::Forward {
        return broken;
    }
    for (stage, run) in before().flat_map(|s| clusters(s).map(move |c| (s, c))) {
        let state = progress.clusters.get(&run.cluster).map(|c| c.state);
        let soaked =
            matches!(state, Some(ClusterState::Verified(since)) if since + stage.soak <= now);
        broken.extend((!soaked).then(|| {
            OrderBreach::BeforeSoaked {
                cluster: cluster.clone(),
                before: run.cluster.clone(),
                soak: stage.soak,
            }
            .into()
        }));
    }
    broken
}

/// On the way there: the cluster's stage was approved where it has to be, its wave has begun, every wave before it has passed, and no more
/// clusters of it are at work than may be.
fn wave(rollout: &Rollout, progress: &Progress, cluster: &ClusterName) -> Vec<Breach> {
    let mut broken = Vec::new();
    let Some(stage) = rollout.stage_of(cluster) else {
        return vec![
            OrderBreach::UnknownCluster {
                cluster: cluster.clone(),
            }
            .into(),
        ];
    };
    if stage.approval && !progress.approvals.contains_key(&stage.name) {
        broken.push(
            OrderBreach::StageNotApproved {
                cluster: cluster.clone(),
                stage: stage.name.clone(),
            }
            .into(),
        );
    }
    let is_mine = |w: &WaveRun| w.clusters.iter().any(|c| c.cluster == *cluster);
    let Some(index) = stage.waves.iter().position(is_mine) else {
        return broken;
    };
    let key = |n: usize| (stage.name.clone(), n);
    if !progress.waves_started.contains(&key(index)) {
        broken.push(
            OrderBreach::BeforeItsWave {
                cluster: cluster.clone(),
            }
            .into(),
        );
    }
    for before in (0..index).filter(|n| !progress.waves_passed.contains(&key(*n))) {
        broken.push(
            OrderBreach::BeforeWave {
                cluster: cluster.clone(),
                stage: stage.name.clone(),
                wave: before,
            }
            .into(),
        );
    }
    let Some(wave) = stage.waves.get(index) else {
        return broken;
    };
    let rolling = wave.clusters.iter().filter(|c| {
        let state = progress.clusters.get(&c.cluster).map(|c| c.state);
        state == Some(ClusterState::Rolling) && c.changes()
    });
    let rolling = rolling.count();
    if rolling > wave.parallel {
        broken.push(
            OrderBreach::TooManyClusters {
                rolling,
                most: wave.parallel,
            }
            .into(),
        );
    }
    broken
}
