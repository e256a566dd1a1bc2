//! Names the commit and the features of a build, for `kfleet -V`. A packaged crate has no repository; there the commit stands in a file that cargo wrote.
#![allow(clippy::print_stdout, reason = "how cargo is told")]

use std::path::Path;
use std::process::Command;

/// What a packager may set where there is neither a repository nor that file.
const GIVEN: &str = "KFLEET_BUILD_COMMIT";
const FEATURES: [&str; 3] = ["aws", "kubernetes", "http"];

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed={GIVEN}");
    let set = |name: &str| std::env::var(name).ok().filter(|v| !v.is_empty());
    let features: Vec<&str> = FEATURES
        .into_iter()
        .filter(|f| set(&format!("CARGO_FEATURE_{}", f.to_uppercase())).is_some())
        .collect();
    let features = match features.as_slice() {
        [] => "no features".to_owned(),
        some => format!("features {}", some.join(", ")),
    };
    let commit = set(GIVEN)
        .or_else(packaged)
        .map(|commit| format!("commit {}", commit.get(..12).unwrap_or(&commit)))
        .unwrap_or_else(of_repository);
    let version = set("CARGO_PKG_VERSION").unwrap_or_default();
    println!("cargo:rustc-env=KFLEET_VERSION={version} ({commit}, {features})");
}

/// The commit that `cargo package` wrote down.
fn packaged() -> Option<String> {
    let text = std::fs::read_to_string(".cargo_vcs_info.json").ok()?;
    let after = text.split("\"sha1\"").nth(1)?;
    let commit = after.split('"').nth(1)?.to_owned();
    let is_dirty = text.contains("\"dirty\": true");
    Some(if is_dirty {
        format!("{}+", commit.get(..11)?)
    } else {
        commit
    })
}

/// The commit of the repository whose root this is. A debug build does not say: it would have to be built anew after every commit.
fn of_repository() -> String {
    if std::env::var("PROFILE").is_ok_and(|p| p != "release") {
        return "debug build".to_owned();
    }
    let unknown = || "commit not known".to_owned();
    // The crate may lie in somebody else's repository.
    let here = std::fs::canonicalize(".").ok();
    if git(&["rev-parse", "--show-toplevel"]).and_then(|t| std::fs::canonicalize(t).ok()) != here {
        return unknown();
    }
    let Some(commit) = git(&["rev-parse", "--verify", "HEAD"]) else {
        return unknown();
    };
    let built_from = ["src", "data", "Cargo.toml", "Cargo.lock"];
    let log = git(&["rev-parse", "--git-path", "logs/HEAD"]);
    for path in built_from.into_iter().chain(log.as_deref()) {
        if Path::new(path).exists() {
            println!("cargo:rerun-if-changed={path}");
        }
    }
    let mut status = vec!["status", "--porcelain", "--"];
    status.extend(built_from);
    let changed = if git(&status).is_some_and(|s| !s.is_empty()) {
        " with changes"
    } else {
        ""
    };
    format!("commit {}{changed}", commit.get(..12).unwrap_or(&commit))
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
