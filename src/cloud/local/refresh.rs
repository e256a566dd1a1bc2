//! Instance refreshes in virtual time: what AWS's own engine does with a group, tick by tick. Starts none by itself.

use super::answers::{EffectOutcome, done, moved, refused, unknown_version};
use super::chance::salt;
use super::state::{Machine, SimulatedGroup, SimulatedRefresh};
use super::templates::SimulatedTemplate;
use crate::cloud::CloudError;
use crate::model::{
    Applied, InstanceId, Lifecycle, LiveGroup, Refresh, RefreshPreferences, RefreshStatus, Span,
    Timestamp,
};

/// How often the engine looks at the group.
const TICK: Span = Span::from_secs(30);

/// A refresh that gets no further for this long fails. Source: Auto Scaling guide, "Instance refresh fails": one hour.
const GIVES_UP: Span = Span::from_secs(3_600);

impl SimulatedRefresh {
    /// As a reading shows it.
    fn live(&self, left: usize) -> Refresh {
        let over = matches!(
            self.status,
            RefreshStatus::Successful | RefreshStatus::RollbackSuccessful
        );
        let percentage = if over {
            100
        } else {
            percent(self.total.saturating_sub(left), self.total).min(99)
        };
        Refresh {
            id: self.id.clone(),
            status: self.status,
            percentage: Some(percentage),
            version: Some(self.version),
            reason: self.reason.clone(),
        }
    }

    /// The version that the engine brings up now.
    fn target(&self) -> u64 {
        if self.status == RefreshStatus::RollbackInProgress {
            self.previous
        } else {
            self.version
        }
    }

    /// Instances that are replaced at a checkpoint, at least one.
    fn due(&self, checkpoint: u32) -> usize {
        (self
            .total
            .saturating_mul(usize::try_from(checkpoint).unwrap_or(100))
            / 100)
            .max(1)
    }

    fn end(&mut self, status: RefreshStatus, reason: Option<String>) {
        (self.status, self.reason, self.next, self.extra) = (status, reason, None, 0);
    }
}

impl SimulatedGroup {
    /// The version that a launch brings: during a refresh that of its desired configuration.
    pub(super) fn launch_version(&self) -> u64 {
        self.refresh
            .as_ref()
            .filter(|r| r.status.is_active())
            .map_or(self.version, SimulatedRefresh::target)
    }

    /// Why the group's version cannot be changed now.
    pub(super) fn refreshing(&self) -> Option<CloudError> {
        let active = self.refresh.as_ref().filter(|r| r.status.is_active())?;
        let message = format!(
            "InstanceRefreshInProgress: instance refresh {} with a desired configuration is active",
            active.id
        );
        Some(refused(self.name(), message))
    }

    /// Starts a refresh.
    pub(super) fn start_refresh(
        &mut self,
        from: u64,
        version: u64,
        preferences: &RefreshPreferences,
        template: Option<&SimulatedTemplate>,
        now: Timestamp,
    ) -> Result<EffectOutcome, CloudError> {
        match &self.refresh {
            Some(run)
                if run.status.is_active()
                    && run.version == version
                    && run.status != RefreshStatus::RollbackInProgress =>
            {
                return Ok(EffectOutcome::Unchanged(Applied::Already));
            }
            Some(run) if run.status.is_active() => {
                return Ok(moved(format!(
                    "{} has another active instance refresh, to version {}",
                    self.name(),
                    run.version
                )));
            }
            Some(run)
                if run.status == RefreshStatus::Successful
                    && run.version == version
                    && self.version == version =>
            {
                return Ok(EffectOutcome::Unchanged(Applied::Already));
            }
            Some(_) | None => {}
        }
        if self.version != from && self.version != version {
            return Ok(moved(format!(
                "{} is at launch template version {}, not {from}",
                self.name(),
                self.version
            )));
        }
        if !template.is_some_and(|t| t.versions.contains_key(&version)) {
            return Err(unknown_version(&self.template, version));
        }
        if let Some(why) = check(preferences) {
            return Err(refused(self.name(), format!("ValidationError: {why}")));
        }
        let number = self.refreshes;
        self.refreshes = number.saturating_add(1);
        let mut run = SimulatedRefresh {
            id: format!(
                "refresh-{:016x}",
                salt(self.salt, &["refresh", &number.to_string()])
            ),
            status: RefreshStatus::Pending,
            version,
            previous: self.version,
            preferences: preferences.clone(),
            started_at: now,
            total: 0,
            extra: 0,
            next: Some(now + TICK),
            moved_at: now,
            checkpoint: 0,
            reason: None,
        };
        run.total = self.left(&run).len();
        self.refresh = Some(run);
        Ok(done())
    }

    /// Cancels the active refresh.
    pub(super) fn cancel_refresh(&mut self, now: Timestamp) -> EffectOutcome {
        match &mut self.refresh {
            Some(run) if run.status.is_active() && run.status != RefreshStatus::Cancelling => {
                (run.status, run.next) = (RefreshStatus::Cancelling, Some(now + TICK));
                done()
            }
            Some(_) | None => EffectOutcome::Unchanged(Applied::Already),
        }
    }

    /// Takes the active refresh back.
    pub(super) fn rollback_refresh(&mut self, now: Timestamp) -> EffectOutcome {
        let name = self.name().clone();
        let Some(run) = &mut self.refresh else {
            return moved(format!("{name} has no instance refresh"));
        };
        match run.status {
            RefreshStatus::RollbackInProgress | RefreshStatus::RollbackSuccessful => {
                EffectOutcome::Unchanged(Applied::Already)
            }
            RefreshStatus::Pending | RefreshStatus::InProgress | RefreshStatus::Baking => {
                (run.status, run.next, run.moved_at) =
                    (RefreshStatus::RollbackInProgress, Some(now + TICK), now);
                run.checkpoint = 100;
                let back = run.clone();
                let total = self.left(&back).len();
                if let Some(run) = &mut self.refresh {
                    run.total = total;
                }
                done()
            }
            RefreshStatus::Successful
            | RefreshStatus::Failed
            | RefreshStatus::Cancelling
            | RefreshStatus::Cancelled
            | RefreshStatus::RollbackFailed => moved(format!(
                "{name} has no instance refresh that could be taken back"
            )),
        }
    }

    /// Instances that the refresh still has to replace, oldest first.
    fn left(&self, run: &SimulatedRefresh) -> Vec<InstanceId> {
        let stale = |m: &Machine| {
            if run.preferences.skip_matching || run.status == RefreshStatus::RollbackInProgress {
                m.version != run.target()
            } else {
                m.launched_at < run.started_at
            }
        };
        let mut left: Vec<_> = self
            .machines
            .iter()
            .filter(|(_, m)| m.is_member() && stale(m))
            .map(|(id, m)| (m.launched_at, id.clone()))
            .collect();
        left.sort();
        left.into_iter().map(|(_, id)| id).collect()
    }

    /// The engine looks at the group.
    pub(super) fn tick(&mut self, now: Timestamp) {
        let Some(mut run) = self.refresh.take() else {
            return;
        };
        match run.status {
            RefreshStatus::Pending => {
                (run.status, run.next, run.moved_at) =
                    (RefreshStatus::InProgress, Some(now + TICK), now)
            }
            RefreshStatus::Cancelling => {
                run.end(RefreshStatus::Cancelled, Some("cancelled".into()))
            }
            RefreshStatus::InProgress | RefreshStatus::RollbackInProgress => {
                self.go_on(&mut run, now)
            }
            RefreshStatus::Baking
            | RefreshStatus::Successful
            | RefreshStatus::Failed
            | RefreshStatus::Cancelled
            | RefreshStatus::RollbackFailed
            | RefreshStatus::RollbackSuccessful => run.next = None,
        }
        self.refresh = Some(run);
        self.settle(now);
    }

    fn go_on(&mut self, run: &mut SimulatedRefresh, now: Timestamp) {
        run.next = Some(now + TICK);
        let left = self.left(run);
        // Standby instances are waited for, as we ask for. Source: Auto Scaling API, RefreshPreferences, StandbyInstances.
        let standby = |m: &Machine| m.lifecycle == Lifecycle::Standby && m.version != run.target();
        let waits = self.machines.values().any(standby);
        let warm = |m: &Machine| {
            m.lifecycle == Lifecycle::InService
                && m.serving_since
                    .is_none_or(|since| now.since(since) >= run.preferences.warmup)
        };
        let healthy = self
            .machines
            .values()
            .filter(|m| m.is_member() && warm(m))
            .count();
        let wanted = usize::try_from(self.desired).unwrap_or(usize::MAX);
        if left.is_empty() && healthy >= wanted && !waits {
            return self.succeed_refresh(run);
        }
        if now.since(run.moved_at) > GIVES_UP {
            let failed = if run.status == RefreshStatus::RollbackInProgress {
                RefreshStatus::RollbackFailed
            } else {
                RefreshStatus::Failed
            };
            return run.end(
                failed,
                Some(format!(
                    "{} instances are left to be replaced and nothing has moved for {GIVES_UP}",
                    left.len()
                )),
            );
        }
        let back = run.status == RefreshStatus::RollbackInProgress;
        let done = run.total.saturating_sub(left.len());
        let reached = run
            .preferences
            .checkpoints
            .iter()
            .copied()
            .filter(|c| *c < 100 && run.due(*c) <= done && !back)
            .max()
            .unwrap_or(0);
        if reached > run.checkpoint && healthy >= wanted {
            (run.checkpoint, run.next, run.moved_at) = (
                reached,
                Some(now + run.preferences.checkpoint_delay + TICK),
                now,
            );
            return;
        }
        self.exchange(run, &left, healthy, now);
    }

    /// As many instances exchanged as the bounds allow.
    fn exchange(
        &mut self,
        run: &mut SimulatedRefresh,
        left: &[InstanceId],
        mut healthy: usize,
        now: Timestamp,
    ) {
        let (least, room) = self.bounds(run);
        let stop = next_checkpoint(run);
        let replaced = run.total.saturating_sub(left.len());
        let mut may = run.due(stop).saturating_sub(replaced);
        let mut rest = left.len();
        for id in left {
            let serves = self
                .machines
                .get(id)
                .is_some_and(|m| m.lifecycle == Lifecycle::InService);
            if may == 0
                || healthy.saturating_sub(usize::from(serves)) < least
                || (serves && healthy <= least)
            {
                break;
            }
            healthy -= usize::from(serves);
            (may, rest, run.moved_at) = (may - 1, rest - 1, now);
            self.end(id, now);
        }
        // The last ones give the extra capacity back.
        run.extra = u32::try_from(room.min(rest)).unwrap_or(u32::MAX);
    }

    /// How many have to be healthy, and how many may run beyond the desired capacity.
    fn bounds(&self, run: &SimulatedRefresh) -> (usize, usize) {
        let desired = usize::try_from(self.desired).unwrap_or(usize::MAX);
        let share = |percent: u32| desired.saturating_mul(usize::try_from(percent).unwrap_or(100));
        let least = share(run.preferences.min_healthy_percent).div_ceil(100);
        let room = (share(run.preferences.max_healthy_percent) / 100).saturating_sub(desired);
        // Where none may be missing AWS launches before it terminates, whatever the rounding.
        let launches_first = run.preferences.max_healthy_percent > 100 || least >= desired;
        let room = room.max(usize::from(launches_first));
        (least, room)
    }

    fn succeed_refresh(&mut self, run: &mut SimulatedRefresh) {
        if run.status == RefreshStatus::RollbackInProgress {
            return run.end(RefreshStatus::RollbackSuccessful, None);
        }
        self.version = run.version;
        run.end(RefreshStatus::Successful, None);
    }

    /// Protects instances, or ends that.
    pub(super) fn protect(
        &mut self,
        instances: &std::collections::BTreeSet<InstanceId>,
        protect: bool,
    ) -> EffectOutcome {
        let mut any = false;
        for (_, machine) in self
            .machines
            .iter_mut()
            // Source: what AWS says of any other one, "is not in InService or EnteringStandby or Standby".
            .filter(|(id, m)| {
                let takes_it = matches!(m.lifecycle, Lifecycle::InService | Lifecycle::Standby);
                instances.contains(*id) && takes_it
            })
        {
            any |= machine.protected != protect;
            machine.protected = protect;
        }
        if any {
            done()
        } else {
            EffectOutcome::Unchanged(Applied::Already)
        }
    }

    /// The newest refresh, as a reading shows it.
    pub(super) fn live_refresh(&self, live: LiveGroup) -> LiveGroup {
        LiveGroup {
            refresh: self
                .refresh
                .as_ref()
                .map(|run| run.live(self.left(run).len())),
            ..live
        }
    }
}

/// Up to which share the exchange goes: a checkpoint is not overshot.
fn next_checkpoint(run: &SimulatedRefresh) -> u32 {
    let mut checkpoints = run.preferences.checkpoints.iter().copied();
    checkpoints.find(|c| *c > run.checkpoint).unwrap_or(100)
}

fn percent(part: usize, whole: usize) -> u32 {
    u32::try_from(part.saturating_mul(100).checked_div(whole).unwrap_or(100)).unwrap_or(100)
}

/// What AWS refuses of preferences. Source: Auto Scaling API, RefreshPreferences.
fn check(preferences: &RefreshPreferences) -> Option<String> {
    let RefreshPreferences {
        min_healthy_percent: least,
        max_healthy_percent: most,
        warmup: _,
        checkpoints,
        checkpoint_delay,
        skip_matching: _,
    } = preferences;
    if *least > 100 || !(100..=200).contains(most) || most - least > 100 {
        return Some(format!(
            "MinHealthyPercentage {least} and MaxHealthyPercentage {most} are out of range"
        ));
    }
    if checkpoints.last().is_some_and(|last| *last != 100) || checkpoints.contains(&0) {
        return Some("CheckpointPercentages must be from 1 and end with 100".into());
    }
    (*checkpoint_delay > Span::from_secs(172_800))
        .then(|| "CheckpointDelay must be at most 172800".into())
}
