//! What changes, the same change of many clusters once, and where on the page that of each cluster is told.

use std::collections::BTreeMap;

use super::page::ChangeSection;
use crate::fleet::Stage;
use crate::model::{AsgName, ClusterName, Definition};
use crate::plan::{Plan, definition_fields};
use crate::report::field::group_lines;
use crate::report::fold::folds;
use crate::report::plan_text::{body, fields, heading};
use crate::report::shape::created;
use crate::report::style::Style;
use crate::report::wording::{count, group, list, plain};
use crate::rollout::{ClusterRun, GroupTask, Rollout, Task};

/// Sections, and the anchor of each cluster's.
#[derive(Default)]
pub(super) struct Changes {
    pub(super) sections: Vec<ChangeSection>,
    anchors: BTreeMap<ClusterName, String>,
}

/// A page has room for everything, and folds what is long.
const WHOLE: Style = Style {
    colour: false,
    full: true,
};

/// Clusters that the heading of a change names.
const NAMED: usize = 6;

impl Changes {
    pub(super) fn anchor(&self, cluster: &ClusterName) -> Option<String> {
        self.anchors.get(cluster).cloned()
    }

    fn add<'c>(
        &mut self,
        heading: String,
        lines: impl IntoIterator<Item = String>,
        clusters: impl IntoIterator<Item = &'c ClusterName>,
    ) {
        let anchor = format!("change-{}", self.sections.len() + 1);
        let clusters = clusters.into_iter().map(|c| (c.clone(), anchor.clone()));
        self.anchors.extend(clusters);
        let lines = lines.into_iter().map(|line| (class_of(&line), line));
        self.sections.push(ChangeSection {
            heading,
            lines: lines.collect(),
            anchor,
        });
    }

    /// Those of a plan, as its text tells them.
    pub(super) fn of_plan(plan: &Plan, stages: &[Stage]) -> Changes {
        let mut changes = Changes::default();
        for fold in folds(plan, stages, true) {
            let names = fold.clusters.iter().map(|c| c.name);
            changes.add(heading(&fold, Style::default()), body(&fold, WHOLE), names);
        }
        changes
    }

    /// Those of a rollout: what each group was, and what it becomes.
    pub(super) fn of_rollout(rollout: &Rollout) -> Changes {
        let mut alike: Vec<(Vec<String>, Vec<&ClusterName>)> = Vec::new();
        let mut places: BTreeMap<Vec<String>, usize> = BTreeMap::new();
        for run in rollout.clusters().filter(|run| !run.groups.is_empty()) {
            let lines = of_cluster(run);
            let place = *places.entry(lines.clone()).or_insert(alike.len());
            match alike.get_mut(place) {
                Some((_, clusters)) => clusters.push(&run.cluster),
                None => alike.push((lines, vec![&run.cluster])),
            }
        }
        let mut changes = Changes::default();
        for (lines, clusters) in alike {
            let heading = match clusters.as_slice() {
                [one] => one.to_string(),
                many => format!(
                    "the same in {}: {}",
                    count(many.len(), "cluster"),
                    list(many, NAMED)
                ),
            };
            changes.add(heading, lines, clusters);
        }
        changes
    }
}

/// A sign at the beginning of a line says what it is about.
fn class_of(line: &str) -> &'static str {
    let text = line.trim_start();
    match text.chars().next() {
        Some('+') => "add",
        Some('~') => "mod",
        Some('-') => "del",
        Some('!') => "bad",
        _ if text.starts_with("note:") || text.starts_with("hint:") => "note",
        _ => "",
    }
}

/// Groups that change alike stand together. The cluster's own name is left out, so that clusters can be alike.
fn of_cluster(run: &ClusterRun) -> Vec<String> {
    let own = |text: &str| text.replace(run.cluster.as_str(), "<cluster>");
    let mut alike: Vec<(Vec<String>, Vec<&AsgName>)> = Vec::new();
    for task in &run.groups {
        let lines: Vec<String> = of_group(task).iter().map(|line| own(line)).collect();
        match alike.iter_mut().find(|(known, _)| *known == lines) {
            Some((_, names)) => names.push(&task.asg),
            None => alike.push((lines, vec![&task.asg])),
        }
    }
    let mut out = Vec::new();
    for (lines, names) in alike {
        let names: Vec<&str> = names.iter().map(|asg| group(asg, &run.cluster)).collect();
        let mut lines = lines.into_iter();
        let first = lines.next().unwrap_or_default();
        let (sign, what) = first.split_at_checked(1).unwrap_or_default();
        out.push(own(&format!("  {sign} {}: {what}", names.join(", "))));
        out.extend(lines);
    }
    let stored = run.kops.iter().flat_map(|kops| kops.to.keys());
    out.extend(stored.map(|name| format!("  ~ document {}: stored by kops", own(&plain(name)))));
    out
}

/// A sign and what happens, then the fields.
fn of_group(task: &GroupTask) -> Vec<String> {
    match &task.task {
        Task::Create { to, .. } => {
            vec![format!("+create, {}", created(to, &BTreeMap::new()))]
        }
        Task::Retire { .. } => vec!["-retire: drained, ended and deleted".into()],
        Task::Update {
            from, to, replace, ..
        } => {
            let changed = definition_fields(
                &Definition::clone(from).canonical(),
                &Definition::clone(to).canonical(),
            );
            let lines = group_lines(&changed);
            let template = lines.iter().any(|line| !line.in_place);
            let what = match (template, replace) {
                (true, true) => "new launch template version, instances are replaced",
                (true, false) => "new launch template version, for instances launched from then on",
                (false, true) => "instances that run something else are replaced",
                (false, false) => "changes in place",
            };
            let mut out = vec![format!("~{what}")];
            out.extend(fields(&lines, template, WHOLE));
            out
        }
    }
}
