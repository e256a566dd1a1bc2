//! Faults that can be ordered for tests and demos. They are the session's, never part of the saved state.

use std::str::FromStr;

use super::denial::Denial;
use super::lack::{Lack, Pool};
use crate::model::{ClusterName, NameError, Refusal, Span};

/// Something that goes wrong on purpose. A group is named by its AutoScalingGroup or by its kops InstanceGroup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// `sick-image:IMAGE`: instances of this `ImageId` come into service, but their nodes never turn Ready.
    SickImage(String),
    /// `sick-pods:IMAGE`: instances of this `ImageId` have Ready nodes, on which a critical pod never turns Ready.
    SickPods(String),
    /// `sick-etcd:IMAGE`: nodes of this `ImageId` in a control plane are Ready, and their member of etcd's `main` never turns Ready.
    SickEtcd(String),
    /// `dead-image:IMAGE`: instances of this `ImageId` never come into service.
    DeadImage(String),
    /// `no-capacity:GROUP`: every launch of the group is refused.
    NoCapacity(String),
    /// `stuck-drain:GROUP`: a disruption budget allows no eviction on the group's nodes.
    StuckDrain(String),
    /// `no-etcd:GROUP`: no pod of etcd's `main` runs on the group's nodes, and none says that one is missing.
    NoEtcd(String),
    /// `refuse-evictions:GROUP:KIND`: the API refuses every eviction on the group's nodes, in the words of its kind.
    RefuseEvictions(String, Denial),
    /// `slow-boot:GROUP:SECONDS`: the group's instances take this long from launch to service.
    SlowBoot(String, Span),
    /// `throttle:N`: every Nth call of the cloud is throttled (N at least 2, so that a retry gets through).
    Throttle(u64),
    /// `lost-answer:N`: every Nth effect happens, but is answered with [`crate::cloud::CloudError::Unknown`] (N at least 2).
    LostAnswer(u64),
    /// `no-read:CLUSTER`: what is read of the cluster has a gap.
    NoRead(ClusterName),
    /// `wrong-account:CLUSTER`: the caller turns out to be in another account than the cluster's.
    WrongAccount(ClusterName),
    /// `no-capacity:GROUP:TYPE@ZONE` (type or zone left out), `no-capacity-of:TYPE@ZONE` for every group (either may be `*`):
    /// there is no instance of this type in this zone. A launch then takes the next type of its group's list, then the next
    /// zone, and is refused only where none is left.
    NoCapacityOf(Pool),
    /// `no-answer:N`: every Nth effect does not happen, and is answered with [`crate::cloud::CloudError::Unknown`] (N at least 2).
    NoAnswer(u64),
    /// `kops-refuses:FIELD`: kops stores no document that has this field, such as `spec.kubelet.maxPods`.
    KopsRefuses(String),
    /// `expired-credentials`: every call of the cloud is refused with [`crate::cloud::CloudError::Credentials`].
    ExpiredCredentials,
    /// `no-kubernetes:CLUSTER`: the cluster's own API does not answer; what AWS says of it can be read.
    NoKubernetes(ClusterName),
    /// `slow-pods:GROUP:SECONDS`: pods of the group's nodes stay Terminating this long after they were evicted.
    SlowPods(String, Span),
    /// `slow-end:GROUP:SECONDS`: the group's instances take this long from their end on (a lifecycle hook that waits) until they are gone.
    SlowEnd(String, Span),
    /// `lost-nodes:GROUP:SECONDS`: nodes of the group with a dead kubelet and pods on them stay in Kubernetes this long after their instance has ended.
    LostNodes(String, Span),
    /// `deregistration:GROUP:SECONDS`: an ending instance of the group is shown for so much longer, while its load balancers let connections come to an end.
    Deregistration(String, Span),
    /// `slow-volumes:GROUP:SECONDS`: a pod that leaves a node of the group starts elsewhere only after so long, when its volume has been let go;
    /// six minutes later than its end where the instance went before.
    SlowVolumes(String, Span),
    /// `balancer:GROUP:SECONDS`: nodes of the group are targets of the load balancer of a Service; one that is taken out of it has connections for so
    /// much longer. `balancer:GROUP:unread`: which ones it sends to cannot be read.
    Balancer(String, Option<Span>),
    /// `shifting-pages:N`: every Nth reading of the account misses a group, as a list does that changes while its pages are read (N at least 2).
    ShiftingPages(u64),
    /// `idle-scale-down:GROUP:SECONDS`: an autoscaler removes nodes of the group that have had no pods for this long.
    IdleScaleDown(String, Span),
    /// Less room than is needed: `few-addresses`, `few-vcpus`, `spot-score`, `many-versions`, `not-offered`, `no-image`, `other-architecture`, `no-room-read`.
    Lack(Lack),
    /// `stale-reads:SECONDS`: for this long after an effect, what is read of its cluster is as before it.
    StaleReads(Span),
}

/// A text that orders no fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FaultError {
    /// The word before the colon is no kind of fault.
    #[error(
        "`{0}` is no fault; there are sick-image, sick-pods, sick-etcd, no-etcd, dead-image, no-capacity, no-capacity-of, stuck-drain, refuse-evictions, slow-boot, throttle, lost-answer, no-answer, \
         no-read, no-kubernetes, wrong-account, kops-refuses, expired-credentials, slow-pods, slow-end, lost-nodes, deregistration, slow-volumes, idle-scale-down, \
         stale-reads, shifting-pages, few-addresses, few-vcpus, spot-score, many-versions, not-offered, no-image, other-architecture, no-room-read"
    )]
    Kind(String),
    /// What follows the colon is missing or of the wrong shape.
    #[error("fault `{fault}` is written {form}")]
    Form {
        /// As typed.
        fault: String,
        /// How it has to look.
        form: &'static str,
    },
    /// The cluster's name is not valid.
    #[error(transparent)]
    Cluster(#[from] NameError),
}

impl FromStr for Fault {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        let (kind, value) = text.split_once(':').unwrap_or((text, ""));
        let form = |form| FaultError::Form {
            fault: text.to_owned(),
            form,
        };
        let name = |shape| {
            if value.is_empty() {
                Err(form(shape))
            } else {
                Ok(value.to_owned())
            }
        };
        let every = |shape| {
            value
                .parse::<u64>()
                .ok()
                .filter(|n| *n >= 2)
                .ok_or_else(|| form(shape))
        };
        match kind {
            "sick-image" => Ok(Fault::SickImage(name("sick-image:IMAGE")?)),
            "sick-pods" => Ok(Fault::SickPods(name("sick-pods:IMAGE")?)),
            "sick-etcd" => Ok(Fault::SickEtcd(name("sick-etcd:IMAGE")?)),
            "no-etcd" => Ok(Fault::NoEtcd(name("no-etcd:GROUP")?)),
            "dead-image" => Ok(Fault::DeadImage(name("dead-image:IMAGE")?)),
            "no-capacity" if value.contains(':') => no_capacity_of(value)
                .ok_or_else(|| form("no-capacity:GROUP:TYPE@ZONE, type or zone left out")),
            "no-capacity" => Ok(Fault::NoCapacity(name("no-capacity:GROUP")?)),
            "refuse-evictions" => refuse_evictions(value).ok_or_else(|| {
                form("refuse-evictions:GROUP:KIND, KIND one of right, webhook, busy, broken-webhook, many-budgets, ending-namespace")
            }),
            "stuck-drain" => Ok(Fault::StuckDrain(name("stuck-drain:GROUP")?)),
            "slow-boot" => {
                timed(value, Fault::SlowBoot).ok_or_else(|| form("slow-boot:GROUP:SECONDS"))
            }
            "slow-pods" => {
                timed(value, Fault::SlowPods).ok_or_else(|| form("slow-pods:GROUP:SECONDS"))
            }
            "slow-end" => {
                timed(value, Fault::SlowEnd).ok_or_else(|| form("slow-end:GROUP:SECONDS"))
            }
            "lost-nodes" => {
                timed(value, Fault::LostNodes).ok_or_else(|| form("lost-nodes:GROUP:SECONDS"))
            }
            "deregistration" => timed(value, Fault::Deregistration)
                .ok_or_else(|| form("deregistration:GROUP:SECONDS")),
            "slow-volumes" => {
                timed(value, Fault::SlowVolumes).ok_or_else(|| form("slow-volumes:GROUP:SECONDS"))
            }
            "balancer" => balancer(value)
                .ok_or_else(|| form("balancer:GROUP:SECONDS, or balancer:GROUP:unread")),
            "shifting-pages" => Ok(Fault::ShiftingPages(every("shifting-pages:N, N at least 2")?)),
            "idle-scale-down" => timed(value, Fault::IdleScaleDown)
                .ok_or_else(|| form("idle-scale-down:GROUP:SECONDS")),
            "stale-reads" => value
                .parse::<u32>()
                .map(|s| Fault::StaleReads(Span::from_secs(s.into())))
                .map_err(|_| form("stale-reads:SECONDS")),
            "throttle" => Ok(Fault::Throttle(every("throttle:N, N at least 2")?)),
            "lost-answer" => Ok(Fault::LostAnswer(every("lost-answer:N, N at least 2")?)),
            "no-read" => Ok(Fault::NoRead(value.parse()?)),
            "wrong-account" => Ok(Fault::WrongAccount(value.parse()?)),
            "no-capacity-of" => pool(value)
                .ok_or_else(|| form("no-capacity-of:TYPE@ZONE, either of them * for all")),
            "no-answer" => Ok(Fault::NoAnswer(every("no-answer:N, N at least 2")?)),
            "kops-refuses" => Ok(Fault::KopsRefuses(name("kops-refuses:FIELD")?)),
            "no-kubernetes" => Ok(Fault::NoKubernetes(value.parse()?)),
            "few-addresses" | "few-vcpus" | "spot-score" | "many-versions" | "not-offered" | "no-image"
            | "other-architecture" | "no-profile" | "no-room-read" => Lack::parse(kind, value).map(Fault::Lack).map_err(form),
            "expired-credentials" if value.is_empty() => Ok(Fault::ExpiredCredentials),
            "expired-credentials" => Err(form("expired-credentials")),
            other => Err(FaultError::Kind(other.to_owned())),
        }
    }
}

/// What a fault, an act or a trigger is about, by the name that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aim<'a> {
    /// A group, by its AutoScalingGroup or its InstanceGroup.
    Group(&'a str),
    /// The same, of a control plane: of others it would be nothing.
    ControlPlane(&'a str),
    Cluster(&'a ClusterName),
    /// An image that some group runs or will run.
    Image(&'a str),
    /// The same, of a control plane.
    ControlPlaneImage(&'a str),
    /// An instance profile of some group.
    Profile(&'a str),
    /// Instances that a group, or any, may launch.
    Pool(&'a Pool),
}

impl Fault {
    /// What it is about; none: the whole account.
    pub fn aim(&self) -> Option<Aim<'_>> {
        match self {
            Fault::NoCapacity(group)
            | Fault::StuckDrain(group)
            | Fault::RefuseEvictions(group, _)
            | Fault::SlowBoot(group, _)
            | Fault::SlowPods(group, _)
            | Fault::SlowEnd(group, _)
            | Fault::LostNodes(group, _)
            | Fault::Deregistration(group, _)
            | Fault::SlowVolumes(group, _)
            | Fault::Balancer(group, _)
            | Fault::Lack(Lack::ManyVersions(group, _))
            | Fault::IdleScaleDown(group, _) => Some(Aim::Group(group)),
            Fault::NoEtcd(group) => Some(Aim::ControlPlane(group)),
            Fault::NoCapacityOf(pool) | Fault::Lack(Lack::NotOffered(pool)) => {
                Some(Aim::Pool(pool))
            }
            Fault::NoRead(cluster)
            | Fault::WrongAccount(cluster)
            | Fault::NoKubernetes(cluster) => Some(Aim::Cluster(cluster)),
            Fault::SickImage(image)
            | Fault::SickPods(image)
            | Fault::DeadImage(image)
            | Fault::Lack(Lack::NoImage(image) | Lack::OtherArchitecture(image, _)) => {
                Some(Aim::Image(image))
            }
            Fault::Lack(Lack::NoProfile(profile)) => Some(Aim::Profile(profile)),
            Fault::SickEtcd(image) => Some(Aim::ControlPlaneImage(image)),
            Fault::Throttle(_)
            | Fault::LostAnswer(_)
            | Fault::NoAnswer(_)
            | Fault::StaleReads(_)
            | Fault::ShiftingPages(_)
            | Fault::KopsRefuses(_)
            | Fault::Lack(
                Lack::FewAddresses(..) | Lack::FewVcpus(..) | Lack::SpotScore(..) | Lack::NoRead(_),
            )
            | Fault::ExpiredCredentials => None,
        }
    }
}

fn no_capacity_of(value: &str) -> Option<Fault> {
    let (group, what) = value.split_once(':')?;
    let (instance_type, zone) = what.split_once('@').unwrap_or((what, ""));
    let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let fault = Fault::NoCapacityOf(Pool {
        group: Some(given(group)?),
        instance_type: given(instance_type),
        zone: given(zone),
    });
    (!what.is_empty() && what != "@").then_some(fault)
}

fn refuse_evictions(value: &str) -> Option<Fault> {
    let (group, kind) = value.rsplit_once(':')?;
    let denial = Denial::parse(kind)?;
    (!group.is_empty()).then(|| Fault::RefuseEvictions(group.to_owned(), denial))
}

fn timed(value: &str, fault: fn(String, Span) -> Fault) -> Option<Fault> {
    let (group, seconds) = value.rsplit_once(':')?;
    let seconds = seconds.parse::<u32>().ok()?;
    (!group.is_empty()).then(|| fault(group.to_owned(), Span::from_secs(seconds.into())))
}

fn balancer(value: &str) -> Option<Fault> {
    if let Some(group) = value.strip_suffix(":unread") {
        return (!group.is_empty()).then(|| Fault::Balancer(group.to_owned(), None));
    }
    timed(value, |group, span| Fault::Balancer(group, Some(span)))
}

fn pool(value: &str) -> Option<Fault> {
    let (instance_type, zone) = value.split_once('@')?;
    let named = |text: &str| (text != "*").then(|| text.to_owned());
    let whole = !instance_type.is_empty() && !zone.is_empty();
    whole.then(|| {
        Fault::NoCapacityOf(Pool {
            group: None,
            instance_type: named(instance_type),
            zone: named(zone),
        })
    })
}

/// What an instance of an image comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Image {
    /// It boots and its node turns Ready.
    Sound,
    /// It boots, its node never turns Ready.
    Sick,
    /// It boots and its node turns Ready, and a critical pod on it does not.
    SickPods,
    /// The same, and that pod is a member of etcd.
    SickEtcd,
    /// It never comes into service.
    Dead,
}

/// The faults ordered now, as questions.
#[derive(Clone, Debug, Default)]
pub(super) struct Faults(pub(super) Vec<Fault>);

impl Faults {
    /// Whether any of them changes what time brings (as opposed to what calls answer).
    pub(super) fn bend_time(&self) -> bool {
        self.0.iter().any(|fault| match fault {
            Fault::SickImage(_)
            | Fault::SickPods(_)
            | Fault::SickEtcd(_)
            | Fault::DeadImage(_)
            | Fault::NoCapacity(_)
            | Fault::NoCapacityOf(_)
            | Fault::Lack(_)
            | Fault::StuckDrain(_)
            | Fault::SlowPods(..)
            | Fault::SlowEnd(..)
            | Fault::LostNodes(..)
            | Fault::Deregistration(..)
            | Fault::SlowVolumes(..)
            | Fault::Balancer(..)
            | Fault::IdleScaleDown(..)
            | Fault::SlowBoot(..) => true,
            Fault::Throttle(_)
            | Fault::LostAnswer(_)
            | Fault::NoAnswer(_)
            | Fault::NoRead(_)
            | Fault::NoKubernetes(_)
            | Fault::NoEtcd(_)
            | Fault::RefuseEvictions(..)
            | Fault::ExpiredCredentials
            | Fault::StaleReads(_)
            | Fault::ShiftingPages(_)
            | Fault::KopsRefuses(_)
            | Fault::WrongAccount(_) => false,
        })
    }

    pub(super) fn image(&self, image: &str) -> Image {
        if self
            .0
            .iter()
            .any(|f| matches!(f, Fault::DeadImage(dead) if dead == image))
        {
            Image::Dead
        } else if self
            .0
            .iter()
            .any(|f| matches!(f, Fault::SickImage(sick) if sick == image))
        {
            Image::Sick
        } else if self
            .0
            .iter()
            .any(|f| matches!(f, Fault::SickPods(sick) if sick == image))
        {
            Image::SickPods
        } else if self
            .0
            .iter()
            .any(|f| matches!(f, Fault::SickEtcd(sick) if sick == image))
        {
            Image::SickEtcd
        } else {
            Image::Sound
        }
    }

    /// `names`: everything the group answers to.
    pub(super) fn no_capacity(&self, names: &[&str], instance_type: &str, zone: &str) -> bool {
        let is = |wanted: &Option<String>, found: &str| wanted.as_ref().is_none_or(|w| w == found);
        self.0.iter().any(|f| {
            if let Fault::NoCapacity(group) = f {
                return names.contains(&group.as_str());
            }
            let (Fault::NoCapacityOf(pool) | Fault::Lack(Lack::NotOffered(pool))) = f else {
                return false;
            };
            pool.group
                .as_ref()
                .is_none_or(|g| names.contains(&g.as_str()))
                && is(&pool.instance_type, instance_type)
                && is(&pool.zone, zone)
        })
    }

    pub(super) fn stuck_drain(&self, names: &[&str]) -> bool {
        self.0
            .iter()
            .any(|f| matches!(f, Fault::StuckDrain(group) if names.contains(&group.as_str())))
    }

    /// What the API answers to an eviction on the group's nodes; none: budgets decide.
    pub(super) fn refused_eviction(&self, names: &[&str]) -> Option<Refusal> {
        self.0.iter().find_map(|f| {
            let Fault::RefuseEvictions(group, denial) = f else {
                return None;
            };
            names.contains(&group.as_str()).then(|| denial.answer())
        })
    }

    pub(super) fn no_etcd(&self, names: &[&str]) -> bool {
        self.0
            .iter()
            .any(|f| matches!(f, Fault::NoEtcd(group) if names.contains(&group.as_str())))
    }

    /// How long its instances take from launch to service, when that was ordered.
    pub(super) fn slow_boot(&self, names: &[&str]) -> Option<Span> {
        self.0.iter().find_map(|f| {
            let Fault::SlowBoot(group, span) = f else {
                return None;
            };
            names.contains(&group.as_str()).then_some(*span)
        })
    }

    /// How long its instances take to be gone, when that was ordered.
    pub(super) fn slow_end(&self, names: &[&str]) -> Option<Span> {
        self.0.iter().find_map(|f| {
            let Fault::SlowEnd(group, span) = f else {
                return None;
            };
            names.contains(&group.as_str()).then_some(*span)
        })
    }

    /// How long its dead nodes outlive their instances, when that was ordered.
    pub(super) fn lost_nodes(&self, names: &[&str]) -> Option<Span> {
        self.0.iter().find_map(|f| {
            let Fault::LostNodes(group, span) = f else {
                return None;
            };
            names.contains(&group.as_str()).then_some(*span)
        })
    }

    /// How much longer its ending instances are shown, when that was ordered.
    pub(super) fn deregistration(&self, names: &[&str]) -> Option<Span> {
        self.0.iter().find_map(|f| {
            let Fault::Deregistration(group, span) = f else {
                return None;
            };
            names.contains(&group.as_str()).then_some(*span)
        })
    }

    /// How long volumes of its pods stay attached, when that was ordered.
    pub(super) fn slow_volumes(&self, names: &[&str]) -> Option<Span> {
        self.0.iter().find_map(|f| {
            let Fault::SlowVolumes(group, span) = f else {
                return None;
            };
            names.contains(&group.as_str()).then_some(*span)
        })
    }

    /// How long the balancer of a Service sends to a node of it that was taken out, when there is one; none: that cannot be read.
    pub(super) fn balancer(&self, names: &[&str]) -> Option<Option<Span>> {
        self.0.iter().find_map(|f| {
            let Fault::Balancer(group, span) = f else {
                return None;
            };
            names.contains(&group.as_str()).then_some(*span)
        })
    }

    /// Whether any node of the account has a balancer that sends to it.
    pub(super) fn any_balancer(&self) -> bool {
        self.0.iter().any(|f| matches!(f, Fault::Balancer(..)))
    }

    /// Whether the `read`th reading (from 1) misses a group.
    pub(super) fn shifts(&self, read: u64) -> bool {
        self.0
            .iter()
            .any(|f| matches!(f, Fault::ShiftingPages(n) if read.is_multiple_of(*n)))
    }

    /// How long its pods take to end, when that was ordered.
    pub(super) fn grace(&self, names: &[&str]) -> Option<Span> {
        self.0.iter().find_map(|f| {
            let Fault::SlowPods(group, span) = f else {
                return None;
            };
            names.contains(&group.as_str()).then_some(*span)
        })
    }

    /// How long a node of it may be without pods, when an autoscaler looks for that.
    pub(super) fn idle_scale_down(&self, names: &[&str]) -> Option<Span> {
        self.0.iter().find_map(|f| {
            let Fault::IdleScaleDown(group, span) = f else {
                return None;
            };
            names.contains(&group.as_str()).then_some(*span)
        })
    }

    /// How long what is read stays as before an effect.
    pub(super) fn stale(&self) -> Option<Span> {
        self.0.iter().find_map(|f| {
            let Fault::StaleReads(span) = f else {
                return None;
            };
            Some(*span)
        })
    }

    /// Whether the `call`th call of the cloud (from 1) is throttled.
    pub(super) fn throttles(&self, call: u64) -> bool {
        self.0
            .iter()
            .any(|f| matches!(f, Fault::Throttle(n) if call.is_multiple_of(*n)))
    }

    /// Whether the answer to the `effect`th effect (from 1) gets lost.
    pub(super) fn loses(&self, effect: u64) -> bool {
        self.0
            .iter()
            .any(|f| matches!(f, Fault::LostAnswer(n) if effect.is_multiple_of(*n)))
    }

    /// Whether the `effect`th effect (from 1) never reaches AWS.
    pub(super) fn swallows(&self, effect: u64) -> bool {
        self.0
            .iter()
            .any(|f| matches!(f, Fault::NoAnswer(n) if effect.is_multiple_of(*n)))
    }

    /// The field for which kops refuses a document.
    pub(super) fn kops_refuses(&self, document: &serde_json::Value) -> Option<&str> {
        self.0.iter().find_map(|f| {
            let Fault::KopsRefuses(field) = f else {
                return None;
            };
            let path = format!("/{}", field.replace('.', "/"));
            document.pointer(&path).map(|_| field.as_str())
        })
    }

    pub(super) fn credentials_are_over(&self) -> bool {
        self.0.contains(&Fault::ExpiredCredentials)
    }

    pub(super) fn no_kubernetes(&self, cluster: &ClusterName) -> bool {
        self.0
            .iter()
            .any(|f| matches!(f, Fault::NoKubernetes(c) if c == cluster))
    }

    pub(super) fn no_read(&self, cluster: &ClusterName) -> bool {
        self.0
            .iter()
            .any(|f| matches!(f, Fault::NoRead(c) if c == cluster))
    }

    pub(super) fn wrong_account(&self, cluster: &ClusterName) -> bool {
        self.0
            .iter()
            .any(|f| matches!(f, Fault::WrongAccount(c) if c == cluster))
    }
}

#[cfg(test)]
mod tests;
