//! Small pieces of wording that all reports share: counts, lists, moments, spans, names of groups. Knows nothing of plans or rollouts.

use std::fmt::Display;

use crate::model::{AsgName, ClusterName, Span, Timestamp};

/// `1 group`, `2 groups`.
pub(super) fn count(n: impl Display, noun: &str) -> String {
    let n = n.to_string();
    let s = if n == "1" { "" } else { "s" };
    format!("{n} {noun}{s}")
}

/// `a, b, c and 4 more`, at most `max` by name.
pub(super) fn list<T: Display>(items: impl IntoIterator<Item = T>, max: usize) -> String {
    let all: Vec<String> = items.into_iter().map(|i| i.to_string()).collect();
    let shown: Vec<&str> = all.iter().take(max).map(String::as_str).collect();
    match all.len().saturating_sub(max) {
        0 => shown.join(", "),
        left => format!("{} and {left} more", shown.join(", ")),
    }
}

/// A moment for people: `2026-01-05 08:00:05Z`.
pub fn clock(at: Timestamp) -> String {
    at.clock()
}

/// A span for people: seconds matter below an hour, minutes below a day, hours above.
pub(super) fn span(span: Span) -> String {
    let unit = match span.millis() {
        ..3_600_000 => 1_000,
        3_600_000..86_400_000 => 60_000,
        _ => 3_600_000,
    };
    Span::from_millis(span.millis() - span.millis() % unit).to_string()
}

/// The name of a group as people say it: without the cluster's own name.
pub(super) fn group<'a>(asg: &'a AsgName, cluster: &ClusterName) -> &'a str {
    asg.as_str()
        .strip_suffix(cluster.as_str())
        .and_then(|n| n.strip_suffix('.'))
        .filter(|n| !n.is_empty())
        .unwrap_or(asg.as_str())
}

/// Foreign text on one line that cannot move the cursor, colour anything or turn the direction of writing.
pub(super) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.trim_end().chars() {
        if c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

/// At most `max` characters, the last of them `…` when something was cut.
pub(super) fn cut(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(max.saturating_sub(1)).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_lists_read_as_spoken() {
        assert_eq!(
            (count(1, "group"), count(0, "group"), count(12, "group")),
            ("1 group".into(), "0 groups".into(), "12 groups".into())
        );
        assert_eq!(list(["a", "b"], 2), "a, b");
        assert_eq!(list(["a", "b", "c", "d"], 2), "a, b and 2 more");
    }

    #[test]
    fn moments_and_spans_leave_out_what_nobody_reads() {
        assert_eq!(
            clock(Timestamp::from_millis(1_767_600_005_500)),
            "2026-01-05 08:00:05Z"
        );
        for (ms, expected) in [
            (0, "0s"),
            (999, "0s"),
            (65_500, "1m5s"),
            (5_430_000, "1h30m"),
            (93_784_000, "1d2h"),
        ] {
            assert_eq!(span(Span::from_millis(ms)), expected);
        }
    }

    #[test]
    fn foreign_text_stays_on_its_line() {
        assert_eq!(
            plain("a\nb\x1b[31mc\u{202e}d\n"),
            "a\\nb\\u{1b}[31mc\\u{202e}d"
        );
        assert_eq!(
            (cut("abcdef", 4), cut("abcd", 4), cut("äöü", 2)),
            ("abc…".into(), "abcd".into(), "ä…".into())
        );
    }

    #[test]
    fn groups_are_called_without_their_cluster() {
        let cluster = ClusterName::new("a.k8s.foo.bar").unwrap();
        let check = |asg: &str| group(&AsgName::new(asg).unwrap(), &cluster).to_owned();
        assert_eq!(check("nodes.a.k8s.foo.bar"), "nodes");
        assert_eq!(check("cp-1.masters.a.k8s.foo.bar"), "cp-1.masters");
        assert_eq!(check("nodes-of-another"), "nodes-of-another");
        assert_eq!(check("a.k8s.foo.bar"), "a.k8s.foo.bar");
    }
}
