//! `kfleet rollout status`, `history`, `show`: what the store knows, and nothing else.

use std::collections::BTreeMap;

use super::drive::aborted;
use super::joint;
use super::which::{all, named_or_newest, of_plan, opened};
use crate::cli::args::{Arguments, HistoryArguments, ShowArguments, StatusArguments};
use crate::cli::failure::Failure;
use crate::cli::formats::{RecordsFormat, ViewFormat};
use crate::cli::output::Output;
use crate::cli::{Exit, stop, world};
use crate::model::{ClusterName, Timestamp};
use crate::plan::Warned;
use crate::report::{self, Beside, JointSeen, Style};
use crate::rollout::{Ending, Progress};
use crate::store::{Store, Warnings};

pub(super) fn status(arguments: &Arguments, command: &StatusArguments) -> Result<Exit, Failure> {
    let (store, output) = opened(arguments)?;
    if command.format == ViewFormat::Text && !command.print_id {
        output.cloud_result(&stop::lines(&store)?)?;
    }
    let (warned, lost) = warnings(&store);
    let lost = |more: Option<String>| {
        report::asides_text(&lost.iter().cloned().chain(more).collect::<Vec<_>>())
    };
    let style = Style {
        colour: output.colour(),
        full: arguments.verbose,
    };
    if command.rollout.is_none() {
        let newest = named_or_newest(&store, None)?;
        if let Some(seen) = joint::seen(&store, newest.as_deref())? {
            return of_shards(command, &seen, &output);
        }
    }
    let Some(id) = named_or_newest(&store, command.rollout.as_ref())? else {
        if command.format == ViewFormat::Text {
            output.cloud_result(&(report::warned_text(&warned, style) + &lost(None)))?;
        }
        return nothing(command.format, &output);
    };
    let (rollout, progress) = store.outline(&id)?;
    let owner = store.owner(&id)?;
    let (waits, unread) = match store.waits(&id) {
        Ok(waits) => (waits, None),
        Err(error) => (None, Some(error.to_string())),
    };
    let lost = lost(unread);
    let beside = Beside {
        owner: &owner,
        waits: waits.as_ref(),
        warned: &warned,
    };
    let now: Timestamp = world::now(&store)?;
    let exit = exit_of(&progress);
    match command.format {
        _ if command.print_id => output.result(&format!("{}\n", rollout.plan.short()))?,
        ViewFormat::Json => {
            let code = exit.map_or(1, Exit::code);
            output.result(&report::status_json(&rollout, &progress, beside, now, code))?;
            if !lost.is_empty() {
                output.cloud_story(lost.trim_end());
            }
        }
        ViewFormat::Text => {
            let seat = rollout.seat().map(report::seat_text).unwrap_or_default();
            let text = seat + &report::whole_status_text(&rollout, &progress, beside, now, style);
            output.cloud_result(&(text + &lost))?;
        }
    }
    exit.ok_or_else(|| aborted(&id))
}

/// All shards of a release.
fn of_shards(
    command: &StatusArguments,
    seen: &JointSeen,
    output: &Output,
) -> Result<Exit, Failure> {
    let exit = joint::exit_of(seen);
    match command.format {
        _ if command.print_id => match &seen.plans {
            Some(plans) => output.result(&format!("{}\n", plans.short()))?,
            None => {
                return Err(Failure::new(
                    "not every shard has begun: what they will do is not known",
                )
                .hint("`kfleet rollout status` shows which"));
            }
        },
        ViewFormat::Json => output.result(&report::joint_json(seen, exit.map_or(1, Exit::code)))?,
        ViewFormat::Text => output.cloud_result(&report::joint_text(seen))?,
    }
    exit.ok_or_else(|| Failure::new("the release was aborted in a shard"))
}

/// What was wrong in the clusters, and what of it cannot be read: where that is lost a line of the status is lost, and no more.
fn warnings(store: &Store) -> (BTreeMap<ClusterName, Warned>, Vec<String>) {
    match store.warned() {
        Ok(Warnings { known, damaged }) => {
            (known, damaged.values().map(ToString::to_string).collect())
        }
        Err(error) => (BTreeMap::new(), vec![error.to_string()]),
    }
}

fn nothing(format: ViewFormat, output: &Output) -> Result<Exit, Failure> {
    if format == ViewFormat::Json {
        output.result("null\n")?;
    } else {
        output.cloud_story("there was no rollout yet");
    }
    Ok(Exit::Good)
}

/// As `start` and `resume` would have ended with it; none: it was aborted, which is an error to the one who wanted it.
fn exit_of(progress: &Progress) -> Option<Exit> {
    match progress.ending {
        Some(Ending::Finished) => Some(Exit::Good),
        Some(Ending::RolledBack) => Some(Exit::RolledBack),
        Some(Ending::Aborted) => None,
        None if progress.stuck.is_some() => Some(Exit::Stuck),
        None => Some(Exit::Waits),
    }
}

pub(super) fn history(arguments: &Arguments, command: &HistoryArguments) -> Result<Exit, Failure> {
    let (store, output) = opened(arguments)?;
    let all = all(&store)?;
    match command.format {
        ViewFormat::Text => output.cloud_result(&report::history_text(&all))?,
        ViewFormat::Json => output.result(&report::history_json(&all))?,
    }
    Ok(Exit::Good)
}

pub(super) fn show(arguments: &Arguments, command: &ShowArguments) -> Result<Exit, Failure> {
    let (store, output) = opened(arguments)?;
    let id = match &command.plan {
        Some(plan) => Some(of_plan(&store, plan)?),
        None => named_or_newest(&store, command.rollout.as_ref())?,
    };
    let Some(id) = id else {
        match command.format {
            RecordsFormat::Json => output.result("[]\n")?,
            RecordsFormat::Junit | RecordsFormat::Html => {
                return Err(Failure::new("there was no rollout yet")
                    .hint("`kfleet rollout start` begins one"));
            }
            RecordsFormat::Text | RecordsFormat::Jsonl => {
                output.cloud_story("there was no rollout yet");
            }
        }
        return Ok(Exit::Good);
    };
    if let Some(name) = &command.output {
        let found = store.output(&id, name)?;
        let text = found.ok_or_else(|| {
            Failure::new(format!("rollout {id} keeps no output `{name}`"))
                .hint("`kfleet rollout show` names those that it keeps")
        })?;
        return output
            .cloud_result(&report::printed_text(&text))
            .map(|()| Exit::Good);
    }
    let records = store.records(&id)?;
    match command.format {
        RecordsFormat::Text => {
            for line in records.iter().filter_map(report::event_line) {
                output.cloud_result(&line)?;
            }
            output.cloud_result(&report::outputs_text(&id, &store.outputs(&id)?))?;
        }
        RecordsFormat::Jsonl => {
            for record in &records {
                output.result(&(report::event_json(record) + "\n"))?;
            }
        }
        RecordsFormat::Junit => {
            let (rollout, progress) = store.rollout(&id)?;
            output.result(&report::rollout_junit(&rollout, &progress, &records))?;
        }
        RecordsFormat::Html => {
            let (rollout, progress) = store.rollout(&id)?;
            let now = world::now(&store)?;
            output.result(&report::rollout_html(&rollout, &progress, &records, now)?)?;
        }
        RecordsFormat::Json => {
            let all: Vec<String> = records.iter().map(report::event_json).collect();
            output.result(&format!("[\n{}\n]\n", all.join(",\n")))?;
        }
    }
    Ok(Exit::Good)
}
