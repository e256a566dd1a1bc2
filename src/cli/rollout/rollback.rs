//! `kfleet rollout rollback`.

use super::carry::{POLL, carry, exit};
use super::which::{machine, named_or_newest, opened};
use crate::cli::Exit;
use crate::cli::args::{Arguments, Pace, RollbackArguments};
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::screen::Screen;
use crate::cli::world::{self, Simulated};
use crate::cloud::Cloud as _;
use crate::model::ClusterName;
use crate::rollout::{Ending, Event, Progress, Rollout, check_rollback};
use crate::run::{Outcome, Signal, fence};
use crate::store::{Journal, Request, StoreError};

pub(super) async fn rollback(
    arguments: &Arguments,
    command: &RollbackArguments,
    output: &Output,
) -> Result<Exit, Failure> {
    let (fleet, store) = opened(arguments)?;
    let Some(id) = named_or_newest(&store, command.rollout.as_deref())? else {
        return Err(Failure::new(
            "there was no rollout yet: nothing to take back",
        ));
    };
    let all: Vec<(Rollout, Progress)> = store
        .rollouts()?
        .iter()
        .map(|id| store.rollout(id))
        .collect::<Result<_, _>>()?;
    if let Some((other, _)) = all.iter().find(|(r, p)| r.id != id && p.ending.is_none()) {
        let hint = format!(
            "`kfleet rollout resume {0}` goes on with it, `kfleet rollout abort {0}` ends it",
            other.id
        );
        return Err(Failure::new(format!("rollout {} is not finished", other.id)).hint(hint));
    }
    let (rollout, progress) = store.rollout(&id)?;
    let clusters = check_rollback(&rollout, &progress, &all, command.allow_retire)?;
    let (by, reason) = (world::who(), command.reason.clone());
    let mut journal = match Journal::take_up(&store, &id) {
        Ok(journal) => journal,
        Err(StoreError::Running(_)) => {
            store.request(&id, &Request::Rollback { by, reason })?;
            output.cloud_story(&format!(
                "rollout {id} is being carried on by another process, which will take it back"
            ));
            return Ok(Exit::Good);
        }
        Err(error) => return Err(error.into()),
    };
    let world = world::open(
        arguments,
        &fleet,
        &store,
        world::images_of(journal.rollout()),
        &Simulated {
            seed: 1,
            faults: &command.faults,
            scenario: None,
        },
    )
    .await?;
    fence(&world, journal.rollout(), POLL).await?;
    let at = world.now().max(journal.progress().at);
    let records = journal.append(at, vec![Event::RollbackAsked { by, reason }])?;
    let mut screen = Screen::new(output, machine(arguments)?);
    records
        .iter()
        .for_each(|record| screen.hear(&Signal::Recorded(record)));
    output.cloud_story(&format!(
        "takes {} back",
        clusters
            .iter()
            .map(ClusterName::as_str)
            .collect::<Vec<_>>()
            .join(", ")
    ));
    let pace = Pace {
        auto_approve: false,
        max_wait: None,
    };
    let outcome = carry(
        arguments,
        &fleet,
        &store,
        &world,
        &mut journal,
        &pace,
        screen,
        output,
    )
    .await?;
    // What is a failure to whoever wanted the rollout is the success of whoever wanted it back.
    if outcome == Outcome::Ended(Ending::RolledBack) {
        Ok(Exit::Good)
    } else {
        exit(&outcome, &journal, output)
    }
}
