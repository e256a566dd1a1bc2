//! Where asynchronous commands run.

use super::Exit;
use super::failure::Failure;

/// Runs it to its end, and ends with it: something that a library still waits for in a thread of its own keeps nobody.
pub(super) fn in_runtime(
    command: impl Future<Output = Result<Exit, Failure>>,
) -> Result<Exit, Failure> {
    let runtime = runtime()?;
    let ended = runtime.block_on(command);
    runtime.shutdown_background();
    ended
}

pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::new(format!("the async runtime does not start: {e}")))
}
