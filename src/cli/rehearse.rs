//! `kfleet rehearse`: a plan carried out on a simulated account, to see what it would do. Touches neither the store nor any cloud.

mod faults;
mod many;
mod once;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::Exit;
use super::args::{Arguments, RehearseArguments};
use super::failure::Failure;
use super::formats::ViewFormat;
use super::output::Output;
use super::pipeline::{PreparedFleet, prepare};
use super::who::who;
use super::{aims, documents, snapshot, world};
use crate::cloud::local::{Options, World};
use crate::cloud::{Cloud as _, Place};
use crate::fleet::GateKind;
use crate::model::{ClusterName, Hooks, Live, Nodes, Proven, StageName};
use crate::plan::{Allow, Baseline, Plan, Policy, Wanted, fingerprint, plan};
use crate::report::{self, Fate, Rehearsal};
use crate::rollout::{Ending, Inputs, Rollout, build};
use crate::run::{Outcome, Rehearsed};
use crate::store::{CloudKind, Store};
use once::{Rehearsable, ended, once, tell};

pub(super) fn run(
    arguments: &Arguments,
    command: &RehearseArguments,
    output: &Output,
) -> Result<Exit, Failure> {
    let prepared = prepare(&arguments.directory)?;
    let Some(start) = begin(arguments, command, &prepared)? else {
        match command.format {
            ViewFormat::Text => tell(output, "no changes: there is nothing to rehearse\n")?,
            ViewFormat::Json => output.result("null\n")?,
        }
        return Ok(Exit::Good);
    };
    if let Some(seeds) = command.seeds {
        return many::run(&start, seeds, command.format, output);
    }
    let ran = once(
        &start,
        command.seed,
        start.faults.clone(),
        start.scenario.clone(),
    )?;
    let fates = fates(&start, command)?;
    let ended = ended(&ran);
    let rehearsal = Rehearsal {
        rollout: &start.rollout,
        records: &ran.records,
        seen: &ran.seen,
        ended: &ended,
        notes: &start.notes,
    };
    match command.format {
        ViewFormat::Text => {
            tell(output, &report::rehearsal_text(&rehearsal))?;
            tell(output, &format!("\n{}", report::fates_text(&fates)))?;
        }
        ViewFormat::Json => output.result(&report::rehearsal_json(&rehearsal, &fates))?,
    }
    if let Some(path) = &command.out {
        let html = report::rehearsal_html(&rehearsal, &ran.progress, &fates)?;
        write(path, &html)?;
    }
    if let Some(path) = &command.junit {
        let junit = report::rehearsal_junit(&rehearsal, &ran.progress, &fates);
        write(path, &junit)?;
    }
    exit(&ran)
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text)
        .map_err(|e| Failure::new(format!("cannot write {}: {e}", path.display())))
}

/// The world as it was found, and the rollout; none where nothing changes.
fn begin(
    arguments: &Arguments,
    command: &RehearseArguments,
    prepared: &PreparedFleet,
) -> Result<Option<Rehearsable>, Failure> {
    let options = Options {
        seed: command.seed.unwrap_or(Options::default().seed),
        autoscaler: !command.no_autoscaler,
        ..Options::default()
    };
    let places = places(prepared, &command.stages)?;
    let mut notes = Vec::new();
    let (world, live, baselines) = match &command.snapshot {
        Some(path) => found_in(path, prepared, &places, options, &mut notes)?,
        None => {
            let (world, baselines) = copied(arguments, prepared, options)?;
            let clusters = places
                .iter()
                .map(|place| (place.cluster.clone(), world.glance(place)))
                .collect();
            let mut live = Live {
                read_at: world.now(),
                clusters,
                room: Vec::new(),
            };
            documents::local_images(prepared, &mut live);
            let stored = documents::of_kops(&prepared.fleet, &world, &places, &mut live);
            super::runtime()?.block_on(stored);
            (world, live, baselines)
        }
    };
    world.set_releases(world::releases(&world::access_of(&prepared.fleet)));
    let plan = match &command.plan {
        Some(path) => saved(path, prepared, &live)?,
        None => made(prepared, &places, &live, &baselines),
    };
    if plan.is_empty() {
        return Ok(None);
    }
    let mut rollout = rollout(prepared, &plan, &baselines, command, live.read_at)?;
    notes.extend(without_outside_gates(&mut rollout));
    let faults = world::faults(&command.faults)?;
    let scenario = world::scenario(command.scenario.as_deref())?;
    let named = world.named(aims::of_rollout(&rollout));
    aims::known(&named, &faults, &scenario)?;
    Ok(Some(Rehearsable {
        world,
        rollout,
        notes,
        faults,
        scenario,
    }))
}

fn places(prepared: &PreparedFleet, stages: &[StageName]) -> Result<Vec<Place>, Failure> {
    let clusters = super::plan::of_stages(prepared, stages)?;
    Ok(prepared.places(&clusters))
}

type Found = (World, Live, BTreeMap<ClusterName, Baseline>);

fn found_in(
    path: &Path,
    prepared: &PreparedFleet,
    places: &[Place],
    options: Options,
    notes: &mut Vec<String>,
) -> Result<Found, Failure> {
    let snapshot = snapshot::read(path)?;
    for place in places {
        let Some(home) = snapshot.places.get(&place.cluster) else {
            return Err(Failure::new(format!("{}: the snapshot has no cluster {}", path.display(), place.cluster))
                .hint("take a new one with `kfleet snapshot`, or name the stages that it has with `--stage`"));
        };
        if (&home.account, &home.region) != (&place.account, &place.region) {
            return Err(Failure::new(format!(
                "{}: {} was in account {}, {}, and git has it in account {}, {}",
                path.display(),
                place.cluster,
                home.account,
                home.region,
                place.account,
                place.region
            )));
        }
    }
    documents::ensure_stored(&prepared.fleet, places, &snapshot.live)?;
    notes.push(format!(
        "from a snapshot of cloud {}, read at {}",
        snapshot.cloud, snapshot.live.read_at
    ));
    for (name, cluster) in &snapshot.live.clusters {
        notes.extend(cluster.gaps.iter().map(|gap| {
            format!(
                "{name}: {} could not be read when the snapshot was taken: {}",
                gap.what, gap.why
            )
        }));
        if !matches!(cluster.nodes, Nodes::Known(_)) {
            notes.push(format!("{name}: its nodes are not in the snapshot; every instance in service gets a Ready node, with pods of chance"));
        }
        let unread = cluster
            .groups
            .values()
            .filter(|g| g.hooks == Hooks::NotRead)
            .count();
        if unread > 0 {
            notes.push(format!("{name}: the lifecycle hooks of {unread} groups are not in the snapshot, and count as git wants them"));
        }
        let held = match &cluster.nodes {
            Nodes::Known(nodes) => nodes.nodes.values().map(|n| n.blocked.len()).sum(),
            Nodes::NotAsked | Nodes::Unknown(_) => 0,
        };
        if held > 0 {
            notes.push(format!("{name}: disruption budgets held {held} pods when the snapshot was taken; here they let one go at a time"));
        }
    }
    let baselines = baselines(&snapshot.proven, prepared);
    Ok((
        World::from_live(&snapshot.live, places, options),
        snapshot.live,
        baselines,
    ))
}

/// What the clusters of a snapshot ran, where it is what git wants: such a cluster keeps its soak. Of any other the documents are not known.
fn baselines(
    proven: &BTreeMap<ClusterName, Proven>,
    prepared: &PreparedFleet,
) -> BTreeMap<ClusterName, Baseline> {
    let one = |(name, proven): (&ClusterName, &Proven)| {
        let desired = &prepared.clusters.get(name)?.desired;
        let baseline = Baseline {
            version: 1,
            cluster: name.clone(),
            digest: proven.digest.clone(),
            release: proven.release.clone(),
            rollout: proven.rollout.clone(),
            commit: None,
            more_than_commit: false,
            allow_dirty: None,
            since: proven.since,
            pending: BTreeMap::new(),
            user_data: BTreeMap::new(),
            documents: desired.beside_definitions(),
            kubernetes: None,
        };
        (desired.digest == proven.digest).then(|| (name.clone(), baseline))
    };
    proven.iter().filter_map(one).collect()
}

/// A copy, in memory, of the local account of the fleet's store.
fn copied(
    arguments: &Arguments,
    prepared: &PreparedFleet,
    options: Options,
) -> Result<(World, BTreeMap<ClusterName, Baseline>), Failure> {
    if arguments.cloud == Some(super::args::CloudArgument::Aws) {
        return Err(Failure::new("a rehearsal does not touch a real account")
            .hint("`kfleet snapshot --out FILE` copies its live state; then `kfleet rehearse --snapshot FILE`"));
    }
    let store = Store::open(
        &prepared.fleet.root.join(&prepared.fleet.settings.store),
        CloudKind::Local,
    )?;
    let folder = store.local_state().ok_or_else(|| {
        Failure::new("the simulated account keeps its state in a folder, and the store is not one")
    })?;
    let world = World::open(&folder, options)?;
    Ok((world.in_memory(options), store.baselines()?))
}

fn saved(path: &Path, prepared: &PreparedFleet, live: &Live) -> Result<Plan, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|e| Failure::new(format!("cannot read {}: {e}", path.display())))?;
    let plan = report::plan_from_json(&text)
        .map_err(|e| Failure::new(format!("{}: {e}", path.display())))?;
    for (name, cluster) in &plan.clusters {
        if prepared.clusters.get(name).map(|c| &c.desired.digest) != Some(&cluster.digest) {
            return Err(Failure::new(format!(
                "{name}: git does not want what the plan was made for any more"
            ))
            .hint("make a new plan"));
        }
        if fingerprint(live.clusters.get(name)) != cluster.fingerprint {
            return Err(Failure::new(format!(
                "{name}: the plan was made from another live state than this"
            ))
            .hint("take snapshot and plan at the same time, or leave `--plan` out"));
        }
    }
    Ok(plan)
}

fn made(
    prepared: &PreparedFleet,
    places: &[Place],
    live: &Live,
    baselines: &BTreeMap<ClusterName, Baseline>,
) -> Plan {
    let nothing = BTreeSet::new();
    let chosen = places
        .iter()
        .filter_map(|place| Some((&place.cluster, prepared.clusters.get(&place.cluster)?)));
    let wanted: Vec<Wanted<'_>> = chosen
        .map(|(name, c)| Wanted {
            desired: &c.desired,
            baseline: baselines.get(name),
            protect: prepared
                .fleet
                .clusters
                .get(name)
                .map_or(&nothing, |c| &c.protect),
            retire: &nothing,
            engine: super::plan::engine_of(&prepared.fleet, name),
            no_way_back: true,
        })
        .collect();
    // Whatever a rollout could be allowed is rehearsed.
    let allow = Allow {
        retire: true,
        shrink: true,
        documents: true,
        nodes: true,
    };
    plan(
        prepared.release.clone(),
        &wanted,
        live,
        &Policy::of(&prepared.fleet.settings),
        allow,
    )
}

fn rollout(
    prepared: &PreparedFleet,
    plan: &Plan,
    baselines: &BTreeMap<ClusterName, Baseline>,
    command: &RehearseArguments,
    now: crate::model::Timestamp,
) -> Result<Rollout, Failure> {
    let wanted: BTreeMap<ClusterName, _> = prepared
        .clusters
        .iter()
        .map(|(name, c)| {
            (
                name.clone(),
                (c.desired.digest.clone(), c.desired.beside_definitions()),
            )
        })
        .collect();
    let inputs = Inputs {
        only: &command.stages.iter().cloned().collect(),
        baselines,
        wanted: &wanted,
        id: format!("rehearsal-{}", plan.id.short()),
        now,
        by: who(),
        break_glass: (!command.stages.is_empty())
            .then(|| "a rehearsal of some stages only".to_owned()),
        before: &BTreeMap::new(),
        part: None,
        elsewhere: &BTreeSet::new(),
        behind: &BTreeMap::new(),
    };
    Ok(build(plan, &inputs)?)
}

/// What asks something outside the account has no answer here: such gates are taken to pass, and that is said.
fn without_outside_gates(rollout: &mut Rollout) -> Option<String> {
    let inside =
        |kind: &GateKind| matches!(kind, GateKind::Asg | GateKind::Kubernetes | GateKind::Kops);
    let outside: Vec<String> = rollout
        .gates
        .iter()
        .filter(|g| !inside(&g.kind))
        .map(|g| g.name.clone())
        .collect();
    rollout.gates.retain(|g| inside(&g.kind));
    (!outside.is_empty()).then(|| {
        format!(
            "gates that ask something outside are taken to pass: {}",
            outside.join(", ")
        )
    })
}

fn exit(ran: &Rehearsed) -> Result<Exit, Failure> {
    match &ran.outcome {
        _ if !ran.seen.broken.is_empty() => Err(Failure::new(
            "a rule of a rollout was broken in the rehearsal; this is a bug in kfleet",
        )),
        Ok(Outcome::Ended(Ending::Finished)) => Ok(Exit::Good),
        Ok(Outcome::Ended(Ending::RolledBack | Ending::Aborted)) => Ok(Exit::RolledBack),
        Ok(Outcome::Stuck) => Ok(Exit::Stuck),
        Ok(
            Outcome::WaitingForPerson(_)
            | Outcome::WaitingForTime { .. }
            | Outcome::WaitingForOthers { .. }
            | Outcome::WaitingForCredentials { .. }
            | Outcome::WaitingForAccess { .. }
            | Outcome::Held
            | Outcome::Stopped(_)
            | Outcome::Interrupted,
        )
        | Err(_) => Ok(Exit::Waits),
    }
}

/// Each fault alone: those ordered, else those that this plan may meet.
fn fates(start: &Rehearsable, command: &RehearseArguments) -> Result<Vec<Fate>, Failure> {
    let named = command
        .faults
        .iter()
        .map(|fault| faults::ordered(fault))
        .collect::<Result<Vec<_>, _>>()?;
    let all = if named.is_empty() {
        faults::of_plan(&start.rollout)?
    } else {
        named
    };
    all.into_iter()
        .map(
            |faults::NamedFaults {
                 name,
                 faults,
                 scenario,
             }| {
                let ran = once(start, command.seed, faults, scenario)?;
                let makespan = ran.progress.at.since(start.rollout.started_at);
                Ok(Fate {
                    fault: name,
                    ended: ended(&ran),
                    makespan,
                    broken: ran.seen.broken.len(),
                })
            },
        )
        .collect()
}
