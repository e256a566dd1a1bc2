//! Fields that came with a release of kops: older ones drop them without a word. The table of all fields, `fields.txt`, is that of the newest release.
//!
//! Sources: the types of kops 1.32 (`pkg/apis/kops/v1alpha2`) beside those of 1.37; the release notes of kops 1.34 and 1.36 for the release of each.

use super::error::Problems;
use super::schema::Strict;
use super::view::View;
use crate::model::KopsVersion;

/// A path of mappings below `spec`, its field, and N of the kops 1.N that brought it.
type Newer = (&'static [&'static str], &'static str, u32);

/// Of a Cluster.
const OF_CLUSTER: &[Newer] = &[
    (&["containerd"], "installCriCtl", 34),
    (&["containerd"], "installNerdCtl", 34),
    (&["externalDns"], "priorityClassName", 36),
    (&["kubeAPIServer"], "compactionInterval", 36),
    (&["kubeAPIServer"], "deleteCollectionWorkers", 36),
    (&["kubeAPIServer"], "storageInitializationTimeout", 36),
    (&["networking", "calico"], "nftablesMode", 36),
    (&["networking", "cilium"], "bpfLBSock", 36),
    (&["networking", "cilium"], "enableHostFirewall", 36),
    (&["networking", "cilium"], "extraConfig", 36),
    (&["nodeTerminationHandler"], "enableOutOfServiceTaint", 36),
];

/// Of an InstanceGroup.
const OF_GROUP: &[Newer] = &[
    (&["containerd"], "gvisor", 36),
    (
        &["mixedInstancesPolicy", "instanceRequirements"],
        "excludedInstanceTypes",
        36,
    ),
];

/// Checks a Cluster.
pub(super) fn of_cluster(spec: View<'_>, kops: KopsVersion, problems: &mut Problems) {
    check(spec, kops, OF_CLUSTER, Strict::WhatIsRead, problems);
}

/// Checks an InstanceGroup.
pub(super) fn of_group(spec: View<'_>, kops: KopsVersion, problems: &mut Problems) {
    check(spec, kops, OF_GROUP, Strict::Everything, problems);
}

fn check(
    spec: View<'_>,
    kops: KopsVersion,
    table: &[Newer],
    strict: Strict,
    problems: &mut Problems,
) {
    for (path, key, minor) in table {
        let view = path.iter().fold(spec, |view, part| view.sub(part));
        let since = KopsVersion::of_minor(*minor);
        if kops < since && view.has(key) {
            let named = ["spec"].iter().chain(*path).chain([key]).copied();
            let field = named.collect::<Vec<_>>().join(".");
            let message = format!(
                "`{field}` came with kops {since}; kops {kops} would drop it without a word"
            );
            strict.push(view.at(key), message, None, problems);
        }
    }
}
