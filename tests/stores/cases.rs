//! What every place for objects, and every store on one, has to do.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use kfleet::model::{ClusterName, LeaseState, Span, Timestamp, digest_of};
use kfleet::plan::Baseline;
use kfleet::rollout::{Event, RolloutEvent, StageEvent};
use kfleet::store::{
    CloudKind, Condition, Journal, Locks, Objects, Put, Request, Stop, Store, StoreAccess,
    StoreError,
};

use crate::support::{Scene, name};

/// One place, and how a process opens the store on it.
pub struct Place {
    pub objects: Arc<dyn Objects>,
    pub open: Box<dyn Fn(&str) -> Store>,
}

pub const ALL: [(&str, fn(&Place)); 12] = [
    (
        "objects_are_written_by_condition",
        objects_are_written_by_condition,
    ),
    (
        "a_folder_lists_what_lies_right_under_it",
        a_folder_lists_what_lies_right_under_it,
    ),
    ("a_store_knows_its_cloud", a_store_knows_its_cloud),
    ("baselines_come_and_go", baselines_come_and_go),
    (
        "requests_are_taken_one_by_one",
        requests_are_taken_one_by_one,
    ),
    (
        "a_stop_stands_until_it_is_lifted",
        a_stop_stands_until_it_is_lifted,
    ),
    (
        "a_journal_is_carried_on_by_one",
        a_journal_is_carried_on_by_one,
    ),
    (
        "a_look_sees_what_the_journal_says",
        crate::looks::a_look_sees_what_the_journal_says,
    ),
    (
        "user_data_stands_in_no_journal",
        user_data_stands_in_no_journal,
    ),
    (
        "rollouts_come_in_the_order_in_which_they_began",
        rollouts_come_in_the_order_in_which_they_began,
    ),
    (
        "one_rollout_is_started_at_a_time",
        one_rollout_is_started_at_a_time,
    ),
    (
        "locks_of_a_wave_are_taken_together",
        locks_of_a_wave_are_taken_together,
    ),
];

const NOW: Timestamp = Timestamp::from_millis(1_767_600_000_000);

fn objects_are_written_by_condition(place: &Place) {
    let objects = &place.objects;
    let put = |text: &str, condition: Condition| {
        objects
            .put("a/one.json", text.as_bytes(), &condition)
            .unwrap()
    };
    let etag = |put: Put| match put {
        Put::Written(etag) => etag,
        Put::Refused => panic!("refused"),
    };
    assert_eq!(objects.get("a/one.json").unwrap(), None);
    assert_eq!(put("0", Condition::Is("\"nothing\"".into())), Put::Refused);
    let first = etag(put("1", Condition::Absent));
    assert_eq!(put("2", Condition::Absent), Put::Refused);
    let second = etag(put("2", Condition::Is(first.clone())));
    assert_ne!(first, second);
    assert_eq!(put("3", Condition::Is(first)), Put::Refused);
    let found = objects.get("a/one.json").unwrap().unwrap();
    assert_eq!((found.bytes, found.etag), (b"2".to_vec(), second));
    etag(put("4", Condition::None));
    assert_eq!(objects.get("a/one.json").unwrap().unwrap().bytes, b"4");
    // One clock for all of them, and it does not go back.
    let later = etag(objects.put("a/two.json", b"", &Condition::None).unwrap());
    let two = objects.get("a/two.json").unwrap().unwrap();
    assert_eq!((two.bytes, two.etag), (Vec::new(), later));
    assert!(two.written >= objects.get("a/one.json").unwrap().unwrap().written);
    objects.delete("a/one.json").unwrap();
    objects.delete("a/one.json").unwrap();
    assert_eq!(objects.get("a/one.json").unwrap(), None);
    etag(put("5", Condition::Absent));
}

fn a_folder_lists_what_lies_right_under_it(place: &Place) {
    assert_eq!(place.objects.list("b/").unwrap(), Vec::<String>::new());
    let keys: Vec<String> = (0..1_100)
        .step_by(25)
        .map(|n| format!("b/{n:04}.json"))
        .collect();
    for key in keys
        .iter()
        .map(String::as_str)
        .chain(["b/c.d/x.json", "b/c.d/y.json", "b2/z.json"])
    {
        place
            .objects
            .put(key, key.as_bytes(), &Condition::None)
            .unwrap();
    }
    let names: Vec<String> = keys
        .iter()
        .map(|k| k[2..].to_owned())
        .chain(["c.d/".to_owned()])
        .collect();
    assert_eq!(place.objects.list("b/").unwrap(), names);
    assert_eq!(place.objects.list("b/c.d/").unwrap(), ["x.json", "y.json"]);
    let after = |name: &str| place.objects.list_after("b/", name).unwrap();
    assert_eq!(after(&names[3]), names[4..]);
    assert_eq!(after("0090"), names[4..]);
    assert_eq!(after("d"), Vec::<String>::new());
    let asked: Vec<String> = keys
        .iter()
        .cloned()
        .chain(["b/none.json".to_owned()])
        .collect();
    let found = place.objects.get_all(&asked).unwrap();
    let texts: Vec<Option<String>> = found
        .into_iter()
        .map(|f| f.map(|o| String::from_utf8(o.bytes).unwrap()))
        .collect();
    assert_eq!(
        texts,
        keys.into_iter().map(Some).chain([None]).collect::<Vec<_>>()
    );
}

fn a_store_knows_its_cloud(place: &Place) {
    let store = (place.open)("p1");
    // Looking makes nothing.
    assert!(
        store.rollouts().unwrap().is_empty()
            && store.stops().unwrap().is_empty()
            && store.baselines().unwrap().is_empty()
    );
    assert_eq!(place.objects.get("store.json").unwrap(), None);
    store.remove_baseline(&name("a.k8s.test")).unwrap();
    store
        .request(
            "r",
            &Request::Abort {
                by: "me".into(),
                reason: "enough".into(),
            },
        )
        .unwrap();
    let marker = place.objects.get("store.json").unwrap().unwrap();
    assert_eq!(
        serde_json::from_slice::<serde_json::Value>(&marker.bytes).unwrap(),
        serde_json::json!({"version": 1, "cloud": "local"})
    );
    assert_eq!((place.open)("p2").kind(), CloudKind::Local);
}

fn baselines_come_and_go(place: &Place) {
    let store = (place.open)("p1");
    let baseline = |cluster: &str, rollout: &str| Baseline {
        version: 1,
        cluster: name(cluster),
        digest: digest_of(&cluster),
        release: digest_of(&"release"),
        rollout: rollout.into(),
        commit: None,
        more_than_commit: false,
        allow_dirty: None,
        since: NOW,
        documents: std::collections::BTreeMap::default(),
        pending: std::collections::BTreeMap::new(),
        user_data: std::collections::BTreeMap::new(),
        kubernetes: None,
    };
    for (cluster, rollout) in [
        ("a.k8s.test", "r1"),
        ("b.k8s.test", "r1"),
        ("a.k8s.test", "r2"),
    ] {
        store.put_baseline(&baseline(cluster, rollout)).unwrap();
    }
    let all = (place.open)("p2").baselines().unwrap();
    let rollouts: Vec<(String, String)> = all
        .into_values()
        .map(|b| (b.cluster.to_string(), b.rollout))
        .collect();
    assert_eq!(
        rollouts,
        [
            ("a.k8s.test".into(), "r2".into()),
            ("b.k8s.test".into(), "r1".into())
        ]
    );
    store.remove_baseline(&name("a.k8s.test")).unwrap();
    assert_eq!(store.baselines().unwrap().len(), 1);
}

fn requests_are_taken_one_by_one(place: &Place) {
    let (ours, theirs) = ((place.open)("p1"), (place.open)("p2"));
    let approve = |plan: &str, hours: i64| Request::Approve {
        plan: digest_of(&plan),
        stage: name("prod"),
        by: "me".into(),
        expires: NOW + Span::from_secs(hours * 3_600),
    };
    ours.request("r1", &approve("plan", 1)).unwrap();
    ours.request(
        "r2",
        &Request::Abort {
            by: "me".into(),
            reason: "enough".into(),
        },
    )
    .unwrap();
    let [(taken, request)] = theirs.pending("r1").unwrap().try_into().unwrap();
    assert_eq!(request, approve("plan", 1));
    // One that comes in between the look and the taking away stays.
    ours.request("r1", &approve("plan", 2)).unwrap();
    theirs.take_request(&taken).unwrap();
    theirs.take_request(&taken).unwrap();
    let left: Vec<Request> = theirs
        .pending("r1")
        .unwrap()
        .into_iter()
        .map(|(_, r)| r)
        .collect();
    assert_eq!(left, [approve("plan", 2)]);
    assert_eq!(theirs.pending("r2").unwrap().len(), 1);
}

fn a_stop_stands_until_it_is_lifted(place: &Place) {
    let (ours, theirs) = ((place.open)("p1"), (place.open)("p2"));
    let stop = |cluster: Option<&str>, reason: &str| Stop {
        cluster: cluster.map(name),
        by: "me".into(),
        since: NOW,
        reason: reason.into(),
    };
    assert_eq!(ours.go(None).unwrap(), None);
    assert_eq!(
        ours.stop(&stop(Some("a.k8s.test"), "a burns")).unwrap(),
        None
    );
    assert_eq!(ours.stop(&stop(None, "all burns")).unwrap(), None);
    // The first one stays, and is told.
    assert_eq!(
        theirs.stop(&stop(None, "me too")).unwrap(),
        Some(stop(None, "all burns"))
    );
    assert_eq!(
        theirs.stops().unwrap(),
        [stop(None, "all burns"), stop(Some("a.k8s.test"), "a burns")]
    );
    assert_eq!(theirs.go(None).unwrap(), Some(stop(None, "all burns")));
    assert_eq!(ours.stops().unwrap(), [stop(Some("a.k8s.test"), "a burns")]);
    assert_eq!(
        ours.go(Some(&name("a.k8s.test"))).unwrap(),
        Some(stop(Some("a.k8s.test"), "a burns"))
    );
    assert!(ours.stops().unwrap().is_empty());
}

fn a_journal_is_carried_on_by_one(place: &Place) {
    let dir = crate::support::folder();
    let scene = Scene::small(dir.path(), &[("nodes", 2, 4, false)]);
    let rollout = scene.rollout(&scene.world(), "r1", &[]);
    let (ours, theirs) = ((place.open)("p1"), (place.open)("p2"));
    assert!(matches!(
        Journal::take_up(&theirs, "r1"),
        Err(StoreError::NoSuchRollout(_))
    ));
    assert!(matches!(
        theirs.records("r1"),
        Err(StoreError::NoSuchRollout(_))
    ));
    let (mut journal, first) = Journal::begin(&ours, &rollout).unwrap();
    assert_eq!(first.seq, 1);
    let paused = |why: &str| Event::Rollout(RolloutEvent::Paused { why: why.into() });
    let at = rollout.started_at;
    let records = journal
        .append(at, vec![paused("one"), paused("two")])
        .unwrap();
    assert_eq!(records.iter().map(|r| r.seq).collect::<Vec<_>>(), [2, 3]);
    // Read by everybody, carried on by one.
    assert_eq!(theirs.records("r1").unwrap().len(), 3);
    assert!(matches!(
        Journal::take_up(&theirs, "r1"),
        Err(StoreError::Running(_))
    ));
    assert!(Journal::begin(&theirs, &rollout).is_err());
    // What cannot follow is refused before it is written.
    assert!(
        journal
            .append(
                at,
                vec![
                    Event::Stage(name("staging"), StageEvent::Passed),
                    Event::Rollout(RolloutEvent::Started {
                        rollout: Box::new(rollout.clone())
                    })
                ]
            )
            .is_err()
    );
    journal.append(at, vec![paused("three")]).unwrap();
    journal.check().unwrap();
    let lease = || theirs.owner("r1").unwrap().lease;
    assert_eq!(lease(), LeaseState::Alive);
    drop(journal);
    assert_eq!(lease(), LeaseState::Free);
    let mut journal = Journal::take_up(&theirs, "r1").unwrap();
    assert_eq!((journal.progress().seq, journal.taken_over()), (4, None));
    journal
        .append(at, vec![Event::Rollout(RolloutEvent::Finished)])
        .unwrap();
    drop(journal);
    let all = ours.records("r1").unwrap();
    assert_eq!(
        all.iter().map(|r| r.seq).collect::<Vec<_>>(),
        [1, 2, 3, 4, 5]
    );
    assert_eq!(ours.rollout("r1").unwrap().0, rollout);
    assert!(
        Journal::begin(&ours, &rollout).is_err(),
        "a name that is taken"
    );
}

fn user_data_stands_in_no_journal(place: &Place) {
    let dir = crate::support::folder();
    let scene = Scene::small(dir.path(), &[("nodes", 2, 4, false)]);
    let rollout = scene.rollout(&scene.world(), "r1", &[]);
    let ours = (place.open)("p1");
    drop(Journal::begin(&ours, &rollout).unwrap());
    // It is what it was for whoever goes on with it.
    assert_eq!(ours.rollout("r1").unwrap().0, rollout);
    for key in place.objects.list("journals/").unwrap() {
        let below: Vec<String> = match key.strip_suffix('/') {
            Some(_) => place
                .objects
                .list(&format!("journals/{key}"))
                .unwrap()
                .iter()
                .map(|name| format!("journals/{key}{name}"))
                .collect(),
            None => vec![format!("journals/{key}")],
        };
        for key in below {
            let text = place.objects.get(&key).unwrap().unwrap().bytes;
            let text = String::from_utf8(text).unwrap();
            assert!(!text.contains("IyEvYmluL3NoCg=="), "{key} holds user data");
        }
    }
    assert_eq!(place.objects.list("contents/").unwrap().len(), 1);
}

fn rollouts_come_in_the_order_in_which_they_began(place: &Place) {
    let dir = crate::support::folder();
    let scene = Scene::small(dir.path(), &[("nodes", 2, 4, false)]);
    let rollout = scene.rollout(&scene.world(), "r1", &[]);
    let at = rollout.started_at;
    let (ours, theirs) = ((place.open)("p1"), (place.open)("p2"));
    let (mut journal, _) = Journal::begin(&ours, &rollout).unwrap();
    journal
        .append(at, vec![Event::Rollout(RolloutEvent::Finished)])
        .unwrap();
    drop(journal);
    // What had ended and is taken back is unfinished again, for everybody.
    let mut journal = Journal::take_up(&ours, "r1").unwrap();
    let asked = Event::Rollout(RolloutEvent::RollbackAsked {
        by: "anna".into(),
        reason: "worse".into(),
    });
    journal.append(at, vec![asked]).unwrap();
    drop(journal);
    assert!(
        theirs
            .perhaps_unfinished()
            .unwrap()
            .contains(&"r1".to_owned())
    );
    let mut journal = Journal::take_up(&ours, "r1").unwrap();
    let back = RolloutEvent::RollbackStarted {
        clusters: BTreeSet::new(),
        kept: BTreeSet::new(),
        hooks: [].into(),
    };
    let back = [back, RolloutEvent::RolledBack].map(Event::Rollout);
    journal.append(at, back.into()).unwrap();
    drop(journal);
    let other = kfleet::rollout::Rollout {
        id: "r0".into(),
        ..rollout
    };
    drop(Journal::begin(&ours, &other).unwrap());
    // In the order in which they were begun, whatever they are called.
    assert_eq!(theirs.rollouts().unwrap(), ["r1", "r0"]);
    assert!(
        theirs
            .perhaps_unfinished()
            .unwrap()
            .contains(&"r0".to_owned())
    );
}

fn one_rollout_is_started_at_a_time(place: &Place) {
    let dir = crate::support::folder();
    let scene = Scene::small(dir.path(), &[("nodes", 2, 4, false)]);
    let rollout = scene.rollout(&scene.world(), "r1", &[]);
    let later = kfleet::rollout::Rollout {
        id: "r2".into(),
        ..rollout.clone()
    };
    let (ours, theirs) = ((place.open)("p1"), (place.open)("p2"));
    let (moment, access) = (ours.moment(None).unwrap(), StoreAccess::default());
    let starting = ours.start("anna", NOW).unwrap();
    assert!(matches!(
        theirs.start("ben", NOW),
        Err(StoreError::Starting { owner, .. }) if owner == "anna"
    ));
    // A lock of its first wave that another process holds: nothing is begun.
    let mut held = Locks::default();
    let staging = || vec![name("staging.k8s.test")];
    held.take(&theirs, staging(), "ben", "r0", NOW).unwrap();
    assert!(matches!(
        starting.begin(&ours, &rollout, &moment, &access),
        Err(StoreError::Locked { .. })
    ));
    assert!(ours.rollouts().unwrap().is_empty());
    held.release();
    let starting = theirs.start("ben", NOW).unwrap();
    let (journal, _) = starting.begin(&theirs, &rollout, &moment, &access).unwrap();
    assert_eq!(theirs.access("r1").unwrap(), Some(access.clone()));
    // Begun with its locks, and whoever planned before that plans again.
    assert!(matches!(
        held.take(&ours, staging(), "anna", "r2", NOW),
        Err(StoreError::Locked { .. })
    ));
    let starting = ours.start("anna", NOW).unwrap();
    assert!(matches!(
        starting.begin(&ours, &later, &moment, &access),
        Err(StoreError::StartedMeanwhile)
    ));
    drop(journal);
    assert_eq!(ours.rollouts().unwrap(), ["r1"]);
}

fn locks_of_a_wave_are_taken_together(place: &Place) {
    let clusters = |names: &[&str]| {
        names
            .iter()
            .map(|n| name(&format!("{n}.k8s.test")))
            .collect::<Vec<ClusterName>>()
    };
    let (ours, theirs) = ((place.open)("p1"), (place.open)("p2"));
    let (mut a, mut b) = (Locks::default(), Locks::default());
    assert_eq!(
        a.take(&ours, clusters(&["c", "d"]), "a", "r1", NOW)
            .unwrap(),
        []
    );
    a.take(&ours, clusters(&["d", "e"]), "a", "r1", NOW)
        .unwrap();
    for held in clusters(&["c", "d", "e"]) {
        a.check(&held).unwrap();
        assert!(matches!(b.check(&held), Err(StoreError::LockLost { .. })));
    }
    // All or nothing: b would have been free.
    match b.take(&theirs, clusters(&["b", "d", "f"]), "b", "r2", NOW) {
        Err(StoreError::Locked {
            cluster,
            owner,
            rollout,
            since,
        }) => {
            assert_eq!(
                (cluster.as_str(), owner.as_str(), rollout.as_str(), since),
                ("d.k8s.test", "a", "r1", NOW.clock())
            );
        }
        other => panic!("{other:?}"),
    }
    a.take(&ours, clusters(&["b"]), "a", "r1", NOW).unwrap();
    a.release();
    assert!(matches!(
        a.check(&name("c.k8s.test")),
        Err(StoreError::LockLost { .. })
    ));
    assert_eq!(
        b.take(&theirs, clusters(&["b", "c", "d", "e"]), "b", "r2", NOW)
            .unwrap(),
        []
    );
    drop(b);
    a.take(&ours, clusters(&["c"]), "a", "r1", NOW).unwrap();
}

/// Every case on a place of its own.
pub fn all_on(fresh: impl Fn(&str) -> Place) {
    for (name, case) in ALL {
        case(&fresh(name));
    }
}

/// A store in a folder.
pub fn folder(root: &Path) -> Place {
    let root = root.to_owned();
    let objects = Arc::new(kfleet::store::Folder::new(&root));
    Place {
        objects,
        open: Box::new(move |_| Store::open(&root, CloudKind::Local).unwrap()),
    }
}
