#![doc = include_str!("../README.md")]

pub mod long_wait;
pub mod operation;
mod when;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{LockResult, PoisonError};
use std::task::Waker;
use std::time::Instant;

#[cfg(loom)]
use loom::sync::{Condvar, Mutex};
#[cfg(not(loom))]
use std::sync::{Condvar, Mutex};

#[cfg(loom)]
pub use loom::sync::MutexGuard;
#[cfg(not(loom))]
pub use std::sync::MutexGuard;

/// Takes what is behind a lock, also after a thread has panicked while it held it.
///
/// For values that a panic cannot leave half changed: each change is one assignment or one
/// call, and no code of a user runs under the lock.
///
/// ```
/// use std::sync::Mutex;
///
/// use standin_sync::Unpoisoned;
///
/// let names = Mutex::new(Vec::new());
/// names.lock().unpoisoned().push("server");
/// assert_eq!(names.into_inner().unpoisoned(), ["server"]);
/// ```
pub trait Unpoisoned {
    /// The result of the lock: a guard or, when it is taken apart, the value.
    type Inner;

    /// The guard or the value.
    fn unpoisoned(self) -> Self::Inner;
}

impl<T> Unpoisoned for LockResult<T> {
    type Inner = T;

    fn unpoisoned(self) -> T {
        self.unwrap_or_else(PoisonError::into_inner)
    }
}

/// A value under a lock, and waiting for it to change.
///
/// Code of a user never runs under the lock, so a panic cannot leave the value half changed,
/// and the lock is good after one.
#[derive(Debug)]
pub struct Monitor<T> {
    value: Mutex<T>,
    changed: Condvar,
    /// How many threads wait, to skip unneeded notifications. Changed and read only under the lock.
    waiting: AtomicUsize,
    /// Tasks that wait.
    tasks: std::sync::Mutex<Vec<Waker>>,
    has_tasks: AtomicBool,
}

impl<T> Monitor<T> {
    /// Begins with `value`.
    pub fn new(value: T) -> Self {
        Self {
            value: Mutex::new(value),
            changed: Condvar::new(),
            waiting: AtomicUsize::new(0),
            tasks: std::sync::Mutex::default(),
            has_tasks: AtomicBool::new(false),
        }
    }

    /// Locks the value, to read and change it. After a change that others wait for, call
    /// [`notify_all`](Monitor::notify_all) before the guard is dropped.
    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.value.lock().unpoisoned()
    }

    /// Changes the value and wakes all waiting threads.
    pub fn update<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        let mut value = self.lock();
        let result = change(&mut value);
        let (has_threads, tasks) = self.who_waits();
        // They would wait for the lock otherwise as soon as they are awake.
        drop(value);
        self.wake(has_threads, tasks);
        result
    }

    /// Wakes all waiting threads. Must be called under the lock.
    pub fn notify_all(&self) {
        let (has_threads, tasks) = self.who_waits();
        self.wake(has_threads, tasks);
    }

    /// Whether threads wait, and the tasks that do. To be called under the lock.
    fn who_waits(&self) -> (bool, Vec<Waker>) {
        let has_tasks = self.has_tasks.load(Ordering::Relaxed);
        let tasks = match has_tasks {
            true => {
                self.has_tasks.store(false, Ordering::Relaxed);
                std::mem::take(&mut *self.tasks.lock().unpoisoned())
            }
            false => Vec::new(),
        };
        (self.waiting.load(Ordering::Relaxed) > 0, tasks)
    }

    fn wake(&self, has_threads: bool, tasks: Vec<Waker>) {
        if has_threads {
            self.changed.notify_all();
        }
        tasks.into_iter().for_each(Waker::wake);
    }

    /// Wakes a task at the next change. To be called under the lock.
    fn wake_at_change(&self, waker: &Waker) {
        let mut tasks = self.tasks.lock().unpoisoned();
        if !tasks.iter().any(|task| task.will_wake(waker)) {
            tasks.push(waker.clone());
        }
        self.has_tasks.store(true, Ordering::Relaxed);
    }

    /// Waits for the next change, not beyond `until`. It may also return without one.
    pub fn wait<'a>(&self, guard: MutexGuard<'a, T>, until: Option<Instant>) -> MutexGuard<'a, T> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let guard = self.block(guard, until);
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        guard
    }

    /// Waits until `condition` no longer holds, at most until `until`.
    pub fn wait_while<'a>(
        &self,
        mut guard: MutexGuard<'a, T>,
        until: Option<Instant>,
        mut condition: impl FnMut(&mut T) -> bool,
    ) -> MutexGuard<'a, T> {
        while condition(&mut guard) && until.is_none_or(|until| Instant::now() < until) {
            guard = self.wait(guard, until);
        }
        guard
    }

    /// Returns the value, when no thread can wait for it.
    pub fn into_inner(self) -> T {
        self.value.into_inner().unpoisoned()
    }

    #[cfg(not(loom))]
    fn block<'a>(&self, guard: MutexGuard<'a, T>, until: Option<Instant>) -> MutexGuard<'a, T> {
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        if left.is_some_and(|left| left.is_zero()) {
            return guard;
        }
        let time = long_wait::at_once(left);
        let (guard, outcome) = self.changed.wait_timeout(guard, time).unpoisoned();
        if outcome.timed_out() && left != Some(time) {
            long_wait::goes_on();
        }
        guard
    }

    /// Loom has no clock: only a change ends a wait, so that a wake-up that
    /// is missing shows as a deadlock instead of hiding behind a timeout.
    #[cfg(loom)]
    fn block<'a>(&self, guard: MutexGuard<'a, T>, until: Option<Instant>) -> MutexGuard<'a, T> {
        if until.is_some_and(|until| until <= Instant::now()) {
            return guard;
        }
        self.changed.wait(guard).unpoisoned()
    }
}

impl<T: Default> Default for Monitor<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::thread;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_panic_under_the_lock_spoils_nothing() {
        let monitor = Monitor::new(1);
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let _guard = monitor.lock();
            panic!("under the lock");
        }));
        assert!(panicked.is_err());
        monitor.update(|value| *value += 1);
        assert_eq!(monitor.into_inner(), 2);
    }

    #[test]
    fn a_wait_ends_at_its_deadline_and_at_a_change() {
        let monitor = Monitor::new(0);
        let until = Instant::now() + Duration::from_millis(20);
        assert_eq!(
            *monitor.wait_while(monitor.lock(), Some(until), |_| true),
            0
        );
        assert!(Instant::now() >= until);
        thread::scope(|scope| {
            scope.spawn(|| monitor.update(|value| *value = 1));
            assert_eq!(
                *monitor.wait_while(monitor.lock(), None, |value| *value == 0),
                1
            );
        });
    }
}
