//! Names ↔ ids of what exists in an account only: subnets, security groups, target groups, images and their root devices. The one place for both ways.
//!
//! A definition calls these by the name that kops gives them, or by the id that its manifest names. An id is turned back into a name only when it is
//! one that kops gives in this cluster, so that an id in a manifest stays one.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::types::{Filter, Image, SecurityGroup, Subnet, Tag};

use super::connect::Clients;
use super::error::cloud_error;
use crate::cloud::{CloudError, Place};
use crate::desired::{security_groups, target_groups};
use crate::model::{AutoScalingGroup, ClusterName, LaunchTemplateData};

/// How a definition calls the root device.
const ROOT: &str = "<root>";
/// Most values of one filter. Source: EC2 API reference, Filter.
const VALUES: usize = 200;
/// Most names in one question. Source: Elastic Load Balancing API reference, DescribeTargetGroups.
const TARGET_GROUPS: usize = 20;
/// What kops means by these owners. Source: kops 1.37, `upup/pkg/fi/cloudup/awsup/aws_utils.go`.
const OWNERS: [(&str, &str); 10] = [
    ("amazon", "137112412989"),
    ("amazon.com", "137112412989"),
    ("debian", "136693071363"),
    ("debian11", "136693071363"),
    ("flatcar", "075585003325"),
    ("redhat", "309956199498"),
    ("redhat.com", "309956199498"),
    ("rocky", "792107900819"),
    ("rockylinux", "792107900819"),
    ("ubuntu", "099720109477"),
];

/// A name that means nothing, or more than one thing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unclear {
    /// Nothing has it.
    #[error("there is no {kind} `{name}`")]
    None {
        /// What it should be.
        kind: &'static str,
        /// The name.
        name: String,
    },
    /// More than one has it.
    #[error("there is more than one {kind} `{name}`: {}", ids.join(", "))]
    Several {
        /// What it is.
        kind: &'static str,
        /// The name.
        name: String,
        /// All that have it.
        ids: Vec<String>,
    },
    /// kfleet does not read these.
    #[error(
        "the image `{0}` is named by a parameter of SSM, which kfleet does not read: name the image itself"
    )]
    Parameter(String),
}

/// Pairs of a name and an id, in one account and region.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Pairs(BTreeSet<(String, String)>);

impl Pairs {
    fn add(&mut self, name: &str, id: &str) {
        self.0.insert((name.to_owned(), id.to_owned()));
    }

    /// The id that a name means.
    fn id(&self, kind: &'static str, name: &str) -> Result<String, Unclear> {
        let ids: Vec<String> = self
            .0
            .iter()
            .filter(|(n, _)| n == name)
            .map(|(_, id)| id.clone())
            .collect();
        match ids.as_slice() {
            [] => Err(Unclear::None {
                kind,
                name: name.to_owned(),
            }),
            [id] => Ok(id.clone()),
            _ => Err(Unclear::Several {
                kind,
                name: name.to_owned(),
                ids,
            }),
        }
    }

    /// The name of an id, when it has one and shares it with nobody.
    fn name(&self, id: &str) -> Option<&str> {
        let (name, _) = self.0.iter().find(|(_, i)| i == id)?;
        (self.0.iter().filter(|(n, _)| n == name).count() == 1).then_some(name.as_str())
    }
}

/// An image, as far as it matters here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ImageFacts {
    owner: String,
    name: String,
    root: Option<String>,
    created: String,
}

/// What is known of an account and region, for the clusters that were asked about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Names {
    /// By cluster: two clusters may share a network.
    subnets: BTreeMap<ClusterName, Pairs>,
    security_groups: BTreeMap<ClusterName, Pairs>,
    target_groups: Pairs,
    images: BTreeMap<String, ImageFacts>,
    /// The name that definitions use → the id it means now.
    named: BTreeMap<String, Result<String, Unclear>>,
}

impl Names {
    /// The same group with names for ids, as its definition has it.
    pub(super) fn group_by_name(
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
    pub(super) fn data_by_name(
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
        let root = match self.images.get(&data.image_id) {
            Some(image) => image.root.clone(),
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
        data.image_id = self.image_by_name(&data.image_id);
        data.canonical()
    }

    /// An image as definitions call it, else as `owner/name`, else by its id.
    fn image_by_name(&self, id: &str) -> String {
        if let Some((name, _)) = self
            .named
            .iter()
            .find(|(_, meant)| meant.as_deref() == Ok(id))
        {
            return name.clone();
        }
        match self.images.get(id) {
            Some(image) if !image.name.is_empty() => format!("{}/{}", image.owner, image.name),
            Some(_) | None => id.to_owned(),
        }
    }

    /// The same group with ids for names, as AWS wants it.
    pub(super) fn group_by_id(
        &self,
        cluster: &ClusterName,
        mut group: AutoScalingGroup,
    ) -> Result<AutoScalingGroup, Unclear> {
        let none = Pairs::default();
        let subnets = self.subnets.get(cluster).unwrap_or(&none);
        let id = |name: String| {
            if name.starts_with("subnet-") {
                Ok(name)
            } else {
                subnets.id("subnet", &name)
            }
        };
        group.vpc_zone_identifier = group
            .vpc_zone_identifier
            .into_iter()
            .map(id)
            .collect::<Result<_, _>>()?;
        let arn = |name: String| {
            if name.starts_with("arn:") {
                Ok(name)
            } else {
                self.target_groups.id("target group", &name)
            }
        };
        group.target_group_arns = group
            .target_group_arns
            .into_iter()
            .map(arn)
            .collect::<Result<_, _>>()?;
        Ok(group)
    }

    /// The same data with ids for names, as AWS wants it.
    pub(super) fn data_by_id(
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
        data.image_id = self.image_by_id(&data.image_id)?;
        for device in data
            .block_device_mappings
            .iter_mut()
            .filter(|d| d.device_name == ROOT)
        {
            let root = self.images.get(&data.image_id).and_then(|i| i.root.clone());
            device.device_name = root.ok_or_else(|| Unclear::None {
                kind: "root device of image",
                name: data.image_id.clone(),
            })?;
        }
        Ok(data.canonical())
    }

    fn image_by_id(&self, name: &str) -> Result<String, Unclear> {
        match self.named.get(name) {
            _ if name.starts_with("ami-") => Ok(name.to_owned()),
            Some(meant) => meant.clone(),
            None => Err(Unclear::None {
                kind: "image",
                name: name.to_owned(),
            }),
        }
    }

    /// Names of images that definitions use and that mean nothing here.
    pub(super) fn unclear_images(&self, images: &BTreeSet<String>) -> Vec<Unclear> {
        images
            .iter()
            .filter_map(|name| self.named.get(name)?.clone().err())
            .collect()
    }

    fn add_subnet(&mut self, cluster: &ClusterName, subnet: &Subnet) {
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

    fn add_security_group(&mut self, cluster: &ClusterName, group: &SecurityGroup) {
        if let (Some(id), Some(name)) = (group.group_id(), group.group_name())
            && security_groups(cluster).contains(name)
        {
            self.security_groups
                .entry(cluster.clone())
                .or_default()
                .add(name, id);
        }
    }

    fn add_image(&mut self, image: &Image) {
        let Some(id) = image.image_id() else { return };
        let text = |t: Option<&str>| t.unwrap_or_default().to_owned();
        let root = image
            .root_device_name()
            .filter(|r| !r.is_empty())
            .map(str::to_owned);
        let facts = ImageFacts {
            owner: text(image.owner_id()),
            name: text(image.name()),
            root,
            created: text(image.creation_date()),
        };
        self.images.insert(id.to_owned(), facts);
    }

    /// Settles what a name means, among the images known by now: the newest one that fits. Source: kops-facts, B.12.
    fn settle(&mut self, name: &str) {
        let meant = if name.starts_with("ami-") {
            return;
        } else if name.starts_with("ssm:") {
            Err(Unclear::Parameter(name.to_owned()))
        } else {
            let (owner, pattern) = owner_and_name(name);
            let fits =
                |i: &ImageFacts| (owner == "self" || i.owner == owner) && matches(pattern, &i.name);
            let newest = self
                .images
                .iter()
                .filter(|(_, i)| fits(i))
                .max_by(|a, b| (&a.1.created, a.0).cmp(&(&b.1.created, b.0)));
            newest
                .map(|(id, _)| id.clone())
                .ok_or_else(|| Unclear::None {
                    kind: "image",
                    name: name.to_owned(),
                })
        };
        self.named.insert(name.to_owned(), meant);
    }
}

/// Asks AWS, and keeps what it says.
pub(super) struct Asking<'a> {
    pub(super) clients: &'a Clients,
    /// A cluster of the account and region, for errors.
    pub(super) place: &'a Place,
}

impl Asking<'_> {
    /// Subnets by id, for every cluster that may call them by name.
    pub(super) async fn subnets_by_id(
        &self,
        names: &mut Names,
        clusters: &BTreeSet<ClusterName>,
        ids: &BTreeSet<String>,
    ) -> Result<(), CloudError> {
        self.subnets(names, clusters, "subnet-id", ids).await
    }

    /// Security groups by id.
    pub(super) async fn security_groups_by_id(
        &self,
        names: &mut Names,
        clusters: &BTreeSet<ClusterName>,
        ids: &BTreeSet<String>,
    ) -> Result<(), CloudError> {
        self.security_groups(names, clusters, "group-id", ids).await
    }

    /// What a group names and a launch template names, for writing them.
    pub(super) async fn of_definition(
        &self,
        group: Option<&AutoScalingGroup>,
        data: Option<&LaunchTemplateData>,
    ) -> Result<Names, CloudError> {
        let mut names = Names::default();
        let clusters = BTreeSet::from([self.place.cluster.clone()]);
        let not = |prefix: &'static str| move |n: &&String| !n.starts_with(prefix);
        if let Some(group) = group {
            let subnets = group
                .vpc_zone_identifier
                .iter()
                .filter(not("subnet-"))
                .cloned()
                .collect();
            self.subnets(&mut names, &clusters, "tag:Name", &subnets)
                .await?;
            self.target_groups(
                &mut names,
                &group
                    .target_group_arns
                    .iter()
                    .filter(not("arn:"))
                    .cloned()
                    .collect::<Vec<_>>(),
            )
            .await?;
        }
        if let Some(data) = data {
            let groups = data
                .network_interfaces
                .iter()
                .flat_map(|n| &n.groups)
                .filter(not("sg-"))
                .cloned()
                .collect();
            self.security_groups(&mut names, &clusters, "group-name", &groups)
                .await?;
            let ids = Some(data.image_id.clone()).filter(|i| i.starts_with("ami-"));
            self.images(
                &mut names,
                &BTreeSet::from([data.image_id.clone()]),
                &ids.into_iter().collect(),
            )
            .await?;
        }
        Ok(names)
    }

    async fn subnets(
        &self,
        names: &mut Names,
        clusters: &BTreeSet<ClusterName>,
        by: &str,
        values: &BTreeSet<String>,
    ) -> Result<(), CloudError> {
        for values in chunks(values) {
            let pages = self
                .clients
                .ec2
                .describe_subnets()
                .filters(filter(by, values))
                .into_paginator()
                .items()
                .send();
            let found = pages
                .try_collect()
                .await
                .map_err(|e| cloud_error(self.place, "subnets", &e))?;
            found
                .iter()
                .for_each(|s| clusters.iter().for_each(|c| names.add_subnet(c, s)));
        }
        Ok(())
    }

    async fn security_groups(
        &self,
        names: &mut Names,
        clusters: &BTreeSet<ClusterName>,
        by: &str,
        values: &BTreeSet<String>,
    ) -> Result<(), CloudError> {
        for values in chunks(values) {
            let pages = self
                .clients
                .ec2
                .describe_security_groups()
                .filters(filter(by, values))
                .into_paginator()
                .items()
                .send();
            let found = pages
                .try_collect()
                .await
                .map_err(|e| cloud_error(self.place, "security groups", &e))?;
            found
                .iter()
                .for_each(|g| clusters.iter().for_each(|c| names.add_security_group(c, g)));
        }
        Ok(())
    }

    async fn target_groups(&self, names: &mut Names, wanted: &[String]) -> Result<(), CloudError> {
        for some in wanted.chunks(TARGET_GROUPS) {
            let answer = self
                .clients
                .elb
                .describe_target_groups()
                .set_names(Some(some.to_vec()))
                .send()
                .await;
            let found = answer.map_err(|e| cloud_error(self.place, "target groups", &e))?;
            for group in found.target_groups() {
                if let (Some(name), Some(arn)) =
                    (group.target_group_name(), group.target_group_arn())
                {
                    names.target_groups.add(name, arn);
                }
            }
        }
        Ok(())
    }

    /// Images by the names that definitions use, one question an owner, and by id what is left.
    pub(super) async fn images(
        &self,
        names: &mut Names,
        wanted: &BTreeSet<String>,
        ids: &BTreeSet<String>,
    ) -> Result<(), CloudError> {
        let mut by_owner: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        for name in wanted
            .iter()
            .filter(|n| !n.starts_with("ami-") && !n.starts_with("ssm:"))
        {
            let (owner, pattern) = owner_and_name(name);
            by_owner
                .entry(owner)
                .or_default()
                .insert(pattern.to_owned());
        }
        for (owner, patterns) in &by_owner {
            for some in chunks(patterns) {
                let pages = self
                    .clients
                    .ec2
                    .describe_images()
                    .owners(*owner)
                    .filters(filter("name", some))
                    .into_paginator()
                    .items()
                    .send();
                let found = pages
                    .try_collect()
                    .await
                    .map_err(|e| cloud_error(self.place, "images", &e))?;
                found.iter().for_each(|i| names.add_image(i));
            }
        }
        wanted.iter().for_each(|name| names.settle(name));
        let rest = ids
            .iter()
            .filter(|id| !names.images.contains_key(*id))
            .cloned()
            .collect();
        for some in chunks(&rest) {
            let pages = self
                .clients
                .ec2
                .describe_images()
                .include_deprecated(true)
                .filters(filter("image-id", some))
                .into_paginator()
                .items()
                .send();
            let found = pages
                .try_collect()
                .await
                .map_err(|e| cloud_error(self.place, "images", &e))?;
            found.iter().for_each(|i| names.add_image(i));
        }
        Ok(())
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

/// A filter of EC2.
pub(super) fn filter(name: &str, values: Vec<String>) -> Filter {
    Filter::builder()
        .name(name)
        .set_values(Some(values))
        .build()
}

/// As many values at a time as one filter takes.
pub(super) fn chunks(values: &BTreeSet<String>) -> Vec<Vec<String>> {
    values
        .iter()
        .cloned()
        .collect::<Vec<_>>()
        .chunks(VALUES)
        .map(<[String]>::to_vec)
        .collect()
}

fn tag<'a>(tags: &'a [Tag], key: &str) -> Option<&'a str> {
    tags.iter()
        .find(|t| t.key() == Some(key))
        .and_then(|t| t.value())
}

/// `arn:aws:elasticloadbalancing:REGION:ACCOUNT:targetgroup/NAME/ID`.
fn target_group_name(arn: &str) -> Option<&str> {
    arn.split_once(":targetgroup/")?.1.split('/').next()
}

/// The owner and the name (or pattern) of an image; without an owner it is one's own.
fn owner_and_name(image: &str) -> (&str, &str) {
    let Some((owner, name)) = image.split_once('/') else {
        return ("self", image);
    };
    (
        OWNERS
            .iter()
            .find(|(alias, _)| *alias == owner)
            .map_or(owner, |(_, id)| id),
        name,
    )
}

/// Whether a text fits a pattern of AWS's, with `*` for anything and `?` for one character.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    // For each prefix of the text, whether what of the pattern was taken so far fits it.
    let mut fits: Vec<bool> = std::iter::once(true)
        .chain(std::iter::repeat_n(false, text.len()))
        .collect();
    for p in pattern {
        let mut next = vec![p == '*' && fits.first() == Some(&true)];
        for (c, pair) in text.iter().zip(fits.windows(2)) {
            let (before, here) = (pair.first() == Some(&true), pair.last() == Some(&true));
            next.push(if p == '*' {
                here || next.last() == Some(&true)
            } else {
                before && (p == '?' || p == *c)
            });
        }
        fits = next;
    }
    fits.last() == Some(&true)
}

#[cfg(test)]
mod tests {
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
    fn patterns_are_those_of_aws() {
        for (pattern, text, fits) in [
            ("", "", true),
            ("a", "a", true),
            ("a", "ab", false),
            ("*", "", true),
            ("a*c", "abbc", true),
            ("a*c", "abcd", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b*", "xxbxxaxx", false),
            ("a**", "a", true),
        ] {
            assert_eq!(matches(pattern, text), fits, "{pattern} {text}");
        }
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
            super::super::convert::template::data(&given.build()).unwrap()
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
            "nobody knows which"
        );
        names.add_image(
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

    #[test]
    fn the_newest_image_that_fits_is_meant() {
        let image = |id: &str, owner: &str, name: &str, created: &str| {
            Image::builder()
                .image_id(id)
                .owner_id(owner)
                .name(name)
                .creation_date(created)
                .root_device_name("/dev/xvda")
                .build()
        };
        let mut names = Names::default();
        for i in [
            image("ami-1", "099720109477", "ubuntu/noble-1", "2026-01-01"),
            image("ami-2", "099720109477", "ubuntu/noble-2", "2026-02-01"),
            image("ami-3", "111122223333", "ubuntu/noble-3", "2026-03-01"),
        ] {
            names.add_image(&i);
        }
        for name in [
            "ubuntu/ubuntu/noble-*",
            "099720109477/ubuntu/noble-1",
            "ubuntu/noble-9",
            "ssm:/a/b",
            "ami-7",
        ] {
            names.settle(name);
        }
        let by_id = |name: &str| names.image_by_id(name).map_err(|e| e.to_string());
        assert_eq!(by_id("ubuntu/ubuntu/noble-*"), Ok("ami-2".into()));
        assert_eq!(by_id("099720109477/ubuntu/noble-1"), Ok("ami-1".into()));
        assert_eq!(by_id("ami-7"), Ok("ami-7".into()));
        assert_eq!(
            by_id("ubuntu/noble-9"),
            Err("there is no image `ubuntu/noble-9`".into())
        );
        assert!(by_id("ssm:/a/b").is_err_and(|e| e.contains("SSM")));
        let by_name = |id| names.image_by_name(id);
        assert_eq!(by_name("ami-2"), "ubuntu/ubuntu/noble-*");
        assert_eq!(by_name("ami-3"), "111122223333/ubuntu/noble-3");
        assert_eq!(by_name("ami-9"), "ami-9");
    }
}
