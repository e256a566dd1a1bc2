//! docs/adopt.md is true: its commands run as they stand there, in their order, with a `kops` that prints manifests and the simulated account for AWS.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

/// The commands of the page, each with the exit code that it says.
fn commands() -> Vec<(String, i32)> {
    let text = include_str!("../../docs/adopt.md");
    let lines = text.lines().filter_map(|l| l.strip_prefix("$ "));
    lines
        .map(|line| match line.split_once(" # exit ") {
            Some((line, code)) => (line.to_owned(), code.parse().unwrap()),
            None => (line.to_owned(), 0),
        })
        .collect()
}

fn run(dir: &Path, line: &str) -> (Option<i32>, String) {
    let bin = Path::new(env!("CARGO_BIN_EXE_kfleet")).parent().unwrap();
    let path = std::env::var("PATH").unwrap();
    let ended = Command::new("sh")
        .args(["-c", line])
        .current_dir(dir)
        .env(
            "PATH",
            format!("{}:{}:{path}", dir.join("bin").display(), bin.display()),
        )
        .env("KFLEET_CLOUD", "local")
        .env_remove("KFLEET_STORE")
        .output()
        .unwrap();
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&ended.stdout),
        String::from_utf8_lossy(&ended.stderr)
    );
    (ended.status.code(), said)
}

/// A `kops` that has the two clusters.
fn kops(dir: &Path) {
    fs::create_dir(dir.join("bin")).unwrap();
    for (name, network, max) in [
        ("staging.example.com", "10.0.", 3),
        ("prod.example.com", "10.1.", 9),
    ] {
        let labels = format!(
            "spec:\n  cloudLabels:\n    k8s.io/cluster-autoscaler/{name}: owned\n    k8s.io/cluster-autoscaler/enabled: \"true\"\n"
        );
        let nodes = super::init::instances(name, "nodes", "Node")
            .replace("spec:\n", &labels)
            .replace("maxSize: 1", &format!("maxSize: {max}"));
        let text = [
            super::init::cluster(name).replace("10.0.", network),
            super::init::instances(name, "control-plane", "Master"),
            nodes,
        ];
        fs::write(dir.join("bin").join(name), text.join("---\n")).unwrap();
    }
    let path = dir.join("bin/kops");
    fs::write(&path, "#!/bin/sh\nexec cat \"$(dirname \"$0\")/$3\"\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// What the page takes for granted once the fleet is written: the groups are in AWS, made by somebody else, and the folder is committed.
const MADE_BY_KOPS: [&str; 6] = [
    "mkdir fleet/snippets && echo '#!/bin/sh' > fleet/snippets/user_data.sh.j2",
    "kfleet -C fleet render",
    "kfleet -C fleet rollout start --auto-approve",
    "rm -r fleet/snippets",
    "kfleet -C fleet render",
    "cd fleet && git init -q && git add . && git -c user.name=a -c user.email=a@example.com commit -qm fleet",
];

#[test]
fn the_guide_can_be_followed() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    kops(dir);
    let all = commands();
    assert!(all.len() > 15, "{}", all.len());
    let mut plan = String::new();
    for (line, code) in all {
        let (ended, said) = run(dir, &line.replace("PLAN", &plan));
        assert_eq!(ended, Some(code), "{line}\n{said}");
        if let Some((_, after)) = said.split_once("--plan ") {
            plan = after.chars().take_while(char::is_ascii_hexdigit).collect();
        }
        if line.ends_with("lint") {
            for line in MADE_BY_KOPS {
                let (ended, said) = run(dir, line);
                assert_eq!(ended, Some(0), "{line}\n{said}");
            }
        }
    }
}
