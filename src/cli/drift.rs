//! `kfleet drift`: what is live against what was last applied. Takes no lock, changes nothing; leaves what it found for `kfleet status`.

use std::collections::{BTreeMap, BTreeSet};

use super::args::{Arguments, DriftArguments, DriftFailOn};
use super::failure::Failure;
use super::formats::DriftFormat;
use super::git::Repository;
use super::output::Output;
use super::pipeline::{PreparedFleet, prepare};
use super::render::select;
use super::rollout::all_unfinished;
use super::world;
use super::{Exit, documents, plan as plans, store};
use crate::cloud::Cloud as _;
use crate::desired::DesiredCluster;
use crate::fleet::Engine;
use crate::model::{ClusterName, Live};
use crate::plan::{
    Allow, Baseline, Blocked, ClusterPlan, DriftClass, DriftSeen, Policy, Wanted, drift_items,
    plan, unread,
};
use crate::report::{self, DriftFound, DriftOf, Style, Trail};
use crate::rollout::ClusterState;
use crate::store::{CloudKind, Store};

pub(super) async fn run(
    arguments: &Arguments,
    command: &DriftArguments,
    output: &Output,
) -> Result<Exit, Failure> {
    let prepared = prepare(&arguments.directory)?;
    let named = select(&prepared.fleet, &command.clusters)?;
    let store = store::store(arguments, &prepared.fleet)?;
    let world = world::open_to_look(arguments, &prepared, &store).await?;
    let places = prepared.places(&named);
    let live = documents::sight(&prepared, &world, &places, output)
        .await?
        .without_held(&plans::held(&store)?);
    let look = Look {
        arguments,
        prepared: &prepared,
        live: &live,
        baselines: store.baselines()?,
        rolling: rolling(&store)?,
    };
    let found = look.all(&named);
    for (name, one) in &found {
        leave(&store, name, one, world.now(), output);
    }
    show(arguments, command, (&look, &found), store.kind(), output)?;
    ended(command, &found)
}

/// Clusters that the rollout under way is changing, with its id.
fn rolling(store: &Store) -> Result<BTreeMap<ClusterName, String>, Failure> {
    let mut found = BTreeMap::new();
    for (rollout, progress) in all_unfinished(store)? {
        let changing = progress.clusters.iter().filter(|(_, c)| match c.state {
            ClusterState::Rolling | ClusterState::Checking(_) => true,
            ClusterState::Waiting | ClusterState::Verified(_) | ClusterState::Restored => false,
        });
        found.extend(changing.map(|(name, _)| (name.clone(), rollout.id.clone())));
    }
    Ok(found)
}

struct Look<'a> {
    arguments: &'a Arguments,
    prepared: &'a PreparedFleet,
    live: &'a Live,
    baselines: BTreeMap<ClusterName, Baseline>,
    rolling: BTreeMap<ClusterName, String>,
}

impl Look<'_> {
    fn all(&self, named: &BTreeSet<ClusterName>) -> BTreeMap<ClusterName, DriftFound> {
        let mut of_commits = BTreeMap::new();
        named
            .iter()
            .map(|name| (name.clone(), self.one(name, &mut of_commits)))
            .collect()
    }

    fn one(
        &self,
        name: &ClusterName,
        of_commits: &mut BTreeMap<String, Result<PreparedFleet, String>>,
    ) -> DriftFound {
        if let Some(rollout) = self.rolling.get(name) {
            return DriftFound::UnderWay(rollout.clone());
        }
        let live = self.live.clusters.get(name);
        let wanted = self.prepared.clusters.get(name).map(|c| &c.desired);
        let planned = wanted.and_then(|wanted| Some((wanted, self.planned(name, wanted)?)));
        // It was not planned: it was not read either.
        let Some((wanted, desired)) = planned else {
            return DriftFound::NotRead(vec![Blocked::NotRead]);
        };
        let unread = unread(&desired);
        if !unread.is_empty() {
            return DriftFound::NotRead(unread);
        }
        let (applied, unknown) = match self.applied(name, wanted, of_commits) {
            Ok(applied) => (self.planned(name, applied), None),
            Err(why) => (None, Some(why)),
        };
        DriftFound::Compared {
            items: drift_items(&desired, applied.as_ref(), live),
            unknown,
        }
    }

    /// What was last applied to a cluster: what git wants now where that is the same, or else what the commit of that rollout says, if it still comes
    /// to the digest that was recorded.
    fn applied<'p>(
        &self,
        name: &ClusterName,
        desired: &'p DesiredCluster,
        of_commits: &'p mut BTreeMap<String, Result<PreparedFleet, String>>,
    ) -> Result<&'p DesiredCluster, String> {
        let baseline = self
            .baselines
            .get(name)
            .ok_or("no rollout of it was verified yet")?;
        if baseline.digest == desired.digest {
            return Ok(desired);
        }
        let commit = baseline.commit.as_ref().ok_or_else(|| {
            format!(
                "rollout {} does not say of which commit it was",
                baseline.rollout
            )
        })?;
        let of_commit = of_commits
            .entry(commit.clone())
            .or_insert_with(|| self.at(commit))
            .as_ref()
            .map_err(Clone::clone)?;
        of_commit
            .clusters
            .get(name)
            .map(|c| &c.desired)
            .filter(|applied| applied.digest == baseline.digest)
            .ok_or_else(|| {
                format!(
                    "rollout {} was not of its commit alone, or of another kfleet",
                    baseline.rollout
                )
            })
    }

    fn at(&self, commit: &str) -> Result<PreparedFleet, String> {
        let text = |failure: Failure| failure.text;
        let repository = Repository::of(&self.arguments.directory).map_err(text)?;
        let revision = repository.revision(commit).map_err(text)?;
        let checkout = repository.checkout(&revision).map_err(text)?;
        prepare(checkout.folder())
            .map_err(|failure| format!("its commit does not render: {}", failure.text))
    }

    /// The difference between this and what is live. Nothing of it is done: all is allowed.
    fn planned(&self, name: &ClusterName, desired: &DesiredCluster) -> Option<ClusterPlan> {
        let nothing = BTreeSet::new();
        let wanted = Wanted {
            desired,
            baseline: self.baselines.get(name),
            protect: &nothing,
            retire: &nothing,
            // Who would carry it out makes no difference to what differs.
            engine: Engine::Asg,
            no_way_back: true,
        };
        let allow = Allow {
            retire: true,
            shrink: true,
            documents: false,
            nodes: true,
        };
        let policy = Policy::of(&self.prepared.fleet.settings);
        let release = self.prepared.release.clone();
        plan(release, &[wanted], self.live, &policy, allow)
            .clusters
            .remove(name)
    }
}

/// Who may only read the store looks as well as others.
fn leave(
    store: &Store,
    name: &ClusterName,
    found: &DriftFound,
    now: crate::model::Timestamp,
    output: &Output,
) {
    let DriftFound::Compared { items, .. } = found else {
        return;
    };
    if let Err(error) = store.put_drift_seen(&DriftSeen::of(name, items, now)) {
        output.cloud_story(&format!(
            "what was found is not left for `kfleet status`: {error}"
        ));
    }
}

fn show(
    arguments: &Arguments,
    command: &DriftArguments,
    (look, found): (&Look<'_>, &BTreeMap<ClusterName, DriftFound>),
    kind: CloudKind,
    output: &Output,
) -> Result<(), Failure> {
    let all: Vec<DriftOf<'_>> = drifts(look, found);
    let style = Style {
        colour: output.colour(),
        full: arguments.verbose,
    };
    let trail = match kind {
        CloudKind::Aws => Trail::CloudTrail,
        CloudKind::Local => Trail::None,
    };
    match command.format {
        DriftFormat::Text => output.cloud_result(&report::drift_text(&all, trail, style)),
        DriftFormat::Json => output.result(&report::drift_json(&all)),
        DriftFormat::Junit => output.result(&report::drift_junit(&all, |class| {
            counts(command.fail_on, class)
        })),
    }
}

fn drifts<'a>(
    look: &'a Look<'_>,
    found: &'a BTreeMap<ClusterName, DriftFound>,
) -> Vec<DriftOf<'a>> {
    found
        .iter()
        .filter_map(|(name, found)| {
            Some(DriftOf {
                cluster: name,
                region: &look.prepared.fleet.clusters.get(name)?.region,
                baseline: look.baselines.get(name),
                found,
            })
        })
        .collect()
}

/// Whether drift of a class is a failure.
fn counts(fail_on: DriftFailOn, class: DriftClass) -> bool {
    match (fail_on, class) {
        (DriftFailOn::Never, _) | (_, DriftClass::OwnedByOthers) => false,
        (DriftFailOn::Others | DriftFailOn::Any, DriftClass::ByOthers | DriftClass::NotKnown) => {
            true
        }
        (fail_on, DriftClass::NotApplied) => fail_on == DriftFailOn::Any,
    }
}

fn ended(
    command: &DriftArguments,
    found: &BTreeMap<ClusterName, DriftFound>,
) -> Result<Exit, Failure> {
    let counts = |class: DriftClass| counts(command.fail_on, class);
    let (mut differs, mut unread) = (false, Vec::new());
    for (name, found) in found {
        match found {
            DriftFound::Compared { items, .. } => differs |= items.iter().any(|i| counts(i.class)),
            DriftFound::NotRead(_) => unread.push(name.to_string()),
            DriftFound::UnderWay(_) => {}
        }
    }
    if !unread.is_empty() {
        return Err(Failure::new(format!(
            "not everything could be read: {}",
            unread.join(", ")
        ))
        .hint("`kfleet doctor` says what is missing"));
    }
    Ok(if differs { Exit::Changes } else { Exit::Good })
}
