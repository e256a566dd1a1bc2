//! The execution of a plan as data, on three floors: its schedule, events and progress; `round`, what one round knows; `decide`, what comes next. No I/O, no clock, no cloud.

mod board;
mod breach;
mod build;
mod decide;
mod event;
mod freeze;
mod hook_event;
mod notice;
mod observation;
mod outline;
mod places;
mod policy;
mod progress;
mod reason;
mod rollback;
mod round;
mod rules;
mod schedule;
mod shards;
mod standing;

pub use board::{Board, BoardRow, Boundary, Joint, Lagging, row_of, shares, split};
pub use breach::{
    Beginning, Breach, Claim, ClaimBreach, GroupBreach, InstanceBreach, NodeBreach, OrderBreach,
    PlaneLack, PodBreach, RecordBreach, Removal, TurnBreach,
};
pub use build::{BuildError, Changed, Inputs, Lag, build};
pub use decide::{
    COMPONENTS, HealthFailure, Limits, decide, decide_beside, expected_groups, failures,
    needed_versions, of_this_cluster, room_questions, rooms_wanted, way_back_versions,
};
pub use event::{
    ClusterEvent, Event, GroupEvent, Record, RolloutEvent, Scope, StageEvent, StepEvent, StepId,
    StepResult, Verdict,
};
pub use freeze::{Window, window};
pub use hook_event::{HookEvent, HookResult, HookVerdict, HookWay};
pub use notice::{Notice, Notified, notice};
pub use observation::{GroupObservation, Observation, ObservedStep, PodMoves};
pub use places::Places;
pub use progress::{
    Answer, Awaited, Before, Canary, CapacityState, ClusterProgress, ClusterState, Conflicts,
    Cordoned, DeadNode, Direction, Drain, Ending, GroupProgress, GroupState, HookProgress, HookRun,
    HookState, Illegal, IllegalRecord, Intent, Outstanding, Progress, RefreshSeen, Spent,
    StepRefusal, Stuck, WayBack, ZonePlacement, ZoneRefused, deleted_groups,
};
pub use reason::{
    Advice, Difference, DrainReason, Evidence, Ground, GroupReason, HeldPods, HookReason,
    LingeringPod, NoCapacity, NoLoan, NoOther, OverdueDrain, PlaneFault, PreflightFinding, Reason,
    RefreshAt, RefreshDoes, RefusedPods, Symptom, SymptomSeen, ToleratedNodes, UnreadyOwner,
    VersionOf, VersionReason, WaitOf,
};
pub use rollback::{RollbackError, check_rollback};
pub use round::{Check, Decision, HookStep, Question, State, Step, Waiting, Waits};
pub use rules::{broken_by_record, broken_rules};
pub use schedule::{
    AccountShare, ClusterRun, GroupTask, JOURNAL_VERSION, KopsRun, Part, Rollout, Seat, StageRun,
    Task, VersionSource, Watched, WaveRun,
};
pub use shards::{FailedAt, RowState};
pub use standing::{
    AppliedLast, ClusterStanding, Known, StandingState, UnderWayState, cluster_standings,
};
