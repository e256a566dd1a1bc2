//! Inputs and what they have to give, a module a kind: most of them a folder of texts beside this one. One binary, as each links all of kfleet.

#![cfg(test)]

mod autoscaler;
mod bundled_fleet;
mod conformance;
mod diff_cases;
mod explain_cases;
mod faults;
mod kops_cases;
mod lint_cases;
mod mutations;
mod readme;
mod stored_cases;
mod toolbox_cases;
mod yaml_readers;
