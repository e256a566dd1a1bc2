//! What `kfleet -V` says: the version, the commit it was built from, and what is in this build.

/// `0.1.0 (commit 1a2b3c4d5e6f, features aws, kubernetes, http)`. The commit is found by `build.rs`.
pub(super) const VERSION: &str = env!("KFLEET_VERSION");
