//! Looks at a rollout under way: they see what whoever reads the whole journal sees, and read little of it.

use std::sync::{Arc, Mutex};

use kfleet::rollout::{Event, Progress, Record, Rollout, RolloutEvent};
use kfleet::store::{Condition, Journal, Objects as _, Store, StoreError};

use crate::cases::Place;
use crate::memory::{Fault, Memory, Verb};
use crate::support::Scene;

/// A rollout and all that happened in it.
fn story() -> (Rollout, Vec<Record>) {
    let dir = crate::support::folder();
    let scene = Scene::small(dir.path(), &[("nodes", 2, 4, false)]);
    let rollout = scene.rollout(&scene.world(), "r1", &[]);
    let (_, records) = scene.start("r1");
    (rollout, records)
}

/// As the records say that `store` has.
fn whole(store: &Store) -> (Rollout, Progress) {
    let (rollout, progress) = Progress::of(&store.records("r1").unwrap()).unwrap();
    (rollout.outline(), progress)
}

pub(crate) fn a_look_sees_what_the_journal_says(place: &Place) {
    let (rollout, records) = story();
    let (writer, reader) = ((place.open)("p1"), (place.open)("p2"));
    let fresh = || (place.open)("p3").outline("r1").unwrap();
    let (mut journal, _) = Journal::begin(&writer, &rollout).unwrap();
    let by_another = Event::Rollout(RolloutEvent::Resumed { by: "anna".into() });
    for (n, record) in records.iter().enumerate().skip(1) {
        journal
            .append(record.at, vec![record.event.clone()])
            .unwrap();
        if n == 5 {
            journal.append(record.at, vec![by_another.clone()]).unwrap();
        }
        if n == 3 || n == records.len() / 2 {
            journal.leave_checkpoint();
            assert_eq!(fresh(), whole(&writer), "right after a checkpoint");
        }
        if n % 9 == 4 || n + 1 == records.len() {
            assert_eq!(reader.outline("r1").unwrap(), whole(&writer), "record {n}");
            assert_eq!(fresh(), whole(&writer), "record {n}, by a fresh process");
        }
    }
    assert!(writer.owner("r1").unwrap().by.contains("anna") || reader.folder().is_none());
    drop(journal);
    let mut journal = Journal::take_up(&reader, "r1").unwrap();
    journal.leave_checkpoint();
    assert_eq!(fresh(), whole(&writer));
    // What was overwritten is not what is kept of it, and neither is what another kfleet wrote: then the journal is read.
    for what in ["progress", "rollout"] {
        let key = format!("checkpoints/r1/{what}");
        let found = place.objects.get(&key).unwrap().unwrap().bytes;
        let line = found.iter().position(|b| *b == b'\n').unwrap();
        let cut = found.len() - 9;
        let other = [b"0.0.0 ".as_slice(), &found[5..]].concat();
        for bytes in [b"".as_slice(), &found[..cut], &found[line..], &other] {
            let put = place.objects.put(&key, bytes, &Condition::None);
            put.unwrap();
            assert_eq!(fresh(), whole(&writer));
        }
        place.objects.put(&key, &found, &Condition::None).unwrap();
    }
}

/// After a checkpoint a look reads what was written since; and where the journal is gone it says so.
#[test]
fn a_look_reads_what_is_new() {
    let (rollout, records) = story();
    let memory = Arc::new(Memory::default());
    let (wire, looks) = (memory.wire(), memory.wire());
    let writer = wire.store("p1");
    let (mut journal, _) = Journal::begin(&writer, &rollout).unwrap();
    let (last, before) = records.split_last().unwrap();
    for record in before.iter().skip(1) {
        journal
            .append(record.at, vec![record.event.clone()])
            .unwrap();
    }
    let calls = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&calls);
    looks.fails(move |verb, key| {
        if verb == Verb::Get && key.starts_with("journals/") {
            heard.lock().unwrap().push(key.to_owned());
        }
        Fault::Fine
    });
    let read = |reader: &Store| {
        calls.lock().unwrap().clear();
        assert_eq!(reader.outline("r1").unwrap(), whole(&writer));
        calls.lock().unwrap().len()
    };
    assert_eq!(read(&looks.store("p2")), before.len(), "no checkpoint yet");
    journal.leave_checkpoint();
    let reader = looks.store("p2");
    assert_eq!(read(&reader), 0);
    journal.append(last.at, vec![last.event.clone()]).unwrap();
    assert_eq!((read(&reader), read(&reader)), (1, 0));
    assert_eq!(read(&looks.store("p2")), 1);
    for key in memory.keys() {
        if key.starts_with("journals/") {
            memory.remove(&key);
        }
    }
    for reader in [reader, looks.store("p2")] {
        let found = reader.outline("r1");
        assert!(
            matches!(found, Err(StoreError::NoSuchRollout(_))),
            "{found:?}"
        );
    }
}

/// The process that carries a rollout on leaves a checkpoint of a journal that is worth it, without being asked.
#[test]
fn a_long_journal_has_a_checkpoint_at_its_end() {
    let groups = ["a", "b", "c", "d", "e", "f"].map(|name| (name, 1, 4, false));
    for (groups, is_long) in [(&groups[..1], false), (&groups[..], true)] {
        let dir = crate::support::folder();
        let wire = Arc::new(Memory::default()).wire();
        let mut scene = Scene::small(dir.path(), groups);
        scene.kept = Some(wire.store("p1"));
        let (_, records) = scene.start("r1");
        let keys = wire.memory.keys();
        let bytes: usize = keys
            .iter()
            .filter(|k| k.starts_with("journals/r1/"))
            .map(|k| wire.get(k).unwrap().unwrap().bytes.len())
            .sum();
        assert_eq!(bytes > 64 * 1024, is_long, "{bytes} bytes");
        let left = keys.iter().any(|k| k == "checkpoints/r1/progress");
        assert_eq!(left, is_long, "of {} records", records.len());
        let seen = wire.store("p2").outline("r1").unwrap();
        assert_eq!(seen, whole(&wire.store("p3")));
    }
}
