//! The form of a file: its name, its length, order, and that it is finished.

use super::source::Source;
use super::{Found, Law, check};

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
fn a_test_is_named_in_under_60_letters() {
    check(&Law {
        check: long_names,
        planted: &[(
            "tests/a.rs",
            "#[test]\nfn a_name_that_goes_on_and_on_until_it_has_sixty_letters_in_all() {}",
        )],
        fine: &[(
            "tests/a.rs",
            "#[test]\nfn a_name_that_goes_on_until_it_has_fewer_than_sixty_letters() {}",
        )],
    });
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

/// Names that nobody reads to their end.
fn long_names(path: &str, source: &Source) -> Found {
    let name = |line: &str| {
        let name = line
            .trim_start()
            .split_once("fn ")?
            .1
            .split(['(', '<'])
            .next()?;
        (name.len() >= 60).then(|| name.to_owned())
    };
    let lines = source.code.lines().enumerate();
    lines
        .filter_map(|(n, line)| Some((n + 1, name(line)?)))
        .map(|(n, name)| format!("{path}:{n}: {name}: say the rule in under 60 letters"))
        .collect()
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
