//! `kfleet diff`: what a change of git does to every cluster, without any cloud.

use super::args::{Arguments, DiffArguments};
use super::failure::Failure;
use super::formats::ReportFormat;
use super::git::{GitRevision, Repository};
use super::output::Output;
use super::sides::{FleetSide, compare};
use super::{Exit, store};
use crate::fleet::{Fleet, Stage, closest};
use crate::report::{self, Compared, Style};
use crate::rollout::Ending;

/// What the files on disk are called.
const WORKING_TREE: &str = "the working tree";

/// What names the commit of the last finished rollout.
const LAST_ROLLOUT: &str = "LAST-ROLLOUT";

pub(super) fn run(
    arguments: &Arguments,
    command: &DiffArguments,
    output: &Output,
) -> Result<Exit, Failure> {
    let repository = Repository::of(&arguments.directory)?;
    let since = since(&repository, &command.since, (arguments, output))?;
    let until = command
        .until
        .as_ref()
        .map(|name| repository.revision(name))
        .transpose()?;
    let compared = Compared {
        since: since.label(),
        until: until
            .as_ref()
            .map_or_else(|| WORKING_TREE.into(), |r| r.label()),
    };
    let old = repository.checkout(&since)?;
    let before = FleetSide::load(old.folder(), &compared.since, &[])?;
    let new = until.as_ref().map(|r| repository.checkout(r)).transpose()?;
    let after = match &new {
        Some(checkout) => FleetSide::load(checkout.folder(), &compared.until, &[&before]),
        None => FleetSide::load(&arguments.directory, WORKING_TREE, &[&before]),
    }?;
    let found = compare(&before, &after)?;
    for warning in &found.warnings {
        output.story(&format!("warning: {warning}"));
    }
    if found.unreached > 0 {
        output.story(&report::unreached_line(
            found.unreached,
            found.impact.compared,
        ));
    }
    let (impact, stages) = (found.impact, stages(&before.fleet, &after.fleet));
    match command.format {
        ReportFormat::Json => output.result(&report::diff_json(&impact, &compared))?,
        ReportFormat::Markdown => {
            output.result(&report::diff_markdown(&impact, &stages, &compared))?
        }
        ReportFormat::Text => {
            let style = Style {
                colour: output.colour(),
                full: arguments.verbose,
            };
            output.result(&report::diff_text(&impact, &stages, &compared, style))?;
        }
    }
    Ok(if impact.is_empty() {
        Exit::Good
    } else {
        Exit::Changes
    })
}

/// What is compared with. A branch or tag of git's own that is called as the last rollout is, in small letters, is git's.
fn since(
    repository: &Repository,
    name: &str,
    (arguments, output): (&Arguments, &Output),
) -> Result<GitRevision, Failure> {
    let known = match name {
        LAST_ROLLOUT => None,
        name => Some(repository.revision(name)),
    };
    let is_meant = name.replace('_', "-").eq_ignore_ascii_case(LAST_ROLLOUT);
    match known {
        Some(Err(failure)) if !is_meant => {
            let near = closest(&name.to_uppercase(), [LAST_ROLLOUT]);
            let near = near.filter(|_| failure.hints.is_empty());
            Err(failure.hints(near.map(|near| format!("did you mean `{near}`?"))))
        }
        Some(Ok(revision)) => Ok(revision),
        Some(Err(_)) | None => repository.revision(&rolled_out(arguments, output)?),
    }
}

/// The commit of the last finished rollout, whichever stages it had.
fn rolled_out(arguments: &Arguments, output: &Output) -> Result<String, Failure> {
    let store = store::alone(arguments)?;
    let hint = "name a revision of git instead";
    for id in store.rollouts()?.into_iter().rev() {
        let (rollout, progress) = store.outline(&id)?;
        if progress.ending != Some(Ending::Finished) {
            continue;
        }
        let revision = rollout.revision.as_ref();
        let Some(commit) = revision.and_then(|r| r.commit()) else {
            return Err(
                Failure::new(format!("rollout {id} does not know which commit it was of"))
                    .hint(hint),
            );
        };
        for line in revision.map(report::unreviewed_lines).into_iter().flatten() {
            output.story(&format!(
                "warning: rollout {id} was of more than its commit: {line}"
            ));
        }
        return Ok(commit.id.clone());
    }
    Err(Failure::new("no rollout has finished yet").hint(hint))
}

/// The stages of the new version; what only the old one had comes last.
fn stages(before: &Fleet, after: &Fleet) -> Vec<Stage> {
    let mut stages = after.settings.stages.clone();
    let gone = |old: &&Stage| after.settings.stages.iter().all(|s| s.name != old.name);
    let old = before.settings.stages.iter().filter(gone);
    stages.extend(old.cloned());
    stages
}
