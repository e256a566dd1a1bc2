//! Findings of lint → text, JSON and SARIF; a rule's story. Checks nothing.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::Style;
use super::style::Tone;
use super::wording::list;
use crate::lint::{Finding, NotChecked, Report, Rule, RuleId, Severity, Waiver};
use crate::model::ClusterName;

/// Where a rendered line comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LintPlace {
    /// File and line of the rendered manifests.
    pub rendered: Option<(String, u32)>,
    /// File and line of the template that wrote it, where that is known.
    pub template: Option<(String, u32)>,
}

/// Clusters with the same finding that are named where not all are asked for.
const NAMED: usize = 8;

/// A place for each finding.
pub type LintPlaces = BTreeMap<(ClusterName, Option<u32>), LintPlace>;

/// The findings for people: worst clusters first would hide the order of the files, so they stay in the order of names.
pub fn lint_text(
    report: &Report,
    unused: &[&Waiver],
    places: &LintPlaces,
    rules: &[Rule],
    style: Style,
) -> String {
    let mut text = String::new();
    for group in &grouped(report) {
        text.push_str(&finding_text(group, places, rules, style));
    }
    for waiver in &report.expired {
        text.push_str(&format!(
            "{}: the waiver of {}{} ended on {}: mend it, or give it a new reason and date\n",
            style.paint(Tone::Change, "waiver"),
            waiver.rule,
            of(waiver),
            waiver.until
        ));
    }
    for waiver in unused {
        text.push_str(&format!(
            "{}: the waiver of {}{} covers nothing: remove it\n",
            style.paint(Tone::Change, "waiver"),
            waiver.rule,
            of(waiver)
        ));
    }
    if style.full {
        for waived in &report.waived {
            text.push_str(&format!(
                "waived until {}: {} {} {}: {} ({})\n",
                waived.until,
                waived.finding.rule,
                waived.finding.cluster,
                waived.finding.subject,
                waived.finding.what,
                waived.reason
            ));
        }
    }
    text.push_str(&not_checked_text(&report.not_checked, style));
    text.push_str(&last_line(report));
    text
}

/// The findings whose places [`lint_text`] shows: of those that are the same in several clusters the first.
pub fn lint_shown(report: &Report) -> Vec<&Finding> {
    let groups = grouped(report);
    groups.iter().filter_map(|g| g.first().copied()).collect()
}

fn of(waiver: &Waiver) -> String {
    let parts = [
        waiver.cluster.as_ref().map(ToString::to_string),
        waiver.subject.clone(),
    ];
    parts
        .into_iter()
        .flatten()
        .map(|p| format!(" {p}"))
        .collect()
}

/// The same finding in several clusters is shown once.
fn grouped(report: &Report) -> Vec<Vec<&Finding>> {
    let mut groups: Vec<Vec<&Finding>> = Vec::new();
    let mut index: BTreeMap<(RuleId, &str, &str), usize> = BTreeMap::new();
    for finding in &report.findings {
        let place = index.entry((finding.rule, kind(finding), &finding.what));
        let at = *place.or_insert(groups.len());
        match groups.get_mut(at) {
            Some(group) => group.push(finding),
            None => groups.push(vec![finding]),
        }
    }
    groups
}

/// What a finding is about, whichever cluster it is in: each cluster's own document is named after it.
fn kind(finding: &Finding) -> &str {
    let Finding {
        cluster, subject, ..
    } = finding;
    match subject.strip_prefix("Cluster/") {
        Some(name) if name == cluster.as_str() => "Cluster",
        Some(_) | None => subject,
    }
}

fn finding_text(group: &[&Finding], places: &LintPlaces, rules: &[Rule], style: Style) -> String {
    let Some(first) = group.first() else {
        return String::new();
    };
    let tone = tone_of(first.severity);
    let mut text = format!(
        "{}[{}] {} {}: {}\n",
        style.paint(tone, first.severity.as_str()),
        first.rule,
        first.cluster,
        first.subject,
        first.what
    );
    let place = places.get(&(first.cluster.clone(), first.pos.map(|p| p.line)));
    if let Some((file, line)) = place.and_then(|p| p.rendered.as_ref()) {
        let template = place
            .and_then(|p| p.template.as_ref())
            .map(|(file, line)| format!(", written by {file}:{line}"))
            .unwrap_or_default();
        text.push_str(&format!("  --> {file}:{line}{template}\n"));
    }
    if group.len() > 1 {
        let others = group.iter().skip(1).map(|f| f.cluster.as_str());
        let named = if style.full { usize::MAX } else { NAMED };
        text.push_str(&format!("  the same in {}\n", list(others, named)));
    }
    if let Some(rule) = rules.iter().find(|r| r.id == first.rule) {
        text.push_str(&format!("  fix: {}\n", rule.fix));
    }
    text
}

fn tone_of(severity: Severity) -> Tone {
    match severity {
        Severity::Note => Tone::Head,
        Severity::Warning => Tone::Change,
        Severity::Error => Tone::Bad,
    }
}

fn not_checked_text(not_checked: &[NotChecked], style: Style) -> String {
    let mut by: BTreeMap<(RuleId, &str), Vec<&str>> = BTreeMap::new();
    for item in not_checked {
        by.entry((item.rule, item.needs.as_ref()))
            .or_default()
            .extend(item.cluster.as_ref().map(ClusterName::as_str));
    }
    if !style.full {
        return String::new();
    }
    by.into_iter()
        .map(|((rule, needs), clusters)| {
            let wher = if clusters.is_empty() {
                String::new()
            } else {
                format!(" in {}", clusters.join(", "))
            };
            format!("not checked: {rule}{wher}: needs {needs}\n")
        })
        .collect()
}

fn last_line(report: &Report) -> String {
    let count = |severity: Severity| {
        report
            .findings
            .iter()
            .filter(|f| f.severity == severity)
            .count()
    };
    let counted = |n: usize, one: &str| format!("{n} {one}{}", if n == 1 { "" } else { "s" });
    let rules_not_checked: std::collections::BTreeSet<RuleId> =
        report.not_checked.iter().map(|n| n.rule).collect();
    let mut parts = vec![
        counted(count(Severity::Error), "error"),
        counted(count(Severity::Warning), "warning"),
        counted(count(Severity::Note), "note"),
        format!("{} waived", report.waived.len()),
    ];
    if !rules_not_checked.is_empty() {
        parts.push(format!(
            "{} not checked everywhere for want of data (--verbose lists them)",
            counted(rules_not_checked.len(), "rule")
        ));
    }
    if !report.switched_off.is_empty() {
        let off: Vec<&str> = report.switched_off.iter().map(|r| r.as_str()).collect();
        parts.push(format!("switched off: {}", off.join(", ")));
    }
    format!("{} rules: {}\n", report.rules, parts.join(", "))
}

/// A rule's whole story.
pub fn rule_text(rule: &Rule) -> String {
    format!(
        "{} ({}): {}\n\n{}\n\nfix: {}\nreads: {}\nsource: {}\n",
        rule.id,
        rule.severity.as_str(),
        rule.title,
        rule.story,
        rule.fix,
        rule.reads,
        rule.source
    )
}

/// All rules, a line each.
pub fn rules_text(rules: &[Rule]) -> String {
    rules
        .iter()
        .map(|r| format!("{:4} {:8} {}\n", r.id, r.severity.as_str(), r.title))
        .collect()
}

/// The report for machines.
pub fn lint_json(report: &Report, places: &LintPlaces) -> Json {
    let finding = |f: &Finding| {
        let mut value = serde_json::to_value(f).unwrap_or_default();
        let place = places.get(&(f.cluster.clone(), f.pos.map(|p| p.line)));
        if let (Some(map), Some(place)) = (value.as_object_mut(), place) {
            let at = |spot: &Option<(String, u32)>| {
                spot.as_ref()
                    .map(|(file, line)| json!({"file": file, "line": line}))
            };
            map.insert("rendered".into(), json!(at(&place.rendered)));
            map.insert("template".into(), json!(at(&place.template)));
        }
        value
    };
    json!({
        "version": 1,
        "rules": report.rules,
        "switchedOff": report.switched_off,
        "findings": report.findings.iter().map(finding).collect::<Vec<_>>(),
        "waived": report.waived,
        "notChecked": report.not_checked,
        "expiredWaivers": report.expired,
    })
}

/// The report as SARIF 2.1.0, for code review tools. Source: OASIS, Static Analysis Results Interchange Format 2.1.0.
pub fn lint_sarif(report: &Report, places: &LintPlaces, rules: &[Rule]) -> Json {
    let level = |severity: Severity| match severity {
        Severity::Note => "note",
        Severity::Warning => "warning",
        Severity::Error => "error",
    };
    let index = |id: RuleId| rules.iter().position(|r| r.id == id);
    let described = |r: &Rule| {
        json!({
            "id": r.id,
            "shortDescription": {"text": r.title},
            "fullDescription": {"text": r.story},
            "help": {"text": format!("{}\nSource: {}", r.fix, r.source)},
            "defaultConfiguration": {"level": level(r.severity)},
        })
    };
    let location = |f: &Finding| {
        let place = places.get(&(f.cluster.clone(), f.pos.map(|p| p.line)));
        let spot = place.and_then(|p| p.template.as_ref().or(p.rendered.as_ref()));
        let physical = spot.map(|(file, line)| {
            json!({"artifactLocation": {"uri": file}, "region": {"startLine": line}})
        });
        let logical = json!([{"fullyQualifiedName": format!("{}/{}", f.cluster, f.subject)}]);
        match physical {
            Some(physical) => json!({"physicalLocation": physical, "logicalLocations": logical}),
            None => json!({"logicalLocations": logical}),
        }
    };
    let result = |f: &Finding, reason: Option<&str>| {
        let mut value = json!({
            "ruleId": f.rule,
            "ruleIndex": index(f.rule),
            "level": level(f.severity),
            "message": {"text": format!("{} {}: {}", f.cluster, f.subject, f.what)},
            "locations": [location(f)],
        });
        if let (Some(reason), Some(map)) = (reason, value.as_object_mut()) {
            map.insert(
                "suppressions".into(),
                json!([{"kind": "external", "justification": reason}]),
            );
        }
        value
    };
    let results: Vec<Json> = report
        .findings
        .iter()
        .map(|f| result(f, None))
        .chain(
            report
                .waived
                .iter()
                .map(|w| result(&w.finding, Some(&w.reason))),
        )
        .collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "kfleet",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules.iter().map(described).collect::<Vec<_>>(),
            }},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}
