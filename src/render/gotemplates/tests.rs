//! Go templates in a fleet: beside the other engine, with the fleet's vars and snippets.

use crate::render::Renderer;
use crate::render::tests::{check, fleet};

const DOCUMENT: &str = "apiVersion: v1\nkind: A\nmetadata: {name: a}\n";

fn document(rest: &str) -> String {
    format!("{DOCUMENT}{rest}")
}

fn rendered(files: &[(&str, &str)]) -> String {
    let all = check(files);
    all.strip_prefix(DOCUMENT).map(str::to_owned).unwrap_or(all)
}

#[test]
fn both_engines_render_one_cluster() {
    let go = document("x: {{ .name }} {{ .clusterName }} {{ .cluster.environment }}\n");
    let jinja = "apiVersion: v1\nkind: B\nmetadata: {name: b}\nw: {{ name }}\n";
    let text = rendered(&[
        ("templates/1.yaml.tpl", &go),
        ("templates/2.yaml.j2", jinja),
    ]);
    assert_eq!(
        text,
        "x: web prod-a.k8s prod\n---\napiVersion: v1\nkind: B\nmetadata: {name: b}\nw: web\n"
    );
}

#[test]
fn values_are_what_kops_reads() {
    let go = document("x: {{ .t }} {{ .big }} {{ .quoted }} {{ toJson .m }}\n");
    let vars = "t: yes\nbig: 1234567\nquoted: \"yes\"\nm: {n: 017}\n";
    let fleet = fleet(&[("templates/1.yaml.tpl", &go)], vars);
    let cluster = fleet.clusters.keys().next().unwrap();
    let text = Renderer::new(&fleet).unwrap().render(cluster).unwrap().text;
    assert_eq!(text, document("x: true 1.234567e+06 yes {\"false\":15}\n"));
}

#[test]
fn snippets_are_found_by_path_and_by_a_name_that_one_has() {
    let one = document("x: {{ include \"s.yaml\" . }}\n");
    assert_eq!(
        rendered(&[
            ("templates/1.tpl", &one),
            ("snippets/d/s.yaml", "{{ .pi }}")
        ]),
        "x: 1.5\n"
    );
    let both = [
        ("templates/1.tpl", one.as_str()),
        ("snippets/d/s.yaml", "1"),
        ("snippets/e/s.yaml", "2"),
    ];
    assert!(check(&both).contains(
        "the snippet `s.yaml` is there more than once: snippets/d/s.yaml, snippets/e/s.yaml"
    ));
    let path = document("x: {{ include \"e/s.yaml\" . }}\n");
    assert_eq!(
        rendered(&[("templates/1.tpl", &path), both[1], both[2]]),
        "x: 2\n"
    );
    let wrong = document("x: {{ include \"z.yaml\" . }}\n");
    assert!(
        check(&[("templates/1.tpl", &wrong), both[1]])
            .contains("there is no snippet `z.yaml`; did you mean `s.yaml`?")
    );
}

#[test]
fn a_snippet_without_an_ending_is_of_the_engine_that_takes_it() {
    let go = document("x: {{ include \"g\" . }}\n");
    let jinja = "apiVersion: v1\nkind: B\nmetadata: {name: b}\nw: {{ include(\"j\") }}\n";
    let files = [
        ("templates/1.tpl", go.as_str()),
        ("templates/2.j2", jinja),
        ("snippets/g", "{{ .pi | toString | quote }}"),
        ("snippets/j", "{{ name | upper }}"),
    ];
    assert!(check(&files).contains("x: \"1.5\"\n") && check(&files).contains("w: WEB\n"));
    let wrong = document("x: {{ include \"j\" . }}\n");
    let said = check(&[("templates/1.tpl", &wrong), files[3]]);
    assert!(
        said.starts_with("snippets/j:1:4: function \"name\" not defined"),
        "{said}"
    );
    assert!(said.contains("included from templates/1.tpl:4:7"), "{said}");
    assert!(
        check(&[("templates/1.tpl", &go), ("snippets/g.tpl", "{{ .pi ")])
            .contains("unclosed action")
    );
}

#[test]
fn faults_have_caret_chain_and_hint() {
    let one = document("x: {{ include \"s\" . }}\n");
    let said = check(&[
        ("templates/1.tpl", &one),
        ("snippets/s", "a: {{ .nested.aa }}"),
    ]);
    assert_eq!(
        said,
        "snippets/s:1:14: map has no entry for key \"aa\"\n  |\n1 | a: {{ .nested.aa }}\n  |              ^^^\n  = included from templates/1.tpl:4:7\n  = rendering prod-a.k8s\nhint: did you mean `a`?"
    );
}

#[test]
fn rendered_lines_know_their_template_line_and_their_var() {
    let go = document("l:\n{{- range .zones }}\n- {{ . }}\n{{- end }}\nc: {{ .count }}\n");
    let fleet = fleet(&[("templates/1.tpl", &go)], "zones: [b, a]\ncount: 3\n");
    let cluster = fleet.clusters.keys().next().unwrap();
    let renderer = Renderer::new(&fleet).unwrap();
    let rendered = renderer.render(cluster).unwrap();
    let trace = renderer.trace(&rendered).unwrap();
    let lines: Vec<u32> = (1..=7)
        .filter_map(|l| trace.line(l))
        .map(|l| l.line)
        .collect();
    assert_eq!(lines, [1, 2, 3, 4, 6, 6, 8]);
    assert_eq!(renderer.lines_of_var(&rendered, "count").unwrap(), [7]);
    assert_eq!(renderer.lines_of_var(&rendered, "zones").unwrap(), [5, 6]);
    assert_eq!(renderer.readers("count"), ["templates/1.tpl"]);
}
