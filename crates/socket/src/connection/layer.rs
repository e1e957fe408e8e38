//! The transform of a connection, and what of it travels with each turn.

use std::{any::Any, fmt, io, sync::Arc, sync::atomic::Ordering};

use standin_sync::Unpoisoned;

use crate::{
    sync::{AtomicBool, Mutex, fence},
    transform::{Received, Transform, TransformError},
    turn_lock::{Turn, TurnLock},
};

/// How much is read from the wire at once: more after a read that has filled what there was. The
/// second is three records of TLS: with fewer there are more calls, with more the bytes leave the
/// fast caches of a processor before they are decrypted.
const WIRE: [usize; 2] = [4 << 10, 51 << 10];

/// The transform of a connection. Both directions use it, each from within its turn, and for
/// moments only: neither waits for the wire meanwhile.
///
/// Only the holder of the turn to send writes to the wire. A receive that finds something to send,
/// such as an alert, takes that turn if it is free; otherwise its holder looks again after having
/// given it back.
pub(super) struct Layer {
    transform: Mutex<Box<dyn Transform>>,
    has_output: AtomicBool,
}

/// The state that belongs to the turn to receive.
#[derive(Debug)]
pub(super) struct LayerIn {
    pub(super) layer: Arc<Layer>,
    /// What was read from the wire.
    wire: Vec<u8>,
    /// How much of it was taken, and how much there is.
    taken: usize,
    filled: usize,
}

/// The state that belongs to the turn to send.
#[derive(Debug)]
pub(super) struct LayerOut {
    pub(super) layer: Arc<Layer>,
    /// How many bytes of the next send are in there already: it was tried before.
    pub(super) tried: usize,
}

impl Layer {
    pub(super) fn new(transform: Box<dyn Transform>) -> Layer {
        Layer {
            transform: Mutex::new(transform),
            has_output: AtomicBool::new(false),
        }
    }

    pub(super) fn details(&self) -> Option<Arc<dyn Any + Send + Sync>> {
        self.transform.lock().unpoisoned().details()
    }

    /// Lets `flush` write what a receive has left to send, in the turn to send, unless a thread
    /// has that currently: it calls this afterwards. `flush` says whether to continue.
    pub(super) fn flush_if_free<T>(
        &self,
        sending: &TurnLock<T>,
        mut flush: impl FnMut(&mut Turn<'_, T>) -> bool,
    ) {
        while self.has_output() {
            let Some(mut turn) = sending.try_enter() else {
                return;
            };
            if !flush(&mut turn) {
                return;
            }
        }
    }

    /// Whether something was left to send.
    fn has_output(&self) -> bool {
        // With its counterpart where a turn ends: either we see that the turn is free, or its
        // holder sees what is left.
        fence(Ordering::SeqCst);
        self.has_output.load(Ordering::SeqCst)
    }

    /// Makes what stands for `bytes`, for the holder of the turn to send.
    pub(super) fn send(&self, bytes: &[u8]) -> Result<(), TransformError> {
        self.transform.lock().unpoisoned().send(bytes)
    }

    /// Makes what says that nothing more will be sent.
    pub(super) fn close(&self) {
        self.transform.lock().unpoisoned().close();
    }

    /// Writes to `wire`, which does not wait, some of what there is to send, for the holder of the
    /// turn to send. Says whether that was all.
    pub(super) fn write(&self, wire: &mut dyn io::Write) -> io::Result<bool> {
        let mut transform = self.transform.lock().unpoisoned();
        let outcome = match transform.wants_write() {
            true => transform.write_wire(wire),
            false => Ok(()),
        };
        let is_left = transform.wants_write();
        self.has_output.store(is_left, Ordering::SeqCst);
        outcome.map(|()| !is_left)
    }

    pub(super) fn wire_ended(&self) -> Result<(), TransformError> {
        self.transform.lock().unpoisoned().wire_ended()
    }
}

impl LayerIn {
    pub(super) fn new(layer: Arc<Layer>, wire: Vec<u8>) -> LayerIn {
        LayerIn {
            layer,
            taken: 0,
            filled: wire.len(),
            wire,
        }
    }

    /// Gives what can be received without reading from the wire, as much as `target` has room for.
    pub(super) fn receive(&mut self, target: &mut [u8]) -> Result<Received, TransformError> {
        let layer = &*self.layer;
        let mut transform = layer.transform.lock().unpoisoned();
        let mut count = 0;
        loop {
            let received = match transform.receive(&mut target[count..]) {
                Ok(Received::Bytes(more)) => {
                    count += more;
                    if count == target.len() {
                        return Ok(Received::Bytes(count));
                    }
                    continue;
                }
                // What ends it is found again when nothing is left to hand over.
                _ if count > 0 && self.taken == self.filled => return Ok(Received::Bytes(count)),
                Ok(Received::Ended) | Err(_) if count > 0 => return Ok(Received::Bytes(count)),
                received => received?,
            };
            if received == Received::Ended || self.taken == self.filled {
                return Ok(received);
            }
            let mut wire = &self.wire[self.taken..self.filled];
            let outcome = transform.read_wire(&mut wire);
            self.taken = self.filled - wire.len();
            if transform.wants_write() {
                layer.has_output.store(true, Ordering::SeqCst);
            }
            match outcome {
                Err(_) if count > 0 => return Ok(Received::Bytes(count)),
                outcome => outcome?,
            }
        }
    }

    /// Where more from the wire is to be put; nothing of what is there is left.
    pub(super) fn room(&mut self) -> &mut [u8] {
        let least = if self.filled == self.wire.len() {
            self.filled + 1
        } else {
            self.wire.len()
        };
        let size = WIRE.into_iter().find(|size| *size >= least);
        self.wire.resize(size.unwrap_or(WIRE[1]), 0);
        (self.taken, self.filled) = (0, 0);
        &mut self.wire
    }

    /// So many bytes were put there.
    pub(super) fn filled(&mut self, count: usize) {
        self.filled = count;
    }
}

impl LayerOut {
    pub(super) fn new(layer: Arc<Layer>) -> LayerOut {
        LayerOut { layer, tried: 0 }
    }
}

impl fmt::Debug for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Layer").finish_non_exhaustive()
    }
}
