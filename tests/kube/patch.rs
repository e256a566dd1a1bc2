//! Patches of nodes, as a real API server takes and refuses them.

use axum::response::Response;
use serde_json::{Value as Json, json};

use crate::api::{Kept, found, status};

pub fn patch(kept: &mut Kept, name: &str, body: &Json) -> Response {
    let Some(node) = kept.nodes.get_mut(name) else {
        return status(404, "NotFound", "no such node");
    };
    let version = node["metadata"]["resourceVersion"].clone();
    let uid = &body["metadata"]["uid"];
    if body["metadata"]["resourceVersion"] != version
        || (!uid.is_null() && *uid != node["metadata"]["uid"])
    {
        return status(
            409,
            "Conflict",
            "the object has been modified; please apply your changes to the latest version and try again",
        );
    }
    let provider = &body["spec"]["providerID"];
    if !provider.is_null() && *provider != node["spec"]["providerID"] {
        return status(
            422,
            "Invalid",
            "spec.providerID: Forbidden: node updates may not change providerID except from \"\" to valid",
        );
    }
    merge(node, body);
    kept.publish(false);
    kept.log.push(format!("patch {name}"));
    found(kept.nodes[name].clone())
}

/// RFC 7386.
fn merge(target: &mut Json, patch: &Json) {
    let Json::Object(fields) = patch else {
        return *target = patch.clone();
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (key, value) in fields {
        if value.is_null() {
            target.as_object_mut().unwrap().remove(key);
        } else {
            merge(&mut target[key], value);
        }
    }
}
