//! A look at the room of the accounts in which the next stage or wave launches instances. Judges nothing.

use super::together::{MAX_CLUSTERS, together};
use crate::cloud::{Cloud, CloudError};
use crate::model::Live;
use crate::rollout::{ClusterRun, room_questions};

/// Adds to a look what is known of the room that these clusters, which it shows, need.
pub(super) async fn add_room<W: Cloud>(
    world: &W,
    live: &mut Live,
    runs: &[&ClusterRun],
) -> Result<(), CloudError> {
    let questions = room_questions(runs, live);
    let asked = questions.iter().map(|question| world.room(question));
    let answers = together(MAX_CLUSTERS, asked).await;
    live.room = answers.into_iter().collect::<Result<_, _>>()?;
    Ok(())
}
