//! What a disruption budget says to the eviction of a pod, as the API would say it. Makes no calls.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};

use super::pods::Pod;
use super::wire;
use crate::model::Hold;

/// One budget.
#[derive(Clone, Debug)]
pub(super) struct Budget {
    /// `namespace/name`.
    name: Box<str>,
    selector: Option<LabelSelector>,
    /// A pod that is not Ready may go whatever the budget allows.
    always_allows_unhealthy: bool,
    /// Kubernetes has not processed its newest form: the API refuses then, whatever its status allows.
    unprocessed: bool,
    /// It allows a disruption now.
    allows: bool,
    /// All pods that it wants are there, and it wants some.
    healthy: bool,
}

impl Budget {
    /// The few facts of an object. None for an object without a name.
    pub(super) fn new(found: wire::Budget) -> Option<Budget> {
        let wire::Budget {
            metadata,
            spec,
            status,
        } = found;
        let namespace = metadata.namespace.as_deref().unwrap_or_default();
        let name = format!("{namespace}/{}", metadata.name.as_deref()?);
        let observed = status.as_ref().and_then(|s| s.observed_generation);
        let (selector, policy) = spec.map_or((None, None), |s| {
            (s.selector, s.unhealthy_pod_eviction_policy)
        });
        Some(Budget {
            name: name.into(),
            selector,
            always_allows_unhealthy: policy.as_deref() == Some("AlwaysAllow"),
            unprocessed: observed.unwrap_or_default() < metadata.generation.unwrap_or_default(),
            allows: status
                .as_ref()
                .is_some_and(|s| s.disruptions_allowed.unwrap_or_default() > 0),
            healthy: status.as_ref().is_some_and(|s| {
                let desired = s.desired_healthy.unwrap_or_default();
                s.current_healthy.unwrap_or_default() >= desired && desired > 0
            }),
        })
    }

    /// `namespace/name`.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn namespace(&self) -> &str {
        self.name.split_once('/').unwrap_or_default().0
    }

    fn covers(&self, pod: &Pod) -> bool {
        self.namespace() == pod.namespace()
            && self.selector.as_ref().is_some_and(|s| selects(s, pod))
    }

    /// A pod that is not Ready counts for nothing, and may go where the budget says so. Source: Kubernetes, `unhealthyPodEvictionPolicy`.
    fn may_go_unhealthy(&self, pod: &Pod) -> bool {
        !pod.is_ready() && (self.always_allows_unhealthy || self.healthy)
    }
}

/// Budgets as pods find theirs: by namespace, and by the first label that they ask for. A large cluster has hundreds of budgets and tens of thousands of
/// pods, and each look asks for each pod.
#[derive(Debug, Default)]
pub(super) struct Budgets<'a> {
    by_label: BTreeMap<(&'a str, &'a str, &'a str), Vec<&'a Budget>>,
    /// Those that ask for no label by its value.
    others: BTreeMap<&'a str, Vec<&'a Budget>>,
}

impl<'a> Budgets<'a> {
    pub(super) fn of(all: impl Iterator<Item = &'a Budget>) -> Budgets<'a> {
        let mut budgets = Budgets::default();
        for budget in all {
            let exact = budget
                .selector
                .as_ref()
                .and_then(|s| s.match_labels.as_ref());
            let place = match exact.and_then(BTreeMap::first_key_value) {
                Some((key, value)) => {
                    let key = (budget.namespace(), key.as_str(), value.as_str());
                    budgets.by_label.entry(key).or_default()
                }
                None => budgets.others.entry(budget.namespace()).or_default(),
            };
            place.push(budget);
        }
        budgets
    }

    /// Those that cover a pod, by name.
    fn covering(&self, pod: &Pod) -> Vec<&'a Budget> {
        let namespace = pod.namespace();
        let by_label = |(key, value)| self.by_label.get(&(namespace, key, value));
        let near = pod.labels().filter_map(by_label).flatten();
        let near = near.chain(self.others.get(namespace).into_iter().flatten());
        let mut covering: Vec<&Budget> = near.copied().filter(|b| b.covers(pod)).collect();
        covering.sort_by_key(|b| b.name());
        covering
    }
}

/// Everything that may hold it on its node, budgets that allow no disruption now first.
pub(super) fn holds(pod: &Pod, budgets: &Budgets<'_>) -> Vec<Hold> {
    let by_budgets = held_by_budgets(pod, budgets);
    by_budgets.into_iter().chain(pod.own_holds()).collect()
}

/// What the eviction subresource would say because of budgets, in its order. Source: kube-apiserver, `registry/core/pod/storage/eviction.go`;
/// each row was seen on the wire.
pub(super) fn held_by_budgets(pod: &Pod, budgets: &Budgets<'_>) -> Option<Hold> {
    if pod.passes_any_budget() {
        return None;
    }
    match budgets.covering(pod).as_slice() {
        [] => None,
        [one] if one.may_go_unhealthy(pod) => None,
        [one] if one.unprocessed => Some(Hold::UnprocessedBudget(one.name().to_owned())),
        [one] => (!one.allows).then(|| Hold::Budget(one.name().to_owned())),
        many => Some(Hold::ManyBudgets(
            many.iter().map(|b| b.name().to_owned()).collect(),
        )),
    }
}

/// A label selector; an empty one selects everything. Source: Kubernetes, policy/v1.
fn selects(selector: &LabelSelector, pod: &Pod) -> bool {
    let exact = selector
        .match_labels
        .iter()
        .flatten()
        .all(|(key, wanted)| pod.label(key) == Some(wanted));
    let expressions = selector.match_expressions.iter().flatten();
    exact && expressions.into_iter().all(|e| fits(e, pod))
}

fn fits(e: &LabelSelectorRequirement, pod: &Pod) -> bool {
    let value = pod.label(&e.key);
    let among = || {
        let all = e.values.iter().flatten();
        value.is_some_and(|value| all.into_iter().any(|one| one == value))
    };
    match e.operator.as_str() {
        "In" => among(),
        "NotIn" => !among(),
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        // An operator of a later version: whether the budget covers the pod is for the API to say when it is asked.
        _ => false,
    }
}
