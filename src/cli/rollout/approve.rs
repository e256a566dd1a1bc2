//! `kfleet rollout approve`.

use super::which::{chosen, opened};
use crate::cli::Exit;
use crate::cli::args::{ApproveArguments, Arguments};
use crate::cli::failure::Failure;
use crate::cli::who::who;
use crate::cli::world;
use crate::store::Request;

pub(super) fn approve(arguments: &Arguments, command: &ApproveArguments) -> Result<Exit, Failure> {
    let (store, output) = opened(arguments)?;
    let Some(id) = chosen(&store, command.rollout.as_ref())? else {
        return Err(Failure::new("no rollout waits for an approval"));
    };
    let (rollout, progress) = store.rollout(&id)?;
    if command.plan.len() < 8 || !rollout.plan.as_str().starts_with(&command.plan) {
        let hint = format!(
            "look at the plan with `kfleet rollout status {id}`, then name it by at least 8 of its digits: {}",
            rollout.plan.short()
        );
        return Err(Failure::new(format!(
            "rollout {id} does not carry out plan {}",
            command.plan
        ))
        .hint(hint));
    }
    let waits = rollout
        .stages
        .iter()
        .find(|s| s.approval && !progress.stages_started.contains(&s.name));
    let stage = match (&command.stage, waits) {
        (Some(stage), _)
            if rollout
                .stages
                .iter()
                .any(|s| s.name == *stage && s.approval) =>
        {
            stage.clone()
        }
        (Some(stage), _) => {
            return Err(Failure::new(format!(
                "rollout {id} has no stage `{stage}` that needs an approval"
            )));
        }
        (None, Some(stage)) => stage.name.clone(),
        (None, None) => {
            return Err(Failure::new(format!(
                "rollout {id} has no stage that still needs an approval"
            )));
        }
    };
    if progress.stages_started.contains(&stage) {
        return Err(Failure::new(format!(
            "stage {stage} of rollout {id} has started already"
        )));
    }
    let now = world::now(&store)?;
    let expires = now + command.valid;
    store.request(
        &id,
        &Request::Approve {
            plan: rollout.plan.clone(),
            stage: stage.clone(),
            by: who(),
            expires,
        },
    )?;
    output.cloud_story(&format!(
        "stage {stage} of plan {} is approved until {expires}; `kfleet rollout resume` goes on",
        rollout.plan.short()
    ));
    Ok(Exit::Good)
}
