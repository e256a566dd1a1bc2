//! The laws of `src/lib.rs`, read off the source. Every law is shown to find a planted violation before it is put to the tree.

#![cfg(test)]

mod arrows;
mod docs;
mod form;
mod loops;
mod purity;
mod source;
mod times;
mod words;

use std::fs;
use std::path::{Path, PathBuf};

use source::Source;

/// What a law finds: where, and what.
type Found = Vec<String>;

/// A law, and a file of one line that breaks it.
struct Law {
    check: fn(&str, &Source) -> Found,
    planted: &'static [(&'static str, &'static str)],
    fine: &'static [(&'static str, &'static str)],
}

/// Every planted violation is found, nothing is found in what is fine, and the tree is fine.
fn check(law: &Law) {
    for (path, text) in law.planted {
        let found = (law.check)(path, &Source::new(path, text));
        assert!(
            !found.is_empty(),
            "the law does not find what is wrong in {path}: {text}"
        );
        assert!(
            found.iter().all(|f| f.starts_with(&format!("{path}:"))),
            "no place: {found:?}"
        );
    }
    for (path, text) in law.fine {
        let found = (law.check)(path, &Source::new(path, text));
        assert!(found.is_empty(), "{found:?}");
    }
    let files = tree();
    assert!(
        files.len() > 100,
        "the tree is not where it was: {} files",
        files.len()
    );
    let found: Found = files
        .iter()
        .flat_map(|(path, text)| (law.check)(path, &Source::new(path, text)))
        .collect();
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

/// Every Rust file of `src`, `tests` and `benches`, by its path in the repository.
fn tree() -> Vec<(String, String)> {
    fn walk(root: &Path, folder: &Path, into: &mut Vec<(String, String)>) {
        let Ok(entries) = fs::read_dir(folder) else {
            return;
        };
        let mut paths: Vec<PathBuf> = entries.map(|e| e.unwrap().path()).collect();
        paths.sort();
        for path in paths {
            if path.is_dir() {
                walk(root, &path, into);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let name = path.strip_prefix(root).unwrap().display().to_string();
                into.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut all = Vec::new();
    for folder in ["src", "tests", "benches"] {
        walk(root, &root.join(folder), &mut all);
    }
    all
}

/// `src/plan/compare.rs` is of `plan`; none for what is no source of ours.
fn module(path: &str) -> Option<&str> {
    let rest = path.strip_prefix("src/")?;
    Some(
        rest.split('/')
            .next()
            .unwrap_or(rest)
            .trim_end_matches(".rs"),
    )
}
