//! Values of many clusters → layers that merge to them again: what all have, what an environment has, what is a cluster's own. Knows no kops.
//!
//! Maps merge and everything else replaces, so a layer may hold a value that a later one overrides, and never one that a cluster does not have at all.

use serde_json::{Map, Value as Json};

/// What all of these have: maps key by key, of other values the one that all have, or all but one in five: the exception says so itself.
pub(super) fn shared(values: &[&Json]) -> Option<Json> {
    let maps: Vec<&Map<String, Json>> = values.iter().filter_map(|v| v.as_object()).collect();
    if maps.len() == values.len() {
        let first = maps.first()?;
        let mut out = Map::new();
        for key in first.keys() {
            let below: Vec<&Json> = maps.iter().filter_map(|m| m.get(key)).collect();
            if below.len() == maps.len() {
                out.extend(shared(&below).map(|v| (key.clone(), v)));
            }
        }
        // Maps with nothing in common: an empty one would only be read by people.
        let is_noise = out.is_empty() && maps.iter().all(|m| !m.is_empty());
        return (!is_noise).then(|| out.into());
    }
    if !maps.is_empty() {
        return None;
    }
    let count = |value: &Json| values.iter().filter(|v| **v == value).count();
    let most = values.iter().max_by_key(|v| count(v))?;
    (count(most) * 5 >= values.len() * 4).then(|| (*most).clone())
}

/// What has to be laid over `layer` to get `value`. None: nothing.
pub(super) fn rest(value: &Json, layer: &Json) -> Option<Json> {
    match (value, layer) {
        (Json::Object(value), Json::Object(layer)) => {
            let mut out = Map::new();
            for (key, value) in value {
                let rest = match layer.get(key) {
                    Some(layer) => rest(value, layer),
                    None => Some(value.clone()),
                };
                out.extend(rest.map(|v| (key.clone(), v)));
            }
            (!out.is_empty()).then(|| out.into())
        }
        (value, layer) => (value != layer).then(|| value.clone()),
    }
}

/// The dotted paths of everything in a map that is no map with something in it.
pub(super) fn leaves(value: &Json) -> Vec<(Vec<String>, &Json)> {
    let mut found = Vec::new();
    walk(value, &mut Vec::new(), &mut found);
    found
}

fn walk<'a>(value: &'a Json, path: &mut Vec<String>, found: &mut Vec<(Vec<String>, &'a Json)>) {
    match value.as_object().filter(|m| !m.is_empty()) {
        Some(fields) => {
            for (key, value) in fields {
                path.push(key.clone());
                walk(value, path, found);
                path.pop();
            }
        }
        None => found.push((path.clone(), value)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]
    use super::*;
    use serde_json::json;

    fn overlay(into: &mut Json, from: &Json) {
        match (into, from) {
            (Json::Object(into), Json::Object(from)) => {
                for (key, value) in from {
                    match into.get_mut(key) {
                        Some(old) => overlay(old, value),
                        None => _ = into.insert(key.clone(), value.clone()),
                    }
                }
            }
            (into, from) => *into = from.clone(),
        }
    }

    #[test]
    fn layers_merge_to_what_they_were_made_of() {
        let first =
            json!({"a": 1, "b": {"c": [1], "d": 2}, "e": {}, "f": {}, "g": {"x": 1}, "only": 1});
        let values = [
            first.clone(),
            first.clone(),
            first,
            json!({"a": 1, "b": {"c": [1], "d": 3}, "e": {"x": 1}, "f": 1, "g": {"y": 1}}),
            json!({"a": 2, "b": {"c": [1, 2], "d": 2}, "e": {"x": 1}, "f": {}, "g": {"x": 1}}),
        ];
        let layer = shared(&values.iter().collect::<Vec<_>>()).unwrap();
        assert_eq!(layer, json!({"a": 1, "b": {"c": [1], "d": 2}, "e": {}}));
        for value in &values {
            let mut merged = layer.clone();
            if let Some(rest) = rest(value, &layer) {
                overlay(&mut merged, &rest);
            }
            assert_eq!(&merged, value);
        }
    }
}
