//! Launch template versions and instance refreshes, in sentences.

use crate::rollout::{RefreshAt, RefreshDoes, VersionOf, VersionReason};

/// A reason about a version or a refresh.
pub(super) fn text(reason: &VersionReason) -> String {
    match reason {
        VersionReason::NoWayBack { version } => format!(
            "nothing was touched; {}, to which a rollback would go, is gone",
            version_of(version)
        ),
        VersionReason::VersionsGone { versions } => {
            deleted(versions, "which the plan found and means to pin")
        }
        VersionReason::WayBackGone { versions } => {
            deleted(versions, "to which a rollback would return")
        }
        VersionReason::OwnWayBackGone { version } => format!(
            "version {version} of its launch template, to which it would be rolled back, was deleted outside this rollout"
        ),
        VersionReason::PinNotSeen { version } => {
            format!("it was pinned to version {version}, which is not to be seen yet")
        }
        VersionReason::PinnedByOthers { is, ours } => format!(
            "pinned to another version outside this rollout: it launches from version {is} of its launch template, and this rollout had pinned version {ours}"
        ),
        VersionReason::VersionNotSeen { version } => {
            format!("version {version} of its launch template is not to be seen yet")
        }
        VersionReason::VersionGone { version } => {
            format!("version {version} of its launch template, which it launches from, is gone")
        }
        VersionReason::VersionDiffers { version } => format!(
            "version {version} of its launch template does not hold what this rollout wants its instances to be"
        ),
        VersionReason::RefreshNotSeen => {
            "the instance refresh was started and is not to be seen yet".into()
        }
        VersionReason::Refresh { refresh } => refresh_text(refresh),
        VersionReason::RefreshUnpinned { version } => {
            format!("the refresh succeeded, and the group still refers to version {version}")
        }
    }
}

fn version_of(version: &VersionOf) -> String {
    format!(
        "version {} of the launch template of {}",
        version.version, version.group
    )
}

fn deleted(versions: &[VersionOf], what: &str) -> String {
    let verb = if versions.len() == 1 { "was" } else { "were" };
    let names: Vec<String> = versions.iter().map(version_of).collect();
    format!(
        "{}, {what}, {verb} deleted outside this rollout",
        names.join(" and ")
    )
}

fn refresh_text(refresh: &RefreshAt) -> String {
    let does = match refresh.does {
        RefreshDoes::Replaces => "replaces instances",
        RefreshDoes::HasReplaced => "has replaced instances",
        RefreshDoes::TakesBack => "takes it back",
        RefreshDoes::IsCancelled => "is being cancelled",
        RefreshDoes::CameToNothing => "came to nothing",
    };
    let percentage = refresh
        .percentage
        .map(|p| format!(" ({p} percent)"))
        .unwrap_or_default();
    let words = refresh
        .words
        .as_ref()
        .map(|w| format!(": {w}"))
        .unwrap_or_default();
    format!("instance refresh {} {does}{percentage}{words}", refresh.id)
}
