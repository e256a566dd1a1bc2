//! How a rollout stands, without reading all of its journal: from the last checkpoint on, or from where this process read it last. Whoever
//! carries a rollout on reads every record of it; this is for who looks.

use std::collections::BTreeMap;
use std::sync::{MutexGuard, PoisonError};

use super::keeper::Keeper;
use super::logs::{self, is_open};
use super::so_far::{Moved, SoFar, carrier};
use super::{Holder, Store, StoreError, journal};
use crate::model::{LeaseState, Owner};
use crate::rollout::{Progress, Rollout};

impl Store {
    /// A rollout in outline, and where it stands. Where each append is an object, damage of what an earlier look or a checkpoint holds is not
    /// found by this: whoever carries the rollout on finds it.
    ///
    /// # Errors
    /// When it is not there, or what has to be read of it is damaged.
    pub fn outline(&self, id: &str) -> Result<(Rollout, Progress), StoreError> {
        let SoFar { rollout, moved } = self.so_far(id)?;
        Ok((rollout, moved.progress))
    }

    fn so_far(&self, id: &str) -> Result<SoFar, StoreError> {
        journal::checked(id)?;
        let known = self.looks().remove(id);
        let known = known.or_else(|| self.checkpoint(id));
        // What does not follow on what is known says so by the whole of it.
        let so_far = match known.and_then(|known| self.advanced(known).ok()) {
            Some(so_far) => so_far,
            None => self.whole(id)?,
        };
        self.looks().insert(id.to_owned(), so_far.clone());
        Ok(so_far)
    }

    fn looks(&self) -> MutexGuard<'_, BTreeMap<String, SoFar>> {
        self.looks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// With the records that were written since.
    fn advanced(&self, mut known: SoFar) -> Result<SoFar, StoreError> {
        let id = &known.rollout.id;
        let Moved { progress, end, .. } = &known.moved;
        let more = logs::read_after(self, id, end, progress.seq)?;
        let place = self.journal_place(id);
        for record in &more.records {
            known.moved.add(record, &place)?;
        }
        known.moved.end = more.end();
        Ok(known)
    }

    fn whole(&self, id: &str) -> Result<SoFar, StoreError> {
        let whole = logs::read(self, id)?;
        let (rollout, progress) = journal::fold(&whole.records, id, &self.journal_place(id))?;
        let carrier = whole.records.iter().rev().find_map(carrier);
        let carrier = carrier.unwrap_or_else(|| (rollout.started_by.clone(), rollout.started_at));
        Ok(SoFar {
            rollout: rollout.outline(),
            moved: Moved {
                progress,
                carrier,
                end: whole.end(),
            },
        })
    }

    /// Who drives a rollout, or did so last.
    ///
    /// # Errors
    /// When that cannot be read.
    pub fn owner(&self, id: &str) -> Result<Owner, StoreError> {
        let (by, since) = self.so_far(id)?.moved.carrier;
        match &self.keeper {
            Keeper::Folder(root) => {
                let lease = if is_open(root, id)? {
                    LeaseState::Alive
                } else {
                    LeaseState::Free
                };
                Ok(Owner { by, since, lease })
            }
            Keeper::Leases(leases) => {
                let found = leases.holder(&format!("carriers/{id}.json"))?;
                let (holder, lease) = match found {
                    Some((holder, lease)) => (Some(holder), lease),
                    None => (None, LeaseState::Free),
                };
                let (by, since) = holder
                    .map(|Holder { owner, since, .. }| (owner, since))
                    .unwrap_or((by, since));
                Ok(Owner { by, since, lease })
            }
        }
    }
}
