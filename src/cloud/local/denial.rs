//! Why the Kubernetes API denies an eviction, and in which words. Denies nothing.

use crate::model::Refusal;

/// Why the API refuses evictions, budgets aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denial {
    /// `right`, 403: the caller may not.
    Right,
    /// `webhook`, 422: an admission policy says no.
    Webhook,
    /// `busy`, 429: the API has too much to do.
    Busy,
    /// `broken-webhook`, 500: a webhook cannot be asked.
    BrokenWebhook,
    /// `many-budgets`, 500: more than one budget selects the pods.
    ManyBudgets,
    /// `ending-namespace`, 403: their namespace is being deleted.
    EndingNamespace,
}

impl Denial {
    pub(super) fn parse(word: &str) -> Option<Denial> {
        Some(match word {
            "right" => Denial::Right,
            "webhook" => Denial::Webhook,
            "busy" => Denial::Busy,
            "broken-webhook" => Denial::BrokenWebhook,
            "many-budgets" => Denial::ManyBudgets,
            "ending-namespace" => Denial::EndingNamespace,
            _ => return None,
        })
    }

    /// What a kube-apiserver says. Source: Kubernetes documentation, "API-initiated Eviction" (429 for a budget, 500 for several of them);
    /// "Dynamic Admission Control"; "Validating Admission Policy"; "API Priority and Fairness".
    pub(super) fn answer(self) -> Refusal {
        let (code, reason, cause, message) = match self {
            Denial::Right => (
                403,
                "Forbidden",
                None,
                "pods is forbidden: User \"kfleet\" cannot create resource \"pods/eviction\" in API group \"\" in the namespace \"default\" (simulated)",
            ),
            Denial::Webhook => (
                422,
                "Invalid",
                None,
                "pods is forbidden: ValidatingAdmissionPolicy 'guard' with binding 'guard' denied request: not today (simulated)",
            ),
            Denial::Busy => (
                429,
                "TooManyRequests",
                None,
                "Too many requests, please try again later. (simulated)",
            ),
            Denial::BrokenWebhook => (
                500,
                "InternalError",
                None,
                "Internal error occurred: failed calling webhook \"guard.example.com\": connection refused (simulated)",
            ),
            Denial::ManyBudgets => (
                500,
                "InternalError",
                None,
                "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support. (simulated)",
            ),
            Denial::EndingNamespace => (
                403,
                "Forbidden",
                Some("NamespaceTerminating"),
                "unable to create new content in namespace default because it is being terminated (simulated)",
            ),
        };
        Refusal {
            code,
            reason: reason.into(),
            cause: cause.map(str::to_owned),
            message: message.into(),
        }
    }
}
