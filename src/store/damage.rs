//! What a person does about an object of the store that is damaged: what it is for decides what is lost without it. Reads nothing.

/// What an object says that a later version of this program wrote.
const NEWER: &str = "is newer than this kfleet";

/// That the form of an object is a later one.
pub(super) fn too_new(version: u64) -> String {
    format!("version {version} {NEWER}")
}

/// What is done about a damaged object, by its place and what is wrong with it. Removing is never the first thing: something was known by it.
pub fn mending(place: &str, why: &str) -> String {
    if why.ends_with(NEWER) {
        return "use a kfleet that is as new as the one that wrote it".into();
    }
    format!(
        "put it back from a backup of the store (in S3: the version of the object before); without one, {}",
        without_backup(place)
    )
}

fn without_backup(place: &str) -> String {
    let parts: Vec<&str> = place.split(['/', '\\']).collect();
    let last = parts.last().copied().unwrap_or_default();
    // The last folder of a store that is named: the store itself may lie in one of the same name.
    let folders = parts.iter().zip(parts.iter().skip(1)).rev();
    let mut known = folders.filter(|(folder, _)| FOLDERS.contains(folder));
    let (folder, name) = match (ALONE.contains(&last), known.next()) {
        (false, Some((folder, name))) => (*folder, *name),
        (true, _) | (false, None) => ("", last),
    };
    match (folder, name) {
        ("journals", name) => {
            let id = name.strip_suffix(".jsonl").unwrap_or(name);
            let id = id.strip_suffix(".head").unwrap_or(id);
            format!(
                "move all that begins with `journals/{id}` out of the store while no process drives it, and keep it: the rollout is forgotten then, and what it left half-way (cordoned nodes, surge, suspended processes) is for a person to look at before the next one"
            )
        }
        ("baselines", _) => "move it out of the store: the next rollout of the cluster writes it anew, and until then its documents are not compared and its soak is not known".into(),
        ("hooks", _) => "move it out of the store: the hook counts as one that has not run there".into(),
        ("access", _) => "move it out of the store: the fleet's files say how its clusters are reached".into(),
        ("stops", _) => "move it out of the store and say `kfleet stop` again: without it nothing is stopped".into(),
        (_, "board.json") => "move it out of the store while no process drives a rollout: those that are resumed write it anew".into(),
        (_, "store.json") => {
            "write it anew: {\"version\": 1, \"cloud\": \"aws\"}, or \"local\" for the simulated account".into()
        }
        _ => "move it out of the store while no process drives a rollout, and keep it".into(),
    }
}

/// The folders of a store.
const FOLDERS: [&str; 19] = [
    "journals",
    "checkpoints",
    "carriers",
    "baselines",
    "locks",
    "sequence",
    "contents",
    "access",
    "requests",
    "ended",
    "waits",
    "notified",
    "warnings",
    "hooks",
    "outputs",
    "drift",
    "forgotten",
    "probes",
    "stops",
];

/// What lies in none of them.
const ALONE: [&str; 3] = ["board.json", "store.json", "starting.json"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_for_later_versions_is_not_mended() {
        let hint = mending("./.kfleet/board.json", &too_new(2));
        assert_eq!(hint, "use a kfleet that is as new as the one that wrote it");
    }

    #[test]
    fn what_to_do_without_a_backup_depends_on_what_is_lost() {
        for (place, expected) in [
            (
                "./.kfleet/journals/20260105T080000Z-a82a9017.jsonl",
                "begins with `journals/20260105T080000Z-a82a9017` out",
            ),
            (
                "bucket/fleet/journals/20260105T080000Z-a82a9017/00000001",
                "begins with `journals/20260105T080000Z-a82a9017` out",
            ),
            ("./.kfleet/baselines/a.example.com.json", "writes it anew"),
            ("./.kfleet/stops/all.json", "`kfleet stop` again"),
            ("/srv/journals/store/board.json", "those that are resumed"),
            (
                "/srv/journals/store/locks/a.example.com.json",
                "no process drives",
            ),
            ("bucket/store.json", "\"cloud\": \"aws\""),
            ("bucket/locks/a.example.com.json", "no process drives"),
        ] {
            let hint = mending(place, "EOF while parsing");
            assert!(hint.starts_with("put it back from a backup"), "{hint}");
            assert!(hint.contains(expected), "{place}: {hint}");
        }
    }
}
