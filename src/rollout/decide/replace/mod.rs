//! Replacing the instances of one group: surge or detach, canary, drain, terminate, release.

mod balancers;
mod blocked;
mod dead;
mod drain;
mod exchange;
mod keep;
mod left;
mod lost;
mod protect;
mod release;
mod replacement;
mod volumes;
mod zones;

pub(crate) use exchange::{clean_up, empty, replace};
pub(crate) use keep::keep;
