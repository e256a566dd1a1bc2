//! Many runs of one rehearsal.

use super::once::{Rehearsable, ended, once, tell};
use crate::cli::Exit;
use crate::cli::failure::Failure;
use crate::cli::formats::ViewFormat;
use crate::cli::output::Output;
use crate::report::{self, Runs};

/// Many runs that differ in chance alone, on all cores.
pub(super) fn run(
    start: &Rehearsable,
    seeds: u64,
    format: ViewFormat,
    output: &Output,
) -> Result<Exit, Failure> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let step = u64::try_from(cores).unwrap_or(1).max(1);
    let parts: Vec<Result<Runs, Failure>> = std::thread::scope(|scope| {
        let workers: Vec<_> = (1..=step)
            .map(|first| scope.spawn(move || part(start, (first..=seeds).step_by(cores))))
            .collect();
        let lost = || Err(Failure::new("a worker died; this is a bug in kfleet"));
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or_else(|_| lost()))
            .collect()
    });
    let mut all = Runs::default();
    for part in parts {
        let Runs {
            makespans,
            ended,
            broken,
        } = part?;
        all.makespans.extend(makespans);
        ended
            .into_iter()
            .for_each(|(end, n)| *all.ended.entry(end).or_default() += n);
        for (rule, seed) in broken {
            let first = all.broken.entry(rule).or_insert(seed);
            *first = seed.min(*first);
        }
    }
    match format {
        ViewFormat::Text => {
            let notes = start.notes.iter().map(|n| format!("note: {n}\n"));
            tell(output, &notes.collect::<String>())?;
            tell(output, &report::runs_text(&all))?;
        }
        ViewFormat::Json => output.result(&report::runs_json(&all, &start.notes))?,
    }
    if all.broken.is_empty() {
        Ok(Exit::Good)
    } else {
        Err(Failure::new(
            "rules of a rollout were broken; this is a bug in kfleet",
        ))
    }
}

fn part(start: &Rehearsable, seeds: impl Iterator<Item = u64>) -> Result<Runs, Failure> {
    let mut runs = Runs::default();
    for seed in seeds {
        let ran = once(
            start,
            Some(seed),
            start.faults.clone(),
            start.scenario.clone(),
        )?;
        runs.makespans
            .push((ran.progress.at.since(start.rollout.started_at), seed));
        // Names of instances and moments differ from run to run: what counts is how it ended.
        let end = ended(&ran);
        *runs
            .ended
            .entry(end.split(':').next().unwrap_or(&end).to_owned())
            .or_default() += 1;
        for rule in ran.seen.broken {
            runs.broken.entry(rule).or_insert(seed);
        }
    }
    Ok(runs)
}
