//! The comment for a pull request stays within its limit, and what is in it is whole.

use std::collections::BTreeMap;

use kfleet::impact::{
    Carrier, ClusterChange, ClusterImpact, DocumentImpact, Hunk, Impact, Line, Presence, Sign,
};
use kfleet::model::ClusterName;
use kfleet::plan::FieldChange;
use kfleet::report::{Compared, MARKDOWN_LIMIT, Style, diff_markdown, diff_text};

/// Clusters that each change in their own way: a diff of `lines` lines, with backticks and markup in it.
fn impact(clusters: usize, lines: usize) -> Impact {
    let cluster = |n: usize| {
        let line = |i: usize| Line {
            sign: Sign::Added,
            text: format!("{n} <b> ```` {i}"),
        };
        let document = DocumentImpact {
            template: "templates/a".into(),
            presence: Presence::Changed,
            fields: vec![FieldChange {
                field: "spec.x".into(),
                from: None,
                to: Some(n.into()),
            }],
            carrier: Carrier::Kops,
            text: vec![Hunk {
                before: 1,
                after: 1,
                lines: (0..lines).map(line).collect(),
            }],
        };
        let change = ClusterChange {
            documents: BTreeMap::from([("ConfigMap/a/b".to_owned(), document)]),
            ..ClusterChange::default()
        };
        (
            ClusterName::new(format!("c{n:04}.k8s")).unwrap(),
            ClusterImpact::Changed(change),
        )
    };
    Impact {
        compared: clusters,
        settings: Vec::new(),
        clusters: (0..clusters).map(cluster).collect(),
    }
}

fn check(clusters: usize, lines: usize, left_out: &str) {
    let compared = Compared {
        since: "a".into(),
        until: "b".into(),
    };
    let text = diff_markdown(&impact(clusters, lines), &[], &compared);
    assert!(text.len() <= MARKDOWN_LIMIT, "{}", text.len());
    assert_eq!(
        text.matches("<details>").count(),
        text.matches("</details>").count()
    );
    let fences = text.lines().filter(|l| l.starts_with("`````")).count();
    assert_eq!(fences % 2, 0);
    // Every diff that is begun has its last line.
    assert_eq!(
        text.matches("diff\n@@").count(),
        text.lines()
            .filter(|l| l.ends_with(&format!("```` {}", lines - 1)))
            .count()
    );
    let last = text.lines().last().unwrap_or_default();
    assert_eq!(last, left_out);
}

#[test]
fn a_comment_is_never_too_long_and_nothing_in_it_is_cut() {
    check(3, 10, "</details>");
    check(
        2,
        10_000,
        "**2 diffs left out here for size**: `kfleet diff` as text or JSON has all of them.",
    );
    check(
        60,
        100,
        "**30 diffs left out here for size**: `kfleet diff` as text or JSON has all of them.",
    );
    check(
        2_000,
        10,
        "**1662 changes and 338 diffs left out here for size**: `kfleet diff` as text or JSON has all of them.",
    );
}

#[test]
fn a_text_is_shortened_only_where_it_says_so() {
    let compared = Compared {
        since: "a".into(),
        until: "b".into(),
    };
    let text = |full| {
        diff_text(
            &impact(1, 100),
            &[],
            &compared,
            Style {
                colour: false,
                full,
            },
        )
    };
    assert!(
        text(false).contains("      … and 61 more lines (--verbose shows all)\n"),
        "{}",
        text(false)
    );
    assert_eq!(text(true).matches("\n      +0 <b>").count(), 100);
}
