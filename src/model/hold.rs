//! Why a pod stands in the way of a drain. Makes no calls.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// Why a pod stands in the way of a drain.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hold {
    /// This disruption budget (`namespace/name`) allows no disruption now.
    Budget(String),
    /// Kubernetes has not processed the newest form of this budget (`namespace/name`): until then the API refuses, whatever it allows.
    UnprocessedBudget(String),
    /// More than one budget selects it: the API never evicts such a pod.
    ManyBudgets(BTreeSet<String>),
    /// No owner would make it anew. In the way only where the policy says so.
    NoController,
    /// It has data in an `emptyDir` that goes with it. In the way only where the policy says so.
    EmptyDir,
}

impl Hold {
    /// Whether disruption budgets hold the pod, and not the policy of the drain.
    pub fn is_budget(&self) -> bool {
        match self {
            Hold::Budget(_) | Hold::UnprocessedBudget(_) | Hold::ManyBudgets(_) => true,
            Hold::NoController | Hold::EmptyDir => false,
        }
    }
}

impl std::fmt::Display for Hold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Hold::Budget(budget) => write!(f, "disruption budget {budget}"),
            Hold::UnprocessedBudget(budget) => {
                write!(
                    f,
                    "disruption budget {budget}, whose newest form the disruption controller has not processed"
                )
            }
            Hold::ManyBudgets(budgets) => write!(
                f,
                "{} disruption budgets over one pod ({}), which the API never evicts",
                budgets.len(),
                budgets.iter().cloned().collect::<Vec<_>>().join(", ")
            ),
            Hold::NoController => {
                f.write_str("the policy to keep pods that no controller would recreate")
            }
            Hold::EmptyDir => f.write_str("the policy to keep data in emptyDir"),
        }
    }
}
