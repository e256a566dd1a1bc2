//! Block device mappings: the root volume with kops' minimums, the others with its defaults; and, apart, the disks that come with an instance type.

use crate::kops::{Cluster, InstanceGroup, Role, RootVolume, Volume, instance_type, root_size};
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

/// The mappings of the local disks of an instance type: `/dev/sdc` to `ephemeral0`, and so on. They follow from the type, so no definition holds them and
/// no plan compares them, as kops does not; each launch template version is written with them. Disks that are no NVMe are only there when they are mapped.
///
/// Source: kops, `awstasks/launchtemplate_target_api.go` and `awsup/machine_types.go`; EC2 user guide, "Block device mappings for volumes on instances".
pub fn instance_store(machine_type: &str) -> Vec<BlockDevice> {
    let disks = instance_type(machine_type).map_or(0, |t| t.disks);
    let mapping = |(letter, number): (char, u32)| BlockDevice {
        device_name: format!("/dev/sd{letter}"),
        ebs: None,
        virtual_name: Some(format!("ephemeral{number}")),
    };
    ('c'..='z').zip(0..disks).map(mapping).collect()
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
