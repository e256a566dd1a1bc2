//! A rehearsal as JUnit: the clusters of its rollout, then what only a rehearsal knows.

use quick_junit::{TestCase, TestCaseStatus, TestSuite};

use super::{failed, rollout_suites, with_class, written};
use crate::report::breach::breach_line;
use crate::report::rehearsal::{Fate, Rehearsal};
use crate::report::wording::{count, span};
use crate::rollout::{Ending, Progress};

/// The suite of what is of no cluster.
const WHOLE: &str = "rehearsal";

/// A rehearsal. A fault that was tried alone fails only where a rule of a rollout was broken: that a rollout rolls back because of it is what it is for.
pub fn rehearsal_junit(rehearsal: &Rehearsal<'_>, progress: &Progress, fates: &[Fate]) -> String {
    let Rehearsal {
        rollout,
        records,
        seen,
        ended,
        notes,
    } = rehearsal;
    let mut suites = rollout_suites(rollout, progress, records);
    let mut whole = TestSuite::new(WHOLE);
    whole.add_property(("nothing of this has happened", "a rehearsal"));
    whole.add_test_case(match progress.ending {
        Some(Ending::Finished) => case("finished"),
        Some(Ending::RolledBack | Ending::Aborted) | None => {
            failed(case("finished"), "ended otherwise", (*ended).to_owned())
        }
    });
    let broken: Vec<String> = seen.broken.iter().map(breach_line).collect();
    whole.add_test_case(rules(case("no rule of a rollout is broken"), &broken));
    whole.add_test_cases(fates.iter().map(fate));
    if !notes.is_empty() {
        whole.set_system_out(notes.join("\n"));
    }
    suites.push(whole);
    written("kfleet rehearse", suites.into_iter())
}

fn rules(case: TestCase, broken: &[String]) -> TestCase {
    if broken.is_empty() {
        return case;
    }
    failed(case, "rule broken", broken.join("; "))
}

fn fate(fate: &Fate) -> TestCase {
    let Fate {
        fault,
        ended,
        makespan,
        broken,
    } = fate;
    let mut case = case(&format!("with {fault}"));
    case.set_system_out(format!("{ended} after {}", span(*makespan)));
    if *broken == 0 {
        return case;
    }
    failed(case, "rule broken", count(broken, "rule"))
}

fn case(name: &str) -> TestCase {
    with_class(TestCase::new(name, TestCaseStatus::success()), WHOLE)
}
