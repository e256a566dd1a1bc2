//! What decides how a plan is rolled out: part of the plan and of its id, so that what was approved is what happens. Decides nothing.

use serde::{Deserialize, Serialize};

use crate::fleet::{GateSpec, Rollback, Rolling, Settings, Stage};

/// Everything of `fleet.yaml` that decides how a plan is rolled out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Stages in order, with waves, soak, approval, freeze and what follows a failure.
    pub stages: Vec<Stage>,
    /// Gates of every cluster.
    pub gates: Vec<GateSpec>,
    /// How instances are replaced.
    pub rolling: Rolling,
    /// What goes back when something failed.
    pub rollback: Rollback,
}

impl Policy {
    /// What the settings say now.
    pub fn of(settings: &Settings) -> Policy {
        Policy {
            stages: settings.stages.clone(),
            gates: settings.gates.clone(),
            rolling: settings.rolling.clone(),
            rollback: settings.rollback,
        }
    }

    /// The keys of `fleet.yaml` that say something else in `other`.
    pub fn differences(&self, other: &Policy) -> Vec<&'static str> {
        let Policy {
            stages,
            gates,
            rolling,
            rollback,
        } = self;
        let differ = [
            ("stages", *stages != other.stages),
            ("gates", *gates != other.gates),
            ("rolling", *rolling != other.rolling),
            ("rollback", *rollback != other.rollback),
        ];
        differ
            .into_iter()
            .filter_map(|(key, differs)| differs.then_some(key))
            .collect()
    }
}
