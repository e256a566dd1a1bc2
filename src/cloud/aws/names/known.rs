//! What is known of an account and region by name, and both ways between names and ids.
//!
//! A definition calls subnets, security groups, target groups and images by the name that kops gives them, or by the id that its manifest names. An id
//! is turned back into a name only when it is one that kops gives in this cluster, so that an id in a manifest stays one.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::types::{SecurityGroup, Subnet};

use super::images::Images;
use super::pairs::{Pairs, Unclear};
use crate::cloud::aws::ec2::tag;
use crate::desired::{security_groups, target_groups};
use crate::model::{AutoScalingGroup, ClusterName, LaunchTemplateData};

/// How a definition calls the root device.
const ROOT: &str = "<root>";

/// What is known of an account and region, for the clusters that were asked about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::cloud::aws) struct Names {
    /// By cluster: two clusters may share a network.
    subnets: BTreeMap<ClusterName, Pairs>,
    security_groups: BTreeMap<ClusterName, Pairs>,
    pub(super) target_groups: Pairs,
    pub(super) images: Images,
}

impl Names {
    /// The same group with names for ids, as its definition has it.
    pub(in crate::cloud::aws) fn group_by_name(
        &self,
        cluster: &ClusterName,
        mut group: AutoScalingGroup,
    ) -> AutoScalingGroup {
        let subnets = self.subnets.get(cluster);
        let named = |id: String| {
            subnets
                .and_then(|s| s.name(&id))
                .map_or(id.clone(), str::to_owned)
        };
        group.vpc_zone_identifier = group.vpc_zone_identifier.into_iter().map(named).collect();
        let ours = target_groups(cluster);
        let named = |arn: String| {
            target_group_name(&arn)
                .filter(|n| ours.contains(*n))
                .map_or(arn.clone(), str::to_owned)
        };
        group.target_group_arns = group.target_group_arns.into_iter().map(named).collect();
        group
    }

    /// The same data with names for ids, as its definition has it.
    pub(in crate::cloud::aws) fn data_by_name(
        &self,
        cluster: &ClusterName,
        mut data: LaunchTemplateData,
    ) -> LaunchTemplateData {
        let groups = self.security_groups.get(cluster);
        for interface in &mut data.network_interfaces {
            for id in &mut interface.groups {
                if let Some(name) = groups.and_then(|g| g.name(id)) {
                    name.clone_into(id);
                }
            }
        }
        let root = match self.images.root(&data.image_id) {
            Some(root) => root.map(str::to_owned),
            None => usual_root(&data),
        };
        for device in data
            .block_device_mappings
            .iter_mut()
            .filter(|d| Some(&d.device_name) == root.as_ref())
        {
            ROOT.clone_into(&mut device.device_name);
        }
        // A key pair that kops made of a key in its state store: no manifest names it.
        data.key_name = data
            .key_name
            .filter(|key| !key.starts_with(&format!("kubernetes.{cluster}-")));
        data.canonical()
    }

    /// The same group with ids for names, as AWS wants it.
    pub(in crate::cloud::aws) fn group_by_id(
        &self,
        cluster: &ClusterName,
        mut group: AutoScalingGroup,
    ) -> Result<AutoScalingGroup, Unclear> {
        let none = Pairs::default();
        let subnets = self.subnets.get(cluster).unwrap_or(&none);
        let id = |name: String| match name.starts_with("subnet-") {
            true => Ok(name),
            false => subnets.id("subnet", &name),
        };
        group.vpc_zone_identifier = group
            .vpc_zone_identifier
            .into_iter()
            .map(id)
            .collect::<Result<_, _>>()?;
        let arn = |name: String| match name.starts_with("arn:") {
            true => Ok(name),
            false => self.target_groups.id("target group", &name),
        };
        group.target_group_arns = group
            .target_group_arns
            .into_iter()
            .map(arn)
            .collect::<Result<_, _>>()?;
        Ok(group)
    }

    /// The same data with ids for names, as AWS wants it.
    pub(in crate::cloud::aws) fn data_by_id(
        &self,
        cluster: &ClusterName,
        mut data: LaunchTemplateData,
    ) -> Result<LaunchTemplateData, Unclear> {
        let none = Pairs::default();
        let groups = self.security_groups.get(cluster).unwrap_or(&none);
        for interface in &mut data.network_interfaces {
            for name in interface
                .groups
                .iter_mut()
                .filter(|n| !n.starts_with("sg-"))
            {
                *name = groups.id("security group", name)?;
            }
        }
        data.image_id = self.images.by_id(&data.image_id)?;
        for device in data
            .block_device_mappings
            .iter_mut()
            .filter(|d| d.device_name == ROOT)
        {
            let root = self.images.root(&data.image_id).flatten();
            device.device_name = root.map(str::to_owned).ok_or_else(|| Unclear::None {
                kind: "root device of image",
                name: data.image_id.clone(),
            })?;
        }
        Ok(data.canonical())
    }

    /// What the names of images that definitions use mean now, as far as they mean one.
    pub(in crate::cloud::aws) fn meant_images(&self) -> BTreeMap<String, String> {
        self.images.meant()
    }

    /// What people call an image: `owner/name`.
    pub(in crate::cloud::aws) fn image_name(&self, id: &str) -> Option<String> {
        self.images.name(id)
    }

    /// Names of images that definitions use and that mean nothing here.
    pub(in crate::cloud::aws) fn unclear_images(&self, images: &BTreeSet<String>) -> Vec<Unclear> {
        self.images.unclear(images)
    }

    pub(super) fn add_subnet(&mut self, cluster: &ClusterName, subnet: &Subnet) {
        let (Some(id), Some(name)) = (subnet.subnet_id(), tag(subnet.tags(), "Name")) else {
            return;
        };
        let shared =
            tag(subnet.tags(), &format!("kubernetes.io/cluster/{cluster}")) == Some("shared");
        if name.ends_with(&format!(".{cluster}")) && !shared {
            self.subnets
                .entry(cluster.clone())
                .or_default()
                .add(name, id);
        }
    }

    pub(super) fn add_security_group(&mut self, cluster: &ClusterName, group: &SecurityGroup) {
        if let (Some(id), Some(name)) = (group.group_id(), group.group_name())
            && security_groups(cluster).contains(name)
        {
            self.security_groups
                .entry(cluster.clone())
                .or_default()
                .add(name, id);
        }
    }
}

/// The root device of an image that is no longer there: images call it by one of two names, and a template has one root.
fn usual_root(data: &LaunchTemplateData) -> Option<String> {
    let usual = |name: &str| matches!(name, "/dev/sda1" | "/dev/xvda");
    let mut found = data
        .block_device_mappings
        .iter()
        .map(|d| &d.device_name)
        .filter(|name| usual(name));
    found.next().filter(|_| found.next().is_none()).cloned()
}

/// `arn:aws:elasticloadbalancing:REGION:ACCOUNT:targetgroup/NAME/ID`.
fn target_group_name(arn: &str) -> Option<&str> {
    arn.split_once(":targetgroup/")?.1.split('/').next()
}

#[cfg(test)]
mod tests {
    use aws_sdk_ec2::types::{Image, Tag};

    use super::*;

    fn cluster() -> ClusterName {
        ClusterName::new("c.example.com").unwrap()
    }

    fn subnet(id: &str, name: &str, owner: &str) -> Subnet {
        let tag = |k: &str, v: &str| Tag::builder().key(k).value(v).build();
        Subnet::builder()
            .subnet_id(id)
            .tags(tag("Name", name))
            .tags(tag("kubernetes.io/cluster/c.example.com", owner))
            .build()
    }

    #[test]
    fn a_subnet_has_the_name_that_kops_gave_it() {
        let mut names = Names::default();
        for s in [
            subnet("subnet-1", "a.c.example.com", "owned"),
            subnet("subnet-2", "b.c.example.com", "shared"),
            subnet("subnet-3", "a.other.example.com", "owned"),
            subnet("subnet-4", "d.c.example.com", "owned"),
            subnet("subnet-5", "d.c.example.com", "owned"),
        ] {
            names.add_subnet(&cluster(), &s);
        }
        let pairs = names.subnets.get(&cluster()).unwrap();
        let by_name = |id| pairs.name(id);
        assert_eq!(
            [
                by_name("subnet-1"),
                by_name("subnet-2"),
                by_name("subnet-3"),
                by_name("subnet-4")
            ],
            [Some("a.c.example.com"), None, None, None]
        );
        assert_eq!(pairs.id("subnet", "a.c.example.com"), Ok("subnet-1".into()));
        let said = |name| pairs.id("subnet", name).unwrap_err().to_string();
        assert_eq!(
            said("x.c.example.com"),
            "there is no subnet `x.c.example.com`"
        );
        assert_eq!(
            said("d.c.example.com"),
            "there is more than one subnet `d.c.example.com`: subnet-4, subnet-5"
        );
    }

    #[test]
    fn a_target_group_has_a_name_only_when_kops_made_it() {
        let own = target_groups(&cluster()).into_iter().next().unwrap();
        let arn = |name: &str| {
            format!("arn:aws:elasticloadbalancing:eu-west-1:111122223333:targetgroup/{name}/0123")
        };
        assert_eq!(target_group_name(&arn(&own)), Some(own.as_str()));
        assert_eq!(target_group_name("arn:aws:x"), None);
        assert!(!target_groups(&cluster()).contains("mine"));
    }

    #[test]
    fn an_image_that_is_gone_had_a_root_device() {
        let data = |devices: &[&str]| {
            let device = |d: &&str| {
                aws_sdk_ec2::types::LaunchTemplateBlockDeviceMapping::builder()
                    .device_name(*d)
                    .build()
            };
            let devices = devices.iter().map(device).collect();
            let given = aws_sdk_ec2::types::ResponseLaunchTemplateData::builder()
                .image_id("ami-1")
                .set_block_device_mappings(Some(devices));
            crate::cloud::aws::convert::template::data(&given.build()).unwrap()
        };
        let shown = |names: &Names, devices: &[&str]| {
            let found = names
                .data_by_name(&cluster(), data(devices))
                .block_device_mappings;
            found
                .into_iter()
                .map(|d| d.device_name)
                .collect::<Vec<_>>()
                .join(" ")
        };
        let mut names = Names::default();
        assert_eq!(
            shown(&names, &["/dev/xvda", "/dev/xvdd"]),
            "/dev/xvdd <root>"
        );
        assert_eq!(
            shown(&names, &["/dev/sda1", "/dev/xvda"]),
            "/dev/sda1 /dev/xvda",
            "which one is not known"
        );
        names.images.add(
            &Image::builder()
                .image_id("ami-1")
                .root_device_name("/dev/xvdd")
                .build(),
        );
        assert_eq!(
            shown(&names, &["/dev/xvda", "/dev/xvdd"]),
            "/dev/xvda <root>"
        );
    }
}
