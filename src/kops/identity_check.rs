//! kops' rules about who may do what in AWS: policies of roles and of service accounts, who logs in, who issues tokens. Decodes nothing.
//!
//! Source: kops' own validation (`pkg/apis/kops/validation`, `validation.go`, `legacy.go` and `aws.go`): `kops update` ends with each of these.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::error::Problems;
use super::values::arn_resource;
use super::view::View;

/// Roles that policies are for; the first is the second in v1alpha2.
const ROLES: [&str; 5] = ["master", "control-plane", "node", "bastion", "apiserver"];

/// Checks what a Cluster says.
pub(super) fn check(spec: View<'_>, problems: &mut Problems) {
    policies(spec, problems);
    service_accounts(spec.sub("iam"), problems);
    logins(spec.sub("authentication").sub("aws"), problems);
    issuer(spec.sub("serviceAccountIssuerDiscovery"), problems);
}

fn policies(spec: View<'_>, problems: &mut Problems) {
    for (role, policy, pos) in spec.pairs("additionalPolicies") {
        known_role("additionalPolicies", role, pos, problems);
        if let Err(why) = statements(policy) {
            problems.error(pos, format!("the policy of `{role}` {why}"));
        }
    }
    let external = spec.sub("externalPolicies");
    for (role, pos) in external.places() {
        known_role("externalPolicies", &role, pos, problems);
        for (arn, pos) in external.items(&role) {
            if !arn_resource(arn).is_some_and(|r| r.starts_with("policy/")) {
                problems.error_hint(
                    pos,
                    "this is not the ARN of a policy",
                    "arn:aws:iam::ACCOUNT:policy/NAME",
                );
            }
        }
    }
}

fn known_role(field: &str, role: &str, pos: crate::yaml::Pos, problems: &mut Problems) {
    if !ROLES.contains(&role) {
        problems.error_hint(
            pos,
            format!("`{field}` has no role `{role}`"),
            format!("one of {}", ROLES.join(", ")),
        );
    }
}

/// A list of statements, each of which allows or denies.
fn statements(policy: &str) -> Result<(), &'static str> {
    let parsed: Json = serde_json::from_str(policy).map_err(|_| "is not JSON")?;
    let statements = parsed
        .as_array()
        .ok_or("must be a list of statements (not a whole policy)")?;
    let effect = |s: &Json| s.get("Effect").and_then(Json::as_str).map(str::to_owned);
    statements
        .iter()
        .all(|s| matches!(effect(s).as_deref(), Some("Allow" | "Deny")))
        .then_some(())
        .ok_or("has a statement whose `Effect` is neither Allow nor Deny")
}

fn service_accounts(iam: View<'_>, problems: &mut Problems) {
    let mut seen = BTreeSet::new();
    for account in iam.list("serviceAccountExternalPermissions") {
        let name = account.text("name");
        let namespace = account.text("namespace");
        if name.is_none() || namespace.is_none() {
            problems.error(
                account.pos,
                "a service account with permissions needs a `name` and a `namespace`",
            );
        }
        if !seen.insert((namespace, name)) {
            problems.error(account.pos, "this service account stands here twice");
        }
        let aws = account.sub("aws");
        let arns = !aws.items("policyARNs").is_empty();
        let inline = aws.text("inlinePolicy").is_some();
        if arns == inline {
            problems.error(
                aws.pos,
                "a service account with permissions has `aws.policyARNs` or `aws.inlinePolicy`, one of them",
            );
        }
    }
}

/// The IAM authenticator.
fn logins(aws: View<'_>, problems: &mut Problems) {
    let mut mapped = false;
    for mapping in aws.list("identityMappings") {
        mapped = true;
        let resource = mapping.text("arn").and_then(arn_resource);
        if !resource.is_some_and(|r| r.starts_with("role/") || r.starts_with("user/")) {
            problems.error_hint(
                mapping.at("arn"),
                "this is not the ARN of a role or a user",
                "arn:aws:iam::ACCOUNT:role/NAME",
            );
        }
    }
    let by_objects = aws.text("backendMode").is_some_and(|m| m.contains("CRD"));
    if mapped && !by_objects {
        problems.error(
            aws.at("backendMode"),
            "`authentication.aws.identityMappings` needs `backendMode: CRD`",
        );
    }
}

/// `memfs://` is for kops' own tests.
fn issuer(discovery: View<'_>, problems: &mut Problems) {
    let at = discovery.at("discoveryStore");
    match discovery.text("discoveryStore") {
        None => {
            let on = discovery.bool("enableAWSOIDCProvider") == Some(true);
            if on && !discovery.has("discoveryService") {
                problems.error(
                    discovery.at("enableAWSOIDCProvider"),
                    "`enableAWSOIDCProvider` needs a `discoveryStore`",
                );
            }
        }
        Some(store) => match store.strip_prefix("s3://") {
            Some(path) if path.split('/').next().is_some_and(|b| b.contains('.')) => problems
                .error(
                    at,
                    "the bucket of `discoveryStore` must have no dot in its name: its certificate would not fit",
                ),
            Some(_) => {}
            None if store.starts_with("memfs://") => {}
            None => problems.error_hint(
                at,
                "`discoveryStore` must be in S3",
                "s3://BUCKET/PREFIX",
            ),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_a_list_of_statements() {
        let allow = r#"[{"Effect": "Allow", "Action": ["s3:*"], "Resource": ["*"]}]"#;
        assert_eq!(statements(allow), Ok(()));
        assert_eq!(statements("[]"), Ok(()));
        for (policy, why) in [
            ("{", "is not JSON"),
            (
                r#"{"Statement": []}"#,
                "must be a list of statements (not a whole policy)",
            ),
            (
                r#"[{"Action": "*"}]"#,
                "has a statement whose `Effect` is neither Allow nor Deny",
            ),
        ] {
            assert_eq!(statements(policy), Err(why), "{policy}");
        }
    }
}
