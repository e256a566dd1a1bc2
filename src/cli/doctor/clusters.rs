//! One look at the clusters, as a plan has it: what may be read, what images mean, whether the Kubernetes APIs let kfleet do its work.

use std::collections::BTreeSet;

use super::check::is_denied;
use super::{check, rights, room, wrong};
use crate::cli::documents;
use crate::cli::output::Output;
use crate::cli::pipeline::PreparedFleet;
use crate::cli::world::World;
use crate::cloud::Place;
use crate::model::{ClusterName, Gap, Live, LiveCluster, Nodes, Seen, UnseenKind};
use crate::plan::room::WaveOutlook;
use crate::report::{self, CheckState, DoctorCheck, PolicyFacts};

/// The checks, and the room that there is for a roll of everything.
pub(super) async fn look(
    prepared: &PreparedFleet,
    world: &World,
    places: &[Place],
    facts: &PolicyFacts,
    output: &Output,
) -> (Vec<DoctorCheck>, Vec<WaveOutlook>) {
    let live = match documents::sight(prepared, world, places, output).await {
        Ok(live) => live,
        Err(failure) => return (vec![wrong("permissions", None, failure)], Vec::new()),
    };
    let mut checks = reads(&live);
    checks.extend(rights::of_rollout(world, prepared, places, facts).await);
    checks.push(images(prepared, &live));
    checks.extend(
        live.clusters
            .iter()
            .map(|(name, cluster)| kubernetes(name, cluster)),
    );
    let (found, room) = room::look(prepared, world, &live).await;
    checks.extend(found);
    (checks, room)
}

/// What a plan has to read.
fn reads(live: &Live) -> Vec<DoctorCheck> {
    let gaps: Vec<(&ClusterName, &Gap)> = live
        .clusters
        .iter()
        .flat_map(|(name, c)| c.gaps.iter().map(move |gap| (name, gap)))
        .collect();
    if gaps.is_empty() {
        let seen = format!(
            "all that a plan reads could be read, in {} clusters",
            live.clusters.len()
        );
        return vec![check(
            "permissions",
            Some("plan".into()),
            CheckState::Ok(seen),
        )];
    }
    gaps.iter().map(unread).collect()
}

/// What could not be read, and what to do about it.
fn unread((name, gap): &(&ClusterName, &Gap)) -> DoctorCheck {
    let advice = if is_denied(&gap.why) {
        "give its role what `kfleet doctor --policy plan` prints"
    } else {
        "a plan of this cluster is blocked until it can be read"
    };
    let state = CheckState::Wrong {
        found: format!("{}: {}", gap.what, gap.why),
        advice: vec![advice.into()],
    };
    check("permissions", Some(name.to_string()), state)
}

/// Patterns and parameters by which definitions name images, and whether they mean one.
fn images(prepared: &PreparedFleet, live: &Live) -> DoctorCheck {
    let (mut known, mut unknown) = (BTreeSet::new(), BTreeSet::new());
    for (name, cluster) in &live.clusters {
        let Some(wanted) = prepared.clusters.get(name) else {
            continue;
        };
        for group in wanted.desired.groups.values() {
            let image = &group
                .definition
                .launch_template
                .launch_template_data
                .image_id;
            // A name that means nothing in a real account is a gap, and said there; in the simulated one each full name is an image.
            let is_pattern = image.contains('*') || image.starts_with("ssm:");
            if !is_pattern || cluster.images.meant.contains_key(image) {
                known.insert(image.clone());
            } else {
                unknown.insert(format!("{image} ({name})"));
            }
        }
    }
    let state = images_state(&known, unknown);
    check("images", None, state)
}

fn images_state(known: &BTreeSet<String>, unknown: BTreeSet<String>) -> CheckState {
    if unknown.is_empty() {
        CheckState::Ok(format!("{} named, each means one", known.len()))
    } else {
        let all: Vec<String> = unknown.into_iter().collect();
        CheckState::Wrong {
            found: format!("no image is called {}", all.join(", ")),
            advice: vec!["name an image that this account may use in this region".into()],
        }
    }
}

fn kubernetes(name: &ClusterName, cluster: &LiveCluster) -> DoctorCheck {
    let state = match &cluster.nodes {
        Nodes::NotAsked => CheckState::NotChecked(
            "no `kubernetes.context` is set: nodes are neither looked at nor drained".into(),
        ),
        Nodes::Unknown(unseen) => CheckState::Wrong {
            found: unseen.to_string(),
            advice: match unseen.kind {
                UnseenKind::Rights => role(),
                UnseenKind::Silent => vec!["a rollout waits for it".into()],
                UnseenKind::Credentials => vec!["log in to the cluster again".into()],
                UnseenKind::Context | UnseenKind::OtherCluster => {
                    vec![
                        "put `kubernetes.context` in the cluster's file, or KUBECONFIG, right"
                            .into(),
                    ]
                }
            },
        },
        Nodes::Known(seen) => rights(seen),
    };
    check("kubernetes", Some(name.to_string()), state)
}

fn rights(seen: &Seen) -> CheckState {
    let missing: Vec<&str> = seen
        .denied
        .iter()
        .chain(&seen.listed)
        .chain(&seen.volumes_unseen)
        .map(String::as_str)
        .collect();
    if missing.is_empty() {
        return CheckState::Ok(format!(
            "{} nodes seen, all rights are there",
            seen.nodes.len()
        ));
    }
    CheckState::Wrong {
        found: format!("the caller may not {}", missing.join(", ")),
        advice: role(),
    }
}

fn role() -> Vec<String> {
    let mut lines = vec!["all that kfleet needs to be allowed, and no more:".to_owned()];
    lines.extend(report::cluster_role().lines().map(str::to_owned));
    lines
}
