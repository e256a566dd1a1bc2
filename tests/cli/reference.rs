//! docs/commands.md has the help of every command as the binary prints it: `KFLEET_BLESS=1` writes it anew.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

fn help(words: &[String]) -> String {
    let out = Command::new(env!("CARGO_BIN_EXE_kfleet"))
        .env_clear()
        .args(words)
        .arg("--help")
        .output()
        .unwrap();
    assert!(out.status.success(), "{words:?}");
    String::from_utf8(out.stdout).unwrap()
}

/// The names under `Commands:`.
fn commands(help: &str) -> Vec<String> {
    let Some((_, list)) = help.split_once("\nCommands:\n") else {
        return Vec::new();
    };
    let lines = list.lines().take_while(|line| !line.is_empty());
    let named = lines.filter_map(|line| line.strip_prefix("  ").filter(|l| !l.starts_with(' ')));
    let names = named.map(|line| line.split(' ').next().unwrap().to_owned());
    names.filter(|name| name != "help").collect()
}

/// An option begins with its flags, and ends where the next begins.
fn is_option(line: &str) -> bool {
    line.starts_with("  -") || line.starts_with("      --")
}

/// Without what every command takes.
fn own(help: &str, everywhere: &BTreeSet<&str>) -> String {
    let mut out = Vec::new();
    let mut skips = false;
    for line in help.lines() {
        if is_option(line) {
            skips = everywhere.contains(line);
        } else if !line.is_empty() && !line.starts_with(' ') {
            skips = false;
        }
        if !skips {
            out.push(line.trim_end());
        }
    }
    let mut text = out.join("\n");
    while text.contains("\n\n\n") {
        text = text.replace("\n\n\n", "\n\n");
    }
    text = text.replace("\nOptions:\nExamples:", "\nExamples:");
    text.trim_end()
        .trim_end_matches("Options:")
        .trim_end()
        .to_owned()
}

fn write(words: &[String], everywhere: &BTreeSet<&str>, page: &mut String) {
    let help = help(words);
    page.push_str(&format!(
        "\n## `kfleet {}`\n\n```text\n{}\n```\n",
        words.join(" "),
        own(&help, everywhere)
    ));
    for name in commands(&help) {
        let below: Vec<String> = words.iter().cloned().chain([name]).collect();
        write(&below, everywhere, page);
    }
}

#[test]
fn the_reference_has_the_help_of_every_command() {
    let root = help(&[]);
    let everywhere: BTreeSet<&str> = root.lines().filter(|line| is_option(line)).collect();
    let mut page = format!(
        "# Commands\n\nWhat `kfleet COMMAND --help` prints, without what every command takes. Written by a test \
         (`KFLEET_BLESS=1 cargo test --no-default-features --test cli reference`), so that it is what the program says.\n\n```text\n{}\n```\n",
        root.lines()
            .map(str::trim_end)
            .collect::<Vec<_>>()
            .join("\n")
            .trim_end()
    );
    for name in commands(&root) {
        write(&[name], &everywhere, &mut page);
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/commands.md");
    if std::env::var_os("KFLEET_BLESS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let known = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        known == page,
        "docs/commands.md is not what the program says: write it anew with KFLEET_BLESS=1"
    );
}
