//! Whether kops' state store has the groups as git has them. What a definition carries is compared with the cloud, so the store may lag behind it:
//! then the next `kops update` undoes what was rolled. Decides nothing.

use serde_json::{Value as Json, json};

use super::{Remark, fields};
use crate::desired::{DesiredCluster, DesiredGroup, of_definition};
use crate::kops::stored;
use crate::model::{AsgName, Stored};

/// The groups that the store has otherwise.
pub(super) fn unpublished(desired: &DesiredCluster, documents: &Stored) -> Vec<Remark> {
    let Stored::Known(documents) = documents else {
        return Vec::new();
    };
    let lagging = |(name, group): (&AsgName, &DesiredGroup)| {
        let key = format!("InstanceGroup/{}", group.definition.instance_group);
        let fields = behind(&key, group, documents.get(&key)?);
        (!fields.is_empty()).then(|| Remark::Unpublished {
            group: name.clone(),
            fields,
        })
    };
    desired.groups.iter().filter_map(lagging).collect()
}

/// From what git wants to what the store has.
fn behind(key: &str, group: &DesiredGroup, stored: &Json) -> Vec<super::FieldChange> {
    let name = key.strip_prefix("InstanceGroup/").unwrap_or(key);
    let whole = |spec: Json| json!({"apiVersion": "kops.k8s.io/v1alpha2", "kind": "InstanceGroup", "metadata": {"name": name}, "spec": spec});
    let wanted = stored::normal(&whole(json!(group.compiled)));
    let stored = stored::aligned(&wanted, &whole(json!(of_definition(stored))));
    let spec = |group: &Json| group.get("spec").cloned().unwrap_or(Json::Null);
    fields(&spec(&wanted), &spec(&stored))
}
