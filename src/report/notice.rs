//! What a person must know, as the message of a webhook. Sends nothing.

use serde_json::{Value as Json, json};

use super::event::event_line;
use super::reason::RESUME;
use super::status::approve_command;
use super::wording::{count, list, plain};
use crate::fleet::{NotifyEvent, NotifyForm, NotifyRule};
use crate::model::{ClusterName, Timestamp};
use crate::rollout::{Notice, Rollout};

/// The version of the generic form.
const NOTICE_VERSION: u32 = 1;

/// What a webhook is told of a rollout. `cloud`: which one, as its store knows it.
pub fn notice_body(
    form: NotifyForm,
    cloud: &str,
    rollout: &Rollout,
    notice: &Notice<'_>,
) -> String {
    let Notice {
        event,
        stage,
        record,
    } = notice;
    let message = event_line(record)
        .map(|line| plain(&line))
        .unwrap_or_default();
    let next = next(rollout, notice);
    match form {
        NotifyForm::Json => json!({
            "version": NOTICE_VERSION,
            // Told twice, it has the same id.
            "id": format!("{}/{}", rollout.id, record.seq),
            "event": event,
            "cloud": cloud,
            "rollout": rollout.id,
            "plan": rollout.plan.short(),
            "release": rollout.release.short(),
            "started_by": rollout.started_by,
            "stage": stage,
            "seq": record.seq,
            "at": record.at,
            "message": message,
            "next": next,
        })
        .to_string(),
        NotifyForm::Slack => {
            let head = format!(
                "*{}*: rollout {} of release {} ({cloud})",
                escape(words(*event)),
                escape(&rollout.id),
                rollout.release.short()
            );
            let next = next.map(|next| format!("\nnext: `{}`", escape(&next)));
            text(format!(
                "{head}\n{}{}",
                escape(&message),
                next.unwrap_or_default()
            ))
        }
    }
}

/// What a webhook is told of drift: what others have changed, by cluster.
pub fn drift_notice_body(
    form: NotifyForm,
    cloud: &str,
    found: &[(ClusterName, usize)],
    at: Timestamp,
) -> String {
    /// Clusters that a text names.
    const NAMED: usize = 10;
    let differences: usize = found.iter().map(|(_, n)| n).sum();
    let clusters = list(
        found.iter().map(|(cluster, n)| format!("{cluster} ({n})")),
        NAMED,
    );
    let message = format!(
        "{} changed by others in {}: {clusters}",
        count(differences, "thing"),
        count(found.len(), "cluster")
    );
    let next = "kfleet drift";
    match form {
        NotifyForm::Json => {
            let clusters: serde_json::Map<String, Json> = found
                .iter()
                .map(|(cluster, n)| (cluster.to_string(), json!(n)))
                .collect();
            json!({
                "version": NOTICE_VERSION,
                "event": NotifyEvent::Drift,
                "cloud": cloud,
                "at": at,
                "clusters": clusters,
                "message": message,
                "next": next,
            })
            .to_string()
        }
        NotifyForm::Slack => text(format!(
            "*{}* ({cloud})\n{}\nnext: `{next}`",
            words(NotifyEvent::Drift),
            escape(&message)
        )),
    }
}

/// What a webhook is told to see whether it can be told anything: that it is a try.
pub fn test_notice_body(rule: &NotifyRule, by: &str, at: Timestamp) -> String {
    let message = format!(
        "a test of notify rule `{}`, sent by {}: nothing has happened, and nobody need act",
        plain(&rule.name),
        plain(by)
    );
    match rule.form {
        NotifyForm::Json => json!({
            "version": NOTICE_VERSION,
            "event": "test",
            "rule": rule.name,
            "at": at,
            "message": message,
        })
        .to_string(),
        NotifyForm::Slack => text(format!("*test*\n{}", escape(&message))),
    }
}

/// Who is told what: a line for each rule. `is_set`: whether the variable with its address holds something.
pub fn webhooks_text(rules: &[NotifyRule], is_set: impl Fn(&NotifyRule) -> bool) -> String {
    let line = |rule: &NotifyRule| {
        let NotifyRule {
            name,
            url,
            form,
            events,
            stages,
            timeout: _,
        } = rule;
        let told = if events.is_empty() {
            "everything".to_owned()
        } else {
            list(events.iter().map(|event| words(*event)), usize::MAX)
        };
        let of = if stages.is_empty() {
            String::new()
        } else {
            format!(" of stage {}", list(stages, usize::MAX))
        };
        let form = match form {
            NotifyForm::Slack => "slack",
            NotifyForm::Json => "json",
        };
        let address = if is_set(rule) {
            "is set"
        } else {
            "is not set: nobody is told"
        };
        format!(
            "{} ({form}): {told}{of}; {} {address}\n",
            plain(name),
            url.env
        )
    };
    rules.iter().map(line).collect()
}

fn text(text: String) -> String {
    json!({ "text": text }).to_string()
}

fn words(event: NotifyEvent) -> &'static str {
    match event {
        NotifyEvent::WaitsForApproval => "waits for approval",
        NotifyEvent::Stuck => "stuck: a person must act",
        NotifyEvent::Paused => "paused",
        NotifyEvent::Failed => "failed",
        NotifyEvent::RolledBack => "rolled back",
        NotifyEvent::Finished => "finished",
        NotifyEvent::Aborted => "aborted",
        NotifyEvent::Drift => "drift",
    }
}

/// The command that comes next, where there is one.
fn next(rollout: &Rollout, notice: &Notice<'_>) -> Option<String> {
    match (notice.event, notice.stage) {
        (NotifyEvent::WaitsForApproval, Some(stage)) => Some(approve_command(rollout, stage)),
        (NotifyEvent::Stuck | NotifyEvent::Failed, _) => Some("kfleet rollout status".into()),
        (NotifyEvent::Paused, _) => Some(RESUME.into()),
        (
            NotifyEvent::WaitsForApproval
            | NotifyEvent::RolledBack
            | NotifyEvent::Finished
            | NotifyEvent::Aborted
            | NotifyEvent::Drift,
            _,
        ) => None,
    }
}

/// Source: Slack, "Formatting text for app surfaces", "Escaping text": these three, and no others.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
