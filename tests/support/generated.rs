//! A fleet of any size like the bundled one: its templates, snippets and vars, and its five clusters over and over under other names.

use std::fs;
use std::path::Path;
use std::process::Command;

/// The bundled clusters. The first ones keep their names: `fleet.yaml` knows one of them.
const MODELS: [&str; 5] = [
    "prod-small",
    "prod-acme",
    "prod-globex",
    "staging-acme",
    "staging-globex",
];

/// Writes the files of a fleet with `size` clusters, one at least.
pub(crate) fn write_fleet(to: &Path, size: usize) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for folder in ["templates", "snippets", "vars", "vars/customers"] {
        fs::create_dir_all(to.join(folder)).unwrap();
        for entry in fs::read_dir(root.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            // The vars of a cluster come with it, and the schema of vars knows only five.
            let is_left_out = name.contains(".k8s.foo.bar") || name == "schema.json";
            if path.is_file() && !is_left_out {
                fs::copy(&path, to.join(folder).join(name)).unwrap();
            }
        }
    }
    let settings = fs::read_to_string(root.join("fleet.yaml")).unwrap();
    // Hooks reach what is not rendered.
    let (before, hooks) = settings.split_once("\nhooks:").unwrap();
    let (_, after) = hooks.split_once("\ngates:").unwrap();
    let settings = format!("{before}\ngates:{after}");
    fs::write(to.join("fleet.yaml"), settings).unwrap();
    fs::write(to.join(".gitignore"), "rendered/\n.kfleet/\n").unwrap();
    fs::create_dir_all(to.join("clusters")).unwrap();
    for n in 0..size {
        let model = MODELS[n % MODELS.len()];
        let name = if n < MODELS.len() {
            model.to_owned()
        } else {
            format!("{model}-{n:04}")
        };
        for folder in ["clusters", "vars"] {
            let file = root.join(folder).join(format!("{model}.k8s.foo.bar.yaml"));
            let text = fs::read_to_string(file).unwrap();
            let named = text.replace(model, &name);
            fs::write(
                to.join(folder).join(format!("{name}.k8s.foo.bar.yaml")),
                named,
            )
            .unwrap();
        }
    }
}

/// Commits everything there is.
pub(crate) fn commit(fleet: &Path, message: &str) {
    let git = |arguments: &[&str]| {
        let output = Command::new("git")
            .arg("-C")
            .arg(fleet)
            .args(["-c", "user.name=A", "-c", "user.email=a@example.com"])
            .args(arguments)
            .output()
            .unwrap();
        assert!(output.status.success(), "git {arguments:?}: {output:?}");
    };
    if !fleet.join(".git").exists() {
        git(&["init", "-q"]);
    }
    git(&["add", "-A"]);
    git(&["commit", "-q", "-m", message]);
}
