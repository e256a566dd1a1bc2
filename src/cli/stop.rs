//! `kfleet stop` and `kfleet go`: the line is stopped for everybody, and lifted again. Needs the store, and no cloud.

use std::collections::BTreeSet;

use super::Exit;
use super::args::{Arguments, GoArguments, StopArguments};
use super::failure::Failure;
use super::output::Output;
use super::who::who;
use super::{given, store, world};
use crate::model::ClusterName;
use crate::rollout::Rollout;
use crate::store::{CloudKind, Stop, Store, StoreError};

pub(super) fn stop(arguments: &Arguments, command: &StopArguments) -> Result<Exit, Failure> {
    let store = store::alone(arguments)?;
    let cluster = meant(arguments, &store, command.cluster.as_ref())?;
    let output = output(arguments, &store);
    if command.reason.trim().is_empty() {
        return Err(Failure::new("the reason is empty")
            .hint("say in `--reason` what the people who are stopped by it have to know"));
    }
    let since = world::now(&store)?;
    let stop = Stop {
        cluster,
        by: who(),
        since,
        reason: command.reason.trim().to_owned(),
    };
    match store.stop(&stop)? {
        Some(before) => output.cloud_result(&format!(
            "already stopped: {before}; `{}` lifts it",
            before.go()
        ))?,
        None => output.cloud_result(&format!(
            "{stop}; running rollouts halt at their next round, none begins until `{}`",
            stop.go()
        ))?,
    }
    Ok(Exit::Good)
}

pub(super) fn go(arguments: &Arguments, command: &GoArguments) -> Result<Exit, Failure> {
    let store = store::alone(arguments)?;
    let output = output(arguments, &store);
    // As it was typed first: what was stopped can be lifted whatever became of the cluster.
    let lifted = match store.go(command.cluster.as_ref())? {
        Some(stop) => Some(stop),
        None => store.go(meant(arguments, &store, command.cluster.as_ref())?.as_ref())?,
    };
    match lifted {
        Some(stop) => output.cloud_result(&format!("lifted: {stop}"))?,
        None => output.cloud_result("nothing was stopped")?,
    }
    let left = store.stops()?;
    left.iter().try_for_each(|stop| {
        output.cloud_result(&format!("still stopped: {stop}; `{}` lifts it", stop.go()))
    })?;
    if left.is_empty() {
        output.cloud_story("`kfleet rollout resume` goes on with what was halted");
    }
    Ok(Exit::Good)
}

/// What stops this rollout, as an error.
pub(super) fn heed(store: &Store, rollout: &Rollout) -> Result<(), Failure> {
    store
        .stops()?
        .into_iter()
        .find(|stop| stop.holds_for(rollout))
        .map_or(Ok(()), |stop| Err(StoreError::Stopped(stop).into()))
}

/// What stops everything, as an error: before anything is looked at.
pub(super) fn heed_all(store: &Store) -> Result<(), Failure> {
    store
        .stops()?
        .into_iter()
        .find(|stop| stop.cluster.is_none())
        .map_or(Ok(()), |stop| Err(StoreError::Stopped(stop).into()))
}

/// One line for each stop there is.
pub(super) fn lines(store: &Store) -> Result<String, Failure> {
    Ok(store
        .stops()?
        .into_iter()
        .map(|stop| format!("STOPPED: {stop}; `{}` lifts it\n", stop.go()))
        .collect())
}

/// The simulated account announces itself also where it was not named.
pub(super) fn output(arguments: &Arguments, store: &Store) -> Output {
    let is_simulated = store.kind() == CloudKind::Local;
    Output::new(arguments.quiet, arguments.log_format, is_simulated)
}

/// The cluster that is meant. A stop of an unknown one would stop nothing. Known is what the store knows, and what the fleet's folder has a file for:
/// neither has to be free of faults.
fn meant(
    arguments: &Arguments,
    store: &Store,
    cluster: Option<&ClusterName>,
) -> Result<Option<ClusterName>, Failure> {
    let Some(typed) = cluster else {
        return Ok(None);
    };
    let of_store = of_store(store);
    // What the store knows cannot be read: the brake has to work all the same.
    let is_store_silent = of_store.is_none();
    let of_files = given::of_files(&arguments.directory);
    let names: BTreeSet<ClusterName> = of_store.into_iter().flatten().chain(of_files).collect();
    match given::meant(&names.iter().collect(), typed) {
        Err(_) if is_store_silent => Ok(Some(typed.clone())),
        found => found.map(Some),
    }
}

fn of_store(store: &Store) -> Option<BTreeSet<ClusterName>> {
    let mut names: BTreeSet<ClusterName> = store.baselines().ok()?.into_keys().collect();
    for id in store.perhaps_unfinished().ok()? {
        let (rollout, _) = store.outline(&id).ok()?;
        names.extend(rollout.clusters().map(|run| run.cluster.clone()));
    }
    Some(names)
}
