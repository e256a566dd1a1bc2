//! kops as a process, with a stand-in that keeps a state store in a folder and fails in every way that it is told to.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    missing_docs,
    reason = "tests"
)]

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use kfleet::engine::{EngineError, Kops, KopsOptions};
use kfleet::model::GroupName;
use serde_json::json;

struct StandIn {
    dir: tempfile::TempDir,
    kops: Kops,
}

impl StandIn {
    fn new(mood: &str) -> StandIn {
        StandIn::with(mood, |_| {})
    }

    fn with(mood: &str, change: impl Fn(&mut KopsOptions)) -> StandIn {
        let dir = tempfile::tempdir().unwrap();
        let binary = dir.path().join("kops");
        std::fs::write(&binary, include_str!("kops.sh")).unwrap();
        std::fs::set_permissions(&binary, std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::write(dir.path().join("mood"), mood).unwrap();
        std::fs::create_dir(dir.path().join("state")).unwrap();
        let variables = [
            ("PATH", std::env::var("PATH").unwrap()),
            ("HOME", "/home/person".into()),
            ("AWS_PROFILE", "prod".into()),
            ("KUBECONFIG", "/home/person/.kube/config".into()),
            ("KOPS_STATE_STORE", "s3://another".into()),
            ("KOPS_CLUSTER_NAME", "another.example.com".into()),
            ("KOPS_RUN_OBSOLETE_VERSION", "1".into()),
            ("EDITOR", "vi".into()),
            ("GITHUB_TOKEN", "secret".into()),
        ];
        let mut options = KopsOptions {
            binary,
            cluster: "c.example.com".parse().unwrap(),
            state: format!("file://{}/state", dir.path().display()),
            region: "eu-west-3".parse().unwrap(),
            role: Some("arn:aws:iam::111122223333:role/kfleet".into()),
            environment: variables
                .into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
            folder: dir.path().join("own"),
            attendant: None,
            limit: Duration::from_secs(20),
        };
        change(&mut options);
        let kops = Kops::new(options);
        StandIn { dir, kops }
    }

    fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.dir.path().join(path)).unwrap_or_default()
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }
}

fn block<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

fn nodes() -> BTreeSet<GroupName> {
    ["nodes".parse().unwrap(), "other".parse().unwrap()].into()
}

#[test]
fn documents_are_given_in_a_private_file_that_goes_away() {
    let stand_in = StandIn::new("");
    let documents = [json!({"kind": "Cluster"}), json!({"kind": "InstanceGroup"})];
    block(stand_in.kops.publish(&documents)).unwrap();
    let stored = stand_in.read("state/documents");
    assert_eq!(
        stored,
        "{\"kind\":\"Cluster\"}\n---\n{\"kind\":\"InstanceGroup\"}"
    );
    assert_eq!(stand_in.read("rights").trim(), "600");
    assert!(!stand_in.path().join("own/documents.yaml").exists());
}

#[test]
fn a_folder_that_is_open_to_others_is_not_used() {
    for (of, mode) in [("own", 0o755), ("", 0o777)] {
        let stand_in = StandIn::new("");
        std::fs::create_dir_all(stand_in.path().join("own")).unwrap();
        let open = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(stand_in.path().join(of), open).unwrap();
        let refused = block(stand_in.kops.publish(&[json!({"kind": "Cluster"})])).unwrap_err();
        assert!(refused.to_string().contains("open to others"), "{refused}");
        assert_eq!(stand_in.read("state/documents"), "");
    }
}

#[test]
fn every_call_says_what_it_is_about_and_knows_little_else() {
    let stand_in = StandIn::new("");
    block(stand_in.kops.update(&nodes())).unwrap();
    let state = stand_in.path().join("state");
    assert_eq!(
        stand_in.read("calls").trim(),
        format!(
            "update cluster --yes --create-kube-config=false --ignore-kubelet-version-skew --instance-group nodes,other --name c.example.com --state file://{}",
            state.display()
        )
    );
    let environment = stand_in.read("environment");
    let value = |name: &str| {
        let mut lines = environment.lines();
        lines
            .find_map(|l| l.strip_prefix(&format!("{name}=")))
            .map(str::to_owned)
    };
    let own = |path: &str| Some(stand_in.path().join(path).display().to_string());
    assert_eq!(value("HOME"), own("own"));
    assert_eq!(value("KUBECONFIG"), own("own/kubeconfig"));
    assert_eq!(value("AWS_REGION").as_deref(), Some("eu-west-3"));
    assert_eq!(value("AWS_PROFILE").as_deref(), Some("prod"));
    assert_eq!(
        value("AWS_CONFIG_FILE").as_deref(),
        Some("/home/person/.aws/config")
    );
    assert_eq!(
        value("KOPS_AWS_ROLE_ARN").as_deref(),
        Some("arn:aws:iam::111122223333:role/kfleet")
    );
    for unknown in [
        "KOPS_STATE_STORE",
        "KOPS_CLUSTER_NAME",
        "KOPS_RUN_OBSOLETE_VERSION",
        "EDITOR",
        "GITHUB_TOKEN",
    ] {
        assert_eq!(value(unknown), None, "{unknown}");
    }
    let rights = std::fs::metadata(stand_in.path().join("own")).unwrap();
    assert_eq!(rights.permissions().mode() & 0o777, 0o700);
}

#[test]
fn what_is_left_is_read_from_either_stream() {
    for mood in ["", "stderr"] {
        let stand_in = StandIn::new(mood);
        let left = block(stand_in.kops.left(&nodes())).unwrap();
        let tasks: Vec<&String> = left.tasks.iter().collect();
        assert_eq!(tasks, ["LaunchTemplate/nodes.c.example.com"], "{mood}");
        block(stand_in.kops.update(&nodes())).unwrap();
        let left = block(stand_in.kops.left(&nodes())).unwrap();
        assert!(left.tasks.is_empty(), "{mood}");
    }
}

#[test]
fn a_kops_that_hangs_is_ended_with_what_it_started() {
    let stand_in = StandIn::with("hang", |o| o.limit = Duration::from_millis(500));
    let began = Instant::now();
    let error = block(stand_in.kops.update(&nodes())).unwrap_err();
    assert!(matches!(error, EngineError::TimedOut { .. }), "{error}");
    assert!(error.is_transient() && began.elapsed() < Duration::from_secs(10));
    let child = stand_in.read("child").trim().to_owned();
    let gone = || {
        let status = std::fs::read_to_string(format!("/proc/{child}/status"));
        status.map_or(true, |s| s.contains("State:\tZ"))
    };
    let ended = (0..50).any(|_| {
        std::thread::sleep(Duration::from_millis(100));
        gone()
    });
    assert!(!child.is_empty() && ended, "{child} is still there");
}

#[test]
fn failures_are_told_apart() {
    for (mood, transient, words) in [
        (
            "prompt",
            false,
            "`kops update cluster` refuses: Error: not confirmed",
        ),
        ("killed", true, "`kops update cluster` was killed"),
        (
            "throttled",
            true,
            "`kops update cluster` failed for now: Error: RequestLimitExceeded: Request limit exceeded. ***",
        ),
        // On the other stream than it should be.
        (
            "refuses",
            false,
            "`kops update cluster` refuses: Error: spec.kubernetesVersion: Invalid value: \"x\"",
        ),
    ] {
        let stand_in = StandIn::new(mood);
        let error = block(stand_in.kops.update(&nodes())).unwrap_err();
        assert_eq!(
            (error.to_string().as_str(), error.is_transient()),
            (words, transient),
            "{mood}"
        );
    }
}

#[test]
fn a_dry_run_that_says_nothing_is_no_answer() {
    let stand_in = StandIn::new("idle");
    let error = block(stand_in.kops.left(&nodes())).unwrap_err();
    assert!(matches!(error, EngineError::NoSense { .. }), "{error}");
}

#[test]
fn a_flood_is_cut_and_its_end_is_read() {
    let stand_in = StandIn::new("floods");
    let left = block(stand_in.kops.left(&nodes())).unwrap();
    assert_eq!(left.tasks.len(), 1);
    assert!(left.text.len() < 3_500_000, "{}", left.text.len());
}

#[test]
fn another_release_than_the_last_one_is_refused() {
    let stand_in = StandIn::new("");
    assert_eq!(block(stand_in.kops.version()).unwrap(), "1.34.1");
    for (last, fits) in [
        (None, true),
        (Some("1.34.1\n"), true),
        (Some("1.34.0"), false),
        (Some("1.35.0"), false),
    ] {
        let expected = block(stand_in.kops.expect(last));
        assert_eq!(expected.is_ok(), fits, "{last:?}");
        assert!(expected.err().is_none_or(|e| !e.is_transient()));
    }
    // Asked once.
    assert_eq!(stand_in.read("calls").lines().count(), 1);
    // Before 1.31 there is no `--instance-group`: found out before anything is stored.
    let error = block(StandIn::new("old").kops.expect(Some("1.30.4"))).unwrap_err();
    assert!(
        matches!(error, EngineError::TooOld { .. }) && !error.is_transient(),
        "{error}"
    );
    let error = block(StandIn::new("nonsense").kops.version()).unwrap_err();
    assert!(matches!(error, EngineError::NoSense { .. }), "{error}");
}

#[test]
fn a_binary_that_is_not_there_is_named() {
    let stand_in = StandIn::with("", |o| o.binary = "/nowhere/kops".into());
    let error = block(stand_in.kops.update(&nodes())).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("`/nowhere/kops` cannot be run: "),
        "{error}"
    );
}

#[test]
fn one_kops_at_a_time_is_asked() {
    let stand_in = StandIn::new("");
    block(async {
        let nodes = nodes();
        let (one, other) = tokio::join!(stand_in.kops.left(&nodes), stand_in.kops.update(&nodes));
        // Whoever came first is done before the other begins.
        assert_eq!(one.unwrap().tasks.len(), 1);
        other.unwrap();
    });
}

#[test]
fn what_a_validation_found_last_counts() {
    for (mood, expected) in [
        ("", Ok((1, vec![]))),
        ("recovers", Ok((1, vec![]))),
        (
            "unhealthy",
            Ok((1, vec!["Pod kube-system/coredns-1: is pending, token=***"])),
        ),
        ("blind", Err("`kops validate cluster` failed for now")),
        (
            "mute",
            Err("what `kops validate cluster` printed makes no sense"),
        ),
    ] {
        let stand_in = StandIn::new(mood);
        let found = block(stand_in.kops.validate());
        match (found, expected) {
            (Ok(found), Ok((nodes, failures))) => {
                assert_eq!(
                    (found.nodes, found.failures),
                    (nodes, failures.iter().map(ToString::to_string).collect())
                );
            }
            (Err(error), Err(said)) => {
                assert!(
                    error.to_string().starts_with(said) && error.is_transient(),
                    "{error}"
                );
            }
            (found, expected) => panic!("{mood}: {found:?}, {expected:?}"),
        }
        // What opens the cluster does not outlive the call.
        let left = stand_in.path().join("own/kubeconfig-validate");
        assert!(!left.exists());
        let calls = stand_in.read("calls");
        assert!(calls.contains("export kubeconfig --admin=15m"), "{calls}");
    }
}

/// The calls as a person reads them.
fn calls(stand_in: &StandIn) -> String {
    let calls = stand_in.kops.drain_calls();
    calls.iter().map(kfleet::engine::KopsCall::text).collect()
}

#[test]
fn what_each_call_printed_is_there_for_a_person() {
    let stand_in = StandIn::new("");
    block(stand_in.kops.left(&nodes())).unwrap();
    let said = calls(&stand_in);
    for part in [
        "$ kops update cluster --create-kube-config=false",
        "A new kops version is available\n",
        "  LaunchTemplate/nodes.c.example.com\n",
        "\n[exit code 0]\n",
    ] {
        assert!(said.contains(part), "no {part:?} in\n{said}");
    }
    assert_eq!(calls(&stand_in), "", "asked twice");
    for (mood, part) in [
        ("throttled", "Request limit exceeded. ***\n[exit code 1]"),
        ("killed", "[`kops update cluster` was killed]"),
        (
            "prompt",
            "Are you sure? (y/N)\nError: not confirmed\n[exit code 1]",
        ),
    ] {
        let stand_in = StandIn::new(mood);
        block(stand_in.kops.update(&nodes())).unwrap_err();
        let said = calls(&stand_in);
        assert!(said.contains(part), "{mood}: {said}");
        assert!(!said.contains("AKIA"), "{said}");
    }
    let short = |options: &mut KopsOptions| options.limit = Duration::from_millis(500);
    let stand_in = StandIn::with("hang", short);
    block(stand_in.kops.update(&nodes())).unwrap_err();
    let said = calls(&stand_in);
    assert!(
        said.contains("did not end within 0 s, and was ended]"),
        "{said}"
    );
}

#[test]
fn what_is_kept_of_a_call_is_bounded() {
    let stand_in = StandIn::new("floods");
    let left = block(stand_in.kops.left(&nodes())).unwrap();
    let said = calls(&stand_in);
    for text in [&said, &left.text] {
        assert!(
            text.len() < 70_000 && text.contains("\n[...]\n"),
            "{}",
            text.len()
        );
        // How it went is said at the end.
        assert!(text.contains("Must specify --yes"));
    }
    let stand_in = StandIn::new("");
    for _ in 0..40 {
        block(stand_in.kops.left(&nodes())).unwrap();
    }
    assert_eq!(stand_in.kops.drain_calls().len(), 32);
}
