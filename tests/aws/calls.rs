//! What a plan costs: calls by API for 10, 100 and 1,000 groups, printed, and held against the budget.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::BTreeMap;
use std::io::Write as _;

use serde_json::{Value, json};

use crate::bed::{Bed, Eyes, REGION};
use crate::support::{counted, server_or_skip};

const CLUSTER: &str = "staging-globex.k8s.foo.bar";

/// Calls that one plan of an account and region may make for so many groups. Pages are of 100 where AWS allows that.
fn budget(action: &str, groups: usize) -> usize {
    let pages = groups.div_ceil(100);
    match action {
        "DescribeAutoScalingGroups" => pages,
        // Versions are read by the ids of templates that are no longer followed by `$Latest`, in pages of 200.
        "DescribeLaunchTemplateVersions" | "DescribeLaunchTemplates" => 2 * pages + 2,
        "DescribeInstances" | "DescribeAutoScalingInstances" | "DescribeScalingActivities" => {
            pages + 2
        }
        // The one API that takes a single group: beyond a hundred of them hooks are read when asked for (see `hooks`).
        "DescribeLifecycleHooks" => {
            if groups <= 100 {
                groups
            } else {
                0
            }
        }
        _ => 4,
    }
}

#[test]
fn calls_grow_with_pages_of_a_hundred_groups() {
    let Some(server) = server_or_skip("calls_grow_with_pages_of_a_hundred_groups") else {
        return;
    };
    let mut lines = vec![format!(
        "{:<34} {:>7} {:>7} {:>7}",
        "calls of one plan", 10, 100, 1_000
    )];
    let mut table: BTreeMap<String, [usize; 3]> = BTreeMap::new();
    for (column, groups) in [10, 100, 1_000].into_iter().enumerate() {
        let bed = Bed::new(server, &[CLUSTER], Eyes::Closed);
        bed.seed("1");
        let definitions = bed.definitions(CLUSTER);
        let own = definitions.len();
        // Others of the same cluster, as many as it takes; what a plan thinks of them is not the point here.
        let mut model = definitions
            .into_iter()
            .find(|d| d["autoScalingGroup"]["MixedInstancesPolicy"].is_object())
            .unwrap();
        model["autoScalingGroup"]["MinSize"] = json!(0);
        // A few at a time: nobody else is served meanwhile.
        for first in (0..groups - own).step_by(100) {
            let count = 100.min(groups - own - first);
            let more = json!({"account": bed.staging, "region": REGION, "cluster": CLUSTER, "definition": model, "version": "1", "first": first, "count": count});
            assert_eq!(
                server.order("many", &more)["groups"]
                    .as_array()
                    .map_or(0, Vec::len),
                count
            );
        }
        server.forget_log(&bed.staging);
        let plan = bed.plan(if groups > own { 2 } else { 0 });
        let retired = plan["clusters"][CLUSTER]["groups"]
            .as_object()
            .unwrap()
            .values()
            .filter(|g: &&Value| g.get("retire").is_some())
            .count();
        assert_eq!(retired, groups - own, "all of them were read");
        for (action, calls) in counted(&server.log(&bed.staging)) {
            table.entry(action).or_default()[column] = calls;
        }
    }
    let mut over = Vec::new();
    for (action, counts) in &table {
        lines.push(format!(
            "{action:<34} {:>7} {:>7} {:>7}",
            counts[0], counts[1], counts[2]
        ));
        for (calls, groups) in counts.iter().zip([10, 100, 1_000]) {
            if *calls > budget(action, groups) {
                over.push(format!(
                    "{action}: {calls} calls for {groups} groups, and the budget is {}",
                    budget(action, groups)
                ));
            }
        }
    }
    std::io::stderr()
        .write_all((lines.join("\n") + "\n").as_bytes())
        .unwrap();
    assert!(over.is_empty(), "{}\n{}", over.join("\n"), lines.join("\n"));
}
