//! One run of a hook: an environment of its own, a time limit, everything that it started ended with it, bounded output without secrets. Judges nothing.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::process::Child;

use super::checks::attended;
use super::hook_drive::Kubeconfigs;
use crate::engine::{ChildOutput, Family, masked, private_file};
use crate::plan::HookTask;
use crate::rollout::{HookResult, HookWay};

/// What is kept of each stream: so many bytes of its beginning, and twice that of its end.
const MOST: usize = 64 << 10;

/// The letters of the line that a record keeps.
const LINE: usize = 200;

/// "Try again later", by which the attendant says that it could not run the command.
const NOT_RUN: i32 = 75;

/// What every hook may know of the environment. Everything else is named in `environment:`, or is not told.
const ALLOWED: [&str; 17] = [
    "PATH",
    "HOME",
    "USER",
    "LANG",
    "LC_ALL",
    "TZ",
    "TMPDIR",
    "KUBECONFIG",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "XDG_CACHE_HOME",
];

/// A secret is at least this long: a shorter value would mask half of what is printed.
const SHORTEST: usize = 6;

/// What a run is given.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) task: HookTask,
    pub(super) way: HookWay,
    /// What kfleet tells it, by variable.
    pub(super) told: BTreeMap<&'static str, String>,
    /// The environment of this process.
    pub(super) environment: BTreeMap<OsString, OsString>,
    /// Makes the kubeconfig that it gets in place of the one of this process.
    pub(super) kubeconfig: Option<Kubeconfigs>,
    /// The fleet's folder.
    pub(super) folder: PathBuf,
    pub(super) attendant: Option<PathBuf>,
}

/// A kubeconfig in a folder of its own. Dropping this removes both: it opens a cluster to whoever reads it.
struct OwnKubeconfig {
    folder: PathBuf,
}

impl OwnKubeconfig {
    /// For a run of the hook with that key.
    fn write(all: &Path, key: &str, text: &str) -> std::io::Result<OwnKubeconfig> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let own = OwnKubeconfig {
            folder: all.join(format!("{key}.{number}")),
        };
        private_file(&own.folder, &own.path(), text.as_bytes())?;
        Ok(own)
    }

    fn path(&self) -> PathBuf {
        self.folder.join("kubeconfig")
    }
}

impl Drop for OwnKubeconfig {
    fn drop(&mut self) {
        // What is not there is no loss.
        let _gone = std::fs::remove_dir_all(&self.folder);
    }
}

/// How a run ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) result: HookResult,
    /// What it printed, without secrets.
    pub(super) output: String,
}

impl Ended {
    pub(super) fn silent(result: HookResult) -> Ended {
        Ended {
            result,
            output: String::new(),
        }
    }

    /// The last line that it printed.
    pub(super) fn last_line(&self) -> String {
        let mut lines = self.output.lines().rev();
        let line = lines.find(|l| !l.trim().is_empty()).unwrap_or_default();
        let letters = line.trim().chars().filter(|c| !c.is_control());
        letters.take(LINE).collect()
    }
}

/// Runs it to its end.
pub(super) async fn run(given: &Given) -> Ended {
    let mut environment = given.environment();
    let path = environment.get(OsStr::new("PATH"));
    match &given.task.spec.skip_without {
        Some(program) if !is_on_path(program, path) => {
            let program = program.clone();
            return Ended::silent(HookResult::Skipped { program });
        }
        Some(_) | None => {}
    }
    let words = match given.way {
        HookWay::Run => &given.task.spec.run,
        HookWay::Undo => &given.task.spec.undo,
    };
    let Some((program, arguments)) = words.split_first() else {
        return given.not_run("it has no command");
    };
    let own = match given.own_kubeconfig() {
        Ok(own) => own,
        Err(why) => return given.not_run(&why),
    };
    if let Some(own) = &own {
        environment.insert("KUBECONFIG".into(), own.path().into());
    }
    let mut command = attended(program, arguments, given.attendant.as_ref());
    command
        .env_clear()
        .envs(environment)
        .current_dir(&given.folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // A group of its own: Ctrl-C at the terminal is for us, and would be a hook that was killed.
        .process_group(0)
        .kill_on_drop(true);
    match command.spawn() {
        Ok(child) => to_its_end(given, program, child).await,
        Err(e) => given.not_run(&format!("`{program}`: {e}")),
    }
}

/// Waits for it, within its time.
async fn to_its_end(given: &Given, program: &str, mut child: Child) -> Ended {
    let mut family = Family::of(&mut child);
    let (out, err) = (
        ChildOutput::of(child.stdout.take(), MOST),
        ChildOutput::of(child.stderr.take(), MOST),
    );
    let after = given.task.spec.timeout;
    let limit = Duration::from_millis(u64::try_from(after.millis()).unwrap_or(u64::MAX));
    let Ok(ended) = tokio::time::timeout(limit, child.wait()).await else {
        // All of it is ended before it is said to have ended.
        drop(family);
        let output = given.printed(out.rest().await.0, err.rest().await.0);
        let result = HookResult::TimedOut { after };
        return Ended { result, output };
    };
    let (out, err) = tokio::join!(out.rest(), err.rest());
    family.ended(out.1 && err.1);
    let code = ended.ok().and_then(|status| status.code());
    if given.attendant.is_some() && code == Some(NOT_RUN) && out.0.starts_with("it cannot be run") {
        return given.not_run(&format!("`{program}`: {}", out.0.trim()));
    }
    let result = match code {
        Some(0) => HookResult::Done,
        Some(code) => HookResult::Failed { code },
        None => HookResult::Killed,
    };
    let output = given.printed(out.0, err.0);
    Ended { result, output }
}

impl Given {
    /// A kubeconfig that leads to its cluster and to no other; none: it runs for no cluster that has one.
    fn own_kubeconfig(&self) -> Result<Option<OwnKubeconfig>, String> {
        let (Some(context), Some(all)) = (&self.task.context, &self.kubeconfig) else {
            return Ok(None);
        };
        let text = (all.of)(context)?;
        OwnKubeconfig::write(&all.folder, &self.task.place.key(), &text)
            .map(Some)
            .map_err(|e| format!("its kubeconfig cannot be written: {e}"))
    }

    /// What it may know of ours, what it asks for by name, and what it is told.
    fn environment(&self) -> BTreeMap<OsString, OsString> {
        let mut all: BTreeMap<OsString, OsString> = self
            .environment
            .iter()
            .filter(|(name, _)| {
                ALLOWED.contains(&name.to_string_lossy().as_ref()) || self.asks_for(name)
            })
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let told = self.told.iter();
        all.extend(told.map(|(name, value)| (OsString::from(name), OsString::from(value))));
        all
    }

    fn asks_for(&self, name: &OsStr) -> bool {
        let name = name.to_string_lossy();
        let mut asked = self.task.spec.environment.iter();
        asked.any(|asked| match asked.strip_suffix('*') {
            Some(beginning) => name.starts_with(beginning),
            None => *asked == name,
        })
    }

    fn not_run(&self, why: &str) -> Ended {
        let why = self.without_secrets(why);
        Ended::silent(HookResult::NotRun { why })
    }

    fn printed(&self, out: String, err: String) -> String {
        let both = match (out.is_empty(), err.is_empty()) {
            (_, true) => out,
            (true, false) => err,
            (false, false) => format!("{}\n{err}", out.trim_end()),
        };
        self.without_secrets(&both)
    }

    /// Without what looks like a secret, and without the values of the variables that it asks for: those are the ones that may be.
    fn without_secrets(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (name, value) in &self.environment {
            let value = value.to_string_lossy();
            if self.asks_for(name) && value.len() >= SHORTEST {
                text = text.replace(value.as_ref(), "***");
            }
        }
        masked(&text)
    }
}

/// Whether a program of that name is on the path, and may be run.
pub fn is_on_path(program: &str, path: Option<&OsString>) -> bool {
    let path = path.map(|path| path.as_bytes()).unwrap_or_default();
    let folders = path.split(|byte| *byte == b':');
    let mut files = folders.map(|folder| Path::new(OsStr::from_bytes(folder)).join(program));
    files.any(|file| {
        std::fs::metadata(file).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
    })
}
