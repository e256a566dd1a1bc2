//! A look that takes long tells how far it is: a line in its place at a terminal, a line now and then where it is piped.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use tokio::time::Instant;

use crate::cli::output::Output;
use crate::cloud::{Cloud, CloudError, Place};
use crate::model::{AsgName, ClusterName, Live, Span};
use crate::nodes::NodeApi;
use crate::report::{self, Looking};
use crate::run::{LookProgress, look_for};

/// Between two lines of a terminal, and of a pipe: what takes less says nothing.
const PAUSES: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(30));

/// One look.
pub(super) async fn look<W: Cloud + NodeApi>(
    world: &W,
    places: &[Place],
    expected: &[(ClusterName, BTreeSet<AsgName>)],
    output: &Output,
) -> Result<Live, CloudError> {
    let progress = LookProgress::default();
    let asked = look_for(world, places, expected, &progress);
    let is_screen = output.is_screen();
    let pause = if is_screen { PAUSES.0 } else { PAUSES.1 };
    let (begun, mut nodes_since, mut is_drawn) = (Instant::now(), None, false);
    let tell = || {
        let (looking, done) = match progress.nodes() {
            None => {
                let answered = world.answered();
                (Looking::Groups, answered.map(|n| (n, begun)))
            }
            Some(n) => {
                let since = *nodes_since.get_or_insert_with(Instant::now);
                (Looking::Nodes, Some((n, since)))
            }
        };
        let line = report::looking_line(
            places.len(),
            looking,
            done.map(|(n, since)| (n, span(since.elapsed()))),
            span(begun.elapsed()),
        );
        if !is_screen {
            output.cloud_story(&line);
            return;
        }
        let up = if is_drawn { "\x1b[1A\x1b[J" } else { "" };
        output.screen(&format!("{up}{}", output.announced(&line)));
        is_drawn = true;
    };
    let live = telling(asked, pause, tell).await;
    if is_drawn {
        output.screen("\x1b[1A\x1b[J");
    }
    live
}

fn span(time: Duration) -> Span {
    Span::from_millis(i64::try_from(time.as_millis()).unwrap_or(i64::MAX))
}

/// What a future comes to; each time that so much more has passed, that is told.
async fn telling<T>(future: impl Future<Output = T>, pause: Duration, mut tell: impl FnMut()) -> T {
    let mut future = pin!(future);
    loop {
        tokio::select! {
            biased;
            output = &mut future => return output,
            () = tokio::time::sleep(pause) => tell(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_long_tells_so_and_what_does_not_is_silent() {
        let runtime = crate::cli::runtime().unwrap();
        let told = |takes: u64, pause: u64| {
            let mut times = 0_u32;
            runtime.block_on(async {
                let future = tokio::time::sleep(Duration::from_millis(takes));
                telling(future, Duration::from_millis(pause), || times += 1).await;
            });
            times
        };
        assert_eq!(told(1, 5_000), 0);
        assert!(told(120, 20) >= 2);
    }
}
