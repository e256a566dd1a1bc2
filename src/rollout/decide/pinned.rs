//! A change of others to the version that a group launches from: looked for before every step that an instance's place depends on. Never acts.

use super::standing::SETTLED;
use crate::model::{Definition, LaunchTemplateData, LiveGroup};
use crate::rollout::reason::{Advice, VersionReason};
use crate::rollout::round::{DecisionBuilder, GroupContext};

/// The version that a group was pinned to, where it comes from, and what it has to hold.
pub(crate) struct Pin<'a> {
    pub(crate) from: u64,
    pub(crate) version: u64,
    pub(crate) to: &'a Definition,
}

/// Whether new instances would be something else than what the rollout means by them; then nothing old may go for them.
pub(crate) fn is_moved(
    view: &GroupContext<'_>,
    live: &LiveGroup,
    pin: &Pin<'_>,
    out: &mut DecisionBuilder<'_>,
) -> bool {
    let is = live.version.number();
    let shown_by = view.group.pinned_at.map(|at| at + SETTLED);
    let settling = shown_by.filter(|until| *until > view.now);
    let version = pin.version;
    match live.versions.get(&version) {
        _ if is == pin.from && is != version && settling.is_some() => {
            out.wait(view, VersionReason::PinNotSeen { version }, settling);
        }
        _ if is != version => {
            let why = VersionReason::PinnedByOthers { is, ours: version };
            out.stuck(view, why, Advice::FindWhoPinned);
        }
        None if settling.is_some() => {
            out.wait(view, VersionReason::VersionNotSeen { version }, settling);
        }
        None => {
            let why = VersionReason::VersionGone { version };
            out.stuck(view, why, Advice::StartAnewVersion);
        }
        Some(found) if !holds(&found.data, pin.to) => {
            let why = VersionReason::VersionDiffers { version };
            out.stuck(view, why, Advice::StartAnewPlan);
        }
        Some(_) => return false,
    }
    true
}

/// Whether an instance launched from these data is what `to` says.
fn holds(data: &LaunchTemplateData, to: &Definition) -> bool {
    let wanted = &to.launch_template.launch_template_data;
    data == wanted || data.clone().canonical() == wanted.clone().canonical()
}
