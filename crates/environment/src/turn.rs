//! The turns of an environment: one start or stop at a time, and deferred requests.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use standin_entity::{AnnouncedStop, Hold};
use standin_sync::Monitor;

/// An operation on an environment as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Operation {
    /// `start`.
    Start,
    /// `stop`, or dropping the guard.
    Stop,
    /// `restart`.
    Restart,
    /// `abort`.
    Abort,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Operation::Start => "start",
            Operation::Stop => "stop",
            Operation::Restart => "restart",
            Operation::Abort => "abort",
        })
    }
}

/// Why an operation cannot be begun.
pub(crate) enum Refused {
    /// It was called from within this operation, which it would wait for.
    Within(Operation),
    /// This operation of another thread has not ended in time.
    Busy(Operation),
}

/// A stop that was requested where it could not be done.
pub(crate) struct Deferred {
    /// Stops the environment.
    pub(crate) stop: Box<dyn FnOnce() + Send>,
    /// Makes the start in progress end soon.
    pub(crate) announced: Vec<AnnouncedStop>,
}

/// One operation at a time. An abort does not take part.
#[derive(Default)]
pub(crate) struct Turn {
    monitor: Monitor<State>,
}

#[derive(Default)]
struct State {
    under_way: Option<(Operation, Hold)>,
    aborts: Vec<Hold>,
    /// How many threads wait to stop the environment.
    stops: usize,
    /// What is stopped at the end of what is under way.
    deferred: Vec<Deferred>,
}

impl State {
    /// The operation that the present thread is in, if there is one to wait for.
    fn callers(&self) -> Option<Operation> {
        let (operation, hold) = self.under_way.as_ref()?;
        let in_abort = || self.aborts.iter().any(Hold::is_callers);
        if hold.is_callers() {
            Some(*operation)
        } else {
            in_abort().then_some(Operation::Abort)
        }
    }
}

impl Turn {
    /// The operation that the present thread was called from, if it is one of this environment.
    pub(crate) fn callers_operation(&self) -> Option<Operation> {
        self.monitor.lock().callers()
    }

    /// Whether another thread's operation would have to be waited for.
    pub(crate) fn is_busy(&self) -> bool {
        self.monitor.lock().under_way.is_some()
    }

    /// Whether a stop waits for what is under way.
    pub(crate) fn is_ending(&self) -> bool {
        let state = self.monitor.lock();
        state.stops > 0 || !state.deferred.is_empty()
    }

    /// Begins an operation, after that of another thread if there is one: waits for it until
    /// `until`. Before it waits it calls `announce`, if that is given, and keeps the answer
    /// while it waits: then the environment [is ending](Turn::is_ending).
    pub(crate) fn take<T>(
        &self,
        operation: Operation,
        until: Option<Instant>,
        mut announce: Option<impl FnOnce() -> T>,
    ) -> Result<Taken<'_>, Refused> {
        let mut _announced = None;
        let mut state = self.monitor.lock();
        loop {
            if let Some(callers) = state.callers() {
                return Err(Refused::Within(callers));
            }
            let Some((other, hold)) = state.under_way.clone() else {
                let hold = Hold::take();
                state.under_way = Some((operation, hold));
                return Ok(Taken(self));
            };
            if let Some(announce) = announce.take() {
                // Known before anybody is told, so that nothing slips through.
                state.stops += 1;
                drop(state);
                let ending = Ending(self);
                _announced = Some((announce(), ending));
                state = self.monitor.lock();
                continue;
            }
            let Some(_waiting) = hold.wait_for() else {
                return Err(Refused::Within(other));
            };
            if until.is_some_and(|until| until <= Instant::now()) {
                return Err(Refused::Busy(other));
            }
            state = self.monitor.wait(state, until);
        }
    }

    /// Leaves a stop to the end of the operation that is under way; gives it back when that
    /// has ended.
    pub(crate) fn defer(&self, stop: Deferred) -> Result<(), Deferred> {
        let mut state = self.monitor.lock();
        if state.under_way.is_none() {
            return Err(stop);
        }
        state.deferred.push(stop);
        Ok(())
    }

    /// Notes an abort by the present thread, until the answer is dropped.
    pub(crate) fn abort(self: &Arc<Self>) -> Aborting {
        let hold = Hold::take();
        self.monitor.lock().aborts.push(hold.clone());
        Aborting {
            turn: self.clone(),
            hold,
        }
    }
}

/// Counts a thread that waits to stop the environment.
struct Ending<'a>(&'a Turn);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.monitor.lock().stops -= 1;
    }
}

/// An operation under way. It ends when this is dropped, also by a panic, and then what was
/// left to it is stopped.
pub(crate) struct Taken<'a>(&'a Turn);

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        let deferred = {
            let monitor = &self.0.monitor;
            let mut state = monitor.lock();
            if let Some((_, hold)) = state.under_way.take() {
                hold.end();
            }
            monitor.notify_all();
            std::mem::take(&mut state.deferred)
        };
        for Deferred { stop, announced } in deferred {
            drop(announced);
            stop();
        }
    }
}

/// An abort under way.
pub(crate) struct Aborting {
    turn: Arc<Turn>,
    hold: Hold,
}

impl Drop for Aborting {
    fn drop(&mut self) {
        let mut state = self.turn.monitor.lock();
        let own = &self.hold;
        if let Some(place) = state.aborts.iter().position(|hold| hold.is(own)) {
            state.aborts.swap_remove(place);
        }
    }
}
