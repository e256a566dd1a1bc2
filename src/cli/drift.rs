//! `kfleet drift`: what is live against what was last applied. Takes no lock, changes nothing; leaves what it found for `kfleet status`.

mod accept;
mod look;

use std::collections::BTreeMap;

use super::args::{Arguments, DriftArguments, DriftFailOn};
use super::failure::Failure;
use super::formats::DriftFormat;
use super::output::Output;
use super::pipeline::prepare;
use super::render::select;
use super::rollout::all_unfinished;
use super::world;
use super::{Exit, documents, notify, plan as plans, store};
use crate::cloud::Cloud as _;
use crate::model::ClusterName;
use crate::plan::{DriftClass, DriftSeen};
use crate::report::{self, DriftFound, DriftOf, Style, Trail};
use crate::rollout::ClusterState;
use crate::store::{CloudKind, Store};

use look::Look;

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
    let settings = &prepared.fleet.settings;
    let rules = (settings.notify.as_slice(), settings.stages.as_slice());
    notify::tell_drift(&store, rules, &by_others(&found), world.now(), output).await;
    let accepted = command.accept && accept::accept(&look, &found, command.yes, output)?;
    let ended = ended(command, &found)?;
    if ended == Exit::Changes && !matches!(command.format, DriftFormat::Text) {
        // What a pipeline's log shows of it.
        let summary = report::drift_summary(&drifts(&look, &found));
        output.cloud_story(&format!("{summary}; exit code 2, as `--fail-on` says"));
    }
    // What is accepted is git's from now on; what git wants and was not applied is as it was.
    Ok(match command.fail_on {
        DriftFailOn::Others if accepted => Exit::Good,
        DriftFailOn::Others | DriftFailOn::Any | DriftFailOn::Never => ended,
    })
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

/// Clusters in which others changed something, and how much.
fn by_others(found: &BTreeMap<ClusterName, DriftFound>) -> Vec<(ClusterName, usize)> {
    let of = |(name, found): (&ClusterName, &DriftFound)| {
        let DriftFound::Compared { items, .. } = found else {
            return None;
        };
        let n = items
            .iter()
            .filter(|i| i.class == DriftClass::ByOthers)
            .count();
        (n > 0).then(|| (name.clone(), n))
    };
    found.iter().filter_map(of).collect()
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
