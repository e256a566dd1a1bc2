//! A template and a snippet of any bytes: rendered, or an error. `cargo fuzz run template templates snippets`
#![no_main]

use std::path::Path;
use std::sync::OnceLock;

use kfleet::fleet::{self, Fleet, Source};
use kfleet::render::Renderer;
use libfuzzer_sys::fuzz_target;

static BUNDLED: OnceLock<Option<Fleet>> = OnceLock::new();

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Some(bundled) = BUNDLED.get_or_init(|| fleet::load(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))).ok()) else { return };
    // What stands behind the first NUL is the snippet.
    let (template, snippet) = text.split_once('\0').unwrap_or((text, "x: {{ cluster.name }}\n"));
    let mut fleet = bundled.clone();
    let source = |path: &str, text: &str| Source { path: path.into(), text: text.into() };
    fleet.templates = [("t.yaml.j2".to_owned(), source("templates/t.yaml.j2", template))].into();
    fleet.snippets.insert("fuzzed".into(), source("snippets/fuzzed", snippet));
    let Some(mut cluster) = fleet.clusters.pop_first().map(|(_, c)| c) else { return };
    cluster.templates = vec!["t.yaml.j2".into()];
    let name = cluster.name.clone();
    fleet.clusters = [(name.clone(), cluster)].into();
    if let Ok(renderer) = Renderer::new(&fleet)
        && let Ok(rendered) = renderer.render(&name)
    {
        let _trace = renderer.trace(&rendered);
    }
});
