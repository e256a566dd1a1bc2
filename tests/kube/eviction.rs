//! How a real kube-apiserver 1.33 answers evictions, and whoever may not ask: in its order, with its codes and its words.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value as Json, json};

use crate::api::Kept;

/// What admission says to evictions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// A webhook denies, with this code and these words.
    Webhook(u16, &'static str),
    /// A webhook that cannot be reached, and must be asked.
    Unreachable,
    /// A webhook that takes longer than its time, and must be asked.
    Slow,
    /// A ValidatingAdmissionPolicy denies, with this code and reason.
    Policy(u16, &'static str, &'static str),
    /// A webhook that cannot be asked without doing it, and lets everything pass.
    NoDryRun,
}

/// A `Status` that refuses. `cause`: reason and message of the first cause.
pub fn refused(
    code: u16,
    reason: &str,
    message: &str,
    cause: Option<(&str, String)>,
    retry_after: Option<u32>,
) -> Response {
    let mut body = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message, "code": code,
    });
    if !reason.is_empty() {
        body["reason"] = json!(reason);
    }
    if let Some((reason, message)) = cause {
        body["details"]["causes"] = json!([{"reason": reason, "message": message}]);
    }
    if let Some(seconds) = retry_after {
        body["details"]["retryAfterSeconds"] = json!(seconds);
    }
    let mut response = (StatusCode::from_u16(code).unwrap(), axum::Json(body)).into_response();
    if let Some(seconds) = retry_after {
        response
            .headers_mut()
            .insert("retry-after", seconds.to_string().parse().unwrap());
    }
    response
}

/// A right that is missing, or an API server that knows no roles yet.
pub fn forbidden(what: &str, verb: &str, resource: &str, scope: &str) -> Response {
    let message = format!(
        "{what} is forbidden: User \"kfleet\" cannot {verb} resource \"{resource}\" in API group \"\" {scope}"
    );
    refused(403, "Forbidden", &message, None, None)
}

/// What priority and fairness says: no `Status`.
pub fn crowded() -> Response {
    let headers = [
        ("content-type", "text/plain; charset=utf-8"),
        ("retry-after", "1"),
    ];
    (
        StatusCode::TOO_MANY_REQUESTS,
        headers,
        "Too many requests, please try again later.\n",
    )
        .into_response()
}

/// What is asked without doing it reaches no webhook that does not say that it can be asked so. Source: apiserver, `NewDryRunUnsupportedErr`.
pub fn no_dry_run(kept: &Kept) -> Option<Response> {
    let message = "admission webhook \"w.example.com\" does not support dry run";
    matches!(kept.admission, Some(Admission::NoDryRun))
        .then(|| refused(400, "BadRequest", message, None, None))
}

fn admission(admission: &Admission, pod: &str) -> Option<Response> {
    let refusal = match admission {
        Admission::Webhook(code, words) => {
            let message =
                format!("admission webhook \"w.example.com\" denied the request: {words}");
            refused(*code, "", &message, None, None)
        }
        Admission::Unreachable => {
            let message = "Internal error occurred: failed calling webhook \"w.example.com\": failed to call webhook: Post \"https://w.default.svc:443/\": dial tcp 10.0.0.1:443: connect: connection refused";
            refused(500, "InternalError", message, None, None)
        }
        Admission::Slow => {
            let message = "Internal error occurred: failed calling webhook \"w.example.com\": failed to call webhook: Post \"https://w.default.svc:443/?timeout=10s\": context deadline exceeded";
            refused(500, "InternalError", message, None, None)
        }
        Admission::Policy(code, reason, words) => {
            let message = format!(
                "pods \"{pod}\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: {words}"
            );
            refused(*code, reason, &message, None, None)
        }
        Admission::NoDryRun => return None,
    };
    Some(refusal)
}

/// Why an eviction is refused; none: it is not.
pub fn refusal(kept: &Kept, namespace: &str, name: &str, body: &Json) -> Option<Response> {
    if kept.denied.contains("create pods/eviction") {
        let scope = format!("in the namespace \"{namespace}\"");
        let what = format!("pods \"{name}\"");
        return Some(forbidden(&what, "create", "pods/eviction", &scope));
    }
    if body["metadata"]["name"].as_str().is_some_and(|n| n != name) {
        return Some(refused(
            400,
            "BadRequest",
            "name in URL does not match name in Eviction object",
            None,
            None,
        ));
    }
    if kept.ending.contains(namespace) {
        let message = format!(
            "pods \"{name}\" is forbidden: unable to create new content in namespace {namespace} because it is being terminated"
        );
        let cause = (
            "NamespaceTerminating",
            format!("namespace {namespace} is being terminated"),
        );
        return Some(refused(403, "Forbidden", &message, Some(cause), None));
    }
    if let Some(refusal) = kept.admission.as_ref().and_then(|a| admission(a, name)) {
        return Some(refusal);
    }
    let key = (namespace.to_owned(), name.to_owned());
    let Some(pod) = kept.pods.get(&key) else {
        let message = format!("pods \"{name}\" not found");
        return Some(refused(404, "NotFound", &message, None, None));
    };
    let (asked, found) = (
        &body["deleteOptions"]["preconditions"]["uid"],
        &pod["metadata"]["uid"],
    );
    if !asked.is_null() && asked != found {
        let message = format!(
            "Operation cannot be fulfilled on Pod \"{name}\": the UID in the precondition ({asked}) does not match the UID in record ({found}). The object might have been deleted and then recreated"
        );
        return Some(refused(409, "Conflict", &message, None, None));
    }
    by_budget(kept, namespace, pod)
}

/// A list of a version that is not there yet.
pub fn to_come() -> Response {
    let message = "Timeout: Too large resource version";
    refused(504, "Timeout", message, None, Some(1))
}

const WORDS: &str = "Cannot evict pod as it would violate the pod's disruption budget.";

fn by_budget(kept: &Kept, namespace: &str, pod: &Json) -> Option<Response> {
    let ignored = matches!(
        pod["status"]["phase"].as_str(),
        Some("Pending" | "Succeeded" | "Failed")
    ) || !pod["metadata"]["deletionTimestamp"].is_null();
    let app = pod["metadata"]["labels"]["app"].as_str().unwrap();
    let budget = (namespace.to_owned(), app.to_owned());
    if ignored || !kept.budgets.contains_key(&budget) {
        return None;
    }
    if kept.doubled.contains(&budget) {
        let message = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";
        return Some(refused(500, "", message, None, None));
    }
    let ready = pod["status"]["conditions"][0]["status"] == "True";
    let (healthy, desired) = kept.counts.unwrap_or((2, 2));
    match kept.unhealthy.as_deref() {
        _ if ready => {}
        Some("AlwaysAllow") => return None,
        _ if kept.counts.is_some() && healthy >= desired && desired > 0 => return None,
        _ => {}
    }
    if kept.unprocessed.contains(&budget) {
        let cause = (
            "DisruptionBudget",
            format!("The disruption budget {app} is still being processed by the server."),
        );
        return Some(refused(
            429,
            "TooManyRequests",
            WORDS,
            Some(cause),
            Some(10),
        ));
    }
    if !kept.allows(&budget) {
        let cause = (
            "DisruptionBudget",
            format!(
                "The disruption budget {app} needs {desired} healthy pods and has {healthy} currently"
            ),
        );
        return Some(refused(429, "TooManyRequests", WORDS, Some(cause), None));
    }
    None
}

impl Kept {
    /// Pods on such a node are ended without its kubelet. Source: kube-controller-manager, pod garbage collection.
    pub(crate) fn is_out_of_service(&self, node: &str) -> bool {
        let taints = self.nodes.get(node).map(|n| &n["spec"]["taints"]);
        let mut taints = taints.and_then(Json::as_array).into_iter().flatten();
        taints.any(|t| t["key"] == "node.kubernetes.io/out-of-service")
    }
}
