//! `kfleet migrate`: Go templates become Jinja beside them, what both render to is compared, and nothing changes until it is asked for.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::init::{OF_TEMPLATES, kfleet, toolbox};

/// A fleet around the templates of a team that uses `kops toolbox template`.
fn fleet(dir: &Path) {
    toolbox(dir);
    kfleet(dir, OF_TEMPLATES).ends(0);
    kfleet(dir, "-C fleet render").ends(0);
}

/// The definitions that the fleet is rendered to.
fn definitions(dir: &Path) -> BTreeMap<PathBuf, String> {
    let (mut found, mut folders) = (BTreeMap::new(), vec![dir.join("fleet/rendered")]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if !path.ends_with("manifests.yaml") {
                found.insert(path.clone(), fs::read_to_string(path).unwrap());
            }
        }
    }
    assert!(!found.is_empty());
    found
}

#[test]
fn go_templates_become_jinja_that_renders_to_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fleet(dir);
    let before = definitions(dir);
    kfleet(dir, "migrate fleet --dry-run").ends(0);
    assert!(!dir.join("fleet/templates/nodes.yaml.j2").exists());
    let said = kfleet(dir, "migrate fleet").ends(0);
    assert!(
        said.out.contains("templates/nodes.yaml.tpl: "),
        "{}",
        said.out
    );
    assert!(!said.out.contains("stays in Go"), "{}", said.out);
    let translated = fs::read_to_string(dir.join("fleet/templates/nodes.yaml.j2")).unwrap();
    assert!(
        translated.contains("for group, sizes in groups") && !translated.contains("{{ ."),
        "{translated}"
    );
    // While both are there, the Go templates are in force.
    kfleet(dir, "-C fleet render --check").ends(0);
    kfleet(dir, "migrate fleet --replace").ends(0);
    for gone in ["templates/nodes.yaml.tpl", "snippets/labels.yaml"] {
        assert!(!dir.join("fleet").join(gone).exists(), "{gone}");
    }
    kfleet(dir, "-C fleet render").ends(0);
    assert_eq!(definitions(dir), before);
    let said = kfleet(dir, "migrate fleet").ends(0);
    assert!(said.out.contains("no Go template"), "{}", said.out);
}

#[test]
fn what_has_no_translation_stays_in_go_and_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fleet(dir);
    let path = dir.join("fleet/templates/nodes.yaml.tpl");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(
        &path,
        format!("# {{{{ .team | regexFind \"w\" }}}}\n{text}"),
    )
    .unwrap();
    let said = kfleet(dir, "migrate fleet --replace").ends(2);
    assert!(
        said.out.contains("templates/nodes.yaml.tpl:1:")
            && said.out.contains("the function `regexFind`"),
        "{}",
        said.out
    );
    assert!(path.exists() && dir.join("fleet/templates/cluster.yaml.tpl").exists());
    assert!(!dir.join("fleet/templates/nodes.yaml.j2").exists());
}

/// A translation that was written before, and changed by hand, is compared as it is.
#[test]
fn a_translation_that_differs_is_shown_and_replaces_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fleet(dir);
    kfleet(dir, "migrate fleet").ends(0);
    let path = dir.join("fleet/templates/nodes.yaml.j2");
    let text = fs::read_to_string(&path).unwrap();
    let changed = text.replace("minSize: 1", "minSize: 2");
    assert_ne!(text, changed);
    fs::write(&path, &changed).unwrap();
    let said = kfleet(dir, "migrate fleet --replace").ends(2);
    for part in ["different", "-  minSize: 1", "+  minSize: 2"] {
        assert!(said.out.contains(part), "{part}\n{}", said.out);
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), changed);
    assert!(dir.join("fleet/templates/nodes.yaml.tpl").exists());
}
