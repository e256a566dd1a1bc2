//! What time brings to a group: launches, boots, nodes, ends, reclaimed spot instances. Plays events in order; decides no policy.

use super::chance::{between, salt};
use super::faults::{Faults, Image};
use super::kubernetes::node_name;
use super::options::Options;
use super::state::{Machine, SimNode, SimulatedGroup, Work};
use super::templates::SimulatedTemplate;
use crate::model::{
    ActivityStatus, InstanceId, LeavesBy, Lifecycle, Market, Span, TemplateVersion, Timestamp,
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

impl<'a> Surroundings<'a> {
    pub(super) fn new(options: &Options, faults: &'a Faults) -> Self {
        Surroundings {
            autoscaler: options.autoscaler,
            spot_life: options.spot_life,
            faults,
        }
    }
}

/// Something that happens in a group; numbers are those of launches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Begin(u64),
    InService(u64),
    Ready(u64),
    Reclaimed(u64),
    Gone(u64),
    /// A launch into the warm pool begins.
    Warm(u64),
    /// A health check that failed ends the instance.
    Unhealthy(u64),
    /// A pod of the instance's node is gone.
    PodGone(u64),
    /// AWS looks at the balance of zones.
    Balance,
    /// The autoscaler looks for nodes without pods.
    Scan,
    /// The autoscaler looks at the group, for the nth time.
    Look(u64),
    /// The engine of instance refreshes looks at the group.
    Tick,
    /// The node of an instance that has ended is removed.
    Forget,
    /// A volume is let go.
    Volume,
}

impl SimulatedGroup {
    /// When the next thing happens, seen from `now`.
    pub(super) fn due(&self, now: Timestamp, around: Surroundings<'_>) -> Option<Timestamp> {
        self.next_event(now, around).map(|(at, _)| at)
    }

    /// Plays everything that happens after `from` up to and including `until`.
    pub(super) fn advance(
        &mut self,
        from: Timestamp,
        until: Timestamp,
        template: Option<&SimulatedTemplate>,
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
                at(m.unhealthy, Event::Unhealthy),
                at(m.node.as_ref().and_then(SimNode::next_gone), Event::PodGone),
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
        let warming = self
            .warming
            .iter()
            .map(|(number, at)| (*at, Event::Warm(*number)));
        let balance = self.moving.map(|m| (m.next, Event::Balance));
        let scan = around
            .faults
            .idle_scale_down(&self.names())
            .map(|_| (next_scan(now), Event::Scan));
        let attached = self.workload.attached.iter();
        let volumes = attached.map(|volume| (volume.free, Event::Volume));
        let ghosts = self.ghosts.values();
        let ghosts = ghosts.filter_map(|m| m.gone_at.map(|at| (at, Event::Forget)));
        machines
            .flatten()
            .chain(warming)
            .chain(balance)
            .chain(scan)
            .chain(launches)
            .chain(look)
            .chain(tick)
            .chain(ghosts)
            .chain(volumes)
            .min()
    }

    fn play(
        &mut self,
        event: Event,
        now: Timestamp,
        template: Option<&SimulatedTemplate>,
        around: Surroundings<'_>,
    ) {
        match event {
            Event::Begin(number) => self.begin(number, now, template, around),
            Event::Look(nth) => self.look(nth, now, around.faults),
            Event::Tick => self.tick(now),
            Event::Volume => self.attach_volumes(now),
            Event::Forget => self
                .ghosts
                .retain(|_, m| m.gone_at.is_none_or(|at| at > now)),
            Event::Balance => self.move_strays(now),
            Event::Scan => self.scan(now, around.faults),
            Event::Warm(number) => self.warm(number, now, template),
            Event::InService(number)
            | Event::Ready(number)
            | Event::Reclaimed(number)
            | Event::Unhealthy(number)
            | Event::PodGone(number)
            | Event::Gone(number) => {
                if let Some(id) = self.machine_numbered(number) {
                    self.play_machine(event, &id, now, around.faults);
                }
            }
        }
    }

    fn machine_numbered(&self, number: u64) -> Option<InstanceId> {
        let mut machines = self.machines.iter();
        machines
            .find(|(_, m)| m.number == number)
            .map(|(id, _)| id.clone())
    }

    fn play_machine(&mut self, event: Event, id: &InstanceId, now: Timestamp, faults: &Faults) {
        match event {
            Event::InService(number) => {
                let joins = self.has_nodes();
                if let Some(machine) = self.machines.get_mut(id) {
                    machine.come_into_service(id, joins, now);
                }
                self.succeed(Work::Launch(number));
            }
            Event::Ready(_) => {
                if let Some(machine) = self.machines.get_mut(id) {
                    machine.ready_at = None;
                    machine.node.iter_mut().for_each(|n| n.turn(true, now));
                }
                self.place_waiting();
            }
            Event::Reclaimed(_) => {
                let node = self.machines.get(id).and_then(|m| m.node.as_ref());
                if node.is_some_and(|n| n.leaves_by == Some(LeavesBy::Autoscaler)) {
                    self.desired = self.desired.saturating_sub(1).max(self.fields.min_size);
                }
                self.end(id, now);
                self.settle(now);
            }
            Event::Gone(_) if self.lingers(id, now, faults) => {}
            Event::Gone(number) => {
                // Still terminating while its pods move, so that none of them comes back to it.
                self.empty(id, now);
                if let Some(machine) = self.machines.remove(id) {
                    self.take_volumes(&machine, now);
                    self.leave_ghost(id, machine, now, faults);
                }
                self.succeed(Work::End(number));
            }
            Event::Unhealthy(_) => self.replace_unhealthy(id, now),
            Event::PodGone(_) => {
                if let Some(node) = self.node_mut(id) {
                    node.leaving
                        .retain(|l| l.gone.is_none_or(|gone| gone > now));
                }
            }
            Event::Begin(_)
            | Event::Warm(_)
            | Event::Balance
            | Event::Scan
            | Event::Look(_)
            | Event::Forget
            | Event::Volume
            | Event::Tick => {}
        }
    }

    /// Where that was ordered, the node of an instance that has ended stays, as long as a dead kubelet has left pods on it: a controller that removes such
    /// nodes is slow. Source: Kubernetes, cloud node lifecycle controller.
    fn leave_ghost(&mut self, id: &InstanceId, machine: Machine, now: Timestamp, faults: &Faults) {
        let stays = faults.lost_nodes(&self.names());
        let dead = machine
            .node
            .as_ref()
            .is_some_and(|node| !node.ready && !node.leaving.is_empty());
        if let Some(span) = stays.filter(|_| dead) {
            let ghost = Machine {
                gone_at: Some(now + span),
                ..machine
            };
            self.ghosts.insert(id.clone(), ghost);
        }
    }

    /// Whether a lifecycle hook still holds the end of an instance up; it is put off once.
    fn lingers(&mut self, id: &InstanceId, now: Timestamp, faults: &Faults) -> bool {
        // Connections first, then what waits in a hook. Source: Auto Scaling guide, "Attach a load balancer": an instance is terminated when its
        // connections have ended or the deregistration delay of its target groups is over; Elastic Load Balancing: 300 seconds where none is set.
        let (hook, connections) = (
            faults.slow_end(&self.names()),
            faults.deregistration(&self.names()),
        );
        let Some(span) = hook.max(connections) else {
            return false;
        };
        let Some(machine) = self.machines.get_mut(id).filter(|m| !m.lingers) else {
            return false;
        };
        (machine.lingers, machine.gone_at) = (true, Some(now + span));
        true
    }

    /// Ends an instance that a health check found unhealthy, undrained, unless that is suspended.
    /// Source: Auto Scaling guide, "Health check replacement" and "Suspend and resume processes".
    fn replace_unhealthy(&mut self, id: &InstanceId, now: Timestamp) {
        let kept = ["HealthCheck", "ReplaceUnhealthy", "Terminate"]
            .iter()
            .any(|p| self.suspends(p));
        if kept {
            if let Some(machine) = self.machines.get_mut(id) {
                machine.unhealthy = Some(now + RETRY);
            }
            return;
        }
        self.end(id, now);
        self.settle(now);
    }

    /// An instance joins the warm pool. It is started once, to be prepared, and waits stopped.
    fn warm(&mut self, number: u64, now: Timestamp, template: Option<&SimulatedTemplate>) {
        let Some(version) = template.and_then(|t| t.versions.get(&self.launch_version())) else {
            self.warming.insert(number, now + RETRY);
            return;
        };
        self.warming.remove(&number);
        let Some(id) = self.instance_id(number) else {
            return;
        };
        let mut machine = self.machine(number, version, now);
        machine.lifecycle = Lifecycle::Warmed;
        self.machines.insert(id, machine);
    }

    /// Begins a launch, or is refused and tries again later.
    fn begin(
        &mut self,
        number: u64,
        now: Timestamp,
        template: Option<&SimulatedTemplate>,
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
        let types: Vec<String> = std::iter::once(first_type.clone())
            .chain(self.other_types(&first_type))
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

    /// The types of the group's list, without the one that was tried.
    pub(super) fn other_types(&self, tried: &str) -> impl Iterator<Item = String> {
        let overrides = self
            .fields
            .mixed_instances_policy
            .iter()
            .flat_map(|p| &p.overrides);
        overrides
            .filter_map(|o| o.instance_type.clone())
            .filter(move |t| *t != tried)
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
    pub(super) fn foresee(
        &self,
        machine: &mut Machine,
        version: &TemplateVersion,
        around: Surroundings<'_>,
    ) {
        let seconds = |purpose, low, high| {
            Span::from_secs(between(self.salt, purpose, machine.number, low, high).into())
        };
        let (boot, ready) = (seconds("boot", 60, 120), seconds("ready", 10, 40));
        let in_service =
            machine.launched_at + around.faults.slow_boot(&self.names()).unwrap_or(boot);
        let image = around.faults.image(&version.data.image_id);
        machine.in_service_at = (image != Image::Dead).then_some(in_service);
        machine.ready_at = matches!(image, Image::Sound | Image::SickPods | Image::SickEtcd)
            .then_some(in_service + ready);
        machine.sick_pods = image == Image::SickPods;
        machine.sick_etcd = image == Image::SickEtcd;
        if let (Market::Spot, Some(life)) = (machine.market, around.spot_life) {
            let percent = i64::from(between(self.salt, "life", machine.number, 50, 150));
            machine.reclaimed_at = Some(
                machine.launched_at
                    + Span::from_millis(life.millis().saturating_div(100).saturating_mul(percent)),
            );
        }
    }

    /// Instance ids are made of the group's salt: no two groups share one.
    pub(super) fn instance_id(&self, number: u64) -> Option<InstanceId> {
        InstanceId::new(format!(
            "i-0{:016x}",
            salt(self.salt, &["instance", &number.to_string()])
        ))
        .ok()
    }
}

impl Machine {
    /// In service, with a node that has registered and is not Ready yet where its group has nodes.
    fn come_into_service(&mut self, id: &InstanceId, joins: bool, now: Timestamp) {
        (self.in_service_at, self.serving_since) = (None, Some(now));
        self.lifecycle = Lifecycle::InService;
        self.node = node_name(id).filter(|_| joins).map(SimNode::new);
        if !joins {
            self.ready_at = None;
        }
    }
}

/// The autoscaler looks for idle nodes once a minute.
fn next_scan(now: Timestamp) -> Timestamp {
    const PERIOD: i64 = 60_000;
    let nth = now.millis().div_euclid(PERIOD).saturating_add(1);
    Timestamp::from_millis(nth.saturating_mul(PERIOD))
}

/// AWS's words for want of capacity.
pub(super) fn no_capacity(machine: &Machine) -> String {
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
