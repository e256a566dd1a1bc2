//! At a terminal: who acts is asked first, the live view is drawn in its place, `NO_COLOR` takes colour and nothing else, `TERM=dumb` gives plain lines.
#![cfg(unix)]

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::process::{Command, ExitStatus, Stdio};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::bed::{Bed, assert_same};

/// What a person sees who types this, at a terminal of so many columns.
fn at_terminal(mut command: Command, columns: u16, typed: &str) -> (ExitStatus, String) {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&ours).unwrap();
    unlockpt(&ours).unwrap();
    let name = ptsname(&ours, Vec::new()).unwrap();
    let size = Winsize {
        ws_row: 50,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(&ours, size).unwrap();
    let theirs = OpenOptions::new()
        .read(true)
        .write(true)
        .open(name.to_str().unwrap())
        .unwrap();
    let mut child = command
        .stdin(Stdio::from(theirs.try_clone().unwrap()))
        .stdout(Stdio::from(theirs.try_clone().unwrap()))
        .stderr(Stdio::from(theirs))
        .spawn()
        .unwrap();
    // The command holds the other end too, as long as it lives.
    drop(command);
    let mut screen = File::from(ours);
    screen.write_all(typed.as_bytes()).unwrap();
    let mut seen = Vec::new();
    let mut some = [0; 4096];
    // When the last one at the other end is gone, reading is an error.
    while let Ok(n) = screen.read(&mut some)
        && n > 0
    {
        seen.extend_from_slice(&some[..n]);
    }
    let status = child.wait().unwrap();
    (status, String::from_utf8_lossy(&seen).replace("\r\n", "\n"))
}

fn start(bed: &Bed, term: &str, variables: &[(&str, &str)]) -> Command {
    let mut command = bed.command(&["rollout", "start", "--stage", "staging"]);
    command.env("TERM", term).envs(variables.iter().copied());
    command
}

const ASKED: &str = "Carry this plan out? Only `yes` does: ";

#[test]
fn a_person_is_shown_the_plan_and_asked() {
    let bed = Bed::with_new_image();
    let before = bed.journals();
    for typed in ["no\n", "\n", "y\n", "\u{4}"] {
        let (status, seen) = at_terminal(start(&bed, "xterm", &[]), 120, typed);
        let (plan, after) = seen.split_once(ASKED).unwrap_or_else(|| panic!("{seen}"));
        assert!(
            plan.contains("[local] plan ") && plan.contains("admin-nodes"),
            "{seen}"
        );
        assert_ne!(status.code(), Some(0), "{typed:?}: {after}");
        assert_eq!(bed.journals(), before, "{typed:?}: {after}");
    }
    let (status, seen) = at_terminal(start(&bed, "xterm", &[]), 120, "yes\n");
    assert_eq!(status.code(), Some(0), "{seen}");
    assert_eq!(bed.journals().len(), before.len() + 1);
}

#[test]
fn who_says_yes_beforehand_is_not_asked() {
    let bed = Bed::with_new_image();
    let mut command = start(&bed, "xterm", &[]);
    command.arg("--yes");
    let (status, seen) = at_terminal(command, 120, "");
    assert_eq!(status.code(), Some(0), "{seen}");
    assert!(!seen.contains(ASKED), "{seen}");
}

/// Codes that colour: `ESC [ … m`.
fn colours(text: &str) -> usize {
    text.split("\u{1b}[")
        .skip(1)
        .filter(|rest| {
            let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';');
            rest.starts_with('m')
        })
        .count()
}

/// The live view is taken away by moving the cursor up.
fn is_drawn_in_place(text: &str) -> bool {
    text.contains("A\u{1b}[J")
}

#[test]
fn no_color_takes_colour_and_nothing_else() {
    let bed = Bed::with_new_image();
    let (_, seen) = at_terminal(start(&bed, "xterm", &[]), 120, "yes\n");
    assert!(colours(&seen) > 0 && is_drawn_in_place(&seen), "{seen}");

    let bed = Bed::with_new_image();
    let none = start(&bed, "xterm", &[("NO_COLOR", "1")]);
    let (_, seen) = at_terminal(none, 120, "yes\n");
    assert_eq!(colours(&seen), 0, "{seen}");
    assert!(is_drawn_in_place(&seen), "{seen}");
}

#[test]
fn a_dumb_terminal_gets_plain_lines() {
    let bed = Bed::with_new_image();
    let (status, seen) = at_terminal(start(&bed, "dumb", &[]), 120, "yes\n");
    assert_eq!(status.code(), Some(0), "{seen}");
    assert!(!seen.contains('\u{1b}'), "{seen}");
    assert!(seen.contains("[local] 2026-01-"), "{seen}");
}

#[test]
fn live_lines_fit_into_80_columns() {
    let bed = Bed::with_new_image();
    let (_, seen) = at_terminal(start(&bed, "xterm", &[("NO_COLOR", "1")]), 80, "yes\n");
    let live: Vec<&str> = seen
        .lines()
        .filter(|line| line.contains(", eta "))
        .collect();
    assert!(!live.is_empty(), "{seen}");
    assert!(
        live.iter().all(|line| line.chars().count() <= 80),
        "{live:#?}"
    );
}

#[test]
fn a_log_for_machines_is_one_value_a_line() {
    let bed = Bed::with_new_image();
    let before = bed.tree();
    let (status, seen) = at_terminal(
        {
            let mut command = bed.command(&["--log-format", "json", "plan", "nobody"]);
            command.stdout(Stdio::null());
            command
        },
        120,
        "",
    );
    assert_eq!(status.code(), Some(1), "{seen}");
    assert_same(&before, &bed.tree());
    let last: serde_json::Value = serde_json::from_str(seen.lines().last().unwrap()).unwrap();
    assert_eq!(last["level"], "error");
    assert_eq!(last["message"], "the fleet has no cluster `nobody`");

    let said = bed
        .run("rollout start --auto-approve --log-format json")
        .ends(0);
    let lines: Vec<serde_json::Value> = said
        .err
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
        .collect();
    assert!(lines.len() > 20, "{}", said.err);
    for line in &lines {
        assert!(
            line["at"].is_string() && line["message"].is_string(),
            "{line}"
        );
        assert!(
            ["info", "warning"].contains(&line["level"].as_str().unwrap()),
            "{line}"
        );
    }
    assert!(
        lines.iter().any(|line| line["simulated"] == true),
        "{}",
        said.err
    );
    // What is typed wrong is said so too.
    for words in ["plann --log-format json", "--log-format=json plan --nope"] {
        let said = bed.run(words).ends(1);
        let error: serde_json::Value = serde_json::from_str(said.err.trim()).unwrap();
        assert_eq!(error["level"], "error", "{error}");
    }
}

/// A status that is watched stays in its place; piped, or where the cursor cannot be moved, one follows the other.
#[test]
fn a_watched_status_is_drawn_anew() {
    const CLEARED: &str = "\u{1b}[H\u{1b}[J";
    let bed = Bed::built();
    let watched = |term: &str| {
        let status = bed.command(&["status", "--watch", "1s"]);
        let mut command = Command::new("timeout");
        command.arg("3.5").arg(status.get_program());
        command.args(status.get_args()).current_dir(bed.dir());
        for (name, value) in status.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.env("TERM", term);
        command
    };
    let (_, seen) = at_terminal(watched("xterm"), 120, "");
    let pages = seen.matches("prod-small").count();
    assert!(pages >= 2, "{seen}");
    assert!(seen.matches(CLEARED).count() >= 2, "{seen}");
    assert!(seen.starts_with(CLEARED), "{seen}");
    let (_, seen) = at_terminal(watched("dumb"), 120, "");
    assert!(
        seen.contains("prod-small") && !seen.contains(CLEARED),
        "{seen}"
    );
    let piped = watched("xterm").output().unwrap();
    assert!(!String::from_utf8_lossy(&piped.stdout).contains(CLEARED));
}
