//! The store, and whether everybody's clock is the same: leases and approvals end by it.

use super::check as checked;
use crate::cli::failure::Failure;
use crate::cli::who::who;
use crate::model::{Span, Timestamp, digest_of};
use crate::report::{CheckState, DoctorCheck};
use crate::store::{CloudKind, Probe, Store};

/// More than this, and a lease of 150 seconds is not what it seems. AWS refuses signatures at five minutes.
const SKEW: Span = Span::from_secs(30);

/// Two moments that were meant to be one: here, and there.
pub(super) type Moments = (Timestamp, Timestamp);

/// The store; and the time at which it says that an object was written, with ours.
pub(super) fn store(store: &Store) -> (Vec<DoctorCheck>, Option<Moments>) {
    let mut checks = Vec::new();
    if let Some(folder) = store.folder() {
        if store.kind() == CloudKind::Aws {
            let state = CheckState::Wrong {
                found: format!(
                    "{} is a folder: it keeps no other machine away",
                    folder.display()
                ),
                advice: vec!["name `s3://BUCKET/PREFIX` as `store` in fleet.yaml".into()],
            };
            checks.push(checked("store", None, state));
        }
        if !folder.is_dir() {
            let why = format!(
                "{} is not there yet: the first rollout makes it",
                folder.display()
            );
            checks.push(checked("store", None, CheckState::NotChecked(why)));
            return (checks, None);
        }
    }
    let here = now();
    let token = digest_of(&(who(), std::process::id(), here))
        .short()
        .to_owned();
    let (state, written) = match store.probe(&token) {
        Ok(Probe::Works { written }) => (
            CheckState::Ok("conditional puts work: what does not hold is refused".into()),
            Some(written),
        ),
        Ok(Probe::Ignored { condition }) => (
            CheckState::Wrong {
                found: format!(
                    "it ignores `{condition}`: two rollouts could change one cluster at the same time"
                ),
                advice: vec!["use a store that has conditional writes, such as S3 itself".into()],
            },
            None,
        ),
        Ok(Probe::Refused { condition }) => (
            CheckState::Wrong {
                found: format!("it refuses a put whose `{condition}` holds"),
                advice: vec!["use a store that has conditional writes, such as S3 itself".into()],
            },
            None,
        ),
        Err(error) => {
            let failure = Failure::from(error);
            (
                CheckState::Wrong {
                    found: failure.text,
                    advice: failure.hints,
                },
                None,
            )
        }
    };
    checks.push(checked("store", None, state));
    // The clock of a folder is ours.
    let moments = written
        .filter(|_| store.folder().is_none())
        .map(|there| (here, there));
    (checks, moments)
}

/// The first of the clocks that could be compared with ours.
pub(super) fn check(
    store: &Store,
    at_store: Option<Moments>,
    at_cloud: Option<Moments>,
) -> DoctorCheck {
    let state = match (at_store.or(at_cloud), store.kind()) {
        (Some((here, there)), _) => compared(here, there),
        (None, CloudKind::Local) => {
            CheckState::NotChecked("the simulated account brings its own time".into())
        }
        (None, CloudKind::Aws) => CheckState::NotChecked("no API said what time it is".into()),
    };
    checked("clock", None, state)
}

fn compared(here: Timestamp, there: Timestamp) -> CheckState {
    let apart = (here.millis() - there.millis()).abs();
    let apart = Span::from_millis(apart - apart % 1_000);
    if apart > SKEW {
        CheckState::Wrong {
            found: format!("this machine's clock says {here} when AWS's says {there}"),
            advice: vec!["set the clock of this machine (NTP)".into()],
        }
    } else {
        CheckState::Ok(format!("{apart} from AWS's"))
    }
}

pub(super) fn now() -> Timestamp {
    crate::cli::clock::now_here()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_may_be_half_a_minute_off() {
        let at = |seconds: i64| Timestamp::from_millis(1_767_600_000_000 + seconds * 1_000);
        assert_eq!(
            compared(at(0), at(30)),
            CheckState::Ok("30s from AWS's".into())
        );
        assert!(matches!(compared(at(31), at(0)), CheckState::Wrong { .. }));
        assert!(matches!(compared(at(0), at(31)), CheckState::Wrong { .. }));
    }
}
