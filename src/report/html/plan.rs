//! A plan as a page.

use super::changes::Changes;
use super::page::{FoldedText, Headline, HtmlPage, HtmlTone};
use super::{HtmlError, gates, map, written, zones};
use crate::fleet::Stage;
use crate::model::{Live, Timestamp};
use crate::plan::Plan;
use crate::report::around::{Around, around_text};
use crate::report::freezes::freezes_text;
use crate::report::plan_text::plan_text;
use crate::report::remark;
use crate::report::revision::revision_line;
use crate::report::room::room_text;
use crate::report::style::Style;
use crate::report::summary::{Counts, kinds, not_compared, summary};
use crate::report::unseen::unseen;
use crate::report::wording::{clock, count};

/// The page of a plan. `live`: what it was made from, where that is at hand.
///
/// # Errors
/// When the page's template does not fit.
pub fn plan_html(
    plan: &Plan,
    stages: &[Stage],
    around: Around<'_>,
    live: Option<&Live>,
    now: Timestamp,
) -> Result<String, HtmlError> {
    let style = Style::default();
    let changes = Changes::of_plan(plan, stages);
    let map = map::of_plan(plan, stages, |cluster| changes.anchor(cluster));
    let numbers = summary(plan, stages);
    let table = numbers.table().into_iter().map(Vec::from).collect();
    written(&HtmlPage {
        title: format!("kfleet plan {}", plan.id.short()),
        announcement: None,
        headline: headline(plan, &numbers.total, around),
        facts: facts(plan, around, now),
        alerts: alerts(plan, stages, around, now),
        table,
        map_keys: map::keys_used(&map),
        map,
        chart: None,
        gates: gates::of_plan(&plan.policy.gates),
        zones: live
            .map(|live| zones::of_plan(plan, live))
            .unwrap_or_default(),
        zones_about: zones::OF_PLAN,
        changes: changes.sections,
        texts: vec![FoldedText {
            heading: "the plan as text".into(),
            text: plan_text(
                plan,
                stages,
                Style {
                    colour: false,
                    full: true,
                },
            ) + &room_text(around.room, style),
        }],
    })
}

fn facts(plan: &Plan, around: Around<'_>, now: Timestamp) -> Vec<(&'static str, String)> {
    vec![
        ("plan", plan.id.short().to_owned()),
        ("release", plan.release.short().to_owned()),
        ("made at", clock(now)),
        ("git", revision_line(around.revision)),
    ]
}

/// What keeps the plan from being rolled out comes first, then what it does.
fn headline(plan: &Plan, total: &Counts, around: Around<'_>) -> Headline {
    let mut lines = Vec::new();
    for (kind, (n, hint)) in kinds(plan) {
        lines.push(format!("{n} × {kind}: {hint}"));
    }
    if !around.blocking.is_empty() {
        let findings = count(around.blocking.len(), "finding");
        lines.push(format!(
            "{findings} of lint, in clusters that this plan changes"
        ));
    }
    let is_blocked = total.blocked > 0 || !around.blocking.is_empty();
    let head = if is_blocked {
        "blocked: this plan is not rolled out before that is cleared".to_owned()
    } else if plan.is_empty() {
        "no changes".to_owned()
    } else {
        format!("{} change", count(total.clusters_changed, "cluster"))
    };
    lines.push(in_numbers(total));
    let tone = match (is_blocked, plan.is_empty()) {
        (true, _) => HtmlTone::Bad,
        (false, true) => HtmlTone::Good,
        (false, false) => HtmlTone::Change,
    };
    Headline::new(tone, head, lines)
}

fn in_numbers(total: &Counts) -> String {
    let part =
        |n: usize, noun: &str, what: &str| (n > 0).then(|| format!("{} {what}", count(n, noun)));
    let parts = [
        part(total.groups_created, "group", "created"),
        part(total.groups_updated, "group", "changed"),
        part(total.groups_retired, "group", "retired"),
        part(total.instances_replaced, "instance", "replaced"),
        part(total.instances_ended, "instance", "ended"),
        part(total.documents_changed, "document", "changed"),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    let looked = format!(
        "looked at {} and {}",
        count(total.clusters, "cluster"),
        count(total.groups, "group")
    );
    if parts.is_empty() {
        looked
    } else {
        format!("{}; {looked}", parts.join(", "))
    }
}

fn alerts(plan: &Plan, stages: &[Stage], around: Around<'_>, now: Timestamp) -> Vec<String> {
    let style = Style::default();
    let mut out: Vec<String> = around_text(around, style)
        .lines()
        .map(str::to_owned)
        .collect();
    out.extend(unseen(plan, style));
    out.extend(remark::warnings(plan, style));
    out.extend(remark::notes(plan));
    out.extend(not_compared(&summary(plan, stages).total));
    out.extend(
        freezes_text(plan, stages, now, style)
            .lines()
            .map(str::to_owned),
    );
    let room = room_text(around.room, style);
    out.extend(room.lines().map(str::to_owned));
    out
}
