//! What a release is made of: a Debian package is built, with what this binary prints for it; the workflow is read as what it is.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn has(program: &str) -> bool {
    Command::new(program)
        .arg("--version")
        .output()
        .is_ok_and(|out| out.status.success())
}

#[test]
fn a_debian_package_holds_what_a_person_expects() {
    if !has("dpkg-deb") || !has("bash") {
        println!("skipped: no dpkg-deb");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    // The binary of the tests is large, and would be packed for minutes: a door to it is asked the same.
    let door = dir.path().join("kfleet");
    let text = format!("#!/bin/sh\nexec {} \"$@\"\n", env!("CARGO_BIN_EXE_kfleet"));
    std::fs::write(&door, text).unwrap();
    std::fs::set_permissions(&door, std::fs::Permissions::from_mode(0o755)).unwrap();
    let built = Command::new("bash")
        .arg(root().join("packaging/deb"))
        .arg(&door)
        .arg(dir.path())
        .arg("amd64")
        .output()
        .unwrap();
    assert!(
        built.status.success(),
        "{}",
        String::from_utf8_lossy(&built.stderr)
    );
    let file = dir
        .path()
        .join(format!("kfleet_{}_amd64.deb", env!("CARGO_PKG_VERSION")));
    let list = Command::new("dpkg-deb")
        .arg("--contents")
        .arg(file)
        .output()
        .unwrap();
    let list = String::from_utf8(list.stdout).unwrap();
    for part in [
        "./usr/bin/kfleet",
        "./usr/share/man/man1/kfleet-rollout-start.1.gz",
        "./usr/share/bash-completion/completions/kfleet",
        "./usr/share/zsh/vendor-completions/_kfleet",
        "./usr/share/doc/kfleet/README.md",
        "./usr/share/doc/kfleet/LICENSE-MIT",
        "./usr/share/doc/kfleet/copyright",
        // What the pages lead to.
        "./usr/share/doc/kfleet/Jenkinsfile",
        "./usr/share/doc/kfleet/docs/design/shards.md",
        "./usr/share/doc/kfleet/docs/pictures/plan.svg",
    ] {
        assert!(list.contains(part), "no {part} in\n{list}");
    }
    assert!(
        list.lines().all(|line| line.contains(" root/root ")),
        "{list}"
    );
}

#[test]
fn the_release_workflow_makes_what_is_promised() {
    let text = std::fs::read_to_string(root().join(".github/workflows/release.yaml")).unwrap();
    let workflow: Value = serde_yaml::from_str(&text).unwrap();
    let jobs = workflow["jobs"].as_object().unwrap();
    let steps: Vec<&Value> = jobs
        .values()
        .flat_map(|job| job["steps"].as_array().unwrap())
        .collect();
    let runs: Vec<&str> = steps
        .iter()
        .filter_map(|step| step["run"].as_str())
        .collect();
    for part in [
        "--target \"$TARGET\"",
        "ldd ",
        "packaging/deb",
        "cargo cyclonedx",
        "sha256sum",
        "gh release create",
    ] {
        assert!(
            runs.iter().any(|run| run.contains(part)),
            "no step does {part}"
        );
    }
    // Each script is one that a shell can read.
    for run in runs {
        let read = Command::new("bash")
            .args(["-n", "-c", run])
            .output()
            .unwrap();
        assert!(read.status.success(), "{run}");
    }
    for step in steps {
        assert!(
            step["uses"].as_str().is_none_or(|uses| uses.contains('@')),
            "{step}"
        );
    }
    // cargo packs no folder with files that are not committed: nothing is written before it.
    let contents = jobs["contents"]["steps"].as_array().unwrap().iter();
    let contents: Vec<&str> = contents.filter_map(|step| step["run"].as_str()).collect();
    assert_eq!(contents[0], "cargo package --locked");
    // Nothing but the last job may write.
    assert_eq!(workflow["permissions"]["contents"], "read");
}

#[test]
fn a_release_has_a_section_in_the_changelog() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("packaging")).unwrap();
    let script = dir.path().join("packaging/notes");
    std::fs::copy(root().join("packaging/notes"), &script).unwrap();
    let text = "# Changelog\n\n## Unreleased\n\n- c\n\n## 0.2.0 - 2026-12-01\n\n### Added\n- b\n\n## [0.1.0]\n\n- a\n";
    std::fs::write(dir.path().join("CHANGELOG.md"), text).unwrap();
    let notes = |version: &str| Command::new(&script).arg(version).output().unwrap();
    for (version, expected) in [("0.2.0", "\n### Added\n- b\n"), ("0.1.0", "\n- a\n")] {
        let out = notes(version);
        assert!(out.status.success(), "{version}");
        assert_eq!(String::from_utf8(out.stdout).unwrap(), expected);
    }
    let out = notes("0.3.0");
    assert!(!out.status.success());
    let said = String::from_utf8(out.stderr).unwrap();
    assert!(said.contains("no section `## 0.3.0`"), "{said}");
}
