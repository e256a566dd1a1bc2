//! Which store, which rollout, and in which form it is told.

use crate::cli::args::{Arguments, Format};
use crate::cli::failure::Failure;
use crate::cli::world;
use crate::fleet::{self, Fleet};
use crate::store::Store;

pub(super) fn opened(arguments: &Arguments) -> Result<(Fleet, Store), Failure> {
    let fleet = fleet::load(&arguments.directory)?;
    let store = world::store(arguments, &fleet)?;
    Ok((fleet, store))
}

pub(super) fn machine(arguments: &Arguments) -> Result<bool, Failure> {
    match arguments.format.unwrap_or(Format::Text) {
        Format::Text => Ok(false),
        Format::Jsonl => Ok(true),
        Format::Json | Format::Yaml | Format::Markdown => {
            Err(Failure::new("`rollout` prints `text` or `jsonl`"))
        }
    }
}

/// The rollout that has not ended.
pub(super) fn unfinished(store: &Store) -> Result<Option<String>, Failure> {
    for id in store.perhaps_unfinished()?.into_iter().rev() {
        if store.rollout(&id)?.1.ending.is_none() {
            return Ok(Some(id));
        }
    }
    Ok(None)
}

pub(super) fn chosen(store: &Store, named: Option<&str>) -> Result<Option<String>, Failure> {
    match named {
        Some(id) => {
            store.rollout(id)?;
            Ok(Some(id.to_owned()))
        }
        None => unfinished(store),
    }
}

pub(super) fn named_or_newest(
    store: &Store,
    named: Option<&str>,
) -> Result<Option<String>, Failure> {
    match named {
        Some(id) => Ok(Some(id.to_owned())),
        None => Ok(match unfinished(store)? {
            Some(id) => Some(id),
            None => store.rollouts()?.pop(),
        }),
    }
}
