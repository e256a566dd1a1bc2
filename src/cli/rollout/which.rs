//! Which store, which rollout, and how its clusters are reached. Reads the store, and nothing else of the fleet.

use crate::cli::args::Arguments;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::{stop, store, world};
use crate::fleet;
use crate::model::{LeaseState, Owner, RolloutId};
use crate::rollout::{Progress, Rollout};
use crate::store::{CloudKind, Journal, Store, StoreAccess, StoreError};

/// The store, and an output that announces a simulated account.
pub(in crate::cli) fn opened(arguments: &Arguments) -> Result<(Store, Output), Failure> {
    let store = store::alone(arguments)?;
    let output = stop::output(arguments, &store);
    Ok((store, output))
}

/// How the clusters of a rollout are reached. A rollout that an earlier version began does not say so: the fleet's files do.
pub(in crate::cli) fn access(
    arguments: &Arguments,
    store: &Store,
    id: &str,
) -> Result<StoreAccess, Failure> {
    match (store.access(id)?, store.kind()) {
        (Some(access), _) => Ok(access),
        (None, CloudKind::Local) => Ok(StoreAccess::default()),
        (None, CloudKind::Aws) => Ok(world::access_of(&fleet::load(&arguments.directory)?)),
    }
}

/// Opens a rollout to drive it. Who else does so is told.
pub(super) fn taken_up(store: &Store, id: &str) -> Result<Journal, Failure> {
    match Journal::take_up(store, id) {
        Ok(journal) => Ok(journal),
        Err(error @ StoreError::Running(_)) => {
            let Owner { by, since, .. } = store.owner(id)?;
            let mut failure = Failure::from(error);
            failure.text += &format!(": {by} since {}", since.clock());
            Err(failure)
        }
        Err(error) => Err(error.into()),
    }
}

/// The rollout that has not ended; the newest, where several are under way.
pub(in crate::cli) fn unfinished(store: &Store) -> Result<Option<String>, Failure> {
    for id in store.perhaps_unfinished()?.into_iter().rev() {
        if store.outline(&id)?.1.ending.is_none() {
            return Ok(Some(id));
        }
    }
    Ok(None)
}

/// All rollouts that have not ended, in outline, oldest first: those of a fleet that is split are under way at the same time.
pub(in crate::cli) fn all_unfinished(store: &Store) -> Result<Vec<(Rollout, Progress)>, Failure> {
    let mut found = Vec::new();
    for id in store.perhaps_unfinished()? {
        let (rollout, progress) = store.outline(&id)?;
        if progress.ending.is_none() {
            found.push((rollout, progress));
        }
    }
    Ok(found)
}

/// The one that is named; the unfinished one when none is.
pub(super) fn chosen(store: &Store, named: Option<&RolloutId>) -> Result<Option<String>, Failure> {
    match named {
        Some(id) => {
            store.outline(id.as_str())?;
            Ok(Some(id.to_string()))
        }
        None => match all_unfinished(store)?.as_slice() {
            [] => Ok(None),
            [(one, _)] => Ok(Some(one.id.clone())),
            several => Err(one_of(store, several)?),
        },
    }
}

/// The one that is named; when none is, all shards of the release that is under way, or the unfinished one.
pub(super) fn chosen_together(
    store: &Store,
    named: Option<&RolloutId>,
) -> Result<Vec<String>, Failure> {
    let found = all_unfinished(store)?;
    let seat = found.first().and_then(|(rollout, _)| rollout.seat());
    let are_together = seat.is_some_and(|first| {
        let is_beside = |r: &Rollout| r.seat().is_some_and(|s| s.joint == first.joint);
        found.iter().all(|(rollout, _)| is_beside(rollout))
    });
    if named.is_none() && are_together {
        return Ok(found.into_iter().map(|(rollout, _)| rollout.id).collect());
    }
    Ok(chosen(store, named)?.into_iter().collect())
}

/// What is said where one has to be named: which there are, in the order of shards, and whether a process drives them.
fn one_of(store: &Store, several: &[(Rollout, Progress)]) -> Result<Failure, Failure> {
    let mut named = Vec::new();
    for (rollout, _) in several {
        let shard = rollout.seat().map(|seat| seat.shard);
        let driven = match store.owner(&rollout.id)? {
            Owner {
                lease: LeaseState::Alive,
                by,
                ..
            } => format!("driven by {by}"),
            Owner { .. } => "no process drives it".to_owned(),
        };
        let of = shard.map(|shard| format!("shard {shard}, "));
        let text = format!("{} ({}{driven})", rollout.id, of.unwrap_or_default());
        named.push((shard.map(|s| s.index()), text));
    }
    named.sort();
    let named: Vec<String> = named.into_iter().map(|(_, text)| text).collect();
    Ok(
        Failure::new(format!("{} rollouts are not finished", several.len())).hint(format!(
            "name one, each has a process of its own: {}",
            named.join(", ")
        )),
    )
}

/// The one that is named; the unfinished one, or else the newest, when none is.
pub(super) fn named_or_newest(
    store: &Store,
    named: Option<&RolloutId>,
) -> Result<Option<String>, Failure> {
    match named {
        Some(id) => Ok(Some(id.to_string())),
        None => Ok(match unfinished(store)? {
            Some(id) => Some(id),
            None => store.rollouts()?.pop(),
        }),
    }
}

/// The newest rollout that carries out a plan.
pub(super) fn of_plan(store: &Store, plan: &str) -> Result<String, Failure> {
    /// Digits by which a plan is named, as its rollout's id has them.
    const LEAST: usize = 8;
    let begin = plan.get(..LEAST).ok_or_else(|| {
        Failure::new(format!("`{plan}` is too short to name a plan"))
            .hint(format!("at least {LEAST} of its digits are needed"))
    })?;
    let all = store.rollouts()?;
    for id in all.into_iter().rev().filter(|id| id.contains(begin)) {
        if store.outline(&id)?.0.plan.as_str().starts_with(plan) {
            return Ok(id);
        }
    }
    Err(Failure::new(format!("no rollout carries out plan {plan}"))
        .hint("`kfleet rollout history` lists all rollouts"))
}

/// Every rollout there is, in outline, in the order in which they were begun.
pub(super) fn all(store: &Store) -> Result<Vec<(Rollout, Progress)>, Failure> {
    Ok(store
        .rollouts()?
        .iter()
        .map(|id| store.outline(id))
        .collect::<Result<_, _>>()?)
}
