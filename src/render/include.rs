//! The function `include`: renders a snippet with the current scope and returns its text. Stops endless inclusion.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use minijinja::value::{Kwargs, Object, Value};
use minijinja::{Environment, Error, ErrorKind, State};

use super::names::{NoSnippet, Simple, SnippetNames};
use super::values::fault;

/// Snippets include each other at most this deep.
const MAX_DEPTH: i64 = 10;
/// Steps of the engine that one template may take, with all it includes.
pub(super) const FUEL: u64 = 5_000_000;
/// Names no template can write, for what travels with the scope.
const BUDGET: &str = "include budget";
const DEPTH: &str = "include depth";

/// Fuel that the snippets of one template have used together.
#[derive(Debug, Default)]
struct Budget(AtomicU64);

impl Object for Budget {}

/// What every scope needs for `include` to work.
pub(super) fn scope() -> [(String, Value); 2] {
    [
        (BUDGET.to_owned(), Value::from_object(Budget::default())),
        (DEPTH.to_owned(), Value::from(0)),
    ]
}

/// Adds the function, and lets `{% include %}` and `{% import %}` use the same names.
pub(super) fn add(env: &mut Environment<'static>, names: &Arc<SnippetNames>) {
    let table = Arc::clone(names);
    env.add_function(
        "include",
        move |state: &mut State, name: String, extra: Kwargs| include(state, &table, &name, &extra),
    );
    let table = Arc::clone(names);
    env.set_path_join_callback(move |name, _parent| {
        table
            .find(name)
            .map_or_else(|_| name.to_owned().into(), Into::into)
    });
}

fn include(
    state: &mut State,
    names: &SnippetNames,
    name: &str,
    extra: &Kwargs,
) -> Result<String, Error> {
    let path = names.find(name).map_err(|e| no_snippet(name, e))?;
    let (Some(depth), Some(budget)) = (state.lookup(DEPTH), state.lookup(BUDGET)) else {
        return Err(fault(
            "include works only where the scope of the cluster is",
        ));
    };
    let depth = i64::try_from(depth).unwrap_or(MAX_DEPTH);
    if depth >= MAX_DEPTH {
        return Err(fault(format!(
            "snippets include each other more than {MAX_DEPTH} deep; does one include itself?"
        )));
    }
    let simple = names.simple(&path);
    if let Some(Simple::Text(text)) = simple {
        return Ok(text.strip_suffix('\n').unwrap_or(text).to_owned());
    }
    let needed = match simple {
        Some(Simple::Reads(reads)) => needed(state, reads, extra),
        Some(Simple::Text(_)) | None => None,
    };
    let mut scope = needed.unwrap_or_else(|| everything(state, extra));
    for key in extra.args() {
        scope.push((key.to_owned(), extra.get(key)?));
    }
    scope.push((DEPTH.to_owned(), Value::from(depth + 1)));
    let template = state.env().get_template(&path)?;
    let inside = |e: Error| {
        Error::new(ErrorKind::BadInclude, "a fault in an included snippet").with_source(e)
    };
    let captured = template
        .render_captured(Value::from_pairs(scope))
        .map_err(inside)?;
    let used = captured.state().fuel_levels().map_or(0, |(used, _)| used);
    if let Some(budget) = budget.downcast_object_ref::<Budget>()
        && budget
            .0
            .fetch_add(used, Ordering::Relaxed)
            .saturating_add(used)
            > FUEL
    {
        return Err(Error::from(ErrorKind::OutOfFuel));
    }
    // The line break that ends a file is not part of what it says.
    let text = captured.into_output();
    Ok(text.strip_suffix('\n').map(str::to_owned).unwrap_or(text))
}

/// The variables that a snippet reads; none when one is missing: the error then has to know what else there is.
fn needed(state: &State, reads: &BTreeSet<String>, extra: &Kwargs) -> Option<Vec<(String, Value)>> {
    let wanted = reads.iter().filter(|name| !extra.has(name));
    wanted
        .map(|name| {
            Some((
                name.clone(),
                state.lookup(name).filter(|v| !v.is_undefined())?,
            ))
        })
        .collect()
}

/// The whole scope.
fn everything(state: &State, extra: &Kwargs) -> Vec<(String, Value)> {
    let names = state
        .known_variables()
        .into_iter()
        .filter(|name| *name != DEPTH && !extra.has(name));
    names
        .filter_map(|name| state.lookup(&name).map(|value| (name.into_owned(), value)))
        .collect()
}

fn no_snippet(name: &str, why: NoSnippet) -> Error {
    let detail = match why {
        NoSnippet::Unknown { near: Some(near) } => {
            format!("there is no snippet `{name}`; did you mean `{near}`?")
        }
        NoSnippet::Unknown { near: None } => format!("there is no snippet `{name}`"),
        NoSnippet::Ambiguous { files } => format!(
            "the snippet `{name}` is there more than once: {}",
            files.join(", ")
        ),
    };
    Error::new(ErrorKind::TemplateNotFound, detail)
}
