//! Somebody else's hand on the version that a group launches from: looked for before every step that an instance's place depends on. Never acts.

use super::standing::SETTLED;
use crate::model::{Definition, LaunchTemplateData, LiveGroup};
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
    match live.versions.get(&pin.version) {
        _ if is == pin.from && is != pin.version && settling.is_some() => {
            let why = format!("it was pinned to version {}, which is not to be seen yet", pin.version);
            out.wait(view, why, settling);
        }
        _ if is != pin.version => out.stuck(
            view,
            format!(
                "somebody else pinned it: it launches from version {is} of its launch template, and this rollout had pinned version {}",
                pin.version
            ),
            "find out who did; pin the version that this rollout had pinned and `kfleet rollout resume`, or `kfleet rollout abort`",
        ),
        None if settling.is_some() => {
            let why = format!("version {} of its launch template is not to be seen yet", pin.version);
            out.wait(view, why, settling);
        }
        None => out.stuck(
            view,
            format!(
                "version {} of its launch template, which it launches from, is gone",
                pin.version
            ),
            "`kfleet rollout abort`, and start anew: that makes the version again",
        ),
        Some(found) if !holds(&found.data, pin.to) => out.stuck(
            view,
            format!(
                "version {} of its launch template does not hold what this rollout wants its instances to be",
                pin.version
            ),
            "`kfleet rollout abort`, and start anew: the plan is made from what is there",
        ),
        Some(_) => return false,
    }
    true
}

/// Whether an instance launched from these data is what `to` says.
fn holds(data: &LaunchTemplateData, to: &Definition) -> bool {
    let wanted = &to.launch_template.launch_template_data;
    data == wanted || data.clone().canonical() == wanted.clone().canonical()
}
