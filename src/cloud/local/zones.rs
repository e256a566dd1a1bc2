//! Instances in zones that their group no longer has: AWS moves them, undrained, launching each replacement before it terminates.
//!
//! Source: Auto Scaling guide, "Rebalancing activities" and "Add and remove Availability Zones".

use super::state::{Moving, SimulatedGroup};
use crate::model::{InstanceId, Lifecycle, Span, Timestamp};

/// How often AWS looks at the balance of a group. AWS says nothing of it; people see a move begin within a minute or two.
const LOOK: Span = Span::from_secs(60);

impl SimulatedGroup {
    /// Begins to move instances, once there is one in a zone that the group does not have and nothing keeps AWS from it.
    pub(super) fn notice_strays(&mut self, now: Timestamp) {
        let may = !self.suspends("AZRebalance") && self.stray().is_some();
        match self.moving {
            None if may => {
                self.moving = Some(Moving {
                    next: now + LOOK,
                    extra: false,
                });
            }
            Some(moving) if !may && !moving.extra => self.moving = None,
            Some(_) | None => {}
        }
    }

    /// AWS looks at the balance: one more is launched, and when it serves, one of those that are to go is ended.
    pub(super) fn move_strays(&mut self, now: Timestamp) {
        let stray = self.stray().filter(|_| !self.suspends("AZRebalance"));
        let serving = self
            .machines
            .values()
            .filter(|m| m.lifecycle == Lifecycle::InService)
            .count();
        let enough = serving > usize::try_from(self.desired).unwrap_or(usize::MAX);
        let extra = self.moving.is_some_and(|m| m.extra);
        match stray {
            Some(id) if extra && enough && !self.suspends("Terminate") => {
                self.end(&id, now);
                self.moving = None;
            }
            Some(_) => {
                self.moving = Some(Moving {
                    next: now + LOOK,
                    extra: !self.suspends("Launch"),
                });
            }
            None => self.moving = None,
        }
        self.settle(now);
    }

    fn stray(&self) -> Option<InstanceId> {
        let zones = self.zones();
        self.machines
            .iter()
            .filter(|(_, m)| m.lifecycle == Lifecycle::InService && !m.protected)
            .find(|(_, m)| !zones.is_empty() && !zones.contains(&m.zone))
            .map(|(id, _)| id.clone())
    }
}
