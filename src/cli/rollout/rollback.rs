//! `kfleet rollout rollback`: what is unfinished goes back at once; what has ended only once the operator has seen what that does.

use std::collections::BTreeSet;
use std::io::{BufRead as _, IsTerminal as _};

use super::drive::{Driver, POLL, exit};
use super::joint;
use super::which::{access, all, named_or_newest, opened};
use crate::cli::args::{Arguments, RollbackArguments};
use crate::cli::failure::Failure;
use crate::cli::formats::FollowFormat;
use crate::cli::output::Output;
use crate::cli::typed::as_typed;
use crate::cli::who::who;
use crate::cli::world::{self, Simulated, World};
use crate::cli::{Exit, aims, store};
use crate::cloud::{Cloud as _, Place};
use crate::model::ClusterName;
use crate::report::{self, Style};
use crate::rollout::{Ending, Event, Rollout, RolloutEvent, check_rollback, way_back_versions};
use crate::run::{Outcome, fence};
use crate::store::{Journal, Request, Store, StoreError};

pub(super) async fn rollback(
    arguments: &Arguments,
    command: &RollbackArguments,
) -> Result<Exit, Failure> {
    let (store, output) = opened(arguments)?;
    let ids = meant(&store, command)?;
    if ids.is_empty() {
        return Err(Failure::new(
            "there was no rollout yet: nothing to take back",
        ));
    }
    store::warn_of_folder(arguments, &store, &output)?;
    let mut exit = Exit::Good;
    for id in &ids {
        let ended = rollback_one(arguments, command, &store, id, &output).await?;
        if ended != Exit::Good {
            exit = ended;
        }
    }
    Ok(exit)
}

/// The one that is named; when none is, every shard of the release that is under way, or was the last, in which something was touched; or the
/// unfinished one, or the newest.
fn meant(store: &Store, command: &RollbackArguments) -> Result<Vec<String>, Failure> {
    let newest = named_or_newest(store, None)?;
    if command.rollout.is_none()
        && let Some(seen) = joint::seen(store, newest.as_deref())?
    {
        let mut ids = Vec::new();
        for id in joint::rollouts(&seen) {
            let (_, progress) = store.outline(&id)?;
            let groups = progress.clusters.values().flat_map(|c| c.groups.values());
            let is_back = progress.ending == Some(Ending::RolledBack);
            if !is_back && groups.into_iter().any(|g| g.touched) {
                ids.push(id);
            }
        }
        return Ok(ids);
    }
    let one = named_or_newest(store, command.rollout.as_ref())?;
    Ok(one.into_iter().collect())
}

async fn rollback_one(
    arguments: &Arguments,
    command: &RollbackArguments,
    store: &Store,
    id: &str,
    output: &Output,
) -> Result<Exit, Failure> {
    let clusters = possible(store, id, &command.allow_retire)?;
    let (by, reason) = (who(), command.reason.clone());
    let mut journal = match Journal::take_up(store, id) {
        Ok(journal) => journal,
        Err(StoreError::Running(_)) => {
            store.request(id, &Request::Rollback { by, reason })?;
            output.cloud_story(&format!(
                "rollout {id} is being driven by another process, which will take it back"
            ));
            return Ok(Exit::Good);
        }
        Err(error) => return Err(error.into()),
    };
    let simulated = Simulated {
        seed: 1,
        faults: &command.faults,
        scenario: None,
        shared: journal.rollout().part.is_some(),
    };
    let world = world::open(
        arguments,
        &access(arguments, store, id)?,
        store,
        world::images_of(journal.rollout()),
        &simulated,
    )
    .await?;
    world.knows(&simulated, || aims::of_rollout(journal.rollout()))?;
    fence(&world, journal.rollout(), arguments.poll.unwrap_or(POLL)).await?;
    let finished = journal.progress().ending.is_some();
    if finished && !agreed(arguments, command, &world, &journal, &clusters, output).await? {
        return Ok(Exit::Waits);
    }
    // No rollout begins between the last look at the others and the record that makes this one unfinished.
    let starting = store.start(&by, world.now())?;
    possible(store, id, &command.allow_retire)?;
    let at = world.now().max(journal.progress().at);
    let records = journal.append(
        at,
        vec![Event::Rollout(RolloutEvent::RollbackAsked { by, reason })],
    )?;
    drop(starting);
    let names: Vec<&str> = clusters.iter().map(ClusterName::as_str).collect();
    output.cloud_story(&format!("rolling back {}", names.join(", ")));
    let driver = Driver {
        arguments,
        store,
        world: &world,
        output,
        format: command.format,
        pace: None,
    };
    let outcome = driver.drive(&mut journal, &records).await?;
    // What is a failure to the one who wanted the rollout is the success of the one who wanted it back.
    if outcome == Outcome::Ended(Ending::RolledBack) {
        Ok(Exit::Good)
    } else {
        exit(&outcome, &journal, output)
    }
}

/// The clusters that go back, if nothing stands in the way.
fn possible(
    store: &Store,
    id: &str,
    allow_retire: &[String],
) -> Result<BTreeSet<ClusterName>, Failure> {
    let all = all(store)?;
    let mine = all.iter().find(|(r, _)| r.id == id).map(|(r, _)| r);
    // Beside it others may be under way, if they have nothing to do with its clusters.
    let is_apart = |other: &Rollout| {
        mine.is_some_and(|mine| {
            let mut theirs = other.clusters();
            mine.part.is_some()
                && other.part.is_some()
                && !theirs.any(|c| mine.cluster(&c.cluster).is_some())
        })
    };
    let mut unfinished = all.iter().filter(|(r, p)| r.id != id && p.ending.is_none());
    if let Some((other, _)) = unfinished.find(|(r, _)| !is_apart(r)) {
        let hint = format!(
            "`kfleet rollout resume {0}` goes on with it, `kfleet rollout abort {0}` ends it",
            other.id
        );
        return Err(Failure::new(format!("rollout {} is not finished", other.id)).hint(hint));
    }
    let Some((rollout, progress)) = all.iter().find(|(r, _)| r.id == id) else {
        return Err(StoreError::NoSuchRollout(id.to_owned()).into());
    };
    let named = allow_retire.iter().cloned().collect();
    Ok(check_rollback(rollout, progress, &all, &named)?)
}

/// Refuses where a version that it would return to was deleted: nothing is begun that cannot be ended.
async fn has_way_back(
    world: &World,
    journal: &Journal,
    clusters: &BTreeSet<ClusterName>,
) -> Result<(), Failure> {
    let (rollout, progress) = (journal.rollout(), journal.progress());
    let runs = rollout
        .clusters()
        .filter(|run| clusters.contains(&run.cluster));
    let mut lost = Vec::new();
    for run in runs {
        let needed = way_back_versions(progress, run);
        let place = Place {
            cluster: run.cluster.clone(),
            account: run.account.clone(),
            region: run.region.clone(),
        };
        for (group, versions) in world.gone(&place, &needed).await? {
            lost.extend(versions.iter().map(|n| {
                format!("version {n} of the launch template of {group}, to which the rollback would return, was deleted")
            }));
        }
    }
    if lost.is_empty() {
        return Ok(());
    }
    Err(Failure::new(lost.join("\n")).hint(
        "nothing was done; revert the change in git and roll out: that makes the version again",
    ))
}

/// Shows what the rollback of a finished rollout will do. Whether the operator has said yes to just that.
async fn agreed(
    arguments: &Arguments,
    command: &RollbackArguments,
    world: &World,
    journal: &Journal,
    clusters: &BTreeSet<ClusterName>,
    output: &Output,
) -> Result<bool, Failure> {
    let (rollout, progress) = (journal.rollout(), journal.progress());
    let runs: Vec<_> = rollout
        .clusters()
        .filter(|run| clusters.contains(&run.cluster))
        .collect();
    let expected: Vec<_> = runs
        .iter()
        .map(|run| {
            let groups = run.groups.iter().map(|g| g.asg.clone()).collect();
            (run.cluster.clone(), groups)
        })
        .collect();
    let places: Vec<Place> = runs
        .iter()
        .map(|run| Place {
            cluster: run.cluster.clone(),
            account: run.account.clone(),
            region: run.region.clone(),
        })
        .collect();
    let live = world.patient_look(&places, &expected, output).await?;
    has_way_back(world, journal, clusters).await?;
    if command.format == FollowFormat::Text {
        let style = Style {
            colour: output.colour(),
            full: arguments.verbose,
        };
        output.cloud_result(&report::rollback_text(
            rollout,
            progress,
            clusters,
            Some(&live),
            style,
        ))?;
    } else {
        output.result(&report::rollback_json(
            rollout,
            progress,
            clusters,
            Some(&live),
        ))?;
    }
    let id = report::rollback_id(rollout, progress, clusters);
    if let Some(named) = &command.plan {
        if named.len() >= 8 && id.as_str().starts_with(named) {
            return Ok(true);
        }
        return Err(Failure::new(format!(
            "{named} is not the rollback that was shown just now"
        ))
        .hint(format!("look at it, then `--plan {}`", id.short())));
    }
    if std::io::stdin().is_terminal() && std::io::stderr().is_terminal() {
        output.raw_story("Roll it back? Only `yes` does: ");
        let mut answer = String::new();
        std::io::stdin()
            .lock()
            .read_line(&mut answer)
            .map_err(|e| Failure::new(format!("cannot read the answer: {e}")))?;
        return Ok(answer.trim() == "yes");
    }
    let line = typed_again(command, &rollout.id, id.short());
    output.cloud_story(&format!("nothing was done; look at it, then `{line}`"));
    Ok(false)
}

/// What is typed to have what was shown carried out.
fn typed_again(command: &RollbackArguments, id: &str, plan: &str) -> String {
    let retire = command.allow_retire.iter();
    let retire: String = retire
        .map(|name| format!(" --allow-retire {name}"))
        .collect();
    format!(
        "kfleet rollout rollback {id} --reason {}{retire} --plan {plan}",
        as_typed(&command.reason)
    )
}
