//! Who speaks and who shows: sentences are made in reports, and what is shown beforehand is made by what acts.

use std::collections::BTreeSet;

use super::source::Source;
use super::{Found, Law, check};

/// Words from which on a text is a sentence.
const WORDS: usize = 4;
/// The API server, not kfleet, is asked what it would do.
const ASKS: &str = "src/nodes/kube/evictions.rs";

#[test]
fn plans_and_rollouts_make_no_sentences() {
    check(&Law {
        check: sentences,
        planted: &[
            (
                "src/plan/cluster.rs",
                "fn f() { g(format!(\"{n} of {m} instances are Ready\")) }",
            ),
            (
                "src/rollout/rules/order.rs",
                "fn f() { v.push(format!(\"{n} is touched before its wave has begun\")) }",
            ),
            (
                "src/rollout/decide/two.rs",
                "fn f() { g(format!(\"{a}/{b}\"), format!(\"{n} of {m} are Ready\")) }",
            ),
            (
                "src/rollout/decide/late.rs",
                "fn f() {\n    format!(\n        \"{id} is late by {after}\"\n    )\n}",
            ),
        ],
        fine: &[
            (
                "src/plan/compare.rs",
                "fn f() { format!(\"{path}[{name}]\") }",
            ),
            (
                "src/report/note.rs",
                "fn f() { format!(\"{n} of {m} instances are Ready\") }",
            ),
            (
                "src/plan/cluster.rs",
                "#[cfg(test)]\nmod tests {\n    fn f() { format!(\"{n} of {m} instances are Ready\") }\n}",
            ),
        ],
    });
}

#[test]
fn nothing_below_the_command_line_only_pretends() {
    check(&Law {
        check: pretends,
        planted: &[
            ("src/run/mod.rs", "fn act(dry_run: bool) {}"),
            ("src/cloud/mod.rs", "struct S { preview: bool }"),
        ],
        fine: &[
            ("src/cli/start.rs", "struct S { dry_run: bool }"),
            ("src/cloud/aws/room.rs", "fn f() { call.dry_run(true) }"),
        ],
    });
}

fn sentences(path: &str, source: &Source) -> Found {
    let core = path.starts_with("src/plan/") || path.starts_with("src/rollout/");
    if !core {
        return Found::new();
    }
    let tokens: Vec<(usize, &str)> = source.production_tokens().collect();
    let makes = tokens
        .windows(2)
        .filter(|t| t[0].1 == "format" && t[1].1 == "!");
    let lines: BTreeSet<usize> = makes.map(|t| t[0].0).collect();
    let texts = source.text.match_indices("format!(").filter_map(|(at, _)| {
        let line = source.text[..at].lines().count().max(1);
        let text = source.text[at..].split('"').nth(1)?;
        Some((line, text))
    });
    texts
        .filter(|(line, text)| lines.contains(line) && text.split_whitespace().count() >= WORDS)
        .map(|(line, text)| format!("{path}:{line}: a sentence in the core: {text}"))
        .collect()
}

fn pretends(path: &str, source: &Source) -> Found {
    if !path.starts_with("src/") || path.starts_with("src/cli/") || path == ASKS {
        return Found::new();
    }
    let tokens: Vec<(usize, &str)> = source.production_tokens().collect();
    let flags = tokens.windows(3).filter(|t| {
        let name = matches!(
            t[0].1,
            "dry" | "dry_run" | "is_dry_run" | "preview" | "pretend" | "simulate" | "no_op"
        );
        name && t[1].1 == ":" && t[2].1 == "bool"
    });
    flags
        .map(|t| format!("{path}:{}: a flag that only pretends: {}", t[0].0, t[0].1))
        .collect()
}
