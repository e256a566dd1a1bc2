//! Lifecycle hooks, which cost a call for each group: read with the groups where they are few, else only when asked for, and looked at before a
//! write whatever was read.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::BTreeMap;

use serde_json::Value;

use crate::bed::{Bed, Eyes, REGION, changed_fields};
use crate::support::{Call, Server, counted, server_or_skip};

const CLUSTER: &str = "staging-globex.k8s.foo.bar";
/// Groups of the cluster as it comes.
const OWN: usize = 10;

/// The cluster, as kops built it, with so many groups more.
fn bed(server: &'static Server, more: usize) -> Bed {
    let bed = Bed::new(server, &[CLUSTER], Eyes::Closed);
    bed.write(
        "templates/9_more.yaml.j2",
        &format!(
            "{{% for n in range(100, {}) %}}\n---\napiVersion: kops.k8s.io/v1alpha2\nkind: InstanceGroup\nmetadata:\n  name: more-{{{{ n }}}}\n  labels:\n    \
             kops.k8s.io/cluster: {{{{ cluster.name }}}}\nspec:\n  role: Node\n  image: {{{{ image }}}}\n  machineType: m5.large\n  minSize: 0\n  maxSize: 3\n  \
             subnets: [{{{{ zones[0] }}}}]\n{{% endfor %}}\n",
            100 + more
        ),
    );
    bed.seed("1");
    bed
}

/// The calls that ask for hooks in what this command did.
#[track_caller]
fn asked(bed: &Bed, words: &str, code: i32) -> (usize, String) {
    bed.server.forget_log(&bed.staging);
    let said = bed.run(words).ends(code);
    (
        counted(&bed.server.log(&bed.staging))
            .get("DescribeLifecycleHooks")
            .copied()
            .unwrap_or(0),
        said.out + &said.err,
    )
}

#[test]
fn hooks_of_many_groups_are_read_only_when_asked_for() {
    let Some(server) = server_or_skip("hooks_of_many_groups_are_read_only_when_asked_for") else {
        return;
    };
    for (more, read, all) in [(0, OWN, OWN), (90, 100, 100), (91, 0, 101), (110, 0, 120)] {
        let bed = bed(server, more);
        let (calls, said) = asked(&bed, "plan --stats", 0);
        assert_eq!(calls, read, "{more} more groups\n{said}");
        assert_eq!(said.contains("DescribeLifecycleHooks"), read > 0, "{said}");
        let unread = format!(
            "not compared: the lifecycle hooks of {} groups, more than are read",
            OWN + more
        );
        assert_eq!(
            said.contains(&unread) && said.contains("`--hooks` compares them"),
            read == 0,
            "{said}"
        );
        let (calls, said) = asked(&bed, "plan --hooks", 0);
        assert_eq!(
            (calls, said.contains("not compared")),
            (all, false),
            "{said}"
        );
        let count = |plan: &Value| {
            plan["clusters"][CLUSTER]["hooks_not_compared"]
                .as_u64()
                .unwrap_or(0)
        };
        let json = bed.plan(0);
        assert_eq!(count(&json), if read == 0 { all as u64 } else { 0 });
        assert_eq!(
            json["summary"]["total"]["hooks_not_compared"].as_u64(),
            (read == 0).then_some(all as u64)
        );
    }
}

fn changed_by_hand(server: &Server, bed: &Bed) {
    for group in ["more-100", "more-101"] {
        let (asg, hook) = (
            format!("{group}.{CLUSTER}"),
            format!("{group}-NTHLifecycleHook"),
        );
        let timeout = [
            ("AutoScalingGroupName", &*asg),
            ("LifecycleHookName", &hook),
            ("HeartbeatTimeout", "999"),
        ];
        let whole = [
            ("DefaultResult", "CONTINUE"),
            (
                "LifecycleTransition",
                "autoscaling:EC2_INSTANCE_TERMINATING",
            ),
        ];
        server.by_hand(
            &bed.staging,
            REGION,
            "PutLifecycleHook",
            &[timeout.as_slice(), &whole].concat(),
        );
    }
}

/// Groups that are asked for their hooks by themselves.
fn only_the_written_are_asked(log: &[Call], said: &str) {
    // One look before each of the two writes, the second of which was none; nothing is read of the other groups.
    let asked_of = |group: &str| {
        log.iter()
            .filter(|c| {
                c.action() == "DescribeLifecycleHooks"
                    && c.parameter("AutoScalingGroupName") == Some(&format!("{group}.{CLUSTER}"))
            })
            .count()
    };
    assert_eq!(
        (
            asked_of("more-102"),
            asked_of("more-101"),
            asked_of("more-103")
        ),
        (1, 0, 0),
        "{said}"
    );
}

fn both_hooks_are_named(bed: &Bed) {
    let found = changed_fields(
        &serde_json::from_str(&bed.run("plan --hooks --format json").ends(2).out).unwrap(),
    );
    let hook = |group: &str| format!("lifecycleHooks.{group}-NTHLifecycleHook.HeartbeatTimeout");
    let expected = [
        (
            "more-100",
            vec!["autoScalingGroup.MaxSize".to_owned(), hook("more-100")],
        ),
        ("more-101", vec![hook("more-101")]),
    ];
    assert_eq!(
        found,
        expected
            .into_iter()
            .map(|(g, f)| (format!("{g}.{CLUSTER}"), f))
            .collect()
    );
}

/// Somebody changed the hooks of two groups by hand, and git wants one of the two otherwise.
#[test]
fn hooks_that_were_not_read_are_looked_at_before_the_write() {
    let Some(server) = server_or_skip("hooks_that_were_not_read_are_looked_at_before_the_write")
    else {
        return;
    };
    let bed = bed(server, 95);
    changed_by_hand(server, &bed);
    bed.plan_is_empty();
    bed.change(
        "templates/9_more.yaml.j2",
        "maxSize: 3",
        "maxSize: {{ 4 if n in [100, 102] else 3 }}",
    );
    let max = "autoScalingGroup.MaxSize";
    let only_max = |groups: &[&str]| {
        groups
            .iter()
            .map(|g| (format!("{g}.{CLUSTER}"), vec![max.to_owned()]))
            .collect::<BTreeMap<_, _>>()
    };
    assert_eq!(
        changed_fields(&bed.plan(2)),
        only_max(&["more-100", "more-102"])
    );

    // The rollout does not overwrite what nobody looked at.
    server.forget_log(&bed.staging);
    let said = bed.run("rollout start").ends(5);
    let (text, log) = (said.out.clone() + &said.err, server.log(&bed.staging));
    assert!(
        text.contains(
            "more-100.staging-globex.k8s.foo.bar is not as expected: lifecycle hooks differ"
        ),
        "{text}"
    );
    let written: Vec<_> = log
        .iter()
        .filter(|c| {
            c.mutates()
                && c.parameter("AutoScalingGroupName")
                    == Some("more-100.staging-globex.k8s.foo.bar")
        })
        .collect();
    assert!(written.is_empty(), "{written:?}");
    only_the_written_are_asked(&log, &text);
    bed.run("rollout abort --quiet");

    // Who asks for them has them named and put right.
    both_hooks_are_named(&bed);
    bed.rolls_out("start --hooks");
    bed.run("plan --hooks").ends(0);
    bed.plan_is_empty();

    // Where there is nothing to do, who might have written something has asked no group by itself either.
    server.forget_log(&bed.staging);
    bed.run("rollout start").ends(0);
    let calls = counted(&server.log(&bed.staging));
    assert_eq!(
        (
            calls.get("DescribeLifecycleHooks"),
            calls.get("DescribeInstanceRefreshes")
        ),
        (None, None),
        "{calls:?}"
    );
}

/// A snapshot says what was not read, and a rehearsal on it finds nothing to do to hooks.
#[test]
fn a_snapshot_without_hooks_says_so() {
    let Some(server) = server_or_skip("a_snapshot_without_hooks_says_so") else {
        return;
    };
    let bed = bed(server, 95);
    let said = bed.run("snapshot --out live.json").ends(0);
    assert!(
        said.err
            .contains("; the lifecycle hooks of 105 groups were not read: `--hooks` does"),
        "{}",
        said.err
    );
    let hooks = |file: &str| -> Vec<Value> {
        let json: Value = serde_json::from_str(&bed.read(file)).unwrap();
        json["live"]["clusters"][CLUSTER]["groups"]
            .as_object()
            .unwrap()
            .values()
            .map(|g| g["hooks"].clone())
            .collect()
    };
    assert!(hooks("live.json").iter().all(|h| h == "not-read"));
    let said = bed.run("snapshot --hooks --out whole.json").ends(0);
    assert!(!said.err.contains("hooks"), "{}", said.err);
    assert!(hooks("whole.json").iter().all(Value::is_object));
    bed.change("templates/9_more.yaml.j2", "maxSize: 3", "maxSize: 4");
    let said = bed.run("rehearse --snapshot live.json").ends(0);
    let text = said.out + &said.err;
    assert!(
        text.contains(
            "the lifecycle hooks of 105 groups are not in the snapshot, and count as git wants them"
        ),
        "{text}"
    );
    assert!(!text.contains("lifecycleHooks"), "{text}");
}
