//! Work on many things at once, on all cores. What comes out does not depend on how many there are.

use std::num::NonZero;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::failure::Failure;

/// What `work` makes of every item, in the order of the items. Of several faults that of the first item is told; after a fault no other item is begun.
pub(super) fn on_all_cores<I: Sync, T: Send>(
    items: &[I],
    work: impl Fn(&I) -> Result<T, Failure> + Sync,
) -> Result<Vec<T>, Failure> {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let share = || {
        let mut done = Vec::new();
        // Items are begun in their order: when one has failed, all before it have been begun and will be finished.
        while !failed.load(Ordering::Relaxed) {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(index) else {
                break;
            };
            let result = work(item);
            failed.fetch_or(result.is_err(), Ordering::Relaxed);
            done.push((index, result));
        }
        done
    };
    let mut all = if cores.min(items.len()) <= 1 {
        share()
    } else {
        let parts: Vec<_> = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..cores.min(items.len()))
                .map(|_| scope.spawn(share))
                .collect();
            workers.into_iter().map(|worker| worker.join()).collect()
        });
        let died = |_| Failure::new("a worker of the renderer died; this is a bug in kfleet");
        let mut all = Vec::with_capacity(items.len());
        for part in parts {
            all.extend(part.map_err(died)?);
        }
        all
    };
    all.sort_unstable_by_key(|(index, _)| *index);
    all.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_that_of_the_items() {
        let items: Vec<usize> = (0..1_000).collect();
        let slow_first = |i: &usize| {
            std::thread::sleep(std::time::Duration::from_micros(1_000 / (1 + *i as u64)));
            Ok(*i)
        };
        let done = on_all_cores(&items, slow_first).unwrap();
        assert_eq!(done, items);
        assert_eq!(on_all_cores(&[], |i: &usize| Ok(*i)).unwrap(), [0; 0]);
    }

    #[test]
    fn of_several_faults_the_first_is_told() {
        let items: Vec<usize> = (0..1_000).collect();
        let begun = AtomicUsize::new(0);
        let failed = on_all_cores(&items, |i| {
            begun.fetch_add(1, Ordering::Relaxed);
            match i {
                7 => {
                    std::thread::sleep(std::time::Duration::from_millis(20));
                    Err(Failure::new("7"))
                }
                8.. => Err(Failure::new("more")),
                _ => Ok(()),
            }
        });
        assert_eq!(failed.unwrap_err().text, "7");
        assert!(begun.into_inner() < 1_000, "nothing is begun after a fault");
    }
}
