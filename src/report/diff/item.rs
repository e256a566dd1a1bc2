//! One folded change in words: its line, its fields, its text. Cuts nothing by itself.

use super::super::plan_text::fields;
use super::super::shape::SELF;
use super::super::style::{Style, Tone};
use super::super::wording::{count, list, plain};
use super::fold::{Block, DiffItem, DiffShape, DiffSubject, GroupKind, NAME, Sample};
use crate::impact::{Carrier, Presence, Sign};

/// Clusters and names shown without `full`.
const NAMES: usize = 12;

/// What a block is about.
pub(super) fn heading(block: &Block<'_>, style: Style) -> String {
    match block.clusters.as_slice() {
        [one] => match block.stage {
            Some(stage) => format!("{one} (stage {stage})"),
            None => one.to_string(),
        },
        many => {
            let changes: usize = block.items.iter().map(|i| i.names.len()).sum();
            let what = if changes == 1 {
                "same change".to_owned()
            } else {
                format!("same {changes} changes")
            };
            format!(
                "{what} in {}: {}",
                count(many.len(), "cluster"),
                list(many, most(style))
            )
        }
    }
}

fn most(style: Style) -> usize {
    if style.full { usize::MAX } else { NAMES }
}

/// The item's line, and below it everything that is not text of documents.
pub(super) fn words(block: &Block<'_>, item: &DiffItem<'_>, style: Style) -> Vec<String> {
    let (tone, symbol, line) = line(item, style);
    let mut out = vec![format!("  {} {line}", style.paint(tone, symbol))];
    let mixed = makes_version(&item.shape.what);
    out.extend(fields(&item.shape.fields, mixed, style));
    out.extend(
        notes(&item.shape.what)
            .into_iter()
            .map(|note| format!("      {note}")),
    );
    let cluster = match block.clusters.as_slice() {
        [one] => one.as_str(),
        _ => "<cluster>",
    };
    let name = match item.names.as_slice() {
        [one] => one.as_str(),
        _ => "<name>",
    };
    out.into_iter()
        .map(|line| line.replace(NAME, name).replace(SELF, cluster))
        .collect()
}

/// Whether a new launch template version comes with it.
fn makes_version(what: &DiffSubject) -> bool {
    matches!(
        what,
        DiffSubject::Group {
            kind: GroupKind::Changed {
                new_version: true,
                ..
            },
            ..
        }
    )
}

fn line(item: &DiffItem<'_>, style: Style) -> (Tone, &'static str, String) {
    let DiffShape { what, fields, .. } = &item.shape;
    let names = list(&item.names, most(style));
    let s = if item.names.len() == 1 { "" } else { "s" };
    match what {
        DiffSubject::ClusterAdded(text) => (Tone::Good, "+", format!("cluster: new, {text}")),
        DiffSubject::ClusterRemoved(text) => (
            Tone::Bad,
            "-",
            format!("cluster: gone from git, was {text}; kfleet leaves it as it is"),
        ),
        DiffSubject::Facts => (Tone::Change, "~", "the cluster's file: change".into()),
        DiffSubject::Layout => (
            Tone::Change,
            "~",
            "documents stand in another order, or text between them differs: no change of meaning"
                .into(),
        ),
        DiffSubject::Document {
            kind,
            presence,
            text_only,
            ..
        } => {
            let (tone, symbol, verb) = match (presence, text_only) {
                (Presence::Added, _) => (Tone::Good, "+", "add"),
                (Presence::Removed, _) => (Tone::Bad, "-", "remove"),
                (Presence::Changed, true) => (Tone::Change, "~", "no change of meaning"),
                (Presence::Changed, false) => (Tone::Change, "~", "change"),
            };
            let templates = list(&item.templates, most(style));
            (
                tone,
                symbol,
                format!("document{s} {kind}/{names} ({templates}): {verb}"),
            )
        }
        DiffSubject::Group { kind, .. } => {
            let (tone, symbol, text) = group(kind, item.names.len(), fields.is_empty());
            (tone, symbol, format!("group{s} {names}: {text}"))
        }
    }
}

fn group(kind: &GroupKind, number: usize, no_fields: bool) -> (Tone, &'static str, String) {
    let all = if number == 1 {
        "all its instances".to_owned()
    } else {
        format!("all instances of these {number} groups")
    };
    match kind {
        GroupKind::Changed { .. } if no_fields => (Tone::Change, "~", if number == 1 { "stays as it is".into() } else { "stay as they are".into() }),
        GroupKind::Changed { new_version: false, .. } => (Tone::Change, "~", "update in place, no instance is replaced".into()),
        GroupKind::Changed { new_version: true, replaces: true, .. } => (Tone::Change, "~", format!("new launch template version, replaces {all}")),
        GroupKind::Changed { new_version: true, replaces: false, .. } => {
            (Tone::Change, "~", "new launch template version, for instances launched from then on (drainAndTerminate is false)".into())
        }
        GroupKind::Created { text, .. } => (Tone::Good, "+", format!("create, {text}")),
        GroupKind::Retired { protected: true } => {
            (Tone::Bad, "-", "gone, and protected: a plan is blocked until it is back or protected no more".into())
        }
        GroupKind::Retired { protected: false } => (Tone::Bad, "-", format!("retire, drains and ends {all}, then deletes (needs --allow-retire GROUP)")),
    }
}

fn notes(what: &DiffSubject) -> Vec<String> {
    match what {
        DiffSubject::Document {
            carrier: Carrier::Kops,
            ..
        } => vec!["only kops can carry this out".into()],
        DiffSubject::Document {
            carrier: Carrier::KopsInPart(keys),
            ..
        } => {
            vec![format!(
                "only kops can carry this out: {}",
                list(keys.iter().map(|k| format!("spec.{k}")), usize::MAX)
            )]
        }
        DiffSubject::Group {
            kind: GroupKind::Changed {
                user_data: true, ..
            },
            ..
        } => {
            vec!["what a new group of this name would boot with differs; a group that is there keeps its user data".into()]
        }
        DiffSubject::Group {
            kind: GroupKind::Created {
                user_data, like, ..
            },
            ..
        } => {
            let renamed = like.as_ref().map(|old| format!("is {old} under another name: a group cannot be renamed, so every instance is replaced"));
            let blind = (!user_data).then(|| "has no user data to boot with: add a user_data snippet, or let kops make the group".to_owned());
            renamed.into_iter().chain(blind).collect()
        }
        DiffSubject::Document {
            carrier: Carrier::Nobody | Carrier::Kfleet,
            ..
        }
        | DiffSubject::Group { .. }
        | DiffSubject::ClusterAdded(_)
        | DiffSubject::ClusterRemoved(_)
        | DiffSubject::Facts
        | DiffSubject::Layout => Vec::new(),
    }
}

/// The text of a sample as a diff: places are lines of the cluster's `manifests.yaml`.
pub(super) fn diff(sample: &Sample<'_>, style: Style) -> Vec<String> {
    let mut out = Vec::new();
    for hunk in sample.hunks {
        let has = |sign| hunk.lines.iter().any(|l| l.sign != sign);
        let old = if has(Sign::Added) {
            format!("-{} ", hunk.before)
        } else {
            String::new()
        };
        let new = if has(Sign::Removed) {
            format!("+{} ", hunk.after)
        } else {
            String::new()
        };
        out.push(style.paint(
            Tone::Head,
            &format!("@@ {old}{new}@@ {} of {}", sample.document, sample.cluster),
        ));
        for line in &hunk.lines {
            let text = format!("{}{}", line.sign.mark(), plain(&line.text));
            out.push(match line.sign {
                Sign::Same => text.trim_end().to_owned(),
                Sign::Added => style.paint(Tone::Good, &text),
                Sign::Removed => style.paint(Tone::Bad, &text),
            });
        }
    }
    out
}
