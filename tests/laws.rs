//! The laws of `src/lib.rs`, read off the source. Every law is shown to find a planted violation before it is put to the tree.

#![cfg(test)]

use std::fs;
use std::path::{Path, PathBuf};

/// What a law finds: where, and what.
type Found = Vec<String>;

/// A law, and a file of one line that breaks it.
struct Law {
    check: fn(&str, &Source) -> Found,
    planted: &'static [(&'static str, &'static str)],
    fine: &'static [(&'static str, &'static str)],
}

/// Which modules a module may name; its own is always allowed.
const ARROWS: [(&str, &[&str]); 15] = [
    ("model", &[]),
    ("yaml", &[]),
    ("fleet", &["model", "yaml"]),
    ("render", &["fleet", "model", "yaml"]),
    ("kops", &["render", "fleet", "model", "yaml"]),
    ("desired", &["kops", "render", "fleet", "model", "yaml"]),
    (
        "plan",
        &["desired", "kops", "render", "fleet", "model", "yaml"],
    ),
    (
        "impact",
        &[
            "plan", "desired", "kops", "render", "fleet", "model", "yaml",
        ],
    ),
    (
        "rollout",
        &[
            "plan", "desired", "kops", "render", "fleet", "model", "yaml",
        ],
    ),
    (
        "store",
        &[
            "rollout", "plan", "desired", "kops", "render", "fleet", "model", "yaml",
        ],
    ),
    (
        "cloud",
        &[
            "rollout", "plan", "desired", "kops", "render", "fleet", "model", "yaml",
        ],
    ),
    (
        "nodes",
        &[
            "rollout", "plan", "desired", "kops", "render", "fleet", "model", "yaml",
        ],
    ),
    (
        "run",
        &[
            "store", "cloud", "nodes", "rollout", "plan", "desired", "kops", "render", "fleet",
            "model", "yaml",
        ],
    ),
    (
        "report",
        &["model", "plan", "impact", "rollout", "fleet", "kops"],
    ),
    (
        "cli",
        &[
            "run", "report", "impact", "store", "cloud", "nodes", "rollout", "plan", "desired",
            "kops", "render", "fleet", "model", "yaml",
        ],
    ),
];
const PURE: [&str; 9] = [
    "model", "yaml", "render", "kops", "desired", "plan", "impact", "rollout", "report",
];
/// Never in a pure module.
const IMPURE: [&str; 9] = [
    "tokio",
    "std::fs",
    "std::env",
    "std::net",
    "std::thread",
    "std::process",
    "std::time::Instant",
    "std::time::SystemTime",
    "std::io::stdin",
];
/// The only module that may name it.
const HOMES: [(&str, &[&str]); 7] = [
    ("minijinja", &["render"]),
    ("clap", &["cli"]),
    ("saphyr_parser", &["yaml"]),
    ("anstream", &["cli"]),
    ("std::env", &["cli"]),
    ("std::time::Instant", &["cli", "run"]),
    ("std::time::SystemTime", &["cli", "run"]),
];

#[test]
fn arrows_go_only_downwards() {
    check(&Law {
        check: arrows,
        planted: &[
            ("src/plan/mod.rs", "use crate::rollout::Rollout;"),
            ("src/plan/mod.rs", "use crate::{model::Span, rollout};"),
            ("src/plan/compare.rs", "fn f() { crate::store::open() }"),
            ("src/plan/compare.rs", "use super::super::cloud::Cloud;"),
            ("src/plan/mod.rs", "use super::{model, run::run};"),
            ("src/report/mod.rs", "use crate::desired::DesiredCluster;"),
            ("src/run/mod.rs", "use crate::report::plan_text;"),
            ("src/cloud/mod.rs", "use crate::nodes::NodeApi;"),
            ("src/model/mod.rs", "use kfleet::yaml::Document;"),
            ("src/new.rs", "use crate::model::Span;"),
        ],
        fine: &[
            (
                "src/plan/mod.rs",
                "use crate::{desired::{self, Desired}, model::Span}; use super::model;",
            ),
            ("src/cloud/local/api.rs", "use crate::nodes::NodeApi;"),
            (
                "src/plan/mod.rs",
                "// crate::store\nconst A: &str = \"crate::store\";",
            ),
        ],
    });
}

#[test]
fn pure_modules_do_nothing() {
    check(&Law {
        check: pure,
        planted: &[
            ("src/plan/mod.rs", "use tokio::time;"),
            ("src/model/time.rs", "async fn f() {}"),
            ("src/report/mod.rs", "fn f() { x.await; }"),
            (
                "src/rollout/next.rs",
                "use std::{collections::BTreeMap, fs};",
            ),
            ("src/rollout/next.rs", "use std::time::{Duration, Instant};"),
            ("src/yaml/mod.rs", "fn f() { std::thread::spawn(g) }"),
            ("src/fleet/read.rs", "use std::process::Command;"),
        ],
        fine: &[
            ("src/plan/mod.rs", "use std::time::Duration;"),
            ("src/fleet/read.rs", "use std::fs;"),
            ("src/store/mod.rs", "use std::fs;"),
        ],
    });
}

#[test]
fn every_library_has_its_home() {
    check(&Law {
        check: homes,
        planted: &[
            ("src/cli/mod.rs", "use minijinja::Environment;"),
            ("src/run/mod.rs", "use clap::Parser;"),
            ("src/kops/mod.rs", "fn f() { saphyr_parser::parse() }"),
            ("src/cloud/local/world.rs", "use std::time::SystemTime;"),
            (
                "src/cloud/local/world.rs",
                "fn f() { jiff::Timestamp::now() }",
            ),
            ("src/store/mod.rs", "fn f() { std::env::var(\"A\") }"),
            ("src/run/mod.rs", "use aws_sdk_ec2::Client;"),
            ("src/cloud/mod.rs", "fn f() { aws_config::load() }"),
            (
                "src/cloud/local/world.rs",
                "use aws_smithy_types::DateTime;",
            ),
            ("src/cloud/aws/read/ask.rs", "use std::time::SystemTime;"),
        ],
        fine: &[
            ("src/render/mod.rs", "use minijinja::Value;"),
            ("src/run/mod.rs", "use std::time::Instant;"),
            ("src/cloud/aws/names.rs", "use aws_sdk_ec2::types::Image;"),
            ("src/cloud/aws/mod.rs", "fn f() { jiff::Timestamp::now() }"),
        ],
    });
}

#[test]
fn only_cli_prints() {
    check(&Law {
        check: silence,
        planted: &[
            ("src/run/mod.rs", "fn f() { println!(\"a\") }"),
            ("src/plan/mod.rs", "fn f() { eprint!(\"a\") }"),
            ("src/plan/mod.rs", "fn f() { std::io::stdout().write() }"),
            ("src/plan/mod.rs", "use std::io::stderr;"),
        ],
        fine: &[
            ("src/cli/mod.rs", "fn f() { println!(\"a\") }"),
            ("src/run/checks.rs", "fn f() { c.stdout(g); a(o.stdout) }"),
        ],
    });
}

#[test]
fn no_drawer_for_odds_and_ends() {
    check(&Law {
        check: names,
        planted: &[
            ("src/utils.rs", ""),
            ("src/plan/helpers.rs", ""),
            ("src/common/mod.rs", ""),
            ("tests/manager.rs", ""),
        ],
        fine: &[("src/plan/compare.rs", "")],
    });
}

#[test]
fn nothing_is_too_long() {
    check(&Law {
        check: lengths,
        planted: &[],
        fine: &[("src/plan/mod.rs", "fn f() {\n}\n")],
    });
    let long = format!("fn f() {{\n{}}}\n", "    g();\n".repeat(80));
    assert_eq!(
        lengths("src/a.rs", &Source::new("src/a.rs", &long)),
        ["src/a.rs:1: a function of 82 lines"]
    );
    assert_eq!(
        lengths("src/a.rs", &Source::new("src/a.rs", &"\n".repeat(601))),
        ["src/a.rs:601: a file of 601 lines"]
    );
}

#[test]
fn everything_is_ordered() {
    check(&Law {
        check: ordered,
        planted: &[
            (
                "src/plan/mod.rs",
                "use std::collections::{BTreeMap, HashMap};",
            ),
            (
                "src/cli/mod.rs",
                "fn f(a: std::collections::HashSet<u8>) {}",
            ),
        ],
        fine: &[
            ("src/plan/mod.rs", "use std::collections::BTreeMap;"),
            ("tests/a.rs", "use std::collections::HashMap;"),
        ],
    });
}

#[test]
fn everything_is_said_and_done() {
    check(&Law {
        check: finished,
        planted: &[
            ("src/plan/mod.rs", "use a::b;"),
            ("src/plan/mod.rs", "//! Plans.\nfn f() { todo!() }"),
            ("src/plan/mod.rs", "//! Plans.\nfn f() { unimplemented!() }"),
            ("tests/a.rs", "//! Tests.\n#[ignore = \"slow\"]\nfn f() {}"),
        ],
        fine: &[("src/plan/mod.rs", "//! Plans. todo!()")],
    });
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

// ---------------------------------------------------------------------------------------------------------------------
// The laws.

fn arrows(path: &str, source: &Source) -> Found {
    let Some(module) = module(path) else {
        return Vec::new();
    };
    let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == module) else {
        return if matches!(path, "src/lib.rs" | "src/main.rs") {
            Vec::new()
        } else {
            vec![format!("{path}:1: a module without arrows: {module}")]
        };
    };
    // The simulated account is cloud and cluster in one.
    let both = |target: &str| path.starts_with("src/cloud/local/") && target == "nodes";
    let ours = source
        .production_paths()
        .filter_map(|(line, parts)| Some((line, target(path, &parts)?)));
    let wrong = ours.filter(|(_, target)| {
        target != module && !allowed.contains(&target.as_str()) && !both(target)
    });
    wrong
        .map(|(line, target)| format!("{path}:{line}: {module} names {target}"))
        .collect()
}

fn pure(path: &str, source: &Source) -> Found {
    let Some(module) = module(path) else {
        return Vec::new();
    };
    let fleet = module == "fleet";
    if !fleet && !PURE.contains(&module) {
        return Vec::new();
    }
    let mut found: Found = source
        .production_paths()
        .filter_map(|(line, parts)| {
            let text = parts.join("::");
            let what = IMPURE
                .iter()
                .find(|i| starts(&text, i) && !(fleet && **i == "std::fs"))?;
            Some(format!("{path}:{line}: {what} in a pure module"))
        })
        .collect();
    let words = source
        .production_tokens()
        .filter(|(_, t)| matches!(*t, "async" | "await"));
    found.extend(words.map(|(line, word)| format!("{path}:{line}: {word} in a pure module")));
    found
}

fn homes(path: &str, source: &Source) -> Found {
    let Some(module) = module(path) else {
        return Vec::new();
    };
    let paths = source.production_paths().filter_map(|(line, parts)| {
        let text = parts.join("::");
        let away = HOMES.iter().find(|(what, homes)| starts(&text, what) && !homes.contains(&module)).map(|(what, _)| *what);
        let clock =
            matches!(parts.as_slice(), [.., of, now] if now == "now" && matches!(of.as_str(), "Timestamp" | "Zoned" | "Instant" | "SystemTime"));
        // A real account has the real time, and nobody else speaks to its SDK.
        let real = path.starts_with("src/cloud/aws/");
        let clock = (clock && !real && !matches!(module, "cli" | "run")).then_some("a real clock");
        let sdk = (!real && parts.first().is_some_and(|p| p.starts_with("aws_"))).then_some("the SDK of AWS");
        away.or(clock).or(sdk).map(|what| format!("{path}:{line}: {what} is not at home in {module}"))
    });
    paths.collect()
}

fn silence(path: &str, source: &Source) -> Found {
    let Some(module) = module(path).filter(|m| *m != "cli") else {
        return Vec::new();
    };
    let tokens: Vec<(usize, &str)> = source.production_tokens().collect();
    let mut found = Vec::new();
    for (index, (line, token)) in tokens.iter().enumerate() {
        let before = index
            .checked_sub(1)
            .and_then(|i| tokens.get(i))
            .map_or("", |t| t.1);
        let after = tokens.get(index + 1).map_or("", |t| t.1);
        let macros =
            matches!(*token, "print" | "println" | "eprint" | "eprintln" | "dbg") && after == "!";
        let streams = matches!(*token, "stdout" | "stderr" | "stdin")
            && (before == "::" || (after == "(" && before != "."));
        if macros || streams {
            found.push(format!("{path}:{line}: {module} uses {token}"));
        }
    }
    found
}

fn names(path: &str, _: &Source) -> Found {
    let drawer = |part: &str| {
        matches!(
            part.trim_end_matches(".rs"),
            "util" | "utils" | "common" | "helper" | "helpers" | "manager"
        )
    };
    if path.split('/').any(drawer) {
        vec![format!("{path}: say what it is for")]
    } else {
        Vec::new()
    }
}

fn lengths(path: &str, source: &Source) -> Found {
    let lines: Vec<&str> = source.code.lines().collect();
    let mut found = Vec::new();
    if lines.len() > 600 {
        found.push(format!(
            "{path}:{}: a file of {} lines",
            lines.len(),
            lines.len()
        ));
    }
    for (start, line) in lines.iter().enumerate() {
        let text = line.trim_start();
        let words = text.split(' ').take_while(|w| {
            matches!(*w, "pub" | "const" | "async" | "fn") || w.starts_with("pub(")
        });
        if !words.into_iter().any(|w| w == "fn") {
            continue;
        }
        let end = format!("{}}}", &line[..line.len() - text.len()]);
        // What ends on its own line, or without a body, is no long function.
        let rest = lines.iter().skip(start).take_while(|l| {
            !l.trim_end().ends_with(';') || l.len() - l.trim_start().len() > end.len() - 1
        });
        let Some(length) = rest.into_iter().position(|l| l.trim_end() == end) else {
            continue;
        };
        if length + 1 > 80 {
            found.push(format!(
                "{path}:{}: a function of {} lines",
                start + 1,
                length + 1
            ));
        }
    }
    found
}

fn ordered(path: &str, source: &Source) -> Found {
    if !path.starts_with("src/") {
        return Vec::new();
    }
    let hashed = source
        .tokens
        .iter()
        .filter(|(_, t)| matches!(t.as_str(), "HashMap" | "HashSet" | "RandomState"));
    hashed
        .map(|(line, token)| format!("{path}:{line}: {token} has no order"))
        .collect()
}

fn finished(path: &str, source: &Source) -> Found {
    let mut found = Vec::new();
    if !source.text.starts_with("//! ") {
        found.push(format!(
            "{path}:1: the first line does not say what it is for"
        ));
    }
    for pair in source.tokens.windows(2) {
        let [(line, first), (_, second)] = pair else {
            continue;
        };
        let stub = matches!(first.as_str(), "todo" | "unimplemented") && second == "!";
        let ignored = first == "[" && second == "ignore";
        if stub || ignored {
            found.push(format!(
                "{path}:{line}: unfinished: {}",
                if stub { first } else { second }
            ));
        }
    }
    found
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

/// The module of ours that a path in this file names.
fn target(path: &str, parts: &[String]) -> Option<String> {
    let own = path.strip_prefix("src/")?.trim_end_matches(".rs");
    let depth = own.split('/').filter(|p| *p != "mod").count();
    let supers = parts.iter().take_while(|p| *p == "super").count();
    match parts.first().map(String::as_str) {
        Some("crate" | "kfleet") => parts.get(1).cloned(),
        Some("super") if supers >= depth => parts.get(supers).cloned(),
        _ => None,
    }
    .filter(|name| name.starts_with(|c: char| c.is_ascii_lowercase()))
}

fn starts(path: &str, with: &str) -> bool {
    path.strip_prefix(with)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

// ---------------------------------------------------------------------------------------------------------------------
// Just enough of Rust.

/// A file: its text, its text without comments and literals, and the tokens of that with their lines.
struct Source {
    text: String,
    code: String,
    tokens: Vec<(usize, String)>,
    /// Tokens before this index of a line are production code: `#[cfg(test)]` items are not.
    test: Vec<bool>,
}

impl Source {
    fn new(path: &str, text: &str) -> Source {
        let code = blank(text);
        let tokens = tokens(&code);
        let test = if path.ends_with("/tests.rs") {
            vec![true; tokens.len()]
        } else {
            tests(&tokens)
        };
        Source {
            text: text.to_owned(),
            code,
            tokens,
            test,
        }
    }

    fn production_tokens(&self) -> impl Iterator<Item = (usize, &str)> {
        self.tokens
            .iter()
            .zip(&self.test)
            .filter(|(_, test)| !**test)
            .map(|((line, token), _)| (*line, token.as_str()))
    }

    /// Every path written, groups of a `use` spelled out.
    fn production_paths(&self) -> impl Iterator<Item = (usize, Vec<String>)> {
        let tokens: Vec<(usize, &str)> = self.production_tokens().collect();
        let mut found = Vec::new();
        let mut index = 0;
        while index < tokens.len() {
            let follows = index > 0 && tokens[index - 1].1 == "::";
            index = if is_word(tokens[index].1) && !follows {
                read_path(&tokens, index, &[], &mut found)
            } else {
                index + 1
            };
        }
        found.into_iter()
    }
}

/// Reads the path at `index`, and says where it ends.
fn read_path(
    tokens: &[(usize, &str)],
    mut index: usize,
    before: &[String],
    found: &mut Vec<(usize, Vec<String>)>,
) -> usize {
    let mut path = before.to_vec();
    let line = tokens[index].0;
    loop {
        match tokens.get(index).map(|t| t.1) {
            Some(word) if is_word(word) => path.push(word.to_owned()),
            Some("{") => {
                index += 1;
                while index < tokens.len() && tokens[index].1 != "}" {
                    index = if is_word(tokens[index].1) {
                        read_path(tokens, index, &path, found)
                    } else {
                        index + 1
                    };
                }
                return index + 1;
            }
            _ => break,
        }
        index += 1;
        if tokens.get(index).map(|t| t.1) != Some("::") {
            break;
        }
        index += 1;
    }
    found.push((line, path));
    index.max(1)
}

fn is_word(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Comments and the insides of literals become spaces; lines stay.
fn blank(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let keep = |c: char| if c == '\n' { '\n' } else { ' ' };
    let mut i = 0;
    while i < chars.len() {
        let end = if at(i) == '/' && at(i + 1) == '/' {
            (i..chars.len())
                .find(|j| at(*j) == '\n')
                .unwrap_or(chars.len())
        } else if at(i) == '/' && at(i + 1) == '*' {
            (i + 2..chars.len())
                .find(|j| at(*j) == '*' && at(j + 1) == '/')
                .map_or(chars.len(), |j| j + 2)
        } else if at(i) == 'r' && matches!(at(i + 1), '"' | '#') && !word_before(&chars, i) {
            raw_end(&chars, i)
        } else if at(i) == '"' {
            let mut j = i + 1;
            while j < chars.len() && at(j) != '"' {
                j += if at(j) == '\\' { 2 } else { 1 };
            }
            j + 1
        } else if at(i) == '\'' && (at(i + 1) == '\\' || at(i + 2) == '\'') {
            (i + 2 + usize::from(at(i + 1) == '\\')..chars.len())
                .find(|j| at(*j) == '\'')
                .map_or(chars.len(), |j| j + 1)
        } else {
            out.push(at(i));
            i += 1;
            continue;
        };
        out.extend(chars[i..end.min(chars.len())].iter().map(|c| keep(*c)));
        i = end;
    }
    out
}

fn word_before(chars: &[char], i: usize) -> bool {
    i > 0 && (chars[i - 1].is_alphanumeric() || chars[i - 1] == '_')
}

/// The end of a raw string that begins at `i`; of nothing when it is none (`r#type`).
fn raw_end(chars: &[char], i: usize) -> usize {
    let hashes = chars[i + 1..].iter().take_while(|c| **c == '#').count();
    if chars.get(i + 1 + hashes) != Some(&'"') {
        return i + 1;
    }
    let closes = |j: usize| {
        chars[j] == '"'
            && chars[j + 1..]
                .iter()
                .take(hashes)
                .filter(|c| **c == '#')
                .count()
                == hashes
    };
    (i + 2 + hashes..chars.len())
        .find(|j| closes(*j))
        .map_or(chars.len(), |j| j + 1 + hashes)
}

/// Words, `::`, and every other sign alone.
fn tokens(code: &str) -> Vec<(usize, String)> {
    let mut all: Vec<(usize, String)> = Vec::new();
    for (number, line) in code.lines().enumerate() {
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            let word = rest
                .find(|c: char| !c.is_alphanumeric() && c != '_')
                .unwrap_or(rest.len());
            let length = if word > 0 {
                word
            } else if rest.starts_with("::") {
                2
            } else {
                first.len_utf8()
            };
            all.push((number + 1, rest[..length].to_owned()));
            rest = rest[length..].trim_start();
        }
    }
    all
}

/// Which tokens belong to an item under `#[cfg(test)]`.
fn tests(tokens: &[(usize, String)]) -> Vec<bool> {
    let mut test = vec![false; tokens.len()];
    let begins = |i: usize| {
        tokens[i..]
            .iter()
            .take(7)
            .map(|t| t.1.as_str())
            .eq(["#", "[", "cfg", "(", "test", ")", "]"])
    };
    let mut index = 0;
    while index < tokens.len() {
        if !begins(index) {
            index += 1;
            continue;
        }
        let mut depth = 0usize;
        let mut end = index;
        for (i, (_, token)) in tokens.iter().enumerate().skip(index) {
            end = i;
            match token.as_str() {
                "{" => depth += 1,
                "}" if depth <= 1 => break,
                "}" => depth -= 1,
                ";" if depth == 0 => break,
                _ => {}
            }
        }
        test[index..=end].fill(true);
        index = end + 1;
    }
    test
}
