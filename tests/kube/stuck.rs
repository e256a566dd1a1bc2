//! Whole rollouts that somebody has to help: each is told in the API's own words, turns nothing round, and goes on when it is helped.

use kfleet::model::Span;
use kfleet::rollout::{ClusterEvent, Ending, Event, GroupEvent};
use kfleet::run::Outcome;
use kfleet::store::Journal;
use serde_json::json;

use crate::api::{Admission, Api, Kept};
use crate::support::folder;
use crate::trouble::{events, namesakes, nothing_failed, resumed, workers};
use crate::whole::{IN_A_DRAIN, at_rest, begun, carry, prepared, unmarked};

const WAITS: &str = "example.com/wait";

fn web(kept: &mut Kept) -> impl Iterator<Item = &mut serde_json::Value> {
    kept.pods
        .values_mut()
        .filter(|p| p["metadata"]["labels"]["app"] == "web")
}

/// What makes a drain stick; what is told of it, in its words and as advice; and what helps.
type Stuck = (
    &'static str,
    fn(&mut Kept),
    &'static [&'static str],
    &'static str,
    fn(&mut Kept),
);

const STUCK: [Stuck; 5] = [
    (
        "two budgets",
        |kept| {
            kept.doubled.insert(("default".into(), "web".into()));
        },
        &["500", "more than one PodDisruptionBudget"],
        "budget",
        |kept| kept.doubled.clear(),
    ),
    (
        "a webhook that is away",
        |kept| kept.admission = Some(Admission::Unreachable),
        &["500", "failed calling webhook"],
        "webhook",
        |kept| kept.admission = None,
    ),
    (
        "a webhook with words of its own",
        |kept| kept.admission = Some(Admission::Webhook(429, "not before the backup is done")),
        &["429", "not before the backup is done"],
        "webhook",
        |kept| kept.admission = None,
    ),
    (
        "a namespace that is being deleted",
        |kept| {
            kept.ending.insert("default".into());
        },
        &["403", "because it is being terminated"],
        "namespace",
        |kept| kept.ending.clear(),
    ),
    (
        "a finalizer",
        |kept| web(kept).for_each(|p| p["metadata"]["finalizers"] = json!([WAITS])),
        &[WAITS],
        "finalizer",
        |kept| {
            let now = kept.now;
            for pod in web(kept) {
                pod["metadata"]["finalizers"] = json!(null);
                if !pod["metadata"]["deletionTimestamp"].is_null() {
                    pod["metadata"]["goneAt"] = json!(now);
                }
            }
        },
    ),
];

/// The others need a webhook with a certificate, or a namespace that ends while its pods do not.
const BY_REAL_SERVERS: [&str; 3] = ["two budgets", "a webhook that is away", "a finalizer"];

#[test]
fn every_drain_that_sticks_is_told_in_the_words_of_the_api() {
    for (situation, happens, words, advised, helps) in STUCK {
        if Api::serves_for_real() && !BY_REAL_SERVERS.contains(&situation) {
            continue;
        }
        let (dir, api) = (folder(), Api::new());
        let mut scene = prepared(dir.path(), &api);
        if api.is_real() {
            scene.rolling.drain.timeout = Span::from_secs(20);
        }
        api.with(happens);
        let rollout = scene.rollout(&api.meet(scene.world()), "r2", &[]);
        let (mut journal, _) = Journal::begin(&scene.store(), &rollout).unwrap();
        let outcome = carry(&scene, &api, &mut journal, None);
        assert_eq!(outcome.unwrap().unwrap(), Outcome::Stuck, "{situation}");
        drop(journal);
        nothing_failed(&scene);
        let said = events(&scene).into_iter().find_map(|e| match e {
            Event::Cluster(_, ClusterEvent::Stuck { why, advice, .. }) => Some((
                kfleet::report::reason_text(&why),
                kfleet::report::advice_text(&advice, kfleet::report::RESUME),
            )),
            _ => None,
        });
        let (why, advice) = said.unwrap();
        for word in words {
            assert!(
                why.contains(word),
                "{situation}: nothing about {word:?} in {why}"
            );
        }
        assert!(advice.contains(advised), "{situation}: {advice}");
        // Time is real there: how it goes on is shown by the last of them.
        if api.is_real() && situation != "a finalizer" {
            continue;
        }
        api.with(helps);
        assert_eq!(
            resumed(&scene, &api),
            Outcome::Ended(Ending::Finished),
            "{situation}"
        );
        unmarked(&scene, &api);
    }
}

/// What makes it impossible to ask, with the other cluster that is asked then; and the word that says so.
type Shut = (&'static str, fn(&Api) -> Option<Api>, &'static str);

const SHUT: [Shut; 4] = [
    (
        "refused credentials",
        |api| {
            let text = std::fs::read_to_string(api.file()).unwrap();
            std::fs::write(api.file(), text.replace("token: ", "token: an-old-")).unwrap();
            api.with(|kept| kept.token = Some("secret".into()));
            None
        },
        "401",
    ),
    (
        "a context that is not there",
        |api| {
            let text = std::fs::read_to_string(api.file()).unwrap();
            std::fs::write(api.file(), text.replace("here", "there")).unwrap();
            None
        },
        "context",
    ),
    (
        "another cluster's API",
        |api| {
            let other = namesakes(api);
            std::fs::copy(other.file(), api.file()).unwrap();
            Some(other)
        },
        "another cluster",
    ),
    (
        "a right to look",
        |api| {
            api.with(|kept| {
                kept.denied.insert("list pods".into());
            });
            None
        },
        "list pods",
    ),
];

/// As with refused credentials of AWS: it pauses at once, loudly, and no group is failed for it.
#[test]
fn what_a_person_has_to_put_right_pauses_the_start_at_once() {
    for (situation, happens, word) in SHUT {
        let (dir, api) = (folder(), Api::new());
        let scene = prepared(dir.path(), &api);
        let right = std::fs::read_to_string(api.file()).unwrap();
        let other = happens(&api);
        let rollout = scene.rollout(&api.meet(scene.world()), "r2", &[]);
        let began = kfleet::cloud::Cloud::now(&scene.world());
        let (mut journal, _) = Journal::begin(&scene.store(), &rollout).unwrap();
        match carry(&scene, &api, &mut journal, None).unwrap().unwrap() {
            Outcome::WaitingForAccess { why, .. } => {
                assert!(why.contains(word), "{situation}: {why}");
            }
            outcome => panic!("{situation}: {outcome:?}"),
        }
        drop(journal);
        let took = kfleet::cloud::Cloud::now(&scene.world()).since(began);
        assert!(took <= Span::from_secs(120), "{situation}: {took}");
        nothing_failed(&scene);
        for api in other.iter().chain([&api]) {
            assert_eq!(api.with(|kept| kept.log.clone()), Vec::<String>::new());
        }
        if api.is_real() && situation != "a right to look" {
            continue;
        }
        api.with(|kept| {
            kept.token = None;
            kept.denied.clear();
        });
        std::fs::write(api.file(), right).unwrap();
        assert_eq!(
            resumed(&scene, &api),
            Outcome::Ended(Ending::Finished),
            "{situation}"
        );
        at_rest(&scene, &api);
    }
}

fn findings(events: Vec<Event>) -> Vec<String> {
    let of = |e: Event| match e {
        Event::Cluster(_, ClusterEvent::Preflight { findings, .. }) => Some(
            findings
                .iter()
                .map(kfleet::report::finding_text)
                .collect::<Vec<String>>(),
        ),
        _ => None,
    };
    events.into_iter().filter_map(of).flatten().collect()
}

/// A kubelet that changed its name leaves its old Node object behind: the Ready one counts, the other is named.
#[test]
fn of_two_nodes_of_one_instance_the_ready_one_counts() {
    let (dir, api) = (folder(), Api::new());
    let scene = prepared(dir.path(), &api);
    let node = workers(&api).remove(0);
    // The greater name, and the smaller one.
    let names = ["zz-old-name", "00-old-name"];
    api.with(|kept| {
        for name in names {
            let mut old = kept.nodes[&node].clone();
            old["metadata"]["name"] = json!(name);
            old["metadata"]["uid"] = json!(format!("uid-of-{name}"));
            old["status"]["conditions"][0]["status"] = json!("Unknown");
            kept.nodes.insert(name.into(), old);
            kept.left_over.insert(name.into());
        }
    });
    begun(&scene, &api, "r2", None);
    nothing_failed(&scene);
    let said = findings(events(&scene));
    for name in names {
        assert!(
            said.iter()
                .any(|f| f.contains("both say that they are") && f.contains(name)),
            "nothing about {name} in {said:?}"
        );
    }
    api.with(|kept| {
        for name in names {
            let touched = kept.log.iter().filter(|l| l.contains(name)).count();
            assert_eq!(touched, 0, "{:?}", kept.log);
            kept.nodes.remove(name);
        }
    });
    at_rest(&scene, &api);
}

/// A pod that is on its way out already and a critical pod that waits for a place are named before anything is touched, and fail no gate later.
#[test]
fn what_is_not_well_before_the_roll_is_named_and_fails_nothing() {
    let (dir, api) = (folder(), Api::new());
    let scene = prepared(dir.path(), &api);
    let node = workers(&api).remove(0);
    let (real, grace) = (api.is_real(), api.either(30, 60));
    let leaving = api.with(|kept| {
        let long_ago = kept.now - 3_600;
        let at = kfleet::model::Timestamp::from_millis(long_ago * 1_000).to_string();
        // Only who has waited for longer than a start takes was not well before.
        if !real {
            kept.pod("kube-system", "metrics", "", |p| {
                p["spec"]["priorityClassName"] = json!("system-cluster-critical");
                p["status"] = json!({"phase": "Pending"});
                p["metadata"]["creationTimestamp"] = json!(at);
            });
        }
        // What an eviction for memory leaves behind: its replacement runs.
        kept.pod("kube-system", "killed", &node, |p| {
            p["spec"]["priorityClassName"] = json!("system-cluster-critical");
            p["status"] = json!({"phase": "Failed", "reason": "Evicted"});
            p["metadata"]["ownerReferences"] = json!([]);
            p["metadata"]["creationTimestamp"] = json!(at);
        });
        kept.pod("default", "job", &node, |p| {
            p["metadata"]["deletionTimestamp"] = json!(at);
            p["metadata"]["ownerReferences"] = json!([]);
            p["metadata"]["goneAt"] = json!(long_ago + 3_600 + 300);
            p["spec"]["terminationGracePeriodSeconds"] = json!(grace);
        })
    });
    begun(&scene, &api, "r2", None);
    nothing_failed(&scene);
    let said = findings(events(&scene));
    for (pod, words) in [
        (leaving.as_str(), "is on its way out already"),
        ("metrics", "not well already now"),
    ] {
        assert!(
            (real && pod == "metrics") || said.iter().any(|f| f.contains(pod) && f.contains(words)),
            "nothing about {pod} in {said:?}"
        );
    }
    assert!(said.iter().all(|f| !f.contains("killed")), "{said:?}");
}

fn set_aside(events: Vec<Event>) -> usize {
    let aside = events.iter();
    aside
        .filter(|e| matches!(e, Event::Group(_, _, GroupEvent::SetAside { .. })))
        .count()
}

/// Pods that are finished or on their way out pass any budget: a budget of 0 over them is in nobody's way.
#[test]
fn a_budget_over_pods_that_may_go_anyway_holds_nothing_up() {
    let (dir, api) = (folder(), Api::new());
    let scene = prepared(dir.path(), &api);
    let node = workers(&api).remove(0);
    let grace = api.either(30, 10);
    api.with(|kept| {
        for phase in ["Succeeded", "Failed"] {
            kept.pod("default", "stale", &node, |p| {
                p["metadata"]["ownerReferences"] = json!([]);
                p["status"]["phase"] = json!(phase);
            });
        }
        let ends = kept.now + grace;
        let at = kfleet::model::Timestamp::from_millis(ends * 1_000).to_string();
        kept.pod("default", "stale", &node, |p| {
            p["metadata"]["ownerReferences"] = json!([]);
            p["metadata"]["deletionTimestamp"] = json!(at);
            p["metadata"]["goneAt"] = json!(ends);
            p["spec"]["terminationGracePeriodSeconds"] = json!(grace);
        });
        kept.budgets
            .insert(("default".into(), "stale".into()), None);
    });
    begun(&scene, &api, "r2", None);
    nothing_failed(&scene);
    assert_eq!(set_aside(events(&scene)), 0);
    let said = findings(events(&scene));
    assert!(
        said.iter().all(|f| !f.contains("budget")),
        "nothing is in the way: {said:?}"
    );
    unmarked(&scene, &api);
}

/// Somebody deletes a namespace while a node with its pods is drained: they go by themselves, and nobody is stuck with what the API refuses meanwhile.
#[test]
fn a_namespace_that_is_deleted_in_a_drain_takes_its_pods_along() {
    let (dir, api) = (folder(), Api::new());
    let scene = prepared(dir.path(), &api);
    let grace = api.either(45, 5);
    api.with(|kept| {
        for node in kept.nodes.keys().cloned().collect::<Vec<_>>() {
            for _ in 0..2 {
                kept.pod("shop", "till", &node, |p| {
                    p["spec"]["terminationGracePeriodSeconds"] = json!(grace);
                });
            }
        }
        kept.budgets.insert(("shop".into(), "till".into()), Some(0));
    });
    begun(&scene, &api, "r2", Some(IN_A_DRAIN));
    api.namespace_ends("shop");
    assert_eq!(resumed(&scene, &api), Outcome::Ended(Ending::Finished));
    nothing_failed(&scene);
    assert_eq!(set_aside(events(&scene)), 0);
    assert!(api.with(|kept| kept.pods.keys().all(|(namespace, _)| namespace != "shop")));
    at_rest(&scene, &api);
}
