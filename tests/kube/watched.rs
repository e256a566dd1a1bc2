//! What is watched is as good as what is listed: nothing that happens is missed, nothing old is shown as new, and nothing is listed for it.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use kfleet::model::{Node, Nodes, Seen, Unseen, UnseenKind};
use kfleet::nodes::NodeApi;
use kfleet::nodes::kube::Clusters;
use serde_json::json;

use crate::api::{Api, Kept, client, cluster};
use crate::streams::{Behaviour, Bookmark};

/// Two nodes; two pods on the first that take half a minute to go, under a budget.
pub fn api() -> Api {
    let api = Api::new();
    api.with(|kept| {
        kept.node("node-1", "i-1");
        kept.node("node-2", "i-2");
        for _ in 0..2 {
            slow_pod(kept, "web", "node-1");
        }
        kept.budgets
            .insert(("default".into(), "web".into()), Some(0));
    });
    api
}

pub fn slow_pod(kept: &mut Kept, app: &str, node: &str) {
    kept.pod("default", app, node, |p| {
        p["spec"]["terminationGracePeriodSeconds"] = json!(30);
    });
}

pub async fn seen(client: &Clusters) -> Seen {
    match client.nodes(&cluster()).await {
        Nodes::Known(seen) => seen,
        other => panic!("{other:?}"),
    }
}

async fn unseen(client: &Clusters) -> Unseen {
    match client.nodes(&cluster()).await {
        Nodes::Unknown(unseen) => unseen,
        other => panic!("{other:?}"),
    }
}

pub async fn node(client: &Clusters, name: &str) -> Node {
    let seen = seen(client).await;
    Node::clone(&seen.nodes[&name.parse().unwrap()])
}

/// A client that has listed, and watches from then on; what it asked for until then is forgotten.
pub async fn watching(api: &Api) -> Clusters {
    let client = api.rolling();
    seen(&client).await;
    api.with(|kept| kept.calls.clear());
    client
}

pub fn behaves(api: &Api, behaviour: Behaviour) {
    api.with(|kept| kept.watches.behaviour = behaviour);
}

/// The caches of the API server get no further.
pub fn lags(api: &Api) {
    api.with(|kept| {
        let version = kept.watches.version();
        kept.watches.behaviour = Behaviour::Lagging(version);
    });
}

pub fn asked(api: &Api, call: &str) -> usize {
    api.with(|kept| kept.calls.iter().filter(|c| *c == call).count())
}

pub fn lists(api: &Api) -> usize {
    asked(api, "GET /api/v1/nodes")
        + asked(api, "GET /api/v1/pods")
        + asked(api, "GET /apis/policy/v1/poddisruptionbudgets")
}

fn watches(api: &Api) -> usize {
    api.with(|kept| kept.calls.iter().filter(|c| c.starts_with("WATCH")).count())
}

#[tokio::test]
async fn who_looks_lists_and_who_rolls_watches() {
    let api = api();
    let client = api.client();
    for looks in 1..4 {
        seen(&client).await;
        assert_eq!((lists(&api), watches(&api)), (3 * looks, 0));
    }
    client.expect(&cluster(), "uid-of-kube-system");
    api.with(|kept| kept.calls.clear());
    for looks in 0..5 {
        seen(&client).await;
        assert_eq!((lists(&api), watches(&api)), (3, 3 * looks));
        // Nothing stays open between two looks.
        for _ in 0..100 {
            if api.with(|kept| kept.watches.open) == 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(api.with(|kept| kept.watches.open), 0);
    }
}

/// Where nobody has written anything at all since, there is nothing to watch either.
#[tokio::test]
async fn what_is_the_newest_already_is_not_asked_for() {
    let api = api();
    let client = watching(&api).await;
    api.with(|kept| kept.watches.quiet = true);
    seen(&client).await;
    api.with(|kept| kept.calls.clear());
    seen(&client).await;
    assert_eq!((lists(&api), watches(&api)), (0, 0));
}

/// What happens between two looks, and what the second shows.
type Row = (&'static str, fn(&mut Kept), fn(&Seen) -> bool);

/// What is shown of a node that is there.
fn of(seen: &Seen, name: &str, is: fn(&Node) -> bool) -> bool {
    seen.nodes
        .get(&name.parse().unwrap())
        .is_some_and(|node| is(node))
}

const ROWS: [Row; 9] = [
    (
        "a pod appears",
        |kept| slow_pod(kept, "new", "node-2"),
        |seen| of(seen, "node-2", |n| n.evictable_pods == 1),
    ),
    (
        "a pod is deleted",
        |kept| drop(kept.pods.pop_first()),
        |seen| of(seen, "node-1", |n| n.evictable_pods == 1),
    ),
    (
        "a pod is told to go",
        |kept| {
            let pod = kept.pods.values_mut().next().unwrap();
            pod["metadata"]["deletionTimestamp"] = json!("2026-01-05T08:00:30Z");
        },
        |seen| of(seen, "node-1", |n| n.leaving_pods == 1),
    ),
    (
        "a pod is made anew under its name",
        |kept| {
            let pod = kept.pods.values_mut().next().unwrap();
            pod["metadata"]["uid"] = json!("another");
            pod["status"]["conditions"][0]["status"] = json!("False");
        },
        |seen| seen.unready.len() == 1,
    ),
    (
        "a node joins before its pods",
        |kept| kept.node("node-3", "i-3"),
        |seen| of(seen, "node-3", |n| n.evictable_pods == 0) && seen.orphans.is_empty(),
    ),
    (
        "a pod is bound to a node that is not there yet",
        |kept| slow_pod(kept, "early", "node-3"),
        |seen| seen.orphans == [("node-3".parse().unwrap(), 1)].into(),
    ),
    (
        "a node goes before its pods",
        |kept| drop(kept.nodes.remove("node-1")),
        |seen| seen.orphans == [("node-1".parse().unwrap(), 2)].into() && seen.nodes.len() == 1,
    ),
    (
        "a node is another instance",
        |kept| kept.node("node-1", "i-9"),
        |seen| of(seen, "node-1", |n| n.instance.as_str() == "i-9"),
    ),
    (
        "a budget allows nothing any more",
        |kept| kept.budgets.values_mut().for_each(|free| *free = None),
        |seen| of(seen, "node-1", |n| n.blocked.len() == 2),
    ),
];

/// Whatever the watch does: what the look shows is what a list shows in the same moment.
#[tokio::test]
async fn whatever_happens_is_seen_at_the_next_look() {
    let behaviours = [
        (Behaviour::Good, Bookmark::Prompt),
        (Behaviour::Good, Bookmark::Behind),
        (Behaviour::Torn(0), Bookmark::Prompt),
        (Behaviour::Torn(1), Bookmark::Prompt),
        (Behaviour::Ended(0), Bookmark::Prompt),
        (Behaviour::Ended(1), Bookmark::Prompt),
        (Behaviour::Error(410), Bookmark::Prompt),
        (Behaviour::Error(500), Bookmark::Prompt),
        (Behaviour::Refused(404), Bookmark::Prompt),
        (Behaviour::Twice, Bookmark::Behind),
        (Behaviour::Garbled, Bookmark::Prompt),
    ];
    let mut rows = tokio::task::JoinSet::new();
    for (behaviour, bookmark) in behaviours {
        for (what, happens, shows) in ROWS {
            rows.spawn(async move {
                let api = api();
                let client = watching(&api).await;
                assert!(!shows(&seen(&client).await), "{what}");
                api.with(|kept| {
                    (kept.watches.behaviour, kept.watches.bookmark) = (behaviour, bookmark);
                    kept.calls.clear();
                    happens(kept);
                });
                let found = seen(&client).await;
                assert!(shows(&found), "{what}: {behaviour:?}");
                let good = (behaviour, bookmark) == (Behaviour::Good, Bookmark::Prompt);
                assert!(!good || lists(&api) == 0, "{what}: {}", lists(&api));
                assert_eq!(
                    seen(&api.client()).await,
                    found,
                    "{what}: as a list shows it"
                );
                behaves(&api, Behaviour::Good);
                assert_eq!(
                    seen(&client).await,
                    found,
                    "{what}: {behaviour:?}, and after it"
                );
            });
        }
    }
    while let Some(row) = rows.join_next().await {
        row.unwrap();
    }
}

/// Nothing that the API server's cache does not have yet is taken for something that is not there.
#[tokio::test]
async fn a_watch_that_lags_is_no_proof() {
    for (what, happens, shows) in ROWS {
        let api = api();
        let client = watching(&api).await;
        lags(&api);
        api.with(happens);
        assert!(shows(&seen(&client).await), "{what}");
        assert_eq!(lists(&api), 3, "{what}: listed, for want of a proof");
    }
}

#[tokio::test]
async fn what_is_neither_proven_nor_listed_is_unknown() {
    let api = api();
    let client = watching(&api).await;
    lags(&api);
    api.with(|kept| {
        kept.no_lists = true;
        slow_pod(kept, "new", "node-2");
    });
    let why = unseen(&client).await;
    assert_eq!(why.kind, UnseenKind::Silent);
    assert!(why.why.contains("no lists today"), "{why}");
    // The watch is as good as before: what was known is not carried on all the same.
    behaves(&api, Behaviour::Good);
    assert!(unseen(&client).await.why.contains("no lists today"));
    api.with(|kept| kept.no_lists = false);
    assert_eq!(node(&client, "node-2").await.evictable_pods, 1);
}

#[tokio::test]
async fn an_api_that_does_not_say_what_is_newest_is_unknown() {
    let api = api();
    let client = watching(&api).await;
    api.with(|kept| kept.failures = vec![503; 40]);
    assert!(unseen(&client).await.why.contains("503"));
    assert_eq!(lists(&api), 0, "it is not asked for more");
    // What was known before is not carried on: who was away may come back as another.
    api.with(|kept| kept.failures.clear());
    seen(&client).await;
    assert_eq!(lists(&api), 3);
}

/// A server before Kubernetes 1.31: a kind that somebody writes is watched, one that nobody writes is listed.
#[tokio::test]
async fn a_server_that_proves_no_quiet_kind_is_listed_for_it() {
    let api = api();
    let client = watching(&api).await;
    api.with(|kept| {
        kept.watches.bookmark = Bookmark::Behind;
        kept.watches.quiet = true;
        for pod in kept.pods.values_mut() {
            pod["status"]["step"] = json!(1);
        }
    });
    // The pods are what was written last.
    seen(&client).await;
    assert_eq!(asked(&api, "GET /api/v1/pods"), 0);
    assert_eq!(asked(&api, "GET /api/v1/nodes"), 1);
    assert_eq!(asked(&api, "GET /apis/policy/v1/poddisruptionbudgets"), 1);
}

/// As a real server sends them: a look waits for it, and not longer.
#[tokio::test]
async fn a_bookmark_comes_before_the_end() {
    let api = api();
    let client = watching(&api).await;
    api.with(|kept| kept.watches.bookmark = Bookmark::Timely);
    let began = Instant::now();
    seen(&client).await;
    let took = began.elapsed();
    assert_eq!((lists(&api), watches(&api)), (0, 3));
    let (least, most) = (Duration::from_millis(900), Duration::from_millis(2900));
    assert!(least < took && took < most, "{took:?}");
}

#[tokio::test]
async fn what_is_lost_is_listed_page_by_page_and_watched_again() {
    for by_code in [false, true] {
        let api = api();
        let client = watching(&api).await;
        api.with(|kept| {
            kept.page = 1;
            kept.watches.gone_by_code = by_code;
            slow_pod(kept, "new", "node-2");
        });
        // Compaction: what has happened since the list cannot be told any more.
        api.with(|kept| kept.watches.forget());
        assert_eq!(node(&client, "node-2").await.evictable_pods, 1);
        let pages = |api: &Api| {
            (
                asked(api, "GET /api/v1/nodes"),
                asked(api, "GET /api/v1/pods"),
            )
        };
        assert_eq!(pages(&api), (2, 3), "by code: {by_code}");
        api.with(|kept| {
            kept.calls.clear();
            slow_pod(kept, "new", "node-2");
        });
        assert_eq!(node(&client, "node-2").await.evictable_pods, 2);
        assert_eq!(lists(&api), 0, "it is watched again");
    }
}

/// What happened in the middle may be forgotten, and the cluster another: what is old is not carried on.
#[tokio::test]
async fn who_has_not_looked_for_long_lists() {
    for (seconds, listed) in [(299, 0), (300, 3)] {
        let api = api();
        let client = watching(&api).await;
        api.with(|kept| kept.now += seconds);
        seen(&client).await;
        assert_eq!(lists(&api), listed, "{seconds}");
    }
}

/// Open, and silent: it is given up, and the look ends all the same.
#[tokio::test]
async fn a_stream_that_stands_still_is_given_up() {
    let api = api();
    let client = watching(&api).await;
    api.with(|kept| {
        kept.watches.behaviour = Behaviour::Still;
        slow_pod(kept, "new", "node-2");
    });
    let began = Instant::now();
    assert_eq!(node(&client, "node-2").await.evictable_pods, 1);
    assert_eq!(lists(&api), 3);
    assert!(
        began.elapsed() < Duration::from_secs(12),
        "{:?}",
        began.elapsed()
    );
}

/// More than one watch can bring in its time: the next goes on where it ended.
#[tokio::test]
async fn a_slow_stream_is_followed_as_far_as_it_brings_something() {
    let api = api();
    let client = watching(&api).await;
    api.with(|kept| {
        kept.watches.behaviour = Behaviour::Slow(Duration::from_millis(500));
        kept.watches.bookmark = Bookmark::Timely;
    });
    for _ in 0..7 {
        api.with(|kept| slow_pod(kept, "new", "node-2"));
    }
    assert_eq!(node(&client, "node-2").await.evictable_pods, 7);
}

/// A proxy that takes no watches: it is listed at each look, as slow as that is.
#[tokio::test]
async fn where_no_watch_works_each_look_lists() {
    let api = api();
    let client = watching(&api).await;
    behaves(&api, Behaviour::Refused(501));
    for pods in 1..3 {
        api.with(|kept| slow_pod(kept, "new", "node-2"));
        assert_eq!(node(&client, "node-2").await.evictable_pods, pods);
        assert_eq!(lists(&api), 3 * pods as usize);
    }
}

/// Whoever has too much to do is not asked for everything on top.
#[tokio::test]
async fn a_crowded_api_is_not_asked_for_lists() {
    let api = api();
    let client = watching(&api).await;
    behaves(&api, Behaviour::Crowded);
    assert_eq!(unseen(&client).await.kind, UnseenKind::Silent);
    assert_eq!(lists(&api), 0);
}

/// An API server that has just started knows no roles for some hundred milliseconds: a watch that meets it is asked for again, and nothing is listed.
#[tokio::test]
async fn an_api_server_that_starts_in_the_middle_loses_nothing() {
    let api = api();
    let client = watching(&api).await;
    for refused in [1, 3, 5] {
        api.with(|kept| {
            kept.calls.clear();
            kept.starting = refused;
            slow_pod(kept, "new", "node-2");
        });
        let before = asked(&api, "GET /api/v1/namespaces/kube-system");
        seen(&client).await;
        assert_eq!(lists(&api), 0, "{refused}");
        assert_eq!(
            asked(&api, "GET /api/v1/namespaces/kube-system"),
            before,
            "nor connected to anew"
        );
    }
    assert_eq!(node(&client, "node-2").await.evictable_pods, 3);
}

/// Etcd was put back from a backup: the newest version is older than what was seen.
#[tokio::test]
async fn a_cluster_that_was_put_back_is_listed_anew() {
    let api = api();
    let client = watching(&api).await;
    api.with(|kept| {
        for _ in 0..4 {
            slow_pod(kept, "new", "node-2");
        }
    });
    for _ in 0..10 {
        assert_eq!(node(&client, "node-2").await.evictable_pods, 4);
    }
    api.with(|kept| {
        kept.pods.retain(|_, p| p["spec"]["nodeName"] == "node-1");
        kept.watches.restored();
    });
    assert_eq!(node(&client, "node-2").await.evictable_pods, 0);
}

/// A storage whose versions are no numbers: nothing can be compared, so nothing is watched.
#[tokio::test]
async fn versions_that_are_no_numbers_are_listed() {
    let api = api();
    api.with(|kept| kept.watches.unnumbered = true);
    let client = watching(&api).await;
    for pods in 1..4 {
        api.with(|kept| slow_pod(kept, "new", "node-2"));
        assert_eq!(node(&client, "node-2").await.evictable_pods, pods);
    }
    assert_eq!((lists(&api), watches(&api)), (9, 0));
}

/// Said, and done without: nothing is refused for it, and no connection is made anew.
#[tokio::test]
async fn without_the_right_to_watch_each_look_lists() {
    for right in ["watch nodes", "watch pods", "watch poddisruptionbudgets"] {
        let api = api();
        api.with(|kept| kept.denied.insert(right.into()));
        let client = watching(&api).await;
        for looks in 1..4 {
            let seen = seen(&client).await;
            assert_eq!(seen.listed, BTreeSet::from([right.to_owned()]));
            assert_eq!(seen.denied, BTreeSet::new(), "drains need it not");
            assert_eq!((lists(&api), watches(&api)), (looks, 2 * looks), "{right}");
        }
        assert_eq!(asked(&api, "GET /api/v1/namespaces/kube-system"), 0);
    }
}

/// The right is taken away in the middle: that look lists.
#[tokio::test]
async fn a_right_to_watch_that_is_taken_away_is_done_without() {
    let api = api();
    let client = watching(&api).await;
    api.with(|kept| {
        kept.denied.insert("watch pods".into());
        slow_pod(kept, "new", "node-2");
    });
    assert_eq!(node(&client, "node-2").await.evictable_pods, 1);
    assert_eq!(asked(&api, "GET /api/v1/pods"), 1);
    assert_eq!(asked(&api, "GET /api/v1/nodes"), 0);
}

/// The kubeconfig leads to another cluster in the middle: nothing of the first is shown as the second's.
#[tokio::test]
async fn another_cluster_has_a_picture_of_its_own() {
    let (ours, theirs) = (api(), Api::new());
    theirs.with(|kept| {
        kept.uid = "uid-of-theirs".into();
        kept.node("node-9", "i-9");
    });
    let client = client(&ours.file(), None);
    client.expect(&cluster(), "uid-of-kube-system");
    seen(&client).await;
    seen(&client).await;
    std::fs::copy(theirs.file(), ours.file()).unwrap();
    ours.with(|kept| kept.failures = vec![401; 3]);
    assert_eq!(unseen(&client).await.kind, UnseenKind::Credentials);
    assert_eq!(unseen(&client).await.kind, UnseenKind::OtherCluster);
    client.expect(&cluster(), "uid-of-theirs");
    let after = seen(&client).await;
    assert_eq!(after.uid, "uid-of-theirs");
    let nodes: Vec<String> = after.nodes.into_keys().map(|n| n.to_string()).collect();
    assert_eq!(nodes, ["node-9"]);
}

/// Large answers come compressed.
#[tokio::test]
async fn lists_are_compressed() {
    let api = api();
    api.with(|kept| {
        for _ in 0..400 {
            slow_pod(kept, "many", "node-2");
        }
    });
    assert_eq!(node(&api.client(), "node-2").await.evictable_pods, 400);
    let (bytes, unpacked) = api.with(|kept| (kept.bytes, kept.unpacked));
    assert!(bytes * 4 < unpacked, "{bytes} of {unpacked}");
}
