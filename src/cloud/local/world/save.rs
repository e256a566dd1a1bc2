//! What a simulated account writes down: a cluster when something was done to it, the clock when time passed, all of it when nothing more is done.

use super::{Inner, World};
use crate::cloud::CloudError;
use crate::cloud::local::cluster::SimulatedCluster;
use crate::cloud::local::files::{self, Clock};

impl World {
    /// Writes down how things stand now. They could be played anew from what is written: a person who reads the files shall not have to.
    ///
    /// # Errors
    /// [`CloudError::State`] when a file cannot be written.
    pub fn rest(&self) -> Result<(), CloudError> {
        let mut inner = self.inner();
        if inner.killed || !inner.is_alone()? {
            return Ok(());
        }
        let Inner {
            dir,
            clusters,
            files,
            ..
        } = &mut *inner;
        let dir = dir.as_deref();
        dir.map_or(Ok(()), |dir| {
            clusters.values().try_for_each(|c| files.rest(dir, c))
        })
    }
}

impl Inner {
    pub(in crate::cloud::local) fn save(
        &mut self,
        cluster: &SimulatedCluster,
    ) -> Result<(), CloudError> {
        self.dir
            .as_ref()
            .map_or(Ok(()), |dir| self.files.write(dir, cluster))
    }

    pub(super) fn save_clock(&self) -> Result<(), CloudError> {
        self.dir.as_ref().map_or(Ok(()), |dir| {
            files::write_clock(dir, &Clock::new(self.now, &self.options))
        })
    }
}
