//! Launches that AWS refuses for want of capacity: which types, where, since when, and what the group's policy makes of it. Never acts.

use std::collections::{BTreeMap, BTreeSet};

use super::fallback;
use crate::fleet::CapacityPolicy;
use crate::model::{Activity, ActivityStatus, AsgName, LiveGroup, Span, Timestamp};
use crate::rollout::event::{Event, GroupEvent};
use crate::rollout::progress::{GroupState, ZoneRefused};
use crate::rollout::reason::{GroupReason, NoCapacity, NoOther, Reason};
use crate::rollout::round::{DecisionBuilder, GroupContext, Mode, missing, present};
use crate::rollout::schedule::{Task, VersionSource};

/// AWS tries a refused launch again by itself; until then there is nothing to see.
pub(crate) const AGAIN: Span = Span::from_secs(60);

/// A group that waits for capacity by its policy waits this long before a person is asked.
const LONGEST_HOLD: Span = Span::from_secs(48 * 3_600);

/// As long may a twin stand in: it costs more each hour.
const LONGEST_LOAN: Span = Span::from_secs(12 * 3_600);

/// What AWS refuses now.
pub(crate) struct CapacityRefusal<'a> {
    /// When it was first refused.
    pub(crate) since: Timestamp,
    /// Zones by type, as far as AWS says them.
    found: BTreeMap<String, BTreeSet<String>>,
    /// AWS's newest words.
    words: &'a str,
    /// Whether only zones that were named are refused, and another one may have capacity.
    in_zones: bool,
}

/// What is refused since `since`: of what AWS launches by itself, or of what it was told to launch in a zone.
pub(crate) fn refusal<'a>(
    view: &GroupContext<'a>,
    live: &'a LiveGroup,
    since: Timestamp,
) -> Option<CapacityRefusal<'a>> {
    of_activities(live, since).or_else(|| of_zones(view, live))
}

/// How long a zone is left alone that was refused last at `refused.last`: ever longer, up to ten minutes.
pub(crate) fn pause(refused: &ZoneRefused) -> Span {
    const LONGEST: Span = Span::from_secs(600);
    const SHARE: i64 = 4;
    let lasted = refused.last.since(refused.since);
    Span::from_millis(lasted.millis() / SHARE).clamp(AGAIN, LONGEST)
}

/// Zones that are refused and still have an old instance. One that was not asked for in a while, because nothing was to be launched, does not count.
fn of_zones<'a>(view: &GroupContext<'a>, live: &LiveGroup) -> Option<CapacityRefusal<'a>> {
    let version = match &view.task.task {
        Task::Update {
            version: VersionSource::Existing(n),
            ..
        } => Some(*n),
        Task::Update { .. } => view.group.version,
        Task::Create { .. } | Task::Retire { .. } => None,
    };
    let has_old = |zone: &str| present(live).any(|(_, i)| i.zone == zone && i.version != version);
    let refused: Vec<&ZoneRefused> = view
        .group
        .placement
        .refused
        .iter()
        .filter(|(zone, _)| has_old(zone))
        .filter(|(_, r)| view.now <= r.last + pause(r) + pause(r))
        .map(|(_, refused)| refused)
        .collect();
    let last = refused.iter().max_by_key(|r| r.last)?;
    Some(CapacityRefusal {
        since: refused.iter().map(|r| r.since).min()?,
        found: zones_by_type(refused.iter().map(|r| r.words.as_str())),
        words: &last.words,
        in_zones: true,
    })
}

/// The types that these words name, each with the zones named beside it.
fn zones_by_type<'w>(
    words: impl IntoIterator<Item = &'w str>,
) -> BTreeMap<String, BTreeSet<String>> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (types, zones) in words.into_iter().map(named) {
        for instance_type in types {
            let known = found.entry(instance_type).or_default();
            known.extend(zones.iter().cloned());
        }
    }
    found
}

/// What is refused since `since`, unless a launch has succeeded after it.
pub(crate) fn of_activities(live: &LiveGroup, since: Timestamp) -> Option<CapacityRefusal<'_>> {
    let launched = |a: &Activity| {
        a.status == ActivityStatus::Successful && !a.message.starts_with("Terminating")
    };
    let after = live
        .activities
        .iter()
        .rposition(launched)
        .map_or(0, |i| i + 1);
    let recent = live.activities.get(after..).unwrap_or_default();
    let refused: Vec<&Activity> = recent
        .iter()
        .filter(|a| a.at >= since && a.status == ActivityStatus::NoCapacity)
        .collect();
    let (first, last) = (refused.first()?, refused.last()?);
    // AWS says the same hundreds of times.
    let said: BTreeSet<&str> = refused.iter().map(|a| a.message.as_str()).collect();
    Some(CapacityRefusal {
        since: first.at,
        found: zones_by_type(said),
        words: &last.message,
        in_zones: false,
    })
}

impl CapacityRefusal<'_> {
    /// As data.
    pub(crate) fn found(&self) -> NoCapacity {
        NoCapacity {
            types: self.found.clone(),
            words: self.words.to_owned(),
        }
    }

    /// Whether every type that the group may launch was refused. What cannot be known counts as refused, but for groups that
    /// choose by attributes: those have hundreds.
    fn exhausts(&self, live: &LiveGroup) -> bool {
        let overrides = live
            .group
            .mixed_instances_policy
            .iter()
            .flat_map(|p| &p.overrides);
        let mut types: BTreeSet<&str> = BTreeSet::new();
        for one in overrides {
            if one.instance_requirements.is_some() {
                return false;
            }
            types.extend(one.instance_type.as_deref());
        }
        types.len() < 2
            || self.found.is_empty()
            || types.iter().all(|t| self.found.contains_key(*t))
    }
}

/// What the policy of a group makes of it.
pub(crate) enum CapacityAnswer {
    /// Nothing is refused, or not for long enough.
    GoOn,
    /// It waits for capacity, until a person is asked at this time.
    Hold(Timestamp),
    /// Its on-demand twin stands in from now on, and why.
    Borrow(AsgName, GroupReason),
    /// The group has failed, and why.
    Fail(GroupReason),
    /// It has waited for longer than anybody should without a person who knows of it, and why.
    Ask(GroupReason),
}

pub(crate) fn answer(
    view: &GroupContext<'_>,
    live: &LiveGroup,
    since: Timestamp,
) -> CapacityAnswer {
    let Some(refusal) = refusal(view, live, since) else {
        return CapacityAnswer::GoOn;
    };
    let capacity = &view.task.rolling.capacity;
    // The cloud forgets the first refusals of many; the journal does not.
    let first = view
        .group
        .capacity
        .missing
        .as_ref()
        .map_or(refusal.since, |(since, _)| (*since).min(refusal.since));
    let over = view.waited(first) > capacity.patience.unwrap_or(view.task.rolling.ready_timeout);
    let fails = |other: Option<NoOther>| {
        CapacityAnswer::Fail(GroupReason::CapacityFailed {
            lasted: view.now.since(first),
            refused: refusal.found(),
            other,
            in_zones: refusal.in_zones,
        })
    };
    let waits = match capacity.policy {
        CapacityPolicy::Wait => true,
        CapacityPolicy::NextType => !refusal.exhausts(live),
        CapacityPolicy::OnDemand => view.group.capacity.borrowed.is_some(),
        CapacityPolicy::Stop => false,
    };
    let longest = match capacity.policy {
        CapacityPolicy::OnDemand => LONGEST_LOAN,
        CapacityPolicy::Wait | CapacityPolicy::NextType | CapacityPolicy::Stop => LONGEST_HOLD,
    };
    if waits && view.waited(first) > longest {
        return CapacityAnswer::Ask(GroupReason::CapacityOverdue {
            lasted: view.now.since(first),
            refused: refusal.found(),
        });
    }
    let left = Span::from_millis(longest.millis() - view.waited(first).millis());
    let hold = CapacityAnswer::Hold(view.now + left.max(AGAIN));
    match capacity.policy {
        CapacityPolicy::Wait => hold,
        CapacityPolicy::Stop if over => fails(None),
        CapacityPolicy::Stop => CapacityAnswer::GoOn,
        CapacityPolicy::NextType if refusal.exhausts(live) && over => fails(Some(NoOther::Type)),
        CapacityPolicy::NextType if refusal.exhausts(live) => CapacityAnswer::GoOn,
        CapacityPolicy::NextType => hold,
        CapacityPolicy::OnDemand if view.group.capacity.borrowed.is_some() => hold,
        CapacityPolicy::OnDemand if over && view.mode == Mode::Forward => {
            match fallback::may_lend(view) {
                Ok(twin) => {
                    let refused = refusal.found();
                    CapacityAnswer::Borrow(twin.clone(), GroupReason::Borrows { refused })
                }
                Err(why) => fails(Some(NoOther::Twin { why })),
            }
        }
        CapacityPolicy::OnDemand if over => fails(None),
        CapacityPolicy::OnDemand => CapacityAnswer::GoOn,
    }
}

/// Until when a wait for capacity is not a failure; none where the group's patience counts.
pub(crate) fn held_until(
    view: &GroupContext<'_>,
    live: &LiveGroup,
    since: Timestamp,
) -> Option<Timestamp> {
    match answer(view, live, since) {
        CapacityAnswer::Hold(until) => Some(until),
        CapacityAnswer::GoOn
        | CapacityAnswer::Borrow(..)
        | CapacityAnswer::Fail(_)
        | CapacityAnswer::Ask(_) => None,
    }
}

/// What is refused, and that it no longer is, goes into the journal as soon as it is seen. Whether there was anything new.
pub(crate) fn noted(view: &GroupContext<'_>, out: &mut DecisionBuilder<'_>) -> bool {
    let (Some(live), GroupState::Rolling(since)) = (view.live, view.group.state) else {
        return false;
    };
    let (cluster, group) = (view.cluster.clone(), view.task.asg.clone());
    let no_capacity = &view.group.capacity.missing;
    let refused = refusal(view, live, since);
    // A group that borrows has released its surge, may lack nothing without it, and that proves nothing: a launch has to succeed.
    let unproven = view.group.capacity.borrowed.is_some()
        && (refused.is_some() || !fallback::launched(view, live));
    match (refused.filter(|_| is_short(view, live)), no_capacity) {
        (None, None) => return false,
        (None, Some(_)) if unproven => return false,
        (None, Some(_)) => out
            .records
            .push(Event::Group(cluster, group, GroupEvent::CapacityBack)),
        (Some(refusal), before) => {
            let Some(event) = refused_anew(view, &refusal, before.as_ref()) else {
                return false;
            };
            out.records.push(Event::Group(cluster, group, event));
        }
    }
    true
}

/// AWS names other zones each time; what is new is a type that it refuses.
fn refused_anew(
    view: &GroupContext<'_>,
    refusal: &CapacityRefusal<'_>,
    before: Option<&(Timestamp, Reason)>,
) -> Option<GroupEvent> {
    if before.is_some_and(|(_, known)| names(known, refusal)) {
        return None;
    }
    let why = GroupReason::NoCapacity {
        refused: refusal.found(),
        policy: view.task.rolling.capacity.policy,
    };
    Some(GroupEvent::NoCapacity {
        since: before.map_or(refusal.since, |(first, _)| *first),
        why: why.into(),
    })
}

/// Whether the group has fewer instances than it wants, or lacks one in a zone.
pub(crate) fn is_short(view: &GroupContext<'_>, live: &LiveGroup) -> bool {
    missing(live) > 0 || !view.group.placement.refused.is_empty()
}

/// Whether what was written down names every type that is refused now.
fn names(known: &Reason, refusal: &CapacityRefusal<'_>) -> bool {
    let mut types = refusal.found.keys();
    if let Reason::Group(GroupReason::NoCapacity { refused, .. }) = known {
        return types.all(|kind| refused.types.contains_key(kind));
    }
    // In a journal of version 1 it is a sentence.
    let Reason::Words(words) = known else {
        return false;
    };
    types.all(|kind| words.contains(kind.as_str()))
}

/// Instance types and zones that a sentence of AWS names.
fn named(message: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    // What follows is where there is capacity.
    let refused = message
        .split("You can currently get")
        .next()
        .unwrap_or(message);
    let words = refused
        .split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '-')))
        .map(|w| w.trim_matches(['.', '-']));
    let (mut types, mut zones) = (BTreeSet::new(), BTreeSet::new());
    for word in words {
        if is_type(word) {
            types.insert(word.to_owned());
        } else if is_zone(word) {
            zones.insert(word.to_owned());
        }
    }
    (types, zones)
}

/// `m5.large`, `c6gd.16xlarge`, `u-6tb1.metal`, `mac2-m2.metal`.
fn is_type(word: &str) -> bool {
    let Some((family, size)) = word.split_once('.') else {
        return false;
    };
    let sizes = ["nano", "micro", "small", "medium", "large", "metal"];
    let known = sizes.iter().any(|s| size.ends_with(s)) || size.starts_with("metal-");
    let plain = |t: &str| {
        t.chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    };
    known && plain(family) && plain(size) && family.chars().any(|c| c.is_ascii_digit())
}

/// `eu-west-3a`, `us-gov-east-1b`, `us-west-2-lax-1a`.
fn is_zone(word: &str) -> bool {
    let parts: Vec<&str> = word.split('-').collect();
    let (Some(first), Some(last)) = (parts.first(), parts.last()) else {
        return false;
    };
    let mut end = last.chars();
    let ends = end.next_back().is_some_and(|c| c.is_ascii_lowercase())
        && !end.as_str().is_empty()
        && end.all(|c| c.is_ascii_digit());
    parts.len() >= 3 && first.len() == 2 && first.chars().all(|c| c.is_ascii_lowercase()) && ends
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_and_zones_are_found_in_what_aws_says() {
        for (message, types, zones) in [
            (
                "We currently do not have sufficient m5.large capacity in the Availability Zone you requested (eu-west-3a). Our system will be working on \
                 provisioning additional capacity. You can currently get m5.large capacity by not specifying an Availability Zone in your request or \
                 choosing eu-west-3b. Launching EC2 instance failed.",
                "m5.large",
                "eu-west-3a",
            ),
            (
                "Could not launch Spot Instances. UnfulfillableCapacity - Unable to fulfill capacity due to your request configuration.",
                "",
                "",
            ),
            (
                "There is no Spot capacity available that matches your request (c6gd.16xlarge in us-gov-east-1b).",
                "c6gd.16xlarge",
                "us-gov-east-1b",
            ),
            (
                "u-6tb1.metal, mac2-m2.metal in us-west-2-lax-1a. e.g. that.",
                "mac2-m2.metal u-6tb1.metal",
                "us-west-2-lax-1a",
            ),
        ] {
            let (found, places) = named(message);
            let text = |all: BTreeSet<String>| all.into_iter().collect::<Vec<_>>().join(" ");
            assert_eq!(
                (text(found).as_str(), text(places).as_str()),
                (types, zones),
                "{message}"
            );
        }
    }
}
