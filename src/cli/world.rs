//! The cloud that was asked for, and the store that belongs to it.

use super::args::{Arguments, CloudArgument, Pace};
use super::failure::Failure;
use crate::cloud::local::{Fault, Options, World};
use crate::fleet::Fleet;
use crate::store::{CloudKind, Store};

/// The store of the fleet for the cloud asked for.
pub(super) fn store(arguments: &Arguments, fleet: &Fleet) -> Result<Store, Failure> {
    match arguments.cloud {
        Some(CloudArgument::Local) => Ok(Store::open(&fleet.root.join(&fleet.settings.store), CloudKind::Local)?),
        Some(CloudArgument::Aws) => {
            Err(Failure::new("this build of kfleet has no AWS in it").hint("`--cloud local` acts on the embedded simulated account"))
        }
        None => Err(Failure::new("no cloud was named").hint("say `--cloud local` for the embedded simulated account, or set KFLEET_CLOUD")),
    }
}

/// A stage that approves itself is a toy: only the simulated account takes it.
pub(super) fn may_approve_itself(arguments: &Arguments, pace: &Pace) -> Result<(), Failure> {
    match arguments.cloud {
        Some(CloudArgument::Aws) if pace.auto_approve => {
            Err(Failure::new("a real cloud refuses `--auto-approve`").hint("look at the plan, then `kfleet rollout approve STAGE --plan ID`"))
        }
        Some(CloudArgument::Aws | CloudArgument::Local) | None => Ok(()),
    }
}

/// The simulated account in the store.
pub(super) fn world(store: &Store, seed: u64, faults: &[String]) -> Result<World, Failure> {
    let world = World::open(&store.local_state(), Options { seed, ..Options::default() })?;
    let faults: Vec<Fault> = faults.iter().map(|f| f.parse()).collect::<Result<_, _>>().map_err(|e| Failure::new(format!("{e}")))?;
    world.set_faults(faults);
    Ok(world)
}

/// Who asks: for journals, locks and approvals.
pub(super) fn who() -> String {
    let name = ["KFLEET_USER", "BUILD_USER_ID", "USER", "LOGNAME"].iter().find_map(|v| std::env::var(v).ok().filter(|v| !v.is_empty()));
    let host = std::env::var("HOSTNAME").ok().filter(|h| !h.is_empty()).map(|h| format!("@{h}")).unwrap_or_default();
    format!("{}{host} (process {})", name.unwrap_or_else(|| "somebody".into()), std::process::id())
}
