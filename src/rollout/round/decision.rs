//! What a rollout does next, as data: facts to write down, steps to take, gates to ask, and what it waits for.

use serde::{Deserialize, Serialize};

use crate::fleet::{HttpGate, PromqlGate};
use crate::model::{AsgName, ClusterName, Effect, HookPlace, StageName, Timestamp};
use crate::rollout::event::{Event, Scope, StepId};
use crate::rollout::hook_event::HookWay;
use crate::rollout::progress::Ending;
use crate::rollout::reason::Reason;

/// What comes now. Records first: while there are any, nothing else is done before they are written and `next` is asked again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Facts that follow from what is.
    pub records: Vec<Event>,
    /// Steps to take.
    pub steps: Vec<Step>,
    /// Gates to ask.
    pub checks: Vec<Check>,
    /// Hooks to run, and those that run.
    pub hooks: Vec<HookStep>,
    /// What is being waited for.
    pub waiting: Vec<Waiting>,
    /// Whether it goes on by itself.
    pub state: State,
}

/// A step to take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Its number.
    pub id: StepId,
    /// The cluster whose lock the step needs.
    pub cluster: ClusterName,
    /// The group whose turn it is.
    pub group: AsgName,
    /// What is to be done, exactly.
    pub effect: Effect,
    /// Its intent is in the journal already: an earlier attempt ended without an answer.
    pub again: bool,
}

/// A hook to run, or one that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookStep {
    pub place: HookPlace,
    pub way: HookWay,
    /// Which attempt it is, from 1.
    pub attempt: u32,
    /// Its beginning is in the journal already.
    pub is_begun: bool,
}

/// A gate to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// The cluster that is asked about.
    pub cluster: ClusterName,
    /// About what.
    pub scope: Scope,
    /// As `gates:` names it, or one of the built-in ones.
    pub gate: String,
    /// What is asked.
    pub question: Question,
}

/// What a gate asks, with every placeholder filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// kops, whether the cluster is healthy.
    Kops,
    /// A command of the fleet: program and arguments.
    Command(Vec<String>),
    /// An HTTP server.
    Http(HttpGate),
    /// A query that Prometheus answers.
    Promql(PromqlGate),
}

/// Something that is being waited for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Waiting {
    /// The cluster, when it is one.
    pub cluster: Option<ClusterName>,
    /// The group, when it is one.
    pub group: Option<AsgName>,
    /// For what.
    pub why: Reason,
    /// Until when at the latest, where that is known.
    pub until: Option<Timestamp>,
}

/// What a rollout waited for when it last said so: for commands that ask the store alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Waits {
    /// Form of this file, 1.
    pub version: u32,
    /// When, in the cloud's time.
    pub at: Timestamp,
    /// For what.
    pub waiting: Vec<Waiting>,
}

/// Whether a rollout goes on by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It does.
    Going,
    /// Nothing to do until then but to watch.
    WaitingForTime {
        /// Until when.
        until: Timestamp,
        /// For what.
        why: Reason,
    },
    /// A person has to approve a stage.
    WaitingForPerson {
        /// The stage that waits to begin.
        stage: StageName,
    },
    /// Other shards of the release have to get as far first.
    WaitingForOthers {
        /// One of them never will by itself: a person has to say what comes.
        in_vain: bool,
    },
    /// A person has to act.
    Stuck,
    /// It failed, and a person has to say whether it tries again or goes back.
    Held,
    /// It is over.
    Ended(Ending),
}
