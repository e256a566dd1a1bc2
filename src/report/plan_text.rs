//! A plan as text for people: every change with its effect and reason, clusters that change alike together, the summary last.

use std::collections::{BTreeMap, BTreeSet};

use super::field::{FieldDelta, FieldLine};
use super::fold::{Fold, folds};
use super::hooks;
use super::remark;
use super::shape::{
    BlockedShape, Detail, DocumentShape, GroupChangeKind, GroupShape, SELF, TemplateShape,
};
use super::style::{Style, Tone};
use super::summary;
use super::unseen::unseen;
use super::wording::{count, cut, list};
use crate::fleet::Stage;
use crate::model::{ClusterName, InstanceId};
use crate::plan::Plan;

/// Fields of one group, instances of one reason, clusters of one fold, characters of one value: what is shown without `full`.
const FIELDS: usize = 12;
const INSTANCES: usize = 5;
const CLUSTERS: usize = 10;
const VALUE: usize = 80;

/// The plan for a terminal or a log. `stages` gives the order; the summary comes last and stays within 60 lines.
pub fn plan_text(plan: &Plan, stages: &[Stage], style: Style) -> String {
    let mut out = unseen(plan, style);
    out.extend(remark::warnings(plan, style));
    if plan.is_empty() {
        out.extend(nothing(plan, stages));
        out.extend(remark::notes(plan));
        return format!("{}\n", out.join("\n"));
    }
    if !out.is_empty() {
        out.push(String::new());
    }
    for fold in folds(plan, stages, style.full) {
        out.push(style.paint(Tone::Head, &heading(&fold, style)));
        out.extend(body(&fold, style));
        out.push(String::new());
    }
    out.extend(hooks::plan_lines(plan, style));
    out.extend(summary::lines(plan, stages, style));
    format!("{}\n", out.join("\n"))
}

/// What is said when there are no changes.
pub(super) fn nothing(plan: &Plan, stages: &[Stage]) -> [String; 2] {
    let total = summary::summary(plan, stages).total;
    let not_compared = summary::not_compared(&total)
        .map(|line| format!("\n{line}"))
        .unwrap_or_default();
    [
        "no changes".into(),
        format!(
            "looked at {} and {}{not_compared}",
            count(total.clusters, "cluster"),
            count(total.groups, "group")
        ),
    ]
}

/// Which clusters a fold is about.
pub(super) fn heading(fold: &Fold<'_>, style: Style) -> String {
    match fold.clusters.as_slice() {
        [one] => {
            let stage = one
                .stage
                .map_or("no stage".to_owned(), |s| format!("stage {s}"));
            format!(
                "{} ({stage}, account {}, {})",
                one.name, one.plan.account, one.plan.region
            )
        }
        many => {
            let names = list(
                many.iter().map(|m| m.name),
                if style.full { usize::MAX } else { CLUSTERS },
            );
            let what = match fold.shape.changes() {
                0 => "the same".to_owned(),
                1 => "same change".to_owned(),
                n => format!("same {n} changes"),
            };
            format!("{what} in {}: {names}", count(many.len(), "cluster"))
        }
    }
}

/// Everything a fold has to say, without its heading.
pub(super) fn body(fold: &Fold<'_>, style: Style) -> Vec<String> {
    let mut out = Vec::new();
    for (index, (shape, names)) in fold.shape.groups.iter().enumerate() {
        let details = fold
            .clusters
            .iter()
            .map(|m| m.details.get(index).map_or([].as_slice(), Vec::as_slice))
            .collect();
        out.extend(group(shape, names, &Tally::of(details, names), style));
    }
    for (name, change) in &fold.shape.documents {
        out.extend(document(name, change, style));
    }
    out.extend(blocked_lines(&fold.shape.blocked, style));
    out.extend(fold.shape.notes.iter().map(|n| format!("  note: {n}")));
    let own: Option<&ClusterName> = match fold.clusters.as_slice() {
        [one] => Some(one.name),
        _ => None,
    };
    let own = own.map_or("<cluster>", ClusterName::as_str);
    out.into_iter()
        .map(|line| line.replace(SELF, own))
        .collect()
}

/// What blocks; a hint that several share stands once, beneath the last of them.
fn blocked_lines(blocked: &[BlockedShape], style: Style) -> Vec<String> {
    let mut out = Vec::new();
    let mut blocked = blocked.iter().peekable();
    while let Some(item) = blocked.next() {
        out.push(format!(
            "  {} blocked: {}",
            style.paint(Tone::Bad, "!"),
            item.text
        ));
        if blocked.peek().is_none_or(|next| next.hint != item.hint) {
            out.push(format!("      hint: {}", item.hint));
        }
    }
    out
}

/// The details of the same change, over all its clusters and groups.
struct Tally {
    versions: BTreeSet<u64>,
    /// Instances by reason, each with its group where there are several.
    reasons: BTreeMap<String, Vec<String>>,
    /// Instances in each cluster.
    per_cluster: Vec<usize>,
}

impl Tally {
    fn of(clusters: Vec<&[Detail]>, names: &[String]) -> Tally {
        let called = |id: &InstanceId, group: Option<&String>| match (names, group) {
            ([_, _, ..], Some(group)) => format!("{id} ({group})"),
            (_, _) => id.to_string(),
        };
        let mut tally = Tally {
            versions: BTreeSet::new(),
            reasons: BTreeMap::new(),
            per_cluster: Vec::new(),
        };
        for details in clusters {
            let mut here = 0;
            for (index, detail) in details.iter().enumerate() {
                tally.versions.extend(detail.version);
                for (reason, ids) in &detail.reasons {
                    here += ids.len();
                    tally
                        .reasons
                        .entry(reason.clone())
                        .or_default()
                        .extend(ids.iter().map(|id| called(id, names.get(index))));
                }
            }
            tally.per_cluster.push(here);
        }
        tally
    }

    /// `6 instances`, and for several clusters how many in each.
    fn instances(&self) -> String {
        let total = count(self.per_cluster.iter().sum::<usize>(), "instance");
        match (
            self.per_cluster.len(),
            self.per_cluster.iter().min(),
            self.per_cluster.iter().max(),
        ) {
            (2.., Some(least), Some(most)) if least == most => {
                format!("{total} ({most} in each cluster)")
            }
            (2.., Some(least), Some(most)) => {
                format!("{total} ({least} to {most} in each cluster)")
            }
            _ => total,
        }
    }

    fn is_zero(&self) -> bool {
        self.per_cluster.iter().all(|n| *n == 0)
    }
}

fn group(shape: &GroupShape, names: &[String], tally: &Tally, style: Style) -> Vec<String> {
    let names = names.join(", ");
    let (symbol, what) = match &shape.kind {
        GroupChangeKind::Create(what) => (style.paint(Tone::Good, "+"), format!("create, {what}")),
        GroupChangeKind::Update { template, replaces } => (
            style.paint(Tone::Change, "~"),
            update(*template, *replaces, shape, tally),
        ),
        GroupChangeKind::Retire => (style.paint(Tone::Bad, "-"), retire(tally)),
    };
    let mut out = vec![format!("  {symbol} {names}: {what}")];
    let mixed = shape.fields.iter().any(|f| !f.in_place);
    out.extend(fields(&shape.fields, mixed, style));
    out.extend(
        tally
            .reasons
            .iter()
            .filter(|(_, ids)| !ids.is_empty())
            .map(|(reason, ids)| instances(reason, ids, style)),
    );
    out
}

/// A change that leaves the launch template as it is.
fn same_template(shape: &GroupShape, tally: &Tally) -> String {
    let instances = tally.instances();
    if tally.is_zero() && shape.fields.is_empty() {
        // Nothing of its own changes: it is among the groups at whose turn kops does what belongs to no group.
        "kops is asked at its turn, for what belongs to no group; no instance is replaced".into()
    } else if tally.is_zero() {
        "update in place, no instance is replaced".into()
    } else if shape.fields.is_empty() {
        format!("as wanted, but replaces {instances} running something else")
    } else {
        format!("update in place, and replaces {instances} running something else")
    }
}

fn update(template: TemplateShape, replaces: bool, shape: &GroupShape, tally: &Tally) -> String {
    let to = match (template, tally.versions.first(), tally.versions.len()) {
        (TemplateShape::Untouched, _, _) => return same_template(shape, tally),
        (TemplateShape::Existing, Some(version), 1) => {
            format!("goes to launch template version {version}, which exists already")
        }
        (TemplateShape::Existing, _, _) => {
            "goes to a launch template version that exists already".into()
        }
        (TemplateShape::New, _, _) => "new launch template version".into(),
    };
    match (replaces, tally.is_zero()) {
        (false, _) => {
            format!("{to}, for instances launched from then on (drainAndTerminate is false)")
        }
        (true, true) => format!("{to}, no instance to replace"),
        (true, false) => format!("{to}, replaces {}", tally.instances()),
    }
}

fn retire(tally: &Tally) -> String {
    if tally.is_zero() {
        "retire, has no instances: deletes the group".into()
    } else {
        format!(
            "retire, drains and ends {}, then deletes the group",
            tally.instances()
        )
    }
}

fn instances(reason: &str, ids: &[String], style: Style) -> String {
    let names = format!(
        ": {}",
        list(ids, if style.full { usize::MAX } else { INSTANCES })
    );
    let number = count(ids.len(), "instance");
    match reason {
        "" => format!("      {number} end{names}"),
        reason => format!("      {number} because {reason}{names}"),
    }
}

fn document(name: &str, change: &DocumentShape, style: Style) -> Vec<String> {
    let (symbol, what, lines) = match change {
        DocumentShape::Added => (style.paint(Tone::Good, "+"), "add", Vec::new()),
        DocumentShape::Changed(lines) => (
            style.paint(Tone::Change, "~"),
            "change",
            fields(lines, false, style),
        ),
        DocumentShape::Removed => (style.paint(Tone::Bad, "-"), "remove", Vec::new()),
    };
    let mut out = vec![format!("  {symbol} document {name}: {what}")];
    out.extend(lines);
    out
}

/// The lines of fields; `mixed`: some of them need a new launch template version, so those that do not say so.
pub(super) fn fields(lines: &[FieldLine], mixed: bool, style: Style) -> Vec<String> {
    let most = if style.full { usize::MAX } else { FIELDS };
    let mut out: Vec<String> = lines
        .iter()
        .take(most)
        .map(|l| format!("      {}", field(l, mixed, style)))
        .collect();
    if let Some(left) = lines.len().checked_sub(most).filter(|n| *n > 0) {
        out.push(format!("      … and {}", count(left, "more field")));
    }
    out
}

fn field(line: &FieldLine, mixed: bool, style: Style) -> String {
    let short = |text: &str| {
        if style.full {
            text.to_owned()
        } else {
            cut(text, VALUE)
        }
    };
    let change = match &line.change {
        FieldDelta::Values {
            from: Some(from),
            to: Some(to),
        } if !style.full => {
            let (from, to) = without_beginning(from, to);
            format!("{} → {}", short(&from), short(&to))
        }
        FieldDelta::Values { from, to } => {
            let side = |value: &Option<String>, none: &str| {
                value.as_deref().map_or(none.to_owned(), short)
            };
            format!("{} → {}", side(from, "(none)"), side(to, "(removed)"))
        }
        FieldDelta::Members { added, removed } => {
            let part = |word: &str, items: &[String]| {
                (!items.is_empty()).then(|| format!("{word} {}", short(&items.join(", "))))
            };
            [part("adds", added), part("removes", removed)]
                .into_iter()
                .flatten()
                .collect::<Vec<_>>()
                .join("; ")
        }
        FieldDelta::Order(items) => format!(
            "the same items in another order: {}",
            short(&items.join(", "))
        ),
    };
    let places = if line.places.is_empty() {
        String::new()
    } else {
        format!(" ({})", line.places.join(", "))
    };
    let in_place = if mixed && line.in_place {
        " [in place]"
    } else {
        ""
    };
    format!("{}: {change}{places}{in_place}", line.name)
}

/// Two values of which one would be cut, without most of what they begin with alike: the difference must not be what is cut away.
fn without_beginning(from: &str, to: &str) -> (String, String) {
    const KEPT: usize = 20;
    let (a, b): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let common = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
    if a.len().max(b.len()) <= VALUE || common <= KEPT {
        return (from.to_owned(), to.to_owned());
    }
    let rest = |text: &[char]| format!("…{}", text.iter().skip(common - KEPT).collect::<String>());
    (rest(&a), rest(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_at_the_end_of_a_long_value_is_seen() {
        let long = "x".repeat(90);
        let check = |from: &str, to: &str| {
            let (a, b) = without_beginning(from, to);
            format!("{a} → {b}")
        };
        assert_eq!(check("short-1", "short-2"), "short-1 → short-2");
        assert_eq!(
            check(&format!("{long}1"), &format!("{long}23")),
            format!("…{0}1 → …{0}23", "x".repeat(20))
        );
        assert_eq!(
            check(&format!("a{long}"), &format!("b{long}")),
            format!("a{long} → b{long}")
        );
    }
}
