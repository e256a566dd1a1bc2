//! `kfleet lint --fix`: findings with one safe answer, put right where the value comes from: in vars, templates or snippets. Nothing is written before
//! it is shown, and proven on a copy.

pub(super) mod var;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, IsTerminal as _};
use std::path::{Path, PathBuf};

use similar::TextDiff;

use self::var::VarFix;
use super::Exit;
use super::failure::Failure;
use super::output::Output;
use super::pipeline::{Prepared, PreparedFleet, prepare_for_lint};
use super::scratch::Scratch;
use crate::fleet::MergedValue;
use crate::lint::{FieldAnswer, Finding, Report, answers};
use crate::model::ClusterName;
use crate::render::{Renderer, Trace};

/// Folders and files that a fleet is rendered from.
const PARTS: [&str; 6] = [
    "fleet.yaml",
    "clusters",
    "vars",
    "templates",
    "snippets",
    "policies",
];

/// Where rendered lines come from, beside variables.
const SOURCES: [&str; 2] = ["templates", "snippets"];

/// What makes a finding the same before and after.
type Same = (String, String, String, String);

/// Each file that changes, before and after.
type Changes = BTreeMap<PathBuf, (String, String)>;

/// What is changed, by line of a template or by var, and why something is not.
#[derive(Default)]
struct Fixes {
    lines: BTreeMap<(PathBuf, usize), FieldAnswer>,
    /// Each with what is said where it cannot be changed.
    vars: BTreeMap<VarFix, String>,
    open: BTreeSet<String>,
}

/// `again`: what is found in another state of the fleet.
pub(super) fn run(
    (prepared, report): (&PreparedFleet, &Report),
    again: impl Fn(&PreparedFleet) -> Result<Report, Failure>,
    is_agreed: bool,
    output: &Output,
) -> Result<Exit, Failure> {
    let root = &prepared.fleet.root;
    let mut fixes = found(prepared, report, root)?;
    let mut changes = of_lines(root, &fixes.lines)?;
    if !changes.is_empty() {
        proven(root, report, &again, &changes)?;
    }
    for (var, why) in std::mem::take(&mut fixes.vars) {
        match with_var(root, report, &again, (&changes, &var)) {
            Some(more) => changes = more,
            None => drop(fixes.open.insert(why)),
        }
    }
    for why in &fixes.open {
        output.story(why);
    }
    if changes.is_empty() {
        output.story("nothing has one safe answer");
        return Ok(Exit::Good);
    }
    // Vars first: what they say counts in more places than a template's line does.
    let (vars, others): (Vec<_>, Vec<_>) = changes.iter().partition(|(p, _)| p.starts_with("vars"));
    for (path, (before, after)) in vars.into_iter().chain(others) {
        let name = path.display().to_string();
        let diff = TextDiff::from_lines(before, after);
        let mut unified = diff.unified_diff();
        let unified = unified.header(&format!("a/{name}"), &format!("b/{name}"));
        output.result(&unified.to_string())?;
    }
    if !is_agreed && !said_yes(output)? {
        output.story("nothing was written; `--yes` writes it");
        return Ok(Exit::Changes);
    }
    for (path, (_, after)) in &changes {
        write(&root.join(path), after)?;
    }
    output.story("written; look at it with `git diff`, then `kfleet render`");
    Ok(Exit::Good)
}

/// The changes with one more var; none where it cannot be changed so, or that would not do.
fn with_var(
    root: &Path,
    report: &Report,
    again: impl Fn(&PreparedFleet) -> Result<Report, Failure>,
    (changes, var): (&Changes, &VarFix),
) -> Option<Changes> {
    let read = |path: &Path| std::fs::read_to_string(root.join(path)).ok();
    let now = |path: &Path| changes.get(path).map(|(_, after)| after.clone());
    let files = var.files(|path| now(path).or_else(|| read(path)))?;
    let mut more = changes.clone();
    for (path, after) in files {
        let before = read(&path)?;
        more.insert(path, (before, after));
    }
    let left = proven(root, report, &again, &more).ok()?;
    let before = match changes.is_empty() {
        true => same(report).len(),
        false => proven(root, report, &again, changes).ok()?,
    };
    (left < before).then_some(more)
}

/// What is known of a cluster once for all of its findings.
struct Sources {
    trace: Trace,
    leaves: Vec<(Vec<String>, MergedValue)>,
}

impl Sources {
    fn of(prepared: &PreparedFleet, renderer: &Renderer<'_>, cluster: &Prepared) -> Sources {
        let name = &cluster.rendered.cluster;
        let mut leaves = Vec::new();
        if let Some(found) = prepared.fleet.clusters.get(name) {
            var::leaves(Vec::new(), &found.vars.merged(), &mut leaves);
        }
        Sources {
            trace: renderer.trace(&cluster.rendered).unwrap_or_default(),
            leaves,
        }
    }
}

/// The lines and vars that make the findings.
fn found(prepared: &PreparedFleet, report: &Report, root: &Path) -> Result<Fixes, Failure> {
    let renderer = Renderer::new(&prepared.fleet)?;
    let sources = sources(root)?;
    let mut known: BTreeMap<&ClusterName, Sources> = BTreeMap::new();
    let mut fixes = Fixes::default();
    for finding in &report.findings {
        let (Some(cluster), Some(pos)) = (prepared.clusters.get(&finding.cluster), finding.pos)
        else {
            continue;
        };
        for answer in answers(finding.rule) {
            let text = &cluster.rendered.text;
            let Some((number, line)) = line_of(text, pos.line, *answer) else {
                continue;
            };
            let of_cluster = known
                .entry(&finding.cluster)
                .or_insert_with(|| Sources::of(prepared, &renderer, cluster));
            if let Some(place) = source(&sources, &of_cluster.trace, number, line) {
                fixes.lines.insert(place, *answer);
                continue;
            }
            let rendered = (&renderer, &cluster.rendered);
            match var::of_line(rendered, &of_cluster.leaves, (number, line), *answer)? {
                Some(var) => {
                    let why = open_var(finding, *answer, &var);
                    fixes.vars.insert(var, why);
                }
                None => drop(fixes.open.insert(open(finding, *answer))),
            }
        }
    }
    Ok(fixes)
}

fn open(finding: &Finding, answer: FieldAnswer) -> String {
    format!(
        "{} {}: `{}` is neither one plain line of a template or snippet nor the value of one var: a person has to change it",
        finding.rule,
        finding.subject,
        answer.field()
    )
}

fn open_var(finding: &Finding, answer: FieldAnswer, var: &VarFix) -> String {
    format!(
        "{} {}: `{}` is the var `{}`, and changing that alone does not do: a person has to change it",
        finding.rule,
        finding.subject,
        answer.field(),
        var.name()
    )
}

/// The field in the document in which a finding stands: the first from there on, before the next document.
fn line_of(text: &str, from: u32, answer: FieldAnswer) -> Option<(u32, &str)> {
    let first = usize::try_from(from).ok()?.checked_sub(1)?;
    let mut lines = text.lines().enumerate().skip(first);
    let found = lines.find(|(_, line)| answer.is_in(line) || *line == "---");
    let (number, line) = found.filter(|(_, line)| *line != "---")?;
    Some((u32::try_from(number + 1).ok()?, line))
}

/// Every template and snippet, by its path in the fleet.
fn sources(root: &Path) -> Result<BTreeMap<PathBuf, String>, Failure> {
    let mut found = BTreeMap::new();
    let mut folders: Vec<PathBuf> = SOURCES.iter().map(PathBuf::from).collect();
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(root.join(&folder)) else {
            continue;
        };
        for entry in entries.flatten() {
            let path = folder.join(entry.file_name());
            if entry.path().is_dir() {
                folders.push(path);
            } else if let Ok(text) = std::fs::read_to_string(entry.path()) {
                found.insert(path, text);
            }
        }
    }
    Ok(found)
}

/// The one line that a rendered line was copied from.
fn source(
    sources: &BTreeMap<PathBuf, String>,
    trace: &Trace,
    number: u32,
    rendered: &str,
) -> Option<(PathBuf, usize)> {
    let is_it = |line: &str| line.trim() == rendered.trim();
    if let Some(traced) = trace.line(number) {
        let path = Path::new("templates").join(&traced.template);
        let line = usize::try_from(traced.line).ok()?;
        let text = sources
            .get(&path)
            .or_else(|| sources.get(Path::new(&traced.template)));
        let path = if sources.contains_key(&path) {
            path
        } else {
            PathBuf::from(&traced.template)
        };
        if text
            .and_then(|t| t.lines().nth(line.checked_sub(1)?))
            .is_some_and(is_it)
        {
            return Some((path, line));
        }
    }
    let mut all = sources.iter().flat_map(|(path, text)| {
        let lines = text.lines().enumerate();
        lines
            .filter(|(_, line)| is_it(line))
            .map(move |(n, _)| (path.clone(), n + 1))
    });
    let first = all.next()?;
    all.next().is_none().then_some(first)
}

/// The files of templates and snippets with these lines changed.
fn of_lines(
    root: &Path,
    lines: &BTreeMap<(PathBuf, usize), FieldAnswer>,
) -> Result<Changes, Failure> {
    let paths: BTreeSet<&PathBuf> = lines.keys().map(|(path, _)| path).collect();
    let mut all = Changes::new();
    for path in paths {
        let before = std::fs::read_to_string(root.join(path))
            .map_err(|e| Failure::new(format!("cannot read {}: {e}", path.display())))?;
        let line = |(n, line): (usize, &str)| {
            let bare = line.trim_end_matches(['\n', '\r']);
            match lines.get(&(path.clone(), n + 1)) {
                None => Some(line.to_owned()),
                Some(answer) => {
                    let end = line.get(bare.len()..).unwrap_or_default();
                    answer.of_line(bare).map(|fixed| fixed + end)
                }
            }
        };
        let after: String = before
            .split_inclusive('\n')
            .enumerate()
            .filter_map(line)
            .collect();
        all.insert(path.clone(), (before, after));
    }
    Ok(all)
}

/// On a copy: the fleet renders, no finding is new, and there are fewer. How many are left.
fn proven(
    root: &Path,
    report: &Report,
    again: impl Fn(&PreparedFleet) -> Result<Report, Failure>,
    changed: &Changes,
) -> Result<usize, Failure> {
    let scratch = Scratch::new("fix")?;
    for part in PARTS {
        copy(&root.join(part), &scratch.path().join(part))?;
    }
    for (path, (_, after)) in changed {
        write(&scratch.path().join(path), after)?;
    }
    let refused = |why: &str| {
        Failure::new(format!("the patch was not made: {why}"))
            .hint("put it right by hand; `kfleet lint --explain RULE` says how")
    };
    let after = prepare_for_lint(scratch.path())
        .map_err(|failure| refused(failure.text.lines().next().unwrap_or_default()))?;
    let after = again(&after)?;
    let (before, after) = (same(report), same(&after));
    if let Some((rule, cluster, ..)) = after.difference(&before).next() {
        return Err(refused(&format!(
            "with it {rule} would be found in {cluster}"
        )));
    }
    if before.len() == after.len() {
        return Err(refused("with it as much is found as before"));
    }
    Ok(after.len())
}

fn same(report: &Report) -> BTreeSet<Same> {
    let all = report.findings.iter();
    all.map(|f| {
        let Finding {
            cluster,
            others: _,
            pos: _,
            rule,
            severity: _,
            subject,
            what,
            waiver_ended: _,
        } = f;
        (
            rule.to_string(),
            cluster.to_string(),
            subject.clone(),
            what.clone(),
        )
    })
    .collect()
}

fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    let failed = |e: std::io::Error| Failure::new(format!("cannot copy {}: {e}", from.display()));
    if !from.exists() {
        return Ok(());
    }
    if from.is_file() {
        std::fs::copy(from, to).map_err(failed)?;
        return Ok(());
    }
    std::fs::create_dir_all(to).map_err(failed)?;
    for entry in std::fs::read_dir(from).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        copy(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text)
        .map_err(|e| Failure::new(format!("cannot write {}: {e}", path.display())))
}

fn said_yes(output: &Output) -> Result<bool, Failure> {
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Ok(false);
    }
    output.raw_story("Write this? Only `yes` does: ");
    let mut answer = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut answer)
        .map_err(|e| Failure::new(format!("cannot read the answer: {e}")))?;
    Ok(answer.trim() == "yes")
}
