//! What taking a rollout back will do, before it is done: for the person who has to say yes. Decides nothing.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use super::style::{Style, Tone};
use super::wording::{count, group, span};
use crate::model::{ClusterName, Digest, Live, digest_of};
use crate::rollout::{ClusterRun, GroupTask, Progress, Rollout, StageRun, Task};

/// The id of a rollback: it stays the same as long as nothing more happens in the rollout.
pub fn rollback_id(
    rollout: &Rollout,
    progress: &Progress,
    clusters: &BTreeSet<ClusterName>,
) -> Digest {
    digest_of(&("rollback", &rollout.id, progress.seq, clusters))
}

/// One group on its way back.
struct Step<'r> {
    run: &'r ClusterRun,
    task: &'r GroupTask,
    /// None: not known.
    instances: Option<usize>,
}

impl Step<'_> {
    fn words(&self) -> String {
        let name = group(&self.task.asg, &self.run.cluster);
        let instances = match self.instances {
            Some(n) => count(n, "instance"),
            None => "an unknown number of instances".into(),
        };
        match &self.task.task {
            Task::Create { .. } => format!("- {name}: drained and deleted again, {instances}"),
            Task::Update { replace: false, .. } => {
                format!("~ {name}: its settings as they were, no instance is replaced")
            }
            Task::Update { from_version, .. } => {
                format!("~ {name}: back to version {from_version}, {instances} replaced")
            }
            Task::Retire { .. } => format!("+ {name}: was retired"),
        }
    }

    fn json(&self) -> Json {
        let change = match &self.task.task {
            Task::Create { .. } => "retire",
            Task::Update { replace: false, .. } => "update",
            Task::Update { .. } => "replace",
            Task::Retire { .. } => "create",
        };
        json!({
            "cluster": self.run.cluster,
            "group": self.task.asg,
            "change": change,
            "instances": self.instances,
        })
    }
}

/// The plan of the way back, the newest stage and wave first.
pub fn rollback_text(
    rollout: &Rollout,
    progress: &Progress,
    clusters: &BTreeSet<ClusterName>,
    live: Option<&Live>,
    style: Style,
) -> String {
    let mut out = vec![style.paint(Tone::Head, &format!("rollback of rollout {}", rollout.id))];
    let mut instances = 0;
    for stage in rollout.stages.iter().rev() {
        for (number, wave) in stage.waves.iter().enumerate().rev() {
            let back: Vec<&ClusterRun> = wave
                .clusters
                .iter()
                .filter(|run| clusters.contains(&run.cluster))
                .collect();
            if back.is_empty() {
                continue;
            }
            out.push(style.paint(Tone::Head, &wave_head(stage, number, wave.parallel)));
            for run in back {
                out.push(format!("  {}", run.cluster));
                for step in steps(run, progress, live) {
                    if matches!(
                        step.task.task,
                        Task::Create { .. } | Task::Update { replace: true, .. }
                    ) {
                        instances += step.instances.unwrap_or(0);
                    }
                    out.push(format!("    {}", step.words()));
                }
            }
        }
    }
    let gates: Vec<&str> = rollout.gates.iter().map(|g| g.name.as_str()).collect();
    out.push(format!(
        "{} in {}; gates: {}",
        count(instances, "instance"),
        count(clusters.len(), "cluster"),
        if gates.is_empty() {
            "the built-in ones".to_owned()
        } else {
            gates.join(", ")
        }
    ));
    out.push(format!(
        "rollback plan {}",
        rollback_id(rollout, progress, clusters).short()
    ));
    out.join("\n") + "\n"
}

fn wave_head(stage: &StageRun, number: usize, parallel: usize) -> String {
    let soak = match stage.soak.is_zero() {
        true => String::new(),
        false => format!(", soak of the stage {}", span(stage.soak)),
    };
    format!(
        "stage {} wave {}: {} at the same time{soak}",
        stage.name,
        number + 1,
        count(parallel, "cluster")
    )
}

fn steps<'r>(
    run: &'r ClusterRun,
    progress: &'r Progress,
    live: Option<&'r Live>,
) -> impl Iterator<Item = Step<'r>> {
    let cluster = progress.clusters.get(&run.cluster);
    let seen = live.and_then(|l| l.clusters.get(&run.cluster));
    let touched = move |task: &&GroupTask| {
        cluster
            .and_then(|c| c.groups.get(&task.asg))
            .is_some_and(|g| g.touched)
    };
    run.groups.iter().filter(touched).map(move |task| Step {
        run,
        task,
        instances: seen
            .and_then(|c| c.groups.get(&task.asg))
            .map(|g| g.instances.len()),
    })
}

/// As [`rollback_text`], for machines.
pub fn rollback_json(
    rollout: &Rollout,
    progress: &Progress,
    clusters: &BTreeSet<ClusterName>,
    live: Option<&Live>,
) -> String {
    let runs = rollout
        .clusters()
        .filter(|run| clusters.contains(&run.cluster));
    let groups: Vec<Json> = runs
        .flat_map(|run| steps(run, progress, live))
        .map(|step| step.json())
        .collect();
    let value = json!({
        "version": 1,
        "rollback": rollback_id(rollout, progress, clusters),
        "rollout": rollout.id,
        "groups": groups,
    });
    format!("{value}\n")
}
