//! The files that every new fleet has: `fleet.yaml`, `.gitignore`, the Jenkinsfile, schemas for editors. Decides no values.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use super::{Files, environment};
use crate::fleet::{CLUSTER_SCHEMA, FLEET_SCHEMA};
use crate::model::{AccountId, ClusterName, Environment, KopsVersion, Region};
use crate::yaml;

/// What `clusters/NAME.yaml` says.
pub(super) struct ClusterSettings<'a> {
    pub(super) name: &'a ClusterName,
    pub(super) environment: &'a Environment,
    pub(super) region: &'a Region,
    pub(super) account: &'a AccountId,
    pub(super) state_store: Option<&'a str>,
    pub(super) kops: Option<KopsVersion>,
    /// Extra layers of vars.
    pub(super) vars: Vec<String>,
}

/// Puts the clusters' files, and those that depend on nothing else.
pub(super) fn frame(clusters: &[ClusterSettings<'_>]) -> Files {
    let mut environments: BTreeMap<&Environment, BTreeSet<&ClusterName>> = BTreeMap::new();
    for cluster in clusters {
        environments
            .entry(cluster.environment)
            .or_default()
            .insert(cluster.name);
    }
    let mut order: Vec<&Environment> = environments.keys().copied().collect();
    order.sort_by_key(|e| environment::rank(e.as_str()));
    let mut files = Files::new();
    let mut put = |path: String, text: String| {
        files.insert(path, text);
    };
    put(
        ".gitignore".into(),
        "# The store on this machine: journals, locks, the simulated account.\n/.kfleet/\n".into(),
    );
    put(
        "fleet.yaml".into(),
        include_str!("files/fleet.yaml").replace("@@STAGES@@\n", &stages(&order)),
    );
    put("schemas/fleet.json".into(), FLEET_SCHEMA.into());
    put("schemas/cluster.json".into(), CLUSTER_SCHEMA.into());
    let approval = match order.as_slice() {
        [] | [_] => String::new(),
        [.., last] => {
            include_str!("files/approval.Jenkinsfile").replace("@@STAGE@@", last.as_str())
        }
    };
    put(
        "Jenkinsfile".into(),
        include_str!("files/Jenkinsfile").replace("@@APPROVAL@@", &approval),
    );
    for cluster in clusters {
        put(
            format!("clusters/{}.yaml", cluster.name),
            cluster_file(cluster),
        );
    }
    files
}

/// One stage an environment, each after the one before; the last one waits for a person.
fn stages(order: &[&Environment]) -> String {
    let mut text = String::new();
    for (i, name) in order.iter().enumerate() {
        let last = i + 1 == order.len();
        text.push_str(&format!("  - name: {}\n", scalar(name.as_str())));
        if let Some(before) = i.checked_sub(1).and_then(|i| order.get(i)) {
            text.push_str(&format!(
                "    # Nothing here starts until the stage before runs this release, verified and soaked.\n    after: {}\n",
                scalar(before.as_str())
            ));
        }
        text.push_str(&format!(
            "    clusters: {{environment: {}}}\n",
            scalar(name.as_str())
        ));
        if last && order.len() > 1 {
            text.push_str(
                "    # A person says yes: `kfleet rollout approve`.\n    approval: required\n",
            );
        }
        text.push_str("    # Clusters at a time.\n    waves: [{parallel: 1}]\n");
        if !last {
            text.push_str("    # How long a release runs here, healthy, before the next stage may have it.\n    soak: 30m\n");
        }
        text.push('\n');
    }
    text
}

fn cluster_file(cluster: &ClusterSettings<'_>) -> String {
    let ClusterSettings {
        name: _,
        environment,
        region,
        account,
        state_store,
        kops,
        vars,
    } = cluster;
    let version = kops
        .map(|version| format!("version: \"{version}\", "))
        .unwrap_or_default();
    let mut text = format!(
        "# yaml-language-server: $schema=../schemas/cluster.json\nenvironment: {}\nregion: {}\n# Checked against the caller's identity before anything is written.\naccount: \"{account}\"\n",
        scalar(environment.as_str()),
        scalar(region.as_str())
    );
    if !vars.is_empty() {
        text.push_str(&format!(
            "# Layers after the standard ones; a later one wins.\nvars:\n{}",
            yaml::emit(&Json::from(vars.clone()))
        ));
    }
    match state_store {
        Some(store) => text.push_str(&format!(
            "# What kops has stored is read there and compared with what is rendered.\nkops: {{{version}state_store: {}}}\n",
            scalar(store)
        )),
        None => text.push_str(&without_store(*kops)),
    }
    text.push_str("# The kubeconfig context: needed to drain nodes and to see whether they are Ready.\n# kubernetes: {context: NAME}\n");
    text
}

/// What a cluster's file says of kops when no state store is known.
fn without_store(kops: Option<KopsVersion>) -> String {
    let about = "# Where kops keeps what it knows of the cluster; with it, a plan compares the Cluster and the groups with what kops has stored.\n";
    match kops {
        None => format!("{about}# kops: {{state_store: s3://BUCKET}}\n"),
        Some(version) => format!(
            "# The latest kops that carries out its version of Kubernetes: write the one that you use, for what kops makes of manifests depends on it.\nkops: {{version: \"{version}\"}}\n{about}# kops: {{version: \"{version}\", state_store: s3://BUCKET}}\n"
        ),
    }
}

pub(super) fn scalar(text: &str) -> String {
    yaml::emit_scalar(&Json::from(text))
}
