//! `kfleet migrate`: the Go templates of a fleet in Jinja beside them, and what both render to, document by document. Writes the translations, and
//! deletes what they replace only when that is asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use super::Exit;
use super::args::{Arguments, MigrateArguments};
use super::failure::Failure;
use super::output::Output;
use crate::adopt::{Files, Migration, migrate};
use crate::fleet::{self, Fleet};
use crate::model::ClusterName;
use crate::render::{RenderedDocument, Renderer, go_fault};
use crate::report::{Alike, TemplateOutcome};

pub(super) fn run(
    arguments: &Arguments,
    command: &MigrateArguments,
    output: &Output,
) -> Result<Exit, Failure> {
    let directory = command.fleet.as_deref().unwrap_or(&arguments.directory);
    let fleet = fleet::load(directory)?;
    let (migration, mut outcomes) = best(&fleet, directory)?;
    for (path, left) in &migration.left {
        let left = left.iter().map(|l| {
            let (line, column) = l.at.position();
            (
                format!("{}:{line}:{column}", l.at.name()),
                l.what.to_string(),
            )
        });
        outcomes.insert(path.clone(), TemplateOutcome::Stays(left.collect()));
    }
    if outcomes.is_empty() {
        output.result("there is no Go template in this fleet\n")?;
        return Ok(Exit::Good);
    }
    let good = outcomes.values().all(TemplateOutcome::is_good);
    if !command.dry_run {
        write(directory, &migration.files)?;
    }
    output.result(&crate::report::migration_text(&outcomes))?;
    if command.replace && good {
        replace(directory, &fleet, &migration, output)?;
        named(&fleet, &migration, output);
    } else if command.replace {
        output.story(
            "nothing was deleted: not every template has a translation that renders to the same",
        );
    } else if !command.dry_run {
        output.story("the Go templates stay in force while they are there; `kfleet migrate --replace` deletes them once all render to the same");
    }
    Ok(if good { Exit::Good } else { Exit::Changes })
}

/// Clusters that list their templates name those that are gone.
fn named(fleet: &Fleet, migration: &Migration, output: &Output) {
    for cluster in fleet.clusters.values() {
        if cluster.templates.len() < fleet.templates.len() {
            let names = cluster.templates.iter().filter(|name| {
                migration
                    .translated
                    .contains_key(&format!("templates/{name}"))
            });
            for name in names {
                output.story(&format!(
                    "warning: {}: its file lists `{name}` under `templates`: write the name with .j2",
                    cluster.name
                ));
            }
        }
    }
}

type Outcomes = BTreeMap<String, TemplateOutcome>;

/// As a person would write it, and with every line break of the original where that renders otherwise.
fn best(fleet: &Fleet, directory: &Path) -> Result<(Migration, Outcomes), Failure> {
    let given = given(fleet, directory)?;
    let mut exact = BTreeSet::new();
    let mut found = tried(fleet, &exact, &given)?;
    let bad = |outcomes: &Outcomes| -> BTreeSet<String> {
        let bad = outcomes.iter().filter(|(_, outcome)| !outcome.is_good());
        bad.map(|(path, _)| path.clone()).collect()
    };
    for everything in [false, true] {
        let worse = bad(&found.1);
        if worse.is_empty() {
            break;
        }
        exact.extend(worse.iter().cloned());
        if everything {
            exact.extend(found.0.translated.keys().cloned());
        }
        let next = tried(fleet, &exact, &given)?;
        if bad(&next.1).len() < worse.len() {
            found = next;
        }
    }
    Ok(found)
}

/// Translations that are there already: they were written before, and may have been mended by hand.
fn given(fleet: &Fleet, directory: &Path) -> Result<Files, Failure> {
    let first = translated(fleet, &BTreeSet::new(), &Files::new())?;
    let mut given = Files::new();
    for path in first.files.keys() {
        match fs::read_to_string(directory.join(path)) {
            Ok(text) => drop(given.insert(path.clone(), text)),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) => return Err(Failure::new(format!("cannot read {path}: {e}"))),
        }
    }
    Ok(given)
}

fn translated(
    fleet: &Fleet,
    exact: &BTreeSet<String>,
    given: &Files,
) -> Result<Migration, Failure> {
    migrate(fleet, exact, given).map_err(|fault| {
        crate::render::RenderError::Template(Box::new(go_fault(&fault, None))).into()
    })
}

fn tried(
    fleet: &Fleet,
    exact: &BTreeSet<String>,
    given: &Files,
) -> Result<(Migration, Outcomes), Failure> {
    let migration = translated(fleet, exact, given)?;
    let before = Renderer::new(fleet)?;
    let mut outcomes: Outcomes = migration
        .translated
        .keys()
        .filter(|path| path.starts_with("templates/"))
        .map(|path| (path.clone(), TemplateOutcome::default()))
        .collect();
    let after = match Renderer::new(&migration.fleet) {
        Ok(after) => after,
        Err(error) => {
            failed(&error.to_string(), &migration, &mut outcomes);
            return Ok((migration, outcomes));
        }
    };
    for cluster in fleet.clusters.keys() {
        compare(cluster, &before, &after, &migration, &mut outcomes)?;
    }
    Ok((migration, outcomes))
}

fn compare(
    cluster: &ClusterName,
    before: &Renderer<'_>,
    after: &Renderer<'_>,
    migration: &Migration,
    outcomes: &mut Outcomes,
) -> Result<(), Failure> {
    let before = before.render(cluster)?;
    let after = match after.render(cluster) {
        Ok(after) => after,
        Err(error) => {
            failed(&error.to_string(), migration, outcomes);
            return Ok(());
        }
    };
    for (from, outcome) in outcomes {
        let to = migration.translated.get(from).map_or("", String::as_str);
        let made = |document: &&RenderedDocument, by: &str| document.template == by;
        let mut old = before.documents.iter().filter(|d| made(d, from));
        let mut new = after.documents.iter().filter(|d| made(d, to));
        loop {
            let (text, other, alike) = match (old.next(), new.next()) {
                (None, None) => break,
                (Some(a), Some(b)) => {
                    let texts = (before.text_of(a), after.text_of(b));
                    let alike = if texts.0 == texts.1 {
                        Alike::Identical
                    } else if a.document.root.to_json() == b.document.root.to_json() {
                        Alike::SameMeaning
                    } else {
                        Alike::Differs
                    };
                    (texts.0, texts.1, alike)
                }
                (Some(a), None) => (before.text_of(a), "", Alike::Differs),
                (None, Some(b)) => ("", after.text_of(b), Alike::Differs),
            };
            outcome.add(cluster, alike, text, other);
        }
    }
    Ok(())
}

/// The translation that the error names cannot be rendered; where it names none, nothing is known of any.
fn failed(why: &str, migration: &Migration, outcomes: &mut Outcomes) {
    let names = |from: &String| {
        let to = migration.translated.get(from);
        to.is_some_and(|to| why.contains(to.as_str()))
    };
    let any = outcomes.keys().any(names);
    for (from, outcome) in outcomes {
        if !any || names(from) {
            *outcome = TemplateOutcome::Fails(why.to_owned());
        }
    }
}

/// Whole or not at all: what is half-written would count as a translation that was changed by hand.
fn write(directory: &Path, files: &Files) -> Result<(), Failure> {
    for (path, text) in files {
        let (to, new) = (directory.join(path), directory.join(format!("{path}.new")));
        fs::write(&new, text)
            .and_then(|()| fs::rename(&new, &to))
            .map_err(|e| Failure::new(format!("cannot write {path}: {e}")))?;
    }
    Ok(())
}

/// Deletes what is translated: templates before the snippets that they use, so that whatever ends this on the way leaves a fleet that renders.
fn replace(
    directory: &Path,
    fleet: &Fleet,
    migration: &Migration,
    output: &Output,
) -> Result<(), Failure> {
    let sources = fleet.templates.values().chain(fleet.snippets.values());
    let read: BTreeMap<&str, &str> = sources.map(|s| (&*s.path, &*s.text)).collect();
    let all = || migration.translated.keys();
    for path in all() {
        let now = fs::read_to_string(directory.join(path))
            .map_err(|e| Failure::new(format!("cannot read {path}: {e}")))?;
        if read.get(path.as_str()) != Some(&now.as_str()) {
            return Err(
                Failure::new(format!("{path} was changed while it was compared")).hint(
                    "nothing was deleted; delete its translation and run `kfleet migrate` again",
                ),
            );
        }
    }
    let (templates, snippets): (Vec<_>, Vec<_>) = all().partition(|p| p.starts_with("templates/"));
    for path in templates.into_iter().chain(snippets) {
        remove(&directory.join(path))?;
        output.story(&format!("  - {path}"));
    }
    Ok(())
}

fn remove(path: &Path) -> Result<(), Failure> {
    fs::remove_file(path)
        .map_err(|e| Failure::new(format!("cannot delete {}: {e}", path.display())))
}
