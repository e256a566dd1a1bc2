//! Block device mappings: the root volume with kops' minimums, the others with its defaults. Instance-store disks are not here: they come with the type.

use crate::kops::{Cluster, InstanceGroup, Role, RootVolume, Volume, root_size};
use crate::model::{BlockDevice, Ebs};

/// The root device's name comes from the image, which is not looked up here.
const ROOT: &str = "<root>";

/// All volumes, sorted by device.
pub(super) fn volumes(cluster: &Cluster, group: &InstanceGroup) -> Vec<BlockDevice> {
    let mut devices = vec![device(ROOT, root(&group.volumes.root, group.role))];
    devices.extend(
        group
            .volumes
            .extra
            .iter()
            .map(|v| device(&v.device, extra(v, cluster.terraform))),
    );
    devices.sort_by(|a, b| a.device_name.cmp(&b.device_name));
    devices
}

fn device(name: &str, ebs: Ebs) -> BlockDevice {
    BlockDevice {
        device_name: name.to_owned(),
        ebs: Some(ebs),
        virtual_name: None,
    }
}

fn root(volume: &RootVolume, role: Role) -> Ebs {
    let kind = volume.kind.as_deref().unwrap_or("gp3");
    Ebs {
        delete_on_termination: true,
        encrypted: volume.encryption != Some(false),
        iops: least_iops(kind).map(|least| volume.iops.unwrap_or(least).max(least)),
        // The key counts only when encryption is asked for, not when it is merely the default.
        kms_key_id: volume
            .key
            .clone()
            .filter(|_| volume.encryption == Some(true)),
        throughput: least_throughput(kind)
            .map(|least| volume.throughput.unwrap_or(least).max(least)),
        volume_size: volume.size.unwrap_or_else(|| root_size(role)),
        volume_type: kind.to_owned(),
    }
}

/// Values given are taken as they are: kops raises them to a minimum for root volumes only.
fn extra(volume: &Volume, terraform: bool) -> Ebs {
    let kind = volume.kind.as_deref().unwrap_or("gp3");
    let encrypted = volume.encrypted != Some(false);
    Ebs {
        // Through Terraform kops makes every volume go with its instance, whatever the manifest says.
        delete_on_termination: terraform || volume.delete_on_termination != Some(false),
        encrypted,
        iops: least_iops(kind).map(|default| volume.iops.unwrap_or(default)),
        kms_key_id: volume.key.clone().filter(|_| encrypted),
        throughput: least_throughput(kind).map(|default| volume.throughput.unwrap_or(default)),
        volume_size: volume.size,
        volume_type: kind.to_owned(),
    }
}

/// IOPS of types that have them to choose; none: the type does not.
fn least_iops(kind: &str) -> Option<u32> {
    match kind {
        "io1" | "io2" => Some(100),
        "gp3" => Some(3_000),
        _ => None,
    }
}

/// MB/s of types that have them to choose.
fn least_throughput(kind: &str) -> Option<u32> {
    (kind == "gp3").then_some(125)
}
