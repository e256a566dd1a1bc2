//! What may be named where: pure modules do nothing, every library has its home, only `cli` prints.

use super::source::Source;
use super::{Found, Law, check, module};

const PURE: [&str; 13] = [
    "adopt",
    "model",
    "yaml",
    "gotemplate",
    "toolbox",
    "render",
    "kops",
    "desired",
    "plan",
    "impact",
    "rollout",
    "report",
    "lint",
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
const HOMES: [(&str, &[&str]); 8] = [
    ("cel", &["lint"]),
    ("minijinja", &["render", "report"]),
    ("clap", &["cli"]),
    ("saphyr_parser", &["yaml"]),
    ("anstream", &["cli"]),
    ("std::env", &["cli"]),
    ("std::time::Instant", &["cli", "run"]),
    ("std::time::SystemTime", &["cli", "run"]),
];

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

fn starts(path: &str, with: &str) -> bool {
    path.strip_prefix(with)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}
