//! Go templates through the binary: the cases that this project did not write (skipped when they are not there), and what is lost on the way.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test"
)]

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value as Json;

fn cases() -> PathBuf {
    std::env::var_os("KFLEET_CONFORMANCE")
        .map_or_else(
            || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/conformance"),
            PathBuf::from,
        )
        .join("templating/cases.json")
}

/// Past the harness, which keeps what a passing test prints to itself: a check that did not run has to be seen.
fn say(line: &str) {
    std::io::stderr()
        .write_all(format!("{line}\n").as_bytes())
        .unwrap();
}

fn kfleet(dir: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_kfleet"))
        .arg("template")
        .args(arguments)
        .current_dir(dir)
        .env("ORACLE_X", "envvalue")
        .env_remove("KOPS_CLUSTER_NAME")
        .env("KUBECONFIG", "none")
        .output()
        .unwrap()
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn text(json: &Json) -> &str {
    json.as_str().unwrap()
}

/// One case in a folder of its own: what differs.
fn failure(case: &Json) -> Option<String> {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let mut arguments: Vec<String> = vec!["--name".into(), "flagname".into()];
    match &case["template"] {
        Json::Object(files) => {
            for (name, content) in files {
                write(&dir.join("t").join(name), text(content));
            }
            arguments.extend(["--template".into(), "t".into()]);
        }
        content @ (Json::Null
        | Json::Bool(_)
        | Json::Number(_)
        | Json::String(_)
        | Json::Array(_)) => {
            write(&dir.join("t.yaml"), text(content));
            arguments.extend(["--template".into(), "t.yaml".into()]);
        }
    }
    let values: Vec<&Json> = match &case["values"] {
        Json::Null => Vec::new(),
        Json::Array(files) => files.iter().collect(),
        one @ (Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Object(_)) => vec![one],
    };
    for (index, content) in values.into_iter().enumerate() {
        let name = format!("v{index}.yaml");
        write(&dir.join(&name), text(content));
        arguments.extend(["--values".into(), name]);
    }
    for (name, content) in case["snippets"].as_object().unwrap() {
        write(&dir.join("s").join(name), text(content));
    }
    if dir.join("s").exists() {
        arguments.extend(["--snippets".into(), "s".into()]);
    }
    arguments.extend(
        case["flags"]
            .as_array()
            .unwrap()
            .iter()
            .map(|f| text(f).to_owned()),
    );
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let output = kfleet(dir, &arguments);
    let (code, stdout) = (
        output.status.code().unwrap(),
        String::from_utf8_lossy(&output.stdout),
    );
    let stderr = String::from_utf8_lossy(&output.stderr);
    let expected = i32::try_from(case["rc"].as_i64().unwrap()).unwrap();
    let told = expected == 0 || stderr.starts_with("error: ");
    if code == expected
        && stdout == text(&case["stdout"])
        && told
        && places_agree(text(&case["stderr"]), &stderr)
    {
        return None;
    }
    Some(format!(
        "{}/{}: {code} {stdout:?}\n{stderr}",
        text(&case["group"]),
        text(&case["name"])
    ))
}

/// Where the original names a line of the template, the same line is named.
fn places_agree(theirs: &str, ours: &str) -> bool {
    let Some((_, after)) = theirs.rsplit_once("executing").map_or_else(
        || theirs.split_once("template: mainTemplate:"),
        |(before, _)| before.rsplit_once("template: "),
    ) else {
        return true;
    };
    let Some(line) = after.split(':').find(|p| p.parse::<u32>().is_ok()) else {
        return true;
    };
    ours.lines()
        .next()
        .is_some_and(|first| first.split(':').any(|p| p == line))
}

#[test]
fn templates_render_as_kops_renders_them() {
    let Ok(cases) = fs::read_to_string(cases()) else {
        say("skipped: no conformance cases");
        return;
    };
    let cases: Vec<Json> = serde_json::from_str(&cases).unwrap();
    assert!(!cases.is_empty());
    let failed: Vec<String> = cases.iter().filter_map(failure).collect();
    assert!(
        failed.is_empty(),
        "{} of {} cases differ:\n{}",
        failed.len(),
        cases.len(),
        failed.join("\n")
    );
    say(&format!("{} templating cases equal", cases.len()));
}

/// Files, arguments, and what is expected on standard output, on standard error, and as exit code.
struct Losing {
    files: &'static [(&'static str, &'static str)],
    arguments: &'static [&'static str],
    stdout: &'static str,
    warning: &'static str,
}

const LOSING: [Losing; 11] = [
    Losing {
        files: &[
            ("t", "{{ include \"x\" . }}\n"),
            ("s/a/x", "A"),
            ("s/b/x", "B"),
        ],
        arguments: &["--template", "t", "--snippets", "s"],
        stdout: "B\n",
        warning: "warning: the snippet x is there twice: s/b/x is used, s/a/x is not\n",
    },
    Losing {
        files: &[("t", "{{ .a }}\n"), ("v", "a: 1\n---\na: 2\n")],
        arguments: &["--template", "t", "--values", "v"],
        stdout: "1\n",
        warning: "warning: v:2:1: a second document in a file of values is not read\n",
    },
    Losing {
        files: &[("t", "{{ .a }}\n"), ("v", "a: 1\na: 2\n")],
        arguments: &["--template", "t", "--values", "v"],
        stdout: "2\n",
        warning: "warning: v:2:1: the key a stands twice in this mapping; the last one counts\n",
    },
    Losing {
        files: &[("t", "a: 1\n--- # next\nb: 2\n")],
        arguments: &["--template", "t", "--format-yaml"],
        stdout: "a: 1\n",
        warning: "warning: t: a document is dropped: what separates it from the one before is not exactly a line `---`\n",
    },
    Losing {
        files: &[("t/1", "a: 1"), ("t/2", "b: 2\n")],
        arguments: &["--template", "t"],
        stdout: "a: 1---\nb: 2\n",
        warning: "warning: t/1: the output does not end in a line break, so the next `---` is glued to its last line\n",
    },
    Losing {
        files: &[("t", "{{ .clusterName }}\n"), ("v", "clusterName: 3\n")],
        arguments: &["--template", "t", "--values", "v"],
        stdout: "c\n",
        warning: "warning: the values' clusterName is not a text, and is replaced by the name given\n",
    },
    Losing {
        files: &[("t", "{{ .h | toJson }}\n")],
        arguments: &["--template", "t", "--set", "h[0].z=q"],
        stdout: "[]\n",
        warning: "warning: --set h[0].z=q: a key of a new list item at the end of the argument is dropped; write another pair behind it\n",
    },
    Losing {
        files: &[("t", "{{ .n }}\n")],
        arguments: &["--template", "t", "--set", "n=-007"],
        stdout: "-7\n",
        warning: "warning: --set n: templates print the value otherwise than it is written; --set-string keeps its text\n",
    },
    Losing {
        files: &[("t", "owner: {{ .o }}\n")],
        arguments: &["--template", "t", "--set", "o=012345678901"],
        stdout: "owner: 012345678901\n",
        warning: "warning: --set o: without quotes the value is octal, hexadecimal or binary to some readers, and decimal or a string to others; quote it in the template, and give it with --set-string\n",
    },
    Losing {
        files: &[("t", "owner: {{ .o | quote }} {{ .v }}\n")],
        arguments: &[
            "--template",
            "t",
            "--set-string",
            "o=012345678901",
            "--set",
            "v=1.30",
        ],
        stdout: "owner: \"012345678901\" 1.30\n",
        warning: "",
    },
    Losing {
        files: &[("t", "b: 1\na: x\n")],
        arguments: &["--template", "t", "--format-yaml"],
        stdout: "a: x\nb: 1\n",
        warning: "",
    },
];

#[test]
fn what_is_lost_is_a_warning_and_strictly_an_error() {
    for case in &LOSING {
        let dir = tempfile::tempdir().unwrap();
        for (name, content) in case.files {
            write(&dir.path().join(name), content);
        }
        let named = [&["--name", "c"], case.arguments].concat();
        let output = kfleet(dir.path(), &named);
        assert_eq!(String::from_utf8_lossy(&output.stdout), case.stdout);
        assert_eq!(String::from_utf8_lossy(&output.stderr), case.warning);
        assert_eq!(output.status.code(), Some(0));
        let output = kfleet(dir.path(), &[named.as_slice(), &["--strict"]].concat());
        let error = String::from_utf8_lossy(&output.stderr);
        if case.warning.is_empty() {
            assert_eq!(output.status.code(), Some(0), "{error}");
        } else {
            assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
            assert!(
                error.starts_with(&case.warning.replace("warning:", "error:")),
                "{error}"
            );
        }
    }
}

#[test]
fn errors_show_where_and_by_which_way() {
    let dir = tempfile::tempdir().unwrap();
    write(
        &dir.path().join("t"),
        "a: 1\nb: {{ include \"o\" . | indent 2 }}\n",
    );
    write(&dir.path().join("s/o"), "x: {{ .nodez }}\n");
    write(&dir.path().join("v"), "nodes: 3\n");
    let output = kfleet(
        dir.path(),
        &["c", "--template=t", "--snippets=s", "--values=v", "--out=o"],
    );
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "error: s/o:1:7: map has no entry for key \"nodez\"\n  |\n1 | x: {{ .nodez }}\n  |       ^^^^^^\n  = included from t:2:7\nhint: did you mean `nodes`?\n"
    );
    assert!(
        !dir.path().join("o").exists(),
        "nothing is written on failure"
    );
}

#[test]
fn a_block_scalar_that_formatting_cuts_is_explained() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("t"), "a: |\n  -----BEGIN KEY-----\n  x\n");
    let output = kfleet(dir.path(), &["c", "--template=t", "--format-yaml"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("a line of it ends in `---`"));
}

#[test]
fn names_values_and_files_as_the_original_takes_them() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("t"), "{{ .clusterName }} {{ .a }}\n");
    write(&dir.path().join("v"), "a: {b: [1, x]}\n");
    let output = kfleet(dir.path(), &["--template=t", "--values=v"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("error: --name is required\n"));
    write(&dir.path().join("none"), "current-context: from-context\n");
    let output = kfleet(dir.path(), &["--template=t", "--values=v"]);
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "from-context map[b:[1 x]]\n"
    );
    let output = kfleet(dir.path(), &["c", "--values=v", "--config-value", "a"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "map[b:[1 x]]\n");
    let output = kfleet(dir.path(), &["c", "--values=v", "--config-value", "z"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "null\n");
    fs::write(dir.path().join("latin"), b"# caf\xe9 {{ .clusterName }}\n").unwrap();
    let output = kfleet(dir.path(), &["c", "--template=latin", "--out=out"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(fs::read(dir.path().join("out")).unwrap(), b"# caf\xe9 c\n");
}
