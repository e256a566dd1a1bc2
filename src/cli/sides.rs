//! Two versions of a fleet, compared cluster by cluster: what no changed file reaches is not rendered, and a cluster is let go once it is compared.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::cores::on_all_cores;
use super::failure::Failure;
use super::pipeline::{Prepared, Preparer, Trees};
use crate::fleet::{self, Cluster, Fleet, Source, Vars};
use crate::impact::{ClusterImpact, Impact, RenderedVersion, of_cluster, of_settings};
use crate::model::ClusterName;

/// One version of a fleet, loaded.
pub(super) struct FleetSide {
    pub(super) fleet: Fleet,
    /// What it is called.
    label: String,
    /// The folder that it was read from, which is ours where it is a checkout.
    folder: String,
}

impl FleetSide {
    /// Reads the files. Where that fails, faults in what the sides before it render to are told first.
    pub(super) fn load(folder: &Path, label: &str, before: &[&FleetSide]) -> Result<Self, Failure> {
        let named = FleetSide::named(folder, label);
        match fleet::load(folder) {
            Ok(fleet) => Ok(FleetSide {
                fleet,
                label: named.0,
                folder: named.1,
            }),
            Err(error) => {
                for side in before {
                    let nothing = |_: &Cluster, _| Ok(());
                    let all = side.preparer()?.each(Trees::Dropped, nothing);
                    all.map_err(|e| side.fault(e))?;
                }
                Err(fault(&named.0, &named.1, error.into()))
            }
        }
    }

    fn named(folder: &Path, label: &str) -> (String, String) {
        (label.to_owned(), format!("{}: ", folder.display()))
    }

    fn preparer(&self) -> Result<Preparer<'_>, Failure> {
        Preparer::new(&self.fleet).map_err(|e| self.fault(e))
    }

    fn fault(&self, failure: Failure) -> Failure {
        fault(&self.label, &self.folder, failure)
    }
}

/// The folder of a checkout is gone when this is read.
fn fault(label: &str, folder: &str, failure: Failure) -> Failure {
    let text = failure.text.replace(folder, "");
    Failure::new(format!("the fleet of {label} does not render:\n{text}")).hints(failure.hints)
}

/// What came of a comparison.
pub(super) struct Comparison {
    pub(super) impact: Impact,
    /// Of the new version, in so far as the old one does not have them: what was there before is no news of this change.
    pub(super) warnings: Vec<String>,
    /// Clusters that no changed file reaches: they were not rendered.
    pub(super) unreached: usize,
}

/// What came of the comparison of one cluster.
enum One {
    Unreached,
    Compared(Option<Box<ClusterImpact>>, Vec<String>),
    /// A fault in the old version.
    Before(Failure),
    /// A fault in the new version alone.
    After(Failure),
}

/// Compares two versions. What is wrong in a cluster that the change reaches is told; the old version's faults first.
pub(super) fn compare(before: &FleetSide, after: &FleetSide) -> Result<Comparison, Failure> {
    let preparers = (before.preparer(), after.preparer());
    let (old, new) = match preparers {
        (Ok(old), Ok(new)) => (old, new),
        (Err(failure), _) => return Err(failure),
        (Ok(old), Err(failure)) => {
            old.each(Trees::Dropped, |_, _| Ok(()))
                .map_err(|e| before.fault(e))?;
            return Err(failure);
        }
    };
    let reach = Reach::of(&before.fleet, &after.fleet);
    let clusters = [&before.fleet.clusters, &after.fleet.clusters];
    let names: BTreeSet<&ClusterName> = clusters.into_iter().flat_map(BTreeMap::keys).collect();
    let names: Vec<&ClusterName> = names.into_iter().collect();
    let all = on_all_cores(&names, |name| {
        let [from, to] = clusters.map(|c| c.get(*name));
        Ok(one(&reach, (&old, from), (&new, to)))
    })?;
    let mut found = Comparison {
        impact: Impact {
            compared: names.len(),
            settings: of_settings(&before.fleet.settings, &after.fleet.settings),
            clusters: BTreeMap::new(),
        },
        warnings: Vec::new(),
        unreached: 0,
    };
    let mut of_new = None;
    for (name, one) in names.into_iter().zip(all) {
        match one {
            One::Unreached => found.unreached += 1,
            One::Compared(impact, warnings) => {
                found.warnings.extend(warnings);
                let impact = impact.map(|impact| (name.clone(), *impact));
                found.impact.clusters.extend(impact);
            }
            One::Before(failure) => return Err(before.fault(failure)),
            One::After(failure) => of_new = of_new.or(Some(failure)),
        }
    }
    match of_new {
        Some(failure) => Err(after.fault(failure)),
        None => Ok(found),
    }
}

fn one(
    reach: &Reach<'_>,
    (old, from): (&Preparer<'_>, Option<&Cluster>),
    (new, to): (&Preparer<'_>, Option<&Cluster>),
) -> One {
    if let (Some(from), Some(to)) = (from, to)
        && !reach.reaches(from, to)
    {
        return One::Unreached;
    }
    let prepared = |preparer: &Preparer<'_>, cluster: Option<&Cluster>| {
        let one = cluster.map(|c| preparer.one(c, Trees::Kept));
        one.transpose()
    };
    let was = match prepared(old, from) {
        Ok(was) => was,
        Err(failure) => return One::Before(failure),
    };
    let is = match prepared(new, to) {
        Ok(is) => is,
        Err(failure) => return One::After(failure),
    };
    let impact = of_cluster(
        version(from, was.as_ref()).as_ref(),
        version(to, is.as_ref()).as_ref(),
    );
    let known = was.map(|w| w.warnings).unwrap_or_default();
    let warnings = is.map(|i| i.warnings).unwrap_or_default();
    let new = warnings.into_iter().filter(|w| !known.contains(w));
    One::Compared(impact.map(Box::new), new.collect())
}

fn version<'a>(
    cluster: Option<&'a Cluster>,
    prepared: Option<&'a Prepared>,
) -> Option<RenderedVersion<'a>> {
    let prepared = prepared?;
    Some(RenderedVersion {
        cluster: cluster?,
        rendered: &prepared.rendered,
        desired: &prepared.desired,
    })
}

/// What of two versions of a fleet is the same for all clusters.
struct Reach<'f> {
    /// Whether what every cluster sees is the same: snippets, the names of all clusters, what is accepted.
    is_common_same: bool,
    before: &'f BTreeMap<String, Source>,
    after: &'f BTreeMap<String, Source>,
}

impl<'f> Reach<'f> {
    fn of(before: &'f Fleet, after: &'f Fleet) -> Self {
        let names = before.clusters.keys().eq(after.clusters.keys());
        Reach {
            // Which snippets a template includes may be known only when it is rendered.
            is_common_same: names
                && before.snippets == after.snippets
                && before.settings.accept == after.settings.accept,
            before: &before.templates,
            after: &after.templates,
        }
    }

    /// Whether anything differs that a cluster is made from: its file, its vars, its templates, what all see.
    fn reaches(&self, from: &Cluster, to: &Cluster) -> bool {
        let differs = |name: &String| self.before.get(name) != self.after.get(name);
        !self.is_common_same || !is_same(from, to) || to.templates.iter().any(differs)
    }
}

/// Whether the files of a cluster say the same. Where something stands in its vars is not what it says, and a folder of kops' state is below that of
/// the fleet, wherever that was read from.
fn is_same(from: &Cluster, to: &Cluster) -> bool {
    let rest = |cluster: &Cluster| Cluster {
        vars: Vars::default(),
        state_store: None,
        ..cluster.clone()
    };
    let (old, new) = (&from.vars.layers, &to.vars.layers);
    let layers = || {
        old.iter()
            .zip(new)
            .all(|(a, b)| a.node.says_the_same(&b.node))
    };
    old.len() == new.len() && rest(from) == rest(to) && layers()
}
