//! Rolling updates as manifests say them, in Cluster and InstanceGroup, and kops' rules about them.

use super::cluster::RollingUpdate;
use super::error::Problems;
use super::role::Role;
use super::values::percentage;
use super::view::{View, integer};
use crate::fleet::Amount;

/// A rolling update as written, its rules checked.
pub(super) fn read(view: View<'_>, problems: &mut Problems) -> RollingUpdate {
    let update = RollingUpdate {
        drain_and_terminate: view.bool("drainAndTerminate"),
        max_unavailable: rolling_amount(view, "maxUnavailable", problems),
        max_surge: rolling_amount(view, "maxSurge", problems),
    };
    if update.max_surge.is_some_and(is_zero) && update.max_unavailable.is_some_and(is_zero) {
        problems.error(
            view.pos,
            "`maxSurge` and `maxUnavailable` are both zero: nothing could ever be replaced",
        );
    }
    update
}

fn rolling_amount(view: View<'_>, key: &str, problems: &mut Problems) -> Option<Amount> {
    let node = view.get(key)?;
    let value = match integer(node) {
        Some(n) => u32::try_from(n).ok().map(Amount::Count),
        None => percentage(node.as_str()?),
    };
    if value.is_none() {
        let quoted = node.as_str().filter(|t| t.parse::<u32>().is_ok());
        let hint = quoted.map(|t| format!("a number stands without quotes: `{key}: {t}`"));
        problems.push(node.pos, format!("`rollingUpdate.{key}` must be a number of instances or a percentage such as 25%, not negative"), hint);
    }
    value
}

fn is_zero(amount: Amount) -> bool {
    match amount {
        Amount::Count(n) | Amount::Percent(n) => n == 0,
    }
}

/// A control plane is never surged.
pub(super) fn control_plane(
    spec: View<'_>,
    role: Role,
    update: &RollingUpdate,
    problems: &mut Problems,
) {
    if role == Role::ControlPlane && update.max_surge.is_some_and(|s| !is_zero(s)) {
        problems.error(
            spec.sub("rollingUpdate").at("maxSurge"),
            "a control-plane group cannot be surged: `maxSurge` must be 0",
        );
    }
}
