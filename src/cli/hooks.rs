//! What the hooks of a fleet would run with, where: their commands with everything filled in, and the digest of their files. Runs nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::Path;

use serde_json::Value as Json;

use super::failure::Failure;
use super::pipeline::PreparedFleet;
use crate::fleet::{Cluster, Fleet, HookSpec, Stage};
use crate::model::{ClusterName, Digest, HookName, HookPlace, digest_of};
use crate::plan::{HookMark, HookTask, Plan, fill_hook};
use crate::run::is_on_path;
use crate::store::{CloudKind, Store};

/// Files of one hook: more than that is a mistake in a path.
const MOST_FILES: usize = 10_000;

/// Every hook at each of its places among these clusters, whether it is due or not.
///
/// Where they are not run, on the simulated account or for want of a program, a file of theirs that is not there is a line of `missing`, and else an error.
pub(super) fn candidates(
    fleet: &Fleet,
    clusters: &BTreeSet<ClusterName>,
    store: &Store,
    missing: &mut BTreeSet<String>,
) -> Result<Vec<HookTask>, Failure> {
    let mut all = Vec::new();
    let marks = store.hook_marks()?;
    for stage in &fleet.settings.stages {
        for hook in &fleet.settings.hooks {
            if !hook.stages.is_empty() && !hook.stages.contains(&stage.name) {
                continue;
            }
            for place in places(hook, stage, clusters) {
                let is_run = is_run(hook, store) && lacked(hook).is_none();
                let mut lacks = BTreeSet::new();
                all.push(task(fleet, hook, place, &marks, &mut lacks)?);
                match lacks.first() {
                    Some(path) if is_run => return Err(lacking(hook, path)),
                    Some(_) | None => {}
                }
                missing.extend(lacks.into_iter().map(|path| lack_text(hook, &path)));
            }
        }
    }
    Ok(all)
}

/// Those that a plan made here may have. One that would be run, and whose program is not on this machine, is nothing that a rollout from here changes: it is
/// left out, and a line says so.
pub(super) fn that_run_here(
    all: Vec<HookTask>,
    store: &Store,
    left_out: &mut BTreeSet<String>,
) -> Vec<HookTask> {
    let mut stays = |task: &HookTask| {
        let program = lacked(&task.spec).filter(|_| is_run(&task.spec, store));
        if let Some(program) = program {
            let name = &task.spec.name;
            left_out.insert(format!(
                "the hook `{name}` is left out: `{program}` is not on the PATH here"
            ));
        }
        program.is_none()
    };
    all.into_iter().filter(|task| stays(task)).collect()
}

fn is_run(hook: &HookSpec, store: &Store) -> bool {
    store.kind() == CloudKind::Aws || hook.simulated
}

/// The program without which a hook is skipped, where it is not there.
fn lacked(hook: &HookSpec) -> Option<&str> {
    let program = hook.skip_without.as_deref()?;
    (!is_on_path(program, std::env::var_os("PATH").as_ref())).then_some(program)
}

/// Where a hook runs in a stage, for these clusters.
fn places(hook: &HookSpec, stage: &Stage, clusters: &BTreeSet<ClusterName>) -> Vec<HookPlace> {
    let place = |wave: Option<usize>, cluster: Option<&ClusterName>| HookPlace {
        hook: hook.name.clone(),
        stage: stage.name.clone(),
        wave,
        cluster: cluster.cloned(),
    };
    let has = |wave: usize| {
        let wave = stage.waves.get(wave);
        wave.is_some_and(|w| w.clusters.iter().any(|c| clusters.contains(c)))
    };
    let waves = (0..stage.waves.len()).filter(|wave| has(*wave));
    if hook.at.is_of_cluster() {
        let of_wave = |wave: usize| {
            let mine = stage.waves.get(wave).into_iter().flat_map(|w| &w.clusters);
            let is_meant =
                |c: &&ClusterName| hook.clusters.is_empty() || hook.clusters.contains(*c);
            let mine = mine.filter(|c| clusters.contains(*c)).filter(is_meant);
            mine.map(move |c| (wave, c))
        };
        let mine = waves.flat_map(of_wave);
        return mine.map(|(wave, c)| place(Some(wave), Some(c))).collect();
    }
    if hook.at.is_of_wave() {
        let first = usize::from(hook.at == crate::fleet::HookAt::BetweenWaves);
        let mine = waves.filter(|wave| *wave >= first);
        return mine.map(|wave| place(Some(wave), None)).collect();
    }
    match waves.count() {
        0 => Vec::new(),
        _ => vec![place(None, None)],
    }
}

fn task(
    fleet: &Fleet,
    hook: &HookSpec,
    place: HookPlace,
    marks: &BTreeMap<String, HookMark>,
    lacks: &mut BTreeSet<String>,
) -> Result<HookTask, Failure> {
    let cluster = place.cluster.as_ref().and_then(|c| fleet.clusters.get(c));
    let fill = |texts: &[String]| -> Result<Vec<String>, Failure> {
        let value = |name: &str| value(&place, cluster, name);
        let filled = texts.iter().map(|text| fill_hook(text, &value));
        filled
            .collect::<Result<_, String>>()
            .map_err(|name| unknown(hook, cluster, &name))
    };
    let spec = HookSpec {
        run: fill(&hook.run)?,
        undo: fill(&hook.undo)?,
        files: fill(&hook.files)?,
        ..hook.clone()
    };
    let held = held(&fleet.root, &spec, lacks)?;
    Ok(HookTask {
        digest: digest_of(&(&spec.run, &spec.undo, &held)),
        before: marks.get(&place.key()).cloned(),
        context: cluster.and_then(|c| c.kubernetes.as_ref().map(|k| k.context.clone())),
        state_store: cluster.and_then(|c| c.state_store.as_ref().map(ToString::to_string)),
        spec,
        place,
    })
}

/// What a name in braces stands for.
fn value(place: &HookPlace, cluster: Option<&Cluster>, name: &str) -> Option<String> {
    match name {
        "stage" => return Some(place.stage.to_string()),
        "wave" => return place.wave.map(|wave| wave.saturating_add(1).to_string()),
        _ => {}
    }
    let cluster = cluster?;
    match name {
        "cluster" => return Some(cluster.name.to_string()),
        "environment" => return Some(cluster.environment.to_string()),
        "region" => return Some(cluster.region.to_string()),
        "account" => return Some(cluster.account.to_string()),
        _ => {}
    }
    match cluster.vars.to_json().get(name)? {
        Json::String(text) => Some(text.clone()),
        Json::Number(number) => Some(number.to_string()),
        Json::Bool(is) => Some(is.to_string()),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}

fn unknown(hook: &HookSpec, cluster: Option<&Cluster>, name: &str) -> Failure {
    let what = format!("fleet.yaml: the hook `{}` names {{{name}}}", hook.name);
    match cluster {
        Some(cluster) => Failure::new(format!(
            "{what}, which {} has no text or number for",
            cluster.name
        ))
        .hint("it may name cluster, environment, region, account, stage, wave, and vars of the cluster at top level"),
        None => Failure::new(format!("{what}, which means nothing there"))
            .hint("a hook of a stage or a wave may name stage and wave; one of clusters also cluster, environment, region, account and its vars"),
    }
}

fn lack_text(hook: &HookSpec, path: &str) -> String {
    format!(
        "fleet.yaml: the hook `{}` reads {path}: it is not there",
        hook.name
    )
}

fn lacking(hook: &HookSpec, path: &str) -> Failure {
    Failure::new(lack_text(hook, path))
        .hint("name files and folders that are there, relative to the fleet")
}

/// The digests of what its files hold, by path; those that are not there are in `lacks`.
fn held(
    root: &Path,
    spec: &HookSpec,
    lacks: &mut BTreeSet<String>,
) -> Result<BTreeMap<String, Digest>, Failure> {
    let mut held = BTreeMap::new();
    for path in &spec.files {
        let wrong = |why: &str| {
            Failure::new(format!(
                "fleet.yaml: the hook `{}` reads {path}: {why}",
                spec.name
            ))
            .hint("name files and folders that are there, relative to the fleet")
        };
        let leads_away = path.starts_with('/') || path.split('/').any(|part| part == "..");
        if leads_away {
            return Err(wrong("it leads out of the fleet"));
        }
        match add(root, path.trim_end_matches('/'), &mut held) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {
                lacks.insert(path.clone());
            }
            Err(error) => return Err(wrong(&error.to_string())),
        }
    }
    Ok(held)
}

fn add(root: &Path, path: &str, held: &mut BTreeMap<String, Digest>) -> std::io::Result<()> {
    let whole = root.join(path);
    if !std::fs::metadata(&whole)?.is_dir() {
        use std::os::unix::fs::PermissionsExt as _;
        let may_run = std::fs::metadata(&whole)?.permissions().mode() & 0o111 != 0;
        let bytes = std::fs::read(&whole)?;
        held.insert(path.to_owned(), digest_of(&(may_run, bytes)));
        return Ok(());
    }
    if held.len() > MOST_FILES {
        return Err(std::io::Error::other(format!(
            "it has more than {MOST_FILES} files"
        )));
    }
    for entry in std::fs::read_dir(&whole)? {
        let name = entry?.file_name();
        let name = name
            .to_str()
            .ok_or_else(|| std::io::Error::other("a name in it is no text"))?;
        // A folder that leads back to one above it has no end.
        if !std::fs::symlink_metadata(whole.join(name))?.is_symlink() || whole.join(name).is_file()
        {
            add(root, &format!("{path}/{name}"), held)?;
        }
    }
    Ok(())
}

/// Clusters outside a plan with a hook that is due as git has it: what comes after them waits for that.
pub(super) fn behind(
    prepared: &PreparedFleet,
    store: &Store,
    plan: &Plan,
) -> Result<BTreeMap<ClusterName, HookName>, Failure> {
    let clusters = prepared.clusters.keys();
    let others: BTreeSet<ClusterName> = clusters
        .filter(|name| !plan.clusters.contains_key(*name))
        .cloned()
        .collect();
    let all = candidates(&prepared.fleet, &others, store, &mut BTreeSet::new())?;
    let all = that_run_here(all, store, &mut BTreeSet::new());
    let due = all.into_iter().filter(HookTask::is_own_change);
    let named = due.filter_map(|task| Some((task.place.cluster?, task.place.hook)));
    Ok(named.collect())
}

/// Refuses where the hooks of a saved plan are not those that would run now.
pub(super) fn ensure_same(
    prepared: &PreparedFleet,
    store: &Store,
    plan: &Plan,
) -> Result<(), Failure> {
    let clusters: BTreeSet<ClusterName> = plan.clusters.keys().cloned().collect();
    let all = candidates(&prepared.fleet, &clusters, store, &mut BTreeSet::new())?;
    let all = that_run_here(all, store, &mut BTreeSet::new());
    let now = plan.clone().with_hooks(all);
    if now.hooks == plan.hooks {
        return Ok(());
    }
    let names = |hooks: &[HookTask]| -> BTreeSet<HookName> {
        hooks.iter().map(|h| h.place.hook.clone()).collect()
    };
    let moved = names(&now.hooks).into_iter().chain(names(&plan.hooks));
    let moved: BTreeSet<String> = moved.map(|name| format!("`{name}`")).collect();
    let moved: Vec<String> = moved.into_iter().collect();
    Err(Failure::new(format!(
        "the hooks, or what they read, are not what the plan was made for: {}",
        moved.join(", ")
    ))
    .hint("make a new plan and look at it"))
}
