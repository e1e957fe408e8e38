//! Runs a job for each place of an order, several at once, as early as the
//! order allows.

use std::num::NonZeroUsize;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::order::Order;

/// What becomes of the places that wait for one whose job failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnFailure {
    /// No further job is begun; what is under way is finished.
    Halt,
    /// Everything else is done all the same.
    Continue,
}

/// Runs `job` once for each place of `order` whose predecessors succeeded, on
/// up to `workers` threads, and gives the errors by place.
///
/// A thread goes on with the next place that its own job has made free, so a
/// chain runs on one thread; another one is added only when there is more to
/// do than threads are free to do.
pub(crate) fn run<E: Send>(
    order: &Order,
    workers: Option<NonZeroUsize>,
    on_failure: OnFailure,
    job: impl Fn(usize) -> Result<(), E> + Sync,
) -> Vec<(usize, E)> {
    let waits_for: Vec<usize> = (0..order.len())
        .map(|place| order.waits_for(place))
        .collect();
    // Taken from the end.
    let ready: Vec<usize> = (0..order.len())
        .rev()
        .filter(|&place| waits_for[place] == 0)
        .collect();
    let board = Board {
        board: Mutex::new(State {
            waits_for,
            ready,
            running: 0,
            idle: 0,
            threads: 1,
            halted: false,
            failures: Vec::new(),
        }),
        changed: Condvar::new(),
    };
    let limit = workers.map_or(usize::MAX, NonZeroUsize::get);

    thread::scope(|scope| work(scope, &board, order, limit, on_failure, &job));

    let mut failures = board
        .board
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner)
        .failures;
    failures.sort_by_key(|(place, _)| *place);
    failures
}

struct Board<E> {
    board: Mutex<State<E>>,
    changed: Condvar,
}

struct State<E> {
    /// For each place, how many predecessors are not done yet.
    waits_for: Vec<usize>,
    ready: Vec<usize>,
    running: usize,
    idle: usize,
    threads: usize,
    halted: bool,
    failures: Vec<(usize, E)>,
}

impl<E> Board<E> {
    fn lock(&self) -> MutexGuard<'_, State<E>> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn work<'scope, E: Send, J: Fn(usize) -> Result<(), E> + Sync>(
    scope: &'scope thread::Scope<'scope, '_>,
    board: &'scope Board<E>,
    order: &'scope Order,
    limit: usize,
    on_failure: OnFailure,
    job: &'scope J,
) {
    let mut state = board.lock();
    loop {
        if let Some(place) = state.ready.pop() {
            state.running += 1;
            if state.ready.len() > state.idle && state.threads < limit {
                state.threads += 1;
                let worker = thread::Builder::new().name("standin-worker".to_owned());
                let spawned = worker.spawn_scoped(scope, move || {
                    work(scope, board, order, limit, on_failure, job)
                });
                if spawned.is_err() {
                    // The system has no more threads: those that there are do the work.
                    state.threads -= 1;
                }
            }
            drop(state);
            let outcome = job(place);
            state = board.lock();
            state.running -= 1;
            if let Err(error) = outcome {
                state.failures.push((place, error));
                if on_failure == OnFailure::Halt {
                    state.halted = true;
                    state.ready.clear();
                }
            }
            if !state.halted {
                for next in order.then(place).into_iter().rev() {
                    state.waits_for[next] -= 1;
                    if state.waits_for[next] == 0 {
                        state.ready.push(next);
                    }
                }
            }
            if state.idle > 0 {
                board.changed.notify_all();
            }
        } else if state.running == 0 {
            board.changed.notify_all();
            return;
        } else {
            state.idle += 1;
            state = board
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn runs_a_chain_in_order() {
        let log = Mutex::new(Vec::new());
        let failures = run::<()>(&Order::chain(100), None, OnFailure::Halt, |place| {
            log.lock().unwrap().push(place);
            Ok(())
        });
        assert!(failures.is_empty());
        assert_eq!(log.into_inner().unwrap(), (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn runs_independent_places_at_once() {
        // Would hang if fewer than all of them ran together.
        let together = Barrier::new(20);
        run::<()>(&Order::new(20), None, OnFailure::Halt, |_| {
            together.wait();
            Ok(())
        });
    }

    #[test]
    fn keeps_to_the_limit() {
        let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        run::<()>(
            &Order::new(50),
            NonZeroUsize::new(3),
            OnFailure::Halt,
            |_| {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                thread::yield_now();
                now.fetch_sub(1, Ordering::SeqCst);
                Ok(())
            },
        );
        assert!(most.into_inner() <= 3);
    }

    #[test]
    fn a_failure_keeps_dependents_down_and_is_told() {
        let log = Mutex::new(Vec::new());
        let failures = run(&Order::chain(3), None, OnFailure::Halt, |place| {
            log.lock().unwrap().push(place);
            if place == 1 { Err("boom") } else { Ok(()) }
        });
        assert_eq!(failures, [(1, "boom")]);
        assert_eq!(log.into_inner().unwrap(), [0, 1]);
    }

    #[test]
    fn goes_on_after_a_failure_when_told_to() {
        let failures = run(
            &Order::chain(3),
            None,
            OnFailure::Continue,
            Err::<(), usize>,
        );
        assert_eq!(failures, [(0, 0), (1, 1), (2, 2)]);
    }

    proptest! {
        #[test]
        fn respects_any_order(edges in prop::collection::vec((0usize..20, 0usize..20), 0..60), limit in 0usize..4) {
            let mut order = Order::new(20);
            for (a, b) in edges {
                if a != b {
                    order.add(a.min(b), a.max(b)); // no cycles
                }
            }
            let done = Mutex::new(vec![false; 20]);
            let failures = run(&order, NonZeroUsize::new(limit), OnFailure::Halt, |place| {
                let mut done = done.lock().unwrap();
                let reversed = order.reversed();
                let early = reversed.then(place).into_iter().any(|before| !done[before]);
                done[place] = true;
                if early { Err(()) } else { Ok(()) }
            });
            prop_assert!(failures.is_empty());
            prop_assert!(done.into_inner().unwrap().into_iter().all(|done| done));
        }
    }
}
