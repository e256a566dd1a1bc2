//! Keeps a group at its desired capacity: which instances are launched and ended, where, of what type. When, is in `simulate`.

use std::collections::BTreeMap;

use super::chance::{between, draw};
use super::state::{Machine, RecordedActivity, SimulatedGroup, Work};
use crate::model::{
    Activity, ActivityStatus, InstanceId, InstancesDistribution, LaunchTemplateData, Lifecycle,
    Market, Span, TemplateVersion, Timestamp,
};

/// Activities that are kept of a group; AWS keeps six weeks, nothing here looks further back than the change just made.
const ACTIVITIES: usize = 20;

impl SimulatedGroup {
    /// Decides launches and ends until members and launches make up the desired capacity.
    pub(super) fn settle(&mut self, now: Timestamp) {
        self.grow_workload(now);
        let extra = self.refresh.as_ref().map_or(0, |r| r.extra)
            + u32::from(self.moving.is_some_and(|m| m.extra));
        let wanted = usize::try_from(self.desired.saturating_add(extra)).unwrap_or(usize::MAX);
        let members = self.machines.values().filter(|m| m.is_member()).count();
        let have = members.saturating_add(self.launching.len());
        if !self.suspends("Launch") {
            (have..wanted).for_each(|_| self.decide_launch(now));
        }
        if !self.suspends("Terminate") {
            (wanted..have).for_each(|_| self.shrink(now));
        }
        self.fill_warm_pool(now);
        self.notice_strays(now);
    }

    /// One more: from the warm pool while there is one in it, else a launch.
    fn decide_launch(&mut self, now: Timestamp) {
        if self.draw_from_warm_pool(now) {
            return;
        }
        let (number, begins) = self.next_launch(now);
        self.launching.insert(number, begins);
        self.note(
            Work::Launch(number),
            now,
            ActivityStatus::InProgress,
            "Launching a new EC2 instance".into(),
        );
    }

    /// A launch begins about 20 seconds after it was decided, as AWS's own loop needs that long.
    pub(super) fn next_launch(&mut self, now: Timestamp) -> (u64, Timestamp) {
        let number = self.launches;
        self.launches = self.launches.saturating_add(1);
        let begins = now + Span::from_secs(between(self.salt, "begin", number, 15, 25).into());
        (number, begins)
    }

    /// One less: a launch that has not begun, or the member of the oldest launch template version, undrained, as AWS does.
    fn shrink(&mut self, now: Timestamp) {
        if let Some((number, _)) = self.launching.pop_last() {
            self.forget(Work::Launch(number));
            return;
        }
        let members = self
            .machines
            .iter()
            .filter(|(_, m)| m.is_member() && !m.protected);
        let victim = members
            .min_by_key(|(id, m)| (m.version, m.launched_at, *id))
            .map(|(id, _)| id.clone());
        if let Some(id) = victim {
            self.end(&id, now);
        }
    }

    /// Begins to terminate an instance.
    pub(super) fn end(&mut self, id: &InstanceId, now: Timestamp) {
        let salt = self.salt;
        let Some(machine) = self.machines.get_mut(id) else {
            return;
        };
        let number = machine.number;
        machine.lifecycle = Lifecycle::Terminating;
        machine.protected = false;
        machine.unhealthy = None;
        (
            machine.in_service_at,
            machine.ready_at,
            machine.reclaimed_at,
        ) = (None, None, None);
        machine.gone_at = Some(now + Span::from_secs(between(salt, "end", number, 25, 35).into()));
        // A launch that is broken off counts neither as done nor as failed: its end is told by the activity that ends it.
        self.forget(Work::Launch(number));
        self.note(
            Work::End(number),
            now,
            ActivityStatus::InProgress,
            format!("Terminating EC2 instance: {id}"),
        );
    }

    /// The instance that a launch brings.
    pub(super) fn machine(
        &self,
        number: u64,
        version: &TemplateVersion,
        now: Timestamp,
    ) -> Machine {
        self.machine_in(number, version, self.next_zone(), now)
    }

    /// The instance that a launch in this zone brings.
    pub(super) fn machine_in(
        &self,
        number: u64,
        version: &TemplateVersion,
        zone: String,
        now: Timestamp,
    ) -> Machine {
        let market = self.next_market(&version.data);
        Machine {
            number,
            lifecycle: Lifecycle::Pending,
            instance_type: self.next_type(number, &zone, market, &version.data),
            zone,
            market,
            version: self.launch_version(),
            launched_at: now,
            in_service_at: None,
            ready_at: None,
            reclaimed_at: None,
            sick_pods: false,
            sick_etcd: false,
            gone_at: None,
            node: None,
            serving_since: None,
            protected: false,
            unhealthy: None,
            lingers: false,
        }
    }

    /// The zone with the fewest members, the first of them by name.
    fn next_zone(&self) -> String {
        let mut zones: BTreeMap<String, usize> = self
            .fields
            .vpc_zone_identifier
            .iter()
            .map(|subnet| (zone_of(subnet), 0))
            .collect();
        for machine in self.machines.values().filter(|m| m.is_member()) {
            zones.entry(machine.zone.clone()).and_modify(|n| *n += 1);
        }
        zones
            .into_iter()
            .min_by_key(|(_, members)| *members)
            .map_or_else(String::new, |(zone, _)| zone)
    }

    /// Where its subnets are.
    pub(super) fn zones(&self) -> std::collections::BTreeSet<String> {
        self.fields
            .vpc_zone_identifier
            .iter()
            .map(|subnet| zone_of(subnet))
            .collect()
    }

    /// Spot or on-demand, so that the members keep to the group's distribution (percentages are rounded up, as AWS does).
    fn next_market(&self, data: &LaunchTemplateData) -> Market {
        let Some(policy) = &self.fields.mixed_instances_policy else {
            return if data.instance_market_options.is_some() {
                Market::Spot
            } else {
                Market::OnDemand
            };
        };
        let members = || self.machines.values().filter(|m| m.is_member());
        let total = u64::try_from(members().count())
            .unwrap_or(u64::MAX)
            .saturating_add(1);
        let on_demand = u64::try_from(members().filter(|m| m.market == Market::OnDemand).count())
            .unwrap_or(u64::MAX);
        let wanted = on_demand_of(&policy.instances_distribution, total);
        if on_demand < wanted {
            Market::OnDemand
        } else {
            Market::Spot
        }
    }

    /// On-demand takes the first type of the list; spot takes the pool with most capacity, which here is a matter of chance.
    fn next_type(
        &self,
        number: u64,
        zone: &str,
        market: Market,
        data: &LaunchTemplateData,
    ) -> String {
        let policy = self.fields.mixed_instances_policy.as_ref();
        let types: Vec<&String> = policy
            .iter()
            .flat_map(|p| &p.overrides)
            .filter_map(|o| o.instance_type.as_ref())
            .collect();
        let chosen = match market {
            Market::OnDemand => types.first().copied(),
            Market::Spot => types
                .iter()
                .copied()
                .max_by_key(|t| draw(self.salt, &format!("{zone}/{t}"), number)),
        };
        chosen.unwrap_or(&data.instance_type).clone()
    }

    /// Adds an activity.
    pub(super) fn note(
        &mut self,
        about: Work,
        at: Timestamp,
        status: ActivityStatus,
        message: String,
    ) {
        self.activities.push(RecordedActivity {
            about,
            activity: Activity {
                at,
                status,
                message,
            },
        });
        let surplus = self.activities.len().saturating_sub(ACTIVITIES);
        self.activities.drain(..surplus);
    }

    /// Ends an activity well; one that is no longer kept is no loss.
    pub(super) fn succeed(&mut self, about: Work) {
        let going_on = |r: &&mut RecordedActivity| {
            r.about == about && r.activity.status == ActivityStatus::InProgress
        };
        self.activities
            .iter_mut()
            .filter(going_on)
            .for_each(|r| r.activity.status = ActivityStatus::Successful);
    }

    /// Takes an activity that goes on out of the list.
    pub(super) fn forget(&mut self, about: Work) {
        self.activities
            .retain(|r| r.about != about || r.activity.status != ActivityStatus::InProgress);
    }
}

/// How many of `total` instances are on-demand.
fn on_demand_of(distribution: &InstancesDistribution, total: u64) -> u64 {
    let base = u64::from(distribution.on_demand_base_capacity.unwrap_or(0));
    let percent = distribution
        .on_demand_percentage_above_base_capacity
        .unwrap_or(100);
    base.min(total)
        + total
            .saturating_sub(base)
            .saturating_mul(u64::from(percent))
            .div_ceil(100)
}

/// The availability zone in a subnet's name (`eu-west-3a` of `utility-eu-west-3a.prod.k8s.foo.bar`), else the whole name.
pub(super) fn zone_of(subnet: &str) -> String {
    let zone = |label: &str| {
        let parts: Vec<&str> = label.split('-').collect();
        let from = (0..parts.len()).find(|from| parts.get(*from..).is_some_and(is_zone))?;
        parts.get(from..).map(|p| p.join("-"))
    };
    subnet
        .split('.')
        .find_map(zone)
        .unwrap_or_else(|| subnet.to_owned())
}

/// Two letters, one or more words, and a digit with a letter: `eu west 3a`, `us gov east 1b`.
fn is_zone(parts: &[&str]) -> bool {
    let word = |part: &&str| !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase());
    match parts {
        [continent, middle @ .., last] => {
            let (number, letter) = last.split_at_checked(1).unwrap_or_default();
            continent.len() == 2
                && word(continent)
                && !middle.is_empty()
                && middle.iter().all(word)
                && number.chars().all(|c| c.is_ascii_digit())
                && letter.len() == 1
                && word(&letter)
        }
        [] | [_] => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_found_in_subnet_names() {
        for (subnet, zone) in [
            ("eu-west-3a.prod.k8s.foo.bar", "eu-west-3a"),
            ("utility-eu-west-3b.prod.k8s.foo.bar", "eu-west-3b"),
            ("us-gov-east-1a", "us-gov-east-1a"),
            ("private.us-test-1c.x", "us-test-1c"),
            ("subnet-12345678", "subnet-12345678"),
            ("", ""),
            ("eu-west-3", "eu-west-3"),
        ] {
            assert_eq!(zone_of(subnet), zone, "{subnet}");
        }
    }
}
