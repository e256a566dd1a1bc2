//! Clusters of equal shape together, in the order of stages. Writes no text.

use std::collections::BTreeMap;

use super::shape::{self, Detail, Shape};
use crate::fleet::Stage;
use crate::model::{ClusterName, StageName};
use crate::plan::{ClusterPlan, Plan};

/// Clusters that change in the same way.
#[derive(Debug)]
pub(super) struct Fold<'p> {
    /// What changes.
    pub(super) shape: Shape,
    /// The clusters, in the order of stages.
    pub(super) clusters: Vec<FoldedCluster<'p>>,
}

/// One cluster of a fold.
#[derive(Debug)]
pub(super) struct FoldedCluster<'p> {
    pub(super) name: &'p ClusterName,
    pub(super) plan: &'p ClusterPlan,
    /// Its stage, when it is in one.
    pub(super) stage: Option<&'p StageName>,
    /// What the shape leaves out.
    pub(super) details: Vec<Vec<Detail>>,
}

/// The clusters of `plan` that have something to say, folded. With `notes`, notes alone are something to say.
pub(super) fn folds<'p>(plan: &'p Plan, stages: &'p [Stage], notes: bool) -> Vec<Fold<'p>> {
    let mut members: Vec<(usize, &ClusterName, &ClusterPlan)> = plan
        .clusters
        .iter()
        .filter(|(_, c)| !c.is_empty() || (notes && !(c.notes.is_empty() && c.pending.is_empty())))
        .map(|(name, c)| (stage_index(name, stages), name, c))
        .collect();
    members.sort_by_key(|(stage, name, _)| (*stage, *name));
    let mut index: BTreeMap<Shape, usize> = BTreeMap::new();
    let mut folds: Vec<Fold<'p>> = Vec::new();
    for (stage, name, plan) in members {
        let (shape, details) = shape::of(name, plan);
        let member = FoldedCluster {
            name,
            plan,
            stage: stages.get(stage).map(|s| &s.name),
            details,
        };
        let at = *index.entry(shape.clone()).or_insert(folds.len());
        match folds.get_mut(at) {
            Some(fold) => fold.clusters.push(member),
            None => folds.push(Fold {
                shape,
                clusters: vec![member],
            }),
        }
    }
    folds
}

/// The index of the stage that holds the cluster; one past the last for none.
pub(super) fn stage_index(cluster: &ClusterName, stages: &[Stage]) -> usize {
    stages
        .iter()
        .position(|s| s.waves.iter().any(|w| w.clusters.contains(cluster)))
        .unwrap_or(stages.len())
}
