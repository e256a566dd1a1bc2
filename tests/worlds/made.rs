//! How worlds are drawn, and the scene of each.

use std::path::Path;

use kfleet::fleet::{OnFailure, ProvenControlPlane, Rollback};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};

use super::*;

/// One of the worlds.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    pub(crate) seed: u64,
    pub(crate) autoscaler: bool,
    pub(crate) spot_life: Option<i64>,
    pub(crate) planes: usize,
    /// Minimum, maximum, and whether the autoscaler finds it.
    pub(crate) groups: Vec<(u32, u32, bool)>,
    pub(crate) prods: usize,
    pub(crate) rolling: Rolling,
    pub(crate) on_failure: OnFailure,
    pub(crate) restore_planes: bool,
    /// What becomes of the groups beside the new image: one more, one less, another maximum.
    pub(crate) new_group: bool,
    pub(crate) retire: bool,
    pub(crate) resize: Option<(usize, u32)>,
    /// Faults from the beginning on, until a person takes them away.
    pub(crate) faults: Vec<String>,
    /// What others do, and faults that pass, as items of a scenario.
    pub(crate) acts: Vec<String>,
    /// The twin of the first group stands in for it, while AWS refuses it capacity.
    pub(crate) twin: bool,
    /// Before or after which effect the first process dies.
    pub(crate) death: Option<Death>,
    /// What a person asks of the rollout itself, and at which of its records.
    pub(crate) turns: Vec<(usize, Turn)>,
    /// Where it is stuck, a person gives it up at once, and does not put anything right before.
    pub(crate) gives_up: bool,
}

/// What a person asks of a rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    Abort,
    Rollback,
    /// The line is stopped, and let go some time later.
    Stop,
    /// Ctrl-C, and taken up again.
    Interrupt,
}

impl Made {
    /// A world in which nobody does anything.
    pub(crate) fn calm(seed: u64, groups: &[(u32, u32, bool)], rolling: Rolling) -> Made {
        Made {
            seed,
            autoscaler: false,
            spot_life: None,
            planes: 1,
            groups: groups.to_vec(),
            prods: 0,
            rolling,
            on_failure: OnFailure::Rollback,
            restore_planes: true,
            new_group: false,
            retire: false,
            resize: None,
            faults: Vec::new(),
            acts: Vec::new(),
            twin: false,
            death: None,
            turns: Vec::new(),
            gives_up: false,
        }
    }

    /// Whether anything goes on in it for which a rollout may need a person.
    pub(crate) fn is_calm(&self) -> bool {
        self.faults.is_empty()
            && self.acts.is_empty()
            && self.spot_life.is_none()
            && !self.twin
            && self.turns.is_empty()
            // What an autoscaler wants by then may be more than a lower maximum.
            && !(self.autoscaler && self.resize.is_some())
    }
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
    let drain = (400i64..900, on_timeout).prop_map(|(s, on_timeout)| DrainPolicy {
        timeout: Span::from_secs(s),
        on_timeout,
        ..DrainPolicy::default()
    });
    let rate = (1u32..10, 60i64..1200).prop_map(|(instances, s)| Rate {
        instances,
        per: Span::from_secs(s),
    });
    let strategy = prop_oneof![5 => Just(Way::Surge), 1 => Just(Way::InstanceRefresh), 1 => Just(Way::OnNextLaunch)];
    // Whoever waits for capacity waits for ever, and no world has that much time.
    let policy = prop_oneof![Just(CapacityPolicy::Stop), Just(CapacityPolicy::NextType)];
    let ways = (strategy, policy, 2u64..4);
    let sizes = (amount(), amount(), 0u32..6, 0u32..5, 0i64..600);
    (sizes, rate, drain, ways).prop_map(
        |(
            (max_surge, max_unavailable, cluster_surge, canary, bake),
            rate,
            drain,
            (strategy, policy, keep_versions),
        )| Rolling {
            max_surge,
            max_unavailable,
            cluster_surge,
            canary,
            bake: Span::from_secs(bake),
            rate,
            drain,
            ready_timeout: Span::from_secs(900),
            strategy,
            capacity: Capacity {
                policy,
                patience: None,
                twin: None,
            },
            keep_versions,
            ..Rolling::default()
        },
    )
}

const NAMES: [&str; 4] = ["g0", "g1", "g2", "g3"];

fn a_group() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => Just("g0"),
        3 => Just("g1"),
        2 => Just("g2"),
        1 => Just("control-plane-a"),
        1 => Just("new"),
    ]
    .prop_map(str::to_owned)
}

/// When something happens: at a time, or after an effect.
fn when() -> impl Strategy<Value = String> {
    let effect = prop::sample::select(vec![
        "pin-version",
        "set-desired",
        "suspend",
        "cordon",
        "evict",
        "terminate",
        "detach",
        "update-group",
        "taint",
        "keep-from-autoscaler",
        "protect",
        "delete-group",
        "create-group",
        "resume",
    ]);
    prop_oneof![
        1 => (1u32..90).prop_map(|m| format!("after: {m}m")),
        1 => (effect, a_group(), 1u32..4, 1u32..200).prop_map(|(effect, group, nth, s)| format!(
            "when: {effect} {group}, nth: {nth}, after: {s}s"
        )),
    ]
}

/// AWS, an autoscaler, and people with a console or kubectl.
fn act() -> impl Strategy<Value = String> {
    let kinds = prop_oneof![
        3 => prop::sample::select(vec!["terminate:G:1", "terminate:G:2", "reclaim:G:1", "rebalance:G", "scale:G:+1", "scale:G:-1", "scale:G:+3"]),
        2 => prop::sample::select(vec!["node-down:G:1", "node-down:G:2", "unhealthy:G:1", "standby:G:1", "detach:G:1", "cordon:G:1", "cordon:G:2", "uncordon:G:1"]),
        2 => prop::sample::select(vec!["repin:G", "set:G:MinSize=2", "set:G:MaxSize=2", "set:G:MaxSize=9", "set:G:DesiredCapacity=1", "set:G:DesiredCapacity=3", "set:G:MinSize=0"]),
        1 => prop::sample::select(vec!["delete:G", "delete-version:G", "refresh:G", "suspend:G:Launch", "suspend:G:Terminate", "suspend:G:AZRebalance", "resume:G:AZRebalance"]),
    ];
    (kinds, a_group(), when()).prop_map(|(kind, group, when)| {
        format!("{{act: \"{}\", {when}}}", kind.replace('G', &group))
    })
}

/// Faults that come and go.
fn passing_fault() -> impl Strategy<Value = String> {
    let kinds = prop::sample::select(vec![
        "no-capacity:G",
        "stuck-drain:G",
        "refuse-evictions:G:right",
        "refuse-evictions:G:webhook",
        "refuse-evictions:G:busy",
        "refuse-evictions:G:broken-webhook",
        "no-etcd:control-plane-a",
        "slow-boot:G:900",
        "slow-pods:G:120",
        "slow-end:G:300",
        "idle-scale-down:G:300",
        "lost-nodes:G:1200",
        "deregistration:G:300",
        "slow-volumes:G:90",
        "shifting-pages:2",
        "shifting-pages:5",
        "few-vcpus:on-demand:2",
        "few-vcpus:on-demand:5",
        "few-addresses:eu-west-3a.staging.k8s.test:1",
        "no-room-read:quotas",
        "throttle:3",
        "no-answer:3",
        "lost-answer:3",
        "stale-reads:20",
        "no-kubernetes:staging.k8s.test",
        "no-read:staging.k8s.test",
        "expired-credentials",
    ]);
    (kinds, a_group(), when(), 2u32..120).prop_map(|(kind, group, when, lasts)| {
        format!(
            "{{fault: \"{}\", {when}, for: {lasts}m}}",
            kind.replace(":G", &format!(":{group}"))
        )
    })
}

fn fault() -> impl Strategy<Value = Vec<String>> {
    let one = prop::sample::select(vec![
        "sick-image:image-2",
        "sick-pods:image-2",
        "dead-image:image-2",
        "sick-pods:image-1",
        "sick-etcd:image-2",
        "refuse-evictions:g1:ending-namespace",
        "refuse-evictions:g0:many-budgets",
        "no-capacity:g0",
        "no-capacity-of:m5.large@eu-west-3a",
        "stuck-drain:g1",
        "slow-boot:g0:1200",
        "throttle:5",
        "lost-answer:3",
        "no-answer:4",
        "stale-reads:10",
        "slow-pods:g0:90",
        "slow-end:g1:200",
        "idle-scale-down:g0:600",
    ]);
    prop_oneof![
        4 => Just(Vec::new()),
        2 => one.clone().prop_map(|f| vec![f.to_owned()]),
        1 => prop::collection::vec(one.prop_map(str::to_owned), 2..3),
    ]
}

fn turn() -> impl Strategy<Value = (usize, Turn)> {
    let turn = prop::sample::select(vec![
        Turn::Abort,
        Turn::Rollback,
        Turn::Rollback,
        Turn::Stop,
        Turn::Interrupt,
    ]);
    (5usize..150, turn)
}

fn worlds() -> impl Strategy<Value = Made> {
    let group = (0u32..5, 0u32..4, any::<bool>())
        .prop_map(|(min, more, scaled)| (min, (min + more).max(1), scaled));
    let life = prop_oneof![3 => Just(None), 1 => (7_200i64..40_000).prop_map(Some)];
    let first = (
        any::<u64>(),
        any::<bool>(),
        life,
        prop_oneof![Just(1usize), Just(3)],
        prop::collection::vec(group, 1..4),
        0usize..2,
    );
    let death = prop_oneof![
        2 => Just(None),
        1 => (1u64..100).prop_map(|n| Some(Death::Before(n))),
        1 => (1u64..100).prop_map(|n| Some(Death::After(n)))
    ];
    let acts = prop_oneof![
        1 => Just(Vec::new()),
        3 => prop::collection::vec(prop_oneof![3 => act(), 1 => passing_fault()], 1..4)
    ];
    let turns = prop_oneof![
        2 => Just(Vec::new()),
        1 => prop::collection::vec(turn(), 1..3)
    ];
    let on_failure = prop_oneof![
        4 => Just(OnFailure::Rollback),
        1 => Just(OnFailure::Hold),
        1 => Just(OnFailure::Stop)
    ];
    let resize = prop_oneof![2 => Just(None), 1 => (0usize..3, 1u32..8).prop_map(Some)];
    let plan = (
        any::<bool>(),
        any::<bool>(),
        resize,
        on_failure,
        any::<bool>(),
        prop::bool::weighted(0.25),
    );
    (first, plan, (rolling(), fault(), death, acts, turns)).prop_map(
        |(
            (seed, autoscaler, spot_life, planes, groups, prods),
            (new_group, retire, resize, on_failure, restore_planes, gives_up),
            (rolling, faults, death, acts, turns),
        )| Made {
            seed,
            autoscaler,
            spot_life,
            planes,
            groups,
            prods,
            rolling,
            on_failure,
            restore_planes,
            new_group,
            retire,
            resize,
            faults,
            acts,
            twin: false,
            death,
            turns,
            gives_up,
        },
    )
}

/// A world in which AWS refuses the first of at least two groups capacity for hours, and the second one may stand in for it.
fn with_a_twin(mut made: Made) -> Made {
    if made.groups.len() < 2 {
        made.groups.push((1, 4, false));
    }
    if made.groups.len() < 3 {
        made.retire = false;
    }
    made.rolling.strategy = Way::Surge;
    made.faults.retain(|f| f != "no-capacity:g0");
    Made {
        twin: true,
        spot_life: None,
        ..made
    }
}

/// The world of that number, the same every time.
pub(crate) fn world(number: u64) -> Made {
    let mut seed = [0u8; 32];
    seed[..8].copy_from_slice(&number.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let mut runner = TestRunner::new_with_rng(ProptestConfig::default(), rng);
    let made = worlds().new_tree(&mut runner).unwrap().current();
    if number % 4 == 3 {
        with_a_twin(made)
    } else {
        made
    }
}

/// The scene of a world.
pub(crate) fn scene(made: &Made, dir: &Path) -> Scene {
    let named: Vec<_> = made
        .groups
        .iter()
        .zip(NAMES)
        .map(|((min, max, scaled), name)| (name, *min, *max, *scaled))
        .collect();
    let mut scene = Scene::small(dir, &named);
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
    scene.on_failure = made.on_failure;
    if !made.restore_planes {
        scene.rollback = Rollback {
            control_plane: ProvenControlPlane::Keep,
        };
    }
    scene.groups = Some(wanted(made, named));
    scene.faults = made.faults.clone();
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
                zones: None,
            },
        );
    }
    scene.scenario = made.acts.clone();
    scene.scenario.extend(
        made.twin
            .then(|| "{fault: \"no-capacity:g0\", for: 3h}".to_owned()),
    );
    scene
}

/// The groups as git has them now.
fn wanted(
    made: &Made,
    mut groups: Vec<(&'static str, u32, u32, bool)>,
) -> Vec<(&'static str, u32, u32, bool)> {
    if let Some((index, most)) = made.resize
        && let Some((_, min, max, _)) = groups.get_mut(index)
    {
        (*min, *max) = ((*min).min(most), most);
    }
    if made.retire && groups.len() > 1 {
        groups.pop();
    }
    if made.new_group {
        groups.push(("new", 1, 3, false));
    }
    groups
}
