//! The rules of a joint rollout: a stage or wave begins, and it ends, when what comes before has passed in every shard. Judges; decides nothing.

use crate::model::StageName;
use crate::rollout::breach::{Breach, TurnBreach};
use crate::rollout::progress::Progress;
use crate::rollout::schedule::Rollout;

/// A stage begins when every stage before it has passed everywhere.
pub(super) fn stage_begins(
    rollout: &Rollout,
    progress: &Progress,
    name: &StageName,
) -> Vec<Breach> {
    let before = rollout.stages.iter().take_while(|s| s.name != *name);
    let before = before.map(|s| (s.name.clone(), None));
    lacking(rollout, progress, before)
}

/// A wave begins when the one before it has.
pub(super) fn wave_begins(
    rollout: &Rollout,
    progress: &Progress,
    name: &StageName,
    wave: usize,
) -> Vec<Breach> {
    let before = wave.checked_sub(1).map(|n| (name.clone(), Some(n)));
    lacking(rollout, progress, before.into_iter())
}

/// A rollout is finished when every stage has.
pub(super) fn finished(rollout: &Rollout, progress: &Progress) -> Vec<Breach> {
    let all = rollout.stages.iter().map(|s| (s.name.clone(), None));
    lacking(rollout, progress, all)
}

fn lacking(
    rollout: &Rollout,
    progress: &Progress,
    needed: impl Iterator<Item = (StageName, Option<usize>)>,
) -> Vec<Breach> {
    if rollout.seat().is_none() {
        return Vec::new();
    }
    let lacking = needed.filter(|key| !progress.passed_everywhere.contains(key));
    lacking
        .map(|(stage, wave)| TurnBreach::BeforeOtherShards { stage, wave }.into())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::{OnFailure, Rollback};
    use crate::model::{Span, Timestamp, digest_of};
    use crate::rollout::places::Places;
    use crate::rollout::schedule::{JOURNAL_VERSION, Part, Seat, StageRun};

    fn rollout(seat: Option<Seat>) -> Rollout {
        let stage = |name: &str| StageRun {
            name: name.parse().unwrap(),
            approval: false,
            soak: Span::from_secs(0),
            freeze: Vec::new(),
            on_failure: OnFailure::Rollback,
            hooks: Vec::new(),
            waves: Vec::new(),
        };
        Rollout {
            version: JOURNAL_VERSION,
            id: "a".into(),
            plan: digest_of(&"plan"),
            release: digest_of(&"release"),
            started_at: Timestamp::from_millis(0),
            started_by: "test".into(),
            break_glass: None,
            revision: None,
            stages: vec![stage("staging"), stage("prod")],
            gates: Vec::new(),
            rollback: Rollback::default(),
            watched: Vec::new(),
            part: Some(Box::new(Part {
                seat,
                shares: Vec::new(),
            })),
            places: Places::default(),
        }
    }

    #[test]
    fn nothing_begins_before_all_shards_have_passed() {
        let seat = Seat {
            joint: digest_of(&"joint"),
            attempt: 1,
            shard: "1/2".parse().unwrap(),
        };
        let joint = rollout(Some(seat));
        let mut progress = Progress::new(&joint);
        let (staging, prod): (StageName, StageName) =
            ("staging".parse().unwrap(), "prod".parse().unwrap());
        assert_eq!(stage_begins(&joint, &progress, &staging), []);
        assert_eq!(stage_begins(&joint, &progress, &prod).len(), 1);
        assert_eq!(wave_begins(&joint, &progress, &prod, 0), []);
        assert_eq!(wave_begins(&joint, &progress, &prod, 1).len(), 1);
        assert_eq!(finished(&joint, &progress).len(), 2);
        progress.passed_everywhere.insert((staging, None));
        progress.passed_everywhere.insert((prod.clone(), Some(0)));
        assert_eq!(stage_begins(&joint, &progress, &prod), []);
        assert_eq!(wave_begins(&joint, &progress, &prod, 1), []);
        assert_eq!(finished(&joint, &progress).len(), 1);
        // Alone there is nobody to wait for.
        let alone = rollout(None);
        assert_eq!(finished(&alone, &Progress::new(&alone)), []);
    }
}
