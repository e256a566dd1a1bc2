//! Futures at the same time, not too many of them, with answers in the order of the questions. Knows nothing of what they do.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

/// Clusters that are looked at or acted upon at the same time.
pub(crate) const MAX_CLUSTERS: usize = 32;

/// Runs all of them, at most `limit` at the same time; what they come to, in their order.
pub(crate) async fn together<F: Future>(
    limit: usize,
    futures: impl IntoIterator<Item = F>,
) -> Vec<F::Output> {
    let mut waiting: VecDeque<(usize, Pin<Box<F>>)> =
        futures.into_iter().map(Box::pin).enumerate().collect();
    let mut running: Vec<(usize, Pin<Box<F>>)> = Vec::new();
    let mut done: Vec<(usize, F::Output)> = Vec::new();
    let all = poll_fn(|context| {
        loop {
            while running.len() < limit.max(1)
                && let Some(next) = waiting.pop_front()
            {
                running.push(next);
            }
            let before = done.len();
            running.retain_mut(|(number, future)| match future.as_mut().poll(context) {
                Poll::Ready(output) => {
                    done.push((*number, output));
                    false
                }
                Poll::Pending => true,
            });
            if running.is_empty() && waiting.is_empty() {
                return Poll::Ready(());
            }
            // Room for others, which have to be polled once.
            if done.len() == before || waiting.is_empty() {
                return Poll::Pending;
            }
        }
    });
    all.await;
    done.sort_by_key(|(number, _)| *number);
    done.into_iter().map(|(_, output)| output).collect()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::time::Duration;

    use super::together;

    fn block<F: Future>(future: F) -> F::Output {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime
            .map(|r| r.block_on(future))
            .unwrap_or_else(|e| panic!("{e}"))
    }

    #[test]
    fn never_more_run_at_the_same_time_than_may() {
        let (running, most) = (Cell::new(0), Cell::new(0));
        let one = |n: u64| {
            let (running, most) = (&running, &most);
            async move {
                running.set(running.get() + 1);
                most.set(most.get().max(running.get()));
                // The later ones are quicker.
                tokio::time::sleep(Duration::from_millis(20 - 2 * n)).await;
                running.set(running.get() - 1);
                n
            }
        };
        let answers = block(together(3, (0..8).map(one)));
        assert_eq!(answers, (0..8).collect::<Vec<u64>>());
        assert_eq!(most.get(), 3);
        assert!(block(together(3, Vec::<std::future::Ready<()>>::new())).is_empty());
    }
}
