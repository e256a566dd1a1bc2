//! The smallest ClusterRole that kfleet needs, for the administrator who has to grant it. Makes no calls.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{DRAIN_RIGHTS, LOOK_RIGHTS, VOLUME_RIGHTS, WATCH_RIGHTS};

/// The smallest ClusterRole, as YAML.
pub fn cluster_role() -> String {
    smallest_role().join("\n") + "\n"
}

/// The ClusterRole, a line each: one rule a resource.
pub(super) fn smallest_role() -> Vec<String> {
    let mut rules: BTreeMap<(&str, &str, Option<&str>), BTreeSet<&str>> = BTreeMap::new();
    let rights = LOOK_RIGHTS
        .iter()
        .chain(&WATCH_RIGHTS)
        .chain(&DRAIN_RIGHTS)
        .chain(&VOLUME_RIGHTS);
    for right in rights {
        let of = (right.group, right.resource, right.name);
        rules.entry(of).or_default().insert(right.verb);
    }
    let rules = rules.into_iter().map(|((group, resource, name), verbs)| {
        let group = if group.is_empty() { "\"\"" } else { group };
        let names = name.map(|n| format!("resourceNames: [{n}], "));
        let names = names.unwrap_or_default();
        let verbs = verbs.into_iter().collect::<Vec<_>>().join(", ");
        format!("  - {{apiGroups: [{group}], resources: [{resource}], {names}verbs: [{verbs}]}}")
    });
    [
        "apiVersion: rbac.authorization.k8s.io/v1",
        "kind: ClusterRole",
        "metadata: {name: kfleet}",
        "rules:",
    ]
    .map(str::to_owned)
    .into_iter()
    .chain(rules)
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is printed, and what docs/kubernetes.md prints, is what is asked for: nothing is missing in it, and nothing is too much.
    #[test]
    fn the_page_prints_the_smallest_role() {
        let page = include_str!("../../docs/kubernetes.md");
        let mut text = page
            .split("```yaml")
            .filter_map(|block| block.split("```").next());
        let found = text
            .find(|block| block.contains("kind: ClusterRole\n"))
            .expect("the page prints a ClusterRole");
        let sorted = |lines: Vec<&str>| {
            let mut lines: Vec<String> = lines.into_iter().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        let role = smallest_role();
        assert_eq!(
            sorted(found.trim().lines().collect()),
            sorted(role.iter().map(String::as_str).collect())
        );
    }
}
