//! `kfleet lint`: the fleet's manifests and definitions against the rules. Holds no rule itself.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::args::{Arguments, LintArguments};
use super::cores::on_all_cores;
use super::failure::Failure;
use super::formats::LintFormat;
use super::output::Output;
use super::pipeline::{PreparedFleet, prepare_for_lint};
use super::render::select;
use super::{Exit, lint_fix, store, world};
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
    let prepared = prepare_for_lint(&arguments.directory)?;
    let selected = select(&prepared.fleet, &command.clusters)?;
    let settings = settings(&prepared, &own)?;
    let mut facts = facts(&prepared);
    if command.live {
        facts.live = Some(live(arguments, &prepared, output).await?);
    }
    let mut report = lint::lint_by(&rules, &facts, &settings, today()?);
    let unused: Vec<lint::Waiver> = if command.clusters.is_empty() {
        lint::unused_waivers(&settings, &report)
            .into_iter()
            .cloned()
            .collect()
    } else {
        Vec::new()
    };
    if command.fix {
        let again = |after: &PreparedFleet| {
            let settings = self::settings(after, &own)?;
            Ok(lint::lint_by(
                &rules,
                &self::facts(after),
                &settings,
                today()?,
            ))
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

/// The rules of the team, from the folder `policies` of its fleet; none where there is no such folder.
fn own(directory: &Path) -> Result<OwnRules, Failure> {
    let folder = directory.join(lint::POLICIES);
    let failed = |path: &Path, e: &std::io::Error| {
        Failure::new(format!("cannot read {}: {e}", path.display()))
    };
    let entries = match std::fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(OwnRules::default()),
        Err(e) => return Err(failed(&folder, &e)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(|e| failed(&folder, &e))?.path();
        let is_rules = path.extension().is_some_and(|e| e == "yaml" || e == "yml");
        if let Some(name) = path
            .file_name()
            .and_then(|n| n.to_str())
            .filter(|_| is_rules)
        {
            let text = std::fs::read_to_string(&path).map_err(|e| failed(&path, &e))?;
            files.push((format!("{}/{name}", lint::POLICIES), text));
        }
    }
    files.sort();
    OwnRules::read(&files).map_err(|e| {
        Failure::new(e.to_string()).hint("docs/policies.md says how rules of your own are written")
    })
}

pub(super) fn settings(
    prepared: &PreparedFleet,
    own: &OwnRules,
) -> Result<lint::LintSettings, Failure> {
    lint::LintSettings::of(&prepared.fleet.settings.lint, own).map_err(|e| {
        Failure::new(format!("fleet.yaml: {e}")).hint("`kfleet lint --list` shows all rules")
    })
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
pub(super) fn blocking(prepared: &PreparedFleet, plan: &Plan) -> Result<Vec<Finding>, Failure> {
    // What is wrong with the names of rules stands in the way of lint alone, where lint blocks nothing.
    if prepared.fleet.settings.lint.block.is_none() {
        return Ok(Vec::new());
    }
    let own = own(&prepared.fleet.root)?;
    let settings = settings(prepared, &own)?;
    let Some(level) = settings.block else {
        return Ok(Vec::new());
    };
    let rules = own.with_built_in();
    let report = lint::lint_by(&rules, &facts(prepared), &settings, today()?);
    let rolled = plan.clusters.iter().filter(|(_, c)| !c.is_empty());
    let rolled: BTreeSet<&ClusterName> = rolled.map(|(name, _)| name).collect();
    let is_rolled =
        |f: &Finding| rolled.contains(&f.cluster) || f.others.iter().any(|c| rolled.contains(c));
    let findings = report.findings.into_iter();
    let blocking = findings.filter(|f| f.severity >= level && is_rolled(f));
    Ok(blocking.collect())
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
