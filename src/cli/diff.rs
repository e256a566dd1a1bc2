//! `kfleet diff`: what a change of git does to every cluster, without any cloud.

use super::args::{Arguments, DiffArguments};
use super::failure::Failure;
use super::formats::ReportFormat;
use super::git::{Checkout, Repository};
use super::output::Output;
use super::pipeline::{PreparedFleet, prepare_with_trees};
use super::{Exit, store};
use crate::fleet::Stage;
use crate::impact::{Side, Version, impact};
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
    let since = match command.since.as_str() {
        LAST_ROLLOUT => repository.revision(&rolled_out(arguments, output)?)?,
        name => repository.revision(name)?,
    };
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
    let before = side(&repository.checkout(&since)?, &compared.since)?;
    let after = match &until {
        Some(revision) => side(&repository.checkout(revision)?, &compared.until)?,
        None => prepare_with_trees(&arguments.directory).map_err(|e| of_side(e, WORKING_TREE))?,
    };
    // Only what is new is worth a warning: what was there before is no news of this change.
    let known: Vec<&String> = before.warnings().collect();
    after
        .warnings()
        .filter(|w| !known.contains(w))
        .for_each(|w| output.story(&format!("warning: {w}")));
    let impact = impact(&versions(&before), &versions(&after));
    let stages = stages(&before, &after);
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

/// The commit of the last finished rollout, whichever stages it had.
fn rolled_out(arguments: &Arguments, output: &Output) -> Result<String, Failure> {
    let store = store::alone(arguments)?;
    let hint = "name a revision of git instead";
    for id in store.rollouts()?.into_iter().rev() {
        let (rollout, progress) = store.rollout(&id)?;
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

fn side(checkout: &Checkout, label: &str) -> Result<PreparedFleet, Failure> {
    prepare_with_trees(checkout.folder()).map_err(|e| {
        // The folder is ours and gone when somebody reads this.
        let text = e
            .text
            .replace(&format!("{}: ", checkout.folder().display()), "");
        of_side(
            Failure {
                text,
                hints: e.hints,
            },
            label,
        )
    })
}

fn of_side(failure: Failure, label: &str) -> Failure {
    Failure::new(format!(
        "the fleet of {label} does not render:\n{}",
        failure.text
    ))
    .hints(failure.hints)
}

fn versions(prepared: &PreparedFleet) -> Side<'_> {
    let version = |name, p| {
        prepared
            .fleet
            .clusters
            .get(name)
            .map(|cluster| version(cluster, p))
    };
    let clusters = prepared
        .clusters
        .iter()
        .filter_map(|(name, p)| Some((name.clone(), version(name, p)?)))
        .collect();
    Side {
        settings: &prepared.fleet.settings,
        clusters,
    }
}

fn version<'a>(
    cluster: &'a crate::fleet::Cluster,
    prepared: &'a super::pipeline::Prepared,
) -> Version<'a> {
    Version {
        cluster,
        rendered: &prepared.rendered,
        desired: &prepared.desired,
    }
}

/// The stages of the new version; what only the old one had comes last.
fn stages(before: &PreparedFleet, after: &PreparedFleet) -> Vec<Stage> {
    let mut stages = after.fleet.settings.stages.clone();
    let old = before
        .fleet
        .settings
        .stages
        .iter()
        .filter(|s| after.fleet.settings.stages.iter().all(|n| n.name != s.name));
    stages.extend(old.cloned());
    stages
}
