//! Whether kops' state store has the groups as git has them. What a definition carries is compared with the cloud, so the store may lag behind it:
//! then the next `kops update` undoes what was rolled. Decides nothing.

use serde_json::{Value as Json, json};

use super::{Remark, fields};
use crate::desired::{DesiredCluster, DesiredGroup, of_definition};
use crate::kops::{owner_and_name, stored};
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
    let wanted = stored::normal(&whole(json!(group.compiled())));
    let mut stored = stored::aligned(&wanted, &whole(json!(of_definition(stored))));
    same_image(&wanted, &mut stored);
    let spec = |group: &Json| group.get("spec").cloned().unwrap_or(Json::Null);
    fields(&spec(&wanted), &spec(&stored))
}

/// An owner by number and by alias are one owner: the next `kops update` sets the same image.
fn same_image(wanted: &Json, stored: &mut Json) {
    const IMAGE: &str = "/spec/image";
    let (Some(image), Some(other)) = (wanted.pointer(IMAGE), stored.pointer_mut(IMAGE)) else {
        return;
    };
    let meant = |image: &Json| {
        let (owner, name) = owner_and_name(image.as_str()?);
        Some((owner.to_owned(), name.to_owned()))
    };
    if meant(image).is_some() && meant(image) == meant(other) {
        *other = image.clone();
    }
}
