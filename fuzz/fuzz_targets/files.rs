//! One file of a fleet of any bytes (settings, cluster file or vars, by the first byte): loaded, or an error. `cargo fuzz run files`
#![no_main]

use std::fs;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((which, bytes)) = data.split_first() else { return };
    let Ok(dir) = tempfile::tempdir() else { return };
    let files: [(&str, &[u8]); 4] = [
        ("fleet.yaml", b"version: 1\nstages: [{name: all, clusters: [c.k8s]}]\n"),
        ("clusters/c.k8s.yaml", b"environment: test\nregion: eu-west-3\naccount: \"111122223333\"\n"),
        ("vars/defaults.yaml", b"a: {b: 1}\n"),
        ("templates/t.yaml.j2", b"apiVersion: v1\nkind: T\nmetadata: {name: t}\n"),
    ];
    for (index, (path, text)) in files.into_iter().enumerate() {
        let path = dir.path().join(path);
        let text = if index == usize::from(which % 3) { bytes } else { text };
        if let Some(parent) = path.parent() {
            let _made = fs::create_dir_all(parent);
        }
        let _written = fs::write(path, text);
    }
    if let Ok(fleet) = kfleet::fleet::load(dir.path()) {
        for cluster in fleet.clusters.keys() {
            let _rendered = kfleet::render::render(&fleet, cluster);
        }
    }
});
