//! What cluster-autoscaler takes a node of a group for while there is none to look at: the group's tags, and the type it would start first.

use std::collections::BTreeMap;

use serde::Serialize;

use super::compiled::{Compiled, NODE_TAG};
use super::{AutoscalerFinding, Discovery, Expander};
use crate::kops::{Architecture, InstanceType, Role, instance_type};
use crate::model::{AsgName, GroupName};

/// A group of workers as cluster-autoscaler sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeGroup {
    /// Its name.
    pub group: GroupName,
    /// Its AutoScalingGroup.
    pub asg: AsgName,
    /// Whether cluster-autoscaler scales it.
    pub scaled: bool,
    /// Fewest instances.
    pub min_size: u32,
    /// Most instances.
    pub max_size: u32,
    /// Its priority, when there are priorities and one of them matches.
    pub priority: Option<i64>,
    /// The type that a node is taken to have: the first of several, the template's otherwise. None: AWS chooses.
    pub instance_type: Option<String>,
    /// vCPUs of that type; none: not known.
    pub cpu: Option<u32>,
    /// Its memory in MiB.
    pub memory_mib: Option<u64>,
    pub gpus: Option<u32>,
    pub architecture: Option<Architecture>,
    /// Resources given by tags, such as `ephemeral-storage`. They count instead of the type's.
    pub resources: BTreeMap<String, String>,
    /// Labels, beside those that every node has.
    pub labels: BTreeMap<String, String>,
    /// Taints, `key=value:Effect`.
    pub taints: Vec<String>,
}

/// The groups of workers, and those that are scaled whatever they are.
pub(super) fn groups(
    all: &[Compiled<'_>],
    discovery: &Discovery,
    expander: Option<&Expander>,
    findings: &mut Vec<AutoscalerFinding>,
) -> Vec<NodeGroup> {
    let shown = all
        .iter()
        .filter(|c| c.group.role == Role::Node || discovery.sees(c));
    shown
        .map(|c| node_group(c, discovery.sees(c), expander, findings))
        .collect()
}

fn node_group(
    compiled: &Compiled<'_>,
    scaled: bool,
    expander: Option<&Expander>,
    findings: &mut Vec<AutoscalerFinding>,
) -> NodeGroup {
    let asg = &compiled.definition.auto_scaling_group;
    let name = asg.auto_scaling_group_name.clone();
    let instance_type = first_type(compiled);
    let known = known(compiled, instance_type.as_deref(), findings);
    NodeGroup {
        group: compiled.group.name.clone(),
        scaled,
        min_size: asg.min_size,
        max_size: asg.max_size,
        priority: expander.and_then(|e| e.priority_of(&name)),
        asg: name,
        instance_type,
        cpu: known.map(|t| t.vcpus),
        memory_mib: known.map(|t| t.memory_mib),
        gpus: known.map(|t| t.gpus),
        architecture: known.map(|t| t.architecture),
        resources: tags(compiled, "resources"),
        labels: tags(compiled, "label"),
        taints: taints(compiled, &tags(compiled, "taint"), findings),
    }
}

/// What the node-template tags of a kind say.
fn tags(compiled: &Compiled<'_>, kind: &str) -> BTreeMap<String, String> {
    let prefix = format!("{NODE_TAG}{kind}/");
    let named = compiled
        .tags()
        .filter_map(|(key, value)| Some((key.strip_prefix(&prefix)?, value)));
    named
        .filter(|(key, _)| !key.is_empty())
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

/// None: the first override asks for attributes instead of a type.
fn first_type(compiled: &Compiled<'_>) -> Option<String> {
    let overrides = compiled
        .definition
        .auto_scaling_group
        .mixed_instances_policy
        .iter()
        .flat_map(|p| &p.overrides);
    let template = &compiled
        .definition
        .launch_template
        .launch_template_data
        .instance_type;
    overrides
        .map(|o| o.instance_type.clone())
        .next()
        .unwrap_or_else(|| Some(template.clone()))
}

fn known(
    compiled: &Compiled<'_>,
    name: Option<&str>,
    findings: &mut Vec<AutoscalerFinding>,
) -> Option<&'static InstanceType> {
    let group = || compiled.group.name.clone();
    let Some(name) = name else {
        findings.push(AutoscalerFinding::ByAttributes { group: group() });
        return None;
    };
    let known = instance_type(name);
    if known.is_none() {
        findings.push(AutoscalerFinding::UnknownType {
            group: group(),
            instance_type: name.to_owned(),
        });
    }
    known
}

/// Taints by key, in the form that people write; what is in no form is ignored, and said.
fn taints(
    compiled: &Compiled<'_>,
    tags: &BTreeMap<String, String>,
    findings: &mut Vec<AutoscalerFinding>,
) -> Vec<String> {
    let mut taints = Vec::new();
    for (key, text) in tags {
        match text.split_once(':') {
            Some((value, effect @ ("NoSchedule" | "PreferNoSchedule" | "NoExecute"))) => {
                taints.push(format!("{key}={value}:{effect}"))
            }
            Some(_) | None => findings.push(AutoscalerFinding::TaintForm {
                group: compiled.group.name.clone(),
                tag: format!("{NODE_TAG}taint/{key}"),
            }),
        }
    }
    taints
}
