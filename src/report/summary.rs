//! A plan in numbers, by stage. The text stays within 60 lines at any fleet size.

use std::collections::BTreeMap;

use serde::Serialize;

use super::fold::stage_index;
use super::hooks;
use super::shape::{blocked_kind, hint};
use super::style::{Style, Tone};
use super::wording::{count, list};
use crate::fleet::Stage;
use crate::plan::{ClusterPlan, Fact, GroupChange, Note, Plan};

/// A plan in numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// By stage, in the order of stages; clusters of no stage come last, under `(no stage)`.
    pub stages: Vec<StageSummary>,
    /// All of them together.
    pub total: Counts,
}

/// One stage in numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StageSummary {
    /// Its name.
    pub stage: String,
    /// Its numbers.
    #[serde(flatten)]
    pub counts: Counts,
}

/// What a plan does to some clusters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Clusters looked at.
    pub clusters: usize,
    /// Clusters in which something differs or stands in the way.
    pub clusters_changed: usize,
    /// Clusters in which something stands in the way.
    pub clusters_blocked: usize,
    /// Groups that git wants.
    pub groups: usize,
    /// Groups made.
    pub groups_created: usize,
    /// Groups changed.
    pub groups_updated: usize,
    /// Groups drained and deleted.
    pub groups_retired: usize,
    pub instances_replaced: usize,
    /// Instances that end with their group, or because its maximum is lower.
    pub instances_ended: usize,
    /// Documents beside the groups that differ.
    pub documents_changed: usize,
    /// Things that stand in the way.
    pub blocked: usize,
    /// Clusters whose Kubernetes API could not be asked: whether anything holds their drains is not known.
    pub clusters_not_looked_at: usize,
    /// Groups whose lifecycle hooks were not read.
    #[serde(skip_serializing_if = "is_zero")]
    pub hooks_not_compared: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde asks for")]
fn is_zero(n: &usize) -> bool {
    *n == 0
}

/// Stages that a text or table names; the rest is one line.
const MOST_STAGES: usize = 40;

/// The numbers of `plan`.
pub fn summary(plan: &Plan, stages: &[Stage]) -> Summary {
    let mut total = Counts::default();
    let mut by_stage: BTreeMap<usize, Counts> = BTreeMap::new();
    for (name, cluster) in &plan.clusters {
        total.add(cluster);
        by_stage
            .entry(stage_index(name, stages))
            .or_default()
            .add(cluster);
    }
    let name = |i: usize| {
        stages
            .get(i)
            .map_or("(no stage)".to_owned(), |s| s.name.to_string())
    };
    Summary {
        stages: by_stage
            .into_iter()
            .map(|(i, counts)| StageSummary {
                stage: name(i),
                counts,
            })
            .collect(),
        total,
    }
}

impl Counts {
    fn add(&mut self, plan: &ClusterPlan) {
        self.clusters += 1;
        self.clusters_changed += usize::from(!plan.is_empty());
        self.clusters_blocked += usize::from(!plan.blocked.is_empty());
        self.groups += plan.roles.len();
        self.documents_changed += plan.documents.len();
        self.blocked += plan.blocked.len();
        self.hooks_not_compared += plan.hooks_not_compared;
        self.clusters_not_looked_at += usize::from(plan.unseen.is_some());
        self.instances_ended += plan.notes.iter().map(ended_by_maximum).sum::<usize>();
        for change in plan.groups.values() {
            match change {
                GroupChange::Create { .. } => self.groups_created += 1,
                GroupChange::Update { .. } => {
                    self.groups_updated += 1;
                    self.instances_replaced += change.instances();
                }
                GroupChange::Retire { .. } => {
                    self.groups_retired += 1;
                    self.instances_ended += change.instances();
                }
            }
        }
    }

    fn cells(&self) -> [String; 8] {
        let numbers = [
            self.groups_created,
            self.groups_updated,
            self.groups_retired,
            self.instances_replaced,
            self.instances_ended,
            self.documents_changed,
            self.blocked,
        ];
        let [a, b, c, d, e, f, g] = numbers.map(|n| {
            if n == 0 {
                "-".to_owned()
            } else {
                n.to_string()
            }
        });
        [
            format!("{} of {}", self.clusters_changed, self.clusters),
            a,
            b,
            c,
            d,
            e,
            f,
            g,
        ]
    }
}

/// Instances that are too many for a new maximum.
fn ended_by_maximum(note: &Note) -> usize {
    let Fact::MaximumEnds { max, desired } = note.what else {
        return 0;
    };
    usize::try_from(desired.saturating_sub(max)).unwrap_or(usize::MAX)
}

/// The heads of the table: clusters that change; groups created, updated, retired; instances replaced, ended; documents; things in the way.
const HEADS: [&str; 9] = [
    "stage",
    "clusters",
    "+ groups",
    "~ groups",
    "- groups",
    "instances replaced",
    "ended",
    "documents",
    "blocked",
];

impl Summary {
    /// Heads and rows of the table by stage, the total last when there is more than one row.
    pub(super) fn table(&self) -> Vec<[String; 9]> {
        let row = |name: &str, counts: &Counts| {
            let [a, b, c, d, e, f, g, h] = counts.cells();
            [name.to_owned(), a, b, c, d, e, f, g, h]
        };
        let mut rows = vec![HEADS.map(str::to_owned)];
        rows.extend(
            self.stages
                .iter()
                .take(MOST_STAGES)
                .map(|s| row(&s.stage, &s.counts)),
        );
        if let Some(left) = self
            .stages
            .len()
            .checked_sub(MOST_STAGES)
            .filter(|n| *n > 0)
        {
            let mut more = HEADS.map(|_| String::new());
            if let Some(first) = more.first_mut() {
                *first = format!("… {}", count(left, "more stage"));
            }
            rows.push(more);
        }
        if self.stages.len() > 1 {
            rows.push(row("total", &self.total));
        }
        rows
    }
}

/// The summary that ends every text about a plan with changes.
pub(super) fn lines(plan: &Plan, stages: &[Stage], style: Style) -> Vec<String> {
    let summary = summary(plan, stages);
    let mut out = vec![style.paint(Tone::Head, "summary")];
    out.extend(columns(&summary.table()));
    let total = &summary.total;
    if total.blocked > 0 {
        out.push(blocked_line(plan, total, style));
        out.push("this plan is not rolled out before that is cleared:".into());
        let kinds = kinds(plan);
        out.extend(
            kinds
                .iter()
                .map(|(kind, (n, hint))| format!("  {n} × {kind}: {hint}")),
        );
    }
    out.extend(hooks::plan_line(plan));
    out.extend(not_compared(total));
    out.push(format!(
        "plan {} of release {}",
        plan.id.short(),
        plan.release.short()
    ));
    out
}

fn blocked_line(plan: &Plan, total: &Counts, style: Style) -> String {
    let names = plan
        .clusters
        .iter()
        .filter(|(_, c)| !c.blocked.is_empty())
        .map(|(name, _)| name);
    format!(
        "{} in {}: {}",
        style.paint(Tone::Bad, "BLOCKED"),
        count(total.clusters_blocked, "cluster"),
        list(names, 5)
    )
}

/// What a plan does not know, and what to do about it: no plan without it may look complete.
pub(super) fn not_compared(counts: &Counts) -> Option<String> {
    let groups = count(counts.hooks_not_compared, "group");
    (counts.hooks_not_compared > 0).then(|| {
        format!(
            "not compared: the lifecycle hooks of {groups}, more than are read in one account and region (a call for each); `--hooks` compares them. \
             A rollout looks at them before it changes the group itself, and leaves the group alone where they differ"
        )
    })
}

/// What stands in the way, by kind: how often, and what to do.
pub(super) fn kinds(plan: &Plan) -> BTreeMap<&'static str, (usize, &'static str)> {
    let mut kinds = BTreeMap::new();
    for blocked in plan.clusters.values().flat_map(|c| &c.blocked) {
        kinds
            .entry(blocked_kind(blocked))
            .or_insert((0, hint(blocked)))
            .0 += 1;
    }
    kinds
}

/// The first column to the left, the others to the right.
fn columns(rows: &[[String; 9]]) -> Vec<String> {
    let mut widths = [0; 9];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |row: &[String; 9]| {
        let cells = row.iter().zip(widths).enumerate();
        let cells = cells.map(|(i, (cell, width))| {
            if i == 0 {
                format!("  {cell:<width$}")
            } else {
                format!("  {cell:>width$}")
            }
        });
        cells.collect::<String>().trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}
