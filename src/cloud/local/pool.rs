//! The warm pool of a group: which instance leaves it and when it is filled again. Launching from a template is in `simulate`.

use super::chance::between;
use super::state::{SimulatedGroup, Work};
use crate::model::{ActivityStatus, InstanceId, Lifecycle, Span, Timestamp};

impl SimulatedGroup {
    /// Takes the oldest instance out of the pool into the group, whatever version it was launched from: a launch is served from the pool
    /// first. Whether there was one.
    ///
    /// Source: Auto Scaling guide, "Warm pools": the group draws on the pool to meet its new desired capacity, and instances in it are not
    /// replaced because the launch template changed ("Update the instances in a warm pool").
    pub(super) fn draw_from_warm_pool(&mut self, now: Timestamp) -> bool {
        let Some(id) = self.oldest_warmed() else {
            return false;
        };
        let salt = self.salt;
        let Some(machine) = self.machines.get_mut(&id) else {
            return false;
        };
        let number = machine.number;
        machine.lifecycle = Lifecycle::Pending;
        let started = now + Span::from_secs(between(salt, "warm", number, 20, 40).into());
        machine.in_service_at = Some(started);
        machine.ready_at =
            Some(started + Span::from_secs(between(salt, "ready", number, 10, 40).into()));
        self.note(
            Work::Launch(number),
            now,
            ActivityStatus::InProgress,
            format!("Launching a new EC2 instance from warm pool: {id}"),
        );
        true
    }

    /// Launches what the pool lacks, ends what it has too much: everything, once the group has no pool any more.
    ///
    /// Source: Auto Scaling guide, "Warm pool size" (the greater of its minimum and of what is prepared beyond desired capacity, by default
    /// up to the group's maximum) and "Delete a warm pool" (its instances are terminated).
    pub(super) fn fill_warm_pool(&mut self, now: Timestamp) {
        let wanted = self.warm_pool_size();
        let warmed = self
            .machines
            .values()
            .filter(|m| m.lifecycle == Lifecycle::Warmed)
            .count();
        let have = warmed.saturating_add(self.warming.len());
        if have < wanted && !self.suspends("Launch") {
            for _ in have..wanted {
                let (number, begins) = self.next_launch(now);
                self.warming.insert(number, begins);
            }
        }
        if have > wanted && !self.suspends("Terminate") {
            for _ in wanted..have {
                if self.warming.pop_last().is_none()
                    && let Some(id) = self.oldest_warmed()
                {
                    self.end(&id, now);
                }
            }
        }
    }

    fn warm_pool_size(&self) -> usize {
        let Some(pool) = &self.fields.warm_pool else {
            return 0;
        };
        let prepared =
            u32::try_from(pool.max_group_prepared_capacity).unwrap_or(self.fields.max_size);
        let size = prepared.saturating_sub(self.desired).max(pool.min_size);
        usize::try_from(size).unwrap_or(usize::MAX)
    }

    fn oldest_warmed(&self) -> Option<InstanceId> {
        let warmed = self
            .machines
            .iter()
            .filter(|(_, m)| m.lifecycle == Lifecycle::Warmed);
        warmed
            .min_by_key(|(id, m)| (m.launched_at, *id))
            .map(|(id, _)| id.clone())
    }
}
