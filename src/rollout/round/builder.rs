//! Collects the decision of one round. A failure stands alone: nothing else of its round is started.

use std::collections::{BTreeMap, BTreeSet};

use super::context::{GroupContext, Mode};
use super::decision::{Check, Decision, HookStep, State, Step, Waiting};
use crate::model::{
    AsgName, CloudEffect, ClusterName, Effect, GroupName, HookPlace, KopsEffect, NodeEffect,
    Timestamp,
};
use crate::rollout::event::{ClusterEvent, Event, GroupEvent, StepId};
use crate::rollout::progress::{Intent, Progress};
use crate::rollout::reason::{Advice, Reason, WaitOf};
use crate::rollout::schedule::{Task, VersionSource};

/// Collects what comes now.
pub(crate) struct DecisionBuilder<'a> {
    pub(crate) records: Vec<Event>,
    pub(crate) checks: Vec<Check>,
    pub(crate) hooks: Vec<HookStep>,
    fresh: Vec<(ClusterName, AsgName, Effect)>,
    again: Vec<(StepId, &'a Intent)>,
    waiting: Vec<Waiting>,
    /// What a person can do about a wait, by its place among them.
    for_a_person: BTreeMap<usize, Advice>,
    open: &'a BTreeMap<StepId, Intent>,
    failed: Option<Event>,
}

/// A point in a round.
pub(crate) struct Mark {
    done: usize,
    waiting: usize,
}

impl<'a> DecisionBuilder<'a> {
    /// Nothing yet; `open` are the steps whose outcome is not known.
    pub(crate) fn new(open: &'a BTreeMap<StepId, Intent>) -> Self {
        DecisionBuilder {
            records: Vec::new(),
            checks: Vec::new(),
            hooks: Vec::new(),
            fresh: Vec::new(),
            again: Vec::new(),
            waiting: Vec::new(),
            for_a_person: BTreeMap::new(),
            open,
            failed: None,
        }
    }

    /// The steps of a group whose outcome is not known.
    pub(crate) fn open_of(
        &self,
        view: &GroupContext<'_>,
    ) -> impl Iterator<Item = (StepId, &'a Intent)> + use<'a> {
        let (cluster, group) = (view.cluster.clone(), view.task.asg.clone());
        self.open
            .iter()
            .filter(move |(_, i)| i.cluster == cluster && i.group == group)
            .map(|(id, intent)| (*id, intent))
    }

    /// A step whose outcome is not known is taken again.
    pub(crate) fn repeat(&mut self, id: StepId, intent: &'a Intent) {
        self.again.push((id, intent));
    }

    pub(crate) fn step(&mut self, view: &GroupContext<'_>, effect: CloudEffect) {
        self.fresh.push((
            view.cluster.clone(),
            view.task.asg.clone(),
            Effect::Cloud(effect),
        ));
    }

    pub(crate) fn kops_step(&mut self, view: &GroupContext<'_>, effect: KopsEffect) {
        self.fresh.push((
            view.cluster.clone(),
            view.task.asg.clone(),
            Effect::Kops(effect),
        ));
    }

    /// Whether documents of the cluster are being stored, at the turn of whichever group.
    pub(crate) fn is_publishing(&self, cluster: &ClusterName) -> bool {
        let publishes =
            |effect: &Effect| matches!(effect, Effect::Kops(KopsEffect::Publish { .. }));
        let fresh = self
            .fresh
            .iter()
            .any(|(of, _, e)| of == cluster && publishes(e));
        let mut open = self.open.values();
        fresh || open.any(|i| i.cluster == *cluster && publishes(&i.effect))
    }

    /// Groups of the cluster that kops is asked for in this round already: by the time another one is asked for, it has brought them to their documents.
    pub(crate) fn asked_of_kops(&self, cluster: &ClusterName) -> BTreeSet<GroupName> {
        let of = |(at, _, effect): &(ClusterName, AsgName, Effect)| match effect {
            Effect::Kops(KopsEffect::Update { groups, .. }) if at == cluster => groups.clone(),
            Effect::Kops(KopsEffect::Update { .. } | KopsEffect::Publish { .. })
            | Effect::Cloud(_)
            | Effect::Node(_) => BTreeSet::new(),
        };
        self.fresh.iter().flat_map(of).collect()
    }

    pub(crate) fn node_step(&mut self, view: &GroupContext<'_>, effect: NodeEffect) {
        self.fresh.push((
            view.cluster.clone(),
            view.task.asg.clone(),
            Effect::Node(effect),
        ));
    }

    pub(crate) fn wait(
        &mut self,
        view: &GroupContext<'_>,
        why: impl Into<Reason>,
        until: Option<Timestamp>,
    ) {
        self.waiting.push(Waiting {
            cluster: Some(view.cluster.clone()),
            group: Some(view.task.asg.clone()),
            why: why.into(),
            until,
        });
    }

    /// Something that only others can bring about: where they do not, it is for a person, and no failure of the new version.
    pub(crate) fn wait_for_others(
        &mut self,
        view: &GroupContext<'_>,
        why: impl Into<Reason>,
        advice: Advice,
    ) {
        self.for_a_person.insert(self.waiting.len(), advice);
        self.wait(view, why, None);
    }

    /// What a person can do about what is waited for since `mark`.
    pub(crate) fn advice_since(&self, mark: &Mark) -> Option<Advice> {
        self.for_a_person
            .range(mark.waiting..)
            .next()
            .map(|(_, advice)| advice.clone())
    }

    /// The rollout as a whole waits for something outside of it.
    pub(crate) fn wait_rollout(&mut self, why: Reason) {
        self.waiting.push(Waiting {
            cluster: None,
            group: None,
            why,
            until: None,
        });
    }

    pub(crate) fn wait_cluster(
        &mut self,
        cluster: &ClusterName,
        why: impl Into<Reason>,
        until: Option<Timestamp>,
    ) {
        self.waiting.push(Waiting {
            cluster: Some(cluster.clone()),
            group: None,
            why: why.into(),
            until,
        });
    }

    pub(crate) fn wait_hook(
        &mut self,
        place: &HookPlace,
        why: impl Into<Reason>,
        until: Option<Timestamp>,
    ) {
        self.waiting.push(Waiting {
            cluster: place.cluster.clone(),
            group: None,
            why: why.into(),
            until,
        });
    }

    pub(crate) fn done(&mut self, view: &GroupContext<'_>) {
        self.records.push(Event::Group(
            view.cluster.clone(),
            view.task.asg.clone(),
            GroupEvent::Done,
        ));
    }

    /// On the way forward a failure turns the rollout round; on the way back nothing is left but a person.
    pub(crate) fn failed(&mut self, view: &GroupContext<'_>, why: impl Into<Reason>) {
        match view.mode {
            Mode::Forward => self.fail(view.cluster, Some(&view.task.asg), why),
            Mode::Undo | Mode::Cleanup => {
                let advice = next_step_by_hand(view);
                self.stuck(view, why, advice);
            }
        }
    }

    pub(crate) fn fail(
        &mut self,
        cluster: &ClusterName,
        group: Option<&AsgName>,
        why: impl Into<Reason>,
    ) {
        self.failed.get_or_insert(Event::Cluster(
            cluster.clone(),
            ClusterEvent::Failed {
                group: group.cloned(),
                why: why.into(),
            },
        ));
    }

    pub(crate) fn stuck(
        &mut self,
        view: &GroupContext<'_>,
        why: impl Into<Reason>,
        advice: Advice,
    ) {
        let event = Event::Cluster(
            view.cluster.clone(),
            ClusterEvent::Stuck {
                group: Some(view.task.asg.clone()),
                why: why.into(),
                advice,
            },
        );
        self.failed.get_or_insert(event);
    }

    /// A cluster that no way leads on from.
    pub(crate) fn stuck_cluster(
        &mut self,
        cluster: &ClusterName,
        why: impl Into<Reason>,
        advice: Advice,
    ) {
        let event = Event::Cluster(
            cluster.clone(),
            ClusterEvent::Stuck {
                group: None,
                why: why.into(),
                advice,
            },
        );
        self.failed.get_or_insert(event);
    }

    /// How far this round has come.
    pub(crate) fn mark(&self) -> Mark {
        Mark {
            done: self.done_so_far(),
            waiting: self.waiting.len(),
        }
    }

    fn done_so_far(&self) -> usize {
        self.records.len()
            + self.checks.len()
            + self.hooks.len()
            + self.fresh.len()
            + self.again.len()
            + usize::from(self.failed.is_some())
    }

    /// What is waited for since `mark`, when nothing else came and none of it ends by itself at a known time.
    pub(crate) fn only_waits(&self, mark: &Mark, now: Timestamp) -> Option<Vec<WaitOf>> {
        let waits = self.waiting.get(mark.waiting..).unwrap_or_default();
        let ends = |w: &Waiting| w.until.is_some_and(|until| until >= now);
        if self.done_so_far() > mark.done || waits.is_empty() || waits.iter().any(ends) {
            return None;
        }
        let of = |w: &Waiting| WaitOf {
            group: w.group.clone(),
            why: w.why.clone(),
        };
        Some(waits.iter().map(of).collect())
    }

    /// The decision: what was collected, with a number for every new step.
    pub(crate) fn finish(self, progress: &Progress, state: State) -> Decision {
        let DecisionBuilder {
            records,
            checks,
            hooks,
            fresh,
            again,
            waiting,
            for_a_person: _,
            open: _,
            failed,
        } = self;
        // A failure stands alone: nothing else of this round may be started on top of it.
        if let Some(event) = failed {
            return Decision {
                records: vec![event],
                steps: Vec::new(),
                checks: Vec::new(),
                hooks: Vec::new(),
                waiting,
                state: State::Going,
            };
        }
        let again = again.into_iter().map(|(id, i)| Step {
            id,
            cluster: i.cluster.clone(),
            group: i.group.clone(),
            effect: i.effect.clone(),
            again: true,
        });
        let fresh = (progress.next_step..)
            .zip(fresh)
            .map(|(id, (cluster, group, effect))| Step {
                id,
                cluster,
                group,
                effect,
                again: false,
            });
        let steps: Vec<Step> = again.chain(fresh).collect();
        let is_idle =
            records.is_empty() && steps.is_empty() && checks.is_empty() && hooks.is_empty();
        let state = if is_idle { state } else { State::Going };
        Decision {
            records,
            steps,
            checks,
            hooks,
            waiting,
            state,
        }
    }
}

/// The next step of a way back that failed, for a person.
fn next_step_by_hand(view: &GroupContext<'_>) -> Advice {
    let group = view.task.asg.clone();
    match &view.task.task {
        Task::Update {
            version: VersionSource::Existing(version),
            ..
        } if *version > 0 && view.mode == Mode::Undo => Advice::WayBackFailed {
            group,
            version: *version,
        },
        Task::Retire { .. } if view.mode == Mode::Undo => Advice::DrainToDelete { group },
        Task::Create { .. } | Task::Update { .. } | Task::Retire { .. } => {
            Advice::PutGroupRight { group }
        }
    }
}
