//! What goes wrong in the cloud: it ends rolled back, stuck with advice, or as if nothing had been, and never half done.

use std::collections::BTreeMap;

use crate::bed::{Bed, NEW_IMAGE, OLD_IMAGE, assert_same, desired_moved, event};

fn image() -> String {
    format!("099720109477/ubuntu/images/hvm-ssd-gp3/{NEW_IMAGE}")
}

#[test]
fn an_image_that_never_turns_ready_is_rolled_back() {
    let bed = Bed::with_new_image();
    let (desired, digests) = (bed.desired(), bed.digests());
    let said = bed
        .run(&format!(
            "rollout start --auto-approve --fault sick-image:{}",
            image()
        ))
        .ends(4);
    assert!(said.out.contains(": rolled back\n"), "{}", said.out);
    assert!(
        said.out.contains("has a node that is not Ready"),
        "{}",
        said.out
    );
    assert!(
        said.out
            .ends_with("[local] next: mend in git what failed, then plan and roll out again\n"),
        "{}",
        said.out
    );
    assert!(
        bed.records().iter().all(|r| !event(r).1["cluster"]
            .as_str()
            .unwrap_or_default()
            .starts_with("prod-")),
        "prod was touched"
    );
    bed.assert_at_rest();
    // The autoscaler moves what has room to move; the control plane has none, and it is what was touched.
    let control_plane = |d: BTreeMap<String, u64>| {
        d.into_iter()
            .filter(|(g, _)| g.starts_with("control-plane-"))
            .collect::<BTreeMap<_, _>>()
    };
    assert_eq!(control_plane(bed.desired()), control_plane(desired));
    assert_eq!(
        desired_moved(&bed.records()),
        BTreeMap::new(),
        "surge is left"
    );
    assert_eq!(bed.digests(), digests);
    // Exactly the change that was asked for is still to be made.
    let plan = bed.run("plan").ends(2);
    assert!(
        plan.out.contains("staging    2 of 2         -        20"),
        "{}",
        plan.out
    );
    assert!(
        plan.out.contains("prod       3 of 3         -        36"),
        "{}",
        plan.out
    );
    assert!(
        bed.run("rollout resume")
            .ends(0)
            .err
            .contains("nothing to resume")
    );
}

#[test]
fn a_drain_that_never_ends_is_stuck_until_somebody_acts() {
    let bed = Bed::with_new_image();
    let said = bed
        .run("rollout start --auto-approve --fault stuck-drain:spot-4x-16gb")
        .ends(5);
    assert!(
        said.out.contains("STUCK until a person acts"),
        "{}",
        said.out
    );
    // The node, the pod, and the budget that holds it.
    assert!(
        said.out.contains("spot-4x-16gb: the drain of ip-"),
        "{}",
        said.out
    );
    assert!(
        said.out.contains("held: default/spot-4x-16gb-app-"),
        "{}",
        said.out
    );
    assert!(
        said.out
            .contains(" by disruption budget default/spot-4x-16gb-app-"),
        "{}",
        said.out
    );
    // A pipeline is told what is waited for while nothing else happens.
    let waits = |line: &&str| line.contains("spot-4x-16gb: waits: ") && line.contains("drain");
    assert!(said.err.lines().any(|line| waits(&line)), "{}", said.err);
    // Another process knows it from the store.
    let status = bed.run("rollout status").ends(5).out;
    assert!(
        status.contains("waited for at ") && status.contains("spot-4x-16gb: waits: "),
        "{status}"
    );
    let json = bed.run("rollout status --format json").ends(5).out;
    assert!(json.contains("\"waits\": {"), "{json}");
    // It was known beforehand: in the plan, and before the cluster was touched.
    let known = "disruption budget default/spot-4x-16gb-app-0 allows no disruption now: it holds ";
    assert!(
        said.out
            .contains(&format!("note: in the way of drains: {known}")),
        "{}",
        said.out
    );
    assert!(
        said.err
            .contains(&format!("will stand in the way of drains: {known}")),
        "{}",
        said.err
    );
    assert!(
        bed.run("rollout status")
            .ends(5)
            .out
            .to_lowercase()
            .contains("stuck")
    );
    bed.run("rollout resume --auto-approve --quiet").ends(0);
    bed.run("plan").ends(0);
    bed.assert_at_rest();
}

#[test]
fn calls_that_fail_for_a_while_change_nothing_about_the_end() {
    let quiet = Bed::with_new_image();
    quiet.run("rollout start --auto-approve --quiet").ends(0);
    for fault in ["throttle:5", "lost-answer:5"] {
        let bed = Bed::with_new_image();
        bed.run(&format!(
            "rollout start --auto-approve --quiet --fault {fault}"
        ))
        .ends(0);
        bed.run("plan").ends(0);
        bed.assert_at_rest();
        assert_eq!(bed.digests(), quiet.digests(), "{fault}");
        assert_eq!(
            desired_moved(&bed.records()),
            BTreeMap::new(),
            "{fault}: surge is left"
        );
    }
}

/// Faults about what is not there, what is said of each, and the way out.
fn typing_errors() -> Vec<(String, String, String)> {
    let old = image().replace(NEW_IMAGE, OLD_IMAGE);
    let typo = image().replace("ubuntu-noble", "ubuntu-nobel");
    let near = |text: &str| format!("did you mean `{text}`?");
    let about = |text: &str| format!("a fault or an act is about {text}, which is not there");
    [
        (
            "stuck-drain:spot-4x-16bg",
            "group spot-4x-16bg",
            near("spot-4x-16gb"),
        ),
        (
            "no-kubernetes:prod.elsewhere",
            "cluster prod.elsewhere",
            "there is prod-acme.k8s.foo.bar, ".into(),
        ),
        (
            "no-etcd:spot-4x-16gb",
            "control-plane group spot-4x-16gb",
            "there is control-plane-eu-west-3a, ".into(),
        ),
        (
            "no-capacity-of:r5.24xlarge@*",
            "instance type r5.24xlarge",
            near("m5.2xlarge"),
        ),
        (
            "no-capacity-of:*@eu-west-3z",
            "zone eu-west-3z",
            near("eu-west-3a"),
        ),
        (
            "no-capacity:spot-4x-16gb:c5.24xlarge@",
            "instance type of group spot-4x-16gb c5.24xlarge",
            String::new(),
        ),
        (
            "no-capacity:spot-4x-16gb:@eu-west-1a",
            "zone of group spot-4x-16gb eu-west-1a",
            near("eu-west-3a"),
        ),
    ]
    .into_iter()
    .map(|(fault, what, hint)| (fault.to_owned(), about(what), hint))
    .chain(
        ["sick-image", "sick-pods", "sick-etcd", "dead-image"].map(|kind| {
            (
                format!("{kind}:{typo}"),
                about(&format!("image {typo}")),
                near(&image()),
            )
        }),
    )
    .chain([(
        "sick-pods:ami-0123456789abcdef0".to_owned(),
        about("image ami-0123456789abcdef0"),
        format!("there is {old}"),
    )])
    .collect()
}

#[test]
fn a_fault_about_something_that_is_not_there_is_refused() {
    let bed = Bed::with_new_image();
    let before = bed.tree();
    let cases = typing_errors();
    for (fault, text, hint) in &cases {
        for command in ["rollout start --auto-approve", "rehearse", "plan"] {
            let said = bed.run(&format!("{command} --fault {fault}")).ends(1);
            assert!(
                said.err.contains(text) && said.err.contains(hint),
                "{}",
                said.err
            );
        }
    }
    std::fs::write(
        bed.path("play.yaml"),
        "version: 1\nscenario:\n  - {act: \"reclaim:nodes:1\", when: pin-version nodes}\n",
    )
    .unwrap();
    let said = bed
        .run(&format!(
            "rehearse --scenario {}",
            bed.path("play.yaml").display()
        ))
        .ends(1);
    assert!(
        said.err.contains("about group nodes, which is not there"),
        "{}",
        said.err
    );
    std::fs::remove_file(bed.path("play.yaml")).unwrap();
    assert_eq!(bed.tree(), before);
}

#[test]
fn whoever_takes_up_a_rollout_misspells_no_image_either() {
    let bed = Bed::with_new_image();
    bed.run("rollout start --quiet").ends(3);
    let before = bed.tree();
    for command in ["rollout resume", "rollout rollback --reason no"] {
        let said = bed
            .run(&format!("{command} --fault sick-pods:{}x", image()))
            .ends(1);
        assert!(
            said.err.contains(&format!("did you mean `{}`?", image())),
            "{}",
            said.err
        );
    }
    assert_eq!(bed.tree(), before);
}

#[test]
fn the_wrong_account_is_noticed_before_anything_is_written() {
    let bed = Bed::with_new_image();
    let before = bed.tree();
    let said = bed
        .run("rollout start --auto-approve --fault wrong-account:prod-acme.k8s.foo.bar")
        .ends(1);
    assert!(
        said.err
            .contains("error: prod-acme.k8s.foo.bar belongs to account 111122223333"),
        "{}",
        said.err
    );
    assert!(said.err.contains("nothing was written"), "{}", said.err);
    assert_same(&before, &bed.tree());
    bed.run("rollout start --auto-approve --quiet").ends(0);
}

#[test]
fn a_cluster_that_cannot_be_read_is_blocked() {
    let bed = Bed::with_new_image();
    let said = bed
        .run("plan --fault no-read:prod-acme.k8s.foo.bar")
        .ends(2);
    assert!(said.out.contains("blocked"), "{}", said.out);
    let before = bed.tree();
    bed.run("rollout start --auto-approve --fault no-read:prod-acme.k8s.foo.bar")
        .ends(1);
    assert_same(&before, &bed.tree());
}

#[test]
fn credentials_that_are_over_pause_it_until_somebody_logs_in() {
    let bed = Bed::with_new_image();
    bed.write(
        "over.yaml",
        "version: 1\nscenario:\n  - {fault: expired-credentials, after: 25m, for: 4h}\n",
    );
    let scenario = bed.path("over.yaml").display().to_string();
    let said = bed
        .run(&format!(
            "rollout start --auto-approve --scenario {scenario}"
        ))
        .ends(3);
    assert!(
        said.err
            .contains("no valid credentials for account 222233334444: ExpiredToken"),
        "{}",
        said.err
    );
    assert!(
        said.err
            .contains("log in again, then `kfleet rollout resume "),
        "{}",
        said.err
    );
    let records = bed.records();
    let (kind, fields) = event(records.last().unwrap());
    assert_eq!(kind, "paused");
    assert!(
        fields["why"]
            .as_str()
            .unwrap()
            .starts_with("no valid credentials for account 222233334444: "),
        "{fields}"
    );
    assert!(
        records
            .iter()
            .all(|r| !matches!(event(r).0, "failed" | "stuck" | "rollback-started"))
    );
    // Not logged in yet: the same again.
    bed.run("rollout resume --auto-approve --quiet --fault expired-credentials")
        .ends(3);
    bed.run("rollout resume --auto-approve --quiet").ends(0);
    bed.run("plan").ends(0);
    bed.assert_at_rest();
}
