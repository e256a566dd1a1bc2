//! `kfleet rollout acknowledge`: a person's word for what was recorded as done by other means and no node will show. Looks at no cloud.

use std::collections::{BTreeMap, BTreeSet};

use super::which::{opened, unfinished};
use crate::cli::args::{AcknowledgeArguments, Arguments};
use crate::cli::failure::Failure;
use crate::cli::who::who;
use crate::cli::{Exit, given, world};
use crate::model::ClusterName;
use crate::plan::{Acknowledged, Baseline};
use crate::store::Store;

pub(super) fn acknowledge(
    arguments: &Arguments,
    command: &AcknowledgeArguments,
) -> Result<Exit, Failure> {
    let (store, output) = opened(arguments)?;
    let reason = command.reason.trim();
    if reason.is_empty() {
        return Err(Failure::new("the reason is empty")
            .hint("say in `--reason` how it is known that the change is where it belongs"));
    }
    let now = world::now(&store)?;
    let word = Acknowledged {
        by: who(),
        at: now,
        reason: reason.to_owned(),
    };
    // No rollout begins meanwhile, and none that is under way writes its baselines over this.
    let _starting = store.start(&word.by, now)?;
    ensure_none_under_way(&store)?;
    let baselines = store.baselines()?;
    let of_files: Vec<ClusterName> = given::of_files(&arguments.directory).collect();
    let names: BTreeSet<&ClusterName> = baselines.keys().chain(&of_files).collect();
    let known = command
        .clusters
        .iter()
        .map(|typed| {
            let cluster = given::meant(&names, typed)?;
            known(&baselines, &cluster, &command.document, &word)
        })
        .collect::<Result<Vec<_>, _>>()?;
    for (key, baseline) in known {
        store.put_baseline(&baseline)?;
        output.cloud_result(&format!("{}: {key} is acknowledged", baseline.cluster))?;
    }
    Ok(Exit::Good)
}

fn ensure_none_under_way(store: &Store) -> Result<(), Failure> {
    if let Some(id) = unfinished(store)? {
        return Err(Failure::new(format!("rollout {id} is not finished"))
            .hint("`kfleet rollout resume` goes on with it, `kfleet rollout abort` ends it"));
    }
    Ok(())
}

/// The baseline of a cluster with a person's word about a document, and that document's name.
fn known(
    baselines: &BTreeMap<ClusterName, Baseline>,
    cluster: &ClusterName,
    document: &str,
    word: &Acknowledged,
) -> Result<(String, Baseline), Failure> {
    let key = if document == "Cluster" {
        format!("Cluster/{cluster}")
    } else {
        document.to_owned()
    };
    let mut baseline = baselines
        .get(cluster)
        .cloned()
        .ok_or_else(|| Failure::new(format!("{cluster}: no rollout of it was verified yet")))?;
    let waits: Vec<String> = baseline.pending.keys().cloned().collect();
    let Some(pending) = baseline.pending.get_mut(&key) else {
        let hint = if waits.is_empty() {
            "nothing of it waits to be seen".to_owned()
        } else {
            format!("waiting to be seen: {}", waits.join(", "))
        };
        return Err(Failure::new(format!("{cluster}: `{key}` waits for nothing")).hint(hint));
    };
    pending.acknowledged = Some(word.clone());
    Ok((key, baseline))
}
