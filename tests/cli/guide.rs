//! docs/adopt.md and docs/howto.md are true: their commands run as they stand there, in their order, with a `kops` that prints manifests and the
//! simulated account for AWS; and print what stands behind them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

/// A command of a page, the exit code that it says, and the lines that it says are printed; `…` stands for what is left out.
struct Said {
    line: String,
    code: i32,
    printed: Vec<String>,
}

/// The commands of a page, or of a part of it.
fn commands(text: &str) -> Vec<Said> {
    let mut all: Vec<Said> = Vec::new();
    let mut is_inside = false;
    for line in text.lines() {
        if line.starts_with("```") {
            is_inside = line == "```console";
        } else if let Some(line) = line.strip_prefix("$ ") {
            let (line, code) = line.split_once(" # exit ").unwrap_or((line, "0"));
            all.push(Said {
                line: line.to_owned(),
                code: code.parse().unwrap(),
                printed: Vec::new(),
            });
        } else if let Some(last) = all.last_mut().filter(|_| is_inside) {
            last.printed.push(line.to_owned());
        }
    }
    all
}

/// Whether a line is printed as the page has it.
fn is_as_said(said: &str, printed: &str) -> bool {
    let mut rest = printed;
    let mut parts = said.split('…');
    let first = parts.next().unwrap_or_default();
    let Some(after) = rest.strip_prefix(first) else {
        return false;
    };
    rest = after;
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.is_empty() || said.ends_with('…')
}

#[track_caller]
fn prints(said: &Said, printed: &str) {
    let mut lines = printed.lines();
    for expected in &said.printed {
        assert!(
            lines.any(|line| is_as_said(expected, line)),
            "{}: no line is, in its place, {expected:?}\n{printed}",
            said.line
        );
    }
}

/// The id of the plan that was printed last.
fn plan_of(printed: &str) -> Option<String> {
    let (_, after) = printed.rsplit_once("--plan ")?;
    let id: String = after.chars().take_while(char::is_ascii_hexdigit).collect();
    (!id.is_empty()).then_some(id)
}

fn run(dir: &Path, line: &str) -> (Option<i32>, String) {
    let bin = Path::new(env!("CARGO_BIN_EXE_kfleet")).parent().unwrap();
    let path = std::env::var("PATH").unwrap();
    let ended = Command::new("sh")
        .args(["-c", line])
        .current_dir(dir)
        .env(
            "PATH",
            format!("{}:{}:{path}", dir.join("bin").display(), bin.display()),
        )
        .env("KFLEET_CLOUD", "local")
        .env_remove("KFLEET_STORE")
        .output()
        .unwrap();
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&ended.stdout),
        String::from_utf8_lossy(&ended.stderr)
    );
    (ended.status.code(), said)
}

/// A `kops` that has the two clusters.
fn kops(dir: &Path) {
    fs::create_dir(dir.join("bin")).unwrap();
    for (name, network, max) in [
        ("staging.example.com", "10.0.", 3),
        ("prod.example.com", "10.1.", 9),
    ] {
        let labels = format!(
            "spec:\n  cloudLabels:\n    k8s.io/cluster-autoscaler/{name}: owned\n    k8s.io/cluster-autoscaler/enabled: \"true\"\n"
        );
        let nodes = super::init::instances(name, "nodes", "Node")
            .replace("spec:\n", &labels)
            .replace("maxSize: 1", &format!("maxSize: {max}"));
        let text = [
            super::init::cluster(name).replace("10.0.", network),
            super::init::instances(name, "control-plane", "Master"),
            nodes,
        ];
        fs::write(dir.join("bin").join(name), text.join("---\n")).unwrap();
    }
    let path = dir.join("bin/kops");
    fs::write(&path, "#!/bin/sh\nexec cat \"$(dirname \"$0\")/$3\"\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// What the page takes for granted once the fleet is written: the groups are in AWS, made by somebody else, and the folder is committed.
const MADE_BY_KOPS: [&str; 6] = [
    "mkdir fleet/snippets && echo '#!/bin/sh' > fleet/snippets/user_data.sh.j2",
    "kfleet -C fleet render",
    "kfleet -C fleet rollout start --auto-approve",
    "rm -r fleet/snippets",
    "kfleet -C fleet render",
    "cd fleet && git init -q && git add . && git -c user.name=a -c user.email=a@example.com commit -qm fleet",
];

#[test]
fn the_guide_can_be_followed() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    kops(dir);
    let all = commands(include_str!("../../docs/adopt.md"));
    assert!(all.len() > 15, "{}", all.len());
    let mut plan = String::new();
    for command in all {
        let (ended, said) = run(dir, &command.line.replace("PLAN", &plan));
        assert_eq!(ended, Some(command.code), "{}\n{said}", command.line);
        prints(&command, &said);
        plan = plan_of(&said).unwrap_or(plan);
        if command.line.ends_with("lint") {
            for line in MADE_BY_KOPS {
                let (ended, said) = run(dir, line);
                assert_eq!(ended, Some(0), "{line}\n{said}");
            }
        }
    }
}

/// The bundled fleet, committed and rolled out once.
const ROLLED_OUT: [&str; 5] = [
    "git init -q -b main",
    "git config user.name Anna && git config user.email anna@foo.bar",
    "printf '/.kfleet/\n/*.json\n/*.txt\n/kill.yaml\n' > .gitignore",
    "git add -A && git commit -qm fleet",
    "kfleet rollout start --auto-approve",
];

fn copied(from: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().unwrap();
    let line = format!("cp -a . {}", to.path().display());
    assert_eq!(run(from, &line).0, Some(0));
    to
}

#[test]
fn every_task_can_be_done_as_it_says() {
    let base = tempfile::tempdir().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for name in [
        "fleet.yaml",
        "clusters",
        "vars",
        "templates",
        "snippets",
        "tools",
        "rendered",
    ] {
        let line = format!("cp -r {name} {}", base.path().display());
        assert_eq!(run(root, &line).0, Some(0), "{line}");
    }
    for line in ROLLED_OUT {
        let (ended, said) = run(base.path(), line);
        assert_eq!(ended, Some(0), "{line}\n{said}");
    }
    let page = include_str!("../../docs/howto.md");
    let sections: Vec<&str> = page.split("\n## ").skip(1).collect();
    assert!(sections.len() > 8, "{}", sections.len());
    for section in sections {
        let dir = copied(base.path());
        let mut plan = String::new();
        for command in commands(section) {
            let (ended, said) = run(dir.path(), &command.line.replace("PLAN", &plan));
            assert_eq!(ended, Some(command.code), "{}\n{said}", command.line);
            prints(&command, &said);
            plan = plan_of(&said).unwrap_or(plan);
        }
    }
}

#[test]
fn a_page_that_says_what_is_not_printed_is_found() {
    for (said, printed, expected) in [
        ("no changes", "no changes", true),
        ("no changes", "no changes here", false),
        (
            "rollout … waits for …",
            "rollout 7 after 1h waits for prod",
            true,
        ),
        ("rollout … waits", "rollout 7 waits for prod", false),
        ("… for prod", "waits for prod", true),
        ("5 of 5, …", "4 of 5, 3 groups", false),
    ] {
        assert_eq!(is_as_said(said, printed), expected, "{said:?} {printed:?}");
    }
}

/// The tutorial, from a fresh clone to its end: nothing runs that does not stand there.
#[test]
fn the_tutorial_can_be_followed_from_a_fresh_clone() {
    let bed = crate::bed::Bed::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let clone = format!(
        "cp -r {root}/rendered {root}/.gitignore . && git init -q -b main && git add -A && git -c user.name=a -c user.email=a@example.com commit -qm fleet",
        root = root.display()
    );
    let (ended, said) = run(bed.dir(), &clone);
    assert_eq!(ended, Some(0), "{said}");
    let all = commands(include_str!("../../docs/tutorial.md"));
    assert!(all.len() > 20, "{}", all.len());
    let mut plan = String::new();
    for command in all {
        let (ended, said) = run(bed.dir(), &command.line.replace("PLAN", &plan));
        assert_eq!(ended, Some(command.code), "{}\n{said}", command.line);
        prints(&command, &said);
        plan = plan_of(&said).unwrap_or(plan);
    }
}

/// Links of a page that lead into the repository.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let targets = text
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next());
    targets.filter(|target| !target.contains("://") && !target.starts_with('#'))
}

#[test]
fn every_link_of_the_pages_leads_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages = vec![root.join("README.md")];
    let entries = fs::read_dir(root.join("docs")).unwrap();
    pages.extend(entries.map(|entry| entry.unwrap().path()));
    pages.retain(|path| path.extension().is_some_and(|e| e == "md"));
    let mut seen = 0;
    for page in &pages {
        let text = fs::read_to_string(page).unwrap();
        for link in links(&text) {
            let path = link.split('#').next().unwrap();
            let target = page.parent().unwrap().join(path);
            assert!(target.exists(), "{}: nothing is at {link}", page.display());
            seen += 1;
        }
    }
    assert!(seen > 60, "{seen}");
}
