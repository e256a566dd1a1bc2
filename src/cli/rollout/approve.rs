//! `kfleet rollout approve`.

use super::joint;
use super::which::{all_unfinished, chosen, opened};
use crate::cli::Exit;
use crate::cli::args::{ApproveArguments, Arguments};
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::who::who;
use crate::cli::world;
use crate::model::Digest;
use crate::report::clock;
use crate::rollout::Rollout;
use crate::store::{Request, Store};

pub(super) fn approve(arguments: &Arguments, command: &ApproveArguments) -> Result<Exit, Failure> {
    let (store, output) = opened(arguments)?;
    let together = together(&store, command)?;
    if together.len() > 1 {
        for id in &together {
            approve_one(&store, id, command, None, &output)?;
        }
        return Ok(Exit::Good);
    }
    if command.rollout.is_none() {
        carried_out(&store, &command.plan)?;
    }
    let Some(id) = chosen(&store, command.rollout.as_ref())? else {
        return Err(Failure::new("no rollout waits for an approval"));
    };
    approve_one(&store, &id, command, Some(&command.plan), &output)
}

/// The rollouts of all shards, where what was named is what all of their plans come to, or the one plan that all of them carry out.
fn together(store: &Store, command: &ApproveArguments) -> Result<Vec<String>, Failure> {
    if command.rollout.is_some() || command.plan.len() < 8 {
        return Ok(Vec::new());
    }
    let Some(seen) = joint::seen(store, None)? else {
        return Ok(Vec::new());
    };
    let is_named = |id: &Digest| id.as_str().starts_with(&command.plan);
    let mut plans = seen.shards.iter().filter_map(|s| s.begun.as_ref());
    let is_all = seen.plans.as_ref().is_some_and(is_named);
    let is_each = seen.plans.is_some() && plans.all(|b| is_named(&b.row.plan));
    if is_all || is_each {
        return Ok(joint::rollouts(&seen));
    }
    Ok(Vec::new())
}

/// Where several rollouts are under way, one of them at least has to carry the plan out: else it is no question which one is meant.
fn carried_out(store: &Store, plan: &str) -> Result<(), Failure> {
    let under_way = all_unfinished(store)?;
    let is_named = |r: &Rollout| r.plan.as_str().starts_with(plan);
    if under_way.len() < 2 || under_way.iter().any(|(rollout, _)| is_named(rollout)) {
        return Ok(());
    }
    let plans = under_way
        .iter()
        .map(|(rollout, _)| format!("{} of rollout {}", rollout.plan.short(), rollout.id));
    let plans: Vec<String> = plans.collect();
    Err(
        Failure::new(format!("no rollout under way carries out plan {plan}"))
            .hint(format!("they carry out {}", plans.join(", "))),
    )
}

/// Approves the stage of one rollout. `plan`: what was named, where it has to be that of this rollout.
fn approve_one(
    store: &Store,
    id: &str,
    command: &ApproveArguments,
    plan: Option<&String>,
    output: &Output,
) -> Result<Exit, Failure> {
    let (rollout, progress) = store.outline(id)?;
    if let Some(plan) = plan
        && (plan.len() < 8 || !rollout.plan.as_str().starts_with(plan))
    {
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
        .find(|s| s.approval && !progress.is_begun(s));
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
    if rollout.stage(&stage).is_some_and(|s| progress.is_begun(s)) {
        return Err(Failure::new(format!(
            "stage {stage} of rollout {id} has started already"
        )));
    }
    let now = world::now(store)?;
    let expires = now + command.valid;
    store.request(
        id,
        &Request::Approve {
            plan: rollout.plan.clone(),
            stage: stage.clone(),
            by: who(),
            expires,
        },
    )?;
    output.cloud_story(&format!(
        "stage {stage} of plan {} is approved until {}; `kfleet rollout resume` goes on",
        rollout.plan.short(),
        clock(expires)
    ));
    Ok(Exit::Good)
}
