//! What a rollout did, as lines of text.

use kfleet::rollout::{ClusterEvent, Event, GroupEvent, Record, RolloutEvent, StepEvent};

/// The facts of a trace, one a line, steps left out.
pub fn facts(records: &[Record]) -> Vec<String> {
    records
        .iter()
        .filter_map(|r| match &r.event {
            Event::Step(_, StepEvent::Intent { .. })
            | Event::Step(_, StepEvent::Outcome { .. }) => None,
            Event::Rollout(RolloutEvent::Started { .. }) => Some("started".into()),
            event => Some(serde_json::to_string(event).unwrap()),
        })
        .collect()
}

/// The trace of a rollout, one fact or step a line: `failed staging/nodes`, `step pin-version staging/nodes`.
pub fn trace(records: &[Record]) -> Vec<String> {
    records
        .iter()
        .filter_map(|r| line(&serde_json::to_value(&r.event).unwrap()))
        .collect()
}

fn line(event: &serde_json::Value) -> Option<String> {
    let Some((kind, fields)) = event.as_object().and_then(|o| o.iter().next()) else {
        return event.as_str().map(str::to_owned);
    };
    let short = |key: &str| {
        fields
            .get(key)
            .and_then(|v| v.as_str())
            .map(|v| v.split('.').next().unwrap_or(v).to_owned())
    };
    let mut words = vec![kind.clone()];
    if kind == "outcome" {
        return None;
    }
    if let Some(effect) = fields.get("effect").and_then(|e| {
        e.as_object()?
            .values()
            .next()?
            .as_object()?
            .keys()
            .next()
            .cloned()
    }) {
        words = vec!["step".into(), effect];
    }
    words.extend(short("hook"));
    words.extend(short("stage"));
    words.extend(fields.get("wave").map(ToString::to_string));
    words.extend(match (short("cluster"), short("group")) {
        (Some(cluster), Some(group)) => Some(format!("{cluster}/{group}")),
        (cluster, _) => cluster,
    });
    Some(words.join(" "))
}

/// These lines stand in the trace in this order.
#[track_caller]
pub fn in_order(records: &[Record], wanted: &[&str]) {
    let all = trace(records);
    let mut rest = all.iter();
    for line in wanted {
        assert!(
            rest.any(|l| l == line),
            "`{line}` is not where it should be in\n{}\n---\n{}",
            all.join("\n"),
            reasons(records).join("\n")
        );
    }
}

/// None of these lines stands in the trace.
#[track_caller]
pub fn never(records: &[Record], unwanted: &[&str]) {
    let all = trace(records);
    for line in unwanted {
        assert!(
            !all.iter().any(|l| l == line),
            "`{line}` stands in\n{}",
            all.join("\n")
        );
    }
}

/// What was said about failures and the like.
pub fn reasons(records: &[Record]) -> Vec<String> {
    let why = |r: &Record| match &r.event {
        Event::Cluster(_, ClusterEvent::Failed { why, .. })
        | Event::Cluster(_, ClusterEvent::Stuck { why, .. })
        | Event::Group(_, _, GroupEvent::SetAside { why, .. })
        | Event::Cluster(_, ClusterEvent::SoakBroken { why })
        | Event::Rollout(RolloutEvent::Paused { why }) => Some(kfleet::report::reason_text(why)),
        _ => None,
    };
    records.iter().filter_map(why).collect()
}
