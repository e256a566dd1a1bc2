//! kops as a process: explicit about everything, with an environment of its own, a time limit and bounded output. Believes no exit status alone: what
//! it did is read back by the caller.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Mutex as Lock, PoisonError};
use std::time::Duration;

use serde_json::Value as Json;
use tokio::process::Command;
use tokio::sync::{Mutex, OnceCell};

use super::answers::{self, Left, version_of};
use super::child::{ChildOutput, Family};
use super::private::{own_folder, private_file};
use super::said::{KopsCall, MOST, complaint, may_pass};
use super::validation::validation;
use super::{EngineError, Validation, masked};
use crate::model::{ClusterName, GroupName, Region};

/// The first release with `kops update cluster --instance-group`. Source: kops, `cmd/kops/update_cluster.go` of 1.30.0 and of 1.31.0.
const FIRST: &str = "1.31.0";

/// Calls that are kept until somebody asks for them.
const CALLS: usize = 32;

/// What a kops may know of the environment it runs in; everything else is said by option, or not at all. kops itself reads more (state store, name,
/// flags that turn its own refusals off): those are decided by the fleet.
/// Source: kops documentation, "Environment variables"; AWS SDKs reference guide, "Environment variables list".
const ALLOWED: [&str; 21] = [
    "PATH",
    "LANG",
    "TZ",
    "TMPDIR",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "S3_ENDPOINT",
    "S3_REGION",
    "S3_ACCESS_KEY_ID",
    "S3_SECRET_ACCESS_KEY",
    "KOPS_BASE_URL",
    "KOPS_FEATURE_FLAGS",
    "KOPS_STATE_S3_ACL",
    "SKIP_REGION_CHECK",
    "DNS_IGNORE_NS_CHECK",
];

/// How kops is run for one cluster.
#[derive(Clone, Debug)]
pub struct KopsOptions {
    /// The binary: a path, or a name on the `PATH` of `environment`.
    pub binary: PathBuf,
    pub cluster: ClusterName,
    /// The state store, as kops is told it.
    pub state: String,
    /// The cluster's region.
    pub region: Region,
    /// The role that kops takes on, as kfleet does.
    pub role: Option<String>,
    /// The environment of this process, of which kops gets what it may know.
    pub environment: BTreeMap<OsString, OsString>,
    /// A private folder: its home, its kubeconfig, the documents that it is given.
    pub folder: PathBuf,
    /// This program, which ends kops when we have ended, in whatever way; none: kops is run directly.
    pub attendant: Option<PathBuf>,
    /// How long one call may take.
    pub limit: Duration,
}

/// kops for one cluster. One call at a time.
#[derive(Debug)]
pub struct Kops {
    options: KopsOptions,
    one_at_a_time: Mutex<()>,
    version: OnceCell<String>,
    /// Since they were last asked for, the newest last.
    calls: Lock<Vec<KopsCall>>,
}

impl Kops {
    /// kops, which has not been asked anything yet.
    pub fn new(options: KopsOptions) -> Kops {
        Kops {
            options,
            one_at_a_time: Mutex::new(()),
            version: OnceCell::new(),
            calls: Lock::default(),
        }
    }

    /// Its calls since this was last asked, for a person to read; of very many the last ones.
    pub fn drain_calls(&self) -> Vec<KopsCall> {
        std::mem::take(&mut *self.calls.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The release of the binary, asked once.
    ///
    /// # Errors
    /// When it cannot be run, or says none.
    pub async fn version(&self) -> Result<String, EngineError> {
        let asked = async {
            let said = self.said(&["version"]).await?;
            version_of(&said).ok_or_else(|| EngineError::NoSense {
                command: "version".into(),
                words: complaint(&said, ""),
            })
        };
        self.version.get_or_try_init(|| asked).await.cloned()
    }

    /// Refuses to go on where another release last updated the cluster (`last`, as kops wrote it): it would make other things of the same documents.
    /// None: none has.
    ///
    /// # Errors
    /// When the releases differ, the binary says none, or it is too old to update groups one by one.
    pub async fn expect(&self, last: Option<&str>) -> Result<(), EngineError> {
        let is = self.version().await?;
        if is_too_old(&is) {
            let since = FIRST.to_owned();
            return Err(EngineError::TooOld { is, since });
        }
        match last.map(str::trim) {
            Some(last) if last.strip_prefix('v').unwrap_or(last) != is => {
                Err(EngineError::OtherVersion {
                    cluster: self.options.cluster.clone(),
                    is,
                    last: last.to_owned(),
                })
            }
            Some(_) | None => Ok(()),
        }
    }

    /// `kops replace`: stores these documents, those that are not there yet among them.
    ///
    /// # Errors
    /// When kops does not say that it did.
    pub async fn publish(&self, documents: &[Json]) -> Result<(), EngineError> {
        // JSON is YAML, and kops cuts the text at these lines.
        let text = documents
            .iter()
            .map(Json::to_string)
            .collect::<Vec<_>>()
            .join("\n---\n");
        let path = self.options.folder.join("documents.yaml");
        private_file(&self.options.folder, &path, text.as_bytes()).map_err(|e| self.not_run(&e))?;
        let file = path.display().to_string();
        let done = self.asked(&["replace", "--force", "-f", &file]).await;
        // It says who may do what in the cluster: it is not left lying about.
        let _ = std::fs::remove_file(&path);
        done.map(drop)
    }

    /// `kops update cluster --yes` for these groups.
    ///
    /// The order in which control plane and nodes are brought to a new version is the rollout's, so kops is told not to hold groups back by what it
    /// can see of the nodes: without a kubeconfig it sees none.
    ///
    /// # Errors
    /// When kops does not say that it did.
    pub async fn update(&self, groups: &BTreeSet<GroupName>) -> Result<(), EngineError> {
        let groups = listed(groups);
        self.asked(&[
            "update",
            "cluster",
            "--yes",
            "--create-kube-config=false",
            "--ignore-kubelet-version-skew",
            "--instance-group",
            &groups,
        ])
        .await
        .map(drop)
    }

    /// `kops delete instancegroup --yes`.
    ///
    /// # Errors
    /// When kops does not say that it did.
    pub async fn delete(&self, group: &GroupName) -> Result<(), EngineError> {
        self.asked(&["delete", "instancegroup", group.as_str(), "--yes"])
            .await
            .map(drop)
    }

    /// `kops update cluster` for these groups: what it would do.
    ///
    /// # Errors
    /// When kops says nothing that can be read.
    pub async fn left(&self, groups: &BTreeSet<GroupName>) -> Result<Left, EngineError> {
        self.would_change(groups, &self.options.state).await
    }

    async fn would_change(
        &self,
        groups: &BTreeSet<GroupName>,
        state: &str,
    ) -> Result<Left, EngineError> {
        let names = listed(groups);
        let ask = [
            "update",
            "cluster",
            "--create-kube-config=false",
            "--ignore-kubelet-version-skew",
            "--instance-group",
            &names,
        ];
        let said = self.said(&self.about_state(&ask, state)).await?;
        answers::left(&said).ok_or_else(|| EngineError::NoSense {
            command: "update cluster".into(),
            words: complaint(&said, ""),
        })
    }

    /// As [`Kops::left`], of a state store that has these files alone. Nothing is stored.
    ///
    /// # Errors
    /// When it cannot be written, or kops says nothing that can be read.
    pub async fn preview(
        &self,
        files: &BTreeMap<String, String>,
        groups: &BTreeSet<GroupName>,
    ) -> Result<Left, EngineError> {
        let copy = self.options.folder.join("preview");
        let asked = async {
            for (path, text) in files {
                let path = copy.join(path);
                let folder = path.parent().unwrap_or(&copy);
                private_file(folder, &path, text.as_bytes()).map_err(|e| self.not_run(&e))?;
            }
            let state = format!("file://{}", copy.display());
            self.would_change(groups, &state).await
        };
        let found = asked.await;
        // It says who may do what in the cluster: it is not left lying about.
        let _ = std::fs::remove_dir_all(&copy);
        found
    }

    /// `kops validate cluster`, once, with a kubeconfig of its own that is good for a quarter of an hour and does not outlive the call. A cluster that is
    /// not healthy is an answer, whatever the exit status says.
    ///
    /// # Errors
    /// When kops says nothing that can be read.
    pub async fn validate(&self) -> Result<Validation, EngineError> {
        let file = self.options.folder.join("kubeconfig-validate");
        let path = file.display().to_string();
        let command = "validate cluster";
        let export = ["export", "kubeconfig", "--admin=15m", "--kubeconfig", &path];
        let asked = async {
            self.asked(&export).await?;
            let ask = [
                "validate",
                "cluster",
                "--output",
                "json",
                "--kubeconfig",
                &path,
            ];
            self.printed(&self.about(&ask)).await
        };
        let printed = asked.await;
        // It opens the cluster to whoever reads it.
        let _ = std::fs::remove_file(&file);
        let printed = printed?;
        let ended_well = printed.ended_well();
        let Printed { out, err, .. } = printed;
        match validation(&out) {
            Some(found) if ended_well || !found.failures.is_empty() => Ok(found),
            Some(_) | None if ended_well => Err(EngineError::NoSense {
                command: command.into(),
                words: complaint(&out, &err),
            }),
            // It ended badly and names no failure: the API did not answer, or something else that passes.
            Some(_) | None => Err(EngineError::Failed {
                command: command.into(),
                words: complaint(&out, &err),
            }),
        }
    }

    /// One call about the cluster.
    async fn asked(&self, arguments: &[&str]) -> Result<String, EngineError> {
        self.said(&self.about(arguments)).await
    }

    /// A call, and which cluster it is about.
    fn about<'a>(&'a self, arguments: &[&'a str]) -> Vec<&'a str> {
        self.about_state(arguments, &self.options.state)
    }

    fn about_state<'a>(&'a self, arguments: &[&'a str], state: &'a str) -> Vec<&'a str> {
        let options = &self.options;
        let mut all: Vec<&str> = arguments.to_vec();
        // `replace` takes no name: the documents say whose they are.
        if arguments.first() != Some(&"replace") {
            all.extend(["--name", options.cluster.as_str()]);
        }
        all.extend(["--state", state]);
        all
    }

    /// What it printed, on either stream, when it ended well.
    async fn said(&self, arguments: &[&str]) -> Result<String, EngineError> {
        let printed = self.printed(arguments).await?;
        let ended_well = printed.ended_well();
        let Printed { out, err, .. } = printed;
        if ended_well {
            return Ok(format!("{out}\n{err}"));
        }
        let (command, words) = (named(arguments), complaint(&out, &err));
        Err(if may_pass(&words) {
            EngineError::Failed { command, words }
        } else {
            EngineError::Refused { command, words }
        })
    }

    /// What it printed, when it came to an end of its own.
    async fn printed(&self, arguments: &[&str]) -> Result<Printed, EngineError> {
        let _mine = self.one_at_a_time.lock().await;
        let ran = self.run(arguments).await;
        let (streams, ended) = match &ran {
            Ok(printed) => {
                let ended = format!("exit code {}", printed.code);
                ((printed.out.as_str(), printed.err.as_str()), ended)
            }
            Err(broken) => {
                let streams = (broken.out.as_str(), broken.err.as_str());
                (streams, broken.error.to_string())
            }
        };
        let call = KopsCall::new(&arguments.join(" "), streams, &ended);
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        let over = (calls.len() + 1).saturating_sub(CALLS);
        calls.drain(..over);
        calls.push(call);
        ran.map_err(|broken| broken.error)
    }

    async fn run(&self, arguments: &[&str]) -> Result<Printed, Broken> {
        let command = || named(arguments);
        own_folder(&self.options.folder).map_err(|e| self.not_run(&e))?;
        let mut child = self
            .command(arguments)
            .spawn()
            .map_err(|e| self.not_run(&e))?;
        let mut family = Family::of(&mut child);
        let (out, err) = (
            ChildOutput::of(child.stdout.take(), MOST),
            ChildOutput::of(child.stderr.take(), MOST),
        );
        let Ok(ended) = tokio::time::timeout(self.options.limit, child.wait()).await else {
            // All of it is ended before it is said to have ended.
            drop(family);
            let error = EngineError::TimedOut {
                command: command(),
                seconds: self.options.limit.as_secs(),
            };
            let (out, err) = (out.rest().await.0, err.rest().await.0);
            return Err(Broken { error, out, err });
        };
        let status = ended.map_err(|e| self.not_run(&e))?;
        let (out, err) = tokio::join!(out.rest(), err.rest());
        // What it left behind with a pipe of ours in its hands is ended too.
        family.ended(out.1 && err.1);
        let (out, err) = (out.0, err.0);
        let error = match status.code() {
            None => EngineError::Killed { command: command() },
            // Its attendant could not run it.
            Some(75) if out.starts_with("it cannot be run") => EngineError::NotRun {
                binary: self.options.binary.display().to_string(),
                why: complaint(&out, ""),
            },
            Some(code) => return Ok(Printed { code, out, err }),
        };
        Err(Broken { error, out, err })
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let options = &self.options;
        let mut command = match &options.attendant {
            Some(own) => {
                let mut command = Command::new(own);
                command
                    .args(["attend", "--"])
                    .arg(&options.binary)
                    .stdin(Stdio::piped());
                command
            }
            None => {
                let mut command = Command::new(&options.binary);
                // Whatever it asks stays without an answer.
                command.stdin(Stdio::null());
                command
            }
        };
        command
            .args(arguments)
            .env_clear()
            .envs(self.environment())
            .current_dir(&options.folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        command
    }

    /// What it may know of ours, and what is decided for it.
    fn environment(&self) -> BTreeMap<OsString, OsString> {
        let options = &self.options;
        let may_know = |name: &OsString| {
            let name = name.to_string_lossy();
            ALLOWED.contains(&name.as_ref()) || name.starts_with("AWS_")
        };
        let mut all: BTreeMap<OsString, OsString> = options
            .environment
            .iter()
            .filter(|(name, _)| may_know(name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        // A home of its own: no `.kops.yaml`, no kubeconfig of a person. The profiles of AWS stay where they are.
        let home = options
            .environment
            .get(&OsString::from("HOME"))
            .map(PathBuf::from);
        for (name, file) in [
            ("AWS_CONFIG_FILE", ".aws/config"),
            ("AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials"),
        ] {
            if let (Some(home), false) = (&home, all.contains_key(&OsString::from(name))) {
                all.insert(name.into(), home.join(file).into());
            }
        }
        all.insert("HOME".into(), options.folder.clone().into());
        all.insert(
            "KUBECONFIG".into(),
            options.folder.join("kubeconfig").into(),
        );
        all.insert("AWS_REGION".into(), options.region.as_str().into());
        if let Some(role) = &options.role {
            all.insert("KOPS_AWS_ROLE_ARN".into(), role.into());
        }
        all
    }

    fn not_run(&self, why: &std::io::Error) -> EngineError {
        EngineError::NotRun {
            binary: self.options.binary.display().to_string(),
            why: masked(&why.to_string()),
        }
    }
}

/// What a kops that came to its end printed.
struct Printed {
    code: i32,
    out: String,
    err: String,
}

impl Printed {
    fn ended_well(&self) -> bool {
        self.code == 0
    }
}

/// A kops that did not, and what it had printed by then.
struct Broken {
    error: EngineError,
    out: String,
    err: String,
}

impl From<EngineError> for Broken {
    fn from(error: EngineError) -> Self {
        Broken {
            error,
            out: String::new(),
            err: String::new(),
        }
    }
}

/// The words of a call, without its options.
fn named(arguments: &[&str]) -> String {
    let words = arguments.iter().take_while(|a| !a.starts_with('-'));
    words.copied().collect::<Vec<_>>().join(" ")
}

fn is_too_old(release: &str) -> bool {
    let number = |text: &str| {
        let mut parts = text.split(['.', '-']);
        let mut part = || parts.next().and_then(|p| p.parse::<u32>().ok());
        (part(), part())
    };
    number(release) < number(FIRST)
}

fn listed(groups: &BTreeSet<GroupName>) -> String {
    let names: Vec<&str> = groups.iter().map(GroupName::as_str).collect();
    names.join(",")
}
