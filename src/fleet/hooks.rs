//! `hooks:` of `fleet.yaml` as written → [`HookSpec`], checked as far as a file can be. Reads no other file, runs nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::document::{ParsedFile, invalid};
use super::hook::{HookAt, HookFailure, HookSpec, HookWhen};
use super::{Cluster, FleetError, Stage};
use crate::model::{ClusterName, HookName, Span, StageName};

/// How long a run may take when the hook does not say.
const TIMEOUT: Span = Span::from_secs(10 * 60);
/// No hook is worth waiting for longer: a hand at the wheel of production does not sleep.
const LONGEST: Span = Span::from_secs(24 * 3_600);

/// One of `hooks`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HookFile {
    name: HookName,
    at: HookAt,
    #[serde(default)]
    stages: Vec<StageName>,
    #[serde(default)]
    clusters: Vec<ClusterName>,
    run: Vec<String>,
    #[serde(default)]
    undo: Vec<String>,
    #[serde(default)]
    when: HookWhen,
    #[serde(default)]
    files: Vec<String>,
    timeout: Option<Span>,
    #[serde(default)]
    retries: u32,
    #[serde(default)]
    repeatable: bool,
    on_failure: Option<HookFailure>,
    #[serde(default)]
    environment: BTreeSet<String>,
    skip_without: Option<String>,
    #[serde(default)]
    simulated: bool,
}

/// What a hook may name.
pub(super) struct HookScope<'a> {
    pub(super) stages: &'a [Stage],
    pub(super) clusters: &'a BTreeMap<ClusterName, Cluster>,
}

/// The hooks, in their order.
pub(super) fn resolve(
    doc: &ParsedFile,
    files: &[HookFile],
    known: &HookScope<'_>,
) -> Result<Vec<HookSpec>, FleetError> {
    let mut hooks: Vec<HookSpec> = Vec::new();
    for (index, file) in files.iter().enumerate() {
        let index = index.to_string();
        if hooks.iter().any(|h| h.name == file.name) {
            return Err(FleetError::Twice {
                place: doc.place(&["hooks", &index, "name"]),
                what: "hook",
                name: file.name.to_string(),
                first: "this list".into(),
            });
        }
        let reader = HookReader {
            doc,
            index: &index,
            file,
        };
        hooks.push(reader.spec(known)?);
    }
    Ok(hooks)
}

struct HookReader<'a> {
    doc: &'a ParsedFile,
    index: &'a str,
    file: &'a HookFile,
}

impl HookReader<'_> {
    fn spec(&self, known: &HookScope<'_>) -> Result<HookSpec, FleetError> {
        let file = self.file;
        self.commands()?;
        self.files()?;
        self.again()?;
        self.environment()?;
        Ok(HookSpec {
            name: file.name.clone(),
            at: file.at,
            stages: self.stages(known)?,
            clusters: self.clusters(known)?,
            run: file.run.clone(),
            undo: file.undo.clone(),
            when: file.when,
            files: file.files.clone(),
            timeout: self.timeout()?,
            retries: file.retries,
            repeatable: file.repeatable,
            on_failure: file.on_failure,
            environment: file.environment.clone(),
            skip_without: file.skip_without.clone(),
            simulated: file.simulated,
        })
    }

    fn wrong(&self, key: &str, what: &str, hint: impl Into<String>) -> FleetError {
        let message = format!("the hook `{}` {what}", self.file.name);
        invalid(self.doc, &["hooks", self.index, key], message, hint)
    }

    fn commands(&self) -> Result<(), FleetError> {
        let file = self.file;
        if file.run.first().is_none_or(String::is_empty) {
            let hint =
                "give it `run: [\"./tools/roll\", \"{cluster}\"]`: program and arguments, no shell";
            return Err(self.wrong("run", "has no command", hint));
        }
        if file.undo.first().is_some_and(String::is_empty) {
            return Err(self.wrong("undo", "has an undo without a program", "name the program"));
        }
        for (key, words) in [("run", &file.run), ("undo", &file.undo)] {
            if words.iter().any(|w| w.contains('\0')) {
                return Err(self.wrong(key, "has a NUL character in its command", "leave it out"));
            }
        }
        if file
            .skip_without
            .as_ref()
            .is_some_and(|p| p.is_empty() || p.contains('/'))
        {
            return Err(self.wrong(
                "skip_without",
                "names no program that could be on the PATH",
                "write its name alone, such as `helm`",
            ));
        }
        Ok(())
    }

    /// What decides whether it runs has to be in the fleet.
    fn files(&self) -> Result<(), FleetError> {
        let file = self.file;
        if file.when == HookWhen::Changed && file.files.is_empty() {
            let hint = "name them: `files: [tools/, \"tools/values.{cluster}.yaml\"]`";
            return Err(self.wrong("when", "runs when its files changed, and has none", hint));
        }
        let leads_away = |path: &String| {
            path.is_empty() || path.starts_with('/') || path.split('/').any(|part| part == "..")
        };
        if let Some(path) = file.files.iter().find(|p| leads_away(p)) {
            return Err(self.wrong(
                "files",
                &format!("names `{path}`, which is no path below the fleet's folder"),
                "name files and folders of the fleet, relative to it",
            ));
        }
        Ok(())
    }

    fn again(&self) -> Result<(), FleetError> {
        let file = self.file;
        if file.retries > 0 && !file.repeatable {
            return Err(self.wrong(
                "retries",
                "is tried again, and does not say that it may run twice",
                "write `repeatable: true` where it is safe to repeat, or leave `retries` out",
            ));
        }
        if file.retries > 20 {
            return Err(self.wrong("retries", "is tried too often", "write 20 or less"));
        }
        Ok(())
    }

    fn environment(&self) -> Result<(), FleetError> {
        let fits = |name: &str| {
            let name = name.strip_suffix('*').unwrap_or(name);
            let first = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
            first && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        };
        let is_ours = |name: &&String| name.starts_with("KFLEET_");
        let mut names = self.file.environment.iter();
        if let Some(name) = names.find(|n| !fits(n) || is_ours(n)) {
            return Err(self.wrong(
                "environment",
                &format!("asks for the environment variable `{name}`"),
                "name variables, such as AWS_PROFILE or AWS_*; those of kfleet (KFLEET_…) are given to every hook",
            ));
        }
        Ok(())
    }

    fn timeout(&self) -> Result<Span, FleetError> {
        match self.file.timeout.unwrap_or(TIMEOUT) {
            none if none.is_zero() => {
                Err(self.wrong("timeout", "is given no time", "write `timeout: 10m`"))
            }
            long if long > LONGEST => {
                Err(self.wrong("timeout", "may take longer than a day", "write 24h or less"))
            }
            timeout => Ok(timeout),
        }
    }

    fn stages(&self, known: &HookScope<'_>) -> Result<BTreeSet<StageName>, FleetError> {
        let is_known = |name: &StageName| known.stages.iter().any(|s| s.name == *name);
        let unknown = self
            .file
            .stages
            .iter()
            .enumerate()
            .find(|(_, n)| !is_known(n));
        match unknown {
            Some((i, name)) => Err(FleetError::UnknownName {
                place: self.item("stages", i),
                what: "stage",
                name: name.to_string(),
                known: known.stages.iter().map(|s| s.name.to_string()).collect(),
            }),
            None => Ok(self.file.stages.iter().cloned().collect()),
        }
    }

    fn clusters(&self, known: &HookScope<'_>) -> Result<BTreeSet<ClusterName>, FleetError> {
        let file = self.file;
        if !file.clusters.is_empty() && !file.at.is_of_cluster() {
            return Err(self.wrong(
                "clusters",
                "names clusters, and does not run for each of them",
                "write `at: before-cluster` or `at: after-cluster`, or leave `clusters` out",
            ));
        }
        let mut named = file.clusters.iter().enumerate();
        match named.find(|(_, name)| !known.clusters.contains_key(*name)) {
            Some((i, name)) => Err(FleetError::UnknownName {
                place: self.item("clusters", i),
                what: "cluster",
                name: name.to_string(),
                known: known.clusters.keys().map(ToString::to_string).collect(),
            }),
            None => Ok(file.clusters.iter().cloned().collect()),
        }
    }

    fn item(&self, key: &str, index: usize) -> super::SourceLocation {
        self.doc
            .place(&["hooks", self.index, key, &index.to_string()])
    }
}
