//! Whether a store's conditional puts work is tried, not assumed.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use kfleet::store::{
    CloudKind, Condition, Leases, Object, ObjectError, Objects, Probe, Put, Store, Terms,
};

use super::in_memory;

/// Objects whose keeper does something of its own about conditions.
#[derive(Debug)]
struct Keeper {
    objects: Arc<dyn Objects>,
    /// Whether a condition is taken for none.
    ignores: fn(&Condition) -> bool,
    /// Whether it is refused though it holds.
    refuses: fn(&Condition) -> bool,
}

impl Objects for Keeper {
    fn place(&self) -> String {
        self.objects.place()
    }
    fn get(&self, key: &str) -> Result<Option<Object>, ObjectError> {
        self.objects.get(key)
    }
    fn put(&self, key: &str, bytes: &[u8], condition: &Condition) -> Result<Put, ObjectError> {
        if (self.refuses)(condition) {
            return Ok(Put::Refused);
        }
        let meant = if (self.ignores)(condition) {
            &Condition::None
        } else {
            condition
        };
        self.objects.put(key, bytes, meant)
    }
    fn delete(&self, key: &str) -> Result<(), ObjectError> {
        self.objects.delete(key)
    }
    fn list(&self, folder: &str) -> Result<Vec<String>, ObjectError> {
        self.objects.list(folder)
    }
}

fn probed(ignores: fn(&Condition) -> bool, refuses: fn(&Condition) -> bool) -> Probe {
    let objects: Arc<dyn Objects> = Arc::new(Keeper {
        objects: in_memory().objects,
        ignores,
        refuses,
    });
    let ticks = AtomicI64::new(0);
    let ticks = Arc::new(move || ticks.load(std::sync::atomic::Ordering::Relaxed));
    let leases = Leases::new(
        Arc::clone(&objects),
        ticks,
        Terms::default(),
        "anna".into(),
        "p1".into(),
    );
    let store = Store::of_objects(leases, CloudKind::Local).unwrap();
    let found = store.probe("t").unwrap();
    assert_eq!(
        objects.get("probes/t.json").unwrap(),
        None,
        "it is left there"
    );
    found
}

#[test]
fn a_store_that_ignores_conditions_is_found() {
    const ABSENT: &str = "If-None-Match";
    const IS: &str = "If-Match";
    let is_absent = |c: &Condition| *c == Condition::Absent;
    let is_match = |c: &Condition| matches!(c, Condition::Is(_));
    let never = |_: &Condition| false;
    assert!(matches!(probed(never, never), Probe::Works { .. }));
    assert_eq!(
        probed(is_absent, never),
        Probe::Ignored { condition: ABSENT }
    );
    assert_eq!(probed(is_match, never), Probe::Ignored { condition: IS });
    assert_eq!(
        probed(never, is_absent),
        Probe::Refused { condition: ABSENT }
    );
    assert_eq!(probed(never, is_match), Probe::Refused { condition: IS });
}
