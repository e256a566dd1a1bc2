//! Gates that need asking. A command of the fleet: exit 0 passes, 75 (try again later, as in sysexits.h) waits, anything else fails.
//! What an HTTP server or Prometheus says is read in `web`.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, Command};

use super::{Drive, web};
use crate::rollout::{Check, Ground, Question, Scope, Verdict};

/// A gate's command that takes longer has not answered.
const PATIENCE: Duration = Duration::from_secs(300);

/// Asks one gate. What cannot be asked does not pass.
pub(super) async fn ask(check: &Check, drive: &Drive) -> Verdict {
    match &check.question {
        // The runner asks kops itself.
        Question::Kops => Verdict::Wait(Ground::BeingAsked),
        Question::Command(command) => run_command(check, command, drive).await,
        Question::Http(gate) => web::http(gate, drive.environment).await,
        Question::Promql(gate) => web::promql(gate, drive.environment).await,
    }
}

async fn run_command(check: &Check, command: &[String], drive: &Drive) -> Verdict {
    let Some((program, arguments)) = command.split_first() else {
        return Verdict::Fail(Ground::Words("the gate has no command".into()));
    };
    let mut command = attended(program, arguments, drive.attendant.as_ref());
    // A process group of its own: Ctrl-C at the terminal is for us, and must not look like a gate that fails.
    command
        .current_dir(&drive.folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    command
        .env("KFLEET_CLUSTER", check.cluster.as_str())
        .env("KFLEET_GATE", &check.gate);
    if let Scope::Canary(group) = &check.scope {
        command.env("KFLEET_GROUP", group.as_str());
    }
    let mut child = match command.spawn() {
        Ok(child) => child,
        // The fleet's file, or this machine, is wrong: that says nothing about what is rolled out.
        Err(e) => return Verdict::Wait(Ground::Words(format!("`{program}` cannot be run: {e}"))),
    };
    let mut family = Family::of(&child);
    // Closed when we end: its attendant waits for that.
    let _held = child.stdin.take();
    let output = match tokio::time::timeout(PATIENCE, child.wait_with_output()).await {
        Err(_) => {
            return Verdict::Wait(Ground::Words(format!(
                "`{program}` did not answer within {} s",
                PATIENCE.as_secs()
            )));
        }
        Ok(Err(e)) => {
            return Verdict::Wait(Ground::Words(format!(
                "`{program}` cannot be waited for: {e}"
            )));
        }
        Ok(Ok(output)) => output,
    };
    family.ended();
    let said = last_line(&output.stdout)
        .or_else(|| last_line(&output.stderr))
        .map(|l| format!(": {l}"))
        .unwrap_or_default();
    match output.status.code() {
        Some(0) => Verdict::Pass(Ground::Words(format!("`{program}` passes{said}"))),
        Some(75) => Verdict::Wait(Ground::Words(format!("`{program}` waits{said}"))),
        Some(code) => Verdict::Fail(Ground::Words(format!(
            "`{program}` ended with {code}{said}"
        ))),
        None => Verdict::Fail(Ground::Words(format!("`{program}` was killed"))),
    }
}

/// The command, by way of the process that ends it with us; whatever it asks stays without an answer.
pub(super) fn attended(
    program: &str,
    arguments: &[String],
    attendant: Option<&PathBuf>,
) -> Command {
    let mut command = match attendant {
        Some(own) => {
            let mut command = Command::new(own);
            command
                .args(["attend", "--", program])
                .stdin(Stdio::piped());
            command
        }
        None => {
            let mut command = Command::new(program);
            command.stdin(Stdio::null());
            command
        }
    };
    command.args(arguments);
    command
}

/// A command and everything that it started. Dropping it before it has ended ends all of them.
struct Family {
    leader: Option<Pid>,
}

impl Family {
    fn of(child: &Child) -> Family {
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        Family {
            leader: id.and_then(Pid::from_raw),
        }
    }

    fn ended(&mut self) {
        self.leader = None;
    }
}

impl Drop for Family {
    fn drop(&mut self) {
        if let Some(leader) = self.leader {
            // Those that have ended already are no loss.
            let _gone = kill_process_group(leader, Signal::KILL);
        }
    }
}

fn last_line(output: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(output);
    let line = text.lines().rev().find(|l| !l.trim().is_empty())?;
    Some(
        line.trim()
            .chars()
            .filter(|c| !c.is_control())
            .take(200)
            .collect(),
    )
}
