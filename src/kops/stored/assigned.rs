//! What kops writes into a stored object by itself, on `create` and `edit`: no difference where git does not speak of it. Knows no types.

use serde_json::{Map, Value as Json, json};

/// What kops puts into a field that is empty.
enum Assigned {
    /// This, and nothing else: another value was put there by a person.
    Just(Json),
    /// What it worked out: an address range, a zone, a version of its channel.
    WorkedOut,
}

/// Drops from the stored spec what kops assigned and the wanted spec leaves to it.
pub(super) fn dropped(section: &str, name: &str, wanted: &Json, stored: &mut Json) {
    let fields = if section == "Cluster" {
        of_cluster(name)
    } else {
        of_group(name)
    };
    // Who asks for access by DNS does not leave the load balancer to kops.
    let by_dns = wanted
        .get("api")
        .is_some_and(|api| api.get("dns").is_some());
    for (path, assigned) in fields
        .into_iter()
        .filter(|(path, _)| !by_dns || path.first().is_none_or(|first| first != "api"))
    {
        drop_at(&path, &assigned, Some(wanted), stored);
    }
}

fn just(path: &str, value: Json) -> (Vec<String>, Assigned) {
    (
        path.split('.').map(str::to_owned).collect(),
        Assigned::Just(value),
    )
}

fn worked_out(path: &str) -> (Vec<String>, Assigned) {
    (
        path.split('.').map(str::to_owned).collect(),
        Assigned::WorkedOut,
    )
}

/// `[]`: of every item of the list, known by its name.
fn of_cluster(name: &str) -> Vec<(Vec<String>, Assigned)> {
    let everybody = json!(["0.0.0.0/0", "::/0"]);
    let mut fields = vec![
        just("channel", json!("stable")),
        worked_out("egressProxy.excludes"),
        just("etcdClusters.[].manager.backupRetentionDays", json!(90)),
        just("etcdClusters.[].memoryRequest", json!("100Mi")),
        just(
            "etcdClusters.[].etcdMembers.[].encryptedVolume",
            json!(true),
        ),
        just("iam.allowContainerRegistry", json!(true)),
        just("api.loadBalancer.class", json!("Network")),
        just("api.loadBalancer.type", json!("Public")),
        just("kubelet.anonymousAuth", json!(false)),
        just("kubernetesApiAccess", everybody.clone()),
        worked_out("kubernetesVersion"),
        just("masterPublicName", json!(format!("api.{name}"))),
        worked_out("networkCIDR"),
        just("nonMasqueradeCIDR", json!("100.64.0.0/10")),
        just("sshAccess", everybody),
        worked_out("subnets.[].cidr"),
        worked_out("subnets.[].zone"),
    ];
    // The two clusters of `create cluster` differ in this alone.
    fields
        .extend(["200m", "100m"].map(|request| just("etcdClusters.[].cpuRequest", json!(request))));
    fields
}

fn of_group(name: &str) -> Vec<(Vec<String>, Assigned)> {
    let path = ["nodeLabels", "kops.k8s.io/instancegroup"]
        .map(str::to_owned)
        .to_vec();
    vec![(path, Assigned::Just(json!(name)))]
}

/// Whether something was dropped. A mapping that held nothing else goes with it.
fn drop_at(path: &[String], assigned: &Assigned, wanted: Option<&Json>, stored: &mut Json) -> bool {
    let Some((key, rest)) = path.split_first() else {
        return false;
    };
    if key == "[]" {
        return drop_in_items(rest, assigned, wanted, stored);
    }
    let Json::Object(fields) = stored else {
        return false;
    };
    let wanted = wanted.and_then(|w| w.get(key));
    let Some(value) = fields.get_mut(key) else {
        return false;
    };
    let (dropped, gone) = if rest.is_empty() {
        let by_kops = match assigned {
            Assigned::Just(expected) => value == expected,
            Assigned::WorkedOut => true,
        };
        (wanted.is_none() && by_kops, wanted.is_none() && by_kops)
    } else {
        let dropped = drop_at(rest, assigned, wanted, value);
        (
            dropped,
            dropped && wanted.is_none() && value.as_object().is_some_and(Map::is_empty),
        )
    };
    if gone {
        fields.shift_remove(key);
    }
    dropped
}

/// In every item that both lists have: one that git does not have is a difference as a whole.
fn drop_in_items(
    rest: &[String],
    assigned: &Assigned,
    wanted: Option<&Json>,
    stored: &mut Json,
) -> bool {
    let (Some(Json::Array(wanted)), Json::Array(items)) = (wanted, stored) else {
        return false;
    };
    let mut dropped = false;
    for item in items {
        let same = |w: &&Json| w.get("name").is_some() && w.get("name") == item.get("name");
        if let Some(wanted) = wanted.iter().find(same) {
            dropped |= drop_at(rest, assigned, Some(wanted), item);
        }
    }
    dropped
}
