//! Files → [`Fleet`]: settings, clusters, layered vars, template and snippet sources. Renders nothing, asks no cloud.

mod calls;
mod cluster;
mod contents;
mod document;
mod error;
mod file;
mod freeze;
mod gate;
mod gates;
mod hook;
mod hooks;
mod layering;
mod notify;
mod notify_rules;
mod plain;
mod policy;
mod policy_check;
mod read;
mod resolve;
mod schema;
mod settings;
mod stages;
mod state_store;
mod suggest;
mod var_faults;
mod vars;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

pub use calls::{CallRate, CallRates};
pub use contents::{Cluster, Engine, Fleet, KopsProgram, KubernetesAccess, Source};
pub use error::{FleetError, SourceLocation, VarFault};
pub use gate::{
    Bound, Empty, FromEnv, GateAt, GateKind, GateSpec, HeaderValue, HttpGate, PromqlGate, Samples,
};
pub use hook::{HookAt, HookFailure, HookSpec, HookWhen};
pub use notify::{NotifyEvent, NotifyForm, NotifyRule};
pub use policy::{
    Capacity, CapacityPolicy, GroupRolling, OnFailure, OnLack, ProvenControlPlane, Rollback,
    RoomPolicy, Standby, Strategy, ZonePolicy,
};
pub use schema::{CLUSTER_SCHEMA, FLEET_SCHEMA, JsonSchema, SchemaError, SchemaFault};
pub use settings::{
    Amount, DeadNodes, DrainPolicy, Freeze, LintPolicy, LintWaiver, OnTimeout, Preflight, Rate,
    Rolling, Settings, Stage, Wave, Weekday,
};
pub use state_store::StateStore;
pub use suggest::closest;
pub use var_faults::VARS_SCHEMA;
pub use vars::{Layer, Merged, MergedValue, Origin, Overridden, Vars};

/// Reads the fleet in `dir`.
///
/// # Errors
/// Every fault of a file (of the files of all clusters), with file, line, column and the line itself.
pub fn load(dir: &Path) -> Result<Fleet, FleetError> {
    load_files(dir).map_err(|error| error.shown(&|place| line_of(dir, place)))
}

/// The line of a place in `fleet.yaml`, a cluster's file or the schema of vars. Not of vars: they may hold what should not be read in a log.
fn line_of(dir: &Path, place: &SourceLocation) -> Option<String> {
    let whole = ["fleet.yaml", VARS_SCHEMA].contains(&place.file.as_str());
    let shown = whole || place.file.starts_with("clusters/");
    let number = place.pos?.line.checked_sub(1)?;
    let text = read::text(dir, &place.file)
        .ok()
        .flatten()
        .filter(|_| shown)?;
    let line = text.lines().nth(usize::try_from(number).ok()?)?;
    let lower = line.to_lowercase();
    // A user and password stand before the host of an address.
    let login = lower.contains("://") && lower.contains('@');
    let secret = login || SECRETS.iter().any(|word| lower.contains(word));
    (!secret).then(|| line.to_owned())
}

/// Words of lines that may hold a secret: they are never shown.
const SECRETS: [&str; 10] = [
    "api-key",
    "authorization",
    "bearer",
    "cookie",
    "headers",
    "hooks",
    "password",
    "secret",
    "token",
    "webhook",
];

/// Endings of Go templates.
pub const GO_ENDINGS: [&str; 3] = [".tpl", ".tmpl", ".gotmpl"];

/// Where a template is there in both languages, the Go one is in force: a translation beside it changes nothing until the Go one is deleted.
fn without_twins(mut templates: BTreeMap<String, Source>) -> BTreeMap<String, Source> {
    let twins: BTreeSet<String> = templates
        .keys()
        .filter_map(|name| {
            GO_ENDINGS
                .iter()
                .find_map(|ending| name.strip_suffix(ending))
        })
        .map(|stem| format!("{stem}.j2"))
        .collect();
    templates.retain(|name, _| !twins.contains(name));
    templates
}

fn load_files(dir: &Path) -> Result<Fleet, FleetError> {
    let file = read::fleet_file(dir)?;
    let templates = without_twins(read::sources(dir, "templates")?);
    let snippets = read::sources(dir, "snippets")?;
    let layering = layering::Layering::of(&file)?;
    let clusters = cluster::load_all(dir, &layering, &templates)?;
    if let Some(text) = read::text(dir, VARS_SCHEMA)? {
        var_faults::check_vars(&text, &clusters)?;
    }
    let settings = resolve::settings(&file, &clusters)?;
    Ok(Fleet {
        root: dir.to_owned(),
        settings,
        clusters,
        templates,
        snippets,
    })
}
