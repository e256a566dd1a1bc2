//! A moto server of our own for one test binary: found or installed, started on a free loopback port, gone when the binary is.
//!
//! Python that has moto: `KFLEET_MOTO_PYTHON`, else a `python3` on PATH that can import it, else an environment in
//! `target/moto`, made once with pip. Where there is none of these the test says "skipped" and is no pass.
#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "each test binary uses its own part"
)]

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

const VERSION: &str = "5.2.5";

/// A running server. It ends when its standard input does, which is when this process does, however that comes about.
pub struct Server {
    address: String,
    python: PathBuf,
    _standard_input: Option<ChildStdin>,
}

/// The server of this test binary; started when first asked for.
pub fn server() -> Result<&'static Server, &'static str> {
    static SERVER: OnceLock<Result<Server, String>> = OnceLock::new();
    SERVER
        .get_or_init(|| python().and_then(|python| start(&python)))
        .as_ref()
        .map_err(String::as_str)
}

/// The server, or a line on standard error that says that this test did not run.
pub fn server_or_skip(test: &str) -> Option<&'static Server> {
    match server() {
        Ok(server) => Some(server),
        Err(why) => {
            skip(test, &format!("no moto_server: {why}"));
            None
        }
    }
}

/// A check that cannot run is seen, whatever the test harness captures.
pub fn skip(test: &str, why: &str) {
    std::io::stderr()
        .write_all(format!("skipped: {test}: {why}\n").as_bytes())
        .unwrap();
}

/// An account that no other test of this binary uses.
pub fn account() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(100_000_000_001);
    NEXT.fetch_add(1, Ordering::Relaxed).to_string()
}

fn start(python: &Path) -> Result<Server, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/moto");
    let mut command = Command::new(python);
    command
        .arg(folder)
        .arg("0")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("PYTHONPATH", target("moto/packages"));
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(log_of_server());
    let mut child = command
        .spawn()
        .map_err(|e| format!("{}: {e}", python.display()))?;
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .map_err(|e| e.to_string())?;
    match line.trim().strip_prefix("ready http://") {
        Some(address) => Ok(Server {
            address: address.to_owned(),
            python: python.to_owned(),
            _standard_input: child.stdin.take(),
        }),
        // It is there and does not start: that is a failure of ours, nothing to skip.
        None => panic!(
            "the moto server did not start; see {}",
            log_path().display()
        ),
    }
}

fn log_path() -> PathBuf {
    let exe = std::env::current_exe().unwrap_or_default();
    target(&format!(
        "moto-{}.log",
        exe.file_stem().unwrap_or_default().to_string_lossy()
    ))
}

fn log_of_server() -> Stdio {
    File::create(log_path()).map_or_else(|_| Stdio::null(), Stdio::from)
}

/// A path in the target folder.
fn target(path: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
        .parent()
        .unwrap()
        .join(path)
}

/// Where moto and what it brings are where there is no environment of their own.
#[allow(dead_code, reason = "one test starts another program")]
pub fn packages() -> PathBuf {
    target("moto/packages")
}

fn python() -> Result<PathBuf, String> {
    if let Some(path) = std::env::var_os("KFLEET_MOTO_PYTHON") {
        let path = PathBuf::from(path);
        return if has_moto(&path) {
            Ok(path)
        } else {
            Err(format!("{} cannot import moto {VERSION}", path.display()))
        };
    }
    let found = PathBuf::from("python3");
    if has_moto(&found) {
        return Ok(found);
    }
    // Test binaries run side by side: one of them installs, the others wait.
    let lock = File::create(target("moto.lock")).map_err(|e| e.to_string())?;
    lock.lock().map_err(|e| e.to_string())?;
    install()
}

fn has_moto(python: &Path) -> bool {
    let program = format!("import moto, flask, flask_cors; assert moto.__version__ == '{VERSION}'");
    let mut command = Command::new(python);
    command
        .args(["-c", &program])
        .env("PYTHONPATH", target("moto/packages"));
    let asked = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    asked.is_ok_and(|status| status.success())
}

/// An environment with moto in the target folder, kept between runs. Without the `venv` module the packages go to a folder beside it.
fn install() -> Result<PathBuf, String> {
    let inside = target("moto/bin/python");
    if has_moto(&inside) {
        return Ok(inside);
    }
    let (folder, package) = (target("moto"), format!("moto[server]=={VERSION}"));
    let venv = ran(Command::new("python3").args(["-m", "venv"]).arg(&folder)).and_then(|()| {
        ran(Command::new(&inside).args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            &package,
        ]))
    });
    match venv {
        Ok(()) if has_moto(&inside) => Ok(inside),
        Ok(()) => Err("moto was installed and cannot be imported".into()),
        Err(first) => {
            let packages = target("moto/packages");
            ran(Command::new("python3")
                .args(["-m", "pip", "install", "--quiet", "--target"])
                .arg(packages)
                .arg(&package))
            .map_err(|second| format!("{first}; {second}"))?;
            Ok(PathBuf::from("python3"))
        }
    }
}

fn ran(command: &mut Command) -> Result<(), String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|e| format!("{:?}: {e}", command.get_program()))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(said
        .lines()
        .rev()
        .find(|l| !l.trim().is_empty())
        .unwrap_or("it failed and said nothing")
        .to_owned())
}

impl Server {
    /// A server that another process started.
    pub fn at(url: &str) -> Server {
        Server {
            address: url.trim_start_matches("http://").to_owned(),
            python: PathBuf::new(),
            _standard_input: None,
        }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The python that has moto, and boto3 with it.
    pub fn python(&self) -> &Path {
        &self.python
    }

    /// What makes a program act in that account on this server, and look nowhere else for credentials.
    pub fn environment(&self, account: &str) -> Vec<(&'static str, String)> {
        vec![
            ("AWS_ENDPOINT_URL", self.url()),
            ("AWS_ACCESS_KEY_ID", key(account)),
            ("AWS_SECRET_ACCESS_KEY", "not checked".into()),
            ("AWS_EC2_METADATA_DISABLED", "true".into()),
            ("AWS_CONFIG_FILE", "/dev/null".into()),
            ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null".into()),
            ("NO_PROXY", "127.0.0.1".into()),
        ]
    }

    /// A control endpoint.
    #[track_caller]
    pub fn order(&self, what: &str, body: &Value) -> Value {
        let (status, text) = self.send(
            "POST",
            &format!("/x/{what}"),
            &[("Content-Type", "application/json")],
            &body.to_string(),
        );
        assert_eq!(status, 200, "/x/{what}: {text}");
        let answer: Value =
            serde_json::from_str(&text).unwrap_or_else(|e| panic!("/x/{what}: {e}: {text}"));
        assert!(answer.get("error").is_none(), "/x/{what}: {answer}");
        answer
    }

    /// The calls of that account so far.
    pub fn log(&self, account: &str) -> Vec<Call> {
        let (_, text) = self.send("GET", &format!("/x/log?account={account}"), &[], "");
        let calls: Vec<Value> = serde_json::from_str(&text).unwrap();
        calls.into_iter().map(Call).collect()
    }

    /// Forgets the calls of that account.
    pub fn forget_log(&self, account: &str) {
        self.send("DELETE", &format!("/x/log?account={account}"), &[], "");
    }

    /// Forgets the faults that were ordered for that account.
    pub fn forget_faults(&self, account: &str) {
        self.send("DELETE", &format!("/x/faults?account={account}"), &[], "");
    }

    /// A change by hand: one call of the API, as somebody else would make it. The answer's XML.
    #[track_caller]
    pub fn by_hand(
        &self,
        account: &str,
        region: &str,
        action: &str,
        parameters: &[(&str, &str)],
    ) -> String {
        let ec2 = ["Image", "LaunchTemplate", "Subnet", "SecurityGroup"]
            .iter()
            .any(|w| action.contains(w))
            || action == "DescribeInstances";
        let ec2 = ec2 || action == "TerminateInstances" || action == "CreateTags";
        let (service, version) = if ec2 {
            ("ec2", "2016-11-15")
        } else {
            ("autoscaling", "2011-01-01")
        };
        let mut body = format!("Action={action}&Version={version}");
        for (name, value) in parameters {
            body += &format!("&{name}={}", escaped(value));
        }
        let scope = format!(
            "AWS4-HMAC-SHA256 Credential={}/20260101/{region}/{service}/aws4_request, SignedHeaders=host, Signature=0",
            key(account)
        );
        let host = format!("{service}.{region}.amazonaws.com");
        let headers = [
            ("Authorization", scope.as_str()),
            ("Content-Type", "application/x-www-form-urlencoded"),
            ("Host", host.as_str()),
        ];
        let (status, text) = self.send("POST", "/", &headers, &body);
        assert_eq!(status, 200, "{action} {parameters:?}: {text}");
        text
    }

    /// An object of S3 as somebody else would put it there, by its path `/bucket/key`; `/bucket` makes the bucket.
    #[track_caller]
    pub fn put(&self, account: &str, path: &str, body: &str) {
        let scope = format!(
            "AWS4-HMAC-SHA256 Credential={}/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0",
            key(account)
        );
        let (status, text) = self.send(
            "PUT",
            path,
            &[("Authorization", &scope), ("Host", &self.address)],
            body,
        );
        assert_eq!(status, 200, "PUT {path}: {text}");
    }

    fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let mut head = format!(
            "{method} {path} HTTP/1.0\r\nContent-Length: {}\r\n",
            body.len()
        );
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        stream
            .write_all(format!("{head}\r\n{body}").as_bytes())
            .unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|s| s.parse().ok())
            .unwrap_or_else(|| panic!("{method} {path}: {answer}"));
        (status, body.to_owned())
    }
}

/// One call of the API, as the server logged it.
#[derive(Debug)]
pub struct Call(pub Value);

impl Call {
    pub fn action(&self) -> &str {
        self.0["action"].as_str().unwrap_or_default()
    }

    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.0["params"][name].as_str()
    }

    pub fn region(&self) -> &str {
        self.0["region"].as_str().unwrap_or_default()
    }

    /// Whether it took effect, whatever became of its answer.
    pub fn landed(&self) -> bool {
        self.0["landed"] == true
    }

    /// The fault that was ordered for it.
    pub fn fault(&self) -> Option<&str> {
        self.0["fault"].as_str()
    }

    /// What it asked for: the same twice is the same effect. Tokens are what makes a repetition harmless, not part of it.
    pub fn effect(&self) -> String {
        let parameters = self.0["params"]
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(name, _)| *name != "ClientToken");
        let parameters: BTreeMap<&String, &Value> = parameters.collect();
        format!("{} {} {parameters:?}", self.region(), self.action())
    }

    /// Whether it may change something.
    pub fn mutates(&self) -> bool {
        let action = self.action();
        let is_tried = self.0["params"]["DryRun"] == "true";
        !is_tried
            && ![
                "Describe", "Get", "List", "Assume", "HEAD", "GET ", "Simulate",
            ]
            .iter()
            .any(|read| action.starts_with(read))
    }
}

/// How many calls of each API there were.
pub fn counted(calls: &[Call]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for call in calls {
        *counts.entry(call.action().to_owned()).or_insert(0) += 1;
    }
    counts
}

/// An access key whose account the server knows from the key itself.
pub fn key(account: &str) -> String {
    format!("AKIA{account}KFLT")
}

fn escaped(value: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~');
    value
        .bytes()
        .map(|b| {
            if plain(b) {
                char::from(b).to_string()
            } else {
                format!("%{b:02X}")
            }
        })
        .collect()
}

/// A fault that is ordered for an account.
pub fn fault(account: &str, action: &str, more: Value) -> Value {
    let mut fault = json!({"account": account, "action": action});
    fault
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().cloned().unwrap_or_default());
    fault
}
