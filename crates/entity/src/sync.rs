//! The engine's synchronisation, in one place, so that `--cfg loom` can put
//! loom's model of it in: a value under a lock, and waiting for it to change.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

#[cfg(loom)]
use loom::sync::{Condvar, Mutex};
#[cfg(not(loom))]
use std::sync::{Condvar, Mutex};

#[cfg(loom)]
pub(crate) use loom::sync::MutexGuard;
#[cfg(loom)]
pub(crate) use loom::thread::{ThreadId, current};
#[cfg(not(loom))]
pub(crate) use std::sync::MutexGuard;
#[cfg(not(loom))]
pub(crate) use std::thread::{ThreadId, current};

/// A value under a lock; every change of it wakes all who wait.
#[doc(hidden)]
#[derive(Debug)]
pub struct Monitor<T> {
    value: Mutex<T>,
    changed: Condvar,
    /// How many threads wait, so that nobody pays for waking no one. Only
    /// changed, and only asked, by those who have the lock.
    waiting: AtomicUsize,
}

impl<T> Monitor<T> {
    /// Begins with `value`.
    pub fn new(value: T) -> Self {
        Self {
            value: Mutex::new(value),
            changed: Condvar::new(),
            waiting: AtomicUsize::new(0),
        }
    }

    /// The value, to be looked at and changed. Steps and hooks never run under the lock, so a panic cannot leave the
    /// value half changed and a poisoned lock is as good as any.
    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.value
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Wakes all who wait. To be called under the lock.
    pub fn notify_all(&self) {
        if self.waiting.load(Ordering::Relaxed) > 0 {
            self.changed.notify_all();
        }
    }

    /// Waits for the next change, not beyond `until`.
    pub fn wait<'a>(&self, guard: MutexGuard<'a, T>, until: Option<Instant>) -> MutexGuard<'a, T> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let guard = self.block(guard, until);
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        guard
    }

    /// Waits until `condition` does not hold any more, not beyond `until`.
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

    /// The value, when nobody can wait for it any more.
    pub fn into_inner(self) -> T {
        let inner = self.value.into_inner();
        inner.unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    #[cfg(not(loom))]
    fn block<'a>(&self, guard: MutexGuard<'a, T>, until: Option<Instant>) -> MutexGuard<'a, T> {
        use std::sync::PoisonError;
        let Some(until) = until else {
            return self
                .changed
                .wait(guard)
                .unwrap_or_else(PoisonError::into_inner);
        };
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return guard;
        }
        self.changed
            .wait_timeout(guard, left)
            .unwrap_or_else(PoisonError::into_inner)
            .0
    }

    /// Loom has no clock: only a change ends a wait, so that a wake-up that
    /// is missing shows as a deadlock instead of hiding behind a timeout.
    #[cfg(loom)]
    fn block<'a>(&self, guard: MutexGuard<'a, T>, until: Option<Instant>) -> MutexGuard<'a, T> {
        use std::sync::PoisonError;
        if until.is_some_and(|until| until <= Instant::now()) {
            return guard;
        }
        self.changed
            .wait(guard)
            .unwrap_or_else(PoisonError::into_inner)
    }
}
