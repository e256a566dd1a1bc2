//! One record of a journal → one line for a log, or one JSON line for a program. Remembers nothing between records.

use std::collections::BTreeSet;

use serde::Serialize;

use super::hooks;
use super::reason::{self, RESUME, advice_text, finding_text, ground_text, reason_text};
use super::revision;
use super::wording::{clock, count, group, list, plain};
use crate::model::{Applied, AsgName, ClusterName, InstanceId, LaunchRefusal, NodeName};
use crate::rollout::{
    ClusterEvent, Event, Evidence, GroupEvent, PreflightFinding, Record, Rollout, RolloutEvent,
    Scope, StageEvent, StepEvent, StepResult, Verdict,
};

/// Most volumes that a line names.
const VOLUMES: usize = 10;

/// The version of the envelope of [`event_json`].
pub const EVENT_VERSION: u32 = 2;

#[derive(Serialize)]
struct Envelope<'r> {
    v: u32,
    seq: u64,
    at: String,
    code: Option<String>,
    message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
    event: &'r Event,
}

/// One line of JSON, without the newline: `{"v":2,"seq":…,"at":"…","code":"…","message":"…","event":…}`. `seq` has no hole, so a reader sees what
/// it missed; `at` is RFC 3339 in the cloud's time; `event` is the journal's own form, and `code` its kind; `message` is the line that people
/// get, null for steps that went as they should; `advice` is there when a person has to act. Every reason within has a `code`, too: see
/// `docs/codes.md`.
pub fn event_json(record: &Record) -> String {
    let envelope = Envelope {
        v: EVENT_VERSION,
        seq: record.seq,
        at: record.at.to_string(),
        code: code(&record.event),
        message: words(&record.event).map(|(subject, text)| format!("{subject}: {}", plain(&text))),
        advice: match &record.event {
            Event::Cluster(_, ClusterEvent::Stuck { advice, .. }) => {
                Some(plain(&advice_text(advice, RESUME)))
            }
            Event::Rollout(_)
            | Event::Stage(..)
            | Event::Cluster(..)
            | Event::Group(..)
            | Event::Hook(..)
            | Event::Step(..) => None,
        },
        event: &record.event,
    };
    // Our own enums of strings, numbers and maps with text keys always serialise.
    serde_json::to_string(&envelope).unwrap_or_default()
}

/// The kind of an event, as its form names it.
fn code(event: &Event) -> Option<String> {
    let form = serde_json::to_value(event).ok()?;
    let kind = || form.as_object()?.keys().next().map(String::as_str);
    form.as_str().or_else(kind).map(str::to_owned)
}

/// One line for people, without the newline: time, what it is about, what happened. None for steps that went as they should.
pub fn event_line(record: &Record) -> Option<String> {
    let (subject, text) = words(&record.event)?;
    Some(format!("{}  {subject}: {}", clock(record.at), plain(&text)))
}

/// What it is about, and what happened.
fn words(event: &Event) -> Option<(String, String)> {
    match event {
        Event::Rollout(what) => Some(of_rollout(what)),
        Event::Stage(stage, what) => Some((format!("stage {stage}"), of_stage(what))),
        Event::Cluster(cluster, what) => Some(of_cluster(cluster, what)),
        Event::Group(cluster, group, what) => Some((subject(cluster, Some(group)), of_group(what))),
        Event::Hook(place, what) => Some((hooks::subject(place), hooks::event(what))),
        Event::Step(step, what) => match what {
            StepEvent::Intent { .. } => None,
            StepEvent::Outcome { result } => Some((format!("step {step}"), outcome(result)?)),
        },
    }
}

fn of_rollout(event: &RolloutEvent) -> (String, String) {
    let what = match event {
        RolloutEvent::Started { rollout } => started(rollout),
        RolloutEvent::Held => {
            "held: nothing more happens until a person says how it goes on (`kfleet rollout status` names the ways)".into()
        }
        RolloutEvent::ShardFailed {
            shard,
            rollout,
            failed,
        } => super::shards::failed(*shard, rollout, failed),
        RolloutEvent::RollbackAsked { by, reason } => {
            format!("rollback asked for by {by} ({reason}): all of it, the newest wave first")
        }
        RolloutEvent::RollbackStarted {
            clusters,
            kept,
            hooks,
        } => rollback(clusters, kept, hooks.len()),
        RolloutEvent::AbortStarted { by, reason } => format!(
            "abort asked for by {by} ({}): first undoes what is half-done (drains, surge, suspended processes), then ends",
            reason_text(reason)
        ),
        RolloutEvent::LockTaken {
            cluster,
            from,
            rollout,
            fence,
        } => {
            let what = format!(
                "lock taken over, with number {fence}: {from} held it for rollout {rollout} and no longer renews it"
            );
            if let Some(cluster) = cluster {
                return (subject(cluster, None), what);
            }
            what
        }
        RolloutEvent::Resumed { by } => format!("resumed by {by}"),
        RolloutEvent::Paused { why } => format!("paused: {}", reason_text(why)),
        RolloutEvent::Finished => {
            "finished: every cluster runs the release, verified and soaked".into()
        }
        RolloutEvent::RolledBack => {
            "rolled back: what it had changed runs again what it ran before".into()
        }
        RolloutEvent::Aborted => "aborted: stopped on the way, nothing is left half-done".into(),
    };
    ("rollout".into(), what)
}

fn of_stage(event: &StageEvent) -> String {
    match event {
        StageEvent::Approved { by, expires } => {
            format!("approved by {by}, until {}", clock(*expires))
        }
        StageEvent::Started => "starts".into(),
        StageEvent::Passed => "passed: every cluster verified and soaked".into(),
        StageEvent::WaveStarted { wave } => format!("wave {} starts", wave + 1),
        StageEvent::WavePassed { wave } => format!("wave {} passed", wave + 1),
        StageEvent::PassedEverywhere { wave, rollouts } => {
            super::shards::passed_everywhere(*wave, rollouts.len())
        }
        StageEvent::RoomLimited {
            wave,
            limits,
            lacks,
            unknown,
        } => super::room::limited(*wave, limits, lacks, unknown),
    }
}

fn of_cluster(cluster: &ClusterName, event: &ClusterEvent) -> (String, String) {
    let what = match event {
        ClusterEvent::Started => "starts".into(),
        ClusterEvent::Preflight { findings, .. } => preflight(findings),
        ClusterEvent::Rolled => "all groups done, running the cluster's gates".into(),
        ClusterEvent::Verified { since, evidence } => format!(
            "verified, soak counts from {}{}",
            clock(*since),
            because(evidence)
        ),
        ClusterEvent::SoakBroken { why } => format!(
            "soak broken, begins anew once gates pass: {}",
            reason_text(why)
        ),
        ClusterEvent::Restored => "restored: runs again what it ran before".into(),
        ClusterEvent::Answered {
            scope,
            gate,
            verdict,
        } => {
            return (
                scope_subject(cluster, scope),
                answered(scope, gate, verdict),
            );
        }
        ClusterEvent::Failed { group, why } => {
            let what = format!("FAILED: {}", reason_text(why));
            return (subject(cluster, group.as_ref()), what);
        }
        ClusterEvent::Stuck { group, why, advice } => {
            let what = format!(
                "STUCK: {}; what to do: {}",
                reason_text(why),
                advice_text(advice, RESUME)
            );
            return (subject(cluster, group.as_ref()), what);
        }
    };
    (subject(cluster, None), what)
}

fn of_group(event: &GroupEvent) -> String {
    match event {
        GroupEvent::Started {
            instances,
            zones: _,
        } => group_started(*instances),
        GroupEvent::CanaryUp { instances: _ } => "canary is in service and Ready, bakes now".into(),
        GroupEvent::CanaryLost { why } => {
            format!("canary lost, its bake begins anew: {}", reason_text(why))
        }
        GroupEvent::CanaryProven { evidence } => {
            format!(
                "canary proven, continuing with the remaining instances{}",
                because(evidence)
            )
        }
        GroupEvent::DrainStarted { instance, node, .. } => drain_started(instance, node.as_ref()),
        GroupEvent::VolumesAwaited {
            instance,
            volumes,
            over,
        } => volumes_awaited(instance, volumes, *over),
        GroupEvent::BalancersAwaited {
            instance,
            balancers,
            unread,
            over,
        } => balancers_awaited(instance, balancers, unread.as_deref(), *over),
        GroupEvent::SetAside { instance, why } => {
            format!("defers {instance} to the end: {}", reason_text(why))
        }
        GroupEvent::DrainAbandoned { instance } => {
            format!("stops draining {instance}, uncordons its node")
        }
        GroupEvent::SurgeTaken { left } => format!("an autoscaler took surge back, {left} left"),
        GroupEvent::Refreshed { percentage } => {
            format!("instance refresh is at {percentage} percent")
        }
        GroupEvent::NoCapacity { since, why } => {
            format!("no capacity since {}: {}", clock(*since), reason_text(why))
        }
        GroupEvent::CapacityBack => "AWS launches instances again".into(),
        GroupEvent::Borrowed { twin, why } => {
            format!("borrows from {}: {}", twin.as_str(), reason_text(why))
        }
        GroupEvent::Lending { to } => {
            format!("stands in for {}, and grows for it", to.as_str())
        }
        GroupEvent::DeadNode {
            instance,
            node,
            pods,
        } => format!(
            "the kubelet of {node} ({instance}) does not answer: its instance is ended with {pods} pods on it, which are seen to afterwards"
        ),
        GroupEvent::DeadNodeEnded { node } => format!("nothing is left of the dead node {node}"),
        GroupEvent::WayBackGone { version } => format!(
            "version {version} of its launch template, to which a rollback would return, was deleted outside this rollout"
        ),
        GroupEvent::Done => "done".into(),
    }
}

fn drain_started(instance: &InstanceId, node: Option<&NodeName>) -> String {
    let node = node.map_or("which has no node".to_owned(), |n| format!("node {n}"));
    format!("drains {instance}, {node}")
}

fn volumes_awaited(instance: &InstanceId, volumes: &BTreeSet<String>, over: bool) -> String {
    let volumes = list(volumes, VOLUMES);
    if over {
        format!("{instance} is ended with volumes of its pods attached to it: {volumes}")
    } else {
        format!("{instance} waits for volumes of its pods that are still attached to it: {volumes}")
    }
}

fn balancers_awaited(
    instance: &InstanceId,
    balancers: &BTreeSet<String>,
    unread: Option<&str>,
    over: bool,
) -> String {
    let which = match unread {
        Some(why) => format!("load balancers that may send to it, which is not known ({why})"),
        None => format!(
            "load balancers that send to it still: {}",
            list(balancers, VOLUMES)
        ),
    };
    if over {
        format!("{instance} is ended in spite of {which}")
    } else {
        format!("{instance} waits for {which}")
    }
}

fn started(rollout: &Rollout) -> String {
    let stages = list(rollout.stages.iter().map(|s| &s.name), 10);
    let changing = rollout.clusters().filter(|c| c.changes()).count();
    let glass = rollout
        .break_glass
        .as_ref()
        .map(|why| format!("; BREAK GLASS: {why}"))
        .unwrap_or_default();
    let of = revision::in_short(rollout.revision.as_ref());
    let dirty = rollout
        .revision
        .as_ref()
        .and_then(|r| r.allow_dirty.as_ref());
    let dirty = dirty.map(|why| format!(": {why}")).unwrap_or_default();
    format!(
        "{} started by {}: plan {} of release {}{of}{dirty}, changes {} in stages {stages}{glass}",
        rollout.id,
        rollout.started_by,
        rollout.plan.short(),
        rollout.release.short(),
        count(changing, "cluster")
    )
}

fn preflight(findings: &[PreflightFinding]) -> String {
    if findings.is_empty() {
        "preflight: no drain is blocked".into()
    } else {
        let all: Vec<String> = findings.iter().map(finding_text).collect();
        format!("will stand in the way of drains: {}", all.join("; "))
    }
}

fn rollback(clusters: &BTreeSet<ClusterName>, kept: &BTreeSet<AsgName>, hooks: usize) -> String {
    let undone = match hooks {
        0 => String::new(),
        hooks => format!("; takes back {} by hooks", count(hooks, "run")),
    };
    if clusters.is_empty() {
        return format!("rollback starts: nothing was touched{undone}");
    }
    let stays = if kept.is_empty() {
        String::new()
    } else {
        format!(
            "; {} stays on the new version, as it was proven and only workers failed (`rollback.control_plane: keep`)",
            list(kept, 10)
        )
    };
    format!(
        "rollback starts, back to what ran before, in {}: {}{stays}",
        count(clusters.len(), "cluster"),
        list(clusters, 10)
    ) + &undone
}

fn group_started(instances: u32) -> String {
    if instances == 0 {
        "starts, no instance to replace".into()
    } else {
        format!("starts, {} to replace or end", count(instances, "instance"))
    }
}

fn outcome(result: &StepResult) -> Option<String> {
    match result {
        StepResult::Applied(Applied::Done | Applied::Already | Applied::Version(_)) => None,
        StepResult::Applied(Applied::Launched { instances, refused }) => {
            launched(instances, refused.as_ref())
        }
        StepResult::Applied(Applied::Moved(found)) => {
            Some(format!("not done, changed outside this rollout: {found}"))
        }
        StepResult::Applied(Applied::NotYet(found)) => {
            Some(format!("not done yet, looks again: {found}"))
        }
        StepResult::Refused(why) => Some(format!("refused: {why}")),
        StepResult::Unknown(why) => Some(format!("no answer, will look and try again: {why}")),
        StepResult::Denied(why) => Some(format!("refused, will ask again: {why}")),
        StepResult::GivenUp(why) => Some(format!("not done, and superseded: {}", reason_text(why))),
    }
}

fn launched(instances: &BTreeSet<InstanceId>, refused: Option<&LaunchRefusal>) -> Option<String> {
    let came = match instances.len() {
        0 => "nothing was launched".to_owned(),
        n => format!("{n} launched"),
    };
    match refused? {
        // It is asked for again every few minutes: the group's own record says it once, with the types and zones.
        LaunchRefusal::NoCapacity(_) if instances.is_empty() => None,
        LaunchRefusal::NoCapacity(words) => Some(format!("{came}: {words}")),
        LaunchRefusal::NotOffered(words) => Some(format!(
            "{came}: AWS does not launch by zone here, and places the new instances itself from now on: {words}"
        )),
    }
}

fn answered(scope: &Scope, gate: &str, verdict: &Verdict) -> String {
    let about = match scope {
        Scope::Canary(_) => " of the canary",
        Scope::Cluster => "",
    };
    match verdict {
        Verdict::Pass(why) => format!("gate {gate}{about} passes: {}", ground_text(why)),
        Verdict::Wait(why) => format!("gate {gate}{about} waits: {}", ground_text(why)),
        Verdict::Fail(why) => format!("gate {gate}{about} FAILS: {}", ground_text(why)),
    }
}

fn scope_subject(cluster: &ClusterName, scope: &Scope) -> String {
    match scope {
        Scope::Canary(asg) => subject(cluster, Some(asg)),
        Scope::Cluster => subject(cluster, None),
    }
}

fn subject(cluster: &ClusterName, asg: Option<&AsgName>) -> String {
    asg.map_or_else(
        || cluster.to_string(),
        |asg| format!("{cluster} {}", group(asg, cluster)),
    )
}

fn because(evidence: &[Evidence]) -> String {
    evidence
        .iter()
        .map(|e| format!("; {}", reason::evidence(e)))
        .collect()
}
