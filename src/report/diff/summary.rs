//! How much changes, in numbers. Writes a few lines, whatever the size of the fleet.

use serde::Serialize;

use super::super::wording::count;
use crate::impact::{Carrier, ClusterImpact, DocumentImpact, GroupDifference, Impact, Presence};

/// The numbers of a difference.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Numbers {
    clusters: usize,
    clusters_changed: usize,
    clusters_added: usize,
    clusters_removed: usize,
    documents_changed: usize,
    documents_text_only: usize,
    documents_added: usize,
    documents_removed: usize,
    documents_for_kops: usize,
    groups_replaced: usize,
    groups_on_next_launch: usize,
    groups_in_place: usize,
    groups_created: usize,
    groups_retired: usize,
}

impl Numbers {
    pub(super) fn of(impact: &Impact) -> Self {
        let mut numbers = Numbers {
            clusters: impact.compared,
            ..Numbers::default()
        };
        for cluster in impact.clusters.values() {
            match cluster {
                ClusterImpact::Added(_) => numbers.clusters_added += 1,
                ClusterImpact::Removed(_) => numbers.clusters_removed += 1,
                ClusterImpact::Changed(change) => {
                    numbers.clusters_changed += 1;
                    change.documents.values().for_each(|d| numbers.document(d));
                    change
                        .groups
                        .values()
                        .for_each(|g| numbers.group(&g.change));
                }
            }
        }
        numbers
    }

    fn document(&mut self, document: &DocumentImpact) {
        match document.presence {
            Presence::Added => self.documents_added += 1,
            Presence::Removed => self.documents_removed += 1,
            Presence::Changed => self.documents_changed += 1,
        }
        self.documents_text_only += usize::from(document.is_text_only());
        self.documents_for_kops += usize::from(matches!(
            document.carrier,
            Carrier::Kops | Carrier::KopsInPart(_)
        ));
    }

    fn group(&mut self, change: &GroupDifference) {
        match change {
            GroupDifference::Created { .. } => self.groups_created += 1,
            GroupDifference::Retired { .. } => self.groups_retired += 1,
            GroupDifference::Changed { replaces: true, .. } if change.is_new_version() => {
                self.groups_replaced += 1
            }
            GroupDifference::Changed { .. } if change.is_new_version() => {
                self.groups_on_next_launch += 1
            }
            GroupDifference::Changed { fields, .. } => {
                self.groups_in_place += usize::from(!fields.is_empty())
            }
        }
    }

    /// One line each for clusters, documents and groups.
    pub(super) fn lines(&self) -> Vec<String> {
        let clusters = joined(vec![
            of(self.clusters_changed, "changed"),
            of(self.clusters_added, "new"),
            of(self.clusters_removed, "gone"),
        ]);
        let documents = self.documents();
        let groups = joined(vec![
            of(self.groups_replaced, "with all instances replaced"),
            of(
                self.groups_on_next_launch,
                "with a new launch template version for later launches",
            ),
            of(self.groups_in_place, "changed in place"),
            of(self.groups_created, "created"),
            of(self.groups_retired, "retired"),
        ]);
        vec![
            format!(
                "clusters: {clusters}; {} compared",
                count(self.clusters, "cluster")
            ),
            format!("documents: {documents}"),
            format!("groups: {groups}"),
        ]
    }

    fn documents(&self) -> String {
        joined(vec![
            of(self.documents_changed - self.documents_text_only, "changed"),
            of(self.documents_text_only, "without change of meaning"),
            of(self.documents_added, "new"),
            of(self.documents_removed, "gone"),
            of(self.documents_for_kops, "of them for kops to carry out"),
        ])
    }
}

fn of(n: usize, text: &str) -> Option<String> {
    (n > 0).then(|| format!("{n} {text}"))
}

fn joined(parts: Vec<Option<String>>) -> String {
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() {
        "no change".to_owned()
    } else {
        parts.join(", ")
    }
}
