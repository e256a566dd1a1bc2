//! What to type after `kfleet init`.

use super::super::args::Arguments;

/// What to type now around real clusters: nothing that can change one.
pub(super) fn adopted(arguments: &Arguments) -> String {
    let at = at(arguments);
    [
        (
            format!("kfleet{at} render"),
            "manifests and definitions into rendered/, to be committed",
        ),
        (
            format!("kfleet{at} plan --cloud aws"),
            "what is otherwise in AWS; a plan can change nothing",
        ),
    ]
    .map(|(line, what)| format!("  {line}\n      {what}\n"))
    .concat()
}

fn at(arguments: &Arguments) -> String {
    match arguments.directory.to_str() {
        Some(".") | None => String::new(),
        Some(directory) => format!(" -C {directory}"),
    }
}

/// What to type now: on the simulated account, so that nothing can happen to anything.
pub(super) fn new(arguments: &Arguments) -> String {
    let at = at(arguments);
    [
        (
            format!("kfleet{at} render"),
            "manifests and definitions into rendered/, to be committed",
        ),
        (
            format!("kfleet{at} plan --cloud local"),
            "what is missing in a simulated account",
        ),
        (
            format!("kfleet{at} rollout start --cloud local --auto-approve"),
            "stage by stage, in virtual time",
        ),
    ]
    .map(|(line, what)| format!("  {line}\n      {what}\n"))
    .concat()
}
