//! What is documented: everything that is public, and nothing with its own name.

use super::source::Source;
use super::{Found, Law, check};

#[test]
fn what_is_public_is_documented() {
    check(&Law {
        check: undocumented,
        planted: &[
            ("src/plan/mod.rs", "//! Plans.\n\npub struct Plan;"),
            (
                "src/plan/mod.rs",
                "#[derive(\n    Clone,\n)]\npub enum Kind {}",
            ),
            ("src/plan/mod.rs", "impl A {\n    pub const fn f() {}\n}"),
        ],
        fine: &[
            (
                "src/plan/mod.rs",
                "/// A plan.\n#[derive(Clone)]\npub struct Plan {\n    pub id: Digest,\n}",
            ),
            (
                "src/plan/mod.rs",
                "/// A plan.\n#[derive(\n    Clone,\n)]\npub struct Plan;",
            ),
            ("src/plan/mod.rs", "pub(super) fn f() {}"),
            ("tests/a.rs", "pub fn f() {}"),
        ],
    });
}

#[test]
fn a_doc_comment_says_more_than_the_name() {
    check(&Law {
        check: repeated,
        planted: &[
            (
                "src/a.rs",
                "struct A {\n    /// The group.\n    group: AsgName,\n}",
            ),
            (
                "src/a.rs",
                "/// A warm pool.\n#[derive(Clone)]\nstruct WarmPool;",
            ),
            (
                "src/a.rs",
                "struct A {\n    /// Why.\n    cause: String,\n}",
            ),
        ],
        fine: &[
            (
                "src/a.rs",
                "struct A {\n    /// The group that is pinned.\n    group: AsgName,\n}",
            ),
            (
                "src/a.rs",
                "/// The group.\n///\n/// # Errors\n/// None.\nfn group() {}",
            ),
            ("src/a.rs", "struct A {\n    group: AsgName,\n}"),
        ],
    });
}

/// Public items; a field or variant may be named for what it holds.
fn undocumented(path: &str, source: &Source) -> Found {
    let lines: Vec<&str> = source.text.lines().map(str::trim).collect();
    if !path.starts_with("src/") || path.ends_with("/tests.rs") {
        return Found::new();
    }
    let public = lines.iter().enumerate().filter(|(_, line)| is_public(line));
    public
        .filter(|(at, _)| !before_attributes(&lines[..*at]).starts_with("///"))
        .map(|(at, line)| format!("{path}:{}: not documented: {line}", at + 1))
        .collect()
}

/// The name of what a macro makes is its caller's, which documents it.
fn is_public(line: &str) -> bool {
    let named = Some(line).filter(|line| !line.contains('$'));
    let item = named.and_then(|line| line.strip_prefix("pub "));
    let item = item.unwrap_or_default();
    let kind = item.split_whitespace().next().unwrap_or_default();
    [
        "struct", "enum", "trait", "type", "fn", "const", "static", "async",
    ]
    .contains(&kind)
}

/// The last line that is not of an attribute.
fn before_attributes<'l>(lines: &[&'l str]) -> &'l str {
    let mut inside = false;
    for line in lines.iter().rev() {
        let (begins, ends) = (line.starts_with("#["), line.ends_with(']'));
        inside = (inside || ends) && !begins;
        if !inside && !begins {
            return line;
        }
    }
    ""
}

/// Doc comments of one line that repeat the name below them, or are one word. Those of `cli` are the help of the command line.
fn repeated(path: &str, source: &Source) -> Found {
    let lines: Vec<&str> = source.text.lines().map(str::trim).collect();
    if !path.starts_with("src/") || path.starts_with("src/cli/") {
        return Found::new();
    }
    let is_doc = |at: Option<usize>| {
        let line = at.and_then(|at| lines.get(at));
        line.is_some_and(|line| line.starts_with("///"))
    };
    let alone = (0..lines.len())
        .filter(|at| is_doc(Some(*at)) && !is_doc(at.checked_sub(1)) && !is_doc(Some(at + 1)));
    alone
        .filter(|at| {
            let text = lines[*at]
                .trim_start_matches('/')
                .trim()
                .trim_end_matches('.');
            let articles = ["The ", "Its ", "A ", "An "];
            let behind = articles.iter().find_map(|a| text.strip_prefix(a));
            let bare = behind.unwrap_or(text).to_lowercase();
            let is_word = text.chars().all(char::is_alphabetic);
            is_word || bare.replace('-', " ") == named_below(&lines[at + 1..])
        })
        .map(|at| {
            format!(
                "{path}:{}: says no more than the name: {}",
                at + 1,
                lines[at]
            )
        })
        .collect()
}

/// The name of what follows, in words.
fn named_below(lines: &[&str]) -> String {
    let mut rest = lines;
    while let [line, more @ ..] = rest
        && line.starts_with("#[")
    {
        let end = rest.iter().position(|line| line.ends_with(']'));
        rest = end.map_or(more, |end| &rest[end + 1..]);
    }
    let line = rest.first().copied().unwrap_or_default();
    let words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
    let kinds = [
        "", "pub", "super", "crate", "in", "struct", "enum", "fn", "const", "async", "type",
        "trait", "static",
    ];
    let name = words.into_iter().find(|word| !kinds.contains(word));
    let mut spelled = String::new();
    for letter in name.unwrap_or_default().chars() {
        if letter.is_uppercase() && !spelled.is_empty() {
            spelled.push(' ');
        }
        spelled.extend(letter.to_lowercase());
    }
    spelled.replace('_', " ")
}
