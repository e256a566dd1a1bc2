//! One reading of an account and region: who is asked, about which clusters, and what was answered so far.

use super::haul::Haul;
use super::memory::Memory;
use super::scope::{Gaps, Singly};
use crate::cloud::Place;
use crate::cloud::aws::connect::{Clients, Connection};

/// One account and region, and the clusters in it that are read.
pub(super) struct Reading<'a> {
    pub(super) clients: Clients,
    pub(super) connection: &'a Connection,
    pub(super) memory: &'a Memory,
    pub(super) place: &'a Place,
    pub(super) places: &'a [Place],
    pub(super) singly: &'a Singly,
    pub(super) haul: Haul,
    pub(super) gaps: Gaps,
}
