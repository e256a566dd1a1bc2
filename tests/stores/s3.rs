//! The same cases and races on S3, as moto plays it, through the connection that kfleet itself uses; and the binary on such a store.
#![cfg(feature = "aws")]

#[path = "../support/moto.rs"]
mod moto;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use kfleet::cloud::aws::Reach;
use kfleet::model::{Span, Timestamp};
use kfleet::run::objects_in_s3;
use kfleet::store::{CloudKind, Leases, Locks, Store, StoreError, Terms};
use moto::{Server, account, fault, key, server_or_skip};
use serde_json::json;

use crate::cases::{Place, all_on};
use crate::race::never_both;
use crate::support::name;

/// In which a test that runs once more, as a process of its own with the environment of the server, finds its bucket.
const BUCKET: &str = "KFLEET_TEST_BUCKET";

/// Runs the test of that name again with what leads to a bucket of its own; none where there is no server.
fn in_a_bucket(test: &str) -> Option<()> {
    let server = server_or_skip(test)?;
    let account = account();
    let bucket = bucket(server, &account);
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", &format!("s3::{test}")])
        .env(BUCKET, format!("s3://{bucket}/some/prefix"));
    command
        .envs(server.environment(&account))
        .env("AWS_REGION", "us-east-1")
        .stdin(Stdio::null());
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
    assert!(
        String::from_utf8_lossy(&output.stdout).contains("1 passed"),
        "it did not run there"
    );
    Some(())
}

/// A new bucket in that account.
fn bucket(server: &Server, account: &str) -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let bucket = format!("store-{}-{account}", NEXT.fetch_add(1, Ordering::Relaxed));
    let url = server.url();
    let address = url.strip_prefix("http://").unwrap();
    let scope = format!(
        "AWS4-HMAC-SHA256 Credential={}/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0",
        key(account)
    );
    let mut stream = TcpStream::connect(address).unwrap();
    let request = format!(
        "PUT /{bucket} HTTP/1.0\r\nHost: {address}\r\nAuthorization: {scope}\r\nContent-Length: 0\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.split(' ').nth(1) == Some("200"), "{answer}");
    bucket
}

fn store(url: &str, token: &str, terms: Terms) -> Store {
    let began = Instant::now();
    let ticks = Arc::new(move || i64::try_from(began.elapsed().as_millis()).unwrap());
    let leases = Leases::new(
        objects_in_s3(url, &Reach::default()).unwrap(),
        ticks,
        terms,
        format!("owner {token}"),
        token.into(),
    );
    Store::of_objects(leases, CloudKind::Local).unwrap()
}

#[test]
fn every_case_holds_on_s3() {
    let Ok(url) = std::env::var(BUCKET) else {
        return in_a_bucket("every_case_holds_on_s3").unwrap_or_default();
    };
    all_on(|case| {
        let url = format!("{url}/{case}");
        Place {
            objects: objects_in_s3(&url, &Reach::default()).unwrap(),
            open: Box::new(move |token| store(&url, token, Terms::default())),
        }
    });
    assert!(
        objects_in_s3("https://a-bucket", &Reach::default()).is_err()
            && objects_in_s3("s3://", &Reach::default()).is_err()
    );
}

#[test]
fn two_on_s3_are_never_both_in() {
    let Ok(url) = std::env::var(BUCKET) else {
        return in_a_bucket("two_on_s3_are_never_both_in").unwrap_or_default();
    };
    never_both(40, &|| store(&url, "p1", Terms::default()), &|| {
        store(&url, "p2", Terms::default())
    });
}

#[test]
fn a_lock_of_the_dead_is_taken_over_by_the_clock_of_s3() {
    let Ok(url) = std::env::var(BUCKET) else {
        return in_a_bucket("a_lock_of_the_dead_is_taken_over_by_the_clock_of_s3")
            .unwrap_or_default();
    };
    let (never, second) = (Span::from_secs(3_600), Span::from_secs(1));
    let terms = Terms {
        beat: never,
        lease: second,
        margin: second,
    };
    let (dead, next) = (store(&url, "dead", terms), store(&url, "next", terms));
    let take = |locks: &mut Locks, store: &Store, owner: &str| {
        locks.take(
            store,
            [name("a.k8s.test")],
            owner,
            "r1",
            Timestamp::from_millis(0),
        )
    };
    let (mut ours, mut theirs) = (Locks::default(), Locks::default());
    take(&mut ours, &dead, "anna").unwrap();
    let patience = Instant::now() + Duration::from_secs(60);
    let over = loop {
        match take(&mut theirs, &next, "ben") {
            Ok(over) => break over,
            Err(StoreError::Locked { owner, .. }) => assert_eq!(owner, "anna"),
            Err(other) => panic!("{other}"),
        }
        assert!(Instant::now() < patience, "it is never over");
    };
    assert_eq!((over[0].from.owner.as_str(), over[0].fence), ("anna", 2));
    // Whoever may take it over comes long after whoever had it stopped.
    assert!(matches!(
        ours.check(&name("a.k8s.test")),
        Err(StoreError::LockLost { .. })
    ));
}

/// A fleet whose store is in S3, and the binary on it.
struct Bed {
    dir: tempfile::TempDir,
    server: &'static Server,
    account: String,
}

impl Bed {
    fn new(server: &'static Server) -> Bed {
        let dir = tempfile::tempdir().unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let account = account();
        let settings = std::fs::read_to_string(root.join("fleet.yaml")).unwrap();
        // Hooks reach what is real.
        let (before, hooks) = settings.split_once("\nhooks:").unwrap();
        let (_, after) = hooks.split_once("\ngates:").unwrap();
        let settings = format!("{before}\ngates:{after}");
        let settings = settings
            .lines()
            .filter(|l| !l.starts_with("store:"))
            .map(|l| format!("{l}\n"))
            .collect::<String>();
        let bucket = bucket(server, &account);
        std::fs::write(
            dir.path().join("fleet.yaml"),
            format!("{settings}store: s3://{bucket}/kfleet\n"),
        )
        .unwrap();
        for folder in ["clusters", "vars", "templates", "snippets", "tools"] {
            crate::faults::copy(&root.join(folder), &dir.path().join(folder));
        }
        Bed {
            dir,
            server,
            account,
        }
    }

    fn run(&self, words: &str) -> (Option<i32>, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kfleet"));
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("KFLEET_USER", "anna");
        command
            .envs(self.server.environment(&self.account))
            .env("AWS_REGION", "us-east-1");
        command
            .arg("-C")
            .arg(self.dir.path())
            .args(words.split(' '))
            .stdin(Stdio::null());
        let output = command.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (
            output.status.code(),
            text(output.stdout),
            text(output.stderr),
        )
    }

    #[track_caller]
    fn says(&self, words: &str, code: i32, naming: &[&str]) {
        let (ended, out, err) = self.run(words);
        assert_eq!(ended, Some(code), "{words}\n{out}{err}");
        for part in naming {
            assert!(
                out.contains(part) || err.contains(part),
                "nothing about {part:?} in\n{out}{err}"
            );
        }
        assert!(!err.contains("panicked"), "{err}");
    }
}

#[test]
fn the_binary_keeps_its_store_in_s3() {
    let Some(server) = server_or_skip("the_binary_keeps_its_store_in_s3") else {
        return;
    };
    let bed = Bed::new(server);
    bed.says(
        "--cloud aws rollout status",
        0,
        &["there was no rollout yet"],
    );
    bed.says(
        "--cloud aws rollout resume",
        0,
        &["no rollout is unfinished"],
    );
    bed.says(
        "--cloud aws rollout show nothing",
        1,
        &["there is no rollout nothing in the store"],
    );
    // The store itself says which cloud it is.
    bed.says("go", 0, &["nothing was stopped"]);
    bed.says(
        "stop --reason prod-burns",
        0,
        &[
            "the line is stopped by anna (process ",
            ": prod-burns; running rollouts halt",
        ],
    );
    bed.says(
        "stop --cluster prod-small.k8s.foo.bar --reason again",
        0,
        &["prod-small.k8s.foo.bar is stopped by anna"],
    );
    bed.says(
        "stop --cluster prod-smal.k8s.foo.bar --reason again",
        1,
        &["the fleet has no cluster"],
    );
    bed.says(
        "--cloud aws rollout status",
        0,
        &[
            "STOPPED: the line is stopped by anna",
            "`kfleet go` lifts it",
            "prod-small.k8s.foo.bar is stopped",
        ],
    );
    bed.says(
        "--cloud aws rollout start",
        1,
        &[
            "error: the line is stopped by anna",
            "prod-burns",
            "hint: `kfleet go` lifts it",
        ],
    );
    bed.says(
        "go",
        0,
        &[
            "lifted: the line is stopped by anna",
            "still stopped: prod-small.k8s.foo.bar is stopped by anna",
        ],
    );
    bed.says(
        "go --cluster prod-small.k8s.foo.bar",
        0,
        &["lifted: prod-small.k8s.foo.bar is stopped by anna"],
    );
    // The simulated account keeps its state in a folder.
    bed.says(
        "--cloud local plan",
        1,
        &["the simulated account keeps its state in a folder, and the store is s3://"],
    );
}

#[test]
fn an_s3_store_that_answers_wrongly_is_one_clear_error() {
    let Some(server) = server_or_skip("an_s3_store_that_answers_wrongly_is_one_clear_error") else {
        return;
    };
    let bed = Bed::new(server);
    let faulty = |code: &str, status: u16, naming: &[&str]| {
        server.order(
            "faults",
            &fault(
                &bed.account,
                ".*kfleet.*",
                json!({"status": status, "code": code, "times": 100}),
            ),
        );
        bed.says("stop --reason why", 1, naming);
        server.forget_faults(&bed.account);
    };
    faulty(
        "ExpiredToken",
        400,
        &[
            "error: cannot read s3://store-",
            "/kfleet/store.json: no valid credentials: ExpiredToken",
            "hint: log in again",
        ],
    );
    faulty(
        "AccessDenied",
        403,
        &["error: cannot read s3://store-", "AccessDenied"],
    );
    faulty(
        "SlowDown",
        503,
        &["/kfleet/store.json: no answer: SlowDown", "hint: try again"],
    );
    bed.says(
        "--cloud aws rollout status",
        0,
        &["there was no rollout yet"],
    );
    // An answer that gets lost: the stop is there, and it is ours.
    server.order(
        "faults",
        &fault(
            &bed.account,
            "PUT .*stops.*",
            json!({"drop": true, "apply_first": true, "times": 1}),
        ),
    );
    bed.says("stop --reason why", 0, &["the line is stopped by anna"]);
    bed.says("go", 0, &["lifted: the line is stopped by anna"]);
}
