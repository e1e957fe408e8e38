//! A turn lock guards one direction of a connection (or a server's accepting, a client's
//! connecting): one thread at a time uses it, others queue up with their own deadlines, and closing
//! ends every wait in it.

use std::{
    fmt, io, mem,
    sync::{TryLockError, atomic::Ordering},
    task::Waker,
    time::{Duration, Instant},
};

use standin_sync::Unpoisoned;

use crate::{
    sync::{AtomicU64, ThreadId, TryMutex, TryMutexGuard, current_thread},
    sys::{Interest, Source},
    time::{Deadline, Remaining},
    wait::{self, Woken},
};

#[cfg(all(test, loom))]
mod models;
mod wait_queue;

pub(crate) use self::wait_queue::WaitQueue;
use self::wait_queue::Wakes;

/// The turn lock and the value that travels with the turn (a receive buffer, for one).
///
/// The lock of the value is the turn. No thread ever blocks on it, as neither a deadline nor
/// closing could end that: a thread that finds it taken waits in line, on the condition variable.
/// So an operation that finds its turn lock free, as nearly all do, takes only one lock.
///
/// A turn in which user code runs is lent: no other thread gets a turn, but the lock is free, so
/// that closing reaches the value without waiting for that code. The turn of a waiting task is
/// lent, too: see [`Part`].
pub(crate) struct TurnLock<T> {
    slot: TryMutex<Slot<T>>,
    /// Changes with everything that ends waits; [`CLOSED`] once no more waits begin. Changed only
    /// by holders of the lock of the line.
    epoch: AtomicU64,
    line: WaitQueue,
}

/// The epoch of a closed turn lock.
const CLOSED: u64 = u64::MAX;

struct Slot<T> {
    value: T,
    /// Who has the turn without the lock.
    lender: Option<Lender>,
}

/// Who has a turn without the lock.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lender {
    /// The thread that runs a user's code in its turn.
    Thread(ThreadId),
    /// The thread that ends the [hold](Turn::hold), or continues in its [part](Part).
    Hold,
}

/// What became of asking for the turn.
enum Entry<'a, T> {
    Turn(Turn<'a, T>),
    Taken,
    /// Its holder has lent it. To see that took the lock for a moment, in which
    /// [`settle`](TurnLock::settle) may have found it taken: those in line have to look again.
    Lent,
    /// As `Lent`, by this very thread.
    Own,
}

/// Why a turn was not given, or a wait brought nothing.
#[derive(Debug)]
pub(crate) enum NotNow {
    /// The deadline passed first.
    TimedOut,
    /// The turn lock was closed.
    Closed,
    /// The system's poll failed.
    Io(io::Error),
}

impl<T> TurnLock<T> {
    pub(crate) fn new(value: T) -> TurnLock<T> {
        TurnLock {
            slot: TryMutex::new(Slot {
                value,
                lender: None,
            }),
            epoch: AtomicU64::new(0),
            line: WaitQueue::default(),
        }
    }

    /// Those who wait for the turn.
    pub(crate) fn line(&self) -> &WaitQueue {
        &self.line
    }

    /// Waits for the turn until the deadline. When that is zero, or has passed, a thread that works
    /// in its turn is let finish; one that waits for something is not.
    pub(crate) fn enter(&self, deadline: &mut Deadline) -> Result<Turn<'_, T>, NotNow> {
        let epoch = self.epoch();
        match self.try_enter() {
            Some(turn) => Ok(turn),
            None => self.wait_for_turn(epoch, deadline),
        }
    }

    /// Takes the turn if nobody has it.
    #[inline]
    pub(crate) fn try_enter(&self) -> Option<Turn<'_, T>> {
        match self.entry() {
            Entry::Turn(turn) => Some(turn),
            Entry::Taken => None,
            Entry::Lent | Entry::Own => {
                self.turn_ended();
                None
            }
        }
    }

    #[inline]
    fn entry(&self) -> Entry<'_, T> {
        let epoch = self.epoch();
        let Some(slot) = self.try_lock() else {
            return Entry::Taken;
        };
        match slot.lender {
            None => Entry::Turn(Turn {
                lock: self,
                epoch,
                slot: Some(slot),
            }),
            Some(Lender::Thread(lender)) if lender == current_thread().id() => Entry::Own,
            Some(_) => Entry::Lent,
        }
    }

    #[inline]
    fn try_lock(&self) -> Option<TryMutexGuard<'_, Slot<T>>> {
        match self.slot.try_lock() {
            Ok(slot) => Some(slot),
            // A user's code, which may panic, does not run under the lock.
            Err(TryLockError::Poisoned(slot)) => Some(slot.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    #[cold]
    fn wait_for_turn(&self, epoch: u64, deadline: &mut Deadline) -> Result<Turn<'_, T>, NotNow> {
        let mut waits = self.line.join();
        let outcome = loop {
            if self.is_over(epoch) {
                break Err(NotNow::Closed);
            }
            match self.entry() {
                Entry::Turn(turn) => break Ok(turn),
                Entry::Own => break Err(within_itself()),
                // Nobody in line looked meanwhile: this thread has the line's lock.
                Entry::Taken | Entry::Lent => {}
            }
            waits = match deadline.remaining() {
                Remaining::Nothing if self.line.idle.load(Ordering::SeqCst) => {
                    break Err(NotNow::TimedOut);
                }
                Remaining::Nothing | Remaining::Unlimited => self.line.wait(waits, None),
                Remaining::Time(left) => self.line.wait(waits, Some(left)),
            };
        };
        self.line.leave(waits);
        outcome
    }

    /// Does `f` to the value as soon as no thread works with it: for closing, which has ended every
    /// wait in the turn lock before. Does not wait for a user's code.
    pub(crate) fn settle(&self, f: impl FnOnce(&mut T)) {
        let mut slot = match self.try_lock() {
            Some(slot) => slot,
            None => self.lock_in_line(),
        };
        f(&mut slot.value);
        drop(slot);
        self.turn_ended();
    }

    /// Ends a [hold](Turn::hold), after `f` was done to the value.
    pub(crate) fn end_hold(&self, f: impl FnOnce(&mut T)) {
        let mut slot = match self.try_lock() {
            Some(slot) => slot,
            None => self.lock_in_line(),
        };
        f(&mut slot.value);
        slot.lender = None;
        self.line.idle.store(false, Ordering::SeqCst);
        drop(slot);
        self.turn_ended();
    }

    #[cold]
    fn lock_in_line(&self) -> TryMutexGuard<'_, Slot<T>> {
        let mut waits = self.line.join();
        let slot = loop {
            match self.try_lock() {
                Some(slot) => break slot,
                None => waits = self.line.wait(waits, None),
            }
        };
        self.line.leave(waits);
        slot
    }

    /// Says to those in line that the lock is free.
    #[inline]
    fn turn_ended(&self) {
        // Releasing a lock is a full barrier on x86 already, as every operation on memory that
        // others see at once is.
        #[cfg(all(any(target_arch = "x86", target_arch = "x86_64"), not(loom)))]
        std::sync::atomic::compiler_fence(Ordering::SeqCst);
        #[cfg(any(loom, not(any(target_arch = "x86", target_arch = "x86_64"))))]
        crate::sync::fence(Ordering::SeqCst);
        self.line.wake();
    }

    /// Ends every wait in the turn lock, now and in future. Turns can still be taken.
    pub(crate) fn close(&self) {
        self.end_epoch(|_| CLOSED);
    }

    /// Ends the waits of those who have the turn, or stand in line for it, already.
    pub(crate) fn interrupt(&self) {
        self.end_epoch(|epoch| if epoch == CLOSED { CLOSED } else { epoch + 1 });
    }

    fn end_epoch(&self, next: impl FnOnce(u64) -> u64) {
        let waits = self.line.lock();
        self.epoch.store(next(self.epoch()), Ordering::SeqCst);
        let task = waits.wake();
        drop(waits);
        wake(task);
        self.line.wake();
    }

    #[inline]
    fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::SeqCst)
    }

    /// Whether waits that began in `epoch` are to end.
    fn is_over(&self, epoch: u64) -> bool {
        epoch == CLOSED || epoch != self.epoch()
    }

    /// Makes the thread that waits in the turn lock look again; if there is none, the next one that
    /// would wait.
    pub(crate) fn wake_waiting(&self) {
        let mut waits = self.line.lock();
        waits.wake_requested = true;
        let task = waits.wake();
        drop(waits);
        wake(task);
    }
}

/// The error of who would wait for itself.
fn within_itself() -> NotNow {
    NotNow::Io(io::Error::new(
        io::ErrorKind::Deadlock,
        "what a receive calls cannot receive on the same connection",
    ))
}

/// Wakes a task, if there is one; under no lock, as it is the code of a runtime.
fn wake(task: Option<Waker>) {
    if let Some(task) = task {
        task.wake();
    }
}

impl<T> fmt::Debug for TurnLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_lent = self.try_lock().map(|slot| slot.lender.is_some());
        if is_lent.is_some() {
            self.turn_ended();
        }
        f.debug_struct("TurnLock")
            .field("busy", &is_lent.unwrap_or(true))
            .field("queued", &self.line.queued.load(Ordering::Relaxed))
            .field("closed", &(self.epoch() == CLOSED))
            .finish()
    }
}

/// The right to use a turn lock, given back when dropped.
pub(crate) struct Turn<'a, T> {
    lock: &'a TurnLock<T>,
    /// The turn lock's when the turn was taken.
    epoch: u64,
    /// `None` while the turn is lent, and once it has ended.
    slot: Option<TryMutexGuard<'a, Slot<T>>>,
}

impl<'a, T> Turn<'a, T> {
    #[inline]
    pub(crate) fn value(&mut self) -> &mut T {
        self.parts().0
    }

    /// The value, and the line, for a thread that waits for something while it has the value.
    #[inline]
    pub(crate) fn parts(&mut self) -> (&mut T, &'a WaitQueue) {
        let slot = self
            .slot
            .as_mut()
            .expect("the value is given back by drop only, and lent only for the time of a call");
        (&mut slot.value, &self.lock.line)
    }

    /// Whether what waits in this turn is to end.
    pub(crate) fn is_over(&self) -> bool {
        self.lock.is_over(self.epoch)
    }

    /// Runs `f`, a user's code: it may take as long as it likes, and close what the turn lock
    /// belongs to.
    pub(crate) fn lend<R>(&mut self, f: impl FnOnce() -> R) -> R {
        /// Takes the turn back, also when `f` panics.
        struct TakeBack<'b, 'a, T>(&'b mut Turn<'a, T>);
        impl<T> Drop for TakeBack<'_, '_, T> {
            fn drop(&mut self) {
                let lock = self.0.lock;
                // Others hold it for moments only: to see that the turn is lent, and to close.
                let mut slot = lock.slot.lock().unpoisoned();
                slot.lender = None;
                lock.line.idle.store(false, Ordering::SeqCst);
                self.0.slot = Some(slot);
            }
        }
        self.lock.line.idle.store(true, Ordering::SeqCst);
        if let Some(mut slot) = self.slot.take() {
            slot.lender = Some(Lender::Thread(current_thread().id()));
        }
        self.lock.turn_ended();
        let _take_back = TakeBack(self);
        f()
    }

    /// Keeps the turn from everybody until [`TurnLock::end_hold`], from whichever thread. The lock
    /// is free meanwhile, so that closing gets at the value.
    pub(crate) fn hold(mut self) {
        self.lock.line.idle.store(true, Ordering::SeqCst);
        if let Some(slot) = &mut self.slot {
            slot.lender = Some(Lender::Hold);
        }
    }

    /// Waits until `source` may be ready, the deadline passes or the turn lock is closed.
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

    /// Waits until the time has passed (which is `Ok`) or the turn lock is closed.
    pub(crate) fn pause(&self, time: Duration) -> Result<(), NotNow> {
        let mut deadline = Deadline::new(Some(time));
        loop {
            match deadline.remaining() {
                Remaining::Nothing => return Ok(()),
                left => match self.wait_for_wake(left) {
                    Ok(()) | Err(NotNow::TimedOut) => {}
                    Err(other) => return Err(other),
                },
            }
        }
    }

    /// The same until a time.
    pub(crate) fn pause_until(&self, until: Instant) -> Result<(), NotNow> {
        self.pause(until.saturating_duration_since(Instant::now()))
    }

    /// Waits until the turn lock is [woken](TurnLock::wake_waiting) (or perhaps less), the time has
    /// passed, or the turn lock is closed.
    pub(crate) fn wait_for_wake(&self, left: Remaining) -> Result<(), NotNow> {
        if left == Remaining::Nothing {
            return Err(NotNow::TimedOut);
        }
        self.with_waker(|waiter| waiter.wait(None, left))
    }

    fn with_waker(
        &self,
        wait: impl FnOnce(&mut wait::Waiter) -> io::Result<Woken>,
    ) -> Result<(), NotNow> {
        let line = &self.lock.line;
        wait::with_waiter(|waiter| {
            {
                let mut waits = line.lock();
                if self.is_over() {
                    return Err(NotNow::Closed);
                }
                if std::mem::take(&mut waits.wake_requested) {
                    return Ok(());
                }
                waits.waker = Some(Wakes::Thread(waiter.waker()));
            }
            let woken = line.idle_while(|| wait(waiter));
            let mut waits = line.lock();
            // Left in place, it would keep a descriptor of this thread open after the thread has
            // ended.
            waits.waker = None;
            waits.wake_requested = false;
            if self.is_over() {
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
        self.slot = None;
        self.lock.turn_ended();
    }
}

impl<T> fmt::Debug for Turn<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turn").finish_non_exhaustive()
    }
}

/// What a task has of a turn lock from one try to the next, as it cannot hold a lock meanwhile: its
/// turn, lent, once it has got one. Dropping it gives the turn back.
pub(crate) struct Part<'a, T> {
    lock: &'a TurnLock<T>,
    /// The turn lock's at the first try.
    epoch: Option<u64>,
    has_turn: bool,
}

impl<'a, T> Part<'a, T> {
    pub(crate) fn of(lock: &'a TurnLock<T>) -> Part<'a, T> {
        Part {
            lock,
            epoch: None,
            has_turn: false,
        }
    }

    /// Takes the turn up again, or waits for it as [`TurnLock::enter`] does.
    #[inline]
    pub(crate) fn enter(&mut self, deadline: &mut Deadline) -> Result<Turn<'a, T>, NotNow> {
        match self.epoch {
            Some(epoch) if self.has_turn => Ok(self.take_back(epoch)),
            _ => self.lock.enter(deadline),
        }
    }

    /// Takes the turn up again, or gets one. With `None`, `waker` is woken when to try again.
    pub(crate) fn resume(&mut self, waker: &Waker) -> Result<Option<Turn<'a, T>>, NotNow> {
        let epoch = *self.epoch.get_or_insert_with(|| self.lock.epoch());
        if self.has_turn {
            return Ok(Some(self.take_back(epoch)));
        }
        if self.lock.is_over(epoch) {
            return Err(NotNow::Closed);
        }
        let mut turn = match self.lock.try_enter() {
            Some(turn) => Some(turn),
            None => self.join(epoch, waker)?,
        };
        if let Some(turn) = &mut turn {
            turn.epoch = epoch;
        }
        Ok(turn)
    }

    #[cold]
    fn join(&self, epoch: u64, waker: &Waker) -> Result<Option<Turn<'a, T>>, NotNow> {
        let line = &self.lock.line;
        let mut waits = line.join();
        let outcome = if self.lock.is_over(epoch) {
            Err(NotNow::Closed)
        } else {
            match self.lock.entry() {
                Entry::Turn(turn) => Ok(Some(turn)),
                Entry::Own => Err(within_itself()),
                Entry::Taken | Entry::Lent => Ok(None),
            }
        };
        let is_new = || !waits.tasks.iter().any(|task| task.will_wake(waker));
        if matches!(outcome, Ok(None)) && is_new() {
            // It stays counted until it is woken.
            waits.tasks.push(waker.clone());
        } else {
            line.leave(waits);
        }
        outcome
    }

    /// Keeps the turn until the next try. Wakes `waker` when what waits in the turn lock is to end,
    /// or is [to look again](TurnLock::wake_waiting).
    pub(crate) fn suspend(&mut self, turn: Turn<'a, T>, waker: &Waker) {
        let line = &self.lock.line;
        turn.hold();
        self.has_turn = true;
        let mut waits = line.lock();
        let is_over = self.epoch.is_some_and(|epoch| self.lock.is_over(epoch));
        if is_over || mem::take(&mut waits.wake_requested) {
            drop(waits);
            waker.wake_by_ref();
        } else {
            waits.waker = Some(Wakes::Task(waker.clone()));
        }
    }

    /// Whether it has the turn, or probably gets it at once.
    pub(crate) fn is_next(&self) -> bool {
        self.has_turn || !self.lock.line.idle.load(Ordering::Relaxed)
    }

    /// Has the holder of the turn look again, unless that is this part.
    pub(crate) fn yield_place(&self) {
        if !self.has_turn {
            self.lock.wake_waiting();
        }
    }

    fn take_back(&mut self, epoch: u64) -> Turn<'a, T> {
        let lock = self.lock;
        {
            let mut waits = lock.line.lock();
            waits.waker = None;
            waits.wake_requested = false;
        }
        // Others hold it for moments only: to see that the turn is lent, and to close.
        let mut slot = lock.slot.lock().unpoisoned();
        slot.lender = None;
        lock.line.idle.store(false, Ordering::SeqCst);
        self.has_turn = false;
        Turn {
            lock,
            epoch,
            slot: Some(slot),
        }
    }
}

impl<T> Part<'_, T> {
    /// Gives the turn back, if there is one; says so.
    pub(crate) fn give_back(&mut self) -> bool {
        let epoch = self.epoch.filter(|_| self.has_turn);
        epoch.map(|epoch| self.take_back(epoch)).is_some()
    }
}

impl<T> Drop for Part<'_, T> {
    fn drop(&mut self) {
        self.give_back();
    }
}

impl<T> fmt::Debug for Part<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Part")
            .field("has_turn", &self.has_turn)
            .finish_non_exhaustive()
    }
}
