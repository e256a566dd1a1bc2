//! Whose credentials there are, in which account, and for how long.

use super::check;
use super::clock::Moments;
use crate::cli::pipeline::PreparedFleet;
use crate::cli::world::World;
use crate::cloud::Place;
use crate::report::{CheckState, DoctorCheck};

/// One check for each account and role; and what time it is at AWS.
pub(super) async fn credentials(
    world: &World,
    prepared: &PreparedFleet,
    places: &[Place],
) -> (Vec<DoctorCheck>, Option<Moments>) {
    match world {
        World::Local(_) => {
            let _ = (prepared, places);
            let why = "the simulated account asks for none".to_owned();
            (
                vec![check("credentials", None, CheckState::NotChecked(why))],
                None,
            )
        }
        #[cfg(feature = "aws")]
        World::Aws(real) => of_aws(&real.cloud, prepared, places).await,
    }
}

#[cfg(feature = "aws")]
async fn of_aws(
    cloud: &crate::cloud::aws::Aws,
    prepared: &PreparedFleet,
    places: &[Place],
) -> (Vec<DoctorCheck>, Option<Moments>) {
    use super::clock::now;
    use super::wrong;
    use crate::cli::failure::Failure;

    let mut known = std::collections::BTreeSet::new();
    let (mut checks, mut moments) = (Vec::new(), None);
    for place in places {
        let cluster = prepared.fleet.clusters.get(&place.cluster);
        let role = cluster.and_then(|c| c.role_arn.clone());
        if !known.insert((place.account.clone(), role)) {
            continue;
        }
        let subject = Some(format!("account {}", place.account));
        match cloud.identity(place).await {
            Err(error) => checks.push(wrong("credentials", subject, Failure::from(error))),
            Ok(identity) => {
                moments = moments.or(identity.time.map(|there| (now(), there)));
                checks.push(check("credentials", subject, judged(place, &identity)));
            }
        }
    }
    (checks, moments)
}

#[cfg(feature = "aws")]
fn judged(place: &Place, identity: &crate::cloud::aws::Identity) -> CheckState {
    use super::clock::now;
    use crate::model::Span;

    /// As long as credentials have to last before a wave begins.
    const ENOUGH: Span = Span::from_secs(300);
    let crate::cloud::aws::Identity {
        account,
        arn,
        expires,
        time: _,
    } = identity;
    if *account != place.account {
        return CheckState::Wrong {
            found: format!("{arn} is in account {account}"),
            advice: vec!["use credentials of the cluster's account, or name a `role_arn` of it in the cluster's file".into()],
        };
    }
    match expires {
        None => CheckState::Ok(format!("{arn}; when they expire is not known")),
        Some(end) if *end < now() + ENOUGH => CheckState::Wrong {
            found: format!("{arn}, until {end} only"),
            advice: vec![
                "log in again: a wave begins only when they are good for five minutes".into(),
            ],
        },
        Some(end) => CheckState::Ok(format!("{arn}, until {end}")),
    }
}
