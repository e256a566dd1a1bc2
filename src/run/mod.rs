//! The only loop that acts: look, ask `rollout::decide`, write down, act, write down. Decides nothing, prints nothing.

mod access;
mod beside;
#[cfg(feature = "aws")]
mod bucket;
mod by_kops;
mod checkpoints;
mod checks;
mod documents;
mod execute;
mod fence;
mod halt;
mod hook_command;
mod hook_drive;
mod hook_runs;
mod hooks;
mod keep;
mod look;
mod neighbours;
mod notify;
mod outcome;
mod preview;
mod questions;
mod record;
mod rehearsal;
mod requests;
mod resume;
mod room;
mod runner;
mod shut;
mod together;
mod traffic;
mod under_way;
mod validate;
mod waits;
mod web;

use crate::cloud::Cloud;
use crate::engine::Engine;
use crate::nodes::NodeApi;
use crate::store::{Journal, Locks, Store};

#[cfg(feature = "aws")]
pub use bucket::{objects as objects_in_s3, ticks};
pub use documents::{DocumentStore, documents};
pub use fence::fence;
pub use hook_command::is_on_path;
pub use hook_drive::{HookDrive, HookRunning, Kubeconfigs};
pub use look::{LookProgress, look, look_for};
pub use notify::{
    Notifier, NotifyDelivered, NotifyFault, NotifyLeft, NotifyMessage, WebhookAnswer, try_webhook,
};
pub use outcome::{Drive, Outcome, RefusedByKops, RunError, Signal};
pub use preview::copied_store;
pub use rehearsal::{Rehearsed, rehearse};
pub(crate) use together::{MAX_CLUSTERS, together};

use hook_runs::HookRuns;
use neighbours::Neighbours;
use questions::Questions;
use runner::Runner;
use shut::Shut;
use waits::Told;

/// Carries a rollout on until it is over, has to wait, or is interrupted. Without credentials it waits for a person: what was meant and
/// got no answer stays open in the journal, and nothing else is half done.
///
/// # Errors
/// When the store or the cloud fails for good. The journal then holds everything that was begun, and the rollout can be resumed.
pub async fn run<W: Cloud + NodeApi + Engine>(
    world: &W,
    store: &Store,
    journal: &mut Journal,
    drive: &Drive,
    interrupted: impl Fn() -> bool,
    tell: impl FnMut(Signal<'_>),
) -> Result<Outcome, RunError> {
    let mut runner = Runner {
        world,
        store,
        journal,
        drive,
        interrupted: &interrupted,
        tell,
        locks: Locks::default(),
        shut: Shut::default(),
        questions: Questions::default(),
        hook_runs: HookRuns::default(),
        told: Told::default(),
        checkpoints: checkpoints::Checkpoints::new(),
        beside: Neighbours::default(),
    };
    let gone = runner.go().await;
    let is_over = matches!(gone, Ok(Outcome::Ended(_)));
    runner.leave_board();
    let Runner { told, journal, .. } = &mut runner;
    told.end(store, &journal.rollout().id, is_over);
    match gone {
        Ok(outcome) => Ok(outcome),
        Err(error) => {
            // A person who reads the journal shall see why it stopped. Where the store itself fails, the first error is the one that counts.
            let why = error.to_string();
            let _ = runner.pause(crate::rollout::Reason::Words(why.clone()));
            if error.is_for_want_of_credentials() {
                Ok(Outcome::WaitingForCredentials { why })
            } else {
                Err(error)
            }
        }
    }
}
