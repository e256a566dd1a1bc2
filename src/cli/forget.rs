//! `kfleet forget`: what the store knows of a cluster that is gone from git and from its account is put away. Changes nothing in any cloud.

use super::args::{Arguments, ForgetArguments};
use super::failure::Failure;
use super::rollout::{access, all_unfinished, opened};
use super::who::who;
use super::world::{self, Simulated};
use super::{Exit, store};
use crate::cloud::Place;
use crate::fleet::closest;
use crate::model::ClusterName;
use crate::plan::Baseline;
use crate::run::look;
use crate::store::{Forgotten, Store};

pub(super) async fn run(arguments: &Arguments, command: &ForgetArguments) -> Result<Exit, Failure> {
    let (store, output) = opened(arguments)?;
    let cluster = &meant(&store, command)?;
    let reason = command.abandon.as_deref().map(str::trim);
    if reason == Some("") {
        return Err(Failure::new("the reason is empty")
            .hint("say in `--abandon` who looks after the cluster from now on"));
    }
    if arguments
        .directory
        .join("clusters")
        .join(format!("{cluster}.yaml"))
        .exists()
    {
        return Err(Failure::new(format!(
            "{cluster} is in git: clusters/{cluster}.yaml is there"
        ))
        .hint("remove the file first, and commit that"));
    }
    store::warn_of_folder(arguments, &store, &output)?;
    let now = world::now(&store)?;
    // No rollout of it begins meanwhile.
    let _starting = store.start(&who(), now)?;
    let baseline = known(&store, cluster)?;
    let under_way = all_unfinished(&store)?;
    if let Some((rollout, _)) = under_way.iter().find(|(r, _)| r.cluster(cluster).is_some()) {
        let id = &rollout.id;
        return Err(Failure::new(format!(
            "{cluster} is part of rollout {id}, which is not finished"
        ))
        .hint("`kfleet rollout resume` goes on with it, `kfleet rollout abort` ends it"));
    }
    if reason.is_none() {
        gone(arguments, &store, &baseline).await?;
    }
    store.forget(&Forgotten {
        version: 1,
        by: who(),
        at: now,
        abandoned: reason.map(str::to_owned),
        baseline,
    })?;
    output.cloud_result(&format!("{cluster} is forgotten"))?;
    Ok(Exit::Good)
}

/// The cluster that is named, or the only one that the store knows whose name begins so. What is given up is named in full.
fn meant(store: &Store, command: &ForgetArguments) -> Result<ClusterName, Failure> {
    let typed = &command.cluster;
    if command.abandon.is_some() {
        return Ok(typed.clone());
    }
    let known = store.baselines()?;
    let mut near = known
        .keys()
        .filter(|name| name.as_str().starts_with(typed.as_str()));
    Ok(match (near.next(), near.next()) {
        (Some(one), None) => one.clone(),
        (None | Some(_), _) => typed.clone(),
    })
}

fn known(store: &Store, cluster: &ClusterName) -> Result<Baseline, Failure> {
    let mut baselines = store.baselines()?;
    baselines.remove(cluster).ok_or_else(|| {
        let names = || baselines.keys().map(ClusterName::as_str);
        let begun = names().find(|name| name.starts_with(cluster.as_str()));
        let near = begun.or_else(|| closest(cluster.as_str(), names()));
        let hint = near.map_or_else(
            || "`kfleet status` shows those that it knows".into(),
            |near| format!("did you mean `{near}`? With `--abandon` a cluster is named in full"),
        );
        Failure::new(format!("the store knows no cluster `{cluster}`")).hint(hint)
    })
}

/// Refuses while the account still has groups of the cluster, or cannot be asked.
async fn gone(arguments: &Arguments, store: &Store, baseline: &Baseline) -> Result<(), Failure> {
    let cluster = &baseline.cluster;
    let abandon = "`--abandon REASON` forgets it all the same, and is recorded";
    let (rollout, _) = store.rollout(&baseline.rollout)?;
    let Some(run) = rollout.cluster(cluster) else {
        return Err(Failure::new(format!(
            "{cluster}: rollout {} does not say in which account it is",
            rollout.id
        ))
        .hint(abandon));
    };
    let place = Place {
        cluster: cluster.clone(),
        account: run.account.clone(),
        region: run.region.clone(),
    };
    let access = access(arguments, store, &rollout.id)?;
    let images = world::images_of(&rollout);
    let world = world::open(arguments, &access, store, images, &Simulated::AS_IT_IS).await?;
    let live = look(&world, &[place]).await.map_err(|e| {
        let failure = Failure::from(e);
        Failure::new(format!("{cluster} cannot be looked at: {}", failure.text))
            .hints(failure.hints)
            .hint(abandon)
    })?;
    let Some(found) = live.clusters.get(cluster) else {
        return Ok(());
    };
    if let Some(gap) = found.gaps.first() {
        return Err(Failure::new(format!(
            "{cluster} cannot be looked at: {}: {}",
            gap.what, gap.why
        ))
        .hint(abandon));
    }
    if found.groups.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!(
        "{cluster} still has {} groups in account {}, {}",
        found.groups.len(),
        run.account,
        run.region
    ))
    .hint(format!(
        "delete the cluster first (`kops delete cluster {cluster}`), or put clusters/{cluster}.yaml back; {abandon}"
    )))
}
