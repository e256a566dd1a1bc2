//! Plans as text, JSON and markdown.

use kfleet::plan::{Blocked, DocumentChange, Fact, Note};
use kfleet::report::{MARKDOWN_LIMIT, Style, plan_from_json, plan_json, plan_markdown, plan_text};

use crate::sample::*;

const PLAIN: Style = Style {
    colour: false,
    full: false,
};
const FULL: Style = Style {
    colour: false,
    full: true,
};

fn two_stages() -> Vec<kfleet::fleet::Stage> {
    stages(&[
        ("staging", &["staging-a", "staging-b"]),
        ("prod", &["prod-a", "prod-b", "prod-c"]),
    ])
}

/// A new image everywhere: the same change in clusters with different instances.
fn new_image(name: &str, instances: &[&str]) -> Cluster {
    let replace: Vec<(&str, &[&str])> = instances
        .iter()
        .map(|i| (*i, ["ImageId"].as_slice()))
        .collect();
    let update = || Update {
        fields: vec![image()],
        replace: &replace,
        ..Update::default()
    };
    Cluster::new(name)
        .update("cp", update())
        .update("nodes", update())
        .update("spot", update())
}

#[test]
fn an_empty_plan_says_so_in_two_lines() {
    let plan = plan(vec![
        Cluster::new("prod-a"),
        Cluster::new("prod-b").note(Fact::NoBaseline { documents: 2 }),
    ]);
    assert_eq!(
        plan_text(&plan, &two_stages(), PLAIN),
        "no changes\nlooked at 2 clusters and 6 groups\n"
    );
    assert_eq!(
        plan_markdown(&plan, &two_stages()),
        "**no changes**: looked at 2 clusters and 6 groups\n"
    );
}

#[test]
fn hooks_that_were_not_read_are_named_once() {
    let unread = |name: &str| Cluster::new(name).hooks_not_compared(60);
    let line = "not compared: the lifecycle hooks of 120 groups, more than are read in one account and region (a call for each); `--hooks` compares them. \
                A rollout looks at them before it changes the group itself, and leaves the group alone where they differ\n";
    let nothing = plan(vec![unread("prod-a"), unread("prod-b")]);
    let something = plan(vec![
        unread("prod-a"),
        unread("prod-b"),
        new_image("staging-a", &["i-01"]),
    ]);
    assert_eq!(
        plan_text(&nothing, &two_stages(), PLAIN),
        format!("no changes\nlooked at 2 clusters and 6 groups\n{line}")
    );
    for text in [
        plan_text(&something, &two_stages(), PLAIN),
        plan_markdown(&nothing, &two_stages()),
        plan_markdown(&something, &two_stages()),
    ] {
        assert_eq!(text.matches(line.trim()).count(), 1, "{text}");
    }
    let json: serde_json::Value =
        serde_json::from_str(&plan_json(&something, &two_stages())).unwrap();
    assert_eq!(json["summary"]["total"]["hooks_not_compared"], 120);
    assert_eq!(
        plan_from_json(&plan_json(&something, &two_stages())).unwrap(),
        something
    );
    assert!(
        !plan_json(&plan(vec![Cluster::new("prod-a")]), &two_stages())
            .contains("hooks_not_compared")
    );
}

#[test]
fn clusters_that_change_alike_are_folded() {
    let own_name = |name: &str| {
        let to = format!("\"{name}.k8s.foo.bar/spot\"");
        Cluster::new(name).update(
            "spot",
            Update {
                fields: vec![field("autoScalingGroup.Tags[Pool].Value", "\"old\"", &to)],
                ..Update::default()
            },
        )
    };
    let plan = plan(vec![
        new_image("staging-a", &["i-01"]),
        new_image(
            "prod-a",
            &["i-11", "i-12", "i-13", "i-14", "i-15", "i-16", "i-17"],
        ),
        new_image("prod-b", &["i-21", "i-22"]),
        own_name("staging-b"),
        own_name("prod-c"),
    ]);
    check("folded.txt", &plan_text(&plan, &two_stages(), PLAIN));
}

fn everything() -> Cluster {
    let mut fields = vec![
        field("autoScalingGroup.MaxSize", "5", "8"),
        field(
            "autoScalingGroup.VPCZoneIdentifier",
            r#"["a","b"]"#,
            r#"["b","c"]"#,
        ),
    ];
    fields.push(field("launchTemplate.Version", "\"$Latest\"", "\"3\""));
    fields.push(image());
    fields.push(field(&format!("{LT}KeyName"), "", "\"ops\""));
    fields.extend(tag("Owner", "\"web\"", "\"platform\""));
    let gone = "was not launched from a version of this launch template that still exists";
    let tagged: &[&str] = &[
        "ImageId",
        "KeyName",
        "TagSpecifications[instance].Tags.Owner",
        "TagSpecifications[volume].Tags.Owner",
    ];
    let replace: &[(&str, &[&str])] = &[
        ("i-01", tagged),
        ("i-02", tagged),
        ("i-03", &["KeyName"]),
        ("i-04", &[gone]),
    ];
    let cluster = field("spec.kubernetesVersion", "\"1.33.1\"", "\"1.34.2\"");
    let changed = Cluster::new("prod-a")
        .update(
            "cp",
            Update {
                fields: vec![image()],
                existing: Some(7),
                replace: &[("i-31", &["ImageId"])],
                ..Update::default()
            },
        )
        .update(
            "nodes",
            Update {
                fields,
                replace,
                ..Update::default()
            },
        )
        .update(
            "batch",
            Update {
                fields: vec![image()],
                rolls: false,
                ..Update::default()
            },
        )
        .update(
            "drift",
            Update {
                replace: &[("i-41", &["ImageId"])],
                existing: Some(3),
                ..Update::default()
            },
        )
        .create("spot")
        .retire("old", &["i-51", "i-52", "i-53", "i-54", "i-55", "i-56"])
        .retire("older", &[])
        .document(
            "Cluster/prod-a.k8s.foo.bar",
            DocumentChange::Changed(vec![cluster]),
        )
        .document(
            "ConfigMap/cluster-autoscaler-priority-expander",
            DocumentChange::Added,
        );
    with_hints(changed)
}

/// What stands in the way, and what is to be known.
fn with_hints(cluster: Cluster) -> Cluster {
    cluster
        .blocked(Blocked::Gap {
            what: "nodes".into(),
            why: "403\nrequest 12".into(),
        })
        .blocked(Blocked::Retire {
            group: asg("old", "prod-a"),
            instances: 6,
        })
        .blocked(Blocked::Retire {
            group: asg("older", "prod-a"),
            instances: 0,
        })
        .blocked(Blocked::Protected {
            group: asg("ingress", "prod-a"),
        })
        .blocked(Blocked::Shrink {
            group: asg("cron", "prod-a"),
            desired: 9,
            max: 4,
        })
        .blocked(Blocked::NoUserData {
            group: asg("gpu", "prod-a"),
        })
        .blocked(Blocked::NeedsKops {
            document: "Cluster/prod-a.k8s.foo.bar".into(),
        })
        .blocked(Blocked::NeedsKops {
            document: "ConfigMap/cluster-autoscaler-priority-expander".into(),
        })
        .note(Note::of(
            &asg("nodes", "prod-a"),
            Fact::MinimumStarts { min: 4, desired: 3 },
        ))
}

#[test]
fn every_kind_of_change_has_its_effect_reason_and_hint() {
    check(
        "everything.txt",
        &plan_text(
            &plan(vec![everything(), Cluster::new("prod-b")]),
            &two_stages(),
            PLAIN,
        ),
    );
}

#[test]
fn colour_changes_nothing_but_colour() {
    let plan = plan(vec![everything()]);
    let mut text = plan_text(
        &plan,
        &two_stages(),
        Style {
            colour: true,
            full: false,
        },
    );
    assert!(text.contains("\x1b[31m"));
    for code in ["\x1b[0m", "\x1b[1m", "\x1b[31m", "\x1b[32m", "\x1b[33m"] {
        text = text.replace(code, "");
    }
    assert_eq!(text, plan_text(&plan, &two_stages(), PLAIN));
}

#[test]
fn long_lists_are_cut_unless_all_is_asked_for() {
    let fields: Vec<_> = (0..15)
        .map(|n| {
            field(
                &format!("autoScalingGroup.Field{n:02}"),
                "1",
                &format!("\"{}\"", "x".repeat(100)),
            )
        })
        .collect();
    let plan = plan(vec![Cluster::new("prod-a").update(
        "nodes",
        Update {
            fields,
            ..Update::default()
        },
    )]);
    let text = plan_text(&plan, &two_stages(), PLAIN);
    assert!(
        text.contains("      … and 3 more fields\n")
            && !text.contains("Field12")
            && text.contains("x…\n"),
        "{text}"
    );
    let text = plan_text(&plan, &two_stages(), FULL);
    assert!(!text.contains('…') && text.contains("Field14"), "{text}");
}

/// As many clusters as wanted, no two alike, a few blocked, in as many stages as wanted.
fn many(clusters: usize, in_stages: usize) -> (kfleet::plan::Plan, Vec<kfleet::fleet::Stage>) {
    let names: Vec<String> = (0..clusters).map(|n| format!("c{n:03}")).collect();
    let one = |(n, name): (usize, &String)| {
        let to = format!("\"ami-{n}\"");
        let update = Update {
            fields: vec![field(&format!("{LT}ImageId"), "\"ami-x\"", &to)],
            replace: &[("i-1", &["ImageId"])],
            ..Update::default()
        };
        let cluster = Cluster::new(name).update("nodes", update);
        if n % 50 == 0 {
            cluster.blocked(Blocked::NoUserData {
                group: asg("gpu", name),
            })
        } else {
            cluster
        }
    };
    let plan = plan(names.iter().enumerate().map(one).collect());
    let per_stage = clusters.div_ceil(in_stages);
    let chunks: Vec<(String, Vec<&str>)> = names
        .chunks(per_stage)
        .enumerate()
        .map(|(n, c)| (format!("s{n:03}"), c.iter().map(String::as_str).collect()))
        .collect();
    let borrowed: Vec<(&str, &[&str])> = chunks
        .iter()
        .map(|(name, c)| (name.as_str(), c.as_slice()))
        .collect();
    (plan, stages(&borrowed))
}

#[test]
fn the_summary_comes_last_within_60_lines_at_any_fleet_size() {
    for (clusters, in_stages) in [(200, 3), (200, 200)] {
        let (plan, stages) = many(clusters, in_stages);
        let text = plan_text(&plan, &stages, PLAIN);
        let (_, summary) = text.split_once("\nsummary\n").unwrap();
        let lines = summary.lines().count() + 1;
        assert!(lines <= 60, "{lines} lines");
        assert!(
            summary.contains("200 of 200") && summary.contains("4 × new group without user data"),
            "{summary}"
        );
        assert!(
            summary
                .trim_end()
                .lines()
                .last()
                .unwrap()
                .starts_with(&format!("plan {}", plan.id.short())),
            "{summary}"
        );
        if in_stages == 3 {
            check("summary_200.txt", &format!("summary\n{summary}"));
        }
    }
}

#[test]
fn a_plan_file_reads_back_and_nothing_else_does() {
    let plan = plan(vec![everything(), new_image("staging-a", &["i-01"])]);
    let json = plan_json(&plan, &two_stages());
    assert_eq!(plan_from_json(&json), Ok(plan.clone()));
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    check("summary.json", &format!("{:#}\n", value["summary"]));

    let id = plan.id.short();
    for (text, expected) in [
        ("{".to_owned(), "the plan file is not JSON: EOF while parsing an object at line 1 column 1".to_owned()),
        ("[]".into(), "the file is not a plan: it has no `version` number".into()),
        (json.replacen("\"version\": 3", "\"version\": 4", 1), "the plan file has version 4, and this kfleet reads up to 3".into()),
        (
            json.replacen("\"version\": 3", "\"version\": 1", 1),
            "the plan file has version 1, which is of an older form; make a new plan".into(),
        ),
        (json.replace("ami-2", "ami-3"), format!("the plan file was changed after it was made: its content is not that of plan {id}")),
        (
            json.replacen("\"release\"", "\"also\": 1, \"release\"", 1),
            "the plan file is wrong at `also`: unknown field `also`, expected one of `version`, `id`, `release`, `policy`, `clusters`, `hooks`".into(),
        ),
        (
            json.replacen("\"111122223333\"", "\"1\"", 1),
            "the plan file is wrong at `clusters.prod-a.k8s.foo.bar.account`: `1` is not a valid AWS account id: twelve digits, quoted in YAML"
                .into(),
        ),
    ] {
        assert_eq!(plan_from_json(&text).map_err(|e| e.to_string()), Err(expected));
    }
}

#[test]
fn markdown_counts_what_its_limit_leaves_out() {
    let (plan, stages) = many(500, 3);
    let text = plan_markdown(&plan, &stages);
    assert!(
        text.len() <= MARKDOWN_LIMIT && text.len() > MARKDOWN_LIMIT / 2,
        "{} bytes",
        text.len()
    );
    let shown = text.matches("<details>").count();
    assert_eq!(shown, text.matches("</details>").count());
    assert!(
        text.contains(&format!(
            "**{} more items ({} clusters) left out here",
            500 - shown,
            500 - shown
        )),
        "{text}"
    );
}

#[test]
fn markdown_folds_details_away() {
    let quoted = field(&format!("{LT}KeyName"), "\"```<b>\"", "\"ops\"");
    let ticks = Cluster::new("staging-b").update(
        "nodes",
        Update {
            fields: vec![quoted],
            ..Update::default()
        },
    );
    let plan = plan(vec![
        new_image("staging-a", &["i-01"]),
        new_image("prod-a", &["i-11"]),
        ticks.blocked(Blocked::NoUserData {
            group: asg("gpu", "staging-b"),
        }),
    ]);
    check("comment.md", &plan_markdown(&plan, &two_stages()));
}

/// Nothing in the way, and nobody looked, must not read alike: on top of the text, in markdown, in JSON, with changes and without.
#[test]
fn clusters_that_nobody_looked_at_come_first() {
    use kfleet::model::UnseenKind;
    let unseen = |cluster: Cluster| {
        cluster.unseen(UnseenKind::Credentials, "401 Unauthorized: Unauthorized")
    };
    let line = "! prod-a.k8s.foo.bar: its nodes were not looked at: the Kubernetes API refuses the credentials: 401 Unauthorized: Unauthorized";
    for made in [
        plan(vec![unseen(Cluster::new("prod-a")), Cluster::new("prod-b")]),
        plan(vec![
            unseen(new_image("prod-a", &["i-1"])),
            new_image("prod-b", &["i-2"]),
        ]),
    ] {
        for style in [PLAIN, FULL] {
            let text = plan_text(&made, &two_stages(), style);
            assert!(text.starts_with(line), "{text}");
            assert_eq!(text.matches("not looked at").count(), 1, "{text}");
            assert!(text.contains("--require kubernetes"), "{text}");
        }
        let markdown = plan_markdown(&made, &two_stages());
        assert!(markdown.starts_with(&format!("> {line}")), "{markdown}");
        let json: serde_json::Value =
            serde_json::from_str(&plan_json(&made, &two_stages())).unwrap();
        assert_eq!(
            json["clusters"]["prod-a.k8s.foo.bar"]["unseen"]["kind"],
            "credentials"
        );
        assert!(json["clusters"]["prod-b.k8s.foo.bar"]["unseen"].is_null());
        assert_eq!(json["summary"]["total"]["clusters_not_looked_at"], 1);
        assert_eq!(
            plan_from_json(&plan_json(&made, &two_stages())).unwrap(),
            made
        );
    }
    let many: Vec<Cluster> = (0..30)
        .map(|n| unseen(Cluster::new(&format!("prod-{n:02}"))))
        .collect();
    let text = plan_text(&plan(many), &two_stages(), PLAIN);
    assert!(text.contains("… and 10 more clusters"), "{text}");
}

#[test]
fn a_dry_run_without_an_answer_is_not_known() {
    use kfleet::model::DryRun;
    let known = |tasks: &[&str]| DryRun::Known {
        tasks: tasks.iter().map(ToString::to_string).collect(),
        text: "Will modify\u{1b}[2J resources:\n".into(),
    };
    let not_known = DryRun::NotKnown {
        why: "`kops update cluster` was killed".into(),
    };
    let found = [
        ("a.example.com", known(&[])),
        (
            "b.example.com",
            known(&["LaunchTemplate/n", "ManagedFile/m"]),
        ),
        ("c.example.com", not_known),
    ];
    let found = found
        .map(|(name, found)| (name.parse().unwrap(), found))
        .into();
    assert_eq!(
        kfleet::report::dry_runs_text(&found, PLAIN),
        "kops update of a.example.com, with what git has: nothing: all of it is carried out\n\
         kops update of b.example.com, with what git has: 2 tasks: LaunchTemplate/n, ManagedFile/m\n\
         kops update of c.example.com, with what git has: not known: `kops update cluster` was killed\n"
    );
    let full = kfleet::report::dry_runs_text(&found, FULL);
    assert!(
        full.contains("\n    Will modify") && !full.contains('\u{1b}'),
        "{full}"
    );
}
