//! What `kops validate cluster` answers, read. Runs nothing.

use serde_json::Value as Json;

/// What kops found when it validated a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Validation {
    /// Nodes that it saw.
    pub nodes: usize,
    /// What it holds against the cluster, a line each: `Pod kube-system/coredns-x: ...`.
    pub failures: Vec<String>,
}

/// The last object of what it printed: there is one for each attempt, and nothing between them; none: it printed no such object.
/// Source: kops, `cmd/kops/validate_cluster.go`.
pub(super) fn validation(printed: &str) -> Option<Validation> {
    let start = printed.find('{')?;
    let objects = serde_json::Deserializer::from_str(printed.get(start..)?).into_iter::<Json>();
    let last = objects.map_while(Result::ok).last()?;
    let list = |key: &str| last.get(key).and_then(Json::as_array);
    if list("nodes").is_none() && list("failures").is_none() {
        return None;
    }
    let failures = list("failures").into_iter().flatten().map(failure);
    Some(Validation {
        nodes: list("nodes").map_or(0, Vec::len),
        failures: failures.collect(),
    })
}

fn failure(found: &Json) -> String {
    let word = |key: &str| found.get(key).and_then(Json::as_str).unwrap_or_default();
    let line = format!("{} {}: {}", word("type"), word("name"), word("message"));
    super::masked(&line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_object_counts() {
        let bad = r#"{"failures":[{"type":"Node","name":"i-1","message":"node \"i-1\" is not ready"}],"nodes":[{"name":"i-1","status":"False"}]}"#;
        let good = r#"{"nodes":[{"name":"i-1","status":"True"},{"name":"i-2","status":"True"}]}"#;
        let of = |text: &str| validation(text).map(|v| (v.nodes, v.failures));
        let failures = vec!["Node i-1: node \"i-1\" is not ready".to_owned()];
        for (text, expected) in [
            (format!("{bad}{good}"), Some((2, Vec::new()))),
            (format!("{good}{bad}"), Some((1, failures.clone()))),
            (
                format!("Validating cluster c\n\n{bad}\nError: not ready"),
                Some((1, failures)),
            ),
            (format!("{good}{{\"nodes\":["), Some((2, Vec::new()))),
            ("Error: no context".into(), None),
            ("{\"kind\":\"Status\"}".into(), None),
            (String::new(), None),
        ] {
            assert_eq!(of(&text), expected, "{text}");
        }
    }
}
