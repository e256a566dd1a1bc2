//! What can be checked without any cloud: git, the fleet's files, regions, kops.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};

use super::{check, wrong};
use crate::cli::args::Arguments;
use crate::cli::pipeline::PreparedFleet;
use crate::cli::{feasible, revision};
use crate::model::{ClusterName, Definition, Git};
use crate::report::{self, CheckState, DoctorCheck};
use crate::store::CloudKind;

/// The commit, the tree and the rendering.
pub(super) fn git(
    arguments: &Arguments,
    prepared: &PreparedFleet,
    kind: Option<CloudKind>,
) -> DoctorCheck {
    let revision = revision::read(&arguments.directory, prepared);
    let faults = report::unreviewed_lines(&revision);
    let is_local = kind == Some(CloudKind::Local);
    let state = match &revision.git {
        Git::Commit(_) | Git::NotKnown(_) if !faults.is_empty() && !is_local => CheckState::Wrong {
            found: faults.join("; "),
            advice: vec!["run `kfleet render`, and commit".into()],
        },
        Git::Commit(_) => CheckState::Ok(report::revision_line(&revision)),
        Git::NotKnown(why) => {
            CheckState::NotChecked(format!("{why}: a rollout cannot say which commit it is of"))
        }
    };
    check("git", None, state)
}

/// The files of the fleet: they render and compile, and what they name is there.
pub(super) fn fleet(prepared: &PreparedFleet) -> DoctorCheck {
    if let Err(failure) = feasible::check(prepared) {
        return wrong("fleet", None, failure);
    }
    let groups: usize = prepared
        .clusters
        .values()
        .map(|c| c.desired.groups.len())
        .sum();
    let seen = format!(
        "{} clusters render, {groups} groups compile, release {}",
        prepared.clusters.len(),
        prepared.release.short()
    );
    check("fleet", None, CheckState::Ok(seen))
}

/// Regions and instance types, by the tables of this program.
pub(super) fn regions(prepared: &PreparedFleet, named: &BTreeSet<ClusterName>) -> DoctorCheck {
    let clusters = prepared
        .clusters
        .iter()
        .filter(|(name, _)| named.contains(*name));
    let mut regions = BTreeSet::new();
    let mut types = BTreeSet::new();
    for (_, cluster) in clusters {
        regions.insert(cluster.desired.region.to_string());
        for group in cluster.desired.groups.values() {
            types.extend(instance_types(&group.definition));
        }
    }
    let regions: Vec<String> = regions.into_iter().collect();
    let seen = format!(
        "{}: {} instance types are in this kfleet's tables; what is free today, AWS alone knows",
        regions.join(", "),
        types.len()
    );
    check("regions", None, CheckState::Ok(seen))
}

/// The type of the launch template, and those of the overrides.
fn instance_types(definition: &Definition) -> impl Iterator<Item = &String> {
    let template = &definition.launch_template.launch_template_data;
    let mixed = definition.auto_scaling_group.mixed_instances_policy.iter();
    let overrides = mixed.flat_map(|m| &m.overrides);
    std::iter::once(&template.instance_type)
        .chain(overrides.filter_map(|o| o.instance_type.as_ref()))
}

/// The program that carries out what only kops can.
pub(super) fn kops(prepared: &PreparedFleet, named: &BTreeSet<ClusterName>) -> DoctorCheck {
    let with_state = prepared
        .fleet
        .clusters
        .iter()
        .filter(|(name, c)| named.contains(*name) && c.state_store.is_some())
        .count();
    let asked = Command::new("kops")
        .args(["version", "--short"])
        .env_remove("KOPS_CLUSTER_NAME")
        .stdin(Stdio::null())
        .output();
    let state = match (asked, with_state) {
        (Ok(answer), _) if answer.status.success() => {
            let version = String::from_utf8_lossy(&answer.stdout).trim().to_owned();
            CheckState::Ok(format!("kops {version}"))
        }
        (_, 0) => CheckState::NotChecked(
            "no cluster names a `kops.state_store`: nothing here needs kops".into(),
        ),
        (_, n) => CheckState::NotChecked(format!(
            "no kops in the PATH; {n} clusters have a kops state store, and what only kops can carry out has to be done elsewhere"
        )),
    };
    check("kops", None, state)
}
