//! The bundled fleet with random damage: whatever a file holds, the answer is a rendering or an error, never a panic, a hang or an abort.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test says what it needs"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use kfleet::desired::DesiredCluster;
use kfleet::fleet;
use kfleet::kops;
use kfleet::render::Renderer;

/// How many damaged fleets. Each is another file and another kind of damage.
const ROUNDS: u64 = 240;

#[test]
fn no_damage_makes_it_panic() {
    let dir = tempfile::tempdir().unwrap();
    let files = bundled();
    for (path, bytes) in &files {
        write(dir.path(), path, bytes);
    }
    let names: Vec<&PathBuf> = files.keys().collect();
    let (mut good, mut bad) = (0, 0);
    for round in 0..ROUNDS {
        let mut chance = Chance(round);
        let path = names[chance.below(names.len())];
        write(dir.path(), path, &damaged(&files[path], &mut chance));
        match everything(dir.path()) {
            Ok(()) => good += 1,
            Err(text) => {
                assert!(
                    !text.trim().is_empty(),
                    "an error without a word, {} in round {round}",
                    path.display()
                );
                bad += 1;
            }
        }
        write(dir.path(), path, &files[path]);
    }
    assert!(
        good > 0 && bad > 0,
        "{good} good and {bad} bad: this damage tests nothing"
    );
    assert_eq!(everything(dir.path()), Ok(()));
}

/// All that is done with a fleet's files.
fn everything(dir: &Path) -> Result<(), String> {
    let fleet = fleet::load(dir).map_err(|e| format!("{e} {:?}", e.hint()))?;
    let renderer = Renderer::new(&fleet).map_err(|e| format!("{e} {:?}", e.hint()))?;
    for cluster in fleet.clusters.values() {
        let rendered = renderer
            .render(&cluster.name)
            .map_err(|e| format!("{e} {:?}", e.hint()))?;
        let documents: Vec<_> = rendered
            .documents
            .iter()
            .map(|d| d.document.clone())
            .collect();
        let manifests = kops::read(&documents).map_err(|e| e.to_string())?;
        DesiredCluster::new(
            &manifests,
            cluster.account.clone(),
            cluster.region.clone(),
            &BTreeMap::new(),
        )
        .map_err(|e| e.to_string())?;
    }
    Ok(())
}

fn bundled() -> BTreeMap<PathBuf, Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = BTreeMap::from([(
        PathBuf::from("fleet.yaml"),
        fs::read(root.join("fleet.yaml")).unwrap(),
    )]);
    let mut folders = ["clusters", "vars", "templates", "snippets"]
        .map(PathBuf::from)
        .to_vec();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root.join(&folder)).unwrap() {
            let path = folder.join(entry.unwrap().file_name());
            if root.join(&path).is_dir() {
                folders.push(path);
            } else {
                files.insert(path.clone(), fs::read(root.join(&path)).unwrap());
            }
        }
    }
    files
}

fn damaged(bytes: &[u8], chance: &mut Chance) -> Vec<u8> {
    const WORDS: [&str; 16] = [
        "{{",
        "}}",
        "{%",
        "%}",
        ": ",
        "- ",
        "\n",
        "\t",
        "'",
        "\"",
        "|",
        "&a ",
        "*a",
        "\u{feff}",
        "9999999999999999999",
        "no",
    ];
    let mut bytes = bytes.to_vec();
    for _ in 0..=chance.below(3) {
        let at = chance.below(bytes.len() + 1);
        match chance.below(5) {
            0 => bytes.truncate(at),
            1 if at < bytes.len() => bytes[at] = u8::try_from(chance.below(256)).unwrap(),
            2 => drop(bytes.splice(at..at, WORDS[chance.below(WORDS.len())].bytes())),
            3 => drop(bytes.drain(at..(at + chance.below(40)).min(bytes.len()))),
            _ => {
                let copy = bytes[at..(at + chance.below(200)).min(bytes.len())].to_vec();
                let to = chance.below(bytes.len() + 1);
                drop(bytes.splice(to..to, copy));
            }
        }
    }
    bytes
}

fn write(dir: &Path, path: &Path, bytes: &[u8]) {
    let path = dir.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// Small numbers that look random and are the same every time.
struct Chance(u64);

impl Chance {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % u64::try_from(n.max(1)).unwrap()).unwrap()
    }
}
