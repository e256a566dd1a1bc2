//! What kops' decoding does to a spec before its types are looked at: defaults, and fields that have another place today. Knows no types.
//!
//! Done to both sides: what the text of one of them leaves out means the same as what the other one spells out.

use serde_json::{Map, Value as Json, json};

type Fields = Map<String, Json>;

pub(super) fn decode(section: &str, spec: &mut Fields) {
    roles(spec);
    hooks(spec);
    if section == "Cluster" {
        // kops fills it in from where the store is.
        spec.shift_remove("configBase");
        unused(spec);
        oidc(spec);
        defaults(spec);
    }
}

/// Where nodes are is told by their subnets: what `topology` says of it is read by nothing, and not stored.
/// Source: kops, `pkg/apis/kops/v1alpha2/topology.go`; a real kops 1.32 stores neither.
fn unused(spec: &mut Fields) {
    let topology = spec.get_mut("topology").and_then(Json::as_object_mut);
    let Some(topology) = topology else { return };
    topology.shift_remove("masters");
    topology.shift_remove("nodes");
    if topology.is_empty() {
        spec.shift_remove("topology");
    }
}

/// `ControlPlane` is written as `Master`.
fn roles(spec: &mut Fields) {
    let rename = |role: &mut Json| {
        if role == "ControlPlane" {
            *role = Json::from("Master");
        }
    };
    spec.get_mut("role").into_iter().for_each(rename);
    for key in ["hooks", "fileAssets"] {
        let roles = items(spec, key).filter_map(|item| item.get_mut("roles")?.as_array_mut());
        roles.flatten().for_each(rename);
    }
}

/// A hook is on unless it is `disabled: true`; newer forms say `enabled: false`.
fn hooks(spec: &mut Fields) {
    for hook in items(spec, "hooks") {
        let enabled = hook.get("enabled").and_then(Json::as_bool);
        let disabled = hook.get("disabled").and_then(Json::as_bool);
        if enabled.is_some() {
            hook.shift_remove("enabled");
        }
        match (disabled, enabled) {
            (Some(true), _) | (None, Some(false)) => {
                hook.insert("disabled".into(), Json::Bool(true));
            }
            (Some(false), _) | (None, Some(true)) => {
                hook.shift_remove("disabled");
            }
            (None, None) => {}
        }
    }
}

/// `authentication.oidc` is where newer forms keep what v1alpha2 has as `kubeAPIServer.oidc*`.
fn oidc(spec: &mut Fields) {
    const MOVED: [(&str, &str); 6] = [
        ("clientID", "oidcClientID"),
        ("groupsPrefix", "oidcGroupsPrefix"),
        ("issuerURL", "oidcIssuerURL"),
        ("usernameClaim", "oidcUsernameClaim"),
        ("usernamePrefix", "oidcUsernamePrefix"),
        ("groupsClaims", "oidcGroupsClaim"),
    ];
    let authentication = spec.get_mut("authentication").and_then(Json::as_object_mut);
    let moved = authentication.and_then(|a| a.shift_remove("oidc"));
    let mut there = Fields::new();
    for (key, value) in moved
        .as_ref()
        .and_then(Json::as_object)
        .into_iter()
        .flatten()
    {
        let place = MOVED
            .iter()
            .find(|(from, _)| from == key)
            .map(|(_, to)| *to);
        match (place, value) {
            // v1alpha2 has room for one.
            (Some(place), Json::Array(claims)) => there.extend(
                claims
                    .first()
                    .map(|claim| (place.to_owned(), claim.clone())),
            ),
            (Some(place), value) => there.extend([(place.to_owned(), value.clone())]),
            (None, Json::Object(claims)) if key == "requiredClaims" => {
                let claims = claims.iter().map(|(claim, value)| {
                    Json::from(format!("{claim}={}", value.as_str().unwrap_or_default()))
                });
                there.insert("oidcRequiredClaim".into(), claims.collect());
            }
            (None, value) => there.extend([(format!("oidc.{key}"), value.clone())]),
        }
    }
    if !there.is_empty()
        && let Some(server) = spec
            .entry("kubeAPIServer")
            .or_insert_with(|| json!({}))
            .as_object_mut()
    {
        for (key, value) in there {
            server.entry(key).or_insert(value);
        }
    }
    // It is a mapping to kops, so that its order does not come back.
    if let Some(Json::Array(claims)) = spec
        .get_mut("kubeAPIServer")
        .and_then(|s| s.get_mut("oidcRequiredClaim"))
    {
        claims.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
    }
}

/// What is filled in whenever kops reads a Cluster.
fn defaults(spec: &mut Fields) {
    let below = |fields: &mut Fields, key: &str| {
        if fields.get(key).is_none_or(Json::is_null) {
            fields.insert(key.to_owned(), json!({}));
        }
    };
    below(spec, "topology");
    if let Some(topology) = spec.get_mut("topology").and_then(Json::as_object_mut) {
        below(topology, "dns");
        absent(topology.get_mut("dns"), "type", json!("Public"));
    }
    below(spec, "authorization");
    if let Some(authorization) = spec.get_mut("authorization").and_then(Json::as_object_mut)
        && authorization.values().all(Json::is_null)
    {
        authorization.insert("rbac".into(), json!({}));
    }
    absent(
        spec.get_mut("networking")
            .and_then(|n| n.get_mut("flannel")),
        "backend",
        json!("udp"),
    );
}

/// Fills a field in that is absent, null or an empty text.
fn absent(fields: Option<&mut Json>, key: &str, value: Json) {
    if let Some(fields) = fields.and_then(Json::as_object_mut)
        && fields.get(key).is_none_or(|v| v.is_null() || v == "")
    {
        fields.insert(key.to_owned(), value);
    }
}

/// The mappings in a list of the spec.
fn items<'a>(spec: &'a mut Fields, key: &str) -> impl Iterator<Item = &'a mut Fields> {
    spec.get_mut(key)
        .and_then(Json::as_array_mut)
        .into_iter()
        .flatten()
        .filter_map(Json::as_object_mut)
}
