//! Plans, findings, drift, rollouts and rehearsals as JUnit, for the test page of a pipeline: a suite a cluster, a case a group, gate or finding. Decides nothing.
//!
//! What only differs is no failure; what is blocked, failed, stuck or drifted is. What was not looked at is skipped, never passed.
//! Source of the form: what Jenkins' JUnit plugin reads, and the schema of its xUnit plugin (`junit-10.xsd`).

mod rehearsal;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use quick_junit::{
    NonSuccessKind, Report as Suites, TestCase, TestCaseStatus, TestSuite, XmlString,
};

pub use rehearsal::rehearsal_junit;

use super::drift::{DriftFound, DriftOf, item_text};
use super::fold::{folds, stage_index};
use super::plan_text::body;
use super::reason::{evidence, reason_text};
use super::shape::{blocked_kind, blocked_text};
use super::style::Style;
use super::wording::group;
use super::work;
use crate::fleet::Stage;
use crate::lint::{Finding, Report, Severity};
use crate::model::{AsgName, ClusterName, Timestamp};
use crate::plan::{ClusterPlan, DriftClass, GroupChange, Plan};
use crate::rollout::{
    ClusterEvent, ClusterRun, ClusterState, Direction, Ending, Event, Evidence, GroupEvent,
    GroupState, Progress, Record, Rollout,
};

/// A finding that counts.
fn lint_case(finding: &Finding) -> TestCase {
    let kind = severity(finding.severity);
    failed(named(finding), kind, finding.what.clone())
}

fn named(finding: &Finding) -> TestCase {
    let what = format!("{} {}", finding.rule, finding.subject);
    case(&finding.cluster, what)
}

/// A plan. What stands in the way of a cluster fails, findings of lint that block it among that; a change is no failure.
pub fn plan_junit(plan: &Plan, stages: &[Stage], blocking: &[Finding]) -> String {
    let mut clusters: Vec<(&ClusterName, &ClusterPlan)> = plan.clusters.iter().collect();
    clusters.sort_by_key(|(name, _)| (stage_index(name, stages), *name));
    let folds = folds(plan, stages, true);
    let suites = clusters.into_iter().map(|(name, cluster)| {
        let mut suite = TestSuite::new(name.as_str());
        let fold = folds
            .iter()
            .find(|fold| fold.clusters.iter().any(|member| member.name == name));
        if let Some(fold) = fold {
            suite.set_system_out(body(fold, Style::default()).join("\n"));
        }
        suite.add_test_cases(plan_cases(name, cluster));
        let here = blocking.iter().filter(|f| f.concerns(name));
        suite.add_test_cases(here.map(lint_case));
        suite
    });
    written("kfleet plan", suites)
}

fn plan_cases(name: &ClusterName, cluster: &ClusterPlan) -> Vec<TestCase> {
    let mut cases: Vec<TestCase> = cluster
        .groups
        .iter()
        .map(|(asg, change)| change_case(name, asg, change))
        .collect();
    let documents = cluster.documents.keys();
    cases.extend(documents.map(|document| case(name, format!("document {document}"))));
    cases.extend(cluster.blocked.iter().map(|blocked| {
        let what = blocked_text(blocked, name);
        failed(
            case(name, format!("nothing in the way: {what}")),
            blocked_kind(blocked),
            what,
        )
    }));
    if cluster.unseen.is_some() {
        cases.push(skipped(
            case(name, "a look at its nodes"),
            "they could not be looked at, or no access is configured",
        ));
    }
    if cases.is_empty() {
        cases.push(case(name, "no changes"));
    }
    cases
}

fn change_case(name: &ClusterName, asg: &AsgName, change: &GroupChange) -> TestCase {
    let verb = match change {
        GroupChange::Create { .. } => "create",
        GroupChange::Update { .. } => "update",
        GroupChange::Retire { .. } => "retire",
    };
    case(name, format!("{verb} {}", group(asg, name)))
}

/// What lint found. Findings below `fail_at`, waived ones and what was not checked are skipped.
pub fn lint_junit(report: &Report, fail_at: Severity) -> String {
    let mut suites: BTreeMap<String, Vec<TestCase>> = BTreeMap::new();
    let all = report.findings.iter().map(|f| {
        let found = if f.severity < fail_at {
            skipped(named(f), &f.what)
        } else {
            lint_case(f)
        };
        (f.cluster.to_string(), found)
    });
    let waived = report.waived.iter().map(|w| {
        let why = format!("waived until {}: {}", w.until, w.reason);
        (
            w.finding.cluster.to_string(),
            skipped(named(&w.finding), &why),
        )
    });
    let not_checked = report.not_checked.iter().map(|n| {
        let of = n.cluster.as_ref().map_or("fleet", ClusterName::as_str);
        let why = format!("not checked: needs {}", n.needs);
        let case = TestCase::new(n.rule.to_string(), TestCaseStatus::success());
        (of.to_owned(), skipped(with_class(case, of), &why))
    });
    for (suite, case) in all.chain(waived).chain(not_checked) {
        suites.entry(suite).or_default().push(case);
    }
    let checked = report.rules.saturating_sub(report.switched_off.len());
    let whole = TestCase::new(format!("{checked} rules"), TestCaseStatus::success());
    suites
        .entry("fleet".into())
        .or_default()
        .insert(0, with_class(whole, "fleet"));
    written(
        "kfleet lint",
        suites.into_iter().map(|(name, cases)| {
            let mut suite = TestSuite::new(name);
            suite.add_test_cases(cases);
            suite
        }),
    )
}

/// What has drifted. `fails`: whether drift of a class is a failure.
pub fn drift_junit(all: &[DriftOf<'_>], fails: impl Fn(DriftClass) -> bool) -> String {
    let suites = all.iter().map(|of| {
        let mut suite = TestSuite::new(of.cluster.as_str());
        suite.add_test_cases(drift_cases(of, &fails));
        suite
    });
    written("kfleet drift", suites)
}

fn drift_cases(of: &DriftOf<'_>, fails: &impl Fn(DriftClass) -> bool) -> Vec<TestCase> {
    let whole = || case(of.cluster, "no drift");
    match of.found {
        DriftFound::UnderWay(rollout) => {
            let why = format!("rollout {rollout} is changing it, not compared");
            vec![skipped(whole(), &why)]
        }
        DriftFound::NotRead(why) => {
            let words: Vec<String> = why.iter().map(|b| blocked_text(b, of.cluster)).collect();
            let mut case = whole();
            case.status = TestCaseStatus::non_success(NonSuccessKind::Error);
            case.status
                .set_message(format!("could not be read: {}", words.join("; ")));
            vec![case]
        }
        DriftFound::Compared { items, .. } if items.is_empty() => vec![whole()],
        DriftFound::Compared { items, .. } => items
            .iter()
            .map(|item| {
                let said = item_text(item, of.cluster);
                let (class, text) = said;
                let case = case(of.cluster, format!("{class}: {}", item.subject));
                match fails(item.class) {
                    true => failed(case, class, text),
                    false => skipped(case, &text),
                }
            })
            .collect(),
    }
}

/// A rollout as its records tell it: groups, with the time they took, and gates with what they said.
pub fn rollout_junit(rollout: &Rollout, progress: &Progress, records: &[Record]) -> String {
    let suites = rollout_suites(rollout, progress, records);
    written("kfleet rollout", suites.into_iter())
}

/// A suite for each cluster of a rollout.
fn rollout_suites(rollout: &Rollout, progress: &Progress, records: &[Record]) -> Vec<TestSuite> {
    let told = Told::of(records);
    let suites = rollout.clusters().map(|run| {
        let mut suite = TestSuite::new(run.cluster.as_str());
        let groups = run.groups.iter().map(|task| {
            group_case(
                run,
                &task.asg,
                progress,
                told.took.get(&(&run.cluster, &task.asg)),
            )
        });
        suite.add_test_cases(groups);
        let gates = told.gates.get(&run.cluster).into_iter().flatten();
        suite.add_test_cases(gates.map(|(name, said)| {
            let mut case = case(&run.cluster, name.clone());
            case.set_system_out(said.as_str());
            case
        }));
        suite.add_test_case(cluster_case(run, progress));
        suite
    });
    let mut all: Vec<TestSuite> = suites.collect();
    if let Some(first) = all.first_mut() {
        first.add_property(("rollout", rollout.id.as_str()));
    }
    all
}

/// What records say beside the state that they end in.
struct Told<'r> {
    took: BTreeMap<(&'r ClusterName, &'r AsgName), Duration>,
    gates: BTreeMap<ClusterName, BTreeSet<(String, String)>>,
}

fn between(since: Timestamp, until: Timestamp) -> Duration {
    Duration::from_millis(u64::try_from(until.since(since).millis()).unwrap_or(0))
}

impl<'r> Told<'r> {
    fn of(records: &'r [Record]) -> Told<'r> {
        let mut begun: BTreeMap<(&ClusterName, &AsgName), Timestamp> = BTreeMap::new();
        let mut told = Told {
            took: BTreeMap::new(),
            gates: BTreeMap::new(),
        };
        for record in records {
            match &record.event {
                Event::Group(cluster, asg, GroupEvent::Started { .. }) => {
                    begun.insert((cluster, asg), record.at);
                }
                Event::Group(cluster, asg, GroupEvent::Done) => {
                    let since = begun.get(&(cluster, asg)).copied().unwrap_or(record.at);
                    told.took.insert((cluster, asg), between(since, record.at));
                }
                Event::Group(cluster, asg, GroupEvent::CanaryProven { evidence, .. }) => {
                    let of = format!(" of the canary of {}", group(asg, cluster));
                    told.gates(cluster, evidence, &of);
                }
                Event::Cluster(cluster, ClusterEvent::Verified { evidence, .. }) => {
                    told.gates(cluster, evidence, "");
                }
                Event::Rollout(_)
                | Event::Stage(..)
                | Event::Cluster(..)
                | Event::Group(..)
                | Event::Hook(..)
                | Event::Step(..) => {}
            }
        }
        told
    }

    fn gates(&mut self, cluster: &ClusterName, said: &[Evidence], of: &str) {
        let gates = self.gates.entry(cluster.clone()).or_default();
        gates.extend(said.iter().filter_map(|one| {
            let Evidence::Gate { gate, .. } = one else {
                return None;
            };
            Some((format!("gate {gate}{of}"), evidence(one)))
        }));
    }
}

fn group_case(
    run: &ClusterRun,
    asg: &AsgName,
    progress: &Progress,
    took: Option<&Duration>,
) -> TestCase {
    let mut case = case(&run.cluster, group(asg, &run.cluster).to_owned());
    if let Some(took) = took {
        case.set_time(*took);
    }
    if let Some((kind, what)) = fault_of(run, asg, progress) {
        return failed(case, kind, what);
    }
    let found = progress.clusters.get(&run.cluster);
    match found.and_then(|c| c.groups.get(asg)).map(|g| g.state) {
        Some(GroupState::Done) if progress.direction == Direction::Forward => case,
        Some(GroupState::Done) => skipped(case, "not on the release any more"),
        Some(GroupState::Rolling(_)) => skipped(case, "not done yet"),
        Some(GroupState::Waiting) | None => skipped(case, "not reached"),
    }
}

/// What failed, or is stuck, at this group.
fn fault_of(
    run: &ClusterRun,
    asg: &AsgName,
    progress: &Progress,
) -> Option<(&'static str, String)> {
    let is_it = |cluster: &ClusterName, group: Option<&AsgName>| {
        *cluster == run.cluster && group == Some(asg)
    };
    if let Some((cluster, group, why)) = &progress.failure
        && is_it(cluster, group.as_ref())
    {
        return Some(("failed", reason_text(why)));
    }
    let stuck = progress.stuck.as_ref()?;
    is_it(&stuck.cluster, stuck.group.as_ref()).then(|| ("stuck", reason_text(&stuck.why)))
}

fn cluster_case(run: &ClusterRun, progress: &Progress) -> TestCase {
    let case = case(&run.cluster, "verified");
    let here =
        |cluster: &ClusterName, group: Option<&AsgName>| *cluster == run.cluster && group.is_none();
    if let Some((cluster, group, why)) = &progress.failure
        && here(cluster, group.as_ref())
    {
        return failed(case, "failed", reason_text(why));
    }
    if let Some(stuck) = &progress.stuck
        && here(&stuck.cluster, stuck.group.as_ref())
    {
        return failed(case, "stuck", reason_text(&stuck.why));
    }
    let state = progress.clusters.get(&run.cluster).map(|c| c.state);
    let is_verified = matches!(state, Some(ClusterState::Verified(_)));
    let ended_well = !matches!(progress.ending, Some(Ending::RolledBack | Ending::Aborted));
    match is_verified && ended_well && progress.direction == Direction::Forward {
        true => case,
        false => skipped(case, work::cluster_state(run, progress)),
    }
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Note => "note",
        Severity::Warning => "warning",
        Severity::Error => "error",
    }
}

fn case(cluster: &ClusterName, name: impl Into<XmlString>) -> TestCase {
    with_class(
        TestCase::new(name, TestCaseStatus::success()),
        cluster.as_str(),
    )
}

/// Jenkins groups by what stands before the last dot of a class: a cluster's name is no package.
fn with_class(mut case: TestCase, of: &str) -> TestCase {
    case.set_classname(format!("kfleet.{}", of.replace('.', "_")));
    case
}

fn failed(mut case: TestCase, kind: &str, what: String) -> TestCase {
    case.status = TestCaseStatus::non_success(NonSuccessKind::Failure);
    case.status.set_type(kind).set_message(what);
    case
}

fn skipped(mut case: TestCase, why: &str) -> TestCase {
    case.status = TestCaseStatus::skipped();
    case.status.set_message(why);
    case
}

/// As XML. A report that cannot be written is one without anything in it; nothing here can be.
fn written(name: &str, suites: impl Iterator<Item = TestSuite>) -> String {
    let mut report = Suites::new(name);
    report.add_test_suites(suites);
    as_jenkins_takes_it(&report.to_string().unwrap_or_default())
}

/// The sum of what was skipped is an attribute that only suites have. Source: Jenkins' xUnit plugin, `junit-10.xsd`, which refuses files with others.
fn as_jenkins_takes_it(xml: &str) -> String {
    const ATTRIBUTE: &str = " skipped=\"";
    let end_of_root = |at: usize| Some(at + xml.get(at..)?.find('>')?);
    let root = xml.find("<testsuites").and_then(end_of_root).unwrap_or(0);
    let Some(((before, sum), rest)) = xml
        .split_at_checked(root)
        .and_then(|(head, rest)| Some((head.split_once(ATTRIBUTE)?, rest)))
    else {
        return xml.to_owned();
    };
    let after = sum.split_once('"').map_or("", |(_, after)| after);
    format!("{before}{after}{rest}")
}
