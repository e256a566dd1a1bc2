//! Faults as files: every file of `fleet_errors/` and `render_errors/` holds a small fleet and the full text that kfleet says about it.
//!
//! A case is a text with sections `=== PATH`; the last one, `=== expect`, is what must come out. Files that a case does
//! not give are those of a good fleet of one cluster. `KFLEET_BLESS=1 cargo test --test cases faults::` writes what comes out.

use std::fs;
use std::path::{Path, PathBuf};

use kfleet::render::Renderer;

const BASE: [(&str, &str); 3] = [
    (
        "fleet.yaml",
        "version: 1\nstages:\n  - {name: all, clusters: {environment: prod}}\n",
    ),
    (
        "clusters/prod-a.k8s.yaml",
        "environment: prod\nregion: eu-west-3\naccount: \"111122223333\"\n",
    ),
    (
        "vars/defaults.yaml",
        "zones: [a, b]\nimage: ami-1\npool: {min: 1, max: 5, secret: hunter2}\n",
    ),
];

#[test]
fn fleet_errors() {
    check_all("fleet_errors");
}

#[test]
fn render_errors() {
    check_all("render_errors");
}

fn check_all(folder: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests")
        .join(folder);
    let mut cases: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    cases.sort();
    assert!(!cases.is_empty());
    let wrong: Vec<String> = cases.iter().filter_map(|case| check(case)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is wrong with a case; none when it comes out as expected.
fn check(case: &Path) -> Option<String> {
    let text = fs::read_to_string(case).unwrap();
    let (input, expected) = text.split_once("=== expect\n").unwrap();
    let got = outcome(input);
    assert!(
        !got.contains("hunter2"),
        "{}: a value of a variable is printed:\n{got}",
        case.display()
    );
    if std::env::var_os("KFLEET_BLESS").is_some() {
        fs::write(case, format!("{input}=== expect\n{got}")).unwrap();
        return None;
    }
    (got != expected).then(|| format!("{}\n--- expected\n{expected}--- got\n{got}", case.display()))
}

fn outcome(input: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let given: Vec<(&str, &str)> = input
        .split("=== ")
        .skip(1)
        .map(|s| s.split_once('\n').unwrap())
        .collect();
    let base = BASE
        .into_iter()
        .filter(|(path, _)| !given.iter().any(|(p, _)| p == path));
    for (path, text) in base
        .chain(given.iter().copied())
        .filter(|(_, text)| *text != "ABSENT\n")
    {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let said = |text: String, hint: Option<String>| {
        let text = text.replace(&dir.path().display().to_string(), "DIR");
        hint.map_or(format!("{text}\n"), |hint| {
            format!("{text}\nhint: {hint}\n")
        })
    };
    let fleet = match kfleet::fleet::load(dir.path()) {
        Ok(fleet) => fleet,
        Err(e) => return said(e.to_string(), e.hint()),
    };
    let renderer = match Renderer::new(&fleet) {
        Ok(renderer) => renderer,
        Err(e) => return said(e.to_string(), e.hint()),
    };
    let mut out = String::new();
    for cluster in fleet.clusters.keys() {
        match renderer.render(cluster) {
            Ok(rendered) => out.push_str(&rendered.text),
            Err(e) => return said(e.to_string(), e.hint()),
        }
    }
    out
}
