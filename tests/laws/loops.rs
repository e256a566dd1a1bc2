//! No two files of `src` import each other in a loop, directly or through others. A re-export is a sign at the door, no import: what
//! a path names is looked for where it is defined.

use std::collections::{BTreeMap, BTreeSet};

use super::source::{Source, is_word};
use super::{Found, tree};

#[test]
fn a_planted_loop_is_found() {
    let planted: [&[(&str, &str)]; 7] = [
        &[
            ("src/a/mod.rs", "mod b; mod c;"),
            ("src/a/b.rs", "use super::c::C;"),
            ("src/a/c.rs", "fn f() { super::b::g() }"),
        ],
        &[
            ("src/a/mod.rs", "mod b; mod c; pub use c::C;"),
            ("src/a/b.rs", "use super::C;"),
            ("src/a/c.rs", "use crate::a::b::B;"),
            ("src/lib.rs", "mod a;"),
        ],
        &[
            ("src/a/mod.rs", "mod b; use b::g; struct A; fn f() { g() }"),
            ("src/a/b.rs", "use super::A;"),
        ],
        &[
            ("src/a/mod.rs", "mod b; pub use b::B; struct A(B);"),
            ("src/a/b.rs", "use super::A;"),
        ],
        &[
            ("src/lib.rs", "mod a; mod b; mod c;"),
            ("src/a.rs", "use crate::b::{self, B};"),
            ("src/b.rs", "use crate::c::C as D;"),
            ("src/c.rs", "use crate::a; fn f(a: a::A) {}"),
        ],
        &[
            ("src/lib.rs", "mod a; mod b;"),
            ("src/a.rs", "use crate::b::*;"),
            ("src/b.rs", "use super::a::A;"),
        ],
        &[
            ("src/a/mod.rs", "mod b; mod c; use c::C;"),
            ("src/a/b.rs", "use super::C;"),
            ("src/a/c.rs", "use super::b::B as E;"),
        ],
    ];
    for files in planted {
        assert!(
            !loops(&owned(files)).is_empty(),
            "a loop is not found in {files:?}"
        );
    }
}

#[test]
fn what_is_no_loop_is_not_found() {
    let fine: [&[(&str, &str)]; 3] = [
        &[
            ("src/a/mod.rs", "mod b; mod c; pub use b::B; pub use c::C;"),
            ("src/a/b.rs", "use super::C;"),
            ("src/a/c.rs", ""),
        ],
        &[
            ("src/a/mod.rs", "mod b; pub use b::f; pub struct A;"),
            ("src/a/b.rs", "use super::A;"),
        ],
        &[
            ("src/a.rs", "#[cfg(test)] mod t { use crate::b::B; }"),
            ("src/b.rs", "use crate::a::A;"),
            ("src/lib.rs", "mod a; mod b;"),
        ],
    ];
    for files in fine {
        assert_eq!(loops(&owned(files)), Found::new(), "{files:?}");
    }
}

#[test]
fn no_files_import_in_a_loop() {
    let files: Vec<(String, String)> = tree()
        .into_iter()
        .filter(|(path, _)| path.starts_with("src/"))
        .collect();
    let found = loops(&files);
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

fn owned(files: &[(&str, &str)]) -> Vec<(String, String)> {
    files
        .iter()
        .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()))
        .collect()
}

/// Every knot of files, and which of its files names which.
fn loops(files: &[(String, String)]) -> Found {
    told(files, &knots(files))
}

fn told(files: &[(String, String)], knots: &[BTreeSet<String>]) -> Found {
    let edges = edges(files);
    let said = |knot: &BTreeSet<String>| {
        let inside = knot.iter().map(|from| {
            let to: Vec<&str> = edges
                .get(from)
                .into_iter()
                .flatten()
                .filter(|to| knot.contains(*to))
                .map(String::as_str)
                .collect();
            format!("{from} -> {}", to.join(" "))
        });
        format!(
            "a loop of {} files:
  {}",
            knot.len(),
            inside.collect::<Vec<_>>().join(
                "
  "
            )
        )
    };
    knots.iter().map(said).collect()
}

/// Files that reach each other.
fn knots(files: &[(String, String)]) -> Vec<BTreeSet<String>> {
    let edges = edges(files);
    let reach = |from: &String| {
        let (mut seen, mut next) = (BTreeSet::new(), vec![from.clone()]);
        while let Some(file) = next.pop() {
            for to in edges.get(&file).into_iter().flatten() {
                if seen.insert(to.clone()) {
                    next.push(to.clone());
                }
            }
        }
        seen
    };
    let reached: BTreeMap<&String, BTreeSet<String>> =
        edges.keys().map(|f| (f, reach(f))).collect();
    let mut knots: BTreeSet<BTreeSet<String>> = BTreeSet::new();
    for (file, all) in &reached {
        let knot: BTreeSet<String> = all
            .iter()
            .filter(|other| reached.get(other).is_some_and(|r| r.contains(*file)))
            .cloned()
            .collect();
        if knot.len() > 1 {
            knots.insert(knot);
        }
    }
    knots.into_iter().collect()
}

/// A file as a module: its children, and what its `use` declarations bind.
struct Module {
    file: String,
    bound: BTreeMap<String, Vec<String>>,
    named: Vec<Vec<String>>,
}

type Modules = BTreeMap<Vec<String>, Module>;

fn edges(files: &[(String, String)]) -> BTreeMap<String, BTreeSet<String>> {
    let modules: Modules = files
        .iter()
        .filter(|(path, _)| path != "src/main.rs" && !path.ends_with("/tests.rs"))
        .map(|(path, text)| (place(path), read(path, &Source::new(path, text))))
        .collect();
    let mut edges = BTreeMap::new();
    for (at, module) in &modules {
        let mut to = BTreeSet::new();
        for path in &module.named {
            if let Some(found) = resolve(&modules, at, path, 0)
                && let Some(target) = modules.get(&found).filter(|t| t.file != module.file)
            {
                to.insert(target.file.clone());
            }
        }
        edges.insert(module.file.clone(), to);
    }
    edges
}

/// `src/plan/compare.rs` is `plan::compare`.
fn place(path: &str) -> Vec<String> {
    let rest = path.trim_start_matches("src/").trim_end_matches(".rs");
    rest.split('/')
        .filter(|p| !matches!(*p, "mod" | "lib"))
        .map(str::to_owned)
        .collect()
}

fn read(path: &str, source: &Source) -> Module {
    let tokens: Vec<&str> = source.production_tokens().map(|(_, t)| t).collect();
    let (mut bound, mut named) = (BTreeMap::new(), Vec::new());
    let mut index = 0;
    while index < tokens.len() {
        let before = index
            .checked_sub(1)
            .and_then(|i| tokens.get(i))
            .copied()
            .unwrap_or_default();
        match tokens[index] {
            "use" if before != "+" && before != ":" => {
                let public = before == "pub" || before == ")";
                let mut all = Vec::new();
                index = read_use(&tokens, index + 1, &[], &mut all);
                for (name, path) in all {
                    if !public {
                        named.push(path.clone());
                    }
                    bound.insert(name, path);
                }
            }
            word if is_word(word) && before != "::" && before != "." => {
                let mut path = vec![word.to_owned()];
                while tokens.get(index + 1) == Some(&"::")
                    && tokens.get(index + 2).is_some_and(|t| is_word(t))
                {
                    path.push(tokens[index + 2].to_owned());
                    index += 2;
                }
                named.push(path);
                index += 1;
            }
            _ => index += 1,
        }
    }
    Module {
        file: path.to_owned(),
        bound,
        named,
    }
}

/// Reads one tree of a `use`: each name that it binds, and the path behind it.
fn read_use(
    tokens: &[&str],
    mut index: usize,
    before: &[String],
    all: &mut Vec<(String, Vec<String>)>,
) -> usize {
    let mut path = before.to_vec();
    loop {
        match tokens.get(index).copied() {
            Some("{") => {
                index += 1;
                while tokens.get(index).is_some_and(|t| *t != "}") {
                    index = if tokens[index] == "," {
                        index + 1
                    } else {
                        read_use(tokens, index, &path, all)
                    };
                }
                return index + 1;
            }
            Some("*") => {
                all.push((
                    format!("*{}", path.join("::")),
                    [path, vec!["*".to_owned()]].concat(),
                ));
                return index + 1;
            }
            Some("::") => index += 1,
            Some("as") => {
                all.push((
                    tokens
                        .get(index + 1)
                        .copied()
                        .unwrap_or_default()
                        .to_owned(),
                    path,
                ));
                return index + 2;
            }
            Some(word) if is_word(word) => {
                if word != "self" || path.is_empty() {
                    path.push(word.to_owned());
                }
                index += 1;
            }
            _ => {
                all.push((path.last().cloned().unwrap_or_default(), path));
                return index;
            }
        }
    }
}

/// The module in whose file the thing is defined that `path` names in module `at`; none for what is not of `src`, and for a bare module.
fn resolve(modules: &Modules, at: &[String], path: &[String], depth: usize) -> Option<Vec<String>> {
    let (first, mut rest) = path.split_first()?;
    let mut here = match first.as_str() {
        _ if depth > 20 => return None,
        "crate" | "kfleet" => Vec::new(),
        "self" => at.to_vec(),
        "super" => {
            let supers = path.iter().take_while(|p| *p == "super").count();
            rest = &path[supers..];
            at[..at.len().checked_sub(supers)?].to_vec()
        }
        _ => {
            rest = path;
            at.to_vec()
        }
    };
    let local = rest.len() == path.len();
    let mut walked = 0;
    for (n, name) in rest.iter().enumerate() {
        let child = [here.clone(), vec![name.clone()]].concat();
        let found = modules.get(&here)?;
        if modules.contains_key(&child) {
            here = child;
            walked = n + 1;
        } else if let Some(behind) = found.bound.get(name) {
            if behind == path && local {
                return None;
            }
            let whole = [behind.as_slice(), &rest[n + 1..]].concat();
            return resolve(modules, &here, &whole, depth + 1);
        } else if local && n == 0 {
            // Defined here, or of the language, or of a library.
            return None;
        } else {
            return Some(here);
        }
    }
    (walked < rest.len()).then_some(here)
}
