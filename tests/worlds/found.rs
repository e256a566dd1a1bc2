//! Worlds in which a rule was broken once, or that had no end, each by what was wrong.

use kfleet::fleet::OnFailure;

use super::made::{Made, Turn};
use super::play::check;
use super::*;

/// A world in which a rule was broken once: a drain with nothing to drain, for the instance had no node yet; its end was throttled, and
/// asked for again when there was one.
#[test]
fn a_throttled_end_waits_for_the_drain_of_a_new_node() {
    let drain = DrainPolicy {
        timeout: Span::from_secs(774),
        on_timeout: OnTimeout::Stop,
        ..DrainPolicy::default()
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
        autoscaler: true,
        prods: 1,
        faults: vec!["throttle:5".into()],
        new_group: true,
        acts: vec![
            "{act: \"terminate:g1:1\", after: 47m}".into(),
            "{act: \"scale:g0:+1\", after: 37m}".into(),
            "{act: \"reclaim:g1:1\", after: 30m}".into(),
        ],
        ..Made::calm(
            2_730_598_473_176_257_962,
            &[(0, 3, false), (4, 7, false)],
            rolling,
        )
    };
    check(&made);
}

/// A world in which a rule was broken once: on the way back a twin gave up what stood in for its borrower as if it were its own, and by
/// its own settings it could spare it.
#[test]
fn a_twin_that_goes_back_keeps_what_its_borrower_needs() {
    let drain = DrainPolicy {
        timeout: Span::from_secs(456),
        on_timeout: OnTimeout::Stop,
        ..DrainPolicy::default()
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
        faults: vec!["slow-boot:g0:1200".into()],
        twin: true,
        death: Some(Death::After(41)),
        ..Made::calm(12_553_054_851, &[(4, 7, false), (1, 4, false)], rolling)
    };
    check(&made);
}

/// A world in which a rollout ran in a circle once: an instance launched in the moment in which its group began to borrow was taken for
/// capacity that is back, so the surge was asked for, refused, given up and asked for again without end.
#[test]
fn a_launch_that_is_under_way_does_not_end_a_loan() {
    let drain = DrainPolicy {
        timeout: Span::from_secs(482),
        on_timeout: OnTimeout::Skip,
        ..DrainPolicy::default()
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
        faults: vec!["stuck-drain:g1".into()],
        twin: true,
        ..Made::calm(13, &[(3, 4, false), (1, 4, false)], rolling)
    };
    check(&made);
}

/// A world without an end once: a look soon after the surge was asked for still showed the capacity before it, so the surge was taken for
/// lost, asked for again, and found there already, again and again at the same moment. (It would never have been given back either.)
#[test]
fn a_surge_that_is_not_to_be_seen_yet_is_not_lost() {
    let rolling = Rolling {
        max_surge: Amount::Count(2),
        max_unavailable: Amount::Count(0),
        cluster_surge: 3,
        canary: 2,
        bake: Span::from_secs(539),
        rate: Rate {
            instances: 4,
            per: Span::from_secs(1152),
        },
        ..Rolling::default()
    };
    let made = Made {
        faults: vec!["stale-reads:10".into()],
        ..Made::calm(8_602_778_682_741_366_649, &[(3, 5, true)], rolling)
    };
    check(&made);
}

/// Worlds in which a step stayed open once when all was over: the deletion of a retired group got no answer, and the group was gone.
#[test]
fn a_deletion_without_an_answer_is_asked_after() {
    for every in 2..6 {
        let made = Made {
            faults: vec![format!("lost-answer:{every}"), "no-answer:7".into()],
            retire: true,
            ..Made::calm(7, &[(2, 4, false), (2, 3, false)], Rolling::default())
        };
        check(&made);
    }
}

/// A world in which a rule was broken once: a look that did not know of a launch yet took the surge off from a desired capacity that did not
/// have it, and two zones stood empty.
#[test]
fn a_launch_that_is_not_seen_yet_lets_nothing_more_go() {
    let drain = DrainPolicy {
        timeout: Span::from_secs(660),
        on_timeout: OnTimeout::Stop,
        ..DrainPolicy::default()
    };
    let rolling = Rolling {
        max_surge: Amount::Percent(100),
        max_unavailable: Amount::Percent(95),
        cluster_surge: 3,
        canary: 3,
        bake: Span::from_secs(452),
        rate: Rate {
            instances: 2,
            per: Span::from_secs(741),
        },
        drain,
        ready_timeout: Span::from_secs(900),
        keep_versions: 3,
        ..Rolling::default()
    };
    let made = Made {
        autoscaler: true,
        planes: 3,
        retire: true,
        faults: vec!["stale-reads:10".into()],
        ..Made::calm(
            2_063_228_214_914_316_588,
            &[(0, 3, true), (1, 3, true), (3, 4, false)],
            rolling,
        )
    };
    check(&made);
}

/// A world in which a rule was broken once: a look that did not know of an end yet counted the instance among those at work, and one more went
/// for it.
#[test]
fn what_was_just_ended_is_not_at_work() {
    let drain = DrainPolicy {
        timeout: Span::from_secs(525),
        on_timeout: OnTimeout::Stop,
        ..DrainPolicy::default()
    };
    let rolling = Rolling {
        max_surge: Amount::Count(1),
        max_unavailable: Amount::Percent(6),
        cluster_surge: 2,
        canary: 0,
        bake: Span::from_secs(342),
        rate: Rate {
            instances: 9,
            per: Span::from_secs(125),
        },
        drain,
        ready_timeout: Span::from_secs(900),
        keep_versions: 3,
        ..Rolling::default()
    };
    let made = Made {
        autoscaler: true,
        twin: true,
        faults: vec!["sick-pods:image-2".into(), "stale-reads:10".into()],
        acts: vec![
            "{fault: \"stuck-drain:g0\", after: 55m, for: 61m}".into(),
            "{act: \"reclaim:g1:1\", after: 16m}".into(),
        ],
        ..Made::calm(
            17_192_916_225_636_868_130,
            &[(4, 5, true), (0, 2, false)],
            rolling,
        )
    };
    check(&made);
}

/// A world in which a rule was broken once: a look that did not know of a lower maximum yet made room for a launch above it.
#[test]
fn nothing_is_launched_above_a_maximum_just_lowered() {
    let rolling = Rolling {
        max_surge: Amount::Count(1),
        max_unavailable: Amount::Percent(71),
        cluster_surge: 1,
        canary: 0,
        bake: Span::from_secs(219),
        rate: Rate {
            instances: 5,
            per: Span::from_secs(874),
        },
        drain: DrainPolicy {
            timeout: Span::from_secs(432),
            on_timeout: OnTimeout::Skip,
            ..DrainPolicy::default()
        },
        ready_timeout: Span::from_secs(900),
        ..Rolling::default()
    };
    let made = Made {
        autoscaler: true,
        on_failure: OnFailure::Stop,
        resize: Some((0, 1)),
        faults: vec!["stale-reads:10".into()],
        twin: true,
        death: Some(Death::After(57)),
        gives_up: true,
        ..Made::calm(
            9_372_245_781_457_872_587,
            &[(4, 5, false), (1, 4, true)],
            rolling,
        )
    };
    check(&made);
}

/// A world in which a rule was broken once: a new instance that took up the surge of another zone was ended although an old one had just given
/// that surge up, so that AWS launched one more in its place.
#[test]
fn a_new_instance_goes_only_for_the_surge_that_it_takes_up() {
    let rolling = Rolling {
        max_surge: Amount::Percent(54),
        max_unavailable: Amount::Percent(16),
        cluster_surge: 5,
        canary: 2,
        bake: Span::from_secs(387),
        rate: Rate {
            instances: 3,
            per: Span::from_secs(123),
        },
        drain: DrainPolicy {
            timeout: Span::from_secs(445),
            on_timeout: OnTimeout::Stop,
            ..DrainPolicy::default()
        },
        ready_timeout: Span::from_secs(900),
        keep_versions: 2,
        ..Rolling::default()
    };
    let made = Made {
        spot_life: Some(8498),
        planes: 3,
        prods: 1,
        restore_planes: false,
        resize: Some((0, 4)),
        death: Some(Death::After(66)),
        ..Made::calm(
            6_288_173_791_499_666_003,
            &[(3, 3, true), (0, 2, true)],
            rolling,
        )
    };
    check(&made);
}

/// A world in which a rule was broken once: a node was uncordoned, for its drain had lasted too long, and while its last pods had their grace
/// new ones came to it, which were evicted.
#[test]
fn a_node_uncordoned_after_a_long_drain_is_set_aside() {
    let rolling = Rolling {
        max_surge: Amount::Percent(33),
        max_unavailable: Amount::Count(2),
        cluster_surge: 0,
        canary: 1,
        bake: Span::from_secs(586),
        rate: Rate {
            instances: 2,
            per: Span::from_secs(911),
        },
        drain: DrainPolicy {
            timeout: Span::from_secs(425),
            on_timeout: OnTimeout::Force,
            ..DrainPolicy::default()
        },
        ready_timeout: Span::from_secs(900),
        ..Rolling::default()
    };
    let made = Made {
        spot_life: Some(7382),
        prods: 1,
        restore_planes: false,
        new_group: true,
        acts: vec![
            "{fault: \"slow-volumes:g0:90\", after: 61m, for: 89m}".into(),
            "{act: \"terminate:g0:2\", after: 4m}".into(),
        ],
        death: Some(Death::Before(1)),
        ..Made::calm(16_280_480_081_976_387_078, &[(4, 7, false)], rolling)
    };
    check(&made);
}

/// A world in which a rule was broken once: a cluster whose retired group was deleted stood still until a person had put it right, and counted
/// as verified by gates that had passed before that, while an instance was missing.
#[test]
fn what_stood_still_after_a_deletion_is_asked_again() {
    let rolling = Rolling {
        max_surge: Amount::Percent(4),
        max_unavailable: Amount::Count(1),
        cluster_surge: 3,
        canary: 0,
        bake: Span::from_secs(110),
        rate: Rate {
            instances: 7,
            per: Span::from_secs(267),
        },
        drain: DrainPolicy {
            timeout: Span::from_secs(693),
            on_timeout: OnTimeout::Stop,
            ..DrainPolicy::default()
        },
        ready_timeout: Span::from_secs(900),
        keep_versions: 3,
        ..Rolling::default()
    };
    let made = Made {
        autoscaler: true,
        spot_life: Some(25_597),
        prods: 1,
        on_failure: OnFailure::Stop,
        restore_planes: false,
        new_group: true,
        retire: true,
        resize: Some((2, 1)),
        acts: vec![
            "{act: \"suspend:g0:AZRebalance\", when: terminate g0, nth: 2, after: 26s}".into(),
        ],
        death: Some(Death::Before(29)),
        ..Made::calm(
            16_087_248_457_112_373_276,
            &[(1, 4, true), (1, 1, false)],
            rolling,
        )
    };
    check(&made);
}

/// A world in which a rule was broken once: a look from before an instance was taken out of its group still showed it there; it was taken out
/// again, and its end was booked as if it had taken surge with it, so that the cluster surged by one more than it may.
#[test]
fn a_detached_instance_still_shown_takes_no_surge_with_it() {
    let rolling = Rolling {
        max_surge: Amount::Percent(68),
        max_unavailable: Amount::Percent(93),
        cluster_surge: 3,
        canary: 3,
        bake: Span::from_secs(142),
        rate: Rate {
            instances: 8,
            per: Span::from_secs(712),
        },
        drain: DrainPolicy {
            timeout: Span::from_secs(603),
            on_timeout: OnTimeout::Force,
            ..DrainPolicy::default()
        },
        ready_timeout: Span::from_secs(900),
        keep_versions: 2,
        ..Rolling::default()
    };
    let made = Made {
        faults: vec!["stale-reads:10".into()],
        new_group: true,
        retire: true,
        resize: Some((2, 5)),
        restore_planes: true,
        on_failure: OnFailure::Rollback,
        turns: vec![(129, Turn::Rollback)],
        ..Made::calm(1_846_583_366_679_303_349, &[(4, 6, false)], rolling)
    };
    check(&made);
}

/// A world in which nothing moved once: two groups had parts of the cluster's surge for their canaries, and each waited for what the other had.
#[test]
fn two_canaries_do_not_wait_for_each_others_surge() {
    let rolling = Rolling {
        max_surge: Amount::Percent(74),
        max_unavailable: Amount::Percent(10),
        cluster_surge: 3,
        canary: 4,
        bake: Span::from_secs(349),
        rate: Rate {
            instances: 6,
            per: Span::from_secs(539),
        },
        drain: DrainPolicy {
            timeout: Span::from_secs(785),
            on_timeout: OnTimeout::Skip,
            ..DrainPolicy::default()
        },
        ready_timeout: Span::from_secs(900),
        keep_versions: 2,
        ..Rolling::default()
    };
    let made = Made {
        new_group: true,
        retire: true,
        resize: Some((0, 6)),
        restore_planes: true,
        on_failure: OnFailure::Hold,
        ..Made::calm(
            4_210_253_160_290_329_046,
            &[(4, 4, false), (4, 6, false), (4, 6, true)],
            rolling,
        )
    };
    check(&made);
}
