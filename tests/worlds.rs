//! Rollouts in worlds that nobody thought of: whatever the sizes, settings, faults and the autoscaler do, no rule of a
//! rollout is broken on the way (`support/spy.rs` looks on), it comes to an end, and nothing is left behind.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "tests"
)]

mod support;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;

use kfleet::fleet::{
    Amount, Capacity, CapacityPolicy, Drain, GroupRolling, OnTimeout, Rate, Rolling,
    Strategy as Way,
};
use kfleet::model::Span;
use kfleet::plan::Allow;
use kfleet::rollout::Ending;
use kfleet::run::Outcome;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use support::spy::{Death, Died};
use support::{Scene, Spy, facts, folder, name};

/// One of the worlds.
#[derive(Clone, Debug)]
struct Made {
    seed: u64,
    autoscaler: bool,
    spot_life: Option<i64>,
    planes: usize,
    groups: Vec<(u32, u32, bool)>,
    prods: usize,
    rolling: Rolling,
    fault: Option<&'static str>,
    /// What becomes of the groups beside the new image: one more, one less.
    new_group: bool,
    retire: bool,
    /// What others do: a kind, a group, and when in minutes.
    acts: Vec<(usize, usize, u32)>,
    /// The twin of the first group stands in for it, while AWS refuses it capacity.
    twin: bool,
    /// Before or after which effect the first process dies.
    death: Option<Death>,
}

fn amount() -> impl Strategy<Value = Amount> {
    prop_oneof![
        (0u32..4).prop_map(Amount::Count),
        (0u32..101).prop_map(Amount::Percent)
    ]
}

fn rolling() -> impl Strategy<Value = Rolling> {
    let on_timeout = prop_oneof![
        Just(OnTimeout::Stop),
        Just(OnTimeout::Skip),
        Just(OnTimeout::Force)
    ];
    let drain = (400i64..900, on_timeout).prop_map(|(s, on_timeout)| Drain {
        timeout: Span::from_secs(s),
        on_timeout,
        ..Drain::default()
    });
    let rate = (1u32..10, 60i64..1200).prop_map(|(instances, s)| Rate {
        instances,
        per: Span::from_secs(s),
    });
    let strategy = prop_oneof![4 => Just(Way::Surge), 1 => Just(Way::InstanceRefresh), 1 => Just(Way::OnNextLaunch)];
    // Whoever waits for capacity waits for ever, and no world has that much time.
    let policy = prop_oneof![Just(CapacityPolicy::Stop), Just(CapacityPolicy::NextType)];
    let ways = (strategy, policy, 2u64..4);
    (
        amount(),
        amount(),
        0u32..6,
        0u32..5,
        0i64..600,
        rate,
        drain,
        ways,
    )
        .prop_map(
            |(
                max_surge,
                max_unavailable,
                cluster_surge,
                canary,
                bake,
                rate,
                drain,
                (strategy, policy, keep_versions),
            )| {
                let bake = Span::from_secs(bake);
                let capacity = Capacity {
                    policy,
                    patience: None,
                    twin: None,
                };
                Rolling {
                    max_surge,
                    max_unavailable,
                    cluster_surge,
                    canary,
                    bake,
                    rate,
                    drain,
                    ready_timeout: Span::from_secs(900),
                    strategy,
                    capacity,
                    keep_versions,
                    ..Rolling::default()
                }
            },
        )
}

fn worlds() -> impl Strategy<Value = Made> {
    let group = (0u32..5, 0u32..4, any::<bool>())
        .prop_map(|(min, more, scaled)| (min, (min + more).max(1), scaled));
    let fault = prop_oneof![
        4 => Just(None),
        1 => Just(Some("sick-image:image-2")),
        1 => Just(Some("dead-image:image-2")),
        1 => Just(Some("no-capacity:g0")),
        1 => Just(Some("stuck-drain:g1")),
        1 => Just(Some("slow-boot:g0:1200")),
        1 => Just(Some("throttle:5")),
        1 => Just(Some("lost-answer:3")),
    ];
    let life = prop_oneof![2 => Just(None), 1 => (7_200i64..40_000).prop_map(Some)];
    let first = (
        any::<u64>(),
        any::<bool>(),
        life,
        prop_oneof![Just(1usize), Just(3)],
        prop::collection::vec(group, 1..4),
    );
    let death = prop_oneof![
        Just(None),
        (1u64..100).prop_map(|n| Some(Death::Before(n))),
        (1u64..100).prop_map(|n| Some(Death::After(n)))
    ];
    let acts = prop_oneof![2 => Just(Vec::new()), 1 => prop::collection::vec((0usize..ACTS.len(), 0usize..3, 1u32..60), 1..4)];
    let second = (
        0usize..2,
        rolling(),
        fault,
        any::<bool>(),
        any::<bool>(),
        death,
        acts,
    );
    (first, second).prop_map(
        |(
            (seed, autoscaler, spot_life, planes, groups),
            (prods, rolling, fault, new_group, retire, death, acts),
        )| Made {
            twin: false,
            acts,
            seed,
            autoscaler,
            spot_life,
            planes,
            groups,
            prods,
            rolling,
            fault,
            new_group,
            retire,
            death,
        },
    )
}

/// Worlds in which AWS refuses the first of at least two groups capacity for hours, and the second one may stand in for it.
fn with_a_twin() -> impl Strategy<Value = Made> {
    worlds().prop_map(|mut made| {
        if made.groups.len() < 2 {
            made.groups.push((1, 4, false));
        }
        if made.groups.len() < 3 {
            made.retire = false;
        }
        made.rolling.strategy = Way::Surge;
        Made {
            twin: true,
            spot_life: None,
            fault: made.fault.filter(|f| *f != "no-capacity:g0"),
            ..made
        }
    })
}

/// AWS, an autoscaler and people with a console, who leave nothing behind that a rollout would have to clear away.
const ACTS: [(&str, &str); 5] = [
    ("terminate", ":1"),
    ("reclaim", ":1"),
    ("rebalance", ""),
    ("scale", ":+1"),
    ("scale", ":-1"),
];

const NAMES: [&str; 4] = ["g0", "g1", "g2", "g3"];

/// The scene of a world.
fn scene(made: &Made, dir: &Path) -> Scene {
    let groups: Vec<_> = made
        .groups
        .iter()
        .zip(NAMES)
        .map(|((min, max, scaled), name)| (name, *min, *max, *scaled))
        .collect();
    let mut scene = Scene::small(dir, &groups);
    scene.zones = ["a", "b", "c"][..made.planes].to_vec();
    scene.prod = ["prod-a.k8s.test", "prod-b.k8s.test"][..made.prods]
        .iter()
        .map(|n| name(n))
        .collect();
    (scene.options.seed, scene.options.autoscaler) = (made.seed, made.autoscaler);
    scene.soak = Span::from_secs(300);
    let mut scene = scene.made();
    scene.options.spot_life = made.spot_life.map(Span::from_secs);
    scene.spot = made.spot_life.is_some();
    scene.rolling = made.rolling.clone();
    let mut groups = groups;
    if made.retire && groups.len() > 1 {
        groups.pop();
    }
    if made.new_group {
        groups.push(("new", 1, 3, false));
    }
    scene.groups = Some(groups);
    scene.faults = made.fault.into_iter().map(str::to_owned).collect();
    if made.twin {
        let capacity = Capacity {
            policy: CapacityPolicy::OnDemand,
            patience: Some(Span::from_secs(300)),
            twin: Some(name("g1")),
        };
        scene.rolling.groups.insert(
            name("g0"),
            GroupRolling {
                strategy: None,
                capacity: Some(capacity),
            },
        );
    }
    let act = |(kind, group, minutes): &(usize, usize, u32)| {
        let (word, amount) = ACTS[*kind];
        format!(
            "{{act: \"{word}:{}{amount}\", after: {minutes}m}}",
            NAMES[*group]
        )
    };
    scene.scenario = made.acts.iter().map(act).collect();
    scene.scenario.extend(
        made.twin
            .then(|| "{fault: \"no-capacity:g0\", for: 3h}".to_owned()),
    );
    scene
}

fn check(made: &Made) -> Result<(), TestCaseError> {
    let dir = folder();
    let mut scene = scene(made, dir.path());
    let spy = made.death.map_or_else(
        || Spy::new(scene.world()),
        |death| Spy::dying(scene.world(), death),
    );
    let first = catch_unwind(AssertUnwindSafe(|| scene.start_on(&spy, "r2")));
    let mut ours = spy.ours();
    drop(spy);
    let (outcome, records) = match first {
        Ok(ran) => ran,
        Err(payload) if payload.is::<Died>() => {
            let spy = Spy::new(scene.world()).after(ours);
            let ran = scene.resume_on(&spy, "r2");
            ours = spy.ours();
            ran
        }
        Err(payload) => resume_unwind(payload),
    };
    let said = || format!("{made:#?}\n{}", facts(&records).join("\n"));
    let (mut outcome, mut later) = (outcome.unwrap(), Vec::new());
    // A person takes the fault away: then it ends, at the latest when what was launched under the fault has come up.
    for _ in 0..3 {
        if outcome != Outcome::Stuck {
            break;
        }
        prop_assert!(
            made.fault.is_some() || made.twin || made.spot_life.is_some() || !made.acts.is_empty(),
            "stuck without a reason: {}",
            said()
        );
        scene.faults.clear();
        scene.scenario.clear();
        let spy = Spy::new(scene.world()).after(ours);
        let (again, more) = scene.resume_on(&spy, "r2");
        ours = spy.ours();
        later.extend(more);
        outcome = again.unwrap();
    }
    let said = || format!("{}\n---\n{}", said(), facts(&later).join("\n"));
    prop_assert!(
        matches!(
            outcome,
            Outcome::Ended(Ending::Finished | Ending::RolledBack)
        ),
        "{outcome:?}: {}",
        said()
    );
    prop_assert_eq!(scene.leftovers(), Vec::<String>::new(), "{}", said());
    if outcome == Outcome::Ended(Ending::Finished) {
        prop_assert!(
            scene.plan(&scene.world(), Allow::default()).is_empty(),
            "{}",
            said()
        );
    }
    let live = scene.live(&scene.world());
    for (group, ours) in ours {
        let there = live
            .clusters
            .values()
            .any(|c| c.groups.contains_key(&group));
        let retired = made.retire || made.new_group;
        prop_assert!(
            ours == 0 || !there || (ours < 0 && retired),
            "{group} keeps {ours} of ours: {}",
            said()
        );
    }
    Ok(())
}

/// A world in which a rule was broken once: a drain with nothing to drain, for the instance had no node yet; its end was throttled, and
/// asked for again when there was one.
#[test]
fn an_instance_whose_end_was_throttled_is_drained_when_its_node_has_come() {
    let drain = Drain {
        timeout: Span::from_secs(774),
        on_timeout: OnTimeout::Stop,
        ..Drain::default()
    };
    let rolling = Rolling {
        max_surge: Amount::Count(0),
        max_unavailable: Amount::Percent(87),
        cluster_surge: 3,
        canary: 1,
        bake: Span::from_secs(348),
        rate: Rate {
            instances: 8,
            per: Span::from_secs(333),
        },
        drain,
        ready_timeout: Span::from_secs(900),
        ..Rolling::default()
    };
    let made = Made {
        seed: 2_730_598_473_176_257_962,
        autoscaler: true,
        spot_life: None,
        planes: 1,
        groups: vec![(0, 3, false), (4, 7, false)],
        prods: 1,
        rolling,
        fault: Some("throttle:5"),
        new_group: true,
        retire: false,
        acts: vec![(0, 1, 47), (3, 0, 37), (1, 1, 30)],
        twin: false,
        death: None,
    };
    check(&made).unwrap();
}

/// A world in which a rule was broken once: on the way back a twin gave up what stood in for its borrower as if it were its own, and by
/// its own settings it could spare it.
#[test]
fn a_twin_that_goes_back_keeps_what_its_borrower_needs() {
    let drain = Drain {
        timeout: Span::from_secs(456),
        on_timeout: OnTimeout::Stop,
        ..Drain::default()
    };
    let rolling = Rolling {
        max_surge: Amount::Count(3),
        max_unavailable: Amount::Percent(69),
        cluster_surge: 2,
        canary: 3,
        bake: Span::from_secs(212),
        rate: Rate {
            instances: 3,
            per: Span::from_secs(725),
        },
        drain,
        ready_timeout: Span::from_secs(900),
        keep_versions: 2,
        ..Rolling::default()
    };
    let made = Made {
        seed: 12_553_054_851,
        autoscaler: false,
        spot_life: None,
        planes: 1,
        groups: vec![(4, 7, false), (1, 4, false)],
        prods: 0,
        rolling,
        fault: Some("slow-boot:g0:1200"),
        new_group: false,
        retire: false,
        acts: vec![],
        twin: true,
        death: Some(Death::After(41)),
    };
    check(&made).unwrap();
}

/// A world in which a rollout ran in a circle once: an instance launched in the moment in which its group began to borrow was taken for
/// capacity that is back, so the surge was asked for, refused, given up and asked for again without end.
#[test]
fn a_launch_that_is_under_way_does_not_end_a_loan() {
    let drain = Drain {
        timeout: Span::from_secs(482),
        on_timeout: OnTimeout::Skip,
        ..Drain::default()
    };
    let rolling = Rolling {
        max_surge: Amount::Percent(13),
        max_unavailable: Amount::Count(0),
        cluster_surge: 2,
        canary: 0,
        bake: Span::from_secs(263),
        rate: Rate {
            instances: 7,
            per: Span::from_secs(187),
        },
        drain,
        ready_timeout: Span::from_secs(900),
        capacity: Capacity {
            policy: CapacityPolicy::NextType,
            patience: None,
            twin: None,
        },
        keep_versions: 3,
        ..Rolling::default()
    };
    let made = Made {
        seed: 13,
        autoscaler: false,
        spot_life: None,
        planes: 1,
        groups: vec![(3, 4, false), (1, 4, false)],
        prods: 0,
        rolling,
        fault: Some("stuck-drain:g1"),
        new_group: false,
        retire: false,
        acts: vec![],
        twin: true,
        death: None,
    };
    check(&made).unwrap();
}

/// The same few worlds every time; `KFLEET_WORLDS=500 cargo test --test worlds` looks at as many others.
fn config() -> ProptestConfig {
    let asked = std::env::var("KFLEET_WORLDS")
        .ok()
        .and_then(|n| n.parse().ok());
    let rng_seed = if asked.is_some() {
        RngSeed::Random
    } else {
        RngSeed::Fixed(20_260_105)
    };
    ProptestConfig {
        cases: asked.unwrap_or(24),
        max_shrink_iters: 30,
        failure_persistence: None,
        rng_seed,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn no_world_breaks_a_rule(made in worlds()) {
        check(&made)?;
    }

    #[test]
    fn no_world_in_which_a_twin_stands_in_breaks_a_rule(made in with_a_twin()) {
        check(&made)?;
    }
}
