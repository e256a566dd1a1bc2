//! What time brings to a group: launches, boots, nodes, ends, reclaimed spot instances. Plays events in order; decides no policy.

use super::capacity::Machine;
use super::chance::{between, salt};
use super::faults::{Faults, Image};
use super::groups::{Group, Work};
use super::kubernetes::{SimNode, node_name};
use super::templates::Template;
use crate::model::{
    ActivityStatus, InstanceId, Lifecycle, Market, Span, TemplateVersion, Timestamp,
};

/// After this long a refused launch is tried again.
const RETRY: Span = Span::from_secs(60);

/// What the world around a group is like.
#[derive(Clone, Copy, Debug)]
pub(super) struct Surroundings<'a> {
    /// Whether the autoscaler is at work.
    pub(super) autoscaler: bool,
    /// How long spot instances live about; none: for ever.
    pub(super) spot_life: Option<Span>,
    /// The faults ordered now.
    pub(super) faults: &'a Faults,
}

/// Something that happens in a group; numbers are those of launches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Begin(u64),
    InService(u64),
    Ready(u64),
    Reclaimed(u64),
    Gone(u64),
    /// The autoscaler looks at the group, for the nth time.
    Look(u64),
    /// The engine of instance refreshes looks at the group.
    Tick,
}

impl Group {
    /// When the next thing happens, seen from `now`.
    pub(super) fn due(&self, now: Timestamp, around: Surroundings<'_>) -> Option<Timestamp> {
        self.next_event(now, around).map(|(at, _)| at)
    }

    /// Plays everything that happens after `from` up to and including `until`.
    pub(super) fn advance(
        &mut self,
        from: Timestamp,
        until: Timestamp,
        template: Option<&Template>,
        around: Surroundings<'_>,
    ) {
        let mut now = from;
        while let Some((at, event)) = self.next_event(now, around)
            && at <= until
        {
            now = now.max(at);
            self.play(event, now, template, around);
        }
    }

    fn next_event(&self, now: Timestamp, around: Surroundings<'_>) -> Option<(Timestamp, Event)> {
        let machines = self.machines.values().flat_map(|m| {
            let at =
                |at: Option<Timestamp>, event: fn(u64) -> Event| at.map(|at| (at, event(m.number)));
            [
                at(m.in_service_at, Event::InService),
                at(m.ready_at, Event::Ready),
                at(m.reclaimed_at, Event::Reclaimed),
                at(m.gone_at, Event::Gone),
            ]
        });
        let launches = self
            .launching
            .iter()
            .map(|(number, at)| (*at, Event::Begin(*number)));
        let look = around
            .autoscaler
            .then(|| self.next_look(now))
            .flatten()
            .map(|(at, nth)| (at, Event::Look(nth)));
        let tick = self
            .refresh
            .as_ref()
            .and_then(|r| r.next)
            .map(|at| (at, Event::Tick));
        machines
            .flatten()
            .chain(launches)
            .chain(look)
            .chain(tick)
            .min()
    }

    fn play(
        &mut self,
        event: Event,
        now: Timestamp,
        template: Option<&Template>,
        around: Surroundings<'_>,
    ) {
        match event {
            Event::Begin(number) => self.begin(number, now, template, around),
            Event::Look(nth) => self.look(nth, now, around.faults),
            Event::Tick => self.tick(now),
            Event::InService(number)
            | Event::Ready(number)
            | Event::Reclaimed(number)
            | Event::Gone(number) => {
                let found = self
                    .machines
                    .iter()
                    .find(|(_, m)| m.number == number)
                    .map(|(id, _)| id.clone());
                if let Some(id) = found {
                    self.play_machine(event, &id, now);
                }
            }
        }
    }

    fn play_machine(&mut self, event: Event, id: &InstanceId, now: Timestamp) {
        match event {
            Event::InService(number) => {
                if let Some(machine) = self.machines.get_mut(id) {
                    machine.come_into_service(id, now);
                }
                self.succeed(Work::Launch(number));
            }
            Event::Ready(_) => {
                if let Some(machine) = self.machines.get_mut(id) {
                    machine.ready_at = None;
                    machine
                        .node
                        .iter_mut()
                        .for_each(|n| (n.ready, n.unready_since) = (true, None));
                }
                self.place_waiting();
            }
            Event::Reclaimed(_) => {
                self.end(id, now);
                self.settle(now);
            }
            Event::Gone(number) => {
                // Still terminating while its pods move, so that none of them comes back to it.
                self.empty(id, now);
                self.machines.remove(id);
                self.succeed(Work::End(number));
            }
            Event::Begin(_) | Event::Look(_) | Event::Tick => {}
        }
    }

    /// Begins a launch, or is refused and tries again later.
    fn begin(
        &mut self,
        number: u64,
        now: Timestamp,
        template: Option<&Template>,
        around: Surroundings<'_>,
    ) {
        if self.suspends("Launch") {
            self.launching.remove(&number);
            self.forget(Work::Launch(number));
            return;
        }
        let work = Work::Launch(number);
        let Some(version) = template.and_then(|t| t.versions.get(&self.launch_version())) else {
            let message = format!(
                "You must use a valid launch template version: {} has none of number {}",
                self.template, self.version
            );
            return self.put_off(work, now, ActivityStatus::Failed, message);
        };
        let mut machine = self.machine(number, version, now);
        let refused = self.find_capacity(&mut machine, around.faults);
        if let Some((last, others)) = refused.split_last() {
            for message in others {
                self.note(
                    Work::Refused(number),
                    now,
                    ActivityStatus::NoCapacity,
                    message.clone(),
                );
            }
            return self.put_off(work, now, ActivityStatus::NoCapacity, last.clone());
        }
        self.launching.remove(&number);
        let Some(id) = self.instance_id(number) else {
            return;
        };
        self.foresee(&mut machine, version, around);
        self.forget(work);
        self.note(
            work,
            now,
            ActivityStatus::InProgress,
            format!("Launching a new EC2 instance: {id}"),
        );
        self.machines.insert(id, machine);
    }

    /// Goes on to the other types of the group, and then to its other zones, as AWS does. What was refused, when all was.
    fn find_capacity(&self, machine: &mut Machine, faults: &Faults) -> Vec<String> {
        let (first_type, first_zone) = (machine.instance_type.clone(), machine.zone.clone());
        let overrides = self
            .fields
            .mixed_instances_policy
            .iter()
            .flat_map(|p| &p.overrides)
            .filter_map(|o| o.instance_type.clone());
        let types: Vec<String> = std::iter::once(first_type.clone())
            .chain(overrides.filter(|t| *t != first_type))
            .collect();
        let zones = std::iter::once(first_zone.clone())
            .chain(self.zones().into_iter().filter(|z| *z != first_zone));
        let mut refused = Vec::new();
        for zone in zones {
            for instance_type in &types {
                (machine.instance_type, machine.zone) = (instance_type.clone(), zone.clone());
                if !faults.no_capacity(&self.names(), instance_type, &zone) {
                    return Vec::new();
                }
                refused.push(no_capacity(machine));
            }
        }
        refused
    }

    fn put_off(&mut self, work: Work, now: Timestamp, status: ActivityStatus, message: String) {
        // The first refusal takes the place of the activity that the decision began; each later one is an activity of its own.
        self.forget(work);
        self.note(work, now, status, message);
        if let Work::Launch(number) = work {
            self.launching.insert(number, now + RETRY);
        }
    }

    /// Settles at the launch what will become of the instance, so that faults ordered later change nothing that is under way.
    fn foresee(&self, machine: &mut Machine, version: &TemplateVersion, around: Surroundings<'_>) {
        let seconds = |purpose, low, high| {
            Span::from_secs(between(self.salt, purpose, machine.number, low, high).into())
        };
        let (boot, ready) = (seconds("boot", 60, 120), seconds("ready", 10, 40));
        let in_service =
            machine.launched_at + around.faults.slow_boot(&self.names()).unwrap_or(boot);
        let image = around.faults.image(&version.data.image_id);
        machine.in_service_at = (image != Image::Dead).then_some(in_service);
        machine.ready_at =
            matches!(image, Image::Sound | Image::SickPods).then_some(in_service + ready);
        machine.sick_pods = image == Image::SickPods;
        if let (Market::Spot, Some(life)) = (machine.market, around.spot_life) {
            let percent = i64::from(between(self.salt, "life", machine.number, 50, 150));
            machine.reclaimed_at = Some(
                machine.launched_at
                    + Span::from_millis(life.millis().saturating_div(100).saturating_mul(percent)),
            );
        }
    }

    /// Instance ids are made of the group's salt: no two groups share one.
    fn instance_id(&self, number: u64) -> Option<InstanceId> {
        InstanceId::new(format!(
            "i-0{:016x}",
            salt(self.salt, &["instance", &number.to_string()])
        ))
        .ok()
    }
}

impl Machine {
    /// In service, with a node that has registered and is not Ready yet.
    fn come_into_service(&mut self, id: &InstanceId, now: Timestamp) {
        (self.in_service_at, self.serving_since) = (None, Some(now));
        self.lifecycle = Lifecycle::InService;
        self.node = node_name(id).map(SimNode::new);
    }
}

/// AWS's words for want of capacity.
fn no_capacity(machine: &Machine) -> String {
    let (kind, zone) = (&machine.instance_type, &machine.zone);
    match machine.market {
        Market::OnDemand => format!(
            "We currently do not have sufficient {kind} capacity in the Availability Zone you requested ({zone}). \
             Our system will be working on provisioning additional capacity. Launching EC2 instance failed."
        ),
        Market::Spot => format!(
            "Could not launch Spot Instances. InsufficientInstanceCapacity - There is no Spot capacity available that matches your request \
             ({kind} in {zone}). Launching EC2 instance failed."
        ),
    }
}
