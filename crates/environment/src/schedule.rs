//! Runs a job for each place of an order, several at once, as early as the
//! order allows.

use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::thread;

use standin_entity::Caller;
use standin_sync::Monitor;

use crate::Failure;
use crate::order::Order;

/// What happens to places that wait for one whose job failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnFailure {
    /// No further job is begun; what is under way is finished.
    Halt,
    /// Everything else is done anyway.
    Continue,
}

/// Runs `job` once for each place of `order` whose predecessors succeeded, on up to `workers`
/// threads, and returns the errors by place.
///
/// A thread continues with the next place that its own job has made free, so a chain runs on one
/// thread; another one is added only when there is more to do than threads are free to do. One that
/// finds nothing to do ends, unless there are places left that it may be needed for: a thousand
/// threads woken at the end would take longer than their jobs.
fn run<E: Send>(
    order: &Order,
    workers: Option<NonZeroUsize>,
    on_failure: OnFailure,
    job: &(dyn Fn(usize) -> Result<(), E> + Sync),
) -> Vec<(usize, E)> {
    let waits_for: Vec<usize> = (0..order.len())
        .map(|place| order.waits_for(place))
        .collect();
    // Taken from the end.
    let ready: Vec<usize> = (0..order.len())
        .rev()
        .filter(|&place| waits_for[place] == 0)
        .collect();
    let blocked = waits_for.len() - ready.len();
    let board = Monitor::new(Board {
        waits_for,
        ready,
        blocked,
        running: 0,
        idle: 0,
        threads: 1,
        halted: false,
        failures: Vec::new(),
    });
    let limit = workers.map_or(usize::MAX, NonZeroUsize::get);
    // A job is called from where all of this is, whichever thread does it.
    let caller = Caller::current();
    let job = |place| caller.lend(|| job(place));

    thread::scope(|scope| work(scope, &board, order, limit, on_failure, &job));

    let mut failures = board.into_inner().failures;
    failures.sort_by_key(|(place, _)| *place);
    failures
}

/// How far a driver is after its job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    Done,
    /// It gets there by itself, and has to be waited for.
    UnderWay,
}

/// What is done with each driver of an environment: a start or a stop.
pub(crate) trait Job: Sync {
    /// Begins with the driver at a place.
    fn begin(&self, place: usize) -> Result<Progress, Failure>;

    /// Waits until one that has begun is done.
    fn wait(&self, place: usize) -> Result<(), Failure>;
}

/// Does `job` with the drivers in `places`, one after the other. Asynchronous ones are awaited at
/// the end, whether or not another one failed.
pub(crate) fn one_by_one(
    places: impl Iterator<Item = usize>,
    on_failure: OnFailure,
    job: &dyn Job,
) -> Vec<(usize, Failure)> {
    let mut failures = Vec::new();
    let mut under_way = Vec::new();
    for place in places {
        match job.begin(place) {
            Ok(Progress::Done) => {}
            Ok(Progress::UnderWay) => under_way.push(place),
            Err(error) => {
                failures.push((place, error));
                if on_failure == OnFailure::Halt {
                    break;
                }
            }
        }
    }
    let late = under_way
        .into_iter()
        .filter_map(|place| Some((place, job.wait(place).err()?)));
    failures.extend(late);
    failures
}

/// Does `job` with all drivers as early as `order` allows, each from beginning to end.
pub(crate) fn by_order(
    order: &Order,
    workers: Option<NonZeroUsize>,
    on_failure: OnFailure,
    job: &dyn Job,
) -> Vec<(usize, Failure)> {
    run(
        order,
        workers,
        on_failure,
        &|place| match job.begin(place)? {
            Progress::Done => Ok(()),
            Progress::UnderWay => job.wait(place),
        },
    )
}

/// What is done, under way and still to do.
struct Board<E> {
    /// For each place, how many predecessors are not done yet.
    waits_for: Vec<usize>,
    ready: Vec<usize>,
    /// How many wait for a predecessor.
    blocked: usize,
    running: usize,
    idle: usize,
    threads: usize,
    halted: bool,
    failures: Vec<(usize, E)>,
}

impl<E> Board<E> {
    /// Prevents further jobs.
    fn halt(&mut self) {
        self.halted = true;
        self.ready.clear();
        self.blocked = 0;
    }
}

fn work<'scope, E: Send, J: Fn(usize) -> Result<(), E> + Sync>(
    scope: &'scope thread::Scope<'scope, '_>,
    monitor: &'scope Monitor<Board<E>>,
    order: &'scope Order,
    limit: usize,
    on_failure: OnFailure,
    job: &'scope J,
) {
    let mut board = monitor.lock();
    loop {
        if let Some(place) = board.ready.pop() {
            board.running += 1;
            let is_more = board.ready.len() > board.idle && board.threads < limit;
            board.threads += usize::from(is_more);
            // Others look for work while the system makes a thread.
            drop(board);
            if is_more {
                let worker = thread::Builder::new().name("standin-worker".to_owned());
                let spawned = worker.spawn_scoped(scope, move || {
                    work(scope, monitor, order, limit, on_failure, job);
                });
                if spawned.is_err() {
                    // The system has no more threads: those that there are do the work.
                    monitor.lock().threads -= 1;
                }
            }
            let outcome = catch_unwind(AssertUnwindSafe(|| job(place)));
            board = monitor.lock();
            board.running -= 1;
            match outcome {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    board.failures.push((place, error));
                    if on_failure == OnFailure::Halt {
                        board.halt();
                    }
                }
                // Nobody must wait for this thread any longer.
                Err(panic) => {
                    board.halt();
                    monitor.notify_all();
                    drop(board);
                    resume_unwind(panic);
                }
            }
            if !board.halted {
                for next in order.then(place).into_iter().rev() {
                    board.waits_for[next] -= 1;
                    if board.waits_for[next] == 0 {
                        board.blocked -= 1;
                        board.ready.push(next);
                    }
                }
            }
            // One of them is for this thread.
            if board.idle > 0 && board.ready.len() > 1 {
                monitor.notify_all();
            }
        } else if board.running == 0 || board.idle >= board.blocked {
            board.threads -= 1;
            if board.running == 0 && board.idle > 0 {
                monitor.notify_all();
            }
            return;
        } else {
            board.idle += 1;
            board = monitor.wait(board, None);
            board.idle -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Barrier, Mutex, mpsc};
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn runs_a_chain_in_order() {
        let log = Mutex::new(Vec::new());
        let failures = run::<()>(&Order::chain(100), None, OnFailure::Halt, &|place| {
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
        run::<()>(&Order::new(20), None, OnFailure::Halt, &|_| {
            together.wait();
            Ok(())
        });
    }

    #[test]
    fn threads_that_nothing_is_left_for_end() {
        /// Reports the end of the thread that has it.
        struct Ended(mpsc::Sender<()>);

        impl Drop for Ended {
            fn drop(&mut self) {
                let _ = self.0.send(());
            }
        }

        thread_local! {
            static ENDED: RefCell<Option<Ended>> = const { RefCell::new(None) };
        }

        let together = Barrier::new(20);
        let (sender, receiver) = mpsc::channel();
        let receiver = Mutex::new(receiver);
        let caller = thread::current().id();
        run::<()>(&Order::new(20), None, OnFailure::Halt, &|_| {
            together.wait();
            if thread::current().id() != caller {
                ENDED.set(Some(Ended(sender.clone())));
                return Ok(());
            }
            // Would time out if they waited for this one.
            let receiver = receiver.lock().unwrap();
            for _ in 1..20 {
                receiver.recv_timeout(Duration::from_secs(30)).unwrap();
            }
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
            &|_| {
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
        let failures = run(&Order::chain(3), None, OnFailure::Halt, &|place| {
            log.lock().unwrap().push(place);
            if place == 1 { Err("boom") } else { Ok(()) }
        });
        assert_eq!(failures, [(1, "boom")]);
        assert_eq!(log.into_inner().unwrap(), [0, 1]);
    }

    #[test]
    fn a_job_that_panics_keeps_nobody_waiting() {
        for panics in 0..4 {
            let together = Barrier::new(4);
            let result = catch_unwind(AssertUnwindSafe(|| {
                run::<()>(
                    &Order::new(8),
                    NonZeroUsize::new(4),
                    OnFailure::Halt,
                    &|place| {
                        assert!(place < 4, "nothing begins after the panic");
                        together.wait();
                        assert_ne!(place, panics);
                        Ok(())
                    },
                )
            }));
            assert!(result.is_err());
        }
    }

    #[test]
    fn goes_on_after_a_failure_when_told_to() {
        let failures = run(
            &Order::chain(3),
            None,
            OnFailure::Continue,
            &Err::<(), usize>,
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
            let failures = run(&order, NonZeroUsize::new(limit), OnFailure::Halt, &|place| {
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
