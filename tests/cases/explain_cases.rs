//! `kfleet explain` and `kfleet schema` on a small fleet: what was asked in, the exact text out.

use std::path::Path;
use std::process::Command;

const FILES: [(&str, &str); 10] = [
    (
        "fleet.yaml",
        "version: 1\nstages:\n  - {name: all, clusters: {environment: prod}}\n",
    ),
    (
        "clusters/a.k8s.yaml",
        "# A cluster.\nenvironment: prod\nregion: eu-west-3\naccount: \"111122223333\"\n",
    ),
    (
        "clusters/b.k8s.yaml",
        "name: bb.k8s\nenvironment: prod\nregion: eu-west-3\naccount: \"111122223333\"\ntemplates: [1_settings]\n",
    ),
    (
        "vars/defaults.yaml",
        "image: one\npools:\n  small: {min: 1, max: 5}\n  large: {min: 0, max: 2}\nvolume: big\nunused: 1\nlabels: {k8s.io/x: \"1\"}\ndisk: small\n",
    ),
    (
        "vars/prod.yaml",
        "pools:\n  small: {max: 10}\ndisk: {size: 2}\n",
    ),
    (
        "vars/a.k8s.yaml",
        "image: two\npools:\n  small: {max: 20}\n",
    ),
    (
        "templates/1_settings.j2",
        "kind: Settings\napiVersion: v1\nmetadata:\n  name: {{ cluster.name }}\nlabel: {{ labels[\"k8s.io/x\"] | quote }}\n",
    ),
    (
        "templates/2_pools.j2",
        "{% for name, pool in pools | items %}\n---\nkind: Pool\napiVersion: v1\nmetadata:\n  name: {{ name }}\n  namespace: ns\n{% if name == \"small\" %}\nimage: {{ image }}\n{% endif %}\nmax: {{ pool.max }}\n{{ include(\"volume_\" ~ volume ~ \".yaml\") }}\n{% endfor %}\n",
    ),
    ("snippets/volume_big.yaml", "# Gigabytes.\nsize: 100\n"),
    ("snippets/volume_tiny.yaml", "size: 1\n"),
];

fn check(arguments: &[&str], code: i32, expected: &str) {
    let dir = tempfile::tempdir().unwrap();
    for (path, text) in FILES {
        let path = dir.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let (found, text) = kfleet(dir.path(), arguments);
    assert_eq!((found, text.as_str()), (code, expected), "{arguments:?}");
}

fn kfleet(folder: &Path, arguments: &[&str]) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_kfleet"))
        .arg("-C")
        .arg(folder)
        .args(arguments)
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    (
        output.status.code().unwrap_or(-1),
        String::from_utf8(text).unwrap(),
    )
}

#[test]
fn a_value_says_where_it_was_set_and_what_it_writes() {
    let chain = "\
pools.small.max = 20
  set in     vars/a.k8s.yaml:3
  overrides  10 of vars/prod.yaml:2
             5 of vars/defaults.yaml:3
  read by    templates/2_pools.j2
  writes     1 line of rendered/a.k8s/manifests.yaml
       13 | max: 20
";
    check(&["explain", "a.k8s", "pools.small.max"], 0, chain);
    let unread = "unused = 1\n  set in     vars/defaults.yaml:6\n  read by    no template of this cluster\n  writes     no line by itself\n";
    check(&["explain", "a.k8s", "unused"], 0, unread);
    let map = "\
disk.size = 2
  set in     vars/prod.yaml:3
  overrides  small of vars/defaults.yaml:8
  read by    no template of this cluster
  writes     no line by itself
";
    check(&["explain", "a.k8s", "disk"], 0, map);
    let label = "\
labels.k8s.io/x = 1
  set in     vars/defaults.yaml:7
  read by    templates/1_settings.j2
  writes     1 line of rendered/a.k8s/manifests.yaml
        5 | label: \"1\"
";
    check(&["explain", "a.k8s", "labels.k8s.io/x"], 0, label);
}

#[test]
fn a_map_is_explained_leaf_by_leaf() {
    let text = "\
pools.large.min = 0
  set in     vars/defaults.yaml:4
  read by    templates/2_pools.j2
  writes     no line by itself

pools.large.max = 2
  set in     vars/defaults.yaml:4
  read by    templates/2_pools.j2
  writes     1 line of rendered/a.k8s/manifests.yaml
       22 | max: 2
";
    check(&["explain", "a.k8s", "pools.large"], 0, text);
}

#[test]
fn a_fact_of_the_cluster_comes_from_its_file() {
    let writes = "  read by    templates/1_settings.j2\n  writes     1 line of rendered/";
    let name = format!(
        "cluster.name = a.k8s\n  set in     clusters/a.k8s.yaml\n{writes}a.k8s/manifests.yaml\n        4 |   name: a.k8s\n"
    );
    check(&["explain", "a.k8s", "cluster.name"], 0, &name);
    let named = format!(
        "cluster.name = bb.k8s\n  set in     clusters/b.k8s.yaml:1\n{writes}bb.k8s/manifests.yaml\n        4 |   name: bb.k8s\n"
    );
    check(&["explain", "bb.k8s", "cluster.name"], 0, &named);
}

#[test]
fn only_templates_of_the_cluster_count() {
    let text = "image = one\n  set in     vars/defaults.yaml:1\n  read by    no template of this cluster\n  writes     no line by itself\n";
    check(&["explain", "bb.k8s", "image"], 0, text);
}

#[test]
fn a_document_says_its_template_and_its_inputs() {
    let small = "\
Pool/ns/small
  made by    templates/2_pools.j2
  lines      7 to 15 of rendered/a.k8s/manifests.yaml
  vars       image            vars/a.k8s.yaml:1
             pools.small.max  vars/a.k8s.yaml:3
             volume           vars/defaults.yaml:5
  snippets   snippets/volume_big.yaml
";
    check(&["explain", "a.k8s", "--doc", "Pool/small"], 0, small);
    check(&["explain", "a.k8s", "--doc", "Pool/ns/small"], 0, small);
    let settings = "\
Settings/a.k8s
  made by    templates/1_settings.j2
  lines      1 to 5 of rendered/a.k8s/manifests.yaml
  vars       labels.k8s.io/x  vars/defaults.yaml:7
  snippets   none
";
    check(
        &["explain", "a.k8s", "--doc", "Settings/a.k8s"],
        0,
        settings,
    );
}

#[test]
fn what_is_misspelt_is_suggested() {
    for (path, hint) in [
        ("pool.small.max", "did you mean `pools`?"),
        ("pools.smal.max", "did you mean `pools.small`?"),
        ("pools.small.mxa", "did you mean `pools.small.max`?"),
        (
            "pools.small.max.x",
            "`pools.small.max` is one value, set as a whole: explain that",
        ),
        ("pools.banana", "there are small, large"),
        ("", "there are image, pools, volume, unused, labels, disk"),
    ] {
        check(
            &["explain", "a.k8s", path],
            1,
            &format!("error: a.k8s has no var `{path}`\nhint: {hint}\n"),
        );
    }
    check(
        &["explain", "a.k8s", "cluster.nam"],
        1,
        "error: a cluster has no `nam`\nhint: did you mean `cluster.name`?\n",
    );
    check(
        &["explain", "b.k8s", "image"],
        1,
        "error: the fleet has no cluster `b.k8s`\nhint: did you mean `a.k8s`?\n",
    );
    let document =
        "error: a.k8s has no document `Pool/smal`\nhint: did you mean `Pool/ns/small`?\n";
    check(&["explain", "a.k8s", "--doc", "Pool/smal"], 1, document);
}

#[test]
fn machines_get_the_same() {
    let json = r#"{
  "version": 1,
  "cluster": "a.k8s",
  "rendered": "rendered/a.k8s/manifests.yaml",
  "explained": [
    {
      "path": "image",
      "value": "two",
      "set_in": "vars/a.k8s.yaml:1",
      "overrode": [
        {
          "value": "one",
          "set_in": "vars/defaults.yaml:1"
        }
      ],
      "read_by": [
        "templates/2_pools.j2"
      ],
      "writes": [
        {
          "line": 12,
          "text": "image: two"
        }
      ]
    }
  ]
}
"#;
    check(&["explain", "a.k8s", "image", "--format", "json"], 0, json);
    check(
        &["explain", "a.k8s", "image", "--format", "yaml"],
        1,
        "error: invalid value 'yaml' for '--format <FORMAT>'\n  [possible values: text, json]\n\nFor more information, try '--help'.\n",
    );
}

#[test]
fn schemas_are_printed_for_editors() {
    for (file, title) in [
        ("fleet", "fleet.yaml of kfleet"),
        ("cluster", "clusters/NAME.yaml of kfleet"),
    ] {
        let (code, text) = kfleet(Path::new("."), &["schema", file]);
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!((code, value["title"].as_str()), (0, Some(title)));
    }
}
