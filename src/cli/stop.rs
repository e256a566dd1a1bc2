//! `kfleet stop` and `kfleet go`: the line is stopped for everybody, and lifted again. Needs the store, and no cloud.

use super::Exit;
use super::args::{Arguments, CloudArgument, GoArguments, StopArguments};
use super::failure::Failure;
use super::output::Output;
use super::world;
use crate::fleet::{self, Fleet};
use crate::model::ClusterName;
use crate::rollout::Rollout;
use crate::store::{CloudKind, Stop, Store, StoreError};

pub(super) fn stop(arguments: &Arguments, command: &StopArguments) -> Result<Exit, Failure> {
    let (fleet, store) = opened(arguments)?;
    known(&fleet, command.cluster.as_ref())?;
    let output = output(arguments, &store);
    if command.reason.trim().is_empty() {
        return Err(Failure::new("the reason is empty")
            .hint("say in `--reason` what whoever is stopped by it has to know"));
    }
    let since = world::now(&store)?;
    let stop = Stop {
        cluster: command.cluster.clone(),
        by: world::who(),
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
    let (fleet, store) = opened(arguments)?;
    let output = output(arguments, &store);
    match store.go(command.cluster.as_ref())? {
        Some(stop) => output.cloud_result(&format!("lifted: {stop}"))?,
        None => {
            known(&fleet, command.cluster.as_ref())?;
            output.cloud_result("nothing was stopped")?;
        }
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

fn opened(arguments: &Arguments) -> Result<(Fleet, Store), Failure> {
    let fleet = fleet::load(&arguments.directory)?;
    let cloud = match arguments.cloud {
        Some(cloud) => Some(cloud),
        None => world::cloud_of_store(&fleet)?,
    };
    let store = world::store_of(arguments, cloud, &fleet)?;
    Ok((fleet, store))
}

/// The simulated account announces itself also where nobody named it.
fn output(arguments: &Arguments, store: &Store) -> Output {
    Output::new(
        arguments.quiet,
        store.kind() == CloudKind::Local || arguments.cloud == Some(CloudArgument::Local),
    )
}

fn known(fleet: &Fleet, cluster: Option<&ClusterName>) -> Result<(), Failure> {
    match cluster {
        Some(name) if !fleet.clusters.contains_key(name) => {
            Err(Failure::new(format!("the fleet has no cluster `{name}`")))
        }
        Some(_) | None => Ok(()),
    }
}
