//! Where asynchronous commands run.

use std::time::Duration;

use super::Exit;
use super::failure::Failure;

/// Threads for what goes on beside a command: gates that are asked, connections, clocks.
const BESIDE: usize = 2;
/// How long what still runs beside a command may take to end with it.
const GRACE: Duration = Duration::from_millis(200);

/// Runs it to its end, and ends with it: something that a library still waits for in a thread of its own does not hold it up.
///
/// The command itself runs on this thread, everything that it begins runs beside it. A journal is written before anything is done, and the
/// command waits for that, for many seconds when S3 is slow: gates, timeouts and connections go on meanwhile.
pub(super) fn in_runtime(
    command: impl Future<Output = Result<Exit, Failure>>,
) -> Result<Exit, Failure> {
    let runtime = made(tokio::runtime::Builder::new_multi_thread().worker_threads(BESIDE))?;
    let ended = runtime.block_on(command);
    runtime.shutdown_timeout(GRACE);
    ended
}

/// For what begins nothing beside itself.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    made(&mut tokio::runtime::Builder::new_current_thread())
}

fn made(builder: &mut tokio::runtime::Builder) -> Result<tokio::runtime::Runtime, Failure> {
    builder
        .enable_all()
        .build()
        .map_err(|e| Failure::new(format!("the async runtime does not start: {e}")))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn a_slow_store_holds_up_no_gate() {
        let ticks = Arc::new(AtomicUsize::new(0));
        let ended = in_runtime(async {
            let gate = Arc::clone(&ticks);
            tokio::spawn(async move {
                loop {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    gate.fetch_add(1, Ordering::Relaxed);
                }
            });
            // As the store does while S3 is slow.
            std::thread::sleep(Duration::from_secs(1));
            Ok(Exit::Good)
        });
        assert!(ended.is_ok());
        let ticks = ticks.load(Ordering::Relaxed);
        assert!(ticks > 5, "{ticks}");
    }
}
