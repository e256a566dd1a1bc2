//! `kfleet lint`: the fleet's manifests and definitions against the rules. Holds no rule itself.

use std::collections::{BTreeMap, BTreeSet};

use super::args::{Arguments, LintArguments};
use super::cores::on_all_cores;
use super::failure::Failure;
use super::formats::LintFormat;
use super::lint_rules::{self, LintRules, own, settings};
use super::output::Output;
use super::pipeline::{PreparedFleet, prepare_for_lint, prepare_looked_at};
use super::render::select;
use super::{Exit, lint_fix, store, world};
use crate::fleet;
use crate::lint::{self, Date, Finding, FleetFacts, OwnRules, Report};
use crate::model::{ClusterName, LiveCluster};
use crate::plan::Plan;
use crate::render::{Renderer, Trace};
use crate::report::{self, LintPlace, LintPlaces, Style};

pub(super) async fn run(
    arguments: &Arguments,
    command: &LintArguments,
    output: &Output,
) -> Result<Exit, Failure> {
    let own = own(&arguments.directory)?;
    let rules = own.with_built_in();
    if let Some(id) = &command.explain {
        return explain(id, &own, output);
    }
    if command.list {
        output.result(&report::rules_text(&rules))?;
        return Ok(Exit::Good);
    }
    let fleet = fleet::load(&arguments.directory)?;
    let settings = settings(&fleet, &own)?;
    let by = LintRules { rules, settings };
    // What changes is looked at anew, and what lives is known only afterwards.
    let prepared = if command.live || command.fix {
        prepare_for_lint(&arguments.directory)?
    } else {
        prepare_looked_at(fleet, &by)?
    };
    let LintRules { rules, settings } = by;
    let selected = select(&prepared.fleet, &command.clusters)?;
    let mut facts = facts(&prepared);
    if command.live {
        facts.live = Some(live(arguments, &prepared, output).await?);
    }
    let mut report = lint::lint_by(&rules, &facts, &settings, today()?);
    let unused = lint::unused_waivers(&settings, &report)
        .into_iter()
        .cloned();
    let unused: Vec<lint::Waiver> = unused.filter(|_| command.clusters.is_empty()).collect();
    if command.fix {
        let again = |after: &PreparedFleet| {
            let settings = lint_rules::settings(&after.fleet, &own)?;
            let facts = self::facts(after);
            Ok(lint::lint_by(&rules, &facts, &settings, today()?))
        };
        return lint_fix::run((&prepared, &report), again, command.yes, output);
    }
    only(&mut report, &selected);
    let waived = report.waived.iter().map(|w| &w.finding);
    let placed: Vec<&Finding> = match command.format {
        LintFormat::Text => report::lint_shown(&report),
        LintFormat::Json => report.findings.iter().collect(),
        LintFormat::Sarif => report.findings.iter().chain(waived).collect(),
        LintFormat::Junit => Vec::new(),
    };
    let places = places(&prepared, &placed)?;
    let text = match command.format {
        LintFormat::Text => {
            let style = Style {
                colour: output.colour(),
                full: arguments.verbose,
            };
            let unused: Vec<&lint::Waiver> = unused.iter().collect();
            report::lint_text(&report, &unused, &places, &rules, style)
        }
        LintFormat::Json => format!("{:#}\n", report::lint_json(&report, &places)),
        LintFormat::Junit => report::lint_junit(&report, command.fail_on.severity()),
        LintFormat::Sarif => format!("{:#}\n", report::lint_sarif(&report, &places, &rules)),
    };
    output.result(&text)?;
    Ok(if report.count_at_least(command.fail_on.severity()) > 0 {
        Exit::Changes
    } else {
        Exit::Good
    })
}

/// The live state of every cluster, as a plan sees it.
async fn live(
    arguments: &Arguments,
    prepared: &PreparedFleet,
    output: &Output,
) -> Result<BTreeMap<ClusterName, LiveCluster>, Failure> {
    let store = store::store(arguments, &prepared.fleet)?;
    let world = world::open_to_look(arguments, prepared, &store).await?;
    let places = prepared.places(&prepared.clusters.keys().cloned().collect());
    let live = world.patient_look(&places, &[], output).await?;
    Ok(live.clusters)
}

fn explain(id: &str, own: &OwnRules, output: &Output) -> Result<Exit, Failure> {
    let id = own
        .rule_id(id)
        .map_err(|e| Failure::new(e.to_string()).hint("`kfleet lint --list` shows all rules"))?;
    for rule in own.with_built_in().iter().filter(|r| r.id == id) {
        output.result(&report::rule_text(rule))?;
    }
    Ok(Exit::Good)
}

/// Rules compare clusters, so all of them are read; only the ones that were named are told of.
fn only(report: &mut Report, named: &BTreeSet<ClusterName>) {
    let named_by = |f: &Finding| named.iter().any(|c| f.concerns(c));
    report.findings.retain(named_by);
    report.waived.retain(|w| named_by(&w.finding));
    let named = |c: &ClusterName| named.contains(c);
    report
        .not_checked
        .retain(|n| n.cluster.as_ref().is_none_or(named));
}

pub(super) fn facts(prepared: &PreparedFleet) -> FleetFacts {
    let clusters = prepared.clusters.values();
    FleetFacts {
        clusters: clusters.filter_map(|c| c.facts.clone()).collect(),
        live: None,
        rolling: prepared.fleet.settings.rolling.clone(),
        accept: prepared.fleet.settings.accept.clone(),
    }
}

/// Findings that keep what a plan changes from being rolled out; none where `lint.block` of `fleet.yaml` is not set.
pub(super) fn blocking(prepared: &PreparedFleet, plan: &Plan) -> Vec<Finding> {
    let rolled = plan.clusters.iter().filter(|(_, c)| !c.is_empty());
    let rolled: BTreeSet<&ClusterName> = rolled.map(|(name, _)| name).collect();
    let is_rolled =
        |f: &&Finding| rolled.contains(&f.cluster) || f.others.iter().any(|c| rolled.contains(c));
    let findings = prepared.blocking.iter();
    findings.filter(is_rolled).cloned().collect()
}

/// Refuses to roll out what a finding blocks.
pub(super) fn unblocked(blocking: &[Finding]) -> Result<(), Failure> {
    if blocking.is_empty() {
        return Ok(());
    }
    Err(Failure::new(report::blocked_by_lint(blocking)).hint(
        "put it right, or waive it in fleet.yaml under `lint.waivers`, with a reason and a date; `kfleet lint --explain RULE` tells why it is there",
    ))
}

pub(super) fn today() -> Result<Date, Failure> {
    let today = jiff::Zoned::now().date().to_string();
    Date::try_from(today).map_err(|e| Failure::new(e.to_string()))
}

/// Rendered and template lines of the findings. A cluster is rendered once more only where something of it is shown.
fn places(prepared: &PreparedFleet, placed: &[&Finding]) -> Result<LintPlaces, Failure> {
    let renderer = Renderer::new(&prepared.fleet)?;
    let clusters: BTreeSet<&ClusterName> = placed.iter().map(|f| &f.cluster).collect();
    let clusters: Vec<&ClusterName> = clusters.into_iter().collect();
    let traced = on_all_cores(&clusters, |name| {
        let cluster = prepared.clusters.get(*name);
        Ok(cluster.and_then(|c| renderer.trace(&c.rendered).ok()))
    })?;
    let traces: BTreeMap<&ClusterName, Option<Trace>> = clusters.into_iter().zip(traced).collect();
    let place = |finding: &&Finding| {
        let line = finding.pos.map(|p| p.line);
        let trace = traces.get(&finding.cluster).and_then(Option::as_ref);
        let place = LintPlace {
            rendered: line.map(|l| (format!("rendered/{}/manifests.yaml", finding.cluster), l)),
            template: line
                .and_then(|l| trace?.line(l))
                .map(|l| (l.template.clone(), l.line)),
        };
        ((finding.cluster.clone(), line), place)
    };
    Ok(placed.iter().map(place).collect())
}
