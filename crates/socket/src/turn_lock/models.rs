//! Every interleaving of tasks, and of threads beside them, that take turns, keep them from one try
//! to the next, and are dropped, within a bound on preemptions. A wake-up that is missing shows as
//! a deadlock.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p standin-socket --lib models`

use std::{
    sync::Arc,
    task::{Wake, Waker},
};

use loom::{
    sync::{Condvar, Mutex},
    thread,
};
use standin_sync::Unpoisoned;

use super::{NotNow, Part, TurnLock};
use crate::time::Deadline;

/// What wakes a task.
#[derive(Default)]
struct Alarm {
    rings: Mutex<bool>,
    changed: Condvar,
}

impl Alarm {
    /// Waits until it has rung since the last time.
    fn wait(&self) {
        let mut rings = self.rings.lock().unpoisoned();
        while !std::mem::take(&mut *rings) {
            rings = self.changed.wait(rings).unpoisoned();
        }
    }
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        *self.rings.lock().unpoisoned() = true;
        self.changed.notify_all();
    }
}

/// A task between two tries, run by a thread of its own.
struct Task<'l> {
    alarm: Arc<Alarm>,
    waker: Waker,
    part: Part<'l, usize>,
}

impl<'l> Task<'l> {
    fn of(lock: &'l TurnLock<usize>) -> Task<'l> {
        let alarm = Arc::new(Alarm::default());
        Task {
            waker: Waker::from(Arc::clone(&alarm)),
            alarm,
            part: Part::of(lock),
        }
    }

    /// Counts in its turn; says whether it has got one.
    fn try_to_count(&mut self) -> Result<bool, NotNow> {
        let turn = self.part.resume(&self.waker)?;
        let counted = turn.map(|mut turn| *turn.value() += 1);
        Ok(counted.is_some())
    }

    /// Takes its turn and keeps it; says whether it has.
    fn try_to_keep(&mut self) -> Result<bool, NotNow> {
        match self.part.resume(&self.waker)? {
            Some(turn) if turn.is_over() => Err(NotNow::Closed),
            Some(turn) => {
                self.part.suspend(turn, &self.waker);
                Ok(true)
            }
            None => Ok(false),
        }
    }
}

/// A task that counts, however long it stands in line.
fn count(lock: &TurnLock<usize>) -> Result<(), NotNow> {
    let mut task = Task::of(lock);
    while !task.try_to_count()? {
        task.alarm.wait();
    }
    Ok(())
}

/// A thread that does.
fn count_in_thread(lock: &TurnLock<usize>) -> Result<(), NotNow> {
    *lock.enter(&mut Deadline::new(None))?.value() += 1;
    Ok(())
}

fn explore(model: impl Fn(Arc<TurnLock<usize>>) + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.max_branches = 20_000;
    builder.check(move || model(Arc::new(TurnLock::new(0))));
}

fn spawn<R: 'static>(
    lock: &Arc<TurnLock<usize>>,
    run: impl FnOnce(&TurnLock<usize>) -> R + 'static,
) -> thread::JoinHandle<R> {
    let lock = Arc::clone(lock);
    thread::spawn(move || run(&lock))
}

#[test]
fn tasks_and_threads_take_turns() {
    explore(|lock| {
        let task = spawn(&lock, count);
        let thread = spawn(&lock, count_in_thread);
        count(&lock).unwrap();
        task.join().unwrap().unwrap();
        thread.join().unwrap().unwrap();
        assert_eq!(*lock.try_enter().unwrap().value(), 3);
    });
}

#[test]
fn a_task_that_is_dropped_in_its_turn_gives_it_to_the_next() {
    for is_thread in [false, true] {
        explore(move |lock| {
            let next = spawn(&lock, if is_thread { count_in_thread } else { count });
            let mut task = Task::of(&lock);
            while !task.try_to_keep().unwrap() {
                task.alarm.wait();
            }
            drop(task);
            next.join().unwrap().unwrap();
        });
    }
}

#[test]
fn a_task_that_is_dropped_in_line_keeps_nobody_from_the_turn() {
    for is_woken in [false, true] {
        explore(move |lock| {
            let holder = spawn(&lock, count_in_thread);
            let dropped = spawn(&lock, move |lock| {
                let mut task = Task::of(lock);
                if !task.try_to_count().unwrap() && is_woken {
                    // The turn is its own to take now, and it is dropped instead.
                    task.alarm.wait();
                }
            });
            count(&lock).unwrap();
            holder.join().unwrap().unwrap();
            dropped.join().unwrap();
        });
    }
}

#[test]
fn closing_ends_the_waits_of_tasks_in_their_turn_and_in_line() {
    explore(|lock| {
        let waits = |lock: &TurnLock<usize>| {
            let mut task = Task::of(lock);
            while task.try_to_keep().is_ok() {
                task.alarm.wait();
            }
        };
        let one = spawn(&lock, waits);
        let other = spawn(&lock, waits);
        lock.close();
        lock.settle(|value| *value = 9);
        one.join().unwrap();
        other.join().unwrap();
        assert_eq!(*lock.try_enter().unwrap().value(), 9);
    });
}

/// One that stands in line, and may have taken the place of the other in an event loop.
#[test]
fn a_task_that_has_the_turn_looks_again_when_another_yields_its_place() {
    explore(|lock| {
        let mut task = Task::of(&lock);
        assert!(task.try_to_keep().unwrap());
        let other = spawn(&lock, |lock| {
            let waker = Waker::from(Arc::new(Alarm::default()));
            let mut part = Part::of(lock);
            assert!(matches!(part.resume(&waker), Ok(None)));
            part.yield_place();
        });
        task.alarm.wait();
        assert!(task.try_to_count().unwrap());
        other.join().unwrap();
    });
}
