//! How a fleet is split, and what the board says of rollouts beside one another.

use std::collections::{BTreeMap, BTreeSet};

use super::{Board, BoardRow, Boundary, Joint, split};
use crate::fleet::Stage;
use crate::model::{
    AccountId, ClusterName, Digest, Region, Shard, StageName, Timestamp, digest_of,
};
use crate::rollout::schedule::Seat;
use crate::rollout::shards::{FailedAt, RowState};

fn cluster(n: usize) -> ClusterName {
    ClusterName::new(format!("c{n:02}.k8s.foo.bar")).unwrap()
}

fn stage(name: &str, waves: &[&[usize]]) -> Stage {
    let waves: Vec<serde_json::Value> = waves
        .iter()
        .map(|wave| {
            let clusters: Vec<ClusterName> = wave.iter().map(|n| cluster(*n)).collect();
            serde_json::json!({"clusters": clusters, "parallel": 2, "soak": "0s"})
        })
        .collect();
    let form = serde_json::json!({
        "name": name, "after": null, "approval": false, "soak": "0s", "freeze": [], "on_failure": "rollback", "waves": waves,
    });
    serde_json::from_value(form).unwrap()
}

/// Clusters 0 to 4 are in one account, 5 to 7 in another, each of the others in its own.
fn room(name: &ClusterName) -> Option<(AccountId, Region)> {
    let n: u32 = name.as_str().get(1..3)?.parse().ok()?;
    let account = match n {
        0..=4 => 1,
        5..=7 => 2,
        other => other,
    };
    let account = AccountId::new(format!("{account:012}")).ok()?;
    Some((account, Region::new("eu-west-3").ok()?))
}

#[test]
fn every_cluster_is_in_one_shard_and_waves_are_even() {
    let waves: [&[usize]; 2] = [&[0, 5], &[1, 2, 3, 4, 6, 7, 8, 9]];
    let stages = [stage("staging", &[&[10, 11]]), stage("prod", &waves)];
    for of in 1..=12 {
        let parts = split(&stages, room, of);
        assert_eq!(parts, split(&stages, room, of));
        assert_eq!(parts.len(), usize::try_from(of).unwrap());
        let all: Vec<&ClusterName> = parts.iter().flatten().collect();
        assert_eq!(all.len(), 12, "{of}");
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 12);
        let second: BTreeSet<ClusterName> = waves[1].iter().map(|n| cluster(*n)).collect();
        let most = parts.iter().map(|p| p.intersection(&second).count()).max();
        assert_eq!(most, Some(8_usize.div_ceil(parts.len())), "{of}");
    }
}

#[test]
fn an_account_stays_together_as_far_as_that_is_even() {
    let stages = [stage("prod", &[&[0, 1, 2, 5, 6, 7]])];
    let parts = split(&stages, room, 2);
    let names = |of: &[usize]| of.iter().map(|n| cluster(*n)).collect::<BTreeSet<_>>();
    assert_eq!(parts, [names(&[0, 1, 2]), names(&[5, 6, 7])]);
    let shares = |parts: &[BTreeSet<ClusterName>], shard: &str| {
        let of = shard.parse().unwrap();
        super::shares(&stages, room, parts, of).len()
    };
    assert_eq!((shares(&parts, "1/2"), shares(&parts, "2/2")), (0, 0));
    let parts = split(&stages, room, 3);
    let sum: usize = ["1/3", "2/3", "3/3"]
        .map(|s| shares(&parts, s))
        .iter()
        .sum();
    assert!(sum > 0, "{parts:?}");
}

fn seat(shard: &str) -> Seat {
    Seat {
        joint: digest_of(&"joint"),
        attempt: 1,
        shard: shard.parse().unwrap(),
    }
}

fn row(shard: &str) -> BoardRow {
    BoardRow {
        seat: Some(seat(shard)),
        plan: digest_of(&shard),
        active: BTreeMap::new(),
        waves: BTreeMap::new(),
        stages: BTreeSet::new(),
        failed: None,
        state: RowState::Going,
        hooks: BTreeMap::new(),
        verified: BTreeMap::new(),
    }
}

fn staging() -> StageName {
    StageName::new("staging").unwrap()
}

fn board(rows: &[(&str, BoardRow)]) -> Board {
    let rows = rows.iter().cloned();
    Board {
        rows: rows.map(|(id, row)| (id.to_owned(), row)).collect(),
        ..Board::default()
    }
}

fn lagging(board: &Board, boundary: Boundary<'_>) -> Vec<(Shard, Option<RowState>)> {
    let all = board.lagging(&seat("1/2"), boundary).into_iter();
    all.map(|l| (l.shard, l.rollout.map(|(_, state)| state)))
        .collect()
}

#[test]
fn who_has_not_begun_or_is_stuck_has_not_passed() {
    let name = staging();
    let stage = Boundary::Stage(&name);
    let passed = BoardRow {
        stages: BTreeSet::from([staging()]),
        ..row("1/2")
    };
    let second = |state: RowState, failed: Option<FailedAt>| BoardRow {
        seat: Some(seat("2/2")),
        state,
        failed,
        ..passed.clone()
    };
    let two: Shard = "2/2".parse().unwrap();
    assert_eq!(
        lagging(&board(&[("a", passed.clone())]), stage),
        [(two, None)]
    );
    let of = |state, failed| {
        let rows = [("a", passed.clone()), ("b", second(state, failed))];
        lagging(&board(&rows), stage)
    };
    assert_eq!(of(RowState::Going, None), []);
    assert_eq!(of(RowState::Finished, None), []);
    for state in [
        RowState::Stuck,
        RowState::GoingBack,
        RowState::Stopping,
        RowState::RolledBack,
        RowState::Aborted,
    ] {
        assert_eq!(of(state, None), [(two, Some(state))]);
    }
    let failed = FailedAt {
        hook: None,
        on_failure: None,
        stage: staging(),
        wave: 0,
        cluster: cluster(1),
    };
    assert_eq!(
        of(RowState::Going, Some(failed)),
        [(two, Some(RowState::Going))]
    );
    let waves = BoardRow {
        waves: BTreeMap::from([(staging(), 2)]),
        ..row("2/2")
    };
    let both = board(&[("a", passed.clone()), ("b", waves)]);
    assert_eq!(lagging(&both, Boundary::Wave(&name, 1)), []);
    assert_eq!(lagging(&both, Boundary::Wave(&name, 2)).len(), 1);
    assert_eq!(lagging(&both, stage).len(), 1);
}

#[test]
fn a_wave_has_no_more_places_than_its_policy() {
    let mut both = board(&[("a", row("1/2")), ("b", row("2/2"))]);
    let name = staging();
    let mut claim = |id: &str, n: usize| both.claim(id, &cluster(n), (&name, 0, 2));
    assert!(claim("a", 1));
    assert!(claim("b", 2));
    assert!(!claim("a", 3) && !claim("b", 4));
    assert!(!claim("nobody", 5));
    assert_eq!(both.active_beside("a", &name, 0), 1);
    assert!(both.claim("a", &cluster(6), (&name, 1, 1)));
}

#[test]
fn a_joint_rollout_is_open_until_all_have_ended() {
    let joint = Joint {
        release: digest_of(&"release"),
        attempt: 1,
        parts: vec![BTreeSet::from([cluster(1)]), BTreeSet::from([cluster(2)])],
        by: "test".into(),
        since: Timestamp::from_millis(0),
    };
    let id: Digest = digest_of(&"joint");
    let is_open = |states: &[(&str, RowState)]| {
        let rows: Vec<(&str, BoardRow)> = states
            .iter()
            .map(|(shard, state)| {
                let row = BoardRow {
                    state: *state,
                    ..row(shard)
                };
                (*shard, row)
            })
            .collect();
        board(&rows).is_open(&id, &joint)
    };
    assert!(!is_open(&[]));
    assert!(is_open(&[("1/2", RowState::Going)]));
    assert!(is_open(&[("1/2", RowState::Finished)]));
    assert!(is_open(&[
        ("1/2", RowState::Aborted),
        ("2/2", RowState::Going)
    ]));
    assert!(!is_open(&[("1/2", RowState::Aborted)]));
    assert!(!is_open(&[
        ("1/2", RowState::Finished),
        ("2/2", RowState::Finished)
    ]));
    assert!(!is_open(&[
        ("1/2", RowState::RolledBack),
        ("2/2", RowState::RolledBack)
    ]));
    let mut open = board(&[("a", row("1/2"))]);
    open.joints.insert(id, joint);
    assert!(open.open_over(&BTreeSet::from([cluster(2)])).is_some());
    assert!(open.open_over(&BTreeSet::from([cluster(3)])).is_none());
}
