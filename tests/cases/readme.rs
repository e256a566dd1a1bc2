//! What docs/templates.md says of template functions is what they do: every example of its table is rendered.
#![allow(clippy::expect_used, reason = "a test says what it needs")]

use std::fs;

use kfleet::fleet;
use kfleet::render::render;

/// The rows of the table of functions: example and result.
fn examples(readme: &str) -> Vec<(String, String)> {
    let (_, section) = readme
        .split_once("## Functions in templates")
        .expect("the section is there");
    let rows = section.lines().filter_map(|line| {
        line.strip_prefix("| `")?
            .strip_suffix(" |")?
            .split_once("` | ")
    });
    rows.map(|(example, result)| {
        let result = result
            .rsplit_once(": ")
            .filter(|_| example.starts_with("include"))
            .map_or(result, |(_, result)| result);
        (
            example.replace("\\|", "|"),
            result.trim_matches('`').to_owned(),
        )
    })
    .collect()
}

#[test]
fn the_examples_of_functions_are_true() {
    let examples = examples(include_str!("../../docs/templates.md"));
    assert!(
        examples.len() > 40,
        "only {} examples found",
        examples.len()
    );
    let dir = tempfile::tempdir().expect("a temporary folder");
    let write = |path: &str, text: &str| {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().expect("a parent"))
            .and_then(|()| fs::write(path, text))
            .expect("writing");
    };
    write(
        "fleet.yaml",
        "version: 1\nstages: [{name: all, clusters: [c.k8s]}]\n",
    );
    write(
        "clusters/c.k8s.yaml",
        "environment: test\nregion: eu-west-3\naccount: \"111122223333\"\n",
    );
    write("snippets/motd.txt", "hello {{ name }}\n");
    let mut wrong = String::new();
    for (example, expected) in examples {
        write(
            "templates/t.yaml.j2",
            &format!(
                "{{% set x = ({example}) %}}\napiVersion: v1\nkind: T\nmetadata: {{name: t}}\nout: |2\n  {{{{ x | indent(2) if x is string else x }}}}\n"
            ),
        );
        let fleet = fleet::load(dir.path()).expect("the fleet loads");
        let cluster = fleet.clusters.keys().next().expect("a cluster");
        let got = match render(&fleet, cluster) {
            Ok(rendered) => rendered.documents[0]
                .document
                .root
                .get("out")
                .and_then(|n| n.as_str())
                .expect("text")
                .trim_end_matches('\n')
                .to_owned(),
            Err(error) => error.to_string(),
        };
        if got != expected.replace("\\n", "\n") {
            wrong.push_str(&format!("{example}\n  page: {expected}\n  really: {got}\n"));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
