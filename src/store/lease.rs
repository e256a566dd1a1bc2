//! Leases on objects: a lock that lives as long as its holder renews it. One clock judges whether it is over: that of the object
//! store. Its holder stops by its own clock, well before others may take it over. Decides nothing about rollouts.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::damage::too_new;
use super::objects::{ObjectError, Objects, replace};
use super::{Condition, Object, Put};
use super::{Holder, StoreError};
use crate::model::{LeaseState, Span, Timestamp};

/// The time of this process in milliseconds since 1970: never backwards, and it passes while the machine sleeps too.
pub type Ticks = Arc<dyn Fn() -> i64 + Send + Sync>;

/// How long a lease counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Between two renewals.
    pub beat: Span,
    /// Without a renewal its holder may not act on it after this time.
    pub lease: Span,
    /// And it may not be taken over before this much more: longer than any one call to a cloud takes.
    pub margin: Span,
}

impl Default for Terms {
    /// Four renewals may fail. A process that resumes after a crash waits at most two and a half minutes.
    fn default() -> Terms {
        Terms {
            beat: Span::from_secs(12),
            lease: Span::from_secs(60),
            margin: Span::from_secs(90),
        }
    }
}

/// What stands in the object of a lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    version: u32,
    holder: Holder,
    /// Tells the processes apart.
    token: String,
    /// Grows with every renewal: no two contents are alike.
    beat: u64,
    /// Let go of.
    free: bool,
}

/// The leases of one process.
#[derive(Clone)]
pub struct Leases {
    inner: Arc<Inner>,
}

struct Inner {
    objects: Arc<dyn Objects>,
    ticks: Ticks,
    terms: Terms,
    owner: String,
    token: String,
    held: Mutex<BTreeMap<String, Held>>,
    /// Renewals and the release, one after the other.
    turn: Mutex<()>,
    /// The thread that renews ends when this is dropped.
    beating: Mutex<Option<Sender<()>>>,
}

#[derive(Clone)]
struct Held {
    record: Record,
    etag: String,
    /// When the last renewal that is known to have counted began.
    proven: i64,
    lost: Option<String>,
    /// Why the last renewal failed.
    trouble: Option<String>,
}

impl fmt::Debug for Leases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leases")
            .field("objects", &self.inner.objects)
            .field("terms", &self.inner.terms)
            .finish_non_exhaustive()
    }
}

/// A lease that is held. Dropping it gives it back.
#[derive(Debug)]
pub(super) struct Lease {
    leases: Leases,
    key: String,
    /// From whom it was taken, when it had not been released.
    pub(super) from: Option<Holder>,
    /// Its number.
    pub(super) fence: u64,
}

/// Why a lease could not be taken.
#[derive(Debug)]
pub(super) enum NotTaken {
    /// By another process, which is named where that is known.
    Held(Option<Holder>),
    Store(StoreError),
}

impl From<ObjectError> for NotTaken {
    fn from(error: ObjectError) -> NotTaken {
        NotTaken::Store(error.into())
    }
}

/// How often the same thing is tried when another process, or a lost answer, gets in between.
const TRIES: u32 = 4;

impl Leases {
    /// The leases of this process. `owner` says whose it is, `token` tells it from every other.
    pub fn new(
        objects: Arc<dyn Objects>,
        ticks: Ticks,
        terms: Terms,
        owner: String,
        token: String,
    ) -> Leases {
        Leases {
            inner: Arc::new(Inner {
                objects,
                ticks,
                terms,
                owner,
                token,
                held: Mutex::default(),
                turn: Mutex::default(),
                beating: Mutex::default(),
            }),
        }
    }

    /// This process as the one that carries a rollout on.
    pub(super) fn carrier(&self, rollout: &str) -> Holder {
        let since = Timestamp::from_millis((self.inner.ticks)());
        Holder {
            owner: self.inner.owner.clone(),
            rollout: rollout.to_owned(),
            since,
            fence: 0,
        }
    }

    pub(super) fn objects(&self) -> &Arc<dyn Objects> {
        &self.inner.objects
    }

    pub(super) fn token(&self) -> &str {
        &self.inner.token
    }

    /// Takes the lease under that key: one that is free, or that was not renewed for too long. `holder.fence` is not read.
    pub(super) fn take(&self, key: &str, holder: &Holder) -> Result<Lease, NotTaken> {
        let mut tries = 0;
        let mut from = None;
        loop {
            tries += 1;
            let found = self.inner.objects.get(key)?;
            let (record, condition, before) = self.next(key, found, holder)?;
            from = before.or(from);
            let proven = (self.inner.ticks)();
            match self.inner.objects.put(key, &bytes(&record), &condition) {
                Ok(Put::Written(etag)) => {
                    let fence = record.holder.fence;
                    self.inner.held().insert(
                        key.to_owned(),
                        Held {
                            record,
                            etag,
                            proven,
                            lost: None,
                            trouble: None,
                        },
                    );
                    self.beat_from_now_on();
                    return Ok(Lease {
                        leases: self.clone(),
                        key: key.to_owned(),
                        from,
                        fence,
                    });
                }
                // Another process was quicker, or an earlier try of ours was: the next look tells.
                Ok(Put::Refused) | Err(ObjectError::NoAnswer { .. }) if tries < TRIES => {}
                Ok(Put::Refused) => {
                    let why = format!("{key}: it changes hands all the time");
                    return Err(NotTaken::Store(StoreError::LockLost {
                        what: key.to_owned(),
                        why,
                    }));
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// What would be written to take it, on what condition, and from whom it would be taken.
    fn next(
        &self,
        key: &str,
        found: Option<Object>,
        holder: &Holder,
    ) -> Result<(Record, Condition, Option<Holder>), NotTaken> {
        let Some(object) = found else {
            return Ok((self.record(holder, 1), Condition::Absent, None));
        };
        let last = self.read(key, &object)?;
        let condition = Condition::Is(object.etag.clone());
        let mine = last.token == self.inner.token && self.inner.held().get(key).is_none();
        let from = match (last.free, mine) {
            (true, _) => None,
            // A put of ours whose answer got lost: no other process ever had it.
            (false, true) => {
                return Ok((
                    Record {
                        beat: last.beat + 1,
                        ..last
                    },
                    condition,
                    None,
                ));
            }
            (false, false) if self.is_over(&object)? => Some(last.holder.clone()),
            (false, false) => return Err(NotTaken::Held(Some(last.holder))),
        };
        Ok((
            self.record(holder, last.holder.fence.saturating_add(1)),
            condition,
            from,
        ))
    }

    fn record(&self, holder: &Holder, fence: u64) -> Record {
        Record {
            version: 1,
            holder: Holder {
                fence,
                ..holder.clone()
            },
            token: self.inner.token.clone(),
            beat: 0,
            free: false,
        }
    }

    fn read(&self, key: &str, object: &Object) -> Result<Record, NotTaken> {
        let damaged = |why: String| {
            NotTaken::Store(StoreError::Damaged {
                place: format!("{}/{key}", self.inner.objects.place()),
                why,
            })
        };
        let record: Record =
            serde_json::from_slice(&object.bytes).map_err(|e| damaged(e.to_string()))?;
        if record.version == 1 {
            Ok(record)
        } else {
            Err(damaged(too_new(u64::from(record.version))))
        }
    }

    /// Whether it was not renewed for so long that its holder cannot be acting on it any more. Both moments are of one clock: an
    /// object written just now tells the store's time.
    fn is_over(&self, object: &Object) -> Result<bool, ObjectError> {
        let Some(now) = self.time_there()? else {
            return Ok(false);
        };
        let Terms {
            beat: _,
            lease,
            margin,
        } = self.inner.terms;
        Ok(now.since(object.written).millis() > lease.millis() + margin.millis())
    }

    /// Who has the lease under that key, and whether it is held; none: it was never taken.
    pub(super) fn holder(&self, key: &str) -> Result<Option<(Holder, LeaseState)>, StoreError> {
        let Some(object) = self.inner.objects.get(key)? else {
            return Ok(None);
        };
        let record = match self.read(key, &object) {
            Ok(record) => record,
            Err(NotTaken::Store(error)) => return Err(error),
            Err(NotTaken::Held(_)) => return Ok(None),
        };
        if record.free {
            return Ok(Some((record.holder, LeaseState::Free)));
        }
        let Terms {
            beat,
            lease,
            margin,
        } = self.inner.terms;
        let free_at = object.written + lease + margin;
        let now = self.time_there()?;
        let state = match now {
            Some(now) if now > free_at => LeaseState::Free,
            // Two renewals late: something is wrong with it.
            Some(now) if now.since(object.written).millis() > 2 * beat.millis() + 1_000 => {
                LeaseState::Silent { free_at }
            }
            Some(_) | None => LeaseState::Alive,
        };
        Ok(Some((record.holder, state)))
    }

    fn time_there(&self) -> Result<Option<Timestamp>, ObjectError> {
        let key = format!("clock/{}", self.inner.token);
        replace(&*self.inner.objects, &key, self.inner.token.as_bytes())?;
        let found = self.inner.objects.get(&key)?.map(|o| o.written);
        self.inner.objects.delete(&key)?;
        Ok(found)
    }

    /// Renews everything that is held, once. The thread of this process does it all the time.
    pub fn renew(&self) {
        self.inner.renew();
    }

    fn beat_from_now_on(&self) {
        let mut beating = self
            .inner
            .beating
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if beating.is_some() {
            return;
        }
        let (stop, stopped) = mpsc::channel::<()>();
        let inner: Weak<Inner> = Arc::downgrade(&self.inner);
        let beat =
            Duration::from_millis(u64::try_from(self.inner.terms.beat.millis()).unwrap_or(1));
        std::thread::spawn(move || {
            while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(beat) {
                let Some(inner) = inner.upgrade() else { return };
                inner.renew();
            }
        });
        *beating = Some(stop);
    }
}

impl Inner {
    fn held(&self) -> MutexGuard<'_, BTreeMap<String, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn renew(&self) {
        let all: Vec<String> = self
            .held()
            .iter()
            .filter(|(_, h)| h.lost.is_none())
            .map(|(key, _)| key.clone())
            .collect();
        for key in all {
            let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
            // Released in the meantime.
            let Some(held) = self.held().get(&key).cloned() else {
                continue;
            };
            let renewed = self.written(&key, held, false);
            self.held().insert(key, renewed);
        }
    }

    /// Writes it anew, to be held or to be free. What was written is held from then on, or lost, or not known to be either.
    fn written(&self, key: &str, mut held: Held, free: bool) -> Held {
        for _ in 0..TRIES {
            let proven = (self.ticks)();
            let next = Record {
                beat: held.record.beat + 1,
                free,
                ..held.record.clone()
            };
            match self
                .objects
                .put(key, &bytes(&next), &Condition::Is(held.etag.clone()))
            {
                Ok(Put::Written(etag)) => {
                    return Held {
                        record: next,
                        etag,
                        proven,
                        lost: None,
                        trouble: None,
                    };
                }
                Ok(Put::Refused) => match self.in_the_way(key, &held) {
                    Ok(Ok((record, etag))) => (held.record, held.etag) = (record, etag),
                    Ok(Err(lost)) => {
                        return Held {
                            lost: Some(lost),
                            ..held
                        };
                    }
                    Err(error) => {
                        return Held {
                            trouble: Some(error.to_string()),
                            ..held
                        };
                    }
                },
                Err(error) => {
                    return Held {
                        trouble: Some(error.to_string()),
                        ..held
                    };
                }
            }
        }
        Held {
            trouble: Some("it changes all the time".into()),
            ..held
        }
    }

    /// An earlier renewal of ours that got through while its answer did not; or why it is lost.
    fn in_the_way(
        &self,
        key: &str,
        held: &Held,
    ) -> Result<Result<(Record, String), String>, ObjectError> {
        let Some(object) = self.objects.get(key)? else {
            return Ok(Err("it was removed by hand".into()));
        };
        Ok(match serde_json::from_slice::<Record>(&object.bytes) {
            Ok(record)
                if record.token == self.token
                    && record.holder == held.record.holder
                    && !record.free =>
            {
                Ok((record, object.etag))
            }
            Ok(record) => {
                let Holder {
                    owner,
                    rollout,
                    since,
                    fence,
                } = record.holder;
                Err(format!(
                    "{owner} took it for rollout {rollout} at {}, with number {fence}",
                    since.clock()
                ))
            }
            Err(error) => Err(format!("kfleet did not write what is there: {error}")),
        })
    }
}

impl Lease {
    /// Whether it is held for certain: renewed a short while ago, and not known to be lost.
    pub(super) fn check(&self, what: &str) -> Result<(), StoreError> {
        let lost = |why: String| StoreError::LockLost {
            what: what.to_owned(),
            why,
        };
        let inner = &self.leases.inner;
        let Some(held) = inner.held().get(&self.key).cloned() else {
            return Err(lost("it was released".into()));
        };
        if let Some(why) = held.lost {
            return Err(lost(why));
        }
        let silent = (inner.ticks)().saturating_sub(held.proven);
        if (0..=inner.terms.lease.millis()).contains(&silent) {
            return Ok(());
        }
        let trouble = held.trouble.map(|t| format!(": {t}")).unwrap_or_default();
        Err(lost(format!(
            "it could not be renewed for {} s{trouble}",
            silent / 1_000
        )))
    }
}

impl Drop for Lease {
    /// Gives it back. Where that fails it is over by itself, later.
    fn drop(&mut self) {
        let inner = &self.leases.inner;
        let _turn = inner.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let held = inner.held().remove(&self.key);
        if let Some(held) = held.filter(|h| h.lost.is_none()) {
            inner.written(&self.key, held, true);
        }
    }
}

fn bytes(record: &Record) -> Vec<u8> {
    // Our own struct of strings and numbers always serialises.
    serde_json::to_vec_pretty(record).unwrap_or_default()
}
