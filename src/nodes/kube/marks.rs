//! What we leave on a node: a taint, labels and annotations, and the annotation of ours that says which of them are ours.

use std::collections::BTreeSet;

use crate::model::NodeMark;

/// The taint that kops's rolling update gives to old nodes: a person who sees it knows what goes on. Source: kops, `pkg/instancegroups`.
pub(super) const TAINT: &str = "kops.k8s.io/scheduled-for-update";
/// The taint of old nodes that take nothing any more. cluster-autoscaler leaves keys that begin so out of what it expects of a new node of the group,
/// and takes the node for as ready as it is; releases before 1.29 do not know them. Source: cluster-autoscaler, FAQ, "Status taints".
pub(super) const CLOSED: &str = "status-taint.cluster-autoscaler.kubernetes.io/kfleet-old-node";
/// Annotation of ours: what we did to the node and have not taken back.
pub(super) const MARKS: &str = "kfleet.io/marks";

/// How each mark is written in our annotation.
const WORDS: [(NodeMark, &str); 5] = [
    (NodeMark::Cordoned, "cordoned"),
    (NodeMark::OutOfLoadBalancers, "out-of-load-balancers"),
    (NodeMark::KeptFromAutoscaler, "kept-from-autoscaler"),
    (NodeMark::Tainted, "tainted"),
    (NodeMark::OutOfService, "out-of-service"),
];

/// What we did to a node, as its annotation says.
pub(super) fn read(annotation: Option<&str>) -> BTreeSet<NodeMark> {
    let words: BTreeSet<&str> = annotation.unwrap_or_default().split(',').collect();
    WORDS
        .into_iter()
        .filter(|(_, word)| words.contains(word))
        .map(|(mark, _)| mark)
        .collect()
}

/// The annotation; none: there is nothing to say.
pub(super) fn written(marks: &BTreeSet<NodeMark>) -> Option<String> {
    let words: Vec<&str> = WORDS
        .into_iter()
        .filter(|(mark, _)| marks.contains(mark))
        .map(|(_, word)| word)
        .collect();
    (!words.is_empty()).then(|| words.join(","))
}
