//! How a command ended.

/// How a command ended, as its exit code says it. 1 is always an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// 0: done, or no changes.
    Good,
    /// 2: there are changes, or the rendered files are not up to date.
    Changes,
    /// 3: a rollout waits for a person or for time.
    Waits,
    /// 4: a rollout failed and was rolled back.
    RolledBack,
    /// 5: a rollout is stuck; a person must act.
    Stuck,
    /// What the command of a gate ended with, told on.
    Told(u8),
}

impl Exit {
    /// The exit code of the process.
    pub(crate) fn code(self) -> u8 {
        match self {
            Exit::Good => 0,
            Exit::Changes => 2,
            Exit::Waits => 3,
            Exit::RolledBack => 4,
            Exit::Stuck => 5,
            Exit::Told(code) => code,
        }
    }
}
