//! The form of a file: its name, its length, order, and that it is finished.

use std::collections::BTreeMap;

use super::source::Source;
use super::{Found, Law, check, tree};

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
    for head in [
        "fn f()",
        "pub(crate) async fn f()",
        "pub(in crate::cloud::aws) const unsafe fn f(a: [u8; 3])",
        "impl A { fn f<F: Fn() -> u8>(f: F) -> fn(u8) -> u8 where F: Copy",
    ] {
        let long = format!("{head} {{\n{}}}\n", "    g();\n".repeat(80));
        assert_eq!(
            lengths("src/a.rs", &Source::new("src/a.rs", &long)),
            ["src/a.rs:1: f is a function of 82 lines"],
            "{head}"
        );
    }
    assert_eq!(
        lengths("src/a.rs", &Source::new("src/a.rs", &"\n".repeat(601))),
        ["src/a.rs:601: a file of 601 lines"]
    );
}

/// Nine functions of ten are no longer than this.
const MOST_LINES: usize = 30;

#[test]
fn nine_functions_of_ten_have_at_most_30_lines() {
    let short = "fn f() {\n    g();\n}\n";
    let long = format!("fn f() {{\n{}}}\n", "    g();\n".repeat(29));
    let of = |short_ones: usize, long_ones: usize| {
        ninth_tenth(&[
            ("src/a.rs".to_owned(), short.repeat(short_ones)),
            ("src/b.rs".to_owned(), long.repeat(long_ones)),
            ("tests/a.rs".to_owned(), long.repeat(99)),
        ])
    };
    assert_eq!(
        (of(9, 1), of(8, 2)),
        (3, 31),
        "a planted crowd of long ones"
    );
    let length = ninth_tenth(&tree());
    assert!(
        length <= MOST_LINES,
        "nine functions of ten in src have at most {length} lines, {MOST_LINES} are allowed: give what can be named a function of its own"
    );
}

/// The number of lines that nine of ten functions of `src`, tests among them, do not exceed.
fn ninth_tenth(tree: &[(String, String)]) -> usize {
    let of_src = tree.iter().filter(|(path, _)| path.starts_with("src/"));
    let mut lengths: Vec<usize> = of_src
        .flat_map(|(path, text)| Source::new(path, text).functions())
        .map(|function| function.lines())
        .collect();
    lengths.sort_unstable();
    let nine_tenths = (lengths.len() * 9).div_ceil(10).max(1);
    lengths.get(nine_tenths - 1).copied().unwrap_or(0)
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
    for function in source.functions() {
        if function.lines() > 80 {
            found.push(format!(
                "{path}:{}: {} is a function of {} lines",
                function.first,
                function.name,
                function.lines()
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

/// Names that mean two things still, each in a module of its own: what of kops the manifest says beside what of the fleet the repository says, a
/// machine beside a place in YAML, the engine that a fleet names beside the one that runs, a value of YAML beside one of a template, the simulated
/// account beside the one that a command opens. `Clusters` of builds without Kubernetes stands in for the other.
const TWO_MEANINGS: [&str; 6] = ["Cluster", "Clusters", "Engine", "Node", "Value", "World"];

/// What only these folders see may be named as it is on the wire, where such words are short and common.
const OF_THE_WIRE: [&str; 2] = ["src/cloud/aws/", "src/nodes/kube/"];

#[test]
fn one_name_means_one_thing() {
    let types = |texts: &[(&str, &str)]| {
        let owned = |(path, text): &(&str, &str)| ((*path).to_owned(), (*text).to_owned());
        named_twice(&texts.iter().map(owned).collect::<Vec<_>>())
    };
    let planted = types(&[
        ("src/a.rs", "pub struct Place;\npub(super) enum Only {}"),
        ("src/b.rs", "pub(crate) type Place = u8;\nenum Only {}"),
        ("src/c/d.rs", "pub(in crate::c) trait Only {}"),
    ]);
    assert_eq!(
        planted,
        [
            "src/b.rs:1: Place is a name of src/a.rs too",
            "src/c/d.rs:1: Only is a name of src/a.rs too",
        ]
    );
    let fine = types(&[
        ("src/a.rs", "pub struct Place;\npub use b::Other;"),
        ("src/nodes/kube/a.rs", "pub(super) struct Place;"),
        ("src/b.rs", "pub struct Other;\n// pub struct Place;"),
        ("tests/a.rs", "pub struct Place;"),
    ]);
    assert!(fine.is_empty(), "{fine:?}");
    let found = named_twice(&tree());
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

/// Types of `src` that more than their own file can see and that have the name of another.
fn named_twice(tree: &[(String, String)]) -> Found {
    let mut known: BTreeMap<String, &str> = BTreeMap::new();
    let mut found = Vec::new();
    for (path, text) in tree.iter().filter(|(path, _)| path.starts_with("src/")) {
        let of_the_wire = OF_THE_WIRE.iter().any(|folder| path.starts_with(folder));
        for (line, name) in visible_types(&Source::new(path, text), of_the_wire) {
            if TWO_MEANINGS.contains(&name.as_str()) {
                continue;
            }
            if let Some(other) = known.insert(name.clone(), path) {
                found.push(format!("{path}:{line}: {name} is a name of {other} too"));
            }
        }
    }
    found
}

/// The types that are declared `pub`, whatever for, by their line; `widely`: those alone that the whole crate can see.
fn visible_types(source: &Source, widely: bool) -> Vec<(usize, String)> {
    let tokens: Vec<(usize, &str)> = source.production_tokens().collect();
    let word = |at: usize| tokens.get(at).map_or("", |(_, token)| *token);
    let mut found = Vec::new();
    for at in (0..tokens.len()).filter(|at| word(*at) == "pub") {
        let is_restricted = word(at + 1) == "(" && word(at + 2) != "crate";
        let behind = match word(at + 1) {
            "(" => (at..tokens.len()).find(|at| word(*at) == ")").unwrap_or(at) + 1,
            _ => at + 1,
        };
        let is_type = matches!(word(behind), "struct" | "enum" | "trait" | "type" | "union");
        if is_type && !(widely && is_restricted) {
            found.push((tokens[at].0, word(behind + 1).to_owned()));
        }
    }
    found
}
