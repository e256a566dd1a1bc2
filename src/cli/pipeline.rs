//! From the fleet's folder to what every cluster should be: load, render, read as kops reads, compile. Reads files; asks no cloud.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;

use super::cores::on_all_cores;
use super::failure::Failure;
use super::lint_rules::LintRules;
use crate::cloud::Place;
use crate::desired::{DesiredCluster, DesiredError, GroupExtras};
use crate::fleet::{self, Cluster, Fleet, Settings};
use crate::kops::{self, KopsError, Manifests, Role};
use crate::lint::{ClusterFacts, Finding};
use crate::model::{ClusterName, Digest, GroupName, digest_of};
use crate::render::{ClusterRenderer, Rendered, Renderer};

/// One cluster, rendered and compiled.
pub(super) struct Prepared {
    pub(super) rendered: Rendered,
    pub(super) desired: DesiredCluster,
    /// What kops would drop without a word, and other things worth a look.
    pub(super) warnings: Vec<String>,
    /// What lint looks at, where that is wanted.
    pub(super) facts: Option<Arc<ClusterFacts>>,
    /// How many of its files in `rendered/` are not as rendered; none where that was not looked at. Its text is let go once it was.
    pub(super) outdated: Option<usize>,
}

/// The whole fleet, rendered and compiled.
pub(super) struct PreparedFleet {
    pub(super) fleet: Fleet,
    pub(super) clusters: BTreeMap<ClusterName, Prepared>,
    /// The digest of everything that can influence rendering.
    pub(super) release: Digest,
    /// What lint found that blocks a rollout of its clusters, where that was looked for.
    pub(super) blocking: Vec<Finding>,
}

impl PreparedFleet {
    /// Warnings of all clusters.
    pub(super) fn warnings(&self) -> impl Iterator<Item = &String> {
        self.clusters.values().flat_map(|c| &c.warnings)
    }

    /// Where these clusters are looked at, by name; of others nothing.
    pub(super) fn places(&self, named: &BTreeSet<ClusterName>) -> Vec<Place> {
        let chosen = self
            .clusters
            .iter()
            .filter(|(name, _)| named.contains(*name));
        let place = |(name, cluster): (&ClusterName, &Prepared)| Place {
            cluster: name.clone(),
            account: cluster.desired.account.clone(),
            region: cluster.desired.region.clone(),
        };
        chosen.map(place).collect()
    }
}

/// Loads the fleet and prepares every cluster: what is wrong anywhere stops everything, before anything is written.
pub(super) fn prepare(directory: &Path) -> Result<PreparedFleet, Failure> {
    prepared(directory, Trees::Dropped)
}

/// As [`prepare`], with the trees of all documents, which take many times the room of their text.
pub(super) fn prepare_with_trees(directory: &Path) -> Result<PreparedFleet, Failure> {
    prepared(directory, Trees::Kept)
}

/// As [`prepare`], with what lint looks at.
pub(super) fn prepare_for_lint(directory: &Path) -> Result<PreparedFleet, Failure> {
    prepared(directory, Trees::Linted)
}

/// As [`prepare`], looked at by lint's rules.
pub(super) fn prepare_looked_at(fleet: Fleet, rules: &LintRules) -> Result<PreparedFleet, Failure> {
    all(fleet, Trees::LookedAt(rules), |_, prepared| Ok(prepared))
}

/// What becomes of the trees of rendered documents once they are compiled.
#[derive(Clone, Copy)]
pub(super) enum Trees<'l> {
    Kept,
    Dropped,
    /// Dropped, and what lint looks at is kept.
    Linted,
    /// Dropped, and looked at by these rules: what they compare between clusters is kept.
    LookedAt(&'l LintRules),
}

fn prepared(directory: &Path, trees: Trees<'_>) -> Result<PreparedFleet, Failure> {
    all(fleet::load(directory)?, trees, |_, prepared| Ok(prepared))
}

/// What `take` leaves of every cluster of a fleet.
pub(super) fn all(
    fleet: Fleet,
    trees: Trees<'_>,
    take: impl Fn(&Cluster, Prepared) -> Result<Prepared, Failure> + Sync,
) -> Result<PreparedFleet, Failure> {
    let clusters = Preparer::new(&fleet)?.each(trees, take)?;
    let release = release(&fleet);
    Ok(PreparedFleet {
        fleet,
        clusters,
        release,
        blocking: Vec::new(),
    })
}

/// Prepares the clusters of a fleet, one or all.
pub(super) struct Preparer<'f> {
    fleet: &'f Fleet,
    renderer: Renderer<'f>,
}

impl<'f> Preparer<'f> {
    /// Compiles the templates.
    pub(super) fn new(fleet: &'f Fleet) -> Result<Self, Failure> {
        let renderer = Renderer::new(fleet)?;
        Ok(Preparer { fleet, renderer })
    }

    /// What `take` makes of every cluster, on all cores. A cluster is let go before the next one comes, so that what is kept of it decides how much
    /// memory a fleet takes.
    pub(super) fn each<T: Send>(
        &self,
        trees: Trees<'_>,
        take: impl Fn(&Cluster, Prepared) -> Result<T, Failure> + Sync,
    ) -> Result<BTreeMap<ClusterName, T>, Failure> {
        let clusters: Vec<&Cluster> = self.fleet.clusters.values().collect();
        let taken = on_all_cores(&clusters, |cluster| {
            take(cluster, self.one(cluster, trees)?)
        })?;
        Ok(clusters.iter().map(|c| c.name.clone()).zip(taken).collect())
    }

    /// One cluster.
    pub(super) fn one(&self, cluster: &Cluster, trees: Trees<'_>) -> Result<Prepared, Failure> {
        prepare_one(&self.renderer, &self.fleet.settings, cluster, trees)
    }
}

/// What the manifests of a cluster are read for.
pub(super) fn target(cluster: &Cluster, accept: &BTreeSet<String>) -> kops::KopsTarget {
    kops::KopsTarget {
        version: cluster.kops_version.unwrap_or_default(),
        region: Some(cluster.region.clone()),
        accepted: accept.clone(),
    }
}

fn prepare_one(
    renderer: &Renderer<'_>,
    settings: &Settings,
    cluster: &Cluster,
    trees: Trees<'_>,
) -> Result<Prepared, Failure> {
    let of_cluster = renderer.of(&cluster.name)?;
    let mut rendered = of_cluster.render()?;
    let target = target(cluster, &settings.accept);
    let documents = rendered.documents.iter().map(|d| &d.document);
    let manifests = kops::read_for(documents, &target)
        .map_err(|errors| manifest_failure(renderer, &rendered, &errors.0))?;
    match trees {
        Trees::Kept => {}
        Trees::Dropped | Trees::Linted | Trees::LookedAt(_) => rendered.documents = Vec::new(),
    }
    if !manifests.misread.is_empty() {
        return Err(manifest_failure(renderer, &rendered, &manifests.misread));
    }
    if manifests.cluster.name != cluster.name {
        return Err(Failure::new(format!(
            "{}: the templates render the Cluster `{}`",
            cluster.file, manifests.cluster.name
        ))
        .hint("use `{{ cluster.name }}` as its name"));
    }
    let extras = extras(&of_cluster, cluster, &manifests)?;
    let desired = DesiredCluster::new(
        &manifests,
        cluster.account.clone(),
        cluster.region.clone(),
        &extras,
    )
    .map_err(|e| match e {
        DesiredError::Refused(errors) => manifest_failure(renderer, &rendered, &errors.0),
        other @ (DesiredError::Name { .. }
        | DesiredError::SameName { .. }
        | DesiredError::NoSuchGroup(_)
        | DesiredError::UserData { .. }) => Failure::new(format!("{}: {other}", cluster.name)),
    })?;
    let warnings = manifests.warnings.iter().map(|w| {
        let from = rendered
            .origin(w.pos.line)
            .map(|t| format!(", rendered from {t}"))
            .unwrap_or_default();
        let hint = w
            .hint
            .as_ref()
            .map(|h| format!("; {h}"))
            .unwrap_or_default();
        format!(
            "{}: {}: {}{hint} (line {}{from})",
            cluster.name, w.document, w.message, w.pos.line
        )
    });
    let warnings = warnings.collect();
    let facts = match trees {
        Trees::Kept | Trees::Dropped => None,
        Trees::Linted => Some(Arc::new(facts(cluster, &desired, manifests)?)),
        Trees::LookedAt(rules) => {
            let mut facts = facts(cluster, &desired, manifests)?;
            rules.look_ahead(&mut facts, settings);
            Some(Arc::new(facts))
        }
    };
    Ok(Prepared {
        rendered,
        desired,
        warnings,
        facts,
        outdated: None,
    })
}

/// What the fleet says of each group beside its manifest.
fn extras(
    renderer: &ClusterRenderer<'_, '_>,
    cluster: &Cluster,
    manifests: &Manifests,
) -> Result<BTreeMap<GroupName, GroupExtras>, Failure> {
    let mut extras = BTreeMap::new();
    for group in &manifests.groups {
        let user_data = renderer.user_data(&group.name, role_name(group.role))?;
        let user_data =
            user_data.map(|text| base64::engine::general_purpose::STANDARD.encode(text));
        let extra = GroupExtras {
            user_data,
            protect: cluster.protect.contains(&group.name),
        };
        extras.insert(group.name.clone(), extra);
    }
    Ok(extras)
}

fn facts(
    cluster: &Cluster,
    desired: &DesiredCluster,
    manifests: Manifests,
) -> Result<ClusterFacts, Failure> {
    let facts = ClusterFacts::of(desired, cluster.environment.to_string(), manifests);
    facts.map_err(|e| Failure::new(format!("{}: {e}", cluster.name)))
}

/// The role as kops writes it into the state store's paths.
fn role_name(role: Role) -> &'static str {
    match role {
        Role::ControlPlane => "control-plane",
        Role::ApiServer => "apiserver",
        Role::Node => "node",
        Role::Bastion => "bastion",
    }
}

/// Every fault with its rendered line, a caret, and the template line that wrote it. One template line that is wrong for
/// many documents is one fault: it is shown for the first, the others are named.
fn manifest_failure(renderer: &Renderer<'_>, rendered: &Rendered, errors: &[KopsError]) -> Failure {
    let trace = renderer.trace(rendered).unwrap_or_default();
    let written = |error: &KopsError| {
        trace
            .line(error.pos.line)
            .map(|l| format!("{}:{}", l.template, l.line))
    };
    let mut faults: Vec<(&KopsError, Option<String>, Vec<&str>)> = Vec::new();
    for error in errors {
        let from = written(error);
        match faults.iter_mut().find(|(first, place, _)| {
            place.is_some() && *place == from && first.message == error.message
        }) {
            Some((_, _, others)) => others.push(&error.document),
            None => faults.push((error, from, Vec::new())),
        }
    }
    Failure::new(
        faults
            .iter()
            .map(|(error, from, others)| fault(rendered, error, from.as_deref(), others))
            .collect::<Vec<_>>()
            .join("\n"),
    )
}

fn fault(rendered: &Rendered, error: &KopsError, from: Option<&str>, others: &[&str]) -> String {
    let line = rendered
        .text
        .lines()
        .nth(usize::try_from(error.pos.line.saturating_sub(1)).unwrap_or(usize::MAX))
        .unwrap_or_default();
    let number = error.pos.line.to_string();
    let (margin, caret) = (
        " ".repeat(number.len()),
        " ".repeat(usize::try_from(error.pos.column.saturating_sub(1)).unwrap_or(0)),
    );
    let place = format!("rendered/{}/manifests.yaml:{}", rendered.cluster, error.pos);
    let from = from.map(|t| format!("{t}: ")).unwrap_or_default();
    let mut text = format!(
        "{from}{}: {}\n{margin}--> {place}\n{margin} |\n{number} | {line}\n{margin} | {caret}^\n",
        error.document, error.message
    );
    if !others.is_empty() {
        text.push_str(&format!("{margin} = the same in {}\n", others.join(", ")));
    }
    if let Some(hint) = &error.hint {
        text.push_str(&format!("{margin} = {hint}\n"));
    }
    text
}

/// The digest of everything that can influence rendering: templates, snippets, vars and cluster files.
pub(super) fn release(fleet: &Fleet) -> Digest {
    let sources: Vec<(&String, &String)> = fleet
        .templates
        .values()
        .chain(fleet.snippets.values())
        .map(|s| (&s.path, &s.text))
        .collect();
    let clusters: Vec<_> = fleet.clusters.values().map(Released).collect();
    digest_of(&(sources, clusters))
}

/// What a release says of a cluster. Its vars become JSON when they are written: those of all clusters would fill more room than the fleet.
struct Released<'f>(&'f Cluster);

impl serde::Serialize for Released<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Released(c) = self;
        (
            &c.name,
            &c.environment,
            &c.region,
            &c.account,
            &c.templates,
            &c.protect,
            c.vars.to_json(),
        )
            .serialize(serializer)
    }
}
