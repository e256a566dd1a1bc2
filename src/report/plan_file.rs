//! The plan file: a plan as JSON, and back, refusing whatever is not exactly a plan. Opens no files.

use serde_json::Value as Json;

use super::around::{Around, around_json};
use super::summary::summary;
use crate::fleet::Stage;
use crate::model::Digest;
use crate::plan::{PLAN_VERSION, Plan};

/// What stands in the file and is no part of the plan.
const BESIDE: [&str; 4] = ["summary", "revision", "orphans", "rollout_under_way"];

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
    #[error("the file is no plan: it has no `version` number")]
    NotAPlan,
    /// Made by a newer kfleet. The next step: use that one, or plan again with this one.
    #[error("the plan file has version {found}, and this kfleet reads up to {PLAN_VERSION}")]
    Newer {
        /// Its version.
        found: u64,
    },
    /// Made by an older kfleet. The next step: plan again with this one.
    #[error(
        "the plan file has version {found}, which does not say how it is rolled out; make a new plan"
    )]
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

/// The plan file: pretty JSON of the [`Plan`] itself, fields named as in the type, with `summary` (see [`super::Summary`])
/// beside them. `version` is [`PLAN_VERSION`] and covers `summary` too. `summary` is for readers such as a CI job: it is
/// derived, no part of the id, and not read back.
pub fn plan_json(plan: &Plan, stages: &[Stage]) -> String {
    format!("{:#}\n", plan_value(plan, stages))
}

/// As [`plan_json`], with what is known around the plan: `revision`, `orphans` and `rollout_under_way`. They are no part of the id either.
pub fn whole_plan_json(plan: &Plan, stages: &[Stage], around: Around<'_>) -> String {
    let mut value = plan_value(plan, stages);
    if let Some(object) = value.as_object_mut() {
        object.extend(around_json(around).map(|(key, found)| (key.to_owned(), found)));
    }
    format!("{value:#}\n")
}

fn plan_value(plan: &Plan, stages: &[Stage]) -> Json {
    // Structs of strings, numbers and maps with text keys always serialise.
    let mut value = serde_json::to_value(plan).unwrap_or(Json::Null);
    if let Some(object) = value.as_object_mut() {
        object.insert(
            "summary".into(),
            serde_json::to_value(summary(plan, stages)).unwrap_or(Json::Null),
        );
    }
    value
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
