//! Small templates, and what they print or say.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// What a template prints with these values, or the place and the message of its fault.
fn show(template: &str) -> String {
    let values = r#"{"a": 1, "big": 1234567, "s": "x", "l": ["p", "q"], "m": {"k": {"d": 2}, "b": null}, "nothing": null}"#;
    let json = serde_json::from_str(values).unwrap();
    run(template, &Value::from_json(&json), true)
}

fn run(template: &str, dot: &Value, strict: bool) -> String {
    let mut set = Templates::new(Functions::sprig());
    let options = TemplateOptions {
        strict,
        ..TemplateOptions::default()
    };
    let done = set
        .parse("t", "t", template)
        .and_then(|()| set.execute("t", dot, &options));
    match done {
        Ok(output) => output.text,
        Err(fault) => fault.to_string(),
    }
}

#[test]
fn values_print_as_go_prints_them() {
    for (template, expected) in [
        (
            "{{ .big }} {{ .l }} {{ .m }}",
            "1.234567e+06 [p q] map[b:<nil> k:map[d:2]]",
        ),
        ("{{ .nothing }} {{ .m.k.d }}", "<no value> 2"),
        ("{{ range $i, $e := .l }}{{ $i }}{{ $e }}{{ end }}", "0p1q"),
        (
            "{{ range $k, $v := .m }}{{ $k }}={{ $v }};{{ end }}",
            "b=<no value>;k=map[d:2];",
        ),
        (
            "{{ with .nothing }}A{{ else with .s }}{{ . }}{{ end }}",
            "x",
        ),
        (
            "{{ define \"t2\" }}[{{ . }}]{{ end }}{{ template \"t2\" .s }}",
            "[x]",
        ),
        (
            "{{ range 3 }}{{ if eq . 1 }}{{ continue }}{{ end }}{{ . }}{{ end }}",
            "02",
        ),
        (
            "{{ $x := 1 }}{{ range .l }}{{ $x = add $x 1 }}{{ end }}{{ $x }}",
            "3",
        ),
        ("{{ (index .l 1) | upper | printf \"%-3s|\" }}", "Q  |"),
        ("a {{- /* gone */ -}} b", "ab"),
    ] {
        assert_eq!(show(template), expected, "{template}");
    }
}

#[test]
fn faults_have_a_place_and_no_values() {
    for (template, expected) in [
        ("a\n{{ .m.x }}", "t:2:6: map has no entry for key \"x\""),
        ("{{ .nothing.x }}", "t:1:12: \"x\" of a value that is null"),
        ("{{ .s.x }}", "t:1:6: can't evaluate field x in type string"),
        (
            "{{ eq .a 1 }}",
            "t:1:4: error calling eq: incompatible types for comparison: float64 and int",
        ),
        (
            "{{ .a | upper }}",
            "t:1:9: wrong type for value; expected string; got float64",
        ),
        (
            "{{ range .s }}{{ end }}",
            "t:1:10: range can't iterate over a string",
        ),
        ("{{ nope }}", "t:1:4: function \"nope\" not defined"),
        ("{{ $v }}", "t:1:4: undefined variable \"$v\""),
        ("{{ template \"n\" }}", "t:1:1: template \"n\" not defined"),
        ("{{ if .a }}", "t:1:12: unexpected EOF"),
        (
            "{{ upper }}",
            "t:1:4: wrong number of args for upper: want 1 got 0",
        ),
        ("{{ break }}", "t:1:1: {{break}} outside {{range}}"),
        (
            "{{ now }}",
            "t:1:4: error calling now: there is no clock here: a rendering depends on its inputs alone",
        ),
        (
            "{{ env \"A\" }}",
            "t:1:4: error calling env: there is no environment here: a rendering depends on its inputs alone",
        ),
        (
            "{{ randAlpha 3 }}",
            "t:1:4: error calling randAlpha: nothing here is random: a rendering depends on its inputs alone",
        ),
    ] {
        assert_eq!(show(template), expected, "{template}");
    }
}

#[test]
fn what_would_never_end_is_an_error() {
    for template in [
        "{{ range until 1000 }}{{ range until 1000 }}{{ range until 1000 }}{{ end }}{{ end }}{{ end }}",
        "{{ define \"r\" }}{{ template \"r\" . }}{{ end }}{{ template \"r\" . }}",
        "{{ repeat 1000000000 \"abcdefgh\" }}",
        "{{ until 1000000000 }}",
        "{{ $s := \"xxxxxxxx\" }}{{ range until 64 }}{{ $s = print $s $s }}{{ end }}",
        "{{ $l := list 1 }}{{ range until 64 }}{{ $l = list $l $l }}{{ end }}{{ $l }}",
        "{{ $d := dict }}{{ $_ := set $d \"d\" $d }}{{ $d }}",
        "{{ $d := dict }}{{ $_ := set $d \"d\" $d }}{{ toJson $d }}",
        "{{ $d := dict }}{{ $_ := set $d \"d\" $d }}{{ deepCopy $d }}",
        "{{ replace \"\" (repeat 1000000 \"x\") (repeat 1000000 \"y\") }}",
        "{{ nindent 10000000 (repeat 1000 \"\\n\") }}",
    ] {
        let said = show(template);
        assert!(
            ["too many steps", "too deep", "too long"]
                .iter()
                .any(|w| said.contains(w)),
            "{template}: {}",
            said.chars().take(200).collect::<String>()
        );
    }
}

#[test]
fn what_is_deep_is_freed_without_recursion_or_refused() {
    assert_eq!(
        show("{{ $l := list }}{{ range until 200000 }}{{ $l = list $l }}{{ end }}{{ len $l }}"),
        "1"
    );
    let deep = format!("{{{{ {}1{} }}}}", "(".repeat(5_000), ")".repeat(5_000));
    assert!(show(&deep).contains("nested more than"));
    assert!(show(&"{{ if true }}".repeat(5_000)).contains("nested more than"));
}

#[test]
fn origins_lead_back_to_the_template() {
    let mut set = Templates::new(Functions::sprig());
    set.parse("t", "t", "a\n{{ range .l }}\n- {{ . }}\n{{ end }}z\n")
        .unwrap();
    let dot = Value::Map(Map::new(BTreeMap::from([(
        "l".into(),
        Value::List(List::texts(["p", "q"])),
    )])));
    let options = TemplateOptions {
        trace: true,
        ..TemplateOptions::default()
    };
    let output = set.execute("t", &dot, &options).unwrap();
    assert_eq!(output.text, "a\n\n- p\n\n- q\nz\n");
    let starts: Vec<(usize, usize)> = output
        .origins
        .iter()
        .map(|(to, from, _)| (*to, *from))
        .collect();
    assert_eq!(
        starts,
        [
            (0, 0),
            (2, 16),
            (5, 22),
            (6, 26),
            (7, 16),
            (10, 22),
            (11, 26),
            (12, 36)
        ]
    );
}

#[test]
fn fields_that_are_read_are_known() {
    let mut set = Templates::new(Functions::sprig());
    set.parse("t", "t", "{{ .a.b }}{{ range $.l }}{{ .x }}{{ end }}{{ if index . \"k\" \"n\" }}{{ end }}{{ (.c | upper) }}").unwrap();
    assert_eq!(set.reads("t"), ["a.b", "c", "k.n", "l", "x"]);
}

#[test]
fn loose_runs_print_no_value() {
    let dot = Value::Map(Map::new(BTreeMap::from([("m".into(), Value::Nil)])));
    assert_eq!(
        run("{{ .x }} {{ .x.y }} {{ default 1 .x }}", &dot, false),
        "<no value> <no value> 1"
    );
    assert!(run("{{ .m.x }}", &dot, false).contains("null"));
}

/// Pieces that templates are made of, and some that they are not.
const PIECES: [&str; 40] = [
    "{{",
    "}}",
    "{{-",
    "-}}",
    " ",
    "\n",
    ".",
    ".a",
    "$",
    "$x",
    ":=",
    "=",
    "|",
    "(",
    ")",
    "if ",
    "else",
    "end",
    "range ",
    "with ",
    "define \"d\"",
    "template \"d\" .",
    "block \"b\" .",
    "break",
    "continue",
    "nil",
    "true",
    "1",
    "-2.5",
    "\"s\"",
    "`r`",
    "'c'",
    "/* c */",
    "printf \"%v %d\" ",
    "index . \"a\"",
    "list ",
    "dict \"k\" ",
    "until 3",
    "é",
    ",",
];

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,60}") {
        let _said = show(&text);
    }

    #[test]
    fn no_mix_of_pieces_makes_it_panic(pieces in proptest::collection::vec(0..PIECES.len(), 0..30)) {
        let text: String = pieces.iter().map(|i| PIECES[*i]).collect();
        let _said = show(&text);
    }

    #[test]
    fn no_format_makes_it_panic(format in "[%+\\- #0-9.*\\[\\]vTtbcdoqxXUeEfFgGspé]{0,16}") {
        let call = format!("{{{{ printf `{format}` .a .s .l .m .nothing 3 -1 }}}}");
        let _said = show(&call);
    }
}
