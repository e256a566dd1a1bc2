//! Before any write: whose account it is. And patience with a cloud that does not answer at once.

use std::future::Future;

use super::RunError;
use crate::cloud::{Cloud, CloudError, Place};
use crate::model::Span;
use crate::rollout::{ClusterRun, Rollout};

/// A look that fails for a passing reason is repeated this often before the run gives up.
const MAX_LOOKS: u32 = 20;

/// Before any write: the caller's account is the account of every cluster of the rollout.
///
/// # Errors
/// When it is not, or the cloud does not say to the end of the retries, `poll` apart.
pub async fn fence<W: Cloud>(world: &W, rollout: &Rollout, poll: Span) -> Result<(), RunError> {
    fence_of(world, rollout, poll, |_| true).await
}

/// As [`fence`], for some of its clusters: those of a wave, before the wave begins.
pub(super) async fn fence_of<W: Cloud>(
    world: &W,
    rollout: &Rollout,
    poll: Span,
    meant: impl Fn(&ClusterRun) -> bool,
) -> Result<(), RunError> {
    for run in rollout.clusters().filter(|c| c.changes() && meant(c)) {
        let place = place(run);
        let found = patiently(world, poll, || world.account(&place)).await?;
        if found != run.account {
            return Err(RunError::WrongAccount {
                cluster: run.cluster.clone(),
                expected: run.account.clone(),
                found,
            });
        }
    }
    Ok(())
}

/// Asks until there is an answer: a passing failure is waited out, and never taken for one.
pub(super) async fn patiently<W: Cloud, T, F: Future<Output = Result<T, CloudError>>>(
    world: &W,
    poll: Span,
    ask: impl Fn() -> F,
) -> Result<T, CloudError> {
    let mut tries = 0;
    loop {
        match ask().await {
            Err(e) if e.is_transient() && tries < MAX_LOOKS => {
                tries += 1;
                world.wait(world.now() + poll).await?;
            }
            answer => return answer,
        }
    }
}

pub(super) fn place(run: &ClusterRun) -> Place {
    Place {
        cluster: run.cluster.clone(),
        account: run.account.clone(),
        region: run.region.clone(),
    }
}
