//! Who asks: for journals, locks and approvals.

/// The person, the machine and the process.
pub(super) fn who() -> String {
    let name = ["KFLEET_USER", "BUILD_USER_ID", "USER", "LOGNAME"]
        .iter()
        .find_map(|v| std::env::var(v).ok().filter(|v| !v.is_empty()));
    let host = std::env::var("HOSTNAME")
        .ok()
        .filter(|h| !h.is_empty())
        .map(|h| format!("@{h}"))
        .unwrap_or_default();
    format!(
        "{}{host} (process {})",
        name.unwrap_or_else(|| "unknown user".into()),
        std::process::id()
    )
}
