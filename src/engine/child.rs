//! A program that was started, with everything that it started itself, and what it prints. Starts nothing.

use std::sync::{Arc, Mutex as Lock, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, ChildStdin};

/// After a process has ended, what it left behind with our pipes in its hands is not waited for longer.
const REST: Duration = Duration::from_secs(1);

/// A program and everything that it started. Dropping it before it has ended ends all of them.
pub(crate) struct Family {
    leader: Option<Pid>,
    /// Closed with this: its attendant waits for that.
    _held: Option<ChildStdin>,
    has_ended: bool,
}

impl Family {
    /// Of a child that leads a process group of its own.
    pub(crate) fn of(child: &mut Child) -> Family {
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        Family {
            leader: id.and_then(Pid::from_raw),
            _held: child.stdin.take(),
            has_ended: false,
        }
    }

    /// All of it has ended, or not.
    pub(crate) fn ended(&mut self, all: bool) {
        self.has_ended = all;
    }
}

impl Drop for Family {
    fn drop(&mut self) {
        if let Some(leader) = self.leader.filter(|_| !self.has_ended) {
            // Those that have ended already are no loss.
            let _gone = kill_process_group(leader, Signal::KILL);
        }
    }
}

/// What comes out of a pipe, as far as it has come: its beginning and its end.
pub(crate) struct ChildOutput {
    came: Arc<Lock<Came>>,
    reading: tokio::task::JoinHandle<()>,
}

struct Came {
    /// What is kept of its beginning, and of its end, in bytes.
    most: usize,
    first: Vec<u8>,
    last: Vec<u8>,
    is_cut: bool,
}

impl Came {
    /// A program says at the end how it went, so that is kept too.
    fn add(&mut self, piece: &[u8]) {
        let room = self.most.saturating_sub(self.first.len()).min(piece.len());
        let (first, rest) = piece.split_at(room);
        self.first.extend_from_slice(first);
        self.last.extend_from_slice(rest);
        let over = self.last.len().saturating_sub(self.most);
        if over > self.most {
            self.last.drain(..over);
            self.is_cut = true;
        }
    }

    fn text(&self) -> String {
        let cut = if self.is_cut { "\n[...]\n" } else { "" };
        let (first, last) = (
            String::from_utf8_lossy(&self.first),
            String::from_utf8_lossy(&self.last),
        );
        format!("{first}{cut}{last}")
    }
}

impl ChildOutput {
    /// Reads from now on; of more than twice `most` bytes the middle is left out.
    pub(crate) fn of(
        pipe: Option<impl AsyncRead + Unpin + Send + 'static>,
        most: usize,
    ) -> ChildOutput {
        let came = Arc::new(Lock::new(Came {
            most,
            first: Vec::new(),
            last: Vec::new(),
            is_cut: false,
        }));
        let into = Arc::clone(&came);
        let reading = tokio::spawn(async move {
            let Some(mut pipe) = pipe else { return };
            let mut piece = [0; 4096];
            while let Ok(length @ 1..) = pipe.read(&mut piece).await {
                let piece = piece.get(..length).unwrap_or_default();
                into.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .add(piece);
            }
        });
        ChildOutput { came, reading }
    }

    /// All of it, and whether that is the end of it: the writer has ended.
    pub(crate) async fn rest(self) -> (String, bool) {
        let abort = self.reading.abort_handle();
        let ended = tokio::time::timeout(REST, self.reading).await.is_ok();
        abort.abort();
        let came = self.came.lock().unwrap_or_else(PoisonError::into_inner);
        (came.text(), ended)
    }
}
