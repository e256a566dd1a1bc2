//! Rules of a team's own: those of the page, and what is wrong with others, through the binary.

use serde_json::Value;

use crate::bed::Bed;

/// The files that the page shows, by their name.
fn of_page() -> Vec<(String, String)> {
    let page = include_str!("../../docs/policies.md");
    let blocks = page.split("```yaml ").skip(1);
    let file = |block: &str| {
        let (name, rest) = block.split_once('\n').unwrap();
        (
            name.to_owned(),
            rest.split("```").next().unwrap().to_owned(),
        )
    };
    blocks.map(file).collect()
}

fn found(bed: &Bed, rule: &str) -> Vec<Value> {
    let said = bed.run("lint --format json --fail-on error");
    let report: Value =
        serde_json::from_str(&said.out).unwrap_or_else(|e| panic!("{e}: {}", said.err));
    let all = report["findings"].as_array().unwrap().iter();
    all.filter(|f| f["rule"] == rule).cloned().collect()
}

#[test]
fn the_rules_of_the_page_find_what_they_say() {
    let bed = Bed::new();
    let files = of_page();
    assert_eq!(files.len(), 3);
    for (name, text) in &files {
        bed.write(name, text);
    }
    let owners = found(&bed, "ACME-OWNER");
    assert!(!owners.is_empty());
    for finding in &owners {
        assert!(
            finding["subject"]
                .as_str()
                .unwrap()
                .starts_with("InstanceGroup/")
        );
        assert!(finding["what"].as_str().unwrap().contains("acme.com/owner"));
    }
    let ceiling = found(&bed, "ACME-CEILING");
    assert!(
        ceiling
            .iter()
            .all(|f| f["cluster"].as_str().unwrap().starts_with("staging"))
    );
    // They are told, waived and switched off as the others, and they block as the others.
    let told = bed.run("lint --explain acme-owner").ends(0);
    assert!(
        told.out.contains("Three weeks of a forgotten GPU group"),
        "{}",
        told.out
    );
    assert!(bed.run("lint --list").ends(0).out.contains("ACME-SPREAD"));
    let said = bed.run("rollout start --auto-approve").ends(1);
    assert!(said.err.contains("ACME-OWNER"), "{}", said.err);
    bed.change(
        "fleet.yaml",
        "lint:\n",
        "lint:\n  levels: {ACME-OWNER: \"off\"}\n",
    );
    assert_eq!(found(&bed, "ACME-OWNER").len(), 0);
    // An owner in the template, and nothing is found.
    bed.change("fleet.yaml", "ACME-OWNER: \"off\"", "ACME-CEILING: \"off\"");
    assert!(!found(&bed, "ACME-OWNER").is_empty());
    bed.write("policies/none.txt", "not one of the rules");
    bed.run("lint --fail-on error").ends(2);
}

#[test]
fn what_cannot_be_evaluated_is_never_a_pass() {
    let bed = Bed::new();
    let rule = |check: &str| {
        format!(
            "- {{id: ACME, title: t, severity: error, over: cluster, check: '{check}', what: w}}\n"
        )
    };
    for (check, part) in [
        ("cluster.spec.nothing == 1", "`nothing`"),
        ("clutser.name == \"\"", "`clutser`"),
        ("cluster.name", "true or false"),
        ("cluster.name > 1", "not checked"),
    ] {
        bed.write("policies/a.yaml", &rule(check));
        let said = bed.run("lint --verbose");
        assert!(
            said.out.contains("not checked: ACME"),
            "{check}: {}{}",
            said.out,
            said.err
        );
        assert!(said.out.contains(part), "{check}: {}", said.out);
    }
    for (text, part) in [
        (rule("1 +"), "policies/a.yaml: ACME, `check`"),
        ("- {id: L01}".to_owned(), "policies/a.yaml: "),
        (
            rule("true").replace("ACME", "L01"),
            "there is a rule L01 already",
        ),
        ("\u{0}".to_owned(), "policies/a.yaml: "),
    ] {
        bed.write("policies/a.yaml", &text);
        bed.refuses("lint", &[part]);
    }
}

#[test]
fn what_has_one_safe_answer_is_shown_and_then_mended() {
    let bed = Bed::new();
    bed.run("lint --fix").ends(0);
    bed.change(
        "snippets/instance_metadata.yaml",
        "httpTokens: required",
        "httpTokens: optional # for now",
    );
    let spot = "templates/4_spot-nodes.yaml.j2";
    bed.change(
        spot,
        "  machineType: {{ types | first }}\n",
        "  machineType: {{ types | first }}\n  maxPrice: \"0.10\"\n",
    );
    let before = bed.tree();
    let said = bed.run("lint --fix").ends(2);
    for line in [
        "-httpTokens: optional # for now",
        "+httpTokens: required # for now",
        "-  maxPrice: \"0.10\"",
        "--- a/templates/4_spot-nodes.yaml.j2",
    ] {
        assert!(
            said.out.lines().any(|l| l == line),
            "{line}\n{}{}",
            said.out,
            said.err
        );
    }
    crate::bed::assert_same(&before, &bed.tree());
    bed.run("lint --fix --yes").ends(0);
    assert_eq!(found(&bed, "S16").len() + found(&bed, "L16").len(), 0);
    assert!(!bed.read(spot).contains("maxPrice"));
    // What an expression writes is left to a person.
    bed.change(
        spot,
        "  machineType: {{ types | first }}\n",
        "  machineType: {{ types | first }}\n  maxPrice: \"{{ 1 + 1 }}\"\n",
    );
    let before = bed.tree();
    let said = bed.run("lint --fix --yes").ends(0);
    assert!(
        said.err.contains("a person has to change it"),
        "{}",
        said.err
    );
    crate::bed::assert_same(&before, &bed.tree());
}

#[test]
fn what_a_var_says_is_mended_where_it_is_set() {
    let bed = Bed::new();
    let open = "\"additionalProperties\": false,\n  \"required\": [\"kubernetes";
    bed.change("vars/schema.json", open, &open.replace("false", "true"));
    bed.change(
        "vars/defaults.yaml",
        "  max_pods: 110\n",
        "  max_pods: 110\n\nnodes:\n  imds: optional # for now\n  strategy: lowest-price\n",
    );
    let staging = bed.read("vars/staging.yaml");
    let more = "\nnodes: {max_price: \"0.10\", imds: optional}\n";
    bed.write("vars/staging.yaml", &format!("{staging}{more}"));
    let imds = "snippets/instance_metadata.yaml";
    bed.change(imds, "httpTokens: required", "httpTokens: {{ nodes.imds }}");
    let spot = "templates/4_spot-nodes.yaml.j2";
    bed.change(
        spot,
        "    spotAllocationStrategy: price-capacity-optimized\n",
        "    spotAllocationStrategy: {{ nodes.strategy }}\n",
    );
    bed.change(
        spot,
        "  rollingUpdate:\n",
        "{% if nodes.max_price is defined %}\n  maxPrice: \"{{ nodes.max_price }}\"\n{% endif %}\n  capacityRebalance: true\n  rollingUpdate:\n",
    );
    let before = bed.tree();
    let said = bed.run("lint --fix").ends(2);
    for line in [
        "-  imds: optional # for now",
        "+  imds: required # for now",
        "-  strategy: lowest-price",
        "+  strategy: price-capacity-optimized",
        "-nodes: {max_price: \"0.10\", imds: optional}",
        "+nodes: {imds: required}",
        "-  capacityRebalance: true",
    ] {
        let is_line = said.out.lines().any(|l| l == line);
        assert!(is_line, "{line}\n{}{}", said.out, said.err);
    }
    // Vars come first, and nothing is written before it is agreed to.
    let at = |name: &str| said.out.find(&format!("--- a/{name}")).unwrap();
    assert!(at("vars/staging.yaml") < at(spot), "{}", said.out);
    crate::bed::assert_same(&before, &bed.tree());
    bed.run("lint --fix --yes").ends(0);
    for rule in ["S16", "L09", "L12", "L16", "L17"] {
        assert_eq!(found(&bed, rule), Vec::<Value>::new(), "{rule}");
    }
    assert!(bed.read(spot).contains("{{ nodes.strategy }}"));
    // A value that no var is, but makes: a person has to say which.
    bed.change(
        spot,
        "{{ nodes.strategy }}",
        "{{ \"lowest-\" ~ \"price\" }}",
    );
    let said = bed.run("lint --fix").ends(0);
    assert!(said.err.contains("the value of one var"), "{}", said.err);
}

#[test]
fn what_runs_is_held_against_the_sizes_of_git() {
    let bed = crate::shards::with_other_nodes();
    let vars = "vars/prod-a.k8s.foo.bar.yaml";
    bed.change(vars, "min: 2, max: 4", "min: 4, max: 6");
    let said = bed.run("lint --verbose");
    assert!(said.out.contains("not checked: L15"), "{}", said.out);
    let live = |bed: &Bed| -> Value {
        let said = bed.run("lint --live --format json");
        serde_json::from_str(&said.out).unwrap_or_else(|e| panic!("{e}: {}", said.err))
    };
    let of = |report: &Value, list: &str| -> Vec<Value> {
        let all = report[list].as_array().unwrap().iter();
        all.filter(|f| f["rule"] == "L15").cloned().collect()
    };
    let report = live(&bed);
    let found = of(&report, "findings");
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0]["cluster"], "prod-a.k8s.foo.bar");
    assert!(
        found[0]["what"]
            .as_str()
            .unwrap()
            .starts_with("minSize 4 starts instances")
    );
    assert_eq!(of(&report, "notChecked").len(), 0);
    bed.change(vars, "min: 4, max: 6", "min: 2, max: 4");
    assert_eq!(of(&live(&bed), "findings").len(), 0);
}
