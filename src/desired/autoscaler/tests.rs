//! Manifests in, what cluster-autoscaler sees out.

use super::*;
use crate::{kops, yaml};

const CLUSTER: &str = "\
apiVersion: kops.k8s.io/v1alpha2
kind: Cluster
metadata: {name: c.example.com}
spec:
  cloudProvider: aws
  kubernetesVersion: 1.34.0
  etcdClusters: [{name: main, etcdMembers: [{name: a, instanceGroup: cp}]}]
  subnets: [{name: a, type: Public, zone: eu-west-3a}]
  SPEC
---
apiVersion: kops.k8s.io/v1alpha2
kind: InstanceGroup
metadata: {name: cp, labels: {kops.k8s.io/cluster: c.example.com}}
spec: {role: Master, image: i, machineType: m5.large, subnets: [a], CP}
";

/// Both discovery tags.
const TAGS: &str = "cloudLabels: {k8s.io/cluster-autoscaler/enabled: 'true', k8s.io/cluster-autoscaler/c.example.com: owned}";

fn manifests(spec: &str, control_plane: &str, groups: &[(&str, &str)], others: &str) -> Manifests {
    let mut text = CLUSTER.replace("SPEC", spec).replace("CP", control_plane);
    for (name, spec) in groups {
        let head = "---\napiVersion: kops.k8s.io/v1alpha2\nkind: InstanceGroup\nmetadata: {labels: {kops.k8s.io/cluster: c.example.com}, name: ";
        text.push_str(&format!("{head}{name}}}\nspec: {{role: Node, image: i, machineType: m5.large, subnets: [a], {spec}}}\n"));
    }
    text.push_str(others);
    let target = kops::KopsTarget {
        accepted: ["m99.large".to_owned()].into(),
        ..kops::KopsTarget::default()
    };
    kops::read_for(&yaml::parse(&text, yaml::Schema::Kops).unwrap(), &target)
        .unwrap_or_else(|e| panic!("{e}\n{text}"))
}

fn config_map(namespace: &str, data: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: cluster-autoscaler-priority-expander, namespace: {namespace}}}\ndata: {data}\n"
    )
}

/// How the groups are found, then the findings, a line each.
fn check(manifests: &Manifests) -> String {
    let seen = autoscaler(manifests).unwrap();
    let discovery = match seen.discovery {
        Discovery::Tags { tags, .. } => tags.join(" "),
        Discovery::Names { arguments } => arguments.join(" "),
    };
    std::iter::once(discovery)
        .chain(seen.findings.iter().map(ToString::to_string))
        .collect::<Vec<_>>()
        .join("\n")
}

const ENABLED: &str = "k8s.io/cluster-autoscaler/enabled";
const OWN: &str = "k8s.io/cluster-autoscaler/c.example.com";
const ONLY_ENABLED: &str = "cloudLabels: {k8s.io/cluster-autoscaler/enabled: 'true'}";
const ONLY_OWN: &str = "cloudLabels: {k8s.io/cluster-autoscaler/c.example.com: owned}";

/// Groups that are to be found, with all of their tags or some.
fn found() -> Vec<(&'static str, Manifests, String)> {
    let both = format!("{ENABLED} {OWN}");
    let not_found = |group: &str, tags: &str| {
        format!("group {group}: has no tag {tags}, so cluster-autoscaler does not find it")
    };
    vec![
        (
            "both tags",
            manifests("", "", &[("a", TAGS), ("b", TAGS)], ""),
            both.clone(),
        ),
        (
            "one without",
            manifests("", "", &[("a", TAGS), ("b", "")], ""),
            format!(
                "{both}\n{}",
                not_found("b", &format!("{ENABLED} and no tag {OWN}"))
            ),
        ),
        (
            "one with half",
            manifests("", "", &[("a", TAGS), ("b", ONLY_ENABLED)], ""),
            format!("{both}\n{}", not_found("b", OWN)),
        ),
        (
            "kops' own tag of the cluster",
            manifests("", "", &[("a", ONLY_ENABLED)], ""),
            format!("{ENABLED} kubernetes.io/cluster/c.example.com"),
        ),
        (
            "the cluster's tag alone",
            manifests("", "", &[("a", ONLY_OWN)], ""),
            OWN.to_owned(),
        ),
    ]
}

/// Groups that are not to be found, and other ways to find them.
fn others() -> Vec<(&'static str, Manifests, String)> {
    let both = format!("{ENABLED} {OWN}");
    vec![
        (
            "not wanted",
            manifests("", "", &[("a", TAGS), ("b", "autoscale: false")], ""),
            both.clone(),
        ),
        (
            "not wanted, and tagged",
            manifests("", "", &[("a", &format!("{TAGS}, autoscale: false"))], ""),
            format!(
                "{both}\ngroup a: says `autoscale: false` and carries the discovery tags, which are what counts"
            ),
        ),
        (
            "tags for the whole cluster",
            manifests(TAGS, "", &[("a", "")], ""),
            format!(
                "{both}\ngroup cp: is no group of workers and carries the discovery tags, so cluster-autoscaler would scale it"
            ),
        ),
        (
            "another cluster's tag",
            manifests(
                "",
                "",
                &[(
                    "a",
                    &TAGS.replace('}', ", k8s.io/cluster-autoscaler/d.example.com: owned}"),
                )],
                "",
            ),
            format!(
                "{both}\ngroup a: carries the tag k8s.io/cluster-autoscaler/d.example.com, by which another cluster's autoscaler would find it"
            ),
        ),
        (
            "kops' add-on",
            manifests(
                "clusterAutoscaler: {enabled: true}",
                "",
                &[
                    ("a", "minSize: 1, maxSize: 5"),
                    ("b", "autoscale: false"),
                    ("c", "autoscale: true"),
                ],
                "",
            ),
            "--nodes=1:5:a.c.example.com --nodes=2:2:c.c.example.com".into(),
        ),
        (
            "kops' add-on, switched off",
            manifests(
                "clusterAutoscaler: {enabled: false}",
                "",
                &[("a", TAGS)],
                "",
            ),
            both.clone(),
        ),
    ]
}

#[test]
fn groups_are_found_by_their_tags() {
    for (what, manifests, expected) in found().into_iter().chain(others()) {
        assert_eq!(check(&manifests), expected, "{what}");
    }
}

#[test]
fn the_priorities_in_the_manifests_are_checked() {
    let of = |namespace: &str, data: &str| {
        let text = check(&manifests(
            "",
            "",
            &[("spot", TAGS), ("demand", TAGS)],
            &config_map(namespace, data),
        ));
        text.split_once('\n')
            .map_or(String::new(), |(_, findings)| findings.to_owned())
    };
    let right = r#"{priorities: "50:\n- ^spot\\..*\n10:\n- .*"}"#;
    for (namespace, data, expected) in [
        ("kube-system", right, ""),
        (
            "default",
            right,
            "the priority expander's ConfigMap is in namespace default; it is looked for in kube-system",
        ),
        (
            "kube-system",
            r#"{priorities: "50:\n- ^spot\\..*\n- ^gone"}"#,
            "priority 50: `^gone` matches no group that is scaled\n\
             demand.c.example.com: no priority matches it, so it is never scaled up while another group would do",
        ),
        (
            "kube-system",
            r#"{priorities: "50:\n- ^spot(\n10:\n- .*"}"#,
            "priority 50: `^spot(` is no regular expression: missing ); cluster-autoscaler then takes any group, as if there were no priorities",
        ),
        (
            "kube-system",
            r#"{priorities: "high:\n- .*"}"#,
            "the priority expander's ConfigMap: `data.priorities`: the priority `high` is no whole number; cluster-autoscaler then takes any group, as if there were no priorities",
        ),
        (
            "kube-system",
            r#"{priorities: "1: .*"}"#,
            "the priority expander's ConfigMap: `data.priorities`: priority 1 must be a list of texts; cluster-autoscaler then takes any group, as if there were no priorities",
        ),
        (
            "kube-system",
            r#"{priorities: ""}"#,
            "the priority expander's ConfigMap: `data.priorities` is empty; cluster-autoscaler then takes any group, as if there were no priorities",
        ),
        (
            "kube-system",
            r#"{priorities: "\"50\":\n- .*"}"#,
            "the priority expander's ConfigMap: `data.priorities`: the priority \"50\" is in quotes, which makes it a text; cluster-autoscaler then takes any group, as if there were no priorities",
        ),
        (
            "kube-system",
            r#"{priorities: "062: [^spot]\n10: [.*]"}"#,
            "",
        ),
        (
            "kube-system",
            r#"{priorities: "50: [.*]\n10: []"}"#,
            "priority 10: has no patterns",
        ),
        (
            "kube-system",
            r#"{priorities: "50: [^spot]\n-5: [^demand]"}"#,
            "priority -5: below -1, so cluster-autoscaler never chooses its groups\n\
             demand.c.example.com: no priority matches it, so it is never scaled up while another group would do",
        ),
        (
            "kube-system",
            r#"{priorities: "50: ['\\p{L}']\n10: [.*]"}"#,
            "priority 50: `\\p{L}` is no regular expression: what `\\p{L}` matches cannot be told here",
        ),
        (
            "kube-system",
            r#"{priority: "1:\n- .*"}"#,
            "the priority expander's ConfigMap: it has no text under `data.priorities`",
        ),
    ] {
        assert_eq!(of(namespace, data), expected, "{data}");
    }
}

#[test]
fn what_bad_priorities_do_depends_on_the_release() {
    let of = |image: &str, data: &str| {
        check(&manifests(
            &format!("clusterAutoscaler: {{image: {image}}}"),
            "",
            &[("spot", TAGS), ("demand", TAGS)],
            &config_map("kube-system", data),
        ))
    };
    let bad = r#"{priorities: "high: [.*]"}"#;
    assert!(of("x/cluster-autoscaler:v1.25.3", bad).ends_with("then scales up nothing at all"));
    assert!(of("x/cluster-autoscaler:v1.26.0", bad).ends_with("as if there were no priorities"));
    let twice = r#"{priorities: "50: [^spot]\n10: [.*]"}"#;
    let any = "spot.c.example.com: the priorities 50, 10 match it, and this cluster-autoscaler takes any one of them";
    assert!(of("x/cluster-autoscaler:v1.22.1", twice).ends_with(any));
    assert!(!of("x/cluster-autoscaler:v1.30.1", twice).contains("any one of them"));
}

/// Source: kops' golden outputs for its cluster-autoscaler add-on.
#[test]
fn priorities_are_those_kops_writes() {
    let groups = [
        ("nodes", "autoscale: true"),
        ("nodes-high", "autoscale: false, autoscalePriority: 100"),
        ("nodes-low", "autoscale: true, autoscalePriority: 50"),
        ("silent", "autoscalePriority: 7"),
    ];
    let of = |addon: &str| {
        priority_expander(&manifests(
            &format!("clusterAutoscaler: {addon}"),
            "",
            &groups,
            "",
        ))
    };
    let generated = "0:\n- nodes.c.example.com\n100:\n- nodes-high.c.example.com\n50:\n- nodes-low.c.example.com";
    for (addon, expected) in [
        ("{enabled: true, expander: priority}", Some(generated)),
        (
            "{enabled: true, expander: priority, createPriorityExpanderConfig: false}",
            None,
        ),
        ("{enabled: true, expander: least-waste}", None),
        ("{enabled: false, expander: priority}", None),
        ("{expander: priority}", None),
        (
            "{enabled: true, expander: priority, customPriorityExpanderConfig: {'50': ['.*low.*'], '0': ['.*'], '100': ['.*high.*', 'x']}}",
            Some("0:\n- .*\n100:\n- .*high.*\n- x\n50:\n- .*low.*"),
        ),
    ] {
        assert_eq!(of(addon).as_deref(), expected, "{addon}");
    }
    assert_eq!(priority_expander(&manifests("", "", &groups, "")), None);
}

#[test]
fn what_kops_writes_is_checked_after_the_manifests() {
    let addon = "clusterAutoscaler: {enabled: true, expander: priority}";
    let groups = [("a", "autoscale: true"), ("silent", "")];
    let alone = autoscaler(&manifests(addon, "", &groups, "")).unwrap();
    assert_eq!(
        alone.expander.as_ref().map(|e| e.source),
        Some(ExpanderSource::Kops)
    );
    let findings: Vec<String> = alone.findings.iter().map(ToString::to_string).collect();
    assert_eq!(
        findings,
        [
            "silent.c.example.com: no priority matches it, so it is never scaled up while another group would do"
        ]
    );
    let both = autoscaler(&manifests(
        addon,
        "",
        &groups,
        &config_map("kube-system", r#"{priorities: "1:\n- .*"}"#),
    ))
    .unwrap();
    assert_eq!(
        both.expander.map(|e| e.source),
        Some(ExpanderSource::Manifests)
    );
    assert_eq!(both.findings, [AutoscalerFinding::TwoExpanders]);
}

#[test]
fn a_group_is_in_the_highest_priority_that_matches() {
    let text = config_map(
        "kube-system",
        r#"{priorities: "1:\n- .*\n100:\n- spot\n20:\n- spot"}"#,
    );
    let seen = autoscaler(&manifests(
        "",
        "",
        &[("spot", TAGS), ("demand", TAGS)],
        &text,
    ))
    .unwrap();
    let order: Vec<i64> = seen
        .expander
        .unwrap()
        .priorities
        .iter()
        .map(|p| p.priority)
        .collect();
    assert_eq!(order, [100, 20, 1]);
    let priorities: Vec<Option<i64>> = seen.groups.iter().map(|g| g.priority).collect();
    assert_eq!(priorities, [Some(1), Some(100)], "demand, spot");
}

/// What a node of a group with this `spec` is taken for, and the findings about it.
fn believed(spec: &str, cloud_labels: &str) -> String {
    let labels = TAGS.replace('}', &format!("{cloud_labels}}}"));
    let seen = autoscaler(&manifests(
        "",
        "",
        &[("a", &format!("{labels}, {spec}"))],
        "",
    ))
    .unwrap();
    let g = &seen.groups[0];
    let kind = g.instance_type.as_deref().unwrap_or("?");
    let hardware = hardware(g);
    let map = |map: &BTreeMap<String, String>| {
        map.iter()
            .map(|(k, v)| format!("{k}={v}"))
            .collect::<Vec<_>>()
            .join(" ")
    };
    let findings: Vec<String> = seen.findings.iter().map(ToString::to_string).collect();
    format!(
        "{kind}: {hardware} | {} | {} | {} | {}",
        map(&g.labels),
        g.taints.join(" "),
        map(&g.resources),
        findings.join(" ")
    )
}

fn hardware(g: &NodeGroup) -> String {
    g.cpu.map_or("unknown".into(), |cpu| {
        format!(
            "{cpu} vCPUs {} MiB {} GPUs {}",
            g.memory_mib.unwrap(),
            g.gpus.unwrap(),
            g.architecture.unwrap().as_str()
        )
    })
}

#[test]
fn a_node_is_taken_for_what_tags_and_the_first_type_say() {
    let node = "node-role.kubernetes.io/node=";
    let m5 = format!("m5.large: 2 vCPUs 8192 MiB 0 GPUs amd64 | {node}");
    let tag = ", k8s.io/cluster-autoscaler/node-template";
    for (spec, cloud_labels, expected) in [
        ("minSize: 0", String::new(), format!("{m5} |  |  | ")),
        (
            "minSize: 0",
            format!("{tag}/resources/ephemeral-storage: 100G"),
            format!("{m5} |  | ephemeral-storage=100G | "),
        ),
        (
            "nodeLabels: {pool: x}, taints: ['k=v:NoExecute', 'l:NoSchedule', 'm']",
            String::new(),
            format!("{m5} pool=x | k=v:NoExecute l=:NoSchedule |  | "),
        ),
        (
            "minSize: 0",
            format!("{tag}/taint/k: v"),
            format!(
                "{m5} |  |  | group a: the tag k8s.io/cluster-autoscaler/node-template/taint/k is not `value:Effect`, so cluster-autoscaler ignores the taint"
            ),
        ),
        (
            "mixedInstancesPolicy: {instances: [c5.xlarge, m5.large]}",
            String::new(),
            format!("c5.xlarge: 4 vCPUs 8192 MiB 0 GPUs amd64 | {node} |  |  | "),
        ),
        (
            "mixedInstancesPolicy: {}",
            String::new(),
            format!("{m5} |  |  | "),
        ),
        (
            "mixedInstancesPolicy: {instances: [m99.large]}",
            String::new(),
            format!(
                "m99.large: unknown | {node} |  |  | group a: nothing is known of the instance type m99.large, so what a new node has cannot be told"
            ),
        ),
        (
            "mixedInstancesPolicy: {instanceRequirements: {cpu: {min: 2}}}",
            String::new(),
            format!(
                "?: unknown | {node} |  |  | group a: its instance types are chosen by attributes, so what a new node has cannot be told"
            ),
        ),
    ] {
        assert_eq!(
            believed(spec, &cloud_labels),
            expected,
            "{spec}{cloud_labels}"
        );
    }
}
