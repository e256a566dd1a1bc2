//! Gates that need asking. A command of the fleet: exit 0 passes, 75 (try again later, as in sysexits.h) waits, anything else fails.
//! What an HTTP server or Prometheus says is read in `web`.

use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use super::{Drive, web};
use crate::rollout::{Check, Question, Scope, Verdict};

/// A gate's command that takes longer has not answered.
const PATIENCE: Duration = Duration::from_secs(300);

/// Asks one gate. What cannot be asked does not pass.
pub(super) async fn ask(check: &Check, drive: &Drive) -> Verdict {
    match &check.question {
        Question::Command(command) => run(check, command, drive).await,
        Question::Http(gate) => web::http(gate, drive.environment).await,
        Question::Promql(gate) => web::promql(gate, drive.environment).await,
    }
}

async fn run(check: &Check, command: &[String], drive: &Drive) -> Verdict {
    let Some((program, arguments)) = command.split_first() else {
        return Verdict::Fail("the gate has no command".into());
    };
    let mut command = Command::new(program);
    command
        .args(arguments)
        .current_dir(&drive.folder)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
        .env("KFLEET_CLUSTER", check.cluster.as_str())
        .env("KFLEET_GATE", &check.gate);
    if let Scope::Canary(group) = &check.scope {
        command.env("KFLEET_GROUP", group.as_str());
    }
    let output = match tokio::time::timeout(PATIENCE, command.output()).await {
        Err(_) => {
            return Verdict::Wait(format!(
                "`{program}` did not answer within {} s",
                PATIENCE.as_secs()
            ));
        }
        Ok(Err(e)) => return Verdict::Fail(format!("`{program}` cannot be run: {e}")),
        Ok(Ok(output)) => output,
    };
    let said = last_line(&output.stdout)
        .or_else(|| last_line(&output.stderr))
        .map(|l| format!(": {l}"))
        .unwrap_or_default();
    match output.status.code() {
        Some(0) => Verdict::Pass(format!("`{program}` passes{said}")),
        Some(75) => Verdict::Wait(format!("`{program}` waits{said}")),
        Some(code) => Verdict::Fail(format!("`{program}` ended with {code}{said}")),
        None => Verdict::Fail(format!("`{program}` was killed")),
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
