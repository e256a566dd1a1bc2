//! Go templates and what they become.

use serde_json::{Value as Json, json};

use super::{Host, JinjaStyle, translate};
use crate::gotemplate::Functions;

struct Here(Json);

impl Host for Here {
    fn values(&self) -> &Json {
        &self.0
    }

    fn renamed(&self, name: &str) -> Option<String> {
        (name == "clusterName").then(|| "cluster.name".to_owned())
    }

    fn snippet(&self, name: &str) -> Option<String> {
        (name == "image").then(|| "image.j2".to_owned())
    }
}

fn here() -> Here {
    Here(json!({
        "name": "a", "zones": ["a", "b"], "labels": {"x": "1"}, "spot": true, "nodes": {"min": 1, "types": ["m5"]},
        "groups": [{"name": "g", "zones": ["a"]}], "item": 1,
    }))
}

/// Each translation, or what has none.
fn translated(go: &str, style: JinjaStyle) -> String {
    let functions =
        Functions::sprig().with("include", "sm", |_, _| Ok(crate::gotemplate::Value::Nil));
    match translate("a.tpl", go, &functions, style, &here()) {
        Err(fault) => format!("fault: {}", fault.problem),
        Ok(Ok(text)) => text,
        Ok(Err(left)) => left
            .iter()
            .map(|l| format!("{:?}: {}", l.at.position(), l.what))
            .collect::<Vec<_>>()
            .join("; "),
    }
}

#[test]
fn each_construct_becomes_its_like() {
    for (go, jinja) in [
        ("n: {{ .name }}\n", "n: {{ name }}\n"),
        ("n: {{- .nodes.min -}}\n", "n: {{- nodes.min -}}\n"),
        ("n: {{ .clusterName }}", "n: {{ cluster.name }}"),
        ("{{/* why */}}\na: 1", "{# why #}\na: 1"),
        (
            "{{ if .spot }}\na: 1\n{{ else }}\na: 2\n{{ end }}\n",
            "{% if spot %}\na: 1\n{% else %}\na: 2\n{% endif %}\n",
        ),
        (
            "{{ if eq .name \"a\" }}x{{ else if .spot }}y{{ end }}",
            "{% if name == \"a\" %}x{% elif spot %}y{% endif %}",
        ),
        (
            "{{ if index . \"gpu\" }}x{{ end }}",
            "{% if gpu is defined and gpu %}x{% endif %}",
        ),
        (
            "{{ if and .spot (not .name) }}x{{ end }}",
            "{% if spot and (not name) %}x{% endif %}",
        ),
        (
            "{{- range .zones }}\n- {{ . }}\n{{- end }}\n",
            "{% for item_2 in zones %}\n- {{ item_2 }}\n{% endfor %}\n",
        ),
        (
            "{{ range $i, $z := .zones }}{{ $i }}{{ $z }}{{ end }}",
            "{% for z in zones %}{% set i = loop.index0 %}{{ i }}{{ z }}{% endfor %}",
        ),
        (
            "{{ range $k, $v := .labels }}{{ $k }}{{ $v }}{{ end }}",
            "{% for k, v in labels | dictsort(case_sensitive=true) %}{{ k }}{{ v }}{% endfor %}",
        ),
        (
            "{{ range .groups }}{{ .name }}{{ range .zones }}{{ . }}{{ $.name }}{{ end }}{{ end }}",
            "{% for item_2 in groups %}{{ item_2.name }}{% for item_3 in item_2.zones %}{{ item_3 }}{{ name }}{% endfor %}{% endfor %}",
        ),
        (
            "{{ with .nodes }}{{ .min }}{{ end }}",
            "{% with item_2 = nodes %}{% if item_2 %}{{ item_2.min }}{% endif %}{% endwith %}",
        ),
        (
            "{{ $zone := index .zones 0 }}{{ $zone }}",
            "{% set zone = zones[0] %}{{ zone }}",
        ),
        (
            "{{ .name | replace \".\" \"-\" | quote }}",
            "{{ name | replace(\".\", \"-\") | quote }}",
        ),
        (
            "{{ include \"image\" . | indent 4 }}",
            "{{ include(\"image.j2\") | indent(4) }}",
        ),
        (
            "{{ range .groups }}{{ include \"image\" . }}{{ end }}",
            "{% for item_2 in groups %}{{ include(\"image.j2\", **item_2) }}{% endfor %}",
        ),
        ("{{ template \"image\" . }}", "{{ include(\"image.j2\") }}"),
        ("{{ printf \"%s-%d\" .name 3 }}", "{{ name ~ \"-\" ~ 3 }}"),
        (
            "{{ default \"x\" .name }}",
            "{{ name | default(\"x\", true) }}",
        ),
        (
            "{{ range until (int .nodes.min) }}{{ . }}{{ end }}",
            "{% for item_2 in until(nodes.min | int) %}{{ item_2 }}{% endfor %}",
        ),
        ("{% raw %}", "{{ \"{%\" }} raw %}"),
    ] {
        assert_eq!(translated(go, JinjaStyle::Plain), jinja, "{go}");
    }
}

#[test]
fn the_exact_style_keeps_every_line_break() {
    assert_eq!(
        translated("{{ if .spot }}\na\n{{- end }}\n", JinjaStyle::Exact),
        "{%+ if spot +%}\na\n{%- endif +%}\n"
    );
    assert_eq!(
        translated("  {{ if .spot }}a{{ end }}\n", JinjaStyle::Plain),
        "  {%+ if spot %}a{% endif %}\n"
    );
}

#[test]
fn what_has_no_translation_is_named_with_its_place() {
    for (go, said) in [
        (
            "{{ define \"x\" }}y{{ end }}",
            "(1, 1): a template within the template (`define`, `block`)",
        ),
        (
            "a\n{{ . }}",
            "(2, 4): all values at once (`.` or `$` alone)",
        ),
        (
            "{{ regexFind \"a\" .name }}",
            "(1, 4): the function `regexFind`, called so",
        ),
        (
            "{{ include \"none\" . }}",
            "(1, 4): the snippet `none`, which is not there",
        ),
        (
            "{{ $x := 1 }}{{ range .zones }}{{ $x = 2 }}{{ end }}",
            "(1, 35): another value for the variable `$x`, which was declared outside of this loop",
        ),
        (
            "{{ printf \"%5s\" .name }}",
            "(1, 4): the function `printf`, called so",
        ),
    ] {
        assert_eq!(translated(go, JinjaStyle::Plain), said, "{go}");
    }
    assert!(translated("{{ if }}", JinjaStyle::Plain).starts_with("fault: "));
}
