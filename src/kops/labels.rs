//! Rules for cloud labels, node labels and taints, which end up as AWS tags. Builds no tags.

use super::error::Problems;
use super::values::taint;
use super::view::View;
use crate::yaml::Pos;

/// Longest key of a tag. Source: Amazon EC2 Auto Scaling user guide, "Tag Auto Scaling groups and instances"; the same for EC2.
const KEY: usize = 128;
/// Longest value of a tag. Source: the same.
const VALUE: usize = 256;
/// What the keys begin with that node labels become.
pub(crate) const LABEL_TAG: &str = "k8s.io/cluster-autoscaler/node-template/label/";
/// What the keys begin with that taints become.
pub(crate) const TAINT_TAG: &str = "k8s.io/cluster-autoscaler/node-template/taint/";

/// Cloud labels must not take the keys that kops itself writes; `group`: the group whose own name its label may carry.
pub(super) fn check_cloud_labels(spec: View<'_>, group: Option<&str>, problems: &mut Problems) {
    for (key, value, pos) in spec.pairs("cloudLabels") {
        let own = key == "kops.k8s.io/instancegroup" && group == Some(value);
        let reserved = matches!(key, "Name" | "KubernetesCluster")
            || ["kubernetes.io/cluster/", "k8s.io/role/", "kops.k8s.io/"]
                .iter()
                .any(|prefix| key.starts_with(prefix));
        if reserved && !own {
            problems.error(
                pos,
                format!("the cloud label `{key}` is reserved: kops writes it itself"),
            );
        }
        tag("cloud label", key, key, value, pos, problems);
    }
}

/// What Kubernetes takes as the name of a label behind its prefix, and, where it is not empty, as its value.
pub(super) fn is_word(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let outer = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    text.len() <= 63
        && text.chars().all(inner)
        && outer(text.chars().next())
        && outer(text.chars().next_back())
}

/// What Kubernetes takes as the key of a label or a taint. Source: Kubernetes, `IsQualifiedName`: at most one `/`, and before it a DNS subdomain.
pub(super) fn is_key(key: &str) -> bool {
    let Some((prefix, name)) = key.split_once('/') else {
        return is_word(key);
    };
    let part = |part: &str| {
        let is_lower = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        part.starts_with(is_lower)
            && part.ends_with(is_lower)
            && part.chars().all(|c| is_lower(c) || c == '-')
    };
    is_word(name) && prefix.len() <= 253 && prefix.split('.').all(part)
}

/// Node label keys have at most one `/`; with a label that Kubernetes does not take no node of the group would join. Source: Kubernetes, "Labels and
/// Selectors", syntax and character set.
pub(super) fn check_node_labels(spec: View<'_>, problems: &mut Problems) {
    for (key, value, pos) in spec.pairs("nodeLabels") {
        let name = key.rsplit('/').next().unwrap_or(key);
        if key.matches('/').count() <= 1 && !is_word(name) {
            problems.error(
                pos,
                format!("`{key}` is no label of Kubernetes: its name has letters, digits, `-`, `_` and `.`, 63 at most, and a letter or digit at both ends"),
            );
        }
        if !value.is_empty() && !is_word(value) {
            problems.error(
                pos,
                format!("`{value}` is no value of a label of Kubernetes (`{key}`): letters, digits, `-`, `_` and `.`, 63 at most, and a letter or digit at both ends"),
            );
        }
        if key.matches('/').count() > 1 {
            problems.error(pos, format!("the node label `{key}` has more than one `/`"));
        }
        tag(
            "node label",
            key,
            &format!("{LABEL_TAG}{key}"),
            value,
            pos,
            problems,
        );
    }
}

/// Node labels of a kubelet's configuration become tags like any others.
pub(super) fn check_kubelet_labels(spec: View<'_>, kubelet: &str, problems: &mut Problems) {
    check_node_labels(spec.sub(kubelet), problems);
}

/// A taint that becomes a tag.
pub(super) fn check_taint(text: &str, pos: Pos, problems: &mut Problems) {
    if let Some(taint) = taint(text) {
        let value = format!(
            "{}:{}",
            taint.value.as_deref().unwrap_or_default(),
            taint.effect.as_deref().unwrap_or_default()
        );
        tag(
            "taint",
            text,
            &format!("{TAINT_TAG}{}", taint.key),
            &value,
            pos,
            problems,
        );
    }
}

/// What AWS takes as a tag. `key` is what the thing that is called `name` becomes.
fn tag(what: &str, name: &str, key: &str, value: &str, pos: Pos, problems: &mut Problems) {
    let shown: String = name.chars().take(40).collect();
    if key.is_empty() {
        problems.error(pos, format!("a {what} has no name"));
    }
    if key.to_ascii_lowercase().starts_with("aws:") {
        problems.error(
            pos,
            format!("the {what} `{shown}` begins with `aws:`, which AWS keeps for itself"),
        );
    }
    let length = key.chars().count();
    if length > KEY {
        problems.error(
            pos,
            format!("the {what} `{shown}` makes a tag of {length} characters; AWS takes {KEY}"),
        );
    }
    let length = value.chars().count();
    if length > VALUE {
        problems.error(
            pos,
            format!("the {what} `{shown}` has a value of {length} characters; AWS takes {VALUE}"),
        );
    }
}
