//! The stream of a connection, its holders, and how closing takes it from them.

use std::{
    io,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use standin_sync::Unpoisoned;

use super::{
    layer::{Layer, LayerIn, LayerOut},
    waiting::Waiting,
};
use crate::{
    buffer::Buffer,
    state::{Event, LocalEnd, Stand, State},
    sync::{Mutex, MutexGuard},
    turn_lock::TurnLock,
};

/// The state of a connection, and its stream. Of the stream the turns of the two directions have a
/// hold each, so that using it costs no count of its users; the descriptor is gone with the last of
/// the three.
///
/// The order of the fields counts: two threads may use the two directions at once, and between
/// their turn locks is what seldom changes, so that they do not share a line of the processor's
/// cache. To align them to such lines would take a fifth more memory for each connection.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Core<S> {
    pub(super) receiving: TurnLock<Incoming<S>>,
    pub(super) returned: Returned,
    /// For everything that needs no turn: options, shutting down. `None` once closed, and so are
    /// those of the turn locks.
    stream: Mutex<Option<Arc<S>>>,
    /// What the turns have a hold of, too, for what needs no turn.
    pub(super) layer: OnceLock<Arc<Layer>>,
    pub(super) state: State,
    pub(super) sending: TurnLock<Outgoing<S>>,
}

/// Bytes that were handed back: they come before those in the receive buffer.
#[derive(Debug, Default)]
pub(super) struct Returned {
    has_any: AtomicBool,
    bytes: std::sync::Mutex<Vec<u8>>,
}

impl Returned {
    pub(super) fn has_any(&self) -> bool {
        self.has_any.load(Ordering::Relaxed)
    }

    /// Puts `bytes` before those that are here.
    pub(super) fn put(&self, mut bytes: Vec<u8>) {
        let mut returned = self.bytes.lock().unpoisoned();
        bytes.append(&mut returned);
        *returned = bytes;
        self.has_any.store(true, Ordering::Release);
    }

    pub(super) fn take(&self) -> Option<Vec<u8>> {
        // Looked at before it is changed: nearly always nothing was handed back.
        let has_any = self.has_any() && self.has_any.swap(false, Ordering::AcqRel);
        has_any.then(|| std::mem::take(&mut *self.bytes.lock().unpoisoned()))
    }
}

/// The state that belongs to the turn to receive.
#[derive(Debug)]
pub(super) struct Incoming<S> {
    /// `None` once closed.
    pub(super) stream: Option<Arc<S>>,
    pub(super) buffer: Buffer,
    pub(super) waiting: Waiting,
    /// The bytes on the wire differ from those received.
    pub(super) layer: Option<Box<LayerIn>>,
}

/// The state that belongs to the turn to send.
#[derive(Debug)]
pub(super) struct Outgoing<S> {
    /// `None` once closed.
    pub(super) stream: Option<Arc<S>>,
    pub(super) waiting: Waiting,
    /// The bytes on the wire differ from those sent.
    pub(super) layer: Option<Box<LayerOut>>,
}

impl<S> Core<S> {
    pub(super) fn new(stream: S) -> Core<S> {
        let stream = Arc::new(stream);
        Core {
            state: State::new(),
            returned: Returned::default(),
            stream: Mutex::new(Some(Arc::clone(&stream))),
            layer: OnceLock::new(),
            receiving: TurnLock::new(Incoming {
                stream: Some(Arc::clone(&stream)),
                buffer: Buffer::default(),
                waiting: Waiting::default(),
                layer: None,
            }),
            sending: TurnLock::new(Outgoing {
                stream: Some(stream),
                waiting: Waiting::default(),
                layer: None,
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

    /// Closes the stream: applies `event`, makes waiting threads return, and releases the stream
    /// once no thread uses it. It does not wait for threads in the middle of user code: they find
    /// the stream gone. Returns whether this call closed it; if another one has, waits for that.
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

    /// A hold on the stream of your own; `None` if it is closed.
    pub(super) fn hold_stream(&self) -> Option<Arc<S>> {
        self.stream().clone()
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
