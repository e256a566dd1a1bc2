//! Which hooks a run is to run, and with what. Runs nothing.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

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
    /// Makes a kubeconfig that has one context alone, by its name; none: hooks get that of this process.
    pub kubeconfig: Option<Kubeconfigs>,
}

/// Kubeconfigs with one context alone.
#[derive(Clone, Debug)]
pub struct Kubeconfigs {
    /// The text of one, by the name of its context; an error: why there is none.
    pub of: fn(&str) -> Result<String, String>,
    /// The folder in which they are written, each in a private folder of its own.
    pub folder: PathBuf,
}
