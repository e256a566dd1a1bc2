//! The journal of a rollout: records in order, each written before what follows from it. A torn last line of a file is dropped; any other
//! damage is refused loudly.

use std::collections::{BTreeMap, BTreeSet};

use super::logs::{ENDED, Log, read};
use super::{Store, StoreError, TakenOver};
use crate::model::{ClusterName, Timestamp};
use crate::rollout::{ClusterRun, Event, Progress, Record, Rollout};

/// An open journal. Whoever has it is the only process that carries the rollout on.
#[derive(Debug)]
pub struct Journal {
    log: Log,
    rollout: Rollout,
    progress: Progress,
    /// Where each cluster stands in the rollout: stage, wave, place. It is asked for with every effect, by the thousand.
    places: BTreeMap<ClusterName, (usize, usize, usize)>,
    standing: Standing,
}

/// Whether an open journal can be written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Sound,
    /// Somebody else carries the rollout on, for all that is known.
    Overtaken,
    /// A write failed, and so did the attempt to find out what it left.
    Unreadable,
}

impl Journal {
    /// Begins the journal of a new rollout: its first record holds the rollout.
    ///
    /// # Errors
    /// When it cannot be written, or a journal of this name exists.
    pub fn begin(store: &Store, rollout: &Rollout) -> Result<(Journal, Record), StoreError> {
        store.ensure()?;
        let place = store.journal_place(&rollout.id);
        let started = vec![Event::Started {
            rollout: Box::new(rollout.clone()),
        }];
        let mut progress = Progress::new(rollout);
        let (records, text) = written(&mut progress, rollout.started_at, started, &place)?;
        let log = Log::begin(store, &rollout.id, text.as_bytes())?;
        let first = records
            .into_iter()
            .next()
            .ok_or_else(|| StoreError::Damaged {
                place,
                why: "nothing was written".into(),
            })?;
        Ok((Journal::of(log, rollout.clone(), progress), first))
    }

    /// Opens a journal to carry its rollout on; a torn last line is cut off.
    ///
    /// # Errors
    /// When it is not there, damaged, or carried on by another process.
    pub fn take_up(store: &Store, id: &str) -> Result<Journal, StoreError> {
        let (log, records) = Log::take_up(store, id)?;
        let (rollout, progress) = fold(&records, &store.journal_place(id))?;
        Ok(Journal::of(log, rollout, progress))
    }

    fn of(log: Log, rollout: Rollout, progress: Progress) -> Journal {
        let waves = rollout.stages.iter().enumerate().flat_map(|(s, stage)| {
            stage
                .waves
                .iter()
                .enumerate()
                .map(move |(w, wave)| (s, w, wave))
        });
        let clusters = waves.flat_map(|(s, w, wave)| {
            wave.clusters
                .iter()
                .enumerate()
                .map(move |(c, run)| (run.cluster.clone(), (s, w, c)))
        });
        let places = clusters.collect();
        Journal {
            log,
            rollout,
            progress,
            places,
            standing: Standing::Sound,
        }
    }

    /// What the rollout does to a cluster.
    pub fn cluster(&self, name: &ClusterName) -> Option<&ClusterRun> {
        let (stage, wave, place) = *self.places.get(name)?;
        self.rollout
            .stages
            .get(stage)?
            .waves
            .get(wave)?
            .clusters
            .get(place)
    }

    /// The rollout.
    pub fn rollout(&self) -> &Rollout {
        &self.rollout
    }

    /// Where it stands.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// From whom the rollout was taken over, when its last carrier had not let it go.
    pub fn taken_over(&self) -> Option<TakenOver> {
        self.log.taken_over()
    }

    /// Whether this process still is the one that carries the rollout on, for certain.
    ///
    /// # Errors
    /// When that is not known.
    pub fn check(&self) -> Result<(), StoreError> {
        self.log.check(&self.rollout.id)
    }

    /// Appends events as records, in one write, and returns when they are safe.
    ///
    /// # Errors
    /// When they cannot be written, or cannot follow what stands before them; nothing may be acted upon then.
    pub fn append(&mut self, at: Timestamp, events: Vec<Event>) -> Result<Vec<Record>, StoreError> {
        match self.standing {
            Standing::Sound => {}
            Standing::Overtaken => {
                self.check()?;
                return Err(StoreError::Overtaken(self.rollout.id.clone()));
            }
            Standing::Unreadable => {
                return Err(StoreError::Damaged {
                    place: self.log.place(),
                    why: "an earlier write failed, and what it left cannot be read".into(),
                });
            }
        }
        // In place, and brought back from the journal when it fails: a copy of the whole fleet's progress with every record
        // would make a rollout cost the square of its clusters.
        let first = self.progress.seq + 1;
        let place = self.log.place();
        let written =
            written(&mut self.progress, at, events, &place).and_then(|(records, text)| {
                self.log
                    .append(&self.rollout.id, first, records.len(), text.as_bytes())
                    .map(|()| records)
            });
        match &written {
            Ok(_) if self.progress.ending.is_some() => self.log.ended(&self.rollout.id),
            Ok(_) => {}
            // Another process writes here now: its records are not ours to go on from.
            Err(StoreError::Overtaken(_) | StoreError::LockLost { .. }) => {
                self.standing = Standing::Overtaken
            }
            Err(_) if self.recover().is_ok() => {}
            Err(_) => self.standing = Standing::Unreadable,
        }
        written
    }

    /// After a write that failed: what stands in the journal counts.
    fn recover(&mut self) -> Result<(), StoreError> {
        let records = self.log.records(&self.rollout.id)?;
        self.progress = fold(&records, &self.log.place())?.1;
        Ok(())
    }
}

/// The records of these events, added to the progress, and their text.
fn written(
    progress: &mut Progress,
    at: Timestamp,
    events: Vec<Event>,
    place: &str,
) -> Result<(Vec<Record>, String), StoreError> {
    let mut text = String::new();
    let mut records = Vec::with_capacity(events.len());
    for event in events {
        let record = Record {
            seq: progress.seq + 1,
            at,
            event,
        };
        progress
            .add(&record)
            .map_err(|source| StoreError::Journal {
                place: place.to_owned(),
                source,
            })?;
        text += &serde_json::to_string(&record).map_err(|e| StoreError::Damaged {
            place: place.to_owned(),
            why: e.to_string(),
        })?;
        text.push('\n');
        records.push(record);
    }
    Ok((records, text))
}

impl Store {
    /// The ids of all rollouts, oldest first.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub fn rollouts(&self) -> Result<Vec<String>, StoreError> {
        let names = self.objects.list("journals/")?;
        let id = |name: &String| {
            name.strip_suffix(".jsonl")
                .or_else(|| name.strip_suffix('/'))
                .map(str::to_owned)
        };
        let mut ids: Vec<String> = names.iter().filter_map(id).collect();
        ids.sort();
        Ok(ids)
    }

    /// The ids of the rollouts that may not have ended, oldest first. Reading every journal there ever was takes its time where each record
    /// is an object: those that are known to have ended are left out there.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub fn perhaps_unfinished(&self) -> Result<Vec<String>, StoreError> {
        let ended: BTreeSet<String> = self.objects.list(ENDED)?.into_iter().collect();
        Ok(self
            .rollouts()?
            .into_iter()
            .filter(|id| !ended.contains(id))
            .collect())
    }

    /// All records of a rollout, without taking it up.
    ///
    /// # Errors
    /// When it is not there or damaged.
    pub fn records(&self, id: &str) -> Result<Vec<Record>, StoreError> {
        read(self, id)
    }

    /// A rollout and where it stands.
    ///
    /// # Errors
    /// When it is not there or damaged.
    pub fn rollout(&self, id: &str) -> Result<(Rollout, Progress), StoreError> {
        fold(&self.records(id)?, &self.journal_place(id))
    }
}

fn fold(records: &[Record], place: &str) -> Result<(Rollout, Progress), StoreError> {
    Progress::of(records).map_err(|source| StoreError::Journal {
        place: place.to_owned(),
        source,
    })
}
