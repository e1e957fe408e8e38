//! The connects of a client, and its current connection.

use standin_sync::Unpoisoned;

use crate::{
    sync::{Mutex, MutexGuard},
    turn_lock::{NotNow, Part, Turn, TurnLock},
};

/// The one connection that a client may have at a time, and the turn lock of those who make it.
///
/// Several threads may connect, close and abort at once. The order of the turns decides: the last
/// one has made the client's connection. A close ends the connects that began before it, including
/// one that already has a connection and is about to [put](ConnectionSlot::put) it here; connects
/// that begin after the close are not affected.
#[derive(Debug)]
pub(super) struct ConnectionSlot<C> {
    /// The turn comes with the index of the next connection.
    lock: TurnLock<usize>,
    /// Changed, and the turn lock interrupted, under one lock: a connect that was interrupted has
    /// no effect afterwards.
    current: Mutex<Current<C>>,
}

#[derive(Debug)]
struct Current<C> {
    connection: Option<C>,
    is_aborted: bool,
}

impl<C: Clone> ConnectionSlot<C> {
    pub(super) fn new() -> ConnectionSlot<C> {
        ConnectionSlot {
            lock: TurnLock::new(0),
            current: Mutex::new(Current {
                connection: None,
                is_aborted: false,
            }),
        }
    }

    /// The place in line of one who connects.
    pub(super) fn part(&self) -> Part<'_, usize> {
        Part::of(&self.lock)
    }

    /// Begins to connect in a turn. Gives the connection to close first.
    pub(super) fn begin(&self, turn: &Turn<'_, usize>) -> Result<Option<C>, NotNow> {
        let mut current = self.current();
        if turn.is_over() {
            return Err(NotNow::Closed);
        }
        Ok(current.connection.take())
    }

    /// Makes `connection` the current one, and counts it, unless the turn was interrupted.
    pub(super) fn put(&self, turn: &mut Turn<'_, usize>, connection: &C) -> Result<(), NotNow> {
        // Under the lock, as closing does it: either we see that, or it sees the connection.
        let mut current = self.current();
        if turn.is_over() {
            return Err(NotNow::Closed);
        }
        *turn.value() += 1;
        current.connection = Some(connection.clone());
        Ok(())
    }

    /// Interrupts those who connect already, and gives the connection to close.
    pub(super) fn clear(&self) -> Option<C> {
        let mut current = self.current();
        self.lock.interrupt();
        current.connection.take()
    }

    /// Interrupts those who connect, now and in future, and gives the connection to abort.
    pub(super) fn abort(&self) -> Option<C> {
        let mut current = self.current();
        current.is_aborted = true;
        self.lock.close();
        current.connection.take()
    }

    pub(super) fn connection(&self) -> Option<C> {
        self.current().connection.clone()
    }

    pub(super) fn is_aborted(&self) -> bool {
        self.current().is_aborted
    }

    fn current(&self) -> MutexGuard<'_, Current<C>> {
        self.current.lock().unpoisoned()
    }
}
