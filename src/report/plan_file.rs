//! The plan file: a plan as JSON, and back, refusing whatever is not exactly a plan. Opens no files.

use std::collections::BTreeMap;

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use serde_json::Value as Json;

use super::around::{Around, around_json};
use super::note;
use super::shape::{blocked_text, hint};
use super::summary::summary;
use crate::fleet::Stage;
use crate::model::{ClusterName, Digest, DryRun};
use crate::plan::{ClusterPlan, PLAN_VERSION, Plan};

/// What stands in the file and is no part of the plan.
const BESIDE: [&str; 7] = [
    "summary",
    "revision",
    "orphans",
    "rollout_under_way",
    "blocked_by_lint",
    "room",
    "kops_dry_runs",
];

/// Why a text is no plan that can be carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanFileError {
    /// No JSON, or cut off.
    #[error("the plan file is not JSON: {why}")]
    NotJson {
        /// Where and why.
        why: String,
    },
    /// JSON without a plan's version.
    #[error("the file is not a plan: it has no `version` number")]
    NotAPlan,
    /// Made by a newer kfleet. The next step: use that one, or plan again with this one.
    #[error("the plan file has version {found}, and this kfleet reads up to {PLAN_VERSION}")]
    Newer {
        /// Its version.
        found: u64,
    },
    /// Made by an older kfleet. The next step: plan again with this one.
    #[error("the plan file has version {found}, which is of an older form; make a new plan")]
    Older {
        /// Its version.
        found: u64,
    },
    /// A field is missing, unknown or of another type.
    #[error("the plan file is wrong at `{path}`: {why}")]
    Shape {
        /// Where, e.g. `clusters.prod-a.k8s.foo.bar.groups`.
        path: String,
        /// What is wrong.
        why: String,
    },
    /// Its id is not the hash of its content. The next step: plan again.
    #[error("the plan file was changed after it was made: its content is not that of plan {}", .id.short())]
    Changed {
        /// The id it claims.
        id: Digest,
    },
}

/// What kops said it would do, as a plan file has it beside the plan; of what has another form, nothing.
pub fn dry_runs_from_json(text: &str) -> BTreeMap<ClusterName, DryRun> {
    let file: Json = serde_json::from_str(text).unwrap_or_default();
    let found = file.get("kops_dry_runs").cloned().unwrap_or_default();
    serde_json::from_value(found).unwrap_or_default()
}

/// The plan file: pretty JSON of the [`Plan`] itself, fields named as in the type, with `summary` (see [`super::Summary`])
/// beside them, and a `message` beside every `code`. `version` is [`PLAN_VERSION`] and covers these too. They are for readers such as a CI job:
/// derived, no part of the id, and not read back.
pub fn plan_json(plan: &Plan, stages: &[Stage]) -> String {
    written(plan, stages, Vec::new())
}

/// As [`plan_json`], with what is known around the plan: `revision`, `orphans`, `rollout_under_way`, `room`, `blocked_by_lint` and `kops_dry_runs`. They are no part of the id either.
pub fn whole_plan_json(plan: &Plan, stages: &[Stage], around: Around<'_>) -> String {
    written(plan, stages, around_json(around).into())
}

fn written(plan: &Plan, stages: &[Stage], around: Vec<(&'static str, Json)>) -> String {
    let file = PlanFile {
        plan,
        stages,
        around,
    };
    // Structs of strings, numbers and maps with text keys always serialise.
    let mut text = serde_json::to_string_pretty(&file).unwrap_or_default();
    text.push('\n');
    text
}

/// What is written. The trees of a thousand clusters would take many times the room of their text: there is one at a time.
struct PlanFile<'p> {
    plan: &'p Plan,
    stages: &'p [Stage],
    around: Vec<(&'static str, Json)>,
}

impl Serialize for PlanFile<'_> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let Plan {
            version,
            id,
            release,
            policy,
            clusters,
            hooks,
        } = self.plan;
        let mut file = out.serialize_map(None)?;
        file.serialize_entry("version", version)?;
        file.serialize_entry("id", id)?;
        file.serialize_entry("release", release)?;
        file.serialize_entry("policy", policy)?;
        file.serialize_entry("clusters", &Clusters(clusters))?;
        if !hooks.is_empty() {
            file.serialize_entry("hooks", hooks)?;
        }
        file.serialize_entry("summary", &summary(self.plan, self.stages))?;
        for (key, found) in &self.around {
            file.serialize_entry(key, found)?;
        }
        file.end()
    }
}

struct Clusters<'p>(&'p BTreeMap<ClusterName, ClusterPlan>);

impl Serialize for Clusters<'_> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_map(self.0.iter().map(|(name, plan)| (name, told(name, plan))))
    }
}

/// The lists of a cluster's plan whose entries have a code; each entry gets its sentence as `message`, and what is in the way its `hint`.
const CODED: [&str; 2] = ["notes", "blocked"];

/// The entries of a list of a cluster's plan, as JSON objects.
fn entries<'j>(
    cluster: &'j mut Json,
    list: &str,
) -> impl Iterator<Item = &'j mut serde_json::Map<String, Json>> {
    let list = cluster.get_mut(list).and_then(Json::as_array_mut);
    list.into_iter().flatten().filter_map(Json::as_object_mut)
}

fn told(name: &ClusterName, plan: &ClusterPlan) -> Json {
    let mut cluster = serde_json::to_value(plan).unwrap_or(Json::Null);
    for (entry, note) in entries(&mut cluster, "notes").zip(&plan.notes) {
        entry.insert("message".into(), note::note(note, name).into());
    }
    for (entry, blocked) in entries(&mut cluster, "blocked").zip(&plan.blocked) {
        entry.insert("message".into(), blocked_text(blocked, name).into());
        entry.insert("hint".into(), hint(blocked).into());
    }
    cluster
}

/// Takes away again what [`told`] adds.
fn untold(object: &mut serde_json::Map<String, Json>) {
    let clusters = object.get_mut("clusters").and_then(Json::as_object_mut);
    for cluster in clusters.into_iter().flat_map(|c| c.values_mut()) {
        for list in CODED {
            for entry in entries(cluster, list) {
                entry.remove("message");
                entry.remove("hint");
            }
        }
    }
}

/// The plan of a file written by [`plan_json`].
///
/// # Errors
/// When the text is no JSON, no plan, of a newer version, has fields a plan does not have, or was changed.
pub fn plan_from_json(text: &str) -> Result<Plan, PlanFileError> {
    let mut value: Json =
        serde_json::from_str(text).map_err(|e| PlanFileError::NotJson { why: e.to_string() })?;
    let version = value
        .get("version")
        .and_then(Json::as_u64)
        .ok_or(PlanFileError::NotAPlan)?;
    if version > u64::from(PLAN_VERSION) {
        return Err(PlanFileError::Newer { found: version });
    }
    if version < u64::from(PLAN_VERSION) {
        return Err(PlanFileError::Older { found: version });
    }
    if let Some(object) = value.as_object_mut() {
        BESIDE.iter().for_each(|key| drop(object.remove(*key)));
        untold(object);
    }
    let plan: Plan = serde_path_to_error::deserialize(value).map_err(|e| PlanFileError::Shape {
        path: e.path().to_string(),
        why: e.inner().to_string(),
    })?;
    if plan.is_genuine() {
        Ok(plan)
    } else {
        Err(PlanFileError::Changed { id: plan.id })
    }
}
