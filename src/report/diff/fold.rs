//! Equal changes together: one item for the same change of many documents or groups, one block for the same items in many clusters. Writes no text.

use std::collections::{BTreeMap, BTreeSet};

use super::super::field::{self, FieldLine};
use super::super::fold::stage_index;
use super::super::shape::{self, SELF};
use super::super::wording::{count, plain};
use crate::fleet::Stage;
use crate::impact::{
    Carrier, ClusterChange, ClusterImpact, DocumentImpact, GroupDifference, GroupImpact, Hunk,
    Impact, Outline, Presence, Sign,
};
use crate::model::{ClusterName, StageName};

/// Stands for the own name of a document or group in every text of a shape.
pub(super) const NAME: char = '\u{e001}';

/// Clusters, and what happens in all of them alike.
#[derive(Debug)]
pub(super) struct Block<'a> {
    /// The clusters, in the order of stages.
    pub(super) clusters: Vec<&'a ClusterName>,
    /// The stage of the first one, when it is in one.
    pub(super) stage: Option<&'a StageName>,
    /// What happens, documents before groups.
    pub(super) items: Vec<DiffItem<'a>>,
}

/// The same change of one or more documents or groups.
#[derive(Debug)]
pub(super) struct DiffItem<'a> {
    /// What changes.
    pub(super) shape: DiffShape,
    /// Of what.
    pub(super) names: Vec<String>,
    /// The templates that make them.
    pub(super) templates: BTreeSet<&'a str>,
    /// The text of the first of them.
    pub(super) sample: Option<Sample<'a>>,
}

/// The text of one document.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample<'a> {
    pub(super) cluster: &'a ClusterName,
    pub(super) document: &'a str,
    pub(super) template: &'a str,
    pub(super) hunks: &'a [Hunk],
}

/// What changes, without what differs by nature: own names, positions, unchanged lines. Equal shapes are the same change.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct DiffShape {
    pub(super) what: DiffSubject,
    pub(super) fields: Vec<FieldLine>,
    lines: Vec<(Sign, String)>,
}

/// What kind of change, in the order in which they are told.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum DiffSubject {
    /// A cluster comes; says what it is.
    ClusterAdded(String),
    /// A cluster goes; says what it was.
    ClusterRemoved(String),
    /// Its file says something else.
    Facts,
    /// Documents stand in another order.
    Layout,
    Document {
        /// Its kind, and its namespace.
        kind: String,
        /// Whether it comes, goes or stays.
        presence: Presence,
        /// Only its text differs.
        text_only: bool,
        /// Who carries it out.
        carrier: Carrier,
    },
    /// A group; `order` puts control planes first.
    Group { order: u8, kind: GroupKind },
}

/// What happens to a group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum GroupKind {
    /// It is changed.
    Changed {
        new_version: bool,
        replaces: bool,
        user_data: bool,
    },
    /// It is made: what it will be, whether it can boot, what it was called before.
    Created {
        text: String,
        user_data: bool,
        like: Option<String>,
    },
    /// It is drained and deleted.
    Retired { protected: bool },
}

/// By shape, then by name: the clusters.
type ByShape<'a> =
    BTreeMap<DiffShape, BTreeMap<String, Vec<(usize, &'a ClusterName, Option<Sample<'a>>)>>>;

/// Everything that happens, folded.
pub(super) fn blocks<'a>(impact: &'a Impact, stages: &'a [Stage]) -> Vec<Block<'a>> {
    let mut by_shape = ByShape::new();
    for (cluster, found) in &impact.clusters {
        let stage = stage_index(cluster, stages);
        for (shape, name, sample) in changes(cluster, found) {
            by_shape
                .entry(shape)
                .or_default()
                .entry(name)
                .or_default()
                .push((stage, cluster, sample));
        }
    }
    let mut by_clusters: BTreeMap<Vec<(usize, &'a ClusterName)>, Vec<DiffItem<'a>>> =
        BTreeMap::new();
    for (shape, names) in by_shape {
        let mut by_where: BTreeMap<Vec<(usize, &'a ClusterName)>, DiffItem<'a>> = BTreeMap::new();
        for (name, mut places) in names {
            places.sort_by_key(|(stage, cluster, _)| (*stage, *cluster));
            let sample = places.first().and_then(|(_, _, sample)| *sample);
            let place = places
                .iter()
                .map(|(stage, cluster, _)| (*stage, *cluster))
                .collect();
            let empty = || DiffItem {
                shape: shape.clone(),
                names: Vec::new(),
                templates: BTreeSet::new(),
                sample,
            };
            let item = by_where.entry(place).or_insert_with(empty);
            item.names.push(name);
            item.templates.extend(
                places
                    .iter()
                    .filter_map(|(_, _, sample)| sample.map(|s| s.template)),
            );
        }
        for (place, item) in by_where {
            by_clusters.entry(place).or_default().push(item);
        }
    }
    let block = |(clusters, items): (Vec<(usize, &'a ClusterName)>, _)| Block {
        stage: clusters
            .first()
            .and_then(|(stage, _)| stages.get(*stage))
            .map(|s| &s.name),
        clusters: clusters.into_iter().map(|(_, name)| name).collect(),
        items,
    };
    by_clusters.into_iter().map(block).collect()
}

type Found<'a> = (DiffShape, String, Option<Sample<'a>>);

fn changes<'a>(cluster: &'a ClusterName, impact: &'a ClusterImpact) -> Vec<Found<'a>> {
    let plain_shape = |what| {
        (
            DiffShape {
                what,
                fields: Vec::new(),
                lines: Vec::new(),
            },
            SELF.to_string(),
            None,
        )
    };
    match impact {
        ClusterImpact::Added(outline) => {
            vec![plain_shape(DiffSubject::ClusterAdded(outlined(outline)))]
        }
        ClusterImpact::Removed(outline) => {
            vec![plain_shape(DiffSubject::ClusterRemoved(outlined(outline)))]
        }
        ClusterImpact::Changed(change) => changed(cluster, change),
    }
}

fn outlined(outline: &Outline) -> String {
    let Outline {
        environment,
        account,
        region,
        groups,
        documents,
    } = outline;
    format!(
        "{environment}, account {account}, {region}, {}, {}",
        count(groups.len(), "group"),
        count(documents.len(), "document")
    )
}

fn changed<'a>(cluster: &'a ClusterName, change: &'a ClusterChange) -> Vec<Found<'a>> {
    let mut found = Vec::new();
    if !change.facts.is_empty() {
        let own = Own {
            cluster,
            name: cluster.as_str(),
        };
        found.push((
            own.shape(
                DiffSubject::Facts,
                field::document_lines(&change.facts),
                &[],
            ),
            SELF.to_string(),
            None,
        ));
    }
    if change.layout {
        found.push((
            DiffShape {
                what: DiffSubject::Layout,
                fields: Vec::new(),
                lines: Vec::new(),
            },
            SELF.to_string(),
            None,
        ));
    }
    found.extend(
        change
            .documents
            .iter()
            .map(|(key, document)| document_change(cluster, key, document)),
    );
    found.extend(
        change
            .groups
            .values()
            .map(|group| group_change(cluster, group)),
    );
    found
}

fn document_change<'a>(
    cluster: &'a ClusterName,
    key: &'a str,
    document: &'a DocumentImpact,
) -> Found<'a> {
    let (kind, name) = key.rsplit_once('/').unwrap_or(("", key));
    let own = Own { cluster, name };
    let what = DiffSubject::Document {
        kind: plain(kind),
        presence: document.presence,
        text_only: document.is_text_only(),
        carrier: document.carrier.clone(),
    };
    let sample = Sample {
        cluster,
        document: key,
        template: &document.template,
        hunks: &document.text,
    };
    (
        own.shape(
            what,
            field::document_lines(&document.fields),
            &document.text,
        ),
        own.cluster_only(&plain(name)),
        Some(sample),
    )
}

fn group_change<'a>(cluster: &'a ClusterName, group: &'a GroupImpact) -> Found<'a> {
    let own = Own {
        cluster,
        name: group.group.as_str(),
    };
    let (kind, fields) = match &group.change {
        GroupDifference::Changed {
            fields,
            replaces,
            user_data,
        } => {
            let kind = GroupKind::Changed {
                new_version: group.change.is_new_version(),
                replaces: *replaces,
                user_data: *user_data,
            };
            (kind, field::group_lines(fields))
        }
        GroupDifference::Created {
            definition,
            user_data,
            like,
        } => {
            let like = like.as_ref().map(ToString::to_string);
            (
                GroupKind::Created {
                    text: own.text(&shape::created(definition, &BTreeMap::new())),
                    user_data: *user_data,
                    like,
                },
                Vec::new(),
            )
        }
        GroupDifference::Retired { protected } => (
            GroupKind::Retired {
                protected: *protected,
            },
            Vec::new(),
        ),
    };
    (
        own.shape(
            DiffSubject::Group {
                order: group.role.rank(),
                kind,
            },
            fields,
            &[],
        ),
        group.group.to_string(),
        None,
    )
}

/// The names that stand for themselves in texts of one document or group.
struct Own<'a> {
    cluster: &'a ClusterName,
    name: &'a str,
}

impl Own<'_> {
    fn shape(&self, what: DiffSubject, mut fields: Vec<FieldLine>, text: &[Hunk]) -> DiffShape {
        fields
            .iter_mut()
            .for_each(|line| line.map_texts(&|text| self.text(text)));
        let lines = text
            .iter()
            .flat_map(|h| &h.lines)
            .filter(|l| l.sign != Sign::Same)
            .map(|l| (l.sign, self.text(&l.text)))
            .collect();
        DiffShape {
            what,
            fields,
            lines,
        }
    }

    fn text(&self, text: &str) -> String {
        replace_word(&self.cluster_only(text), self.name, NAME)
    }

    fn cluster_only(&self, text: &str) -> String {
        text.replace(self.cluster.as_str(), SELF.encode_utf8(&mut [0; 4]))
    }
}

/// Replaces a name where it stands by itself, not where it is a part of a longer one.
fn replace_word(text: &str, name: &str, by: char) -> String {
    let part = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_');
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = (!name.is_empty()).then(|| rest.split_once(name)).flatten() {
        out.push_str(before);
        if out.chars().next_back().is_some_and(part) || after.chars().next().is_some_and(part) {
            out.push_str(name);
        } else {
            out.push(by);
        }
        rest = after;
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_replaced_where_it_stands_alone() {
        for (text, expected) in [
            ("nodes", "*"),
            ("name: nodes.c", "name: *.c"),
            ("admin-nodes, nodes/x, nodes-2", "admin-nodes, */x, nodes-2"),
            ("nodesnodes", "nodesnodes"),
            ("", ""),
        ] {
            assert_eq!(replace_word(text, "nodes", '*'), expected);
        }
        assert_eq!(replace_word("a", "", '*'), "a");
    }
}
