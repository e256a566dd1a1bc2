//! The instance types of a group: known to AWS, offered in the region, and of one kind. Source of the kinds: kops' validation of AWS groups.

use std::collections::BTreeSet;

use super::error::Problems;
use super::instance_types::{Architecture, InstanceType, TABLE_OF, instance_type, instance_types};
use super::target::KopsTarget;
use super::view::View;
use crate::model::KnownRegion;
use crate::yaml::Pos;

/// Most overrides of a mixed instances policy. Source: Amazon EC2 Auto Scaling API, LaunchTemplate: "Overrides ... maximum number of 40 items" (quotas page:
/// "Instance types in a mixed instances group").
const MOST_OVERRIDES: usize = 40;

/// How many names a hint offers.
const OFFERED: usize = 3;

/// Checks `machineType` and the types of the policy.
pub(super) fn check(
    spec: View<'_>,
    target: &KopsTarget,
    region: Option<&KnownRegion>,
    problems: &mut Problems,
) {
    let own: Vec<&str> = spec
        .text("machineType")
        .map(|types| types.split(',').collect())
        .unwrap_or_default();
    let at = spec.at("machineType");
    let known = Known { target };
    // A list with blanks is one fault, said where the type is read.
    let spaced = spec
        .text("machineType")
        .is_some_and(|t| t.contains(char::is_whitespace));
    for name in own.iter().filter(|n| !spaced && !n.is_empty()) {
        known.check(name, at, problems);
    }
    disks(own.first().copied().unwrap_or_default(), at, problems);
    let policy = spec.sub("mixedInstancesPolicy");
    if own.len() > 1 && spec.has("mixedInstancesPolicy") {
        problems.error(
            at,
            "`machineType` must be one type when there is a `mixedInstancesPolicy`",
        );
    }
    let listed = policy.items("instances");
    for (name, pos) in listed.iter().filter(|(n, _)| !n.is_empty()) {
        known.check(name, *pos, problems);
    }
    let first = own.first().copied().unwrap_or_default();
    for name in own.iter().skip(1) {
        same_kind(first, name, at, problems);
    }
    for (name, pos) in &listed {
        same_kind(first, name, *pos, problems);
    }
    image_of_kind(spec, first, problems);
    let overrides = listed.len() + usize::from(policy.has("instanceRequirements"));
    if spec.str("manager") != Some("Karpenter") && overrides > MOST_OVERRIDES {
        let pos = listed.get(MOST_OVERRIDES).map_or(policy.pos, |(_, p)| *p);
        problems.error(
            pos,
            format!("AWS takes {MOST_OVERRIDES} instance types at most in a policy, and these are {overrides}"),
        );
    }
    excluded(policy.sub("instanceRequirements"), problems);
    offered(spec, target, region, problems);
}

/// What is known of instance types.
struct Known<'a> {
    target: &'a KopsTarget,
}

impl Known<'_> {
    fn check(&self, name: &str, pos: Pos, problems: &mut Problems) {
        if self.target.accepted.contains(name) {
            return;
        }
        if name.contains([' ', '\t', '\n']) {
            let joined = "two items of a list became one? a line break is missing before the dash";
            problems.error_hint(
                pos,
                format!("`{name}` is not an instance type: it has blanks"),
                joined,
            );
            return;
        }
        if instance_type(name).is_none() {
            let near = nearest(name, instance_types());
            let hint = if near.is_empty() {
                format!(
                    "a type that came after {TABLE_OF} has to be accepted by name: `accept` in fleet.yaml, or `--accept {name}`"
                )
            } else {
                format!("did you mean {near}?")
            };
            problems.error_hint(
                pos,
                format!("AWS has no instance type `{name}` (table of {TABLE_OF})"),
                hint,
            );
        }
    }
}

/// Most local disks that kops has device names for. Source: kops, `awsup/machine_types.go`: it ends with more.
const MOST_DISKS: u32 = 20;

/// kops maps every local disk of the launch template's type.
fn disks(name: &str, at: Pos, problems: &mut Problems) {
    let Some(has) = instance_type(name).map(|t| t.disks) else {
        return;
    };
    if has > MOST_DISKS {
        problems.error(
            at,
            format!("`{name}` has {has} local disks, and kops takes {MOST_DISKS} at most for a group's `machineType`"),
        );
    }
}

/// A group of one type that the region does not offer never has an instance. With several types AWS takes the others.
fn offered(
    spec: View<'_>,
    target: &KopsTarget,
    region: Option<&KnownRegion>,
    problems: &mut Problems,
) {
    let alone = spec
        .text("machineType")
        .filter(|_| !spec.has("mixedInstancesPolicy"));
    let (Some(name), Some(region)) = (alone, region) else {
        return;
    };
    let missing = instance_type(name).is_some_and(|t| t.offered_in(region) == Some(false));
    if missing && !target.accepted.contains(name) {
        problems.warn(
            spec.at("machineType"),
            format!(
                "the instance type `{name}` is not offered in {} (table of {TABLE_OF})",
                region.name
            ),
            Some("name it under `accept` in fleet.yaml when that has changed".into()),
        );
    }
}

/// The names that come nearest, as a part of a sentence; empty: none is near.
fn nearest(name: &str, types: impl Iterator<Item = &'static InstanceType>) -> String {
    let mut near: Vec<(usize, &str)> = types
        .map(|t| (strsim::damerau_levenshtein(name, t.name), t.name))
        .filter(|(distance, _)| *distance <= 3)
        .collect();
    near.sort_unstable();
    let names: Vec<String> = near
        .iter()
        .take(OFFERED)
        .map(|(_, name)| format!("`{name}`"))
        .collect();
    match names.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

/// kops takes groups whose types all have a GPU or none has, and that run on one architecture (that of the image).
fn same_kind(first: &str, name: &str, pos: Pos, problems: &mut Problems) {
    let (Some(a), Some(b)) = (instance_type(first), instance_type(name)) else {
        return;
    };
    if a.architecture != b.architecture {
        problems.error(
            pos,
            format!(
                "`{name}` is {} and `{first}`, the group's `machineType`, is {}: one image cannot run on both",
                b.architecture.as_str(),
                a.architecture.as_str()
            ),
        );
    }
    if has_gpu(first) != has_gpu(name) {
        let (with, without) = if has_gpu(name) {
            (name, first)
        } else {
            (first, name)
        };
        problems.error(
            pos,
            format!(
                "`{with}` has a GPU and `{without}` has none: kops does not take both in one group"
            ),
        );
    }
}

/// kops asks AWS for the image's architecture; here the name tells it, for those who write it into names, as Canonical and Amazon do.
fn image_of_kind(spec: View<'_>, first: &str, problems: &mut Problems) {
    let name = spec.text("image").unwrap_or_default();
    let said = |word: &&str| match *word {
        "amd64" | "x86" => Some(Architecture::Amd64),
        "arm64" | "aarch64" => Some(Architecture::Arm64),
        _ => None,
    };
    let words: Vec<&str> = name.split(|c: char| !c.is_ascii_alphanumeric()).collect();
    let (Some(image), Some(own)) = (words.iter().find_map(said), instance_type(first)) else {
        return;
    };
    if image != own.architecture && !words.iter().any(|w| said(w) == Some(own.architecture)) {
        problems.warn(
            spec.at("image"),
            format!(
                "the image is of {} by its name, and `{first}` is {}",
                image.as_str(),
                own.architecture.as_str()
            ),
            Some(
                "kops and AWS refuse an image of another architecture than the group's types"
                    .to_owned(),
            ),
        );
    }
}

/// Source: Amazon EC2 Auto Scaling API, InstanceRequirements: ExcludedInstanceTypes, at most 400, of the form `[a-zA-Z0-9\.\*\-]+`.
fn excluded(requirements: View<'_>, problems: &mut Problems) {
    let mut seen = BTreeSet::new();
    for (i, (name, pos)) in requirements
        .items("excludedInstanceTypes")
        .into_iter()
        .enumerate()
    {
        let form = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '*' | '-');
        if name.is_empty() || !name.chars().all(form) {
            problems.error(
                pos,
                "this is not an instance type or a pattern of types such as m5.*",
            );
        } else if !seen.insert(name) {
            problems.error(pos, format!("`{name}` stands here twice"));
        } else if i == 400 {
            problems.error(pos, "AWS takes 400 excluded types at most");
        }
    }
}

/// Whether EC2 gives the type a GPU or a part of one: the families g, gr and p do, no others with a digit behind these letters, and dl1
/// (EC2 counts its accelerators as GPUs, those of dl2q, inf, trn and vt not). By family: a type newer than our table has one, too.
pub(super) fn has_gpu(machine_type: &str) -> bool {
    let family = machine_type.split('.').next().unwrap_or_default();
    let numbered = |letters: &str| {
        family
            .strip_prefix(letters)
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    ["gr", "g", "p"].into_iter().any(numbered) || family == "dl1"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_with_gpus_are_those_of_the_table() {
        // Parts of a GPU count as none there, and are one to kops.
        let part = |name: &str| name.starts_with("g6f.") || name.starts_with("gr6f.");
        for t in instance_types() {
            assert_eq!(has_gpu(t.name), t.gpus > 0 || part(t.name), "{}", t.name);
        }
    }

    #[test]
    fn the_nearest_names_are_offered() {
        assert_eq!(
            nearest("m5.lrge", instance_types()),
            "`m5.large`, `c5.large` or `m1.large`"
        );
        assert_eq!(nearest("nonsense", instance_types()), "");
    }
}
