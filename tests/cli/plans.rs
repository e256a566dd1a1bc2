//! Plans as JSON and as files that are carried out later.

use serde_json::Value;

use crate::bed::{Bed, assert_same};

#[test]
fn the_same_plan_in_every_form() {
    let bed = Bed::with_new_image();
    let id = bed.run("plan").ends(2).plan_id();
    let said = bed.run("plan --format json").ends(2);
    let plan: Value = serde_json::from_str(&said.out).unwrap();
    assert!(said.out.contains(&id), "the id is in it");
    assert!(plan.is_object());
    assert_eq!(
        bed.run("plan --format json").ends(2).out,
        said.out,
        "same input, same bytes"
    );
    let markdown = bed.run("plan --format markdown").ends(2).out;
    assert!(markdown.contains(&id), "{markdown}");
    let room = "\n- room: enough for every wave";
    assert!(markdown.contains(room), "{markdown}");
    bed.run("plan --format yaml").refuses(&[
        "'yaml'",
        "[possible values: text, json, markdown, junit, html]",
    ]);

    let one = bed.run("plan staging-acme.k8s.foo.bar").ends(2);
    assert!(
        one.out.contains("staging-acme") && !one.out.contains("staging-globex"),
        "{}",
        one.out
    );
    let stage = bed.run("plan --stage prod").ends(2);
    assert!(!stage.out.contains("staging-acme"), "{}", stage.out);
}

#[test]
fn a_saved_plan_is_carried_out() {
    let bed = Bed::with_new_image();
    let file = bed.path("plan.json").display().to_string();
    let id = bed.run(&format!("plan --out {file}")).ends(2).plan_id();
    let said = bed
        .run(&format!("rollout start --auto-approve --plan {file}"))
        .ends(0);
    assert_eq!(said.plan_id(), id);
    bed.run("plan").ends(0);
    // Once is enough.
    bed.refuses(
        &format!("rollout start --auto-approve --plan {file}"),
        &[
            "the live state has moved since the plan was made",
            "make a new plan",
        ],
    );
}

#[test]
fn a_plan_that_is_not_true_any_more_is_refused() {
    let bed = Bed::with_new_image();
    let file = bed.path("plan.json").display().to_string();
    let start = format!("rollout start --auto-approve --plan {file}");
    bed.run(&format!("plan --out {file}")).ends(2);

    bed.change(
        "vars/staging.yaml",
        "admin_nodes: {min: 2, max: 4}",
        "admin_nodes: {min: 2, max: 5}",
    );
    bed.refuses(
        &start,
        &[
            "staging-acme.k8s.foo.bar: git does not want what the plan was made for any more",
            "make a new plan",
        ],
    );
    bed.change(
        "vars/staging.yaml",
        "admin_nodes: {min: 2, max: 5}",
        "admin_nodes: {min: 2, max: 4}",
    );

    let gate = "  - {name: nodes, kind: kubernetes}\n";
    bed.change("fleet.yaml", gate, "");
    bed.refuses(
        &start,
        &[
            "fleet.yaml says something else since the plan was made: `gates`",
            "make a new plan",
        ],
    );
    let without = bed.read("fleet.yaml");
    bed.write("fleet.yaml", &format!("{without}{gate}"));

    let text = bed.read("plan.json");
    bed.write(
        "plan.json",
        &text.replacen("\"version\": 3", "\"version\": 9", 1),
    );
    bed.refuses(&start, &["plan.json", "version"]);
    bed.write("plan.json", "{");
    bed.refuses(&start, &["plan.json"]);
    bed.write("plan.json", &text.replacen("20260901", "20260902", 1));
    bed.refuses(&start, &["plan.json"]);
    bed.refuses(
        "rollout start --plan nowhere.json",
        &["cannot read nowhere.json"],
    );

    bed.write("plan.json", &text);
    let before = bed.tree();
    assert_same(&before, &bed.tree());
    bed.run(&start).ends(0);
}

/// What production taught keeps a cluster from being rolled out, until somebody puts it right or says why it is accepted, and until when.
#[test]
fn a_finding_of_lint_blocks_a_rollout_until_it_is_waived() {
    let bed = Bed::with_new_image();
    bed.change(
        "fleet.yaml",
        "  block: error\n",
        "  block: error\n  levels: {S25: error}\n",
    );
    bed.run("plan").ends(2);
    let accepted = "The descheduler is rolled out with the applications, not with the groups.\", until: 2027-12-31";
    bed.change("fleet.yaml", accepted, &accepted.replace("2027", "2024"));
    let said = bed.run("plan").ends(2);
    let fault = "S25 error: has on-demand fallbacks, and nothing that moves pods back to spot: prod-acme.k8s.foo.bar, prod-globex";
    let line = format!("lint blocks a rollout: {fault}");
    assert!(said.out.contains(&line), "{}", said.out);
    let ended = "(its waiver ended on 2024-12-31)";
    assert!(said.out.contains(ended), "{}", said.out);
    let plan: Value = serde_json::from_str(&bed.run("plan --format json").ends(2).out).unwrap();
    assert_eq!(plan["blocked_by_lint"][0]["rule"], "S25");
    assert_eq!(plan["blocked_by_lint"][0]["waiverEnded"], "2024-12-31");
    let staging = bed.run("plan staging-acme.k8s.foo.bar").ends(2).out;
    assert!(!staging.contains("prod-acme"), "{staging}");
    let junit = bed.run("plan --format junit").ends(2).out;
    let case = "<testcase name=\"S25 Cluster/prod-acme.k8s.foo.bar\"";
    assert!(junit.contains(case), "{junit}");
    let before = bed.tree();
    let said = bed.run("rollout start --auto-approve").ends(1);
    let refused = format!("lint does not let this be rolled out: {fault}");
    assert!(said.err.contains(&refused), "{}", said.err);
    assert!(said.err.contains("`lint.waivers`"), "{}", said.err);
    assert_same(&before, &bed.tree());
    bed.change(
        "fleet.yaml",
        "levels: {S25: error}",
        "levels: {S25: warning}",
    );
    let said = bed.run("plan").ends(2);
    assert!(!said.out.contains("lint blocks"), "{}", said.out);
    bed.change("fleet.yaml", "  block: error\n", "  block: fatal\n");
    bed.refuses("plan", &["`fatal` is not a level"]);
    // A rule that only a newer kfleet knows keeps nobody from planning where lint blocks nothing.
    bed.change("fleet.yaml", "  block: fatal\n", "");
    bed.change(
        "fleet.yaml",
        "levels: {S25: warning}",
        "levels: {S99: warning}",
    );
    bed.run("plan").ends(2);
}

/// A fleet with very many findings still gets a plan that can be read.
#[test]
fn very_many_blocking_findings_are_counted_by_rule() {
    let bed = Bed::with_new_image();
    let fleet = bed.read("fleet.yaml");
    let unwaived = fleet.replace("until: 2027-12-31", "until: 2024-12-31");
    bed.write(
        "fleet.yaml",
        &unwaived.replace("  block: error\n", "  block: note\n"),
    );
    bed.change(
        "vars/prod-acme.k8s.foo.bar.yaml",
        "{min: 2, max: 80}",
        "{min: 7, max: 80}",
    );
    let lines = |said: &str| -> Vec<String> {
        let lines = said
            .lines()
            .filter(|line| line.contains("lint blocks a rollout: "));
        lines.map(str::to_owned).collect()
    };
    let (short, full) = (
        bed.run("plan").ends(2).out,
        bed.run("plan --verbose").ends(2).out,
    );
    let (short, full) = (lines(&short), lines(&full));
    let is_counted = |line: &String| line.ends_with("L05 warning: 1 more finding in 1 cluster");
    assert_eq!(
        short.iter().filter(|line| is_counted(line)).count(),
        1,
        "{short:#?}"
    );
    assert!(!full.iter().any(is_counted), "{full:#?}");
    let last_of_l05 = |lines: &[String]| {
        lines
            .iter()
            .any(|line| line.contains("is spot with minSize 7: "))
    };
    assert!(
        last_of_l05(&full) != last_of_l05(&short),
        "{short:#?}\n{full:#?}"
    );
    let last = short.last().unwrap();
    assert!(
        last.contains(" findings in all, of ")
            && last.ends_with("`kfleet lint` shows each of them"),
        "{short:#?}"
    );
    let json: Value = serde_json::from_str(&bed.run("plan --format json").ends(2).out).unwrap();
    let all = json["blocked_by_lint"].as_array().unwrap().len();
    assert!(last.contains(&format!("{all} findings in all")), "{last}");
    let said = bed.run("rollout start --auto-approve").ends(1);
    assert!(
        said.err.len() < 6_000 && said.err.contains("findings in all"),
        "{}",
        said.err
    );
}

/// "Nothing in the way" and "nobody looked" are two things, and a pipeline may insist on the look.
#[test]
fn a_plan_says_whose_kubernetes_api_did_not_answer() {
    let bed = Bed::with_new_image();
    let away = "--fault no-kubernetes:staging-acme.k8s.foo.bar";
    let said = bed.run(&format!("plan {away}")).ends(2);
    let first = "! staging-acme.k8s.foo.bar: its nodes were not looked at: the Kubernetes API does not answer: connection refused";
    assert!(said.out.contains(first), "{}", said.out);
    let json: Value =
        serde_json::from_str(&bed.run(&format!("plan {away} --format json")).ends(2).out).unwrap();
    let unseen = &json["clusters"]["staging-acme.k8s.foo.bar"]["unseen"];
    assert_eq!(unseen["kind"], "silent", "{json}");
    bed.run(&format!("plan {away} --require kubernetes"))
        .refuses(&[
            "the nodes of every cluster are required",
            "staging-acme.k8s.foo.bar: the Kubernetes API does not answer",
        ]);
    bed.run("plan --require kubernetes").ends(2);
}

/// A pod that begins to crash counts after two minutes: a shorter bake sees none, and an approver is told.
#[test]
fn a_plan_says_that_a_bake_is_too_short_to_see_pods_crash() {
    let bed = Bed::with_new_image();
    let note = "pods that begin to crash on new nodes are not seen: they count when they have been unready for 2m";
    let said = bed.run("plan").ends(2).out;
    assert!(!said.contains(note), "{said}");
    bed.change("fleet.yaml", "  bake: 5m", "  bake: 119s");
    let said = bed.run("plan").ends(2).out;
    assert!(said.contains(note), "{said}");
    bed.change("fleet.yaml", "  bake: 119s", "  bake: 2m");
    let said = bed.run("plan").ends(2).out;
    assert!(!said.contains(note), "{said}");
}
