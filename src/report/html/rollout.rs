//! A rollout, or the rehearsal of one, as a page.

use super::changes::Changes;
use super::page::{FoldedText, Headline, HeadlineLine, HtmlPage, HtmlTone};
use super::{HtmlError, chart, gates, map, written, zones};
use crate::model::Timestamp;
use crate::report::event::event_line;
use crate::report::rehearsal::{Fate, Rehearsal, fates_text, rehearsal_text};
use crate::report::revision::revision_line;
use crate::report::status::approve_command;
use crate::report::style::Style;
use crate::report::wording::{clock, count, plain, span};
use crate::report::{trouble, work};
use crate::rollout::{Ending, Observation, Progress, Record, Rollout};

/// The page of a rollout. `now`: the cloud's time.
///
/// # Errors
/// When the page's template does not fit.
pub fn rollout_html(
    rollout: &Rollout,
    progress: &Progress,
    records: &[Record],
    now: Timestamp,
) -> Result<String, HtmlError> {
    let until = match progress.ending {
        Some(_) => progress.at,
        None => now.max(progress.at),
    };
    let mut page = page(rollout, progress, records, (until, None));
    page.title = format!("kfleet rollout {}", rollout.id);
    let lines: Vec<String> = records.iter().filter_map(event_line).collect();
    page.texts = vec![FoldedText {
        heading: "everything that happened".into(),
        text: lines.join("\n"),
    }];
    written(&page)
}

/// The page of a rehearsal: as of the rollout that it was, with what was seen of capacity, and what comes of faults.
///
/// # Errors
/// When the page's template does not fit.
pub fn rehearsal_html(
    rehearsal: &Rehearsal<'_>,
    progress: &Progress,
    fates: &[Fate],
) -> Result<String, HtmlError> {
    let Rehearsal {
        rollout,
        records,
        seen,
        ended,
        notes,
    } = *rehearsal;
    let mut page = page(rollout, progress, records, (rehearsal.end(), Some(seen)));
    page.title = format!("kfleet rehearsal of plan {}", rollout.plan.short());
    page.announcement = Some("A rehearsal on a simulated account: nothing of this has happened.");
    let broken = seen.broken.len();
    let rules = match broken {
        0 => "no rule of a rollout was broken".to_owned(),
        n => format!("{} of a rollout BROKEN", count(n, "rule")),
    };
    page.headline.head = format!("{ended} after {}", span(rehearsal.makespan()));
    page.headline.lines.insert(
        0,
        HeadlineLine {
            heads: broken > 0,
            text: rules,
        },
    );
    if broken > 0 {
        page.headline.tone = HtmlTone::Bad;
    }
    page.alerts.extend(notes.iter().map(|note| plain(note)));
    page.zones_about = zones::OF_REHEARSAL;
    page.texts = vec![FoldedText {
        heading: "everything that happened".into(),
        text: rehearsal_text(rehearsal),
    }];
    if !fates.is_empty() {
        let heading = "what would come of faults".into();
        let text = fates_text(fates);
        page.texts.insert(0, FoldedText { heading, text });
    }
    written(&page)
}

fn page(
    rollout: &Rollout,
    progress: &Progress,
    records: &[Record],
    (until, seen): (Timestamp, Option<&Observation>),
) -> HtmlPage {
    let changes = Changes::of_rollout(rollout);
    let map = map::of_rollout(rollout, progress, |cluster| changes.anchor(cluster));
    HtmlPage {
        title: String::new(),
        announcement: None,
        headline: headline(rollout, progress, until),
        facts: facts(rollout, progress),
        alerts: alerts(rollout),
        table: Vec::new(),
        map_keys: map::keys_used(&map),
        map,
        chart: chart::chart(rollout, records, until, seen),
        gates: gates::of_records(records),
        zones: zones::of_records(records, seen),
        zones_about: zones::OF_ROLLOUT,
        changes: changes.sections,
        texts: Vec::new(),
    }
}

fn headline(rollout: &Rollout, progress: &Progress, now: Timestamp) -> Headline {
    let mut lines = vec![work::achieved(rollout, progress)];
    lines.extend(trouble::lines(rollout, progress, Style::default()));
    let stage = work::approval_wanted(rollout, progress, now);
    lines.extend(stage.map(|stage| approve_command(rollout, stage)));
    let tone = match progress.ending {
        Some(Ending::Finished) => HtmlTone::Good,
        Some(Ending::RolledBack | Ending::Aborted) => HtmlTone::Bad,
        None if progress.stuck.is_some() || progress.held || progress.failure.is_some() => {
            HtmlTone::Bad
        }
        None => HtmlTone::Change,
    };
    let took = span(now.since(rollout.started_at));
    let state = work::state(rollout, progress, now);
    Headline::new(tone, format!("{state} after {took}"), lines)
}

fn facts(rollout: &Rollout, progress: &Progress) -> Vec<(&'static str, String)> {
    let mut facts = vec![
        ("rollout", rollout.id.clone()),
        ("plan", rollout.plan.short().to_owned()),
        ("release", rollout.release.short().to_owned()),
        (
            "started",
            format!(
                "{} by {}",
                clock(rollout.started_at),
                plain(&rollout.started_by)
            ),
        ),
        ("last record", clock(progress.at)),
    ];
    facts.extend(rollout.revision.as_ref().map(|r| ("git", revision_line(r))));
    for (stage, (by, _)) in &progress.approvals {
        facts.push(("approved", format!("{stage} by {}", plain(by))));
    }
    facts
}

/// What is shown for ever.
fn alerts(rollout: &Rollout) -> Vec<String> {
    let glass = rollout.break_glass.iter();
    glass
        .map(|why| format!("BREAK GLASS: {}", plain(why)))
        .collect()
}
