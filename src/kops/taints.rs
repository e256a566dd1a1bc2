//! The rules of taints: those of kops, and those of the kubelet that is started with them. Builds no tags.
//!
//! Source: kops, `pkg/apis/kops/util/taints.go` and `validation/instancegroup.go`; Kubernetes, `pkg/util/taints` (`ParseTaints`): a kubelet whose
//! `--register-with-taints` has a taint without effect, with a name or value that is none of a label, or two of one key and effect, does not start.

use std::collections::BTreeSet;

use super::error::Problems;
use super::labels;
use super::values::taint;
use super::view::View;
use crate::yaml::Pos;

const FORMS: &str =
    "key, key:Effect or key=value:Effect, the effect NoSchedule, PreferNoSchedule or NoExecute";

/// The taints of a group, and those of its own kubelet.
pub(super) fn of_group(spec: View<'_>, problems: &mut Problems) {
    all(spec, problems);
    all(spec.sub("kubelet"), problems);
}

/// The taints that a Cluster gives to its kubelets.
pub(super) fn of_cluster(spec: View<'_>, problems: &mut Problems) {
    for kubelet in ["kubelet", "masterKubelet"] {
        all(spec.sub(kubelet), problems);
    }
}

fn all(view: View<'_>, problems: &mut Problems) {
    let mut seen = BTreeSet::new();
    for (text, pos) in view.items("taints") {
        let Some(read) = taint(text) else {
            problems.error_hint(pos, "this is no taint", FORMS);
            continue;
        };
        if !seen.insert((read.key.clone(), read.effect.clone())) {
            problems.error(pos, "this taint stands here twice");
            continue;
        }
        match (&read.effect, &read.value) {
            (Some(_), value) => named(&read.key, value.as_deref(), pos, problems),
            // kops takes all of it for the key.
            (None, Some(_)) => problems.error_hint(
                pos,
                format!("the taint `{text}` has a value and no effect: no kubelet starts with it"),
                format!("write `{text}:NoSchedule`, or another effect"),
            ),
            (None, None) => problems.warn(
                pos,
                format!("the taint `{text}` has no effect: kops makes no tag of it, and no kubelet starts with it"),
                Some(format!("write `{text}:NoSchedule`, or another effect")),
            ),
        }
        labels::check_taint(text, pos, problems);
    }
}

fn named(key: &str, value: Option<&str>, pos: Pos, problems: &mut Problems) {
    if !labels::is_key(key) {
        problems.error(
            pos,
            format!(
                "`{key}` is no key of a taint: a name as of a label, and before a `/` a DNS name"
            ),
        );
    }
    if value.is_some_and(|v| !v.is_empty() && !labels::is_word(v)) {
        problems.error(
            pos,
            "the taint has a value that Kubernetes does not take: letters, digits, `-`, `_` and `.`, 63 at most, and a letter or digit at both ends",
        );
    }
}
