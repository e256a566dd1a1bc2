//! What webhooks are told, as whole messages.

use kfleet::fleet::NotifyForm;
use kfleet::report::{drift_notice_body, notice_body};
use kfleet::rollout::*;

use crate::journals::*;
use crate::sample::*;

/// Every notice of these events, in both forms.
fn told(events: Vec<(&'static str, Event)>) -> String {
    let records = journal(events);
    let rollout = rollout();
    let mut out = String::new();
    for notice in records.iter().filter_map(|record| notice(&rollout, record)) {
        for form in [NotifyForm::Slack, NotifyForm::Json] {
            out.push_str(&notice_body(form, "aws", &rollout, &notice));
            out.push('\n');
        }
    }
    out
}

fn paused(why: Reason) -> (&'static str, Event) {
    ("10:00:00", Event::Rollout(RolloutEvent::Paused { why }))
}

#[test]
fn a_person_is_told_what_it_takes_to_act() {
    let mut waits = staging_done();
    waits.push(paused(Reason::NotApproved {
        stage: stage("prod"),
    }));
    // Who interrupted it knows.
    waits.push(paused(Reason::Interrupted));
    waits.push(paused("the line was stopped: <b> & co".into()));
    let mut text = told(waits);
    for events in [stuck(), rolled_back(), finished()] {
        text.push_str(&told(events));
    }
    let found = [(cluster("prod-a"), 2), (cluster("prod-b"), 1)];
    for form in [NotifyForm::Slack, NotifyForm::Json] {
        text.push_str(&drift_notice_body(form, "aws", &found, at("03:00:00")));
        text.push('\n');
    }
    check("notices.txt", &text);
}
