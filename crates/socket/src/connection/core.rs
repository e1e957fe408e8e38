//! The stream of a connection, who holds it, and how closing takes it from them.

use std::{io, sync::Arc};

use standin_sync::Unpoisoned;

use super::waiting::Waiting;
use crate::{
    buffer::Buffer,
    state::{Event, LocalEnd, Stand, State},
    sync::{Mutex, MutexGuard},
    turn_lock::TurnLock,
};

/// The state of a connection, and its stream. Of the stream the turns of the two directions have a
/// hold each, so that using it costs no count of its users; the descriptor is gone with the last of
/// the three.
#[derive(Debug)]
pub(super) struct Core<S> {
    pub(super) state: State,
    /// For everything that needs no turn: options, shutting down. `None` once closed, and so are
    /// those of the turn locks.
    stream: Mutex<Option<Arc<S>>>,
    pub(super) receiving: TurnLock<Incoming<S>>,
    pub(super) sending: TurnLock<Outgoing<S>>,
}

/// What travels with the turn to receive.
#[derive(Debug)]
pub(super) struct Incoming<S> {
    /// `None` once closed.
    pub(super) stream: Option<Arc<S>>,
    pub(super) buffer: Buffer,
    pub(super) waiting: Waiting,
}

/// What travels with the turn to send.
#[derive(Debug)]
pub(super) struct Outgoing<S> {
    /// `None` once closed.
    pub(super) stream: Option<Arc<S>>,
    pub(super) waiting: Waiting,
}

impl<S> Core<S> {
    pub(super) fn new(stream: S) -> Core<S> {
        let stream = Arc::new(stream);
        Core {
            state: State::new(),
            stream: Mutex::new(Some(Arc::clone(&stream))),
            receiving: TurnLock::new(Incoming {
                stream: Some(Arc::clone(&stream)),
                buffer: Buffer::default(),
                waiting: Waiting::default(),
            }),
            sending: TurnLock::new(Outgoing {
                stream: Some(stream),
                waiting: Waiting::default(),
            }),
        }
    }

    pub(super) fn stand(&self) -> Stand {
        self.state.get()
    }

    pub(super) fn is_open(&self) -> bool {
        self.stand().local == LocalEnd::Open
    }

    /// Runs `f` on the stream, unless it is closed.
    pub(super) fn with_stream<R>(&self, f: impl FnOnce(&S) -> io::Result<R>) -> io::Result<R> {
        // Held while `f` runs, so that closing does not leave it with the last hold on the
        // descriptor.
        match &*self.stream() {
            Some(stream) => f(stream),
            None => Err(closed()),
        }
    }

    /// Closes the stream: lets `event` happen, does to the stream what makes waiting threads
    /// return, and lets go of it once none of them uses it any more. Only threads in the middle of
    /// a user's code are not waited for: they find the stream gone. Says whether it was this call
    /// that closed it; when another one has, waits for that.
    pub(super) fn close(&self, event: Event, interrupt: impl FnOnce(&S)) -> bool {
        let is_first = {
            // Held meanwhile, so that another thread that closes waits for it.
            let mut slot = self.stream();
            // First of all: a thread that finds its stream ended must be able to see who ended it.
            let (before, _) = self.state.apply(event);
            if let Some(stream) = slot.take() {
                interrupt(&stream);
            }
            before.local == LocalEnd::Open
        };
        if is_first {
            self.receiving.close();
            self.sending.close();
        }
        self.receiving.settle(|incoming| incoming.stream = None);
        self.sending.settle(|outgoing| outgoing.stream = None);
        is_first
    }

    fn stream(&self) -> MutexGuard<'_, Option<Arc<S>>> {
        self.stream.lock().unpoisoned()
    }
}

/// The error of what cannot be done to a closed connection.
pub(super) fn closed() -> io::Error {
    io::Error::new(
        io::ErrorKind::NotConnected,
        "the connection is closed on this side",
    )
}
