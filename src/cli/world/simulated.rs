//! The simulated account, as it was ordered.

use std::path::Path;

use crate::cli::failure::Failure;
use crate::cloud::local::{self, Fault, Scenario};
use crate::store::Store;

/// What only the simulated account takes.
pub(in crate::cli) struct Simulated<'a> {
    pub(in crate::cli) seed: u64,
    pub(in crate::cli) faults: &'a [String],
    pub(in crate::cli) scenario: Option<&'a Path>,
    /// Other rollouts may be under way in it at the same time.
    pub(in crate::cli) shared: bool,
}

impl Simulated<'_> {
    /// As it is: nothing new goes wrong in it.
    pub(in crate::cli) const AS_IT_IS: Simulated<'static> = Simulated {
        seed: 1,
        faults: &[],
        scenario: None,
        shared: false,
    };
}

/// Opens the simulated account of a store.
pub(super) fn open(store: &Store, simulated: &Simulated<'_>) -> Result<local::World, Failure> {
    let folder = store.local_state().ok_or_else(|| {
        Failure::new("the simulated account keeps its state in a folder, and the store is not one")
    })?;
    let options = local::Options {
        seed: simulated.seed,
        ..local::Options::default()
    };
    let world = if simulated.shared {
        local::World::open_shared(&folder, options)?
    } else {
        local::World::open(&folder, options)?
    };
    world.set_faults(faults(simulated.faults)?);
    if simulated.scenario.is_some() {
        world.set_scenario(scenario(simulated.scenario)?)?;
    }
    Ok(world)
}

/// Faults as they were ordered.
pub(in crate::cli) fn faults(ordered: &[String]) -> Result<Vec<Fault>, Failure> {
    ordered
        .iter()
        .map(|f| f.parse())
        .collect::<Result<_, _>>()
        .map_err(|e| Failure::new(format!("{e}")))
}

/// The scenario in a file; none: nothing happens.
pub(in crate::cli) fn scenario(path: Option<&Path>) -> Result<Scenario, Failure> {
    let Some(path) = path else {
        return Ok(Scenario::default());
    };
    let text = std::fs::read_to_string(path)
        .map_err(|e| Failure::new(format!("cannot read {}: {e}", path.display())))?;
    Scenario::parse(&path.display().to_string(), &text).map_err(|e| Failure::new(e.to_string()))
}
