//! A lane is one direction of a connection (or a server's accepting, a client's connecting): one thread at a time uses
//! it, others queue up with their own deadlines, and closing ends every wait in it.

use std::{
    fmt, io,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError,
        atomic::{AtomicU32, Ordering, fence},
    },
    time::Duration,
};

use crate::{
    sys::{Interest, Source},
    time::{Deadline, Remaining},
    wait::{self, Woken},
};

/// The lane and the value that travels with the turn (a receive buffer, for one).
///
/// The lock of the value is the turn. Nobody ever blocks on it, as that could not be ended by a deadline or by closing:
/// who finds it taken waits in line, with the condition variable. So an operation that finds its lane free, as nearly
/// all do, pays for one lock.
///
/// A lane begins a line of the processor's cache: the two directions of a connection, which two threads may use, do not
/// share one.
#[repr(align(64))]
pub(crate) struct Lane<T> {
    value: Mutex<T>,
    /// How many threads wait in line, so that nobody pays for a notification that no one needs.
    queued: AtomicU32,
    waits: Mutex<Waits>,
    changed: Condvar,
}

/// What waiting threads, and those that end waits, tell each other.
#[derive(Default)]
struct Waits {
    /// Wakes the thread that has the turn and waits for something.
    waker: Option<Arc<mio::Waker>>,
    /// Set by whoever wants that thread, or the next one, to look again before it waits on.
    nudged: bool,
    /// Set by whoever closes the lane; no wait begins afterwards.
    closed: bool,
}

/// Why a turn could not be had, or a wait brought nothing.
#[derive(Debug)]
pub(crate) enum NotNow {
    /// The deadline passed first.
    TimedOut,
    /// The lane was closed.
    Closed,
    /// The system's poll failed.
    Io(io::Error),
}

impl<T> Lane<T> {
    pub(crate) fn new(value: T) -> Lane<T> {
        Lane {
            value: Mutex::new(value),
            queued: AtomicU32::new(0),
            waits: Mutex::new(Waits::default()),
            changed: Condvar::new(),
        }
    }

    /// Waits for the turn.
    pub(crate) fn enter(&self, deadline: &mut Deadline) -> Result<Turn<'_, T>, NotNow> {
        match self.try_enter() {
            Some(turn) => Ok(turn),
            None => self.queue(Some(deadline)),
        }
    }

    /// Takes the turn if nobody has it.
    pub(crate) fn try_enter(&self) -> Option<Turn<'_, T>> {
        let value = match self.value.try_lock() {
            Ok(value) => value,
            // A panic in a user's closure has left the value as it was.
            Err(TryLockError::Poisoned(value)) => value.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        Some(Turn {
            lane: self,
            value: Some(value),
        })
    }

    /// Waits for the turn in a lane that was closed: whoever has it was told to end.
    pub(crate) fn enter_closed(&self) -> Turn<'_, T> {
        loop {
            if let Some(turn) = self.try_enter() {
                return turn;
            }
            if let Ok(turn) = self.queue(None) {
                return turn;
            }
        }
    }

    /// Waits in line: until the deadline or the closing of the lane, or, without a deadline, in any case.
    #[cold]
    fn queue(&self, mut deadline: Option<&mut Deadline>) -> Result<Turn<'_, T>, NotNow> {
        let mut waits = self.waits();
        self.queued.fetch_add(1, Ordering::SeqCst);
        // With its counterpart in the end of a turn: either we see that the turn is free, or its end sees us.
        fence(Ordering::SeqCst);
        let outcome = loop {
            if let Some(turn) = self.try_enter() {
                break Ok(turn);
            }
            let left = match &mut deadline {
                None => Remaining::Unlimited,
                Some(_) if waits.closed => break Err(NotNow::Closed),
                Some(deadline) => deadline.remaining(),
            };
            waits = match left {
                Remaining::Nothing => break Err(NotNow::TimedOut),
                Remaining::Unlimited => self
                    .changed
                    .wait(waits)
                    .unwrap_or_else(PoisonError::into_inner),
                Remaining::Time(left) => {
                    self.changed
                        .wait_timeout(waits, left)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0
                }
            };
        };
        self.queued.fetch_sub(1, Ordering::SeqCst);
        outcome
    }

    /// Tells those in line that the turn is free.
    #[inline]
    fn turn_ended(&self) {
        // Releasing a lock is a full barrier on x86 already, as every operation on memory that others see at once is.
        #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
        std::sync::atomic::compiler_fence(Ordering::SeqCst);
        #[cfg(not(any(target_arch = "x86", target_arch = "x86_64")))]
        fence(Ordering::SeqCst);
        if self.queued.load(Ordering::SeqCst) > 0 {
            // Who is in line holds this lock until it really waits.
            drop(self.waits());
            self.changed.notify_all();
        }
    }

    /// Ends every wait in the lane, now and in future. Turns can still be taken.
    pub(crate) fn close(&self) {
        let mut waits = self.waits();
        waits.closed = true;
        if let Some(waker) = &waits.waker {
            // The only failure is a closed event queue, whose thread then waits no more.
            let _ = waker.wake();
        }
        // Who is in line has counted itself under this lock.
        let queued = self.queued.load(Ordering::SeqCst);
        drop(waits);
        if queued > 0 {
            self.changed.notify_all();
        }
    }

    /// Lets waits happen again, after [`Lane::close`].
    pub(crate) fn reopen(&self) {
        self.waits().closed = false;
    }

    /// Makes the thread that waits in the lane look again; if there is none, the next one that would wait.
    pub(crate) fn nudge(&self) {
        let mut waits = self.waits();
        waits.nudged = true;
        if let Some(waker) = &waits.waker {
            let _ = waker.wake();
        }
    }

    fn waits(&self) -> MutexGuard<'_, Waits> {
        // A panic cannot leave it half changed: every critical section is a few assignments.
        self.waits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> fmt::Debug for Lane<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lane")
            .field(
                "busy",
                &matches!(self.value.try_lock(), Err(TryLockError::WouldBlock)),
            )
            .field("queued", &self.queued.load(Ordering::Relaxed))
            .field("closed", &self.waits().closed)
            .finish()
    }
}

/// The right to use a lane, given back when dropped.
pub(crate) struct Turn<'a, T> {
    lane: &'a Lane<T>,
    /// `Some` until dropped.
    value: Option<MutexGuard<'a, T>>,
}

impl<T> Turn<'_, T> {
    #[inline]
    pub(crate) fn value(&mut self) -> &mut T {
        self.value
            .as_mut()
            .expect("the value is only given back by drop")
    }

    /// Waits until `source` may be ready, the deadline passes or the lane is closed.
    pub(crate) fn wait(
        &self,
        source: Source<'_>,
        interest: Interest,
        left: Remaining,
    ) -> Result<(), NotNow> {
        if left == Remaining::Nothing {
            return Err(NotNow::TimedOut);
        }
        self.with_waker(|waiter| waiter.wait(Some((source, interest)), left))
    }

    /// Waits until the time has passed (which is `Ok`) or the lane is closed.
    pub(crate) fn pause(&self, time: Duration) -> Result<(), NotNow> {
        let mut deadline = Deadline::new(Some(time));
        loop {
            match deadline.remaining() {
                Remaining::Nothing => return Ok(()),
                left => match self.nap(left) {
                    Ok(()) | Err(NotNow::TimedOut) => {}
                    Err(other) => return Err(other),
                },
            }
        }
    }

    /// Waits until the lane is [nudged](Lane::nudge) (or perhaps less), the time has passed, or the lane is closed.
    pub(crate) fn nap(&self, left: Remaining) -> Result<(), NotNow> {
        if left == Remaining::Nothing {
            return Err(NotNow::TimedOut);
        }
        self.with_waker(|waiter| waiter.wait(None, left))
    }

    fn with_waker(
        &self,
        wait: impl FnOnce(&mut wait::Waiter) -> io::Result<Woken>,
    ) -> Result<(), NotNow> {
        wait::with_waiter(|waiter| {
            {
                let mut waits = self.lane.waits();
                if waits.closed {
                    return Err(NotNow::Closed);
                }
                if std::mem::take(&mut waits.nudged) {
                    return Ok(());
                }
                waits.waker = Some(waiter.waker());
            }
            let woken = wait(waiter);
            let mut waits = self.lane.waits();
            // Left in place, it would keep a descriptor of this thread open after the thread has ended.
            waits.waker = None;
            waits.nudged = false;
            if waits.closed {
                return Err(NotNow::Closed);
            }
            match woken {
                Ok(Woken::Event) => Ok(()),
                Ok(Woken::TimedOut) => Err(NotNow::TimedOut),
                Err(error) => Err(NotNow::Io(error)),
            }
        })
        .unwrap_or_else(|error| Err(NotNow::Io(error)))
    }
}

impl<T> Drop for Turn<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.value = None;
        self.lane.turn_ended();
    }
}

impl<T> fmt::Debug for Turn<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turn").finish_non_exhaustive()
    }
}
