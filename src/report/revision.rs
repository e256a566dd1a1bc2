//! What git says of what is planned or rolled out, in words. Asks no git.

use super::wording::{count, list, plain};
use crate::model::{Commit, Git, Rendering, Revision, Unreviewed};

/// Files that are named where not all are.
const NAMED: usize = 5;

/// One line: `commit 1a2b3c4d5e6f on main by Anna <anna@foo.bar>, clean; rendered/ up to date`.
pub fn revision_line(revision: &Revision) -> String {
    let Revision {
        git,
        rendered,
        allow_dirty,
    } = revision;
    let git = match git {
        Git::NotKnown(why) => format!("commit not known: {}", plain(why)),
        Git::Commit(commit) => commit_words(commit),
    };
    let rendered = match rendered {
        Rendering::UpToDate => "rendered/ up to date".into(),
        Rendering::Stale(files) => stale(*files),
        Rendering::NotKept => "no rendered/ folder".into(),
        Rendering::NotKnown(why) => format!("rendered/ not known: {}", plain(why)),
    };
    let allowed = allow_dirty
        .as_ref()
        .map(|why| format!("; ALLOW DIRTY: {}", plain(why)));
    format!("{git}; {rendered}{}", allowed.unwrap_or_default())
}

fn commit_words(commit: &Commit) -> String {
    let branch = commit
        .branch
        .as_ref()
        .map(|name| format!(" on {}", plain(name)));
    let state = match commit.changed.len() + commit.changed_more {
        0 => "clean".to_owned(),
        n => format!("{} not committed", count(n, "file")),
    };
    format!(
        "commit {}{} by {}, {state}",
        plain(commit.short()),
        branch.unwrap_or_default(),
        plain(&commit.author)
    )
}

fn stale(files: usize) -> String {
    format!("rendered/ is not up to date: {}", count(files, "file"))
}

/// In what a revision is not what was committed and reviewed: one line each.
pub fn unreviewed_lines(revision: &Revision) -> Vec<String> {
    let words = |what: Unreviewed<'_>| match what {
        Unreviewed::Changed { files, more } => {
            let names: Vec<String> = files.iter().map(|f| plain(f)).collect();
            let hidden = names.len().saturating_sub(NAMED) + more;
            let named = list(names.iter().take(NAMED), NAMED);
            let more = if hidden == 0 {
                String::new()
            } else {
                format!(" and {hidden} more")
            };
            format!("not committed: {named}{more}")
        }
        Unreviewed::Stale(files) => stale(files),
    };
    revision.unreviewed().into_iter().map(words).collect()
}

/// The commit of a rollout in a list of rollouts, and whether it was rolled out without being committed.
pub(super) fn in_short(revision: Option<&Revision>) -> String {
    let Some(revision) = revision else {
        return String::new();
    };
    let commit = match &revision.git {
        Git::Commit(commit) => format!(", commit {}", plain(commit.short())),
        Git::NotKnown(_) => ", commit not known".into(),
    };
    let dirty = match (&revision.allow_dirty, revision.unreviewed().is_empty()) {
        (Some(_), _) => ", ALLOW DIRTY",
        (None, false) => " (not all committed)",
        (None, true) => "",
    };
    format!("{commit}{dirty}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn revision(changed: usize, rendered: Rendering) -> Revision {
        Revision {
            git: Git::Commit(Commit {
                id: "0123456789abcdef0123".into(),
                branch: Some("main".into()),
                author: "Anna <anna@foo.bar>".into(),
                committed_at: "2026-01-05T08:00:00+00:00".into(),
                changed: (0..changed.min(20))
                    .map(|n| format!("vars/{n}.yaml"))
                    .collect(),
                changed_more: changed.saturating_sub(20),
            }),
            rendered,
            allow_dirty: None,
        }
    }

    #[test]
    fn a_clean_revision_has_nothing_against_it() {
        let clean = revision(0, Rendering::UpToDate);
        assert_eq!(
            revision_line(&clean),
            "commit 0123456789ab on main by Anna <anna@foo.bar>, clean; rendered/ up to date"
        );
        assert_eq!(unreviewed_lines(&clean), Vec::<String>::new());
        assert_eq!(in_short(Some(&clean)), ", commit 0123456789ab");
    }

    #[test]
    fn what_is_not_committed_is_told_in_every_form() {
        let dirty = revision(23, Rendering::Stale(1));
        assert_eq!(
            unreviewed_lines(&dirty),
            [
                "not committed: vars/0.yaml, vars/1.yaml, vars/2.yaml, vars/3.yaml, vars/4.yaml and 18 more",
                "rendered/ is not up to date: 1 file"
            ]
        );
        assert_eq!(
            in_short(Some(&dirty)),
            ", commit 0123456789ab (not all committed)"
        );
        let allowed = Revision {
            allow_dirty: Some("fire\x1b[1m".into()),
            ..dirty
        };
        assert_eq!(
            revision_line(&allowed),
            "commit 0123456789ab on main by Anna <anna@foo.bar>, 23 files not committed; rendered/ is not up to date: 1 file; ALLOW DIRTY: fire\\u{1b}[1m"
        );
        assert_eq!(
            in_short(Some(&allowed)),
            ", commit 0123456789ab, ALLOW DIRTY"
        );
    }

    #[test]
    fn what_git_does_not_say_is_not_known() {
        let unknown = Revision {
            git: Git::NotKnown("not in a git repository".into()),
            rendered: Rendering::NotKept,
            allow_dirty: None,
        };
        assert_eq!(
            revision_line(&unknown),
            "commit not known: not in a git repository; no rendered/ folder"
        );
        assert_eq!(in_short(Some(&unknown)), ", commit not known");
        assert_eq!(in_short(None), "");
    }
}
