//! Plans and rollouts as HTML pages: read without a browser, as one would read them in it.

use std::collections::{BTreeMap, BTreeSet};

use kfleet::fleet::Stage;
use kfleet::model::*;
use kfleet::plan::{DocumentChange, Plan};
use kfleet::report::{Around, Fate, Rehearsal, plan_html, rehearsal_html, rollout_html};
use kfleet::rollout::*;

use crate::journals::*;
use crate::sample::*;

fn page_of(plan: &Plan, stages: &[Stage]) -> String {
    let revision = Revision {
        git: Git::NotKnown("no git".into()),
        rendered: Rendering::UpToDate,
        allow_dirty: None,
    };
    let around = Around {
        revision: &revision,
        orphans: &[],
        under_way: None,
        room: &[],
        blocking: &[],
        dry_runs: &BTreeMap::new(),
    };
    plan_html(plan, stages, around, None, at("08:00:00")).unwrap()
}

fn page_of_rollout(events: Vec<(&'static str, Event)>, now: &str) -> String {
    let records = journal(events);
    let (rollout, progress) = Progress::of(&records).unwrap();
    rollout_html(&rollout, &progress, &records, at(now)).unwrap()
}

/// Every tag that opens is closed in its turn; links lead to a place on the page; nothing comes from elsewhere.
fn is_sound(page: &str) {
    let (_, body) = page.split_once("</head>").unwrap();
    let mut open: Vec<&str> = Vec::new();
    for tag in body.split('<').skip(1) {
        let (tag, _) = tag
            .split_once('>')
            .unwrap_or_else(|| panic!("no end: {tag}"));
        let name = tag
            .trim_start_matches('/')
            .split([' ', '/'])
            .next()
            .unwrap();
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name).filter(|n| *n != "html"), "</{name}>");
        } else if !tag.ends_with('/') {
            open.push(name);
        }
        if open.is_empty() && name == "body" {
            break;
        }
    }
    let after = |word: &str| -> BTreeSet<String> {
        let parts = page.split(word).skip(1);
        parts
            .map(|rest| rest.split('"').next().unwrap().to_owned())
            .collect()
    };
    let (links, places) = (after("href=\"#"), after("id=\""));
    assert!(links.is_subset(&places), "{links:?} in {places:?}");
    assert!(page.matches("href=\"").count() == page.matches("href=\"#").count());
    for word in [
        "<script", "<link", "<img", "http:", "https:", "src=", "@import", "url(",
    ] {
        assert!(!page.contains(word), "{word}");
    }
}

/// The lines of the timeline: its name, and each bar with where it begins and how wide it is.
fn timeline(page: &str) -> String {
    let mut out = String::new();
    for line in page.split("<span class=\"name\"><b>").skip(1) {
        let (name, rest) = line.split_once("</b> <small>").unwrap();
        let (note, rest) = rest.split_once("</small>").unwrap();
        let (track, _) = rest
            .split_once("</span></")
            .or(rest.split_once("</span>\n"))
            .unwrap_or((rest, ""));
        out.push_str(&format!("{name} ({note})"));
        for bar in track.split("<i class=\"p-").skip(1) {
            let (class, rest) = bar.split_once("\" style=\"left:").unwrap();
            let (left, rest) = rest.split_once("%;width:").unwrap();
            let (width, _) = rest.split_once('%').unwrap();
            out.push_str(&format!(" [{class} {left} {width}]"));
        }
        out.push('\n');
    }
    out
}

#[test]
fn the_timeline_is_in_the_order_of_time() {
    let page = page_of_rollout(rolled_back(), "12:00:00");
    is_sound(&page);
    check("timeline.txt", &timeline(&page));
}

#[test]
fn what_is_under_way_has_bars_until_now() {
    let page = page_of_rollout(staging_done(), "11:00:00");
    is_sound(&page);
    let lines = timeline(&page);
    let prod = lines
        .lines()
        .find(|line| line.starts_with("stage prod"))
        .unwrap();
    assert!(
        prod.contains("[approval ") && !prod.contains("[rolls"),
        "{prod}"
    );
    assert!(page.contains("waits for approval of stage prod"), "{page}");
    assert!(
        page.contains("kfleet rollout approve prod --plan "),
        "{page}"
    );
}

#[test]
fn a_page_says_first_how_it_went() {
    let page = page_of_rollout(rolled_back(), "12:00:00");
    let (head, rest) = page.split_once("</header>").unwrap();
    assert!(
        head.contains("<div class=\"verdict bad\">\n<p>rolled back after 1h52m</p>"),
        "{head}"
    );
    assert!(
        head.contains("<li class=\"heads\">what happened</li>"),
        "{head}"
    );
    let sections = ["<h2>Fleet", "<h2>Timeline", "<h2>Changes", "<h2>As text"];
    let places: Vec<Option<usize>> = sections.iter().map(|s| rest.find(s)).collect();
    assert!(
        places.iter().all(Option::is_some) && places.is_sorted(),
        "{places:?}"
    );
    assert!(page_of_rollout(finished(), "12:00:00").contains("<div class=\"verdict good\">"));
}

#[test]
fn a_rehearsal_says_that_nothing_has_happened() {
    let records = journal(finished());
    let (rollout, progress) = Progress::of(&records).unwrap();
    let step = |healthy: u32, time: &str| ObservedStep {
        at: at(time),
        healthy,
        wanted: 4,
    };
    let mut seen = Observation::default();
    let group = GroupObservation {
        cluster: cluster("prod-a"),
        retires: false,
        first: step(4, "09:05:00"),
        worst: step(3, "09:10:00"),
        zones: [("a".to_owned(), 1)].into(),
        surge: 1,
        steps: vec![step(4, "09:05:00"), step(3, "09:10:00")],
    };
    seen.groups.insert(asg("nodes", "prod-a"), group);
    let rehearsal = Rehearsal {
        rollout: &rollout,
        records: &records,
        seen: &seen,
        ended: "finished",
        notes: &["from a <snapshot>".to_owned()],
    };
    let fate = Fate {
        fault: "throttle:3".into(),
        ended: "finished".into(),
        makespan: Span::from_secs(60),
        broken: 0,
    };
    let page = rehearsal_html(&rehearsal, &progress, &[fate]).unwrap();
    is_sound(&page);
    let (head, rest) = page.split_once("</header>").unwrap();
    for part in [
        "nothing of this has happened",
        "no rule of a rollout was broken",
        "from a &lt;snapshot&gt;",
    ] {
        assert!(head.contains(part), "{part} in\n{head}");
    }
    assert_eq!(rest.matches("<polyline ").count(), 1);
    assert!(rest.contains("throttle:3"), "{rest}");
}

#[test]
fn the_map_shows_the_gravest_change_of_a_cluster() {
    let both = Cluster::new("b").create("nodes").retire("old", &["i-1"]);
    let plan = plan(vec![
        Cluster::new("a"),
        both,
        Cluster::new("c").create("nodes"),
    ]);
    let page = page_of(&plan, &stages(&[("prod", &["a", "b", "c", "d"])]));
    is_sound(&page);
    let tile = |name: &str| {
        let at = page.find(&format!("title=\"{name}.k8s.foo.bar: ")).unwrap();
        page[..at]
            .rsplit("tile t-")
            .next()
            .unwrap()
            .split('"')
            .next()
            .unwrap()
            .to_owned()
    };
    assert_eq!(
        ["a", "b", "c", "d"].map(tile),
        ["same", "retire", "create", "unseen"]
    );
}

#[test]
fn what_others_wrote_becomes_no_html() {
    let name = "Addon/<script>alert(1)";
    let plan = plan(vec![
        Cluster::new("a").document(name, DocumentChange::Added),
    ]);
    let page = page_of(&plan, &stages(&[("prod", &["a"])]));
    is_sound(&page);
    assert!(page.contains("&lt;script&gt;alert(1)"), "{page}");
}

#[test]
fn five_hundred_clusters_are_a_page_of_tiles() {
    let names: Vec<String> = (0..500).map(|n| format!("c{n:03}")).collect();
    let clusters = names.iter().map(|name| Cluster::new(name).create("nodes"));
    let plan = plan(clusters.collect());
    let borrowed: Vec<&str> = names.iter().map(String::as_str).collect();
    let page = page_of(&plan, &stages(&[("prod", &borrowed)]));
    is_sound(&page);
    assert!(page.contains("<ul class=\"tiles dense\">"));
    assert_eq!(page.matches("class=\"tile t-create\" title=").count(), 500);
    // The change that all have is told once.
    assert_eq!(page.matches("<pre class=\"diff\">").count(), 1);
    assert!(page.len() < 400_000, "{} bytes", page.len());
}
