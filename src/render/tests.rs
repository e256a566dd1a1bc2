//! Templates as texts, and what they render to.

mod expressions;

use std::collections::BTreeMap;

use super::*;
use crate::fleet::{CallRates, Cluster, Rolling, Settings, Source};
use crate::model::{AccountId, Environment, Region};
use crate::yaml::{Schema, parse_one};

const VARS: &str = "name: web\nflag: true\noff: false\nnothing: null\nempty: \"\"\nn: 3\npi: 1.5\nzones: [b, a, b]\nnested: {a: {b: deep}, list: [1, {x: y}]}\nsecret: hunter2\ntext: \"one\\ntwo\\n\"\n";

/// A fleet of one cluster from (path, text) pairs.
pub(super) fn fleet(files: &[(&str, &str)], vars: &str) -> Fleet {
    let sources = |folder: &str| -> BTreeMap<String, Source> {
        let inside = files
            .iter()
            .filter_map(|(path, text)| path.strip_prefix(folder).map(|name| (name, path, text)));
        inside
            .map(|(name, path, text)| {
                (
                    name.to_owned(),
                    Source {
                        path: (*path).to_owned(),
                        text: (*text).to_owned(),
                    },
                )
            })
            .collect()
    };
    let (templates, snippets) = (sources("templates/"), sources("snippets/"));
    let layer = crate::fleet::Layer {
        path: "vars/defaults.yaml".into(),
        node: parse_one(vars, Schema::Core).unwrap(),
    };
    let name = ClusterName::new("prod-a.k8s").unwrap();
    let cluster = Cluster {
        name: name.clone(),
        file: "clusters/prod-a.k8s.yaml".into(),
        environment: Environment::new("prod").unwrap(),
        region: Region::new("eu-west-3").unwrap(),
        account: AccountId::new("111122223333").unwrap(),
        role_arn: None,
        templates: templates.keys().cloned().collect(),
        kubernetes: None,
        state_store: None,
        engine: Default::default(),
        kops: Default::default(),
        kops_version: None,
        protect: Default::default(),
        retire: Default::default(),
        vars: crate::fleet::Vars {
            layers: vec![std::sync::Arc::new(layer)],
        },
    };
    let settings = Settings {
        store: ".kfleet".into(),
        stages: Vec::new(),
        rolling: Rolling::default(),
        gates: Vec::new(),
        hooks: Vec::new(),
        rollback: crate::fleet::Rollback::default(),
        call_rates: CallRates::default(),
        accept: Default::default(),
        lint: Default::default(),
        notify: Vec::new(),
    };
    Fleet {
        root: ".".into(),
        settings,
        clusters: BTreeMap::from([(name, cluster)]),
        templates,
        snippets,
    }
}

/// What the files render to, or the error with its hint.
pub(super) fn check(files: &[(&str, &str)]) -> String {
    let fleet = fleet(files, VARS);
    let cluster = fleet.clusters.keys().next().unwrap();
    match render(&fleet, cluster) {
        Ok(rendered) => rendered.text,
        Err(e) => e
            .hint()
            .map_or(e.to_string(), |hint| format!("{e}\nhint: {hint}")),
    }
}

#[test]
fn every_filter_that_can_be_suggested_exists() {
    for name in super::explain::FILTERS {
        let got = check(&[(
            "templates/t.yaml",
            &format!("{{{{ 1 | {name}(9, 9, 9, 9, 9) }}}}"),
        )]);
        assert!(!got.contains("there is no filter"), "{name}: {got}");
    }
}

#[test]
fn a_rendered_line_knows_the_line_of_its_template() {
    let head = "apiVersion: v1\nkind: K\nmetadata:\n  name: x\n";
    let template = format!(
        "{head}data:\n{{% for zone in zones | uniq %}}\n  {{{{ zone }}}}: 1\n{{% endfor %}}\n  {{{{ include('s.yaml') | indent(2) }}}}\n  last: {{{{ name }}}}\n"
    );
    let fleet = fleet(
        &[
            ("templates/t.yaml", &template),
            ("templates/u.yaml", &head.replace("x", "web")),
            ("snippets/s.yaml", "p: 1\nq: {{ secret }}\n"),
        ],
        VARS,
    );
    let renderer = Renderer::new(&fleet).unwrap();
    let rendered = renderer
        .render(fleet.clusters.keys().next().unwrap())
        .unwrap();
    let trace = renderer.trace(&rendered).unwrap();
    let shown: Vec<String> = rendered
        .text
        .lines()
        .zip(1..)
        .map(|(text, n)| {
            format!(
                "{} {text}",
                trace
                    .line(n)
                    .map_or("-".into(), |l| format!("{}:{}", l.template, l.line))
            )
        })
        .collect();
    let t = "templates/t.yaml";
    let expected = [
        format!("{t}:1 apiVersion: v1"),
        format!("{t}:2 kind: K"),
        format!("{t}:3 metadata:"),
        format!("{t}:4   name: x"),
        format!("{t}:5 data:"),
        format!("{t}:7   b: 1"),
        format!("{t}:7   a: 1"),
        format!("{t}:9   p: 1"),
        format!("{t}:9   q: hunter2"),
        format!("{t}:10   last: web"),
        "- ---".into(),
        "templates/u.yaml:1 apiVersion: v1".into(),
        "templates/u.yaml:2 kind: K".into(),
        "templates/u.yaml:3 metadata:".into(),
        "templates/u.yaml:4   name: web".into(),
    ];
    assert_eq!(shown, expected);
    let produced = |path: &str| renderer.lines_of_var(&rendered, path).unwrap();
    assert_eq!(produced("name"), [10]);
    assert_eq!(produced("secret"), [9]);
    assert_eq!(produced("zones"), [6, 7]);
    assert_eq!(produced("nested.a.b"), Vec::<u32>::new());
    assert_eq!(produced("nested.nope"), Vec::<u32>::new());
    assert_eq!(renderer.readers("name"), ["templates/t.yaml"]);
    assert_eq!(renderer.readers("secret"), ["snippets/s.yaml"]);
    assert_eq!(renderer.readers("sec"), Vec::<String>::new());
}

#[test]
fn documents_are_joined_without_gluing_and_kept_as_rendered() {
    let doc = |name: &str| format!("apiVersion: v1\nkind: K\nmetadata: {{name: {name}}}");
    let fleet = fleet(
        &[
            ("templates/1", &doc("no-newline-at-the-end")),
            ("templates/2", "\n{# nothing #}\n"),
            (
                "templates/3",
                &format!(
                    "---\n# kept\n{}\n---\n# only a comment\n---\n{}\n",
                    doc("b"),
                    doc("c")
                ),
            ),
            (
                "templates/4",
                &format!(
                    "# before\n---\n{}\ntext: |\n  ---\n  -----BEGIN X-----\n",
                    doc("d")
                ),
            ),
        ],
        VARS,
    );
    let rendered = render(&fleet, fleet.clusters.keys().next().unwrap()).unwrap();
    let expected = format!(
        "{}\n---\n# kept\n{}\n---\n# only a comment\n{}\n---\n# before\n{}\ntext: |\n  ---\n  -----BEGIN X-----\n",
        doc("no-newline-at-the-end"),
        doc("b"),
        doc("c"),
        doc("d")
    );
    assert_eq!(rendered.text, expected);
    let texts: Vec<&str> = rendered
        .documents
        .iter()
        .map(|d| rendered.text_of(d))
        .collect();
    assert_eq!(
        texts,
        [
            format!("{}\n", doc("no-newline-at-the-end")),
            format!("# kept\n{}\n", doc("b")),
            // kops refuses a section of comments alone: they go with what follows.
            format!("# only a comment\n{}\n", doc("c")),
            format!(
                "# before\n{}\ntext: |\n  ---\n  -----BEGIN X-----\n",
                doc("d")
            ),
        ]
    );
    let lines: Vec<(u32, &str)> = rendered
        .documents
        .iter()
        .map(|d| (d.document.root.pos.line, d.template.as_str()))
        .collect();
    assert_eq!(
        lines,
        [
            (1, "templates/1"),
            (6, "templates/3"),
            (11, "templates/3"),
            (16, "templates/4")
        ]
    );
}

#[test]
fn the_user_data_snippet_sees_its_group() {
    let files = |name: &'static str| {
        [
            (
                "templates/t",
                "apiVersion: v1\nkind: K\nmetadata: {name: x}\n",
            ),
            (
                name,
                "{{ cluster.name }} {{ group.name }} {{ group.role }} {{ name }}\n",
            ),
        ]
    };
    let ask = |files: &[(&str, &str)]| {
        let fleet = fleet(files, VARS);
        let group = crate::model::GroupName::new("nodes").unwrap();
        Renderer::new(&fleet)
            .and_then(|r| r.user_data(fleet.clusters.keys().next().unwrap(), &group, "Node"))
            .map_err(|e| e.to_string())
    };
    assert_eq!(
        ask(&files("snippets/user_data.sh.j2")),
        Ok(Some("prod-a.k8s nodes Node web\n".into()))
    );
    assert_eq!(
        ask(&files("snippets/boot/user_data")),
        Ok(Some("prod-a.k8s nodes Node web\n".into()))
    );
    assert_eq!(
        ask(&files("snippets/user_data_old.sh")).ok().flatten(),
        None
    );
    let mut twice = files("snippets/user_data.sh").to_vec();
    twice.push(("snippets/b/user_data.sh", ""));
    assert_eq!(ask(&twice), Err("the snippet `user_data` is there more than once: snippets/b/user_data.sh, snippets/user_data.sh".into()));
}

#[test]
fn hostile_templates_end_in_an_error() {
    let deep = format!(
        "{}x{}",
        "{% if true %}".repeat(3_000),
        "{% endif %}".repeat(3_000)
    );
    let nested = format!("{{{{ {}1{} }}}}", "(".repeat(5_000), ")".repeat(5_000));
    let sum = format!("{{{{ 1{} }}}}", "+1".repeat(30_000));
    let unclosed = format!("{{{{ 1{}", "|int".repeat(30_000));
    let long_but_allowed = format!("{{{{ x{} }}}}", "+1".repeat(2_000));
    let cases: [&[(&str, &str)]; 10] = [
        &[("templates/t", &sum)],
        &[("templates/t", &unclosed)],
        &[("templates/t", &long_but_allowed)],
        &[("templates/t", &deep)],
        &[("templates/t", &nested)],
        &[(
            "templates/t",
            "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        )],
        &[
            ("templates/t", "{{ include('a') }}"),
            ("snippets/a", "{{ include('b') }}"),
            ("snippets/b", "{{ include('a') }}"),
        ],
        &[
            ("templates/t", "{% include 'a' %}"),
            ("snippets/a", "{% include 'a' %}"),
        ],
        &[
            ("templates/t", "{% import 'a' as a %}{{ a.m() }}"),
            (
                "snippets/a",
                "{% macro m() %}{{ include('b') }}{% endmacro %}",
            ),
            ("snippets/b", "{% import 'a' as a %}{{ a.m() }}"),
        ],
        &[
            (
                "templates/t",
                "{% for i in range(5000) %}{{ include('a') }}{% endfor %}",
            ),
            ("snippets/a", "{% for i in range(5000) %}{% endfor %}"),
        ],
    ];
    for files in cases {
        let got = check(files);
        assert!(got.contains(" | "), "{got}");
    }
}

proptest::proptest! {
    #[test]
    fn no_text_makes_rendering_panic(text in "[-{}%#|~:,.'\"\\[\\]&*!? a-ez\n\té\u{f0000}]{0,60}", open in 0..4usize) {
        let open = ["", "{{ ", "{% if ", "kind: "][open];
        let fleet = fleet(&[("templates/t", &format!("{open}{text}")), ("templates/u", "{{ include('s') }}"), ("snippets/s", &text)], VARS);
        if let Ok(renderer) = Renderer::new(&fleet) {
            for cluster in fleet.clusters.keys() {
                if let Ok(rendered) = renderer.render(cluster) {
                    renderer.trace(&rendered).unwrap();
                }
            }
        }
    }

    #[test]
    fn marks_never_change_a_text_without_tags(text in "[-{}%#: a\n\t]{0,40}") {
        let (plain, lines) = super::trace::unmark(&super::trace::mark(&text).unwrap());
        proptest::prop_assert_eq!((&plain, lines.len()), (&text, text.split_inclusive('\n').count()));
    }
}
