//! What git says of the fleet's files when a plan or a rollout is made, and whether that may be rolled out. Writes nothing into git.

use std::path::Path;

use super::failure::Failure;
use super::git::Repository;
use super::output::Output;
use super::pipeline::PreparedFleet;
use super::render;
use crate::fleet::GateKind;
use crate::model::{Commit, Git, Rendering, Revision};
use crate::plan::fill_hook;
use crate::report;
use crate::store::{CloudKind, Store};

/// Files that are named where not all are.
const NAMED: usize = 20;

/// Where pipelines say which branch they have checked out by its commit alone.
const BRANCH_VARIABLES: [&str; 5] = [
    "CHANGE_BRANCH",
    "BRANCH_NAME",
    "GIT_BRANCH",
    "GITHUB_REF_NAME",
    "CI_COMMIT_REF_NAME",
];

/// What git says of the files that `prepared` was made from. What it does not say is not known, and why.
pub(super) fn read(directory: &Path, prepared: &PreparedFleet) -> Revision {
    let git = commit(directory, prepared).unwrap_or_else(Git::NotKnown);
    let rendered = render::standing(prepared, directory)
        .unwrap_or_else(|failure| Rendering::NotKnown(failure.text));
    Revision {
        git,
        rendered,
        allow_dirty: None,
    }
}

fn commit(directory: &Path, prepared: &PreparedFleet) -> Result<Git, String> {
    let not_known = |failure: Failure| failure.text;
    let repository = Repository::of(directory).map_err(|failure| {
        let folder = format!("{}: ", directory.display());
        failure.text.replace(&folder, "")
    })?;
    let log = ["log", "-1", "--format=%H%x00%an <%ae>%x00%cI", "HEAD", "--"];
    let Ok(log) = repository.ask(&log).map_err(not_known)? else {
        return Ok(Git::NotKnown("the repository has no commit yet".into()));
    };
    let mut parts = log.splitn(3, '\0').map(str::to_owned);
    let (Some(id), Some(author), Some(committed_at)) = (parts.next(), parts.next(), parts.next())
    else {
        return Ok(Git::NotKnown("git does not say which commit it is".into()));
    };
    let branch = current_branch(&repository)?;
    let mut changed = changed(&repository, prepared)?;
    let changed_more = changed.len().saturating_sub(NAMED);
    changed.truncate(NAMED);
    Ok(Git::Commit(Commit {
        id,
        branch,
        author,
        committed_at,
        changed,
        changed_more,
    }))
}

/// The branch that is checked out; in a pipeline, which checks out a commit, the one that it says.
fn current_branch(repository: &Repository) -> Result<Option<String>, String> {
    let asked = repository
        .ask(&["symbolic-ref", "--quiet", "--short", "HEAD"])
        .map_err(|failure| failure.text)?;
    let named = asked.ok().filter(|name| !name.is_empty());
    Ok(named.or_else(of_pipeline))
}

fn of_pipeline() -> Option<String> {
    let set = |name: &&str| std::env::var(name).ok().filter(|v| !v.is_empty());
    BRANCH_VARIABLES.iter().find_map(set)
}

/// Files of the fleet that are not as committed: those that decide what is rendered, the rendering, the commands of gates, and what hooks run and read.
fn changed(repository: &Repository<'_>, prepared: &PreparedFleet) -> Result<Vec<String>, String> {
    let hooks = of_hooks(prepared);
    let gates: Vec<&str> = prepared
        .fleet
        .settings
        .gates
        .iter()
        .filter_map(|gate| match &gate.kind {
            GateKind::Command(run) => run.first().map(String::as_str),
            GateKind::Asg
            | GateKind::Kubernetes
            | GateKind::Kops
            | GateKind::Http(_)
            | GateKind::Promql(_) => None,
        })
        .filter(|program| program.starts_with("./") && !program.contains(".."))
        .chain(hooks.iter().map(String::as_str))
        .collect();
    let status = repository
        .changed(&gates)
        .map_err(|failure| failure.text)?
        .map_err(|why| format!("git does not say what has changed: {why}"))?;
    Ok(names(&status))
}

/// What hooks run and read of the fleet, as git takes it: whatever stands for a placeholder.
fn of_hooks(prepared: &PreparedFleet) -> Vec<String> {
    let hooks = &prepared.fleet.settings.hooks;
    let programs = hooks
        .iter()
        .flat_map(|h| h.run.first().into_iter().chain(h.undo.first()))
        .filter(|program| program.contains('/'));
    let files = hooks.iter().flat_map(|h| &h.files);
    let own = |path: &&String| !path.starts_with('/') && !path.contains("..");
    let any = |_: &str| Some("*".to_owned());
    let paths = programs.chain(files).filter(own);
    paths
        .filter_map(|path| fill_hook(path, &any).ok())
        .collect()
}

/// The paths in what `git status --porcelain -z` prints, in order. A file that was moved is followed by its old name.
fn names(status: &str) -> Vec<String> {
    let mut entries = status.split('\0').filter(|e| !e.is_empty());
    let mut names = Vec::new();
    while let Some(entry) = entries.next() {
        let (Some(state), Some(name)) = (entry.get(..2), entry.get(3..)) else {
            continue;
        };
        if state.contains(['R', 'C']) {
            entries.next();
        }
        names.push(name.to_owned());
    }
    names.sort();
    names.dedup();
    names
}

/// The revision of what is rolled out now. What was not committed and reviewed is not rolled out on a real cloud, unless the operator says why.
///
/// # Errors
/// When it is not, or the reason is empty.
pub(super) fn to_roll(
    revision: Revision,
    allowed: Option<&str>,
    store: &Store,
    output: &Output,
) -> Result<Revision, Failure> {
    check_reason(allowed)?;
    let faults = report::unreviewed_lines(&revision);
    if faults.is_empty() {
        return Ok(revision);
    }
    let text = faults.join("; ");
    match (store.kind(), allowed) {
        (_, Some(reason)) => Ok(Revision {
            allow_dirty: Some(reason.trim().to_owned()),
            ..revision
        }),
        (CloudKind::Local, None) => {
            output.cloud_story(&format!(
                "warning: {text}: a real cloud refuses to roll that out"
            ));
            Ok(revision)
        }
        (CloudKind::Aws, None) => Err(Failure::new(text).hint(
            "run `kfleet render`, commit, and start again; `--allow-dirty REASON` rolls it out as it is, which is recorded and shown from then on",
        )),
    }
}

fn check_reason(allowed: Option<&str>) -> Result<(), Failure> {
    if allowed.is_some_and(|reason| reason.trim().is_empty()) {
        return Err(Failure::new("the reason is empty")
            .hint("say in `--allow-dirty` why this is rolled out although it cannot be reviewed"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::formats::LogFormat;

    /// A store of this kind, and a revision of which one file is not committed.
    fn dirty(kind: CloudKind) -> (tempfile::TempDir, Store, Revision) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), kind).unwrap();
        let revision = Revision {
            git: Git::NotKnown("no git".into()),
            rendered: Rendering::Stale(2),
            allow_dirty: None,
        };
        (dir, store, revision)
    }

    #[test]
    fn a_real_cloud_refuses_what_is_not_reviewed() {
        let output = Output::new(true, LogFormat::Text, false);
        let (_dir, store, revision) = dirty(CloudKind::Aws);
        let refused = to_roll(revision.clone(), None, &store, &output).unwrap_err();
        assert_eq!(refused.text, "rendered/ is not up to date: 2 files");
        assert!(refused.hints[0].contains("--allow-dirty REASON"));
        let allowed = to_roll(revision.clone(), Some(" INC-7 "), &store, &output).unwrap();
        assert_eq!(allowed.allow_dirty.as_deref(), Some("INC-7"));
        to_roll(revision.clone(), Some(""), &store, &output).unwrap_err();
        // What is as it was reviewed needs no reason, and has none recorded.
        let clean = Revision {
            rendered: Rendering::UpToDate,
            ..revision
        };
        for reason in [None, Some("INC-7")] {
            let rolled = to_roll(clean.clone(), reason, &store, &output).unwrap();
            assert_eq!(rolled, clean);
        }
    }

    #[test]
    fn the_simulated_account_takes_it_with_a_warning() {
        let (_dir, store, revision) = dirty(CloudKind::Local);
        let rolled = to_roll(
            revision.clone(),
            None,
            &store,
            &Output::new(true, LogFormat::Text, true),
        );
        assert_eq!(rolled.unwrap(), revision);
    }

    #[test]
    fn a_moved_file_is_one_change() {
        let status = "R  vars/new.yaml\0vars/old.yaml\0 M fleet.yaml\0?? clusters/a b.yaml\0";
        assert_eq!(
            names(status),
            ["clusters/a b.yaml", "fleet.yaml", "vars/new.yaml"]
        );
        assert_eq!(names(""), Vec::<String>::new());
    }
}
