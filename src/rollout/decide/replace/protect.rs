//! Scale-in protection while a surge is out: what AWS, a scaling policy or a person takes away goes from what has to go anyway, not from
//! what came for it. Never acts.
//!
//! It guards against others who lower desired capacity. Our own terminations, and those of cluster-autoscaler, name the instance and are not
//! held back. Source: EC2 Auto Scaling user guide, "Use instance scale-in protection".

use std::collections::BTreeSet;

use super::replacement::Replacement;
use crate::model::{CloudEffect, InstanceId, Lifecycle};
use crate::rollout::round::{DecisionBuilder, Mode, present};

/// Instances that one call takes. Source: Auto Scaling API, SetInstanceProtection.
const AT_ONCE: usize = 50;

impl Replacement<'_> {
    /// Protects what is new, once it is in service. Where the definition protects every instance there is nothing to add.
    pub(crate) fn protects(&self, out: &mut DecisionBuilder<'_>) {
        if self.live.group.new_instances_protected_from_scale_in {
            return;
        }
        let bare = |id: &&InstanceId| {
            self.live
                .instances
                .get(*id)
                .is_some_and(|i| i.lifecycle == Lifecycle::InService && !i.protected)
        };
        // An instance that others took the protection from stays without it.
        let new = self
            .to_protect()
            .into_iter()
            .filter(|id| !self.view.group.outstanding.protected.contains(*id));
        self.set(new.filter(bare).cloned().collect(), true, out);
    }

    /// Ends the protection of what goes after all, and of everything once no surge is out. Whether there was any.
    pub(crate) fn unprotects(&self, out: &mut DecisionBuilder<'_>) -> bool {
        let stay = self.to_protect();
        let free: BTreeSet<InstanceId> = self
            .view
            .group
            .outstanding
            .protected
            .iter()
            .filter(|id| !stay.contains(id))
            .cloned()
            .collect();
        let any = !free.is_empty();
        self.set(free, false, out);
        any
    }

    /// What came during this surge, and stays.
    pub(crate) fn to_protect(&self) -> BTreeSet<&InstanceId> {
        // Where each replacement is launched for itself the surge comes and goes; it is over when nothing old is left.
        let has_room = self.base() < self.live.group.max_size;
        let comes_again = has_room && self.keeps_zones() && !self.outdated.is_empty();
        let is_over = self.out == 0 && !comes_again;
        if is_over || self.view.mode == Mode::Cleanup {
            return BTreeSet::new();
        }
        let new = present(self.live)
            .filter(|(id, i)| i.launched_at >= self.since() && !self.to_replace.contains(*id));
        new.map(|(id, _)| id).collect()
    }

    pub(crate) fn set(
        &self,
        instances: BTreeSet<InstanceId>,
        protect: bool,
        out: &mut DecisionBuilder<'_>,
    ) {
        let instances: BTreeSet<InstanceId> = instances.into_iter().take(AT_ONCE).collect();
        if !instances.is_empty() {
            out.step(
                self.view,
                CloudEffect::Protect {
                    group: self.view.task.asg.clone(),
                    instances,
                    protect,
                },
            );
        }
    }
}
