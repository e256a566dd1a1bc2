//! What every run of a rehearsal begins with, one run, and how it ended.

use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::scratch::Scratch;
use crate::cli::who::who;
use crate::cloud::local::{Fault, Scenario, World};
use crate::model::Span;
use crate::report;
use crate::rollout::{Ending, Rollout};
use crate::run::{Drive, HookDrive, Outcome, Rehearsed, rehearse};
use crate::store::{CloudKind, Store};

/// Put before every line: nothing of it has happened.
const ANNOUNCEMENT: &str = "[rehearsal] ";

/// What a rehearsal begins with.
pub(super) struct Rehearsable {
    /// Where everything is as it was found; each run has a copy of its own.
    pub(super) world: World,
    pub(super) rollout: Rollout,
    pub(super) notes: Vec<String>,
    /// What is out of order in every run.
    pub(super) faults: Vec<Fault>,
    pub(super) scenario: Scenario,
}

pub(super) fn tell(output: &Output, text: &str) -> Result<(), Failure> {
    let announced = text
        .lines()
        .map(|line| format!("{ANNOUNCEMENT}{line}").trim_end().to_owned() + "\n");
    output.result(&announced.collect::<String>())
}

/// One run, in a world and a store of its own; without a seed, the one that a rollout would meet.
pub(super) fn once(
    start: &Rehearsable,
    seed: Option<u64>,
    faults: Vec<Fault>,
    scenario: Scenario,
) -> Result<Rehearsed, Failure> {
    let scratch = Scratch::in_memory("rehearsal")?;
    let store = Store::open(scratch.path(), CloudKind::Local)?;
    let world = start.world.another(seed);
    world.set_faults(faults);
    world.set_scenario(scenario)?;
    let drive = Drive {
        by: who(),
        folder: scratch.path().to_owned(),
        poll: Span::from_secs(10),
        watch: Span::from_secs(60),
        max_wait: Span::from_secs(366 * 86_400),
        auto_approve: true,
        // A rehearsal calls nothing outside.
        attendant: None,
        environment: |_| None,
        hooks: HookDrive::default(),
        written: None,
    };
    let runtime = crate::cli::runtime()?;
    Ok(runtime.block_on(rehearse(world, &store, &start.rollout, &drive))?)
}

/// The end in a few words.
pub(super) fn ended(ran: &Rehearsed) -> String {
    let why = ran.progress.failure.as_ref().map(|(cluster, group, why)| {
        format!(
            ": {}: {}",
            group
                .as_ref()
                .map_or_else(|| cluster.to_string(), ToString::to_string),
            report::reason_text(why)
        )
    });
    let stuck = ran.progress.stuck.as_ref().map(|s| {
        format!(
            ": {}: {}",
            s.group
                .as_ref()
                .map_or_else(|| s.cluster.to_string(), ToString::to_string),
            report::reason_text(&s.why)
        )
    });
    let text = match &ran.outcome {
        Ok(Outcome::Ended(Ending::Finished)) => "finished".to_owned(),
        Ok(Outcome::Ended(Ending::RolledBack)) => format!("rolled back{}", why.unwrap_or_default()),
        Ok(Outcome::Ended(Ending::Aborted)) => "aborted".into(),
        Ok(Outcome::Stuck) => format!(
            "stuck, a person must act{}",
            stuck.or(why).unwrap_or_default()
        ),
        Ok(Outcome::WaitingForPerson(stage)) => format!("waits for an approval of stage {stage}"),
        Ok(Outcome::WaitingForTime { why, .. }) => format!("waits: {}", report::reason_text(why)),
        Ok(Outcome::WaitingForOthers { why }) => {
            let why: Vec<String> = why.iter().map(report::reason_text).collect();
            format!("waits: {}", why.join("; "))
        }
        Ok(Outcome::Held) => format!(
            "held, a person must say whether it goes on{}",
            why.unwrap_or_default()
        ),
        Ok(Outcome::WaitingForCredentials { why }) => {
            format!("paused, `rollout resume` goes on after a login: {why}")
        }
        Ok(Outcome::WaitingForAccess { cluster, why }) => {
            format!(
                "paused, `rollout resume` goes on when a person has put that right: {cluster}: {why}"
            )
        }
        Ok(Outcome::Stopped(stop)) => stop.to_string(),
        Ok(Outcome::Interrupted) => "not ended after 60 days".into(),
        Err(error) => format!("the process stops, `rollout resume` goes on later: {error}"),
    };
    match ran.deaths {
        0 => text,
        1 => format!("{text} (killed once, and resumed)"),
        n => format!("{text} (killed {n} times, and resumed each time)"),
    }
}
