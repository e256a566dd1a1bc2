//! Every JUnit file that is written holds to the schema that Jenkins' xUnit plugin refuses files by, and names what a reader looks for.

use std::process::Command;

use quick_junit::{Report, TestCase, TestCaseStatus};
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use crate::bed::{Bed, NEW_IMAGE, OLD_IMAGE};

/// An element: its attributes, those that it must have first, and what may be in it. Source: `junit-10.xsd` of Jenkins' xUnit plugin.
struct Element {
    name: &'static str,
    needs: &'static [&'static str],
    may: &'static [&'static str],
    holds: &'static [&'static str],
}

const SCHEMA: [Element; 10] = [
    Element {
        name: "testsuites",
        needs: &[],
        may: &["name", "time", "tests", "failures", "errors"],
        holds: &["testsuite"],
    },
    Element {
        name: "testsuite",
        needs: &["name", "tests", "failures", "errors"],
        may: &[
            "group",
            "time",
            "skipped",
            "timestamp",
            "hostname",
            "id",
            "package",
            "file",
            "log",
            "url",
        ],
        holds: &[
            "testsuite",
            "properties",
            "testcase",
            "system-out",
            "system-err",
        ],
    },
    Element {
        name: "testcase",
        needs: &["name"],
        may: &["time", "classname", "group"],
        holds: &["skipped", "error", "failure", "system-out", "system-err"],
    },
    Element {
        name: "properties",
        needs: &[],
        may: &[],
        holds: &["property"],
    },
    Element {
        name: "property",
        needs: &["name", "value"],
        may: &[],
        holds: &[],
    },
    Element {
        name: "failure",
        needs: &[],
        may: &["type", "message"],
        holds: &[],
    },
    Element {
        name: "error",
        needs: &[],
        may: &["type", "message"],
        holds: &[],
    },
    Element {
        name: "skipped",
        needs: &[],
        may: &["type", "message"],
        holds: &[],
    },
    Element {
        name: "system-out",
        needs: &[],
        may: &[],
        holds: &[],
    },
    Element {
        name: "system-err",
        needs: &[],
        may: &[],
        holds: &[],
    },
];

fn element(start: &BytesStart<'_>) -> &'static Element {
    let name = String::from_utf8(start.name().as_ref().to_vec()).unwrap();
    let known = SCHEMA.iter().find(|element| element.name == name);
    known.unwrap_or_else(|| panic!("the schema has no element {name}"))
}

#[track_caller]
fn holds_to(element: &Element, start: &BytesStart<'_>, above: Option<&Element>) {
    let is_root = above.is_none() && element.name == "testsuites";
    let is_held = above.is_some_and(|above| above.holds.contains(&element.name));
    assert!(
        is_root || is_held,
        "{} stands in the wrong place",
        element.name
    );
    let names = start.attributes().map(|attribute| attribute.unwrap().key);
    let names: Vec<String> = names
        .map(|key| String::from_utf8(key.as_ref().to_vec()).unwrap())
        .collect();
    for name in &names {
        let is_known =
            element.needs.contains(&name.as_str()) || element.may.contains(&name.as_str());
        assert!(is_known, "{} has no attribute {name}", element.name);
    }
    for name in element.needs {
        assert!(
            names.iter().any(|n| n == name),
            "{} lacks {name}",
            element.name
        );
    }
}

/// Judged by the schema itself, where it is there: `KFLEET_JUNIT_XSD` is its path, and `KFLEET_XSD_PYTHON` a Python that has `xmlschema`.
fn judge_by_schema(xml: &str) {
    let (Ok(xsd), Ok(python)) = (
        std::env::var("KFLEET_JUNIT_XSD"),
        std::env::var("KFLEET_XSD_PYTHON"),
    ) else {
        println!(
            "skipped: KFLEET_JUNIT_XSD and KFLEET_XSD_PYTHON name no schema and no reader of it"
        );
        return;
    };
    let read = "import sys, xmlschema; xmlschema.validate(sys.argv[2], sys.argv[1])";
    let said = Command::new(python).args(["-c", read, &xsd, xml]).output();
    let said = said.unwrap();
    assert!(
        said.status.success(),
        "{}",
        String::from_utf8_lossy(&said.stderr)
    );
}

/// Fails where the file is not one that the schema allows.
#[track_caller]
#[allow(
    clippy::wildcard_enum_match_arm,
    reason = "whatever else XML has is no element"
)]
fn assert_valid(xml: &str) {
    let mut reader = Reader::from_str(xml);
    let mut above: Vec<&Element> = Vec::new();
    loop {
        match reader.read_event().unwrap() {
            Event::Start(start) => {
                let element = element(&start);
                holds_to(element, &start, above.last().copied());
                above.push(element);
            }
            Event::Empty(start) => holds_to(element(&start), &start, above.last().copied()),
            Event::End(_) => {
                above.pop();
            }
            Event::Eof => break,
            _ => {}
        }
    }
    judge_by_schema(xml);
}

fn case<'r>(report: &'r Report, suite: &str, name: &str) -> &'r TestCase {
    let suites = report.test_suites.iter();
    let mut cases = suites
        .filter(|s| s.name.as_str() == suite)
        .flat_map(|s| &s.test_cases);
    let found = cases.find(|case| case.name.as_str() == name);
    found.unwrap_or_else(|| panic!("no case {name} in suite {suite}"))
}

fn sick() -> String {
    format!("sick-image:099720109477/ubuntu/images/hvm-ssd-gp3/{NEW_IMAGE}")
}

#[test]
fn every_junit_file_holds_to_the_schema() {
    let bed = Bed::with_new_image();
    assert_valid(&bed.run("plan --format junit").ends(2).out);
    assert_valid(&bed.run("lint --format junit --fail-on note").ends(0).out);
    assert_valid(&bed.run("drift --format junit").ends(2).out);
    bed.run(&format!("rollout start --auto-approve --fault {}", sick()))
        .ends(4);
    assert_valid(&bed.run("rollout show --format junit").ends(0).out);
}

#[test]
fn a_rehearsal_is_told_to_a_test_page() {
    let bed = Bed::built();
    bed.change("vars/defaults.yaml", OLD_IMAGE, NEW_IMAGE);
    let file = bed.path("rehearsal.xml");
    let words = format!(
        "rehearse --stage staging --fault throttle:3 --junit {}",
        file.display()
    );
    bed.run(&words).ends(0);
    let xml = bed.read("rehearsal.xml");
    assert_valid(&xml);
    let report = Report::deserialize_from_str(&xml).unwrap();
    assert_eq!((report.failures, report.errors), (0, 0), "{xml}");
    let group = case(&report, "staging-acme.k8s.foo.bar", "admin-nodes");
    assert!(group.time.is_some_and(|time| !time.is_zero()), "{xml}");
    let gate = "gate nodes";
    let said = case(&report, "staging-acme.k8s.foo.bar", gate);
    assert!(said.system_out.is_some(), "{xml}");
    let fate = case(&report, "rehearsal", "with throttle:3");
    assert!(
        fate.system_out
            .as_ref()
            .unwrap()
            .as_str()
            .starts_with("finished after ")
    );

    // What fails in it fails there: the group, and that it did not finish; the rules held.
    let words = format!(
        "rehearse --stage staging --fault {} --junit {}",
        sick(),
        file.display()
    );
    bed.run(&words).ends(4);
    let xml = bed.read("rehearsal.xml");
    assert_valid(&xml);
    let report = Report::deserialize_from_str(&xml).unwrap();
    assert_eq!((report.failures, report.errors), (2, 0), "{xml}");
    let failed = |case: &TestCase| matches!(case.status, TestCaseStatus::NonSuccess { .. });
    assert!(failed(case(&report, "rehearsal", "finished")), "{xml}");
    assert!(
        !failed(case(&report, "rehearsal", "no rule of a rollout is broken")),
        "{xml}"
    );
    bed.run("rehearse --seeds 2 --junit seeds.xml")
        .refuses(&["cannot be used with"]);
    bed.run("rehearse --stage staging --junit nowhere/x.xml")
        .ends(1);
}

/// A file with what the schema does not know is found.
#[test]
#[should_panic(expected = "testsuites has no attribute skipped")]
fn a_sum_of_what_was_skipped_is_not_in_the_schema() {
    assert_valid("<testsuites name=\"a\" skipped=\"0\"></testsuites>");
}
