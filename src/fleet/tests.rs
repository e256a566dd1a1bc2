//! Good fleets as texts, and what loading them gives. Faults are in `tests/fleet_errors/`.

use std::fmt::Write as _;

use super::*;
use crate::model::{ClusterName, GroupName};

const FLEET: &str = "version: 1\nstages:\n  - {name: all, clusters: [a.k8s]}\n";
const CLUSTER: &str = "environment: prod\nregion: eu-west-3\naccount: \"111122223333\"\n";

/// Writes the files (over a fleet of one cluster) and loads them.
fn fleet(files: &[(&str, &str)]) -> Fleet {
    let dir = tempfile::tempdir().unwrap();
    for (path, text) in [("fleet.yaml", FLEET), ("clusters/a.k8s.yaml", CLUSTER)]
        .iter()
        .chain(files)
    {
        let path = dir.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    load(dir.path()).unwrap_or_else(|e| panic!("{e}"))
}

/// A line a stage, of a fleet with the clusters a and b in prod and s in staging.
fn stages(text: &str) -> String {
    let staging = CLUSTER.replace("prod", "staging");
    let text = format!("version: 1\nstages:\n{text}");
    let fleet = fleet(&[
        ("fleet.yaml", &text),
        ("clusters/b.k8s.yaml", CLUSTER),
        ("clusters/s.k8s.yaml", &staging),
    ]);
    let mut out = String::new();
    for stage in &fleet.settings.stages {
        let after = stage
            .after
            .as_ref()
            .map(|a| format!(" after {a}"))
            .unwrap_or_default();
        write!(
            out,
            "{}{after} soak {}{}:",
            stage.name,
            stage.soak,
            if stage.approval { " approval" } else { "" }
        )
        .unwrap();
        for wave in &stage.waves {
            let names: Vec<&str> = wave.clusters.iter().map(ClusterName::as_str).collect();
            write!(
                out,
                " [{} x{} soak {}]",
                names.join(" "),
                wave.parallel,
                wave.soak
            )
            .unwrap();
        }
        for f in &stage.freeze {
            write!(out, " freeze {:?}-{:?} {}", f.from, f.to, f.timezone).unwrap();
        }
        out.push('\n');
    }
    out
}

#[test]
fn stages_are_put_in_order_and_waves_hold_every_cluster_once() {
    let prod = "  - {name: prod, after: staging, approval: required, clusters: {environment: prod}";
    let staging = "  - {name: staging, clusters: [s.k8s], soak: 30m, approval: none}\n";
    let first = "staging soak 30m: [s.k8s x1 soak 0s]\nprod after staging soak 0s approval:";
    let cases = [
        (String::new(), " [a.k8s b.k8s x1 soak 0s]"),
        (
            ", waves: [{clusters: [b.k8s], soak: 1h}, {parallel: 3}]".into(),
            " [b.k8s x1 soak 1h] [a.k8s x3 soak 0s]",
        ),
        (
            ", waves: [{parallel: 3}, {clusters: [b.k8s]}]".into(),
            " [a.k8s x3 soak 0s] [b.k8s x1 soak 0s]",
        ),
        (
            ", waves: [{clusters: [b.k8s, a.k8s], parallel: 2}]".into(),
            " [a.k8s b.k8s x2 soak 0s]",
        ),
        (
            ", freeze: [{from: Fri 16:00, to: \"Mon 08:30\", timezone: Europe/Paris}]".into(),
            " [a.k8s b.k8s x1 soak 0s] freeze (Fri, 960)-(Mon, 510) Europe/Paris",
        ),
    ];
    for (rest, expected) in cases {
        assert_eq!(
            stages(&format!("{prod}{rest}}}\n{staging}")),
            format!("{first}{expected}\n"),
            "{rest}"
        );
    }
    let by_name = "  - {name: one, clusters: {clusters: [s.k8s, a.k8s]}}\n  - {name: two, clusters: [b.k8s]}\n";
    assert_eq!(
        stages(by_name),
        "one soak 0s: [a.k8s s.k8s x1 soak 0s]\ntwo soak 0s: [b.k8s x1 soak 0s]\n"
    );
}

#[test]
fn rolling_and_gates_have_defaults_and_can_be_set() {
    let plain = fleet(&[]).settings;
    assert_eq!(
        (plain.store.as_str(), plain.rolling, plain.gates),
        (".kfleet", Rolling::default(), Vec::new())
    );
    let text = format!(
        "{FLEET}store: state\nrolling:\n  max_surge: 25%\n  max_unavailable: 2\n  cluster_surge: 4\n  canary: 0\n  bake: 1m\n  rate: {{instances: 3, per: 1h}}\n  \
         drain: {{on_timeout: stop}}\n  ready_timeout: 5m\ngates:\n  - {{name: a, kind: asg}}\n  - {{name: k, kind: kubernetes, deadline: 1h}}\n  \
         - {{name: c, kind: command, run: [./x, y]}}\n"
    );
    let set = fleet(&[("fleet.yaml", &text)]).settings;
    let rolling = Rolling {
        max_surge: Amount::Percent(25),
        max_unavailable: Amount::Count(2),
        cluster_surge: 4,
        canary: 0,
        bake: crate::model::Span::from_secs(60),
        rate: Rate {
            instances: 3,
            per: crate::model::Span::from_secs(3600),
        },
        drain: DrainPolicy {
            on_timeout: OnTimeout::Stop,
            ..DrainPolicy::default()
        },
        ready_timeout: crate::model::Span::from_secs(300),
        ..Rolling::default()
    };
    assert_eq!((set.store.as_str(), set.rolling), ("state", rolling));
    let gates: Vec<String> = set
        .gates
        .iter()
        .map(|g| format!("{} {:?} {}", g.name, g.kind, g.deadline))
        .collect();
    assert_eq!(
        gates,
        [
            "a Asg 30m",
            "k Kubernetes 1h",
            "c Command([\"./x\", \"y\"]) 30m"
        ]
    );
}

#[test]
fn clusters_take_their_name_from_the_file_or_say_it() {
    let all = "version: 1\nstages:\n  - {name: all, clusters: {environment: prod}}\n";
    let named = format!("name: c.k8s\n{CLUSTER}");
    let full = format!(
        "{CLUSTER}engine: asg\nrole_arn: arn:aws:iam::111122223333:role/x\nkubernetes: {{context: ctx}}\nprotect: [nodes]\ntemplates: [b.yaml, a.yaml.j2]\n"
    );
    let fleet = fleet(&[
        ("fleet.yaml", all),
        ("clusters/b.k8s.yml", &full),
        ("clusters/whatever.yaml", &named),
        ("clusters/.hidden.yaml", "nonsense: ["),
        ("clusters/a.k8s.yaml~", "nonsense: ["),
        ("clusters/README.md", "# Clusters"),
        ("templates/b.yaml.j2", ""),
        ("templates/a.yaml.j2", ""),
        ("templates/deep/c.yaml", ""),
        ("templates/a.yaml.j2~", ""),
        ("snippets/x/y.txt", "hello"),
    ]);
    let names: Vec<&str> = fleet.clusters.keys().map(ClusterName::as_str).collect();
    assert_eq!(names, ["a.k8s", "b.k8s", "c.k8s"]);
    let b = &fleet.clusters[&ClusterName::new("b.k8s").unwrap()];
    assert_eq!(b.file, "clusters/b.k8s.yml");
    assert_eq!(b.templates, ["b.yaml.j2", "a.yaml.j2"]);
    assert_eq!(
        b.kubernetes,
        Some(KubernetesAccess {
            context: "ctx".into()
        })
    );
    assert_eq!(
        b.role_arn.as_deref(),
        Some("arn:aws:iam::111122223333:role/x")
    );
    assert_eq!(
        b.protect.iter().map(GroupName::as_str).collect::<Vec<_>>(),
        ["nodes"]
    );
    let a = &fleet.clusters[&ClusterName::new("a.k8s").unwrap()];
    assert_eq!(a.templates, ["a.yaml.j2", "b.yaml.j2", "deep/c.yaml"]);
    assert_eq!(
        fleet.snippets["x/y.txt"],
        Source {
            path: "snippets/x/y.txt".into(),
            text: "hello".into()
        }
    );
}

#[test]
fn vars_are_layered_defaults_environment_cluster_extra() {
    let cluster = format!("{CLUSTER}vars: [customers/acme.yaml]\n");
    let files = [
        ("clusters/a.k8s.yaml", cluster.as_str()),
        ("vars/defaults.yaml", "\u{feff}who: defaults\nd: 1\n"),
        ("vars/prod.yaml", "who: prod\np: 1\n"),
        ("vars/staging.yaml", "who: staging\n"),
        ("vars/a.k8s.yaml", "# nothing yet\n"),
        ("vars/customers/acme.yaml", "who: acme\n"),
    ];
    let fleet_of = |more: &[(&str, &str)]| {
        fleet(&[files.as_slice(), more].concat())
            .clusters
            .into_values()
            .next()
            .unwrap()
            .vars
    };
    let vars = fleet_of(&[]);
    let paths: Vec<&str> = vars.layers.iter().map(|l| l.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "vars/defaults.yaml",
            "vars/prod.yaml",
            "vars/a.k8s.yaml",
            "vars/customers/acme.yaml"
        ]
    );
    assert_eq!(
        vars.to_json(),
        serde_json::json!({"who": "acme", "d": 1, "p": 1})
    );
    let merged = vars.merged();
    let who = merged.get("who").unwrap();
    let chain: Vec<String> = who
        .overrode
        .iter()
        .map(|o| format!("{} {}", o.origin, o.value))
        .collect();
    assert_eq!(
        (who.origin.to_string().as_str(), chain),
        (
            "vars/customers/acme.yaml:1",
            vec![
                "vars/defaults.yaml:1 \"defaults\"".into(),
                "vars/prod.yaml:1 \"prod\"".into()
            ]
        )
    );
    let own = format!("{FLEET}vars: [\"{{cluster}}/x.yaml\", \"{{environment}}.yaml\"]\n");
    let vars = fleet_of(&[("fleet.yaml", &own), ("vars/a.k8s/x.yaml", "who: x\n")]);
    assert_eq!(
        vars.layers
            .iter()
            .map(|l| l.path.as_str())
            .collect::<Vec<_>>(),
        [
            "vars/a.k8s/x.yaml",
            "vars/prod.yaml",
            "vars/customers/acme.yaml"
        ]
    );
}

proptest::proptest! {
    #[test]
    fn no_text_makes_loading_panic(text in "[-{}%:,.'\"\\[\\]&*!? a-e0-9\n]{0,60}", key in 0..5usize) {
        let key = ["", "stages:\n  - ", "vars: ", "gates: ", "rolling: "][key];
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("clusters")).unwrap();
        std::fs::create_dir_all(dir.path().join("vars")).unwrap();
        for (path, text) in [("fleet.yaml", format!("version: 1\n{key}{text}")), ("clusters/a.yaml", format!("{CLUSTER}{text}")), ("vars/defaults.yaml", text.clone())] {
            std::fs::write(dir.path().join(path), text).unwrap();
        }
        if let Err(e) = load(dir.path()) {
            proptest::prop_assert!(!e.to_string().is_empty());
            e.hint();
        }
        // And with a good cluster, so that the fleet's own file is reached.
        std::fs::write(dir.path().join("clusters/a.yaml"), CLUSTER).unwrap();
        std::fs::write(dir.path().join("vars/defaults.yaml"), "").unwrap();
        if let Err(e) = load(dir.path()) {
            e.hint();
        }
    }
}

#[test]
fn a_state_store_is_a_bucket_or_a_folder() {
    let all = "version: 1\nstages:\n  - {name: all, clusters: {environment: prod}}\n";
    for (written, expected) in [
        ("s3://acme-kops-state", "s3://acme-kops-state"),
        ("s3://acme-kops-state/", "s3://acme-kops-state"),
        (
            "s3://acme-kops-state/eu/west/",
            "s3://acme-kops-state/eu/west",
        ),
        ("./kops-state", "ROOT/kops-state"),
        ("../kops-state", "ROOT/../kops-state"),
        ("/var/kops", "/var/kops"),
        ("file:///var/kops", "/var/kops"),
    ] {
        let fleet = fleet(&[
            ("fleet.yaml", all),
            (
                "clusters/a.k8s.yaml",
                &format!("{CLUSTER}kops: {{state_store: '{written}'}}\n"),
            ),
        ]);
        let store = fleet
            .clusters
            .values()
            .next()
            .unwrap()
            .state_store
            .as_ref()
            .unwrap();
        assert_eq!(
            store
                .to_string()
                .replace(&fleet.root.display().to_string(), "ROOT"),
            expected
        );
        assert_eq!(
            matches!(store, StateStore::Bucket(_)),
            written.starts_with("s3:")
        );
    }
}
