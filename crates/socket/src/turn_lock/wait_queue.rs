//! The queue of a turn lock: the threads and tasks that wait for the turn, and how they are woken.

use std::{
    mem,
    sync::{Arc, atomic::Ordering},
    task::Waker,
    time::Duration,
};

use standin_sync::{Unpoisoned, long_wait};

use crate::sync::{AtomicBool, AtomicU32, Condvar, Mutex, MutexGuard, fence};

/// The threads that wait for the turn, and what its holder lets them know.
#[derive(Default)]
pub(crate) struct WaitQueue {
    /// How many threads wait in line, so that nobody pays for a notification that no one needs.
    pub(super) queued: AtomicU32,
    /// Whether the thread that has the turn waits for something, or runs a user's code. Otherwise
    /// it gives the turn back, or begins to wait, in next to no time.
    pub(super) idle: AtomicBool,
    waits: Mutex<Waits>,
    changed: Condvar,
}

/// What those that wait, and those that end waits, share.
#[derive(Default)]
pub(super) struct Waits {
    /// Wakes the holder of the turn, which waits for something.
    pub(super) waker: Option<Wakes>,
    /// Set by a thread that wants that one, or the next, to look again before it waits on.
    pub(super) wake_requested: bool,
    /// The tasks in line. They are counted as threads are.
    pub(super) tasks: Vec<Waker>,
}

pub(super) enum Wakes {
    Thread(Arc<mio::Waker>),
    Task(Waker),
}

impl Waits {
    /// Wakes the thread that has the turn, or gives the task that has it, to be woken under no
    /// lock.
    #[must_use]
    pub(super) fn wake(&self) -> Option<Waker> {
        match &self.waker {
            Some(Wakes::Thread(waker)) => {
                // The only failure is a closed event queue, whose thread then waits no more.
                let _ = waker.wake();
                None
            }
            Some(Wakes::Task(task)) => Some(task.clone()),
            None => None,
        }
    }
}

impl WaitQueue {
    /// Runs `f`, which waits for something that has nothing to do with the line.
    #[inline]
    pub(crate) fn idle_while<R>(&self, f: impl FnOnce() -> R) -> R {
        self.idle.store(true, Ordering::SeqCst);
        // In loom's model the order of the two is lost without it.
        #[cfg(loom)]
        fence(Ordering::SeqCst);
        self.wake();
        let result = f();
        self.idle.store(false, Ordering::Release);
        result
    }

    pub(super) fn join(&self) -> MutexGuard<'_, Waits> {
        let waits = self.lock();
        self.queued.fetch_add(1, Ordering::SeqCst);
        // With its counterparts where a turn ends and where it becomes idle: either we see that, or
        // they see us.
        fence(Ordering::SeqCst);
        waits
    }

    pub(super) fn leave(&self, waits: MutexGuard<'_, Waits>) {
        self.queued.fetch_sub(1, Ordering::SeqCst);
        drop(waits);
    }

    /// Waits to look again, as long as that at most; `None` is "no limit".
    pub(super) fn wait<'a>(
        &'a self,
        waits: MutexGuard<'a, Waits>,
        left: Option<Duration>,
    ) -> MutexGuard<'a, Waits> {
        // In loom's model only a change ends a wait without a limit.
        #[cfg(loom)]
        if left.is_none() {
            return self.changed.wait(waits).unpoisoned();
        }
        let time = long_wait::at_once(left);
        let (waits, outcome) = self.changed.wait_timeout(waits, time).unpoisoned();
        if outcome.timed_out() && left != Some(time) {
            long_wait::goes_on();
        }
        waits
    }

    /// Makes those in line look again.
    #[inline]
    pub(super) fn wake(&self) {
        if self.queued.load(Ordering::SeqCst) > 0 {
            self.wake_line();
        }
    }

    #[cold]
    fn wake_line(&self) {
        // Who is in line holds this lock until it really waits.
        let mut waits = self.lock();
        let tasks = mem::take(&mut waits.tasks);
        for _ in &tasks {
            self.queued.fetch_sub(1, Ordering::SeqCst);
        }
        drop(waits);
        self.changed.notify_all();
        tasks.into_iter().for_each(Waker::wake);
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Waits> {
        // A panic cannot leave it half changed: every critical section is a few assignments.
        self.waits.lock().unpoisoned()
    }
}
