//! kops' answers that are read: its version, and what a dry run would still do. What has another form is no answer. Runs nothing.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// What kops would still change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Left {
    /// Its tasks, by type and name: `LaunchTemplate/nodes.c`, `ManagedFile/cluster-completed.spec`.
    pub tasks: BTreeSet<String>,
    /// What it printed, bounded, secrets masked.
    pub text: String,
}

/// Types of task whose name a line of a dry run may hold.
fn is_task(word: &str) -> bool {
    let Some((kind, name)) = word.split_once('/') else {
        return false;
    };
    kind.starts_with(|c: char| c.is_ascii_uppercase())
        && kind.chars().all(|c| c.is_ascii_alphanumeric())
        && !name.is_empty()
}

/// What a dry run of `kops update cluster` says; none: it does not say how it ended, and may have been cut off.
pub(super) fn left(text: &str) -> Option<Left> {
    const NOTHING: &str = "No changes need to be applied";
    const SOME: &str = "Must specify --yes to apply changes";
    let nothing = text.lines().any(|l| l.trim() == NOTHING);
    let some = text.lines().any(|l| l.trim() == SOME);
    if nothing == some {
        return None;
    }
    // A block begins with two spaces and the task; its fields stand deeper.
    let tasks: BTreeSet<String> = text
        .lines()
        .filter_map(|l| l.strip_prefix("  "))
        .filter(|l| !l.starts_with([' ', '\t']))
        .map(str::trim_end)
        .filter(|l| is_task(l))
        .map(str::to_owned)
        .collect();
    // Said to be left, and nothing recognised: the form is another one.
    (nothing || !tasks.is_empty()).then(|| Left {
        tasks,
        text: super::said::bounded(&super::masked(text)),
    })
}

/// The release that `kops version` prints, as `1.34.1`: `Client version: 1.34.1 (git-v1.34.1)`, or the number alone (`--short`).
pub fn version_of(text: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let line = line.trim();
        let line = line.strip_prefix("Client version:").unwrap_or(line).trim();
        let word = line.split_whitespace().next()?;
        let word = word.strip_prefix('v').unwrap_or(word);
        let mut parts = word.split(['.', '-']);
        let mut number = || parts.next()?.parse::<u32>().ok();
        let is_release = number().is_some() && number().is_some() && number().is_some();
        is_release.then(|| word.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dry_run_says_what_is_left() {
        let of = |text: &str| {
            left(text).map(|left| left.tasks.into_iter().collect::<Vec<_>>().join(" "))
        };
        let some = "Will modify resources:\n  AutoscalingGroup/spot.c\n  \tMaxSize             \t 10 -> 12\n  \t                    \t+ Kind/other\n\n  LaunchTemplate/spot.c\n  \tUserData\n\nMust specify --yes to apply changes\n";
        for (text, expected) in [
            ("I0101 news\nNo changes need to be applied\n", Some("")),
            (some, Some("AutoscalingGroup/spot.c LaunchTemplate/spot.c")),
            ("", None),
            ("Will modify resources:\n  LaunchTemplate/spot.c\n", None),
            ("Must specify --yes to apply changes\n", None),
        ] {
            assert_eq!(of(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn versions_are_read_in_both_forms() {
        for (text, expected) in [
            (
                "Client version: 1.34.1 (git-v1.34.1)\nLast applied server version: 1.33.0\n",
                Some("1.34.1"),
            ),
            ("1.37.0-alpha.1\n", Some("1.37.0-alpha.1")),
            ("kops: command not found\n", None),
            ("", None),
        ] {
            assert_eq!(version_of(text).as_deref(), expected);
        }
    }
}
