//! Which control-plane groups have members of which etcd cluster, as the manifests say. Looks at nothing live.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::desired::DesiredCluster;
use crate::model::AsgName;

/// Members of each etcd cluster by group, as the Cluster says.
pub(super) fn members(desired: &DesiredCluster) -> BTreeMap<String, BTreeMap<AsgName, u32>> {
    let group = |name: &str| {
        desired
            .groups
            .iter()
            .find(|(_, g)| g.definition.instance_group.as_str() == name)
            .map(|(asg, _)| asg.clone())
    };
    let cluster = desired.manifest();
    let cluster = cluster.as_ref();
    let spec = cluster.and_then(|c| c.get("spec")).unwrap_or(&Json::Null);
    let mut found: BTreeMap<String, BTreeMap<AsgName, u32>> = BTreeMap::new();
    for etcd in list(spec, "etcdClusters") {
        let Some(name) = etcd.get("name").and_then(Json::as_str) else {
            continue;
        };
        let members = found.entry(name.to_owned()).or_default();
        for member in list(&etcd, "etcdMembers") {
            let of = member.get("instanceGroup").and_then(Json::as_str);
            if let Some(asg) = of.and_then(group) {
                *members.entry(asg).or_default() += 1;
            }
        }
    }
    found
}

fn list(value: &Json, key: &str) -> Vec<Json> {
    let items = value.get(key).and_then(Json::as_array);
    items.cloned().unwrap_or_default()
}
