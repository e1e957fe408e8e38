//! A lane is one direction of a connection (or a server's accepting, a client's connecting): one thread at a time uses
//! it, others queue up with their own deadlines, and closing ends every wait in it.

use std::{
    fmt, io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::{
    sys::{Interest, Source},
    time::{Deadline, Remaining},
    wait::{self, Woken},
};

/// The lane and the value that travels with the turn (a receive buffer, for one).
pub(crate) struct Lane<T> {
    state: Mutex<LaneState<T>>,
    turn_ended: Condvar,
}

struct LaneState<T> {
    /// Taken while a thread has its turn.
    value: Option<T>,
    /// How many threads wait for their turn, so that nobody pays for a notification that no one needs.
    queued: u32,
    /// Wakes the thread that has the turn and waits for the socket.
    waker: Option<Arc<mio::Waker>>,
    /// Set by whoever wants the waiting thread, or the next one, to look again before it waits on.
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
            state: Mutex::new(LaneState {
                value: Some(value),
                queued: 0,
                waker: None,
                nudged: false,
                closed: false,
            }),
            turn_ended: Condvar::new(),
        }
    }

    /// Waits for the turn.
    pub(crate) fn enter(&self, deadline: &mut Deadline) -> Result<Turn<'_, T>, NotNow> {
        let mut state = self.lock();
        if state.value.is_none() {
            state = self.queue(state, deadline)?;
        }
        match state.value.take() {
            Some(value) => Ok(Turn {
                lane: self,
                value: Some(value),
            }),
            None => Err(NotNow::TimedOut),
        }
    }

    /// Takes the turn if nobody has it.
    pub(crate) fn try_enter(&self) -> Option<Turn<'_, T>> {
        let value = self.lock().value.take()?;
        Some(Turn {
            lane: self,
            value: Some(value),
        })
    }

    /// Comes back with the value in place.
    #[cold]
    fn queue<'a>(
        &'a self,
        mut state: MutexGuard<'a, LaneState<T>>,
        deadline: &mut Deadline,
    ) -> Result<MutexGuard<'a, LaneState<T>>, NotNow> {
        state.queued += 1;
        let outcome = loop {
            if state.value.is_some() {
                break Ok(());
            }
            if state.closed {
                break Err(NotNow::Closed);
            }
            state = match deadline.remaining() {
                Remaining::Nothing => break Err(NotNow::TimedOut),
                Remaining::Unlimited => self
                    .turn_ended
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner),
                Remaining::Time(left) => {
                    self.turn_ended
                        .wait_timeout(state, left)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0
                }
            };
        };
        state.queued -= 1;
        outcome.map(|()| state)
    }

    /// Ends every wait in the lane, now and in future. Turns can still be taken, so that what was received before
    /// stays readable.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        if let Some(waker) = &state.waker {
            // The only failure is a closed event queue, whose thread then waits no more.
            let _ = waker.wake();
        }
        drop(state);
        self.turn_ended.notify_all();
    }

    /// Waits for the turn in a lane that was closed: whoever has it was told to end.
    pub(crate) fn enter_closed(&self) -> Turn<'_, T> {
        let mut state = self.lock();
        state.queued += 1;
        let value = loop {
            match state.value.take() {
                Some(value) => break value,
                None => {
                    state = self
                        .turn_ended
                        .wait(state)
                        .unwrap_or_else(PoisonError::into_inner)
                }
            }
        };
        state.queued -= 1;
        Turn {
            lane: self,
            value: Some(value),
        }
    }

    /// Lets waits happen again, after [`Lane::close`].
    pub(crate) fn reopen(&self) {
        self.lock().closed = false;
    }

    /// Makes the thread that waits in the lane look again; if there is none, the next one that would wait.
    pub(crate) fn nudge(&self) {
        let mut state = self.lock();
        state.nudged = true;
        if let Some(waker) = &state.waker {
            let _ = waker.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, LaneState<T>> {
        // A panic cannot leave the state half changed: every critical section is a few assignments.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> fmt::Debug for Lane<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("Lane")
            .field("busy", &state.value.is_none())
            .field("queued", &state.queued)
            .field("closed", &state.closed)
            .finish()
    }
}

/// The right to use a lane, given back when dropped.
pub(crate) struct Turn<'a, T> {
    lane: &'a Lane<T>,
    /// `Some` until dropped.
    value: Option<T>,
}

impl<T> Turn<'_, T> {
    pub(crate) fn value(&mut self) -> &mut T {
        self.value
            .as_mut()
            .expect("the value is only taken by drop")
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
                let mut state = self.lane.lock();
                if state.closed {
                    return Err(NotNow::Closed);
                }
                if std::mem::take(&mut state.nudged) {
                    return Ok(());
                }
                state.waker = Some(waiter.waker());
            }
            let woken = wait(waiter);
            let mut state = self.lane.lock();
            // Left in place, it would keep a descriptor of this thread open after the thread has ended.
            state.waker = None;
            state.nudged = false;
            if state.closed {
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
    fn drop(&mut self) {
        let mut state = self.lane.lock();
        state.value = self.value.take();
        let queued = state.queued > 0;
        drop(state);
        if queued {
            self.lane.turn_ended.notify_one();
        }
    }
}

impl<T> fmt::Debug for Turn<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turn").finish_non_exhaustive()
    }
}
