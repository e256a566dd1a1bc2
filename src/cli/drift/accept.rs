//! `kfleet drift --accept`: which vars of a cluster would have to be otherwise, so that git wants what others have changed. A var is taken only where a
//! trial shows that it does that and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, IsTerminal as _};
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value as Json, json};
use similar::TextDiff;

use super::look::Look;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::pipeline::{Preparer, Trees};
use crate::cli::var_edit;
use crate::fleet::{Fleet, Layer, Merged, MergedValue};
use crate::model::ClusterName;
use crate::plan::{DriftClass, DriftItem, DriftKind, FieldChange, drift_items};
use crate::report::DriftFound;
use crate::yaml::{self, Schema};

/// Vars that are tried for one field.
const TRIALS: usize = 40;

/// What differs from what is live: a subject, and a field of it.
type Differences = BTreeSet<(String, String)>;

/// A var, and what it is to be.
type Setting = (Vec<String>, Json);

/// What can be written, and what cannot.
#[derive(Default)]
struct Found {
    patches: Vec<Patch>,
    /// What, and why.
    left: Vec<String>,
}

/// A file of vars, before and after.
struct Patch {
    path: String,
    before: String,
    after: String,
}

/// Shows what would have to be written into vars, and writes it where a person, or `yes`, says so. Whether nothing is left.
pub(super) fn accept(
    look: &Look<'_>,
    found: &BTreeMap<ClusterName, DriftFound>,
    yes: bool,
    output: &Output,
) -> Result<bool, Failure> {
    let mut all = Found::default();
    for (cluster, found) in found {
        if let DriftFound::Compared { items, .. } = found {
            of_cluster(look, cluster, items, &mut all)?;
        }
    }
    for why in &all.left {
        output.cloud_result(&format!("not accepted: {why}\n"))?;
    }
    for patch in &all.patches {
        output.result(&patch.text())?;
    }
    if all.patches.is_empty() {
        return Ok(all.left.is_empty());
    }
    if !yes && !said_yes(output)? {
        output.cloud_story("nothing was written; `--yes` writes it");
        return Ok(false);
    }
    for patch in &all.patches {
        patch.write(look)?;
    }
    // A plan of what is live already is empty: without a rollout it stays what others have changed.
    output.cloud_story(
        "written; `kfleet render` and commit it, then `kfleet rollout start` records it as applied: until then `kfleet drift` still shows it",
    );
    Ok(all.left.is_empty())
}

fn said_yes(output: &Output) -> Result<bool, Failure> {
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Ok(false);
    }
    output.raw_story("Write this? Only `yes` does: ");
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    read.map_err(|e| Failure::new(format!("cannot read the answer: {e}")))?;
    Ok(answer.trim() == "yes")
}

impl Patch {
    fn text(&self) -> String {
        let (old, new) = (format!("a/{}", self.path), format!("b/{}", self.path));
        let diff = TextDiff::from_lines(&self.before, &self.after);
        diff.unified_diff().header(&old, &new).to_string()
    }

    fn write(&self, look: &Look<'_>) -> Result<(), Failure> {
        let path = look.prepared.fleet.root.join(&self.path);
        std::fs::write(&path, &self.after)
            .map_err(|e| Failure::new(format!("cannot write {}: {e}", path.display())))
    }
}

fn of_cluster(
    look: &Look<'_>,
    cluster: &ClusterName,
    items: &[DriftItem],
    all: &mut Found,
) -> Result<(), Failure> {
    let trial = Trial::new(look, cluster);
    let mut settings: Vec<Setting> = Vec::new();
    let mut now = trial.differences(&settings).unwrap_or_default();
    for item in items.iter().filter(|i| is_theirs(i.class)) {
        let DriftKind::Fields(fields) = &item.what else {
            all.left.push(format!("{cluster}: {}", no_var(item)));
            continue;
        };
        for field in fields {
            let what = (item.subject.clone(), field.field.clone());
            // What another var has settled already.
            if !now.contains(&what) {
                continue;
            }
            match trial.search(field, &what, (&settings, &now)) {
                Ok(setting) => {
                    settings.push(setting);
                    now = trial.differences(&settings).unwrap_or(now);
                }
                Err(why) => all.left.push(format!(
                    "{cluster}: {} {}: {why}",
                    item.subject, field.field
                )),
            }
        }
    }
    if !settings.is_empty() {
        match trial.patch(&settings, &now) {
            Ok(patch) => all.patches.push(patch),
            Err(why) => all.left.push(format!("{cluster}: {why}")),
        }
    }
    Ok(())
}

fn is_theirs(class: DriftClass) -> bool {
    match class {
        DriftClass::ByOthers | DriftClass::NotKnown => true,
        DriftClass::NotApplied | DriftClass::OwnedByOthers => false,
    }
}

/// Differences that no var makes.
fn no_var(item: &DriftItem) -> String {
    let why = match &item.what {
        DriftKind::Missing => "it was deleted by others: take it out of git, or roll it out again",
        DriftKind::Unexpected(_) => {
            "git has no such thing: add it to the templates, or have it retired"
        }
        DriftKind::Instances(_) => {
            "its instances run something else than the group says: a rollout replaces them"
        }
        DriftKind::Unmanaged(_) | DriftKind::Fields(_) => "no var decides it",
    };
    format!("{}: {why}", item.subject)
}

/// A cluster, rendered with other vars.
struct Trial<'a> {
    look: &'a Look<'a>,
    cluster: &'a ClusterName,
    /// The fleet with this cluster alone.
    fleet: Fleet,
    leaves: Vec<Setting>,
}

impl<'a> Trial<'a> {
    fn new(look: &'a Look<'a>, cluster: &'a ClusterName) -> Trial<'a> {
        let mut fleet = look.prepared.fleet.clone();
        fleet.clusters.retain(|name, _| name == cluster);
        let mut leaves = Vec::new();
        if let Some(found) = fleet.clusters.get(cluster) {
            collect(Vec::new(), &found.vars.merged(), &mut leaves);
        }
        Trial {
            look,
            cluster,
            fleet,
            leaves,
        }
    }

    /// The var that makes a field what is live, and changes nothing else.
    fn search(
        &self,
        field: &FieldChange,
        what: &(String, String),
        (settings, now): (&[Setting], &Differences),
    ) -> Result<Setting, String> {
        let (Some(live), Some(wanted)) = (&field.from, &field.to) else {
            return Err("it came or went as a whole: no one value of a var says so".into());
        };
        if live.is_array() || live.is_object() {
            return Err("it is a list: no one value of a var says so".into());
        }
        let alike = self
            .leaves
            .iter()
            .filter(|(_, value)| is_alike(value, wanted));
        let mut fits: Vec<Setting> = Vec::new();
        for (keys, value) in alike.take(TRIALS) {
            let setting = (keys.clone(), in_the_form_of(value, live));
            let with: Vec<Setting> = settings.iter().cloned().chain([setting.clone()]).collect();
            let left = self.differences(&with);
            if left.is_some_and(|left| left.is_subset(now) && !left.contains(what)) {
                fits.push(setting);
            }
        }
        match fits.as_slice() {
            [one] => Ok(one.clone()),
            [] => Err(format!(
                "no var of the cluster is {} and makes this alone {}",
                yaml::emit_scalar(wanted),
                yaml::emit_scalar(live)
            )),
            many => {
                let names: Vec<String> = many.iter().map(|(keys, _)| keys.join(".")).collect();
                Err(format!(
                    "several vars would do, choose one: {}",
                    names.join(", ")
                ))
            }
        }
    }

    /// What would differ from what is live; none where it does not render.
    fn differences(&self, settings: &[Setting]) -> Option<Differences> {
        let mut fleet = self.fleet.clone();
        let cluster = fleet.clusters.get_mut(self.cluster)?;
        for (keys, value) in settings {
            let whole = keys
                .iter()
                .rev()
                .fold(value.clone(), |value, key| json!({ key: value }));
            let node = yaml::parse_one(&yaml::emit(&whole), Schema::Core).ok()?;
            let path = "accepted".to_owned();
            cluster.vars.layers.push(Arc::new(Layer { path, node }));
        }
        self.against_live(&fleet)
    }

    fn against_live(&self, fleet: &Fleet) -> Option<Differences> {
        let cluster = fleet.clusters.get(self.cluster)?;
        let prepared = Preparer::new(fleet)
            .ok()?
            .one(cluster, Trees::Dropped)
            .ok()?;
        let plan = self.look.planned(self.cluster, &prepared.desired)?;
        let mut differences = Differences::new();
        for item in drift_items(&plan, None, None) {
            match item.what {
                DriftKind::Fields(fields) => {
                    let fields = fields.into_iter().map(|f| (item.subject.clone(), f.field));
                    differences.extend(fields);
                }
                DriftKind::Missing
                | DriftKind::Unexpected(_)
                | DriftKind::Instances(_)
                | DriftKind::Unmanaged(_) => {
                    differences.insert((item.subject, String::new()));
                }
            }
        }
        Some(differences)
    }

    /// The cluster's own file with these vars, where that comes to the same as the trials.
    fn patch(&self, settings: &[Setting], expected: &Differences) -> Result<Patch, String> {
        let path = format!("vars/{}.yaml", self.cluster);
        let file: PathBuf = self.fleet.root.join(&path);
        let before = match std::fs::read_to_string(&file) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(e) => return Err(format!("{path} cannot be read: {e}")),
        };
        let mut after = before.clone();
        for (keys, value) in settings {
            after = var_edit::with_value(&after, keys, value).ok_or_else(|| {
                let name = keys.join(".");
                format!("{path}: `{name}` cannot be set without writing more of it anew: set it to {value}")
            })?;
        }
        let node = yaml::parse_one(&after, Schema::Core).map_err(|e| e.to_string())?;
        let mut fleet = self.fleet.clone();
        let layers = fleet
            .clusters
            .get_mut(self.cluster)
            .map(|c| &mut c.vars.layers);
        let layer = Arc::new(Layer {
            path: path.clone(),
            node,
        });
        let place = layers.and_then(|layers| layers.iter_mut().find(|layer| layer.path == path));
        match place {
            Some(place) => *place = layer,
            None => {
                return Err(format!(
                    "{path} is no file of its vars: make it, with a comment in it"
                ));
            }
        }
        if self.against_live(&fleet).as_ref() == Some(expected) {
            Ok(Patch {
                path,
                before,
                after,
            })
        } else {
            Err(format!(
                "{path}: another file of its vars says otherwise, and wins"
            ))
        }
    }
}

/// Every value at or below `at` that is no mapping.
fn collect(keys: Vec<String>, at: &MergedValue, into: &mut Vec<Setting>) {
    match &at.value {
        Merged::Leaf(value) => into.push((keys, value.clone())),
        Merged::Map(entries) => {
            for (key, value) in entries {
                let below = keys.iter().cloned().chain([key.clone()]).collect();
                collect(below, value, into);
            }
        }
    }
}

/// A number may be written as a text, and the other way round.
fn is_alike(value: &Json, wanted: &Json) -> bool {
    let text = |value: &Json| match value {
        Json::String(text) => Some(text.clone()),
        Json::Number(_) | Json::Bool(_) => Some(value.to_string()),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    };
    text(value).is_some() && text(value) == text(wanted)
}

/// The live value, as a text where the var is one.
fn in_the_form_of(value: &Json, live: &Json) -> Json {
    match (value, live) {
        (Json::String(_), Json::Number(_) | Json::Bool(_)) => json!(live.to_string()),
        (Json::Number(_), Json::String(text)) => text
            .parse::<i64>()
            .map_or_else(|_| live.clone(), |n| json!(n)),
        (_, _) => live.clone(),
    }
}
