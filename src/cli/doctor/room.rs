//! Whether the accounts have room for it when every instance of the fleet is replaced, wave by wave.

use std::collections::BTreeMap;

use super::{check, wrong};
use crate::cli::failure::Failure;
use crate::cli::pipeline::PreparedFleet;
use crate::cli::world::World;
use crate::cloud::Cloud as _;
use crate::fleet::OnLack;
use crate::model::Live;
use crate::plan::Policy;
use crate::plan::room::{
    Outlook, RoomUnknown, WaveNeed, WaveOutlook, ask_scores, of_all, outlooks,
    questions_with_trials,
};
use crate::report::{self, CheckState, DoctorCheck};

/// One check for each wave, account and region; and the figures for whoever reads JSON.
pub(super) async fn look(
    prepared: &PreparedFleet,
    world: &World,
    live: &Live,
) -> (Vec<DoctorCheck>, Vec<WaveOutlook>) {
    let policy = Policy::of(&prepared.fleet.settings);
    let seen = live.clusters.iter();
    let clusters: BTreeMap<_, _> = seen
        .filter_map(|(name, live)| Some((name, (&prepared.clusters.get(name)?.desired, live))))
        .collect();
    let waves = of_all(&policy, &clusters);
    match asked(world, &waves).await {
        Err(failure) => (vec![wrong("room", None, failure)], Vec::new()),
        Ok(waves) => {
            let checks = waves.iter().flat_map(of_wave);
            (checks.collect(), waves)
        }
    }
}

async fn asked(world: &World, waves: &[WaveNeed]) -> Result<Vec<WaveOutlook>, Failure> {
    let needs: Vec<_> = waves.iter().flat_map(|w| w.clusters.clone()).collect();
    let mut facts = Vec::new();
    let mut all = questions_with_trials(&needs);
    ask_scores(&mut all, &needs);
    for question in all {
        facts.push(world.room(&question).await?);
    }
    Ok(outlooks(waves, &facts))
}

fn of_wave(wave: &WaveOutlook) -> Vec<DoctorCheck> {
    let checks = wave.regions.iter().map(|region| {
        let subject = report::room_subject(wave, region);
        check("room", Some(subject), state(region, wave.on_lack))
    });
    checks.collect()
}

/// Less room than for all of it at once is only slower, where the policy says so.
fn state(region: &Outlook, on_lack: OnLack) -> CheckState {
    let found = report::room_figures(region, on_lack);
    let is_enough = match on_lack {
        OnLack::Shrink => region.is_possible(),
        OnLack::Wait => region.is_whole(),
        OnLack::Refuse => region.is_whole() && region.unknown.iter().all(is_of_rights),
    };
    if !is_enough {
        let advice = vec![report::ROOM_ADVICE.to_owned()];
        return CheckState::Wrong { found, advice };
    }
    if region.unknown.is_empty() {
        CheckState::Ok(found)
    } else {
        CheckState::NotChecked(found)
    }
}

/// Whoever looks may lack the right to launch that whoever rolls out has.
fn is_of_rights(unknown: &RoomUnknown) -> bool {
    matches!(unknown, RoomUnknown::Launches { .. })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::room::{Fit, RoomLimit};

    #[test]
    fn a_smaller_surge_is_well_where_it_may_be_smaller() {
        let outlook = |fit: Fit, unknown: Vec<RoomUnknown>| Outlook {
            account: "111122223333".parse().unwrap(),
            region: "eu-west-3".parse().unwrap(),
            clusters: 1,
            at_once: 1,
            lines: Vec::new(),
            obstacles: Vec::new(),
            unknown,
            spot: Vec::new(),
            fit,
        };
        let within = || {
            Fit::Within(RoomLimit {
                account: "111122223333".parse().unwrap(),
                region: "eu-west-3".parse().unwrap(),
                at_once: 1,
                clusters: BTreeMap::new(),
            })
        };
        let unread = || RoomUnknown::Offers { why: "no".into() };
        let untried = || RoomUnknown::Launches {
            why: "no".into(),
            groups: std::collections::BTreeSet::new(),
        };
        for (fit, unknown, on_lack, said) in [
            (Fit::Whole, Vec::new(), OnLack::Refuse, "ok"),
            (within(), Vec::new(), OnLack::Shrink, "ok"),
            (within(), Vec::new(), OnLack::Wait, "wrong"),
            (within(), vec![unread()], OnLack::Refuse, "wrong"),
            (Fit::None, Vec::new(), OnLack::Shrink, "wrong"),
            (Fit::Whole, vec![unread()], OnLack::Shrink, "not checked"),
            (Fit::Whole, vec![unread()], OnLack::Refuse, "wrong"),
            (Fit::Whole, vec![untried()], OnLack::Refuse, "not checked"),
            (Fit::Whole, vec![untried()], OnLack::Wait, "not checked"),
        ] {
            let is = match state(&outlook(fit.clone(), unknown), on_lack) {
                CheckState::Ok(_) => "ok",
                CheckState::Wrong { .. } => "wrong",
                CheckState::NotChecked(_) => "not checked",
            };
            assert_eq!(is, said, "{fit:?} {on_lack:?}");
        }
    }
}
