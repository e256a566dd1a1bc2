//! The rules of an InstanceGroup about what reaches its instances through user data: hooks, files, mounts. Renders no user data.

use std::collections::BTreeSet;

use super::error::Problems;
use super::role::Role;
use super::view::View;

const USER_DATA_TYPES: [&str; 8] = [
    "text/x-include-once-url",
    "text/x-include-url",
    "text/cloud-config-archive",
    "text/upstart-job",
    "text/cloud-config",
    "text/part-handler",
    "text/x-shellscript",
    "text/cloud-boothook",
];

/// Checks the fields of a group that kops' node bootstrap carries.
pub(super) fn check(spec: View<'_>, role: Role, problems: &mut Problems) {
    of_all(spec, problems);
    user_data(spec, role, problems);
    mounts(spec, problems);
    if role != Role::Node && spec.sub("containerd").sub("gvisor").bool("enabled") == Some(true) {
        problems.error(
            spec.sub("containerd").at("gvisor"),
            "gVisor is possible on groups of role Node only",
        );
    }
}

/// The fields that a Cluster has for all of its groups too.
pub(super) fn of_all(spec: View<'_>, problems: &mut Problems) {
    hooks(spec, problems);
    files(spec, problems);
    for (line, pos) in spec.items("sysctlParameters") {
        if !line.contains('=') {
            problems.error(pos, "a sysctl parameter must be `key=value`");
        }
    }
    if spec
        .text("updatePolicy")
        .is_some_and(|p| !matches!(p, "automatic" | "external"))
    {
        problems.error(
            spec.at("updatePolicy"),
            "`updatePolicy` must be `automatic` or `external`",
        );
    }
}

fn hooks(spec: View<'_>, problems: &mut Problems) {
    for hook in spec
        .list("hooks")
        .filter(|h| h.bool("disabled") != Some(true))
    {
        let container = hook.sub("execContainer");
        let raw = hook.bool("useRawManifest") == Some(true);
        if hook.text("manifest").is_none() && !container.is_present() {
            problems.error(hook.pos, "a hook needs a `manifest` or an `execContainer`");
        }
        if container.is_present() && container.text("image").is_none() {
            problems.error(container.pos, "`execContainer` needs an `image`");
        }
        for (name, _, pos) in container.pairs("environment") {
            if name.trim().is_empty() {
                problems.error(
                    pos,
                    "an environment variable of `execContainer` has no name",
                );
            }
        }
        if raw {
            raw_manifest(hook, container, problems);
        }
    }
}

fn raw_manifest(hook: View<'_>, container: View<'_>, problems: &mut Problems) {
    let orders = !hook.strings("before").is_empty() || !hook.strings("requires").is_empty();
    if container.is_present() || orders {
        problems.error(
            hook.at("useRawManifest"),
            "`useRawManifest` excludes `execContainer`, `before` and `requires`",
        );
    }
    if hook.text("manifest").is_none() {
        problems.error(
            hook.at("useRawManifest"),
            "`useRawManifest` needs a `manifest`",
        );
    }
}

fn files(spec: View<'_>, problems: &mut Problems) {
    for file in spec.list("fileAssets") {
        for key in ["name", "content"] {
            if file.text(key).is_none() {
                problems.error(file.at(key), format!("a file asset needs a `{key}`"));
            }
        }
    }
}

fn user_data(spec: View<'_>, role: Role, problems: &mut Problems) {
    for part in spec.list("additionalUserData") {
        for key in ["name", "content"] {
            if part.text(key).is_none() {
                problems.error(
                    part.at(key),
                    format!("a part of `additionalUserData` needs a `{key}`"),
                );
            }
        }
        if !part
            .text("type")
            .is_some_and(|t| USER_DATA_TYPES.contains(&t))
        {
            problems.error_hint(
                part.at("type"),
                "a part of `additionalUserData` has no known `type`",
                format!("one of {}", USER_DATA_TYPES.join(", ")),
            );
        }
    }
    user_data_size(spec, role, problems);
}

/// Source: Amazon EC2 API, CreateLaunchTemplate: user data has 16 KiB at most before base64. `pkg/model/resources/nodeup.go` copies each part as
/// it is behind the script of kops, which has between 4 and 6 KiB (`tests/integration/update_cluster/*/data` of kops 1.32); a bastion has no script.
fn user_data_size(spec: View<'_>, role: Role, problems: &mut Problems) {
    const MOST: usize = 16 * 1024;
    const SCRIPT: usize = 4 * 1024;
    let parts = spec.list("additionalUserData");
    let bytes: usize = parts.filter_map(|p| p.text("content")).map(str::len).sum();
    let at = spec.at("additionalUserData");
    let hint =
        "fetch what is long from a bucket, or write it with `fileAssets`, which are no user data";
    if bytes > MOST {
        problems.error_hint(
            at,
            format!(
                "`additionalUserData` has {bytes} bytes, and AWS takes {MOST} of user data in all"
            ),
            hint,
        );
    } else if bytes + SCRIPT > MOST && role != Role::Bastion {
        problems.warn(
            at,
            format!("`additionalUserData` has {bytes} bytes: with the script of kops, of 4096 and more, AWS is likely to refuse the launch template, whose user data has {MOST} at most"),
            Some(hint.to_owned()),
        );
    }
}

fn mounts(spec: View<'_>, problems: &mut Problems) {
    let mut devices = BTreeSet::new();
    for mount in spec.list("volumeMounts") {
        for key in ["device", "path"] {
            if mount.text(key).is_none() {
                problems.error(mount.at(key), format!("a volume mount needs a `{key}`"));
            }
        }
        if !mount
            .text("filesystem")
            .is_some_and(|f| matches!(f, "btfs" | "ext4" | "xfs"))
        {
            problems.error(
                mount.at("filesystem"),
                "a volume mount needs a `filesystem`: btfs, ext4 or xfs",
            );
        }
        if mount.text("device").is_some_and(|d| !devices.insert(d)) {
            problems.error(mount.at("device"), "two volume mounts have the same device");
        }
    }
}
