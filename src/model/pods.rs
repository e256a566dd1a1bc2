//! Pods on their way out of a node: what the API answered to their eviction, and what holds those that were told to go. Makes no calls.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{NodeName, Span, Timestamp};

/// A pod that was told to go and is still there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeavingPod {
    /// `namespace/name` of the pod.
    pub pod: String,
    /// Until when it has its grace.
    pub ends_by: Timestamp,
    /// What has to be done, by the program that put them there, before the API lets it go.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub finalizers: BTreeSet<String>,
}

/// A pod whose eviction the API refused when it was asked last.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PodRefusal {
    /// `namespace/name` of the pod.
    pub pod: String,
    pub uid: String,
    /// Who makes it anew; none for a bare pod.
    pub owner: Option<String>,
    /// The last answer.
    pub answer: Refusal,
    /// Since when the answer has been of this kind.
    pub since: Timestamp,
    /// How often it was asked since then.
    pub times: u32,
    /// When it is asked again at the earliest.
    pub ask_at: Timestamp,
}

/// What the API said when it was asked, without doing it, whether a pod may be evicted. One pod speaks for all of its owner.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Foretold {
    /// Whose pods; a bare pod by its own name.
    pub of: String,
    /// The nodes that have such pods.
    pub nodes: BTreeSet<NodeName>,
    /// The refusal; none: there was no answer in time, and it is not known.
    pub answer: Option<Refusal>,
}

/// An answer of the API that refuses, in its own words.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refusal {
    /// HTTP status.
    pub code: u16,
    /// `reason` of the answer; empty where it has none.
    pub reason: String,
    /// The reason of the first cause in its details.
    pub cause: Option<String>,
    /// What it says to people: the message, and that of the first cause.
    pub message: String,
}

/// Of which kind a refusal is: who can do something about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefusalKind {
    /// A disruption budget allows no disruption now.
    Budget,
    /// Kubernetes has not processed the newest form of the budget.
    UnprocessedBudget,
    /// More than one budget selects the pod.
    ManyBudgets,
    /// An admission webhook or policy says no.
    Admission,
    /// An admission webhook cannot be asked.
    BrokenWebhook,
    /// The namespace is being deleted.
    EndingNamespace,
    /// The caller may not.
    Right,
    /// The API is too busy, or broken.
    Busy,
    /// Anything else.
    Other,
}

/// A pause after a budget's refusal, at the least and at the most. Source: kubectl drain asks again after five seconds.
const BUDGET: (Span, Span) = (Span::from_secs(5), Span::from_secs(15));

/// A pause after any other refusal, at the least and at the most.
const OTHERS: (Span, Span) = (Span::from_secs(5), Span::from_secs(60));

impl Refusal {
    /// Of which kind it is. Seen on the wire of kube-apiserver 1.33; what is not known is [`RefusalKind::Other`].
    pub fn kind(&self) -> RefusalKind {
        let says = |text: &str| self.message.contains(text);
        match (self.code, self.cause.as_deref()) {
            _ if says("failed calling webhook") => RefusalKind::BrokenWebhook,
            _ if says("admission webhook") || says("denied request:") => RefusalKind::Admission,
            (429, Some("DisruptionBudget")) if says("still being processed") => {
                RefusalKind::UnprocessedBudget
            }
            (429, _) if says("disruption budget") => RefusalKind::Budget,
            (500, _) if says("more than one PodDisruptionBudget") => RefusalKind::ManyBudgets,
            (403, Some("NamespaceTerminating")) => RefusalKind::EndingNamespace,
            (403, _) if says("because it is being terminated") => RefusalKind::EndingNamespace,
            (403, _) if says("cannot ") && says("resource ") => RefusalKind::Right,
            (429 | 500..=599, _) => RefusalKind::Busy,
            _ => RefusalKind::Other,
        }
    }

    /// How long to wait before asking again, after it was given `times` times in a row.
    pub fn pause(&self, times: u32, retry_after: Option<Span>) -> Span {
        let (least, most) = match self.kind() {
            RefusalKind::Budget | RefusalKind::UnprocessedBudget => BUDGET,
            RefusalKind::ManyBudgets
            | RefusalKind::Admission
            | RefusalKind::BrokenWebhook
            | RefusalKind::EndingNamespace
            | RefusalKind::Right
            | RefusalKind::Busy
            | RefusalKind::Other => OTHERS,
        };
        let doublings = times.saturating_sub(1).min(16);
        let grown = least.millis().saturating_mul(1_i64 << doublings);
        Span::from_millis(grown.min(most.millis())).max(retry_after.unwrap_or(Span::ZERO))
    }
}

impl RefusalKind {
    /// Whether it stays as it is until a person changes something that is not the version rolled out: a right, a webhook, a policy.
    pub fn is_for_a_person(self) -> bool {
        match self {
            RefusalKind::ManyBudgets
            | RefusalKind::Admission
            | RefusalKind::BrokenWebhook
            | RefusalKind::EndingNamespace
            | RefusalKind::Right => true,
            RefusalKind::Budget
            | RefusalKind::UnprocessedBudget
            | RefusalKind::Busy
            | RefusalKind::Other => false,
        }
    }

    /// What a person can do about it.
    pub fn advice(self) -> &'static str {
        match self {
            RefusalKind::Budget => "raise the replicas or the disruption budget",
            RefusalKind::UnprocessedBudget => {
                "see that the controller of disruption budgets runs (kube-controller-manager)"
            }
            RefusalKind::ManyBudgets => "leave one disruption budget over the pod",
            RefusalKind::Admission => {
                "ask the owner of the admission webhook or policy, or exempt evictions from it"
            }
            RefusalKind::BrokenWebhook => {
                "bring the admission webhook back, or set its failurePolicy to Ignore"
            }
            RefusalKind::EndingNamespace => {
                "see why the namespace does not go (finalizers of its objects)"
            }
            RefusalKind::Right => "give the caller the right that is missing",
            RefusalKind::Busy => "see that the Kubernetes API is well",
            RefusalKind::Other => "see what the API says",
        }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let reason = if self.reason.is_empty() {
            String::new()
        } else {
            format!(" {}", self.reason)
        };
        write!(f, "{}{reason}: {}", self.code, self.message)
    }
}

impl std::fmt::Display for PodRefusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let owner = self
            .owner
            .as_ref()
            .map(|o| format!(" (of {o})"))
            .unwrap_or_default();
        let times = if self.times == 1 {
            "asked once".to_owned()
        } else {
            format!("asked {} times", self.times)
        };
        write!(
            f,
            "{}{owner}: {} ({times} since {})",
            self.pod, self.answer, self.since
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Situation → what the API says → what it is. The rows are those of a real kube-apiserver.
    const ROWS: [(&str, u16, &str, &str, RefusalKind); 12] = [
        (
            "budget",
            429,
            "DisruptionBudget",
            "Cannot evict pod as it would violate the pod's disruption budget. The disruption budget web needs 1 healthy pods and has 1 currently",
            RefusalKind::Budget,
        ),
        (
            "budget unprocessed",
            429,
            "DisruptionBudget",
            "Cannot evict pod as it would violate the pod's disruption budget. The disruption budget web is still being processed by the server.",
            RefusalKind::UnprocessedBudget,
        ),
        (
            "two budgets",
            500,
            "",
            "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.",
            RefusalKind::ManyBudgets,
        ),
        (
            "namespace ends",
            403,
            "NamespaceTerminating",
            "pods \"x\" is forbidden: unable to create new content in namespace web because it is being terminated",
            RefusalKind::EndingNamespace,
        ),
        (
            "no right",
            403,
            "",
            "pods \"x\" is forbidden: User \"u\" cannot create resource \"pods/eviction\" in API group \"\" in the namespace \"web\"",
            RefusalKind::Right,
        ),
        (
            "policy",
            422,
            "",
            "pods \"x\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: not today",
            RefusalKind::Admission,
        ),
        (
            "policy, forbidden",
            403,
            "",
            "pods \"x\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: not today",
            RefusalKind::Admission,
        ),
        (
            "webhook 429",
            429,
            "",
            "admission webhook \"w.example.com\" denied the request: the database is moving",
            RefusalKind::Admission,
        ),
        (
            "webhook 500",
            500,
            "",
            "admission webhook \"w.example.com\" denied the request: no",
            RefusalKind::Admission,
        ),
        (
            "webhook down",
            500,
            "",
            "Internal error occurred: failed calling webhook \"w.example.com\": connection refused",
            RefusalKind::BrokenWebhook,
        ),
        (
            "priority and fairness",
            429,
            "",
            "Too many requests, please try again later.",
            RefusalKind::Busy,
        ),
        ("unheard of", 418, "", "I am a teapot", RefusalKind::Other),
    ];

    #[test]
    fn a_refusal_is_known_by_what_a_real_api_says() {
        for (situation, code, cause, message, kind) in ROWS {
            let refusal = Refusal {
                code,
                reason: String::new(),
                cause: Some(cause.to_owned()).filter(|c| !c.is_empty()),
                message: message.into(),
            };
            assert_eq!(refusal.kind(), kind, "{situation}");
        }
    }

    #[test]
    fn pauses_grow_to_a_bound_and_honour_the_api() {
        let refusal = |code, message: &str| Refusal {
            code,
            reason: String::new(),
            cause: None,
            message: message.into(),
        };
        let (budget, webhook) = (
            refusal(429, "the pod's disruption budget."),
            refusal(500, "failed calling webhook \"w\": connection refused"),
        );
        let pauses = |refusal: &Refusal| -> Vec<i64> {
            [1, 2, 3, 4, 5, 6, u32::MAX]
                .map(|times| refusal.pause(times, None).millis() / 1000)
                .into()
        };
        assert_eq!(pauses(&budget), [5, 10, 15, 15, 15, 15, 15]);
        assert_eq!(pauses(&webhook), [5, 10, 20, 40, 60, 60, 60]);
        assert_eq!(
            budget.pause(1, Some(Span::from_secs(90))),
            Span::from_secs(90)
        );
        assert_eq!(
            budget.pause(1, Some(Span::from_secs(1))),
            Span::from_secs(5)
        );
    }
}
