//! Which hooks a run is to run, and with what. Runs nothing.

use std::collections::BTreeMap;
use std::ffi::OsString;

/// Which hooks are really run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HookRunning {
    /// All of them: the account is real.
    All,
    /// Those that say they reach nothing real: the account is simulated.
    Simulated,
    /// None: it is a rehearsal.
    #[default]
    None,
}

/// How hooks are run.
#[derive(Clone, Debug, Default)]
pub struct HookDrive {
    pub running: HookRunning,
    /// The environment of this process, of which a hook gets what it may know.
    pub environment: BTreeMap<OsString, OsString>,
}
