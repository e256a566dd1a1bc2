//! Objects in memory, as S3 keeps them, and the wires that lead there: each process has one, with a clock and faults of its own.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use kfleet::model::Timestamp;
use kfleet::store::{
    CloudKind, Condition, Leases, Object, ObjectError, Objects, Put, Store, Terms,
};

/// What everybody sees.
#[derive(Debug, Default)]
pub struct Memory {
    objects: Mutex<BTreeMap<String, Object>>,
    version: AtomicU64,
    /// The clock of whoever keeps the objects, in milliseconds.
    pub clock: AtomicI64,
}

/// What happens to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    Fine,
    Refused,
    Credentials,
    /// Nothing happens, and nothing is heard of it.
    LostBefore,
    /// It happens, and nothing is heard of it.
    LostAfter,
}

/// A call, as the faults see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    Get,
    Put,
    Delete,
    List,
}

type Faults = Box<dyn FnMut(Verb, &str) -> Fault + Send>;

/// The way of one process to the objects.
#[derive(Clone)]
pub struct Wire {
    pub memory: Arc<Memory>,
    /// The clock of this process.
    pub ticks: Arc<AtomicI64>,
    faults: Arc<Mutex<Faults>>,
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wire")
    }
}

impl Memory {
    pub fn wire(self: &Arc<Memory>) -> Wire {
        let ticks = Arc::new(AtomicI64::new(self.clock.load(Ordering::SeqCst)));
        Wire {
            memory: Arc::clone(self),
            ticks,
            faults: Arc::new(Mutex::new(Box::new(|_, _| Fault::Fine))),
        }
    }

    pub fn pass(&self, seconds: i64) {
        self.clock.fetch_add(seconds * 1_000, Ordering::SeqCst);
    }

    pub fn text(&self, key: &str) -> Option<String> {
        self.objects
            .lock()
            .unwrap()
            .get(key)
            .map(|o| String::from_utf8(o.bytes.clone()).unwrap())
    }

    pub fn set(&self, key: &str, text: &str) {
        self.write(key, text.as_bytes());
    }

    pub fn remove(&self, key: &str) {
        self.objects.lock().unwrap().remove(key);
    }

    pub fn keys(&self) -> Vec<String> {
        self.objects.lock().unwrap().keys().cloned().collect()
    }

    /// All of it, for another world.
    pub fn copy(&self) -> Arc<Memory> {
        let copy = Memory {
            objects: Mutex::new(self.objects.lock().unwrap().clone()),
            ..Memory::default()
        };
        copy.version
            .store(self.version.load(Ordering::SeqCst), Ordering::SeqCst);
        copy.clock
            .store(self.clock.load(Ordering::SeqCst), Ordering::SeqCst);
        Arc::new(copy)
    }

    fn write(&self, key: &str, bytes: &[u8]) -> String {
        let mut all = self.objects.lock().unwrap();
        self.insert(&mut all, key, bytes)
    }

    fn insert(&self, all: &mut BTreeMap<String, Object>, key: &str, bytes: &[u8]) -> String {
        let etag = format!("\"{}\"", self.version.fetch_add(1, Ordering::SeqCst));
        let written = Timestamp::from_millis(self.clock.load(Ordering::SeqCst) / 1_000 * 1_000);
        all.insert(
            key.to_owned(),
            Object {
                bytes: bytes.to_vec(),
                etag: etag.clone(),
                written,
            },
        );
        etag
    }
}

impl Wire {
    /// From now on every call is asked about.
    pub fn fails(&self, faults: impl FnMut(Verb, &str) -> Fault + Send + 'static) {
        *self.faults.lock().unwrap() = Box::new(faults);
    }

    pub fn leases(&self, token: &str) -> Leases {
        let ticks = Arc::clone(&self.ticks);
        let read = Arc::new(move || ticks.load(Ordering::SeqCst));
        // An hour: these clocks stand still, so nothing has to be renewed unless a test does it.
        let terms = Terms {
            beat: kfleet::model::Span::from_secs(3_600),
            ..Terms::default()
        };
        Leases::new(
            Arc::new(self.clone()),
            read,
            terms,
            format!("owner {token}"),
            token.to_owned(),
        )
    }

    pub fn store(&self, token: &str) -> Store {
        Store::of_objects(self.leases(token), CloudKind::Local).unwrap()
    }

    /// Time passes for everybody.
    pub fn pass(&self, seconds: i64) {
        self.memory.pass(seconds);
        self.ticks.fetch_add(seconds * 1_000, Ordering::SeqCst);
    }

    fn call<T>(&self, verb: Verb, key: &str, act: impl FnOnce() -> T) -> Result<T, ObjectError> {
        let (doing, place) = ("reach", format!("memory/{key}"));
        let fault = (self.faults.lock().unwrap())(verb, key);
        match fault {
            Fault::Fine => Ok(act()),
            Fault::Refused => Err(ObjectError::Refused {
                doing,
                place,
                message: "AccessDenied".into(),
            }),
            Fault::Credentials => Err(ObjectError::Credentials {
                doing,
                place,
                message: "ExpiredToken".into(),
            }),
            Fault::LostBefore => Err(ObjectError::NoAnswer {
                doing,
                place,
                message: "timed out".into(),
            }),
            Fault::LostAfter => {
                act();
                Err(ObjectError::NoAnswer {
                    doing,
                    place,
                    message: "timed out".into(),
                })
            }
        }
    }
}

impl Objects for Wire {
    fn place(&self) -> String {
        "memory".into()
    }

    fn get(&self, key: &str) -> Result<Option<Object>, ObjectError> {
        self.call(Verb::Get, key, || {
            self.memory.objects.lock().unwrap().get(key).cloned()
        })
    }

    fn put(&self, key: &str, bytes: &[u8], condition: &Condition) -> Result<Put, ObjectError> {
        self.call(Verb::Put, key, || {
            let mut all = self.memory.objects.lock().unwrap();
            let found = all.get(key);
            let holds = match condition {
                Condition::None => true,
                Condition::Absent => found.is_none(),
                Condition::Is(etag) => found.is_some_and(|o| o.etag == *etag),
            };
            if holds {
                Put::Written(self.memory.insert(&mut all, key, bytes))
            } else {
                Put::Refused
            }
        })
    }

    fn delete(&self, key: &str) -> Result<(), ObjectError> {
        self.call(Verb::Delete, key, || {
            self.memory.remove(key);
        })
    }

    fn list(&self, folder: &str) -> Result<Vec<String>, ObjectError> {
        self.call(Verb::List, folder, || {
            let keys = self.memory.keys();
            let below = keys.iter().filter_map(|k| k.strip_prefix(folder));
            let mut names: Vec<String> = below
                .map(|rest| {
                    rest.split_once('/')
                        .map_or_else(|| rest.to_owned(), |(f, _)| format!("{f}/"))
                })
                .collect();
            names.dedup();
            names
        })
    }
}
