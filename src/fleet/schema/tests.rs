//! The schemas of our files say what serde says; the subset of JSON Schema as data: schema, value, faults.

use std::fmt::Write as _;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde_json::json;

use super::super::document::ParsedFile;
use super::super::file::{
    ByEnvironment, ByName, ClusterFile, DrainFile, FleetFile, FreezeFile, KopsFile, KubernetesFile,
    RateFile, RollbackFile, RollingFile, StageFile, WaveFile,
};
use super::super::gates::GateFile;
use super::super::{CallRate, FleetError};
use super::*;

/// The keys that serde knows.
fn keys<T: DeserializeOwned + std::fmt::Debug>() -> Vec<String> {
    let error = ParsedFile::parse("f", "zzz: 1\n".into())
        .unwrap()
        .decode::<T>()
        .unwrap_err();
    let faults = if let FleetError::Faults(faults) = error {
        faults
    } else {
        vec![error]
    };
    let known = faults.into_iter().find_map(|fault| {
        let FleetError::UnknownKey { mut known, .. } = fault else {
            return None;
        };
        known.sort();
        Some(known)
    });
    known.unwrap()
}

#[test]
fn our_schemas_have_the_keys_of_our_files() {
    let fleet: Json = serde_json::from_str(FLEET_SCHEMA).unwrap();
    let cluster: Json = serde_json::from_str(CLUSTER_SCHEMA).unwrap();
    let cases: [(&Json, &str, Vec<String>); 15] = [
        (&fleet, "", keys::<FleetFile>()),
        (&fleet, "/$defs/stage", keys::<StageFile>()),
        (&fleet, "/$defs/by_environment", keys::<ByEnvironment>()),
        (&fleet, "/$defs/by_name", keys::<ByName>()),
        (&fleet, "/$defs/wave", keys::<WaveFile>()),
        (&fleet, "/$defs/freeze", keys::<FreezeFile>()),
        (&fleet, "/$defs/rolling", keys::<RollingFile>()),
        (&fleet, "/properties/rollback", keys::<RollbackFile>()),
        (&fleet, "/$defs/rate", keys::<RateFile>()),
        (&fleet, "/$defs/call_rate", keys::<CallRate>()),
        (&fleet, "/$defs/drain", keys::<DrainFile>()),
        (&fleet, "/$defs/gate", keys::<GateFile>()),
        (&cluster, "", keys::<ClusterFile>()),
        (&cluster, "/properties/kubernetes", keys::<KubernetesFile>()),
        (&cluster, "/properties/kops", keys::<KopsFile>()),
    ];
    for (schema, pointer, known) in cases {
        let place = schema.pointer(pointer).unwrap();
        assert_eq!(property_names(place), known, "{pointer}");
        assert_eq!(place["additionalProperties"], json!(false), "{pointer}");
    }
}

fn property_names(schema: &Json) -> Vec<String> {
    let mut names: Vec<String> = schema["properties"]
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect();
    names.sort();
    names
}

#[test]
fn our_schemas_require_what_our_files_require() {
    fn check<T: DeserializeOwned>(schema: &str, pointer: &str, whole: &Json) {
        let schema: Json = serde_json::from_str(schema).unwrap();
        let required = schema.pointer(pointer).unwrap()["required"]
            .as_array()
            .unwrap()
            .clone();
        let decodes = |value: &Json| {
            ParsedFile::parse("f", value.to_string())
                .unwrap()
                .decode::<T>()
                .is_ok()
        };
        assert!(decodes(whole), "{whole}");
        assert_eq!(
            whole.as_object().unwrap().len(),
            required.len(),
            "{pointer}"
        );
        for key in required {
            let mut less = whole.clone();
            less.as_object_mut()
                .unwrap()
                .remove(key.as_str().unwrap())
                .unwrap();
            assert!(!decodes(&less), "{pointer} {key}");
        }
    }
    check::<FleetFile>(FLEET_SCHEMA, "", &json!({"version": 1, "stages": []}));
    check::<StageFile>(
        FLEET_SCHEMA,
        "/$defs/stage",
        &json!({"name": "a", "clusters": []}),
    );
    check::<FreezeFile>(
        FLEET_SCHEMA,
        "/$defs/freeze",
        &json!({"from": "", "to": "", "timezone": ""}),
    );
    check::<RateFile>(
        FLEET_SCHEMA,
        "/$defs/rate",
        &json!({"instances": 1, "per": "1m"}),
    );
    check::<CallRate>(
        FLEET_SCHEMA,
        "/$defs/call_rate",
        &json!({"burst": 1, "per_second": 1}),
    );
    check::<GateFile>(
        FLEET_SCHEMA,
        "/$defs/gate",
        &json!({"name": "a", "kind": "asg"}),
    );
    check::<ClusterFile>(
        CLUSTER_SCHEMA,
        "",
        &json!({"environment": "a", "region": "b", "account": "111122223333"}),
    );
    check::<KubernetesFile>(
        CLUSTER_SCHEMA,
        "/properties/kubernetes",
        &json!({"context": "a"}),
    );
}

#[test]
fn the_bundled_files_are_valid() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let value = |path: &Path| {
        parse_one(&std::fs::read_to_string(path).unwrap(), Yaml::Core)
            .unwrap()
            .to_json()
    };
    assert_eq!(
        JsonSchema::parse(FLEET_SCHEMA)
            .unwrap()
            .check(&value(&root.join("fleet.yaml"))),
        []
    );
    let schema = JsonSchema::parse(CLUSTER_SCHEMA).unwrap();
    let mut files = 0;
    for entry in std::fs::read_dir(root.join("clusters")).unwrap() {
        assert_eq!(schema.check(&value(&entry.unwrap().path())), []);
        files += 1;
    }
    assert_eq!(files, 5);
}

/// A line a fault.
fn faults(schema: &str, value: &Json) -> String {
    let schema = match JsonSchema::parse(schema) {
        Ok(schema) => schema,
        Err(errors) => {
            let told = |error: &SchemaError| {
                let hint = error.hint.iter().map(|h| format!(" ({h})"));
                format!("schema {error}{}", hint.collect::<String>())
            };
            return errors.iter().map(told).collect::<Vec<_>>().join("\n");
        }
    };
    let mut out = String::new();
    for fault in schema.check(value) {
        let near = fault.near.map(|n| format!(" ({n}?)")).unwrap_or_default();
        writeln!(out, "{}: {}{near}", fault.path.join("."), fault.message).unwrap();
    }
    out
}

/// Schemas of single values, a value each, and what is wrong with it.
fn of_scalars() -> Vec<(&'static str, serde_json::Value, &'static str)> {
    vec![
        ("true", json!(1), ""),
        ("false", json!(1), ": may not be there\n"),
        (r#"{"type": "integer"}"#, json!(1.0), ""),
        (
            r#"{"type": "integer"}"#,
            json!(1.5),
            ": has to be a whole number, and this is a number\n",
        ),
        (
            r#"{"type": ["string", "null"], "minLength": 1}"#,
            json!(1),
            ": has to be a string or null, and this is a number\n",
        ),
        (
            r#"{"enum": ["b", "a", 1]}"#,
            json!("secret"),
            ": has to be one of 1, a, b\n",
        ),
        (r#"{"const": {"a": 1}}"#, json!({"a": 1}), ""),
        (r#"{"const": 1}"#, json!(2), ": has to be 1\n"),
        (
            r#"{"minimum": 1, "maximum": 3}"#,
            json!(0),
            ": has to be at least 1\n",
        ),
        (
            r#"{"minimum": 1, "maximum": 3}"#,
            json!(3.5),
            ": has to be at most 3\n",
        ),
        (r#"{"minimum": 1}"#, json!("x"), ""),
        (
            r#"{"exclusiveMinimum": 1}"#,
            json!(1),
            ": has to be above 1\n",
        ),
        (
            r#"{"exclusiveMaximum": 1}"#,
            json!(1),
            ": has to be below 1\n",
        ),
        (
            r#"{"minLength": 2, "maxLength": 3}"#,
            json!("é"),
            ": has to have at least 2 characters\n",
        ),
        (
            r#"{"maxLength": 1}"#,
            json!("éé"),
            ": has to have at most 1 character\n",
        ),
        (r#"{"pattern": "b+"}"#, json!("abc"), ""),
        (
            r#"{"pattern": "^b+$"}"#,
            json!("abc"),
            ": has to match `^b+$`\n",
        ),
    ]
}

/// The same of lists and mappings.
fn of_collections() -> Vec<(&'static str, serde_json::Value, &'static str)> {
    vec![
        (
            r#"{"minItems": 1}"#,
            json!([]),
            ": has to have at least 1 item\n",
        ),
        (
            r#"{"maxItems": 1}"#,
            json!([1, 2]),
            ": has to have at most 1 item\n",
        ),
        (
            r#"{"uniqueItems": true}"#,
            json!([1, {"a": 1}, {"a": 1}]),
            ": has an item twice\n",
        ),
        (
            r#"{"items": {"type": "string"}}"#,
            json!(["a", 1, null]),
            "1: has to be a string, and this is a number\n2: has to be a string, and this is null\n",
        ),
        (
            r#"{"required": ["a", "b"]}"#,
            json!({"a": 1}),
            ": has no `b`\n",
        ),
        (
            r#"{"properties": {"maximum": {}}, "additionalProperties": false}"#,
            json!({"maximun": 1}),
            "maximun: is unknown (maximum?)\n",
        ),
        (
            r#"{"properties": {"a": false}}"#,
            json!({"a": 1, "b": 1}),
            "a: may not be there\n",
        ),
        (
            r#"{"properties": {"a": {}}, "additionalProperties": {"type": "null"}}"#,
            json!({"a": 1, "b": 1}),
            "b: has to be null, and this is a number\n",
        ),
        (
            r#"{"patternProperties": {"^x": {"type": "null"}}, "additionalProperties": false}"#,
            json!({"x1": 1, "y": 1}),
            "x1: has to be null, and this is a number\ny: is unknown\n",
        ),
    ]
}

/// The same of schemas made of schemas.
fn of_schemas() -> Vec<(&'static str, serde_json::Value, &'static str)> {
    let recursive = r##"{"$ref": "#/$defs/tree", "$defs": {"tree": {"type": "object", "additionalProperties": {"$ref": "#/$defs/tree"}}}}"##;
    vec![
        (
            r#"{"allOf": [{"minimum": 2}, {"maximum": 0}]}"#,
            json!(1),
            ": has to be at least 2\n: has to be at most 0\n",
        ),
        (
            r#"{"anyOf": [{"type": "string"}, {"minimum": 2}]}"#,
            json!(3),
            "",
        ),
        (
            r#"{"anyOf": [{"type": "string"}, {"type": "integer", "minimum": 2}]}"#,
            json!(1),
            ": has to be at least 2\n",
        ),
        (
            r#"{"anyOf": [{"type": "string"}, {"type": "null"}]}"#,
            json!(1),
            ": fits none of the 2 forms it may have\n",
        ),
        (
            r#"{"oneOf": [{"minimum": 2}, {"minimum": 3}]}"#,
            json!(3),
            ": fits more than one of the forms that exclude each other\n",
        ),
        (
            r#"{"oneOf": [{"minimum": 2}, {"minimum": 3}]}"#,
            json!(2),
            "",
        ),
        (recursive, json!({"a": {"b": {}}}), ""),
        (
            recursive,
            json!({"a": {"b": 1}}),
            "a.b: has to be a mapping, and this is a number\n",
        ),
    ]
}

#[test]
fn values_are_checked_by_every_keyword() {
    let cases = [of_scalars(), of_collections(), of_schemas()].concat();
    for (schema, value, expected) in cases {
        assert_eq!(faults(schema, &value), expected, "{schema} {value}");
    }
}

#[test]
fn a_schema_is_understood_or_refused() {
    for (schema, expected) in [
        (
            r#"{"format": "ipv4"}"#,
            "schema 1:2: the keyword `format` is not supported (there are type, enum, const, properties, patternProperties, additionalProperties, required, items, minItems, maxItems, uniqueItems, minimum, maximum, exclusiveMinimum, exclusiveMaximum, minLength, maxLength, pattern, allOf, anyOf, oneOf, $ref, $defs)",
        ),
        (
            r#"{"properties": {"a": {"minimun": 1}}}"#,
            "schema 1:23: the keyword `minimun` is not supported (did you mean `minimum`?)",
        ),
        (
            r#"{"type": "text"}"#,
            "schema 1:10: there is no type `text`",
        ),
        (
            r#"{"pattern": "(?=a)"}"#,
            "schema 1:13: this regular expression cannot be used: look-around is not supported",
        ),
        (
            r#"{"required": "a"}"#,
            "schema 1:14: `required` has to be a list, and this is a string",
        ),
        (
            r#"{"minLength": -1}"#,
            "schema 1:15: `minLength` has to be a whole number from 0",
        ),
        (r#"{"anyOf": []}"#, "schema 1:11: `anyOf` has no schemas"),
        (
            r#"{"items": [1]}"#,
            "schema 1:11: a schema is a mapping, true or false, and this is a list",
        ),
        (
            r##"{"$ref": "#/$defs/zoen", "$defs": {"zone": {}}}"##,
            "schema 1:10: `$defs` has no `zoen` (did you mean `#/$defs/zone`?)",
        ),
        (
            r##"{"$ref": "other.json#/a"}"##,
            "schema 1:10: `$ref` has to be #/$defs/NAME",
        ),
        (
            r##"{"$defs": {"a": {"anyOf": [{"$ref": "#/$defs/b"}]}, "b": {"$ref": "#/$defs/a"}}}"##,
            "schema 1:12: `a` is defined by itself",
        ),
        (
            r#"{"items": {"$defs": {}}}"#,
            "schema 1:12: `$defs` stands at the top of the schema only",
        ),
        (
            r#"{"type": "text", "items": [1], "required": ["a", 1], "anyOf": [{"minItems": "x"}, {}], "$ref": "no"}"#,
            "schema 1:10: there is no type `text`\nschema 1:27: a schema is a mapping, true or false, and this is a list\n\
             schema 1:50: `required` has to be a string, and this is a number\nschema 1:77: `minItems` has to be a whole number from 0\n\
             schema 1:96: `$ref` has to be #/$defs/NAME",
        ),
        ("{\"a\"", "schema "),
    ] {
        let text = faults(schema, &json!(null));
        assert!(
            text == expected || schema == "{\"a\"" && text.starts_with(expected),
            "{schema}\n{text}\n{expected}"
        );
    }
}

/// What loading a fleet of two clusters says.
fn vars(schema: &str, defaults: &str, own: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let cluster = "environment: prod\nregion: eu-west-3\naccount: \"111122223333\"\n";
    for (path, text) in [
        (
            "fleet.yaml",
            "version: 1\nstages:\n  - {name: all, clusters: {environment: prod}}\n",
        ),
        ("clusters/a.k8s.yaml", cluster),
        ("clusters/b.k8s.yaml", cluster),
        ("vars/defaults.yaml", defaults),
        ("vars/a.k8s.yaml", own),
        ("vars/schema.json", schema),
    ] {
        let path = dir.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    match super::super::load(dir.path()) {
        Ok(_) => "ok".into(),
        Err(error) => format!("{error}\nhint: {}", error.hint().unwrap_or_default()),
    }
}

#[test]
fn vars_that_break_the_schema_are_told_with_their_place() {
    let schema = r#"{
        "required": ["image"],
        "additionalProperties": false,
        "properties": {
            "image": {"type": "string"},
            "zones": {"items": {"type": "string", "pattern": "^eu-"}},
            "pool": {"additionalProperties": false, "properties": {"min": {"minimum": 1}, "max": {"type": "integer"}}}
        }
    }"#;
    let see = "\nhint: vars/schema.json says what vars may be";
    for (defaults, own, expected) in [
        ("image: x\n", "", "ok".to_owned()),
        ("image: x\npool: {min: 0}\n", "pool: {min: 1}\n", format!("vars/defaults.yaml:2:13: `pool.min` has to be at least 1 (of b.k8s){see}")),
        ("image: x\npool: {min: 0}\n", "", format!("vars/defaults.yaml:2:13: `pool.min` has to be at least 1 (of a.k8s and b.k8s){see}")),
        ("image: x\n", "zones:\n  - eu-west-3a\n  - us-east-1a\n", format!("vars/a.k8s.yaml:3:5: `zones.1` has to match `^eu-` (of a.k8s){see}")),
        ("zones: []\n", "image: x\n", format!("vars/defaults.yaml:1:1: vars has no `image` (of b.k8s){see}")),
        (
            "image: x\npool: {mni: 1}\n",
            "pool: {max: \"5\"}\n",
            "vars/a.k8s.yaml:1:13: `pool.max` has to be a whole number, and this is a string (of a.k8s)\n\
             vars/defaults.yaml:2:13: `pool.mni` is unknown (of a.k8s and b.k8s)\nhint: did you mean `pool.min`?"
                .into(),
        ),
    ] {
        assert_eq!(vars(schema, defaults, own), expected);
    }
}

#[test]
fn a_keyword_that_is_not_supported_is_an_error() {
    assert_eq!(
        vars("{\n  \"if\": {}\n}", "", ""),
        format!(
            "vars/schema.json:2:3: the keyword `if` is not supported\n  |\n2 |   \"if\": {{}}\n  |   ^\nhint: {}",
            "there are type, enum, const, properties, patternProperties, additionalProperties, required, items, minItems, maxItems, uniqueItems, minimum, maximum, exclusiveMinimum, exclusiveMaximum, minLength, maxLength, pattern, allOf, anyOf, oneOf, $ref, $defs"
        )
    );
}
