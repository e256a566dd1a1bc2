//! What `yaml::emit` writes is read back as the same value by another reader: PyYAML, which keeps to YAML 1.1 as kops does. Skipped where there is none.

use std::io::Write as _;
use std::process::{Command, Stdio};

use kfleet::yaml::emit;
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;
use serde_json::{Value as Json, json};

/// Reads a JSON list of `[value, text]`, and prints a line for each text that is not read as its value.
const PROGRAM: &str = r#"
import json, sys, yaml
for value, text in json.load(sys.stdin):
    try:
        back = yaml.safe_load(text)
    except Exception as error:
        back = str(error)
    if json.dumps(back) != json.dumps(value):
        print(json.dumps({"value": value, "text": text, "back": repr(back)}))
"#;

/// Words that some reader takes for something else than a string, and places where they may stand.
const WORDS: [&str; 40] = [
    "",
    " ",
    "~",
    "null",
    "Null",
    "true",
    "False",
    "yes",
    "No",
    "on",
    "OFF",
    "y",
    "N",
    "=",
    "<<",
    ".inf",
    "-.INF",
    ".nan",
    "1_000",
    "0o17",
    "017",
    "0x1F",
    "0b1",
    "12:30",
    "190:20:30",
    "1e3",
    "1.",
    ".5",
    "+1",
    "-0",
    "2026-01-31",
    "2026-01-31T12:00:00Z",
    "- a",
    "a: b",
    "a #b",
    "#a",
    "&a",
    "*a",
    "!a",
    "%a",
];

fn values() -> Vec<Json> {
    let mut texts: Vec<String> = WORDS.iter().map(|w| (*w).to_owned()).collect();
    texts.extend(WORDS.iter().flat_map(|w| {
        [
            format!("{w}\n"),
            format!("a\n{w}\nb"),
            format!(" {w}"),
            format!("{w}:"),
        ]
    }));
    // Always the same ones: a failure can be looked at again.
    let mut runner = TestRunner::deterministic();
    for pattern in [
        r#"[-yn0-9oxeE_:., a-c#'"\[\]{}&*!|>%@`~\t\n\\é\u{85}\u{2028}\u{feff}\u{1F600}]{0,14}"#,
        r"[0-9a-fxobeE_:.+TZ -]{1,10}",
        r"[ -~\n]{0,40}",
    ] {
        let strategy = proptest::string::string_regex(pattern).unwrap();
        texts.extend((0..700).map(|_| strategy.new_tree(&mut runner).unwrap().current()));
    }
    let forms = |text: &String| {
        [
            json!(text),
            json!({"k": text}),
            json!([text, [text]]),
            json!({text.clone(): {"k": [{"a": text}]}}),
        ]
    };
    texts.iter().flat_map(forms).collect()
}

fn has_pyyaml() -> bool {
    let check = Command::new("python3")
        .args(["-c", "import yaml"])
        .stderr(Stdio::null())
        .status();
    check.is_ok_and(|status| status.success())
}

#[test]
fn pyyaml_reads_what_we_write() {
    if !has_pyyaml() {
        // Past the harness, which keeps what a passing test prints to itself.
        std::io::stderr()
            .write_all(b"skipped: no PyYAML\n")
            .unwrap();
        return;
    }
    let batch: Vec<Json> = values()
        .into_iter()
        .map(|value| json!([value, emit(&value)]))
        .collect();
    let mut python = Command::new("python3")
        .args(["-c", PROGRAM])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // Python reads everything before it writes anything, so this cannot wait for itself.
    python
        .stdin
        .take()
        .unwrap()
        .write_all(Json::Array(batch).to_string().as_bytes())
        .unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success());
    let wrong = String::from_utf8(output.stdout).unwrap();
    assert!(
        wrong.is_empty(),
        "{} texts are read as something else:\n{}",
        wrong.lines().count(),
        wrong.lines().take(20).collect::<Vec<_>>().join("\n")
    );
}
