//! Credential plugins: run once for all contexts that share a user, never without an end, asked again with growing pauses. No secret of theirs gets
//! into a message.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex as Lock, PoisonError};
use std::time::Duration;

use kube::config::{AuthInfo, ExecConfig, ExecInteractiveMode};
use serde::Deserialize;
use serde_json::{Value as Json, json};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::Mutex;

use super::call::Fault;
use crate::model::{Digest, Span, Timestamp, digest_of};

/// A plugin that takes longer gives nothing, and is ended with everything that it started.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is still in a plugin's pipes when it has ended is there at once, unless something that it left behind holds them open.
const REST: Duration = Duration::from_secs(1);

/// No credential is longer than this many bytes.
const MOST: usize = 1 << 20;

/// Before a plugin that failed is run again: at the least, and at the most.
const PAUSES: (i64, i64) = (5, 60);

/// A credential this close to its end is not begun with.
const MARGIN: Span = Span::from_secs(60);

/// How `kfleet attend` says that it cannot run the program, and the code with which it ends then.
const NOT_RUN: &str = "it cannot be run: ";
const LATER: i32 = 75;

/// What plugins gave, by what was run. Each by itself: one that hangs keeps only those waiting that share its user.
#[derive(Debug, Default)]
pub(super) struct Plugins {
    /// Our own program, which attends to a plugin that asks the user nothing, and ends it and what it started when this process has ended in whatever
    /// way: a Ctrl-C during a plan goes to this process alone.
    pub(super) attendant: Option<PathBuf>,
    ran: Lock<BTreeMap<Digest, Arc<Mutex<Option<Ran>>>>>,
}

#[derive(Debug)]
enum Ran {
    Given(Credential),
    Failed {
        fault: Fault,
        times: u32,
        again: Timestamp,
    },
}

/// What a plugin gave.
#[derive(Clone)]
pub(super) struct Credential {
    token: Option<String>,
    certificate: Option<String>,
    key: Option<String>,
    pub(super) expires: Option<Timestamp>,
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credential")
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

impl Credential {
    /// Whether it may be used for a while.
    fn lasts(&self, now: Timestamp) -> bool {
        lasts(self.expires, now)
    }

    /// The user of a kubeconfig, with this in place of its plugin.
    pub(super) fn instead_of_plugin(&self, user: &AuthInfo) -> Result<AuthInfo, Fault> {
        let encoded = |pem: &Option<String>| {
            use base64::Engine as _;
            pem.as_ref()
                .map(|pem| base64::engine::general_purpose::STANDARD.encode(pem))
        };
        let given = json!({
            "token": self.token,
            "client-certificate-data": encoded(&self.certificate),
            "client-key-data": encoded(&self.key),
        });
        let given: AuthInfo = serde_json::from_value(given)
            .map_err(|_| Fault::Unauthorized("the credential plugin gave no credential".into()))?;
        let mut user = user.clone();
        user.exec = None;
        user.token = given.token;
        user.client_certificate_data = given
            .client_certificate_data
            .or(user.client_certificate_data);
        user.client_key_data = given.client_key_data.or(user.client_key_data);
        Ok(user)
    }
}

/// Whether what ends then may be used for a while.
pub(super) fn lasts(expires: Option<Timestamp>, now: Timestamp) -> bool {
    expires.is_none_or(|at| at > now + MARGIN)
}

impl Plugins {
    /// What the plugin of a user gives. `cluster`: what it is told of the cluster, where it wants that.
    pub(super) async fn credential(
        &self,
        exec: &ExecConfig,
        cluster: Option<Json>,
        now: Timestamp,
    ) -> Result<Credential, Fault> {
        // Arguments may hold secrets.
        let key = digest_of(&format!(
            "{:?} {:?} {:?} {:?} {cluster:?}",
            exec.api_version, exec.command, exec.args, exec.env
        ));
        let one = self.with(|ran| ran.entry(key).or_default().clone());
        // Held while it runs: others of the same user wait for it, and take what it gives.
        let mut ran = one.lock().await;
        let failures = match &*ran {
            Some(Ran::Given(credential)) if credential.lasts(now) => return Ok(credential.clone()),
            Some(Ran::Failed { fault, again, .. }) if *again > now => {
                return Err(fault.clone());
            }
            Some(Ran::Failed { times, .. }) => *times,
            Some(Ran::Given(_)) | None => 0,
        };
        match self.run(exec, cluster).await {
            Ok(credential) => {
                *ran = Some(Ran::Given(credential.clone()));
                Ok(credential)
            }
            Err(fault) => {
                let pause = Span::from_secs((PAUSES.0 << failures.min(8)).min(PAUSES.1));
                *ran = Some(Ran::Failed {
                    fault: fault.clone(),
                    times: failures.saturating_add(1),
                    again: now + pause,
                });
                Err(fault)
            }
        }
    }

    /// The API refused what a plugin gave: it is not given out again.
    pub(super) fn forget(&self) {
        self.with(|all| {
            // One that is being run is asked anew anyway.
            all.retain(|_, one| {
                one.try_lock()
                    .map_or(true, |ran| matches!(*ran, Some(Ran::Failed { .. })))
            });
        });
    }

    async fn run(&self, exec: &ExecConfig, cluster: Option<Json>) -> Result<Credential, Fault> {
        let attendant = self.attendant.as_deref().filter(|_| !asks(exec));
        run(command(exec, cluster, attendant)?, exec).await
    }

    fn with<T>(&self, f: impl FnOnce(&mut BTreeMap<Digest, Arc<Mutex<Option<Ran>>>>) -> T) -> T {
        f(&mut self.ran.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A process and everything that it started: ended with this, unless it ended by itself.
struct Group {
    child: Child,
    /// Its id, also when the child itself has ended and what it started has not.
    leader: Option<rustix::process::Pid>,
    /// Closed with this: its attendant waits for that.
    _held: Option<ChildStdin>,
    ends: bool,
}

impl Drop for Group {
    fn drop(&mut self) {
        if self.ends {
            return;
        }
        if let Some(leader) = self.leader {
            // Where there is no such group any more there is nothing to end.
            let _ = rustix::process::kill_process_group(leader, rustix::process::Signal::KILL);
        }
        let _ = self.child.start_kill();
    }
}

/// It is not there, or not to be run.
fn not_run(error: &str, exec: &ExecConfig) -> Fault {
    let hint = exec.install_hint.as_deref().and_then(|h| h.lines().next());
    let hint = hint.map(|h| format!(" ({h})")).unwrap_or_default();
    Fault::Unauthorized(format!(
        "the credential plugin cannot be run: {error}{hint}"
    ))
}

async fn run(mut command: Command, exec: &ExecConfig) -> Result<Credential, Fault> {
    let mut child = command
        .spawn()
        .map_err(|error| not_run(&error.to_string(), exec))?;
    let id = child.id().and_then(|id| i32::try_from(id).ok());
    let mut group = Group {
        leader: id.and_then(rustix::process::Pid::from_raw),
        _held: child.stdin.take(),
        child,
        ends: false,
    };
    let said = Pipe::of(group.child.stdout.take());
    let complaints = Pipe::of(group.child.stderr.take());
    let Ok(ended) = tokio::time::timeout(PATIENCE, group.child.wait()).await else {
        return Err(Fault::Unauthorized(format!(
            "the credential plugin gave nothing within {} s, and was ended",
            PATIENCE.as_secs()
        )));
    };
    let status =
        ended.map_err(|e| Fault::Unauthorized(format!("the credential plugin was lost: {e}")))?;
    let (said, complaints) = tokio::join!(said.rest(), complaints.rest());
    // Something that it left behind with a pipe of ours in its hands is ended too: what it says is not read.
    group.ends = said.1 && complaints.1;
    let (said, complaints) = (said.0, complaints.0);
    let said_of_start = String::from_utf8_lossy(&said);
    match said_of_start.strip_prefix(NOT_RUN) {
        // Its attendant could not run it.
        Some(why) if status.code() == Some(LATER) => Err(not_run(why.trim(), exec)),
        Some(_) | None if status.success() => credential(&said),
        Some(_) | None => Err(Fault::Unauthorized(failed(status, &complaints))),
    }
}

/// Whether it talks to a person.
fn asks(exec: &ExecConfig) -> bool {
    exec.interactive_mode == Some(ExecInteractiveMode::Always)
}

fn command(
    exec: &ExecConfig,
    cluster: Option<Json>,
    attendant: Option<&Path>,
) -> Result<Command, Fault> {
    let Some(program) = &exec.command else {
        return Err(Fault::Context(
            "its credential plugin has no command".into(),
        ));
    };
    let asks = asks(exec);
    let mut spec = json!({"interactive": asks});
    if let (Some(cluster), Some(spec)) = (cluster, spec.as_object_mut()) {
        spec.insert("cluster".into(), cluster);
    }
    let info = json!({"apiVersion": exec.api_version, "kind": "ExecCredential", "spec": spec});
    let mut command = match attendant {
        Some(own) => {
            let mut command = Command::new(own);
            command.args(["attend", "--", program]);
            command
        }
        None => Command::new(program),
    };
    command
        .args(exec.args.iter().flatten())
        .env("KUBERNETES_EXEC_INFO", info.to_string())
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    for variable in exec.env.iter().flatten() {
        if let (Some(name), Some(value)) = (variable.get("name"), variable.get("value")) {
            command.env(name, value);
        }
    }
    if asks {
        // It talks to a person: it needs the terminal, and with it our own process group.
        command.stdin(Stdio::inherit()).stderr(Stdio::inherit());
    } else {
        command
            .stdin(attendant.map_or_else(Stdio::null, |_| Stdio::piped()))
            .stderr(Stdio::piped())
            .process_group(0);
    }
    Ok(command)
}

/// What comes out of a pipe, as far as it has come.
struct Pipe {
    came: Arc<Lock<Vec<u8>>>,
    reading: tokio::task::JoinHandle<()>,
}

impl Pipe {
    fn of(pipe: Option<impl AsyncRead + Unpin + Send + 'static>) -> Pipe {
        let came = Arc::new(Lock::new(Vec::new()));
        let into = Arc::clone(&came);
        let reading = tokio::spawn(async move {
            let Some(mut pipe) = pipe else { return };
            let mut piece = [0; 4096];
            while let Ok(length @ 1..) = pipe.read(&mut piece).await {
                let mut all = into.lock().unwrap_or_else(PoisonError::into_inner);
                all.extend(piece.iter().take(length));
                if all.len() > MOST {
                    return;
                }
            }
        });
        Pipe { came, reading }
    }

    /// All of it, and whether that is the end of it: the writer has ended.
    async fn rest(self) -> (Vec<u8>, bool) {
        let abort = self.reading.abort_handle();
        let ended = tokio::time::timeout(REST, self.reading).await.is_ok();
        abort.abort();
        let mut came = self.came.lock().unwrap_or_else(PoisonError::into_inner);
        (std::mem::take(&mut *came), ended)
    }
}

#[derive(Deserialize)]
struct Answer {
    status: Option<Status>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    token: Option<String>,
    client_certificate_data: Option<String>,
    client_key_data: Option<String>,
    expiration_timestamp: Option<String>,
}

/// JSON, or YAML, as the client of Kubernetes reads it.
fn credential(said: &[u8]) -> Result<Credential, Fault> {
    let nothing = || Fault::Unauthorized("the credential plugin gave no credential".into());
    let answer: Answer = serde_yaml::from_slice(said).map_err(|_| nothing())?;
    let status = answer.status.ok_or_else(nothing)?;
    if status.token.is_none() && status.client_certificate_data.is_none() {
        return Err(nothing());
    }
    Ok(Credential {
        token: status.token,
        certificate: status.client_certificate_data,
        key: status.client_key_data,
        expires: status
            .expiration_timestamp
            .and_then(|at| Timestamp::try_from(at).ok()),
    })
}

/// How it ended, and the end of what it says to people: the whole command and its output may hold secrets.
fn failed(status: ExitStatus, complaints: &[u8]) -> String {
    let text = String::from_utf8_lossy(complaints);
    let said = text
        .lines()
        .rev()
        .find(|l| !l.trim().is_empty())
        .map(|l| format!(": {}", l.trim().chars().take(200).collect::<String>()));
    format!(
        "the credential plugin ended with {status}{}",
        said.unwrap_or_default()
    )
}
