//! `kfleet plan`: what git wants against what is.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use super::args::{Arguments, PlanArguments, Required, Selection};
use super::around::AroundPlan;
use super::failure::Failure;
use super::formats::PlanFormat;
use super::output::Output;
use super::pipeline::PreparedFleet;
use super::render::{named, select};
use super::to_roll::prepare_to_roll;
use super::warned::{self, For};
use super::world::{self, Simulated, World};
use super::{Exit, aims, documents, dry_run, feasible, hooks, revision, room};
use super::{stop, store};
use crate::cloud::Cloud as _;
use crate::fleet::{Engine, Fleet, Stage};
use crate::model::{
    AsgName, ClusterName, GroupName, Live, LiveCluster, Nodes, StageName, Timestamp,
};
use crate::plan::{Allow, ClusterPlan, Plan, Policy, Wanted, plan};
use crate::report::{self, Style};
use crate::store::Store;

pub(super) async fn run(
    arguments: &Arguments,
    command: &PlanArguments,
    output: &Output,
) -> Result<Exit, Failure> {
    let prepared = prepare_to_roll(&arguments.directory)?;
    prepared
        .warnings()
        .for_each(|w| output.story(&format!("warning: {w}")));
    let store = store::store(arguments, &prepared.fleet)?;
    let simulated = Simulated {
        seed: command.selection.seed,
        faults: &command.selection.faults,
        scenario: command.selection.scenario.as_deref(),
        shared: false,
    };
    let world = world::open(
        arguments,
        &world::access_of(&prepared.fleet),
        &store,
        world::images(&prepared),
        &simulated,
    )
    .await?;
    let mut clusters = in_stages(&prepared, &command.selection)?;
    if !command.clusters.is_empty() {
        let named = select(&prepared.fleet, &command.clusters)?;
        clusters.retain(|c| named.contains(c));
    }
    let made = make_with_live(
        &prepared,
        &clusters,
        &store,
        &world,
        &command.selection,
        output,
    )
    .await;
    let made = match made {
        Ok((plan, live)) => {
            let room = room::look(&prepared, &plan, &live, &world).await;
            let dry_runs = dry_run::look(command, (&prepared, &plan), &live, &world).await;
            room.map(|room| (plan, (room, dry_runs), live))
        }
        Err(failure) => Err(failure),
    };
    if command.stats {
        output.cloud_story(&stats(&all_calls(&world, &store)));
    }
    let (plan, (room, dry_runs), live) = made?;
    world.knows(&simulated, || aims::of_plan(&plan))?;
    let fleet = prepared.clusters.keys().collect();
    warned::leave(&store, &plan, &fleet, (For::Looking, world.now()), output);
    let revision = revision::read(&arguments.directory, &prepared);
    let around = AroundPlan::of((&prepared, &plan), &store, revision)?
        .with_room(room)
        .with_dry_runs(dry_runs);
    if command.format == PlanFormat::Text {
        output.cloud_result(&stop::lines(&store)?)?;
    }
    let shown = Shown {
        plan: &plan,
        stages: &prepared.fleet.settings.stages,
        now: world.now(),
        around: around.seen(world.now()),
        live: Some(&live),
    };
    write_files(command, &shown)?;
    if command.print_id {
        print_id(arguments, shown, output)?;
    } else {
        show(arguments, command.format, shown, output)?;
    }
    Ok(if plan.is_empty() {
        Exit::Good
    } else {
        Exit::Changes
    })
}

/// What was asked for beside what is printed.
fn write_files(command: &PlanArguments, shown: &Shown<'_>) -> Result<(), Failure> {
    let failed = |path: &Path, e: std::io::Error| {
        Failure::new(format!("cannot write {}: {e}", path.display()))
    };
    if let Some(path) = &command.out {
        let text = report::whole_plan_json(shown.plan, shown.stages, shown.around);
        private_file(path, &text).map_err(|e| failed(path, e))?;
    }
    if let Some(path) = &command.html {
        std::fs::write(path, html(shown)?).map_err(|e| failed(path, e))?;
    }
    Ok(())
}

/// The id for a pipeline, and the plan for the reader of its log.
fn print_id(arguments: &Arguments, shown: Shown<'_>, output: &Output) -> Result<(), Failure> {
    let id = format!("{}\n", shown.plan.id.short());
    let style = Style {
        colour: false,
        full: arguments.verbose,
    };
    for line in text(&shown, style).lines() {
        output.cloud_story(line);
    }
    output.result(&id)
}

/// A plan holds user data: only its owner reads it.
fn private_file(path: &Path, text: &str) -> std::io::Result<()> {
    std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?
        .write_all(text.as_bytes())
}

/// The clusters of the stages selected; all when none is.
pub(super) fn in_stages(
    prepared: &PreparedFleet,
    selection: &Selection,
) -> Result<BTreeSet<ClusterName>, Failure> {
    of_stages(prepared, &selection.stages)
}

/// As [`in_stages`], for stages named one by one.
pub(super) fn of_stages(
    prepared: &PreparedFleet,
    named: &[StageName],
) -> Result<BTreeSet<ClusterName>, Failure> {
    let stages = &prepared.fleet.settings.stages;
    if let Some(unknown) = named
        .iter()
        .find(|name| !stages.iter().any(|s| s.name == **name))
    {
        let names: Vec<&str> = stages.iter().map(|s| s.name.as_str()).collect();
        return Err(Failure::new(format!("the fleet has no stage `{unknown}`"))
            .hint(format!("its stages are {}", names.join(", "))));
    }
    let wanted = stages
        .iter()
        .filter(|s| named.is_empty() || named.contains(&s.name));
    Ok(wanted
        .flat_map(|s| &s.waves)
        .flat_map(|w| &w.clusters)
        .cloned()
        .collect())
}

pub(super) async fn make(
    prepared: &PreparedFleet,
    clusters: &BTreeSet<ClusterName>,
    store: &Store,
    world: &World,
    selection: &Selection,
    output: &Output,
) -> Result<Plan, Failure> {
    let made = make_with_live(prepared, clusters, store, world, selection, output).await?;
    Ok(made.0)
}

/// As [`make`], and the live state that it was made from.
async fn make_with_live(
    prepared: &PreparedFleet,
    clusters: &BTreeSet<ClusterName>,
    store: &Store,
    world: &World,
    selection: &Selection,
    output: &Output,
) -> Result<(Plan, Live), Failure> {
    feasible::check(prepared)?;
    let baselines = store.baselines()?;
    let no_way_back = named(&prepared.fleet, &selection.no_way_back)?;
    let chosen: Vec<_> = prepared
        .clusters
        .iter()
        .filter(|(name, _)| clusters.contains(*name))
        .collect();
    let places = prepared.places(clusters);
    let live = documents::sight(prepared, world, &places, output)
        .await?
        .without_held(&held(store)?);
    required(&selection.require, &live)?;
    unwatched(&live.clusters)
        .chain(blind_to_volumes(&live.clusters))
        .for_each(|warning| output.story(&warning));
    let nothing = BTreeSet::new();
    let retire: BTreeMap<&ClusterName, BTreeSet<GroupName>> = chosen
        .iter()
        .map(|(name, _)| {
            (
                *name,
                retired(&prepared.fleet, name, &selection.allow_retire),
            )
        })
        .collect();
    let wanted: Vec<Wanted<'_>> = chosen
        .iter()
        .map(|(name, c)| Wanted {
            desired: &c.desired,
            baseline: baselines.get(*name),
            protect: prepared
                .fleet
                .clusters
                .get(*name)
                .map_or(&nothing, |c| &c.protect),
            retire: retire.get(*name).unwrap_or(&nothing),
            engine: engine_of(&prepared.fleet, name),
            no_way_back: no_way_back.contains(*name),
        })
        .collect();
    let allow = Allow {
        retire: false,
        shrink: selection.allow_shrink,
        documents: selection.adopt_documents,
        nodes: false,
    };
    let made = plan(
        prepared.release.clone(),
        &wanted,
        &live,
        &Policy::of(&prepared.fleet.settings),
        allow,
    );
    let mut missing = BTreeSet::new();
    let hooks = hooks::candidates(&prepared.fleet, clusters, store, &mut missing)?;
    for line in missing {
        output.story(&format!(
            "warning: {line}; nothing comes of it here, where it is not run"
        ));
    }
    let mut left_out = BTreeSet::new();
    let hooks = hooks::that_run_here(hooks, store, &mut left_out);
    for line in left_out {
        output.story(&format!("warning: {line}"));
    }
    Ok((made.with_hooks(hooks), live))
}

/// Clusters that a rollout lists at each look for want of a right, and what it is.
fn unwatched(live: &BTreeMap<ClusterName, LiveCluster>) -> impl Iterator<Item = String> {
    live.iter().filter_map(|(name, cluster)| {
        let Nodes::Known(seen) = &cluster.nodes else {
            return None;
        };
        let rights: Vec<&str> = seen.listed.iter().map(String::as_str).collect();
        (!rights.is_empty()).then(|| {
            format!(
                "warning: {name}: the caller may not {}: a rollout lists all of them at each look (docs/kubernetes.md: the role)",
                rights.join(", ")
            )
        })
    })
}

/// Clusters in which no volume is waited for, for want of a right, and which it is.
fn blind_to_volumes(live: &BTreeMap<ClusterName, LiveCluster>) -> impl Iterator<Item = String> {
    live.iter().filter_map(|(name, cluster)| {
        let Nodes::Known(seen) = &cluster.nodes else {
            return None;
        };
        let rights: Vec<&str> = seen.volumes_unseen.iter().map(String::as_str).collect();
        (!rights.is_empty()).then(|| {
            format!(
                "warning: {name}: the caller may not {}: no volume of an evicted pod is waited for (docs/kubernetes.md: the role)",
                rights.join(", ")
            )
        })
    })
}

/// Refuses where something was not looked at without which there shall be no plan.
fn required(required: &[Required], live: &Live) -> Result<(), Failure> {
    if !required.contains(&Required::Kubernetes) {
        return Ok(());
    }
    let missing = live.clusters.iter().filter_map(|(name, cluster)| {
        Some(match &cluster.nodes {
            Nodes::Known(_) => return None,
            Nodes::NotAsked => format!("{name}: no `kubernetes.context` is set"),
            Nodes::Unknown(unseen) => format!("{name}: {unseen}"),
        })
    });
    let missing: Vec<String> = missing.collect();
    if missing.is_empty() {
        return Ok(());
    }
    let why = format!(
        "the nodes of every cluster are required, and could not be looked at: {}",
        missing.join("; ")
    );
    Err(Failure::new(why).hint(
        "put it right, or leave `--require kubernetes` out: the plan then says what was not looked at",
    ))
}

/// A look, as a plan, at the clusters of stages on which those of `plan` stand and that are not part of it. It allows nothing.
pub(super) async fn before(
    (prepared, elsewhere): (&PreparedFleet, &BTreeSet<ClusterName>),
    plan: &Plan,
    store: &Store,
    world: &World,
    selection: &Selection,
    output: &Output,
) -> Result<BTreeMap<ClusterName, ClusterPlan>, Failure> {
    let stages = &prepared.fleet.settings.stages;
    let of = |stage: &Stage| -> Vec<ClusterName> {
        let clusters = stage.waves.iter().flat_map(|w| &w.clusters);
        clusters.cloned().collect()
    };
    let mut names: BTreeSet<&StageName> = stages
        .iter()
        .filter(|s| of(s).iter().any(|c| plan.clusters.contains_key(c)))
        .map(|s| &s.name)
        .collect();
    // A stage stands behind the one it names: once through in reverse finds all of them.
    for stage in stages.iter().rev() {
        if names.contains(&stage.name) {
            names.extend(&stage.after);
        }
    }
    let clusters: BTreeSet<ClusterName> = stages
        .iter()
        .filter(|s| names.contains(&s.name))
        .flat_map(of)
        .filter(|c| !plan.clusters.contains_key(c) && !elsewhere.contains(c))
        .collect();
    if clusters.is_empty() {
        return Ok(BTreeMap::new());
    }
    let looking = Selection {
        allow_retire: Vec::new(),
        allow_shrink: false,
        adopt_documents: false,
        ..selection.clone()
    };
    let found = make(prepared, &clusters, store, world, &looking, output).await?;
    Ok(found.clusters)
}

/// Groups of a cluster that the operator has named as going: in its file, or on the command line.
fn retired(fleet: &Fleet, cluster: &ClusterName, named: &[String]) -> BTreeSet<GroupName> {
    let suffix = format!(".{cluster}");
    let here = named
        .iter()
        .filter_map(|name| GroupName::new(name.strip_suffix(&suffix).unwrap_or(name)).ok());
    let in_git = fleet.clusters.get(cluster).map(|c| &c.retire);
    in_git.into_iter().flatten().cloned().chain(here).collect()
}

/// How many calls, and of which.
/// Those to the cloud and those to the store.
fn all_calls(world: &World, store: &Store) -> BTreeMap<String, u64> {
    let mut calls = world.calls();
    for (api, n) in store.calls() {
        *calls.entry(api).or_default() += n;
    }
    calls
}

fn stats(calls: &BTreeMap<String, u64>) -> String {
    let each: String = calls
        .iter()
        .map(|(api, n)| format!("\n  {n:>6} {api}"))
        .collect();
    format!("{} calls{each}", calls.values().sum::<u64>())
}

/// What unfinished rollouts hold suspended.
pub(super) fn held(store: &Store) -> Result<BTreeMap<AsgName, BTreeSet<String>>, Failure> {
    let mut held = BTreeMap::new();
    for id in store.perhaps_unfinished()? {
        held.extend(store.outline(&id)?.1.held());
    }
    Ok(held)
}

/// A plan, and what its freezes depend on.
pub(super) struct Shown<'p> {
    pub(super) plan: &'p Plan,
    pub(super) stages: &'p [Stage],
    pub(super) now: Timestamp,
    pub(super) around: report::Around<'p>,
    /// What it was made from, where that is at hand.
    pub(super) live: Option<&'p Live>,
}

/// The plan for people, with what stands around it.
fn text(shown: &Shown<'_>, style: Style) -> String {
    let Shown {
        plan,
        stages,
        now,
        around,
        live: _,
    } = shown;
    report::around_text(*around, style)
        + &report::plan_text(plan, stages, style)
        + &report::made_of_text(*around)
        + &report::room_text(around.room, style)
        + &report::dry_runs_text(around.dry_runs, style)
        + &report::freezes_text(plan, stages, *now, style)
}

pub(super) fn show(
    arguments: &Arguments,
    format: PlanFormat,
    shown: Shown<'_>,
    output: &Output,
) -> Result<(), Failure> {
    let Shown {
        plan,
        stages,
        now: _,
        around,
        live: _,
    } = &shown;
    let style = Style {
        colour: output.colour(),
        full: arguments.verbose,
    };
    match format {
        PlanFormat::Text => output.cloud_result(&text(&shown, style)),
        PlanFormat::Junit => output.result(&report::plan_junit(plan, stages, around.blocking)),
        PlanFormat::Json => output.result(&report::whole_plan_json(plan, stages, *around)),
        PlanFormat::Markdown => output.result(&markdown(&shown)),
        PlanFormat::Html => output.result(&html(&shown)?),
    }
}

/// The page for a browser.
fn html(shown: &Shown<'_>) -> Result<String, Failure> {
    let Shown {
        plan,
        stages,
        now,
        around,
        live,
    } = *shown;
    Ok(report::plan_html(plan, stages, around, live, now)?)
}

/// The comment of a pull request.
fn markdown(shown: &Shown<'_>) -> String {
    let (plan, stages, around) = (shown.plan, shown.stages, shown.around);
    let freezes: String = report::freezes_text(plan, stages, shown.now, Style::default())
        .lines()
        .map(|l| format!("\n- {l}"))
        .collect();
    format!(
        "{}{freezes}{}{}{}",
        report::plan_markdown(plan, stages),
        if freezes.is_empty() { "" } else { "\n" },
        report::room_markdown(around.room),
        report::around_markdown(around)
    )
}

/// Who carries changes of a cluster out.
pub(super) fn engine_of(fleet: &Fleet, cluster: &ClusterName) -> Engine {
    fleet
        .clusters
        .get(cluster)
        .map_or(Engine::default(), |c| c.engine)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Seen;

    #[test]
    fn who_may_not_watch_is_told_once() {
        let cluster = |listed: &[&str]| LiveCluster {
            nodes: Nodes::Known(Seen {
                listed: listed.iter().map(|right| (*right).to_owned()).collect(),
                ..Seen::default()
            }),
            ..LiveCluster::default()
        };
        let clusters = BTreeMap::from([
            (
                "a.k8s.foo.bar".parse().unwrap(),
                cluster(&["watch nodes", "watch pods"]),
            ),
            ("b.k8s.foo.bar".parse().unwrap(), cluster(&[])),
        ]);
        let told: Vec<String> = unwatched(&clusters).collect();
        assert_eq!(
            told,
            [
                "warning: a.k8s.foo.bar: the caller may not watch nodes, watch pods: a rollout lists all of them at each look (docs/kubernetes.md: the role)"
            ]
        );
    }
}
