//! What a record breaks.

use crate::report::reason::difference;
use crate::report::wording::{clock, count};
use crate::rollout::{Beginning, Claim, ClaimBreach, RecordBreach, TurnBreach};

/// A record of a step, a canary, or the end.
pub(super) fn of_record(breach: &RecordBreach) -> String {
    match breach {
        RecordBreach::StepOpen { step, group } => {
            format!("step {step} of {group} has no outcome and counts as done")
        }
        RecordBreach::RollbackVersionGone { group, version } => format!(
            "work on {group} begins while launch template version {version}, which a rollback needs, is gone"
        ),
        RecordBreach::NotBaked { group, bake } => {
            format!("the canary of {group} is proven before it has baked {bake}")
        }
        RecordBreach::CanaryNeverUp { group } => {
            format!("the canary of {group} is proven and was never up")
        }
        RecordBreach::NoRollback => "the rollout is rolled back without a rollback".into(),
        RecordBreach::NotRestored { cluster } => {
            format!("the rollout is rolled back before {cluster} is restored")
        }
        RecordBreach::DeletedRolledBack { cluster, group } => {
            format!("{cluster} is rolled back after its group {group} was deleted")
        }
        RecordBreach::NotReleased { group } => {
            format!("the rollout is aborted before {group} is restored")
        }
        RecordBreach::IllegalRecord { why } => why.clone(),
    }
}

/// A record of a stage or a wave.
pub(super) fn of_turn(breach: &TurnBreach) -> String {
    match breach {
        TurnBreach::NotSoaked { cluster, soak } => {
            format!("{cluster} has not been verified for {soak}")
        }
        TurnBreach::StageNotPassed { stage } => {
            format!("the rollout is finished before stage {stage} has passed")
        }
        TurnBreach::BeginsFrozen { what, stage, until } => {
            let what = match what {
                Beginning::Stage => format!("stage {stage}"),
                Beginning::Wave(wave) => {
                    format!("wave {} of stage {stage}", wave.saturating_add(1))
                }
                Beginning::Cluster(cluster) => cluster.to_string(),
            };
            format!(
                "{what} begins while stage {stage} is frozen until {}",
                clock(*until)
            )
        }
        TurnBreach::StageEarly { stage, before } => {
            format!("stage {stage} begins before stage {before} has passed")
        }
        TurnBreach::StageUnapproved { stage } => {
            format!("stage {stage} begins without a valid approval")
        }
        TurnBreach::UnknownStage { stage } => format!("the rollout has no stage {stage}"),
        TurnBreach::WaveEarly {
            stage,
            wave,
            before,
        } => format!(
            "wave {} of stage {stage} begins before wave {} has passed",
            wave.saturating_add(1),
            before.saturating_add(1)
        ),
        TurnBreach::BeforeOtherShards { stage, wave: None } => {
            format!("something begins before stage {stage} has passed in every shard")
        }
        TurnBreach::BeforeOtherShards {
            stage,
            wave: Some(wave),
        } => format!(
            "something begins before wave {} of stage {stage} has passed in every shard",
            wave.saturating_add(1)
        ),
        TurnBreach::BeforeMadeCluster { cluster, made } => {
            format!("{cluster} begins before {made}, which kops makes, is verified")
        }
        TurnBreach::WaveBeforeItsStage { stage, wave } => format!(
            "wave {} of stage {stage} begins before its stage",
            wave.saturating_add(1)
        ),
    }
}

/// A record of a cluster that is verified or restored.
pub(super) fn of_claim(breach: &ClaimBreach) -> String {
    let claimed = |claim: &Claim| match claim {
        Claim::Verified => "verified",
        Claim::Restored => "restored",
    };
    match breach {
        ClaimBreach::NoGatePassed { cluster } => {
            format!("{cluster} is verified without a gate that passed")
        }
        ClaimBreach::NotAsDesired {
            cluster,
            difference: what,
        } => format!("{cluster} is verified, and {}", difference(what)),
        ClaimBreach::ClusterNotRead { cluster, claim } => format!(
            "{cluster} is {}, and its live state was not read",
            claimed(claim)
        ),
        ClaimBreach::ClusterNodesUnseen { cluster, claim } => {
            format!(
                "{cluster} is {}, and its nodes cannot be seen",
                claimed(claim)
            )
        }
        ClaimBreach::TooFewInService {
            cluster,
            claim,
            group,
            serving,
            desired,
        } => format!(
            "{cluster} is {}, and {group} has {serving} of {} in service",
            claimed(claim),
            count(desired, "instance")
        ),
        ClaimBreach::ControlPlaneDown {
            cluster,
            claim,
            instance,
            group,
        } => format!(
            "{cluster} is {}, and {instance} of {group} does not work",
            claimed(claim)
        ),
    }
}
