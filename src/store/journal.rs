//! The journal of a rollout: records in order, each written before what follows from it. A torn last line of a file is dropped; any other
//! damage is refused loudly.

use std::collections::{BTreeMap, BTreeSet};

use super::batches::ENDED;
use super::checkpoint::Outlined;
use super::damage::too_new;
use super::keeper::Keeper;
use super::line::{Chain, Contents};
use super::logs::{Log, is_lost, read};
use super::objects::create;
use super::so_far::{Moved, carrier};
use super::tail::Tail;
use super::whole::Whole;
use super::{Locks, Store, StoreError, TakenOver};
use crate::model::{ClusterName, RolloutId, Timestamp};
use crate::rollout::{ClusterRun, Event, JOURNAL_VERSION, Progress, Record, Rollout, RolloutEvent};

/// The folder of the numbers that rollouts were given, in which they were begun.
const SEQUENCE: &str = "sequence/";
/// The folder of user data, by its digest.
const CONTENTS: &str = "contents/";

/// An open journal. The process that has it is the only one that drives the rollout.
#[derive(Debug)]
pub struct Journal {
    store: Store,
    log: Log,
    chain: Chain,
    rollout: Rollout,
    progress: Progress,
    /// Where each cluster stands in the rollout: stage, wave, place. It is asked for with every effect, by the thousand.
    places: BTreeMap<ClusterName, (usize, usize, usize)>,
    standing: Standing,
    /// Who took it up last, and when.
    carrier: (String, Timestamp),
    outlined: Outlined,
    /// Bytes of records that no checkpoint holds.
    since: usize,
    /// Locks that were taken before the journal was begun, until the run takes them.
    locks: (Locks, Vec<TakenOver>),
}

/// Whether an open journal can be written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Sound,
    /// Another process drives the rollout, for all that is known.
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
        checked(&rollout.id)?;
        let place = store.journal_place(&rollout.id);
        let started = vec![Event::Rollout(RolloutEvent::Started {
            rollout: Box::new(rollout.clone()),
        })];
        let mut progress = Progress::new(rollout);
        let mut chain = Chain::default();
        let written = written(
            &mut progress,
            &mut chain,
            rollout.started_at,
            started,
            &place,
        )?;
        store.keep(&written.contents)?;
        store.number(&rollout.id)?;
        let tail = Tail::new(progress.seq, &chain);
        let log = Log::begin(store, &rollout.id, &written.text, &tail)?;
        let first = Self::first_of(written.records, place)?;
        let mut journal = Journal::of(store, log, chain, (rollout.clone(), progress));
        journal.since = written.text.len();
        Ok((journal, first))
    }

    /// As [`Journal::begin`], with locks that are held already.
    pub(super) fn begin_with(
        store: &Store,
        rollout: &Rollout,
        locks: (Locks, Vec<TakenOver>),
    ) -> Result<(Journal, Record), StoreError> {
        let (mut journal, first) = Journal::begin(store, rollout)?;
        journal.locks = locks;
        Ok((journal, first))
    }

    /// Opens a journal to carry its rollout on; a torn last line is cut off.
    ///
    /// # Errors
    /// When it is not there, damaged, or carried on by another process.
    pub fn take_up(store: &Store, id: &str) -> Result<Journal, StoreError> {
        checked(id)?;
        let (log, whole) = Log::take_up(store, id)?;
        let folded = fold(&whole.records, id, &store.journal_place(id))?;
        let last = whole.records.iter().rev().find_map(carrier);
        let mut journal = Journal::of(store, log, whole.chain, folded);
        journal.carrier = last.unwrap_or(journal.carrier);
        Ok(journal)
    }

    fn of(
        store: &Store,
        log: Log,
        chain: Chain,
        (rollout, progress): (Rollout, Progress),
    ) -> Journal {
        let places = places_of(&rollout);
        let carrier = (rollout.started_by.clone(), rollout.started_at);
        Journal {
            store: store.clone(),
            log,
            chain,
            rollout,
            progress,
            places,
            standing: Standing::Sound,
            carrier,
            outlined: Outlined::default(),
            since: 0,
            locks: (Locks::default(), Vec::new()),
        }
    }

    /// The locks that were taken before the journal was begun, and from whom.
    pub fn take_locks(&mut self) -> (Locks, Vec<TakenOver>) {
        std::mem::take(&mut self.locks)
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

    /// As its first record holds it.
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
        self.ensure_sound()?;
        // In place, and brought back from the journal when it fails: a copy of the whole fleet's progress with every record
        // would make a rollout cost the square of its clusters.
        let first = self.progress.seq + 1;
        let was_over = self.progress.ending.is_some() && !events.is_empty();
        let appended = self.write(at, events, first, was_over);
        match &appended {
            Ok(records) => {
                self.carrier = match records.iter().rev().find_map(carrier) {
                    Some(carrier) => carrier,
                    None => self.carrier.clone(),
                };
                if self.progress.ending.is_some() {
                    let tail = Tail::new(self.progress.seq, &self.chain);
                    self.log.ended(&self.rollout.id, &tail);
                }
            }
            // Another process writes here now: its records are not ours to go on from.
            Err(StoreError::Overtaken(_) | StoreError::LockLost { .. }) => {
                self.standing = Standing::Overtaken
            }
            Err(_) if self.recover().is_ok() => {}
            Err(_) => self.standing = Standing::Unreadable,
        }
        appended
    }

    /// Bytes of records that were written since the last checkpoint.
    pub fn bytes_since_checkpoint(&self) -> usize {
        self.since
    }

    /// Leaves how the rollout stands beside the journal, for who looks. Without it the journal says the same.
    pub fn leave_checkpoint(&mut self) {
        let moved = Moved {
            progress: self.progress.clone(),
            carrier: self.carrier.clone(),
            end: self.log.end(&self.chain),
        };
        self.store.leave(&mut self.outlined, &self.rollout, &moved);
        self.since = 0;
    }

    /// Whether records can be appended: another process has not taken over, and what is there can be read.
    fn ensure_sound(&self) -> Result<(), StoreError> {
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
        Ok(())
    }

    fn first_of(records: Vec<Record>, place: String) -> Result<Record, StoreError> {
        let first = records.into_iter().next();
        first.ok_or_else(|| StoreError::Damaged {
            place,
            why: "nothing was written".into(),
        })
    }

    fn write(
        &mut self,
        at: Timestamp,
        events: Vec<Event>,
        first: u64,
        was_over: bool,
    ) -> Result<Vec<Record>, StoreError> {
        let place = self.log.place();
        let written = written(&mut self.progress, &mut self.chain, at, events, &place)?;
        self.store.keep(&written.contents)?;
        if was_over {
            self.log.reopened(&self.rollout.id)?;
        }
        let tail = Tail::new(self.progress.seq, &self.chain);
        let (records, text) = (written.records.len(), &written.text);
        self.log
            .append(&self.rollout.id, first, records, text, &tail)?;
        self.since += text.len();
        Ok(written.records)
    }

    /// After a write that failed: what stands in the journal counts.
    fn recover(&mut self) -> Result<(), StoreError> {
        let whole = read(&self.store, &self.rollout.id)?;
        self.progress = fold(&whole.records, &self.rollout.id, &self.log.place())?.1;
        self.chain = whole.chain;
        Ok(())
    }
}

/// Where each cluster stands in the rollout: its stage, its wave, its place there.
fn places_of(rollout: &Rollout) -> BTreeMap<ClusterName, (usize, usize, usize)> {
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
    clusters.collect()
}

/// Records, their lines, and the user data that the lines name.
struct Written {
    records: Vec<Record>,
    text: Vec<u8>,
    contents: Contents,
}

/// The records of these events, added to the progress.
fn written(
    progress: &mut Progress,
    chain: &mut Chain,
    at: Timestamp,
    events: Vec<Event>,
    place: &str,
) -> Result<Written, StoreError> {
    let mut written = Written {
        records: Vec::with_capacity(events.len()),
        text: Vec::new(),
        contents: Contents::new(),
    };
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
        let line = chain.write(&record, &mut written.text, &mut written.contents);
        line.map_err(|e| StoreError::Damaged {
            place: place.to_owned(),
            why: e.to_string(),
        })?;
        written.text.push(b'\n');
        written.records.push(record);
    }
    Ok(written)
}

/// An id becomes part of file names and keys: it must not lead anywhere else.
pub(super) fn checked(id: &str) -> Result<(), StoreError> {
    RolloutId::new(id)?;
    Ok(())
}

impl Store {
    /// The ids of all rollouts, oldest first.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub fn rollouts(&self) -> Result<Vec<String>, StoreError> {
        let names = self.objects.list("journals/")?;
        // A journal that was taken away is missed, not forgotten.
        let lost = |id: &&str| match &self.keeper {
            Keeper::Folder(root) => checked(id).is_ok() && is_lost(root, id),
            Keeper::Leases(_) => false,
        };
        let id = |name: &String| {
            name.strip_suffix(".jsonl")
                .or_else(|| name.strip_suffix('/'))
                .or_else(|| name.strip_suffix(".head").filter(lost))
                // What cannot be the id of a rollout is no journal of ours.
                .filter(|id| checked(id).is_ok())
                .map(str::to_owned)
        };
        self.in_order(names.iter().filter_map(id).collect())
    }

    /// In the order in which the rollouts were begun: that of the numbers that the store gave them. Those of earlier versions have none,
    /// and come first.
    fn in_order(&self, mut ids: Vec<String>) -> Result<Vec<String>, StoreError> {
        if ids.len() < 2 {
            return Ok(ids);
        }
        let keys: Vec<String> = self.objects.list(SEQUENCE)?;
        let keys: Vec<String> = keys.iter().map(|n| format!("{SEQUENCE}{n}")).collect();
        let mut numbers: BTreeMap<String, usize> = BTreeMap::new();
        for (n, found) in self.objects.get_all(&keys)?.into_iter().enumerate() {
            let id = found.and_then(|o| String::from_utf8(o.bytes).ok());
            if let Some(id) = id {
                numbers.entry(id.trim_end().to_owned()).or_insert(n + 1);
            }
        }
        ids.sort_by_key(|id| (numbers.get(id).copied().unwrap_or(0), id.clone()));
        Ok(ids)
    }

    /// Gives a rollout its number. One that is given to a rollout that is never begun stays unused.
    fn number(&self, id: &str) -> Result<(), StoreError> {
        let last = self.objects.list(SEQUENCE)?.pop();
        let last = last.and_then(|n| n.parse::<u64>().ok()).unwrap_or(0);
        let mut number = last + 1;
        while !create(
            &*self.objects,
            &format!("{SEQUENCE}{number:08}"),
            format!("{id}\n").as_bytes(),
        )? {
            number += 1;
        }
        Ok(())
    }

    /// Keeps user data under its digest.
    fn keep(&self, contents: &Contents) -> Result<(), StoreError> {
        for (name, text) in contents {
            let key = format!("{CONTENTS}{name}");
            // What is there already is the same.
            if self.objects.get(&key)?.is_none() {
                create(&*self.objects, &key, text.as_bytes())?;
            }
        }
        Ok(())
    }

    /// The user data with this digest.
    pub(super) fn content(&self, name: &str) -> Result<String, String> {
        let found = self
            .objects
            .get(&format!("{CONTENTS}{name}"))
            .map_err(|e| e.to_string())?;
        found
            .and_then(|o| String::from_utf8(o.bytes).ok())
            .filter(|text| super::line::digest(text.as_bytes()) == name)
            .ok_or_else(|| format!("the user data that it names, `{CONTENTS}{name}` of the store, is missing or changed: that is what to put back"))
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
        checked(id)?;
        read(self, id).map(|whole: Whole| whole.records)
    }

    /// A rollout and where it stands.
    ///
    /// # Errors
    /// When it is not there or damaged.
    pub fn rollout(&self, id: &str) -> Result<(Rollout, Progress), StoreError> {
        fold(&self.records(id)?, id, &self.journal_place(id))
    }
}

pub(super) fn fold(
    records: &[Record],
    id: &str,
    place: &str,
) -> Result<(Rollout, Progress), StoreError> {
    let (rollout, progress) = Progress::of(records).map_err(|source| StoreError::Journal {
        place: place.to_owned(),
        source,
    })?;
    if rollout.version > JOURNAL_VERSION {
        Err(StoreError::Damaged {
            place: place.to_owned(),
            why: too_new(u64::from(rollout.version)),
        })
    } else if rollout.id == id {
        Ok((rollout, progress))
    } else {
        Err(StoreError::Damaged {
            place: place.to_owned(),
            why: format!("it is the journal of rollout {}", rollout.id),
        })
    }
}
