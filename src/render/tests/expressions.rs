//! Expressions one by one, and what each prints.

use super::*;

/// What one expression prints, or the message alone.
fn expression(source: &str) -> String {
    let template = format!(
        "{{% set text_of %}}{source}{{% endset %}}apiVersion: v1\nkind: K\nmetadata: {{name: x}}\nout: {{{{ text_of | to_json }}}}\n"
    );
    let fleet = fleet(
        &[
            ("templates/t.yaml", &template),
            (
                "snippets/s.txt",
                "{{ name }}-{{ extra | default('none') }}\n",
            ),
        ],
        VARS,
    );
    match render(&fleet, fleet.clusters.keys().next().unwrap()) {
        Ok(rendered) => rendered.documents[0]
            .document
            .root
            .get("out")
            .unwrap()
            .as_str()
            .unwrap()
            .to_owned(),
        Err(RenderError::Template(fault)) => format!("error: {}", fault.message),
        Err(other) => format!("error: {other}"),
    }
}

/// Each expression, and what it prints.
fn expressions(cases: &[(&str, &str)]) {
    let mut wrong = String::new();
    for (source, expected) in cases {
        let got = expression(source);
        if got != *expected {
            wrong.push_str(&format!(
                "{source}\n  expected {expected:?}\n  got      {got:?}\n"
            ));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn printing_and_inclusion() {
    expressions(&[
        (
            "{{ name }} {{ n }} {{ pi }} {{ flag }} {{ off }} {{ nothing }}",
            "web 3 1.5 true false null",
        ),
        (
            "{{ zones }}",
            "error: a list cannot be printed as it is; use `| to_yaml`, `| to_json` or `| join(\",\")`",
        ),
        (
            "{{ nested }}",
            "error: a map cannot be printed as it is; use `| to_yaml` or `| to_json`",
        ),
        ("{{ nope }}", "error: `nope` is undefined"),
        (
            "{{ nested.a.nope.deeper }}",
            "error: `nested.a.nope` is undefined",
        ),
        (
            "{{ 'q' if off }}",
            "error: this expression has no value here; an `if` without `else`?",
        ),
        (
            "{{ cluster.name }} {{ cluster.environment }} {{ cluster.account }} {{ cluster.region }}",
            "prod-a.k8s prod 111122223333 eu-west-3",
        ),
        ("{{ fleet.clusters | join(' ') }}", "prod-a.k8s"),
        // include
        ("{{ include('s.txt') }}", "web-none"),
        ("{{ include('s.txt', extra='more', name='db') }}", "db-more"),
        (
            "{% set extra = 'local' %}{{ include('s.txt') }}",
            "web-local",
        ),
        (
            "{% for extra in zones %}{{ include('s.txt') }} {% endfor %}",
            "web-b web-a web-b ",
        ),
        (
            "{% macro m(extra) %}{{ include('s.txt') }}{% endmacro %}{{ m('arg') }}",
            "web-arg",
        ),
        ("{% include 's.txt' %}", "web-none\n"),
    ]);
}

#[test]
fn texts() {
    expressions(&[
        ("{{ text | indent(2) }}", "one\n  two"),
        ("{{ text | indent(2, true) }}", "  one\n  two"),
        ("{{ text | nindent(2) }}", "\n  one\n  two"),
        ("{{ 'a\n\nb' | nindent(1) }}", "\n a\n\n b"),
        (
            "{{ n | quote }} {{ 'a\"b\\\\' | quote }} {{ flag | quote }}",
            "\"3\" \"a\\\"b\\\\\" \"true\"",
        ),
        (
            "{{ nothing | quote }}",
            "error: null in quotes would be the word \"null\"; give it a default",
        ),
        ("{{ \"it's\" | squote }}", "'it''s'"),
        (
            "{{ text | squote }}",
            "error: text with line breaks or control characters does not fit in single quotes; use quote",
        ),
        (
            "{{ ' x ' | trim }}|{{ 'aB' | lower }}|{{ 'aB' | upper }}|{{ 'a-b' | replace('-', '_') }}",
            "x|ab|AB|a_b",
        ),
        (
            "{{ 'v1.2' | trim_prefix('v') }} {{ 'a.yaml' | trim_suffix('.yaml') }}",
            "1.2 a",
        ),
        (
            "{{ zones | join('+') }} {{ [1, true, none] | join(',') }}",
            "b+a+b 1,true,null",
        ),
        (
            "{{ 'a,b' | split(',') | to_json }} {{ split_list('a b', ' ') | to_json }}",
            "[\"a\",\"b\"] [\"a\",\"b\"]",
        ),
        (
            "{{ 'abc' | contains('b') }} {{ zones | contains('c') }} {{ contains(nested, 'a') }}",
            "true false true",
        ),
        (
            "{{ 'abc' | starts_with('a') }} {{ has_prefix('abc', 'b') }} {{ 'abc' | ends_with('c') }} {{ 'abc' | has_suffix('b') }}",
            "true false true false",
        ),
    ]);
}

#[test]
fn choices() {
    expressions(&[
        (
            "{{ nope | default('d') }} {{ nothing | default('d') }} {{ empty | default('d') }} {{ empty | default('d', true) }} {{ n | default(1) }}",
            "d d  d 3",
        ),
        (
            "{{ nested.nope | default('d') }} {{ default(nested.a.nope, 'd') }}",
            "d d",
        ),
        (
            "{{ nested | dig('a.b', 'd') }} {{ nested | dig('a.x.y', 'd') }} {{ dig(nested, 'x.y.z', 'd') }}",
            "deep d d",
        ),
    ]);
}

#[test]
fn what_is_required_is_given_or_an_error() {
    expressions(&[
        (
            "{{ name | required('give a name') }} {{ required('give a name', name) }}",
            "web web",
        ),
        ("{{ nope | required('give a name') }}", "error: give a name"),
        ("{{ required('give a name', empty) }}", "error: give a name"),
        (
            "{{ flag | ternary('y', 'n') }} {{ ternary(off, 'y', 'n') }}",
            "y n",
        ),
        ("{{ coalesce(nope, nothing, empty, 'last') }}", "last"),
        (
            "{{ coalesce(nope) }}",
            "error: every value given to coalesce is empty",
        ),
    ]);
}

#[test]
fn encodings() {
    expressions(&[
        (
            "{{ nested | to_yaml }}",
            "a:\n  b: deep\nlist:\n- 1\n- x: \"y\"",
        ),
        (
            "{{ 'no' | to_yaml }} {{ nothing | to_yaml }}",
            "\"no\" null",
        ),
        (
            "{{ [nope] | to_yaml }}",
            "error: a value inside this list or map is undefined",
        ),
        (
            "{{ {'k': nope} | to_json }}",
            "error: a value inside this list or map is undefined",
        ),
        (
            "{{ nested | to_json }} {{ \"it's <b>\" | tojson }}",
            "{\"a\":{\"b\":\"deep\"},\"list\":[1,{\"x\":\"y\"}]} \"it's <b>\"",
        ),
        (
            "{{ ('a: [1, no]' | from_yaml).a | to_json }} {{ from_json('{\"a\": 1}').a }}",
            "[1,\"no\"] 1",
        ),
        (
            "{{ 'a: [' | from_yaml }}",
            "error: no YAML, at 2:1: while parsing a node, did not find expected node content",
        ),
        ("{{ '{' | from_json }}", "error: no JSON, at 1:1"),
        (
            "{{ 'hello' | b64enc }} {{ b64dec('aGVsbG8=') }}",
            "aGVsbG8= hello",
        ),
        ("{{ '%' | b64dec }}", "error: this is not base64"),
        (
            "{{ 'x' | sha256sum }}",
            "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881",
        ),
    ]);
}

#[test]
fn collections() {
    expressions(&[
        (
            "{{ nested | keys | to_json }} {{ values({'a': 1, 'b': 2}) | to_json }}",
            "[\"a\",\"list\"] [1,2]",
        ),
        (
            "{{ nested | has_key('a') }} {{ has_key(nested, 'b') }}",
            "true false",
        ),
        (
            "{{ merge({'a': 1, 'm': {'x': 1}}, {'a': 2, 'b': 3, 'm': {'y': 2}}) | to_json }}",
            "{\"a\":1,\"m\":{\"x\":1,\"y\":2},\"b\":3}",
        ),
        (
            "{{ {'a': 1} | merge_overwrite({'a': 2}, {'b': 3}) | to_json }}",
            "{\"a\":2,\"b\":3}",
        ),
        (
            "{{ merge(name, nested) | to_json }}",
            "error: a map is needed, and this is a string",
        ),
        (
            "{{ until(3) | to_json }} {{ seq(2, 4) | to_json }} {{ until(0) | to_json }}",
            "[0,1,2] [2,3,4] []",
        ),
        (
            "{{ until(1000000) | to_json }}",
            "error: a list of more than 100000 numbers",
        ),
        (
            "{{ dict('a', 1, 'b', 2) | to_json }} {{ dict(a=1) | to_json }} {{ list(1, 'x') | to_json }}",
            "{\"a\":1,\"b\":2} {\"a\":1} [1,\"x\"]",
        ),
        (
            "{{ dict('a') | to_json }}",
            "error: dict needs a value for each key",
        ),
        (
            "{{ zones | uniq | to_json }} {{ zones | sort | to_json }} {{ zones | first }} {{ last(zones) }}",
            "[\"b\",\"a\"] [\"a\",\"b\",\"b\"] b b",
        ),
        (
            "{{ '7' | int + 1 }} {{ float('1.5') * 2 }} {{ true | string }}",
            "8 3.0 true",
        ),
        (
            "{{ autoscaler_labels({'pool': 'x'}, ['dedicated=api:NoSchedule', 'k:NoExecute', {'key': 'a', 'effect': 'NoSchedule'}]) | to_yaml }}",
            "k8s.io/cluster-autoscaler/enabled: \"true\"\nk8s.io/cluster-autoscaler/prod-a.k8s: owned\nk8s.io/cluster-autoscaler/node-template/label/pool: x\nk8s.io/cluster-autoscaler/node-template/taint/dedicated: api:NoSchedule\nk8s.io/cluster-autoscaler/node-template/taint/k: \":NoExecute\"\nk8s.io/cluster-autoscaler/node-template/taint/a: \":NoSchedule\"",
        ),
        (
            "{{ autoscaler_labels() | keys | join(' ') }}",
            "k8s.io/cluster-autoscaler/enabled k8s.io/cluster-autoscaler/prod-a.k8s",
        ),
        (
            "{{ autoscaler_labels({}, ['x']) }}",
            "error: a taint is written key=value:Effect, or as a map with key, value and effect",
        ),
    ]);
}

#[test]
fn what_must_not_be_there() {
    expressions(&[
        ("{{ debug() }}", "error: there is no function `debug`"),
        ("{{ name | pprint }}", "error: there is no filter `pprint`"),
        ("{{ now() }}", "error: there is no function `now`"),
        ("{{ zones | random }}", "error: there is no filter `random`"),
    ]);
}
