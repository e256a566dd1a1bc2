//! What `kfleet drift` found, by cluster and by whose it is. Makes no calls.

use serde_json::{Value as Json, json};

use super::field::{FieldDelta, group_lines};
use super::shape::blocked_text;
use super::style::{Style, Tone};
use super::wording::{clock, count, group, list, plain};
use crate::model::{AsgName, ClusterName, Region, short_commit};
use crate::plan::{Baseline, Blocked, DriftClass, DriftItem, DriftKind};

/// Items named for one class of a cluster without `full`.
const ITEMS: usize = 20;
/// Groups named of those that wait for the same; a plan names all of them.
const NAMES: usize = 5;

/// A cluster that was looked at.
#[derive(Clone, Debug)]
pub struct DriftOf<'a> {
    pub cluster: &'a ClusterName,
    pub region: &'a Region,
    /// What was last applied to it; none: nothing ever was.
    pub baseline: Option<&'a Baseline>,
    /// How it stands.
    pub found: &'a DriftFound,
}

/// How a cluster stands.
#[derive(Clone, Debug)]
pub enum DriftFound {
    /// It was compared. Where it is not known what was applied: why.
    Compared {
        /// The differences.
        items: Vec<DriftItem>,
        /// Why it is not known what was applied.
        unknown: Option<String>,
    },
    /// A rollout is changing it: what differs is under way.
    UnderWay(String),
    /// It could not be read.
    NotRead(Vec<Blocked>),
}

impl DriftFound {
    fn items(&self) -> &[DriftItem] {
        match self {
            DriftFound::Compared { items, .. } => items,
            DriftFound::UnderWay(_) | DriftFound::NotRead(_) => &[],
        }
    }
}

const CLASSES: [DriftClass; 4] = [
    DriftClass::ByOthers,
    DriftClass::NotKnown,
    DriftClass::NotApplied,
    DriftClass::OwnedByOthers,
];

fn heading(class: DriftClass) -> (&'static str, Tone) {
    match class {
        DriftClass::ByOthers => ("changed by others", Tone::Bad),
        DriftClass::NotKnown => (
            "not what git wants, and it is not known what was applied",
            Tone::Bad,
        ),
        DriftClass::NotApplied => ("wanted by git, not applied yet", Tone::Change),
        DriftClass::OwnedByOthers => ("owned by others", Tone::Good),
    }
}

/// All of it for people. `trail`: who keeps a record of who changed what.
pub fn drift_text(all: &[DriftOf<'_>], trail: Trail, style: Style) -> String {
    let mut out = Vec::new();
    for cluster in all {
        out.extend(cluster_lines(cluster, trail, style));
    }
    out.push(drift_summary(all));
    let differs = |class: DriftClass| {
        let differs = |item: &DriftItem| item.class == class && !item.as_git_wants;
        all.iter().any(|c| c.found.items().iter().any(differs))
    };
    if differs(DriftClass::ByOthers) || differs(DriftClass::NotKnown) {
        out.push("`kfleet plan` shows what a rollout puts back; what shall stay as it is has to be written into vars, as `kfleet drift --accept` does".into());
    }
    out.iter().map(|line| format!("{line}\n")).collect()
}

/// Where it can be looked up who changed something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trail {
    /// AWS's CloudTrail, which kfleet does not read.
    CloudTrail,
    /// There is no trail.
    None,
}

fn cluster_lines(of: &DriftOf<'_>, trail: Trail, style: Style) -> Vec<String> {
    let DriftOf {
        cluster,
        region,
        baseline,
        found,
    } = of;
    let applied = baseline.map_or("never rolled out".to_owned(), |b| {
        let commit = b
            .commit
            .as_ref()
            .map(|c| format!(", commit {}", plain(short_commit(c))));
        format!(
            "applied by rollout {}{} at {}",
            plain(&b.rollout),
            commit.unwrap_or_default(),
            clock(b.since)
        )
    });
    let head =
        |state: &str| style.paint(Tone::Head, cluster.as_str()) + &format!(" ({applied}){state}");
    match found {
        DriftFound::UnderWay(rollout) => vec![head(&format!(
            ": rollout {} is changing it, not compared",
            plain(rollout)
        ))],
        DriftFound::NotRead(why) => vec![head(&format!(
            ": could not be read: {}",
            unread_words(why, cluster)
        ))],
        DriftFound::Compared { items, .. } if items.is_empty() => vec![head(": no drift")],
        DriftFound::Compared { items, unknown } => {
            let mut out = vec![head("")];
            out.extend(
                unknown
                    .as_ref()
                    .map(|why| format!("  what was applied is not known: {}", plain(why))),
            );
            for class in CLASSES {
                let of_class: Vec<&DriftItem> = items.iter().filter(|i| i.class == class).collect();
                out.extend(class_lines(class, &of_class, cluster, style));
                if class == DriftClass::ByOthers && !of_class.is_empty() {
                    out.push(who(&of_class, region, trail));
                }
            }
            out
        }
    }
}

fn unread_words(why: &[Blocked], cluster: &ClusterName) -> String {
    let words: Vec<String> = why.iter().map(|b| blocked_text(b, cluster)).collect();
    words.join("; ")
}

fn class_lines(
    class: DriftClass,
    items: &[&DriftItem],
    cluster: &ClusterName,
    style: Style,
) -> Vec<String> {
    if items.is_empty() {
        return Vec::new();
    }
    let (words, tone) = heading(class);
    let mut out = vec![format!("  {}", style.paint(tone, words))];
    let most = if style.full { usize::MAX } else { ITEMS };
    let named = match class {
        DriftClass::NotApplied if !style.full => NAMES,
        DriftClass::NotApplied
        | DriftClass::ByOthers
        | DriftClass::NotKnown
        | DriftClass::OwnedByOthers => usize::MAX,
    };
    let alike = alike(items, cluster);
    for (what, names) in alike.iter().take(most) {
        let names = list(names, named);
        out.extend(what.iter().map(|what| format!("    {names}: {what}")));
    }
    if alike.len() > most {
        out.push(format!(
            "    … and {}",
            count(alike.len() - most, "more item")
        ));
    }
    out
}

/// What is different, with all that differ so: an image that is not applied yet is one line and not one a group.
fn alike(items: &[&DriftItem], cluster: &ClusterName) -> Vec<(Vec<String>, Vec<String>)> {
    let mut all: Vec<(Vec<String>, Vec<String>)> = Vec::new();
    for item in items {
        let (what, name) = (what(item), name(item, cluster));
        match all.iter_mut().find(|(other, _)| *other == what) {
            Some((_, names)) => names.push(name),
            None => all.push((what, vec![name])),
        }
    }
    all
}

/// Whose a difference is, and what it is.
pub(super) fn item_text(item: &DriftItem, cluster: &ClusterName) -> (&'static str, String) {
    let (whose, _) = heading(item.class);
    let name = name(item, cluster);
    let lines = what(item).into_iter().map(|what| format!("{name}: {what}"));
    (whose, lines.collect::<Vec<_>>().join("\n"))
}

fn name(item: &DriftItem, cluster: &ClusterName) -> String {
    AsgName::new(item.subject.clone()).map_or_else(
        |_| plain(&item.subject),
        |asg| group(&asg, cluster).to_owned(),
    )
}

fn what(item: &DriftItem) -> Vec<String> {
    let should = match item.class {
        DriftClass::ByOthers => "applied",
        DriftClass::NotKnown | DriftClass::NotApplied | DriftClass::OwnedByOthers => "wanted",
    };
    let mut lines = match &item.what {
        DriftKind::Missing => vec![format!("is not there, {should}")],
        DriftKind::Unexpected(0) => vec![format!("is there, and was not {should}")],
        DriftKind::Unexpected(n) => vec![format!(
            "is there with {}, and was not {should}",
            count(*n, "instance")
        )],
        DriftKind::Instances(n) => vec![format!(
            "{} run something else than the group says",
            count(*n, "instance")
        )],
        DriftKind::Unmanaged(fields) => vec![list(fields.iter().map(|f| plain(f)), 10)],
        DriftKind::Fields(fields) => group_lines(fields)
            .into_iter()
            .map(|line| format!("{}: {}", line.name, change(&line.change, should)))
            .collect(),
    };
    if item.as_git_wants {
        lines.push("git wants it so by now: `kfleet rollout start` records it as applied".into());
    }
    lines
}

fn change(change: &FieldDelta, should: &str) -> String {
    let value = |side: &Option<String>| side.clone().unwrap_or_else(|| "absent".into());
    match change {
        FieldDelta::Values { from, to } => format!("is {}, {should} {}", value(from), value(to)),
        FieldDelta::Members { added, removed } => {
            let part = |words: &str, members: &[String]| {
                (!members.is_empty()).then(|| format!("{words} {}", members.join(", ")))
            };
            let parts: Vec<String> = [part("has lost", added), part("has gained", removed)]
                .into_iter()
                .flatten()
                .collect();
            parts.join(", ")
        }
        FieldDelta::Order(items) => format!("another order, {should} {}", items.join(", ")),
    }
}

/// Scaling activities tell of instances, not of who changed a group.
fn who(items: &[&DriftItem], region: &Region, trail: Trail) -> String {
    match (trail, items.first()) {
        (Trail::CloudTrail, Some(item)) => format!(
            "    who and when: not known here, CloudTrail is not read: `aws cloudtrail lookup-events --region {region} --lookup-attributes AttributeKey=ResourceName,AttributeValue={}`",
            plain(&item.subject)
        ),
        (Trail::CloudTrail | Trail::None, _) => {
            "    who and when: not known, there is no record of it".into()
        }
    }
}

/// How many clusters stand how.
pub fn drift_summary(all: &[DriftOf<'_>]) -> String {
    let with = |class: DriftClass| {
        all.iter()
            .filter(|c| c.found.items().iter().any(|i| i.class == class))
            .count()
    };
    let not_read = all
        .iter()
        .filter(|c| matches!(c.found, DriftFound::NotRead(_)))
        .count();
    format!(
        "{}: {} changed by others, {} not known, {} with changes that are not applied yet, {} not read",
        count(all.len(), "cluster"),
        with(DriftClass::ByOthers),
        with(DriftClass::NotKnown),
        with(DriftClass::NotApplied),
        not_read
    )
}

/// The same for machines.
pub fn drift_json(all: &[DriftOf<'_>]) -> String {
    let clusters: Vec<Json> = all
        .iter()
        .map(|of| {
            let (state, unknown, not_read) = match of.found {
                DriftFound::Compared { unknown, .. } => ("compared", unknown.clone(), Vec::new()),
                DriftFound::UnderWay(rollout) => ("under-way", Some(rollout.clone()), Vec::new()),
                DriftFound::NotRead(why) => ("not-read", None, why.clone()),
            };
            json!({
                "cluster": of.cluster,
                "state": state,
                "rollout": of.baseline.map(|b| &b.rollout),
                "commit": of.baseline.and_then(|b| b.commit.as_ref()),
                "why": unknown,
                "gaps": not_read,
                "items": of.found.items(),
            })
        })
        .collect();
    format!("{:#}\n", json!({"version": 1, "clusters": clusters}))
}
