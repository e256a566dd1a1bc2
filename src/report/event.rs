//! One record of a journal → one line for a log, or one JSON line for a program. Remembers nothing between records.
#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "each function passes on what is not its own, and the last names every event that is left"
)]

use std::collections::BTreeSet;

use serde::Serialize;

use super::reason::{self, RESUME, advice_text, finding_text, ground_text, reason_text};
use super::revision;
use super::wording::{clock, count, group, list, plain};
use crate::model::{Applied, AsgName, ClusterName, InstanceId, LaunchRefusal, StageName};
use crate::rollout::{Event, Evidence, Finding, Record, Rollout, Scope, StepResult, Verdict};

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
            Event::Stuck { advice, .. } => Some(plain(&advice_text(advice, RESUME))),
            _ => None,
        },
        event: &record.event,
    };
    // Our own enums of strings, numbers and maps with text keys always serialise.
    serde_json::to_string(&envelope).unwrap_or_default()
}

/// The kind of an event, as its form names it.
fn code(event: &Event) -> Option<String> {
    match serde_json::to_value(event).ok()? {
        serde_json::Value::Object(map) => map.keys().next().cloned(),
        serde_json::Value::String(name) => Some(name),
        _ => None,
    }
}

/// One line for people, without the newline: time, what it is about, what happened. None for steps that went as they should.
pub fn event_line(record: &Record) -> Option<String> {
    let (subject, text) = words(&record.event)?;
    Some(format!("{}  {subject}: {}", clock(record.at), plain(&text)))
}

fn words(event: &Event) -> Option<(String, String)> {
    let whole = || "rollout".to_owned();
    let words = match event {
        Event::Started { rollout } => (whole(), started(rollout)),
        Event::Held => (
            whole(),
            "held: nothing more happens until a person says how it goes on (`kfleet rollout status` names the ways)".into(),
        ),
        Event::RollbackAsked { by, reason } => (
            whole(),
            format!("rollback asked for by {by} ({reason}): all of it, the newest wave first"),
        ),
        Event::RollbackStarted { clusters, kept } => (whole(), rollback(clusters, kept)),
        Event::AbortStarted { by, reason } => (
            whole(),
            format!(
                "abort asked for by {by} ({}): restores what is open, then stops",
                reason_text(reason)
            ),
        ),
        Event::LockTaken {
            cluster,
            from,
            rollout,
            fence,
        } => {
            let what = cluster.as_ref().map_or_else(whole, |c| subject(c, None));
            (
                what,
                format!(
                    "lock taken over, with number {fence}: {from} held it for rollout {rollout} and no longer renews it"
                ),
            )
        }
        Event::Resumed { by } => (whole(), format!("resumed by {by}")),
        Event::Paused { why } => (whole(), format!("paused: {}", reason_text(why))),
        Event::Finished => (
            whole(),
            "finished: every cluster runs the release, verified and soaked".into(),
        ),
        Event::RolledBack => (
            whole(),
            "rolled back: what it had changed runs again what it ran before".into(),
        ),
        Event::Aborted => (
            whole(),
            "aborted: stopped on the way, what was open is restored".into(),
        ),
        Event::Intent { .. } => return None,
        Event::Outcome { step, result } => (format!("step {step}"), outcome(result)?),
        part => return of_stage(part),
    };
    Some(words)
}

fn of_stage(event: &Event) -> Option<(String, String)> {
    let in_stage = |name: &StageName| format!("stage {name}");
    let words = match event {
        Event::Approved { stage, by, expires } => (
            in_stage(stage),
            format!("approved by {by}, until {}", clock(*expires)),
        ),
        Event::StageStarted { stage } => (in_stage(stage), "starts".into()),
        Event::StagePassed { stage } => (
            in_stage(stage),
            "passed: every cluster verified and soaked".into(),
        ),
        Event::WaveStarted { stage, wave } => {
            (in_stage(stage), format!("wave {} starts", wave + 1))
        }
        Event::WavePassed { stage, wave } => (in_stage(stage), format!("wave {} passed", wave + 1)),
        Event::RoomLimited {
            stage,
            wave,
            limits,
            lacks,
            unknown,
        } => (
            in_stage(stage),
            super::room::limited(*wave, limits, lacks, unknown),
        ),
        part => return of_cluster(part),
    };
    Some(words)
}

fn of_cluster(event: &Event) -> Option<(String, String)> {
    let words = match event {
        Event::ClusterStarted { cluster } => (subject(cluster, None), "starts".into()),
        Event::Preflight {
            cluster,
            uid: _,
            unready: _,
            unready_of: _,
            failing: _,
            findings,
        } => (subject(cluster, None), preflight(findings)),
        Event::ClusterRolled { cluster } => (
            subject(cluster, None),
            "all groups done, running the cluster's gates".into(),
        ),
        Event::ClusterVerified {
            cluster,
            since,
            evidence,
        } => (
            subject(cluster, None),
            format!(
                "verified, soak counts from {}{}",
                clock(*since),
                because(evidence)
            ),
        ),
        Event::SoakBroken { cluster, why } => (
            subject(cluster, None),
            format!(
                "soak broken, begins anew once gates pass: {}",
                reason_text(why)
            ),
        ),
        Event::ClusterRestored { cluster } => (
            subject(cluster, None),
            "restored: runs again what it ran before".into(),
        ),
        Event::Answered {
            cluster,
            scope,
            gate,
            verdict,
        } => (
            scope_subject(cluster, scope),
            answered(scope, gate, verdict),
        ),
        Event::Failed {
            cluster,
            group,
            why,
        } => (
            subject(cluster, group.as_ref()),
            format!("FAILED: {}", reason_text(why)),
        ),
        Event::Stuck {
            cluster,
            group,
            why,
            advice,
        } => (
            subject(cluster, group.as_ref()),
            format!(
                "STUCK: {}; what to do: {}",
                reason_text(why),
                advice_text(advice, RESUME)
            ),
        ),
        part => return of_instance(part),
    };
    Some(words)
}

/// Of one instance of a group: the canary, or one that is drained.
fn of_instance(event: &Event) -> Option<(String, String)> {
    let of = |cluster: &ClusterName, asg: &AsgName| subject(cluster, Some(asg));
    let words = match event {
        Event::CanaryUp { cluster, group, .. } => (
            of(cluster, group),
            "canary is in service and Ready, bakes now".into(),
        ),
        Event::CanaryLost {
            cluster,
            group,
            why,
        } => (
            of(cluster, group),
            format!("canary lost, its bake begins anew: {}", reason_text(why)),
        ),
        Event::CanaryProven {
            cluster,
            group,
            evidence,
        } => (
            of(cluster, group),
            format!("canary proven, the rest follows{}", because(evidence)),
        ),
        Event::DrainStarted {
            cluster,
            group,
            instance,
            node,
            pods: _,
            grace: _,
            claims: _,
        } => {
            let node = node
                .as_ref()
                .map_or("which has no node".to_owned(), |n| format!("node {n}"));
            (of(cluster, group), format!("drains {instance}, {node}"))
        }
        Event::VolumesAwaited {
            cluster,
            group,
            instance,
            volumes,
            over,
        } => {
            let volumes = list(volumes, VOLUMES);
            let what = if *over {
                format!("{instance} is ended with volumes of its pods attached to it: {volumes}")
            } else {
                format!(
                    "{instance} waits for volumes of its pods that are still attached to it: {volumes}"
                )
            };
            (of(cluster, group), what)
        }
        Event::SetAside {
            cluster,
            group,
            instance,
            why,
        } => (
            of(cluster, group),
            format!(
                "sets {instance} aside, comes back to it at the end: {}",
                reason_text(why)
            ),
        ),
        Event::DrainAbandoned {
            cluster,
            group,
            instance,
        } => (
            of(cluster, group),
            format!("stops draining {instance}, gives its node back"),
        ),
        part => return of_group(part),
    };
    Some(words)
}

fn of_group(event: &Event) -> Option<(String, String)> {
    let of = |cluster: &ClusterName, asg: &AsgName| subject(cluster, Some(asg));
    let words = match event {
        Event::GroupStarted {
            cluster,
            group,
            instances,
            zones: _,
        } => (of(cluster, group), group_started(*instances)),
        Event::Refreshed {
            cluster,
            group,
            percentage,
        } => (
            of(cluster, group),
            format!("instance refresh is at {percentage} percent"),
        ),
        Event::DeadNode {
            cluster,
            group,
            instance,
            node,
            pods,
        } => (
            of(cluster, group),
            format!(
                "the kubelet of {node} ({instance}) does not answer: its instance is ended with {pods} pods on it, which are seen to afterwards"
            ),
        ),
        Event::DeadNodeEnded {
            cluster,
            group,
            node,
        } => (
            of(cluster, group),
            format!("nothing is left of the dead node {node}"),
        ),
        Event::WayBackGone {
            cluster,
            group,
            version,
        } => (
            of(cluster, group),
            format!(
                "version {version} of its launch template, to which a rollback would return, was deleted outside this rollout"
            ),
        ),
        Event::GroupDone { cluster, group } => (of(cluster, group), "done".into()),
        part => return of_capacity(part),
    };
    Some(words)
}

fn of_capacity(event: &Event) -> Option<(String, String)> {
    let of = |cluster: &ClusterName, asg: &AsgName| subject(cluster, Some(asg));
    Some(match event {
        Event::SurgeTaken {
            cluster,
            group,
            left,
        } => (
            of(cluster, group),
            format!("an autoscaler took surge back, {left} left"),
        ),
        Event::NoCapacity {
            cluster,
            group,
            since,
            why,
        } => (
            of(cluster, group),
            format!("no capacity since {}: {}", clock(*since), reason_text(why)),
        ),
        Event::Borrowed {
            cluster,
            group,
            twin,
            why,
        } => (
            of(cluster, group),
            format!("borrows from {}: {}", twin.as_str(), reason_text(why)),
        ),
        Event::Lending { cluster, group, to } => (
            of(cluster, group),
            format!("stands in for {}, and grows for it", to.as_str()),
        ),
        Event::CapacityBack { cluster, group } => {
            (of(cluster, group), "AWS launches instances again".into())
        }
        // Those that have their words above.
        Event::GroupStarted { .. }
        | Event::Refreshed { .. }
        | Event::DeadNode { .. }
        | Event::DeadNodeEnded { .. }
        | Event::WayBackGone { .. }
        | Event::GroupDone { .. }
        | Event::Started { .. }
        | Event::Approved { .. }
        | Event::StageStarted { .. }
        | Event::StagePassed { .. }
        | Event::WaveStarted { .. }
        | Event::WavePassed { .. }
        | Event::RoomLimited { .. }
        | Event::ClusterStarted { .. }
        | Event::Preflight { .. }
        | Event::ClusterRolled { .. }
        | Event::ClusterVerified { .. }
        | Event::SoakBroken { .. }
        | Event::ClusterRestored { .. }
        | Event::Answered { .. }
        | Event::Failed { .. }
        | Event::Stuck { .. }
        | Event::CanaryUp { .. }
        | Event::CanaryLost { .. }
        | Event::CanaryProven { .. }
        | Event::DrainStarted { .. }
        | Event::VolumesAwaited { .. }
        | Event::SetAside { .. }
        | Event::DrainAbandoned { .. }
        | Event::Held
        | Event::RollbackAsked { .. }
        | Event::RollbackStarted { .. }
        | Event::AbortStarted { .. }
        | Event::LockTaken { .. }
        | Event::Resumed { .. }
        | Event::Paused { .. }
        | Event::Finished
        | Event::RolledBack
        | Event::Aborted
        | Event::Intent { .. }
        | Event::Outcome { .. } => return None,
    })
}

fn started(rollout: &Rollout) -> String {
    let stages = list(rollout.stages.iter().map(|s| &s.name), 10);
    let changing = rollout.clusters().filter(|c| !c.groups.is_empty()).count();
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

fn preflight(findings: &[Finding]) -> String {
    if findings.is_empty() {
        "preflight: no drain is blocked".into()
    } else {
        let all: Vec<String> = findings.iter().map(finding_text).collect();
        format!("will stand in the way of drains: {}", all.join("; "))
    }
}

fn rollback(clusters: &BTreeSet<ClusterName>, kept: &BTreeSet<AsgName>) -> String {
    if clusters.is_empty() {
        return "rollback starts: nothing was touched".into();
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
    )
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
        StepResult::GivenUp(why) => Some(format!(
            "not done, and no longer wanted so: {}",
            reason_text(why)
        )),
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
